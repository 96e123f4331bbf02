"""Hair, and whatever else is soft over many pixels: alpha there as the picture's own colours tell it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import cv2
import numpy as np

from ..image import geometry
from ..models.regions import regions_of_people
from . import closed_form
from .mixtures import GuessedBackground, KnownBackground, Mixture

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
_TILE, _OVERLAP = 128, 8  # what is solved at a time, and how much of its neighbours along with it
_ROUNDS, _ACCURACY = 40, 1e-2
_END = 0.01  # what is nearer than this to 0 or 1 becomes it: solved alpha is never quite


def refine(
    alpha: np.ndarray,
    rgb: np.ndarray,
    threads: int = 1,
    behind: np.ndarray | None = None,
    unsure: np.ndarray | None = None,
    times: int = 1,
) -> np.ndarray:
    """Alpha with its hair as the photo shows it.

    alpha: float32 in 0..1, shape (H, W), with flat regions at exactly 0 and 1. rgb: uint8, shape (H, W, 3), the photo.
    Returns float32 in 0..1, shape (H, W); where nothing is soft, alpha itself. Each group of people is looked at by
    itself, and reduced, so that time and memory don't grow with the photo.

    Closed-form matting, whose unknown region and trust follow how much is soft around, and which is told two things:
    the network's alpha, and that of the mixture of the colours of person and background nearby.

    behind: uint8 RGB, shape (H, W, 3): the background itself, where it is known. unsure: bool, shape (H, W): where
    colours are to be trusted as in hair. times: how often it is solved, each from what came of the one before.
    """
    result = alpha
    for region in regions_of_people(geometry.reduced(alpha, _SEARCH_SIDE), rgb.shape):
        known = (None if values is None else values[region] for values in (behind, unsure))
        change = _change(alpha[region], rgb[region], threads, times, *known)
        if change is not None:
            result = alpha.copy() if result is alpha else result
            result[region] = np.clip((alpha[region] + change - _END) / (1 - 2 * _END), 0, 1)
    return result


def _change(
    alpha: np.ndarray,
    rgb: np.ndarray,
    threads: int,
    times: int,
    behind: np.ndarray | None,
    unsure: np.ndarray | None,
) -> np.ndarray | None:
    """What to add to a region's alpha, float32, shape (H, W); None where nothing is soft."""
    height, width = alpha.shape
    scale = min(1.0, (_SQUARE**2 / (height * width)) ** 0.5)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
    soft = ((small > _SOFT) & (small < 1 - _SOFT)).view(np.uint8)
    if not soft.any():
        return None
    picture = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    if behind is None:
        mixture: Mixture = GuessedBackground.of(picture, small)
    else:
        mixture = KnownBackground.of(picture, small, cv2.resize(behind, size, interpolation=cv2.INTER_AREA))
    doubted = None if unsure is None else cv2.resize(unsure.view(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    place = _Place.of(small, picture, soft, mixture, doubted)
    refined = small.copy()

    def solve(tile: geometry.Region) -> None:
        wide, inner = geometry.around(tile, _OVERLAP, small.shape)
        refined[tile] = place.solved(wide)[inner]

    # NumPy and OpenCV let go of the GIL, and neither uses a second core for tiles of this size.
    unknown = [tile for tile in geometry.tiles(small.shape, _TILE) if (place.distance[tile] <= _REACH).any()]
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(times):
            place = replace(place, alpha=refined.copy())
            list(pool.map(solve, unknown))
    return cv2.resize(refined - small, (width, height), interpolation=cv2.INTER_LINEAR)


@dataclass(frozen=True)
class _Place:
    """What is known of a reduced picture, uint8 RGB, shape (H, W, 3), and its alpha, shape (H, W).

    distance: to what is soft, in pixels; trust: how far colours are to be trusted, _ANYWHERE..1; both float32, shape
    (H, W). mixture: what colours say.
    """

    alpha: np.ndarray
    picture: np.ndarray
    distance: np.ndarray
    trust: np.ndarray
    mixture: Mixture

    @classmethod
    def of(
        cls, alpha: np.ndarray, picture: np.ndarray, soft: np.ndarray, mixture: Mixture, unsure: np.ndarray | None
    ) -> _Place:
        """soft: uint8, 1 where alpha is, shape (H, W). unsure: the same, where colours are to be trusted."""
        distance = cv2.distanceTransform(1 - soft, cv2.DIST_L2, cv2.DIST_MASK_3)
        hair = np.clip((cv2.blur(soft.astype(np.float32), (_WINDOW, _WINDOW)) - _FROM) / (_TO - _FROM), 0, 1)
        spread = cv2.dilate(hair, np.ones((2 * _SPREAD + 1, 2 * _SPREAD + 1), np.uint8))
        trust = np.maximum(cv2.blur(spread, (_SPREAD + 1, _SPREAD + 1)), np.float32(_ANYWHERE))
        if unsure is not None:
            trust = np.maximum(trust, unsure)
        return cls(alpha, picture, distance, trust, mixture)

    def solved(self, tile: geometry.Region) -> np.ndarray:
        """Alpha of a tile: float32 in 0..1, shape (h, w)."""
        alpha, picture, distance, trust = (
            values[tile] for values in (self.alpha, self.picture, self.distance, self.trust)
        )
        near = np.clip(1 - distance / _REACH, 0, 1)
        mixture, fit, alike = self.mixture.at(tile, near)
        sure = np.clip((np.abs(2 * alpha - 1) - _SURE) / (1 - _SURE), 0, 1)
        doubt = np.maximum(np.maximum((1 - near) ** 2, alike), _HELD_TO * sure)
        weight = (_IN_HAIR + (_BEYOND - _IN_HAIR) * doubt) / trust
        total = weight + fit
        prior = (weight * alpha + fit * mixture) / total
        return closed_form.solve(picture, alpha, prior, total, distance <= _REACH, _ROUNDS, _ACCURACY)
