"""Memory: how much there is, too little for a photo, what the C library keeps. Standard library only: OBS uses it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import sys
from pathlib import Path
from typing import Callable, Iterator

from ..localization.errors import ImageError

_MEMINFO = Path("/proc/meminfo")


def total_bytes() -> int:
    """This computer's memory; 0 where that isn't known."""
    if sys.platform == "win32":
        return _windows_status()[0]
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return 0


def available_bytes() -> int:
    """What a program may take now without others giving way; the computer's whole memory where that isn't known."""
    if sys.platform == "win32":
        return _windows_status()[1]
    with contextlib.suppress(OSError, ValueError):
        found = re.search(r"^MemAvailable:\s+(\d+) kB", _MEMINFO.read_text(encoding="ascii"), re.MULTILINE)
        if found:
            return int(found[1]) * 1024
    return total_bytes()


def _windows_status() -> tuple[int, int]:
    """All memory, and what is free of it; twice 0 where that isn't known."""
    status = (ctypes.c_uint64 * 8)(64)  # a MEMORYSTATUSEX: its length, all memory, what is free of it, and five more
    is_told = ctypes.CDLL("kernel32").GlobalMemoryStatusEx(ctypes.byref(status))
    return (status[1], status[2]) if is_told else (0, 0)


def ran_out(error: Exception) -> bool:
    """Whether an error says that there is too little memory. OpenCV has one of its own for it."""
    opencv = type(error).__module__ == "cv2" and "insufficient memory" in str(error).lower()
    return opencv or isinstance(error, MemoryError)


@contextlib.contextmanager
def needed_for(name: str, make_room: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Raises ImageError if memory runs out for the photo of that name, after make_room()."""
    try:
        yield
    except Exception as error:
        if not ran_out(error):
            raise
        make_room()
        raise ImageError("image_memory", name=name) from error


def give_back() -> None:
    """Return what is free to the system, where the C library is glibc; others do so by themselves. There each thread
    allocates from an arena of its own, and that keeps some 20 MB of freed pixels."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
