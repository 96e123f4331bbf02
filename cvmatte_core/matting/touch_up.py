"""Touch-ups: what a person says by hand is kept, and what isn't, and the edge that the photo has there.

A touch-up is a grey picture of the photo's size: 255 keep, 0 remove, 128 leave to the network. A stroke is a hint, not
paint. In its core what the person said holds exactly; from there to its reach beyond the stroke the edge goes where the
photo's own is; further away not one pixel changes.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np

from ..image import geometry, images
from ..image.geometry import Region
from ..image.reused import Reused
from ..layers.touch_ups import stamp_of
from ..localization.errors import ImageError
from ..models import guided_filter
from . import edge_colours
from .stroke_edge import edge_found
from .stroke_hints import AUTOMATIC, KEEP, REMOVE, Hints, reach_of_broadest

# What each grey is meant as: KEEP or REMOVE where it is nearer than 64 to them.
_MEANT = np.repeat(np.array([REMOVE, AUTOMATIC, KEEP], np.uint8), (64, 128, 64))

_REACH = 12 / 512  # of a broad stroke to either side of its outline, as a part of the picture's longer side
_SEARCH_SIDE = 512  # of the picture that strokes are told apart in
_RING, _SQUARE = 11.0, 320  # a region is reduced until its reach, and the side of a square as large, are so many pixels
_AROUND = 2  # reaches of the surroundings that are looked at, beyond a region's own reach

_PATCHES, _PATCH_BYTES = 64, 100_000_000  # regions that are remembered beside those of the last touch-up


@dataclass(frozen=True)
class Strokes:
    """A touch-up for a photo: uint8, KEEP, REMOVE or AUTOMATIC, shape (H, W), not to be written to.

    stamp: tells it from others of the photo. found: its regions, once they were searched; a copy with another stamp
    shares them.
    """

    pixels: np.ndarray
    stamp: str
    found: list[Region] = field(default_factory=list, repr=False, compare=False)

    @property
    def regions(self) -> list[Region]:
        """Rows and columns of each part of it whose strokes may act on one another, with its surroundings."""
        if not self.found:
            self.found[:] = _regions(self.pixels)
        return self.found

    def fitting(self, shape: tuple[int, int]) -> Strokes:
        """For a matte of this shape."""
        return self if self.pixels.shape == shape else Strokes(fitted(self.pixels, shape), self.stamp)


def strokes_of(data: bytes, name: str, shape: tuple[int, int]) -> Strokes:
    """A touch-up out of a picture's file, for a matte of this shape.

    A picture of another size is scaled; grey counts, transparency as AUTOMATIC. Raises ImageError where it can't be
    read or has another shape than the photo.
    """
    photo = images.decode(data, name)
    height, width = photo.rgb.shape[:2]
    # A pixel's rounding of either side is no other shape.
    if abs(width * shape[0] - height * shape[1]) > max(width, height, *shape):
        sizes = {"width": shape[1], "height": shape[0], "other_width": width, "other_height": height}
        raise ImageError("touch_up_shape", name=name, **sizes)
    grey = cv2.cvtColor(photo.rgb, cv2.COLOR_RGB2GRAY)
    if photo.alpha is not None:
        grey[photo.alpha < 0.5] = AUTOMATIC
    return Strokes(fitted(grey, shape), stamp_of(data))


def fitted(grey: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A touch-up for a photo of another size: uint8, shape (H, W), in and out."""
    if grey.shape != shape:
        smaller = shape[0] < grey.shape[0]
        grey = cv2.resize(grey, shape[::-1], interpolation=cv2.INTER_AREA if smaller else cv2.INTER_NEAREST)
    meant = cv2.LUT(grey, _MEANT)
    return grey if np.array_equal(meant, grey) else meant  # a sheet that is open stays the one that is written to


# A part of a picture as a touch-up leaves it, its alpha, and its foreground.
_Patch = tuple[Region, np.ndarray, np.ndarray]


class TouchUp:
    """Applies touch-ups to one raw matte. It remembers the regions that it solved: a new stroke costs its own alone."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._patches: OrderedDict[Hashable, _Patch] = OrderedDict()
        self.memory = Reused()

    def __call__(
        self, rgb: np.ndarray, alpha: np.ndarray, foreground: np.ndarray, strokes: Strokes
    ) -> tuple[np.ndarray, np.ndarray]:
        """Alpha and foreground as touched up.

        rgb, foreground: uint8, shape (H, W, 3). alpha: float32 in 0..1, shape (H, W). Returns both anew, or as they are
        without strokes.
        """
        patches = self._patches_of(rgb, alpha, foreground, strokes)
        if not patches:
            return alpha, foreground
        whole = self.memory.copy(alpha), self.memory.copy(foreground)
        _put(patches, *whole, geometry.everything(alpha.shape))
        return whole

    def part(
        self, rgb: np.ndarray, alpha: np.ndarray, foreground: np.ndarray, strokes: Strokes, box: Region
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of what __call__ returns, without making the whole."""
        part = alpha[box].copy(), foreground[box].copy()
        _put(self._patches_of(rgb, alpha, foreground, strokes), *part, box)
        return part

    def _patches_of(self, rgb: np.ndarray, alpha: np.ndarray, foreground: np.ndarray, strokes: Strokes) -> list[_Patch]:
        patches = [self._patch(box, rgb, alpha, foreground, strokes.pixels) for box in strokes.regions]
        sizes = [some.nbytes + colours.nbytes for _, some, colours in self._patches.values()]
        while len(sizes) > len(patches) and (len(sizes) > _PATCHES or sum(sizes) > _PATCH_BYTES):
            self._patches.popitem(last=False)
            del sizes[0]
        return patches

    def _patch(
        self, box: Region, rgb: np.ndarray, alpha: np.ndarray, foreground: np.ndarray, strokes: np.ndarray
    ) -> _Patch:
        said = hashlib.sha256(strokes[box].tobytes()).digest()
        name = (box[0].start, box[0].stop, box[1].start, box[1].stop, said)
        patch = self._patches.pop(name, None)
        if patch is None:
            touched = solved(rgb[box], alpha[box], strokes[box], _REACH * max(strokes.shape), self._threads)
            patch = box, touched, self._colours(box, touched, rgb, alpha, foreground)
        self._patches[name] = patch
        return patch

    def _colours(
        self, box: Region, touched: np.ndarray, rgb: np.ndarray, alpha: np.ndarray, foreground: np.ndarray
    ) -> np.ndarray:
        """The foreground of a region: anew where its alpha is another, as it was elsewhere."""
        colours = foreground[box].copy()
        near = np.ones((2 * edge_colours.NEAR + 1,) * 2, np.uint8)
        anew = cv2.dilate((touched != alpha[box]).view(np.uint8), near)
        part = geometry.around_all(anew)
        if part is None:
            return colours
        # They are estimated with their surroundings in view.
        radius = edge_colours.colour_radius(alpha.shape)
        place = geometry.within(box, part)
        wide = edge_colours.surroundings(place, radius, alpha.shape)
        inner, _ = geometry.common(wide, place)
        view, wanted = alpha[wide].copy(), np.zeros_like(alpha[wide], np.uint8)
        in_view, in_box = geometry.common(wide, box)
        view[in_view] = touched[in_box]
        wanted[inner] = anew[part]
        found = edge_colours.estimate_foreground(rgb[wide], view, self._threads, radius, wanted=wanted)
        cv2.copyTo(found[inner], anew[part], colours[part])
        return colours


def _put(patches: list[_Patch], alpha: np.ndarray, foreground: np.ndarray, box: Region) -> None:
    """Put the patches into alpha and foreground of these rows and columns."""
    for region, touched, colours in patches:
        if geometry.overlap(region, box):
            here, there = geometry.common(box, region)
            alpha[here], foreground[here] = touched[there], colours[there]


def _regions(strokes: np.ndarray) -> Iterator[Region]:
    """See Strokes.regions."""
    everything = geometry.around_all(strokes != AUTOMATIC)
    if everything is None:
        return
    top, left = everything[0].start, everything[1].start
    broad = _REACH * max(strokes.shape)
    said = (strokes[everything] != AUTOMATIC).view(np.uint8)
    step = max(1, max(strokes.shape) // _SEARCH_SIDE)  # of which one pixel in each square is looked at,
    said = cv2.dilate(said, np.ones((step, step), np.uint8), borderValue=0)  # and no line falls between them
    small = np.ascontiguousarray(said[step // 2 :: step, step // 2 :: step]) if min(said.shape) > step else said[:1, :1]
    reach = int(np.ceil(broad / step))
    wide = cv2.copyMakeBorder(small, reach, reach, reach, reach, cv2.BORDER_CONSTANT, value=0)
    joined = cv2.dilate(wide, np.ones((2 * reach + 1,) * 2, np.uint8))
    count, _, parts, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    boxes = []
    for column, row, across, down, _ in parts[1:count].tolist():
        rows = slice(top + (row - reach) * step, top + (row - reach + down) * step)
        columns = slice(left + (column - reach) * step, left + (column - reach + across) * step)
        boxes.append(geometry.around((rows, columns), round(_AROUND * broad), strokes.shape)[0])
    yield from geometry.apart(boxes)


def changed(before: Strokes, now: Strokes) -> Region | None:
    """Where another touch-up of a photo may make another cut: rows and columns; None where nowhere."""
    difference = geometry.around_all(before.pixels != now.pixels)
    if difference is None:
        return None
    boxes = [difference, *before.regions, *now.regions]
    return next(box for box in geometry.apart(boxes) if geometry.overlap(box, difference))


def solved(rgb: np.ndarray, alpha: np.ndarray, strokes: np.ndarray, reach: float, threads: int = 1) -> np.ndarray:
    """Alpha of a region with its strokes taken as hints.

    rgb: uint8, shape (H, W, 3). alpha: float32 in 0..1, shape (H, W). strokes: uint8, shape (H, W). reach: of a broad
    stroke, in pixels. Returns float32 in 0..1, shape (H, W): as it was beyond the strokes' reach.
    """
    # By a whole number, so that any part of it can be enlarged alone.
    reduction = max(1, int(reach_of_broadest(strokes, reach) / _RING), round(alpha.size**0.5 / _SQUARE))
    if reduction == 1:
        hints = Hints.of(strokes, reach)
        return hints.merged(edge_found(rgb, alpha, hints), alpha)
    photo, seen, painted = (geometry.padded(pixels, reduction) for pixels in (rgb, alpha, strokes))
    size = photo.shape[1] // reduction, photo.shape[0] // reduction
    small, small_alpha = (cv2.resize(pixels, size, interpolation=cv2.INTER_AREA) for pixels in (photo, seen))
    hints = Hints.of(fitted(painted, size[::-1]), reach / reduction)
    found = edge_found(small, small_alpha, hints)
    result, reached = alpha.copy(), geometry.around_all(hints.in_reach)
    if reached is not None:
        part, _ = geometry.around(reached, guided_filter.REACH, small.shape)
        near = _times(part, reduction)
        hints = hints.part(part).enlarged(photo[near].shape)
        found = guided_filter.enlarge_alpha(found[part], small[part], photo[near], threads, hints.in_reach)
        merged = hints.merged(found, seen[near])
        result[near] = merged[: alpha.shape[0] - near[0].start, : alpha.shape[1] - near[1].start]
    return result


def _times(box: Region, by: int) -> Region:
    """Where a part of a picture lies in it enlarged."""
    rows, columns = (slice(side.start * by, side.stop * by) for side in box)
    return rows, columns
