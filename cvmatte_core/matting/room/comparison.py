"""Where a picture shows the room that is behind it, in its own light or in a shadow."""

from __future__ import annotations

import cv2
import numpy as np

from .filters import Parts, largest_of, mean_of
from .placed import AREA, DIM, Placed

# Squared differences in units of the noise: what is the room's, and what isn't.
ALIKE, DIFFERENT = 4.0, 10.0
_WINDOW = 5  # the side of the square over which they are averaged
# The deviation of colours from which on the room isn't flat, how much of that may be left where it is explained, and of
# which part of the picture on it tells something.
_FLAT, _UNEXPLAINED, _TELLING = 0.03, 0.25, 0.005
_DARKEST, _BRIGHTEST, _TINT = 0.35, 1.12, 0.12  # what a shadow or a glow makes of light, and how little of its colour
_DARK = 0.01  # light of 0..1, of which nothing can be told
_OWN, _LARGE = 0.2, 0.01  # of a part in a shadow: lit as it was; and that of the picture, where it isn't so by chance
_AS_DARK, _NEARBY, _SOME = 0.1, 81, 0.01  # log light of two parts of a shadow, how far apart, of which there is enough
# Log light a pixel, with little noise, and of its gradient over 9 pixels: where a thing ends, not a shadow.
_STEPS, _STEP_NOISE, _SUDDEN = (0.004, 0.012), 0.002, 1.7


class Comparison:
    """picture: float32 RGB in 0..1, shape (H, W, 3). difference: squared, in units of the noise; float32, shape (H, W).
    shadowed: bool, where the room is in a shadow, or in a glow.
    """

    def __init__(self, picture: np.ndarray, placed: Placed, noise: np.ndarray) -> None:
        """noise: its variance, shape (H, W, 3), see Placed."""
        self.picture, self.placed = picture, placed
        squared = picture - placed.behind
        squared *= squared
        self.difference = placed.filters.near(mean_of(squared / noise), _WINDOW)
        self._compare_texture(noise)
        self.shadowed = self._shadowed(noise)

    def trust(self, empty: np.ndarray) -> float:
        """How much of the surely empty the room explains, 0..1: of what is flat, and of what has a structure.

        empty: bool, shape (H, W).
        """
        placed = self.placed
        left = mean_of(placed.filters.near((self.picture - placed.behind) ** 2, AREA))
        alike = (left < np.maximum(_FLAT**2, _UNEXPLAINED * placed.structure)) | self.shadowed
        structured = empty & (placed.structure > _FLAT**2)
        parts = [part for part in (empty & ~structured, structured) if part.sum() > _TELLING * part.size]
        return float(min((alike[part].mean() for part in parts), default=0))

    def lit_otherwise(self) -> np.ndarray:
        """Where the picture has the room's texture, in whatever light: bool, shape (H, W)."""
        return (self._rest < ALIKE) & (self._tint < _TINT)

    def _compare_texture(self, noise: np.ndarray) -> None:
        picture, placed = self.picture, self.placed
        filters, behind, squares = placed.filters, placed.behind, placed.squares
        seen, products = filters.near(picture, AREA), filters.near(picture * behind, AREA)
        gain = (products + _DARK**2) / (squares + _DARK**2)
        sloping = behind * filters.gradient(gain)  # what a gain that changes within the window leaves
        rest = filters.near(picture * picture, AREA) - gain * (2 * products - gain * squares)
        self._rest = mean_of(np.maximum(rest, 0) / (noise + 6 * sloping * sloping))
        # Of all channels together: a dark one's own tells little.
        self._factor = (mean_of(products) + _DARK**2) / (mean_of(squares) + _DARK**2)
        expected = self._factor[..., None] * placed.mean
        self._tint = largest_of(cv2.absdiff(seen, expected)) / (mean_of(expected) + DIM)

    def _shadowed(self, noise: np.ndarray) -> np.ndarray:
        """Its texture is the room's, darker or brighter alike in all channels; and it hangs together with what is the
        room, without a step."""
        filters, factor = self.placed.filters, self._factor
        light, same = np.log(factor), self.difference < ALIKE
        may_be = self.lit_otherwise() & (factor > _DARKEST) & (factor < _BRIGHTEST) & ~same
        steps = self._steps(noise)
        smooth = (may_be | same) & ~steps
        parts = Parts(filters.eroded(smooth, 2))
        result = parts.chosen(parts.sums(same) > np.maximum(_OWN * parts.sizes, _LARGE * same.size))
        # What a shadow is cut into by somebody before it: as dark as the rest of it nearby.
        darker = (result & may_be).astype(np.float32)
        near = filters.near(darker, _NEARBY)
        usual = filters.near(darker * light, _NEARBY) / (near + 1e-6)
        unlike = np.where(near > _SOME, np.abs(light - usual), 1)
        result |= parts.chosen(parts.sums(unlike) < _AS_DARK * parts.sizes)
        return filters.dilated(result, 4) & may_be & ~steps

    def _steps(self, noise: np.ndarray) -> np.ndarray:
        """Where light changes too fast for a shadow's end: bool, shape (H, W).

        Weak ones count where they go on from strong ones (as in A Computational Approach to Edge Detection, Canny,
        1986).
        """
        placed = self.placed
        filters, its = placed.filters, placed.light
        ratio = np.log((filters.near(mean_of(self.picture), 3) + DIM) / its)
        fine, coarse = filters.gradient(ratio), filters.gradient(filters.near(ratio, 9))
        unsure = 1 + np.sqrt(mean_of(noise)) / (4 * _STEP_NOISE * its)
        sudden = fine > _SUDDEN * coarse
        weak, strong = (sudden & (fine > least * unsure + placed.slipped_light) for least in _STEPS)
        parts = Parts(filters.dilated(weak, 1))
        return parts.chosen(parts.sums(strong) > 0)
