#!/usr/bin/env python3
"""Sets CVMatte up. Standard library only, for a bare Python 3.10 or newer.

python3 install.py              set up, and register with your own OBS
python3 install.py --demo       set up, and show a sample portrait in a throwaway OBS
python3 install.py --test       set up with the test tools, and run every test
python3 install.py --uninstall  take the registration back
"""

from __future__ import annotations

import sys

if sys.version_info < (3, 10):  # before anything that an older Python would stumble over
    sys.exit("CVMatte needs Python 3.10 or newer: install it from python.org, then run this again with it.")

import argparse
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import venv
from pathlib import Path
from typing import Callable

ROOT = Path(__file__).resolve().parent
sys.path[:0] = [str(ROOT), str(ROOT / "obs_plugin")]

import registration

from cvmatte_core import files, paths
from cvmatte_core.errors import CvmatteError
from cvmatte_core.models.catalogue import DEFAULT, ModelEntry, entry_of, verify
from cvmatte_core.models.fetch import fetch
from cvmatte_core.paths import ENVIRONMENT, installed_python
from cvmatte_core.texts import system_texts

DEFAULT_MODEL = entry_of(DEFAULT)
# What a throwaway OBS needs, and Debian's package of it. Mesa's draw without a graphics card.
OBS_PROGRAMS = {"obs": "obs-studio", "Xvfb": "xvfb", "xdotool": "xdotool"}
OBS_LIBRARIES = ("libgl1-mesa-dri", "libegl-mesa0", "libglx-mesa0")

say = system_texts()


class Refused(Exception):
    """Set-up can't go on; the message is the sentence for the person."""


def main() -> int:
    parser = argparse.ArgumentParser(description=say("install.about"))
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--demo", action="store_true", help=say("install.demo"))
    what.add_argument("--test", action="store_true", help=say("install.test"))
    what.add_argument("--uninstall", action="store_true", help=say("install.uninstall"))
    chosen, pytest_arguments = parser.parse_known_args()
    if pytest_arguments and not chosen.test:
        parser.error(say("install.unknown", argument=pytest_arguments[0]))
    try:
        if chosen.uninstall:
            return unregister()
        if chosen.demo or chosen.test:
            set_up("test" if chosen.test else "demo")
            install_obs()
            return run_tests(pytest_arguments) if chosen.test else run_script("demo.py")
        set_up("worker")
        return register()
    except Refused as refusal:
        print(refusal, file=sys.stderr)
    except CvmatteError as error:
        print(error.sentence(say), file=sys.stderr)
    except KeyboardInterrupt:
        print(say("install.interrupted"), file=sys.stderr)
    return 1


# The environment


def set_up(group: str) -> None:
    """The project's environment with a dependency group of pyproject.toml in it, and the default model."""
    wanted = {"worker", group}
    stamp_file = ENVIRONMENT / "cvmatte-installed.json"
    requirements = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    installed = read_stamp(stamp_file, requirements)
    if not environment_works():
        make_environment()
        installed = set()
    if not wanted <= installed:
        wanted |= installed
        print(say("install.packages"), flush=True)
        pip("install", "--quiet", "--upgrade", "pip>=25.1")  # the first that reads dependency groups
        pip("install", "--quiet", *(f"--group={name}" for name in sorted(wanted)))
        with files.atomic_write(stamp_file) as file:
            file.write(json.dumps({"requirements": requirements, "groups": sorted(wanted)}).encode())
    fetch_model(DEFAULT_MODEL)


def read_stamp(stamp_file: Path, requirements: str) -> set[str]:
    """The dependency groups that are installed as pyproject.toml now lists them."""
    try:
        stamp = json.loads(stamp_file.read_text(encoding="utf-8"))
        return set(stamp["groups"]) if stamp["requirements"] == requirements else set()
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def environment_works() -> bool:
    """Whether the environment is there, whole, and made by a Python that still exists."""
    python = installed_python()
    if not python.exists():
        return False
    tried = subprocess.run([python, "-c", "import pip"], capture_output=True)
    return tried.returncode == 0


def make_environment() -> None:
    if importlib.util.find_spec("ensurepip") is None:  # Debian and Ubuntu keep it in a package of its own
        install_packages([f"python{sys.version_info.major}.{sys.version_info.minor}-venv"])
    print(say("install.environment", folder=ENVIRONMENT), flush=True)
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    try:
        venv.EnvBuilder(with_pip=True, symlinks=sys.platform != "win32").create(ENVIRONMENT)
    except (OSError, subprocess.CalledProcessError) as error:
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        raise Refused(say("install.no_environment", folder=ENVIRONMENT, reason=error)) from error


def pip(*arguments: str) -> None:
    command = [str(installed_python()), "-m", "pip", "--disable-pip-version-check", *arguments]
    if subprocess.run(command, cwd=ROOT).returncode:
        raise Refused(say("install.pip_failed"))


def fetch_model(entry: ModelEntry) -> None:
    """The model's file, unless it is there already. Raises CvmatteError."""
    try:
        verify(entry)
    except CvmatteError:
        print(say("install.model", model=entry.title), flush=True)
        fetch(entry, python=installed_python())


# The system's packages


def install_obs() -> None:
    """OBS and a virtual screen from the distribution, where they are missing."""
    if sys.platform != "linux":
        raise Refused(say("install.linux_only"))
    missing = [package for program, package in OBS_PROGRAMS.items() if shutil.which(program) is None]
    if missing:
        install_packages([*missing, *OBS_LIBRARIES])


def install_packages(packages: list[str]) -> None:
    """Debian packages, where this person may install them. Raises Refused, naming the command, where not."""
    command = f"apt-get install {' '.join(packages)}"
    if shutil.which("apt-get") is None:
        raise Refused(say("install.packages_by_hand", packages=", ".join(packages)))
    if os.geteuid() != 0:
        raise Refused(say("install.packages_as_root", command=f"sudo {command}"))
    print(say("install.system_packages", packages=", ".join(packages)), flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for step in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        done = subprocess.run(["apt-get", "-q", *step], env=environment, capture_output=True, text=True)
        if done.returncode and step != ["update"]:
            print(done.stdout + done.stderr, file=sys.stderr)
            raise Refused(say("install.packages_failed", command=command))


# What set-up was for


def run_script(name: str) -> int:
    return subprocess.run([installed_python(), ROOT / "scripts" / name]).returncode


def run_tests(pytest_arguments: list[str]) -> int:
    """The linter, the type checker, and every test: the first that fails ends it."""
    checks = [["ruff", "check"], ["ruff", "format", "--check"], ["mypy"], ["pytest", *pytest_arguments]]
    for check in checks:
        print("$", *check, flush=True)
        code = subprocess.run([installed_python(), "-m", *check], cwd=ROOT).returncode
        if code:
            return code
    return 0


def register() -> int:
    outcome = change_registration(registration.register)
    if outcome.changed or outcome.unchanged:
        print(say("install.registered"))
    else:
        print(say("install.add_by_hand", script=registration.SCRIPT))
    if platform.system() in ("Windows", "Darwin"):
        print(say("install.python_path", folder=sys.base_prefix))
    return 0


def unregister() -> int:
    change_registration(registration.unregister)
    print(say("install.unregistered", folder=ROOT, data=paths.data_folder()))
    return 0


def change_registration(change: Callable[[Path], registration.Outcome]) -> registration.Outcome:
    """Register or unregister, unless OBS runs, and name what was left alone. Raises Refused, CvmatteError."""
    if registration.obs_is_running():
        raise Refused(say("install.obs_running"))
    outcome = change(paths.data_folder() / "registered.json")
    for path in outcome.unreadable:
        print(say("install.collection_unreadable", path=path), file=sys.stderr)
    return outcome


if __name__ == "__main__":
    sys.exit(main())
