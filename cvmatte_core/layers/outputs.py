"""The files that CVMatte writes for the person: how they are named, and how old ones are tidied away.

Standard library only: OBS names files by it.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator

from ..filesystem import files
from . import last_shown
from .store import LayerRecord, LayerStore

_STEM_BYTES = 180  # of the 255 that file systems allow, the rest for what is appended
_CLOCK_SECONDS = 2.0  # as exact as every file system keeps times


# Names


def shortened(name: str) -> str:
    """A file's name without its suffix, cut where it leaves no room for "-mask.png" and the like."""
    while len(name.encode("utf-8", "surrogateescape")) > _STEM_BYTES:
        name = name[:-1]
    return name


def mask_beside(layer: Path) -> Path:
    return layer.with_name(f"{layer.stem}-mask.png")


def numbered(path: Path) -> Iterator[Path]:
    """The path itself, then NAME-2, NAME-3 …"""
    yield path
    for number in itertools.count(2):
        yield path.with_name(f"{path.stem}-{number}{path.suffix}")


def free_names(
    layer: Path, with_mask: bool, is_taken: Callable[[Path], bool] = files.exists
) -> tuple[Path, Path | None]:
    """The first of `numbered` that isn't taken, and the name of its mask where it is to have one, not taken either."""
    for candidate in numbered(layer):
        mask = mask_beside(candidate) if with_mask else None
        if not any(is_taken(path) for path in (candidate, mask) if path is not None):
            return candidate, mask
    raise AssertionError("numbers don't end")


def unused(path: Path) -> Path:
    """The first of `numbered` that doesn't exist yet."""
    return next(candidate for candidate in numbered(path) if not files.exists(candidate))


def place(layer: Path, content: bytes, mask: bytes | None) -> tuple[Path, Path | None]:
    """Write a layer, and its mask if there is one, never over other content; return their paths.

    The name is the first of `numbered` that is free or has just this content. Raises OutputError.
    """
    files.await_answer(layer.parent)
    for candidate in numbered(layer):
        wanted = {candidate: content, **({mask_beside(candidate): mask} if mask is not None else {})}
        missing = [path for path in wanted if not files.exists(path)]
        if all(path in missing or _holds(path, data) for path, data in wanted.items()):
            break
    for path in missing:
        files.write(path, wanted[path])
    return candidate, mask_beside(candidate) if mask is not None else None


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.stat().st_size == len(content) and path.read_bytes() == content
    except OSError:
        return False


# Tidying


@dataclass(frozen=True)
class Tidied:
    """What was removed: how many layers, and the bytes of all their files."""

    count: int
    bytes: int


def tidy(keep: int, in_use: set[str], store: LayerStore, on_look: Callable[[], None] = lambda: None) -> Tidied:
    """Remove each portrait's saved layers but the newest `keep`, with their masks, frames, previews and records.

    in_use: keys of layers and paths of files that stay; so do layers that a portrait of any scene collection showed
    last. Only what a record names is removed, but no photo that a record was made from, no layer whose photo is gone
    (nobody could make it again), and no file that was changed after its record: that is the person's own work. What
    can't be removed stays, with its record. on_look: called for each record and each layer, which takes long on a
    network drive. Never raises.
    """
    in_use = in_use | last_shown.keys(store.folder)
    photos: set[str] = set()
    portraits: dict[str, list[tuple[float, LayerRecord]]] = defaultdict(list)
    for path in store.folder.glob("*.json"):
        on_look()
        record = store.find(path.stem)
        if record is None:
            continue
        photos.add(record.image)
        if record.key == path.stem and files.is_file(Path(record.saved)):
            with contextlib.suppress(OSError):
                portraits[record.image].append((path.stat().st_mtime, record))
    protected = {_same(path) for path in (*in_use, *photos) if path}
    old: list[LayerRecord] = []
    for photo, layers in portraits.items():
        can_be_made_again = files.is_file(Path(photo))
        layers.sort(key=lambda layer: layer[0], reverse=True)
        for place_in_line, (written, record) in enumerate(layers):
            on_look()
            stays = place_in_line < keep or record.key in in_use or _changed_since(written, record)
            if stays or not can_be_made_again:
                protected.update(map(_same, _files(record)))
            else:
                old.append(record)
    # Several records may name one file: it stays while any of them does.
    removed = []
    for record in old:
        on_look()
        if protected.isdisjoint(map(_same, _files(record))):
            removed.append(_remove(record, store))
    return Tidied(sum(map(bool, removed)), sum(removed))


def _files(record: LayerRecord) -> list[str]:
    return [path for path in (record.saved, record.mask) if path]


def _same(path: str) -> str:
    """One spelling for each path, whatever links and letter cases it was written with."""
    with contextlib.suppress(OSError, ValueError):  # a zero in the path: no file has it
        path = os.path.realpath(path)
    return os.path.normcase(path)


def _changed_since(written: float, record: LayerRecord) -> bool:
    for path in _files(record):
        with contextlib.suppress(OSError):
            if Path(path).stat().st_mtime > written + _CLOCK_SECONDS:
                return True
    return False


def _remove(record: LayerRecord, store: LayerStore) -> int:
    """Remove a layer and all that belongs to it; how many bytes that were, 0 if it can't be removed."""
    freed = 0
    try:
        for path in map(Path, _files(record)):
            with contextlib.suppress(FileNotFoundError):  # removed with another record of it
                size = path.stat().st_size
                path.unlink()
                freed += size
    except OSError:
        return 0
    freed += sum(map(files.size_of, (store.frame_path(record.key), store.preview_path(record.key))))
    store.forget(record.key)
    return freed
