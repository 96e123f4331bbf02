"""What a person asks of the worker beside mattes: a folder, a model, a diagnosis. One at a time of each kind."""

from __future__ import annotations

from typing import Any, Callable

from cvmatte_core.errors import Cancelled, CvmatteError
from cvmatte_core.worker.client import WorkerClient

IDLE, RUNNING, DONE, FAILED, CANCELLED = "idle", "running", "done", "failed", "cancelled"


class Errand:
    """A request of one method: how far it is, and what came of the last one.

    resume: what to add to the parameters, so that the next one goes on where the last one was; empty where it can't.
    Attributes are replaced as wholes by the worker client's thread, and read by OBS's UI.
    """

    def __init__(self, client: WorkerClient, method: str, on_done: Callable[[Any], None] = lambda result: None) -> None:
        self._client = client
        self._method = method
        self._on_done = on_done
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
            self.progress, self.resume = detail, detail.get("resume", self.resume)
        elif event == "done":
            self.result, self.state = detail, DONE
            self._on_done(detail)
        elif event == "failed":
            self.error, self.state = detail, CANCELLED if isinstance(detail, Cancelled) else FAILED
