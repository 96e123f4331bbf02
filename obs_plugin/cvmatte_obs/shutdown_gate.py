"""What keeps threads of ours from taking sources of OBS's while it clears its scenes; see scene_clearing.py."""

from __future__ import annotations

import contextlib
import threading
from typing import Iterator


class Gate:
    """What threads of ours pass before they take a source of OBS's. Whoever is inside has one maybe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self.is_open = True

    @contextlib.contextmanager
    def passing(self) -> Iterator[bool]:
        """Whether it is open: then it isn't shut before the block ends. Never waits."""
        with self._changed:
            passes = self.is_open
            self._inside += passes
        try:
            yield passes
        finally:
            with self._changed:
                self._inside -= passes
                self._changed.notify_all()

    def shut(self, seconds: float) -> bool:
        """Let nobody in any more, and wait for those inside; whether they all have left by then."""
        with self._changed:
            self.is_open = False
            return self._changed.wait_for(lambda: not self._inside, seconds)

    def open(self) -> None:
        with self._changed:
            self.is_open = True


GATE = Gate()
