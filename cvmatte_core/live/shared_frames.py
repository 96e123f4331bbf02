"""Frames on their way from the process that cuts them out to OBS: a file that both map.

Three slots, written one after the other: the reader takes the newest, while the writer is at the next but one.
Standard library only: OBS runs one side of it.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Sequence

from ..filesystem import files, runtime_folders

SUFFIX = ".live"

_HEADER = struct.Struct("<4sIII")  # magic, version, slots, bytes of a slot
_SLOT = struct.Struct("<QII")  # number of its frame, width, height; before each slot's pixels
_MAGIC, _VERSION, _SLOTS = b"CVML", 1, 3
_PIXELS_AT = 64  # of a slot: a cache line's worth after its own header

_TOUCH_SECONDS = 600  # writing to a mapping doesn't make its file young, and old ones are tidied away


class FramesUnusable(Exception):
    """The file is missing, truncated or of another version."""


@dataclass(frozen=True)
class Shown:
    """A frame in the mapping: RGBA rows, straight alpha, at `offset`."""

    number: int
    width: int
    height: int
    offset: int


class FrameWriter:
    """Writes frames of up to a number of pixels. Raises OSError where the file can't be made."""

    def __init__(self, path: Path, pixels: int) -> None:
        self.path, self.pixels = path, pixels
        self._slot_bytes = _PIXELS_AT + 4 * pixels
        size = _PIXELS_AT + _SLOTS * self._slot_bytes
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("w+b", buffering=0) as file:
                # So that a full disk is noticed here, and not by a signal in the middle of a frame.
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, size)
                else:
                    file.write(bytes(size))
                self._map = mmap.mmap(file.fileno(), size)
        except OSError:
            files.remove(path)
            raise
        self._map[: _HEADER.size] = _HEADER.pack(_MAGIC, _VERSION, _SLOTS, self._slot_bytes)
        self._number = 0
        self._touched = time.monotonic()

    def write(self, rows: Any, width: int, height: int) -> int:
        """rows: a contiguous buffer of height * width * 4 bytes. Returns the frame's number."""
        self._number += 1
        begin = _PIXELS_AT + self._number % _SLOTS * self._slot_bytes
        self._map[begin : begin + _SLOT.size] = _SLOT.pack(0, width, height)  # nobody takes it half
        self._map[begin + _PIXELS_AT : begin + _PIXELS_AT + 4 * width * height] = memoryview(rows).cast("B")
        self._map[begin : begin + _SLOT.size] = _SLOT.pack(self._number, width, height)
        if time.monotonic() - self._touched > _TOUCH_SECONDS:
            self._touched = time.monotonic()
            with contextlib.suppress(OSError):
                os.utime(self.path)
        return self._number

    def close(self) -> None:
        self._map.close()
        files.remove(self.path)


def new_writer(name: str, pixels: int, folders: Sequence[Path]) -> FrameWriter:
    """Of a new file, whose name begins so, in the first folder that has room for it. Raises OSError if none has."""
    size = _PIXELS_AT + _SLOTS * (_PIXELS_AT + 4 * pixels)
    *better, last = (folder / f"{name}-{time.time_ns()}{SUFFIX}" for folder in folders)
    for path in better:
        if runtime_folders.has_room(path.parent, size):
            with contextlib.suppress(OSError):  # somebody else was quicker
                return FrameWriter(path, pixels)
    return FrameWriter(last, pixels)


class FrameReader:
    """Maps the file of a writer. `mapping` is a writable buffer, and not to be written to. Raises FramesUnusable."""

    def __init__(self, path: Path) -> None:
        try:
            with path.open("r+b") as file:
                magic, version, slots, self._slot_bytes = _HEADER.unpack(file.read(_HEADER.size))
                expected = _PIXELS_AT + _SLOTS * self._slot_bytes
                if (magic, version, slots) != (_MAGIC, _VERSION, _SLOTS) or os.fstat(file.fileno()).st_size != expected:
                    raise FramesUnusable(path)
                self.mapping = mmap.mmap(file.fileno(), expected)
        except (OSError, struct.error, ValueError) as error:
            raise FramesUnusable(path) from error

    def frame(self, number: int) -> Shown | None:
        """A frame, if it is still there whole."""
        begin = _PIXELS_AT + number % _SLOTS * self._slot_bytes
        found, width, height = _SLOT.unpack_from(self.mapping, begin)
        if found != number or not width or not height or 4 * width * height > self._slot_bytes - _PIXELS_AT:
            return None
        return Shown(number, width, height, begin + _PIXELS_AT)

    def newest(self) -> Shown | None:
        """The frame that was written last, if it is there whole."""
        slots = range(_PIXELS_AT, len(self.mapping), self._slot_bytes)
        return self.frame(max(_SLOT.unpack_from(self.mapping, begin)[0] for begin in slots))

    def close(self) -> None:
        self.mapping.close()
