"""Alpha with what was decided of it, and the room behind, in the picture's own size."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ...image import geometry
from . import decision, registration
from .comparison import ALIKE, Comparison
from .finding import EMPTY, Found

# Lengths as filters.py has them.
_RING, _APART = 5, 15  # about what was moved, where outlines are drawn anew; and how far from all that is theirs
_SOFT = 5  # the side of the square over which an outline is softened
_STRIP = 256  # rows of a photo
_LIGHT_NEARBY, _LIGHT_HELD = (61, 21), 0.02  # sides of squares for what shadows do, and how much no shadow counts


@dataclass(frozen=True)
class Outline:
    """What was decided of alpha, at the size of the comparison: alpha itself, how much that counts beside the
    network's, each float32, and bool where colours are to draw it; all of shape (h, w)."""

    alpha: np.ndarray
    share: np.ndarray
    unsure: np.ndarray

    @classmethod
    def of(cls, people: np.ndarray, firm: np.ndarray, comparison: Comparison) -> Outline:
        """Firm where that was moved, the network's where it wasn't.

        people: alpha of the network, float32 in 0..1. firm: see decision.theirs.
        """
        filters = comparison.placed.filters
        added, removed = decision.changes(people, firm, filters)
        near = filters.dilated(added | removed, _RING)
        deep = filters.eroded(firm, _RING) & filters.dilated(near, _RING)
        outline = filters.dilated(firm, 2) & ~filters.eroded(firm, 2)
        apart = ~filters.dilated(firm, _APART)
        alpha = np.where(near, filters.near(firm.astype(np.float32), _SOFT), people)
        alpha[deep] = 1
        alpha[apart] = 0
        share = filters.near(filters.dilated(near | deep | apart, 1).astype(np.float32), _SOFT)
        return cls(alpha, share, near & outline)

    def on(self, alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Alpha of the network, float32 in 0..1, shape (H, W), so changed; and where colours are to draw it."""
        size = alpha.shape[1], alpha.shape[0]
        share, its = (cv2.resize(values, size, interpolation=cv2.INTER_LINEAR) for values in (self.share, self.alpha))
        unsure = cv2.resize(self.unsure.view(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        return alpha + share * (its - alpha), unsure > 0


def local_light(comparison: Comparison, firm: np.ndarray, people: np.ndarray) -> np.ndarray:
    """What shadows make of the room's light nearby: a factor, float32, shape (H, W, 3)."""
    placed = comparison.placed
    shown = ((comparison.difference < ALIKE) | comparison.shadowed) & ~firm & (people < EMPTY)
    weight = cv2.merge([shown.astype(np.float32)] * 3)
    held = _LIGHT_HELD * (placed.behind + _LIGHT_HELD)
    return placed.filters.ratio(comparison.picture * weight, placed.behind * weight, _LIGHT_NEARBY, held)


def placed_in(room: np.ndarray, found: Found, size: tuple[int, int]) -> np.ndarray:
    """The room as it lies in a picture of (width, height), in its own light: uint8 RGB, as room, of any size."""
    height, width = found.placed.behind.shape[:2]
    full = cv2.resize(room, size, interpolation=cv2.INTER_AREA)
    return registration.applied(full, registration.scaled(found.place, size[0] / width, size[1] / height), size)


def change_of(room: np.ndarray, picture: np.ndarray, where: np.ndarray, found: Found) -> np.ndarray:
    """How the room has changed where a picture shows it, in its own place and light: float32, as room; 0 elsewhere.

    room, picture: float32 RGB in 0..1, shape (H, W, 3). where: bool, shape (H, W).
    """
    size = picture.shape[1], picture.shape[0]
    seen = (picture - found.light.offsets.astype(np.float32)) / np.maximum(found.light.factor(size), 0.1)
    share = cv2.merge([where.astype(np.float32)] * 3)
    back, share = (registration.back(values, found.place) for values in (seen, share))
    return np.where(share > 0.99, back - room, 0)


def lit(room: np.ndarray, factor: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """The room in another light, uint8 RGB, shape (H, W, 3), in strips: a photo may be large.

    factor, offset: float32, shape (h, w, 3), of colours of 0..1.
    """
    result = np.empty_like(room)
    for top in range(0, room.shape[0], _STRIP):
        strip = np.s_[top : min(top + _STRIP, room.shape[0]), 0 : room.shape[1]]
        gains, offsets = (geometry.enlarged(values, strip, room.shape) for values in (factor, offset))
        result[strip] = np.rint(room[strip] * gains + 255 * offsets).clip(0, 255)
    return result
