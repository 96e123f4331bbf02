"""The room in the place and light that it has in a picture, and what follows from it alone."""

from __future__ import annotations

import numpy as np

from .filters import Filters, largest_of, mean_of

AREA = 7  # the side of squares that tell a texture
DIM = 0.03  # light of 0..1, of which little can be told
_EDGE = 0.03  # a gradient of colours of 0..1, a pixel, that is an edge
_SLIP = 0.35  # of a pixel: how far the room's edges may lie beside the picture's
_QUIET, _LOUD = 1 / 255, 0.025  # a camera's noise, at least and at most
_TELLING = 0.005  # of the picture: the flat part of it that tells the noise


class Placed:
    """behind: float32 RGB in 0..1, shape (H, W, 3). edges: where it has any, bool, shape (H, W)."""

    def __init__(self, behind: np.ndarray) -> None:
        self.behind = behind
        self.filters = filters = Filters((behind.shape[1], behind.shape[0]))
        gradient = filters.gradient(behind)
        self.edges = largest_of(gradient) > _EDGE
        self._slipped = (_SLIP * gradient) ** 2
        self.mean, self.squares = filters.near(behind, AREA), filters.near(behind * behind, AREA)
        self.structure = largest_of(self.squares - self.mean**2)
        self.light = filters.near(mean_of(behind), 3) + DIM
        self.slipped_light = _SLIP * filters.gradient(np.log(self.light))

    def noise(self, picture: np.ndarray, empty: np.ndarray) -> np.ndarray:
        """Variance by brightness, by what is left of dark and bright walls, and of edges that slip: float32, shape
        (H, W, 3).

        picture: float32 RGB in 0..1, shape (H, W, 3). empty: bool, shape (H, W), where surely nobody is.
        """
        flat = empty & ~self.edges
        if np.count_nonzero(flat) < _TELLING * flat.size:
            flat = empty
        light = self.behind[flat]
        squared = (picture[flat] - light) ** 2
        bright = light > np.median(light)
        # Four fifths of squares of a normal distribution are below 1.64 times their mean.
        (x, low), (x2, high) = (
            (light[part].mean(), np.quantile(squared[part], 0.8) / 1.64) if part.any() else (0.5, _QUIET**2)
            for part in (~bright, bright)
        )
        slope = np.clip((high - low) / max(x2 - x, 0.05), 0, 0.01)
        seen: np.ndarray = np.clip(low + slope * (self.behind - x), max(_QUIET**2, 0.25 * low), _LOUD**2)
        return seen.astype(np.float32) + self._slipped
