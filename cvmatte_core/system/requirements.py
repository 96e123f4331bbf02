"""What install.py installs: by dependency group the very packages that CVMatte was tested with, with their hashes.

scripts/development/renew_lock.py renews them within the ranges of pyproject.toml. Standard library only.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Iterable

from ..filesystem import paths

FOLDER = paths.ROOT / "requirements"
INSTALLER = "pip"  # the group of what installs the others


def of(groups: Iterable[str]) -> list[str]:
    """What pip, in the project's folder, is given for groups."""
    return ["--require-hashes", *(f"--requirement={FOLDER.name}/{name}.txt" for name in sorted(groups))]


def of_any_build(groups: Iterable[str], folder: Path) -> list[str]:
    """As `of`, for builds that it doesn't know, as of PyTorch without CUDA. The versions are put into a folder."""
    versions = folder / "versions.txt"
    lines = [line for name in groups for line in (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()]
    pinned = {line.rstrip("\\ ") for line in lines if not line.startswith((" ", "#"))}
    versions.write_text("\n".join(sorted(pinned)), encoding="utf-8")
    return [f"--constraint={versions}", *(f"--group={name}" for name in sorted(groups))]


def groups() -> set[str]:
    return {path.stem for path in FOLDER.glob("*.txt")}


def digest() -> str:
    """Of all that a set-up installs."""
    known = hashlib.sha256()
    for path in sorted(FOLDER.glob("*.txt")):
        known.update(path.name.encode() + path.read_bytes())
    return known.hexdigest()
