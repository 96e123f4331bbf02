"""The sound of a clip on its way to another: encoded anew in step with the picture, whatever its own gaps and times."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Tuple

import av
from av.filter import Graph

RATE = 48_000
_LAYOUT = "stereo"


class InStep:
    """Makes of decoded sound one that runs without a gap from the clip's beginning on: silence stands for what is
    missing, and what overlaps is left out. Frames of RATE, stereo, of a format that the encoder takes.

    After FFmpeg's aresample, which fills and cuts where times and samples are a tenth of a second apart.
    """

    def __init__(self, sample_format: str) -> None:
        self._format = sample_format
        self._graph: Graph | None = None
        self._kind: Tuple[Any, ...] = ()
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
