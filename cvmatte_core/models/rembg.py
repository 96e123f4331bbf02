"""Where rembg keeps its models: many have that Python package, and with it files that are here too.

Standard library only. The folders are those of rembg's own rembg/sessions/base.py, newest first.
"""

from __future__ import annotations

import os
from pathlib import Path


def places(session: str) -> list[Path]:
    """Where the file of a session, as rembg calls a model, may be: of any version of rembg."""
    data = os.environ.get("XDG_DATA_HOME")
    old = _expanded(Path(os.environ.get("U2NET_HOME") or Path(data or "~", ".u2net")))
    new = _expanded(Path(os.environ.get("REMBG_HOME") or (Path(data, "rembg") if data else "~/.rembg")))
    homes = [old] if os.environ.get("U2NET_HOME") else [new, old]
    file = f"{session}.onnx"
    return [*(home / "models" / session / file for home in homes), old / file]


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:  # nobody knows of a home: then there is nothing in it
        return path
