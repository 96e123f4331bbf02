#!/usr/bin/env python3
"""Sets CVMatte up. Standard library only, for a bare Python 3.10 or newer.

python3 install.py              set up, and register with your own OBS
python3 install.py --demo       set up, and show a sample portrait in a throwaway OBS
python3 install.py --check      set up with the test tools, and run what is quick of the tests
python3 install.py --test       set up with the test tools, and run every test
python3 install.py --uninstall  take the registration back

--modelscope adds CV-UNet and what it runs on; --ray adds Ray, for folders on a cluster; --device NAME chooses what
networks run on.
"""

import sys

if sys.version_info < (3, 10):  # before anything that an older Python would stumble over
    try:
        from cvmatte_core.words.texts import system_texts

        sys.exit(system_texts()("install.old_python"))
    except SyntaxError:  # before 3.7
        sys.exit("CVMatte needs Python 3.10 or newer: install it from python.org, then run this again with it.")

import argparse
import contextlib
import hashlib
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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Callable, Iterable, Iterator

ROOT = Path(__file__).resolve().parent
sys.path[:0] = [str(ROOT), str(ROOT / "obs_plugin")]

import obs_python
import registration

from cvmatte_core import __version__
from cvmatte_core.disk import files, paths
from cvmatte_core.disk.lock import locked
from cvmatte_core.disk.paths import ENVIRONMENT, installed_python, python_of
from cvmatte_core.models.catalogue import DEFAULT, ModelEntry, entry_of, install_command, verify
from cvmatte_core.models.fetch import DISK_FULL, UNREACHABLE, fetch
from cvmatte_core.system import devices
from cvmatte_core.words.errors import CvmatteError
from cvmatte_core.words.texts import megabytes, system_texts

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
# What a dependency group takes on the disk while it is installed, in bytes, as far as that is much.
ROOM = {"worker": 600_000_000, "modelscope": 4_500_000_000}
FULL = 20_000_000  # bytes free on a disk that took no more
LINTER_AND_TYPES = (["ruff", "check"], ["ruff", "format", "--check"], ["mypy"])
IN_PARALLEL = ["-n", "auto", "--maxprocesses", "4"]
# What a throwaway OBS needs, and Debian's package of it. Mesa's draw without a graphics card.
OBS_PROGRAMS = {"obs": "obs-studio", "Xvfb": "xvfb", "xdotool": "xdotool"}
OBS_LIBRARIES = ("libgl1-mesa-dri", "libegl-mesa0", "libglx-mesa0")
# For the page; what a frozen OBS waits for; a drive that hangs.
TEST_PROGRAMS = {"chromium": "chromium", "gdb": "gdb", "bindfs": "bindfs"}

INTERRUPTED = 130  # the exit code

say = system_texts()


class Refused(Exception):
    """Set-up can't go on; the message is the sentence for the person."""


def main() -> int:
    parser = argparse.ArgumentParser(description=say("install.about"))
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--demo", action="store_true", help=say("install.demo"))
    what.add_argument("--check", action="store_true", help=say("install.check"))
    what.add_argument("--test", action="store_true", help=say("install.test"))
    what.add_argument("--uninstall", action="store_true", help=say("install.uninstall"))
    parser.add_argument("--modelscope", action="store_true", help=say("install.modelscope"))
    parser.add_argument("--ray", action="store_true", help=say("install.ray"))
    choices = [device for device in devices.DEVICES if device != devices.COREML]  # that is in every Mac's plain build
    parser.add_argument("--device", choices=choices, default="", help=say("install.device"))
    parser.add_argument("--version", action="version", version=f"CVMatte {__version__}", help=say("script.version"))
    chosen, pytest_arguments = parser.parse_known_args()
    if pytest_arguments and not chosen.test:
        parser.error(say("install.unknown", argument=pytest_arguments[0]))
    try:
        if chosen.uninstall:
            return unregister()
        group = "test" if chosen.test or chosen.check else "demo" if chosen.demo else "worker"
        # What is added to a CVMatte that is there leaves OBS alone: somebody may have taken it out there.
        only_adds = bool(chosen.device or chosen.modelscope or chosen.ray) and bool(read_stamp(ENVIRONMENT).groups)
        if group == "worker" and not only_adds:
            refuse_while_obs_runs()  # rather than after minutes
        set_up({"worker", "web", "video", group, *(["ray"] if chosen.ray else [])}, device=chosen.device)
        fetch_model(DEFAULT_MODEL)
        lacking = 0 if not chosen.modelscope or add_modelscope() else 1
        if group == "worker" and only_adds:
            if not lacking:
                print(say("install.added", command=install_command()))
            return lacking
        if group == "worker":
            return register() or lacking
        if chosen.check:
            return lacking or run_quick_tests()
        install_obs()
        if chosen.test:
            install_missing(TEST_PROGRAMS)
            return lacking or run_tests(pytest_arguments)
        return lacking or run_script("demo/demo.py")
    except (Refused, CvmatteError) as error:
        complain(error)
    except KeyboardInterrupt:
        print(say("install.interrupted"), file=sys.stderr)
        return INTERRUPTED
    except OSError as error:
        print(say("install.failed", reason=error), file=sys.stderr)
    return 1


def complain(error: Refused | CvmatteError) -> None:
    if isinstance(error, CvmatteError):
        full = error.key == "disk_full"  # that sentence of the errors is for portraits
        print(say("install.disk_full", **error.values) if full else error.sentence(say), file=sys.stderr)
    else:
        print(error, file=sys.stderr)


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

    requirements: the digest of pyproject.toml then; empty as long as packages are being changed. groups: its dependency
    groups, ONNX Runtime's aside. device: what the person chose networks to run on.
    """

    requirements: str = ""
    groups: tuple[str, ...] = ()
    device: str = devices.AUTO

    @property
    def runtime(self) -> str:
        """The distribution of ONNX Runtime."""
        return RUNTIMES.get(self.device, PLAIN_RUNTIME)

    @property
    def unfinished(self) -> "Stamp":
        return replace(self, requirements="")


def set_up(groups: set[str], folder: Path = ENVIRONMENT, device: str = "") -> None:
    """An environment in `folder` with dependency groups of pyproject.toml in it, beside those that it has already.

    device: of devices.DEVICES; without one, what was chosen last. Raises Refused, OutputError, OSError.
    """
    refuse_impossible(groups)
    if is_set_up(folder, wanted_stamp(groups, folder, device)):
        return
    with set_up_alone(folder):
        wanted = wanted_stamp(groups, folder, device)  # another process may just have changed it
        if not is_set_up(folder, wanted):
            change_environment(folder, wanted)


def refuse_impossible(groups: set[str]) -> None:
    """Raise Refused where the packages don't come for this computer, or OBS wouldn't see what this Python writes."""
    if sys.platform == "win32" and sysconfig.get_platform() == "win-arm64":  # no OpenCV
        raise Refused(say("install.windows_on_arm"))
    if sys.platform == "win32" and "WindowsApps" in Path(sys.base_prefix).parts:  # it redirects AppData
        raise Refused(say("install.store_python"))
    if sys.platform == "darwin" and platform.machine() == "x86_64" and "modelscope" in groups:  # no PyTorch from 2.3 on
        raise Refused(say("install.intel_mac"))


def wanted_stamp(groups: set[str], folder: Path, device: str) -> Stamp:
    """What `set_up` is to bring the environment to. Raises Refused."""
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
    return wanted


def is_set_up(folder: Path, wanted: Stamp) -> bool:
    return read_stamp(folder) == wanted and environment_works(folder)


@contextlib.contextmanager
def set_up_alone(folder: Path) -> Iterator[None]:
    """Hold off every other set-up of an environment. Raises OutputError."""
    told: list[str] = []

    def tell() -> None:
        if not told:
            told.append(say("install.waiting"))
            print(told[0], flush=True)

    with locked(folder.with_name(f"{folder.name}.lock"), tell) as lock:
        os.set_inheritable(lock.fileno(), True)  # if this process is killed, its pip may live on, and keeps the lock
        yield


def change_environment(folder: Path, wanted: Stamp) -> None:
    """Bring an environment to what is wanted. Raises Refused, OutputError, OSError.

    One that a former run was changing when it broke off is made anew: its packages may be in pieces, pip among them.
    What fails here leaves the packages as they were where pip changed none, and no half of a new environment. Until all
    is done the stamp has the groups and the device of before: the same command finishes, another isn't bound by them.
    """
    before = read_stamp(folder)
    broke_off = stamp_file(folder).exists() and not before.requirements
    new = broke_off or not environment_works(folder)
    ensure_room(folder, set(wanted.groups) - set(() if new else before.groups), size_of(folder) if new else 0)
    if new:
        clear(folder, before)
        make_environment(folder)
    former = packages_in(folder)
    write_stamp(folder, before.unfinished)
    try:
        wanted_or_plain = install_packages_of(folder, wanted)
    except Refused:
        if new:
            clear(folder, before)
        elif packages_in(folder) == former:
            write_stamp(folder, before)
        raise
    write_stamp(folder, wanted_or_plain)
    if wanted_or_plain != wanted:
        raise Refused(say("install.device_failed", device=say(f"device.{wanted.device}")))


def install_packages_of(folder: Path, wanted: Stamp) -> Stamp:
    """The packages that an environment is to have. Raises Refused.

    Returns the stamp for it: where the device's ONNX Runtime can't be had, that of the plain one, which is there.
    """
    print(say("install.packages"), flush=True)
    pip(folder, "install", "--quiet", "pip>=25.1")  # the first that reads dependency groups
    pip(folder, "install", "--quiet", *(f"--group={name}" for name in wanted.groups))
    present = runtimes_in(folder)
    if present - {wanted.runtime}:  # whichever are there: of two, the one that goes would take the other's files along
        pip(folder, "uninstall", "--quiet", "--yes", *sorted(present))
    try:
        pip(folder, "install", "--quiet", f"--group={RUNTIME_GROUPS[wanted.runtime]}")
    except Refused as refused:
        if wanted.runtime == PLAIN_RUNTIME or runtimes_in(folder):
            raise
        complain(refused)
        pip(folder, "install", "--quiet", f"--group={RUNTIME_GROUPS[PLAIN_RUNTIME]}")
        return replace(wanted, device=devices.AUTO)
    return wanted


def packages_in(folder: Path) -> dict[str, str]:
    """The version of each distribution that an environment has."""
    program = (
        "import json; from importlib import metadata\n"
        "print(json.dumps({str(found.metadata['Name']): found.version for found in metadata.distributions()}))"
    )
    found = subprocess.run([python_of(folder), "-c", program], capture_output=True, text=True).stdout
    try:
        return dict(json.loads(found))
    except ValueError:
        return {}


def runtimes_in(folder: Path) -> set[str]:
    """The distributions of ONNX Runtime that an environment has."""
    return set(packages_in(folder)) & set(RUNTIME_GROUPS)


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


def size_of(folder: Path) -> int:
    """The bytes of an environment; none of one that is a link, which will only be unlinked."""
    return 0 if folder.is_symlink() else sum(path.lstat().st_size for path in folder.rglob("*"))


def clear(folder: Path, stamp: Stamp) -> None:
    """Remove an environment, all but the stamp, which remembers what it was to have. Raises Refused, OutputError."""
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


def make_environment(folder: Path) -> None:
    """An environment with pip in an empty folder. Raises Refused, OutputError."""
    if importlib.util.find_spec("ensurepip") is None:  # Debian and Ubuntu keep it in a package of its own
        install_packages([f"python{sys.version_info.major}.{sys.version_info.minor}-venv"])
    print(say("install.environment", folder=folder), flush=True)
    try:
        try:
            venv.EnvBuilder(symlinks=sys.platform != "win32").create(folder)
        except OSError as error:
            if error.errno in files.DISK_FULL:
                raise files.output_error(error, folder.parent) from error
            raise Refused(say("install.no_environment", folder=folder, reason=error)) from error
        run_in(folder, "-I", "-m", "ensurepip", "--upgrade", "--default-pip")
    except (Refused, CvmatteError):
        clear(folder, read_stamp(folder))  # no half of one
        raise


def pip(folder: Path, *arguments: str) -> None:
    """Raises Refused."""
    run_in(folder, "-m", "pip", "--disable-pip-version-check", *arguments)


def run_in(folder: Path, *arguments: str) -> None:
    """Run an environment's Python. Raises Refused: in its own sentence where a full disk or the network is to blame;
    else what the program said of it is printed before.
    """
    command = [str(python_of(folder)), *arguments]
    # On the environment's own disk: the system's may be small for them, which pip takes for the network's fault.
    with tempfile.TemporaryDirectory(prefix="tmp-", dir=folder, ignore_cleanup_errors=True) as temporary:
        environment = {**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), temporary)}
        done = run_to_its_end(command, environment)
        full = shutil.disk_usage(folder).free < FULL
    if done.returncode == 0:
        return
    if full or DISK_FULL.search(done.stdout):
        raise Refused(say("install.disk_full", folder=folder))
    if UNREACHABLE.search(done.stdout):
        raise Refused(say("install.offline"))
    print(re.sub(r"Traceback \(most recent call last\):\n(?:\s.*\n)*", "", done.stdout), file=sys.stderr)
    raise Refused(say("install.pip_failed"))


def run_to_its_end(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """What it says comes at its end: pip with the network down says a warning at each attempt. It inherits the lock."""
    return subprocess.run(
        command, cwd=ROOT, env=environment, close_fds=False, text=True, errors="replace",
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


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


def run_quick_tests() -> int:
    """The linter, the types, and the tests that are quick and need neither OBS nor a browser."""
    quick = ["pytest", "tests/core", "-m", "not slow and not whole", *IN_PARALLEL]
    return run_checks([*LINTER_AND_TYPES, quick])


def run_tests(pytest_arguments: list[str]) -> int:
    """The linter, the type checker, and every test: the first that fails ends it.

    The tests of what ModelScope runs have an environment of their own: its packages are many and large. Arguments are
    the main suite's, and leave them out.
    """
    groups = {"worker", "modelscope", "modelscope-test"}
    # Files stay whole, since their tests share an OBS, and keep their order: those that take long come first.
    files_in_parallel = [*IN_PARALLEL, "--dist", "loadfile", "--no-loadscope-reorder"]
    with ThreadPoolExecutor(1) as beside:
        # Its packages arrive while the first checks run, and its tests run beside the others.
        arrived = None if pytest_arguments else beside.submit(set_up, groups, MODELSCOPE_ENVIRONMENT)
        code = run_checks(LINTER_AND_TYPES)
        if code or arrived is None:
            return code or run_checks([["pytest", *pytest_arguments]])
        of_modelscope = beside.submit(run_quietly, MODELSCOPE_ENVIRONMENT, ["pytest", "tests/modelscope"])
        code = run_checks([["pytest", *files_in_parallel]])
        arrived.result()
        print(of_modelscope.result().stdout)
        return code or of_modelscope.result().returncode


def run_checks(checks: Iterable[list[str]]) -> int:
    for check in checks:
        print("$", *check, flush=True)
        code = subprocess.run([python_of(ENVIRONMENT), "-m", *check], cwd=ROOT).returncode
        if code:
            return code
    return 0


def run_quietly(environment: Path, check: list[str]) -> subprocess.CompletedProcess[str]:
    command = [str(python_of(environment)), "-m", *check]
    return subprocess.run(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def register() -> int:
    outcome = change_registration(registration.register, "install.collection_unreadable")
    if is_without_python(outcome) and fetch_obs_python():
        outcome = change_registration(registration.register, "install.collection_unreadable")
    sandboxed = " / ".join(registration.sandboxed_obs())
    if outcome.changed or outcome.unchanged:
        print(say("install.registered"))
    elif sandboxed and not registration.obs_of_the_system():
        raise Refused(say("install.sandboxed", sandbox=sandboxed))
    elif not outcome.unreadable:
        print(say("install.add_by_hand", script=registration.SCRIPT))
    if sandboxed:
        print(say("install.sandboxed_too", sandbox=sandboxed))
    return 1 if tell_of_obs_python(outcome) or outcome.unreadable else 0


def is_without_python(outcome: registration.Outcome) -> bool:
    """Whether OBS needs to be told of a Python, and none is there that it can load."""
    return sys.platform in ("win32", "darwin") and not outcome.python


def fetch_obs_python() -> bool:
    """On Windows a Python for OBS, if there is none and the person wants it. Says whether it is there now."""
    folder = paths.obs_python_folder()
    computer = obs_python.Computer.this()
    if sys.platform != "win32" or obs_python.find(computer, folder) is not None:
        return False
    embeddable = obs_python.EMBEDDABLE[obs_python.processor_of_obs(computer) or obs_python.X64]
    question = say("install.obs_python_ask", url=embeddable.url)
    if not sys.stdin.isatty() or input(question).strip().lower().startswith("n"):
        return False
    print(say("install.obs_python_fetching"), flush=True)
    try:
        obs_python.fetch(embeddable, folder)
    except (OSError, obs_python.Unusable) as error:
        print(say("install.obs_python_failed", reason=error), file=sys.stderr)
        return False
    return True


def tell_of_obs_python(outcome: registration.Outcome) -> bool:
    """Tell what the person has to do so that OBS loads a Python. Says whether there is anything."""
    if not is_without_python(outcome):
        return False
    found = obs_python.find(obs_python.Computer.this(), paths.obs_python_folder())
    if found is not None and outcome.useless_python:
        print(say("install.obs_python_useless", told=outcome.useless_python, folder=found))
    elif found is not None:  # OBS has never been started: nowhere to write it
        print(say("install.obs_python_choose", folder=found))
    else:
        print(say("install.obs_python_missing_mac" if sys.platform == "darwin" else "install.obs_python_missing"))
    return found is None or bool(outcome.useless_python)


def unregister() -> int:
    outcome = change_registration(registration.unregister, "install.collection_left")
    if outcome.unreadable:
        return 1
    told = "install.unregistered" if outcome.changed else "install.nothing_registered"
    print(say(told, folder=ROOT, data=paths.data_folder()))
    return 0


def refuse_while_obs_runs() -> None:
    if registration.obs_is_running():
        raise Refused(say("install.obs_running"))


def change_registration(change: Callable[[Path], registration.Outcome], unreadable: str) -> registration.Outcome:
    """Register or unregister, unless OBS runs, and name what was left alone. Raises Refused, CvmatteError.

    unreadable: the text for a file that was.
    """
    refuse_while_obs_runs()
    outcome = change(paths.data_folder() / "registered.json")
    for path in outcome.unreadable:
        print(say(unreadable, path=path), file=sys.stderr)
    return outcome


if __name__ == "__main__":
    sys.exit(main())
