"""A video frame's pixels, turned as its clip says."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

_TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}


def upright(frame: Any) -> np.ndarray:
    """Of an av.VideoFrame: uint8 RGB, shape (H, W, 3)."""
    pixels = frame.to_ndarray(format="rgb24")
    turn = _TURNS.get(round(getattr(frame, "rotation", 0)) % 360)
    return pixels if turn is None else cv2.rotate(pixels, turn)
