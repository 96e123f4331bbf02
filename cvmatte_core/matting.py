"""Matter: from a photo to a matte. The one entry for every caller: the worker, the command line, the tests."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import cv2
import numpy as np

from . import compose, images, refine
from .errors import Cancelled, ImageError
from .models.network import Network, load
from .settings import MatteSettings

Progress = Callable[[str, int, int], None]

_CACHE_BYTES = 400_000_000
_BEHIND_TRANSPARENT = 128  # grey: what the network sees where the photo itself is transparent


@dataclass(frozen=True)
class RawMatte:
    """What the network and the colour estimate made of a photo, before any control of the edge acts.

    photo: uint8 RGB, shape (H, W, 3). alpha: float32 in 0..1, shape (H, W). foreground: uint8 RGB, straight.
    """

    photo: np.ndarray
    alpha: np.ndarray
    foreground: np.ndarray

    @property
    def bytes(self) -> int:
        return self.photo.nbytes + self.alpha.nbytes + self.foreground.nbytes


@dataclass(frozen=True)
class Matte:
    """A finished cut-out.

    layer: uint8 RGBA, straight alpha, shape (H, W, 4). alpha: float32 in 0..1, shape (H, W), after all controls.
    foreground, photo: uint8 RGB, shape (H, W, 3). seconds: what each stage took;
    one that the cache spared is absent.
    """

    layer: np.ndarray
    alpha: np.ndarray
    foreground: np.ndarray
    photo: np.ndarray
    digest: str
    seconds: dict[str, float]

    def preview(self) -> np.ndarray:
        """The three-view sheet, uint8 RGB."""
        return compose.preview_sheet(self.photo, self.foreground, self.alpha, self.layer)


class Matter:
    """Cuts people out of photos. Keeps loaded networks and the raw mattes of the last photos.

    Use one instance a process, from one thread at a time.
    """

    def __init__(self, threads: int | None = None, cache_bytes: int = _CACHE_BYTES) -> None:
        self._threads = threads or _default_threads()
        self._cache_bytes = cache_bytes
        self._networks: dict[str, Network] = {}
        self._raw_mattes: OrderedDict[tuple[str, str, str, int], RawMatte] = OrderedDict()

    def __call__(
        self,
        image: Path,
        settings: MatteSettings,
        *,
        force: bool = False,
        on_progress: Progress = lambda stage, done, total: None,
        cancelled: threading.Event | None = None,
    ) -> Matte:
        """Matte a photo.

        force: run the network even where the raw matte is cached. Raises ImageError, ModelError, or Cancelled when
        `cancelled` is set between two steps.
        """

        def step(stage: str, done: int = 0, total: int = 1) -> None:
            if cancelled is not None and cancelled.is_set():
                raise Cancelled
            on_progress(stage, done, total)

        try:
            return self._matte(image, settings, force, step)
        except MemoryError as error:
            self._raw_mattes.clear()
            raise ImageError("image_memory", name=image.name) from error
        except cv2.error as error:
            if "insufficient memory" in str(error).lower():
                self._raw_mattes.clear()
                raise ImageError("image_memory", name=image.name) from error
            raise

    def prepare(self, model: str) -> Network:
        """Load a model ahead of its first use. Raises ModelError."""
        if model not in self._networks:
            self._networks[model] = load(model, self._threads)
        return self._networks[model]

    def _matte(self, image: Path, settings: MatteSettings, force: bool, step: Callable[..., None]) -> Matte:
        clock = _Clock()
        step("decode")
        data = images.read(image)
        digest = images.digest(data)
        key = (digest, settings.model, settings.quality, settings.longest_side)
        raw = None if force else self._raw_mattes.get(key)
        if raw is None:
            photo = images.decode(data, image.name, settings.longest_side)
            clock.lap("decode")
            raw = self._raw_matte(photo, settings, step, clock)
            self._remember(key, raw)
        else:
            self._raw_mattes.move_to_end(key)
            clock.lap("decode")
        step("refine")
        alpha = refine.refine_alpha(raw.alpha, settings)
        foreground = raw.foreground if settings.decontaminate else raw.photo
        layer = compose.layer_pixels(foreground, alpha, settings)
        clock.lap("refine")
        return Matte(layer, alpha, foreground, raw.photo, digest, clock.seconds)

    def _raw_matte(
        self, photo: images.Photo, settings: MatteSettings, step: Callable[..., None], clock: _Clock
    ) -> RawMatte:
        step("load")
        network = self.prepare(settings.model)
        clock.lap("load")
        seen = photo.rgb
        if photo.alpha is not None:
            grey = np.full_like(seen, _BEHIND_TRANSPARENT)
            seen = cv2.blendLinear(seen, grey, photo.alpha, 1 - photo.alpha)
        alpha = refine.clean_alpha(network(seen, settings.quality, lambda done, total: step("network", done, total)))
        clock.lap("network")
        foreground = refine.estimate_foreground(photo.rgb, alpha)
        if photo.alpha is not None:
            alpha = np.minimum(alpha, photo.alpha)
        clock.lap("colours")
        return RawMatte(photo.rgb, alpha, foreground)

    def _remember(self, key: tuple[str, str, str, int], raw: RawMatte) -> None:
        self._raw_mattes[key] = raw
        self._raw_mattes.move_to_end(key)
        while len(self._raw_mattes) > 1 and sum(kept.bytes for kept in self._raw_mattes.values()) > self._cache_bytes:
            self._raw_mattes.popitem(last=False)


class _Clock:
    """Splits the time that passes into named stages."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] = now - self._last
        self._last = now


def _default_threads() -> int:
    """All cores but one for OBS, at most 8: more hardly help a network of this size."""
    cores = os.cpu_count() or 1
    return max(1, min(8, cores if cores <= 2 else cores - 1))
