"""Printing on consoles that lack letters, as Windows' with an older code page. Standard library only."""

from __future__ import annotations

import codecs
import io
import sys
import unicodedata

_NEAREST = "cvmatte-nearest"
_PLAIN = {
    **dict.fromkeys("„“”«»", '"'),
    **dict.fromkeys("‚‘’", "'"),
    **dict.fromkeys("–—−‑", "-"),
    "→": "->",
    "×": "x",
    "±": "+-",
    "ß": "ss",
    "æ": "ae",
    "œ": "oe",
    "ø": "o",
    "·": "-",
}


def prepare() -> None:
    """What a console can't show is printed as what comes nearest to it: é as e, … as three dots."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_NEAREST)


def can_show(text: str) -> bool:
    """Whether somebody could read this text on the console."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return b"?" not in text.replace("?", "").encode(encoding, _NEAREST)


def _nearest(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_plain, error.object[error.start : error.end])), error.end


def _plain(letter: str) -> str:
    """In ASCII, which everything shows."""
    parts = unicodedata.normalize("NFKD", letter)
    plain = "".join(part for part in parts if part.isascii())
    return _PLAIN.get(letter) or plain or ("" if unicodedata.combining(letter) else "?")


codecs.register_error(_NEAREST, _nearest)
