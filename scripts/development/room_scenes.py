"""Scenes before an empty room that was photographed: people, what they hold, furniture, passers-by, light and cameras.

Half of people, rooms and things are kept apart (APART): nothing is tuned to them.
"""

from __future__ import annotations

import itertools
import random as plain_random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from development import made_rooms, made_things
from development.made_clips import MadeFrame
from development.made_things import Maker, Thing
from development.measuring import backgrounds, cutouts, out_of_focus

HALVES = TUNED, APART = "tuned", "apart"
_LONGEST_SIDE = 900  # of a cutout, in pixels
_BESIDE = 0.22  # of its width: room that is added at each side that a person doesn't touch
_ROOMY = 1.3  # a room's sides, of what a camera shows of it
THINGS: dict[str, tuple[Maker, ...]] = {
    TUNED: (made_things.ball, made_things.cup, made_things.paper, made_things.guitar),
    APART: (made_things.book, made_things.bottle, made_things.telephone, made_things.toy, made_things.headphones),
}
HELD, NEAR, FURNITURE, PASSING = "held", "held, like the wall", "furniture", "passer-by"
PARTS = (HELD, FURNITURE, PASSING)  # that are to be kept, and left out
CONDITIONS = ("nothing", "shadow", "drift", "noise", "jpeg", "nudged", HELD, NEAR, FURNITURE, PASSING)
WITH_WRONG_ROOMS = ("nothing", HELD)


@dataclass(frozen=True)
class Shot(MadeFrame):
    """colours: the true ones, float32 in 0..1, shape (H, W, 3). parts: what is to be kept, or left out, by name; bool,
    shape (H, W)."""

    colours: np.ndarray
    parts: dict[str, np.ndarray]


@dataclass(frozen=True)
class Scene(Shot):
    """With the rooms that are said to be its own, uint8 RGB: the true one is named ""."""

    name: str
    condition: str
    rooms: dict[str, np.ndarray]


def scenes(dataset: Path, split: str) -> Iterator[Scene]:
    """All of a split, TUNED or APART; the same each time."""
    half = HALVES.index(split)
    people = [(name, _with_space(made_things.reduced(one, _LONGEST_SIDE))) for name, one in cutouts(dataset)]
    empty = EmptyRooms(dataset, split)
    names = empty.names
    for number, (person, cutout) in enumerate(people[half::2]):
        passing = people[(2 * number + half + 2) % len(people)][1]
        for room_name, condition in itertools.product(names, CONDITIONS):
            things = THINGS[split] if condition in (HELD, NEAR) else (None,)
            for make in things:
                name = f"{person}-{room_name}-{condition}" + (f"-{make.__name__}" if make else "")
                other = empty(names[(names.index(room_name) + 1) % len(names)], cutout[1].shape)
                made = _Maker(name, cutout, empty(room_name, cutout[1].shape))
                scene = made.scene(condition, make, passing, other)
                if scene is not None:
                    yield scene


class EmptyRooms:
    """Of a split, larger than pictures by _ROOMY: float32 RGB in 0..1."""

    def __init__(self, dataset: Path, split: str) -> None:
        half = HALVES.index(split)
        self._photos = dict(list(backgrounds(dataset))[half::2])
        self.names = [*self._photos, *(draw.__name__ for draw in made_rooms.DRAWN[half::2])]

    def __call__(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """shape: (H, W, …) of the pictures. Another array each time."""
        larger = int(shape[0] * _ROOMY), int(shape[1] * _ROOMY)
        if name in self._photos:
            return out_of_focus(self._photos[name], larger)
        return getattr(made_rooms, name)(larger[::-1], np.random.default_rng(zlib.crc32(name.encode())))


class _Maker:
    def __init__(self, name: str, person: Thing, room: np.ndarray) -> None:
        self._name, self._person, self._large = name, person, room
        self._random = np.random.default_rng(zlib.crc32(name.encode()))

    def scene(self, condition: str, make: Maker | None, passing: Thing, other: np.ndarray) -> Scene | None:
        """None where there is no place for what the condition is about."""
        random = self._random
        parts: dict[str, np.ndarray] = {}
        colours, alpha = self._person
        size = alpha.shape[1], alpha.shape[0]
        if condition == FURNITURE:
            parts[FURNITURE] = in_middle(furnished(self._large, alpha, random), size) & (alpha < 0.02)
        behind = made_rooms.moved(self._large, size, (0, 0), 0, 1)
        if condition == PASSING:
            passer = beside(passing, alpha)
            if passer is None:
                return None
            parts[PASSING] = passer[1] > 0.5
            behind = over(passer, behind)
        light = behind * made_rooms.glow(alpha.shape, random) if condition in ("shadow", HELD) else behind
        if condition in ("shadow", HELD, NEAR):
            light = light * made_rooms.shadow(alpha, random)
        if make is not None:
            thing = held(alpha, make, plain_random.Random(self._name), behind if condition == NEAR else None)
            parts[HELD] = thing[1] * (1 - alpha) > 0.5
            if parts[HELD].sum() < 0.15 * (thing[1] > 0.5).sum():
                return None
            both = 1 - (1 - alpha) * (1 - thing[1])
            share = (thing[1] / np.maximum(both, 1e-3))[..., None]
            colours, alpha = share * thing[0] + (1 - share) * colours, both
        if not all(part.any() for part in parts.values()):
            return None
        gain, offset = random.uniform(0.95, 1.05) * random.uniform(0.98, 1.02, 3), random.uniform(-0.006, 0.006, 3)
        if condition == "drift":
            gain, offset = random.uniform(0.75, 1.25) * random.uniform(0.93, 1.07, 3), random.uniform(-0.03, 0.03, 3)
        noise = random.uniform(0.02, 0.035) if condition == "noise" else random.uniform(0.004, 0.01)
        jpeg = int(random.integers(40, 75)) if condition == "jpeg" else 0
        exposed = (over((colours, alpha), light) * gain + offset).astype(np.float32)
        picture = made_rooms.seen(exposed, noise, jpeg, random)
        rooms = {
            name: made_rooms.seen(room, noise / 2, jpeg, random) for name, room in self._rooms(condition, size, other)
        }
        lit = np.clip(colours * gain + offset, 0, 1).astype(np.float32)
        return Scene(picture, alpha, lit, parts, self._name, condition, rooms)

    def _rooms(self, condition: str, size: tuple[int, int], other: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        random, move, turn, zoom = self._random, (0.0, 0.0), 0.0, 1.0
        if condition == "nudged":
            move, turn, zoom = (
                tuple(random.uniform(-0.014, 0.014, 2)),
                random.uniform(-1, 1),
                random.uniform(0.985, 1.015),
            )
        yield "", made_rooms.moved(self._large, size, move, turn, zoom)
        if condition in WITH_WRONG_ROOMS:
            yield "other", made_rooms.moved(other, size, (0, 0), 0, 1)
            shift = random.choice((-1, 1)) * random.uniform(0.06, 0.12), random.uniform(-0.05, 0.05)
            yield "moved", made_rooms.moved(self._large, size, shift, random.uniform(-5, 5), 1)


def furnished(large: np.ndarray, alpha: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Draw furniture about a person's shoulders into a room that is larger than the picture of alpha. Where: bool, as
    large."""
    rows = np.flatnonzero((alpha > 0.5).any(axis=1))
    row = int(rows[0] + 0.5 * np.ptp(rows))
    columns = np.flatnonzero(alpha[row] > 0.5)
    corner = [(length - its) // 2 for length, its in zip(large.shape, alpha.shape, strict=False)]
    middle = int(columns.mean()) + corner[1], row + corner[0]
    return made_rooms.furniture(large, middle, int(0.62 * np.ptp(columns)), random)


def in_middle(where: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """What a picture of (width, height) shows of a mask as large as the room."""
    return made_rooms.moved(where.astype(np.float32), size, (0, 0), 0, 1) > 0.5


def held(alpha: np.ndarray, make: Maker, random: plain_random.Random, behind: np.ndarray | None = None) -> Thing:
    """A thing where a person of this alpha would hold it; in nearly the colour of what is given to be behind it."""
    row, column, side = made_things.beside(alpha, random)
    if make is made_things.headphones:
        rows = np.flatnonzero((alpha > 0.5).any(axis=1))
        row = int(rows[0] + 0.16 * np.ptp(rows))
        columns = np.flatnonzero(alpha[row] > 0.5)
        side = int(1.5 * np.ptp(columns))
        column = int(columns.mean())
    elif make is made_things.guitar:
        side = min(2 * side, alpha.shape[0] // 2)
    thing = make(side, random)
    if behind is not None:
        y, x = (int(np.clip(place, 20, length - 20)) for place, length in zip((row, column), alpha.shape, strict=True))
        wall = behind[y - 20 : y + 20, x - 20 : x + 20].mean(axis=(0, 1))
        thing = made_things.near(thing, wall, random)
    return made_things.placed(alpha.shape, thing, (row, column, side))


def _with_space(person: Thing) -> Thing:
    """With more room at the sides that a person doesn't touch."""
    colours, alpha = person
    left, right = (0 if (alpha[:, side] > 0.3).any() else round(_BESIDE * alpha.shape[1]) for side in (0, -1))
    wide = [cv2.copyMakeBorder(part, 0, 0, left, right, cv2.BORDER_CONSTANT, value=0) for part in (colours, alpha)]
    return wide[0], wide[1]


def beside(passing: Thing, alpha: np.ndarray) -> Thing | None:
    """Somebody smaller and out of focus where there is most room beside a person; None where there is too little."""
    columns = np.flatnonzero((alpha > 0.02).any(axis=0))
    height, width = alpha.shape
    inside = np.flatnonzero((passing[1] > 0.02).any(axis=0))
    room = (0, columns[0]) if columns[0] > width - columns[-1] else (columns[-1], width)
    scale = min(0.5 * height / passing[1].shape[0], 0.8 * (room[1] - room[0]) / np.ptp(inside))
    if scale * passing[1].shape[0] < 0.2 * height:
        return None
    tall = round(scale * passing[1].shape[0])
    cut = [part[:, inside[0] : inside[-1] + 1] for part in (passing[0] * passing[1][..., None], passing[1])]
    small = [cv2.resize(part, (round(scale * np.ptp(inside)), tall), interpolation=cv2.INTER_AREA) for part in cut]
    small = [cv2.GaussianBlur(cv2.copyMakeBorder(part, 4, 4, 4, 4, cv2.BORDER_CONSTANT), (0, 0), 1.2) for part in small]
    colours = small[0] / np.maximum(small[1], 1e-3)[..., None]
    return made_things.placed(alpha.shape, (colours, small[1]), (height - tall // 2, (room[0] + room[1]) // 2, 0))


def over(layer: Thing, behind: np.ndarray) -> np.ndarray:
    return behind + layer[1][..., None] * (layer[0] - behind)
