"""The page for touching up as the one on which a live portrait's zones are painted, on a still of its picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..image.geometry import Region, everything
from ..matting import framing, zones
from ..matting.dressing import Backgrounds, dress
from ..matting.framing import Cutout
from ..matting.matter import Matter, Progress, Strokes, StrokesFor, strokes_of
from ..matting.touch_up import AUTOMATIC
from ..settings import TOUCH_UP, MatteSettings
from .sheets import Sheet
from .touch_up import SHEET_PNG, Desk, OpenPhoto


class PortraitZones:
    """What is painted for live portraits, by what each is known by; a touch_up.Store for their sheets.

    tell(portrait, zones): passes on what was painted to whom it is kept by, a portrait's settings in OBS.
    """

    def __init__(self, tell: Callable[[str, str], None]) -> None:
        self._tell = tell
        self._shapes: dict[str, tuple[int, int]] = {}
        self._kept: dict[str, bytes] = {}
        self._removed: dict[str, bytes] = {}

    def hear(self, portrait: str, text: str, shape: tuple[int, int] | None = None) -> None:
        """What its zones are now, whoever changed them. shape: of its sheets from now on, where a page is opened."""
        shape = self._shapes.get(portrait) if shape is None else shape
        if shape is None:
            return
        self._shapes[portrait] = shape
        sheet, before = zones.on_sheet(text, shape), self._kept.get(portrait, b"")
        self._kept[portrait] = now = _png(sheet) if (sheet != AUTOMATIC).any() else b""
        if before not in (b"", now):
            self._removed[portrait] = before

    def forget(self, portrait: str) -> None:
        for known in (self._shapes, self._kept, self._removed):
            known.pop(portrait, None)

    def load(self, digest: str) -> bytes | None:
        return self._kept.get(digest)

    def save(self, digest: str, png: bytes, photo: Path | None = None) -> None:
        if digest not in self._shapes:  # the portrait has just gone
            return
        self._kept[digest] = png
        self._tell(digest, zones.text_of(strokes_of(png, digest, self._shapes[digest]).pixels))

    def remove(self, digest: str) -> None:
        if self._kept.get(digest):
            self._removed[digest] = self._kept.pop(digest)
        self._tell(digest, "")

    def removed(self, digest: str) -> bytes | None:
        return self._removed.get(digest)


@dataclass(kw_only=True)
class OpenZones(OpenPhoto):
    """A still of a live picture that is open. cutout: of it, in the size of the sheet."""

    cutout: Cutout

    @property
    def held(self) -> tuple[np.ndarray, ...]:
        return *super().held, self.cutout.alpha, self.cutout.foreground

    def part(self, matter: Matter, strokes: StrokesFor, box: Region) -> tuple[np.ndarray, Region]:
        return cut(self.cutout, strokes(self.cutout.alpha.shape).pixels, self.settings), everything(self.picture.shape)


def cut(still: Cutout, sheet: np.ndarray, settings: MatteSettings) -> np.ndarray:
    """A still with zones, as VideoMatter has its frames: uint8 RGBA, shape (H, W, 4)."""
    height, width = still.alpha.shape
    masks = zones.Masks.of(sheet, (height, width))
    zoned = Cutout(still.photo, masks.hide(still.alpha), masks.colour(still.foreground, still.photo), None)
    return dress(zoned, settings, framing.WHOLE, Backgrounds(), kept=masks.kept).layer


def open_zones(
    desk: Desk,
    store: PortraitZones,
    matter: Matter,
    still: Path,
    settings: MatteSettings,
    *,
    id: str,
    name: str,
    portrait: str,
    text: str,
    on_progress: Progress | None = None,
) -> None:
    """For who is in the Matter's thread. id: to be found by. text: the zones that the portrait has. Raises ImageError,
    ModelError."""
    plain = MatteSettings(model=settings.model, quality=settings.quality, longest_side=zones.SIDE)
    matte = matter(still, plain, may_be_empty=True, on_progress=on_progress)
    shape = zones.shape_of_sheet(matte.alpha.shape)
    photo, alpha, foreground = (cv2.resize(each, shape[::-1]) for each in (matte.photo, matte.alpha, matte.foreground))
    sheet = desk.sheet(portrait)
    if sheet is not None and sheet.pixels.shape != shape:  # those pages are out of date, and say so
        desk.take_away(portrait)
        sheet = None
    store.hear(portrait, text, shape)
    sheet = sheet or Sheet(portrait, Strokes(np.full(shape, AUTOMATIC, np.uint8), ""), b"", store)
    desk.catch_up(sheet)
    cutout, chosen = Cutout(photo, alpha, foreground, None), settings.at(TOUCH_UP)
    layer, seen = cut(cutout, sheet.pixels, chosen), sheet.strokes
    opened = OpenZones(id, still, name, chosen, sheet, photo, layer, seen, None, settings.mirror, cutout=cutout)
    desk.lay(opened)


def _png(sheet: np.ndarray) -> bytes:
    """As Desk has it: so that the same zones are the same file."""
    return cv2.imencode(".png", sheet, SHEET_PNG)[1].tobytes()
