"""The empty room of a live picture: read from its file, photographed, and brought up to date."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..filesystem import files
from ..localization.errors import CvmatteError
from ..matting import room_photo
from ..matting.room.picture import read_room
from ..matting.room_photo import RoomPhoto
from ..system import memory

logger = logging.getLogger(__name__)

UNREADABLE = "live.room_unreadable"  # why a room is of no use, beside what VideoMatter says
_FRAMES, _SECONDS = 24, 1.0  # of a photo: so many, over so long;
_MOST_SECONDS = 3.0  # where frames come slower, as many as there are in this time
_FINDING = 20  # frames until the room is found anew that is looked for beside them; see room/following.py
_LOOK_SECONDS = 1.0  # between two looks at the file

Tell = Callable[[str, "CvmatteError | None"], None]
AlphaOf = Callable[[np.ndarray], np.ndarray]  # float32 in 0..1, shape (H, W)


class EmptyRoom:
    """One process's. picture: uint8 RGB, shape (h, w, 3), or None."""

    def __init__(self, tell: Tell) -> None:
        """tell: called with the path of a photo that was asked for, and why there is none; None: it is there."""
        self.picture: np.ndarray | None = None
        self.settling = 0  # frames until what is made of a still picture stays the same
        self.trouble = ""  # the key of what is to be said of the file
        self._tell = tell
        self._path, self._state, self._look_at = "", list[int](), 0.0
        self._answered: set[str] = set()  # the paths of photos that were told
        self._photo, self._begun = RoomPhoto(), 0.0
        self._photographed = ""

    def follow(self, path: str) -> bool:
        """The room's photo is this file's; empty for none. Says whether it is another than before."""
        now = time.monotonic()
        if path == self._path and now < self._look_at:
            return False
        self._look_at = now + _LOOK_SECONDS
        state = files.state_of(Path(path)) if path else []
        is_same = path == self._path
        if is_same and (state == self._state or (not state and self.picture is not None)):
            return False  # what was read is as good when its file is gone: another's may be on its way
        self._path, self._state, self.picture, self.trouble = path, state, None, ""
        self.settling = 0
        if path:
            try:
                with memory.needed_for(Path(path).name):
                    self.picture, self.settling = read_room(Path(path)).rgb, _FINDING
            except CvmatteError as error:
                logger.warning("%s", error)
                self.trouble = UNREADABLE
        return True

    def photograph(self, path: str, even_so: bool, frame: np.ndarray, alpha_of: AlphaOf) -> None:
        """Take a frame, uint8 RGB, shape (H, W, 3), for the photo that is to be at a path, if one is; once for each.

        even_so: also where the network sees somebody. alpha_of: what it makes of such a frame.
        """
        if path != self._photographed:
            self._photographed, self._photo, self._begun = path, RoomPhoto(), time.monotonic()
        if path in ("", *self._answered):
            return
        since = time.monotonic() - self._begun
        if since >= _SECONDS * self._photo.count / _FRAMES:
            self._photo.add(frame)
        if self._photo.count < _FRAMES and since < _MOST_SECONDS:
            return

        def taken() -> np.ndarray:
            picture = self._photo.picture()
            if not even_so:
                room_photo.refuse_somebody(alpha_of(picture))
            return picture

        self._keep(path, taken)
        self._photo = RoomPhoto()

    def renew(self, path: str, moving: Any, frame: np.ndarray) -> None:
        """Have the room at a path as the last frame of a VideoMatter shows it; empty for none. Once for each."""
        if path in ("", *self._answered):
            return

        def renewed() -> np.ndarray:
            room: np.ndarray | None = moving.room_now(frame)
            if room is None:
                raise CvmatteError("room_of_no_use")
            return room

        self._keep(path, renewed)

    def _keep(self, path: str, make: Callable[[], np.ndarray]) -> None:
        self._answered.add(path)
        try:
            if not files.exists(Path(path)):  # a process before may have ended in between
                with memory.needed_for(Path(path).name):
                    room_photo.save(Path(path), make())
        except CvmatteError as error:
            logger.info("no room: %s", error)
            self._tell(path, error)
        else:
            self._tell(path, None)
