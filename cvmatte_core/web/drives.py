"""Waiting for drives: never on the event loop, and in no thread that anything else is served by."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Callable, TypeVar

Result = TypeVar("Result")

_THREADS = 4  # that one drive may keep waiting


class Drive:
    """The threads of what asks for files of one kind: where those don't answer, nobody else waits."""

    def __init__(self, name: str) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix=name)

    async def ask(self, work: Callable[..., Result], *arguments: Any, **options: Any) -> Result:
        """What the work returns or raises; it may wait for the drive."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(work, *arguments, **options))

    def remove(self, folder: Path) -> Future[None]:
        """Have a folder removed, some time; not any more once it is closed."""
        with contextlib.suppress(RuntimeError):
            return self._threads.submit(shutil.rmtree, folder, ignore_errors=True)
        done: Future[None] = Future()
        done.set_result(None)
        return done

    def close(self) -> None:
        """Done once all is that was asked for."""
        self._threads.shutdown()
