"""Moving pictures: each frame's cut goes on from the one before, as the recurrent network was made for."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Tuple

import cv2
import numpy as np

from ..models import guided
from ..models.catalogue import entry_of
from ..models.network import load
from ..models.recurrent import Look, RecurrentVideoMatting
from ..settings import MatteSettings
from ..system import devices
from ..words.errors import ImageError
from . import compose, refine

# Quality: the longer side of what the network looks at, in pixels.
SIDES = {"fast": 384, "balanced": 512, "best": 720}
_CUT = 0.35  # mean difference of two small pictures' colours, of 0..1, from which on it is another scene
_CUT_SIDE = 32
_CALM = 0.07  # how far a crop goes towards the person with each frame
_SMALLEST = 0.2  # its side, of the frame's, at least


_Window = Tuple[float, float, float]  # left, top and side, as parts of the frame's sides


class Moving:
    """Cuts people out of the frames of one clip or camera, one after the other.

    settings: as for photos; but a crop keeps the frame's size, and follows the person. Raises ModelError, ImageError
    for a background that isn't one.
    """

    def __init__(self, settings: MatteSettings, threads: int, device: str | None = None) -> None:
        """device: of devices.DEVICES; without it, the environment's."""
        self.settings = settings.resolved()
        self.side = SIDES[self.settings.quality]
        self._threads = threads
        self._network = load(entry_of(self.settings.model).name, threads, device or devices.of_environment())
        self.network_seconds = 0.0  # of the last frame
        self.has_seen_somebody = False  # in any frame
        self._beside = ThreadPoolExecutor(1, "colours")
        self._before: Look | None = None
        self._small: np.ndarray | None = None
        self._window: np.ndarray | None = None  # across, down, side: where the person is, smoothed
        self._backdrop: np.ndarray | None = None
        self._image: Tuple[Path, np.ndarray] | None = None  # the background image that was read last
        if self.settings.background == "image":
            self._picture_behind()  # said before the first frame, where it can't be had

    @property
    def device(self) -> str:
        """What the network runs on, as its runtime calls it."""
        return self._network.device

    def alpha(self, frame: np.ndarray) -> np.ndarray:
        """Alpha of a frame, uint8 RGB, shape (H, W, 3), before any control: float32 in 0..1, shape (H, W).

        Raises ModelError.
        """
        return _enlarged_alpha(*self._seen(frame), frame)

    def layer(self, frame: np.ndarray) -> np.ndarray:
        """A frame cut out, with all controls: uint8 RGBA, straight alpha, shape (H, W, 4). Raises ModelError."""
        settings = self.settings
        picture, estimate = self._seen(frame)
        # One takes as long as the other, and each a core.
        nearby = self._beside.submit(refine.colours_nearby, frame, estimate) if settings.decontaminate else None
        people = _enlarged_alpha(picture, estimate, frame)
        colours = refine.foreground_by(frame, people, nearby.result()) if nearby is not None else frame
        self.has_seen_somebody = self.has_seen_somebody or refine.shows_somebody(people)
        if settings.subject == "main":
            people = refine.main_person(people)
        alpha = refine.edge(refine.erode(people, settings.erosion), settings)
        background = self._background(frame, people)
        if settings.crop:
            window = self._followed(alpha)
            alpha, colours = _enlarged(alpha, window), _enlarged(colours, window)
            if background is not None and settings.background == "blur":
                background = _enlarged(background, window)
        if settings.mirror:
            alpha, colours = cv2.flip(alpha, 1), cv2.flip(colours, 1)
            if background is not None and settings.background == "blur":
                background = cv2.flip(background, 1)
        return compose.layer_pixels(colours, alpha, background, settings.shadow)

    def change(self, settings: MatteSettings) -> None:
        """Other controls, from the next frame on: all but the model and quality."""
        self.settings = settings.resolved()
        self._backdrop = None

    def forget(self) -> None:
        """What comes next doesn't go on from what came before."""
        self._before = self._small = self._window = None

    def _seen(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the network looked at, uint8 RGB, shape (h, w, 3), and its alpha, float32, shape (h, w)."""
        if not isinstance(self._network, RecurrentVideoMatting):
            return frame, self._network(frame, self.settings.quality, lambda done, total: None)
        if self._is_another_scene(frame):
            self._before = None
        begun = time.monotonic()
        self._before = look = self._network.follow(frame, self.side, self._before)
        self.network_seconds = time.monotonic() - begun
        return look.picture, look.alpha

    def _background(self, frame: np.ndarray, people: np.ndarray) -> np.ndarray | None:
        settings = self.settings
        if settings.background == "transparent":
            return None
        if settings.background == "blur":
            return compose.blurred_background(frame, people, settings.background_blur)
        if self._backdrop is None or self._backdrop.shape != frame.shape:
            size = frame.shape[1], frame.shape[0]
            if settings.background == "image":
                self._backdrop = compose.covering(self._picture_behind(), size)
            else:
                self._backdrop = compose.plain(settings.background_colour, size)
        return self._backdrop

    def _picture_behind(self) -> np.ndarray:
        """The background image: uint8 RGB. Raises ImageError."""
        if not self.settings.background_image:
            raise ImageError("background_missing")
        path = Path(self.settings.background_image)
        if self._image is not None and self._image[0] == path:
            return self._image[1]
        try:
            self._image = path, compose.backdrop(path)
            return self._image[1]
        except ImageError as error:
            if error.key in ("image_missing", "image_no_answer"):
                raise ImageError("background_gone", name=path.name) from error
            raise

    def _followed(self, alpha: np.ndarray) -> _Window:
        """The window that follows the person: of the frame's shape, and as calm as a camera on its stand."""
        height, width = alpha.shape
        rows, columns = refine.crop_box(alpha, self.settings.crop_margin)
        share = max((rows.stop - rows.start) / height, (columns.stop - columns.start) / width, _SMALLEST)
        middle = (columns.start + columns.stop) / 2 / width, (rows.start + rows.stop) / 2 / height
        wanted = np.array([*middle, min(1.0, share)])
        if self._window is None:
            self._window = wanted
        self._window = self._window + _CALM * (wanted - self._window)
        x, y, share = self._window
        left, top = (np.clip(place - share / 2, 0, 1 - share) for place in (x, y))
        return float(left), float(top), float(share)

    def _is_another_scene(self, frame: np.ndarray) -> bool:
        """Whether the picture has changed as a whole: what the network remembers is of no use then, and does harm."""
        before = self._small
        few = frame[:: max(1, frame.shape[0] // 128), :: max(1, frame.shape[1] // 128)]
        self._small = cv2.resize(few, (_CUT_SIDE, _CUT_SIDE), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        return before is not None and float(np.abs(self._small - before).mean()) > _CUT


def _enlarged_alpha(picture: np.ndarray, alpha: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """Alpha at the frame's size, of what a network made of a picture of it."""
    return refine.clean_alpha(alpha if picture is frame else guided.enlarge_alpha(alpha, picture, frame))


def _enlarged(pixels: np.ndarray, window: _Window) -> np.ndarray:
    """What a frame's pixels show within a window, in the frame's own size."""
    height, width = pixels.shape[:2]
    left, top, share = window
    if share > 0.999:
        return pixels
    # The pixel in the middle of (0, 0) lies at 0, as OpenCV counts.
    offset = [0.5 * share - 0.5 + left * width, 0.5 * share - 0.5 + top * height]
    transform = np.array([[share, 0, offset[0]], [0, share, offset[1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(pixels, transform, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
