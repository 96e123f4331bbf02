"""The panel's group for when something is wrong: the matting process, and a text for a bug report."""

from __future__ import annotations

from .. import controls, libobs
from . import rows
from .rows import Button, Group, Line, Shared

_DIAGNOSIS = "diagnosis"


class Help(Group):
    name = "help"

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        client = self.session.client
        self._diagnosis = self.session.diagnosis
        self._is_diagnosing = False
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
        return [self.said, under_way if self._is_diagnosing else self.shared.error_of(self._diagnosis.task)]

    def _write(self) -> None:
        """The worker's part comes with what is pressed or chosen next."""
        self._diagnosis.begin()
        self._is_diagnosing = True
        self._show()

    def looks(self) -> None:
        if self._is_diagnosing and not self._diagnosis.is_running:
            self._is_diagnosing = False
            self._show()

    def _show(self) -> None:
        controls.set_string(self.shared.data, _DIAGNOSIS.encode(), self._diagnosis.text())
