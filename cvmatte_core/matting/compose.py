"""Putting a matte together: the layer's pixels, what stands behind the person, and the three-view preview."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageColor

from ..image import geometry, images

_PREVIEW_HEIGHT, _PREVIEW_WIDTH, _GAP = 300, 300, 6  # one view at most, pixels
_SHYNESS = 32  # the power: how little a pixel of the edge says about the background
_SPILL = 2  # pixels around the person whose colours no background takes
COLOURED = 13  # pixels around what is visible that have colours
_GREY = 128  # what the network sees where a picture itself is transparent
_CHECKER_LIGHT, _CHECKER_DARK, _CHECKER_SIZE = 204, 153, 10


def layer_pixels(foreground: np.ndarray, alpha: np.ndarray, background: np.ndarray | None) -> np.ndarray:
    """The layer as OBS shows it: uint8 RGBA, straight alpha, shape (H, W, 4).

    foreground: uint8 RGB, shape (H, W, 3). alpha: float32 in 0..1, shape (H, W).
    background: uint8 RGB, shape (H, W, 3), what stands behind the person of an opaque layer; None: nothing does.
    """
    if background is not None:
        return cv2.cvtColor(over(foreground, alpha, background), cv2.COLOR_RGB2RGBA)
    visible = alpha_bytes(alpha)
    # Far from any edge what is transparent needs no colour: black keeps the files small.
    layer = np.zeros((*visible.shape, 4), np.uint8)
    box = geometry.around_all(visible)
    if box is not None:
        box, _ = geometry.around(box, COLOURED, visible.shape)
        near = cv2.dilate(visible[box], np.ones((2 * COLOURED + 1,) * 2, np.uint8))
        cv2.cvtColor(cv2.copyTo(foreground[box], near), cv2.COLOR_RGB2RGBA, dst=layer[box])
        cv2.insertChannel(visible[box], layer[box], 3)
    return layer


def alpha_bytes(alpha: np.ndarray) -> np.ndarray:
    """uint8, shape (H, W), of float32 alpha in 0..1: what a mask file holds."""
    return cv2.convertScaleAbs(alpha, alpha=255)


def over(foreground: np.ndarray, alpha: np.ndarray, background: np.ndarray) -> np.ndarray:
    """The person over a background: uint8 RGB, shape (H, W, 3), as both pictures; alpha: float32 in 0..1, (H, W)."""
    return cv2.blendLinear(foreground, background, alpha, 1 - alpha)


def over_grey(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """What a network sees of uint8 RGB, or RGBA with straight alpha, and the alpha, float32 in 0..1, that it has."""
    if pixels.shape[2] == 3:
        return pixels, None
    rgb, own = np.ascontiguousarray(pixels[..., :3]), pixels[..., 3].astype(np.float32) / 255
    if bool((pixels[..., 3] == 255).all()):
        return rgb, None
    return on_grey(rgb, own), own


def on_grey(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    return cv2.blendLinear(rgb, np.full_like(rgb, _GREY), alpha, 1 - alpha)


def plain(colour: str, size: tuple[int, int]) -> np.ndarray:
    """A picture of one colour, "#rrggbb": uint8 RGB, shape (H, W, 3). size: (width, height) in pixels."""
    picture = np.empty((size[1], size[0], 3), np.uint8)
    picture[0] = ImageColor.getrgb(colour)
    picture[1:] = picture[0]  # rows at once: several times as fast as pixels
    return picture


def backdrop(path: Path) -> np.ndarray:
    """A background image's file: uint8 RGB, shape (H, W, 3), on white where it is transparent. Raises ImageError."""
    decoded = images.decode(images.read(path), path.name)
    if decoded.alpha is None:
        return decoded.rgb
    white = plain("#ffffff", (decoded.rgb.shape[1], decoded.rgb.shape[0]))
    return over(decoded.rgb, decoded.alpha, white)


def covering(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture's middle that just covers a size, (width, height): uint8 RGB, shape (H, W, 3), in and out."""
    height, width = picture.shape[:2]
    scale = max(size[0] / width, size[1] / height)
    # What is cut away is cut before scaling, so that a long panorama doesn't grow first.
    inner_width, inner_height = (min(width, round(size[0] / scale)) or 1, min(height, round(size[1] / scale)) or 1)
    left, top = (width - inner_width) // 2, (height - inner_height) // 2
    middle = picture[top : top + inner_height, left : left + inner_width]
    return cv2.resize(middle, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)


def blurred_background(photo: np.ndarray, alpha: np.ndarray, blur: int) -> np.ndarray:
    """The photo without the person, blurred: uint8 RGB, shape (H, W, 3), as the photo.

    alpha: float32 in 0..1, shape (H, W), of whom to leave out. blur: the Gaussian's sigma in pixels.
    Pixels count by a high power of 1 - alpha, for a half transparent one shows half the person: so nothing of the
    person's colours comes in, and what they hide is filled in from around them. After push-pull interpolation,
    The Lumigraph, Gortler et al., SIGGRAPH 1996.
    """
    height, width = alpha.shape
    reduction = max(1, blur // 3)  # a blur that wide leaves nothing to see of what a reduction takes
    size = (max(1, width // reduction), max(1, height // reduction))
    # The edge takes a pixel more than alpha says: light spills over it, and the network isn't that exact.
    hidden = cv2.dilate(alpha, np.ones((2 * _SPILL + 1,) * 2, np.uint8))
    weight = cv2.pow(1 - hidden, _SHYNESS)
    known = cv2.resize(
        cv2.multiply(photo, cv2.merge([weight] * 3), dtype=cv2.CV_32F), size, interpolation=cv2.INTER_AREA
    )
    weight = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
    whole = _filled(known, weight)
    sigma = blur / reduction
    soft = cv2.GaussianBlur(whole, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return cv2.convertScaleAbs(cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR))


def _filled(known: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Colours everywhere from colours times weight, and weight (0..1): float32, shapes (H, W, 3) and (H, W)."""
    height, width = weight.shape
    if max(height, width) == 1:
        return known / max(float(weight[0, 0]), 1e-6)
    size = ((width + 1) // 2, (height + 1) // 2)
    # Only how colours relate matters, not how many there are: so a few known pixels fill a whole hole.
    coarse_known = cv2.resize(known, size, interpolation=cv2.INTER_AREA)
    coarse_weight = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
    share = np.minimum(1, 4 * coarse_weight) / np.maximum(coarse_weight, 1e-6)
    coarse = _filled(cv2.multiply(coarse_known, cv2.merge([share] * 3)), coarse_weight * share)
    around = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return cv2.add(known, cv2.multiply(around, cv2.merge([1 - weight] * 3)))


def preview_sheet(photo: np.ndarray, alpha: np.ndarray, layer: np.ndarray) -> np.ndarray:
    """Three views beside each other, uint8 RGB: the layer on a checkerboard, alpha (white is the person), the photo.

    photo: uint8 RGB, shape (H, W, 3); alpha: float32, (H, W); layer: uint8 RGBA.
    """
    height, width = alpha.shape
    scale = min(_PREVIEW_HEIGHT / height, _PREVIEW_WIDTH / width, 1.0)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.asarray(Image.fromarray(layer).resize(size, Image.Resampling.BOX))  # transparent pixels don't count
    colours, small_layer_alpha = np.ascontiguousarray(small[..., :3]), small[..., 3].astype(np.float32) / 255
    rows, columns = np.indices((size[1], size[0])) // _CHECKER_SIZE
    grey_squares = np.where((rows + columns) % 2, _CHECKER_DARK, _CHECKER_LIGHT).astype(np.uint8)
    checker = cv2.cvtColor(grey_squares, cv2.COLOR_GRAY2RGB)
    result = cv2.blendLinear(colours, checker, small_layer_alpha, 1 - small_layer_alpha)
    grey = cv2.cvtColor(alpha_bytes(cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)), cv2.COLOR_GRAY2RGB)
    original = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    gap = np.full((size[1], _GAP, 3), 255, np.uint8)
    return np.hstack([result, gap, grey, gap, original])
