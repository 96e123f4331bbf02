"""What is there, also in places that let nobody look."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cvmatte_core import files, paths


def test_what_is_there(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert (files.exists(file), files.is_file(file), files.is_folder(file)) == (True, True, False)
    assert (files.exists(tmp_path), files.is_file(tmp_path), files.is_folder(tmp_path)) == (True, False, True)


@pytest.mark.parametrize("name", ["absent", "file/below", "x" * 300, "zero\0", "\ud800"])
def test_what_cannot_be_is_not_there(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / name
    assert (files.exists(path), files.is_file(path), files.is_folder(path)) == (False, False, False)


@pytest.mark.skipif(sys.platform != "linux", reason="setpriv is Linux's")
def test_where_one_may_not_look_nothing_is_there(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    (closed / "file").touch()
    closed.chmod(0)
    program = (
        "import sys; from pathlib import Path; from cvmatte_core import files; print(files.exists(Path(sys.argv[1])))"
    )
    command = [sys.executable, "-c", program, str(closed / "file")]
    if os.geteuid() == 0:  # without the rights to pass over permissions
        command = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", *command]
    done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, check=True)
    closed.chmod(0o700)
    assert done.stdout.strip() == "False"
