"""The worker's other end: gives it jobs, and gives them to another worker when it dies.

Standard library only: it runs inside OBS. Nothing here blocks its caller: submit, cancel and start only queue, and
every answer comes through a callback on the client's own thread.
"""

from __future__ import annotations

import logging
import sys
from collections import deque
from dataclasses import dataclass
from typing import Any, Callable, Sequence

from ..child_process import messages
from ..child_process.child import Child, Messages, Process, queued
from ..localization.errors import Cancelled, CvmatteError, WorkerError
from . import protocol

logger = logging.getLogger(__name__)

STOPPED, STARTING, READY, WAITING = "stopped", "starting", "ready", "waiting"

_HANDSHAKE_SECONDS = 60.0
_FAILED_STARTS = 3
_FAILED_LOADS = 5  # more than starts: a process that somebody kills a few times looks the same
_DEATHS_OF_A_JOB = 2
_ERRORS_KEPT = 20

Listener = Callable[[str, Any], None]


@dataclass
class _Request:
    """A request under way. Its listener hears an event, "waiting", "progress", "layer", "retrying", "done" or "failed",
    and its detail."""

    number: int
    method: str
    params: dict[str, Any]
    listener: Listener
    deaths: int = 0  # of workers that were busy with it
    cancelled: bool = False
    sent: bool = False
    begun: bool = False
    stood_still: bool = False  # in the last of those workers, which was ended for it

    @property
    def turn(self) -> tuple[bool, int]:
        """Sorts jobs for a new worker: no job waits for the second try of one that hung; of several of those the
        youngest goes first, since one that hangs as it is saved holds up those begun after it. A job whose worker died
        by itself keeps its place: a second try after others could end a worker that is still saving theirs."""
        return self.stood_still, -self.number if self.stood_still else self.number


class WorkerClient(Child):
    """Keeps one worker process and the jobs it was given.

    A job whose worker dies is tried once more; when that worker dies too the job fails with a WorkerError. Jobs
    that were only queued are kept. After each death the next start waits longer, until a job succeeds again.
    errors: the last sentences, in English, that jobs failed or were retried with, oldest first. damaged_models: the
    titles of those that jobs found damaged. on_painted: hears the content's digest of each photo touched up on a page.
    on_zones: hears what a live portrait is known by, and the zones that were painted for it on a page.
    """

    def __init__(
        self,
        command: Sequence[str] | None = None,
        *,
        on_state: Callable[[str], None] = lambda state: None,
        delays: Sequence[float] = (0.2, 1.0, 3.0, 10.0, 30.0),
    ) -> None:
        super().__init__("the worker", "cvmatte_core.worker.server", command=command, delays=delays)
        self._on_state = on_state
        self._jobs: dict[int, _Request] = {}  # everything not answered yet, in the order of submission
        self._numbers = iter(range(1, sys.maxsize))
        self._handshake = 0  # the number of the request
        self._failed_starts = 0  # in a row, without a handshake between
        self._failed_loads = 0  # in a row, with jobs that waited for the model and none begun between
        self._wanted = False
        self.state = STOPPED
        self.on_painted: Callable[[str], None] = lambda digest: None
        self.on_zones: Callable[[str, str], None] = lambda portrait, zones: None
        self.damaged_models: set[str] = set()
        self.errors: deque[str] = deque(maxlen=_ERRORS_KEPT)
        self._thread.start()

    # Called from any thread, all of it done on the client's own

    @queued
    def start(self) -> None:
        """Start the worker ahead of the first job."""
        self._wanted = True

    def submit(self, method: str, params: dict[str, Any], listener: Listener) -> int:
        """Queue a request and return its number. The listener's last call is "done" or "failed"."""
        number = next(self._numbers)
        self._accept(_Request(number, method, params, listener))
        return number

    @queued
    def _accept(self, job: _Request) -> None:
        self._jobs[job.number] = job
        if self.state == READY:
            self._send_job(job)

    @queued
    def cancel(self, number: int) -> None:
        """Give a job up: its listener hears "failed" with Cancelled, or "done" where that was already under way."""
        job = self._jobs.get(number)
        if job is None or job.cancelled:
            return
        job.cancelled = True
        if job.sent:
            self._send({"method": "cancel", "params": {"id": number}})
        else:
            self._finish(job, "failed", Cancelled())

    @queued
    def restart(self) -> None:
        """End the worker and start another at once. It gets every job not answered yet, none the worse for it."""
        self._end_process()
        self._forget_deaths()
        self._wanted = True
        for job in list(self._jobs.values()):
            self._after_death(job, False)

    # The process

    def _is_wanted(self) -> bool:
        return self._wanted or bool(self._jobs)

    def _longest_silence(self) -> float | None:
        if self.state == STARTING:
            return _HANDSHAKE_SECONDS
        return super()._longest_silence() if any(job.sent for job in self._jobs.values()) else None

    def _on_start(self) -> None:
        self._wanted = False
        self._set_state(STARTING)
        self._handshake = next(self._numbers)
        params = {"protocol": protocol.PROTOCOL_VERSION}
        self._send({"id": self._handshake, "method": "initialize", "params": params})

    def _on_no_start(self, error: WorkerError) -> None:
        self._give_up(error)

    def _on_death(self) -> None:
        under_way = [job for job in self._jobs.values() if job.sent]
        self._count_death()
        self._failed_starts += self.state == STARTING
        self._failed_loads += bool(under_way) and not any(job.begun for job in under_way)
        for job in list(self._jobs.values()):
            self._after_death(job, job.number in self._hung if self._hung else job.begun)
        if self._failed_starts >= _FAILED_STARTS:
            self._give_up(WorkerError("worker_does_not_start"))
        elif self._failed_loads >= _FAILED_LOADS:
            self._give_up(WorkerError("worker_does_not_load"))
        else:
            self._set_state(WAITING if self._jobs else STOPPED)

    def _after_death(self, job: _Request, was_at_it: bool) -> None:
        """Only the jobs that the worker was busy with may have killed it; the others just wait on."""
        job.sent = job.begun = False
        if was_at_it:
            job.deaths += 1
            job.stood_still = self._hung is not None
        if job.cancelled:
            self._finish(job, "failed", Cancelled())
        elif job.deaths >= _DEATHS_OF_A_JOB:
            self._finish(job, "failed", WorkerError("worker_silent" if job.stood_still else "worker_died_twice"))
        elif was_at_it:
            self._tell(job, "retrying", WorkerError("worker_died"))

    def _give_up(self, error: CvmatteError) -> None:
        """Fail everything that waits: starting the worker again would not help."""
        self._end_process()
        self._forget_deaths()
        self._wanted = False
        for job in list(self._jobs.values()):
            self._finish(job, "failed", error)
        self._set_state(STOPPED)

    def _forget_deaths(self) -> None:
        super()._forget_deaths()
        self._failed_starts = self._failed_loads = 0

    # Messages

    def _listen(self, process: Process, said: Messages) -> None:
        for message in said:
            self._on_message(process, message)

    @queued
    def _on_message(self, process: Process, message: dict[str, Any]) -> None:
        if process is not self._process:
            return
        method, params = message.get("method"), message.get("params") or {}
        if method == "beat":
            self._on_beat(params.get("standing"))
        elif method == "painted":
            self.on_painted(str(params.get("digest", "")))
        elif method == "zones":
            self.on_zones(str(params.get("portrait", "")), str(params.get("zones", "")))
        elif method in ("waiting", "progress", "layer"):
            self._on_news(method, params)
        elif method is None and message.get("id") == self._handshake:
            self._on_handshake(message)
        else:
            self._on_answer(message)

    def _on_handshake(self, message: dict[str, Any]) -> None:
        if (message.get("result") or {}).get("protocol") != protocol.PROTOCOL_VERSION:
            self._give_up(WorkerError("worker_version"))
            return
        self._failed_starts = 0
        self._set_state(READY)
        for job in sorted(self._jobs.values(), key=lambda job: job.turn):
            self._send_job(job)

    def _on_news(self, event: str, params: dict[str, Any]) -> None:
        job = self._jobs.get(params.get("id", 0))
        if job is None:
            return
        if event != "waiting":
            job.begun = True
            # An answer alone shows no loaded model: a list of models has one while that is still loading.
            self._failed_loads = 0
        resumption = params.get("resume")
        if isinstance(resumption, dict):  # it has got further: whoever dies now, that is a first time
            job.params = {**job.params, **resumption}
            job.deaths = 0
        self._tell(job, event, params)

    def _on_answer(self, message: dict[str, Any]) -> None:
        job = self._jobs.get(message.get("id", 0))
        if job is None:
            return
        self._deaths = 0
        if "error" in message:
            logger.debug("job %s: %s", job.number, message["error"].get("message"))  # whoever asked says it
            self._finish(job, "failed", messages.error_from_wire(message["error"]))
        else:
            self._finish(job, "done", message.get("result"))

    def _send_job(self, job: _Request) -> None:
        job.sent = True
        self._send({"id": job.number, "method": job.method, "params": job.params})

    def _send(self, message: dict[str, Any]) -> None:
        super()._send({**protocol.JSON_RPC, **message})

    # What is told

    def _finish(self, job: _Request, event: str, detail: Any) -> None:
        self._jobs.pop(job.number, None)
        self._tell(job, event, detail)

    def _tell(self, job: _Request, event: str, detail: Any) -> None:
        if self._closing.is_set():
            return
        if isinstance(detail, CvmatteError) and not isinstance(detail, Cancelled):
            self.errors.append(str(detail))
            if detail.key == "model_damaged":
                self.damaged_models.add(detail.values["model"])
        job.listener(event, detail)

    def _set_state(self, state: str) -> None:
        if state != self.state:
            self.state = state
            if not self._closing.is_set():
                self._on_state(state)
