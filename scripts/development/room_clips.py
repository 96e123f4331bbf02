"""Clips of people who move before an empty room that was photographed: what they hold, light, furniture, cameras."""

from __future__ import annotations

import itertools
import random as plain_random
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np

from development import made_clips, made_rooms, made_things
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
    held,
    over,
)

SIZE, RATE, FRAMES = (640, 360), 30, 40
_LENGTH = FRAMES / RATE  # in seconds
BEFORE = -1.0  # the time at which the room is photographed
_SHADOW, _DRIFT, _FLICKER, _NOISE, _VIDEO = "shadow", "drift", "flicker", "noise", "compressed"
_NUDGED, _TURNED = "nudged", "turned away"
CONDITIONS = (
    *("nothing", _SHADOW, _DRIFT, _FLICKER, _NOISE, _VIDEO, _NUDGED, _TURNED),
    *(HELD, NEAR, FURNITURE, PASSING),
)
_TALL = 0.95  # of the picture's height: a person's cutout
_LARGER, _BELOW = 2, 40  # of cutouts before they are placed: how many times larger; rows that are added at their foot
_AVERAGED = 8  # frames of the empty room
_COMPRESSION = 30  # crf
_FLICKERS, _BEAT = 0.03, 3.7  # of the light; a second
_TURN = 0.4  # of a room's width, that a camera is turned by


class Camera(NamedTuple):
    """How it stands otherwise than when the room was photographed; see made_rooms.moved."""

    shift: tuple[float, float] = (0.0, 0.0)
    angle: float = 0.0
    zoom: float = 1.0


STILL = Camera()


class Light(NamedTuple):
    """What colours of 0..1 are multiplied by, and what is added then; of shape (3,) or (H, W, 3)."""

    gain: np.ndarray
    offset: np.ndarray

    def on(self, colours: np.ndarray) -> np.ndarray:
        return (colours * self.gain + self.offset).astype(np.float32)


class Standing(NamedTuple):
    """An empty room, float32 RGB in 0..1, larger than the picture, and where things are in it: bool, as large."""

    room: np.ndarray
    things: dict[str, np.ndarray]


@dataclass(frozen=True)
class Walker:
    """A person with what they hold: premultiplied RGBA in 0..1, and how much the latter is to be seen beside them."""

    layer: np.ndarray
    thing: np.ndarray

    @classmethod
    def of(cls, cutout: np.ndarray) -> Walker:
        """With nothing in hand. cutout: uint8 RGBA, straight."""
        tall = _LARGER * _TALL * SIZE[1]
        colours, alpha = made_things.reduced(cutout, round(tall * max(cutout.shape) / cutout.shape[0]))
        alpha = _in_one(alpha)
        aside = alpha.shape[1] // 2
        layer = np.dstack([colours * alpha[..., None], alpha])
        layer = cv2.copyMakeBorder(layer, 0, 0, aside, aside, cv2.BORDER_CONSTANT, value=0)
        layer = cv2.copyMakeBorder(layer, 0, _BELOW, 0, 0, cv2.BORDER_REPLICATE)
        return cls(layer, np.zeros(layer.shape[:2], np.float32))

    def holding(self, make: Maker, random: plain_random.Random, behind: np.ndarray | None) -> Walker:
        """behind: the picture's wall, in whose colours the thing is to be."""
        alpha = self.layer[..., 3]
        if behind is not None:
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            behind = cv2.warpAffine(
                behind, self._place(), alpha.shape[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE
            )
        above = np.s_[:-_BELOW]
        colours, its_alpha = (
            cv2.copyMakeBorder(part, 0, _BELOW, 0, 0, cv2.BORDER_REPLICATE)
            for part in held(alpha[above], make, random, None if behind is None else behind[above])
        )
        share = its_alpha[..., None]
        thing = np.dstack([colours, np.ones_like(its_alpha)])
        return Walker(share * thing + (1 - share) * self.layer, its_alpha * (1 - alpha))

    def seen(self, time: float) -> Walker:
        """As a picture shows them, at a time in seconds."""
        parts = (self.layer, self.thing)
        return Walker(*(made_clips.blurred(part, SIZE, 1 / _LARGER, 30 * time, _BELOW) for part in parts))

    def by(self, camera: Camera) -> Walker:
        if camera == STILL:
            return self
        return Walker(*(made_rooms.moved(part, SIZE, *camera).clip(0, 1) for part in (self.layer, self.thing)))

    def _place(self) -> np.ndarray:
        return made_clips.place(self.layer.shape, SIZE, 1 / _LARGER, 0, _BELOW)


@dataclass(frozen=True)
class Stage:
    """All that a camera sees; what changes is a function of the time in seconds, which is BEFORE for the room's photo.

    casts: whether the person does, a shadow, and their screen a glow. passing: somebody who comes from the side to
    where they are here. lossy: whether the clip was compressed. pace: of their movements.
    """

    seed: int
    walker: Walker
    standing: Callable[[float], Standing]
    light: Callable[[float], Light]
    camera: Callable[[float], Camera]
    noise: Callable[[float], float]
    casts: bool = False
    passing: Thing | None = None
    lossy: bool = False
    pace: float = 1.0

    def shots(self, times: Iterable[float]) -> Iterator[Shot]:
        """One by one, but for a compressed clip; each is the same whatever is asked for beside it."""
        made = map(self._shot, times)
        return _compressed(list(made)) if self.lossy else made

    def photo(self, camera: Camera = STILL) -> np.ndarray:
        """Of the empty room, uint8 RGB: a mean of several frames."""
        light = self.light(BEFORE).on(made_rooms.moved(self.standing(BEFORE).room, SIZE, *camera))
        random, nobody = np.random.default_rng(self.seed), np.zeros(SIZE[::-1], np.float32)
        pictures = (made_rooms.seen(light, self.noise(BEFORE), 0, random) for _ in range(_AVERAGED))
        shots = [Shot(picture, nobody, light, {}) for picture in pictures]
        return np.rint(
            np.mean([shot.picture for shot in (_compressed(shots) if self.lossy else shots)], axis=0)
        ).astype(np.uint8)

    def _shot(self, time: float) -> Shot:
        camera, standing, light = self.camera(time), self.standing(time), self.light(time)
        walker = self.walker.seen(self.pace * time).by(camera)
        alpha = walker.layer[..., 3]
        behind = made_rooms.moved(standing.room, SIZE, *camera)
        parts = {
            name: made_rooms.moved(where.astype(np.float32), SIZE, *camera) > 0.5
            for name, where in standing.things.items()
        }
        if self.passing is not None:
            passer = _coming(self.passing, time / _LENGTH)
            behind = over(passer, behind)
            parts[PASSING] = passer[1] > 0.5
        if self.casts:
            behind = behind * made_rooms.glow(alpha.shape, np.random.default_rng(self.seed))
            behind = behind * made_rooms.shadow(alpha, np.random.default_rng(self.seed))
        parts = {name: where & (alpha < 0.02) for name, where in parts.items()}
        if self.walker.thing.any():
            parts[HELD] = walker.thing > 0.5
        colours = walker.layer[..., :3] / np.maximum(alpha, 1e-3)[..., None]
        random = np.random.default_rng([self.seed, round(1000 * time)])
        picture = made_rooms.seen(light.on(over((colours, alpha), behind)), self.noise(time), 0, random)
        return Shot(picture, alpha, light.on(colours).clip(0, 1), parts)


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
            passer,
            condition == _VIDEO,
        )

    def _light(self, time: float) -> Light:
        if time == BEFORE:
            return Light(np.ones(3), np.zeros(3))
        share, (gain, offset) = time / _LENGTH, self._drift
        beat = _FLICKERS * np.sin(2 * np.pi * _BEAT * time) if self._condition == _FLICKER else 0
        return Light(self._gain * (1 + share * (gain - 1)) * (1 + beat), self._offset + share * offset)


def _in_one(alpha: np.ndarray) -> np.ndarray:
    """Without specks beside a person, that cutouts have."""
    _, labels, statistics, _ = cv2.connectedComponentsWithStats((alpha > 0).view(np.uint8))
    person = 1 + int(np.argmax(statistics[1:, cv2.CC_STAT_AREA]))
    return np.where(labels == person, alpha, 0).astype(np.float32)


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


def _compressed(shots: list[Shot]) -> Iterator[Shot]:
    with tempfile.TemporaryDirectory(prefix="cvmatte-measuring-") as folder:
        path = Path(folder) / "clip.mp4"
        made_clips.write(path, iter(shots), RATE, sound="", crf=_COMPRESSION)
        with av.open(str(path)) as clip:
            for shot, shown in zip(shots, clip.decode(video=0), strict=True):
                yield replace(shot, picture=shown.to_ndarray(format="rgb24"))
