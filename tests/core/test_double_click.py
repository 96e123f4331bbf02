"""install.command, with stand-ins for the Pythons that a Mac may have. install.cmd was tried in Wine's cmd."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cvmatte_core.filesystem import paths

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="a shell script"),
    pytest.mark.skipif(Path("/usr/local/bin/python3").exists(), reason="a Python is where a Mac has one"),
]
OLD = 'case "$1" in -c) exit 1 ;; esac\n'
NEW = 'case "$1" in -c) exit 0 ;; esac\necho "$0" "$@" ; exit ${CODE:-0}\n'


def double_click(folder: Path, pythons: dict[str, str], *arguments: str, code: int = 0) -> tuple[int, str]:
    """What it ends with and says, where these programs are all that is there."""
    programs, place = folder / "programs", folder / "a place, with ümlauts & spaces"
    for made in (programs, place):
        made.mkdir()
    shutil.copy(paths.ROOT / "install.command", place)
    (programs / "dirname").symlink_to(shutil.which("dirname") or "dirname")
    for name, program in pythons.items():
        (programs / name).write_text(f"#!/bin/sh\n{program}")
        (programs / name).chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", place / "install.command", *arguments],
        env={"PATH": str(programs), "CODE": str(code)}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stderr == ""
    return done.returncode, done.stdout.replace(f"{programs}/", "")


def test_the_newest_python_runs_install_py(tmp_path: Path) -> None:
    pythons = {"python3.13": OLD, "python3.12": NEW, "python3.11": NEW, "python3": NEW}
    assert double_click(tmp_path, pythons, "--ray", "a b") == (0, "python3.12 install.py --ray a b\n")


def test_its_end_is_install_py_s(tmp_path: Path) -> None:
    assert double_click(tmp_path, {"python3": NEW}, code=3) == (3, "python3 install.py\n")


@pytest.mark.parametrize("pythons", [{}, {"python3": OLD}])
def test_without_one_it_says_where_there_is_one(tmp_path: Path, pythons: dict[str, str]) -> None:
    code, said = double_click(tmp_path, pythons)
    assert code == 1
    assert "install Python 3.12 from https://www.python.org/downloads/macos/" in said


def test_both_files_can_be_run_where_they_are_meant_for() -> None:
    command, batch = (paths.ROOT / name for name in ("install.command", "install.cmd"))
    assert command.stat().st_mode & 0o111
    assert b"\r" not in command.read_bytes()
    lines = batch.read_bytes().splitlines(keepends=True)
    assert all(line.endswith(b"\r\n") for line in lines)
    batch.read_bytes().decode("ascii")  # whatever code page the console has
