"""The ZIP of many layers."""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

from ..filesystem import files
from ..localization.errors import Cancelled


def write_zip(
    target: Path,
    members: Iterable[tuple[Path, str]],
    on_file: Callable[[], None] = lambda: None,
    cancelled: threading.Event | None = None,
) -> None:
    """Write a ZIP of files, each under a name of its own. Raises OutputError, Cancelled: then there is none."""
    with files.atomic_write(target) as file, zipfile.ZipFile(file, "w", strict_timestamps=False) as archive:
        for path, name in members:
            if cancelled is not None and cancelled.is_set():
                raise Cancelled
            on_file()
            # Pictures are compressed already: stored, they cost no time.
            archive.write(path, name.encode("utf-8", "replace").decode(), zipfile.ZIP_STORED)
