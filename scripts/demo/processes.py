"""What Linux tells of processes. Standard library only."""

from __future__ import annotations

import contextlib
from pathlib import Path


def alive(process_id: int) -> bool:
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children_of(process_id: int | str | None) -> list[int]:
    """process_id: "self" for this one; of None there are none."""
    children = []
    for task in Path(f"/proc/{process_id}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread that has just ended
            children += [int(child) for child in task.read_text().split()]
    return children
