"""Every sentence that a person reads, in their language, and printed so that their console can show it.

Standard library only.
"""

from __future__ import annotations

import codecs
import ctypes
import io
import json
import locale
import os
import re
import sys
import unicodedata
from functools import lru_cache
from pathlib import Path

LANGUAGES = ("en", "de", "es", "fr", "ja", "ko", "pt-BR", "ru", "zh-CN")
# By the first part of a locale's name, and by what the C library of Windows calls them.
_NAMES = ("english", "german", "spanish", "french", "japanese", "korean", "portuguese", "russian", "chinese")
_BY_NAME = {**{language.partition("-")[0]: language for language in LANGUAGES}, **dict(zip(_NAMES, LANGUAGES))}
_FOLDER = Path(__file__).resolve().parent / "locale"
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


class Texts:
    """The texts of one language; an instance is called with a key and the values of its placeholders."""

    def __init__(self, language: str) -> None:
        self.language = language if language in LANGUAGES else "en"
        self._texts = _load(self.language)

    def __call__(self, key: str, **values: object) -> str:
        text = self._texts.get(key)
        if text is None:
            return key
        try:
            return text.format(**values)
        except (KeyError, IndexError, ValueError):
            return text

    def starting(self, beginning: str) -> dict[str, str]:
        """The texts whose keys begin so, by their keys, placeholders as they are."""
        return {key: text for key, text in self._texts.items() if key.startswith(beginning)}


def megabytes(size: int) -> str:
    """A number of bytes as the texts' placeholders want it, in millions."""
    return f"{size / 1e6:.1f}"


@lru_cache(maxsize=None)
def _load(language: str) -> dict[str, str]:
    return json.loads((_FOLDER / f"{language}.json").read_text(encoding="utf-8"))


def language_of(name: str | None) -> str:
    """The language to use for a locale name such as "zh-CN", "zh_TW.UTF-8", "en-US" or "Chinese (Simplified)_China"."""
    return known_language(name or "") or "en"


def known_language(name: str) -> str | None:
    """As `language_of`, but None for a language that there are no texts in."""
    return _BY_NAME.get(re.split(r"[-_.@ (]", name.strip().lower(), maxsplit=1)[0])


def names_of_languages() -> dict[str, str]:
    """What each language is called in it."""
    return {language: Texts(language)("language.name") for language in LANGUAGES}


def system_texts() -> Texts:
    """To print: in the language of the shell or the operating system; in English where its letters are missing."""
    prepare_console()
    texts = Texts(language_of(_name_of_language()))
    return texts if _can_show(texts("command.about")) else Texts("en")


def _name_of_language() -> str | None:
    chosen = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), None)
    if chosen:
        return chosen
    try:
        if sys.platform == "win32":  # in which it talks to the person: their dates and numbers may have another
            return locale.windows_locale.get(ctypes.windll.kernel32.GetUserDefaultUILanguage())
        return locale.getlocale()[0]
    except ValueError:
        return None


# Consoles that lack letters, as Windows' with an older code page


def prepare_console() -> None:
    """What a console can't show is printed as what comes nearest to it: é as e, … as three dots."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_NEAREST)


def _can_show(text: str) -> bool:
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
