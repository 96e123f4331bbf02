"""What the session's thread does beside its work: it keeps account of its own time, and gives memory back."""

from __future__ import annotations

import math
import statistics
import time
from collections import deque

from cvmatte_core.system import memory

_TRIM_SECONDS = 30.0  # between a layer's end and that of its memory
_SMOOTHING = 64  # polls
_TRIM_SHARE = 1e-4  # of all time at most: whoever allocates memory meanwhile waits


class PollTimes:
    """How long polls took, in bounded memory, however many hours they go on."""

    def __init__(self) -> None:
        self._latest: deque[tuple[float, float]] = deque(maxlen=4096)
        self._longest = (0.0, 0.0)
        self._count = 0
        self.processor = 0.0  # seconds of processor that a poll takes lately

    def add(self, seconds: float, processor: float) -> None:
        self._latest.append((seconds, processor))
        self._longest = (max(self._longest[0], seconds), max(self._longest[1], processor))
        self._count += 1
        # Smoothed: Windows counts a thread's time in steps of 16 ms, far more than a poll takes.
        self.processor += (processor - self.processor) / min(self._count, _SMOOTHING)

    def __str__(self) -> str:
        medians = [statistics.median(times) for times in zip(*self._latest)] or [0.0, 0.0]
        wall, processor = (
            f"median {median * 1000:.3f} ms, longest {longest * 1000:.2f} ms"
            for median, longest in zip(medians, self._longest)
        )
        return f"{self._count} polls, {wall}; of processor {processor} (medians of the last {len(self._latest)})"


class Trimming:
    """Gives memory back some time after layers came or went."""

    def __init__(self) -> None:
        self._due = math.inf
        self._not_before = 0.0

    def later(self) -> None:
        self._due = min(self._due, time.monotonic() + _TRIM_SECONDS)

    def if_due(self) -> None:
        begun = time.monotonic()
        if begun >= max(self._due, self._not_before):
            self._due = math.inf
            memory.give_back()
            self._not_before = begun + (time.monotonic() - begun) / _TRIM_SHARE
