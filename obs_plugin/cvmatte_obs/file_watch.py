"""Notices files that change on disk."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path
from typing import Callable, Tuple

from cvmatte_core.filesystem import mounts

_LOOK_SECONDS = 0.7
_STUCK_SECONDS = 5.0  # at one file, after which the others on its drive aren't left to wait
_MOST_STUCK = 3  # threads that wait for one drive; a link may lead from a healthy one to a dead one
_MOST = 32  # threads
State = Tuple[int, int]  # of a file: its bytes and modification in ns
GONE: State = (-1, -1)  # the state of one that is not there


class FileWatch:
    """Looks at the files in `paths` now and then, and calls `on_change(path, state)` when that is new.

    A thread looks at the files of each drive: a network drive that hangs holds up that one. A file is told, at first
    and after each change, when it has looked the same twice: a program that is still writing it has then come to its
    end.
    """

    def __init__(self, on_change: Callable[[str, State], None]) -> None:
        """on_change: called on any of these threads."""
        self.paths: frozenset[str] = frozenset()
        self._on_change = on_change
        self._told: dict[str, State] = {}
        self._seen: dict[str, State] = {}
        self._looks: list[_Look] = []
        self._closing = threading.Event()
        threading.Thread(target=self._run, name="cvmatte-file-watch", daemon=True).start()

    def state(self, path: str) -> State | None:
        """As last told; None before that."""
        return self._told.get(path)

    def look_again(self, path: str) -> None:
        """Tell of this file anew."""
        self._told.pop(path, None)

    def close(self) -> None:
        self._closing.set()

    def _run(self) -> None:
        """See to it that each drive is looked at."""
        while not self._closing.wait(_LOOK_SECONDS):
            by_drive: dict[str, list[str]] = {}
            known = mounts.mounts() if self.paths else {}
            for path in sorted(self.paths):
                by_drive.setdefault(mounts.drive_of(path, known), []).append(path)
            self._looks = [look for look in self._looks if look.thread.is_alive()]
            for drive in by_drive.keys() | {look.drive for look in self._looks}:
                self._divide(drive, by_drive.get(drive, []))

    def _divide(self, drive: str, paths: list[str]) -> None:
        """Among the threads at a drive: one looks at all files but those in folders that others are stuck in."""
        here = [look for look in self._looks if look.drive == drive]
        stuck = [look for look in here if look.is_stuck]
        folders = {Path(look.at).parent for look in stuck}
        rest = [path for path in paths if Path(path).parent not in folders]
        well = [look for look in here if look not in stuck]
        for number, look in enumerate(well):
            look.paths = [] if number else rest
        if rest and not well and len(stuck) < _MOST_STUCK and len(self._looks) < _MOST:
            self._looks.append(_Look(drive, rest, self._look, self._closing))

    def _look(self, path: str) -> None:
        now = GONE
        with contextlib.suppress(OSError, ValueError):  # gone, or not a path
            status = Path(path).stat()
            now = (status.st_size, status.st_mtime_ns)
        before, self._seen[path] = self._seen.get(path), now
        if now == before and now != self._told.get(path) and not self._closing.is_set():
            self._told[path] = now
            self._on_change(path, now)


class _Look:
    """A thread that looks at some paths of a drive again and again, until it has none any more, or was stuck.

    at: the one that it looks at, since `since`; empty in between.
    """

    def __init__(self, drive: str, paths: list[str], look: Callable[[str], None], closing: threading.Event) -> None:
        self.drive, self.paths = drive, paths
        self.at, self.since = "", 0.0
        self._look, self._closing = look, closing
        self.thread = threading.Thread(target=self._run, name="cvmatte-file-look", daemon=True)
        self.thread.start()

    @property
    def is_stuck(self) -> bool:
        return bool(self.at) and time.monotonic() - self.since > _STUCK_SECONDS

    def _run(self) -> None:
        while self.paths and not self._closing.is_set():
            for path in self.paths:
                self.since, self.at = time.monotonic(), path
                self._look(path)
                if self.is_stuck:  # no more: another may have taken its place
                    return
            self.at = ""
            self._closing.wait(_LOOK_SECONDS)
