"""What cuts out many photos in this process; cluster.py does so in the processes of a cluster."""

from __future__ import annotations

import contextlib
import copy
import functools
import logging
import threading
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Callable, Generator, Iterable, Iterator, Protocol

from ..image import images
from ..localization.errors import Cancelled, CvmatteError, ImageError, WorkerError
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


Line = Generator[Made, None, None]


class Cutter(Protocol):
    """Cuts out photos, in this process or elsewhere. in_this_process: so a photo that ends a process ends this one."""

    in_this_process: bool

    def prepare(self, settings: MatteSettings, room: Path | None = None) -> None:
        """Get ready for the photos to come, with these settings. room: see Matter. Raises ModelError."""

    def cut_out(self, photos: Iterable[Path], cancelled: threading.Event, *, alone: bool = False) -> Line:
        """Matte photos, a few of them under way; each is drawn from `photos` when its turn comes.

        A photo that won't do is a Made with an error. Once `cancelled` is set no further photo is begun: those whose
        network had finished come, then Cancelled is raised. alone: one at a time, where one may end this process.
        """


class Pipeline:
    """The Cutter of this process: the next photo is decoded and the last encoded while the network is at work.

    Photos come out in their order. on_progress(photo): called as each begins, and then every now and then; with it,
    nothing is under way between two photos.
    """

    in_this_process = True

    def __init__(self, matter: Matter, on_progress: Callable[[Path], None] | None = None) -> None:
        self._matter, self._one_by_one = matter, on_progress is not None
        self._tell = on_progress or (lambda photo: None)

    def prepare(self, settings: MatteSettings, room: Path | None = None) -> None:
        self._settings, self._room = settings, room
        self._matter.prepare(settings.model)

    def cut_out(self, photos: Iterable[Path], cancelled: threading.Event, *, alone: bool = False) -> Line:
        remaining = iter(photos)
        drawn = iter(lambda: None if cancelled.is_set() else next(remaining, None), None)
        if alone or self._one_by_one:
            for photo in drawn:
                self._tell(photo)
                yield self._made(photo, functools.partial(self._see, photo, cancelled))
        else:
            yield from self._overlapping(drawn, cancelled)
        if cancelled.is_set():
            raise Cancelled

    def _overlapping(self, photos: Iterator[Path], cancelled: threading.Event) -> Line:
        given_up = threading.Event()  # which must not pass for the caller's own wish

        def unless_given_up(*step: object) -> None:
            if given_up.is_set():
                raise Cancelled

        def see(decoded: Future[Decoded]) -> Seen:
            return self._matter.see(decoded.result(), self._settings, cancelled, unless_given_up, self._room)

        under_way: deque[Future[Made]] = deque()
        with ThreadPoolExecutor(1) as decoding, ThreadPoolExecutor(1) as network, ThreadPoolExecutor(1) as encoding:
            try:
                while True:
                    for photo in islice(photos, STAGES - len(under_way)):
                        decoded = decoding.submit(self._decoded, photo)
                        seen = network.submit(see, decoded)
                        under_way.append(encoding.submit(self._made, photo, seen.result))
                        del decoded, seen  # what they hold is gone as soon as the next stage has done with it
                    if not under_way:
                        return
                    while not wait([under_way[0]], _PATIENCE).done:
                        pass
                    with contextlib.suppress(Cancelled):
                        yield under_way.popleft().result()
            except BaseException:
                given_up.set()  # else leaving would wait for every photo under way
                raise

    def _decoded(self, photo: Path) -> Decoded:
        return decode(images.read(photo), photo.name, self._settings.decoded_side)

    def _see(self, photo: Path, cancelled: threading.Event) -> Seen:
        decoded = self._decoded(photo)
        return self._matter.see(decoded, self._settings, cancelled, lambda *step: self._tell(photo), self._room)

    def _made(self, photo: Path, see: Callable[[], Seen]) -> Made:
        return made_of(photo, see, self._matter, self._settings)


def explained(error: Exception, name: str) -> CvmatteError:
    """What to tell the person of whatever a photo of that name raised."""
    if memory.ran_out(error):
        return ImageError("image_memory", name=name)
    if isinstance(error, CvmatteError):
        return copy.copy(error)  # whose traceback would keep the photo's pixels alive for as long as it is kept
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
