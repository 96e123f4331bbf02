"""Photographing an empty room: the mean of some frames in which nothing moves and nobody is."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ..filesystem import files
from ..image import encoders, geometry
from ..layers.rooms import preview_of
from ..localization.errors import ImageError

_SIDE = 96  # pixels of the pictures that are compared
_MOVES, _MUCH = 14.0, 0.015  # of 255, that a pixel of them changes by where something moves, and the part that may
_SOMEBODY = 0.02  # of the picture, where the network sees people: less may be a chair, or a picture on the wall
_PREVIEW_SIDE = 320


class RoomPhoto:
    """Of one picture. One frame of another size begins it anew."""

    def __init__(self) -> None:
        self.count = 0  # of frames
        self._sum = np.empty((0, 0, 3), np.uint32)
        self._first = np.empty((0, 0), np.float32)
        self._moves = False

    def add(self, frame: np.ndarray) -> None:
        """frame: uint8 RGB, shape (H, W, 3)."""
        few = cv2.cvtColor(geometry.reduced(frame, _SIDE), cv2.COLOR_RGB2GRAY).astype(np.float32)
        if frame.shape != self._sum.shape:
            self._sum, self._first, self.count, self._moves = np.zeros(frame.shape, np.uint32), few, 0, False
        self._sum += frame
        self.count += 1
        # A lamp that flickers, or the exposure, changes all of it alike.
        gain = (float(np.median(self._first)) + 1) / (float(np.median(few)) + 1)
        changed = np.abs(few * gain - self._first) > _MOVES
        self._moves = self._moves or float(changed.mean()) > _MUCH

    def picture(self) -> np.ndarray:
        """uint8 RGB, shape (H, W, 3). Raises ImageError where something moved."""
        if self._moves:
            raise ImageError("room_moves")
        return ((self._sum + self.count // 2) // self.count).astype(np.uint8)


def refuse_somebody(alpha: np.ndarray) -> None:
    """alpha: of a network, float32 in 0..1, shape (H, W). Raises ImageError where it sees somebody."""
    if float((alpha > 0.5).mean()) > _SOMEBODY:
        raise ImageError("room_somebody")


def save(path: Path, room: np.ndarray) -> None:
    """room: uint8 RGB, shape (H, W, 3). path: of layers/rooms.py. Raises OutputError."""
    files.write(preview_of(path), encoders.png(geometry.reduced(room, _PREVIEW_SIDE)), durable=False)
    files.write(path, encoders.png(room))
