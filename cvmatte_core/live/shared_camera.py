"""One camera for several live portraits, also of several OBS: whichever process opens it hands its frames to the rest.

Who holds the camera's lock has it open. The others ask for its frames, in a file that both map, and take over once
nothing more comes: when its holder hides, ends or dies.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from ..filesystem import files, paths, runtime_folders
from ..filesystem.lock import locked_if_free
from .shared_frames import SUFFIX, FrameReader, FramesUnusable, FrameWriter, new_writer

logger = logging.getLogger(__name__)

_ASK_SECONDS, _ASKED_SECONDS = 0.5, 2.0  # how often one asks, and how long that counts
_SILENCE_SECONDS = 0.4  # without a frame, the others try whether they can have the camera
_LOOK_SECONDS = 0.004


class Handout:
    """Of the process that has the camera open: its frames, for whoever asks."""

    def __init__(self, stem: Path) -> None:
        self._stem = stem
        self._writer: FrameWriter | None = None
        self._looked, self._asked = 0.0, False
        for path in _frame_files(stem):  # of a process that was killed
            files.remove(path)

    def give(self, frame: np.ndarray) -> None:
        """A frame: uint8 RGB, shape (H, W, 3)."""
        now = time.monotonic()
        if now - self._looked > _ASK_SECONDS / 2:
            self._looked = now
            self._asked = False
            with contextlib.suppress(OSError):
                self._asked = time.time() - _asked_file(self._stem).stat().st_mtime < _ASKED_SECONDS
        if not self._asked:
            self.close()  # or who asks next would begin with a picture of long ago
            return
        height, width = frame.shape[:2]
        if self._writer is None or self._writer.pixels < width * height:
            self.close()
            try:
                self._writer = new_writer(self._stem.name, width * height, runtime_folders.folders())
            except OSError as error:  # a full disk: whoever has the camera goes on
                logger.warning("the camera can't be shared: %s", error)
                self._asked = False
                return
        self._writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2RGBA).data, width, height)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


@contextlib.contextmanager
def held(camera: str) -> Iterator[Handout | None]:
    """Hold a camera for the block; None where another process, or another thread, does. Raises OutputError."""
    stem = _stem(camera)
    with locked_if_free(stem.with_name(f"{stem.name}.lock")) as is_ours:
        if not is_ours:
            yield None
            return
        with contextlib.closing(Handout(stem)) as handout:
            yield handout


def borrowed(camera: str, closing: threading.Event) -> Iterator[np.ndarray]:
    """The frames of a camera that another process holds, until no more come: uint8 RGB, shape (H, W, 3)."""
    stem = _stem(camera)
    reader: FrameReader | None = None
    path: Path | None = None
    number, asked_at, came_at = 0, 0.0, time.monotonic()
    try:
        while not closing.is_set():
            now = time.monotonic()
            if now - asked_at > _ASK_SECONDS:
                asked_at = now
                with contextlib.suppress(OSError):  # the disk is full: its holder will say so
                    _asked_file(stem).touch()
                newest = max(_frame_files(stem), default=None, key=lambda found: found.name)
                if newest is not None and newest != path:
                    with contextlib.suppress(FramesUnusable):
                        fresh = FrameReader(newest)
                        if reader is not None:
                            reader.close()
                        reader, path, number = fresh, newest, 0
            pixels, number = _taken(reader, number) if reader is not None else (None, number)
            if pixels is not None:
                came_at = now
                yield pixels
            elif now - came_at > _SILENCE_SECONDS:
                return
            else:
                closing.wait(_LOOK_SECONDS)
    finally:
        if reader is not None:
            reader.close()


def _taken(reader: FrameReader, number: int) -> tuple[np.ndarray | None, int]:
    """A frame newer than that number, and its number."""
    shown = reader.newest()
    if shown is None or shown.number <= number:
        return None, number
    rows = np.frombuffer(reader.mapping, np.uint8, 4 * shown.width * shown.height, shown.offset)
    pixels = cv2.cvtColor(rows.reshape(shown.height, shown.width, 4), cv2.COLOR_RGBA2RGB)
    del rows  # or the mapping couldn't be closed
    # Written over meanwhile, it would be half of one frame and half of another.
    return (pixels if reader.frame(shown.number) is not None else None), shown.number


def _stem(camera: str) -> Path:
    # With the data's folder: two CVMattes that share nothing else may not understand each other.
    name = hashlib.sha256(f"{paths.data_folder()}\0{camera}".encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return runtime_folders.folders()[0] / f"{files.TEMPORARY_PREFIX}camera-{name}"


def _asked_file(stem: Path) -> Path:
    return stem.with_name(f"{stem.name}.asked")


def _frame_files(stem: Path) -> list[Path]:
    return [path for folder in runtime_folders.folders() for path in folder.glob(f"{stem.name}-*{SUFFIX}")]
