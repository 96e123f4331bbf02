"""A folder or a clip that is cut out as a whole: begun in the panel or from outside, one at a time of each kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Mapping

from cvmatte_core.localization.errors import CvmatteError, ImageError
from cvmatte_core.worker.client import WorkerClient

from . import scenes, worker_tasks
from .additions import Additions

FOLDER, CLIP = "folder", "clip"


class Errand:
    """task: the last one. params: of that, or of one that was left unfinished in another session's life."""

    kind = ""

    def __init__(self, task: worker_tasks.WorkerTask, unfinished: worker_tasks.Unfinished) -> None:
        self.task, self._unfinished = task, unfinished
        self.params = unfinished.load()

    @property
    def is_running(self) -> bool:
        return self.task.state == worker_tasks.RUNNING

    @property
    def name(self) -> str:
        """Of the file or folder that the last one is of."""
        return Path(self.params.get(self.kind, "")).name

    @property
    def was_interrupted(self) -> bool:
        """Whether there is one to go on with, and none was begun since."""
        return self.task.state == worker_tasks.IDLE and bool(self.params)

    def start(self, path: str, settings: Mapping[str, Any]) -> None:
        """Begin, unless one runs. settings: values of MatteSettings."""
        raise NotImplementedError


class FolderErrand(Errand):
    kind = FOLDER

    def __init__(self, client: WorkerClient) -> None:
        task = worker_tasks.WorkerTask(
            client,
            "batch",
            lambda result: self._unfinished.forget(),
            lambda resume: self._unfinished.save({**self.params, **resume}),
        )
        super().__init__(task, worker_tasks.Unfinished.folder())

    def start(self, path: str, settings: Mapping[str, Any]) -> None:
        """The same as the last, which isn't done, goes on where that was."""
        if self.is_running:
            return
        wanted = {"folder": path, "settings": settings}
        last = {**self.params, **self.task.resume}
        goes_on = self.task.state != worker_tasks.DONE and wanted.items() <= last.items()
        self.params = last if goes_on else {**wanted, "output_folder": ""}
        self.task.start(self.params)


class ClipErrand(Errand):
    """What it becomes is added to the current scene."""

    kind = CLIP

    def __init__(self, client: WorkerClient, post: Callable[..., None], additions: Additions) -> None:
        """post: see Services."""
        self._post, self._additions = post, additions
        task = worker_tasks.WorkerTask(client, "clip", self._is_made, on_failed=self._has_failed)
        super().__init__(task, worker_tasks.Unfinished.clip())

    def start(self, path: str, settings: Mapping[str, Any]) -> None:
        if not self.is_running:
            self.params = {"clip": path, "settings": settings}
            self._unfinished.save(self.params)
            self.task.start(self.params)

    def _has_failed(self, error: CvmatteError) -> None:
        if isinstance(error, ImageError):  # it would fail again
            self._unfinished.forget()

    def _is_made(self, result: Any) -> None:
        self._unfinished.forget()
        self._post(self._add, Path(result["path"]))

    def _add(self, path: Path) -> None:
        """On the session's thread."""
        with self._additions.adding(self.kind) as added:
            made = scenes.add_media(path.stem, str(path))
            added += [made] if made is not None else []
