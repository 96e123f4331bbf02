"""A moving picture before its room: where that lies and how it is lit is looked for about once a second, beside the
frames; what differs from it, in each."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np

from ...image.geometry import Region, reduced_size
from . import decision, drawing, finding
from .comparison import ALIKE, DIFFERENT, Comparison
from .filters import Filters
from .finding import OTHER, UNSEEN, Found, Unusable
from .view import reduced

# Pixels of the longer side of what is compared of a frame: in the time of one, and at leisure
QUICK, THOROUGH = 320, 480
_PERIOD, _TAKES = 15, 5  # frames from one look for the room to the next, and until what it found is used
_LOST = 0.7  # of the part of the empty room that was alike when it was found: less is another place
_EDGES = 0.005  # of the picture: edges that tell whether it was nudged
_SLOWLY = 0.1  # how far the room goes towards what is seen of it with each look
_SEAM = 9  # the side of the square over which a new part of the room goes over into the rest
_FEW = 50  # pixels that tell no light
_BRIGHTER = 4.0  # than when the room was found: more is another light


@dataclass(frozen=True)
class _Known:
    """What a look found. room: as it was brought up to date, small, float32 RGB. behind: it in the frame's size, place
    and light, uint8 RGB. alike: bool, where the picture showed it. shares: see `_shares`."""

    found: Found
    room: np.ndarray
    behind: np.ndarray
    alike: np.ndarray
    shares: np.ndarray


_Compared = tuple[_Known, Comparison, np.ndarray]  # and how much brighter each channel is than when it was found


@dataclass(frozen=True)
class Seen:
    """A frame at the size that is compared, float32 RGB in 0..1, and beside the room as far as that is known."""

    picture: np.ndarray
    compared: _Compared | None


@dataclass(frozen=True)
class Decided:
    """What the room makes of a frame, at the size that is compared, but for `room`: as it lies behind the frame, uint8
    RGB, shape (H, W, 3), and as bright as a factor says, float32, shape (h, w, 3); None where it isn't behind all that
    is kept."""

    outline: drawing.Outline
    room: np.ndarray | None
    shade: np.ndarray

    def behind(self) -> np.ndarray | None:
        """uint8 RGB, shape (H, W, 3)."""
        return _bright(self.room, self.shade) if self.room is not None else None


class RoomFollower:
    """The room of one moving picture. What it makes of a frame follows from the frames before, however long that takes.

    reason: why the room is set aside, of finding.py; "" while it isn't.
    """

    def __init__(self, room: np.ndarray, side: int = THOROUGH) -> None:
        """room: uint8 RGB, shape (h, w, 3), of the same camera, of any size. side: QUICK or THOROUGH."""
        self._room, self._side = room, side
        self._frame_size = self._size = 0, 0  # and of what is compared
        self._beside = ThreadPoolExecutor(1, "room")
        self.forget()

    def forget(self) -> None:
        """What comes next doesn't go on from what came before."""
        self.reason = ""
        self._known: _Known | None = None
        self._last: _Known | None = None  # what was known last, though it may no longer be so
        self._firm: np.ndarray | None = None  # what was theirs in the frame before
        self._empty: np.ndarray | None = None  # and where surely nobody was
        # The room behind the last frame, how bright it was there, and alpha of people.
        self._shown: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
        self._look: Future[_Known] | None = None
        self._since = _PERIOD  # frames since the last look began

    def see(self, frame: np.ndarray) -> Seen | None:
        """What of it needs no network: it may run meanwhile. frame: uint8 RGB, shape (H, W, 3). None where it can't be
        of this room."""
        self._shown = None
        if not finding.is_of_shape(self._room, frame.shape):
            self.reason = OTHER
            return None
        size = frame.shape[1], frame.shape[0]
        if size != self._frame_size:
            self.forget()
            self._frame_size, self._size = size, reduced_size(frame.shape, self._side)
            self._filters = Filters(self._size)
        picture = reduced(frame, self._size)
        return Seen(picture, self._beside_known(picture))

    def decide(
        self, seen: Seen | None, estimate: np.ndarray, region: Region, keep_furniture: bool = False
    ) -> Decided | None:
        """What the room makes of a frame; None where it was set aside.

        estimate: alpha of the network, float32 in 0..1, shape (h, w), of a region of the frame: elsewhere nobody is.
        keep_furniture: see decision.theirs.
        """
        if seen is None:
            return None
        people = self._on_whole(estimate, region)
        compared = self._compared(seen, people)
        if compared is None:
            self._firm = None
            return None
        known, comparison, gain = compared
        firm = self._firm = decision.theirs(people, comparison, keep_furniture, self._firm)
        shade = drawing.local_light(comparison, firm, people) * gain
        self._shown = known.behind, shade, people
        return Decided(drawing.Outline.of(people, firm, comparison), None if keep_furniture else known.behind, shade)

    def _on_whole(self, estimate: np.ndarray, region: Region) -> np.ndarray:
        """Alpha of the whole frame, at the size that is compared."""
        result = np.zeros(self._size[::-1], np.float32)
        scales = self._size[1] / self._frame_size[1], self._size[0] / self._frame_size[0]
        inside = tuple(
            slice(round(part.start * scale), max(round(part.stop * scale), round(part.start * scale) + 1))
            for part, scale in zip(region, scales)
        )
        target = result[inside]
        target[:] = cv2.resize(estimate, target.shape[::-1], interpolation=cv2.INTER_AREA)
        return result

    def now(self, frame: np.ndarray) -> np.ndarray | None:
        """The room as the last frame, which this is, shows it where nobody is: uint8 RGB, in its size; None where the
        room is set aside."""
        if self._shown is None or frame.shape[:2] != self._shown[0].shape[:2]:
            return None
        *room, people = self._shown
        behind = _bright(*room)
        empty = finding.surely_empty(people, self._filters).astype(np.float32)
        share = cv2.resize(self._filters.near(empty, _SEAM), self._frame_size, interpolation=cv2.INTER_LINEAR)
        return cv2.blendLinear(frame, behind, share, 1 - share)

    def _compared(self, seen: Seen, people: np.ndarray) -> _Compared | None:
        """None where the room isn't known, or no longer there."""
        picture, compared = seen.picture, seen.compared
        empty = self._empty = finding.surely_empty(people, self._filters)
        if _is_lost(compared, empty):  # perhaps only since somebody leapt to where the light was measured
            compared = self._beside_known(picture)
        if _is_lost(compared, empty):
            compared = None
        self._since += 1
        if self._look is not None and self._since >= _TAKES:
            self._take(self._look)
        if self._look is None and self._since >= (_PERIOD if compared or not self._known else _TAKES):
            self._since, look = 0, self._beside.submit(self._find, picture, people, self._last)
            if compared is None:  # nothing to go by meanwhile
                self._take(look)
                return self._beside_known(picture)
            self._look = look
        return compared

    def _beside_known(self, picture: np.ndarray) -> _Compared | None:
        """None where the room isn't known."""
        known = self._known
        if known is None:
            return None
        seen = known.alike if self._empty is None else known.alike & self._empty
        gain = _gain(picture, known.found.placed.behind, seen)
        return known, Comparison(picture / gain, known.found.placed, known.found.noise), gain

    def _take(self, look: Future[_Known]) -> None:
        self._look = None
        try:
            self._known = self._last = look.result()
            self.reason = ""
        except Unusable as unusable:
            # Somebody near to the camera hides the room, which is still there.
            if unusable.reason != UNSEEN or self._known is None:
                self._known, self.reason = None, unusable.reason

    def _find(self, picture: np.ndarray, people: np.ndarray, before: _Known | None) -> _Known:
        """Raises Unusable."""
        photographed = room = reduced(self._room, self._size)
        if before is None:
            found, comparison = finding.find(room, picture, people)
        else:
            room = before.room
            try:
                found, comparison = finding.find(room, picture, people, before.found.place)
            except Unusable:
                room = photographed
                found, comparison = finding.find(room, picture, people)
        empty = finding.surely_empty(people, self._filters)
        alike = empty & ((comparison.difference < ALIKE) | comparison.shadowed)
        room = room + _SLOWLY * drawing.change_of(room, picture, empty & (comparison.difference < ALIKE), found)
        change = cv2.resize(255 * (room - photographed), self._frame_size, interpolation=cv2.INTER_LINEAR)
        full = cv2.resize(self._room, self._frame_size, interpolation=cv2.INTER_AREA)
        full = drawing.placed_in(cv2.add(full, change, dtype=cv2.CV_8U), found, self._frame_size)
        bright = cv2.multiply(full, found.light.factor(self._frame_size), dtype=cv2.CV_32F)
        behind = cv2.convertScaleAbs(np.maximum(bright + 255 * found.light.offsets.astype(np.float32), 0))
        return _Known(found, room, behind, alike, _shares(comparison, empty))


def _is_lost(compared: _Compared | None, empty: np.ndarray) -> bool:
    return compared is not None and bool((_shares(compared[1], empty) < _LOST * compared[0].shares).any())


def _bright(room: np.ndarray, shade: np.ndarray) -> np.ndarray:
    factor = cv2.resize(shade, (room.shape[1], room.shape[0]), interpolation=cv2.INTER_LINEAR)
    return cv2.multiply(room, factor, dtype=cv2.CV_8U)


def _gain(picture: np.ndarray, behind: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """How much brighter each channel is than behind, where that is seen: float32, shape (3,). Lamps flicker, and
    exposure is put right, faster than the room is looked for."""
    if np.count_nonzero(seen) < _FEW:
        return np.ones(3, np.float32)
    now, its = (np.array(cv2.mean(values, seen.view(np.uint8))[:3], np.float32) for values in (picture, behind))
    return np.clip(now / np.maximum(its, 1e-3), 1 / _BRIGHTER, _BRIGHTER)


def _shares(comparison: Comparison, empty: np.ndarray) -> np.ndarray:
    """Of what is surely empty, and of the room's edges in that, which a nudge moves, the part that shows the room; 1
    where there is too little of it."""
    shown = (comparison.difference < DIFFERENT) | comparison.shadowed
    parts = (empty, finding.ENOUGH), (empty & comparison.placed.edges, _EDGES)
    return np.array([shown[part].mean() if part.mean() > enough else 1.0 for part, enough in parts])
