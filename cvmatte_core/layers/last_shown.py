"""What portraits showed last that can't show what their settings ask for, so that they show it again when OBS starts.

Each has a file, PORTRAIT.last, with the key of a finished layer. The others need none: their layers are found by the
request. Standard library only: OBS reads and writes it, the worker spares these layers.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from ..filesystem import files
from ..localization.errors import CvmatteError

_SUFFIX = ".last"
_LONGEST_KEY = 64


class LastShown:
    """The files of one folder. collection, portrait: a scene collection's name, and what tells its portraits apart."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def key(self, collection: str, portrait: str) -> str:
        """Of the portrait's layer; empty where it has none."""
        return _read(self._path(collection, portrait)) if portrait else ""

    def keep(self, collection: str, portrait: str, key: str) -> None:
        """Where it can't be written, the portrait begins empty next time."""
        with contextlib.suppress(CvmatteError):
            files.write(self._path(collection, portrait), key.encode())

    def forget(self, collection: str, portrait: str) -> None:
        with contextlib.suppress(OSError):
            self._path(collection, portrait).unlink()

    def keys(self) -> set[str]:
        """Of all portraits of all scene collections."""
        try:
            return {_read(path) for path in self._folder.glob(f"*{_SUFFIX}")} - {""}
        except OSError:
            return set()

    def _path(self, collection: str, portrait: str) -> Path:
        whole = f"{portrait}/{collection}".encode("utf-8", "surrogatepass")
        return self._folder / (hashlib.sha256(whole).hexdigest()[:32] + _SUFFIX)


def _read(path: Path) -> str:
    try:
        key = path.read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""
    return key if key.isalnum() and len(key) <= _LONGEST_KEY else ""
