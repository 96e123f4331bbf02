"""What portraits showed last that can't show what their settings ask for, so that they show it again when OBS starts.

Nothing about a layer is saved in the scene. Each such portrait has a file, PORTRAIT.last, with the key of a finished
layer. It is found by the scene collection's name and an id that the portrait's settings have from then on: a copy gets
an id of its own, so that each goes its own way. The others need none: their layers are found by the request. Standard
library only: OBS reads and writes it, the worker spares these layers.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from pathlib import Path
from typing import Callable, Collection

from ..filesystem import files
from ..localization.errors import CvmatteError

_SUFFIX = ".last"
_LONGEST_KEY = 64


def keys(folder: Path) -> set[str]:
    """Of all portraits of all scene collections."""
    try:
        return {_read(path) for path in folder.glob(f"*{_SUFFIX}")} - {""}
    except OSError:
        return set()


class LastLayer:
    """One portrait's. key: of the layer to show when OBS starts; empty where what its settings ask for will do."""

    def __init__(self, folder: Path, collection: Callable[[], str], save_id: Callable[[str], None]) -> None:
        """collection: the name of the present scene collection. save_id: puts an id into the portrait's settings."""
        self._folder, self._collection, self._save_id = folder, collection, save_id
        self.id = self.key = ""
        self._kept_in = ""  # the scene collection

    def begin(self, saved_id: str, others: Collection[str]) -> None:
        """saved_id: what its settings have; empty without one. others: the ids of the portraits that there are."""
        self.id, self._kept_in = saved_id, self._collection()
        self.key = _read(self._path()) if saved_id else ""
        if saved_id and saved_id in others:
            self.id, key, self.key = secrets.token_hex(8), self.key, ""
            self._save_id(self.id)
            self.keep(key, self.id)

    def keep(self, key: str, saved_id: str) -> None:
        """Where it can't be written, the portrait begins empty next time."""
        if key:
            is_kept = (key, self._collection()) == (self.key, self._kept_in)
            self.id = self.id or secrets.token_hex(8)
            if self.id != saved_id:
                self._save_id(self.id)
            if not is_kept:
                self._kept_in = self._collection()
                with contextlib.suppress(CvmatteError):
                    files.write(self._path(), key.encode())
        elif self.key:
            with contextlib.suppress(OSError):
                self._path().unlink()
        self.key = key

    def _path(self) -> Path:
        whole = f"{self.id}/{self._kept_in}".encode("utf-8", "surrogatepass")
        return self._folder / (hashlib.sha256(whole).hexdigest()[:32] + _SUFFIX)


def _read(path: Path) -> str:
    try:
        key = path.read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""
    return key if key.isalnum() and len(key) <= _LONGEST_KEY else ""
