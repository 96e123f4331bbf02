"""The other end of a live portrait's process: gives it orders, the newest of which count.

Standard library only: it runs inside OBS. Nothing here blocks its caller.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Any, Callable, Sequence

from ..child_process import messages
from ..child_process.child import Child, Messages, Process, queued
from ..filesystem import files, runtime_folders
from ..localization.errors import CvmatteError, WorkerError
from .shared_frames import SUFFIX, FrameReader, FramesUnusable, Shown

_DELAYS = (0.1, 0.5, 2.0, 5.0)  # seconds before the next start, after deaths that follow each other
_STEADY_SECONDS = 10.0  # a process that lived so long died by chance
_SILENT_SECONDS = 10.0  # it beats every second: one that has been silent for so long hangs

OnFrame = Callable[[FrameReader, Shown], None]


class LiveClient(Child):
    """One live portrait's process. Its callbacks come on threads of its own, one at a time.

    on_frame(reader, shown): a frame to show; it must be taken before the call returns. on_state(state): see process.py;
    empty while the process starts. on_error(error): None once it has passed. on_still(path): a still was saved there.
    on_listening(port, secret): where OBS is to send the frames of a source of its own; see obs_frames.py.
    on_room(path, error): a photo of the empty room was saved there, or why not.
    """

    def __init__(
        self,
        on_frame: OnFrame,
        on_state: Callable[[dict[str, Any]], None],
        on_error: Callable[[CvmatteError | None], None],
        on_still: Callable[[str], None],
        command: Sequence[str] | None = None,
        on_listening: Callable[[int, str], None] = lambda port, secret: None,
        on_room: Callable[[str, CvmatteError | None], None] = lambda path, error: None,
    ) -> None:
        self._on_frame, self._on_state, self._on_error = on_frame, on_state, on_error
        self._on_still, self._on_listening, self._on_room = on_still, on_listening, on_room
        self._folders = runtime_folders.folders()
        self._files = f"{files.TEMPORARY_PREFIX}live-{os.getpid():x}-{id(self):x}-{time.monotonic_ns():x}"
        self._orders: dict[str, Any] = {}
        frames = str(self._folders[0] / self._files)
        module = "cvmatte_core.live.process"
        super().__init__("a live process", module, frames, command=command, delays=_DELAYS)
        self._thread.start()

    @queued
    def order(self, orders: dict[str, Any]) -> None:
        """What is wanted from now on; see process.py."""
        self._orders = orders
        self._send(orders)

    def _longest_silence(self) -> float:
        return _SILENT_SECONDS

    def _on_start(self) -> None:
        if self._orders:
            self._send(self._orders)
        self._on_state({})

    def _on_no_start(self, error: WorkerError) -> None:
        self._on_error(error)
        if error is self.refusal:  # there is no use in another try
            self._closing.set()
        else:
            self._on_death()

    def _on_death(self) -> None:
        self._count_death(by_chance=self._clock() - self._started_at > _STEADY_SECONDS)
        if self._deaths >= len(_DELAYS):
            self._on_error(WorkerError("live_ends"))

    def _listen(self, process: Process, said: Messages) -> None:
        reader: FrameReader | None = None
        try:
            for message in said:
                if "frame" in message:
                    shown = reader.frame(message["frame"]) if reader is not None else None
                    if reader is not None and shown is not None:
                        self._on_frame(reader, shown)
                elif "beat" in message:
                    self._on_beat(message["beat"])
                elif "file" in message:
                    if reader is not None:
                        reader.close()
                    reader = None
                    with contextlib.suppress(FramesUnusable):  # of a size that has gone by
                        reader = FrameReader(Path(message["file"]))
                elif "state" in message:
                    self._on_state(message["state"])
                elif "still" in message:
                    self._on_still(str(message["still"]))
                elif "room" in message:
                    path, refusal = message["room"]
                    self._on_room(str(path), messages.error_from_wire(refusal) if refusal else None)
                elif "listening" in message:
                    port, secret = message["listening"]
                    self._on_listening(int(port), str(secret))
                elif "error" in message:
                    error = message["error"]
                    self._on_error(messages.error_from_wire(error) if error else None)
        finally:
            if reader is not None:
                reader.close()

    def _end_process(self) -> int | None:
        code = super()._end_process()
        for folder in self._folders:  # a process that was killed has left its files
            with contextlib.suppress(OSError):
                for path in folder.glob(f"{self._files}-*{SUFFIX}"):
                    path.unlink()
        return code
