"""Notices photos that change on disk."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import Callable, Union

_LOOK_SECONDS = 0.7
State = Union[tuple[int, int], None]  # of a file: its bytes and modification in ns; None where it is not there
_NEVER = (-1, -1)


class FileWatch:
    """Looks at the files in `paths` now and then, and calls `on_change(path, state)` when that is new.

    A thread of its own: a network folder that hangs must hold up nothing else. A file is told, at first and after
    each change, when it has looked the same twice: a program that is still writing it has then come to its end.
    """

    def __init__(self, on_change: Callable[[str, State], None]) -> None:
        self.paths: frozenset[str] = frozenset()
        self._on_change = on_change
        self._told: dict[str, State] = {}
        self._seen: dict[str, State] = {}
        self._closing = threading.Event()
        threading.Thread(target=self._run, name="cvmatte-file-watch", daemon=True).start()

    def forget(self, path: str) -> None:
        """Tell of this file again."""
        self._told.pop(path, None)

    def close(self) -> None:
        self._closing.set()

    def _run(self) -> None:
        while not self._closing.wait(_LOOK_SECONDS):
            for path in self.paths:
                self._look(path)

    def _look(self, path: str) -> None:
        now: State = None
        with contextlib.suppress(OSError, ValueError):  # gone, or not a path
            status = Path(path).stat()
            now = (status.st_size, status.st_mtime_ns)
        before, self._seen[path] = self._seen.get(path, _NEVER), now
        if now == before and now != self._told.get(path, _NEVER) and not self._closing.is_set():
            self._told[path] = now
            self._on_change(path, now)
