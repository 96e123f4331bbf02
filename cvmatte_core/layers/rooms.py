"""Photos of empty rooms, each kept by what it was taken with: a source of OBS, or a camera. So every portrait of that
one finds it, and so will the next version. Standard library only: OBS looks here, the worker and live processes write.

    WHAT-SIZE-FILTERS-TIME.png           the room. WHAT, SIZE, FILTERS: see Place; TIME: when it was asked for, in ns.
                                         The newest counts
    WHAT-SIZE-FILTERS-TIME.preview.png   the same, small, for the properties

Another photo has another name: layers are known by it, and whoever has read one needn't look again.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import struct
import time
from dataclasses import dataclass
from pathlib import Path

from ..filesystem import files, paths

SOURCE, CAMERA, VIDEO = "source", "camera", "video"  # what there are pictures of; a video has no room
_NAME = re.compile(r"(?P<place>(?P<what>[0-9a-f]{16})-(?P<size>\d+x\d+|own)-([0-9a-f]{8}|none))-(?P<time>\d+)\.png")
_SHAPE = 0.02  # how much the ratio of the sides may differ of a still and its room
_PNG = struct.Struct(">16xII")  # width and height in a PNG's beginning


def named(kind: str, name: str) -> str:
    """What a picture is taken with, as OBS or the system calls it."""
    return f"{kind}:{name}"


@dataclass(frozen=True)
class Place:
    """Where a room's photo belongs. what: see `named`. size: "1920x1080", which a source of OBS has, or a camera is
    asked for; empty for a camera's own. filters: what tells a source's filters from others; empty without any."""

    what: str
    size: str = ""
    filters: str = ""

    @property
    def stem(self) -> str:
        return f"{_digest(self.what, 16)}-{self.size or 'own'}-{_digest(self.filters, 8) if self.filters else 'none'}"


class Rooms:
    """The folder of them. Looking never raises: what can't be read counts as absent."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or paths.rooms_folder()

    def find(self, place: Place) -> str:
        """The path of a place's photo; empty where there is none."""
        return str(max((path for path, name in self._all() if name["place"] == place.stem), default=""))

    def find_for(self, what: str, size: tuple[int, int] | None) -> str:
        """Of a still that was taken with this: the newest photo of its shape, whatever filters there were. size: None
        where that isn't known, and any will do."""
        mine = [(int(name["time"]), path) for path, name in self._all() if name["what"] == _digest(what, 16)]
        newest_first = (path for _, path in sorted(mine, reverse=True))
        return next((str(path) for path in newest_first if size is None or _is_alike(size, size_of(path))), "")

    def new_file(self, place: Place) -> Path:
        """Where its next photo belongs."""
        return self.folder / f"{place.stem}-{time.time_ns():020d}.png"

    def tidy(self, newest: Path) -> None:
        """Remove the photos that this one follows."""
        name = _NAME.fullmatch(newest.name)
        for path, other in self._all() if name is not None and files.is_file(newest) else ():
            if name is not None and other["place"] == name["place"] and int(other["time"]) < int(name["time"]):
                _remove(path)

    def forget(self, what: str) -> None:
        """Remove all photos that were taken with this."""
        for path, name in self._all():
            if name["what"] == _digest(what, 16):
                _remove(path)

    def rename(self, before: str, after: str) -> None:
        """What one was taken with has another name now; see `named`. Without effect where there is one of that name."""
        all_of_them = self._all()
        old, new = _digest(before, 16), _digest(after, 16)
        if any(name["what"] == new for _, name in all_of_them):
            return
        for path in (path for path, name in all_of_them if name["what"] == old):
            for file in (preview_of(path), path):
                with contextlib.suppress(OSError):
                    file.replace(file.with_name(new + file.name[len(old) :]))

    def _all(self) -> list[tuple[Path, re.Match[str]]]:
        with contextlib.suppress(OSError):
            found = ((path, _NAME.fullmatch(path.name)) for path in self.folder.iterdir())
            return [(path, name) for path, name in found if name is not None]
        return []


def preview_of(path: Path) -> Path:
    return path.with_suffix(".preview.png")


def size_of(png: Path) -> tuple[int, int] | None:
    """(width, height) of a PNG; None where there is none."""
    with contextlib.suppress(OSError, ValueError, struct.error), png.open("rb") as file:
        width, height = _PNG.unpack(file.read(_PNG.size))
        return (width, height) if width and height else None
    return None


def _is_alike(size: tuple[int, int], other: tuple[int, int] | None) -> bool:
    return other is not None and abs(size[0] * other[1] / (size[1] * other[0]) - 1) < _SHAPE


def _digest(text: str, length: int) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]


def _remove(path: Path) -> None:
    for file in (preview_of(path), path):
        files.remove(file)
