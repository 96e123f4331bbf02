"""A lock between processes, released when its process ends, however that ends. Standard library only."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from pathlib import Path
from typing import BinaryIO, Callable, Iterator

from . import files

_LOOK_SECONDS = 0.2


@contextlib.contextmanager
def locked(path: Path, tick: Callable[[], None] = lambda: None) -> Iterator[BinaryIO]:
    """Hold the lock file at `path` against every other process and thread; afterwards the file is gone. Yields it.
    tick() is called repeatedly while another has it; what it raises ends the wait. Raises OutputError."""
    file = _acquire(path, tick)
    try:
        yield file
    finally:
        if sys.platform != "win32":  # before it is let go, so that it isn't another's yet
            files.remove(path)
        file.close()
        if sys.platform == "win32":  # an open file can't be removed there, so neither can one that another has
            files.remove(path)


@contextlib.contextmanager
def locked_if_free(path: Path) -> Iterator[bool]:
    """As `locked`, but without waiting: yields whether it could be had. Raises OutputError."""
    try:
        with locked(path, _give_up):
            yield True
    except _Taken:
        yield False


class _Taken(Exception):
    pass


def _give_up() -> None:
    raise _Taken


def _acquire(path: Path, tick: Callable[[], None]) -> BinaryIO:
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("ab")
        except OSError as error:
            raise files.output_error(error, path.parent) from error
        try:
            while not _try_lock(file):
                tick()
                time.sleep(_LOOK_SECONDS)
            if _is_at(file, path):
                return file
        except BaseException:
            file.close()
            raise
        file.close()  # whoever had it has removed it: begin again with the file that is there now


def _try_lock(file: BinaryIO) -> bool:
    """Whether it is ours now: also on a network drive that knows no locks, since writes are atomic all the same."""
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EACCES, errno.EAGAIN)  # as Windows and POSIX say that another has it
    return True


def _is_at(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        return False
