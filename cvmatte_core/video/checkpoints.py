"""What is done of a clip, in parts that stay when the process ends in the middle."""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ..filesystem import files, paths
from ..filesystem.lock import locked_if_free
from ..image import encoders
from ..layers import outputs
from ..settings import MatteSettings
from . import encoding

_PART_SECONDS = 2.0  # of work; what isn't finished yet is done again
_KEPT_SECONDS = 7 * 24 * 3600.0
_RECORD = "parts.json"


@contextlib.contextmanager
def kept_for(path: Path, settings: MatteSettings, room: str = "") -> Iterator[Path | None]:
    """The folder for parts of this clip, as it is now, with these settings; None while another process has it. Old ones
    of other jobs are removed. room: the digest of the empty room's photo, if it has one. Raises OutputError."""
    folder = paths.unfinished_clips_folder()
    with contextlib.suppress(OSError):
        for other in folder.iterdir():
            if time.time() - other.stat().st_mtime > _KEPT_SECONDS:
                shutil.rmtree(other, ignore_errors=True)
    status = path.stat() if files.is_file(path) else None
    state = (status.st_size, status.st_mtime_ns) if status else ()
    about = [str(path.absolute()), state, settings.identity(), *([room] if room else [])]
    known = json.dumps(about, sort_keys=True)
    kept = folder / hashlib.sha256(known.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    with locked_if_free(kept.with_suffix(".lock")) as is_ours:
        yield kept if is_ours else None


@dataclass(frozen=True)
class Done:
    """frames: in whole parts. last: the last one's time in the source's units, if known. time: that in the clip.
    somebody: whether anybody was seen."""

    frames: int = 0
    last: int | None = None
    time: int = -1
    somebody: bool = False
    parts: tuple[str, ...] = ()


class Parts:
    """Encodes frames, and makes the clip of them at the end."""

    def __init__(self, target: Path, kept: Path | None, rate: Fraction, time_base: Fraction, start: int) -> None:
        """kept: this job's folder of parts; None: nothing stays. start: the source's first time. Raises OSError."""
        self._target, self._rate, self._time_base, self._start = target, rate, time_base, start
        self._ending = target.suffix.lower()
        self._stays = kept is not None and encoding.KINDS[self._ending].parts
        beside = target.absolute().with_name(f"{files.TEMPORARY_PREFIX}{secrets.token_hex(8)}")
        self._folder = kept if kept is not None and self._stays else beside
        target.parent.mkdir(parents=True, exist_ok=True)
        self._folder.mkdir(parents=True, exist_ok=True)
        self.done = _read(self._folder / _RECORD)
        self._part: encoding.PartWriter | None = None
        self._begun = 0.0  # when the part was, by time.monotonic
        self._frames, self._last, self._time = self.done.frames, self.done.last, self.done.time

    def picture(self, layer: np.ndarray, pts: int | None, somebody: bool) -> None:
        """Raises OSError, av.error.FFmpegError."""
        if self._part is None:
            self._part = encoding.PartWriter(self._next(), self._ending, self._rate, self._time_base)
            self._begun = time.monotonic()
        # Times go up, also where a clip's own don't, or aren't told.
        self._time = max(self._time + 1, pts - self._start if pts is not None else 0)
        self._part.picture(layer, self._time)
        self._frames, self._last = self._frames + 1, pts
        if self._stays and time.monotonic() - self._begun > _PART_SECONDS:
            self._finish_part(somebody)

    def _next(self) -> Path:
        return self._folder / f"{len(self.done.parts):06}{self._ending}"

    def _finish_part(self, somebody: bool) -> None:
        if self._part is not None:
            part, self._part = self._part, None
            part.close()
            names = (*self.done.parts, self._next().name)
            self.done = Done(self._frames, self._last, self._time, somebody, names)
            if self._stays:
                files.write(self._folder / _RECORD, json.dumps(asdict(self.done)).encode())

    def finish(self, somebody: bool, sound_of: Path | None, whole: bool, tick: Callable[[], None]) -> Path:
        """Make the clip, with the sound of a file; its path. whole: with all of the sound, also beyond the frames.

        tick() is called repeatedly. Raises ImageError, OSError, av.error.FFmpegError.
        """
        self._finish_part(somebody)
        parts = [self._folder / name for name in self.done.parts]
        # Not by the target's name: two may be at it. Not in the folder, which may be on another disk.
        made = self._target.absolute().with_name(f"{files.TEMPORARY_PREFIX}{secrets.token_hex(8)}{self._ending}")
        try:
            if sound_of is None and len(parts) == 1:
                shutil.move(parts[0], made)
            else:
                until = None if whole else (self._time + 1) * self._time_base
                encoding.join(parts, sound_of, made, until, tick)
            target = outputs.unused(self._target)
            files.replace_durably(target, made)
        finally:
            with contextlib.suppress(OSError):
                made.unlink()
        self.discard()
        return target

    def give_up(self) -> None:
        """It ends in the middle: what isn't finished goes, and where nothing is to stay, all."""
        with contextlib.suppress(Exception):
            if self._part is not None:
                self._part.close()
        if self._stays:
            with contextlib.suppress(OSError):
                self._next().unlink()
        else:
            self.discard()

    def discard(self) -> None:
        """Nothing is to be left."""
        shutil.rmtree(self._folder, ignore_errors=True)


class Pictures:
    """As Parts, but a folder of PNG files, numbered in their order. It has no sound."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.done = outputs.unused(folder), Done()
        self._count = 0

    def picture(self, layer: np.ndarray, pts: int | None, somebody: bool) -> None:
        """Raises OutputError."""
        files.write(self._file(self._count), encoders.png(layer), durable=False)
        self._count += 1

    def _file(self, number: int) -> Path:
        return self._folder / f"{number:06}.png"

    def finish(self, somebody: bool, sound_of: Path | None, whole: bool, tick: Callable[[], None]) -> Path:
        return self._folder

    def give_up(self) -> None:
        """What is there stays."""

    def discard(self) -> None:
        for number in range(self._count):
            self._file(number).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # somebody put something there
            self._folder.rmdir()


def _read(record: Path) -> Done:
    """What a record says is done, as far as it is there; nothing where it can't be read."""
    try:
        read: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
        done = Done(**{**read, "parts": tuple(read["parts"])})
        is_there = all((record.parent / name).is_file() for name in done.parts)
        return done if is_there and done.frames > 0 and done.parts else Done()
    except (OSError, ValueError, TypeError, KeyError):
        return Done()
