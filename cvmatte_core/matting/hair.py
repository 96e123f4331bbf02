"""Hair, and whatever else is soft over many pixels: alpha there as the picture's own colours tell it."""

from __future__ import annotations

from typing import Tuple

import cv2
import numpy as np

from ..models.regions import regions_of_people
from ..pictures import images
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
# How much the network's alpha counts in its midst of what is soft, and at the end of the reach.
_IN_HAIR, _BEYOND = 0.001, 1.0
# Colours of person and background nearby: windows of which radii, the widest first; how much weight there must be in a
# window to go by it; how different the two must be, and how well a mixture of them must fit.
_RADII, _ENOUGH, _APART, _FIT = (45, 15), 8, 0.2, 0.05
_ALIKE = 0.01  # where the two are no further apart than that, nothing tells them apart, and the network is believed
_MIXTURE = 0.03  # how much alpha of that mixture counts, at best
_ROUNDS, _ACCURACY = 40, 1e-2
_END = 0.01  # what is nearer than this to 0 or 1 becomes it: solved alpha is never quite


def refine(alpha: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    """Alpha with its hair as the photo shows it.

    alpha: float32 in 0..1, shape (H, W), with flat regions at exactly 0 and 1. rgb: uint8, shape (H, W, 3), the photo.
    Returns float32 in 0..1, shape (H, W); where nothing is soft, alpha itself. Each group of people is looked at by
    itself, and reduced, so that time and memory don't grow with the photo.

    Closed-form matting, whose unknown region and trust follow how much is soft around, and which is told two things:
    the network's alpha, and that of the mixture of the colours of person and background nearby.
    """
    result = alpha
    for region in regions_of_people(images.reduced(alpha, _SEARCH_SIDE), rgb.shape):
        change = _change(alpha[region], rgb[region])
        if change is not None:
            result = alpha.copy() if result is alpha else result
            result[region] = np.clip((alpha[region] + change - _END) / (1 - 2 * _END), 0, 1)
    return result


def _change(alpha: np.ndarray, rgb: np.ndarray) -> np.ndarray | None:
    """What to add to a region's alpha, float32, shape (H, W); None where nothing is soft."""
    height, width = alpha.shape
    scale = min(1.0, (_SQUARE**2 / (height * width)) ** 0.5)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
    if not ((small > _SOFT) & (small < 1 - _SOFT)).any():
        return None
    change = _refined(small, cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)) - small
    return cv2.resize(change, (width, height), interpolation=cv2.INTER_LINEAR)


def _refined(alpha: np.ndarray, picture: np.ndarray) -> np.ndarray:
    soft = ((alpha > _SOFT) & (alpha < 1 - _SOFT)).view(np.uint8)
    distance = cv2.distanceTransform(1 - soft, cv2.DIST_L2, cv2.DIST_MASK_3)
    trust = _trust(soft)
    near = np.clip(1 - distance / _REACH, 0, 1)
    mixture, length, misfit = _mixture(alpha, picture)
    alike = 1 - length / (length + _ALIKE**2)
    weight = (_IN_HAIR + (_BEYOND - _IN_HAIR) * np.maximum((1 - near) ** 2, alike)) / trust
    fit = _MIXTURE * near * length / (length + _APART**2) * np.exp(misfit / (-2 * _FIT**2))
    total = weight + fit
    prior = (weight * alpha + fit * mixture) / total
    return closed_form.solve(picture, alpha, prior, total, distance <= _REACH, _ROUNDS, _ACCURACY)


def _trust(soft: np.ndarray) -> np.ndarray:
    """How far colours are to be trusted: float32 in _ANYWHERE..1, shape (H, W)."""
    share = cv2.blur(soft.astype(np.float32), (_WINDOW, _WINDOW))
    hair = np.clip((share - _FROM) / (_TO - _FROM), 0, 1)
    spread = cv2.dilate(hair, np.ones((2 * _SPREAD + 1, 2 * _SPREAD + 1), np.uint8))
    return np.maximum(cv2.blur(spread, (_SPREAD + 1, _SPREAD + 1)), np.float32(_ANYWHERE))


def _mixture(alpha: np.ndarray, picture: np.ndarray) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Alpha that would mix the colours of person and background nearby to the picture's.

    With it, how far apart those two are and how far the picture's is from the mixture, both squared, of colours of
    0..1. All float32, shape (H, W).
    """
    colour = picture.astype(np.float32) / 255
    person, background = _colours_nearby(colour, alpha), _colours_nearby(colour, 1 - alpha)
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
