"""How far a photo of the empty room is that was asked of a live picture. Plain Python, as live_lifecycle.py is."""

from __future__ import annotations

import math
from typing import Any

from .photo_actions import Says

SECONDS = 10  # to leave the picture


class RoomTaking:
    """One portrait's. path: where the photo is to be; empty where none is asked for."""

    def __init__(self) -> None:
        self.end()

    def end(self) -> None:
        self.path = ""
        self._left = 0  # whole seconds until it is taken,
        self._due: float | None = None  # which is then
        self._even_so = self._renews = False

    def begin(self, path: str, even_so: bool, renews: bool) -> None:
        """even_so: also where somebody seems to be in the picture. renews: the room is brought up to date, at once."""
        self.path, self._even_so, self._renews, self._left = path, even_so, renews, 0 if renews else SECONDS

    def look(self, now: float) -> None:
        """now: in seconds of any clock."""
        if self._left:
            self._due = now + SECONDS if self._due is None else self._due
            self._left = max(0, math.ceil(self._due - now))

    @property
    def orders(self) -> dict[str, Any]:
        """See live/process.py."""
        photographs = "" if self._left or self._renews else self.path
        renews = self.path if self._renews else ""
        return {
            "countdown": self._left,
            "photograph_room": photographs,
            "even_so": self._even_so,
            "renew_room": renews,
        }

    @property
    def says(self) -> Says:
        if self._left:
            return Says("state.room_countdown", {"seconds": self._left})
        return Says("state.room_renewal" if self._renews else "state.room")
