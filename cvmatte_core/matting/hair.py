"""Hair, and whatever else is soft over many pixels: alpha there as the picture's own colours tell it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np

from ..image import geometry
from ..models.regions import regions_of_people
from . import closed_form

# Lengths are pixels of a picture that has about as many as a square of this side: hair is found in that by how soft
# alpha is, and a larger one would only take longer.
_SQUARE = 600
_SEARCH_SIDE = 384  # the longer side of the picture that people are found in
_SOFT = 0.02  # alpha further than this from 0 and 1 is soft
_REACH = 10  # how far beyond what is soft alpha may come to be another
# The share of soft pixels within a window, from which on there may be hair, and above which there is: a plain edge is
# soft over few pixels, and the network draws it better than colours do. How far hair goes beyond; what is left to
# colours at any edge.
_WINDOW, _FROM, _TO, _SPREAD, _ANYWHERE = 21, 0.25, 0.4, 8, 0.03
# How much the network's alpha counts in the midst of what is soft, and at the end of the reach. From how far towards 0
# or 1 on the network is nearly sure, and how much of the latter it then has.
_IN_HAIR, _BEYOND = 0.001, 1.0
_SURE, _HELD_TO = 0.9, 0.06
# Colours of person and background nearby, of a picture so many times smaller: windows of which radii, the widest first,
# and how much weight there must be in a window to go by it; how different the two must be, and how well a mixture of
# them must fit.
_COARSE, _RADII, _ENOUGH, _APART, _FIT = 2, (22, 7), 2, 0.2, 0.05
_ALIKE = 0.01  # where the two are no further apart than that, nothing tells them apart, and the network is believed
_MIXTURE = 0.03  # how much alpha of that mixture counts, at best
_TILE, _OVERLAP = 128, 8  # what is solved at a time, and how much of its neighbours along with it
_ROUNDS, _ACCURACY = 40, 1e-2
_END = 0.01  # what is nearer than this to 0 or 1 becomes it: solved alpha is never quite


def refine(alpha: np.ndarray, rgb: np.ndarray, threads: int = 1) -> np.ndarray:
    """Alpha with its hair as the photo shows it.

    alpha: float32 in 0..1, shape (H, W), with flat regions at exactly 0 and 1. rgb: uint8, shape (H, W, 3), the photo.
    Returns float32 in 0..1, shape (H, W); where nothing is soft, alpha itself. Each group of people is looked at by
    itself, and reduced, so that time and memory don't grow with the photo.

    Closed-form matting, whose unknown region and trust follow how much is soft around, and which is told two things:
    the network's alpha, and that of the mixture of the colours of person and background nearby.
    """
    result = alpha
    for region in regions_of_people(geometry.reduced(alpha, _SEARCH_SIDE), rgb.shape):
        change = _change(alpha[region], rgb[region], threads)
        if change is not None:
            result = alpha.copy() if result is alpha else result
            result[region] = np.clip((alpha[region] + change - _END) / (1 - 2 * _END), 0, 1)
    return result


def _change(alpha: np.ndarray, rgb: np.ndarray, threads: int) -> np.ndarray | None:
    """What to add to a region's alpha, float32, shape (H, W); None where nothing is soft."""
    height, width = alpha.shape
    scale = min(1.0, (_SQUARE**2 / (height * width)) ** 0.5)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
    soft = ((small > _SOFT) & (small < 1 - _SOFT)).view(np.uint8)
    if not soft.any():
        return None
    place = _Place.of(small, cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), soft)
    refined = small.copy()

    def solve(tile: geometry.Region) -> None:
        wide, inner = geometry.around(tile, _OVERLAP, small.shape)
        refined[tile] = place.solved(wide)[inner]

    # NumPy and OpenCV let go of the GIL, and neither uses a second core for tiles of this size.
    unknown = [tile for tile in geometry.tiles(small.shape, _TILE) if (place.distance[tile] <= _REACH).any()]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(solve, unknown))
    return cv2.resize(refined - small, (width, height), interpolation=cv2.INTER_LINEAR)


@dataclass(frozen=True)
class _Place:
    """What is known of a reduced picture, uint8 RGB, shape (H, W, 3), and its alpha, shape (H, W).

    distance: to what is soft, in pixels; trust: how far colours are to be trusted, _ANYWHERE..1; both float32, shape
    (H, W). person, background: their colours nearby in 0..1, float32, shape (h, w, 3), of a picture _COARSE times
    smaller.
    """

    alpha: np.ndarray
    picture: np.ndarray
    distance: np.ndarray
    trust: np.ndarray
    person: np.ndarray
    background: np.ndarray

    @classmethod
    def of(cls, alpha: np.ndarray, picture: np.ndarray, soft: np.ndarray) -> _Place:
        """soft: uint8, 1 where alpha is, shape (H, W)."""
        distance = cv2.distanceTransform(1 - soft, cv2.DIST_L2, cv2.DIST_MASK_3)
        size = max(1, alpha.shape[1] // _COARSE), max(1, alpha.shape[0] // _COARSE)
        colour = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        coarse = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
        nearby = (_colours_nearby(colour, share) for share in (coarse, 1 - coarse))
        hair = np.clip((cv2.blur(soft.astype(np.float32), (_WINDOW, _WINDOW)) - _FROM) / (_TO - _FROM), 0, 1)
        spread = cv2.dilate(hair, np.ones((2 * _SPREAD + 1, 2 * _SPREAD + 1), np.uint8))
        trust = np.maximum(cv2.blur(spread, (_SPREAD + 1, _SPREAD + 1)), np.float32(_ANYWHERE))
        return cls(alpha, picture, distance, trust, *nearby)

    def solved(self, tile: geometry.Region) -> np.ndarray:
        """Alpha of a tile: float32 in 0..1, shape (h, w)."""
        alpha, picture, distance, trust = (
            values[tile] for values in (self.alpha, self.picture, self.distance, self.trust)
        )
        near = np.clip(1 - distance / _REACH, 0, 1)
        mixture, length, misfit = self._mixture(tile)
        alike = 1 - length / (length + _ALIKE**2)
        sure = np.clip((np.abs(2 * alpha - 1) - _SURE) / (1 - _SURE), 0, 1)
        doubt = np.maximum(np.maximum((1 - near) ** 2, alike), _HELD_TO * sure)
        weight = (_IN_HAIR + (_BEYOND - _IN_HAIR) * doubt) / trust
        fit = _MIXTURE * near * length / (length + _APART**2) * np.exp(misfit / (-2 * _FIT**2))
        total = weight + fit
        prior = (weight * alpha + fit * mixture) / total
        return closed_form.solve(picture, alpha, prior, total, distance <= _REACH, _ROUNDS, _ACCURACY)

    def _mixture(self, tile: geometry.Region) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Alpha that would mix the colours of person and background nearby to the picture's.

        With it, how far apart those two are and how far the picture's is from the mixture, both squared, of colours of
        0..1. All float32, shape (h, w).
        """
        colour = self.picture[tile].astype(np.float32) / 255
        person, background = (
            geometry.enlarged(colours, tile, self.alpha.shape) for colours in (self.person, self.background)
        )
        apart = person - background
        length = (apart * apart).sum(axis=2)
        mixture = np.clip(((colour - background) * apart).sum(axis=2) / (length + 1e-4), 0, 1)
        rest = colour - background - mixture[..., None] * apart
        return mixture, length, (rest * rest).sum(axis=2)


def _colours_nearby(colour: np.ndarray, share: np.ndarray) -> np.ndarray:
    """The mean colour of what has a large share, in the smallest window that has enough of it: float32, (H, W, 3)."""
    weight = share**4  # a half transparent pixel hardly tells
    weighted = colour * weight[..., None]
    result = np.zeros_like(colour)
    for radius in _RADII:
        window = (2 * radius + 1, 2 * radius + 1)
        there = cv2.blur(weight, window)
        mean = cv2.blur(weighted, window) / (there + 1e-5)[..., None]
        by = 1.0 if radius == _RADII[0] else np.clip(there * (window[0] ** 2 / _ENOUGH), 0, 1)[..., None]
        result += by * (mean - result)
    return result
