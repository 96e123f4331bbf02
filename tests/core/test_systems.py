"""What Windows and macOS do otherwise, as far as it can be played here."""

from __future__ import annotations

import ctypes
import errno
import locale
import os
import platform
import signal
import subprocess
import sys
import sysconfig
import types
from pathlib import Path

import pytest
import registration
from cvmatte_obs.housekeeping import PollTimes
from demo.throwaway_obs import wait_until

import install
from cvmatte_core.filesystem import files, lock, paths
from cvmatte_core.localization import texts
from cvmatte_core.localization.errors import OutputError
from cvmatte_core.worker.client import READY, WorkerClient


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_no_library_in_the_worker_touches_the_messages() -> None:
    """NumPy looks at stdin when it is imported, and waits on Windows as long as somebody reads from it."""
    client = WorkerClient()
    client.start()
    try:
        wait_until(lambda: client.state == READY, 60)
        assert Path(f"/proc/{client.process_id}/fd/0").readlink() == Path(os.devnull)
    finally:
        client.close()


@pytest.mark.parametrize(
    ("said", "runs"),
    [
        (b"INFORMATION: Es werden keine Aufgaben mit den angegebenen Kriterien ausgef\x81hrt.\r\n", False),
        (b"\r\nAbbildname                     PID\r\nobs64.exe                     4711 Console\r\n", True),
        (b"OBS64.EXE                     4711 \x8e\xff\r\n", True),
    ],
)
def test_tasklist_answers_in_letters_of_the_console(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, windows: None, said: bytes, runs: bool
) -> None:
    (tmp_path / "said").write_bytes(said)
    tasklist = tmp_path / "tasklist"
    tasklist.write_text(f"#!/bin/sh\ncat '{tmp_path}/said'\n")
    tasklist.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert registration.obs_is_running() is runs


@pytest.mark.parametrize(
    ("identifier", "language"),
    [(0x0804, "zh-CN"), (0x0404, "zh-CN"), (0x0407, "de"), (0x0410, "en"), (0x0409, "en"), (0xFFFF, "en")],
)
def test_windows_tells_its_language_by_a_number(
    monkeypatch: pytest.MonkeyPatch, windows: None, identifier: int, language: str
) -> None:
    kernel = types.SimpleNamespace(GetUserDefaultUILanguage=lambda: identifier)
    monkeypatch.setattr(ctypes, "windll", types.SimpleNamespace(kernel32=kernel), raising=False)
    monkeypatch.setattr(locale, "getlocale", lambda: ("Chinese (Simplified)_China", "936"))
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(variable, raising=False)
    assert texts.system_texts().language == language


def test_a_locale_s_name_as_windows_writes_it() -> None:
    assert texts.language_of("Chinese (Simplified)_China") == "zh-CN"


# A file that another program has open


class InUse:
    """Stands for Path.replace while OBS has the file open for so many tries."""

    def __init__(self, tries: int) -> None:
        self.tries, self._replace = tries, Path.replace

    def __call__(self, successor: Path, path: Path) -> Path:
        self.tries -= 1
        if self.tries >= 0:
            raise PermissionError(errno.EACCES, "The process cannot access the file")
        return self._replace(successor, path)


def test_a_file_that_is_open_elsewhere_is_replaced_when_it_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, windows: None
) -> None:
    in_use = InUse(5)
    monkeypatch.setattr(Path, "replace", lambda successor, path: in_use(successor, path))
    files.write(tmp_path / "frame", b"new")
    assert (tmp_path / "frame").read_bytes() == b"new"
    assert in_use.tries == -1


def test_a_file_that_stays_open_elsewhere_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, windows: None
) -> None:
    (tmp_path / "frame").write_bytes(b"old")
    in_use = InUse(1_000_000)
    monkeypatch.setattr(Path, "replace", lambda successor, path: in_use(successor, path))
    monkeypatch.setattr(files, "_IN_USE_SECONDS", 0.1)
    with pytest.raises(OutputError) as raised:
        files.write(tmp_path / "frame", b"new")
    assert raised.value.key == "cannot_write"
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"frame": b"old"}


@pytest.mark.parametrize(
    ("error", "taken"), [(None, True), (errno.EACCES, False), (errno.EINVAL, True), (errno.ENOSYS, True)]
)
def test_a_drive_that_knows_no_locks_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, windows: None, error: int | None, taken: bool
) -> None:
    def locking(descriptor: int, mode: int, count: int) -> None:
        if error is not None:
            raise OSError(error, os.strerror(error))

    monkeypatch.setitem(sys.modules, "msvcrt", types.SimpleNamespace(locking=locking, LK_NBLCK=2))

    def another_has_it() -> None:
        raise TimeoutError

    if taken:
        with lock.locked(tmp_path / "lock", another_has_it):
            pass
    else:
        with pytest.raises(TimeoutError), lock.locked(tmp_path / "lock", another_has_it):
            pytest.fail("two have it")


# Where there are no packages


@pytest.mark.parametrize(
    ("system", "machine", "prefix", "groups", "sentence"),
    [
        ("win32", "win-arm64", "C:/Python312", {"worker"}, "install.windows_on_arm"),
        (
            "win32",
            "win-amd64",
            "C:/Program Files/WindowsApps/PythonSoftwareFoundation.Python.3.12_3.12.2800.0_x64__qbz5n2kfra8p0",
            {"worker"},
            "install.store_python",
        ),
        ("win32", "win-amd64", "C:/Python312", {"worker", "modelscope"}, ""),
        ("darwin", "x86_64", "/usr/local", {"worker", "modelscope"}, "install.modelscope_elsewhere"),
        ("darwin", "x86_64", "/usr/local", {"worker"}, ""),
        ("darwin", "arm64", "/usr/local", {"worker", "modelscope"}, ""),
        ("linux", "aarch64", "/usr", {"worker", "modelscope"}, "install.modelscope_elsewhere"),
        ("linux", "aarch64", "/usr", {"worker"}, ""),
        ("linux", "x86_64", "/usr", {"worker", "modelscope"}, ""),
    ],
)
def test_what_can_not_work_on_a_computer_is_said_before_anything_is_installed(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str, prefix: str, groups: set[str], sentence: str
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(sysconfig, "get_platform", lambda: machine)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(sys, "base_prefix", prefix)
    if not sentence:
        return install.refuse_impossible(groups)
    with pytest.raises(install.Refused) as refused:
        install.refuse_impossible(groups)
    assert str(refused.value) == install.say(sentence)
    return None


# Scripts in the shell

# A shell that starts something in the background has it ignore Ctrl+C, whoever runs these tests so.
GOES_ON = """
import signal, subprocess, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, sys.argv[1])
import environment
sys.exit(environment._run([sys.executable, "-c", sys.argv[2]]))
"""
SCRIPT = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    time.sleep(0.5)  # the one that waits has begun to
    print("begun", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="ends a group of processes")
def test_ctrl_c_ends_a_script_as_it_sees_fit_without_a_traceback() -> None:
    """On Windows a script goes on in a process of its own, and the keys reach both."""
    process = subprocess.Popen(
        [sys.executable, "-c", GOES_ON, str(paths.ROOT / "scripts"), SCRIPT],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (130, "")


# In OBS


def test_polls_are_not_stretched_by_a_clock_with_long_steps() -> None:
    times = PollTimes()
    for number in range(1000):
        times.add(0.001, 0.015625 if number % 50 == 0 else 0.0)  # 0.3 ms each, told in steps
        assert number < 200 or times.processor < 0.001
    for _ in range(300):
        times.add(0.004, 0.004)
    assert times.processor == pytest.approx(0.004, rel=0.05)  # many portraits are noticed


LIBOBS = """
import ctypes, pathlib, re, sys, types
sys.path[:0] = sys.argv[1:]
sys.modules["obspython"] = types.ModuleType("obspython")
ctypes.CDLL("libobs.so.0", mode=ctypes.RTLD_GLOBAL)
from cvmatte_obs import libobs
"""
NAMES = """
programs = [path.read_text(encoding="utf-8") for path in pathlib.Path(sys.argv[2]).rglob("*.py")]
named = {name for program in programs for name in re.findall(r"\\blibobs\\.(\\w+)", program)}
assert len(named) > 100, named
assert {name for name in named if not hasattr(libobs, name)} == set()
"""
LOG = """
assert libobs._blog.argtypes == [ctypes.c_int, ctypes.c_char_p], libobs._blog.argtypes
libobs.log(libobs.LOG_INFO, "100 % plain")
"""


def run_with_libobs(program: str) -> str:
    """What it says; it finds the module `libobs`, as OBS would have loaded it."""
    folders = [str(paths.ROOT), str(paths.ROOT / "obs_plugin")]
    done = subprocess.run([sys.executable, "-c", LIBOBS + program, *folders], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.whole
def test_whatever_the_plugin_calls_of_libobs_is_declared() -> None:
    run_with_libobs(NAMES)


@pytest.mark.whole
def test_what_a_function_with_variable_arguments_is_told_of_is_the_fixed_ones() -> None:
    """Apple silicon hands the others over in another place; ctypes does so too if they aren't among its argtypes."""
    assert "[CVMatte] 100 % plain" in run_with_libobs(LOG)
