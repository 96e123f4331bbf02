"""What passes between a photo's life and what does in OBS what follows from it; see photo_lifecycle.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from cvmatte_core.layers.store import LayerRecord, LayerStore
from cvmatte_core.localization.errors import CvmatteError
from cvmatte_core.localization.notes import Note
from cvmatte_core.settings import MatteSettings

from .file_watch import State


@dataclass(frozen=True)
class Request:
    """A layer that a portrait is to show. burst: the frame files of a still that was just taken; still_of: what with,
    see layers.rooms.named. room: the path of the photo of the empty room; empty without one."""

    image: str
    settings: MatteSettings
    burst: tuple[Path, ...] = ()
    room: str = ""
    still_of: str = ""

    @property
    def key(self) -> str:
        return LayerStore.key(self.image, self.settings, Path(self.room) if self.room else None)


@dataclass(eq=False)
class MatteJob:
    """A request on its way through the worker. serves: whether its layer is still the one that is wanted."""

    request: Request
    photo: State | None  # as last seen on disk when it began
    number: int = 0  # the worker client's; whoever submits it sets it
    serves: bool = True
    cancelled: bool = False
    made_layer: bool = False
    shows: bool = False  # its layer is in OBS
    stage: str = "waiting"
    done: int = 0
    total: int = 1
    trouble: CvmatteError | None = None  # why it is being tried once more


@dataclass(frozen=True)
class Says:
    """What a portrait says: a text's key and values, or an error. beside: the key of what is said beside an error,
    about the layer on screen.

    notes: see matter.Matte. outdated: see TouchUps.is_outdated.
    """

    key: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    error: CvmatteError | None = None
    beside: str = ""
    notes: tuple[Note, ...] = ()
    outdated: bool = False


class PhotoActions(Protocol):
    """What is to be done. Nothing else may happen to the portrait meanwhile."""

    def find(self, request: Request) -> LayerRecord | None:
        """The layer that is kept of a request."""

    def look_back(self) -> LayerRecord | None:
        """The layer that the portrait showed before this life."""

    def show(self, key: str, made_from: State) -> bool:
        """Hand a layer to OBS, if it is of this photo; whether that could be done."""

    def hide(self) -> None:
        """Leave the source without a picture."""

    def count(self, seconds: int, on: str | None, size: tuple[int, int]) -> None:
        """Show how many seconds are left until a still, large, on the layer with this key. size: (width, height) of
        the picture where there is no layer."""

    def clear(self) -> None:
        """Take such a number away where no layer is on screen otherwise."""

    def submit(self, job: MatteJob) -> None: ...

    def cancel(self, job: MatteJob) -> None: ...

    def look_again(self, image: str) -> None:
        """Have the photo's state on disk told anew, though it may be the same as before."""

    def keep_still(self, taken: Request) -> bool:
        """Put a still into the portrait's settings; whether it was taken, that is, whether its file is there."""

    def discard(self, burst: tuple[Path, ...]) -> None:
        """Remove frame files that nothing will be made from."""

    def refresh(self) -> None:
        """Have an open properties dialog redrawn."""
