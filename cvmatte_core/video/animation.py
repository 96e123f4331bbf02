"""Animated pictures that are read as clips: GIF, WebP and PNG with more than one frame."""

from __future__ import annotations

import contextlib
import io
import itertools
import logging
import warnings
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from ..filesystem import files
from ..image import decompression_bombs, images
from ..localization.errors import ImageError
from .decoding import Picture
from .source import Clip

logger = logging.getLogger(__name__)

_FORMATS = ("GIF", "WEBP", "PNG")
MILLISECOND = Fraction(1, 1000)
_SHORTEST = 20  # milliseconds; what is to be shown for less is shown for `_USUAL`, as in every browser
_USUAL = 100
_LAST = 40
LAST_SECONDS = _LAST / 1000


class Animation:
    """An open animated picture, as Pillow reads it. rate, time_base, start: as of a Film."""

    rate, time_base, start = Fraction(25), MILLISECOND, 0

    def __init__(self, path: Path, image: Image.Image) -> None:
        self._path, self._image = path, image
        # A PNG may show another picture to who knows no animations.
        self._first = 1 if getattr(image, "default_image", False) else 0

    def told(self) -> Clip:
        """Raises ImageError where it is too large."""
        width, height = self._image.size
        images.refuse_too_many_pixels(width, height, self._path.name)
        return Clip((width, height), getattr(self._image, "n_frames", 1) - self._first, has_sound=False)

    def pictures(self, after: int | None = None) -> Iterator[Picture]:
        """Its frames, up to where it is damaged; always from the first."""
        time = duration = 0
        pixels: np.ndarray | None = None
        for number in itertools.count(self._first):
            try:
                self._image.seek(number)
                pixels = np.array(self._image.convert("RGBA"))
            except EOFError:
                break
            except Exception as error:  # decoders raise whatever the file makes them
                logger.warning("%s: damaged after %d frames: %s", self._path.name, number, error)
                break
            duration = round(self._image.info.get("duration", 0) or 0)
            duration = duration if duration >= _SHORTEST else _USUAL
            yield Picture(pixels, time, MILLISECOND)
            time += duration
        if pixels is not None and duration > _LAST:  # a clip's last frame has a clip's usual length
            yield Picture(pixels, time - _LAST, MILLISECOND)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Animation]:
    """Raises ImageError."""
    data = images.read(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            decompression_bombs.refuse(data)
            image = Image.open(io.BytesIO(data), formats=_FORMATS)
        except Exception as error:
            raise ImageError("clip_unreadable", name=path.name) from error
        with image:
            yield Animation(path, image)


def count(path: Path) -> int:
    """How many frames a picture has; 1 if it isn't animated, or can't be read."""
    with contextlib.suppress(ImageError):
        if files.is_file(path):
            with opened(path) as animation:
                return animation.told().frames
    return 1
