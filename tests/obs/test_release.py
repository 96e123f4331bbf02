"""The one download: from the archive to the demo, in a home where nothing is."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
from development import release
from PIL import Image

import cvmatte_core
from cvmatte_core.models.catalogue import DEFAULT, entry_of
from tests.conftest import SAMPLE

IN_HELMET = np.s_[400:480, 360:460]


def test_the_archive_is_what_a_person_needs_and_the_same_each_time(tmp_path: Path) -> None:
    first, second = (release.build(folder) for folder in (tmp_path, tmp_path / "."))
    (tmp_path / "again").mkdir()
    assert first == second == tmp_path / f"CVMatte-{cvmatte_core.__version__}.zip"
    assert release.build(tmp_path / "again").read_bytes() == first.read_bytes()
    names = zipfile.ZipFile(first).namelist()
    assert {name.partition("/")[0] for name in names} == {first.stem}
    inside = {name.partition("/")[2] for name in names}
    assert {"install.py", "install.cmd", "install.command", "scripts/matte.py", "scripts/demo/demo.py"} <= inside
    assert {"scripts/demo/astronaut.touch-up.png", "cvmatte_core/web/static/sample.touch-up.png"} <= inside
    assert not [name for name in inside if name.startswith((".", "tests", "scripts/development"))]
    assert f"models/{entry_of(DEFAULT).file}" in inside
    assert first.stat().st_size < 25_000_000


def test_from_the_archive_to_the_demo(tmp_path: Path) -> None:
    archive = release.build(tmp_path)
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(tmp_path)
    folder, home = tmp_path / archive.stem, tmp_path / "home"
    home.mkdir()
    environment = {**os.environ, "HOME": str(home), "LC_ALL": "C.UTF-8"}
    for name in ("CVMATTE_DATA", "CVMATTE_PYTHON", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        environment.pop(name, None)
    python = Path(sys.base_prefix) / "bin" / "python3"
    done = subprocess.run(
        [python, "install.py", "--demo"], cwd=folder, env=environment, capture_output=True, text=True, timeout=1200
    )
    assert done.returncode == 0, done.stdout + done.stderr
    layer = np.asarray(Image.open(folder / "demo" / "astronaut.png"))
    assert layer.shape[2] == 4
    assert layer.shape[:2] == np.asarray(Image.open(SAMPLE)).shape[:2]
    assert layer[IN_HELMET][..., 3].min() > 250
    assert str(folder / "scripts" / "demo" / "astronaut.touch-up.png") in done.stdout
    assert str(folder / "demo" / "obs.png") in done.stdout
    assert "Fetching" not in done.stdout  # the model
