"""The photo of an empty room: read once, as long as its file stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...image import images
from ...localization.errors import ImageError


@dataclass(frozen=True, eq=False)
class Room:
    """digest: of the file's content. rgb: uint8, shape (H, W, 3)."""

    digest: str
    rgb: np.ndarray


class Rooms:
    """The room that was used last. state_of: what changes when its file does."""

    def __init__(self, state_of: Callable[[Path], Hashable]) -> None:
        self._state_of = state_of
        self._last: tuple[Hashable, Room] | None = None

    def __call__(self, path: Path) -> Room:
        """Raises ImageError."""
        try:
            state = self._state_of(path)
            if self._last is None or state is None or self._last[0] != state:
                self._last = None  # freed before its successor needs memory
                data = images.read(path)
                self._last = state, Room(images.digest(data), images.decode(data, path.name).rgb)
            return self._last[1]
        except ImageError as error:
            if error.key in ("image_missing", "image_no_answer"):  # it isn't the photo, which may be waited for
                raise ImageError("room_gone", name=path.name) from error
            raise

    def forget(self) -> None:
        self._last = None
