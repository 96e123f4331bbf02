"""Where people are in a photo, by what a network saw of it reduced: the places that are worth a closer look."""

from __future__ import annotations

from typing import Tuple

import cv2
import numpy as np

_PERSON = 0.1  # alpha of the small picture that a person's box goes around
_SPECK = 500  # a part with less than this fraction of the largest one's area is nobody
_MOST_BOXES = 8  # people in more places than this are looked at in one box
_MARGIN = 0.1  # of the box's longer side: hair that the small picture is too small for

Region = Tuple[slice, slice]  # rows and columns of the photo
_Corners = Tuple[int, int, int, int]  # top, left, bottom, right in pixels of the small picture


def regions_of_people(alpha: np.ndarray, shape: tuple[int, ...]) -> list[Region]:
    """Where people are in a photo of this shape, by alpha of its small picture: regions that don't overlap, one for
    people who stand together. Specks count as nobody; if nobody is there, it is the whole photo.
    """
    height, width = shape[:2]
    _, _, parts, _ = cv2.connectedComponentsWithStats((alpha > _PERSON).view(np.uint8))
    areas = parts[1:, cv2.CC_STAT_AREA]
    boxes = []
    for left, top, across, down, _ in parts[1:][areas * _SPECK > np.max(areas, initial=0)].tolist():
        margin = round(_MARGIN * max(across, down))
        boxes.append((top - margin, left - margin, top + down + margin, left + across + margin))
    boxes = _united(boxes)
    if not boxes:
        return [(slice(0, height), slice(0, width))]
    if len(boxes) > _MOST_BOXES:
        boxes = [_union(boxes)]
    tall, wide = height / alpha.shape[0], width / alpha.shape[1]
    return [
        (
            slice(max(0, round(top * tall)), min(height, round(bottom * tall))),
            slice(max(0, round(left * wide)), min(width, round(right * wide))),
        )
        for top, left, bottom, right in boxes
    ]


def _united(boxes: list[_Corners]) -> list[_Corners]:
    """The boxes with those that overlap or touch made one, until none do."""
    apart: list[_Corners] = []
    for box in boxes:
        while touching := [other for other in apart if _touch(box, other)]:
            apart = [other for other in apart if other not in touching]
            box = _union([box, *touching])
        apart.append(box)
    return apart


def _touch(one: _Corners, other: _Corners) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]


def _union(boxes: list[_Corners]) -> _Corners:
    tops, lefts, bottoms, rights = zip(*boxes)
    return min(tops), min(lefts), max(bottoms), max(rights)
