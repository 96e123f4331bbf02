"""A still from any video source, as OBS shows it with its filters. Never call it from a thread of OBS.

obs-websocket takes it, which is part of OBS. Python itself mustn't draw: it would hold the graphics lock from one call
to the next and wait for the GIL between them, while another script, holding that, waits for the lock.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import shutil
from pathlib import Path

from cvmatte_core.disk import files
from cvmatte_core.words.errors import ImageError, OutputError

from . import libobs

FORMAT = "bmp"  # the quickest to write
_SUCCESS = 100
_SPACE = 64 << 20  # bytes that a disk must have left, not to be called full


class _CallData(ctypes.Structure):
    """calldata_t: named values on their way into a procedure of libobs's, and out of it."""

    _fields_ = [
        ("stack", ctypes.c_void_p),
        ("size", ctypes.c_size_t),
        ("capacity", ctypes.c_size_t),
        ("fixed", ctypes.c_bool),
    ]


class _Response(ctypes.Structure):
    """struct obs_websocket_request_response."""

    _fields_ = [("status", ctypes.c_uint), ("comment", ctypes.c_void_p), ("data", ctypes.c_void_p)]


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
    status, comment = _request("SaveSourceScreenshot", wanted)
    if status == _SUCCESS:
        return
    libobs.log(libobs.LOG_WARNING, f"SaveSourceScreenshot: {status} {comment}")
    with contextlib.suppress(OSError):  # a part of it
        path.unlink()
    raise OutputError("disk_full" if _is_full(path.parent) else "cannot_write", folder=str(path.parent))


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _SPACE
    except OSError:
        return False


def _request(name: str, values: dict[str, str]) -> tuple[int, str]:
    """Ask obs-websocket in this process: its status, and a comment on that. Raises ImageError where it isn't there."""
    found = _call(libobs.obs_get_proc_handler(), b"obs_websocket_api_get_ph", b"ph")
    # Never as \u escapes: half a character, which a folder's name may hold, would end OBS where they are read.
    data = libobs.utf8(json.dumps(values, ensure_ascii=False))
    text = {b"request_type": name.encode(), b"request_data": data}
    address = _call(found, b"call_request", b"response", text) if found else None
    if not address:
        raise ImageError("still_no_websocket")
    response = _Response.from_address(address)
    comment = ctypes.string_at(response.comment).decode("utf-8", "replace") if response.comment else ""
    status = int(response.status)
    for part in (response.comment, response.data, address):
        libobs.bfree(part)
    return status, comment


def _call(handler: int, procedure: bytes, result: bytes, values: dict[bytes, bytes] | None = None) -> int | None:
    """Call a procedure; the pointer that it gives back under that name, None where it gives none."""
    data, found = _CallData(), ctypes.c_void_p()
    for name, value in (values or {}).items():
        libobs.calldata_set_data(ctypes.byref(data), name, value, len(value) + 1)
    libobs.proc_handler_call(handler, procedure, ctypes.byref(data))
    libobs.calldata_get_data(ctypes.byref(data), result, ctypes.byref(found), ctypes.sizeof(found))
    libobs.bfree(data.stack)
    return found.value
