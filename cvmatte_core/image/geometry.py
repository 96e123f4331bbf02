"""Pictures made smaller or larger, and regions of them: their union, surroundings and tiles."""

from __future__ import annotations

from typing import Iterable

import cv2
import numpy as np
from PIL import Image

Region = tuple[slice, slice]  # rows and columns


def everything(shape: tuple[int, ...]) -> Region:
    return slice(0, shape[0]), slice(0, shape[1])


def around_all(mask: np.ndarray) -> Region | None:
    """The smallest region with all that is in a mask, bool or uint8, shape (H, W); None where nothing is."""
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    return np.s_[top : top + height, left : left + width] if width else None


def overlap(one: Region, other: Region, touching: bool = False) -> bool:
    """touching: those that touch do, too."""
    return all(a.start < b.stop + touching and b.start < a.stop + touching for a, b in zip(one, other))


def within(box: Region, part: Region) -> Region:
    """Where in the picture a part of a box of it is."""
    rows, columns = (slice(side.start + inner.start, side.start + inner.stop) for side, inner in zip(box, part))
    return rows, columns


def common(one: Region, other: Region) -> tuple[Region, Region]:
    """Where what two overlapping regions share lies in each of them."""
    sides = [slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(one, other)]
    (in_one, in_other) = (
        tuple(slice(side.start - its.start, side.stop - its.start) for side, its in zip(sides, region))
        for region in (one, other)
    )
    return (in_one[0], in_one[1]), (in_other[0], in_other[1])


def union(regions: Iterable[Region]) -> Region:
    rows, columns = (slice(min(s.start for s in sides), max(s.stop for s in sides)) for sides in zip(*regions))
    return rows, columns


def apart(regions: Iterable[Region], touching: bool = False) -> list[Region]:
    """The regions, those that overlap joined to one, until none do. touching: see overlap."""
    result: list[Region] = []
    for region in regions:
        while other := next((other for other in result if overlap(region, other, touching)), None):
            result.remove(other)
            region = union((region, other))
        result.append(region)
    return result


def reduced_size(shape: tuple[int, ...], longest_side: int) -> tuple[int, int]:
    """(width, height) of a picture of that shape, (H, W, …), with no side longer than so many pixels."""
    height, width = shape[:2]
    scale = min(1.0, longest_side / max(height, width))
    return max(1, round(width * scale)), max(1, round(height * scale))


def reduced(pixels: np.ndarray, longest_side: int) -> np.ndarray:
    """A picture, shape (H, W) or (H, W, 3), with no side longer than so many pixels (0: as it is)."""
    if not longest_side or longest_side >= max(pixels.shape[:2]):
        return pixels
    return cv2.resize(pixels, reduced_size(pixels.shape, longest_side), interpolation=cv2.INTER_AREA)


def padded(pixels: np.ndarray, step: int) -> np.ndarray:
    """A picture, shape (H, W) or (H, W, C), whose sides are multiples of `step`: its last rows and columns go on."""
    below, right = (-side % step for side in pixels.shape[:2])
    return cv2.copyMakeBorder(pixels, 0, below, 0, right, cv2.BORDER_REPLICATE)


def tiles(shape: tuple[int, ...], side: int) -> list[Region]:
    """Rows and columns of squares of so many pixels that cover a picture; at its right and bottom what is left."""
    height, width = shape[:2]
    return [
        np.s_[top : min(height, top + side), left : min(width, left + side)]
        for top in range(0, height, side)
        for left in range(0, width, side)
    ]


def around_each(mask: np.ndarray, side: int) -> list[Region]:
    """Of each of the mask's tiles (see `tiles`; mask: see around_all) the smallest region with all that is in it."""
    found = []
    for rows, columns in tiles(mask.shape, side):
        inner = around_all(mask[rows, columns])
        if inner is not None:
            found.append(within((rows, columns), inner))
    return found


def around(box: Region, by: int, shape: tuple[int, ...]) -> tuple[Region, Region]:
    """Rows and columns grown by so many pixels within a picture, and where in them the box is."""
    rows, columns = (slice(max(0, side.start - by), min(length, side.stop + by)) for side, length in zip(box, shape))
    top, left = box[0].start - rows.start, box[1].start - columns.start
    return (rows, columns), np.s_[top : box[0].stop - rows.start, left : box[1].stop - columns.start]


def reduced_layer(layer: np.ndarray, longest_side: int) -> np.ndarray:
    """As `reduced`, of uint8 RGBA with straight alpha: colours of transparent pixels don't count."""
    if max(layer.shape[:2]) <= longest_side:
        return layer
    image = Image.fromarray(layer)
    image.thumbnail((longest_side, longest_side))
    return np.array(image)


def enlarged(coarse: np.ndarray, region: Region, shape: tuple[int, ...]) -> np.ndarray:
    """The region of `coarse` enlarged to `shape`, without making the whole."""
    rows, columns = region
    scale_x, scale_y = coarse.shape[1] / shape[1], coarse.shape[0] / shape[0]
    # Only what the region needs, with two pixels for the interpolation: OpenCV warps nothing longer than 32767 pixels.
    top, bottom = max(0, int(rows.start * scale_y) - 2), int(rows.stop * scale_y) + 3
    left, right = max(0, int(columns.start * scale_x) - 2), int(columns.stop * scale_x) + 3
    offsets = (columns.start + 0.5) * scale_x - 0.5 - left, (rows.start + 0.5) * scale_y - 0.5 - top
    size = (columns.stop - columns.start, rows.stop - rows.start)
    return resampled(coarse[top:bottom, left:right], (scale_x, scale_y), offsets, size)


def resampled(
    values: np.ndarray, scales: tuple[float, float], offsets: tuple[float, float], size: tuple[int, int]
) -> np.ndarray:
    """Values of a size of (width, height) whose pixel (x, y) is what `values` has at scale · (x, y) + offset."""
    transform = np.array([[scales[0], 0, offsets[0]], [0, scales[1], offsets[1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(values, transform, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
