"""What is told of a live picture about once a second, from its first frame on, whether more come or not."""

from __future__ import annotations

import time

_SECONDS = 1.0


class Figures:
    """Of one moving picture."""

    def __init__(self) -> None:
        self._since: float | None = None  # when the present second began
        self._frames = self._cut = 0
        self._lags = [0.0]
        self._moved = True

    def count(self, lag: float | None, moves: bool) -> None:
        """A frame. lag: seconds that it was behind when it was cut out; None where it was as the one before."""
        if self._since is None:  # the first takes longer than any other
            self._since = time.monotonic()
        else:
            self._frames += 1
            self._cut += lag is not None
        if lag is not None:
            self._lags.append(lag)
        self._moved = self._moved or moves

    def due(self, is_over: bool = False) -> dict[str, float] | None:
        """Those of the second that has just ended, if one has. is_over: whether no frame will come any more."""
        now = time.monotonic()
        if self._since is None or now - self._since < _SECONDS:
            return None
        seconds, lags = now - self._since, sorted(self._lags)
        figures = {
            "rate": round(self._frames / seconds, 1),
            "cut": round(self._cut / seconds, 1),  # of these: the others were as the one before
            "lag": round(1000 * lags[len(lags) // 2]),
            "lag_99": round(1000 * lags[-1 - len(lags) // 100]),
            "rests": is_over or (self._frames > 0 and not self._moved),
        }
        self._since, self._frames, self._cut, self._lags, self._moved = now, 0, 0, self._lags[-1:], False
        return figures
