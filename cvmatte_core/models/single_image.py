"""Networks that look at one picture, once: which size of it they see, and alpha brought back to the photo's."""

from __future__ import annotations

import contextlib
import logging
from typing import Callable, Iterator, Sequence

import cv2
import numpy as np

from ..image import geometry
from ..localization.errors import CvmatteError, ModelError
from . import guided_filter
from .catalogue import install_packages_command
from .network_description import Description
from .regions import Region, regions_of_people

logger = logging.getLogger(__name__)

# Quality: the longest side of what a network of free size looks at; a smaller photo is seen as it is.
_LONGEST_SIDE = {"fast": 768, "balanced": 1280, "best": 1920}
_MOST = 2048  # a side of what a network looks at, for photos that are all length
_NEAR = 0.1  # how far alpha's proportions may be from the picture's: networks round sides
# A second look, at the people alone: where their region has less than this of the photo's pixels, so that it shows more
# of them. It is believed where it still finds so much of what the first look was sure of: a network may take the part
# of a person that it is shown for something else.
_CLOSER, _STILL_THERE, _SURE = 0.5, 0.9, 0.9
_SEARCH_SIDE = 384  # pixels: the longer side of the picture that people are found in
_LEAST = 32  # alpha with less than this fraction of the picture's height is none


class SingleLook:
    """A network that estimates alpha in one look at the photo; see models.network.Network."""

    _model: str  # its title
    _threads: int
    _description = Description()

    def look(self, picture: np.ndarray) -> np.ndarray:
        """Alpha of uint8 RGB, shape (H, W, 3), of the size that it looks at: float, shape (h, w)."""
        raise NotImplementedError

    def source(self, picture: np.ndarray) -> np.ndarray:
        """What a described network is fed for uint8 RGB, shape (H, W, 3): float32, shape (H, W, 3)."""
        described = self._description
        if described.channels == "bgr":
            picture = picture[..., ::-1]
        mean, std = (np.array(numbers, np.float32) for numbers in (described.mean, described.std))
        return (picture.astype(np.float32) / described.scale - mean) / std

    def answer(self, values: np.ndarray, picture: np.ndarray, outputs: str) -> np.ndarray:
        """Alpha that a described network answered for a picture, shape (H, W, 3): float32, shape (h, w).

        values: any shape with sides of length 1 about (h, w). outputs: the network's, for the error's sentence. Raises
        ModelError if that isn't alpha of the picture.
        """
        alpha: np.ndarray = values.astype(np.float32)
        while alpha.ndim > 2 and alpha.shape[0] == 1:
            alpha = alpha[0]
        if alpha.ndim == 3 and alpha.shape[2] == 1:
            alpha = alpha[..., 0]
        height, width = picture.shape[:2]
        is_alpha = alpha.ndim == 2 and alpha.size and alpha.shape[0] * _LEAST >= height
        if not is_alpha or abs(alpha.shape[0] / height * width / alpha.shape[1] - 1) > _NEAR:
            raise ModelError("model_output", model=self._model, shape=in_words(values.shape), outputs=outputs)
        if self._description.sigmoid:
            alpha = 1 / (1 + np.exp(-np.clip(alpha, -50, 50)))
        if self._description.normalise:
            least, greatest = alpha.min(), alpha.max()
            alpha = (alpha - least) / max(greatest - least, np.float32(1e-6))
        return alpha

    def __call__(
        self, rgb: np.ndarray, quality: str, on_pass: Callable[[int, int], None], before: Sequence[np.ndarray] = ()
    ) -> np.ndarray:
        on_pass(0, 1)
        with failures_explained(self._model, "model_failed"):
            result = self._seen(rgb, quality)
            regions = [] if quality == "fast" else _worth_a_second_look(result)
            total = 1 + len(regions)
            for done, region in enumerate(regions, 1):
                on_pass(done, total)
                closer = self._seen(rgb[region], quality)
                if _agrees(closer, result[region]):
                    result[region] = closer
        on_pass(total, total)
        return result

    def _seen(self, rgb: np.ndarray, quality: str) -> np.ndarray:
        """Alpha of one look at a picture: float32 in 0..1, shape (H, W)."""
        size = size_of_look(rgb.shape, quality, self._description)
        alpha = self.look(resized(rgb, size)).astype(np.float32)
        if not np.isfinite(alpha).all():
            raise ValueError("alpha is not all numbers")
        return _of_photo(np.clip(alpha, 0, 1), rgb, self._threads)


def _worth_a_second_look(alpha: np.ndarray) -> list[Region]:
    """Where people are that fill so little of a photo that a look at them alone shows more; alpha of a first look."""
    regions = regions_of_people(geometry.reduced(alpha, _SEARCH_SIDE), alpha.shape)
    return [region for region in regions if alpha[region].size < _CLOSER * alpha.size]


def _agrees(closer: np.ndarray, first: np.ndarray) -> bool:
    """Whether a second look, float32, shape (H, W), still finds what the first one was sure of."""
    sure = first > _SURE
    return bool((closer[sure] > 0.5).mean() >= _STILL_THERE) if sure.any() else False


def size_of_look(shape: Sequence[int], quality: str, description: Description) -> tuple[int, int]:
    """(height, width) of what a network looks at of a photo of this shape."""
    if all(description.size):
        return description.size
    height, width = shape[:2]
    longest, shortest = max(height, width), min(height, width)
    if description.longest_side:
        scale = description.longest_side / longest
    elif description.shortest_side:
        scale = description.shortest_side / shortest
    else:
        scale = min(1, _LONGEST_SIDE[quality] / longest)
    scale, multiple = min(scale, _MOST / longest), description.multiple
    tall, wide = (max(1, round(side * scale / multiple)) * multiple for side in (height, width))
    return tall, wide


def resized(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Pixels, shape (H, W) or (H, W, 3), at a size of (height, width)."""
    height, width = size
    if pixels.shape[:2] == size:
        return pixels
    smaller = height * width < pixels.shape[0] * pixels.shape[1]
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)


@contextlib.contextmanager
def failures_explained(model: str, key: str) -> Iterator[None]:
    """Turns whatever a runtime raises into a ModelError with this key: their errors have no common base."""
    try:
        yield
    except (CvmatteError, MemoryError, cv2.error):
        raise
    except Exception as error:
        logger.exception("%s: %s", key, model)
        raise ModelError(key, model=model) from error


def packages_missing(model: str) -> ModelError:
    """For who has not installed TensorFlow, PyTorch and ModelScope. model: the title of one that needs them."""
    logger.warning("importing what %s needs", model, exc_info=True)  # one that is there may be broken
    return ModelError("packages_missing", model=model, install=install_packages_command("modelscope"))


def in_words(shape: Sequence[object]) -> str:
    return " × ".join("?" if side is None else str(side) for side in shape) or "1"


def _of_photo(alpha: np.ndarray, rgb: np.ndarray, threads: int) -> np.ndarray:
    height, width = rgb.shape[:2]
    # No larger than the photo: a small one was enlarged for the network.
    size = min(alpha.shape[0], height), min(alpha.shape[1], width)
    alpha = np.clip(resized(alpha, size), 0, 1)
    return alpha if size == (height, width) else guided_filter.enlarge_alpha(alpha, resized(rgb, size), rgb, threads)
