"""From a raw matte to a finished one: the touch-up, all controls, and what goes into the files."""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import cv2
import numpy as np

from ..image import encoders
from ..image.geometry import Region, around, everything
from ..image.metadata import NOTHING, Metadata
from ..image.reused import Reused
from ..localization.notes import Note
from ..settings import TOUCH_UP, MatteSettings
from . import compose, framing, id_photo, refine, surround, touch_up
from .dressing import Backgrounds, Dressed, Steps, dress
from .framing import Cutout, Framing
from .raw_matte import RawMatte, Stages
from .touch_up import Strokes

_SOFTENED = 8  # pixels that what is done to an edge reaches, beside erosion and feather


StrokesFor = Callable[[tuple[int, int]], Strokes]  # a touch-up for a matte of a shape; it may raise ImageError


@dataclass(frozen=True)
class Matte:
    """A finished cut-out.

    layer: uint8 RGBA, straight alpha, shape (H, W, 4). alpha: float32 in 0..1, shape (H, W), after all controls.
    foreground, photo: uint8 RGB, shape (H, W, 3). All four are cropped and mirrored alike, and not to be written to:
    the cache may share them. digest: of the photo's content. touch_up: the stamp of the touch-up that was used; empty
    without one. seconds: what each stage took; one that the cache spared is absent. device: what the network ran on, as
    its runtime calls it. fallback: the values of the text "device.fallback" where that isn't what it was to run on.
    fault: the error's key where there is nobody to see, or no face for an ID photo; "" where all is well. about: what
    the layer's file says, of max_kilobytes at most (0: any number). of_photo: what is to be said of the photo.
    """

    layer: np.ndarray
    alpha: np.ndarray
    foreground: np.ndarray
    photo: np.ndarray
    digest: str
    seconds: dict[str, float]
    device: str = ""
    fallback: Mapping[str, str] | None = None
    touch_up: str = ""
    fault: str = ""
    about: Metadata = NOTHING
    of_photo: tuple[Note, ...] = ()
    max_kilobytes: int = 0

    @property
    def notes(self) -> tuple[Note, ...]:
        """All that is to be told beside it."""
        return (*self.of_photo, *([Note("device.fallback", self.fallback)] if self.fallback else ()))

    def preview(self) -> np.ndarray:
        """The three-view sheet, uint8 RGB."""
        return compose.preview_sheet(self.photo, self.alpha, self.layer)

    def files(self, settings: MatteSettings) -> tuple[bytes, bytes | None]:
        """The layer's file and, where one is wanted, the mask's. Raises OutputError."""
        return self.layer_file(settings.format), self.mask_file() if settings.save_mask else None

    def layer_file(self, format: str) -> bytes:
        """What the layer's file holds; format: of settings.FORMATS. Raises OutputError where it can't hold that."""
        return encoders.layer(self.layer, format, self.about, self.max_kilobytes)

    def mask_file(self) -> bytes:
        """What the mask's file holds: a grey PNG, white is the person."""
        return encoders.png(compose.alpha_bytes(self.alpha), Metadata(self.about.dpi))


class Finisher:
    """A function of a raw matte, strokes and settings. What it remembers spares time and changes no result."""

    def __init__(self, threads: int, backgrounds: Backgrounds) -> None:
        self._backgrounds = backgrounds
        self._threads = threads
        self._touch_ups: WeakKeyDictionary[RawMatte, touch_up.TouchUp] = WeakKeyDictionary()
        self._touched, self._steps = Steps(float("inf")), Steps()
        self._last: _Painted | None = None

    def __call__(self, raw: RawMatte, strokes: Strokes | None, settings: MatteSettings, stages: Stages) -> Matte:
        """Raises ImageError where the background image won't do."""
        touched = self._touched_up(raw, strokes)
        if strokes is not None:
            stages.ended("touch-up")
        frame = framing.of_photo(settings)
        dressed = self._dressed(touched, raw, strokes, settings, frame)
        fault = frame.fault
        if not refine.shows_somebody(dressed.edged):
            fault = "nothing_left" if refine.shows_somebody(dressed.people.alpha) else "nobody_found"
        alpha, foreground, photo = (
            surround.with_rim(view, dressed.rim) if dressed.rim else view
            for view in (dressed.alpha, dressed.foreground, dressed.move(dressed.people.photo))
        )
        pictures = dressed.layer, alpha, foreground, photo
        about, max_kilobytes = raw.about if settings.metadata else NOTHING, 0
        if settings.id_photo != id_photo.OFF:
            about = dataclasses.replace(about, dpi=(id_photo.DPI, id_photo.DPI))
            max_kilobytes = settings.max_kilobytes
            if not fault and settings.sheet != id_photo.OFF:
                pictures = _on_a_sheet(pictures, settings.sheet)
        stages.ended("refine")
        stamp = strokes.stamp if strokes is not None else ""
        made = raw.digest, stages.seconds, raw.device, raw.fallback
        return Matte(*pictures, *made, stamp, fault, about, raw.notes, max_kilobytes)

    def part(self, raw: RawMatte, strokes: Strokes, settings: MatteSettings, box: Region) -> tuple[np.ndarray, Region]:
        """See Matter.part."""
        if _depends_on_far_ones(settings):
            return self(raw, strokes, settings, Stages()).layer, everything(raw.alpha.shape)
        box = around(box, _reach(settings), raw.alpha.shape)[0]
        wide, inner = around(box, _reach(settings), raw.alpha.shape)
        apply = self._touch_up_of(raw)
        alpha, foreground = apply.part(raw.photo, raw.alpha, raw.foreground, strokes, wide)
        if raw.own is not None:
            alpha = np.minimum(alpha, raw.own[wide])
        near = Cutout(raw.photo[wide], alpha, foreground, None)
        return dress(near, settings, framing.WHOLE, self._backgrounds).layer[inner], box

    def forget(self) -> None:
        self._touch_ups.clear()
        self._touched.forget()
        self._steps.forget()
        self._last = None

    def _dressed(
        self, touched: RawMatte, raw: RawMatte, strokes: Strokes | None, settings: MatteSettings, frame: Framing
    ) -> Dressed:
        """What `dress` gives. Of a layer that was just painted on only what changed is made anew."""
        last, self._last = self._last, None
        if strokes is None:
            return dress(touched, settings, frame, self._backgrounds, self._steps)
        if last is not None and last.raw() is raw and last.settings == settings and _stays_in_place(settings):
            dressed = _repainted(last, touched, strokes, self._backgrounds, self._touch_up_of(raw).memory)
        else:
            dressed = dress(touched, settings, frame, self._backgrounds, self._steps)
        self._last = _Painted(weakref.ref(raw), settings, strokes, dressed)
        return dressed

    def _touched_up(self, raw: RawMatte, strokes: Strokes | None) -> RawMatte:
        return self._touched(raw, "touch-up", strokes and strokes.stamp, lambda: self._applied(raw, strokes))

    def _touch_up_of(self, raw: RawMatte) -> touch_up.TouchUp:
        return self._touch_ups.setdefault(raw, touch_up.TouchUp(self._threads))

    def _applied(self, raw: RawMatte, strokes: Strokes | None) -> RawMatte:
        if strokes is None:
            return raw
        apply = self._touch_up_of(raw)
        alpha, foreground = apply(raw.photo, raw.alpha, raw.foreground, strokes)
        if raw.own is not None:
            alpha = np.minimum(alpha, raw.own)
        return dataclasses.replace(raw, alpha=alpha, foreground=foreground)


@dataclass(frozen=True)
class _Painted:
    """A layer as it was made last of a raw matte with a touch-up."""

    raw: weakref.ref[RawMatte]
    settings: MatteSettings
    strokes: Strokes
    dressed: Dressed


def _depends_on_far_ones(settings: MatteSettings) -> bool:
    """Whether pixels of the layer depend on ones far away."""
    return settings.subject == "main" or bool(settings.shadow)


def _stays_in_place(settings: MatteSettings) -> bool:
    """Whether the layer is as large as the photo, and each pixel depends on those near it alone; on the same ones to
    the last bit, which a feather doesn't."""
    unmoved = dataclasses.replace(settings.at(TOUCH_UP), save_mask=settings.save_mask)
    return settings == unmoved and not settings.feather and not _depends_on_far_ones(settings)


def _reach(settings: MatteSettings) -> int:
    """How many pixels away alpha counts for a pixel of such a layer."""
    return settings.erosion + 2 * settings.feather + _SOFTENED + compose.COLOURED


def _repainted(
    last: _Painted, touched: RawMatte, strokes: Strokes, backgrounds: Backgrounds, memory: Reused
) -> Dressed:
    """The last layer with other strokes."""
    before, settings = last.dressed, last.settings
    people = dataclasses.replace(before.people, alpha=touched.alpha)
    layer, edged, box = memory.copy(before.layer), before.edged, touch_up.changed(last.strokes, strokes)
    is_plain = before.edged is before.people.alpha  # no control acts on the edge
    if box is not None:
        box = around(box, _reach(settings), edged.shape)[0]
        wide, inner = around(box, _reach(settings), edged.shape)
        near = Cutout(touched.photo[wide], touched.alpha[wide], touched.foreground[wide], None)
        anew = dress(near, settings, framing.WHOLE, backgrounds)
        layer[box] = anew.layer[inner]
        if not is_plain:
            edged = memory.copy(edged)
            edged[box] = anew.edged[inner]
    if is_plain:
        edged = touched.alpha
    foreground = touched.foreground if settings.decontaminate else touched.photo
    people = dataclasses.replace(people, foreground=touched.foreground)
    return Dressed(layer, before.rim, before.move(edged), before.move(foreground), people, edged, before.move)


def _on_a_sheet(pictures: tuple[np.ndarray, ...], sheet: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The layer, alpha, foreground and photo of a matte, each on a sheet: paper is opaque, and white."""
    layer, _, foreground, photo = pictures
    white = np.full_like(photo, 255)
    shown = compose.over(np.ascontiguousarray(layer[..., :3]), layer[..., 3].astype(np.float32) / 255, white)
    shown, foreground, photo = (id_photo.sheet_of(pixels, sheet) for pixels in (shown, foreground, photo))
    return cv2.cvtColor(shown, cv2.COLOR_RGB2RGBA), np.ones(shown.shape[:2], np.float32), foreground, photo
