"""Touching up in a browser: the photos that are open for it, and the live pictures whose zones are painted (zones.py).

The page sends each stroke as the rectangle that it changed, and gets back the rectangle of the layer that changed.
"""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..image import images
from ..image.geometry import Region
from ..layers.touch_ups import TouchUps, stamp_of
from ..localization.errors import CvmatteError, RequestError
from ..localization.notes import Note
from ..matting import touch_up
from ..matting.matter import Matter, Progress, Strokes, StrokesFor, strokes_of
from ..settings import TOUCH_UP, MatteSettings
from .sheets import Sheet
from .threads import Drive

# The most recently used stay open: at most so many, holding at most so many bytes of memory.
_OPEN_PHOTOS = 12
_OPEN_BYTES = 1_000_000_000
QUICK_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
# Of a sheet, which is flat: a quarter of the time, and as small.
SHEET_PNG = [*QUICK_PNG, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE]

Run = Callable[[Callable[[Matter], Any]], "Future[Any]"]  # has work done in the Matter's thread


@dataclass
class OpenPhoto:
    """A photo that is open. room: the empty room's photo. folder: removed when it closes.

    layer: uint8 RGBA as the page has it, shape (H, W, 4). seen: the strokes that are in this layer.
    is_mirrored: whether pages show it so; nothing here is.
    """

    id: str
    path: Path
    name: str
    settings: MatteSettings
    sheet: Sheet
    picture: np.ndarray
    layer: np.ndarray
    seen: Strokes
    folder: Path | None = None
    is_mirrored: bool = False
    room: Path | None = None
    notes: tuple[Note, ...] = ()

    @property
    def held(self) -> tuple[np.ndarray, ...]:
        """The pixels that it holds in memory."""
        return self.picture, self.layer, self.seen.pixels, self.sheet.pixels

    def part(self, matter: Matter, strokes: StrokesFor, box: Region) -> tuple[np.ndarray, Region]:
        """See Matter.part."""
        return matter.part(self.path, self.settings, strokes, box, self.room)


@dataclass(frozen=True)
class Change:
    """A rectangle of a layer, its pixels RGBA bytes; empty if nothing changed. version: the sheet's."""

    box: tuple[int, int, int, int]
    pixels: bytes
    version: int


class Desk:
    """The photos that are open, and what is painted on them.

    touch_ups: where strokes are saved; None: nowhere, and each page has its own. on_change(digest): called after each
    saved change. most_bytes: of memory that the photos may hold; the one in use stays open, however large it is.
    """

    def __init__(
        self,
        run: Run,
        touch_ups: TouchUps | None,
        on_change: Callable[[str], None] = lambda digest: None,
        most_bytes: int = _OPEN_BYTES,
    ) -> None:
        self.drive = Drive("touch-ups")
        self._run, self._touch_ups, self._on_change, self._most_bytes = run, touch_ups, on_change, most_bytes
        self._photos: OrderedDict[str, OpenPhoto] = OrderedDict()
        self._sheets: dict[str, Sheet] = {}
        self._lock = threading.Lock()

    def open_now(
        self,
        matter: Matter,
        path: Path,
        name: str,
        settings: MatteSettings,
        id: str = "",
        folder: Path | None = None,
        room: Path | None = None,
        on_progress: Progress | None = None,
    ) -> OpenPhoto:
        """For who is in the Matter's thread. id: to be found by; empty: a new one. room: see Matter. Raises ImageError,
        ModelError."""
        digest = images.digest(images.read(path))
        settings = settings.at(TOUCH_UP)
        id = id or secrets.token_hex(16)
        # Where nothing is kept, pages may be different people's, of whom none is to paint on another's sheet.
        known = digest if self._touch_ups is not None else id
        sheet = self._sheets.get(known)
        if sheet is not None:  # one sheet a photo, of one size
            self.catch_up(sheet)
            settings = dataclasses.replace(settings, longest_side=max(sheet.pixels.shape))
        matte = matter(path, settings, room=room, may_be_empty=True, on_progress=on_progress)
        height, width = matte.alpha.shape
        if sheet is None:
            blank = Strokes(np.full((height, width), touch_up.AUTOMATIC, np.uint8), "")
            sheet = Sheet(known, blank, b"", self._touch_ups)
            self.catch_up(sheet)
            sheet.version = 0
        sheet.strokes = sheet.strokes.fitting((height, width))
        if sheet.strokes.stamp != matte.touch_up:
            matte = matter(path, settings, strokes=sheet.strokes.fitting, room=room, may_be_empty=True)
        about = id, path, name, settings, sheet, matte.photo, matte.layer.copy(), sheet.strokes, folder
        photo = OpenPhoto(*about, room=room, notes=matte.notes)
        self.lay(photo)
        return photo

    def lay(self, photo: OpenPhoto) -> None:
        """Let pages find it."""
        with self._lock:
            self._sheets[photo.sheet.digest] = photo.sheet
            self._photos[photo.id] = photo
            self._photos.move_to_end(photo.id)
            self._make_room()

    def sheet(self, digest: str) -> Sheet | None:
        """What is painted on a photo that is open."""
        return self._sheets.get(digest)

    def has_been_painted(self, digest: str) -> bool:
        """Whether somebody has painted on the photo with this content, even if they took it away again. May wait for a
        drive."""
        kept = self._touch_ups
        return kept is not None and any(of(digest) is not None for of in (kept.load, kept.removed))

    def take_away(self, digest: str) -> None:
        """Close every page with this sheet."""
        with self._lock:
            for id in [id for id, photo in self._photos.items() if photo.sheet.digest == digest]:
                self._let_go(self._photos.pop(id))

    def catch_up(self, sheet: Sheet) -> None:
        """Load what is saved, in case another program (OBS's page, a server) has painted meanwhile."""
        if sheet.store is None:
            return
        with sheet.writing:
            png = sheet.store.load(sheet.digest) or b""
            if png == sheet.png:
                return
            blank = np.full_like(sheet.pixels, touch_up.AUTOMATIC)
            try:
                strokes = strokes_of(png, f"{sheet.digest}.png", blank.shape) if png else Strokes(blank, "")
            except CvmatteError:  # a damaged file stays until something is painted
                return
            sheet.become(strokes, png)

    def find(self, id: str) -> OpenPhoto:
        """Raises RequestError."""
        with self._lock:
            if id not in self._photos:
                raise RequestError("touch_up_closed")
            self._photos.move_to_end(id)
            return self._photos[id]

    def close(self) -> None:
        with self._lock:
            while self._photos:
                self._let_go(self._photos.popitem()[1])
        self.drive.close()

    def _make_room(self) -> None:
        photos = self._photos
        while len(photos) > _OPEN_PHOTOS or (len(photos) > 1 and bytes_of(photos.values()) > self._most_bytes):
            self._let_go(photos.popitem(last=False)[1])

    def _let_go(self, photo: OpenPhoto) -> None:
        if photo.folder is not None:
            self.drive.remove(photo.folder)
        if not any(other.sheet is photo.sheet for other in self._photos.values()):
            self._sheets.pop(photo.sheet.digest, None)

    # What a page does

    async def paint(self, photo: OpenPhoto, box: tuple[int, int, int, int], pixels: np.ndarray) -> Change:
        """Put a rectangle (x, y, width, height) of the sheet. Raises OutputError, ImageError, ModelError."""
        x, y, width, height = box
        part = np.s_[y : y + height, x : x + width]
        return await self._changed(photo, lambda sheet: np.copyto(sheet[part], touch_up.fitted(pixels, pixels.shape)))

    async def put(self, photo: OpenPhoto, strokes: StrokesFor) -> Change:
        """Put a whole sheet. Raises ImageError, OutputError, ModelError."""
        return await self._changed(photo, lambda sheet: np.copyto(sheet, strokes(sheet.shape).pixels))

    async def clear(self, photo: OpenPhoto) -> Change:
        """Remove the touch-up; it is kept for `restore`. Raises OutputError, ImageError, ModelError."""
        return await self._changed(photo, lambda sheet: sheet.fill(touch_up.AUTOMATIC))

    async def restore(self, photo: OpenPhoto) -> Change:
        """Bring back the touch-up that was removed last, if there is one. Raises as `put`."""
        png = await self.drive.ask(self._removed, photo)
        return await (self.changes(photo) if png is None else self.put(photo, partial(strokes_of, png, photo.name)))

    def told(self, photo: OpenPhoto) -> dict[str, Any]:
        """What the page has to know about a photo, and what is saved of it now. May wait for a drive."""
        self.catch_up(photo.sheet)
        removed = self._removed(photo) is not None
        height, width = photo.picture.shape[:2]
        about = {"id": photo.id, "name": photo.name, "width": width, "height": height, "removed": removed}
        about |= {"mirrored": photo.is_mirrored, "kept": photo.sheet.store is not None}
        return {**about, "version": photo.sheet.version, "painted": bool(photo.sheet.png)}

    def _removed(self, photo: OpenPhoto) -> bytes | None:
        store = photo.sheet.store
        return store.removed(photo.sheet.digest) if store is not None else None

    async def layer(self, photo: OpenPhoto) -> np.ndarray:
        """A copy of the layer as it is now, also where another page has painted. Raises ImageError, ModelError."""

        def now(matter: Matter) -> np.ndarray:  # in its thread, where alone the layer is changed
            if photo.seen.pixels is not photo.sheet.pixels:
                self._changes(matter, photo)
            return photo.layer.copy()

        return await asyncio.wrap_future(self._run(now))

    async def changes(self, photo: OpenPhoto) -> Change:
        """Where the layer differs from what the page has. Raises ImageError, ModelError."""
        return await asyncio.wrap_future(self._run(lambda matter: self._changes(matter, photo)))

    async def _changed(self, photo: OpenPhoto, change: Callable[[np.ndarray], None]) -> Change:
        return await asyncio.wrap_future(await self.drive.ask(self._change, photo, change))

    def _change(self, photo: OpenPhoto, change: Callable[[np.ndarray], None]) -> Future[Change]:
        """Change a sheet and save it, while the layer is made anew. If saving fails, the sheet stays as it was: so
        does the layer from its next change on."""
        sheet = photo.sheet
        self.catch_up(sheet)
        with sheet.writing:
            pixels = sheet.pixels.copy()
            change(pixels)
            unsaved, version = Strokes(pixels, secrets.token_hex(16)), sheet.version + 1
            changes: Future[Change] = self._run(lambda matter: self._changes(matter, photo, unsaved, version))
            is_painted = (pixels != touch_up.AUTOMATIC).any()
            png = cv2.imencode(".png", pixels, SHEET_PNG)[1].tobytes() if is_painted else b""
            if sheet.store is not None and png:
                sheet.store.save(sheet.digest, png, photo.path if photo.folder is None else None)
            elif sheet.store is not None:
                sheet.store.remove(sheet.digest)
            strokes = dataclasses.replace(unsaved, stamp=stamp_of(png) if png else "")
            sheet.become(strokes, png)
        if sheet.store is not None and png:
            self._run(lambda matter: matter.expect(strokes))
        self._on_change(sheet.digest)
        return changes

    def _changes(self, matter: Matter, photo: OpenPhoto, strokes: Strokes | None = None, version: int = 0) -> Change:
        """strokes, version: the sheet's, as it is about to be; without them, as it is."""
        if strokes is None:
            with photo.sheet.lock:
                strokes, version = photo.sheet.strokes, photo.sheet.version
        box = touch_up.changed(photo.seen, strokes)
        if box is None:
            return Change((0, 0, 0, 0), b"", version)
        part, (rows, columns) = photo.part(matter, strokes.fitting, box)
        before, now = (np.ascontiguousarray(of).view(np.uint32)[..., 0] for of in (photo.layer[rows, columns], part))
        x, y, width, height = cv2.boundingRect((before != now).view(np.uint8))
        photo.layer[rows, columns], photo.seen = part, strokes
        with self._lock:
            self._make_room()
        sent = np.ascontiguousarray(part[y : y + height, x : x + width])
        return Change((columns.start + x, rows.start + y, width, height), sent.tobytes(), version)


def bytes_of(photos: Iterable[OpenPhoto]) -> int:
    """The memory that photos hold. Shared pixels count once, and a view as the whole array that it is of."""
    held: dict[int, int] = {}
    for photo in photos:
        for pixels in photo.held:
            while isinstance(pixels.base, np.ndarray):
                pixels = pixels.base
            held[id(pixels)] = pixels.nbytes
        held[id(photo.sheet.png)] = len(photo.sheet.png)
    return sum(held.values())
