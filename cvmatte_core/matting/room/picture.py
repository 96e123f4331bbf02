"""The photo of an empty room: read once, as long as its file stays as it is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...image import images
from ...localization.errors import ImageError

_OF_ROOMS = {"image_missing": "room_gone", "image_no_answer": "room_gone", "image_damaged": "room_damaged"}


@dataclass(frozen=True, eq=False)
class Room:
    """digest: of the file's content. rgb: uint8, shape (H, W, 3)."""

    digest: str
    rgb: np.ndarray


def read_room(path: Path) -> Room:
    """Raises ImageError."""
    with _told_apart(path):
        data = images.read(path)
        return Room(images.digest(data), images.decode(data, path.name).rgb)


@contextlib.contextmanager
def _told_apart(path: Path) -> Iterator[None]:
    """What is wrong with it isn't wrong with the photo before it."""
    try:
        yield
    except ImageError as error:
        if error.key in _OF_ROOMS:
            raise ImageError(_OF_ROOMS[error.key], name=path.name) from error
        raise


class Rooms:
    """The room that was used last. state_of: what changes when its file does."""

    def __init__(self, state_of: Callable[[Path], Hashable]) -> None:
        self._state_of = state_of
        self._last: tuple[Hashable, Room] | None = None

    def __call__(self, path: Path) -> Room:
        """Raises ImageError."""
        with _told_apart(path):
            state = self._state_of(path)
        if self._last is None or state is None or self._last[0] != state:
            self._last = None  # freed before its successor needs memory
            self._last = state, read_room(path)
        return self._last[1]

    def forget(self) -> None:
        self._last = None
