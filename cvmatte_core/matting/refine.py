"""What happens to a raw matte: the ends of alpha cleaned, who is kept, the edge's controls, and true edge colours."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Callable

import cv2
import numpy as np

from ..image import geometry
from ..settings import MatteSettings

# A network's "surely in" and "surely out" are a little off 1 and 0: a veil over the background and holes in the
# face that compositing would show. What is nearer than this to an end becomes it.
_CLEAN_END = 0.02

_SUBJECT_SIDE = 1024  # pixels: the longer side of the picture that people are told apart in
_SPECK = 500  # a part with less than this fraction of the main person's area is no person
# Where a network errs in the midst of a person or of the background: a hole is where alpha is below the first, an
# island where it is above the second, and both are errors when they are so many times their own size away from the
# outline. The gap of an arm akimbo, a mug's handle and the gaps in hair are nearer to it than that.
_HOLE, _ISLAND, _AWAY = 0.95, 0.05, 3
_SOMEBODY = 1 / 50_000  # the part of a picture that a person in it takes at least
_VISIBLE = 1 / 32  # alpha that counts for a crop: a faint speck far off doesn't

# Edge colours, in pixels: how far beyond the edge band they are estimated, the reach of the second round, and the
# tiles it works on, so that only the edge costs time and memory doesn't grow with the photo.
_REACH, _FINE_RADIUS, _TILE = 8, 6, 256


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


def edge(eroded: np.ndarray, settings: MatteSettings) -> np.ndarray:
    """Alpha after the controls of the edge that follow erosion. float32 in 0..1, shape (H, W), in and out."""
    cut = soften_cut(threshold(eroded, settings.threshold), settings.threshold)
    return feather(cut, settings.feather, settings.feather_direction)


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


def colour_radius(shape: tuple[int, ...]) -> int:
    """How far around an edge the colours of a photo of this shape are looked for, in pixels."""
    return max(_FINE_RADIUS, round(90 * (shape[0] * shape[1] / 2e6) ** 0.5))


def estimate_foreground(rgb: np.ndarray, alpha: np.ndarray, threads: int = 1, radius: int = 0) -> np.ndarray:
    """Colours of the person alone, where the photo mixes them with the background behind.

    rgb: uint8, shape (H, W, 3). alpha: float32 in 0..1, shape (H, W), the matte before threshold, erosion and feather.
    radius: of the first round, see colour_radius; 0: this picture's.
    Returns uint8, shape (H, W, 3): the photo's own colours where alpha is 1; estimates in the edge band and some
    pixels beyond it, since OBS mixes in the colours of transparent neighbours when it scales a layer.

    After Approximate Fast Foreground Colour Estimation, Forte, ICIP 2021: two rounds of blur fusion, radii 90 and 6
    for a photo of 2 megapixels. The first round runs on a reduced picture, the second only in tiles that the edge
    band touches. See _blur_fusion for the other difference.
    """
    radius = radius or colour_radius(alpha.shape)
    reduction = max(1, radius // 12)
    _, _, foreground, background = _first_round(rgb, alpha, radius, reduction)
    reach = np.ones((2 * _REACH + 1, 2 * _REACH + 1), np.uint8)
    near_edge = cv2.dilate(cv2.inRange(alpha, 1 / 512, 1 - 1 / 512), reach)
    near_edge = cv2.bitwise_and(near_edge, cv2.inRange(alpha, 0, 1 - 1 / 512))
    result = rgb.copy()

    def improve(tile: geometry.Region) -> None:
        region, inner = geometry.around(tile, _FINE_RADIUS, alpha.shape)
        near_foreground, near_background = (
            geometry.enlarged(colours, region, alpha.shape) for colours in (foreground, background)
        )
        photo = rgb[region].astype(np.float32)
        estimate, _ = _blur_fusion(photo, near_foreground, near_background, alpha[region], _FINE_RADIUS)
        np.copyto(result[tile], cv2.convertScaleAbs(estimate)[inner], where=near_edge[tile][..., None] > 0)

    # NumPy and OpenCV let go of the GIL, and neither uses a second core for tiles of this size.
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(improve, [tile for tile in geometry.tiles(alpha.shape, _TILE) if near_edge[tile].any()]))
    return result


def colours_nearby(rgb: np.ndarray, alpha: np.ndarray, radius: int) -> tuple[np.ndarray, np.ndarray]:
    """The colours of the person, and of the background, about each pixel: both rounds of estimate_foreground, on a
    reduced picture.

    rgb: uint8, shape (H, W, 3). alpha: float32 in 0..1, shape (h, w), of the same picture. radius: see colour_radius,
    of the whole that this is a part of. Each uint8, shape (H, W, 3).
    """
    height, width = rgb.shape[:2]
    reduction = max(1, round(radius / 10))
    colour, coarse_alpha, foreground, background = _first_round(rgb, alpha, radius, reduction)
    foreground, background = _blur_fusion(
        colour, foreground, background, coarse_alpha, max(1, _FINE_RADIUS / reduction)
    )
    # In bytes: they are several times as fast, and colours are rounded in the end anyway.
    near_foreground, near_background = (
        cv2.resize(cv2.convertScaleAbs(colours), (width, height), interpolation=cv2.INTER_LINEAR)
        for colours in (foreground, background)
    )
    return near_foreground, near_background


def foreground_by(rgb: np.ndarray, alpha: np.ndarray, nearby: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """What estimate_foreground does, at the time of a frame: one step for each pixel, by its own alpha, from what
    colours_nearby gives. Other arguments and result as there.

    On composites of 360 lines with their true alpha both together take a third of the time, and err no more: 15.9
    thousandths in the edge where estimate_foreground has 17.1.
    """
    near_foreground, near_background = nearby
    explained = cv2.blendLinear(near_foreground, near_background, alpha, 1 - alpha)
    residual = cv2.subtract(rgb, explained, dtype=cv2.CV_16S)
    step = cv2.multiply(residual, cv2.merge([alpha] * 3), dtype=cv2.CV_16S)
    estimate = cv2.add(near_foreground, step, dtype=cv2.CV_8U)
    return cv2.copyTo(estimate, cv2.inRange(alpha, 0, 1 - 1 / 512), rgb.copy())


def _first_round(
    rgb: np.ndarray, alpha: np.ndarray, radius: int, reduction: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """On a reduced picture: its colours and alpha, and the foreground and background; all float32."""
    height, width = rgb.shape[:2]
    small = (max(1, width // reduction), max(1, height // reduction))
    colour = cv2.resize(rgb, small, interpolation=cv2.INTER_AREA).astype(np.float32)
    coarse_alpha = cv2.resize(alpha, small, interpolation=cv2.INTER_AREA)
    foreground, background = _blur_fusion(colour, colour, colour, coarse_alpha, radius / reduction)
    return colour, coarse_alpha, foreground, background


def _blur_fusion(
    image: np.ndarray, foreground: np.ndarray, background: np.ndarray, alpha: np.ndarray, radius: float
) -> tuple[np.ndarray, np.ndarray]:
    """One round: foreground (clipped to 0..255) and background, float32, shape (H, W, 3), as the inputs.

    Neighbours count by the fourth power of alpha, where Forte has the first: a half transparent one shows half the
    background, and should hardly speak for the person's colour. On the evaluation composites with their true alpha
    that takes the error of the recomposite from 7.5 to 6.7 thousandths.
    """
    size = (2 * round(radius) + 1,) * 2
    near_foreground = _weighted_mean(foreground, alpha, size)
    near_background = _weighted_mean(background, 1 - alpha, size)
    inside = cv2.merge([alpha] * 3)
    # image - (alpha * foreground + (1 - alpha) * background), as few passes over the pixels as may be
    residual = image - near_background - inside * (near_foreground - near_background)
    return np.clip(near_foreground + inside * residual, 0, 255), near_background


def _weighted_mean(colour: np.ndarray, share: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    weight = cv2.multiply(share, share)
    weight = cv2.multiply(weight, weight)
    total = cv2.blur(weight, size) + 1e-5
    return cv2.blur(cv2.multiply(colour, cv2.merge([weight] * 3)), size) / cv2.merge([total] * 3)
