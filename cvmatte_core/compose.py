"""Putting a matte together: the layer's pixels, and the three-view preview."""

from __future__ import annotations

import cv2
import numpy as np

from .settings import MatteSettings

_PREVIEW_HEIGHT, _PREVIEW_WIDTH, _GAP = 300, 300, 6  # one view at most, pixels
_CHECKER_LIGHT, _CHECKER_DARK, _CHECKER_SIZE = 204, 153, 10


def layer_pixels(foreground: np.ndarray, alpha: np.ndarray, settings: MatteSettings) -> np.ndarray:
    """The layer as OBS shows it: uint8 RGBA, straight alpha, shape (H, W, 4).

    foreground: uint8 RGB, shape (H, W, 3). alpha: float32 in 0..1, shape (H, W).
    """
    if settings.background == "colour":
        over = over_colour(foreground, alpha, colour_values(settings.background_colour))
        return cv2.cvtColor(over, cv2.COLOR_RGB2RGBA)
    layer = np.empty((*alpha.shape, 4), np.uint8)
    layer[..., :3] = foreground
    layer[..., 3] = alpha_bytes(alpha)
    # Far from any edge what is transparent needs no colour: black keeps the files small.
    near = cv2.dilate(layer[..., 3], np.ones((27, 27), np.uint8))
    layer[near == 0] = 0
    return layer


def alpha_bytes(alpha: np.ndarray) -> np.ndarray:
    """uint8, shape (H, W), of float32 alpha in 0..1: what a mask file holds."""
    return cv2.convertScaleAbs(alpha, alpha=255)


def over_colour(foreground: np.ndarray, alpha: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """The person over a plain colour: uint8 RGB, shape (H, W, 3)."""
    plain = np.empty_like(foreground)
    plain[:] = colour
    return cv2.blendLinear(foreground, plain, alpha, 1 - alpha)


def colour_values(colour: str) -> tuple[int, int, int]:
    """(red, green, blue) of "#rrggbb"."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def preview_sheet(photo: np.ndarray, foreground: np.ndarray, alpha: np.ndarray, layer: np.ndarray) -> np.ndarray:
    """Three views beside each other: the layer on a checkerboard, alpha (white is the person), and the photo.

    photo, foreground: uint8 RGB, shape (H, W, 3); alpha: float32, (H, W); layer: uint8 RGBA. Returns uint8 RGB.
    """
    height, width = alpha.shape
    scale = min(_PREVIEW_HEIGHT / height, _PREVIEW_WIDTH / width, 1.0)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small_layer_alpha = cv2.resize(layer[..., 3], size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    transparent = bool(layer[..., 3].min() < 255)
    colours = cv2.resize(foreground if transparent else layer[..., :3], size, interpolation=cv2.INTER_AREA)
    rows, columns = np.indices((size[1], size[0])) // _CHECKER_SIZE
    grey_squares = np.where((rows + columns) % 2, _CHECKER_DARK, _CHECKER_LIGHT).astype(np.uint8)
    checker = cv2.cvtColor(grey_squares, cv2.COLOR_GRAY2RGB)
    result = cv2.blendLinear(colours, checker, small_layer_alpha, 1 - small_layer_alpha)
    grey = cv2.cvtColor(alpha_bytes(cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)), cv2.COLOR_GRAY2RGB)
    original = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    gap = np.full((size[1], _GAP, 3), 255, np.uint8)
    return np.hstack([result, gap, grey, gap, original])
