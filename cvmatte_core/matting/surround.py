"""What lies around a person, between them and what is behind: an outline, and a shadow of both."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import ImageColor

from ..image import geometry
from ..settings import MatteSettings
from . import compose

_SHADOW_MOVE, _SHADOW_BLUR = (0.012, 0.018), 0.015  # parts of the longer side: right and down, and sigma
# Pixels: a wider outline is made in a smaller picture, where it is so wide; and how much smaller at most.
_WIDEST, _SMALLEST = 8, 1 / 4
_ROUND = 0.45  # what makes a disc of pixels reach about as far across corners as along rows
_HAIRS, _ROUNDING = 8, 4  # parts of the radius: what is too thin for an outline, and sigma of what rounds that
_SIGMAS = 2.5  # of a blur, that half of a soft outline's width is


def surrounded(
    foreground: np.ndarray, alpha: np.ndarray, background: np.ndarray | None, settings: MatteSettings, rim: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """The person over the outline over the shadow over the background: as compose.layer_pixels takes them.

    foreground, alpha, background: see there. rim: how far the layer is to grow for the outline, in pixels.
    """
    if settings.outline_width:
        foreground, alpha = with_rim(foreground, rim), with_rim(alpha, rim)
        _put_outline(foreground, alpha, settings)
    if settings.shadow:
        return _over_shadow(foreground, alpha, background, settings.shadow)
    return foreground, alpha, background


def with_rim(picture: np.ndarray, rim: int) -> np.ndarray:
    """A copy with so many pixels more on each side: alpha, shape (H, W), is 0 there; colours, (H, W, 3), go on."""
    border = cv2.BORDER_CONSTANT if picture.ndim == 2 else cv2.BORDER_REPLICATE
    return cv2.copyMakeBorder(picture, rim, rim, rim, rim, border)


def _put_outline(foreground: np.ndarray, alpha: np.ndarray, settings: MatteSettings) -> None:
    """Make foreground and alpha of a person those of the person over their outline."""
    width = settings.outline_width
    box = geometry.around_all(alpha >= 0.5)
    if box is None:
        return
    box, _ = geometry.around(box, width + 2, alpha.shape)
    person, colours = alpha[box].copy(), foreground[box].copy()
    line = outline(person, width, settings.outline_softness)
    shown = np.flatnonzero((line > 0) & (person < 1))
    alphas, pixels = person.reshape(-1), colours.reshape(-1, 3)
    of_person, of_line = alphas[shown], line.reshape(-1)[shown] * np.float32(1 / 255)
    whole = of_person + of_line * (1 - of_person)
    share = (of_person / whole)[:, None]
    colour = np.array(ImageColor.getrgb(settings.outline_colour), np.float32)
    pixels[shown] = np.rint(colour + (pixels[shown] - colour) * share)
    alphas[shown] = whole
    foreground[box], alpha[box] = colours, person


def outline(alpha: np.ndarray, width: int, softness: int) -> np.ndarray:
    """What an outline covers, were the person not before it: uint8, shape (H, W), as alpha, float32 in 0..1.

    It reaches so many pixels, width, from where alpha is a half. softness: in percent, the part of the width over which
    it fades; with all of it, it is a glow.
    """
    blurred = width * softness / 200  # pixels to each side of where half of it is left
    scale = min(1.0, max(_WIDEST / width, _SMALLEST))
    radius = round((width - blurred) * scale)
    size = max(1, round(alpha.shape[1] * scale)), max(1, round(alpha.shape[0] * scale))
    way = cv2.INTER_LINEAR if scale > 0.5 else cv2.INTER_AREA
    small = alpha if scale == 1 else cv2.resize(alpha, size, interpolation=way)
    line = _rounded(_steeper(compose.alpha_bytes(small), max(1.0, _WIDEST / width)), radius)
    if blurred:
        line = cv2.GaussianBlur(line, (0, 0), blurred * scale / _SIGMAS)
    if scale < 1:
        line = cv2.resize(line, alpha.shape[::-1], interpolation=cv2.INTER_CUBIC)
        if not softness:  # as sharp as it would be in the picture's own size
            line = _steeper(line, 1 / scale)
    return line


def _rounded(shape: np.ndarray, radius: int) -> np.ndarray:
    """A shape grown by a radius in pixels, round where it is edgy, uint8 in and out: single hairs don't grow."""
    hair = radius // _HAIRS
    if hair:
        shape = cv2.erode(shape, _disc(hair))
    grown = cv2.dilate(shape, _disc(radius + hair))
    sigma = radius / _ROUNDING
    if sigma < 0.5:
        return grown
    return _steeper(cv2.GaussianBlur(grown, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), 2.5 * sigma)


def _steeper(line: np.ndarray, by: float) -> np.ndarray:
    """An edge, uint8 in and out, that many times as steep."""
    return cv2.LUT(line, np.clip((np.arange(256) - 127.5) * by + 127.5, 0, 255).astype(np.uint8))


def _disc(radius: int) -> np.ndarray:
    rows, columns = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return (rows**2 + columns**2 <= (radius + _ROUND) ** 2).astype(np.uint8)


def _over_shadow(
    foreground: np.ndarray, alpha: np.ndarray, background: np.ndarray | None, shadow: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """The person and their shadow, which is on the background where there is one, else in the layer."""
    dark = soft_shadow(alpha, shadow)
    if background is not None:
        return foreground, alpha, compose.over(np.zeros_like(background), dark, background)
    whole = alpha + dark * (1 - alpha)
    share = np.divide(alpha, whole, out=np.zeros_like(alpha), where=whole > 1e-4)
    # The person over black, of what both cover together; far from both, the person's own colours stay.
    mixed = compose.over(foreground, share, np.zeros_like(foreground))
    return cv2.copyTo(mixed, (dark > 1 / 512).view(np.uint8), foreground.copy()), whole, None


def soft_shadow(alpha: np.ndarray, shadow: int) -> np.ndarray:
    """How much the person's shadow darkens what is behind them: float32 in 0..1, shape (H, W), as alpha.

    It lies a little to the right and below, as of a light at the upper left, and is as soft as that is far.
    """
    height, width = alpha.shape
    size = max(height, width)
    reduction = max(1, int(size * _SHADOW_BLUR / 4))  # a blur that wide leaves nothing to see of what a reduction takes
    small = max(1, width // reduction), max(1, height // reduction)
    low = cv2.resize(alpha, small, interpolation=cv2.INTER_AREA)
    move = np.array([[1, 0, size * _SHADOW_MOVE[0] / reduction], [0, 1, size * _SHADOW_MOVE[1] / reduction]])
    # What the photo's border cuts goes on beyond it; nothing comes in from the other sides.
    moved = cv2.warpAffine(low, move, small, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    soft = cv2.GaussianBlur(moved, (0, 0), size * _SHADOW_BLUR / reduction, borderType=cv2.BORDER_REPLICATE)
    return cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR) * np.float32(shadow / 100)
