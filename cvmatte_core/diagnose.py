"""What somebody who is to help with a problem needs to know: versions, the computer, the model, the last warnings."""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import sys
from collections import deque
from importlib import metadata
from typing import Any, Sequence

from . import __version__
from .filesystem import files, paths
from .models.catalogue import ModelEntry, catalogue, entry_of, is_whole
from .settings import MatteSettings
from .system import memory, requirements

_PACKAGES = {
    "numpy": ("numpy",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino"),
    "opencv": ("opencv-python-headless", "opencv-python", "opencv-contrib-python-headless", "opencv-contrib-python"),
    "pillow": ("pillow",),
    "modelscope": ("modelscope",),
    "tensorflow": ("tensorflow", "tensorflow-cpu"),
    "torch": ("torch",),
}
_LINES_KEPT = 20


class RecentWarnings(logging.Handler):
    """Keeps the last messages of level WARNING and above in `lines`, oldest first, each with what raised it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: deque[str] = deque(maxlen=_LINES_KEPT)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        lines = self.format(record).splitlines() or [""]
        self.lines.append(lines[0] if len(lines) == 1 else f"{lines[0]} … {lines[-1]}")


def diagnosis(recent_lines: Sequence[str], provider: str) -> dict[str, Any]:
    """Plain values for JSON, by their names; `log` is a list of messages.

    A package that is missing has the version "", an unknown memory is 0 bytes. lock: the first of its digest, see
    requirements.py; "" without one. provider: what a network ran on last, as its runtime calls
    it; "" where none was loaded.
    """
    entry, states = entry_of(MatteSettings().model), map(state_of, catalogue().values())
    return {
        "cvmatte": __version__,
        "python": platform.python_version(),
        **{name: _version(distributions) for name, distributions in _PACKAGES.items()},
        "platform": platform.platform(),
        "cores": os.cpu_count() or 0,
        "memory_bytes": memory.total_bytes(),
        "models": [
            f"{one['name']}, {one['backend']}, {'installed' if one['installed'] else 'not installed'}" for one in states
        ],
        "model_file": str(entry.path),
        "model_verified": is_whole(entry),
        "provider": provider,
        "interpreter": sys.executable,
        "lock": requirements.digest()[:12] if requirements.groups() else "",
        "other_than_locked": requirements.other_than_locked(),
        "data_folder": str(paths.data_folder()),
        "outputs_folder": str(paths.outputs_folder()),
        "log_file": str(paths.log_file()),
        "log": list(recent_lines),
    }


def state_of(entry: ModelEntry) -> dict[str, Any]:
    """What the keys say of a model. installed: whether it is there and undamaged. size_bytes: on disk. download_bytes:
    0 where that isn't known."""
    return {
        "name": entry.name,
        "title": entry.title,
        "licence": entry.licence,
        "backend": entry.backend,
        "installed": is_whole(entry),
        "size_bytes": files.size_of(entry.path),
        "download_bytes": entry.size_bytes,
    }


def _version(distributions: Sequence[str]) -> str:
    """The version of the first that is installed. Nothing is imported: that may be just what fails."""
    for distribution in distributions:
        with contextlib.suppress(metadata.PackageNotFoundError):
            return metadata.version(distribution)
    return ""
