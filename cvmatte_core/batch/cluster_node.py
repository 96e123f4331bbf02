"""What an actor runs on its node of a Ray cluster; see cluster.py."""

from __future__ import annotations

import dataclasses
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Tuple

import cv2

from ..filesystem import files, paths
from ..image import images
from ..layers.touch_ups import TouchUps
from ..localization.errors import CvmatteError
from ..matting.matter import Matter, decode
from ..models.catalogue import ModelEntry, add_own
from ..settings import MatteSettings
from .pipeline import Made, made_of

# A picture beside the photos: its name, and its content.
Picture = Tuple[str, bytes]


@dataclass(frozen=True)
class Equipment:
    """What an actor works with. model: the content of the model's files, by their names."""

    settings: MatteSettings
    entry: ModelEntry
    model: Mapping[str, bytes]
    background: Picture | None
    room: Picture | None


def content_of(path: Path) -> Picture:
    """Raises ImageError."""
    return path.name, images.read(path)


def _place(folder: str, picture: Picture) -> Path:
    """On a node."""
    return paths.ROOT / folder / images.digest(picture[1]) / picture[0]


class Engine:
    """What an actor runs, on its node: a warm Matter."""

    def __init__(self, equipment: Equipment, threads: int, device: str) -> None:
        cv2.setNumThreads(threads)
        background, room = equipment.background, equipment.room
        self._settings = equipment.settings
        self._matter = Matter(threads, 0, device=device, touch_ups=TouchUps())
        self._room: Path | None = None
        self._failure: CvmatteError | None = None
        try:
            wanted = {paths.models_folder() / name: content for name, content in equipment.model.items()}
            if background is not None:
                path = _place("backgrounds", background)
                wanted[path] = background[1]
                self._settings = dataclasses.replace(self._settings, background_image=str(path))
            if room is not None:
                self._room = _place("rooms", room)
                wanted[self._room] = room[1]
            for path, content in wanted.items():
                if not path.is_file() or path.read_bytes() != content:
                    files.write(path, content)
            if equipment.entry.source["kind"] == "file":
                add_own(equipment.entry)
            self._matter.prepare(self._settings.model)
        except CvmatteError as error:
            self._failure = error

    def started(self) -> tuple[str, CvmatteError | None]:
        """This node, and why nothing can be cut out on it."""
        import ray

        return ray.get_runtime_context().get_node_id(), self._failure

    def cut_out(self, name: str, content: bytes) -> Made:
        settings = self._settings

        def see() -> Any:
            decoded = decode(content, name, settings.decoded_side)
            return self._matter.see(decoded, settings, threading.Event(), room=self._room)

        return made_of(Path(name), see, self._matter, settings)
