"""Where live frames come from: a camera, a video file or a stream, read as they come; only the newest is kept."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import av
import numpy as np

from ..pictures import images
from ..video.upright import upright
from ..words.errors import CvmatteError, ImageError
from . import shared_camera

logger = logging.getLogger(__name__)

_STALL_SECONDS = 10  # that a stream may say nothing, and a camera
_CAMERA_FORMATS = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}
_LONGEST_GAP = 0.5  # seconds between two frames of a file, whatever its times say


@dataclass(frozen=True)
class Wanted:
    """A source. camera: what the system calls it, or else the path or address of a video. loop: of a file.

    width, height, rate: that the camera is asked for; 0 for what it gives by itself.
    """

    camera: str = ""
    video: str = ""
    loop: bool = True
    width: int = 0
    height: int = 0
    rate: int = 0

    @property
    def name(self) -> str:
        """For sentences."""
        return self.camera or self.video.rpartition("/")[2] or self.video


class Latest:
    """Reads a source in a thread of its own, and keeps its newest frame. Whoever is late misses those in between."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.error: CvmatteError | None = None
        self.is_over = False  # a file that isn't looped has ended
        self._frame: tuple[int, np.ndarray, float] | None = None
        self._there = threading.Condition()
        self._closing = threading.Event()
        threading.Thread(target=self._run, name="source", daemon=True).start()

    def next(self, after: int, timeout: float) -> tuple[int, np.ndarray, float] | None:
        """(number, uint8 RGB of shape (H, W, 3), when it came by time.monotonic) of a newer frame, as soon as one is
        there; None where none came in that time."""
        with self._there:
            self._there.wait_for(lambda: self._frame is not None and self._frame[0] > after, timeout)
            return self._frame if self._frame is not None and self._frame[0] > after else None

    def close(self) -> None:
        self._closing.set()

    def _run(self) -> None:
        number = 0
        try:
            for frame in self._shared() if self.wanted.camera else self._frames():
                if self._closing.is_set():
                    return
                number += 1
                with self._there:
                    self._frame = number, frame, time.monotonic()
                    self._there.notify_all()
            self.is_over = True
        except CvmatteError as error:
            self.error = error
        except Exception:  # whatever a driver or a decoder makes of us
            logger.exception("%s", self.wanted.name)
            self.error = ImageError("live_lost", name=self.wanted.name)

    def _shared(self) -> Iterator[np.ndarray]:
        """A camera's frames, whoever has it open. Raises ImageError, OutputError, OSError."""
        while not self._closing.is_set():
            with shared_camera.held(self.wanted.camera) as handout:
                if handout is not None:
                    for frame in self._frames():
                        handout.give(frame)
                        yield frame
                    return
            yield from shared_camera.borrowed(self.wanted.camera, self._closing)

    def _frames(self) -> Iterator[np.ndarray]:
        """Raises ImageError."""
        any_came = False
        while True:
            with self._opened() as container:
                if not container.streams.video:
                    raise ImageError("clip_no_picture", name=self.wanted.name)
                for frame in self._decoded(container):
                    any_came = True
                    yield frame
                    if self._closing.is_set():
                        return
            if not any_came:
                raise ImageError("clip_empty", name=self.wanted.name)
            if self.wanted.camera or not self.wanted.loop:
                return

    def _decoded(self, container: Any) -> Iterator[np.ndarray]:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        is_file = not self.wanted.camera and "://" not in self.wanted.video
        begun, first = time.monotonic(), None
        before = begun
        try:
            for packet in container.demux(stream):
                try:
                    frames = packet.decode()
                except av.error.InvalidDataError:
                    continue  # a damaged frame
                for frame in frames:
                    if is_file and frame.time is not None:  # as fast as it plays, not as fast as it can be read
                        first = frame.time if first is None else first
                        due = min(begun + frame.time - first, before + _LONGEST_GAP)
                        self._closing.wait(max(0.0, due - time.monotonic()))
                        before = time.monotonic()
                    yield _pixels(frame)
        except av.error.EOFError:
            return
        except (av.error.FFmpegError, OSError) as error:
            raise ImageError("live_lost", name=self.wanted.name) from error

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Any]:
        """Raises ImageError."""
        wanted, options = self.wanted, {}
        kind: str | None = None
        path = wanted.video
        if wanted.camera:
            kind = _CAMERA_FORMATS.get(sys.platform, "v4l2")
            path = f"video={wanted.camera}" if kind == "dshow" else wanted.camera
            if wanted.width and wanted.height:
                options["video_size"] = f"{wanted.width}x{wanted.height}"
            if wanted.rate:
                options["framerate"] = str(wanted.rate)
        try:
            container = av.open(path, format=kind, options=options, timeout=_STALL_SECONDS)
        except PermissionError as error:
            raise ImageError("camera_forbidden", name=wanted.name) from error
        except OSError as error:
            key = "clip_unreadable"
            if wanted.camera:
                key = "camera_busy" if getattr(error, "errno", 0) == 16 else "camera_missing"
            elif isinstance(error, FileNotFoundError):
                key = "clip_missing"
            raise ImageError(key, name=wanted.name) from error
        except (av.error.FFmpegError, ValueError) as error:
            raise ImageError("camera_missing" if wanted.camera else "clip_unreadable", name=wanted.name) from error
        try:
            yield container
        finally:
            container.close()


def _pixels(frame: Any) -> np.ndarray:
    if frame.width * frame.height > images.PIXEL_LIMIT:
        raise ImageError("image_too_many_pixels", name="", limit=images.PIXEL_LIMIT // 1_000_000)
    return upright(frame)
