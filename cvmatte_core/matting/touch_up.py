"""Touch-ups: what a person says by hand is kept, and what isn't, and the edge that the photo has there.

A touch-up is a grey picture of the photo's size: 255 keep, 0 remove, 128 leave to the network. A stroke is a hint, not
paint. In its core what the person said holds exactly; from there to its reach beyond the stroke the edge goes where the
photo's own is; further away not one pixel changes.

Which side of that edge a pixel is on, GrabCut tells (Rother, Kolmogorov and Blake, SIGGRAPH 2004), once what looks
like nothing around the stroke has been given to the stroke. How the edge runs there, closed-form matting tells.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from ..image import geometry, images
from ..image.geometry import Region
from ..image.reused import Reused
from ..layers.touch_ups import stamp_of
from ..localization.errors import ImageError
from ..models import guided_filter
from . import closed_form, edge_colours

KEEP, REMOVE, AUTOMATIC = 255, 0, 128
# What each grey is meant as: KEEP or REMOVE where it is nearer than 64 to them.
_MEANT = np.repeat(np.array([REMOVE, AUTOMATIC, KEEP], np.uint8), (64, 128, 64))

# The reach of a broad stroke to either side of its outline, as a part of the picture's longer side; that of a narrower
# one is less, so that it has a core: the stroke is so many times as wide as its core is away from its outline.
_REACH, _BROAD, _NARROWER = 12 / 512, 1.02, 0.7
_SEARCH_SIDE = 512  # of the picture that strokes are told apart in
_RING, _SQUARE = 11.0, 320  # a region is reduced until its reach, and the side of a square as large, are so many pixels
_AROUND = 2  # reaches of the surroundings that are looked at, beyond a region's own reach

# What looks like nothing around: colours of Lab in 0..1, and places in pixels, this far from all samples.
_STRANGE, _PLACE, _SAMPLES, _BLUR = 0.08, 0.0015, 600, 0.5
_AT_ONCE = 1024  # pixels that are compared with the samples
_SURE = 0.02  # alpha nearer than this to 0 or 1 is known
_MANY = 16_000  # pixels that GrabCut tells apart at half their size first
_SMOOTH = 0.7  # pixels of the outline's stairs
# The edge: how far around the outline it is solved, and how far where that is as ragged as hair, or the network's alpha
# as soft: by the shares of outline, or of soft pixels, in a window.
_EDGE, _HAIR_EDGE, _WINDOW, _RAGGED, _SOFT = 2.5, 8.0, 15, 0.14, 0.35
_ROUNDS, _ACCURACY, _END = 60, 1e-2, 0.02
_FADE = 0.2  # of the reach, at whose end the result passes into what was

_PATCHES, _PATCH_BYTES = 64, 100_000_000  # regions that are remembered beside those of the last touch-up


@dataclass(frozen=True)
class Strokes:
    """A touch-up for a photo: uint8, KEEP, REMOVE or AUTOMATIC, shape (H, W). stamp: tells it from others of it."""

    pixels: np.ndarray
    stamp: str


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
        self, rgb: np.ndarray, alpha: np.ndarray, foreground: np.ndarray, strokes: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Alpha and foreground as touched up.

        rgb, foreground: uint8, shape (H, W, 3). alpha: float32 in 0..1, shape (H, W). strokes: uint8, KEEP, REMOVE or
        AUTOMATIC, shape (H, W). Returns both anew, or as they are without strokes.
        """
        patches = self._patches_of(rgb, alpha, foreground, strokes)
        if not patches:
            return alpha, foreground
        whole = self.memory.copy(alpha), self.memory.copy(foreground)
        _put(patches, *whole, geometry.everything(alpha.shape))
        return whole

    def part(
        self, rgb: np.ndarray, alpha: np.ndarray, foreground: np.ndarray, strokes: np.ndarray, box: Region
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of what __call__ returns, without making the whole."""
        part = alpha[box].copy(), foreground[box].copy()
        _put(self._patches_of(rgb, alpha, foreground, strokes), *part, box)
        return part

    def _patches_of(
        self, rgb: np.ndarray, alpha: np.ndarray, foreground: np.ndarray, strokes: np.ndarray
    ) -> list[_Patch]:
        patches = [self._patch(box, rgb, alpha, foreground, strokes) for box in regions(strokes)]
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


def regions(strokes: np.ndarray) -> Iterator[Region]:
    """Rows and columns of each part of a touch-up whose strokes may act on one another, with its surroundings."""
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


def changed(before: np.ndarray, now: np.ndarray) -> Region | None:
    """Where another touch-up of a photo may make another cut: rows and columns; None where nowhere."""
    difference = geometry.around_all(before != now)
    if difference is None:
        return None
    boxes = [difference, *regions(before), *regions(now)]
    return next(box for box in geometry.apart(boxes) if geometry.overlap(box, difference))


def solved(rgb: np.ndarray, alpha: np.ndarray, strokes: np.ndarray, reach: float, threads: int = 1) -> np.ndarray:
    """Alpha of a region with its strokes taken as hints.

    rgb: uint8, shape (H, W, 3). alpha: float32 in 0..1, shape (H, W). strokes: uint8, shape (H, W). reach: of a broad
    stroke, in pixels. Returns float32 in 0..1, shape (H, W): as it was beyond the strokes' reach.
    """
    widest = max(_widest(strokes == kind) for kind in (KEEP, REMOVE))
    reach_of_all = min(reach, max(1.0, widest / _BROAD))  # that of the broadest stroke
    # By a whole number, so that any part of it can be enlarged alone.
    reduction = max(1, int(reach_of_all / _RING), round(alpha.size**0.5 / _SQUARE))
    if reduction == 1:
        said = _Said.of(strokes, reach)
        return said.merged(_edge_found(rgb, alpha, said), alpha)
    rows, columns = (-side % reduction for side in alpha.shape)
    photo, seen, painted = (
        cv2.copyMakeBorder(pixels, 0, rows, 0, columns, cv2.BORDER_REPLICATE) for pixels in (rgb, alpha, strokes)
    )
    size = photo.shape[1] // reduction, photo.shape[0] // reduction
    small, small_alpha = (cv2.resize(pixels, size, interpolation=cv2.INTER_AREA) for pixels in (photo, seen))
    said = _Said.of(fitted(painted, size[::-1]), reach / reduction)
    found = _edge_found(small, small_alpha, said)
    result, reached = alpha.copy(), geometry.around_all(said.in_reach)
    if reached is not None:
        part, _ = geometry.around(reached, guided_filter.REACH, small.shape)
        near = _times(part, reduction)
        said = said.part(part).enlarged(photo[near].shape)
        found = guided_filter.enlarge_alpha(found[part], small[part], photo[near], threads, said.in_reach)
        merged = said.merged(found, seen[near])
        result[near] = merged[: alpha.shape[0] - near[0].start, : alpha.shape[1] - near[1].start]
    return result


def _times(box: Region, by: int) -> Region:
    """Where a part of a picture lies in it enlarged."""
    rows, columns = (slice(side.start * by, side.stop * by) for side in box)
    return rows, columns


def _widest(mask: np.ndarray) -> float:
    """The greatest depth in a mask."""
    part = geometry.around_all(mask)
    return float(_depth(mask[geometry.around(part, 2, mask.shape)[0]]).max()) if part is not None else 0.0


def _depth(mask: np.ndarray) -> np.ndarray:
    """How far each pixel of a mask is from its outline: float32, shape (H, W). The picture's border is none."""
    wide = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    return cv2.distanceTransform(wide, cv2.DIST_L2, cv2.DIST_MASK_5)[1:-1, 1:-1]


@dataclass(frozen=True)
class _Said:
    """What strokes say of each pixel, shape (H, W) all.

    keep, remove: bool, the strokes; cores: uint8, KEEP or REMOVE where that holds exactly, else AUTOMATIC.
    by_keep, by_remove: float32, how far within the reach of such a stroke a pixel is: 1 from _FADE on, 0 beyond it.
    """

    keep: np.ndarray
    remove: np.ndarray
    cores: np.ndarray
    by_keep: np.ndarray
    by_remove: np.ndarray

    @classmethod
    def of(cls, strokes: np.ndarray, reach: float) -> _Said:
        keep, remove = strokes == KEEP, strokes == REMOVE
        (core_keep, by_keep), (core_remove, by_remove) = (_core_and_reach(mask, reach) for mask in (keep, remove))
        cores = np.full(strokes.shape, AUTOMATIC, np.uint8)
        cores[core_keep], cores[core_remove] = KEEP, REMOVE
        return cls(keep, remove, cores, by_keep, by_remove)

    def enlarged(self, shape: tuple[int, ...]) -> _Said:
        def enlarge(values: np.ndarray, how: int) -> np.ndarray:
            return cv2.resize(values, (shape[1], shape[0]), interpolation=how)

        keep, remove = (enlarge(mask.view(np.uint8), cv2.INTER_NEAREST) > 0 for mask in (self.keep, self.remove))
        reaches = (enlarge(by, cv2.INTER_LINEAR) for by in (self.by_keep, self.by_remove))
        return _Said(keep, remove, enlarge(self.cores, cv2.INTER_NEAREST), *reaches)

    @property
    def in_reach(self) -> np.ndarray:
        """Where any stroke reaches: bool."""
        return (self.by_keep > 0) | (self.by_remove > 0)

    def part(self, box: Region) -> _Said:
        return _Said(*(each[box] for each in (self.keep, self.remove, self.cores, self.by_keep, self.by_remove)))

    def merged(self, found: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        """Alpha with what was found within the strokes' reach. Nobody loses by Keep, or gains by Remove, alone."""
        by_keep, by_remove = self.by_keep > 0, self.by_remove > 0
        cv2.copyTo(cv2.max(found, alpha), (by_keep & ~by_remove).view(np.uint8), found)
        cv2.copyTo(cv2.min(found, alpha), (by_remove & ~by_keep).view(np.uint8), found)
        change = cv2.multiply(cv2.subtract(found, alpha), cv2.max(self.by_keep, self.by_remove))
        result = cv2.add(alpha, change, dst=change)
        result[self.cores == KEEP], result[self.cores == REMOVE] = 1, 0
        return result


def _core_and_reach(mask: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """The core of strokes, bool, and how far within their reach each pixel is, float32 in 0..1, both shape (H, W).

    Broad parts first, then what is left of narrower ones: each as its own breadth asks for.
    """
    core, near = np.zeros(mask.shape, bool), np.zeros(mask.shape, np.float32)
    left = mask
    depth = _depth(mask)
    inner = reach
    while left.any():
        narrowest = reach < 1
        middle = left & (depth >= (0 if narrowest else reach * _BROAD))
        if middle.any():
            from_middle = cv2.distanceTransform((~middle).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
            part = mask & (from_middle <= max(1.0, reach * _BROAD))  # its opening: as broad as that throughout
            core |= part & (depth >= inner)
            away = cv2.distanceTransform((~part).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
            wide = max(1.0, reach)
            np.maximum(near, np.clip((wide + 1 - away) / (_FADE * wide + 1), 0, 1), out=near)
            # The rim of a broad part is its outline, and no narrow stroke of its own.
            left = left & (away > wide)
        if narrowest:
            break
        reach *= _NARROWER
        inner = reach * _NARROWER if reach > 1 else 0  # so that a narrow stroke has one core, and not a row of specks
    return core, near


def _edge_found(rgb: np.ndarray, alpha: np.ndarray, said: _Said) -> np.ndarray:
    """Alpha where strokes reach, the edge that colours show there: float32 in 0..1, shape (H, W)."""
    in_reach = said.in_reach
    known = said.cores != AUTOMATIC
    # What the network is sure of stays where only strokes that say the same reach.
    agreed = ((alpha > 1 - _SURE) & (said.by_remove == 0)) | ((alpha < _SURE) & (said.by_keep == 0))
    unknown = in_reach & ~known & ~agreed
    start = alpha.copy()
    start[said.cores == KEEP], start[said.cores == REMOVE] = 1, 0
    if not unknown.any():
        return start
    inside = _cut(rgb, start, unknown, said)
    outline = np.maximum(_depth(inside), _depth(~inside))
    stepped = np.where(unknown, inside, start).astype(np.float32)
    edge = unknown & (outline <= np.where(_is_hair(inside, alpha), _HAIR_EDGE, _EDGE))
    no_weight = np.zeros(stepped.shape, np.float32)
    result = closed_form.solve(rgb, stepped, stepped, no_weight, edge, _ROUNDS, _ACCURACY)
    return np.where(edge, np.clip((result - _END) / (1 - 2 * _END), 0, 1), result)


def _cut(rgb: np.ndarray, start: np.ndarray, unknown: np.ndarray, said: _Said) -> np.ndarray:
    """Which pixels are inside of the edge: bool, shape (H, W)."""
    labels = np.where(start > 0.5, cv2.GC_FGD, cv2.GC_BGD).astype(np.uint8)
    labels[unknown] = np.where(start > 0.5, cv2.GC_PR_FGD, cv2.GC_PR_BGD)[unknown]
    labels[unknown & said.keep], labels[unknown & said.remove] = cv2.GC_PR_FGD, cv2.GC_PR_BGD
    places = np.flatnonzero(unknown)
    lab = cv2.cvtColor(cv2.GaussianBlur(rgb, (0, 0), _BLUR), cv2.COLOR_RGB2LAB)
    inside, outside = ~unknown & (start > 1 - _SURE), ~unknown & (start < _SURE)
    for stroke, others, label in ((said.keep, outside, cv2.GC_FGD), (said.remove, inside, cv2.GC_BGD)):
        asked = places[stroke.ravel()[places]]
        if asked.size:
            labels.ravel()[asked[_distance(lab, asked, others) > _STRANGE]] = label
    _grab_cut(rgb, labels, unknown)
    cut = np.where(unknown, labels % 2, start > 0.5).astype(np.float32)  # both kinds of foreground are odd
    return cv2.GaussianBlur(cut, (0, 0), _SMOOTH) > 0.5


def _grab_cut(rgb: np.ndarray, labels: np.ndarray, unknown: np.ndarray) -> None:
    """Tell the sides of what is unknown, bool, shape (H, W): in the labels of cv2.grabCut, uint8, shape (H, W).

    A large picture is cut at half its size, and then along the outline that was found there alone: a fraction of the
    time (A Multilevel Banded Graph Cuts Method for Fast Image Segmentation, Lombaert et al., ICCV 2005).
    """
    half, half_labels, half_unknown = (np.ascontiguousarray(pixels[::2, ::2]) for pixels in (rgb, labels, unknown))
    if not (half_labels % 2 == 1).any() or not (half_labels % 2 == 0).any():
        return
    cv2.setRNGSeed(0)  # it begins with means by chance: the same strokes are to give the same edge
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(half, half_labels.copy(), (0, 0, 0, 0), *models, 0, cv2.GC_INIT_WITH_MASK)
    if labels.size > _MANY:
        _cut_by(models, half, half_labels, half_unknown)
        found = cv2.resize(half_labels % 2, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
        found = found[: labels.shape[0], : labels.shape[1]]
        far = unknown & (cv2.morphologyEx(found, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) == 0)
        labels[far] = np.where(found[far], cv2.GC_FGD, cv2.GC_BGD)
        unknown = unknown & ~far
    _cut_by(models, rgb, labels, unknown)


def _cut_by(models: tuple[np.ndarray, np.ndarray], rgb: np.ndarray, labels: np.ndarray, unknown: np.ndarray) -> None:
    """See _grab_cut; models: of the colours on both sides."""
    asked = geometry.around_all(unknown)
    if asked is not None:
        box, _ = geometry.around(asked, 1, labels.shape)
        part = np.ascontiguousarray(labels[box])
        cv2.grabCut(np.ascontiguousarray(rgb[box]), part, (0, 0, 0, 0), *models, 1, cv2.GC_EVAL_FREEZE_MODEL)
        labels[box] = part


def _distance(lab: np.ndarray, asked: np.ndarray, others: np.ndarray) -> np.ndarray:
    """From each of the pixels asked for to the nearest of the others, of which samples are taken, by colour and place:
    float32."""
    samples = np.flatnonzero(others)
    if not samples.size:
        return np.zeros(asked.size, np.float32)

    def features(pixels: np.ndarray) -> np.ndarray:
        colours = lab.reshape(-1, 3)[pixels].astype(np.float32) / 255
        places = np.stack(np.unravel_index(pixels, lab.shape[:2]), axis=1).astype(np.float32) * _PLACE
        return np.hstack([colours, places])

    samples = samples[np.linspace(0, samples.size - 1, min(samples.size, _SAMPLES)).astype(np.intp)]
    one, two = features(asked), features(samples)
    squares, lengths = (one * one).sum(axis=1), (two * two).sum(axis=1)
    for begin in range(0, asked.size, _AT_ONCE):  # so that what is between stays in the processor's cache
        some = slice(begin, begin + _AT_ONCE)
        squares[some] += np.min(lengths - 2 * one[some] @ two.T, axis=1)
    return np.sqrt(np.maximum(squares, 0))


def _is_hair(inside: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Where the edge is to be soft: the outline is ragged, or the network saw it soft. bool, shape (H, W)."""
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    outline = cv2.morphologyEx(inside.view(np.uint8), cv2.MORPH_GRADIENT, cross)
    soft = ((alpha > 0.05) & (alpha < 0.95)).view(np.uint8)
    window = (_WINDOW, _WINDOW)
    ragged, seen_soft = (cv2.blur(mask.astype(np.float32), window) for mask in (outline, soft))
    return (ragged > 2 * _RAGGED) | (seen_soft > _SOFT)
