"""A model's file that somebody has already, copied to its place once its hash is right. Standard library only."""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from typing import BinaryIO

from ..filesystem import files
from ..localization.errors import ModelError
from .catalogue import ModelEntry, note_hash, sha256_as_published
from .progress import Progress, ensure_room

logger = logging.getLogger(__name__)


def opened_model(file: Path) -> BinaryIO:
    """Somebody's own file of a model. Raises ModelError if it can't be read."""
    with contextlib.suppress(OSError, ValueError):  # a zero in the path
        if file.is_file():
            return file.open("rb")
    raise ModelError("model_file_unreadable", name=file.name)


def take_in(entry: ModelEntry, file: Path, progress: Progress) -> Path:
    """Copy a model's file to its place, and return that. Raises ModelError if it won't do, OutputError, Cancelled."""
    if not entry.file:
        raise ModelError("model_takes_no_file", model=entry.title)
    with opened_model(file) as opened:
        size = progress.total = files.size_of(file)
        ensure_room(entry, entry.path.parent, size)

        def tick() -> None:
            progress.done = min(size, opened.tell())
            progress.tell()

        with files.atomic_write(entry.path) as copy:
            sha256 = sha256_as_published(entry, opened, copy, tick)
            if not sha256:
                raise ModelError("model_file_other", name=file.name, model=entry.title)
            note_unknown_hash(entry, sha256)
    return entry.path


def take_in_from_rembg(entry: ModelEntry, progress: Progress) -> bool:
    """Copy a model's file from rembg's folder; whether there is a whole one."""
    session = entry.source.get("rembg")
    for place in _places_of_rembg(session) if session else []:
        if files.is_file(place) and files.size_of(place) == entry.size_bytes:
            try:
                take_in(entry, place, progress)
            except ModelError as error:  # damaged, or of another version
                logger.warning("%s: %s", place, error)
            else:
                return True
    return False


def note_unknown_hash(entry: ModelEntry, sha256: str) -> None:
    """Note the SHA-256 of a whole file beside its place where the catalogue knows none. Raises OutputError."""
    if "md5" in entry.source:
        note_hash(entry.path, sha256)


def _places_of_rembg(session: str) -> list[Path]:
    """Where any version of rembg keeps the file of a session, as it calls a model: see its rembg/sessions/base.py."""
    data = os.environ.get("XDG_DATA_HOME")
    old = _expanded(Path(os.environ.get("U2NET_HOME") or Path(data or "~", ".u2net")))
    new = _expanded(Path(os.environ.get("REMBG_HOME") or (Path(data, "rembg") if data else "~/.rembg")))
    homes = [old] if os.environ.get("U2NET_HOME") else [new, old]
    file = f"{session}.onnx"
    return [*(home / "models" / session / file for home in homes), old / file]


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:  # nobody knows of a home: then there is nothing in it
        return path
