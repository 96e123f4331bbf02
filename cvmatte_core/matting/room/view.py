"""A photo before its room: alpha as the room lets it be, and the room behind it; or why the room is of no use."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ...image.geometry import reduced_size
from . import decision, drawing, finding
from .filters import SIDE
from .finding import OTHER, Unusable


@dataclass(frozen=True)
class View:
    """What the room makes of a picture. reason: why it was set aside, of finding.py; "" where it wasn't.

    alpha: float32 in 0..1, shape (H, W): the people with what is theirs, and without what is the room's. behind: uint8
    RGB, shape (H, W, 3): the room, where and as bright as it is in the picture. unsure: bool, shape (H, W), where
    alpha's outline was moved, and is to be drawn by colours. Of a room that was set aside there is neither.
    """

    alpha: np.ndarray
    behind: np.ndarray | None = None
    unsure: np.ndarray | None = None
    reason: str = ""


def look(alpha: np.ndarray, rgb: np.ndarray, room: np.ndarray, *, keep_furniture: bool = False) -> View:
    """alpha: float32 in 0..1, shape (H, W), of a network. rgb: uint8, shape (H, W, 3), the picture. room: uint8, shape
    (h, w, 3), of the same camera, of any size. keep_furniture: see decision.theirs."""
    if not finding.is_of_shape(room, rgb.shape):
        return View(alpha, reason=OTHER)
    size = reduced_size(rgb.shape, SIDE)
    its_room, picture = (reduced(values, size) for values in (room, rgb))
    people = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
    try:
        found, comparison = finding.find(its_room, picture, people)
    except Unusable as unusable:
        return View(alpha, reason=unusable.reason)
    firm = decision.theirs(people, comparison, keep_furniture)
    drawn, unsure = drawing.Outline.of(people, firm, comparison).on(alpha)
    if keep_furniture:  # the room isn't behind all that is kept
        return View(drawn, unsure=unsure)
    shade = drawing.local_light(comparison, firm, people)
    full = drawing.placed_in(room, found, (rgb.shape[1], rgb.shape[0]))
    light = found.light.factor(size) * shade, found.light.offsets.astype(np.float32) * shade
    return View(drawn, drawing.lit(full, *light), unsure)


def reduced(rgb: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """uint8 RGB as float32 in 0..1, of (width, height)."""
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
