"""Robust Video Matting on ONNX Runtime: a recurrent network, fed the same still a few times.

Robust High-Resolution Video Matting with Temporal Guidance, Lin et al., WACV 2022.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Callable, Sequence

import cv2
import numpy as np
import onnxruntime

from ..errors import CvmatteError, ModelError

logger = logging.getLogger(__name__)

# Quality: (longest side in pixels at which the network looks at the whole picture, how often it is fed the still).
# Each further pass steadies the recurrent state: on the evaluation composites 512 px gave an alpha MAD of 6.8
# thousandths in one pass and 4.9 in four; larger sides see finer hair but lose parts of the body.
_QUALITY = {"fast": (384, 2), "balanced": (512, 4), "best": (512, 8)}

# Above this side the guided filter at the network's end costs much memory and adds nothing that a cubic
# enlargement of alpha doesn't.
_LONGEST_INPUT = 2160
_SHORTEST_SIDE = 64  # of what the network looks at; the encoder halves it four times


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
        side, passes = _QUALITY[quality]
        height, width = rgb.shape[:2]
        inner_height, inner_width = _shrunk(rgb, _LONGEST_INPUT).shape[:2]
        ratio = min(1.0, side / max(inner_height, inner_width))
        # The newest frames first, a pass each; the rest of the passes is the still's, among them the last.
        frames = list(before)[-(passes - 1) :]
        frames += [rgb] * (passes - len(frames))
        seen: np.ndarray | None = None
        source: np.ndarray = np.empty(0, np.float32)
        state = [np.zeros((1, 1, 1, 1), np.float32)] * 4
        alpha: np.ndarray = np.empty(0)
        try:
            for done, frame in enumerate(frames):
                on_pass(done, passes)
                if frame is not seen:
                    seen, source = frame, _source(frame, ratio)
                feed = {f"r{index + 1}i": value for index, value in enumerate(state)}
                feed |= {"src": source, "downsample_ratio": np.array([ratio], np.float32)}
                alpha, *state = self._session.run(["pha", "r1o", "r2o", "r3o", "r4o"], feed)
            on_pass(passes, passes)
        except (CvmatteError, MemoryError, cv2.error):
            raise
        except Exception as error:
            logger.exception("running the network on %d x %d", width, height)
            raise ModelError("model_failed", model="rvm-mobilenetv3") from error
        alpha = alpha[0, 0, :inner_height, :inner_width]
        if alpha.shape != (height, width):
            enlarged = cv2.resize(alpha, (width, height), interpolation=cv2.INTER_CUBIC)
            return np.clip(enlarged, 0, 1)
        return np.clip(alpha, 0, 1)


def _source(rgb: np.ndarray, ratio: float) -> np.ndarray:
    """The network's input: float32 in 0..1, shape (1, 3, H, W), at least as large as its encoder needs."""
    picture = _padded(_shrunk(rgb, _LONGEST_INPUT), int(np.ceil(_SHORTEST_SIDE / ratio)))
    source = np.ascontiguousarray(picture.transpose(2, 0, 1)[None], dtype=np.float32)
    source /= 255
    return source


def _shrunk(rgb: np.ndarray, longest_side: int) -> np.ndarray:
    height, width = rgb.shape[:2]
    scale = longest_side / max(height, width)
    if scale >= 1:
        return rgb
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)


def _padded(rgb: np.ndarray, shortest_side: int) -> np.ndarray:
    below, right = (max(0, shortest_side - length) for length in rgb.shape[:2])
    if not below and not right:
        return rgb
    return cv2.copyMakeBorder(rgb, 0, below, 0, right, cv2.BORDER_REPLICATE)
