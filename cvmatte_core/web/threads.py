"""The threads that requests wait for, the Matter's and those for drives; and how long a photo may take."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import shutil
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Iterator, TypeVar

from ..layers.touch_ups import TouchUps
from ..localization.errors import CvmatteError, RequestError
from ..matting.matter import Matter
from ..settings import MatteSettings

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
_CACHE_BYTES = 200_000_000
_FIRST_GUESS = 2.0  # at seconds a photo, until one was timed
_DRIVE_THREADS = 4  # that one hanging drive may block


class Drive:
    """The threads for one kind of files: when their drive hangs, only those who want these files wait."""

    def __init__(self, name: str) -> None:
        self._threads = ThreadPoolExecutor(_DRIVE_THREADS, thread_name_prefix=name)

    async def ask(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """What the work returns or raises; it may wait for the drive."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

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


class Engine:
    """Runs what needs the Matter, one at a time, first come first served.

    places: how many requests may be queued, including the running one. device: what the network runs on, as its runtime
    calls it; "" until it is loaded. touch_ups: where photos' touch-ups are looked for; None: nowhere.
    """

    def __init__(self, places: int, touch_ups: TouchUps | None) -> None:
        self.device = ""
        self._number, self._places = places, threading.Semaphore(places)
        self._seconds = _FIRST_GUESS
        self._matter = Matter(cache_bytes=_CACHE_BYTES, touch_ups=touch_ups)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="matter")

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """A place in the queue, taken before an upload is read. Raises RequestError when the queue is full."""
        if not self._places.acquire(blocking=False):
            raise RequestError("server_busy", seconds=max(1, math.ceil(self._seconds * self._number)))
        try:
            yield
        finally:
            self._places.release()

    def run(self, work: Callable[[Matter], Result]) -> Future[Result]:
        """Have work done in the Matter's thread. Take a `place` first, unless it is little work."""

        def timed() -> Result:
            begun = time.monotonic()
            try:
                return work(self._matter)
            finally:
                self._seconds += (time.monotonic() - begun - self._seconds) / 4

        return self._thread.submit(timed)

    def warm_up(self) -> None:
        """Load the default model. If there is none, each request will say so."""

        def load(matter: Matter) -> None:
            try:
                self.device = matter.prepare(MatteSettings().model).device
            except CvmatteError as error:
                logger.warning("%s", error)

        self._thread.submit(load, self._matter)

    def close(self) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)


class Deadline:
    """How long a photo may take, from now on. Called with its progress; raises RequestError once the time is over."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._end = seconds, time.monotonic() + seconds

    def __call__(self, *progress: object) -> None:
        if time.monotonic() > self._end:
            raise RequestError("took_too_long", seconds=round(self._seconds))
