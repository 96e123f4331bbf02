"""A person who mends cuts with a brush, played by a rule; and what the same strokes give as plain paint.

The rule: where alpha is off by more than a half, thin lines left out, the part with the largest error is painted over:
Keep where the truth has more, Remove where it has less. The brush is round, 5 % of the longer side across, and follows
the part; where the part is narrower the brush is. The hand strays: the stroke's outline is moved in and out, smoothly,
by up to so many pixels of 512. The next stroke looks at what the first left.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from cvmatte_core.matting import touch_up
from cvmatte_core.matting.matter import Matter
from cvmatte_core.matting.touch_up import AUTOMATIC, KEEP, REMOVE
from cvmatte_core.settings import MatteSettings

from development import metrics
from development.evaluate_held import cases
from development.measuring import matted, row, table

_BRUSH, _THIN, _STRAY_OVER = 0.05, 0.008, 0.05  # parts of the longer side; the last: over how much a hand strays
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
    return touch_up.TouchUp(2)(rgb, alpha, rgb, touch_up.Strokes(strokes, ""))[0]


def paint(rgb: np.ndarray, alpha: np.ndarray, strokes: np.ndarray) -> np.ndarray:
    result = alpha.copy()
    result[strokes == KEEP], result[strokes == REMOVE] = 1, 0
    return result


WAYS: dict[str, Way] = {"ours": ours, "plain paint": paint}


# The table


def away_from_edge(alpha: np.ndarray, truth: np.ndarray) -> float:
    """The error that isn't at the true edge: its mean over the picture, with the edge band counting nothing."""
    return float(np.where(metrics.edge_band(truth), 0, np.abs(alpha - truth)).mean())


def played(dataset: Path, most: int, stray: float, settings: MatteSettings) -> dict[tuple[str, int], list[list[float]]]:
    """Of each way, and after each number of strokes: MAD, edge band and error away from the edge in thousandths, and
    the seconds of the last stroke, a row a picture."""
    rows: dict[tuple[str, int], list[list[float]]] = {}
    matter = Matter()
    for case in cases(dataset):
        start = alpha = matted(matter, case.picture, settings)[0].alpha
        random = np.random.default_rng(sum(map(ord, case.name)))
        strokes = np.full(start.shape, AUTOMATIC, np.uint8)
        for count in range(most + 1):
            stroke = next_stroke(alpha, case.alpha, stray, random) if count else None
            if stroke is not None:
                strokes = np.where(stroke != AUTOMATIC, stroke, strokes)
            for name, way in WAYS.items():
                begun = time.perf_counter()
                result = way(case.picture, start, strokes) if (strokes != AUTOMATIC).any() else start
                seconds = time.perf_counter() - begun
                if name == "ours":
                    alpha = result
                if count in _COUNTS or count == most:
                    rows.setdefault((name, count), []).append(_figures(result, case.alpha, seconds))
    return rows


def _figures(alpha: np.ndarray, truth: np.ndarray, seconds: float) -> list[float]:
    band = np.abs(alpha - truth)[metrics.edge_band(truth)].mean()
    return [
        1000 * float(np.abs(alpha - truth).mean()),
        1000 * float(band),
        1000 * away_from_edge(alpha, truth),
        seconds,
    ]


def print_table(rows: dict[tuple[str, int], list[list[float]]]) -> None:
    columns = ("", "strokes", "MAD", "edge", "away", "of the away left", "seconds a stroke (median)")
    table("Touched up, in thousandths", *columns)
    for (name, count), figures in sorted(rows.items(), key=lambda one: (list(WAYS).index(one[0][0]), one[0][1])):
        mad, edge, away, _ = np.mean(figures, axis=0)
        left = away / np.array(rows[name, 0])[:, 2].mean()
        seconds = np.median(np.array(figures)[:, 3]) if count else 0
        row(name, count, f"{mad:.2f}", f"{edge:.2f}", f"{away:.2f}", f"{left:.0%}", f"{seconds:.3f}")
