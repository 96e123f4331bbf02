"""What happens to a raw matte: the ends of alpha cleaned, threshold, erosion, feather, and true edge colours."""

from __future__ import annotations

import cv2
import numpy as np

from .settings import MatteSettings

# A network's "surely in" and "surely out" are a little off 1 and 0: a veil over the background and holes in the
# face that compositing would show. What is nearer than this to an end becomes it.
_CLEAN_END = 0.02

_STRIP = 512  # rows: what edge colours are estimated on at a time, so that memory doesn't grow with the photo


def clean_alpha(alpha: np.ndarray) -> np.ndarray:
    """Alpha stretched a little, so that flat regions are exactly 0 and 1. float32 in 0..1, shape (H, W), in and out."""
    return np.clip((alpha - _CLEAN_END) * np.float32(1 / (1 - 2 * _CLEAN_END)), 0, 1)


def refine_alpha(alpha: np.ndarray, settings: MatteSettings) -> np.ndarray:
    """Apply threshold, erosion and feather, in this order. alpha: float32 in 0..1, shape (H, W); the same returned.

    Threshold: alpha at or below it becomes 0 and the rest is stretched to 1, so that soft edges stay soft.
    Erosion: the edge moves inward by so many pixels. Feather: Gaussian blur over about so many pixels.
    """
    if settings.threshold:
        floor = np.float32(settings.threshold / 256)
        alpha = np.clip((alpha - floor) / (1 - floor), 0, 1)
    if settings.erosion:
        size = 2 * settings.erosion + 1
        # The border counts as more of the same: a person cut by the picture's edge keeps that edge.
        alpha = cv2.erode(alpha, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
    if settings.feather:
        alpha = cv2.GaussianBlur(alpha, (0, 0), settings.feather / 2, borderType=cv2.BORDER_REPLICATE)
    return alpha


def estimate_foreground(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Colours of the person alone, where the photo mixes them with the background behind.

    rgb: uint8, shape (H, W, 3). alpha: float32 in 0..1, shape (H, W), the matte before threshold, erosion and feather.
    Returns uint8, shape (H, W, 3): the photo's own colours where alpha is 1; estimates in the edge band and some
    pixels beyond it, since OBS mixes in the colours of transparent neighbours when it scales a layer.

    Approximate Fast Foreground Colour Estimation, Forte, ICIP 2021: two rounds of blur fusion, radii 90 and 6, for a
    photo of 2 megapixels; the first one runs on a reduced picture.
    """
    radius = max(6, round(90 * (rgb.shape[0] * rgb.shape[1] / 2e6) ** 0.5))
    reduction = max(1, radius // 12)
    small = (max(1, rgb.shape[1] // reduction), max(1, rgb.shape[0] // reduction))
    colour = cv2.resize(rgb, small, interpolation=cv2.INTER_AREA).astype(np.float32)
    coarse_alpha = cv2.resize(alpha, small, interpolation=cv2.INTER_AREA)
    foreground, background = _blur_fusion(colour, colour, colour, coarse_alpha, radius / reduction)
    result = rgb.copy()
    height, width = alpha.shape
    margin = 13  # the second round's reach, radius 6, twice
    reach = np.ones((2 * margin + 1, 2 * margin + 1), np.uint8)
    for top in range(0, height, _STRIP):
        above, below = max(0, top - margin), min(height, top + _STRIP + margin)
        band = cv2.dilate(cv2.inRange(alpha[above:below], 1 / 512, 1 - 1 / 512), reach)
        columns = np.flatnonzero(band.any(axis=0))
        if not columns.size:
            continue
        left, right = max(0, int(columns[0]) - margin), min(width, int(columns[-1]) + 1 + margin)
        region = (slice(above, below), slice(left, right))
        near_foreground = _enlarged(foreground, region, (height, width))
        near_background = _enlarged(background, region, (height, width))
        photo = rgb[region].astype(np.float32)
        estimate, _ = _blur_fusion(photo, near_foreground, near_background, alpha[region], 6)
        mixed = (band[:, left:right] > 0) & (alpha[region] < 1 - 1 / 512)
        inner = slice(top - above, min(height, top + _STRIP) - above)
        target = result[top : min(height, top + _STRIP), left:right]
        np.copyto(target, cv2.convertScaleAbs(estimate)[inner], where=mixed[inner, :, None])
    return result


def _enlarged(coarse: np.ndarray, region: tuple[slice, slice], shape: tuple[int, int]) -> np.ndarray:
    """The region of `coarse` enlarged to `shape`, without making the whole."""
    rows, columns = region
    scale_x, scale_y = coarse.shape[1] / shape[1], coarse.shape[0] / shape[0]
    offset_x = (columns.start + 0.5) * scale_x - 0.5
    offset_y = (rows.start + 0.5) * scale_y - 0.5
    transform = np.array([[scale_x, 0, offset_x], [0, scale_y, offset_y]])
    size = (columns.stop - columns.start, rows.stop - rows.start)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(coarse, transform, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)


def _blur_fusion(
    image: np.ndarray, foreground: np.ndarray, background: np.ndarray, alpha: np.ndarray, radius: float
) -> tuple[np.ndarray, np.ndarray]:
    """One round: foreground (clipped to 0..255) and background, float32, shape (H, W, 3), as the inputs."""
    size = (2 * round(radius) + 1,) * 2
    alpha = alpha[..., None]
    inside = cv2.blur(alpha, size)[..., None]
    near_foreground = cv2.blur(foreground * alpha, size) / (inside + 1e-5)
    near_background = cv2.blur(background * (1 - alpha), size) / (1 - inside + 1e-5)
    residual = image - alpha * near_foreground - (1 - alpha) * near_background
    return np.clip(near_foreground + alpha * residual, 0, 255), near_background
