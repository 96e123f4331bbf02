"""Where people are in a photo, by what a network saw of it reduced: the places that are worth a closer look."""

from __future__ import annotations

import cv2
import numpy as np

from ..image import geometry
from ..image.geometry import Region

_PERSON = 0.1  # alpha of the small picture that a person's box goes around
_SPECK = 500  # a part with less than this fraction of the largest one's area is nobody
_MOST_BOXES = 8  # people in more places than this are looked at in one box
_MARGIN = 0.1  # of the box's longer side: hair that the small picture is too small for


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
        boxes.append(np.s_[top - margin : top + down + margin, left - margin : left + across + margin])
    boxes = geometry.apart(boxes, touching=True)
    if not boxes:
        return [geometry.everything(shape)]
    if len(boxes) > _MOST_BOXES:
        boxes = [geometry.union(boxes)]
    tall, wide = height / alpha.shape[0], width / alpha.shape[1]
    return [
        (
            slice(max(0, round(rows.start * tall)), min(height, round(rows.stop * tall))),
            slice(max(0, round(columns.start * wide)), min(width, round(columns.stop * wide))),
        )
        for rows, columns in boxes
    ]
