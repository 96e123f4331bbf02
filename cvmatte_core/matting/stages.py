"""The stages of a matte: told as they begin, timed, and ended between two of them where that is wanted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from ..localization.errors import Cancelled

Progress = Callable[[str, int, int], None]


def untold(stage: str, done: int, total: int) -> None:
    """Progress that nobody follows."""


class Stages:
    """seconds: what each stage took."""

    def __init__(
        self,
        on_progress: Progress = untold,
        cancelled: threading.Event | None = None,
        seconds: Mapping[str, float] | None = None,
    ) -> None:
        self.seconds: dict[str, float] = dict(seconds or {})
        self._on_progress, self._cancelled = on_progress, cancelled
        self._last = time.perf_counter()

    def step(self, stage: str, done: int = 0, total: int = 1) -> None:
        """Raises Cancelled."""
        if self._cancelled is not None and self._cancelled.is_set():
            raise Cancelled
        self._on_progress(stage, done, total)

    def ended(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] = now - self._last
        self._last = now
