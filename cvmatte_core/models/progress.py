"""What every way of fetching a model needs: to say how far it is, and room on the disk. Standard library only."""

from __future__ import annotations

import shutil
import threading
from concurrent import futures
from pathlib import Path
from typing import Callable, TypeVar

from ..filesystem import files
from ..localization.errors import Cancelled, ModelError
from .catalogue import ModelEntry

_LOOK_SECONDS = 0.1  # in which a person's change of mind is noticed
_Result = TypeVar("_Result")
_MARGIN = 50_000_000  # bytes that stay free on a disk


class Progress:
    """How far a fetch is, in bytes. `tell` says it to whoever asked for the model; raises Cancelled once they don't."""

    def __init__(
        self, entry: ModelEntry, on_progress: Callable[[str, int, int], None], cancelled: threading.Event | None
    ) -> None:
        self._on_progress = on_progress
        self._cancelled = cancelled
        self.done, self.total = 0, entry.size_bytes

    def tell(self) -> None:
        if self._cancelled is not None and self._cancelled.is_set():
            raise Cancelled
        self._on_progress("fetch", self.done, max(1, self.total))

    def through(self, work: Callable[[], _Result]) -> _Result:
        """What work returns or raises in a thread of its own; it is left there once `tell` raises, which is asked all
        the while."""
        result = files.in_background(work, "fetch")
        self.tell()
        while not futures.wait([result], _LOOK_SECONDS).done:
            self.tell()
        self.tell()
        return result.result()


def ensure_room(entry: ModelEntry, folder: Path, needed: int) -> None:
    """Raise ModelError unless so many bytes fit on a folder's disk."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if shutil.disk_usage(there).free < needed + _MARGIN:
        raise no_room(entry, folder, needed)


def no_room(entry: ModelEntry, folder: Path, needed: int) -> ModelError:
    megabytes = (max(0, needed) + _MARGIN) // 1_000_000
    return ModelError("model_disk", model=entry.title, megabytes=megabytes, folder=str(folder))
