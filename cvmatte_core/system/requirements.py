"""What install.py installs: by dependency group the very packages that CVMatte was tested with, with their hashes.

scripts/development/renew_lock.py renews them within the ranges of pyproject.toml. Standard library only.
"""

from __future__ import annotations

import hashlib
import re
from importlib import metadata
from pathlib import Path
from typing import Iterable

from ..filesystem import paths

FOLDER = paths.ROOT / "requirements"
INSTALLER = "pip"  # the group of what installs the others
_SEED = "setuptools"  # until Python 3.12 an environment is made with it, in a version of Python's


def of(groups: Iterable[str]) -> list[str]:
    """What pip, in the project's folder, is given for groups."""
    return ["--require-hashes", *(f"--requirement={FOLDER.name}/{name}.txt" for name in sorted(groups))]


def of_any_build(groups: Iterable[str], folder: Path) -> list[str]:
    """As `of`, for builds that it doesn't know, as of PyTorch without CUDA. The versions are put into a folder."""
    versions = folder / "versions.txt"
    versions.write_text("\n".join(sorted(_pinned(groups))), encoding="utf-8")
    return [f"--constraint={versions}", *(f"--group={name}" for name in sorted(groups))]


def _pinned(groups: Iterable[str]) -> set[str]:
    """The packages of groups: their versions, and for what computers, without the hashes."""
    return {pin for name in groups for pin in pinned_in((FOLDER / f"{name}.txt").read_text(encoding="utf-8"))}


def pinned_in(text: str) -> list[str]:
    """The same of one group's file."""
    return [line.rstrip("\\ ") for line in text.splitlines() if not line.startswith((" ", "#"))]


def other_than_locked() -> list[str]:
    """The packages of this Python that the lock has in other versions only, with theirs."""
    locked: dict[str, set[str]] = {}
    for pin in _pinned(groups()):
        name, _, version = pin.partition(" ")[0].partition("==")
        locked.setdefault(name, set()).add(version)
    found = {_name(one.metadata["Name"]): one.version for one in metadata.distributions()}
    found.pop(_SEED, None)
    return sorted(f"{name} {version}" for name, version in found.items() if version not in locked.get(name, {version}))


def _name(distribution: str) -> str:
    """As the lock writes it."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def groups() -> set[str]:
    return {path.stem for path in FOLDER.glob("*.txt")}


def digest() -> str:
    """Of all that a set-up installs."""
    known = hashlib.sha256()
    for path in sorted(FOLDER.glob("*.txt")):
        known.update(path.name.encode() + path.read_bytes())
    return known.hexdigest()
