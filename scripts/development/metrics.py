"""How far an estimated alpha is from the true one: the field's measures.

Everywhere alpha and truth are float32 in 0..1, shape (H, W). 0 is a perfect matte. None is scaled: callers print
thousandths.
"""

from __future__ import annotations

import cv2
import numpy as np

_GREEN = (0.1, 0.8, 0.2)  # behind the recomposite; saturated, so that halos show
# What a scene may have there instead: night, a wall, skin and wood, sky, a grey studio.
BACKGROUNDS = ((0.02, 0.02, 0.04), (0.95, 0.95, 0.93), (0.75, 0.5, 0.35), (0.3, 0.55, 0.9), (0.5, 0.5, 0.5))
_GRADIENT_SIGMA = 1.4
_GHOST = 0.024  # of the longer side
_CONNECTIVITY_STEP, _CONNECTIVITY_SLACK = 0.1, 0.15


def edge_band(truth: np.ndarray) -> np.ndarray:
    """Where the true alpha is soft (0.02 < alpha < 0.98), dilated 9x9: bool, shape (H, W)."""
    soft = (truth > 0.02) & (truth < 0.98)
    return cv2.dilate(soft.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0


def ghost_error(alpha: np.ndarray, truth: np.ndarray) -> float:
    """The mean absolute error of what is further from any true edge than 24 pixels of 1000, over the whole picture.

    Patches of the old background far from a person, and holes deep inside of one: an edge that is a little off adds
    nothing. Both float32 in 0..1, shape (H, W).
    """
    soft = (truth > 0.02) & (truth < 0.98)
    if not soft.any():
        return float(np.abs(alpha.astype(np.float64) - truth).mean())
    away = cv2.distanceTransform((~soft).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    far = away > _GHOST * max(truth.shape)
    return float(np.abs(alpha.astype(np.float64) - truth)[far].sum() / truth.size)


def differences(alpha: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Every measure of alpha, over the whole picture and, as NAME_edge, over the edge band.

    sad: the sum of absolute differences; mad: their mean; mse: the mean squared one. gradient and connectivity: see
    gradient_error and connectivity_error; sums, as sad is.
    """
    band = edge_band(truth)
    absolute = np.abs(alpha.astype(np.float64) - truth)
    maps = {
        "mad": absolute,
        "mse": absolute**2,
        "sad": absolute,
        "gradient": gradient_error(alpha, truth),
        "connectivity": connectivity_error(alpha, truth),
    }
    result = {}
    for name, errors in maps.items():
        for place, chosen in (("", errors), ("_edge", errors[band])):
            total = float(chosen.sum())
            result[name + place] = total / max(1, chosen.size) if name in ("mad", "mse") else total
    return result


def gradient_error(alpha: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The squared difference of the gradients' magnitudes, a pixel each, shape (H, W).

    A Perceptually Motivated Online Benchmark for Image Matting, Rhemann et al., CVPR 2009: first-order Gaussian
    derivatives of sigma 1.4.
    """
    return (_gradient(alpha) - _gradient(truth)) ** 2


def _gradient(alpha: np.ndarray) -> np.ndarray:
    reach = int(np.ceil(3 * _GRADIENT_SIGMA))
    places = np.arange(-reach, reach + 1, dtype=np.float64)
    smooth = np.exp(-(places**2) / (2 * _GRADIENT_SIGMA**2))
    slope = -places * smooth
    # Each kernel of unit norm, as in the benchmark's own code.
    smooth, slope = smooth / np.linalg.norm(smooth), slope / np.linalg.norm(slope)
    values = alpha.astype(np.float64)
    across = cv2.sepFilter2D(values, cv2.CV_64F, slope, smooth, borderType=cv2.BORDER_REPLICATE)
    down = cv2.sepFilter2D(values, cv2.CV_64F, smooth, slope, borderType=cv2.BORDER_REPLICATE)
    return np.hypot(across, down)


def connectivity_error(alpha: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """How differently the pixels hang together with the person's body, a pixel each, shape (H, W).

    Rhemann et al., CVPR 2009, in steps of 0.1: the body is the largest part where both are 1 at the last level; what a
    pixel has above the level up to which it is connected to the body counts from 0.15 on.
    """
    alpha, truth = alpha.astype(np.float64), truth.astype(np.float64)
    connected = np.full(alpha.shape, -1.0)
    steps = round(1 / _CONNECTIVITY_STEP)
    for step in range(1, steps + 1):
        level = step * _CONNECTIVITY_STEP
        both = ((alpha >= level - 1e-9) & (truth >= level - 1e-9)).astype(np.uint8)
        count, labels, stats, _ = cv2.connectedComponentsWithStats(both, connectivity=4)
        body = np.zeros(alpha.shape, bool)
        if count > 1:
            body = labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
        connected[(connected < 0) & ~body] = level - _CONNECTIVITY_STEP
    connected[connected < 0] = 1
    return np.abs(_belonging(truth, connected) - _belonging(alpha, connected))


def _belonging(alpha: np.ndarray, connected: np.ndarray) -> np.ndarray:
    above = alpha - connected
    return 1 - above * (above >= _CONNECTIVITY_SLACK)


def recomposite_error(
    alpha: np.ndarray,
    colours: np.ndarray,
    truth: np.ndarray,
    true_colours: np.ndarray,
    background: tuple[float, float, float] = _GREEN,
) -> float:
    """Mean absolute error in the edge band of the result over a plain colour against the true cutout over it.

    colours, true_colours: straight RGB in 0..1, shape (H, W, 3). background: RGB in 0..1. What a viewer sees: halos.
    """
    band = edge_band(truth)
    shown = [
        share[band][:, None] * picture[band] + (1 - share[band][:, None]) * np.array(background)
        for share, picture in ((alpha, colours), (truth, true_colours))
    ]
    return float(np.abs(shown[0] - shown[1]).mean()) if band.any() else 0.0
