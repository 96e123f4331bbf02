"""Memory: too little of it for a photo, and what this process has freed but its C library keeps.

Standard library only: OBS gives back too.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
from typing import Callable, Iterator

from ..words.errors import ImageError


def explained(error: Exception, name: str) -> Exception:
    """What a person is told of an error over the photo of that name: where memory didn't suffice, just that."""
    # OpenCV has an error of its own for it.
    opencv = type(error).__module__ == "cv2" and "insufficient memory" in str(error).lower()
    return ImageError("image_memory", name=name) if opencv or isinstance(error, MemoryError) else error


@contextlib.contextmanager
def needed_for(name: str, make_room: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Raises ImageError where memory doesn't suffice for the photo of that name, after make_room()."""
    try:
        yield
    except Exception as error:
        told = explained(error, name)
        if told is error:
            raise
        make_room()
        raise told from error


def give_back() -> None:
    """Return what is free to the system, where the C library is glibc; others do so by themselves.

    glibc lets each thread allocate from an arena of its own, and an arena keeps some 20 MB of freed pixels.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
