"""Closed-form matting: near each pixel alpha is a linear function of colour, and solved where it is unknown.

A Closed-Form Solution to Natural Image Matting, Levin, Lischinski and Weiss, TPAMI 2008. Its matrix is never made: the
product with it is a guided filter of radius 1, which takes eight box filters (Fast Matting Using Large Kernel Matting
Laplacian Matrices, He, Sun and Tang, CVPR 2010).
"""

from __future__ import annotations

import cv2
import numpy as np

from ..image import geometry

_EPSILON = 1e-5  # variance of colours of 0..1, below which there is nothing to be led by
_PIXELS = 9  # of a window


def solve(
    rgb: np.ndarray,
    alpha: np.ndarray,
    prior: np.ndarray,
    weight: np.ndarray,
    unknown: np.ndarray,
    rounds: int,
    accuracy: float = 1e-3,
) -> np.ndarray:
    """Alpha where it is unknown: as smooth as colours are, and near to a prior.

    rgb: uint8, shape (H, W, 3). alpha: float32 in 0..1, shape (H, W): what is known, and elsewhere a first guess.
    prior: the same, what is expected; weight: float32, how much that counts: 0 not at all, 9 as much as the neighbours
    do. unknown: bool, shape (H, W). rounds: of conjugate gradients, at most; accuracy: the part of the residual that
    may be left before that. Returns alpha, float32 in 0..1, shape (H, W): exactly as given where it is known.
    """
    result = alpha.copy()
    everything_unknown = geometry.around_all(unknown)
    if everything_unknown is None:
        return result
    box, _ = geometry.around(everything_unknown, 2, unknown.shape)  # with all that its windows reach
    # (L + weight) alpha = weight · prior on the unknown pixels, with Jacobi's preconditioner.
    laplacian, weight, inside = _Laplacian(rgb[box]), weight[box], unknown[box]
    free = inside.astype(np.float32)
    inverse = free / np.maximum(laplacian.windows + weight, np.float32(1e-6))
    solved = alpha[box].copy()
    residual = (weight * (prior[box] - solved) - laplacian(solved)) * free
    direction = inverse * residual
    product = first = float(np.vdot(residual, direction))
    for _ in range(rounds):
        if product <= accuracy**2 * first or not np.isfinite(product):
            break
        image = (laplacian(direction) + weight * direction) * free
        curvature = float(np.vdot(direction, image))
        if curvature <= 0:
            break
        step = np.float32(product / curvature)
        solved += step * direction
        residual -= step * image
        conditioned = inverse * residual
        former, product = product, float(np.vdot(residual, conditioned))
        direction = conditioned + np.float32(product / former) * direction
    result[box][inside] = np.clip(solved, 0, 1)[inside]
    return result


class _Laplacian:
    """The matting Laplacian of a picture, uint8 RGB, shape (H, W, 3): called with values, float32, shape (H, W), it
    returns its product with them. windows: how many of its windows each pixel is in, float32, shape (H, W).
    """

    def __init__(self, rgb: np.ndarray) -> None:
        # About the mean, in double precision: variances of near colours cancel.
        colours = rgb.astype(np.float64) / 255
        colours -= colours.mean(axis=(0, 1))
        means = _mean(colours)
        red, green, blue = (np.ascontiguousarray(colours[..., channel]) for channel in range(3))
        mean_red, mean_green, mean_blue = (means[..., channel] for channel in range(3))
        spread = _EPSILON / _PIXELS
        rr = _mean(red * red) - mean_red * mean_red + spread
        gg = _mean(green * green) - mean_green * mean_green + spread
        bb = _mean(blue * blue) - mean_blue * mean_blue + spread
        rg = _mean(red * green) - mean_red * mean_green
        rb = _mean(red * blue) - mean_red * mean_blue
        gb = _mean(green * blue) - mean_green * mean_blue
        whole = np.zeros(rgb.shape[:2])  # windows that lie in the picture, by their centres
        whole[1:-1, 1:-1] = 1
        cofactors = (
            gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg,
            rr * bb - rb * rb, rg * rb - rr * gb, rr * gg - rg * rg,
        )  # fmt: skip
        scale = whole / (rr * cofactors[0] + rg * cofactors[1] + rb * cofactors[2])
        self._inverse = [(cofactor * scale).astype(np.float32) for cofactor in cofactors]
        self._means = [mean.astype(np.float32) for mean in (mean_red, mean_green, mean_blue)]
        self._colours = [channel.astype(np.float32) for channel in (red, green, blue)]
        self._whole = whole.astype(np.float32)
        self.windows = _sum(self._whole)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        mean = _sum(values) * np.float32(1 / _PIXELS)
        red, green, blue = (
            _sum(channel * values) * np.float32(1 / _PIXELS) - colour_mean * mean
            for channel, colour_mean in zip(self._colours, self._means)
        )
        rr, rg, rb, gg, gb, bb = self._inverse
        slopes = (
            rr * red + rg * green + rb * blue,
            rg * red + gg * green + gb * blue,
            rb * red + gb * green + bb * blue,
        )
        offset = self._whole * mean
        result = self.windows * values
        for slope, channel, colour_mean in zip(slopes, self._colours, self._means):
            offset -= slope * colour_mean
            result -= _sum(slope) * channel
        return result - _sum(offset)


def _sum(values: np.ndarray) -> np.ndarray:
    """Over each pixel's window; outside of the picture is nothing."""
    return cv2.boxFilter(values, -1, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT)


def _mean(values: np.ndarray) -> np.ndarray:
    return cv2.boxFilter(values, -1, (3, 3), borderType=cv2.BORDER_REPLICATE)
