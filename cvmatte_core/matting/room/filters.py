"""Small filters that the modules beside this share."""

from __future__ import annotations

import cv2
import numpy as np


def gradient(values: np.ndarray) -> np.ndarray:
    """How much values change over a pixel, of each channel: float32, of their shape."""
    across, down = (cv2.Sobel(values, cv2.CV_32F, *order, scale=1 / 8) for order in ((1, 0), (0, 1)))
    return cv2.magnitude(across.reshape(-1), down.reshape(-1)).reshape(values.shape)


# Of masks, bool, shape (H, W), by a disc of a radius in pixels.


def dilated(mask: np.ndarray, radius: int) -> np.ndarray:
    return _morphed(mask, cv2.MORPH_DILATE, radius)


def eroded(mask: np.ndarray, radius: int) -> np.ndarray:
    return _morphed(mask, cv2.MORPH_ERODE, radius)


def opened(mask: np.ndarray, radius: int) -> np.ndarray:
    return _morphed(mask, cv2.MORPH_OPEN, radius)


def closed(mask: np.ndarray, radius: int) -> np.ndarray:
    return _morphed(mask, cv2.MORPH_CLOSE, radius)


def _morphed(mask: np.ndarray, how: int, radius: int) -> np.ndarray:
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return np.asarray(cv2.morphologyEx(mask.view(np.uint8), how, disc)).view(np.bool_)


class Parts:
    """The connected parts of a mask, bool, shape (H, W), and what is counted in each."""

    def __init__(self, mask: np.ndarray) -> None:
        self._count, self._labels = cv2.connectedComponents(mask.view(np.uint8))
        self.sizes = np.bincount(self._labels.ravel(), minlength=self._count)

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Of each part, float64, by its number; 0 is what is in none."""
        return np.bincount(self._labels.ravel(), values.ravel(), self._count)

    def highest(self, values: np.ndarray) -> np.ndarray:
        result = np.zeros(self._count, values.dtype)
        np.maximum.at(result, self._labels.ravel().astype(np.intp), values.ravel())
        return result

    def chosen(self, which: np.ndarray) -> np.ndarray:
        """Where the parts are that `which`, bool, names by their numbers: bool, shape (H, W)."""
        which = which.copy()
        which[0] = False
        result: np.ndarray = which[self._labels]
        return result
