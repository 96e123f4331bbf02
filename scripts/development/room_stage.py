"""A person who moves before an empty room, and the camera that sees them: frame by frame, with the truth of each."""

from __future__ import annotations

import random as plain_random
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np

from development import made_clips, made_rooms, made_things
from development.made_things import Maker, Thing
from development.room_scenes import HELD, PASSING, Shot, held, over

SIZE, RATE = (640, 360), 30
BEFORE = -1.0  # the time at which the room is photographed
_TALL = 0.95  # of the picture's height: a person's cutout
_LARGER, _BELOW = 2, 40  # of cutouts before they are placed: how many times larger; rows that are added at their foot
_AVERAGED = 8  # frames of the empty room
_COMPRESSION = 30  # crf


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

    casts: whether the person does, a shadow, and their screen a glow. passing: somebody behind. lossy: whether the clip
    was compressed. pace: of the person's movements.
    """

    seed: int
    walker: Walker
    standing: Callable[[float], Standing]
    light: Callable[[float], Light]
    camera: Callable[[float], Camera]
    noise: Callable[[float], float]
    casts: bool = False
    passing: Callable[[float], Thing] | None = None
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
        seen = (made_rooms.seen(light, self.noise(BEFORE), 0, random) for _ in range(_AVERAGED))
        shots = [Shot(picture, nobody, light, {}) for picture in seen]
        pictures = [shot.picture for shot in (_compressed(shots) if self.lossy else shots)]
        return np.rint(np.mean(pictures, axis=0)).astype(np.uint8)

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
            passer = self.passing(time)
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


def _in_one(alpha: np.ndarray) -> np.ndarray:
    """Without specks beside a person, that cutouts have."""
    _, labels, statistics, _ = cv2.connectedComponentsWithStats((alpha > 0).view(np.uint8))
    person = 1 + int(np.argmax(statistics[1:, cv2.CC_STAT_AREA]))
    return np.where(labels == person, alpha, 0).astype(np.float32)


def _compressed(shots: list[Shot]) -> Iterator[Shot]:
    with tempfile.TemporaryDirectory(prefix="cvmatte-measuring-") as folder:
        path = Path(folder) / "clip.mp4"
        made_clips.write(path, iter(shots), RATE, sound="", crf=_COMPRESSION)
        with av.open(str(path)) as clip:
            for shot, shown in zip(shots, clip.decode(video=0), strict=True):
                yield replace(shot, picture=shown.to_ndarray(format="rgb24"))
