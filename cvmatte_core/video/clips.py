"""A clip cut out into another: frame by frame, with its sound, in bounded memory, whatever its length.

PyAV reads and writes. The frames keep their times, so that variable rates stay what they are.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from ..disk import files
from ..layers import outputs
from ..matting.moving import Moving
from ..pictures import endings, images
from ..settings import MatteSettings
from ..words.errors import Cancelled, CvmatteError, ImageError, OutputError
from . import sound
from .upright import upright

logger = logging.getLogger(__name__)

WEBM, MOV, MP4 = endings.CLIP_KINDS
FRAMES = ""
_HDR = (16, 18)  # transfer characteristics: PQ and HLG
_TICK = Fraction(1, 90_000)  # seconds; of times, where a stream doesn't say
_ENCODERS = {
    WEBM: (
        "libvpx-vp9",
        "yuva420p",
        {"crf": "24", "b": "0", "deadline": "realtime", "cpu-used": "5", "row-mt": "1", "lag-in-frames": "0"},
    ),
    MOV: ("prores_ks", "yuva444p10le", {"profile": "4444", "alpha_bits": "16"}),
    MP4: ("libx264", "yuv420p", {"crf": "18", "preset": "veryfast"}),
}
# By what sound is encoded there, and what is taken over as it is.
_SOUND = {WEBM: ("libopus", ("opus", "vorbis")), MOV: ("aac", ("aac", "alac", "mp3")), MP4: ("aac", ("aac", "mp3"))}


@dataclass(frozen=True)
class Clip:
    """What is known of a clip. size: (width, height), upright. frames: how many there are, 0 where that isn't told.

    hdr: whether its colours are brighter than what is made of them.
    """

    size: tuple[int, int]
    frames: int
    rate: float
    has_sound: bool
    hdr: bool


@dataclass(frozen=True)
class Made:
    """path: of the clip, or of the folder of frames. frames: in it. whole: whether it was not ended before."""

    path: Path
    frames: int
    whole: bool


def look_at(source: Path) -> Clip:
    """Raises ImageError where it is no clip."""
    with _opened(source) as container:
        return _told(container, source)


def cut_out(
    source: Path,
    target: Path,
    settings: MatteSettings,
    threads: int,
    device: str | None = None,
    on_frame: Callable[[int], None] = lambda done: None,
    ended: threading.Event | None = None,
) -> Made:
    """Cut the people out of a clip. target: its ending is one of endings.CLIP_KINDS; a folder for PNG frames has none.

    Once `ended` is set, what is done is finished to a clip that plays. The target is a new file, or folder, always:
    next to one that is there. Raises ImageError, ModelError, OutputError; Cancelled where nothing is done yet.
    """
    kind = target.suffix.lower()
    if kind == MP4 and settings.background == "transparent":
        raise CvmatteError("clip_needs_background", endings=f"{WEBM}, {MOV}")
    ended = ended or threading.Event()
    with _opened(source) as container:
        clip = _told(container, source)
        moving = Moving(settings, threads, device)
        done = 0
        writer: _Writer | None = None
        try:
            writer = _FramesWriter(target, container) if kind == FRAMES else _ClipWriter(target, container, kind)
            for packet in _packets(container, writer.wanted, source):
                if packet.stream.type != "video":
                    writer.sound(packet)
                    continue
                for frame in _frames(packet, source, done):
                    picture = images.reduced(upright(frame), settings.longest_side)
                    writer.picture(moving.layer(picture), frame.pts, packet.stream.time_base or _TICK)
                    done += 1
                    on_frame(done)
                    if ended.is_set():
                        break
                if ended.is_set():
                    break
            if not done and ended.is_set():
                raise Cancelled
            if not done:
                raise ImageError("clip_empty", name=source.name)
            if not moving.has_seen_somebody and not ended.is_set():
                writer.discard()
                raise ImageError("clip_nobody", name=source.name)
            made = writer.finish()
        except BaseException as error:
            if writer is not None:
                writer.give_up()
            if isinstance(error, av.error.FFmpegError):  # of the target: _packets and _frames explain the source's
                raise _not_written(error, target) from error
            if isinstance(error, OSError):
                raise files.output_error(error, target.parent) from error
            raise
    logger.info("%s: %d frames of %d", source.name, done, clip.frames)
    return Made(made, done, not ended.is_set())


@contextlib.contextmanager
def _opened(source: Path) -> Iterator[Any]:
    """Raises ImageError."""
    if not files.exists(source):
        raise ImageError("clip_missing", name=source.name)
    if not files.is_file(source):
        raise ImageError("clip_unreadable", name=source.name)
    try:
        container = av.open(str(source.absolute()))  # "12:30.mkv" alone would be a protocol
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise ImageError("clip_unreadable", name=source.name) from error
    try:
        yield container
    finally:
        container.close()


def _told(container: Any, source: Path) -> Clip:
    """Raises ImageError."""
    if not container.streams.video:
        raise ImageError("clip_no_picture", name=source.name)
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    if stream.codec_context is None:  # of a codec that FFmpeg doesn't know
        raise ImageError("clip_unreadable", name=source.name)
    width, height = stream.codec_context.width, stream.codec_context.height
    if not width or not height:
        raise ImageError("clip_unreadable", name=source.name)
    if width * height > images.PIXEL_LIMIT:
        raise ImageError("image_too_many_pixels", name=source.name, limit=images.PIXEL_LIMIT // 1_000_000)
    rate = float(stream.average_rate or 0)
    seconds = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0
    seconds = seconds or (container.duration or 0) / av.time_base
    return Clip(
        (width, height),
        stream.frames or round(seconds * rate),
        rate,
        bool(container.streams.audio),
        stream.codec_context.color_trc in _HDR,
    )


def _packets(container: Any, wanted: list[Any], source: Path) -> Iterator[Any]:
    """A clip's packets, up to where it is damaged. Raises ImageError where it can't be read on, as on a drive that is
    taken away."""
    try:
        yield from container.demux(wanted)
    except av.error.InvalidDataError as error:
        logger.warning("%s breaks off: %s", source.name, error)
    except (av.error.FFmpegError, OSError) as error:
        raise ImageError("clip_unreadable", name=source.name) from error


def _frames(packet: Any, source: Path, done: int) -> Iterator[Any]:
    """A packet's frames; what is damaged is left out. Raises ImageError where it can't be read at all."""
    try:
        yield from packet.decode()
    except av.error.EOFError:
        return
    except av.error.FFmpegError as error:
        if not done and isinstance(error, (av.error.DecoderNotFoundError, av.error.PatchWelcomeError)):
            raise ImageError("clip_unreadable", name=source.name) from error
        logger.warning("%s: a damaged frame after %d: %s", source.name, done, error)


def _decoded_sound(packet: Any) -> list[Any]:
    try:
        return list(packet.decode())
    except av.error.FFmpegError as error:  # what is damaged is left out
        logger.info("damaged sound: %s", error)
        return []


def _not_written(error: Exception, target: Path) -> OutputError:
    number = getattr(error, "errno", None)
    return OutputError("disk_full" if number in files.DISK_FULL else "cannot_write", folder=str(target.parent))


class _Writer:
    """Where cut frames go. wanted: the streams that it takes of the source."""

    wanted: list[Any]

    def picture(self, layer: np.ndarray, pts: int | None, time_base: Fraction) -> None:
        raise NotImplementedError

    def sound(self, packet: Any) -> None:
        """A packet of the sound."""

    def finish(self) -> Path:
        """Nothing more comes. Returns what was made."""
        raise NotImplementedError

    def give_up(self) -> None:
        """It ends in the middle: nothing is to be left that looks whole."""

    def discard(self) -> None:
        """Nothing at all is to be left."""
        self.give_up()


class _FramesWriter(_Writer):
    """A folder of PNG files, numbered in their order."""

    def __init__(self, folder: Path, container: Any) -> None:
        self._folder, self._count = outputs.unused(folder), 0
        self.wanted = [container.streams.video[0]]

    def picture(self, layer: np.ndarray, pts: int | None, time_base: Fraction) -> None:
        with files.atomic_write(self._folder / f"{self._count:06}.png") as file:
            images.write_png(file, layer)
        self._count += 1

    def finish(self) -> Path:
        return self._folder

    def discard(self) -> None:
        for number in range(self._count):
            (self._folder / f"{number:06}.png").unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # somebody put something there
            self._folder.rmdir()


class _ClipWriter(_Writer):
    """A clip of one of CLIP_KINDS. Written beside its place, under which it appears when it is whole."""

    def __init__(self, target: Path, container: Any, kind: str) -> None:
        self._target, self._kind = target, kind
        # Not by the target's name: two may be at it.
        self._temporary = target.absolute().with_name(f"{files.TEMPORARY_PREFIX}{secrets.token_hex(8)}{kind}")
        target.parent.mkdir(parents=True, exist_ok=True)
        self._clip = av.open(str(self._temporary), "w")
        self._video: Any = None
        self._rate = container.streams.video[0].average_rate or Fraction(25)
        self._start = Fraction(container.start_time or 0, av.time_base)
        self._last = -1
        self._last_sound = float("-inf")  # the time of the packet that was copied last
        self.wanted = [container.streams.video[0]]
        self._sound: Any = None
        self._source_sound: Any = None
        self._waiting: list[Any] = []
        if container.streams.audio:
            self._source_sound = container.streams.audio[0]
            self.wanted.append(self._source_sound)

    def _begin(self, layer: np.ndarray, time_base: Fraction) -> None:
        height, width = layer.shape[:2]
        codec, pixels, options = _ENCODERS[self._kind]
        self._video = self._clip.add_stream(codec, rate=self._rate, options=options)
        self._video.width, self._video.height, self._video.pix_fmt = width, height, pixels
        self._video.codec_context.time_base = time_base
        if self._source_sound is not None:
            encoder, copied = _SOUND[self._kind]
            if self._source_sound.codec_context.name in copied:
                self._sound = self._clip.add_stream_from_template(self._source_sound)
            else:
                self._sound = self._clip.add_stream(encoder, rate=sound.RATE)
                self._in_step = sound.InStep(self._sound.codec_context.format.name)
        for packet in self._waiting:
            self.sound(packet)
        self._waiting = []

    def picture(self, layer: np.ndarray, pts: int | None, time_base: Fraction) -> None:
        if self._kind != MOV:  # their pixels' colours come in squares of two by two
            layer = layer[: max(2, layer.shape[0] // 2 * 2), : max(2, layer.shape[1] // 2 * 2)]
            layer = cv2.copyMakeBorder(
                layer, 0, max(0, 2 - layer.shape[0]), 0, max(0, 2 - layer.shape[1]), cv2.BORDER_REPLICATE
            )
        if self._video is None:
            self._begin(layer, time_base)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(layer), format="rgba")
        frame = frame.reformat(width=self._video.width, height=self._video.height, format=self._video.pix_fmt)
        # Times go up, also where a clip's own don't, or aren't told.
        self._last = max(self._last + 1, pts - self._before(time_base) if pts is not None else 0)
        frame.pts, frame.time_base = self._last, time_base
        self._clip.mux(self._video.encode(frame))

    def sound(self, packet: Any) -> None:
        if self._video is None:
            self._waiting.append(packet)
        elif self._is_copied:
            self._copy(packet)
        else:
            for frame in _decoded_sound(packet):
                if frame.pts is not None:
                    frame.pts -= self._before(frame.time_base)
                self._encode(self._in_step.frames(frame))

    def _copy(self, packet: Any) -> None:
        """Take over a packet of the sound, where its time is one: muxers give up at others."""
        if packet.dts is None or packet.pts is None:  # as at the stream's end
            return
        before = self._before(packet.time_base)
        packet.pts, packet.dts = packet.pts - before, packet.dts - before
        if packet.dts > self._last_sound:
            self._last_sound = packet.dts
            packet.stream = self._sound
            self._clip.mux(packet)

    def _encode(self, frames: Iterable[Any]) -> None:
        for frame in frames:
            self._clip.mux(self._sound.encode(frame))

    def _before(self, time_base: Fraction) -> int:
        """The time at which the source begins, as some do hours after 0."""
        return round(self._start / time_base)

    @property
    def _is_copied(self) -> bool:
        return self._source_sound.codec_context.name in _SOUND[self._kind][1]

    def finish(self) -> Path:
        self._clip.mux(self._video.encode(None))
        if self._sound is not None and not self._is_copied:
            self._encode(self._in_step.rest())
            self._clip.mux(self._sound.encode(None))
        self._clip.close()
        target = outputs.unused(self._target)
        files.replace(target, self._temporary)
        return target

    def give_up(self) -> None:
        with contextlib.suppress(Exception):
            self._clip.close()
        with contextlib.suppress(OSError):
            self._temporary.unlink()
