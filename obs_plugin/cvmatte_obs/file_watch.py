"""Notices files that change on disk."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import Callable, Tuple

_LOOK_SECONDS = 0.7
State = Tuple[int, int]  # of a file: its bytes and modification in ns
GONE: State = (-1, -1)  # the state of one that is not there


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

    def state(self, path: str) -> State | None:
        """As last told; None before that."""
        return self._told.get(path)

    def look_again(self, path: str) -> None:
        """Tell of this file anew."""
        self._told.pop(path, None)

    def close(self) -> None:
        self._closing.set()

    def _run(self) -> None:
        while not self._closing.wait(_LOOK_SECONDS):
            for path in self.paths:
                self._look(path)

    def _look(self, path: str) -> None:
        now = GONE
        with contextlib.suppress(OSError, ValueError):  # gone, or not a path
            status = Path(path).stat()
            now = (status.st_size, status.st_mtime_ns)
        before, self._seen[path] = self._seen.get(path), now
        if now == before and now != self._told.get(path) and not self._closing.is_set():
            self._told[path] = now
            self._on_change(path, now)
