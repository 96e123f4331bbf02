"""Stills of a source of OBS: the countdown, then a burst of frames, the last of which is cut out, or which become a
photo of the empty room.

obs-websocket takes the frames, which is part of OBS; never on a thread of OBS. Python itself mustn't draw: it would
hold the graphics lock from one call to the next and wait for the GIL between them, while another script, holding that,
waits for the lock.
"""

from __future__ import annotations

import contextlib
import math
import re
import secrets
import shutil
import time
from pathlib import Path
from typing import Callable, ContextManager, Sequence

from cvmatte_core.filesystem import files, paths
from cvmatte_core.layers.rooms import SOURCE, Rooms, named
from cvmatte_core.layers.store import LayerStore
from cvmatte_core.localization.errors import CvmatteError, ImageError, OutputError
from cvmatte_core.settings import MatteSettings

from . import libobs, websocket
from .layers import WeakSource
from .photo_actions import Request
from .photo_lifecycle import PhotoLifecycle

_BURST = 4  # frames: what the recurrent network needs to settle
_ROOM_BURST = 12  # and what evens out a camera's noise
_FRAME_SECONDS = 0.033  # as a webcam's frames follow each other
_PATIENCE_SECONDS = 5.0  # for a camera that is still starting
_FORMAT = "bmp"  # of a frame: the quickest to write
_SPACE = 64 << 20  # bytes that a disk must have left, not to be called full
_NO_PICTURE = (1280, 720)  # what one is taken to have
_promised: set[Path] = set()  # names of stills: the worker writes them when it comes to it

Photograph = Callable[[Sequence[Path]], None]  # has frames become a photo of the empty room, and removes them


class Stills:
    """Takes a portrait's stills, one at a time."""

    def __init__(self, store: LayerStore, rooms: Rooms, life: PhotoLifecycle, happens: Callable[..., None]) -> None:
        """happens: called with what happens to the life, and the details of that."""
        self._store, self._rooms, self._life, self._happens = store, rooms, life, happens
        self._still: Still | None = None
        self._camera = WeakSource()

    @property
    def is_taking(self) -> bool:
        return self._still is not None

    def begin(self, camera: str, delay: int, photograph: Photograph | None = None) -> None:
        """photograph: what the frames are for, if not for a still."""
        try:
            self._still = Still(camera, delay, photograph)
        except CvmatteError as error:
            self._happens(self._life.still_failed, error)

    def room_is_done(self, error: CvmatteError | None) -> None:
        """What the frames were for has come to its end."""
        if not self.is_taking:
            self._happens(*((self._life.still_failed, error) if error is not None else (self._life.gives_up_still,)))

    def advance(self, settings: Callable[[], MatteSettings]) -> bool:
        """Called at each look. Says whether there is another number of the countdown to be read."""
        still = self._still
        if still is None:
            return False
        seconds = still.seconds_left()
        if seconds > 0:
            is_another, still.told = seconds != still.told, seconds
            if is_another:
                self._happens(self._life.counts_down, seconds, still.size, still.photograph is not None)
            return is_another
        self._happens(self._life.takes_still, still.photograph is not None)
        try:
            if not still.capture(self._store):
                return False
            if still.photograph is not None:
                frames, still.frames = still.frames, []  # they are the worker's now
                self.let_go()
                still.photograph(frames)
                return False
            file, of = new_file(still.camera, still.token), named(SOURCE, still.camera)
            room = self._rooms.find_for(of, still.size)
            request = Request(str(file), settings().resolved(), tuple(still.frames), room, of)
        except Exception as error:
            self.give_up()
            if not isinstance(error, CvmatteError):
                raise
            self._happens(self._life.still_failed, error)
            return False
        still.frames = []  # they are the worker's now
        self.give_up()
        self._happens(self._life.still_taken, request)
        return False

    def give_up(self) -> None:
        if self._still is not None:
            self.let_go()
            self._happens(self._life.gives_up_still)

    def let_go(self) -> None:
        """Hold no source any more, and change none."""
        still, self._still = self._still, None
        if still is not None:
            still.close()

    def source(self) -> ContextManager[int | None]:
        """The source of OBS that is followed, for the block; None where there is none."""
        return self._camera.alive()

    def follow(self, camera: str) -> str:
        """Keep to the source of this name, also when that is renamed: its present name."""
        with self._camera.alive() as source:
            if source:
                return libobs.source_name(source)
        self.forget_camera()
        if camera:
            source = libobs.source_named(camera)
            self._camera = WeakSource(source)
            libobs.obs_source_release(source)
        return camera

    def forget_camera(self) -> None:
        """Another is chosen, or none is followed any more."""
        self._camera.close()


class Still:
    """One still of a source, from the button to its frames on disk. Raises ImageError where there is no such source.

    The source counts as showing from the start, so that a camera that sleeps while nobody shows it wakes up.
    """

    def __init__(self, camera: str, delay: int, photograph: Photograph | None = None) -> None:
        if not camera:
            raise ImageError("still_no_source")
        source = libobs.source_named(camera)
        if not source:
            raise ImageError("still_source_missing", name=camera)
        self._source = source
        libobs.obs_source_inc_showing(self._source)
        self.camera, self.photograph = camera, photograph
        self._due = self._next = time.monotonic() + delay
        self.token = secrets.token_hex(8)
        self.told = 0  # the number of the countdown that the person last read
        self.frames: list[Path] = []

    def seconds_left(self) -> int:
        """Whole seconds until the still; 0 when it is time."""
        return max(0, math.ceil(self._due - time.monotonic()))

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of what the source shows, as far as it shows something."""
        with contextlib.suppress(ImageError):
            return _size_of(self._source) or _NO_PICTURE
        return _NO_PICTURE

    def capture(self, store: LayerStore) -> bool:
        """Take a frame where one is due; whether the burst is complete. Raises ImageError, OutputError."""
        now = time.monotonic()
        if now < self._next:
            return False
        size = _size_of(self._source)
        if size is None:
            if now - self._due > _PATIENCE_SECONDS:
                raise ImageError("still_no_picture", name=self.camera)
            return False
        self._next = now + _FRAME_SECONDS
        path = store.burst_path(f"{self.token}-{len(self.frames)}", *size)
        _write_frame(self._source, path)
        self.frames.append(path)
        return len(self.frames) >= (_BURST if self.photograph is None else _ROOM_BURST)

    def close(self) -> None:
        """Let go of the source, and of frames that nobody took over."""
        libobs.obs_source_dec_showing(self._source)
        libobs.obs_source_release(self._source)
        for path in self.frames:
            with contextlib.suppress(OSError):
                path.unlink()


def new_file(camera: str, token: str) -> Path:
    """A still's file: a name that tells its camera and time, and that no file has, or will have."""
    name = re.sub(r"[^\w\- ]", "_", camera)[:60].strip() or "still"
    path = paths.stills_folder() / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}.png"
    if path in _promised or files.exists(path):
        path = path.with_name(f"{path.stem}-{token}.png")
    _promised.add(path)
    return path


def _size_of(source: int) -> tuple[int, int] | None:
    """(width, height) of what a source shows now, in pixels; None while it shows nothing (a camera may be starting).

    Raises ImageError where a filter makes it larger, of which obs-websocket takes a part only.
    """
    width, height = libobs.obs_source_get_width(source), libobs.obs_source_get_height(source)
    if not width or not height:
        return None
    if width > libobs.obs_source_get_base_width(source) or height > libobs.obs_source_get_base_height(source):
        raise ImageError("still_enlarged", name=libobs.source_name(source))
    return width, height


def _write_frame(source: int, path: Path) -> None:
    """Write what a source shows now, with its filters; where a filter makes it smaller, to the left and above of black.

    Raises ImageError where OBS has no obs-websocket, OutputError.
    """
    wanted = {"sourceName": libobs.source_name(source), "imageFormat": _FORMAT, "imageFilePath": str(path)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise files.output_error(error, path.parent) from error
    answer = websocket.request("SaveSourceScreenshot", wanted)
    if answer is None:
        raise ImageError("still_no_websocket")
    if answer.status == websocket.SUCCESS:
        return
    libobs.log(libobs.LOG_WARNING, f"SaveSourceScreenshot: {answer.status} {answer.comment}")
    with contextlib.suppress(OSError):  # a part of it
        path.unlink()
    raise OutputError("disk_full" if _is_full(path.parent) else "cannot_write", folder=str(path.parent))


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _SPACE
    except OSError:
        return False
