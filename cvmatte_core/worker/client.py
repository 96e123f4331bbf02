"""The worker's other end: starts the process, sends it jobs, and starts it again when it dies.

Standard library only: it runs inside OBS. Nothing here blocks its caller: submit, cancel and start only queue, and
every answer comes through a callback on one of the client's own threads.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Sequence

from ..child_process import messages
from ..disk import paths
from ..system import sandbox
from ..words.errors import Cancelled, CvmatteError, WorkerError
from . import protocol
from .request_pipe import RequestPipe

logger = logging.getLogger(__name__)

STOPPED, STARTING, READY, WAITING = "stopped", "starting", "ready", "waiting"

_HANDSHAKE_SECONDS = 60.0
SILENCE_SECONDS = 180.0  # a worker that doesn't even beat for so long hangs, as does what stands still so long in it
_ASLEEP_SECONDS = 10.0  # a look at the worker that comes so late: the computer slept, and the worker with it
_ENDING_SECONDS = 1.0  # that a process is given once its input has ended
_DYING_SECONDS = 10.0  # that a process that was killed is waited for: a broken disk may keep it even from that
_FAILED_STARTS = 3
_FAILED_LOADS = 5  # more than starts: a process that somebody kills a few times looks the same
_DEATHS_OF_A_JOB = 2
_LOG_LIMIT = 1 << 20  # bytes
_ERRORS_KEPT = 20
_NOT_FOR_THE_WORKER = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONEXECUTABLE", "__PYVENV_LAUNCHER__")

Listener = Callable[[str, Any], None]


@dataclass
class _Job:
    """A request under way. Its listener hears (event, detail).

    The events: "waiting", "progress", "layer", "retrying", "done", "failed".
    """

    number: int
    method: str
    params: dict[str, Any]
    listener: Listener
    deaths: int = 0  # workers that ended while they were at this job
    cancelled: bool = False
    sent: bool = False
    begun: bool = False
    stood_still: bool = False  # the last of those workers was ended for its silence


class WorkerClient:
    """Keeps one worker process and the jobs it was given.

    A job whose worker dies is tried once more; when that worker dies too the job fails with a WorkerError. Jobs
    that were only queued are kept. After each death the next start waits longer, until a job succeeds again.

    errors: the last sentences, in English, that jobs failed or were retried with, oldest first; for a diagnosis.
    damaged_models: the titles of those that jobs found to be.
    refusal: why no worker can be started here at all, which fails every job; None where it can.
    environment: what a worker's environment says beside this process's own, from its next start on.
    on_painted: hears the content's digest of each photo that somebody has touched up on a page.
    """

    def __init__(
        self,
        command: Sequence[str] | None = None,
        *,
        on_state: Callable[[str], None] = lambda state: None,
        log_file: Path | None = None,
        delays: Sequence[float] = (0.2, 1.0, 3.0, 10.0, 30.0),
    ) -> None:
        self._command = list(command) if command else default_command()
        self._on_state = on_state
        self._log_file = log_file or paths.log_file()
        self._delays = delays
        self._inbox: queue.Queue[tuple[Any, ...]] = queue.Queue()
        self._jobs: dict[int, _Job] = {}  # everything not answered yet, in the order of submission
        self._numbers = iter(range(1, sys.maxsize))
        self._process: subprocess.Popen[bytes] | None = None
        self._requests: RequestPipe | None = None  # its input
        self._handshake: int | None = None
        self._deaths = 0  # in a row, without a finished job between
        self._failed_starts = 0  # in a row, without a handshake between
        self._failed_loads = 0  # in a row, with jobs that waited for the model and none begun between
        self._wanted = False
        self._start_at = 0.0
        self._last_heard = self._last_look = 0.0
        self._hangs: set[int] | None = None  # jobs that stood still in a worker that was ended for it
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cvmatte-worker-client", daemon=True)
        self.state = STOPPED
        self.environment: dict[str, str] = {}
        self.on_painted: Callable[[str], None] = lambda digest: None
        self.damaged_models: set[str] = set()
        self.errors: deque[str] = deque(maxlen=_ERRORS_KEPT)
        self.refusal = None if command else refusal()
        self._thread.start()

    # Called from any thread

    def start(self) -> None:
        """Start the worker ahead of the first job."""
        self._inbox.put(("start",))

    def submit(self, method: str, params: dict[str, Any], listener: Listener) -> int:
        """Queue a request and return its number. The listener's last call is "done" or "failed"."""
        number = next(self._numbers)
        self._inbox.put(("submit", _Job(number, method, params, listener)))
        return number

    def cancel(self, number: int) -> None:
        """Give a job up: its listener hears "failed" with Cancelled, or "done" where that was already under way."""
        self._inbox.put(("cancel", number))

    def restart(self) -> None:
        """End the worker and start another at once. It gets every job not answered yet, none the worse for it."""
        self._inbox.put(("restart",))

    @property
    def process_id(self) -> int | None:
        process = self._process
        return process.pid if process else None

    def close(self, timeout: float = 5.0) -> None:
        """End the worker and the threads; listeners hear nothing more."""
        self._closing.set()
        self._inbox.put(("close",))
        process = self._process
        self._thread.join(timeout / 2)
        if self._thread.is_alive() and process is not None:  # blocked in a write to a worker that reads no more
            process.kill()
            self._thread.join(timeout / 2)

    # On the client's thread

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                message = self._inbox.get(timeout=self._patience())
            except queue.Empty:
                message = ("look",)
            try:
                getattr(self, f"_on_{message[0]}")(*message[1:])
                self._look_after_worker()
            except Exception:
                logger.exception("worker client: %s", message[0])
        self._end_process()

    def _patience(self) -> float | None:
        if self._process is not None:
            return 1.0 if self._jobs or self._handshake is not None else None
        if self._wanted or self._jobs:
            return max(0.0, self._start_at - time.monotonic())
        return None

    def _on_look(self) -> None: ...

    def _on_close(self) -> None: ...

    def _on_start(self) -> None:
        self._wanted = True

    def _on_restart(self) -> None:
        self._end_process()
        self._forget_deaths()
        self._wanted = True
        for job in list(self._jobs.values()):
            job.sent = job.begun = False
            if job.cancelled:
                self._finish(job, "failed", Cancelled())

    def _on_submit(self, job: _Job) -> None:
        self._jobs[job.number] = job
        if self.state == READY:
            self._send_job(job)

    def _on_cancel(self, number: int) -> None:
        job = self._jobs.get(number)
        if job is None or job.cancelled:
            return
        job.cancelled = True
        if job.sent:
            self._send({"method": "cancel", "params": {"id": number}})
        else:
            self._finish(job, "failed", Cancelled())

    def _on_line(self, process: subprocess.Popen[bytes], line: bytes) -> None:
        if process is not self._process:
            return
        self._last_heard = time.monotonic()
        try:
            message = messages.decode(line)
        except ValueError:
            logger.warning("not a message: %r", line[:200])
            return
        if message.get("method") == "beat":
            self._on_beat(message.get("params") or {})
        elif message.get("method") == "painted":
            self.on_painted(str((message.get("params") or {}).get("digest", "")))
        elif "method" in message:
            params = message.get("params") or {}
            job = self._jobs.get(params.get("id", 0))
            if job is not None and message["method"] in ("waiting", "progress", "layer"):
                if message["method"] != "waiting":
                    job.begun = True
                    # An answer alone shows no loaded model: a list of models has one while that is still loading.
                    self._failed_loads = 0
                self._note_resumption(job, params)
                self._tell(job, message["method"], params)
        elif message.get("id") == self._handshake and self._handshake is not None:
            self._on_handshake(message)
        else:
            self._on_answer(message)

    def _on_beat(self, params: dict[str, Any]) -> None:
        hangs = standing_longer(params.get("standing"), SILENCE_SECONDS)
        if hangs:
            self._end_hanging(hangs, f"what is in hand of {sorted(hangs)}")

    def _end_hanging(self, jobs: set[int], what: str) -> None:
        """Kill the worker because of these jobs, so that the others are done by another."""
        if self._process is not None and self._hangs is None:
            logger.info("%s stands still: ending the worker", what)
            self._hangs = jobs
            self._process.kill()

    def _note_resumption(self, job: _Job, params: dict[str, Any]) -> None:
        """A job that says how it could go on from here has got further: whoever dies now, that is a first time."""
        resumption = params.get("resume")
        if isinstance(resumption, dict):
            job.params = {**job.params, **resumption}
            job.deaths = 0

    def _on_handshake(self, message: dict[str, Any]) -> None:
        self._handshake = None
        if (message.get("result") or {}).get("protocol") != protocol.PROTOCOL_VERSION:
            self._give_up(WorkerError("worker_version"))
            return
        self._failed_starts = 0
        self._set_state(READY)
        for job in sorted(self._jobs.values(), key=_turn):
            self._send_job(job)

    def _on_answer(self, message: dict[str, Any]) -> None:
        job = self._jobs.get(message.get("id", 0))
        if job is None:
            return
        self._deaths = 0
        if "error" in message:
            logger.debug("job %s: %s", job.number, message["error"].get("message"))  # whoever asked says it
            self._finish(job, "failed", protocol.error_from_wire(message["error"]))
        else:
            self._finish(job, "done", message.get("result"))

    def _on_end(self, process: subprocess.Popen[bytes]) -> None:
        """The worker closed its output: it is dead or dying."""
        if process is not self._process:
            return
        started = self._handshake is None
        under_way = [job for job in self._jobs.values() if job.sent]
        self._end_process()
        logger.info("the worker ended with code %s", process.returncode)
        self._start_at = time.monotonic() + self._delays[min(self._deaths, len(self._delays) - 1)]
        self._deaths += 1
        self._failed_starts += 0 if started else 1
        self._failed_loads += 1 if under_way and not any(job.begun for job in under_way) else 0
        for job in list(self._jobs.values()):
            self._after_death(job)
        if self._failed_starts >= _FAILED_STARTS:
            self._give_up(WorkerError("worker_does_not_start"))
        elif self._failed_loads >= _FAILED_LOADS:
            self._give_up(WorkerError("worker_does_not_load"))
        else:
            self._set_state(WAITING if self._jobs else STOPPED)

    def _after_death(self, job: _Job) -> None:
        """Only the jobs that the worker was at may have killed it; the ones that waited just wait on."""
        was_at_it = job.begun if self._hangs is None else job.number in self._hangs
        job.sent = job.begun = False
        if was_at_it:
            job.deaths += 1
            job.stood_still = self._hangs is not None
        if job.cancelled:
            self._finish(job, "failed", Cancelled())
        elif job.deaths >= _DEATHS_OF_A_JOB:
            self._finish(job, "failed", WorkerError("worker_silent" if job.stood_still else "worker_died_twice"))
        elif was_at_it:
            self._tell(job, "retrying", WorkerError("worker_died"))

    def _look_after_worker(self) -> None:
        if self._closing.is_set():
            return
        now = time.monotonic()
        if now - self._last_look > _ASLEEP_SECONDS:
            self._last_heard = now
        self._last_look = now
        if self._process is not None:
            limit = _HANDSHAKE_SECONDS if self._handshake is not None else SILENCE_SECONDS
            waits = self._handshake is not None or any(job.sent for job in self._jobs.values())
            if waits and now - self._last_heard > limit:
                self._end_hanging({job.number for job in self._jobs.values() if job.begun}, "the whole process")
        elif (self._wanted or self._jobs) and now >= self._start_at:
            self._wanted = False
            self._start_process()

    def _start_process(self) -> None:
        if self.refusal is not None:
            self._give_up(self.refusal)
            return
        self._set_state(STARTING)
        try:
            process = started(self._command, self.environment, self._log_file)
        except OSError as error:
            logger.warning("the worker can't be started: %s", error)
            self._give_up(WorkerError("worker_missing"))
            return
        self._process, self._requests = process, RequestPipe(process)
        self._hangs = None
        self._last_heard = time.monotonic()
        threading.Thread(target=self._read, args=(process,), name="cvmatte-worker-output", daemon=True).start()
        self._handshake = next(self._numbers)
        params = {"protocol": protocol.PROTOCOL_VERSION}
        self._send({"id": self._handshake, "method": "initialize", "params": params})

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        output = process.stdout
        assert output is not None
        with contextlib.suppress(OSError, ValueError):
            for line in iter(lambda: output.readline(messages.LONGEST_LINE), b""):
                self._inbox.put(("line", process, line))
        self._inbox.put(("end", process))

    def _send_job(self, job: _Job) -> None:
        job.sent = True
        self._send({"id": job.number, "method": job.method, "params": job.params})

    def _send(self, message: dict[str, Any]) -> None:
        if self._requests is not None:
            self._requests.send(messages.encode({**protocol.JSON_RPC, **message}))

    def _give_up(self, error: CvmatteError) -> None:
        """Fail everything that waits: starting the worker again would not help."""
        self._end_process()
        self._forget_deaths()
        for job in list(self._jobs.values()):
            self._finish(job, "failed", error)
        self._set_state(STOPPED)

    def _forget_deaths(self) -> None:
        """Whoever asks for a worker next gets one at once."""
        self._deaths = self._failed_starts = self._failed_loads = 0
        self._start_at = 0.0

    def _end_process(self) -> None:
        process, self._process, self._handshake = self._process, None, None
        requests, self._requests = self._requests, None
        if process is None or requests is None:
            return
        requests.close()  # the worker ends when its input does
        ended(process)

    def _finish(self, job: _Job, event: str, detail: Any) -> None:
        self._jobs.pop(job.number, None)
        self._tell(job, event, detail)

    def _note_error(self, detail: Any) -> None:
        if isinstance(detail, CvmatteError) and not isinstance(detail, Cancelled):
            self.errors.append(str(detail))
            if detail.key == "model_damaged":
                self.damaged_models.add(detail.values["model"])

    def _tell(self, job: _Job, event: str, detail: Any) -> None:
        if not self._closing.is_set():
            self._note_error(detail)
            job.listener(event, detail)

    def _set_state(self, state: str) -> None:
        if state != self.state:
            self.state = state
            if not self._closing.is_set():
                self._on_state(state)


def _turn(job: _Job) -> tuple[bool, int]:
    """Sorts jobs for a new worker: no job waits for the second try of one that hung.

    Of several that hung the youngest goes first: what hangs as it is saved holds up those that were begun after it.
    A job whose worker ended by itself keeps its place: that holds nobody up for long, and its second try, put after
    others, could end a worker that is still saving theirs.
    """
    return job.stood_still, -job.number if job.stood_still else job.number


def started(command: Sequence[str], environment: dict[str, str], log_file: Path) -> subprocess.Popen[bytes]:
    """A process of ours, with pipes for messages: without the host application's Python settings, at a low priority.

    environment: what its environment says beside this process's own. Raises OSError.
    """
    inherited = {name: value for name, value in os.environ.items() if name not in _NOT_FOR_THE_WORKER}
    options: dict[str, Any] = {}
    if sys.platform == "win32":
        options["creationflags"] = subprocess.CREATE_NO_WINDOW | subprocess.BELOW_NORMAL_PRIORITY_CLASS
    with _open_log(log_file) as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=str(paths.ROOT),
            env={**inherited, **environment, "PYTHONUTF8": "1"},
            **options,
        )


def ended(process: subprocess.Popen[bytes]) -> None:
    """Wait for the end of a process whose input has ended, and bring it about."""
    try:
        process.wait(_ENDING_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_DYING_SECONDS)


def _open_log(file: Path) -> Any:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists() and file.stat().st_size > _LOG_LIMIT:
            file.replace(file.with_suffix(".old.log"))
        return file.open("ab")
    except OSError:  # the log is a help, not a need
        return Path(os.devnull).open("ab")


def default_command() -> list[str]:
    """The worker in the project's own environment, blind to the host application's Python settings."""
    return [str(paths.environment_python()), "-E", "-s", "-u", "-m", "cvmatte_core.worker.server"]


def refusal() -> WorkerError | None:
    """Why the worker can't be started in this process's place, where that is so.

    In a sandbox it can't, unless the person has made an environment in there and named it.
    """
    confined = sandbox.sandbox()
    if not confined or os.environ.get("CVMATTE_PYTHON"):
        return None
    return WorkerError("worker_in_sandbox", sandbox=confined)


def standing_longer(standing: Any, seconds: float) -> set[int]:
    """The numbers of what has stood still for longer, of the `standing` of a beat as it came."""
    return {int(number) for number, since in standing or () if since > seconds}
