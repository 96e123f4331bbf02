"""When nothing moves the network rests, and what was cut out last stays. Noise isn't movement."""

from __future__ import annotations

import time
from collections.abc import Hashable

import cv2
import numpy as np

_SIDE = 480  # pixels: what is looked at of a frame's longer side,
_HALVINGS = 2  # and how often that is reduced to half: blocks of 4 x 4 are compared
_NOISE = 10.0  # times as much as the usual change is movement,
_LEAST, _MOST = 2.0, 8.0  # but never less than this, and always more than that, of 255
_BLOCKS = 2  # that must have changed: one alone is a speck
_SETTLED_FRAMES = 8  # that the network sees of a still picture before it rests: what it remembers is of movement then
_LONGEST_SECONDS = 1.0


class Rest:
    """Of one moving picture."""

    def __init__(self) -> None:
        self._frame: np.ndarray | None = None  # that was cut out last
        self._few = np.empty((0, 0), np.float32)  # of it
        self._by: Hashable = None  # see `holds`
        self._at = 0.0
        self.moves = True  # whether something has, between that one and the frame that was looked at last
        self._still = 0  # how many still frames were cut out, one after the other

    def holds(self, frame: np.ndarray, by: Hashable, more: int = 0) -> bool:
        """Whether what was cut out last will do for this frame, uint8, shape (H, W, 3 or 4); else it is cut out now.
        by: what else decides the result. more: still frames that are cut out before than the network needs."""
        is_same = frame is self._frame  # the very same picture may stay for ever
        few = self._few if is_same else _few_pixels(frame)
        moves = self.moves = not is_same and (few.shape != self._few.shape or _moved(few, self._few))
        now = time.monotonic()
        is_due = not is_same and now - self._at >= _LONGEST_SECONDS
        if not moves and not is_due and by == self._by and self._still >= _SETTLED_FRAMES + more:
            return True
        self._still = 0 if moves else self._still + 1
        self._frame, self._few, self._by, self._at = frame, few, by, now
        return False


def _few_pixels(frame: np.ndarray) -> np.ndarray:
    """Grey, float32 of 0..255, each the mean of a block of the frame's pixels."""
    step = max(1, max(frame.shape[:2]) // _SIDE)
    across, down = (-(-side // step) for side in frame.shape[1::-1])
    # frame[::step, ::step] in a tenth of the time, but for the last row and column of an uneven side
    blocks = cv2.resize(frame, (across, down), interpolation=cv2.INTER_NEAREST)
    for _ in range(_HALVINGS):  # in a third of the time that one step takes
        height, width = (max(1, side // 2) for side in blocks.shape[:2])
        blocks = cv2.resize(blocks, (width, height), interpolation=cv2.INTER_AREA)
    channels = blocks.shape[2]
    return cv2.transform(blocks.astype(np.float32), np.full((1, channels), 1 / channels))  # mean() is slow


def _moved(now: np.ndarray, before: np.ndarray) -> bool:
    changes = np.abs(now - before).ravel()
    if changes.size <= _BLOCKS:
        return bool(changes.any())
    limit = min(_MOST, max(_LEAST, _NOISE * float(np.median(changes))))
    return bool(np.count_nonzero(changes > limit) >= _BLOCKS)
