"""Where cut frames go: a clip, an animated picture, or a folder of pictures.

Frames are encoded into parts, each a file of its own, which are joined with the sound at the end. If a job is broken
off, the finished parts stay.
"""

from __future__ import annotations

import contextlib
import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.filter import Graph
from av.video.reformatter import VideoReformatter

from ..image import file_types
from . import source
from .audio import Track
from .decoding import BT709, CAREFUL, FULL, LIMITED

WEBM, MOV, MP4 = file_types.CLIP_KINDS
GIF, WEBP, APNG = file_types.ANIMATION_KINDS
FRAMES = ""
_TO_BT709: dict[str, Any] = {
    "src_color_range": FULL, "dst_color_range": LIMITED, "dst_colorspace": BT709, "interpolation": CAREFUL
}  # fmt: skip
_GIF_SHORTEST = Fraction(2, 100)  # seconds: what is shorter, players show for longer


@dataclass(frozen=True)
class Kind:
    """What a clip is encoded with, in FFmpeg's names. copied: sound taken over. parts: whether they can be joined."""

    encoder: str
    pixels: str
    options: dict[str, str]
    sound: str = ""
    copied: tuple[str, ...] = ()
    parts: bool = False
    container: dict[str, str] = field(default_factory=dict)

    @property
    def is_yuv(self) -> bool:
        return self.pixels.startswith("yuv")


KINDS = {
    WEBM: Kind(
        "libvpx-vp9",
        "yuva420p",
        {"crf": "24", "b": "0", "deadline": "realtime", "cpu-used": "5", "row-mt": "1", "lag-in-frames": "0"},
        "libopus",
        ("opus", "vorbis"),
        parts=True,
    ),
    MOV: Kind(
        "prores_ks", "yuva444p10le", {"profile": "4444", "alpha_bits": "16"}, "aac", ("aac", "alac", "mp3"), parts=True
    ),
    MP4: Kind("libx264", "yuv420p", {"crf": "18", "preset": "veryfast"}, "aac", ("aac", "mp3")),
    GIF: Kind("gif", "pal8", {}),
    WEBP: Kind(
        "libwebp_anim", "bgra", {"lossless": "0", "quality": "90", "compression_level": "2"}, container={"loop": "0"}
    ),
    APNG: Kind("apng", "rgba", {}, container={"plays": "0"}),
}


class PartWriter:
    """Writes one part: the frames alone, in BT.709, which the file says."""

    def __init__(self, path: Path, ending: str, rate: Fraction, time_base: Fraction) -> None:
        """Raises OSError, av.error.FFmpegError."""
        self._is_gif = ending == GIF
        self._kind, self._time_base = KINDS[ending], time_base
        self._rate = min(rate, 1 / _GIF_SHORTEST) if self._is_gif else rate
        self._clip = av.open(str(path.absolute()), "w", options=dict(self._kind.container))
        self._video: Any = None
        self._converter = VideoReformatter()
        self._last = -1

    def picture(self, layer: np.ndarray, pts: int) -> None:
        """layer: uint8 RGBA, shape (H, W, 4). pts: its time, which goes up, in units of the time base. Raises OSError,
        av.error.FFmpegError."""
        if self._is_gif and self._last >= 0 and (pts - self._last) * self._time_base < _GIF_SHORTEST:
            return
        if "420" in self._kind.pixels:  # colours come in squares of two by two pixels
            layer = _even(layer)
        if self._video is None:
            self._begin(layer)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(layer), format="rgba")
        wanted = self._video.width, self._video.height, None if self._is_gif else self._kind.pixels
        frame = self._converter.reformat(frame, *wanted, **(_TO_BT709 if self._kind.is_yuv else {}))
        if self._is_gif:
            frame = _in_few_colours(frame)
        if self._kind.is_yuv:
            frame.color_primaries = frame.color_trc = BT709
        frame.pts, frame.time_base, self._last = pts, self._time_base, pts
        self._clip.mux(self._video.encode(frame))

    def _begin(self, layer: np.ndarray) -> None:
        self._video = self._clip.add_stream(self._kind.encoder, rate=self._rate, options=dict(self._kind.options))
        self._video.height, self._video.width = layer.shape[:2]
        self._video.pix_fmt = self._kind.pixels
        context = self._video.codec_context
        context.time_base = self._time_base
        if self._kind.is_yuv:
            context.colorspace = context.color_primaries = context.color_trc = BT709
            context.color_range = LIMITED

    def close(self) -> None:
        """Raises OSError, av.error.FFmpegError."""
        if self._video is not None:
            self._clip.mux(self._video.encode(None))
        self._clip.close()


def join(
    parts: list[Path], sound_of: Path | None, target: Path, until: Fraction | None, tick: Callable[[], None]
) -> None:
    """Make one clip of parts, and of the sound of the file that they were made from, up to `until` seconds if given.

    tick() is called repeatedly. Raises ImageError, OSError, av.error.FFmpegError.
    """
    kind = KINDS[target.suffix]
    opened = source.opened(sound_of) if sound_of is not None else contextlib.nullcontext()
    with opened as sounding, av.open(str(target.absolute()), "w", options=dict(kind.container)) as clip:
        with av.open(str(parts[0])) as first:
            video = clip.add_stream_from_template(first.streams.video[0])
            video.metadata.update(first.streams.video[0].metadata)  # that there is transparency, in a WebM
        tracks: dict[int, Track] = {}
        if sounding is not None:
            start = Fraction(sounding.start_time or 0, av.time_base)
            for stream in source.sounds_of(sounding):
                tracks[stream.index] = Track(stream, clip, kind.sound, kind.copied, start)
        pictures = _packets_of(parts, video)
        sounds = _sound(sounding, tracks, until) if tracks else iter(())
        for packet in heapq.merge(pictures, sounds, key=_seconds):
            clip.mux(packet)
            tick()


def _packets_of(parts: list[Path], video: Any) -> Iterator[Any]:
    for part in parts:
        with av.open(str(part)) as clip:
            for packet in clip.demux(clip.streams.video[0]):
                if packet.dts is not None:  # else it is the stream's end
                    packet.stream = video
                    yield packet


def _sound(container: Any, tracks: dict[int, Track], until: Fraction | None) -> Iterator[Any]:
    wanted = [container.streams[index] for index in tracks]
    for packet in source.packets(container, wanted, Path(container.name).name):
        for made in tracks[packet.stream.index].packets(packet):
            if until is None or _seconds(made) <= until:
                yield made
    for track in tracks.values():
        yield from track.rest()


def _seconds(packet: Any) -> Fraction:
    return Fraction(packet.dts or 0) * packet.time_base


def _even(layer: np.ndarray) -> np.ndarray:
    """The layer without its last row and column where their number is odd; at least two of each."""
    height, width = layer.shape[:2]
    layer = layer[: max(2, height // 2 * 2), : max(2, width // 2 * 2)]
    short = max(0, 2 - layer.shape[0]), max(0, 2 - layer.shape[1])
    return layer if short == (0, 0) else cv2.copyMakeBorder(layer, 0, short[0], 0, short[1], cv2.BORDER_REPLICATE)


def _in_few_colours(frame: Any) -> Any:
    """A frame with a palette of its own, and transparent where it is so by half."""
    graph = Graph()
    begin = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 100))
    split = graph.add("split")
    palette = graph.add("palettegen", "stats_mode=single:reserve_transparent=1")
    use = graph.add("paletteuse", "new=1:alpha_threshold=128:dither=bayer:bayer_scale=4")
    end = graph.add("buffersink")
    begin.link_to(split)
    split.link_to(use, 0, 0)
    split.link_to(palette, 1, 0)
    palette.link_to(use, 0, 1)
    use.link_to(end)
    graph.configure()
    graph.push(frame)
    graph.push(None)
    return graph.pull()
