"""The panel's group of the layers on disk."""

from __future__ import annotations

from cvmatte_core.filesystem import paths
from cvmatte_core.localization.texts import megabytes
from cvmatte_core.system import file_manager

from .. import worker_tasks
from . import rows
from .rows import Button, Group, Line, Number, Shared

_MOST = 100


class SavedLayers(Group):
    name = "files"
    defaults = (("keep", 5),)

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self._tidying = worker_tasks.WorkerTask(self.session.client, "tidy")
        self.rows = (
            Button("open_outputs", self._open),
            Number("keep", _MOST),
            Button("tidy", self._tidy),
            Line("tidy_state", lambda: [self.said, self._state()]),
            rows.refresh("tidy", self._is_running),
        )

    def _is_running(self) -> bool:
        return self._tidying.state == worker_tasks.RUNNING

    def _state(self) -> str:
        tidying, texts = self._tidying, self.texts
        if self._is_running():
            return texts("panel.tidying", refresh=texts("panel.refresh"))
        if tidying.state != worker_tasks.DONE:
            return self.shared.error_of(tidying)
        return texts("panel.tidied", count=tidying.result["count"], megabytes=megabytes(tidying.result["bytes"]))

    def _open(self) -> str:
        folder = paths.outputs_folder()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file_manager.open_folder(folder)
        except OSError:  # no such program: then at least say where it is
            return str(folder)
        return ""

    def _tidy(self) -> None:
        """The worker does it: looking at thousands of files, or at a drive that is away, OBS's window would freeze."""
        self._tidying.start({"keep": self.shared.number("keep"), "in_use": sorted(self.session.layers_in_use())})
