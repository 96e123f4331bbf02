"""What a person asks of the worker beside mattes: a folder, a model, a diagnosis. One at a time of each kind."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any, Callable, Mapping

from cvmatte_core.filesystem import files, paths
from cvmatte_core.localization.errors import Cancelled, CvmatteError
from cvmatte_core.worker.client import WorkerClient

IDLE, RUNNING, DONE, FAILED, CANCELLED = "idle", "running", "done", "failed", "cancelled"
_FOLDER = {"folder": str, "settings": dict, "output_folder": str}
_CLIP = {"clip": str, "settings": dict}


class WorkerTask:
    """A request of one method: how far it is, and what came of the last one.

    resume: what to add to the parameters, so that the next one goes on where the last one was; empty where it can't.
    Attributes are replaced as wholes by the worker client's thread, and read by OBS's UI.
    """

    def __init__(
        self,
        client: WorkerClient,
        method: str,
        on_done: Callable[[Any], None] = lambda result: None,
        on_resume: Callable[[dict[str, Any]], None] = lambda resume: None,
        on_failed: Callable[[CvmatteError], None] = lambda error: None,
    ) -> None:
        """on_…: called on the worker client's thread, before the state is the one at the end; on_resume whenever
        `resume` is another."""
        self._client, self._method = client, method
        self._on_done, self._on_resume, self._on_failed = on_done, on_resume, on_failed
        self._number = 0
        self.state = IDLE
        self.progress: dict[str, Any] = {}
        self.resume: dict[str, Any] = {}
        self.result: Any = None
        self.error: CvmatteError | None = None

    def start(self, params: dict[str, Any] | None = None) -> None:
        """Begin, unless one runs."""
        if self.state != RUNNING:
            self.state, self.progress, self.resume, self.result, self.error = RUNNING, {}, {}, None, None
            self._number = self._client.submit(self._method, params or {}, self._listen)

    def cancel(self) -> None:
        if self.state == RUNNING:
            self._client.cancel(self._number)

    def _listen(self, event: str, detail: Any) -> None:
        if event == "progress":
            before, self.progress, self.resume = self.resume, detail, detail.get("resume", self.resume)
            if self.resume != before:
                self._on_resume(self.resume)
        elif event == "done":
            self.result = detail
            self._on_done(detail)
            self.state = DONE
        elif event == "failed":
            self.error = detail
            self._on_failed(detail)
            self.state = CANCELLED if isinstance(detail, Cancelled) else FAILED


class Unfinished:
    """The parameters of the last errand of a kind that was begun and isn't done, in a file: so that it can go on after
    a script reload, a switch of scene collections or OBS's end, all of which end the worker.
    """

    def __init__(self, fields: Mapping[str, type], file: Path) -> None:
        self._fields, self._file = fields, file

    @classmethod
    def folder(cls, file: Path | None = None) -> Unfinished:
        return cls(_FOLDER, file or paths.data_folder() / "unfinished_folder.json")

    @classmethod
    def clip(cls, file: Path | None = None) -> Unfinished:
        return cls(_CLIP, file or paths.data_folder() / "unfinished_clip.json")

    def load(self) -> dict[str, Any]:
        """Empty where there is none, or none that can be read."""
        try:
            params = json.loads(self._file.read_text(encoding="utf-8"))
            whole = all(isinstance(params[name], kind) for name, kind in self._fields.items())
            return {name: params[name] for name in self._fields} if whole else {}
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return {}

    def save(self, params: dict[str, Any]) -> None:
        """Where it can't be written, the next one just begins anew."""
        with contextlib.suppress(CvmatteError):
            files.write(self._file, json.dumps(params).encode("ascii"))

    def forget(self) -> None:
        with contextlib.suppress(OSError):
            self._file.unlink()
