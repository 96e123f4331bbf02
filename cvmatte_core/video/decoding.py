"""Pictures of a video stream as players show them: without combs, in square pixels, upright, in sRGB."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np
from av.filter import Graph
from av.video.reformatter import Interpolation, VideoReformatter

from ..image import images
from ..image.colour_spaces import HLG, PQ, ColourSpace, peak_of, to_srgb

# ITU-T H.273: what the numbers of a stream's matrix, range, primaries and transfer stand for.
BT709, LIMITED, FULL = 1, 1, 2
_BT601, _FCC, _SMPTE240M, _BT2020 = 5, 4, 7, 9
_MATRICES = {BT709: BT709, _FCC: _FCC, _BT601: _BT601, 6: _BT601, _SMPTE240M: _SMPTE240M, _BT2020: _BT2020, 10: _BT2020}
_WIDE = (9, 11, 12)  # primaries: BT.2020, DCI-P3, Display P3
_HD = 1280, 720  # from which size on players take BT.709 for what a file doesn't say
_ACCURATE_RND, _FULL_CHR_H_INT = 0x40000, 0x2000  # FFmpeg's; PyAV names them from 18 on, which Python 3.10 can't have
# Colours of the lower resolution are interpolated, or, in a fifth of the time, repeated.
CAREFUL = Interpolation.BICUBIC | _ACCURATE_RND | _FULL_CHR_H_INT
QUICK = Interpolation.BILINEAR | _ACCURATE_RND
_FRAMES_A_PEAK, _PEAK_SHARE = 5, 0.2  # how often the brightest is looked for, and how far it is followed each time
_STRETCHED_MOST = 4  # times: pixels longer than that are a damaged file's
_TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}
_DECODERS_OF_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # FFmpeg's own leave a WebM's transparency out
TICK = Fraction(1, 90_000)  # seconds; of times, where a stream doesn't say


@dataclass(frozen=True)
class Picture:
    """pixels: uint8 RGB, shape (H, W, 3), or RGBA with straight alpha if the stream is transparent. pts: its time in
    units of `time_base` seconds, if the stream says."""

    pixels: np.ndarray
    pts: int | None
    time_base: Fraction

    @property
    def seconds(self) -> float | None:
        return None if self.pts is None else float(self.pts * self.time_base)


class Pictures:
    """Decodes the packets of one stream."""

    def __init__(self, stream: Any, interpolation: int, name: str) -> None:
        """name: of the file, for an error's sentence."""
        self._stream, self._interpolation, self._name = stream, interpolation, name
        self._decoder = _decoder_of(stream)
        self._converter = VideoReformatter()
        self._deinterlacing: Graph | None = None
        self._peak, self._count = 0.0, 0  # cd/m² of the brightest so far; HDR frames
        self._kind: tuple[Any, ...] = ()  # of the frames that are being deinterlaced

    def of(self, packet: Any) -> Iterator[Picture]:
        """Those that are complete with this packet. Raises av.error.FFmpegError, ImageError."""
        for frame in self._decoder.decode(packet):
            for progressive in self._progressive(frame):
                yield self._picture(progressive)
        if not packet.size:  # the end
            yield from map(self._picture, self._rest())

    def _progressive(self, frame: Any) -> Iterator[Any]:
        """The frame without the comb of its two fields; the filter keeps it until it knows the one after it."""
        kind = frame.width, frame.height, frame.format.name
        if self._deinterlacing is not None and kind != self._kind:
            yield from self._rest()
        if self._deinterlacing is None and frame.interlaced_frame:
            graph, base = Graph(), self._time_base
            source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=base)
            steps = source, graph.add("bwdif", "mode=send_frame:deint=interlaced"), graph.add("buffersink")
            graph.link_nodes(*steps).configure()
            self._deinterlacing, self._kind = graph, kind
        if self._deinterlacing is None:
            yield frame
            return
        frame.time_base = self._time_base
        self._deinterlacing.push(frame)
        yield from self._pulled(self._deinterlacing)

    def _rest(self) -> Iterator[Any]:
        graph, self._deinterlacing = self._deinterlacing, None
        if graph is not None:
            graph.push(None)
            yield from self._pulled(graph)

    def _pulled(self, graph: Graph) -> Iterator[Any]:
        while True:
            try:
                frame: Any = graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            if frame.pts is not None:  # it counts in halves
                frame.pts = round(frame.pts * frame.time_base / self._time_base)
            yield frame

    def _followed_peak(self, rgb: np.ndarray, space: ColourSpace) -> float:
        """The clip's brightest, cd/m², as far as it is known. It grows slowly: nothing is to flicker."""
        if self._count % _FRAMES_A_PEAK == 0:
            peak = peak_of(rgb, space)
            self._peak = self._peak + _PEAK_SHARE * max(0.0, peak - self._peak) if self._peak else peak
        self._count += 1
        return self._peak

    @property
    def _time_base(self) -> Fraction:
        return self._stream.time_base or TICK

    def _picture(self, frame: Any) -> Picture:
        images.refuse_too_many_pixels(frame.width, frame.height, self._name)
        # Not the stream's: a broadcast changes from 4:3 to 16:9 in the middle.
        aspect = self._decoder.sample_aspect_ratio or self._stream.sample_aspect_ratio
        width, height = square(frame.width, frame.height, aspect)
        pixels = self._in_srgb(frame, width, height)
        turn = _TURNS.get(round(frame.rotation) % 360)
        pixels = pixels if turn is None else cv2.rotate(pixels, turn)
        return Picture(pixels, frame.pts, self._time_base)

    def _in_srgb(self, frame: Any, width: int, height: int) -> np.ndarray:
        is_rgb = frame.format.is_rgb or frame.format.has_palette
        is_hd = frame.width >= _HD[0] or frame.height >= _HD[1]
        is_full = is_rgb or frame.color_range == FULL or frame.format.name.startswith("yuvj")
        transparent = frame.format.has_palette or any(part.is_alpha for part in frame.format.components)
        space = _space(frame)
        usual, deep = ("rgba", "rgba64le") if transparent else ("rgb24", "rgb48le")
        converted = self._converter.reformat(
            frame,
            width=width,
            height=height,
            format=usual if space.is_srgb else deep,
            src_colorspace=None if is_rgb else _MATRICES.get(frame.colorspace) or (BT709 if is_hd else _BT601),
            src_color_range=FULL if is_full else LIMITED,
            dst_color_range=FULL,
            interpolation=self._interpolation,
        ).to_ndarray()
        if space.is_srgb:
            return converted
        rgb = np.ascontiguousarray(converted[..., :3])
        rgb = to_srgb(rgb, space, peak=self._followed_peak(rgb, space) if space.hdr else 0.0)
        return np.dstack([rgb, (converted[..., 3] / 257 + 0.5).astype(np.uint8)]) if transparent else rgb


def _space(frame: Any) -> ColourSpace:
    """Of what a frame says only what players heed: HDR, and primaries that are wider than a standard screen's."""
    primaries = frame.color_primaries if frame.color_primaries in _WIDE else BT709
    return ColourSpace.coded(primaries, frame.color_trc if frame.color_trc in (PQ, HLG) else BT709)


def square(width: int, height: int, aspect: Fraction | None) -> tuple[int, int]:
    """The size in square pixels of a frame whose pixels are `aspect` times as wide as high: no pixel is lost."""
    if not aspect or aspect == 1 or not 1 / _STRETCHED_MOST <= aspect <= _STRETCHED_MOST:
        return width, height
    size = (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))
    return size if size[0] * size[1] <= images.PIXEL_LIMIT else (width, height)


def _decoder_of(stream: Any) -> Any:
    """What decodes a stream, its transparency as well."""
    decoder = _DECODERS_OF_ALPHA.get(stream.codec_context.name)
    if decoder is not None and stream.metadata.get("alpha_mode") == "1":
        return av.CodecContext.create(decoder, "r")
    if not stream.codec_context.is_open:
        stream.thread_type = "AUTO"
    return stream.codec_context
