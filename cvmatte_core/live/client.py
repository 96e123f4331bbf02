"""The other end of a live portrait's process: starts it, gives it orders, and starts it again when it dies.

Standard library only: it runs inside OBS. Nothing here blocks its caller.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Callable, Sequence

from ..child_process import messages
from ..disk import files, paths, runtime
from ..words.errors import CvmatteError, WorkerError
from ..worker import protocol
from ..worker.client import SILENCE_SECONDS, ended, refusal, standing_longer, started
from ..worker.request_pipe import RequestPipe
from .frames import SUFFIX, FrameReader, FramesUnusable, Shown

logger = logging.getLogger(__name__)

_DELAYS = (0.1, 0.5, 2.0, 5.0)  # seconds before the next start, after deaths that follow each other
_STEADY_SECONDS = 10.0  # a process that lived so long died by chance
_SILENT_SECONDS = 10.0  # a process beats every second: one that has been silent for so long hangs

OnFrame = Callable[[FrameReader, Shown], None]


class LiveClient:
    """One live portrait's process. Its callbacks come on a thread of its own.

    on_frame(reader, shown): a frame to show; it must be taken before the call returns. on_state(state): see process.py;
    empty while the process starts. on_error(error): None once it has passed. on_still(path): a still was saved there.
    """

    def __init__(
        self,
        on_frame: OnFrame,
        on_state: Callable[[dict[str, Any]], None],
        on_error: Callable[[CvmatteError | None], None],
        on_still: Callable[[str], None],
        command: Sequence[str] | None = None,
    ) -> None:
        self._on_frame, self._on_state, self._on_error = on_frame, on_state, on_error
        self._on_still = on_still
        self._folders = runtime.folders()
        self._name = f"{files.TEMPORARY_PREFIX}live-{os.getpid():x}-{id(self):x}-{time.monotonic_ns():x}"
        frames = str(self._folders[0] / self._name)
        own = [str(paths.environment_python()), "-E", "-s", "-u", "-m", "cvmatte_core.live.process", frames]
        self._command = list(command or own)
        self._orders = b""
        self._process: subprocess.Popen[bytes] | None = None
        self._requests: RequestPipe | None = None  # its input
        self._heard = self._looked = time.monotonic()
        self._lock = threading.Lock()  # of what changes when a process starts or ends
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cvmatte-live", daemon=True)
        self._thread.start()

    @property
    def process_id(self) -> int | None:
        process = self._process
        return process.pid if process is not None else None

    def order(self, orders: dict[str, Any]) -> None:
        """What is wanted from now on; see process.py."""
        with self._lock:
            self._orders = json.dumps(orders).encode("ascii") + b"\n"
            if self._requests is not None:
                self._requests.send(self._orders)

    def look(self) -> None:
        """End a process that hangs, so that another takes its place. Called again and again."""
        now, before = time.monotonic(), self._looked
        self._looked = now
        if now - before > _SILENT_SECONDS:  # the computer slept, and the process with it
            self._heard = now
        elif now - self._heard > _SILENT_SECONDS:
            self._end_hanging()

    def _end_hanging(self) -> None:
        with self._lock:
            if self._process is not None:
                logger.info("the live process %d hangs", self._process.pid)
                self._heard = time.monotonic()
                self._process.kill()

    def close(self) -> None:
        """End the process; nothing more is heard of it."""
        self._closing.set()
        threading.Thread(target=self._end, name="cvmatte-live-end", daemon=True).start()

    def _end(self) -> None:
        with self._lock:
            process, requests = self._process, self._requests
        if process is None or requests is None:
            return
        requests.close()
        ended(process)
        self._tidy()

    def _run(self) -> None:
        deaths = 0
        unable = refusal()
        if unable is not None:
            self._on_error(unable)
            return
        while not self._closing.is_set():
            begun = time.monotonic()
            try:
                self._serve()
            except OSError as error:
                logger.warning("the live process can't be started: %s", error)
                self._on_error(WorkerError("worker_missing"))
            except Exception:
                logger.exception("live")
            self._tidy()
            deaths = 0 if time.monotonic() - begun > _STEADY_SECONDS else deaths + 1
            if deaths >= len(_DELAYS):
                self._on_error(WorkerError("live_ends"))
            self._closing.wait(_DELAYS[max(0, min(deaths, len(_DELAYS)) - 1)])

    def _serve(self) -> None:
        """One process, from its start to its end. Raises OSError."""
        process = started(self._command, {}, paths.log_file())
        requests = RequestPipe(process)
        with self._lock:
            self._process, self._requests, self._heard = process, requests, time.monotonic()
            if self._orders:
                requests.send(self._orders)
        self._on_state({})
        if self._closing.is_set():
            self._end()
        reader: FrameReader | None = None
        assert process.stdout is not None
        try:
            for line in iter(lambda: process.stdout.readline(messages.LONGEST_LINE), b""):  # type: ignore[union-attr]
                self._heard = time.monotonic()
                if self._closing.is_set():
                    return
                try:
                    message = messages.decode(line)
                except ValueError:
                    continue
                if standing_longer(message.get("beat"), SILENCE_SECONDS):
                    self._end_hanging()
                elif "frame" in message:
                    shown = reader.frame(message["frame"]) if reader is not None else None
                    if reader is not None and shown is not None:
                        self._on_frame(reader, shown)
                elif "file" in message:
                    if reader is not None:
                        reader.close()
                    with contextlib.suppress(FramesUnusable):
                        reader = FrameReader(Path(message["file"]))
                elif "state" in message:
                    self._on_state(message["state"])
                elif "still" in message:
                    self._on_still(str(message["still"]))
                elif "error" in message:
                    error = message["error"]
                    self._on_error(protocol.error_from_wire(error) if error else None)
        finally:
            with self._lock:
                self._process = self._requests = None
            if reader is not None:
                reader.close()
            requests.close()
            process.stdout.close()
            ended(process)

    def _tidy(self) -> None:
        """What a process that was killed has left."""
        for folder in self._folders:
            with contextlib.suppress(OSError):
                for path in folder.glob(f"{self._name}-*{SUFFIX}"):
                    path.unlink()
