"""A process's input, written by a thread of its own: a process that doesn't read holds nobody up.

Standard library only: it runs inside OBS.
"""

from __future__ import annotations

import contextlib
import queue
import subprocess
import threading


class RequestPipe:
    """The standard input of a process of ours. What is sent to one that has died is lost."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        self._pipe = process.stdin
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        threading.Thread(target=self._write, name="cvmatte-requests", daemon=True).start()

    def send(self, line: bytes) -> None:
        """Returns at once."""
        self._lines.put(line)

    def close(self) -> None:
        """End the process's input after what was sent. Returns at once."""
        self._lines.put(None)

    def _write(self) -> None:
        for line in iter(self._lines.get, None):
            with contextlib.suppress(OSError, ValueError):  # it has died, which is noticed by its closed output
                self._pipe.write(line)
                self._pipe.flush()
        with contextlib.suppress(OSError, ValueError):
            self._pipe.close()
