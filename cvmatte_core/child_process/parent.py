"""The child's own side: how it hears its parent, answers, says that it is alive, and ends with it.

    python -m cvmatte_core.child_process.parent MODULE ARGUMENTS

runs a module that knows nothing of this so that it ends when its input does, as it does with whoever started it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import runpy
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Callable, Iterator, List, Tuple

from . import messages

_NICENESS = 10
BEAT_SECONDS = 1.0

Standing = List[Tuple[int, float]]  # the number of each piece of work, and the seconds since it last moved


class Parent:
    """The process that started this one, at the other end of its standard input and output."""

    def __init__(self, requests: BinaryIO, output: BinaryIO) -> None:
        self._requests, self._output = requests, output
        self._sending = threading.Lock()

    @classmethod
    def connected(cls, log_format: str, log_level: int = logging.INFO) -> Parent:
        """Make this process one that serves its parent: at a low priority, its log where errors go.

        Messages get descriptors of their own: whatever a library prints goes to the log instead.
        """
        requests, output = _input_taken(), os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)
        logging.basicConfig(level=log_level, stream=sys.stderr, format=log_format)
        if hasattr(os, "nice"):
            os.nice(_NICENESS)
        return cls(requests, output)

    def lines(self) -> Iterator[bytes]:
        """What it says, until it closes the pipe or has died. Of a line that is too long, its start: no message."""
        while line := self._requests.readline(messages.LONGEST_LINE):
            rest = line
            while len(rest) == messages.LONGEST_LINE and not rest.endswith(b"\n"):
                rest = self._requests.readline(messages.LONGEST_LINE)
            yield line

    def end_with_it(self) -> None:
        """Returns at once. From now on this process ends when the parent does, which says nothing else."""

        def end() -> None:
            for _ in self.lines():
                pass
            os._exit(1)

        threading.Thread(target=end, name="parent", daemon=True).start()

    def send(self, message: dict[str, Any]) -> None:
        """From any thread. Ends this process where nobody listens any more."""
        with self._sending:
            try:
                self._output.write(messages.encode(message))
                self._output.flush()
            except OSError:
                os._exit(0)


def _input_taken() -> BinaryIO:
    """The standard input, on a descriptor of its own; what it was is empty from now on: a library that looks at what it
    is, as NumPy does when it is imported, would wait on Windows for the next message."""
    requests = os.fdopen(os.dup(0), "rb")
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    return requests


@dataclass
class _Work:
    number: int
    beats: int = 0  # since it last moved: time in which the computer slept doesn't count


class Beat:
    """Tells every BEAT_SECONDS, on a thread of its own, that the process is alive, whatever that is busy with; and for
    how long each piece of work has not moved, since a computing thread can also hang alone."""

    def __init__(self, tell: Callable[[Standing], None]) -> None:
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


def main() -> None:
    Parent(_input_taken(), sys.stdout.buffer).end_with_it()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
