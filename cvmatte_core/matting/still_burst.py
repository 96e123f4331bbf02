"""Stills: the frames that OBS took of a source become a photo, and what steadies its matte."""

from __future__ import annotations

import contextlib
import logging
import re
from pathlib import Path
from typing import Sequence

import cv2
import numpy as np

from ..filesystem import files
from ..image import encoders
from ..layers.store import BURST_SUFFIX
from ..localization.errors import CvmatteError

_NAME = re.compile(rf"still-.*-(?P<width>\d+)x(?P<height>\d+){re.escape(BURST_SUFFIX)}")
logger = logging.getLogger(__name__)


def take(still: Path, burst: Sequence[Path]) -> list[np.ndarray]:
    """Write the last frame of a burst as the PNG `still`, and return the frames before it.

    burst: frame files, oldest first; they are deleted when the still is there. A still that exists already stays as
    it is: then this is a second try, and of the frames before it those are returned that the first one left.
    Returns uint8 RGB, shape (H, W, 3) each; a source may change its size at any time. Raises CvmatteError where a
    frame file is broken, OutputError where the still can't be written.
    """
    *earlier_files, last_file = burst
    again = files.exists(still)
    last = pixels(last_file) if not again or files.exists(last_file) else None
    earlier = [pixels(path) for path in earlier_files if files.exists(path)]
    if last is not None and not again:
        files.write(still, encoders.png(last))
    discard(burst)
    return earlier


def discard(burst: Sequence[Path]) -> None:
    """Delete frame files, and nothing else."""
    for path in burst:
        if _NAME.fullmatch(path.name):
            files.remove(path)


def pixels(path: Path) -> np.ndarray:
    """A frame file's uint8 RGB, shape (H, W, 3), in the size that its name says. Raises CvmatteError."""
    named, read = _NAME.fullmatch(path.name), None
    if named is not None:
        with contextlib.suppress(OSError, ValueError, cv2.error):
            read = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    if named is None or read is None:
        logger.warning("broken frame file: %s", path)
        raise CvmatteError("still_failed")
    return cv2.cvtColor(read[: int(named["height"]), : int(named["width"])], cv2.COLOR_BGR2RGB)
