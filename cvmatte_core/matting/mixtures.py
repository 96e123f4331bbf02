"""How much of a person each pixel's colour shows, mixed from what the person's and the background's are nearby."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from ..image import geometry

# Lengths are pixels of hair.py's reduced picture. Colours of person and background nearby, of a picture so many times
# smaller: windows of which radii, the widest first, and how much weight there must be in a window to go by it.
_COARSE, _RADII, _ENOUGH = 2, (22, 7), 2
# How different the two must be, how well a mixture of them must fit, and how much alpha of that counts, at best.
_APART, _FIT, _COUNTS = 0.2, 0.05, 0.03
_ALIKE = 0.01  # where the two are no further apart than that, nothing tells them apart, and the network is believed
# Before a background that is known: alpha that is tried; how much of the spread of a person's colours nearby is theirs
# at a place, and what there is at least; how far an edge behind may lie beside its own; how much alpha counts, and the
# variance from which on it counts for half.
_TRIED = np.linspace(0, 1, 11, dtype=np.float32)
_SPREAD, _LEAST, _SLIP, _KNOWN_COUNTS, _UNSURE = 0.5, 0.02, 0.35, 0.4, 0.003
# At the time of a frame: how different the two must be, how much a mixture that doesn't fit counts against itself, and
# in alpha of what colours count.
_QUICK_APART, _QUICK_REST, _EDGE = 0.05, 400, 0.004
_NOISE, _BESIDE = 0.004, 10  # of a camera, at least: colours are of 8 bits; how far from the edge it is measured
_PAIRS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))


class Mixture(Protocol):
    def at(self, tile: geometry.Region, near: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Alpha of a tile by its colours, how much that counts, and how far nothing can be told by them: 0..1.

        near: how much anything counts at a place, 0 where nothing is wanted. All float32, of the tile's shape.
        """
        ...


@dataclass(frozen=True)
class GuessedBackground:
    """picture: uint8 RGB, shape (H, W, 3). person, background: their colours nearby in 0..1, float32, (h, w, 3)."""

    picture: np.ndarray
    person: np.ndarray
    background: np.ndarray

    @classmethod
    def of(cls, picture: np.ndarray, alpha: np.ndarray) -> GuessedBackground:
        colour, coarse = _coarse(picture, alpha)
        return cls(picture, *(_nearby(colour, share) for share in (coarse, 1 - coarse)))

    def at(self, tile: geometry.Region, near: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        colour = self.picture[tile].astype(np.float32) / 255
        person, background = (
            geometry.enlarged(colours, tile, self.picture.shape) for colours in (self.person, self.background)
        )
        alpha, length, rest = _mixed(colour, person, background)
        fit = np.exp(rest / (-2 * _FIT**2))
        return alpha, _COUNTS * near * length / (length + _APART**2) * fit, 1 - length / (length + _ALIKE**2)


@dataclass(frozen=True)
class KnownBackground:
    """The likelihood of each alpha before a background that is known, a person's colours nearby being normally
    distributed (as in A Bayesian Approach to Digital Matting, Chuang et al., CVPR 2001).

    picture, behind: float32 RGB in 0..1, shape (H, W, 3). noise: its variance, shape (H, W). person: colours nearby,
    shape (h, w, 3); spread: the upper half of their covariance, in two parts, each of that shape.
    """

    picture: np.ndarray
    behind: np.ndarray
    noise: np.ndarray
    person: np.ndarray
    spread: tuple[np.ndarray, np.ndarray]

    @classmethod
    def of(cls, picture: np.ndarray, alpha: np.ndarray, behind: np.ndarray) -> KnownBackground:
        """picture, behind: uint8 RGB."""
        colour, coarse = _coarse(picture, alpha)
        products = [colour[..., one] * colour[..., other] for one, other in _PAIRS]
        means = _nearby(np.dstack([colour, *products]), coarse)
        covariance = [means[..., 3 + n] - means[..., one] * means[..., other] for n, (one, other) in enumerate(_PAIRS)]
        now, its = (values.astype(np.float32) / 255 for values in (picture, behind))
        # Near the edge, where compression leaves more of it: three quarters of squares of a normal distribution are
        # below 1.32 times their mean.
        beside = (alpha == 0) & (cv2.dilate(alpha, np.ones((2 * _BESIDE + 1,) * 2, np.uint8)) > 0)
        rest = (now - its)[beside]
        noise = max(_NOISE**2, float(np.quantile(rest * rest, 0.75)) / 1.32 if rest.size else 0)
        across, down = (cv2.Sobel(its, cv2.CV_32F, *order, scale=1 / 8) for order in ((1, 0), (0, 1)))
        slipped = _SLIP**2 * (across * across + down * down).max(axis=2)
        spread = np.dstack(covariance[:3]), np.dstack(covariance[3:])
        return cls(now, its, noise + slipped, np.ascontiguousarray(means[..., :3]), spread)

    def at(self, tile: geometry.Region, near: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        unknown = near > 0
        person, *spread = (
            geometry.enlarged(values, tile, self.picture.shape)[unknown] for values in (self.person, *self.spread)
        )
        colour, behind, noise = (values[tile][unknown] for values in (self.picture, self.behind, self.noise))
        covariance = np.empty((len(person), 3, 3), np.float32)
        for values, (one, other) in zip(np.hstack(spread).T, _PAIRS):
            covariance[:, one, other] = covariance[:, other, one] = values
        # Along the covariance's own axes each alpha's variance is a sum.
        along, axes = np.linalg.eigh(covariance)
        variance = _SPREAD * np.maximum(along, 0) + _LEAST**2
        change, apart = (np.einsum("nij,ni->nj", axes, values - behind) for values in (colour, person))
        likelihood = np.empty((len(person), len(_TRIED)), np.float32)
        for number, alpha in enumerate(_TRIED):
            expected = alpha * alpha * variance + noise[:, None]
            rest = change - alpha * apart
            likelihood[:, number] = -0.5 * (rest * rest / expected + np.log(expected)).sum(axis=1)
        share = np.exp(likelihood - likelihood.max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)
        mean = share @ _TRIED
        unsure = share @ (_TRIED * _TRIED) - mean * mean
        result, counts = np.zeros((2, *near.shape), np.float32)
        result[unknown], counts[unknown] = mean, _KNOWN_COUNTS * _UNSURE / (_UNSURE + np.maximum(unsure, 0))
        return result, counts * near, np.zeros(near.shape, np.float32)


def _mixed(colour: np.ndarray, person: np.ndarray, background: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Alpha that would mix the colours of person and background to a colour; how far apart those two are, and how far
    the colour is from the mixture, both squared. Each float32, of all axes but the last, which is RGB in 0..1."""
    apart = person - background
    length = (apart * apart).sum(axis=-1)
    alpha = np.clip(((colour - background) * apart).sum(axis=-1) / (length + 1e-4), 0, 1)
    rest = colour - background - alpha[..., None] * apart
    return alpha, length, (rest * rest).sum(axis=-1)


def _coarse(picture: np.ndarray, alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    size = max(1, alpha.shape[1] // _COARSE), max(1, alpha.shape[0] // _COARSE)
    colour = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return colour, cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)


def _nearby(values: np.ndarray, share: np.ndarray) -> np.ndarray:
    """The mean of what has a large share, in the smallest window that has enough of it: float32, as values."""
    weight = share**4  # a half transparent pixel hardly tells
    weighted = values * weight[..., None]
    result = np.zeros_like(values)
    for radius in _RADII:
        window = (2 * radius + 1, 2 * radius + 1)
        there = cv2.blur(weight, window)
        mean = cv2.blur(weighted, window) / (there + 1e-5)[..., None]
        by = 1.0 if radius == _RADII[0] else np.clip(there * (window[0] ** 2 / _ENOUGH), 0, 1)[..., None]
        result += by * (mean - result)
    return result


def before(
    picture: np.ndarray, alpha: np.ndarray, person: np.ndarray, behind: np.ndarray, unsure: np.ndarray
) -> np.ndarray:
    """Alpha drawn by the colours of a person nearby, and of a background that is known, at the time of a frame.

    picture, person, behind: uint8 RGB, shape (H, W, 3). alpha: float32 in 0..1, shape (H, W). unsure: bool, of that
    shape: where alpha hardly counts.
    """
    seen = ((alpha > _EDGE) & (alpha < 1 - _EDGE)) | unsure
    edge = np.flatnonzero(cv2.dilate(seen.view(np.uint8), np.ones((3, 3), np.uint8)))
    colour, its, back = (values.reshape(-1, 3)[edge].astype(np.float32) / 255 for values in (picture, person, behind))
    by_colour, length, rest = _mixed(colour, its, back)
    counts = length / (length + _QUICK_APART**2 + _QUICK_REST * rest)
    result = alpha.ravel().copy()
    result[edge] += counts * (by_colour - result[edge])
    return result.reshape(alpha.shape)
