"""A still from any video source, as OBS shows it with its filters. Never call it from a thread of OBS.

obs-websocket takes it, which is part of OBS. Python itself mustn't draw: it would hold the graphics lock from one call
to the next and wait for the GIL between them, while another script, holding that, waits for the lock.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from cvmatte_core.filesystem import files
from cvmatte_core.localization.errors import ImageError, OutputError

from . import libobs, websocket

FORMAT = "bmp"  # the quickest to write
_SPACE = 64 << 20  # bytes that a disk must have left, not to be called full


def size_of(source: int) -> tuple[int, int] | None:
    """(width, height) of what a source shows now, in pixels; None while it shows nothing (a camera may be starting).

    Raises ImageError where a filter makes it larger, of which obs-websocket takes a part only.
    """
    width, height = libobs.obs_source_get_width(source), libobs.obs_source_get_height(source)
    if not width or not height:
        return None
    if width > libobs.obs_source_get_base_width(source) or height > libobs.obs_source_get_base_height(source):
        raise ImageError("still_enlarged", name=libobs.source_name(source))
    return width, height


def write(source: int, path: Path) -> None:
    """Write what a source shows now; where a filter makes it smaller, to the left and above of black.

    Raises ImageError where OBS has no obs-websocket, OutputError.
    """
    wanted = {"sourceName": libobs.source_name(source), "imageFormat": FORMAT, "imageFilePath": str(path)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise files.output_error(error, path.parent) from error
    answer = websocket.request("SaveSourceScreenshot", wanted)
    if answer is None:
        raise ImageError("still_no_websocket")
    if answer.status == websocket.SUCCESS:
        return
    libobs.log(libobs.LOG_WARNING, f"SaveSourceScreenshot: {answer.status} {answer.comment}")
    with contextlib.suppress(OSError):  # a part of it
        path.unlink()
    raise OutputError("disk_full" if _is_full(path.parent) else "cannot_write", folder=str(path.parent))


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _SPACE
    except OSError:
        return False
