"""A person who mends cuts with a brush, played by a rule; and what other methods make of the same strokes.

The rule: where alpha is off by more than a half, thin lines left out, the part with the largest error is painted over:
Keep where the truth has more, Remove where it has less. The brush is round, 5 % of the longer side across, and follows
the part; where the part is narrower the brush is. The hand strays: the stroke's outline is moved in and out, smoothly,
by up to so many pixels of 512. The next stroke looks at what the first left.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from cvmatte_core.matting import measures, touch_up
from cvmatte_core.matting.touch_up import AUTOMATIC, KEEP, REMOVE

from development.held import Case, cases

_BRUSH, _THIN, _STRAY_OVER = 0.05, 0.008, 0.05  # parts of the longer side; the last: over how much a hand strays
_RING = 12 / 512  # of the methods beside ours: how far from a stroke's outline is unknown
_COUNTS = (0, 1, 2, 3, 5)
Way = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]  # picture, alpha before, strokes → alpha


def next_stroke(alpha: np.ndarray, truth: np.ndarray, stray: float, random: np.random.Generator) -> np.ndarray | None:
    """What the person paints next: uint8, KEEP, REMOVE or AUTOMATIC, shape (H, W); None where nothing is left."""
    longer = max(alpha.shape)
    wrong = cv2.morphologyEx((np.abs(alpha - truth) > 0.5).astype(np.uint8), cv2.MORPH_OPEN, _disc(_THIN * longer))
    count, labels = cv2.connectedComponents(wrong, connectivity=8)
    if count < 2:
        return None
    sums = np.bincount(labels.ravel().astype(np.intp), np.abs(alpha - truth).ravel(), count)
    part = (labels == 1 + int(np.argmax(sums[1:]))).astype(np.uint8)
    brushed = cv2.morphologyEx(part, cv2.MORPH_OPEN, _disc(_BRUSH / 2 * longer))
    if 2 * brushed.sum() > part.sum():
        part = brushed
    inside, outside = (cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_5) for mask in (part, 1 - part))
    noise = cv2.GaussianBlur(random.standard_normal(alpha.shape).astype(np.float32), (0, 0), _STRAY_OVER * longer)
    moved = np.clip(noise / noise.std(), -1, 1) * stray * longer / 512
    # No further in than half of a narrow part: a person keeps to it.
    moved = np.maximum(moved, -inside.max() / 2)
    stroke = np.full(alpha.shape, AUTOMATIC, np.uint8)
    keeps = float((truth - alpha)[part > 0].sum()) > 0
    stroke[inside - outside + moved > 0] = KEEP if keeps else REMOVE
    return stroke


def _disc(radius: float) -> np.ndarray:
    side = 2 * max(1, round(radius)) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))


# Ways


def ours(rgb: np.ndarray, alpha: np.ndarray, strokes: np.ndarray) -> np.ndarray:
    return touch_up.TouchUp(2)("", rgb, alpha, rgb, strokes)[0]


def paint(rgb: np.ndarray, alpha: np.ndarray, strokes: np.ndarray) -> np.ndarray:
    result = alpha.copy()
    result[strokes == KEEP], result[strokes == REMOVE] = 1, 0
    return result


def grabcut(rgb: np.ndarray, alpha: np.ndarray, strokes: np.ndarray) -> np.ndarray:
    known, unknown, box = _trimap(alpha, strokes)
    labels = np.where(known > 0.5, cv2.GC_FGD, cv2.GC_BGD).astype(np.uint8)
    painted = paint(rgb, alpha, strokes)
    labels[unknown] = np.where(painted > 0.5, cv2.GC_PR_FGD, cv2.GC_PR_BGD)[unknown]
    part, models = np.ascontiguousarray(labels[box]), (np.zeros((1, 65)), np.zeros((1, 65)))
    cv2.setRNGSeed(0)
    cv2.grabCut(np.ascontiguousarray(rgb[box]), part, (0, 0, 0, 0), *models, 5, cv2.GC_INIT_WITH_MASK)
    labels[box] = part
    return np.where(unknown, labels % 2, known).astype(np.float32)


def closed_form(rgb: np.ndarray, alpha: np.ndarray, strokes: np.ndarray) -> np.ndarray:
    """pymatting's, where that is installed. Raises ModuleNotFoundError."""
    from pymatting import estimate_alpha_cf

    known, unknown, box = _trimap(alpha, strokes)
    trimap = np.where(unknown, 0.5, (known > 0.5).astype(np.float64))[box]
    result = known.copy()
    if 0 in trimap and 1 in trimap:
        result[box] = np.where(unknown[box], estimate_alpha_cf(rgb[box] / 255.0, trimap), known[box])
    return result


def _trimap(alpha: np.ndarray, strokes: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple[slice, slice]]:
    """What is known, where it isn't, and the rectangle of both with the ring's width around."""
    ring = _RING * max(alpha.shape)
    known, unknown = alpha.copy(), np.zeros(alpha.shape, bool)
    for value in (KEEP, REMOVE):
        mask = (strokes == value).astype(np.uint8)
        if mask.any():
            depth, away = (cv2.distanceTransform(one, cv2.DIST_L2, cv2.DIST_MASK_5) for one in (mask, 1 - mask))
            inner = min(ring, 0.7 * float(depth.max()))  # else a narrow stroke would say nothing
            unknown |= (depth <= inner) & (away <= ring)
            known[depth > inner] = value / 255
    unknown &= known == alpha
    left, top, width, height = cv2.boundingRect((unknown | (strokes != AUTOMATIC)).view(np.uint8))
    by = round(2 * ring)
    return known, unknown, np.s_[max(0, top - by) : top + height + by, max(0, left - by) : left + width + by]


WAYS: dict[str, Way] = {"ours": ours, "plain paint": paint, "GrabCut": grabcut, "closed form": closed_form}


# The table


def away_from_edge(alpha: np.ndarray, truth: np.ndarray) -> float:
    """The error that isn't at the true edge: its mean over the picture, with the edge band counting nothing."""
    return float(np.where(measures.edge_band(truth), 0, np.abs(alpha - truth)).mean())


def played(
    dataset: Path, most: int, stray: float, alpha_of: Callable[[Case], np.ndarray]
) -> tuple[list[str], dict[tuple[str, int], list[list[float]]]]:
    """Of each way, and after each number of strokes: MAD, edge band and error away from the edge in thousandths, and
    the seconds of the last stroke, a row a picture. The first: what couldn't be tried."""
    rows: dict[tuple[str, int], list[list[float]]] = {}
    missing: list[str] = []
    for case in cases(dataset):
        start = alpha_of(case)
        random = np.random.default_rng(sum(map(ord, case.name)))
        strokes = np.full(start.shape, AUTOMATIC, np.uint8)
        alpha = start
        for count in range(most + 1):
            if count:
                stroke = next_stroke(alpha, case.alpha, stray, random)
                if stroke is not None:
                    strokes = np.where(stroke != AUTOMATIC, stroke, strokes)
            for name, way in WAYS.items():
                if name in missing:
                    continue
                begun = time.perf_counter()
                try:
                    result = way(case.picture, start, strokes) if (strokes != AUTOMATIC).any() else start
                except ModuleNotFoundError:
                    missing.append(name)
                    continue
                seconds = time.perf_counter() - begun
                if name == "ours":
                    alpha = result
                if count in _COUNTS or count == most:
                    rows.setdefault((name, count), []).append(_figures(result, case.alpha, seconds))
    return missing, rows


def _figures(alpha: np.ndarray, truth: np.ndarray, seconds: float) -> list[float]:
    band = np.abs(alpha - truth)[measures.edge_band(truth)].mean()
    return [
        1000 * float(np.abs(alpha - truth).mean()),
        1000 * float(band),
        1000 * away_from_edge(alpha, truth),
        seconds,
    ]


def lines(missing: list[str], rows: dict[tuple[str, int], list[list[float]]]) -> Iterator[str]:
    """The table, as it is printed."""
    yield f"{'':12} strokes     MAD    edge    away   of the away left   seconds a stroke (median)"
    for (name, count), figures in sorted(rows.items(), key=lambda row: (list(WAYS).index(row[0][0]), row[0][1])):
        values = np.array(figures)
        mad, edge, away, _ = values.mean(axis=0)
        left = away / np.array(rows[name, 0])[:, 2].mean()
        seconds = np.median(values[:, 3]) if count else 0
        yield f"{name:12} {count:7} {mad:7.2f} {edge:7.2f} {away:7.2f} {left:18.0%} {seconds:18.3f}"
    if missing:
        yield f"left out, since it isn't installed: {', '.join(missing)}"
