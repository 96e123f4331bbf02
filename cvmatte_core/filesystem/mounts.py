"""What is mounted where, without touching any of it. Standard library only."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import Dict

_TABLE = Path("/proc/self/mountinfo")
_ESCAPED = re.compile(r"\\([0-7]{3})")
Mounts = Dict[str, str]  # kinds of file systems, by the folders that they are mounted at


def mounts() -> Mounts:
    """Empty where the system doesn't tell, which only Linux does."""
    found: Mounts = {}
    with contextlib.suppress(OSError):
        for line in _TABLE.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
            left, _, right = line.partition(" - ")
            fields, kind = left.split(" "), right.split(" ")[0]
            if len(fields) > 4:
                found[_ESCAPED.sub(lambda escape: chr(int(escape[1], 8)), fields[4])] = kind
    return found


def drive_of(path: str, known: Mounts) -> str:
    """What names the drive of an absolute path: where it is mounted, or its letter or share. Links aren't followed."""
    drive = os.path.splitdrive(path)[0]
    if drive:
        return drive.lower()
    parts = path.split("/")
    if not known and parts[1:2] == ["Volumes"]:  # where macOS mounts
        return "/".join(parts[:3])
    ways = ("/".join(parts[:count]) or "/" for count in range(len(parts), 0, -1))
    return next((way for way in ways if way in known), "/")
