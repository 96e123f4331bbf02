"""Runs the linter, the type checker and the tests. `install.py --test` and `--check` run it, once all is set up.

Arguments that aren't named here go to pytest, and leave the tests of ModelScope out.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

import install
from cvmatte_core.filesystem.paths import ENVIRONMENT, python_of
from cvmatte_core.system import debian
from demo import obs_packages

LINTER_AND_TYPES = (["ruff", "check"], ["ruff", "format", "--check"], ["mypy"])
QUICK = ["tests/core", "-m", "not slow and not whole"]
# What the quick tests need.
LOWEST_GROUPS = ("worker", "onnx-cpu", "test")
# For each package that CVMatte is made of, tests of what is asked of it: they run once more with its lowest version.
OF_PACKAGES = {
    "av": "tests/core/test_clips.py",
    "fastapi": "tests/web/test_api.py",
    "numpy": "tests/core/test_hair.py",
    "onnxruntime": "tests/core/test_backends.py",
    "opencv-python-headless": "tests/core/test_colour_tags.py",
    "pillow": "tests/core/test_hostile.py",
    "pillow-heif": "tests/core/test_colour_tags.py",
    "python-multipart": "tests/web/test_api.py",
    "starlette": "tests/web/test_api.py",
    "tqdm": "tests/core/test_folder_script.py::test_a_terminal_shows_a_bar_with_rate_and_time_left",
    "uvicorn": "tests/web/test_api.py",
}
IN_PARALLEL = ["-n", "auto", "--maxprocesses", "4"]
PIPED: dict[str, Any] = {"text": True, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
# The page's browser, the stacks of a frozen OBS, a drive that hangs, and the way out of Flatpak's sandbox; each with
# Debian's package of it.
PROGRAMS = {
    "chromium": "chromium",
    "gdb": "gdb",
    "bindfs": "bindfs",
    "dbus-daemon": "dbus",
    "/usr/libexec/flatpak-session-helper": "flatpak",
    "/usr/libexec/flatpak-xdg-utils/flatpak-spawn": "flatpak-xdg-utils",
}
# What ModelScope runs on are many large packages: its tests have an environment of their own.
MODELSCOPE_ENVIRONMENT = ROOT / ".venv-modelscope"
MODELSCOPE_GROUPS = {"worker", "modelscope", "modelscope-test"}


def main() -> int:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # install.py, which is interrupted too, says so
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--quick", action="store_true", help="only quick tests, without OBS and browser")
    parser.add_argument(
        "--lowest", action="store_true", help="only quick tests, with the lowest versions that pyproject.toml allows"
    )
    chosen, pytest_arguments = parser.parse_known_args()
    # Each OBS and each process would compile anew what no other was allowed to keep.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if chosen.lowest:
        return run_with_lowest([OF_PACKAGES["fastapi"], *QUICK, *IN_PARALLEL]).returncode
    return install.carry_out(run_quick_tests if chosen.quick else lambda: run_tests(pytest_arguments))


def run_quick_tests() -> int:
    return run(*LINTER_AND_TYPES, ["pytest", *QUICK, *IN_PARALLEL])


def run_with_lowest(
    tests: Iterable[str], before: Iterable[str] = (), **options: Any
) -> subprocess.CompletedProcess[str]:
    """Tests in an environment made for them, of the oldest packages within the ranges, on the newest that these need.
    Needs Python 3.11 and the internet. before: a program that starts them. Raises CalledProcessError."""
    from development.renew_lock import PIP, Uv  # which a Python 3.10 that runs the other tests can't import

    with tempfile.TemporaryDirectory(prefix="cvmatte-lowest-") as folder:
        venv.create(Path(folder) / "lowest")
        python = str(python_of(Path(folder) / "lowest"))
        groups = [f"--group={ROOT / 'pyproject.toml'}:{name}" for name in LOWEST_GROUPS]
        install_lowest = ("pip", "install", "--quiet", "--resolution=lowest-direct", f"--python={python}")
        Uv(Path(folder)).run(*install_lowest, PIP, *groups)
        environment = {**os.environ, "CVMATTE_PYTHON": python}  # what the tests start has them, too
        return subprocess.run([*before, python, "-m", "pytest", *tests], cwd=ROOT, env=environment, **options)


def run_tests(pytest_arguments: list[str]) -> int:
    """The linter, the type checker and every test, until one fails. Raises Refused, CvmatteError, OSError."""
    obs_packages.install()
    debian.install_missing(PROGRAMS)
    if pytest_arguments:
        return run(*LINTER_AND_TYPES, ["pytest", *pytest_arguments])
    with ThreadPoolExecutor(1) as beside:
        # ModelScope's packages arrive while the first checks run. Its tests, and then those with the lowest versions,
        # run beside the others.
        arrived = beside.submit(install.set_up, MODELSCOPE_GROUPS, MODELSCOPE_ENVIRONMENT, any_build=True)
        code = run(*LINTER_AND_TYPES)
        if code:
            return code
        of_modelscope = beside.submit(run_modelscope_tests)
        more = [of_modelscope]
        if sys.version_info >= (3, 11):  # see run_with_lowest
            more.append(beside.submit(run_with_lowest, sorted({*OF_PACKAGES.values()}), ["nice"], **PIPED))
        # Files stay whole, since their tests share an OBS, and keep their order: those that take long come first.
        code = run(["pytest", *IN_PARALLEL, "--dist", "loadfile", "--no-loadscope-reorder"])
        arrived.result()
        for done in (one.result() for one in more):
            print("$", *done.args, f"\n{done.stdout}", flush=True)
            code = code or done.returncode
        return code


def run(*checks: list[str]) -> int:
    """Run modules of the environment, until one fails. Returns its exit code."""
    for check in checks:
        print("$", *check, flush=True)
        code = subprocess.run([python_of(ENVIRONMENT), "-m", *check], cwd=ROOT).returncode
        if code:
            return code
    return 0


def run_modelscope_tests() -> subprocess.CompletedProcess[str]:
    command = [str(python_of(MODELSCOPE_ENVIRONMENT)), "-m", "pytest", "tests/modelscope"]
    return subprocess.run(command, cwd=ROOT, **PIPED)


if __name__ == "__main__":
    sys.exit(main())
