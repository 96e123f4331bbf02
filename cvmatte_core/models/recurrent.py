"""Robust Video Matting on ONNX Runtime: a recurrent network, fed the same still a few times, larger and larger.

Robust High-Resolution Video Matting with Temporal Guidance, Lin et al., WACV 2022. The ladder of sizes is ours: a small
picture tells where the body is, a large one where the hair ends. What the network remembers of the small one, its
recurrent state, is enlarged and goes along, so that the large one doesn't lose the body.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Callable, Sequence, Tuple

import cv2
import numpy as np
import onnxruntime

from .. import guided, images
from ..errors import CvmatteError, ModelError

logger = logging.getLogger(__name__)

# Quality: the longest side in pixels of what the network looks at, one number a pass. The first ones are equal and see
# the whole picture: they steady the recurrent state, and a burst's frames go there. The later ones see the people only.
# Thousandths of alpha's MAD and of its edge band on the evaluation composites: fast 3.5 and 62, balanced 2.9 and 56.7,
# best 2.9 and 55.9. A last side of 1152 px gave worse edges on real photos than 768 px.
_PASSES = {
    "fast": (384, 384, 576),
    "balanced": (384, 384, 384, 512, 768),
    "best": (384, 384, 384, 384, 512, 640, 768),
}
_SHORTEST_SIDE = 64  # of what the network looks at; the encoder halves it four times
_PERSON = 0.1  # alpha of the small picture that the people's box goes around
_MARGIN = 0.1  # of the box's longer side: hair that the small picture is too small for

_Box = Tuple[float, float, float, float]  # top, left, height, width in pixels of the photo


class RecurrentVideoMatting:
    """A loaded Robust Video Matting network; see models.network.Network."""

    def __init__(self, path: Path, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Idle threads must not spin: the cores belong to OBS.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime's errors have no common base
            logger.exception("loading %s", path)
            raise ModelError("model_failed", model="rvm-mobilenetv3") from error

    def __call__(
        self,
        rgb: np.ndarray,
        quality: str,
        on_pass: Callable[[int, int], None],
        before: Sequence[np.ndarray] = (),
    ) -> np.ndarray:
        sides = _PASSES[quality]
        height, width = rgb.shape[:2]
        looks = sides.count(sides[0])  # at the whole picture
        # The newest frames first, a pass each; the other passes are the still's.
        frames = list(before)[-(looks - 1) :]
        frames += [rgb] * (len(sides) - len(frames))
        region = (slice(0, height), slice(0, width))
        state, seen = [np.zeros((1, 1, 1, 1), np.float32)] * 4, (0.0, 0.0, 0.0, 0.0)
        alpha: np.ndarray = np.empty(0)
        try:
            for done, (frame, side) in enumerate(zip(frames, sides)):
                on_pass(done, len(sides))
                if done == looks:
                    region = _people(alpha, rgb.shape)
                picture, size = _look(frame[region], side)
                now = _box_of(region, picture, size)
                if done and (now != seen or side != sides[done - 1]):
                    state = _carried(state, seen, now, picture.shape)
                seen = now
                feed: dict[str, np.ndarray] = {f"r{index + 1}i": value for index, value in enumerate(state)}
                feed |= {"src": _source(picture), "downsample_ratio": np.ones(1, np.float32)}
                alpha, *state = self._session.run(["pha", "r1o", "r2o", "r3o", "r4o"], feed)
                alpha = alpha[0, 0, : size[1], : size[0]]
            on_pass(len(sides), len(sides))
        except (CvmatteError, MemoryError, cv2.error):
            raise
        except Exception as error:
            logger.exception("running the network on %d x %d", width, height)
            raise ModelError("model_failed", model="rvm-mobilenetv3") from error
        result = np.zeros((height, width), np.float32)
        result[region] = guided.enlarge_alpha(np.clip(alpha, 0, 1), picture[: size[1], : size[0]], rgb[region])
        return result


def _people(alpha: np.ndarray, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns, in a photo of this shape, of everyone in the small picture's alpha, and a margin.

    The whole photo where nobody is.
    """
    height, width = shape[:2]
    left, top, across, down = cv2.boundingRect((alpha > _PERSON).view(np.uint8))
    if not across:
        return slice(0, height), slice(0, width)
    margin = round(_MARGIN * max(across, down))
    tall, wide = height / alpha.shape[0], width / alpha.shape[1]
    rows = slice(max(0, round((top - margin) * tall)), min(height, round((top + down + margin) * tall)))
    columns = slice(max(0, round((left - margin) * wide)), min(width, round((left + across + margin) * wide)))
    return rows, columns


def _look(rgb: np.ndarray, side: int) -> tuple[np.ndarray, tuple[int, int]]:
    """What the network looks at, uint8 RGB, at least as large as its encoder needs; and (width, height) of its part
    that isn't padding."""
    small = images.reduced(rgb, side)
    return _padded(small, _SHORTEST_SIDE), (small.shape[1], small.shape[0])


def _box_of(region: tuple[slice, slice], picture: np.ndarray, size: tuple[int, int]) -> _Box:
    """Where in the photo the picture lies, its padding counted in."""
    rows, columns = region
    tall, wide = (rows.stop - rows.start) / size[1], (columns.stop - columns.start) / size[0]
    return rows.start, columns.start, picture.shape[0] * tall, picture.shape[1] * wide


def _carried(state: list[np.ndarray], seen: _Box, now: _Box, shape: tuple[int, ...]) -> list[np.ndarray]:
    """The recurrent state of one box of the photo, resampled for another that is looked at in pictures of this shape.

    Each float32, shape (1, channels, H, W), at a half, a quarter, an eighth and a sixteenth of the picture's sides.
    """
    height, width = shape[:2]
    result = []
    for values in state:
        height, width = (height + 1) // 2, (width + 1) // 2
        scale_y, scale_x = now[2] / height * values.shape[2] / seen[2], now[3] / width * values.shape[3] / seen[3]
        offset_y = (now[0] - seen[0]) / seen[2] * values.shape[2] + 0.5 * scale_y - 0.5
        offset_x = (now[1] - seen[1]) / seen[3] * values.shape[3] + 0.5 * scale_x - 0.5
        transform = np.array([[scale_x, 0, offset_x], [0, scale_y, offset_y]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        channels = [
            cv2.warpAffine(channel, transform, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
            for channel in values[0]
        ]
        result.append(np.stack(channels)[None])
    return result


def _source(picture: np.ndarray) -> np.ndarray:
    """The network's input of uint8 RGB, shape (H, W, 3): float32 in 0..1, shape (1, 3, H, W)."""
    source = np.ascontiguousarray(picture.transpose(2, 0, 1)[None], dtype=np.float32)
    source /= 255
    return source


def _padded(rgb: np.ndarray, shortest_side: int) -> np.ndarray:
    below, right = (max(0, shortest_side - length) for length in rgb.shape[:2])
    if not below and not right:
        return rgb
    return cv2.copyMakeBorder(rgb, 0, below, 0, right, cv2.BORDER_REPLICATE)
