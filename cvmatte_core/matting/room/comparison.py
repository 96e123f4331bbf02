"""Where a picture shows the room that is behind it, in its own light or in a shadow."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .filters import Parts, dilated, eroded, gradient

# Lengths are pixels of pictures whose longer side has decision.SIDE. Squared differences in units of the noise: what is
# the room's, and what isn't.
ALIKE, DIFFERENT = 4.0, 10.0
EDGE = 0.03  # a room's gradient a pixel, of colours of 0..1, that is an edge
_QUIET, _LOUD = 1 / 255, 0.025  # a camera's noise, at least and at most
_SLIP = 0.35  # of a pixel: how far the room's edges may lie beside the picture's
# The deviation of colours from which on the room isn't flat, how much of that may be left where it is explained, and of
# which part of the picture on it tells something.
_FLAT, _UNEXPLAINED, _TELLING = 0.03, 0.25, 0.005
_DARKEST, _BRIGHTEST, _TINT = 0.35, 1.12, 0.12  # what a shadow or a glow makes of light, and how little of its colour
_DARK, _DIM = 0.01, 0.03  # light of 0..1, of which nothing can be told, and little
_OWN, _LARGE = 0.2, 0.01  # of a part in a shadow: lit as it was; and that of the picture, where it isn't so by chance
_AS_DARK, _NEARBY, _SOME = 0.1, 81, 0.01  # log light of two parts of a shadow, how far apart, of which there is enough
# Log light a pixel, with little noise, and of its gradient over 9 pixels: where a thing ends, not a shadow.
_STEPS, _STEP_NOISE, _SUDDEN = (0.004, 0.012), 0.002, 1.7


@dataclass(frozen=True)
class Comparison:
    """picture, behind: float32 RGB in 0..1, shape (H, W, 3): what is seen, and the room in its place and light.
    difference: squared, in units of the noise; float32, shape (H, W). shadowed: bool, where the room is in a shadow.
    """

    picture: np.ndarray
    behind: np.ndarray
    difference: np.ndarray
    shadowed: np.ndarray

    @classmethod
    def of(cls, picture: np.ndarray, behind: np.ndarray, empty: np.ndarray) -> Comparison:
        """empty: bool, shape (H, W), where surely nobody is."""
        squared = (picture - behind) ** 2
        noise = _noise(squared, behind, empty) + (_SLIP * gradient(behind)) ** 2
        difference = cv2.blur((squared / noise).mean(axis=2), (5, 5))
        return cls(picture, behind, difference, _shadowed(picture, behind, difference, noise))

    def trust(self, empty: np.ndarray) -> float:
        """How much of the surely empty the room explains, 0..1: of what is flat, and of what has a structure."""
        left = _near((self.picture - self.behind) ** 2).mean(axis=2)
        structure = (_near(self.behind**2) - _near(self.behind) ** 2).max(axis=2)
        alike = (left < np.maximum(_FLAT**2, _UNEXPLAINED * structure)) | self.shadowed
        structured = empty & (structure > _FLAT**2)
        parts = [part for part in (empty & ~structured, structured) if part.sum() > _TELLING * part.size]
        return float(min((alike[part].mean() for part in parts), default=0))


def _noise(squared: np.ndarray, behind: np.ndarray, empty: np.ndarray) -> np.ndarray:
    """Variance by brightness, by what is left of dark and bright walls. float32, shape (H, W, 3)."""
    flat = empty & (gradient(behind).max(axis=2) < EDGE)
    if flat.mean() < _TELLING:
        flat = empty
    light, its = behind[flat], squared[flat]
    bright = light > np.median(light)
    # Four fifths of squares of a normal distribution are below 1.64 times their mean.
    (x, low), (x2, high) = (
        (light[part].mean(), np.quantile(its[part], 0.8) / 1.64) if part.any() else (0.5, _QUIET**2)
        for part in (~bright, bright)
    )
    slope = np.clip((high - low) / max(x2 - x, 0.05), 0, 0.01)
    return np.clip(low + slope * (behind - x), max(_QUIET**2, 0.25 * low), _LOUD**2).astype(np.float32)


def _shadowed(picture: np.ndarray, behind: np.ndarray, difference: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Where the picture is the room in a shadow, or in a glow: bool, shape (H, W).

    Its texture is the room's, darker or brighter alike in all channels; and it hangs together with what is the room,
    without a step.
    """
    squares, products = _near(behind * behind), _near(picture * behind)
    gain = (products + _DARK**2) / (squares + _DARK**2)
    sloping = 6 * (behind * gradient(gain)) ** 2  # what a gain that changes within the window leaves
    rest = np.maximum(_near(picture * picture) - 2 * gain * products + gain * gain * squares, 0) / (noise + sloping)
    # Of all channels together: a dark one's own tells little.
    factor = (products.sum(axis=2) + 3 * _DARK**2) / (squares.sum(axis=2) + 3 * _DARK**2)
    expected = factor[..., None] * _near(behind)
    tint = np.abs(_near(picture) - expected).max(axis=2) / (expected.mean(axis=2) + _DIM)
    light, same = np.log(factor), difference < ALIKE
    may_be = (rest.mean(axis=2) < ALIKE) & (tint < _TINT) & (factor > _DARKEST) & (factor < _BRIGHTEST) & ~same
    steps = _steps(picture, behind, noise)
    smooth = (may_be | same) & ~steps
    parts = Parts(eroded(smooth, 2))
    result = parts.chosen(parts.sums(same) > np.maximum(_OWN * parts.sizes, _LARGE * same.size))
    # What a shadow is cut into by somebody before it: as dark as the rest of it nearby.
    darker = (result & may_be).astype(np.float32)
    near = cv2.blur(darker, (_NEARBY, _NEARBY))
    usual = cv2.blur(darker * light, (_NEARBY, _NEARBY)) / (near + 1e-6)
    unlike = np.where(near > _SOME, np.abs(light - usual), 1)
    result |= parts.chosen(parts.sums(unlike) < _AS_DARK * parts.sizes)
    return dilated(result, 4) & may_be & ~steps


def _steps(picture: np.ndarray, behind: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Where light changes too fast for a shadow's end: bool, shape (H, W).

    Weak ones count where they go on from strong ones (as in A Computational Approach to Edge Detection, Canny, 1986).
    """
    its, now = (cv2.blur(values.mean(axis=2), (3, 3)) + _DIM for values in (behind, picture))
    ratio = np.log(now / its)
    fine, coarse = gradient(ratio), gradient(cv2.blur(ratio, (9, 9)))
    unsure = 1 + np.sqrt(noise.mean(axis=2)) / (4 * _STEP_NOISE * its)
    slipped, sudden = _SLIP * gradient(np.log(its)), fine > _SUDDEN * coarse
    weak, strong = (sudden & (fine > least * unsure + slipped) for least in _STEPS)
    parts = Parts(dilated(weak, 1))
    return parts.chosen(parts.sums(strong) > 0)


def _near(values: np.ndarray) -> np.ndarray:
    return cv2.blur(values, (7, 7))
