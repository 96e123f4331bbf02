"""The panel's group for when something is wrong: the matting process, and a text for a bug report."""

from __future__ import annotations

import platform
from typing import Any

from cvmatte_core import __version__
from cvmatte_core.filesystem import paths, sandbox

from .. import controls, libobs, worker_tasks
from . import rows
from .rows import Button, Group, Line, Shared

_DIAGNOSIS = "diagnosis"


class Help(Group):
    name = "help"

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        client = self.session.client
        self._task = worker_tasks.WorkerTask(client, "diagnose")
        self._is_diagnosing = False
        self._diagnosed: tuple[int | None, dict[str, Any]] = (None, {})  # a worker, and its part of the text
        libobs.obs_data_erase(self.shared.data, _DIAGNOSIS.encode())  # of an OBS that has ended, or a session
        self.rows = (
            Line("worker_state", self._worker_state),
            Button("restart", client.restart),
            Button("diagnose", self._write),
            Line("help_state", self._state),
            rows.refresh("help", lambda: self._is_diagnosing),
            rows.LongText(_DIAGNOSIS, lambda: bool(self.shared.value(_DIAGNOSIS))),
        )

    def _worker_state(self) -> list[str]:
        client, texts = self.session.client, self.texts
        if client.refusal is not None:
            return [client.refusal.sentence(texts)]
        return [texts(f"panel.worker.{client.state}")]

    def _state(self) -> list[str]:
        under_way = self.texts("panel.diagnosing", refresh=self.shared.label("refresh"))
        return [self.said, under_way if self._is_diagnosing else self.shared.error_of(self._task)]

    def _write(self) -> None:
        """A text for a bug report. The worker's part comes with what is pressed or chosen next: OBS doesn't wait."""
        if not self._is_diagnosing:  # else what is under way is what this asks for
            self._task.start({"newest": True})
        self._is_diagnosing = True
        self._show()

    def looks(self) -> None:
        if self._is_diagnosing and self._task.state != worker_tasks.RUNNING:
            self._is_diagnosing = False
            self._diagnosed = (self.session.client.process_id, self._task.result or {})
            self._show()

    def _show(self) -> None:
        client = self.session.client
        of_process, worker = self._diagnosed
        worker = worker if of_process == client.process_id else {}
        lines = [
            f"CVMatte {__version__}, OBS {(libobs.obs_get_version_string() or b'').decode()}",
            f"Python in OBS: {platform.python_version()}, {platform.platform()}",
            *(f"sandbox: {name}" for name in [sandbox.name()] if name),
            f"worker: {client.state}, process {client.process_id}",
            f"data: {paths.data_folder()}",
            *(f"{name}: {state.text}" for name, state in self.session.portraits()),
            *(f"error: {sentence}" for sentence in client.errors),
            *(_line(name, value) for name, value in worker.items()),
        ]
        controls.set_string(self.shared.data, _DIAGNOSIS.encode(), "\n".join(lines))


def _line(name: str, value: Any) -> str:
    return f"{name}: " + ("\n  ".join(["", *map(str, value)]) if isinstance(value, list) else str(value))
