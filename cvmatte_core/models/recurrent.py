"""Robust Video Matting on ONNX Runtime: a recurrent network, fed the same still a few times, larger and larger.

Robust High-Resolution Video Matting with Temporal Guidance, Lin et al., WACV 2022. The ladder of sizes is ours: a small
picture tells where the body is, a large one where the hair ends. What the network remembers of the small one, its
recurrent state, is enlarged and goes along, so that the large one doesn't lose the body.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Callable, Sequence, Tuple

import cv2
import numpy as np

from ..image import geometry
from . import guided_filter, single_image
from .onnx_session import OnSession
from .regions import Region, regions_of_people

# Quality: sizes of what the network looks at, a number a pass. First the whole photo, its longer side reduced to that
# many pixels: passes of one size steady the recurrent state, and a burst's frames go there. Then closer, each region
# with people reduced to as many pixels as a square of that side has: so a pass takes as long whatever its shape.
_PASSES = {
    "fast": ((384, 384), (500,)),
    "balanced": ((384, 384, 384), (430, 600)),
    "best": ((384, 384, 384), (430, 600, 800)),
}
# A pass of more than the first of these draws hair better, but tears holes into people in noisy pictures, and takes
# what lies behind hair for hair: only detail comes from it. What is larger than so many of its pixels (the sigma of a
# blur) is as the pass before saw it, and so is all that is further than so many from what is soft there.
_FINE, _DETAIL, _SOFT, _NEAR = 600, 16, 0.02, 12
_OVERLAP = 24  # the part of its longer side that each half of such a pass reaches into the other
# In a photo of more pixels than this on its longer side people may be too small for the passes above to find: one more
# look at the whole, this large.
_LARGE_PHOTO, _SEARCH_SIDE = 2560, 768
_LONGEST_SIDE = 2048  # of a pass, for regions that are all length
_SHORTEST_SIDE = 64  # of what the network looks at; the encoder halves it four times

_Box = Tuple[float, float, float, float]  # top, left, height, width in pixels of the photo


@dataclass(frozen=True)
class Look:
    """What a pass saw and made: uint8 RGB, shape (h, w, 3), and its alpha, float32 in 0..1, shape (h, w). state: what
    the network remembers. box: where in the photo all of that lies, with the network's padding."""

    picture: np.ndarray
    alpha: np.ndarray
    state: list[np.ndarray]
    box: _Box


class RecurrentVideoMatting(OnSession):
    """A loaded Robust Video Matting network; see models.network.Network."""

    def __call__(
        self, rgb: np.ndarray, quality: str, on_pass: Callable[[int, int], None], before: Sequence[np.ndarray] = ()
    ) -> np.ndarray:
        whole, closer = _PASSES[quality]
        height, width = rgb.shape[:2]
        everywhere = geometry.everything(rgb.shape)
        # The newest frames first, a pass each; the other passes are the still's.
        frames = list(before)[-(len(whole) - 1) :]
        frames += [rgb] * (len(whole) - len(frames))
        views = list(zip(frames, whole))
        if max(height, width) > _LARGE_PHOTO:
            views.append((rgb, _SEARCH_SIDE))
        done, total = 0, len(views) + len(closer)
        seen: Look | None = None
        result = np.zeros((height, width), np.float32)
        with single_image.failures_explained(self._model, "model_failed"):
            for frame, side in views:
                on_pass(done, total)
                seen = self._look(frame, everywhere, side, seen)
                done += 1
            assert seen is not None
            regions = regions_of_people(seen.alpha, rgb.shape)
            total = len(views) + len(closer) * len(regions)
            for region in regions:
                near = seen
                for square in closer:
                    on_pass(done, total)
                    side = _longer_side(region, square)
                    if square > _FINE:
                        near = detailed(near, self._look_by_halves(rgb, region, side, near), self._threads)
                    else:
                        near = self._look(rgb, region, side, near)
                    done += 1
                result[region] = guided_filter.enlarge_alpha(near.alpha, near.picture, rgb[region], self._threads)
            on_pass(total, total)
        return result

    def follow(self, frame: np.ndarray, region: Region, pixels: float, before: Look | None) -> Look:
        """One look at a region of a moving picture's frame, uint8 RGB, shape (H, W, 3), reduced to so many pixels. It
        goes on from the frame before, whatever region that looked at. Raises ModelError."""
        with single_image.failures_explained(self._model, "model_failed"):
            return self._look(frame, region, _longer_side(region, pixels**0.5), before)

    def _look_by_halves(self, rgb: np.ndarray, region: Region, side: int, before: Look) -> Look:
        """As `_look`, in the memory of half a pass: two halves that overlap, faded into each other."""
        picture = geometry.reduced(rgb[region], side)
        longer = int(np.argmax(picture.shape[:2]))
        whole, length = region[longer], picture.shape[longer]
        scale = (whole.stop - whole.start) / length
        # Both are of one shape: the second goes into the first's memory.
        half = min(length, (length + 1) // 2 + length // _OVERLAP)
        rising = np.clip((np.arange(length, dtype=np.float32) - (length - half) + 1) / (2 * half - length + 1), 0, 1)
        alpha = np.zeros(picture.shape[:2], np.float32)
        for start, share in ((0, 1 - rising), (length - half, rising)):
            part, place = list(region), [slice(None), slice(None)]
            place[longer] = slice(start, start + half)
            part[longer] = slice(whole.start + round(start * scale), whole.start + round((start + half) * scale))
            seen = self._look(rgb, (part[0], part[1]), max(half, picture.shape[1 - longer]), before)
            into = alpha[place[0], place[1]]
            shares = np.expand_dims(share[start : start + half], 1 - longer)
            into += shares * single_image.resized(seen.alpha, into.shape)
        return Look(picture, alpha, before.state, before.box)

    def _look(self, rgb: np.ndarray, region: Region, side: int, before: Look | None) -> Look:
        """One pass, over a region of the photo reduced to this longest side, that goes on from the pass before."""
        picture = geometry.reduced(rgb[region], side)
        height, width = picture.shape[:2]
        padded = _padded(picture)
        box = _box_of(region, padded, picture)
        state = [np.zeros((1, 1, 1, 1), np.float32)] * 4
        if before is not None:
            state = _carried(before.state, before.box, box, padded.shape)
        source = np.ascontiguousarray(padded.transpose(2, 0, 1)[None], np.float32)
        source /= 255
        feed: dict[str, np.ndarray] = {f"r{index + 1}i": value for index, value in enumerate(state)}
        feed |= {"src": source, "downsample_ratio": np.ones(1, np.float32)}
        alpha, *state = self.run(["pha", "r1o", "r2o", "r3o", "r4o"], feed)
        return Look(picture, np.clip(alpha[0, 0, :height, :width], 0, 1), state, box)


def detailed(coarse: Look, fine: Look, threads: int = 1) -> Look:
    """A coarse look at a region with the detail that a finer one, of whose size it then is, shows there."""
    alpha = guided_filter.enlarge_alpha(coarse.alpha, coarse.picture, fine.picture, threads)
    soft = ((alpha > _SOFT) & (alpha < 1 - _SOFT)).astype(np.float32)
    reach = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _NEAR + 1, 2 * _NEAR + 1))
    share = cv2.blur(cv2.dilate(soft, reach), (_NEAR + 1, _NEAR + 1))
    change = fine.alpha - alpha
    change -= cv2.GaussianBlur(change, (0, 0), _DETAIL)
    return dataclasses.replace(fine, alpha=np.clip(alpha + share * change, 0, 1))


def _longer_side(region: Region, square: float) -> int:
    """Of a region that is reduced to as many pixels as a square has, or fewer where it is all length."""
    rows, columns = region
    height, width = rows.stop - rows.start, columns.stop - columns.start
    return min(_LONGEST_SIDE, round(square * (max(height, width) / min(height, width)) ** 0.5))


def _box_of(region: Region, padded: np.ndarray, picture: np.ndarray) -> _Box:
    """Where in the photo the padded picture of a region lies."""
    rows, columns = region
    tall, wide = (rows.stop - rows.start) / picture.shape[0], (columns.stop - columns.start) / picture.shape[1]
    return rows.start, columns.start, padded.shape[0] * tall, padded.shape[1] * wide


def _carried(state: list[np.ndarray], seen: _Box, now: _Box, shape: tuple[int, ...]) -> list[np.ndarray]:
    """The recurrent state of one box of the photo, resampled for another that is looked at in pictures of this shape.

    Each float32, shape (1, channels, H, W), at a half, a quarter, an eighth and a sixteenth of the picture's sides.
    """
    height, width = shape[:2]
    if now == seen and state[0].shape[2:] == ((height + 1) // 2, (width + 1) // 2):
        return state
    result = []
    for values in state:
        height, width = (height + 1) // 2, (width + 1) // 2
        scale_y, scale_x = now[2] / height * values.shape[2] / seen[2], now[3] / width * values.shape[3] / seen[3]
        offset_y = (now[0] - seen[0]) / seen[2] * values.shape[2] + 0.5 * scale_y - 0.5
        offset_x = (now[1] - seen[1]) / seen[3] * values.shape[3] + 0.5 * scale_x - 0.5
        scales, offsets = (scale_x, scale_y), (offset_x, offset_y)
        channels = [geometry.resampled(channel, scales, offsets, (width, height)) for channel in values[0]]
        result.append(np.stack(channels)[None])
    return result


def _padded(rgb: np.ndarray) -> np.ndarray:
    below, right = (max(0, _SHORTEST_SIDE - length) for length in rgb.shape[:2])
    return cv2.copyMakeBorder(rgb, 0, below, 0, right, cv2.BORDER_REPLICATE) if below or right else rgb
