"""The fetching of a model that somebody chose, for a portrait or in the panel."""

from __future__ import annotations

import time
from typing import Any, Callable

from cvmatte_core.localization.errors import CvmatteError
from cvmatte_core.localization.texts import Texts
from cvmatte_core.models.catalogue import ModelEntry, shown_title
from cvmatte_core.worker.client import WorkerClient

from . import worker_tasks

_NEWS_SECONDS = 1.0


class ModelInstall:
    """One at a time."""

    def __init__(self, client: WorkerClient, on_done: Callable[[Any], None]) -> None:
        self._task = worker_tasks.WorkerTask(client, "install_model", on_done)
        self.cancel = self._task.cancel
        self._name = self.title = ""  # of the model that is, or was last, fetched
        self._told, self._told_at = self._news, 0.0

    @property
    def is_running(self) -> bool:
        return self._task.state == worker_tasks.RUNNING

    @property
    def progress(self) -> tuple[int, int]:
        """Bytes that are there, of how many."""
        return self._task.progress.get("done", 0), self._task.progress.get("total", 1)

    @property
    def _news(self) -> tuple[str, tuple[int, int]]:
        return self._task.state, self.progress

    @property
    def error(self) -> CvmatteError | None:
        """Why the last one couldn't be fetched."""
        return self._task.error

    def error_of(self, name: str) -> CvmatteError | None:
        """The same, where this was the last one."""
        return self.error if name == self._name else None

    def start(self, entry: ModelEntry, texts: Texts) -> None:
        if not self.is_running:
            self._name, self.title = entry.name, shown_title(entry, texts)
            self._task.start({"name": entry.name})

    def has_news(self) -> bool:
        """Whether open dialogs say something old."""
        news, now = self._news, time.monotonic()
        if news == self._told or (self.is_running and now - self._told_at < _NEWS_SECONDS):
            return False
        self._told, self._told_at = news, now
        return True
