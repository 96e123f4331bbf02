"""The room in a picture: where it lies there and in which light; or why it is of no use."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import registration
from .comparison import Comparison
from .filters import Filters
from .light import Light
from .placed import Placed

MOVED, OTHER, UNSEEN = "note.room_moved", "note.room_other", "note.room_unseen"
EMPTY = 0.05  # alpha of nobody
# Lengths as filters.py has them.
_AWAY = 12  # from people: further than that surely nobody is
ENOUGH = 0.04  # of the picture, that must be so: else nothing tells whether this is the room
_TRUST, _DOUBTED = 0.6, 0.9  # the share of that which the room must explain, and which its usual light does
_SHAPE = 0.03  # how much the sides' ratio may differ


@dataclass(frozen=True)
class Found:
    """place: of each pixel in the room, see registration.py; between pictures of the size in which they are compared.
    noise: see Placed."""

    place: np.ndarray
    light: Light
    placed: Placed
    noise: np.ndarray


class Unusable(Exception):
    """reason: MOVED, OTHER or UNSEEN."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def is_of_shape(room: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether a room may be what a picture of that shape, (H, W, …), shows: the same camera's, of any size."""
    return abs(room.shape[1] / room.shape[0] * shape[0] / shape[1] - 1) <= _SHAPE


def surely_empty(people: np.ndarray, filters: Filters) -> np.ndarray:
    """bool, shape (H, W), as alpha of people, float32."""
    return ~filters.dilated(people > EMPTY, _AWAY)


def find(
    room: np.ndarray, picture: np.ndarray, people: np.ndarray, guess: np.ndarray = registration.STAYS
) -> tuple[Found, Comparison]:
    """room, picture: float32 RGB in 0..1, shape (H, W, 3). people: alpha of the network, float32 in 0..1, shape (H, W).
    guess: the place that it had before.

    Raises Unusable.
    """
    size = picture.shape[1], picture.shape[0]
    empty = surely_empty(people, Filters(size))
    if empty.mean() < ENOUGH:
        raise Unusable(UNSEEN)
    place = registration.found(room, picture, empty, guess)
    here = registration.applied(room, place, size)
    light = Light.of(here, picture, empty)
    placed, noise, comparison = _compared(here, light, picture, empty)
    trust = comparison.trust(empty)
    if trust < _DOUBTED:  # a lamp may have come on
        light = light.with_nearby(here, picture, empty & comparison.lit_otherwise())
        placed, noise, comparison = _compared(here, light, picture, empty)
        trust = comparison.trust(empty)
    if trust < _TRUST:
        raise Unusable(MOVED if registration.is_elsewhere(room, picture) else OTHER)
    return Found(place, light, placed, noise), comparison


def _compared(
    here: np.ndarray, light: Light, picture: np.ndarray, empty: np.ndarray
) -> tuple[Placed, np.ndarray, Comparison]:
    placed = Placed(light.on(here))
    noise = placed.noise(picture, empty)
    return placed, noise, Comparison(picture, placed, noise)
