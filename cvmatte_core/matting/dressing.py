"""From a matte to a layer. Photos, clips and live frames all go through `dress`: its order stands here alone."""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, Union

import cv2
import numpy as np

from ..localization.errors import ImageError
from ..settings import MatteSettings
from . import compose, refine, surround
from .framing import Cutout, Framing, Move

_MOST_BYTES = 100_000_000  # a larger result isn't remembered

Result = TypeVar("Result", bound=Union[np.ndarray, Cutout])


class Steps:
    """The last result of each step on one source, and nothing of others: so a moved slider repeats only what depends on
    it. Several threads may use it at once."""

    def __init__(self, most_bytes: float = _MOST_BYTES) -> None:
        """most_bytes: of a result that is kept; 0: none is."""
        self._most_bytes = most_bytes
        # One pair, replaced as a whole: so no other thread's source gets the results of this one's.
        self._kept: tuple[Callable[[], object], dict[str, tuple[Hashable, Any]]] = lambda: None, {}

    def __call__(self, source: object, step: str, inputs: Hashable, make: Callable[[], Result]) -> Result:
        """The step's last result where source and inputs are the same, else a new one.

        source: compared by identity, and not kept alive. inputs: whatever else the result depends on.
        """
        source_of, results = self._kept
        if source_of() is not source:
            results = {}
            self._kept = weakref.ref(source), results
        known = results.get(step)
        if known is not None and known[0] == inputs:
            result: Result = known[1]
            return result
        del known
        results.pop(step, None)  # freed before its successor needs memory
        result = make()
        if result.nbytes <= self._most_bytes:
            results[step] = inputs, result
        return result

    def forget(self) -> None:
        self._kept = lambda: None, {}


@dataclass(frozen=True)
class Dressed:
    """A layer, and what it was made of.

    layer: uint8 RGBA, straight alpha. rim: pixels by which it has grown on each side for what is around the person.
    alpha, foreground: as in Cutout, in the layer's size but for the rim. people: the picture with
    alpha of whom the layer shows, before the edge's controls; edged: that alpha after them; both before `move`, which
    takes pictures to their place in the layer.
    """

    layer: np.ndarray
    rim: int
    alpha: np.ndarray
    foreground: np.ndarray
    people: Cutout
    edged: np.ndarray
    move: Move


def dress(
    source: Cutout,
    settings: MatteSettings,
    framing: Framing,
    backgrounds: Backgrounds,
    steps: Steps | None = None,
    kept: np.ndarray | None = None,
) -> Dressed:
    """Subject, edge, crop, mirror, background, outline, shadow. steps: what remembers the costly ones. kept: what is
    shown beside the people, who alone decide the crop; as alpha, of a framing that keeps its size. Raises ImageError.
    """
    steps = steps or Steps(0)
    people = source.alpha
    if settings.subject == "main":
        people = steps(source, "main", (), lambda: refine.main_person(source.alpha))
    shown = framing.fit(dataclasses.replace(source, alpha=people))
    people = shown.alpha
    if kept is not None:
        shown = dataclasses.replace(shown, alpha=np.maximum(people, kept))
    inputs = settings.subject, shown.alpha.shape  # what, besides the source, `shown` depends on
    # Erosion before the threshold, which comes to the same: so the threshold's slider finds it done.
    eroded = steps(source, "eroded", (*inputs, settings.erosion), lambda: refine.erode(shown.alpha, settings.erosion))
    cut = refine.soften_cut(refine.threshold(eroded, settings.threshold), settings.threshold)
    edged = refine.feather(cut, settings.feather, settings.feather_direction)
    move = framing.crop(edged if kept is None else np.minimum(edged, people))
    if settings.mirror:
        move = _mirrored(move)
    move = framing.place(shown.photo, edged, move)
    alpha = move(edged)
    foreground = move(shown.foreground if settings.decontaminate else shown.photo)
    behind: np.ndarray | None
    if settings.background == "blur":
        # Of the whole photo: what lies beyond the crop shines in, and the crop may move with any slider.
        blur = settings.background_blur
        behind = move(steps(source, "blurred", (*inputs, blur), lambda: _blurred(shown, blur)))
    else:  # not of the photo: it has no end where the photo has one, and may have writing on it
        behind = backgrounds(settings, (alpha.shape[1], alpha.shape[0]))
    rim = settings.rim if framing.may_grow else 0
    layer = compose.layer_pixels(*surround.surrounded(foreground, alpha, behind, settings, rim))
    return Dressed(layer, rim, alpha, foreground, shown, edged, move)


def _mirrored(move: Move) -> Move:
    return lambda picture: cv2.flip(move(picture), 1)


def _blurred(shown: Cutout, blur: int) -> np.ndarray:
    hidden = shown.alpha if shown.own is None else np.maximum(shown.alpha, 1 - shown.own)
    return compose.blurred_background(shown.photo, hidden, blur)


class Backgrounds:
    """What stands behind people and isn't of their own photo: a colour, or an image, kept as long as it is in use.

    state_of: what changes when the image's file does; without it the file is read once.
    """

    def __init__(self, state_of: Callable[[Path], Hashable] = str) -> None:
        self._state_of = state_of
        self._kept = Steps()

    def __call__(self, settings: MatteSettings, size: tuple[int, int]) -> np.ndarray | None:
        """uint8 RGB, shape (H, W, 3), of (width, height); None where the layer is transparent. Raises ImageError."""
        if settings.background == "colour":
            return compose.plain(settings.background_colour, size)
        return self._image(settings.background_image, size) if settings.background == "image" else None

    def forget(self) -> None:
        self._kept.forget()

    def _image(self, chosen: str, size: tuple[int, int]) -> np.ndarray:
        if not chosen:
            raise ImageError("background_missing")
        path = Path(chosen)

        def covering() -> np.ndarray:
            return compose.covering(self._kept(self, "image", state, lambda: compose.backdrop(path)), size)

        try:
            state = self._state_of(path) or chosen
            return self._kept(self, "covering", (state, size), covering)
        except ImageError as error:
            if error.key in ("image_missing", "image_no_answer"):  # it isn't the photo, which may be waited for
                raise ImageError("background_gone", name=path.name) from error
            raise
