"""What happens to alpha: its ends are cleaned, who is kept, and the edge's controls."""

from __future__ import annotations

from typing import Callable

import cv2
import numpy as np

from ..image import geometry

# A network's "surely in" and "surely out" are a little off 1 and 0: a veil over the background and holes in the
# face that compositing would show. What is nearer than this to an end becomes it.
_CLEAN_END = 0.02
FAINT = _CLEAN_END / 2  # where nothing near is more, nothing is left

_SUBJECT_SIDE = 1024  # pixels: the longer side of the picture that people are told apart in
_SPECK = 500  # a part with less than this fraction of the main person's area is no person
# Where a network errs in the midst of a person or of the background: a hole is where alpha is below the first, an
# island where it is above the second, and both are errors when they are so many times their own size away from the
# outline. The gap of an arm akimbo, a mug's handle and the gaps in hair are nearer to it than that.
_HOLE, _ISLAND, _AWAY = 0.95, 0.05, 3
_SOMEBODY = 1 / 50_000  # the part of a picture that a person in it takes at least
_VISIBLE = 1 / 32  # alpha that counts for a crop: a faint speck far off doesn't


def clean_alpha(alpha: np.ndarray) -> np.ndarray:
    """Alpha stretched a little, so that flat regions are exactly 0 and 1. float32 in 0..1, shape (H, W), in and out."""
    return np.clip((alpha - _CLEAN_END) * np.float32(1 / (1 - 2 * _CLEAN_END)), 0, 1)


def shows_somebody(alpha: np.ndarray) -> bool:
    """Whether there is anybody to see. alpha: float32 in 0..1, shape (H, W)."""
    return bool(np.count_nonzero(alpha > 0.5) >= max(1, alpha.size * _SOMEBODY))


def mend(alpha: np.ndarray) -> np.ndarray:
    """Alpha without small holes deep inside of people, and without specks far off.

    alpha: float32 in 0..1, shape (H, W), in and out. A hole stays that isn't enclosed, or isn't three times its own
    size away from the outline, the picture's border being one; an island where it, or what is near, may be a person.
    """
    small = geometry.reduced(alpha, _SUBJECT_SIDE)
    # With a rim of outside all around: so close-ups that fill the picture have an outline too.
    open_rim = cv2.copyMakeBorder(small, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    holes = _far_parts(
        open_rim < _HOLE, lambda parts: (parts[:, cv2.CC_STAT_LEFT] == 0) & (parts[:, cv2.CC_STAT_TOP] == 0), rim=1
    )
    islands = _far_parts(
        small > _ISLAND, lambda parts: parts[:, cv2.CC_STAT_AREA] * _SPECK >= parts[:, cv2.CC_STAT_AREA].max()
    )
    for parts, value in ((holes, 1), (islands, 0)):
        if parts is not None:
            alpha = alpha.copy()
            alpha[cv2.resize(parts, alpha.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0] = value
    return alpha


def _far_parts(mask: np.ndarray, belongs: Callable[[np.ndarray], np.ndarray], rim: int = 0) -> np.ndarray | None:
    """The connected parts of a mask that are far from all that `belongs`, and their rims; None where there are none.

    belongs(parts) says which of OpenCV's statistics of parts are what the others are measured from. rim: how many
    pixels of the mask to cut off each side of the result. bool, shape (H, W), in; uint8, not 0 where it applies, out.
    """
    count, labels, parts, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    if count < 2:
        return None
    kept = np.concatenate([[False], belongs(parts[1:])])
    others = np.flatnonzero(~kept)[1:]
    if not others.size:
        return None
    to_kept = cv2.distanceTransform((~kept[labels]).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_3)
    far = np.zeros(mask.shape, np.uint8)
    for part in others:
        left, top, across, down, _ = parts[part]
        box = np.s_[top : top + down, left : left + across]
        inside, distance = labels[box] == part, _AWAY * max(across, down)
        if to_kept[box][inside].min() >= distance:
            far[box][inside] = 1
    if not far.any():
        return None
    # What is left of them beyond the level that they were found at is near enough: within this rim.
    return cv2.dilate(far, np.ones((5, 5), np.uint8))[rim : mask.shape[0] - rim, rim : mask.shape[1] - rim]


def main_person(alpha: np.ndarray) -> np.ndarray:
    """Alpha of the main person alone. float32 in 0..1, shape (H, W), in and out.

    Each connected part of what is firm (alpha above a half) is taken for a person, and the main one is the largest,
    area counting less the further it lies from the picture's centre. Everything soft, and parts too small for a person,
    belong to the nearest one, with their hair. Where there is one person only, alpha itself is returned.
    """
    small = geometry.reduced(alpha, _SUBJECT_SIDE)
    firm = (small > 0.5).view(np.uint8)
    count, labels = cv2.connectedComponents(firm)
    if count <= 2:  # the background is one of them
        return alpha
    rows, columns = np.ogrid[-1 : 1 : small.shape[0] * 1j, -1 : 1 : small.shape[1] * 1j]
    importance = np.exp(-2 * (rows**2 + columns**2))  # of a pixel: 1 in the centre, 0.14 in the middle of a side
    components = labels.ravel().astype(np.intp)
    weights = np.bincount(components, importance.ravel(), count)
    main = 1 + int(np.argmax(weights[1:]))
    areas = np.bincount(components, minlength=count)
    others = areas * _SPECK > areas[main]
    others[[0, main]] = False
    if not others.any():
        return alpha
    to_main = cv2.distanceTransform((labels != main).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    to_others = cv2.distanceTransform((~others[labels]).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    nearer = cv2.resize(to_others - to_main, alpha.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return cv2.copyTo(alpha, (nearer > 0).view(np.uint8))


def threshold(alpha: np.ndarray, value: int) -> np.ndarray:
    """Alpha, float32 in 0..1, (H, W), as returned: what is at or below value/256 becomes 0, the rest stretched to 1."""
    if not value:
        return alpha
    floor = np.float32(value / 256)
    return np.clip((alpha - floor) / (1 - floor), 0, 1)


def soften_cut(alpha: np.ndarray, value: int) -> np.ndarray:
    """Alpha after `threshold`, float32 in 0..1, shape (H, W), as returned: an edge that it cut to a step is soft again
    over two pixels, none outside of it, and shows no stairs. Up to 128 nothing changes; from 192 on all of it."""
    share = np.clip((value - 128) / 64, 0, 1)
    if not share:
        return alpha
    return cv2.addWeighted(alpha, 1 - share, feather(alpha, 2, "inward"), share, 0)


def erode(alpha: np.ndarray, pixels: int) -> np.ndarray:
    """The edge moved inward by so many pixels: each pixel gets the lowest alpha of the disc around it.

    alpha: float32 in 0..1, shape (H, W); the same returned, exact to 1/65535. Eroding before a threshold gives what
    eroding after it would. The picture's border counts as more of the same: a person cut by it keeps that edge.
    """
    if not pixels:
        return alpha
    inside = _around_person(alpha, 1)
    # In 16 bits the lowest value is found twice as fast, and a threshold that stretches it 256-fold still is smooth.
    values = np.rint(alpha[inside] * np.float32(65535)).astype(np.uint16)
    result = np.zeros_like(alpha)
    result[inside] = _lowest_in_disc(values, pixels) / np.float32(65535)
    return result


def feather(alpha: np.ndarray, pixels: int, direction: str = "centre") -> np.ndarray:
    """The edge softened by a Gaussian blur over about so many pixels (twice its sigma).

    alpha: float32 in 0..1, shape (H, W), in and out. direction: "centre" softens to both sides; "inward" adds nothing
    outside, and "outward" takes nothing inside: there the blur's other half is cut off, the rest stretched to 0..1. A
    wide blur runs on a reduced picture, which changes no pixel by more than 1/255.
    """
    if not pixels:
        return alpha
    sigma = pixels / 2
    reach = int(np.ceil(4 * sigma))
    inside = _around_person(alpha, reach)
    region = alpha[inside]
    reduction = int(sigma / 3.5)
    if reduction <= 1:
        blurred = cv2.GaussianBlur(region, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    else:
        height, width = region.shape
        # The border is continued before the reduction, which would blur it, and up to whole reduced pixels.
        margin = reach + -reach % reduction
        below, right = margin + -height % reduction, margin + -width % reduction
        wide = cv2.copyMakeBorder(region, margin, below, margin, right, cv2.BORDER_REPLICATE)
        size = (wide.shape[1] // reduction, wide.shape[0] // reduction)
        small = cv2.resize(wide, size, interpolation=cv2.INTER_AREA)
        # Reducing is a box blur and enlarging about a triangle's: what they add to the variance is taken off here.
        rest = sigma**2 - (reduction**2 - 1) / 12 - reduction**2 / 6
        small = cv2.GaussianBlur(small, (0, 0), rest**0.5 / reduction)
        wide = cv2.resize(small, (wide.shape[1], wide.shape[0]), interpolation=cv2.INTER_LINEAR)
        blurred = wide[margin : margin + height, margin : margin + width]
    if direction == "inward":
        blurred = np.minimum(region, 2 * blurred - 1)
    elif direction == "outward":
        blurred = np.maximum(region, 2 * blurred)
    result = np.zeros_like(alpha)
    result[inside] = np.clip(blurred, 0, 1)
    return result


def crop_box(alpha: np.ndarray, margin: int) -> geometry.Region:
    """What is visible of alpha, float32 in 0..1, shape (H, W), with a margin in percent of its longer side; or all."""
    visible = geometry.around_all(alpha > _VISIBLE)
    if visible is None:
        return geometry.everything(alpha.shape)
    longer = max(side.stop - side.start for side in visible)
    return geometry.around(visible, round(longer * margin / 100), alpha.shape)[0]


def _around_person(alpha: np.ndarray, reach: int) -> geometry.Region:
    """Rows and columns outside of which alpha is 0 at `reach` pixels or less: mostly half of a picture, or less."""
    return geometry.around(geometry.around_all(alpha > 0) or np.s_[0:0, 0:0], reach, alpha.shape)[0]


def _lowest_in_disc(values: np.ndarray, radius: int) -> np.ndarray:
    """What cv2.erode gives for its ellipse of that radius, several times sooner for a large one. uint16, shape (H, W).

    A disc is a stack of centred rows. The lowest value along a row of n pixels is the lower one of two overlapping
    runs, as long as the largest power of two in n; and the runs of each power come from the power before.
    """
    height, width = values.shape
    lengths = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2).sum(axis=1)[radius:]
    border = (radius,) * 4
    runs = [cv2.copyMakeBorder(values, *border, cv2.BORDER_CONSTANT, value=65535)]
    for power in range(int(lengths[0]).bit_length() - 1):
        runs.append(cv2.min(runs[-1][:, : -(1 << power)], runs[-1][:, 1 << power :]))
    result = np.full_like(values, 65535)
    for away, length in enumerate(map(int, lengths)):
        if not away or length != lengths[away - 1]:
            power = length.bit_length() - 1
            first = radius - length // 2
            last = first + length - (1 << power)
            row = cv2.min(runs[power][:, first : first + width], runs[power][:, last : last + width])
        for top in (radius - away, radius + away):
            cv2.min(result, row[top : top + height], dst=result)
    return result
