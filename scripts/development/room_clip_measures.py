"""Moving pictures with a photo of the empty room, beside cuts without it, and with a wrong one (see room_clips.py)."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cvmatte_core.matting.room.following import QUICK, THOROUGH
from cvmatte_core.matting.video_matter import VideoMatter
from cvmatte_core.settings import MatteSettings
from development import room_clips, room_evening, room_measures
from development.measuring import row, table
from development.room_measures import Figures, cells, figures_of, row_of
from development.room_scenes import HELD, Shot

_SETTLING = 4  # frames at a clip's beginning
_FLICKER, _NETWORK, _BESIDE = "flicker", "network, ms", "beside it, ms"
_COLUMNS = (*room_measures.COLUMNS, _FLICKER)


class Watching:
    """What is measured of one way to cut, frame by frame. room: see VideoMatter."""

    def __init__(self, settings: MatteSettings, room: np.ndarray | None, side: int | None) -> None:
        self._moving = VideoMatter(settings, 2, room=room, room_side=QUICK if side else THOROUGH)
        self._moving.side = side or self._moving.side
        self._error: np.ndarray | None = None  # of the frame before
        self.frames: list[Figures] = []

    def see(self, shot: Shot) -> None:
        begun = time.perf_counter()
        layer = self._moving.layer(shot.picture).astype(np.float32) / 255
        seconds, network = time.perf_counter() - begun, self._moving.network_seconds
        error = layer[..., 3] - shot.alpha
        figures = figures_of(layer[..., 3], layer[..., :3], shot)
        if self._error is not None:
            figures[_FLICKER] = 1000 * float(np.abs(error - self._error).mean())
        self._error = error
        self.frames.append({**figures, _NETWORK: 1000 * network, _BESIDE: 1000 * (seconds - network)})

    @property
    def aside(self) -> int:
        """Frames for which the room was."""
        return sum(self._moving.without_room.values())


def print_table(
    dataset: Path, split: str, settings: MatteSettings, conditions: Sequence[str], every: int, side: int | None
) -> None:
    """A row for each condition and wrong room, as soon as it is measured; of every so many clips."""
    in_time = (_NETWORK, f"{_BESIDE}: without it → with it", "the room's share of the network's time")
    columns = (*_COLUMNS, "frames set aside", *in_time)
    table(f"The empty room, {split}, in clips: without it → with it", "", "clips", *columns)
    clips = room_clips.clips(dataset, split, conditions, every)
    for condition, its in itertools.groupby(clips, lambda clip: clip.condition):
        pairs: dict[str, list[tuple[Watching, Watching]]] = {}
        for clip in its:
            without, *others = (Watching(settings, room, side) for room in (None, *clip.rooms.values()))
            for shot in clip.shots():
                for one in (without, *others):
                    one.see(shot)
            for name, one in zip(clip.rooms, others, strict=True):
                pairs.setdefault(row_of(condition, name), []).append((without, one))
        for name, both in pairs.items():
            row(name, len(both), *_compared(both))


def _compared(pairs: list[tuple[Watching, Watching]]) -> list[str]:
    before, after = (
        [figures for one in side for figures in one.frames[_SETTLING:]] for side in zip(*pairs, strict=True)
    )
    aside = f"{sum(one.aside for _, one in pairs)} of {len(pairs) * room_clips.FRAMES}"
    network, own, with_it = (
        float(np.median([figures[what] for figures in side]))
        for side, what in ((before, _NETWORK), (before, _BESIDE), (after, _BESIDE))
    )
    took = f"{network:.0f}", f"{own:.0f} → {with_it:.0f}", f"{(with_it - own) / network:.2f}"
    return [*cells(before, after, _COLUMNS), aside, *took]


def print_evening(
    dataset: Path, split: str, settings: MatteSettings, minutes: float, rate: float, side: int | None
) -> None:
    """A row for each minute, as soon as it is over; frames are made one by one."""
    evening = room_evening.evening(dataset, split, 60 * minutes, rate)
    without, with_it = Watching(settings, None, side), Watching(settings, evening.room, side)
    columns = (*_COLUMNS[:3], HELD, room_evening.PUT_DOWN, _FLICKER)
    table(f"An evening, {split}: without the room → with it", "minute", "what happens", *columns, "frames set aside")
    aside, each = 0, round(60 * rate)
    for number, shot in enumerate(evening.shots(rate), 1):
        for one in (without, with_it):
            one.see(shot)
        if number % each == 0 or number == round(evening.seconds * rate):
            minute = (number - 1) // each
            happens = [what for share, what in room_evening.EVENTS.items() if int(share * minutes) == minute]
            figures = cells(without.frames, with_it.frames, columns)
            row(minute + 1, ", ".join(happens), *figures, with_it.aside - aside)
            aside = with_it.aside
            without.frames.clear()
            with_it.frames.clear()
