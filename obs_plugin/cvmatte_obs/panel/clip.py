"""The panel's group that cuts out a clip, and adds it to the current scene."""

from __future__ import annotations

from pathlib import Path

from cvmatte_core.localization.notes import from_wire, sentences

from .. import worker_tasks
from . import rows
from .rows import Button, Group, Line, Shared


class Clip(Group):
    name = "clip"

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self._errand = errand = self.session.clip
        self.rows = (
            rows.Clip("clip"),
            Button("clip_start", self._start, lambda: not errand.is_running),
            Line("clip_state", lambda: [self.said or self._state()]),
            self.undo(),
            rows.refresh("clip", lambda: errand.is_running),
            Button("clip_cancel", errand.task.cancel, lambda: errand.is_running),
        )

    def _start(self) -> str:
        clip = self.shared.value("clip")
        if not clip:
            return self.texts("panel.clip_none")
        self._errand.start(clip, self.session.defaults_of_new())
        return ""

    def _state(self) -> str:
        cutting, texts = self._errand.task, self.texts
        if self._errand.is_running:
            return f"{self._progress()} {self.shared.goes_on()}"
        if self._errand.was_interrupted:
            names = {"button": texts("panel.clip_start"), "preset": texts("panel.new_preset")}
            return texts("panel.clip_interrupted", clip=Path(self._errand.params["clip"]).name, **names)
        if cutting.state != worker_tasks.DONE:
            return self.shared.error_of(cutting)
        key = "panel.clip_done" if cutting.result["whole"] else "panel.clip_part"
        made = texts(key, name=Path(cutting.result["path"]).name)
        return f"{made} {sentences(from_wire(cutting.result['notes']), texts)}".strip()

    def _progress(self) -> str:
        progress = self._errand.task.progress
        if not progress.get("total"):
            return self.texts("panel.begins")
        return self.texts("panel.clip_running", done=progress["done"], total=progress["total"])
