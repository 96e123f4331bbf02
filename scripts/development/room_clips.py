"""Clips of people who move before an empty room that was photographed: what they hold, light, furniture, cameras."""

from __future__ import annotations

import itertools
import random as plain_random
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from development import made_rooms, made_things
from development.made_things import Maker, Thing
from development.measuring import cutouts
from development.room_scenes import (
    FURNITURE,
    HALVES,
    HELD,
    NEAR,
    PASSING,
    THINGS,
    WITH_WRONG_ROOMS,
    EmptyRooms,
    Shot,
    beside,
    furnished,
)
from development.room_stage import BEFORE, RATE, SIZE, STILL, Camera, Light, Stage, Standing, Walker

FRAMES = 40
_LENGTH = FRAMES / RATE  # in seconds
_SHADOW, _DRIFT, _FLICKER, _NOISE, _VIDEO = "shadow", "drift", "flicker", "noise", "compressed"
_NUDGED, _TURNED = "nudged", "turned away"
CONDITIONS = (
    *("nothing", _SHADOW, _DRIFT, _FLICKER, _NOISE, _VIDEO, _NUDGED, _TURNED),
    *(HELD, NEAR, FURNITURE, PASSING),
)
_FLICKERS, _BEAT = 0.03, 3.7  # of the light; a second
_TURN = 0.4  # of a room's width, that a camera is turned by


@dataclass(frozen=True)
class Clip:
    """rooms: photos that are said to be its own, uint8 RGB: the true one is named ""."""

    name: str
    condition: str
    stage: Stage
    rooms: dict[str, np.ndarray]

    def shots(self) -> Iterator[Shot]:
        return self.stage.shots(number / RATE for number in range(FRAMES))


def clips(dataset: Path, split: str, conditions: Sequence[str] = CONDITIONS, every: int = 1) -> Iterator[Clip]:
    """One condition after the other, every so many clips of each; the same each time."""
    people, empty = list(cutouts(dataset))[HALVES.index(split) :: 2], EmptyRooms(dataset, split)
    for index, condition in enumerate(CONDITIONS):
        if condition not in conditions:
            continue
        for number, (who, room) in enumerate(itertools.product(range(len(people)), empty.names)):
            if (number + index) % every:
                continue
            (person, cutout), passing = people[who], people[(who + 1) % len(people)][1]
            name = f"{person}-{room}-{condition}"
            make = THINGS[split][number % len(THINGS[split])]
            stage = _Setting(name, condition).stage(cutout, empty(room, SIZE[::-1]), make, passing)
            if stage is None:
                continue
            rooms = {"": stage.photo()}
            if condition in WITH_WRONG_ROOMS:
                other = Standing(empty(empty.names[empty.names.index(room) - 1], SIZE[::-1]), {})
                random = np.random.default_rng(stage.seed)
                shift = random.choice((-1, 1)) * 0.1, random.uniform(-0.05, 0.05)
                rooms["other"] = replace(stage, standing=_always(other)).photo()
                rooms["moved"] = stage.photo(Camera(shift, random.uniform(-5, 5)))
            yield Clip(name, condition, stage, rooms)


class _Setting:
    """What a condition makes of a person and a room."""

    def __init__(self, name: str, condition: str) -> None:
        self._name, self._condition = name, condition
        self._seed = zlib.crc32(name.encode())
        random = self._random = np.random.default_rng(self._seed)
        self._gain, self._offset = (
            random.uniform(0.95, 1.05) * random.uniform(0.98, 1.02, 3),
            random.uniform(-0.006, 0.006, 3),
        )
        self._drift = np.ones(3), np.zeros(3)
        if condition == _DRIFT:
            self._drift = random.uniform(0.75, 1.25) * random.uniform(0.93, 1.07, 3), random.uniform(-0.03, 0.03, 3)
        self._nudge = STILL
        if condition == _NUDGED:
            x, y = random.uniform(-0.014, 0.014, 2)
            self._nudge = Camera((x, y), random.uniform(-1, 1), random.uniform(0.985, 1.015))

    def stage(self, cutout: np.ndarray, room: np.ndarray, make: Maker, passing: np.ndarray) -> Stage | None:
        """None where there is no place for what it is about."""
        condition, walker = self._condition, Walker.of(cutout)
        things, passer = {}, None
        if condition == FURNITURE:
            things[FURNITURE] = furnished(room, walker.seen(0).layer[..., 3], self._random)
        if condition in (HELD, NEAR):
            behind = made_rooms.moved(room, SIZE, *STILL) if condition == NEAR else None
            walker = walker.holding(make, plain_random.Random(self._name), behind)
        if condition == PASSING:
            reach = np.max([walker.seen(share * _LENGTH).layer[..., 3] for share in (0, 0.3, 0.6, 1)], axis=0)
            passer = beside(made_things.reduced(passing, SIZE[1]), reach)
            if passer is None:
                return None
        noise = self._random.uniform(*((0.02, 0.035) if condition == _NOISE else (0.004, 0.01)))
        rooms = Standing(room, things), Standing(np.roll(room, int(_TURN * room.shape[1]), axis=1), things)
        return Stage(
            self._seed,
            walker,
            lambda time: rooms[condition == _TURNED and time >= _LENGTH / 2],
            self._light,
            lambda time: self._nudge if time >= _LENGTH / 2 else STILL,
            lambda time: noise,
            condition in (_SHADOW, HELD, NEAR),
            (lambda time: _coming(passer, time / _LENGTH)) if passer is not None else None,
            condition == _VIDEO,
        )

    def _light(self, time: float) -> Light:
        if time == BEFORE:
            return Light(np.ones(3), np.zeros(3))
        share, (gain, offset) = time / _LENGTH, self._drift
        beat = _FLICKERS * np.sin(2 * np.pi * _BEAT * time) if self._condition == _FLICKER else 0
        return Light(self._gain * (1 + share * (gain - 1)) * (1 + beat), self._offset + share * offset)


def _always(standing: Standing) -> Callable[[float], Standing]:
    return lambda time: standing


def _coming(passing: Thing, share: float) -> Thing:
    """Where somebody is who comes from the side that they are nearer to."""
    columns = np.flatnonzero((passing[1] > 0.02).any(axis=0))
    from_left = columns[0] < SIZE[0] - columns[-1]
    away = -columns[-1] if from_left else SIZE[0] - columns[0]
    turn = np.array([[1, 0, 0.7 * away * (1 - share)], [0, 1, 0]])
    colours, alpha = (cv2.warpAffine(part, turn, SIZE) for part in passing)
    return colours, alpha
