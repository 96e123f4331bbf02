"""Writing files so that a reader never sees half of one, and drives that don't answer. Standard library only."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import json
import os
import secrets
import shutil
import stat
import sys
import threading
import time
from concurrent import futures
from pathlib import Path
from typing import IO, Any, BinaryIO, Callable, Collection, Iterator, TypeVar

from ..localization.errors import OutputError

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_CANNOT_WAIT = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)  # as drives say that know no such thing
_CWD, _EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux
TEMPORARY_PREFIX = ".cvmatte-"
_CHUNK = 1 << 20  # bytes
_STALE_SECONDS = 3600.0  # after which a temporary file has no writer any more
_IN_USE_SECONDS, _LOOK_SECONDS = 2.0, 0.02  # that a file is waited for which another program has open; between tries
_PATIENCE_SECONDS = 30.0  # with a drive: one that sleeps takes half of it to wake
_unanswered: dict[Path, futures.Future[Any]] = {}  # of each folder, the call that still waits for its drive
_T = TypeVar("_T")


@contextlib.contextmanager
def atomic_write(path: Path, durable: bool = True) -> Iterator[BinaryIO]:
    """A binary file that appears at `path`, whole, when the block ends without an error; else not at all.

    durable: even if the power fails; this waits for the disk, which isn't worth it for what can be made anew. Raises
    OutputError if the folder can't be made or written, or the disk is full.
    """
    temporary = path.with_name(TEMPORARY_PREFIX + secrets.token_hex(8))
    try:
        with _created(temporary) as file:
            yield file
            if durable:
                _reach_disk(file)
        if durable or not _exchanged(temporary, path):
            replace(path, temporary)
        if durable:
            _folder_reaches_disk(path.parent)
    except OSError as error:
        raise output_error(error, path.parent) from error
    finally:
        remove(temporary)


def replace(path: Path, successor: Path) -> None:
    """Put a whole file of the same folder in the place of another, or of none. Raises OSError."""
    deadline = time.monotonic() + _IN_USE_SECONDS
    while True:
        try:
            successor.replace(path)
            return
        except PermissionError:
            # On Windows a file that is open can't be replaced: OBS may be copying a frame, or antivirus reading it.
            if sys.platform != "win32" or time.monotonic() > deadline:
                raise
            time.sleep(_LOOK_SECONDS)


def _exchanged(one: Path, other: Path) -> bool:
    """Whether the two have changed places, at once, as Linux can: ext4 brings to the disk what replaces a file, and
    takes longer for that than to write it."""
    if sys.platform != "linux":
        return False
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)
    return renameat2 is not None and not renameat2(_CWD, os.fsencode(one), _CWD, os.fsencode(other), _EXCHANGE)


def replace_durably(path: Path, successor: Path) -> None:
    """As `replace`, so that it lasts when the power fails, too. Raises OSError."""
    with successor.open("r+b") as file:
        _reach_disk(file)
    replace(path, successor)
    _folder_reaches_disk(path.parent)


def _reach_disk(file: BinaryIO) -> None:
    """Wait until what was written is on the disk: renaming may get there first. Raises OSError."""
    file.flush()
    try:
        if sys.platform == "darwin":
            import fcntl

            with contextlib.suppress(OSError, AttributeError):  # a network drive knows only the weaker one
                fcntl.fcntl(file.fileno(), fcntl.F_FULLFSYNC)
                return
        os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in _CANNOT_WAIT:
            raise


def _folder_reaches_disk(folder: Path) -> None:
    """The same for the names in it; Windows and some drives have no way to."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write(path: Path, content: bytes, durable: bool = True) -> None:
    """Write a whole file as atomic_write does. Raises OutputError."""
    with atomic_write(path, durable) as file:
        file.write(content)


def remove(path: Path) -> None:
    """Remove a file if there is one; what can't be removed stays."""
    with contextlib.suppress(OSError, ValueError):  # a zero in the path
        path.unlink()


def read_texts(path: Path) -> dict[str, str]:
    """The texts of a JSON object in a file, by their names; none where there is no such file."""
    with contextlib.suppress(OSError, ValueError, AttributeError, RecursionError):
        found = json.loads(path.read_text(encoding="utf-8")).items()
        return {name: value for name, value in found if isinstance(value, str)}
    return {}


def write_texts(path: Path, **texts: str) -> None:
    """Raises OutputError."""
    write(path, json.dumps(texts).encode("ascii"))


def exists(path: Path) -> bool:
    """Whether anything is there, as far as one may look: Path's own raises in a folder that lets nobody look."""
    return _mode_of(path) != 0


def is_file(path: Path) -> bool:
    return stat.S_ISREG(_mode_of(path))


def is_folder(path: Path) -> bool:
    return stat.S_ISDIR(_mode_of(path))


def state_of(path: Path) -> list[int]:
    """What changes when a file's content does, as far as can be told without reading it: its bytes and time of change;
    empty where there is none."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return []
    return [status.st_size, status.st_mtime_ns]


def _mode_of(path: Path) -> int:
    """0 where nothing is there, or nobody may look."""
    with contextlib.suppress(OSError, ValueError):  # a zero in the path
        return path.stat().st_mode
    return 0


def size_of(path: Path) -> int:
    """The bytes of a file, or of a folder's files; 0 where there is none."""
    with contextlib.suppress(OSError):
        parts = path.rglob("*") if path.is_dir() else [path]
        return sum(part.stat().st_size for part in parts if part.is_file())
    return 0


def patiently(call: Callable[[], _T], folder: Path, progress: Callable[[], int] = lambda: 0) -> _T:
    """What a call that reaches for a folder's drive returns or raises. Raises TimeoutError, MemoryError.

    A network drive that is gone may never answer: a thread is left waiting for it, and until it returns, calls for the
    same folder fail at once. progress: how many answers a call has had, if it takes many.
    """
    before = _unanswered.get(folder)
    if before is not None and not before.done():
        raise TimeoutError(errno.ETIMEDOUT, "still no answer", str(folder))
    answer = in_background(call, "drive")
    while True:
        so_far = progress()
        if futures.wait([answer], _PATIENCE_SECONDS).done:
            return answer.result()
        if progress() == so_far:
            _unanswered[folder] = answer
            raise TimeoutError(errno.ETIMEDOUT, "no answer", str(folder))


def in_background(call: Callable[[], _T], name: str) -> futures.Future[_T]:
    """A call in a thread of this name, which holds nobody up, not even this process's end. Raises MemoryError."""
    answer: futures.Future[_T] = futures.Future()
    try:
        threading.Thread(target=settle, args=(answer, call), name=name, daemon=True).start()
    except RuntimeError as error:  # which is all that Python says of it
        raise MemoryError("too little for a thread") from error
    return answer


def settle(answer: futures.Future[_T], call: Callable[[], _T]) -> None:
    """Make a call, unless its answer was cancelled before, and give that what it returns or raises."""
    if not answer.set_running_or_notify_cancel():
        return
    try:
        answer.set_result(call())
    except BaseException as error:
        answer.set_exception(error)
        del answer  # the error's traceback leads through this frame: they would keep each other, and the call's pixels


def await_answer(folder: Path) -> None:
    """Raises OutputError where the folder's drive doesn't answer."""
    try:
        patiently(lambda: exists(folder), folder)
    except TimeoutError as error:
        raise OutputError("folder_no_answer", folder=str(folder)) from error


def _created(path: Path) -> BinaryIO:
    """A new file, in a folder that is made if it is missing. Raises OSError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("xb")
    except ValueError as error:  # a zero in the path, or half of a character
        raise OSError(errno.EINVAL, str(error)) from error


def output_error(error: OSError, folder: Path) -> OutputError:
    """What to tell the person of a write into a folder that failed."""
    key = "disk_full" if error.errno in DISK_FULL else "cannot_write"
    return OutputError(key, folder=str(folder))


def sha256(file: IO[bytes], copy_to: IO[bytes] | None = None) -> str:
    """The SHA-256 of the rest of a file, which is copied to `copy_to`, if given. Raises OSError."""
    return digests(file, ("sha256",), copy_to)["sha256"]


def digests(
    file: IO[bytes], kinds: Collection[str], copy_to: IO[bytes] | None = None, tick: Callable[[], None] = lambda: None
) -> dict[str, str]:
    """As `sha256`, but of every kind that is named as hashlib does. tick() is called now and then. Raises OSError."""
    found = {kind: hashlib.new(kind, usedforsecurity=kind != "md5") for kind in kinds}
    for chunk in iter(lambda: file.read(_CHUNK), b""):
        tick()
        for digest in found.values():
            digest.update(chunk)
        if copy_to is not None:
            copy_to.write(chunk)
    return {kind: digest.hexdigest() for kind, digest in found.items()}


def remove_stale(folder: Path) -> None:
    """Remove what writers that were killed have left in a folder: files, and folders of parts."""
    with contextlib.suppress(OSError):
        for path in folder.glob(f"{TEMPORARY_PREFIX}*"):
            if path.is_dir():
                touched = max(part.stat().st_mtime for part in (path, *path.iterdir()))
                if time.time() - touched > _STALE_SECONDS:
                    shutil.rmtree(path, ignore_errors=True)
            # A lock's time is of its making, and it may be held for days.
            elif path.suffix != ".lock" and time.time() - path.stat().st_mtime > _STALE_SECONDS:
                path.unlink()
