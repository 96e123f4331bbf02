"""One process of ours, spoken to in lines. Standard library only: it runs inside OBS."""

from __future__ import annotations

import contextlib
import queue
import subprocess
import threading
from functools import partial
from typing import IO, Iterator, Mapping, Sequence

from ..system import spawn
from .messages import LONGEST_LINE

_ENDING_SECONDS = 1.0  # that it is given once its input has ended
_DYING_SECONDS = 10.0  # that it is waited for once killed: a broken disk may keep it even from that


class Process:
    """A running process, with pipes for messages; errors go to a file.

    A thread of its own writes its input: a process that doesn't read holds nobody up.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], errors: IO[bytes]) -> None:
        """environment: what its environment says beside this process's own. Raises OSError."""
        pipe = subprocess.PIPE
        self._popen = spawn.start(command, environment, stdin=pipe, stdout=pipe, stderr=errors)
        self._to_write: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.id = self._popen.pid
        self.kill, self.terminate = self._popen.kill, self._popen.terminate
        threading.Thread(target=self._write, name="cvmatte-requests", daemon=True).start()

    def send(self, line: bytes) -> None:
        """Returns at once. What is sent to a process that has died is lost."""
        self._to_write.put(line)

    def lines(self) -> Iterator[bytes]:
        """What it says, until its output ends."""
        output = self._popen.stdout
        assert output is not None
        with output, contextlib.suppress(OSError, ValueError):
            yield from iter(partial(output.readline, LONGEST_LINE), b"")

    def end(self, seconds: float = _ENDING_SECONDS) -> int | None:
        """Close its input after what was sent, and kill it if it hasn't ended so long after. Returns its exit code."""
        self._to_write.put(None)
        try:
            return self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(_DYING_SECONDS)
        return self._popen.returncode

    def _write(self) -> None:
        pipe = self._popen.stdin
        assert pipe is not None
        for line in iter(self._to_write.get, None):
            with contextlib.suppress(OSError, ValueError):  # it has died, which is noticed by its closed output
                pipe.write(line)
                pipe.flush()
        with contextlib.suppress(OSError, ValueError):
            pipe.close()
