"""The messages between a process and its parent: JSON objects, one a line."""

from __future__ import annotations

import json
from typing import Any

LONGEST_LINE = 1 << 24  # bytes; far above any real message, a batch of photos that all failed among them


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
