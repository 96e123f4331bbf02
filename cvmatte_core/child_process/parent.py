"""The child's own side: how it hears its parent, answers, and ends with it."""

from __future__ import annotations

import logging
import os
import sys
import threading
from pathlib import Path
from typing import Any, BinaryIO, Iterator

from . import messages

_NICENESS = 10


class Parent:
    """The process that started this one, at the other end of its standard input and output."""

    def __init__(self, requests: BinaryIO, output: BinaryIO) -> None:
        self._requests, self._output = requests, output
        self._sending = threading.Lock()

    @classmethod
    def connected(cls, log_format: str, log_level: int = logging.INFO) -> Parent:
        """Make this process one that serves its parent: at a low priority, its log where errors go.

        Messages get descriptors of their own. Whatever a library prints goes to the log instead; and a library that
        looks at what stdin is, as NumPy does when it is imported, would wait on Windows for the next message.
        """
        requests, output = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
        with Path(os.devnull).open("rb") as nothing:
            os.dup2(nothing.fileno(), 0)
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

    def send(self, message: dict[str, Any]) -> None:
        """From any thread. Ends this process where nobody listens any more."""
        with self._sending:
            try:
                self._output.write(messages.encode(message))
                self._output.flush()
            except OSError:
                os._exit(0)
