"""How a process of ours says that it lives, whatever it is busy with, and how long what it has in hand stands still.

Standard library only: OBS runs one side of it.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any, Callable, Iterator, List, Tuple

BEAT_SECONDS = 1.0
_ASLEEP_SECONDS = 10.0  # a beat so late: the computer slept, or somebody had stopped the process

Standing = List[Tuple[int, float]]  # of each thing in hand, its number and the seconds since anything of it moved


class Beat:
    """Beats every BEAT_SECONDS, on a thread of its own: a process from which no beat comes hangs as a whole.

    What computes can hang alone. So a beat also tells of whatever others wait for how long nothing of it has moved.
    """

    def __init__(self, tell: Callable[[Standing], None]) -> None:
        """tell: sends a beat."""
        self._tell = tell
        self._in_hand: dict[int, tuple[int, float]] = {}  # by the threads whose hands they are in
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="beat", daemon=True)
            self._thread.start()

    @contextlib.contextmanager
    def doing(self, number: int) -> Iterator[None]:
        """For the block, this thread is at something that others wait for."""
        thread = threading.get_ident()
        self._in_hand[thread] = number, time.monotonic()
        try:
            yield
        finally:
            self._in_hand.pop(thread, None)

    def moved(self) -> None:
        """What this thread is at goes on; of no effect where it is at nothing."""
        thread = threading.get_ident()
        if thread in self._in_hand:
            self._in_hand[thread] = self._in_hand[thread][0], time.monotonic()

    def standing(self) -> Standing:
        now = time.monotonic()
        return [(number, round(now - moved, 1)) for number, moved in list(self._in_hand.values())]

    def _run(self) -> None:
        beaten = time.monotonic()
        while True:
            if time.monotonic() - beaten > _ASLEEP_SECONDS:
                self._forgive()
            beaten = time.monotonic()
            self._tell(self.standing())
            time.sleep(BEAT_SECONDS)

    def _forgive(self) -> None:
        """What stood still because everything did begins to count anew."""
        now = time.monotonic()
        for thread, (number, _) in list(self._in_hand.items()):
            if thread in self._in_hand:
                self._in_hand[thread] = number, now


def standing_longer(standing: Any, seconds: float) -> set[int]:
    """The numbers of what has stood still for longer, of the `standing` of a beat as it came."""
    return {int(number) for number, since in standing or () if since > seconds}
