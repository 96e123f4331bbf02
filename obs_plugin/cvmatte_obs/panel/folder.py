"""The panel's group that cuts out a whole folder."""

from __future__ import annotations

import html
from pathlib import Path

from cvmatte_core.localization.notes import from_wire, sentences

from .. import worker_tasks
from . import rows
from .rows import Button, Group, Line, Shared

_NAMED = 5  # photos that something is said of


class Folder(Group):
    name = "folder"

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self._errand = errand = self.session.folder
        self.rows = (
            rows.Folder("folder"),
            Button("folder_start", self._start, lambda: not errand.is_running),
            Line("folder_state", self._state, is_rich=True),
            rows.refresh("folder", lambda: errand.is_running),
            Button("folder_cancel", errand.task.cancel, lambda: errand.is_running),
        )

    def _start(self) -> str:
        folder = self.shared.value("folder")
        if not folder:
            return self.texts("panel.folder_none")
        self._errand.start(folder, self.session.defaults_of_new())
        return ""

    def _state(self) -> list[str]:
        """How the folder is getting on, as rich text."""
        batch, texts = self._errand.task, self.texts
        if self.said:
            return [html.escape(self.said)]
        if self._errand.is_running:
            return [html.escape(f"{self._progress()} {self.shared.goes_on()}")]
        if self._errand.was_interrupted:
            names = {"button": texts("panel.folder_start"), "preset": texts("panel.new_preset")}
            return [html.escape(texts("panel.folder_interrupted", folder=self._errand.params["folder"], **names))]
        if batch.state != worker_tasks.DONE:
            return [html.escape(self.shared.error_of(batch))]
        result = batch.result
        lines = [html.escape(texts("panel.folder_done", done=result["done"], failed=len(result["failed"])))]
        if result["archive"]:
            archive = Path(result["archive"])
            lines.append(f'<a href="{html.escape(archive.as_uri())}">{html.escape(archive.name)}</a>')
        lines.append(html.escape(", ".join(failure["name"] for failure in result["failed"])))
        for noted in result["noted"][:_NAMED]:
            lines.append(html.escape(f"{noted['name']}: {sentences(from_wire(noted['notes']), texts)}"))
        return lines

    def _progress(self) -> str:
        progress = self._errand.task.progress
        if not progress.get("total"):
            return self.texts("panel.begins")
        return self.texts(
            "panel.folder_running", done=progress["done"], total=progress["total"], name=progress.get("name", "")
        )
