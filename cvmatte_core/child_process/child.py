"""The parent's side of a child process. Standard library only: it runs inside OBS."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import queue
import subprocess
import threading
import time
from pathlib import Path
from typing import IO, Any, Callable, Dict, Iterator, Mapping, Sequence, TypeVar, cast

from ..filesystem import paths
from ..localization.errors import WorkerError
from ..system import spawn
from . import messages

logger = logging.getLogger(__name__)

SILENCE_SECONDS = 180.0  # a process without a sign for so long hangs, as does work in it that has not moved
_LOOK_SECONDS = 1.0
_ENDING_SECONDS = 1.0  # that a process is given once its input has ended
_DYING_SECONDS = 10.0  # that it is waited for once killed: a broken disk may keep it even from that
_LAST_WORDS_SECONDS = 1.0  # to hear out a process that has ended
_LOG_LIMIT = 1 << 20  # bytes

Messages = Iterator[Dict[str, Any]]
_Method = TypeVar("_Method", bound=Callable[..., None])


def queued(method: _Method) -> _Method:
    """A method of a Child that is called from any thread, and done on the child's own: the caller doesn't wait."""

    @functools.wraps(method)
    def put(self: Child, *arguments: Any) -> None:
        self._inbox.put(functools.partial(method, self, *arguments))

    return cast(_Method, put)


class Child:
    """Keeps a process of ours: starts it when it is wanted, ends it when it hangs, and starts another when it has died.

    A subclass says what the process is for, by what it overrides. All that changes its state happens on the child's
    own thread, `_thread`, which the subclass starts once it is ready; see `queued`.
    refusal: why no process can be started here; None where one can. environment: what the process's says beside this
    one's own, from its next start on.
    """

    _clock = staticmethod(time.monotonic)

    def __init__(
        self, name: str, module: str, *arguments: str, command: Sequence[str] | None = None, delays: Sequence[float]
    ) -> None:
        """name: for the log. command: in place of the module's. delays: seconds before the next start, by the number of
        processes that have died in a row."""
        self._name = name
        self._command = command or spawn.command(module, *arguments)
        self._delays = delays
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._process: Process | None = None
        self._reading = threading.Thread()  # of its output
        self._deaths = 0  # in a row
        self._start_at = self._started_at = self._looked_at = 0.0
        self._silent = 0.0  # seconds, counted at each look: those in which the computer slept are none
        self._hung: set[int] | None = None  # the work whose standing still it was killed for; empty: all of it
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"cvmatte {name}", daemon=True)
        self.environment: dict[str, str] = {}
        self.refusal = None if command else spawn.refusal()

    @property
    def process_id(self) -> int | None:
        process = self._process
        return process.id if process is not None else None

    def close(self, timeout: float = 5.0) -> None:
        """End the process and the threads, and wait so long for that; nothing more is heard of it."""
        self._closing.set()
        self._inbox.put(lambda: None)
        self._thread.join(timeout)

    # What a subclass overrides

    def _is_wanted(self) -> bool:
        """Whether a process should be running."""
        return True

    def _longest_silence(self) -> float | None:
        """Seconds without a message after which the process hangs; None as long as nobody waits for one."""
        return SILENCE_SECONDS

    def _on_start(self) -> None:
        """A process was started. Nothing is heard of it before this returns."""

    def _listen(self, process: Process, said: Messages) -> None:
        """Take what a process says, on the thread that reads it; beats are for `_on_beat`."""
        raise NotImplementedError

    def _on_death(self) -> None:
        """The process has ended."""

    def _on_no_start(self, error: WorkerError) -> None:
        """No process could be started."""

    # What a subclass uses

    def _send(self, message: dict[str, Any]) -> None:
        if self._process is not None:
            self._process.send(messages.encode(message))

    def _on_beat(self, standing: Any) -> None:
        """A beat came; standing: what stands still in the process, as it says. Also from the thread that reads it."""
        hung = {int(number) for number, since in standing or () if since > SILENCE_SECONDS}
        if hung:
            self._end_hanging(hung, f"what is in hand of {sorted(hung)}")

    def _count_death(self, by_chance: bool = False) -> None:
        """Put the next start off. by_chance: the process had lived for long, so that no death counts."""
        self._deaths = 0 if by_chance else self._deaths + 1
        self._start_at = self._clock() + self._delays[max(0, min(self._deaths, len(self._delays)) - 1)]

    def _forget_deaths(self) -> None:
        """Whoever wants a process next gets one at once."""
        self._deaths, self._start_at = 0, 0.0

    def _end_process(self) -> int | None:
        """End the process, if there is one, and hear it out. Returns its exit code."""
        process, self._process = self._process, None
        if process is None:
            return None
        code = process.end()
        self._reading.join(_LAST_WORDS_SECONDS)
        return code

    # Its own threads

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                with contextlib.suppress(queue.Empty):
                    self._inbox.get(timeout=self._rest())()
                if not self._closing.is_set():
                    self._look_after()
            except Exception:
                logger.exception(self._name)
        self._end_process()

    def _rest(self) -> float | None:
        """Seconds until the next look, unless something comes before."""
        if self._process is None and not self._is_wanted():
            return None
        due = self._start_at if self._process is None else self._looked_at + _LOOK_SECONDS
        return max(0.0, due - self._clock())

    def _look_after(self) -> None:
        now = self._clock()
        if self._process is None:
            if self._is_wanted() and now >= self._start_at:
                self._start()
        elif now - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = now
            self._silent += _LOOK_SECONDS
            longest = self._longest_silence()
            if longest is not None and self._silent > longest:
                self._end_hanging(set(), "the whole process")

    def _start(self) -> None:
        self._started_at = self._clock()
        self._silent, self._hung = 0.0, None
        if self.refusal is not None:
            self._on_no_start(self.refusal)
            return
        try:
            with _open_log(paths.log_file()) as log:
                process = Process(self._command, self.environment, log)
        except (OSError, ValueError) as error:
            logger.warning("%s can't be started: %s", self._name, error)
            self._on_no_start(WorkerError("worker_missing"))
            return
        self._process, self._looked_at = process, self._clock()
        self._reading = threading.Thread(target=self._read, args=(process,), name=f"{self._name}'s output", daemon=True)
        try:
            self._on_start()
        finally:
            self._reading.start()

    def _read(self, process: Process) -> None:
        try:
            self._listen(process, self._messages(process))
        except Exception:
            logger.exception(self._name)
        self._on_end(process)

    def _messages(self, process: Process) -> Messages:
        for line in process.lines():
            if self._closing.is_set():
                return
            self._silent = 0.0
            try:
                message = messages.decode(line)
            except ValueError:
                logger.warning("%s: not a message: %r", self._name, line[:200])
                continue
            yield message

    @queued
    def _on_end(self, process: Process) -> None:
        """A process has closed its output: it is dead or dying."""
        if process is self._process:
            logger.info("%s ended with code %s", self._name, self._end_process())
            self._on_death()

    def _end_hanging(self, work: set[int], what: str) -> None:
        """Kill the process because of this work, so that another takes its place."""
        process = self._process
        if process is not None and self._hung is None:
            logger.info("%s is ended: %s stands still", self._name, what)
            self._hung = work
            process.kill()


class Process:
    """A running process, with pipes for messages; errors go to a file. A process that doesn't read holds nobody up."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], errors: IO[bytes]) -> None:
        """environment: what its environment says beside this process's own. Raises OSError."""
        pipe = subprocess.PIPE
        self._popen = spawn.start(command, environment, stdin=pipe, stdout=pipe, stderr=errors)
        self._to_write: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.id = spawn.number(self._popen)
        self.kill, self.terminate = self._popen.kill, self._popen.terminate
        threading.Thread(target=self._write, name="cvmatte-requests", daemon=True).start()

    def send(self, line: bytes) -> None:
        """Returns at once. What is sent to a process that has died is lost."""
        self._to_write.put(line)

    def lines(self) -> Iterator[bytes]:
        """What it says, until its output ends."""
        output = self._popen.stdout
        assert output is not None
        with output, contextlib.suppress(OSError, ValueError):
            yield from iter(functools.partial(output.readline, messages.LONGEST_LINE), b"")

    def end(self, seconds: float = _ENDING_SECONDS) -> int | None:
        """Close its input after what was sent, and kill it if it hasn't ended so long after. Returns its exit code."""
        self._to_write.put(None)
        try:
            return self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(_DYING_SECONDS)
        return self._popen.returncode

    def _write(self) -> None:
        pipe = self._popen.stdin
        assert pipe is not None
        for line in iter(self._to_write.get, None):
            with contextlib.suppress(OSError, ValueError):  # it has died, which is noticed by its closed output
                pipe.write(line)
                pipe.flush()
        with contextlib.suppress(OSError, ValueError):
            pipe.close()


def _open_log(file: Path) -> IO[bytes]:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists() and file.stat().st_size > _LOG_LIMIT:
            file.replace(file.with_suffix(".old.log"))
        return file.open("ab")
    except OSError:  # the log is a help, not a need
        return Path(os.devnull).open("ab")
