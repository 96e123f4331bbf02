"""Where files go that live no longer than their writer: in memory where the system allows it. Standard library only."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from pathlib import Path

from . import mounts, paths, sandbox

_SHARED_MEMORY = Path("/dev/shm")
_IN_MEMORY = ("tmpfs", "ramfs")
_SHARE = 2  # of a place in memory, no file takes more than one part in so many of what is free: others need it too


def folders() -> list[Path]:
    """The places for such files, all this user's alone. The last is on disk, for what memory has no room for."""
    return [*_in_memory(), paths.layers_folder()]


def has_room(folder: Path, size: int) -> bool:
    """Whether so many bytes fit into one of `folders`."""
    if folder == paths.layers_folder():
        return True  # or writing them will tell
    try:
        return size <= shutil.disk_usage(folder).free / _SHARE
    except OSError:
        return False


def _in_memory() -> list[Path]:
    if sys.platform != "linux":  # elsewhere there is no such place
        return []
    chosen = Path(os.environ.get("XDG_RUNTIME_DIR", ""))
    own = [chosen / "cvmatte"] if chosen.is_absolute() else []
    shared = sandbox.shared_memory()
    known = mounts.mounts()
    return [
        folder
        for folder in ([shared] if shared is not None else [*own, _SHARED_MEMORY / f"cvmatte-{os.getuid()}"])
        if known.get(mounts.drive_of(os.path.realpath(folder.parent), known)) in _IN_MEMORY and _is_ours(folder)
    ]


def _is_ours(folder: Path) -> bool:
    """Make it, where it is missing; whether it is a folder of this user's, which nobody else can look into."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
            return False
        if stat.S_IMODE(status.st_mode) != 0o700:
            folder.chmod(0o700)
        return os.access(folder, os.W_OK)
    except OSError:
        return False
