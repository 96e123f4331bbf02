"""The messages between a process and its parent: JSON objects, one a line."""

from __future__ import annotations

import json
from typing import Any

from ..localization import errors

INTERNAL_ERROR, CVMATTE_ERROR = -32603, -32000  # JSON-RPC's codes
LONGEST_LINE = 1 << 24  # bytes; far above any real message, a batch of photos that all failed among them

_ERROR_TYPES = {kind.__name__: kind for kind in errors.CvmatteError.__subclasses__()}


def encode(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """The message in a line. Raises ValueError where there is none."""
    try:
        message = json.loads(line)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(message, dict):
        raise ValueError("a message is a JSON object")
    return message


def error_to_wire(error: BaseException) -> dict[str, Any]:
    if isinstance(error, errors.CvmatteError):
        data = {"type": type(error).__name__, "key": error.key, "values": error.values}
        return {"code": CVMATTE_ERROR, "message": str(error), "data": data}
    return {"code": INTERNAL_ERROR, "message": f"{type(error).__name__}: {error}"}


def error_from_wire(error: dict[str, Any]) -> errors.CvmatteError:
    data = error.get("data")
    if isinstance(data, dict) and isinstance(data.get("values"), dict):
        kind = _ERROR_TYPES.get(str(data.get("type")), errors.CvmatteError)
        return kind(str(data.get("key")), **data["values"])
    return errors.WorkerError("internal")
