"""The sound of a clip on its way to another: each track is copied if the format can hold it, else encoded anew in step
with the picture, whatever its own gaps and times.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
from av.filter import Graph
from av.stream import Disposition

logger = logging.getLogger(__name__)

RATE, _LAYOUT = 48_000, "stereo"
_TOLD = ("language", "title")  # what is taken over of what a track says of itself


class Track:
    """One track of the sound, from a source's stream into a clip that is written."""

    def __init__(self, source: Any, clip: Any, encoder: str, copied: tuple[str, ...], start: Fraction) -> None:
        """encoder: FFmpeg's name. copied: codecs that are taken over. start: the clip's, of the source's time."""
        self._start = start
        self._last = float("-inf")  # the time of the packet that was taken over last
        self._is_copied = source.codec_context.name in copied
        if self._is_copied:
            self._stream = clip.add_stream_from_template(source)
        else:
            self._stream = clip.add_stream(encoder, rate=RATE)
            self._in_step = InStep(self._stream.codec_context.format.name)
        self._stream.metadata.update({key: source.metadata[key] for key in _TOLD if source.metadata.get(key)})
        self._stream.disposition = source.disposition & Disposition.default

    def packets(self, packet: Any) -> Iterator[Any]:
        """What is to be written once a packet of the source's is there; what is damaged is left out."""
        if self._is_copied:
            yield from self._copied(packet)
            return
        try:
            frames = list(packet.decode())
        except av.error.FFmpegError as error:
            logger.info("damaged sound: %s", error)
            return
        for frame in frames:
            if frame.pts is not None:
                frame.pts -= round(self._start / frame.time_base)
            for stepped in self._in_step.frames(frame):
                yield from self._stream.encode(stepped)

    def rest(self) -> Iterator[Any]:
        """What is to be written at the end."""
        if not self._is_copied:
            for stepped in self._in_step.rest():
                yield from self._stream.encode(stepped)
            yield from self._stream.encode(None)

    def _copied(self, packet: Any) -> Iterator[Any]:
        """A packet with its time in the clip, where it has one: muxers give up at others."""
        if packet.dts is None or packet.pts is None:  # as at the stream's end
            return
        before = round(self._start / packet.time_base)
        packet.pts, packet.dts = packet.pts - before, packet.dts - before
        if packet.dts > self._last:
            self._last = packet.dts
            packet.stream = self._stream
            yield packet


class InStep:
    """Decoded sound without a gap from the clip's beginning, of RATE, stereo, in the encoder's format: FFmpeg's
    aresample fills in silence and drops overlaps where times and samples are a tenth of a second apart."""

    def __init__(self, sample_format: str) -> None:
        self._format = sample_format
        self._graph: Graph | None = None
        self._kind: tuple[Any, ...] = ()
        self._samples = 0  # that have come out

    def frames(self, frame: Any) -> Iterator[Any]:
        """What comes out once this decoded frame has gone in. Its times begin at 0, where the clip does."""
        kind = frame.format.name, frame.layout.name, frame.sample_rate, frame.time_base
        if kind != self._kind:  # as broadcasts do, between a film and what interrupts it
            yield from self.rest()
            self._graph, self._kind = self._made(frame), kind
        assert self._graph is not None
        self._graph.push(frame)
        yield from self._pulled(self._graph)

    def rest(self) -> Iterator[Any]:
        """What comes out at the end."""
        if self._graph is not None:
            self._graph.push(None)
            yield from self._pulled(self._graph)

    def _made(self, frame: Any) -> Graph:
        graph = Graph()
        begin = round(self._samples * frame.sample_rate / RATE)  # it counts in samples of what goes in
        steps = [
            graph.add_abuffer(
                sample_rate=frame.sample_rate, format=frame.format, layout=frame.layout, time_base=frame.time_base
            ),
            graph.add("aresample", f"{RATE}:async=1:first_pts={begin}"),
            graph.add("aformat", f"sample_fmts={self._format}:sample_rates={RATE}:channel_layouts={_LAYOUT}"),
            graph.add("abuffersink"),
        ]
        graph.link_nodes(*steps).configure()
        return graph

    def _pulled(self, graph: Graph) -> Iterator[Any]:
        with contextlib.suppress(av.error.BlockingIOError, av.error.EOFError):
            while True:
                frame: Any = graph.pull()
                frame.pts, frame.time_base = self._samples, Fraction(1, RATE)
                self._samples += frame.samples
                yield frame
