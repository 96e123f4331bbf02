"""The panel's group that cuts out a clip, and adds it to the current scene."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cvmatte_core.localization.errors import CvmatteError, ImageError
from cvmatte_core.localization.notes import from_wire, sentences

from .. import scenes, worker_tasks
from . import rows
from .rows import Button, Group, Line, Shared


class Clip(Group):
    name = "clip"

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self._unfinished = worker_tasks.Unfinished.clip()
        self._params = self._unfinished.load()  # of the last one, in another panel's life
        self._cutting = worker_tasks.WorkerTask(self.session.client, "clip", self._is_made, on_failed=self._has_failed)
        self.rows = (
            rows.Clip("clip"),
            Button("clip_start", self._start, lambda: not self._is_running()),
            Line("clip_state", lambda: [self.said or self._state()]),
            self.undo(),
            rows.refresh("clip", self._is_running),
            Button("clip_cancel", self._cutting.cancel, self._is_running),
        )

    def _is_running(self) -> bool:
        return self._cutting.state == worker_tasks.RUNNING

    def _start(self) -> str:
        clip = self.shared.value("clip")
        if not clip:
            return self.texts("panel.clip_none")
        if not self._is_running():
            params = {"clip": clip, "settings": self.session.defaults_of_new()}
            self._unfinished.save(params)
            self._cutting.start(params)
        return ""

    def _has_failed(self, error: CvmatteError) -> None:
        if isinstance(error, ImageError):  # it would fail again
            self._unfinished.forget()

    def _is_made(self, result: Any) -> None:
        self._unfinished.forget()
        self.session.post(self._add, Path(result["path"]))

    def _add(self, path: Path) -> None:
        """On the session's thread."""
        with self.session.additions.adding(self.name) as added:
            made = scenes.add_media(path.stem, str(path))
            added += [made] if made is not None else []

    def _state(self) -> str:
        cutting, texts = self._cutting, self.texts
        if self._is_running():
            return f"{self._progress()} {self.shared.goes_on()}"
        if cutting.state == worker_tasks.IDLE and self._params:
            names = {"button": texts("panel.clip_start"), "preset": texts("panel.new_preset")}
            return texts("panel.clip_interrupted", clip=Path(self._params["clip"]).name, **names)
        if cutting.state != worker_tasks.DONE:
            return self.shared.error_of(cutting)
        key = "panel.clip_done" if cutting.result["whole"] else "panel.clip_part"
        made = texts(key, name=Path(cutting.result["path"]).name)
        return f"{made} {sentences(from_wire(cutting.result['notes']), texts)}".strip()

    def _progress(self) -> str:
        progress = self._cutting.progress
        if not progress.get("total"):
            return self.texts("panel.begins")
        return self.texts("panel.clip_running", done=progress["done"], total=progress["total"])
