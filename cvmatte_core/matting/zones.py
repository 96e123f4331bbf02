"""Zones of a live picture: what of it is always kept, and what is never shown, whoever is there.

They are painted as touch-ups are (touch_up.py has the greys), on a sheet as long as SIDE, whatever the frames' size: so
they fit another size too. They are kept as a text, since that is what a source's settings in OBS hold: the sheet as a
PNG, in base64.
"""

from __future__ import annotations

import base64
import binascii
import logging
import struct
from dataclasses import dataclass

import cv2
import numpy as np

from ..localization.errors import CvmatteError
from . import compose
from .touch_up import AUTOMATIC, KEEP, REMOVE, fitted, strokes_of

logger = logging.getLogger(__name__)

SIDE = 960  # pixels of a sheet's longer side
_SAME = 0.02  # of that: shapes that differ by less are the same, since sizes are rounded to even ones
_SOFT = 1 / 800  # of the longer side: half as wide as an edge's blur
_SIGNATURE, _SIZE = b"\x89PNG\r\n\x1a\n", struct.Struct(">II")  # at byte 16 of a PNG
_LONGEST = 2_000_000  # characters; noise all over takes fewer


def shape_of_sheet(shape: tuple[int, ...]) -> tuple[int, int]:
    """(H, W) of the sheet for frames of a shape."""
    scale = SIDE / max(shape[:2])
    height, width = (max(1, round(side * scale)) for side in shape[:2])
    return height, width


def text_of(sheet: np.ndarray) -> str:
    """sheet: uint8, KEEP, REMOVE or AUTOMATIC, shape (H, W). Empty where nothing is painted."""
    if (sheet == AUTOMATIC).all():
        return ""
    png = cv2.imencode(".png", sheet, [cv2.IMWRITE_PNG_COMPRESSION, 9])[1]
    return base64.b64encode(png.tobytes()).decode("ascii")


def sheet_of(text: str) -> np.ndarray | None:
    """As in `text_of`; None where there is none, or none that can be read: a scene may come from anywhere."""
    if not text:
        return None
    try:
        png = base64.b64decode(text[:_LONGEST], validate=True)
        if png[:8] != _SIGNATURE or not 0 < max(_SIZE.unpack_from(png, 16)) <= SIDE:
            raise ValueError("no sheet")
        height, width = _SIZE.unpack_from(png, 16)[::-1]
        return strokes_of(png, "zones", (height, width)).pixels
    except (CvmatteError, binascii.Error, struct.error, ValueError) as error:
        logger.warning("zones: %s", error)
        return None


@dataclass(frozen=True)
class Masks:
    """What is always kept of frames, and what is never shown: each float32 in 0..1, shape (H, W), soft at its edges;
    None where there is nothing of it."""

    kept: np.ndarray | None = None
    hidden: np.ndarray | None = None

    @classmethod
    def of(cls, sheet: np.ndarray, shape: tuple[int, int]) -> Masks:
        return cls(_mask(sheet == KEEP, shape), _mask(sheet == REMOVE, shape))

    def hide(self, alpha: np.ndarray) -> np.ndarray:
        """Alpha of people without what is never shown: float32 in 0..1, shape (H, W), in and out."""
        return alpha if self.hidden is None else np.minimum(alpha, 1 - self.hidden)

    def colour(self, foreground: np.ndarray, frame: np.ndarray) -> np.ndarray:
        """The foreground with the frame's own colours in what is kept: uint8 RGB, shape (H, W, 3), all three."""
        return foreground if self.kept is None else compose.over(frame, self.kept, foreground)


class Zones:
    """What is painted for one live picture; its masks are rendered once a size of frames."""

    def __init__(self, text: str = "") -> None:
        self.text = text
        self._sheet = sheet_of(text)
        self._rendered: tuple[tuple[int, int], Masks] = (0, 0), Masks()

    def masks(self, shape: tuple[int, int]) -> Masks:
        """For frames of a shape."""
        if self._sheet is not None and self._rendered[0] != shape:
            self._rendered = shape, Masks.of(self._sheet, shape)
        return self._rendered[1]

    def are_stretched(self, shape: tuple[int, int]) -> bool:
        """Whether they were painted on a picture of another shape than this one."""
        sides = () if self._sheet is None else zip(self._sheet.shape, shape_of_sheet(shape))
        return any(abs(one - other) > _SAME * SIDE for one, other in sides)


def on_sheet(text: str, shape: tuple[int, int]) -> np.ndarray:
    """Zones for a sheet of a shape, blank where there are none: uint8, shape (H, W)."""
    sheet = sheet_of(text)
    return np.full(shape, AUTOMATIC, np.uint8) if sheet is None else fitted(sheet, shape)


def _mask(painted: np.ndarray, shape: tuple[int, int]) -> np.ndarray | None:
    if not painted.any():
        return None
    how = cv2.INTER_AREA if max(shape) < max(painted.shape) else cv2.INTER_LINEAR
    mask = cv2.resize(painted.astype(np.float32), shape[::-1], interpolation=how)
    blur = max(0.7, _SOFT * max(shape))
    return cv2.GaussianBlur(mask, (0, 0), blur, borderType=cv2.BORDER_REPLICATE)  # no line is left at the border
