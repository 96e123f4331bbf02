"""The state in a portrait's properties, in as much room as ever: no row below it moves while somebody aims at one."""

from __future__ import annotations

import html
import unicodedata

_LINES, _LINE = 2, 70  # and how much goes into one at the dialog's default width, counted in Latin letters
_ERROR = "#c98209"  # seen on dark and on light themes. OBS's own warnings have other margins, and would move the rows


def shortened(state: str, note: str) -> list[str]:
    """Of the state and a button's note, where there is one, as much as there is room for: a text for each."""
    if not note:
        return [_cut(state, _LINES * _LINE)]
    return [_cut(text, _LINE) for text in (state, note)]


def rich_text(lines: list[str], is_error: bool, lines_of_room: int = _LINES) -> str:
    """lines_of_room: lines that it is at least as high as; 0 for as high as it needs to be."""
    # Never plain text: a file's name may look like a tag.
    text = "<br>".join(html.escape(line, quote=False) for line in lines)
    if is_error:
        text = f'<span style="color: {_ERROR}">{text}</span>'
    return with_room(text, lines_of_room) if lines_of_room else f"<span>{text}</span>"


def with_room(text: str, lines: int) -> str:
    """Rich text that is at least so many lines high."""
    filler = "<br>".join(["&nbsp;"] * lines)
    return f'<table cellspacing="0" cellpadding="0"><tr><td>{text}</td><td>{filler}</td></tr></table>'


def _cut(text: str, room: int) -> str:
    if _width(text) <= room:
        return text
    while _width(text) >= room:  # one for the dots
        text = text[:-1]
    beginning, blank, _ = text.rpartition(" ")
    return f"{beginning if blank and _width(beginning) > room // 2 else text}…"


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
