"""The cameras that there are, as of the last look; the worker looks, since a driver may hang."""

from __future__ import annotations

import time
from typing import Any, Callable

from cvmatte_core.worker.client import WorkerClient

from .worker_tasks import WorkerTask

_LOOK_SECONDS = 3.0  # between two looks
_WAIT_SECONDS = 600.0  # that somebody who was shown the list is taken to wait for a camera


class CameraList:
    """found: what each is opened by, and shown as; None before the first look."""

    def __init__(self, client: WorkerClient, on_change: Callable[[], None]) -> None:
        """on_change: called on the worker client's thread when there are others."""
        self.found: dict[str, str] | None = None
        self._on_change = on_change
        self._task = WorkerTask(client, "cameras", self._are)
        self._looked_at = self._shown_at = float("-inf")

    def is_shown(self) -> None:
        """Somebody is about to see it."""
        self._shown_at = time.monotonic()
        self._look()

    def wait(self) -> None:
        """A portrait has no camera that is there: one may just be plugged in."""
        if time.monotonic() - self._shown_at < _WAIT_SECONDS:
            self._look()

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked_at > _LOOK_SECONDS:
            self._looked_at = now
            self._task.start()

    def _are(self, answer: dict[str, Any]) -> None:
        before, self.found = self.found, answer["cameras"]
        if self.found != before:
            self._on_change()
