"""Waiting for drives in threads of their own, never on the event loop or in threads that serve anything else."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Callable, TypeVar

Result = TypeVar("Result")

_THREADS = 4  # that one hanging drive may block


class Drive:
    """The threads for one kind of files: when their drive hangs, only those who want these files wait."""

    def __init__(self, name: str) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix=name)

    async def ask(self, work: Callable[..., Result], *arguments: Any, **options: Any) -> Result:
        """What the work returns or raises; it may wait for the drive."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(work, *arguments, **options))

    def remove(self, folder: Path) -> Future[None]:
        """Have a folder removed in the background; does nothing once closed."""
        with contextlib.suppress(RuntimeError):
            return self._threads.submit(shutil.rmtree, folder, ignore_errors=True)
        done: Future[None] = Future()
        done.set_result(None)
        return done

    def close(self) -> None:
        """Waits for what was asked for."""
        self._threads.shutdown()
