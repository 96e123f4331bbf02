"""Small filters that the modules beside this share."""

from __future__ import annotations

import cv2
import numpy as np

SIDE = 640  # pixels of the longer side of a picture of which lengths are told


def mean_of(colours: np.ndarray) -> np.ndarray:
    """Of the three channels: float32, shape (H, W). NumPy takes ten times as long for so short an axis."""
    return cv2.transform(colours, np.full((1, 3), 1 / 3, np.float32))


def largest_of(colours: np.ndarray) -> np.ndarray:
    """Of the three channels: shape (H, W)."""
    first, second, third = cv2.split(colours)
    return np.asarray(cv2.max(cv2.max(first, second), third))


class Filters:
    """Of pictures of one size. Lengths are pixels as if their longer side had SIDE."""

    def __init__(self, size: tuple[int, int]) -> None:
        """size: (width, height)."""
        self.scale = min(1.0, max(size) / SIDE)

    def near(self, values: np.ndarray, side: int) -> np.ndarray:
        """The mean over a square with that side."""
        odd = 2 * max(1, round((side - 1) / 2 * self.scale)) + 1
        return cv2.blur(values, (odd, odd))

    def gradient(self, values: np.ndarray) -> np.ndarray:
        """How much values change over a length of 1, of each channel: float32, of their shape."""
        across, down = (cv2.Sobel(values, cv2.CV_32F, *order, scale=self.scale / 8) for order in ((1, 0), (0, 1)))
        return cv2.magnitude(across.reshape(-1), down.reshape(-1)).reshape(values.shape)

    def ratio(self, seen: np.ndarray, its: np.ndarray, sides: tuple[int, ...], held: np.ndarray | float) -> np.ndarray:
        """What of two to one another is near each pixel, from larger to smaller squares: where a square tells little
        beside `held`, the larger one counts. All of shape (H, W, 3)."""
        result = np.ones_like(its)
        for side in sides:
            result = (self.near(seen, side) + held * result) / (self.near(its, side) + held)
        return result

    # Of masks, bool, shape (H, W), by a disc of a radius.

    def dilated(self, mask: np.ndarray, radius: float) -> np.ndarray:
        return self._morphed(mask, cv2.MORPH_DILATE, radius)

    def eroded(self, mask: np.ndarray, radius: float) -> np.ndarray:
        return self._morphed(mask, cv2.MORPH_ERODE, radius)

    def opened(self, mask: np.ndarray, radius: float) -> np.ndarray:
        return self._morphed(mask, cv2.MORPH_OPEN, radius)

    def closed(self, mask: np.ndarray, radius: float) -> np.ndarray:
        return self._morphed(mask, cv2.MORPH_CLOSE, radius)

    def _morphed(self, mask: np.ndarray, how: int, radius: float) -> np.ndarray:
        pixels = max(1, round(radius * self.scale))
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1, 2 * pixels + 1))
        return np.asarray(cv2.morphologyEx(mask.view(np.uint8), how, disc)).view(np.bool_)


class Parts:
    """The connected parts of a mask, bool, shape (H, W), and what is counted in each."""

    def __init__(self, mask: np.ndarray) -> None:
        self._count, labels = cv2.connectedComponents(mask.view(np.uint8))
        self._labels = labels
        self._inside = np.flatnonzero(mask)
        self._of_inside = labels.ravel()[self._inside].astype(np.intp)
        self.sizes = np.bincount(self._of_inside, minlength=self._count)

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Of each part, float64, by its number; 0 is what is in none."""
        return np.bincount(self._of_inside, values.ravel()[self._inside], self._count)

    def highest(self, values: np.ndarray) -> np.ndarray:
        result = np.zeros(self._count, values.dtype)
        np.maximum.at(result, self._of_inside, values.ravel()[self._inside])
        return result

    def chosen(self, which: np.ndarray) -> np.ndarray:
        """Where the parts are that `which`, bool, names by their numbers: bool, shape (H, W)."""
        which = which.copy()
        which[0] = False
        result: np.ndarray = which[self._labels]
        return result
