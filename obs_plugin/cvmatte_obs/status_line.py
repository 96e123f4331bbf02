"""The state in a portrait's properties, in as much room as ever: no row below it moves while somebody aims at one.

Lines are broken here: a label of Qt's that does it is as high as it guesses, and makes the rows around it higher.
"""

from __future__ import annotations

import html
import unicodedata
from typing import Iterator

_LINE = 68  # what goes into one at the dialog's default width, counted in Latin letters
_ERROR = "#c98209"  # seen on dark and on light themes. OBS's own warnings have other margins, and would move the rows


def line(state: str, note: str) -> tuple[str, bool]:
    """One line of the state, or of a button's note where there is one; and whether that is all of both."""
    first, *others = _broken(note or state)
    if others:
        while _width(first) >= _LINE:  # one for the dots
            first = first[:-1]
        first = f"{first}…"
    return first, not others and not (note and state)


def all_lines(state: str, note: str) -> list[str]:
    return [line for text in (state, note) if text for line in _broken(text)]


def rich_text(lines: list[str], is_error: bool) -> str:
    # Never plain text: a file's name may look like a tag.
    text = "<br>".join(html.escape(line, quote=False) or "&nbsp;" for line in lines)
    return f'<span style="color: {_ERROR}">{text}</span>' if is_error else f"<span>{text}</span>"


def with_room(text: str, lines: int) -> str:
    """Rich text that is at least so many lines high."""
    filler = "<br>".join(["&nbsp;"] * lines)
    return f'<table cellspacing="0" cellpadding="0"><tr><td>{text}</td><td>{filler}</td></tr></table>'


def _broken(text: str) -> Iterator[str]:
    while _width(text) > _LINE:
        end = len(text)
        while _width(text[:end]) > _LINE:
            end -= 1
        blank = text.rfind(" ", end // 2, end + 1)
        yield text[: blank if blank > 0 else end]
        text = text[blank + 1 if blank > 0 else end :]
    yield text


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
