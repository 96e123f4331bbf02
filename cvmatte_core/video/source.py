"""A clip that is read: which of its streams people mean, what is known of it, and its pictures."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.stream import Disposition

from ..filesystem import files
from ..image import images
from ..localization.errors import ImageError
from .decoding import CAREFUL, TICK, Picture, Pictures, square

logger = logging.getLogger(__name__)

_NO_FILM = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
_MP4_ENDINGS = (".mp4", ".m4v", ".mov")
_USUAL_RATE = Fraction(25)
_LONGEST_BOX_LIST = 10_000  # boxes of a file that are looked at


@dataclass(frozen=True)
class Clip:
    """size: (width, height) in square pixels, before the clip is turned upright. frames: 0 if unknown."""

    size: tuple[int, int]
    frames: int
    has_sound: bool


class Film:
    """An open clip, as FFmpeg reads it."""

    def __init__(self, path: Path, container: Any) -> None:
        """Raises ImageError where it has no picture, or none that can be decoded."""
        self._path, self._container = path, container
        stream = film_of(container)
        if stream is None:
            raise unreadable(path, "clip_no_picture")
        if stream.codec_context is None or not (stream.codec_context.width and stream.codec_context.height):
            raise unreadable(path)
        self.stream = stream
        self.sounds = sounds_of(container)

    @property
    def rate(self) -> Fraction:
        return self.stream.average_rate or _USUAL_RATE

    @property
    def time_base(self) -> Fraction:
        return self.stream.time_base or TICK

    @property
    def start(self) -> int:
        """When the clip begins, in units of the time base: with some hours after 0."""
        return round(Fraction(self._container.start_time or 0, av.time_base) / self.time_base)

    def told(self) -> Clip:
        """Raises ImageError where it is too large."""
        stream = self.stream
        width, height = stream.codec_context.width, stream.codec_context.height
        images.refuse_too_many_pixels(width, height, self._path.name)
        rate = float(stream.average_rate or 0)
        seconds = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0
        seconds = seconds or (self._container.duration or 0) / av.time_base
        size = square(width, height, stream.sample_aspect_ratio)
        return Clip(size, stream.frames or round(seconds * rate), bool(self.sounds))

    def pictures(self, after: int | None = None) -> Iterator[Picture]:
        """All that aren't damaged. after: begin somewhere before it. Raises ImageError if it can't be read on."""
        stream, name, done = self.stream, self._path.name, 0
        if after is not None:
            with contextlib.suppress(av.error.FFmpegError):  # then from its beginning
                self._container.seek(after, stream=stream)
        pictures = Pictures(stream, CAREFUL, name)
        for packet in packets(self._container, [stream], name):
            try:
                for picture in pictures.of(packet):
                    done += 1
                    yield picture
            except av.error.EOFError:
                return
            except av.error.FFmpegError as error:
                if not done and isinstance(error, (av.error.DecoderNotFoundError, av.error.PatchWelcomeError)):
                    raise ImageError("clip_unreadable", name=name) from error
                logger.warning("%s: a damaged frame after %d: %s", name, done, error)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Any]:
    """FFmpeg's container of a file. Raises ImageError."""
    if not files.is_file(path):
        raise ImageError("clip_unreadable" if files.exists(path) else "clip_missing", name=path.name)
    try:
        container = av.open(str(path.absolute()))  # "12:30.mkv" alone would be a protocol
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise unreadable(path) from error
    with container:
        yield container


def unreadable(path: Path, otherwise: str = "clip_unreadable") -> ImageError:
    """What to say of a file that can't be opened. otherwise: the error's key where it wasn't cut off."""
    return ImageError("clip_incomplete" if is_cut_off(path) else otherwise, name=path.name)


def film_of(container: Any) -> Any:
    """The video stream that players show: no cover or thumbnail, of several the default one. None without any."""
    films = [stream for stream in container.streams.video if not stream.disposition & _NO_FILM]
    default = Disposition.default
    return min(films, key=lambda film: (film.codec_context is None, not film.disposition & default), default=None)


def sounds_of(container: Any) -> list[Any]:
    """The audio streams that can be decoded."""
    return [stream for stream in container.streams.audio if stream.codec_context is not None]


def packets(container: Any, wanted: list[Any], name: str) -> Iterator[Any]:
    """Packets of a clip's streams, up to where it is damaged. Raises ImageError where it can't be read on."""
    try:
        yield from container.demux(wanted)
    except av.error.InvalidDataError as error:
        logger.warning("%s breaks off: %s", name, error)
    except (av.error.FFmpegError, OSError) as error:
        raise ImageError("clip_unreadable", name=name) from error


def is_cut_off(path: Path) -> bool:
    """Whether a file is the beginning of an MP4 or MOV: its index, which recorders write last, or more is missing."""
    if path.suffix.lower() not in _MP4_ENDINGS:
        return False
    kinds = set()
    try:
        with path.open("rb") as file:
            end, begin = path.stat().st_size, 0
            for _ in range(_LONGEST_BOX_LIST):
                file.seek(begin)
                head = file.read(16)
                if len(head) < 8:
                    break
                length, kind = int.from_bytes(head[:4], "big"), head[4:8]
                length = int.from_bytes(head[8:16], "big") if length == 1 else length or end - begin
                if length < 8:
                    return False
                kinds.add(kind)
                begin += length
    except OSError:
        return False
    return bool(kinds & {b"ftyp", b"mdat"}) and (b"moov" not in kinds or begin > end) and b"mdat" in kinds
