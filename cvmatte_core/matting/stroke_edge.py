"""The edge that a photo shows where strokes hint at one.

Which side of that edge a pixel is on, GrabCut tells (Rother, Kolmogorov and Blake, SIGGRAPH 2004), once what looks
like nothing around the stroke has been given to the stroke. How the edge runs there, closed-form matting tells.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..image import geometry
from . import closed_form
from .stroke_hints import AUTOMATIC, KEEP, REMOVE, Hints, depth_in

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


def edge_found(rgb: np.ndarray, alpha: np.ndarray, hints: Hints) -> np.ndarray:
    """Alpha where strokes reach, the edge that colours show there: float32 in 0..1, shape (H, W)."""
    in_reach = hints.in_reach
    known = hints.cores != AUTOMATIC
    # What the network is sure of stays where only strokes that say the same reach.
    agreed = ((alpha > 1 - _SURE) & (hints.by_remove == 0)) | ((alpha < _SURE) & (hints.by_keep == 0))
    unknown = in_reach & ~known & ~agreed
    start = alpha.copy()
    start[hints.cores == KEEP], start[hints.cores == REMOVE] = 1, 0
    if not unknown.any():
        return start
    inside = _cut(rgb, start, unknown, hints)
    outline = np.maximum(depth_in(inside), depth_in(~inside))
    stepped = np.where(unknown, inside, start).astype(np.float32)
    edge = unknown & (outline <= np.where(_is_hair(inside, alpha), _HAIR_EDGE, _EDGE))
    no_weight = np.zeros(stepped.shape, np.float32)
    result = closed_form.solve(rgb, stepped, stepped, no_weight, edge, _ROUNDS, _ACCURACY)
    return np.where(edge, np.clip((result - _END) / (1 - 2 * _END), 0, 1), result)


def _cut(rgb: np.ndarray, start: np.ndarray, unknown: np.ndarray, hints: Hints) -> np.ndarray:
    """Which pixels are inside of the edge: bool, shape (H, W)."""
    labels = np.where(start > 0.5, cv2.GC_FGD, cv2.GC_BGD).astype(np.uint8)
    labels[unknown] = np.where(start > 0.5, cv2.GC_PR_FGD, cv2.GC_PR_BGD)[unknown]
    keep, remove = (hints.strokes == kind for kind in (KEEP, REMOVE))
    labels[unknown & keep], labels[unknown & remove] = cv2.GC_PR_FGD, cv2.GC_PR_BGD
    places = np.flatnonzero(unknown)
    lab = cv2.cvtColor(cv2.GaussianBlur(rgb, (0, 0), _BLUR), cv2.COLOR_RGB2LAB)
    inside, outside = ~unknown & (start > 1 - _SURE), ~unknown & (start < _SURE)
    for stroke, others, label in ((keep, outside, cv2.GC_FGD), (remove, inside, cv2.GC_BGD)):
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
