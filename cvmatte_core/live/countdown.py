"""The numbers of a countdown in a live picture: so whoever leaves it sees how long they have, and themselves."""

from __future__ import annotations

import numpy as np

from ..image import countdown_picture


class Countdown:
    """Draws each number once."""

    def __init__(self) -> None:
        self._drawn: tuple[int, tuple[int, ...]] = (0, ())
        self._rows = np.empty((0, 0, 4), np.uint8)
        self._covers = np.empty((0, 0), np.bool_)

    def draw(self, number: int, layer: np.ndarray) -> None:
        """Put it into a layer, uint8 RGBA, shape (H, W, 4); 0 for none."""
        if not number:
            return
        if self._drawn != (number, layer.shape):
            height, width = layer.shape[:2]
            rows = bytearray(width * height * 4)
            countdown_picture.draw(rows, width, height, number)
            self._rows = np.frombuffer(rows, np.uint8).reshape(height, width, 4)
            self._covers = self._rows[..., 3] > 0
            self._drawn = number, layer.shape
        layer[self._covers] = self._rows[self._covers]
