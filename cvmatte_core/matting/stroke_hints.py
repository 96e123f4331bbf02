"""What strokes of a touch-up say of each pixel: their cores, and their reach.

In the core of a stroke what a person said holds exactly; within its reach it is a hint.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..image import geometry
from ..image.geometry import Region

KEEP, REMOVE, AUTOMATIC = 255, 0, 128

# A stroke whose reach counts in full is so many times as wide as its core is away from its outline; the reach of a
# narrower one is less, in such steps, so that it has a core.
_BROAD, _NARROWER = 1.02, 0.7
_FADE = 0.2  # of the reach, at whose end the result passes into what was


@dataclass(frozen=True)
class Hints:
    """What strokes say of each pixel, shape (H, W) all.

    strokes: uint8, KEEP, REMOVE or AUTOMATIC; cores: the same, where that holds exactly.
    by_keep, by_remove: float32, how far within the reach of such a stroke a pixel is: 1 from _FADE on, 0 beyond it.
    """

    strokes: np.ndarray
    cores: np.ndarray
    by_keep: np.ndarray
    by_remove: np.ndarray

    @classmethod
    def of(cls, strokes: np.ndarray, reach: float) -> Hints:
        (core_keep, by_keep), (core_remove, by_remove) = (
            _core_and_reach(strokes == kind, reach) for kind in (KEEP, REMOVE)
        )
        cores = np.full(strokes.shape, AUTOMATIC, np.uint8)
        cores[core_keep], cores[core_remove] = KEEP, REMOVE
        return cls(strokes, cores, by_keep, by_remove)

    def enlarged(self, shape: tuple[int, ...]) -> Hints:
        def enlarge(values: np.ndarray, how: int) -> np.ndarray:
            return cv2.resize(values, (shape[1], shape[0]), interpolation=how)

        painted = (enlarge(kinds, cv2.INTER_NEAREST) for kinds in (self.strokes, self.cores))
        reaches = (enlarge(by, cv2.INTER_LINEAR) for by in (self.by_keep, self.by_remove))
        return Hints(*painted, *reaches)

    @property
    def in_reach(self) -> np.ndarray:
        """Where any stroke reaches: bool."""
        return (self.by_keep > 0) | (self.by_remove > 0)

    def part(self, box: Region) -> Hints:
        return Hints(*(each[box] for each in (self.strokes, self.cores, self.by_keep, self.by_remove)))

    def merged(self, found: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        """Alpha with what was found within the strokes' reach. Nobody loses by Keep, or gains by Remove, alone."""
        by_keep, by_remove = self.by_keep > 0, self.by_remove > 0
        cv2.copyTo(cv2.max(found, alpha), (by_keep & ~by_remove).view(np.uint8), found)
        cv2.copyTo(cv2.min(found, alpha), (by_remove & ~by_keep).view(np.uint8), found)
        change = cv2.multiply(cv2.subtract(found, alpha), cv2.max(self.by_keep, self.by_remove))
        result = cv2.add(alpha, change, dst=change)
        result[self.cores == KEEP], result[self.cores == REMOVE] = 1, 0
        return result


def reach_of_broadest(strokes: np.ndarray, reach: float) -> float:
    """How far the broadest of strokes, uint8, shape (H, W), reaches, in pixels. reach: of a broad one."""
    widest = max(_widest(strokes == kind) for kind in (KEEP, REMOVE))
    return min(reach, max(1.0, widest / _BROAD))


def _widest(mask: np.ndarray) -> float:
    """The greatest depth in a mask."""
    part = geometry.around_all(mask)
    return float(depth_in(mask[geometry.around(part, 2, mask.shape)[0]]).max()) if part is not None else 0.0


def depth_in(mask: np.ndarray) -> np.ndarray:
    """How far each pixel of a mask is from its outline: float32, shape (H, W). The picture's border is none."""
    wide = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    return cv2.distanceTransform(wide, cv2.DIST_L2, cv2.DIST_MASK_5)[1:-1, 1:-1]


def _core_and_reach(mask: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """The core of strokes, bool, and how far within their reach each pixel is, float32 in 0..1, both shape (H, W).

    Broad parts first, then what is left of narrower ones: each as its own breadth asks for.
    """
    core, near = np.zeros(mask.shape, bool), np.zeros(mask.shape, np.float32)
    left = mask
    depth = depth_in(mask)
    inner = reach
    while left.any():
        narrowest = reach < 1
        middle = left & (depth >= (0 if narrowest else reach * _BROAD))
        if middle.any():
            from_middle = cv2.distanceTransform((~middle).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
            part = mask & (from_middle <= max(1.0, reach * _BROAD))  # its opening: as broad as that throughout
            core |= part & (depth >= inner)
            away = cv2.distanceTransform((~part).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
            wide = max(1.0, reach)
            np.maximum(near, np.clip((wide + 1 - away) / (_FADE * wide + 1), 0, 1), out=near)
            # The rim of a broad part is its outline, and no narrow stroke of its own.
            left = left & (away > wide)
        if narrowest:
            break
        reach *= _NARROWER
        inner = reach * _NARROWER if reach > 1 else 0  # so that a narrow stroke has one core, and not a row of specks
    return core, near
