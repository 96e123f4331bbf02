"""What cuts out many photos: Pipeline, where the next is decoded and the last encoded while the network is at work.

OneByOne where other things are to be done between two photos; cluster.py in the processes of a cluster.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import logging
import threading
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Generator, Iterable, Protocol

from ..image import images
from ..localization.errors import Cancelled, CvmatteError, WorkerError
from ..localization.notes import Note
from ..matting.matter import Decoded, Matter, Seen, decode
from ..settings import MatteSettings
from ..system import memory

logger = logging.getLogger(__name__)

STAGES = 3  # decoding, the network, encoding: a photo in each is all that memory has to hold
_PATIENCE = 0.2  # seconds in which Ctrl+C is noticed where waiting for a thread can't be interrupted (Windows)


@dataclass(frozen=True)
class Made:
    """What became of a photo: the content of its layer's file and of its mask's, or else the error.

    size: (width, height) of the layer. seconds: what its stages took, the time between them apart. notes: see Matte.
    """

    photo: Path
    layer: bytes = b""
    mask: bytes | None = None
    size: tuple[int, int] = (0, 0)
    seconds: float = 0.0
    error: CvmatteError | None = None
    notes: tuple[Note, ...] = ()


class Cutter(Protocol):
    """Cuts out photos, in this process or elsewhere. in_this_process: so a photo that ends a process ends this one."""

    in_this_process: bool

    def prepare(self, settings: MatteSettings) -> None:
        """Get ready for these settings, ahead of the first photo. Raises ModelError."""
        ...

    def cut_out(
        self, photos: Iterable[Path], settings: MatteSettings, cancelled: threading.Event, *, alone: bool = False
    ) -> Generator[Made, None, None]:
        """Matte photos, a few of them under way; each is drawn from `photos` when its turn comes.

        A photo that won't do is a Made with an error. Once `cancelled` is set no further photo is begun: those whose
        network had finished come, then Cancelled is raised. alone: one at a time, where one may end this process.
        """
        ...


class Pipeline:
    """The Cutter of this process: photos come out in their order."""

    in_this_process = True

    def __init__(self, matter: Matter) -> None:
        self._matter = matter

    def prepare(self, settings: MatteSettings) -> None:
        self._matter.prepare(settings.model)

    def cut_out(
        self, photos: Iterable[Path], settings: MatteSettings, cancelled: threading.Event, *, alone: bool = False
    ) -> Generator[Made, None, None]:
        return _cut_out(photos, self._matter, settings, cancelled, at_once=1 if alone else STAGES)


class OneByOne:
    """The Cutter of this process where nothing is to be under way between two photos.

    on_progress(photo) is called as each begins, and then every now and then.
    """

    in_this_process = True

    def __init__(self, matter: Matter, on_progress: Callable[[Path], None]) -> None:
        self._matter = matter
        self._tell = on_progress

    def prepare(self, settings: MatteSettings) -> None:
        self._matter.prepare(settings.model)

    def cut_out(
        self, photos: Iterable[Path], settings: MatteSettings, cancelled: threading.Event, *, alone: bool = False
    ) -> Generator[Made, None, None]:
        remaining = iter(photos)
        while not cancelled.is_set():
            photo = next(remaining, None)
            if photo is None:
                return
            self._tell(photo)
            yield made_of(photo, functools.partial(self._see, photo, settings, cancelled), self._matter, settings)
        raise Cancelled

    def _see(self, photo: Path, settings: MatteSettings, cancelled: threading.Event) -> Seen:
        return self._matter.see(_decoded(photo, settings), settings, cancelled, lambda *step: self._tell(photo))


def explained(error: Exception, name: str) -> CvmatteError:
    """What to tell the person of whatever a photo of that name raised."""
    told = memory.explained(error, name)
    if isinstance(told, CvmatteError):
        return copy.copy(told)  # whose traceback would keep the photo's pixels alive for as long as it is kept
    logger.error("%s", name, exc_info=error)
    return WorkerError("internal")


def made_of(photo: Path, see: Callable[[], Seen], matter: Matter, settings: MatteSettings) -> Made:
    """All that comes after the network, which `see` waits for or runs. Raises Cancelled."""
    try:
        matte = matter.finish(see(), settings)
        begun = time.perf_counter()
        layer, mask = matte.files(settings)
        seconds = sum(matte.seconds.values()) + time.perf_counter() - begun
        height, width = matte.alpha.shape
        return Made(photo, layer, mask, (width, height), round(seconds, 3), notes=matte.notes)
    except Cancelled:
        raise
    except Exception as error:  # whatever a picture makes of us, the next one has its turn
        failure = explained(error, photo.name)
        error.__traceback__ = None  # it leads through this frame to `see`, which has it: the pixels would stay alive
        return Made(photo, error=failure)


def _cut_out(
    photos: Iterable[Path], matter: Matter, settings: MatteSettings, cancelled: threading.Event, at_once: int
) -> Generator[Made, None, None]:
    ended = _EndedOr(cancelled)
    under_way: deque[Future[Made]] = deque()
    remaining = iter(photos)
    with ThreadPoolExecutor(1) as decoding, ThreadPoolExecutor(1) as network, ThreadPoolExecutor(1) as encoding:
        try:
            while True:
                while len(under_way) < at_once and not cancelled.is_set():
                    photo = next(remaining, None)
                    if photo is None:
                        break
                    decoded = decoding.submit(_decoded, photo, settings)
                    seen = network.submit(_seen, decoded, matter, settings, ended)
                    under_way.append(encoding.submit(made_of, photo, seen.result, matter, settings))
                    del decoded, seen  # what they hold is gone as soon as the next stage has done with it
                if not under_way:
                    break
                with contextlib.suppress(Cancelled):
                    yield _awaited(under_way.popleft())
        except BaseException:
            ended.set()  # else leaving would wait for every photo under way
            raise
    if cancelled.is_set():
        raise Cancelled


class _EndedOr(threading.Event):
    """Set where it is itself, or the other is: leaving early must not pass for the caller's own wish."""

    def __init__(self, other: threading.Event) -> None:
        super().__init__()
        self._other = other

    def is_set(self) -> bool:
        return super().is_set() or self._other.is_set()


def _decoded(photo: Path, settings: MatteSettings) -> Decoded:
    return decode(images.read(photo), photo.name, settings.decoded_side)


def _seen(decoded: Future[Decoded], matter: Matter, settings: MatteSettings, cancelled: threading.Event) -> Seen:
    return matter.see(decoded.result(), settings, cancelled)


def _awaited(future: Future[Made]) -> Made:
    while True:
        with contextlib.suppress(NotYet):
            return future.result(timeout=_PATIENCE)
