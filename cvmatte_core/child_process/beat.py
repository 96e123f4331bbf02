"""How a child says that it is alive, whatever it is busy with, and for how long its work has stood still."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Callable, Iterator, List, Tuple

BEAT_SECONDS = 1.0
ASLEEP_SECONDS = 10.0  # a second's wait that took so long: the computer slept, or somebody had stopped the process

Standing = List[Tuple[int, float]]  # the number of each piece of work, and the seconds since it last moved


class Beat:
    """Beats every BEAT_SECONDS on a thread of its own. Without a beat, the whole process hangs.

    A computing thread can also hang alone, so a beat says how long each piece of work has not moved.
    """

    def __init__(self, tell: Callable[[Standing], None]) -> None:
        """tell: sends a beat."""
        self._tell = tell
        self._in_hand: dict[int, tuple[int, float]] = {}  # by thread: the work's number, when it last moved
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="beat", daemon=True)
            self._thread.start()

    @contextlib.contextmanager
    def doing(self, number: int) -> Iterator[None]:
        """For the block, this thread does work that others wait for."""
        thread = threading.get_ident()
        self._in_hand[thread] = number, time.monotonic()
        try:
            yield
        finally:
            self._in_hand.pop(thread, None)

    def moved(self) -> None:
        """This thread's work goes on; nothing happens where it has none."""
        thread = threading.get_ident()
        if thread in self._in_hand:
            self._in_hand[thread] = self._in_hand[thread][0], time.monotonic()

    def standing(self) -> Standing:
        now = time.monotonic()
        return [(number, round(now - moved, 1)) for number, moved in list(self._in_hand.values())]

    def _run(self) -> None:
        beaten = time.monotonic()
        while True:
            if time.monotonic() - beaten > ASLEEP_SECONDS:
                self._forgive()
            beaten = time.monotonic()
            self._tell(self.standing())
            time.sleep(BEAT_SECONDS)

    def _forgive(self) -> None:
        """After a sleep all work counts as having moved just now."""
        now = time.monotonic()
        for thread, (number, _) in list(self._in_hand.items()):
            if thread in self._in_hand:
                self._in_hand[thread] = number, now
