"""The photos in folders: which files they are, and whether they are complete."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from itertools import islice
from pathlib import Path
from typing import Callable, Iterable, Iterator, Mapping

from ..filesystem import files
from ..image import file_types
from ..localization.errors import CvmatteError
from .record import State, made_in

_LEFT_OUT = (*file_types.CLIPS, *file_types.OTHER_PICTURES)


def walk(
    folder: Path,
    output_folder: Path,
    recursive: bool,
    unreadable: list[Path],
    left_out: list[Path] | None = None,
    on_look: Callable[[], None] = lambda: None,
) -> Iterator[Path]:
    """The photos in a folder, by name, without hidden and system ones; then those of its subfolders.

    Links to folders come last, and no folder twice. What a batch has made is no photo, nor is anything in the output
    folder. Unreadable subfolders are added to `unreadable`; clips and unsupported pictures to `left_out`. on_look:
    called for each folder and all that is in it, which takes long on a network drive. Raises CvmatteError if the folder
    itself can't be read.
    """
    seen: set[tuple[int, int]] = set()
    if output_folder.resolve() != folder.resolve():
        with contextlib.suppress(OSError):
            seen.add(_identity(output_folder))
    made = set[Path]()
    ahead, links = deque([folder]), deque[Path]()
    while ahead or links:
        where = ahead.popleft() if ahead else links.popleft()
        on_look()
        try:
            if (identity := _identity(where)) in seen:
                continue
            seen.add(identity)
            with os.scandir(where) as scanned:
                listed = []
                for entry in scanned:
                    on_look()
                    listed.append(entry)
            found = sorted(listed, key=lambda entry: (entry.name.lower(), entry.name))
        except (OSError, ValueError) as error:
            if where == folder:
                raise CvmatteError("batch_folder", folder=str(folder)) from error
            unreadable.append(where)
            continue
        made |= made_in(where)
        subfolders: list[Path] = []
        for entry in found:
            path = where / entry.name
            on_look()
            if file_types.is_hidden(entry.name) or path in made:
                continue
            with contextlib.suppress(OSError):  # gone meanwhile
                if entry.is_dir():
                    (links if entry.is_symlink() else subfolders).append(path)
                elif path.suffix.lower() in file_types.PHOTOS and entry.is_file():
                    yield path
                elif left_out is not None and path.suffix.lower() in _LEFT_OUT and entry.is_file():
                    left_out.append(path)
        if recursive:
            ahead.extendleft(reversed(subfolders))
        else:
            links.clear()


def named_photos(paths: Iterable[Path], most: int) -> tuple[list[Path], list[Path]]:
    """The photos among these paths and in the folders among them, at most one more than `most`; the folders without
    any. Raises CvmatteError if one can't be read."""
    photos, empty = list[Path](), list[Path]()
    for path in paths:
        found = list(islice(walk(path, path, False, []), most + 1)) if files.is_folder(path) else [path]
        photos += found
        empty += [] if found else [path]
    return photos[: most + 1], empty


def settled(now: Mapping[str, State], before: Mapping[str, State]) -> list[str]:
    """The photos of a watched folder that are complete: their size and time of change are as at the last look."""
    return [photo for photo, state in now.items() if state and before.get(photo) == state]


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino
