"""Colours as people write them."""

from __future__ import annotations

from PIL import ImageColor


def hexadecimal(text: str) -> str:
    """ "#rrggbb" of a colour as CSS has them: #f00, red, rgb(255, 0, 0), hsl(0, 100%, 50%). Raises ValueError."""
    red, green, blue, *_ = ImageColor.getrgb(text.strip().lower())
    return f"#{red:02x}{green:02x}{blue:02x}"
