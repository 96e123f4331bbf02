"""How the light of a room differs between two pictures of it: exposure, white balance, and what falls off slowly."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from .filters import Filters

_ROUNDS, _PIXELS, _FEWEST = 12, 6000, 100
_FLOOR = 0.004  # of colours of 0..1: residuals below this say nothing
_FIRST, _LAST = 6.0, 1.5  # times the usual residual: more is no light, but at first a lamp's isn't known from a thing
_NEARBY, _HELD = (241, 121, 61), 0.005  # sides of squares for a lamp's light, and how much no lamp counts
_BRIGHTER = 4.0  # than its usual light: no lamp makes more of it
_COARSE = 16  # samples of the field a side
_ORDER = 3  # of the field
_FIELD = (_ORDER + 1) * (_ORDER + 2) // 2  # its terms


@dataclass(frozen=True)
class Light:
    """gains: float64, shape (3, 10), a factor's terms over the picture; offsets: shape (3,). nearby: a factor beside
    that, which no few terms tell: float32, shape (h, w, 3)."""

    gains: np.ndarray
    offsets: np.ndarray
    nearby: np.ndarray | None = None

    @classmethod
    def of(cls, room: np.ndarray, picture: np.ndarray, empty: np.ndarray) -> Light:
        """Fitted where surely nobody is, by least squares that things in the way hardly count in.

        room, picture: float32 RGB in 0..1, shape (H, W, 3). empty: bool, shape (H, W).
        """
        places = np.flatnonzero(empty)
        places = places[:: max(1, len(places) // _PIXELS)]
        rows, columns = np.divmod(places, empty.shape[1])
        terms = _terms(rows, columns, empty.shape)
        before, now = (cv2.blur(values, (3, 3)).reshape(-1, 3)[places].astype(np.float64) for values in (room, picture))
        usable: np.ndarray = np.all((before > 0.01) & (before < 0.98) & (now > 0.01) & (now < 0.98), axis=1)
        weight = usable.astype(np.float64) if usable.sum() >= _FEWEST else np.ones(len(places))
        gains, offsets = np.zeros((3, _FIELD)), np.zeros(3)
        gains[:, 0] = 1
        for wide in np.geomspace(_FIRST, _LAST, _ROUNDS):
            for channel in range(3):
                inputs = np.column_stack([terms * before[:, channel : channel + 1], np.ones(len(places))])
                weighted = inputs * weight[:, None]
                # A little held to no change: a plain wall tells no offset from a gain, and little tells a field.
                hold = np.diag([1e-3, *[0.002] * (_FIELD - 1), 0.1]) * max(weight.sum(), 1)
                wanted = np.zeros(_FIELD + 1)
                wanted[0] = 1
                solved = np.linalg.solve(inputs.T @ weighted + hold, weighted.T @ now[:, channel] + hold @ wanted)
                gains[channel], offsets[channel] = solved[:-1], solved[-1]
            residual = np.abs(now - (terms @ gains.T * before + offsets)).max(axis=1)
            scale = max(_FLOOR, wide * float(np.median(residual[weight > 0])))
            weight = (weight > 0) / (1 + (residual / scale) ** 2) ** 2
        return cls(gains, offsets)

    def with_nearby(self, room: np.ndarray, picture: np.ndarray, lit: np.ndarray) -> Light:
        """With what a lamp makes of it. lit: bool, shape (H, W), where the picture shows the room in whatever light."""
        filters = Filters((room.shape[1], room.shape[0]))
        weight = cv2.merge([lit.astype(np.float32)] * 3)
        now = (picture - self.offsets.astype(np.float32)) * weight
        its = room * np.maximum(self.factor((room.shape[1], room.shape[0])), 0) * weight
        nearby = filters.ratio(now, its, _NEARBY, _HELD)
        return replace(self, nearby=nearby.clip(1 / _BRIGHTER, _BRIGHTER))

    def on(self, room: np.ndarray) -> np.ndarray:
        """The room in this light: float32 RGB in 0..1, shape (H, W, 3)."""
        return np.clip(room * self.factor((room.shape[1], room.shape[0])) + self.offsets.astype(np.float32), 0, 1)

    def factor(self, size: tuple[int, int]) -> np.ndarray:
        """Over a picture of (width, height): float32, shape (H, W, 3)."""
        rows, columns = np.divmod(np.arange(_COARSE**2), _COARSE)
        gains = (_terms(rows, columns, (_COARSE, _COARSE)) @ self.gains.T).reshape(_COARSE, _COARSE, 3)
        result: np.ndarray = cv2.resize(gains.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
        return result if self.nearby is None else result * cv2.resize(self.nearby, size, interpolation=cv2.INTER_LINEAR)


def _terms(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    y, x = (rows + 0.5) / shape[0] * 2 - 1, (columns + 0.5) / shape[1] * 2 - 1
    across, down = ([np.ones_like(one), one, one**2 - 1 / 3, one**3 - 0.6 * one] for one in (x, y))
    return np.column_stack([across[n - m] * down[m] for n in range(_ORDER + 1) for m in range(n + 1)])
