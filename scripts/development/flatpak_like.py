"""A release of Debian that OBS runs in as in Flatpak's sandbox, for obs_versions.py: see demo/flatpak_stand_in.py.

OBS, Python and flatpak-spawn are the release's; the tests, the matting processes and Flatpak's session helper run
outside of it. The helper is taken out of Debian's package, which is not installed.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from demo.flatpak_stand_in import HELPER, RELEASE

ROOT = Path(__file__).resolve().parents[2]
_PYTHON = ROOT / ".venv" / "bin" / "python"
_HELPER = Path("usr/libexec/flatpak-session-helper")
_INSIDE = ("obs-studio", "flatpak-xdg-utils")
# Of the tests' processes: a folder in memory, as the system has one for each person
_SESSION = 'mount -t tmpfs -o mode=755 tmpfs /run/user; mkdir -m 700 "/run/user/$(id -u)"; exec "$@"'


def put_up(release: Path, enter: Callable[..., subprocess.CompletedProcess[Any]], folder: Path) -> None:
    """What is missing in a release, and in `folder` the helper. enter: runs a command in a release. Raises
    CalledProcessError."""
    asked = ["chroot", str(release), "dpkg-query", "--status", *_INSIDE]
    if subprocess.run(asked, capture_output=True).returncode:
        for command in (["update"], ["install", "--yes", "--no-install-recommends", *_INSIDE]):
            enter(release, "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", *command).check_returncode()
    if not (folder / _HELPER).exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "-q", "download", "flatpak"], cwd=folder, check=True)
        subprocess.run(["dpkg", "-x", next(folder.glob("flatpak_*.deb")), folder], check=True)


def run(release: Path, folder: Path, *command: str) -> int:
    """Run the project's Python outside, whose throwaway OBSs run in the release. Returns its exit code."""
    temporary = folder / "tmp"  # in the person's home, which both sides see
    temporary.mkdir(exist_ok=True)
    environment = {
        **os.environ,
        RELEASE: str(release),
        HELPER: str(folder / _HELPER),
        "TMPDIR": str(temporary),
    }
    session = ["unshare", "--mount", "sh", "-ec", _SESSION, "session"]
    return subprocess.run([*session, _PYTHON, *command], cwd=ROOT, env=environment).returncode
