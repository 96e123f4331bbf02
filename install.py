#!/usr/bin/env python3
"""Sets CVMatte up. Standard library only, for a bare Python 3.10 or newer.

python3 install.py              set up, and register with your own OBS
python3 install.py --demo       set up, and show a sample portrait in a throwaway OBS
python3 install.py --test       set up with the test tools, and run every test
python3 install.py --uninstall  take the registration back

--modelscope adds CV-UNet and what it runs on; --device NAME chooses what networks run on.
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
import re
import shutil
import subprocess
import venv
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Callable

ROOT = Path(__file__).resolve().parent
sys.path[:0] = [str(ROOT), str(ROOT / "obs_plugin")]

import registration

from cvmatte_core import devices, files, paths
from cvmatte_core.errors import CvmatteError
from cvmatte_core.models.catalogue import DEFAULT, ModelEntry, entry_of, verify
from cvmatte_core.models.fetch import fetch
from cvmatte_core.paths import ENVIRONMENT, installed_python, python_of
from cvmatte_core.texts import megabytes, system_texts

DEFAULT_MODEL = entry_of(DEFAULT)
MODELSCOPE_ENVIRONMENT = ROOT / ".venv-modelscope"  # of the tests that need what ModelScope needs
# The distribution of ONNX Runtime for a device; all have the same module, so there may be one at a time. And the
# dependency group that it is in.
PLAIN_RUNTIME = "onnxruntime"
RUNTIMES = {
    devices.CUDA: "onnxruntime-gpu",
    devices.TENSORRT: "onnxruntime-gpu",
    devices.DIRECTML: "onnxruntime-directml",
    devices.OPENVINO: "onnxruntime-openvino",
}
RUNTIME_GROUPS = {
    PLAIN_RUNTIME: "onnx-cpu",
    "onnxruntime-gpu": "onnx-cuda",
    "onnxruntime-directml": "onnx-directml",
    "onnxruntime-openvino": "onnx-openvino",
}
# What a throwaway OBS needs, and Debian's package of it. Mesa's draw without a graphics card.
OBS_PROGRAMS = {"obs": "obs-studio", "Xvfb": "xvfb", "xdotool": "xdotool"}
OBS_LIBRARIES = ("libgl1-mesa-dri", "libegl-mesa0", "libglx-mesa0")
TEST_PROGRAMS = {"chromium": "chromium", "gdb": "gdb"}  # for the page; gdb tells what a frozen OBS waits for

say = system_texts()


class Refused(Exception):
    """Set-up can't go on; the message is the sentence for the person."""


def main() -> int:
    parser = argparse.ArgumentParser(description=say("install.about"))
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--demo", action="store_true", help=say("install.demo"))
    what.add_argument("--test", action="store_true", help=say("install.test"))
    what.add_argument("--uninstall", action="store_true", help=say("install.uninstall"))
    parser.add_argument("--modelscope", action="store_true", help=say("install.modelscope"))
    parser.add_argument("--ray", action="store_true", help=say("install.ray"))
    choices = [device for device in devices.DEVICES if device != devices.COREML]  # that is in every Mac's plain build
    parser.add_argument("--device", choices=choices, default="", help=say("install.device"))
    chosen, pytest_arguments = parser.parse_known_args()
    if pytest_arguments and not chosen.test:
        parser.error(say("install.unknown", argument=pytest_arguments[0]))
    try:
        if chosen.uninstall:
            return unregister()
        group = "test" if chosen.test else "demo" if chosen.demo else "worker"
        set_up({"worker", "web", group, *(["ray"] if chosen.ray else [])}, device=chosen.device)
        fetch_model(DEFAULT_MODEL)
        lacking = 0 if not chosen.modelscope or add_modelscope() else 1
        if group == "worker":
            return register() or lacking
        install_obs()
        if chosen.test:
            install_missing(TEST_PROGRAMS)
            return lacking or run_tests(pytest_arguments)
        return lacking or run_script("demo.py")
    except (Refused, CvmatteError) as error:
        complain(error)
    except KeyboardInterrupt:
        print(say("install.interrupted"), file=sys.stderr)
    return 1


def complain(error: Refused | CvmatteError) -> None:
    print(error.sentence(say) if isinstance(error, CvmatteError) else error, file=sys.stderr)


def add_modelscope() -> bool:
    """CV-UNet and what it runs on. Says whether that could be done: whatever failed, the rest works as before."""
    try:
        set_up({"worker", "modelscope"})
        fetch_model(entry_of("cv-unet"))
    except (Refused, CvmatteError) as error:
        complain(error)
        return False
    return True


# The environment


@dataclass(frozen=True)
class Stamp:
    """What an environment was set up with: kept in it as a file.

    requirements: the digest of pyproject.toml then. groups: its dependency groups, ONNX Runtime's aside. device: what
    the person chose networks to run on.
    """

    requirements: str = ""
    groups: tuple[str, ...] = ()
    device: str = devices.AUTO

    @property
    def runtime(self) -> str:
        """The distribution of ONNX Runtime."""
        return RUNTIMES.get(self.device, PLAIN_RUNTIME)


def set_up(groups: set[str], folder: Path = ENVIRONMENT, device: str = "") -> None:
    """An environment in `folder` with dependency groups of pyproject.toml in it, beside those that it has already.

    device: of devices.DEVICES; without one, what was chosen last. Raises Refused.
    """
    before = read_stamp(folder)
    requirements = (ROOT / "pyproject.toml").read_bytes()
    there_are = set(re.findall(r"^([\w-]+) = \[", requirements.decode("utf-8"), re.MULTILINE))
    wanted = Stamp(
        requirements=hashlib.sha256(requirements).hexdigest(),
        groups=tuple(sorted(groups | set(before.groups) & there_are)),
        device=device or before.device,
    )
    possible = devices.devices_here()
    if wanted.device not in possible:
        choices = ", ".join(possible)
        raise Refused(say("install.device_elsewhere", device=say(f"device.{wanted.device}"), devices=choices))
    new = not environment_works(folder)
    if new:
        make_environment(folder)
    if new or wanted != before:
        print(say("install.packages"), flush=True)
        pip(folder, "install", "--quiet", "--upgrade", "pip>=25.1")  # the first that reads dependency groups
        pip(folder, "install", "--quiet", *(f"--group={name}" for name in wanted.groups))
        install_runtime(folder, wanted)
        write_stamp(folder, wanted)


def install_runtime(folder: Path, wanted: Stamp) -> None:
    """The distribution of ONNX Runtime for the wanted device. Raises Refused; where it can't be had, the plain one is
    in its place.
    """
    present = runtimes_in(folder)
    if present - {wanted.runtime}:
        # Whichever are there: of two, the one that is removed would take the other's files along. And should this be
        # interrupted, the next run finishes it.
        write_stamp(folder, replace(wanted, requirements="", device=devices.AUTO))
        pip(folder, "uninstall", "--quiet", "--yes", *sorted(present))
    try:
        pip(folder, "install", "--quiet", f"--group={RUNTIME_GROUPS[wanted.runtime]}")
    except Refused as refused:
        if wanted.runtime == PLAIN_RUNTIME or runtimes_in(folder):
            raise
        pip(folder, "install", "--quiet", f"--group={RUNTIME_GROUPS[PLAIN_RUNTIME]}")
        write_stamp(folder, replace(wanted, device=devices.AUTO))
        raise Refused(say("install.device_failed", device=say(f"device.{wanted.device}"))) from refused


def runtimes_in(folder: Path) -> set[str]:
    """The distributions of ONNX Runtime that an environment has."""
    program = "from importlib import metadata; print(*(found.metadata['Name'] for found in metadata.distributions()))"
    found = subprocess.run([python_of(folder), "-c", program], capture_output=True, text=True).stdout
    return set(found.split()) & set(RUNTIME_GROUPS)


def stamp_file(folder: Path) -> Path:
    return folder / "cvmatte-installed.json"


def read_stamp(folder: Path) -> Stamp:
    """What an environment was set up with, as far as that can be read."""
    try:
        stamp = json.loads(stamp_file(folder).read_text(encoding="utf-8"))
        device = stamp.get("device", devices.AUTO)  # environments from before there was a choice have none
        known = device if device in devices.DEVICES else devices.AUTO
        return Stamp(str(stamp["requirements"]), tuple(map(str, stamp["groups"])), known)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Stamp()


def write_stamp(folder: Path, stamp: Stamp) -> None:
    with files.atomic_write(stamp_file(folder)) as file:
        file.write(json.dumps(asdict(stamp)).encode())


def environment_works(folder: Path) -> bool:
    """Whether the environment is there, whole, and made by a Python that still exists."""
    python = python_of(folder)
    if not python.exists():
        return False
    tried = subprocess.run([python, "-c", "import pip"], capture_output=True)
    return tried.returncode == 0


def make_environment(folder: Path) -> None:
    if importlib.util.find_spec("ensurepip") is None:  # Debian and Ubuntu keep it in a package of its own
        install_packages([f"python{sys.version_info.major}.{sys.version_info.minor}-venv"])
    print(say("install.environment", folder=folder), flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        venv.EnvBuilder(with_pip=True, symlinks=sys.platform != "win32").create(folder)
    except (OSError, subprocess.CalledProcessError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise Refused(say("install.no_environment", folder=folder, reason=error)) from error


def pip(folder: Path, *arguments: str) -> None:
    command = [str(python_of(folder)), "-m", "pip", "--disable-pip-version-check", *arguments]
    if subprocess.run(command, cwd=ROOT).returncode:
        raise Refused(say("install.pip_failed"))


def fetch_model(entry: ModelEntry) -> None:
    """The model's file, unless it is there already. Raises CvmatteError."""
    try:
        verify(entry)
    except CvmatteError:
        print(say("install.model", model=entry.title), flush=True)
        fetch(entry, show_progress, python=installed_python())


def show_progress(_stage: str, done: int, total: int) -> None:
    if total > 1 and sys.stdout.isatty():
        text = say("models.fetched", done=megabytes(done), total=megabytes(total))
        print(f"{text} ", end="\n" if done >= total else "\r", flush=True)


# The system's packages


def install_obs() -> None:
    """OBS and a virtual screen from the distribution, where they are missing."""
    if sys.platform != "linux":
        raise Refused(say("install.linux_only"))
    install_missing(OBS_PROGRAMS, OBS_LIBRARIES)


def install_missing(programs: dict[str, str], libraries: tuple[str, ...] = ()) -> None:
    """The packages of programs that are missing, and where any is, the libraries. Raises Refused."""
    missing = [package for program, package in programs.items() if shutil.which(program) is None]
    if missing:
        install_packages([*missing, *libraries])


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
    """The linter, the type checker, and every test: the first that fails ends it.

    The tests of what ModelScope runs have an environment of their own: its packages are many and large. Arguments are
    the main suite's, and leave them out.
    """
    checks = [["ruff", "check"], ["ruff", "format", "--check"], ["mypy"], ["pytest", *pytest_arguments]]
    for check in checks:
        code = run_check(ENVIRONMENT, check)
        if code:
            return code
    if pytest_arguments:
        return 0
    set_up({"worker", "test", "modelscope"}, MODELSCOPE_ENVIRONMENT)
    return run_check(MODELSCOPE_ENVIRONMENT, ["pytest", "tests/modelscope"])


def run_check(environment: Path, check: list[str]) -> int:
    print("$", *check, flush=True)
    return subprocess.run([python_of(environment), "-m", *check], cwd=ROOT).returncode


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
