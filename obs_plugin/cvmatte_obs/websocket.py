"""obs-websocket, which is part of OBS, asked in this process: it does everything in C, in one call without the GIL."""

from __future__ import annotations

import ctypes
import json
from dataclasses import dataclass
from typing import Any, Mapping

from . import libobs

SUCCESS = 100


@dataclass(frozen=True)
class Answer:
    """data: what was asked for, where the status is SUCCESS."""

    status: int
    comment: str
    data: dict[str, Any]


class _CallData(ctypes.Structure):
    """calldata_t: named values on their way into a procedure of libobs's, and out of it."""

    _fields_ = [("stack", ctypes.c_void_p), ("_rest", ctypes.c_size_t * 3)]


class _Response(ctypes.Structure):
    """struct obs_websocket_request_response."""

    _fields_ = [("status", ctypes.c_uint), ("comment", ctypes.c_void_p), ("data", ctypes.c_void_p)]


def is_there() -> bool:
    """Whether this OBS has it: there are builds without."""
    return handler() is not None


def request(name: str, values: Mapping[str, str]) -> Answer | None:
    """Its answer; None where it isn't there, or OBS loads or clears its scenes, when it answers nobody."""
    there = handler()
    # Never as \u escapes: half a character, which a folder's name may hold, would end OBS where they are read.
    data = libobs.utf8(json.dumps(values, ensure_ascii=False))
    values_in = {b"request_type": text(name), b"request_data": data + b"\0"}
    address = pointer_from(there, b"call_request", b"response", values_in) if there else None
    if not address:
        return None
    response = _Response.from_address(address)
    comment, found = (ctypes.string_at(part or b"") for part in (response.comment, response.data))
    status = int(response.status)
    for part in (response.comment, response.data, address):
        libobs.bfree(part)
    return Answer(status, comment.decode("utf-8", "replace"), json.loads(found) if status == SUCCESS and found else {})


def handler() -> int | None:
    """That of its procedures; None where it isn't there."""
    return pointer_from(libobs.obs_get_proc_handler(), b"obs_websocket_api_get_ph", b"ph", {})


def text(value: str) -> bytes:
    """As a procedure takes it."""
    return libobs.utf8(value) + b"\0"


def pointer_from(there: int, procedure: bytes, result: bytes, values: Mapping[bytes, bytes]) -> int | None:
    """Call a procedure; the pointer that it gives back under that name, None where it gives none. values: each as its
    bytes."""
    data, found = _CallData(), ctypes.c_void_p()
    for name, value in values.items():
        libobs.calldata_set_data(ctypes.byref(data), name, value, len(value))
    libobs.proc_handler_call(there, procedure, ctypes.byref(data))
    libobs.calldata_get_data(ctypes.byref(data), result, ctypes.byref(found), ctypes.sizeof(found))
    libobs.bfree(data.stack)
    return found.value
