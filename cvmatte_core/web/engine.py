"""One Matter in one thread, and the bounded queue of requests for it."""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Callable, Iterator, TypeVar

from ..layers.touch_ups import TouchUps
from ..localization.errors import CvmatteError, RequestError
from ..matting.matter import Matter
from ..settings import MatteSettings

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
_CACHE_BYTES = 200_000_000
_FIRST_GUESS = 2.0  # at seconds a photo, until one was timed


class Engine:
    """Runs what needs the Matter, one at a time, first come first served.

    places: how many requests may be queued, including the running one. device: what the network runs on, as its runtime
    calls it; "" until it is loaded.
    """

    def __init__(self, places: int, touch_ups: TouchUps | None) -> None:
        """touch_ups: where photos' touch-ups are looked for; None: nowhere."""
        self.device = ""
        self._places, self._taken = places, 0
        self._seconds = _FIRST_GUESS
        self._lock = threading.Lock()
        self._matter = Matter(cache_bytes=_CACHE_BYTES, touch_ups=touch_ups)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="matter")

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """A place in the queue, taken before an upload is read. Raises RequestError when the queue is full."""
        with self._lock:
            if self._taken >= self._places:
                raise RequestError("server_busy", seconds=max(1, math.ceil(self._seconds * self._taken)))
            self._taken += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken -= 1

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
