"""Alpha as the room lets it be, and the room behind it; or why the room is of no use."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ...image import geometry
from . import decision, registration
from .comparison import ALIKE, Comparison
from .filters import dilated, eroded
from .light import Light

MOVED, OTHER, UNSEEN = "note.room_moved", "note.room_other", "note.room_unseen"
# Lengths are pixels of pictures whose longer side has decision.SIDE.
_AWAY = 12  # from people: further than that surely nobody is
_ENOUGH = 0.04  # of the picture, that must be so: else nothing tells whether this is the room
_TRUST = 0.6  # the share of that which the room must explain
_SHAPE = 0.03  # how much the sides' ratio may differ
_RING, _APART = 5, 15  # about what was moved, where outlines are drawn anew; and how far from all that is theirs
_STRIP = 256  # rows of a photo
_LIGHT_NEARBY, _LIGHT_HELD = (30, 10), 0.02  # radii for what shadows do, and how much no shadow counts


@dataclass(frozen=True)
class View:
    """What the room makes of a picture. reason: why it was set aside, MOVED, OTHER or UNSEEN; "" where it wasn't.

    alpha: float32 in 0..1, shape (H, W): the people with what is theirs, and without what is the room's. behind: uint8
    RGB, shape (H, W, 3): the room, where and as bright as it is in the picture. unsure: bool, shape (H, W), where
    alpha's outline was moved, and is to be drawn by colours.
    """

    alpha: np.ndarray
    behind: np.ndarray | None = None
    unsure: np.ndarray | None = None
    reason: str = ""


def look(alpha: np.ndarray, rgb: np.ndarray, room: np.ndarray) -> View:
    """alpha: float32 in 0..1, shape (H, W), of a network. rgb: uint8, shape (H, W, 3), the picture. room: uint8, shape
    (h, w, 3), of the same camera, of any size."""
    height, width = rgb.shape[:2]
    if abs(room.shape[1] / room.shape[0] * height / width - 1) > _SHAPE:
        return View(alpha, reason=OTHER)
    small = geometry.reduced(rgb, decision.SIDE)
    size = small.shape[1], small.shape[0]
    picture = small.astype(np.float32) / 255
    people = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
    empty = ~dilated(people > decision.EMPTY, _AWAY)
    if empty.mean() < _ENOUGH:
        return View(alpha, reason=UNSEEN)
    small_room = cv2.resize(room, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    place = registration.found(small_room, picture, empty)
    here = registration.applied(small_room, place, size)
    light = Light.of(here, picture, empty)
    comparison = Comparison.of(picture, light.on(here), empty)
    if comparison.trust(empty) < _TRUST:
        return View(alpha, reason=MOVED if registration.is_elsewhere(small_room, picture) else OTHER)
    firm = decision.theirs(people, comparison)
    shade = _local_light(comparison, firm, people)
    full = cv2.resize(room, (width, height), interpolation=cv2.INTER_AREA)
    full = registration.applied(full, registration.scaled(place, width / size[0], height / size[1]), (width, height))
    drawn, unsure = _drawn(alpha, people, firm)
    return View(drawn, _lit(full, light.factor(size) * shade, light.offsets.astype(np.float32) * shade), unsure)


def _lit(room: np.ndarray, factor: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """The room in another light, uint8 RGB, shape (H, W, 3), in strips: a photo may be large.

    factor, offset: float32, shape (h, w, 3), of colours of 0..1.
    """
    result = np.empty_like(room)
    for top in range(0, room.shape[0], _STRIP):
        strip = np.s_[top : min(top + _STRIP, room.shape[0]), 0 : room.shape[1]]
        gains, offsets = (geometry.enlarged(values, strip, room.shape) for values in (factor, offset))
        result[strip] = np.rint(room[strip] * gains + 255 * offsets).clip(0, 255)
    return result


def _drawn(alpha: np.ndarray, people: np.ndarray, firm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Alpha, firm where that was moved, the network's where it wasn't; and where colours are to draw the outline."""
    size = alpha.shape[1], alpha.shape[0]
    added, removed = decision.changes(people, firm)
    near = dilated(added | removed, _RING)
    deep = eroded(firm, _RING) & dilated(near, _RING)
    outline = dilated(firm, 2) & ~eroded(firm, 2)
    apart = ~dilated(firm, _APART)
    target = np.where(near, cv2.blur(firm.astype(np.float32), (5, 5)), people)
    target[deep] = 1
    target[apart] = 0
    share = cv2.blur(dilated(near | deep | apart, 1).astype(np.float32), (5, 5))
    share, target = (cv2.resize(values, size, interpolation=cv2.INTER_LINEAR) for values in (share, target))
    unsure = cv2.resize((near & outline).view(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    return alpha + share * (target - alpha), unsure > 0


def _local_light(comparison: Comparison, firm: np.ndarray, people: np.ndarray) -> np.ndarray:
    """What shadows make of the room's light nearby: a factor, float32, shape (H, W, 3)."""
    shown = ((comparison.difference < ALIKE) | comparison.shadowed) & ~firm & (people < decision.EMPTY)
    weight = shown.astype(np.float32)[..., None]
    result = np.ones_like(comparison.picture)
    for radius in _LIGHT_NEARBY:
        window = (2 * radius + 1, 2 * radius + 1)
        seen, its = (cv2.blur(values * weight, window) for values in (comparison.picture, comparison.behind))
        held = _LIGHT_HELD * (comparison.behind + _LIGHT_HELD)
        result = (seen + held * result) / (its + held)
    return result
