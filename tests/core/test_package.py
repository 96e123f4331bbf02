"""CVMatte as a package for programs: what pip installs is the same as what install.py does, and works alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomllib
from PIL import Image

import cvmatte_core
from cvmatte_core.filesystem import paths

DECLARED: dict[str, Any] = tomllib.loads((paths.ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def of_group(name: str) -> set[str]:
    return {line for line in DECLARED["dependency-groups"][name] if isinstance(line, str)}


def test_the_extras_are_the_groups_of_install_py() -> None:
    project = DECLARED["project"]
    assert set(project["dependencies"]) == of_group("worker") | of_group("onnx-cpu")
    assert {name: set(lines) for name, lines in project["optional-dependencies"].items()} == {
        name: of_group(name) for name in ("web", "video", "modelscope", "ray")
    }


@pytest.mark.parametrize("script", ["install.py", "scripts/matte.py", "scripts/models.py", "scripts/serve.py"])
def test_every_command_tells_the_version(script: str) -> None:
    done = subprocess.run([sys.executable, paths.ROOT / script, "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"CVMatte {cvmatte_core.__version__}\n")


@pytest.mark.parametrize(
    ("run", "missing", "said"),
    [
        ("from cvmatte_core.commands import serve; sys.exit(serve.main([]))", "uvicorn", "extra “web”"),
        ("from demo import demo; sys.exit(demo.main())", "obsws_python", "extra “demo”"),
        (
            "from cvmatte_core.commands import matte; sys.exit(matte.main(['absent.mp4']))",
            "av",
            "Clips need packages that are missing here",
        ),
    ],
)
def test_packages_that_are_missing_are_one_sentence_that_says_how_to_get_them(
    run: str, missing: str, said: str
) -> None:
    program = f"import sys; sys.modules['{missing}'] = None; {run}"
    done = subprocess.run(
        [paths.environment_python(), "-c", program], capture_output=True, text=True, cwd=paths.ROOT,
        env={**os.environ, "LC_ALL": "C.UTF-8", "PYTHONPATH": f"{paths.ROOT}{os.pathsep}{paths.ROOT / 'scripts'}"},
    )  # fmt: skip
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert said in done.stderr and "python3 install.py" in done.stderr


def test_the_demo_tells_what_it_does() -> None:
    done = subprocess.run(
        [sys.executable, paths.ROOT / "scripts/demo/demo.py", "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0 and "throwaway OBS" in done.stdout


@pytest.mark.whole
def test_the_wheel_cuts_out_a_photo_in_an_environment_of_its_own(
    tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the four lines of docs/library.md. Its dependencies are those of this environment: they are large."""
    wheels, home, source = tmp_path / "wheels", tmp_path / "home", tmp_path / "source"
    shutil.copytree(paths.ROOT / "cvmatte_core", source / "cvmatte_core")  # for pip leaves a folder in it
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(paths.ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--quiet", "wheel", "--no-deps", "--wheel-dir", str(wheels), str(source)]
    subprocess.run(pip, check=True)
    (wheel,) = wheels.glob("*.whl")
    venv.create(tmp_path / "environment", with_pip=True, symlinks=True)
    python = paths.python_of(tmp_path / "environment")
    (site,) = (tmp_path / "environment").glob("lib/python*/site-packages")
    subprocess.run([python, "-m", "pip", "--quiet", "install", "--no-deps", str(wheel)], check=True)
    assert (site / "cvmatte_core" / "web" / "static" / "sample.touch-up.png").is_file()
    (here,) = paths.ENVIRONMENT.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(f"{here}\n")
    (home / "models").mkdir(parents=True)
    for model in paths.models_folder().glob("*.onnx"):
        (home / "models" / model.name).symlink_to(model)
    monkeypatch.setenv("CVMATTE_DATA", str(home))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.jpg").write_bytes(photo.read_bytes())
    page = (paths.ROOT / "docs" / "library.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    subprocess.run([python, "-c", lines], check=True)
    layer = np.asarray(Image.open(tmp_path / "layer.png"))
    assert layer.shape == (512, 512, 4)
    assert layer[200, 220, 3] == 255 and layer[5, 5, 3] == 0
    command = python.with_name("cvmatte")
    told = subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout
    assert told == f"CVMatte {cvmatte_core.__version__}\n"
    subprocess.run([command, "matte", "photo.jpg", "-o", "again.png"], check=True, capture_output=True)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "again.png")), layer)
    listed = subprocess.run([command, "models", "list"], capture_output=True, text=True, check=True).stdout
    assert "Robust Video Matting" in listed
    missing = subprocess.run([command], capture_output=True, text=True)
    assert (missing.returncode, "usage: cvmatte" in missing.stderr) == (2, True)
