#!/usr/bin/env python3
"""Sets CVMatte up. Standard library only, for a bare Python 3.10 or newer.

python3 install.py              set up, and register with your own OBS
python3 install.py --demo       set up, and show a sample portrait in a throwaway OBS
python3 install.py --check      set up with the test tools, and run what is quick of the tests
python3 install.py --test       set up with the test tools, and run every test
python3 install.py --uninstall  take the registration back

--modelscope adds CV-UNet and what it runs on; --ray adds Ray, for folders on a cluster; --device NAME chooses what
networks run on. --download FOLDER only fetches what a set-up needs, --offline FOLDER sets up from there.
"""

import sys

if sys.version_info < (3, 10):  # before anything that an older Python would stumble over
    try:
        from cvmatte_core.localization.texts import system_texts

        sys.exit(system_texts()("install.old_python"))
    except SyntaxError:  # before 3.7
        sys.exit("CVMatte needs Python 3.10 or newer: install it from python.org, then run this again with it.")

import argparse
import contextlib
import functools
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sysconfig
import tempfile
import venv
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Callable, Iterator
from urllib.parse import urlsplit
from urllib.request import url2pathname

ROOT = Path(__file__).resolve().parent
sys.path[:0] = [str(ROOT), str(ROOT / "obs_plugin"), str(ROOT / "scripts")]

from demo import obs_packages
from obs_setup import refuse_while_obs_runs, register, unregister

from cvmatte_core import __version__
from cvmatte_core.filesystem import files
from cvmatte_core.filesystem.lock import locked
from cvmatte_core.filesystem.paths import ENVIRONMENT, python_of
from cvmatte_core.localization.errors import CvmatteError, Refused
from cvmatte_core.localization.texts import megabytes, system_texts
from cvmatte_core.models.catalogue import DEFAULT, ModelEntry, catalogue, entry_of, install_command, is_whole
from cvmatte_core.models.fetch import DISK_FULL, UNREACHABLE, fetch
from cvmatte_core.system import debian, devices, requirements

# Bytes on the disk that the large dependency groups take while they are installed.
ROOM = {"worker": 600_000_000, "modelscope": 4_500_000_000}
PLAIN = ("worker", "web", "video")  # the groups that everybody has
FULL = 20_000_000  # a disk with fewer free bytes than this counts as full
INTERRUPTED = 130  # the exit code
MODELS = "models"  # in a folder for computers without a network
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
NOT_THERE = re.compile("No matching distribution found|Could not find a version")  # says pip

say = system_texts()


def main() -> int:
    parser = argparse.ArgumentParser(description=say("install.about"))
    what = parser.add_mutually_exclusive_group()
    for action in ("demo", "check", "test", "uninstall"):
        what.add_argument(f"--{action}", action="store_true", help=say(f"install.{action}"))
    what.add_argument("--download", type=Path, metavar="FOLDER", help=say("install.download"))
    parser.add_argument("--offline", type=Path, metavar="FOLDER", help=say("install.from_folder"))
    for addition in ("modelscope", "ray"):
        parser.add_argument(f"--{addition}", action="store_true", help=say(f"install.{addition}"))
    choices = [device for device in devices.DEVICES if device != devices.COREML]  # that is in every Mac's plain build
    parser.add_argument("--device", choices=choices, default="", help=say("install.device"))
    parser.add_argument("--version", action="version", version=f"CVMatte {__version__}", help=say("script.version"))
    chosen, pytest_arguments = parser.parse_known_args()
    if pytest_arguments and not chosen.test:
        parser.error(say("install.unknown", argument=pytest_arguments[0]))
    return carry_out(lambda: install(chosen, pytest_arguments))


def install(chosen: argparse.Namespace, pytest_arguments: list[str]) -> int:
    """What the options ask for. Returns the exit code. Raises Refused, CvmatteError, OSError."""
    if chosen.uninstall:
        return unregister()
    if chosen.download:
        return download(chosen)
    if chosen.offline:
        take_packages_from(chosen.offline.absolute())
    group = "test" if chosen.test or chosen.check else "demo" if chosen.demo else "worker"
    # Adding to a set-up that exists leaves OBS alone: the person may have removed the script from it.
    only_adds = bool(chosen.device or chosen.modelscope or chosen.ray) and bool(read_stamp(ENVIRONMENT).groups)
    if group == "worker" and not only_adds:
        refuse_while_obs_runs()  # rather than after minutes
    if group == "demo":  # so is this, and for all that is missing at once
        obs_packages.install(*venv_packages(ENVIRONMENT))
    set_up({*PLAIN, group, *(["ray"] if chosen.ray else [])}, device=chosen.device)
    if chosen.offline:
        take_models_from(chosen.offline)
    fetch_model(entry_of(DEFAULT))
    lacking = 0 if not chosen.modelscope or add_modelscope() else 1
    if group == "worker" and only_adds:
        if not lacking:
            print(say("install.added", command=install_command()))
        return lacking
    if group == "worker":
        return register() or lacking
    if group == "test":
        what = ["--quick"] if chosen.check else pytest_arguments
        return lacking or run_script(sys.executable, "development/run_tests.py", *what)
    return lacking or run_script(python_of(ENVIRONMENT), "demo/demo.py")


def carry_out(act: Callable[[], int]) -> int:
    """Run one of the program's actions. Returns its exit code; where it fails, prints one sentence and returns 1."""
    try:
        return act()
    except (Refused, CvmatteError) as error:
        complain(error)
    except KeyboardInterrupt:
        print(say("install.interrupted"), file=sys.stderr)
        return INTERRUPTED
    except OSError as error:
        print(say("install.failed", reason=error), file=sys.stderr)
    return 1


def complain(error: Refused | CvmatteError) -> None:
    if isinstance(error, CvmatteError) and error.key == "disk_full":  # its own sentence is for portraits
        print(say("install.disk_full", **error.values), file=sys.stderr)
    else:
        print(error.sentence(say) if isinstance(error, CvmatteError) else error, file=sys.stderr)


def add_modelscope() -> bool:
    """Install CV-UNet and what it runs on. Returns whether that worked; if it didn't, the rest works as before."""
    try:
        set_up({"worker", "modelscope"})
        fetch_model(entry_of("cv-unet"))
    except (Refused, CvmatteError) as error:
        complain(error)
        return False
    return True


# Without a network


def download(chosen: argparse.Namespace) -> int:
    """Fill a folder with what the options ask for. Returns the exit code. Raises Refused, CvmatteError, OSError."""
    folder = chosen.download.absolute()
    additions = [name for name in ("ray", "modelscope") if getattr(chosen, name)]
    refuse_impossible({*additions})
    device = wanted_stamp(set(), ENVIRONMENT, chosen.device).device
    runtimes = {devices.PLAIN_RUNTIME, devices.KNOWN.get(device, devices.KNOWN[devices.CPU]).runtime}
    with tempfile.TemporaryDirectory(prefix="cvmatte-", ignore_cleanup_errors=True) as temporary:
        environment = Path(temporary) / "environment"
        environment.mkdir()
        make_environment(environment)
        print(say("install.downloading", folder=folder), flush=True)
        pip(environment, "install", "--quiet", *requirements.of([requirements.INSTALLER]))
        of_runtimes = [[devices.RUNTIME_GROUPS[runtime]] for runtime in sorted(runtimes)]
        for groups in ([requirements.INSTALLER], [*PLAIN, "demo", *additions], *of_runtimes):
            pip(environment, "download", "--quiet", "--only-binary=:all:", f"--dest={folder}", *requirements.of(groups))
        fetch_model(entry_of(DEFAULT), python_of(environment))
    (folder / MODELS).mkdir(exist_ok=True)
    for entry in catalogue().values():
        if entry.file and is_whole(entry):
            shutil.copyfile(entry.path, folder / MODELS / entry.path.name)
    print(say("install.downloaded", folder=subprocess.list2cmdline([str(folder)]), python=PYTHON))
    return 0


def take_packages_from(folder: Path) -> None:
    """Have pip take packages from a folder alone."""
    os.environ |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": folder.as_uri()}  # as an address, in which no blank ends it


def take_models_from(folder: Path) -> None:
    """Raises CvmatteError."""
    for entry in catalogue().values():
        file = folder / MODELS / entry.path.name
        if entry.file and file.is_file():
            fetch(entry, show_progress, file=file)


# The environment


@dataclass(frozen=True)
class Stamp:
    """What an environment was set up with: kept in it as a file.

    requirements: the digest of requirements/ at that time; empty while packages are being changed. groups: those of
    its files, without ONNX Runtime's. device: the one chosen for the networks.
    """

    requirements: str = ""
    groups: tuple[str, ...] = ()
    device: str = devices.AUTO

    @property
    def unfinished(self) -> "Stamp":
        return replace(self, requirements="")


def set_up(groups: set[str], folder: Path = ENVIRONMENT, device: str = "", any_build: bool = False) -> None:
    """Make an environment, or add dependency groups to the one that is there, for one of devices.DEVICES; if that is
    empty, the last choice stays. any_build: of the same versions, whoever built them. Raises Refused, OutputError,
    OSError."""
    refuse_impossible(groups)
    if is_set_up(folder, wanted_stamp(groups, folder, device)):
        return
    with set_up_alone(folder):
        wanted = wanted_stamp(groups, folder, device)  # another process may just have changed it
        if not is_set_up(folder, wanted):
            change_environment(folder, wanted, any_build)


def refuse_impossible(groups: set[str]) -> None:
    """Raise Refused where the packages don't come for this computer, or OBS wouldn't see what this Python writes."""
    if sys.platform == "win32" and sysconfig.get_platform() == "win-arm64":  # no OpenCV
        raise Refused(say("install.windows_on_arm"))
    if sys.platform == "win32" and "WindowsApps" in Path(sys.base_prefix).parts:  # it redirects AppData
        raise Refused(say("install.store_python"))
    only = {"darwin": "arm64", "linux": "x86_64"}.get(sys.platform, platform.machine())
    if "modelscope" in groups and platform.machine() != only:
        raise Refused(say("install.modelscope_elsewhere"))


def wanted_stamp(groups: set[str], folder: Path, device: str) -> Stamp:
    """What `set_up` is to bring the environment to. Raises Refused."""
    before = read_stamp(folder)
    wanted = Stamp(
        requirements=requirements.digest(),
        groups=tuple(sorted(groups | set(before.groups) & requirements.groups())),
        device=device or before.device,
    )
    if wanted.device not in devices.devices_here():
        choices = ", ".join(devices.devices_here())
        raise Refused(say("install.device_elsewhere", device=say(f"device.{wanted.device}"), devices=choices))
    return wanted


def is_set_up(folder: Path, wanted: Stamp) -> bool:
    return read_stamp(folder) == wanted and environment_works(folder)


@contextlib.contextmanager
def set_up_alone(folder: Path) -> Iterator[None]:
    """Hold off every other set-up of an environment. Raises OutputError."""
    tell_once = functools.lru_cache(maxsize=None)(lambda: print(say("install.waiting"), flush=True))
    with locked(folder.with_name(f"{folder.name}.lock"), tell_once) as lock:
        os.set_inheritable(lock.fileno(), True)  # if this process is killed, its pip may live on, and keeps the lock
        yield


def change_environment(folder: Path, wanted: Stamp, any_build: bool) -> None:
    """Bring an environment to the wanted state. Raises Refused, OutputError, OSError.

    An environment whose last change was interrupted is made anew: its packages, pip among them, may be broken. After a
    failure, a new environment is removed, and an old one is used on if pip changed nothing. The stamp keeps the former
    groups and device until all is done: the same command finishes the change, and another command isn't bound by it.
    """
    before = read_stamp(folder)
    broke_off = stamp_file(folder).exists() and not before.requirements
    new = broke_off or not environment_works(folder)
    freed = files.size_of(folder) if new and not folder.is_symlink() else 0  # a link will only be unlinked
    ensure_room(folder, set(wanted.groups) - set(() if new else before.groups), freed)
    former: dict[str, str] = {}
    if new:
        clear(folder, before)
    else:
        former = packages_in(folder)
        write_stamp(folder, before.unfinished)
    try:
        if new:
            make_environment(folder)
        wanted_or_plain = install_packages_of(folder, wanted, any_build)
    except (Refused, CvmatteError):
        if new:
            clear(folder, before)
        elif packages_in(folder) == former:
            write_stamp(folder, before)
        raise
    write_stamp(folder, wanted_or_plain)
    if wanted_or_plain != wanted:
        raise Refused(say("install.device_failed", device=say(f"device.{wanted.device}")))


def install_packages_of(folder: Path, wanted: Stamp, any_build: bool) -> Stamp:
    """Install the packages that an environment is to have. Returns the stamp of what is installed: where the device's
    ONNX Runtime can't be had, the plain one is. Raises Refused."""
    print(say("install.packages"), flush=True)
    pip(folder, "install", "--quiet", *requirements.of([requirements.INSTALLER]))
    asked = requirements.of_any_build(wanted.groups, folder) if any_build else requirements.of(wanted.groups)
    pip(folder, "install", "--quiet", *asked)
    runtime = devices.KNOWN[devices.CPU if wanted.device == devices.AUTO else wanted.device].runtime
    present = packages_in(folder).keys() & devices.RUNTIME_GROUPS.keys()
    if present - {runtime}:  # whichever are there: of two, the one that goes would take the other's files along
        pip(folder, "uninstall", "--quiet", "--yes", *sorted(present))
    try:
        pip(folder, "install", "--quiet", *requirements.of([devices.RUNTIME_GROUPS[runtime]]))
    except Refused as refused:
        if runtime == devices.PLAIN_RUNTIME or packages_in(folder).keys() & devices.RUNTIME_GROUPS.keys():
            raise
        complain(refused)
        pip(folder, "install", "--quiet", *requirements.of([devices.RUNTIME_GROUPS[devices.PLAIN_RUNTIME]]))
        return replace(wanted, device=devices.AUTO)
    return wanted


def packages_in(folder: Path) -> dict[str, str]:
    """The version of each distribution that an environment has."""
    command = [str(python_of(folder)), "-m", "pip", "--disable-pip-version-check", "list", "--format=json"]
    found = subprocess.run(command, capture_output=True, text=True).stdout
    try:
        return {one["name"]: one["version"] for one in json.loads(found)}
    except ValueError:
        return {}


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
    """Raises OutputError."""
    files.write(stamp_file(folder), json.dumps(asdict(stamp)).encode())


def environment_works(folder: Path) -> bool:
    """Whether the environment is there, and made by a Python that still exists."""
    try:
        return subprocess.run([python_of(folder), "-c", "import pip"], capture_output=True).returncode == 0
    except OSError:
        return False


def ensure_room(folder: Path, groups: set[str], freed: int) -> None:
    """Raise Refused unless dependency groups fit on the environment's disk, once that many bytes there are freed."""
    needed = sum(ROOM.get(group, 0) for group in groups)
    if needed and shutil.disk_usage(folder.parent).free + freed < needed:
        raise Refused(say("install.no_room", megabytes=needed // 1_000_000, folder=folder.parent))


def clear(folder: Path, stamp: Stamp) -> None:
    """Remove all of an environment but its stamp. Raises Refused, OutputError."""
    try:
        if folder.is_symlink():  # what it names is somebody else's
            folder.unlink()
        if not stamp_file(folder).exists() or read_stamp(folder) != stamp.unfinished:  # the disk may be full
            write_stamp(folder, stamp.unfinished)
        for entry in folder.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry != stamp_file(folder):
                entry.unlink()
    except OSError as error:
        raise Refused(say("install.no_environment", folder=folder, reason=error)) from error


def venv_packages(folder: Path) -> list[str]:
    """What the distribution has yet to install before an environment can be made, unless there is one."""
    made = importlib.util.find_spec("ensurepip") is not None or environment_works(folder)
    return [] if made else [f"python{PYTHON}-venv"]  # Debian and Ubuntu keep it in a package of its own


def make_environment(folder: Path) -> None:
    """An environment with pip in an empty folder. Raises Refused, OutputError."""
    debian.install_missing({}, others=venv_packages(folder))
    print(say("install.environment", folder=folder), flush=True)
    try:
        venv.EnvBuilder(symlinks=sys.platform != "win32").create(folder)
    except OSError as error:
        if error.errno in files.DISK_FULL:
            raise files.output_error(error, folder.parent) from error
        raise Refused(say("install.no_environment", folder=folder, reason=error)) from error
    run_in(folder, "-I", "-m", "ensurepip", "--upgrade", "--default-pip")


def pip(folder: Path, *arguments: str) -> None:
    """Raises Refused."""
    run_in(folder, "-m", "pip", "--disable-pip-version-check", *arguments)


def run_in(folder: Path, *arguments: str) -> None:
    """Run an environment's Python. Raises Refused, which names a full disk or a missing network; for anything else, the
    program's output is printed."""
    # On the environment's own disk: the system's may be small for them, which pip takes for the network's fault.
    with tempfile.TemporaryDirectory(prefix="tmp-", dir=folder, ignore_cleanup_errors=True) as temporary:
        environment = {**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), temporary)}
        # Its output waits for its end: pip without a network warns at each attempt. It inherits the set-up's lock.
        done = subprocess.run(
            [python_of(folder), *arguments], cwd=ROOT, env=environment, close_fds=False, text=True, errors="replace",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        full = shutil.disk_usage(folder).free < FULL
    if done.returncode == 0:
        return
    if full or DISK_FULL.search(done.stdout):
        raise Refused(say("install.disk_full", folder=folder))
    if UNREACHABLE.search(done.stdout):
        raise Refused(say("install.offline"))
    if "PIP_NO_INDEX" in os.environ and NOT_THERE.search(done.stdout):
        source = os.environ.get("PIP_FIND_LINKS", "")
        raise Refused(say("install.folder_lacks", folder=url2pathname(urlsplit(source).path), python=PYTHON))
    print(re.sub(r"Traceback \(most recent call last\):\n(?:\s.*\n)*", "", done.stdout), file=sys.stderr)
    raise Refused(say("install.pip_failed"))


def fetch_model(entry: ModelEntry, python: Path | None = None) -> None:
    """The model's file, unless it is there already. Raises CvmatteError."""
    if not is_whole(entry):
        print(say("install.model", model=entry.title), flush=True)
        fetch(entry, show_progress, python=python or python_of(ENVIRONMENT))


def show_progress(_stage: str, done: int, total: int) -> None:
    if total > 1 and sys.stdout.isatty():
        text = say("models.fetched", done=megabytes(done), total=megabytes(total))
        print(f"{text} ", end="\n" if done >= total else "\r", flush=True)


def run_script(python: str | Path, name: str, *arguments: str) -> int:
    return subprocess.run([python, ROOT / "scripts" / name, *arguments]).returncode


if __name__ == "__main__":
    sys.exit(main())
