"""A text for a bug report, of OBS's process and of the worker."""

from __future__ import annotations

import platform
from typing import Any, Callable

from cvmatte_core import __version__
from cvmatte_core.filesystem import paths, sandbox
from cvmatte_core.localization.errors import CvmatteError
from cvmatte_core.worker.client import WorkerClient

from . import libobs, worker_tasks
from .messages import StateLine


class Diagnosis:
    """A session's. The worker's part comes when the task is done: OBS doesn't wait."""

    def __init__(self, client: WorkerClient, portraits: Callable[[], list[tuple[str, StateLine]]]) -> None:
        """portraits: see Session."""
        self.task = worker_tasks.WorkerTask(client, "diagnose", self._is_found, on_failed=self._is_not)
        self._client, self._portraits = client, portraits
        self._found: tuple[int | None, dict[str, Any]] = (None, {})  # a worker, and its part of the text

    @property
    def is_running(self) -> bool:
        return self.task.state == worker_tasks.RUNNING

    def begin(self) -> None:
        """Unless it is under way: then that is what this asks for."""
        self.task.start({"newest": True})

    def text(self) -> str:
        """What is known by now."""
        client = self._client
        of_process, worker = self._found
        worker = worker if of_process == client.process_id else {}
        lines = [
            f"CVMatte {__version__}, OBS {(libobs.obs_get_version_string() or b'').decode()}",
            f"Python in OBS: {platform.python_version()}, {platform.platform()}",
            *(f"sandbox: {name}" for name in [sandbox.name()] if name),
            f"worker: {client.state}, process {client.process_id}",
            f"data: {paths.data_folder()}",
            *(f"{name}: {state.text}" for name, state in self._portraits()),
            *(f"error: {sentence}" for sentence in client.errors),
            *(_line(name, value) for name, value in worker.items()),
        ]
        return "\n".join(lines)

    def _is_found(self, result: dict[str, Any]) -> None:
        self._found = self._client.process_id, result

    def _is_not(self, error: CvmatteError) -> None:
        self._found = None, {}


def _line(name: str, value: Any) -> str:
    return f"{name}: " + ("\n  ".join(["", *map(str, value)]) if isinstance(value, list) else str(value))
