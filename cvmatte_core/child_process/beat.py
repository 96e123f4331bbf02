"""How a child says that it is alive, whatever it is busy with, and for how long its work has stood still."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from typing import Callable, Iterator, List, Tuple

BEAT_SECONDS = 1.0

Standing = List[Tuple[int, float]]  # the number of each piece of work, and the seconds since it last moved


@dataclass
class _Work:
    number: int
    beats: int = 0  # since it last moved: time in which the computer slept doesn't count


class Beat:
    """Beats every BEAT_SECONDS on a thread of its own. Without a beat, the whole process hangs.

    A computing thread can also hang alone, so a beat says how long each piece of work has not moved.
    """

    def __init__(self, tell: Callable[[Standing], None]) -> None:
        """tell: sends a beat."""
        self._tell = tell
        self._in_hand: dict[int, _Work] = {}  # by thread
        self._thread = threading.Thread(target=self._run, name="beat", daemon=True)

    def start(self) -> None:
        if self._thread.ident is None:
            self._thread.start()

    @contextlib.contextmanager
    def doing(self, number: int) -> Iterator[None]:
        """For the block, this thread does work that others wait for."""
        thread = threading.get_ident()
        self._in_hand[thread] = _Work(number)
        try:
            yield
        finally:
            del self._in_hand[thread]

    def moved(self) -> None:
        """This thread's work goes on; nothing happens where it has none."""
        work = self._in_hand.get(threading.get_ident())
        if work is not None:
            work.beats = 0

    def _run(self) -> None:
        while True:
            in_hand = list(self._in_hand.values())
            self._tell([(work.number, work.beats * BEAT_SECONDS) for work in in_hand])
            for work in in_hand:
                work.beats += 1
            time.sleep(BEAT_SECONDS)
