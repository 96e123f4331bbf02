"""Processes of ours that are started out of Flatpak's sandbox: with a stand-in for flatpak-spawn, and with the real one
and Flatpak's session helper where these are installed. obs_versions.py has them beside OBS."""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from demo import flatpak_stand_in
from demo.flatpak_stand_in import SPAWN_FOLDER
from demo.throwaway_obs import wait_until
from pytest import MonkeyPatch

from cvmatte_core.child_process.child import Process
from cvmatte_core.filesystem import mounts, paths, runtime_folders, sandbox
from cvmatte_core.system import spawn

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is Flatpak on Linux alone")

HELPER = Path("/usr/libexec/flatpak-session-helper")
# It stays as the parent of what runs outside, as seen from OBS, in an environment of its own.
STAND_IN = """#!PYTHON
import os, subprocess, sys
arguments, environment, kept = sys.argv[1:], {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]}, []
while arguments[0].startswith("-"):
    name, _, value = arguments.pop(0).partition("=")
    if name == "--forward-fd":
        kept.append(int(value))
code = subprocess.Popen(arguments, env=environment, pass_fds=kept).wait()
sys.exit(code if code >= 0 else 128 - code)
"""


@pytest.fixture(autouse=True, params=["stand-in", "real"])
def flatpak(
    request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: MonkeyPatch
) -> None:
    (tmp_path / "info").touch()
    monkeypatch.setattr(sandbox, "_INFO", tmp_path / "info")
    monkeypatch.setattr(spawn, "_BEGIN_SECONDS", 30.0)
    for name in ("CVMATTE_DATA", "CVMATTE_PYTHON", "HOST_XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    if request.param == "stand-in":
        program = tmp_path / "bin" / "flatpak-spawn"
        program.parent.mkdir()
        program.write_text(STAND_IN.replace("PYTHON", sys.executable))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    elif not (HELPER.exists() and SPAWN_FOLDER.exists()):
        pytest.skip("Flatpak isn't installed")
    else:
        monkeypatch.setattr(flatpak_stand_in, "RUNTIME", tmp_path_factory.mktemp("bus"))
        monkeypatch.setenv(flatpak_stand_in.HELPER, str(HELPER))
        session = flatpak_stand_in.FlatpakStandIn(tmp_path, tmp_path)
        request.addfinalizer(session.close)
        session.start({"PATH": os.environ["PATH"], "HOME": str(tmp_path)})
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", session.bus)
        monkeypatch.setenv("PATH", str(SPAWN_FOLDER), prepend=os.pathsep)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / ".var" / "app" / sandbox.OBS / "data"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("CVMATTE_THREADS", "3")


def started(program: str) -> Iterator[tuple[Process, str]]:
    """A process that runs this program, and the first line that it says."""
    with Path(os.devnull).open("wb") as nothing:
        process = Process([sys.executable, "-c", program], {"SAID": "a=b"}, nothing)
    try:
        yield process, next(process.lines()).decode().strip()
    finally:
        process.end(0)


def has_ended(process: str) -> bool:
    try:
        return Path("/proc", process, "stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def test_both_sides_name_everything_alike(tmp_path: Path) -> None:
    told = ", ".join(f"os.environ[{name!r}]" for name in ("SAID", "CVMATTE_THREADS", "CVMATTE_DATA"))
    program = (
        f"import os; print({told}, os.environ['CVMATTE_SHARED_MEMORY'], os.getcwd(), 'XDG_DATA_HOME' in os.environ)"
    )
    shared = tmp_path / "run" / "app" / sandbox.OBS / "cvmatte"
    for process, said in started(f"{program}; raise SystemExit(7)"):
        assert said == f"a=b 3 {tmp_path}/.local/share/cvmatte {shared} {paths.ROOT} False"
        assert process.end(30) == 7
    assert paths.data_folder() == tmp_path / ".local" / "share" / "cvmatte"


def test_a_folder_whose_name_is_no_text_is_named_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9=")
    monkeypatch.setenv("CVMATTE_DATA", str(folder))
    for _, said in started("import os; print(ascii(os.environ['CVMATTE_DATA']))"):
        assert said == ascii(str(folder))


def test_the_person_s_own_data_folder_outside_is_theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST_XDG_DATA_HOME", "/mine")
    assert paths.data_folder() == Path("/mine/cvmatte")
    monkeypatch.setenv("CVMATTE_PYTHON", sys.executable)  # an environment that the person made in there
    assert paths.data_folder() == tmp_path / ".var" / "app" / sandbox.OBS / "data" / "cvmatte"


def test_frames_lie_in_what_flatpak_shares_or_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert runtime_folders.folders() == [paths.layers_folder()]
    shared = tmp_path / "run" / "app" / sandbox.OBS
    shared.mkdir(parents=True)
    known = mounts.mounts()
    monkeypatch.setattr(runtime_folders, "_IN_MEMORY", known[mounts.drive_of(os.path.realpath(shared), known)])
    assert runtime_folders.folders() == [shared / "cvmatte", paths.layers_folder()]
    monkeypatch.setattr(sandbox, "_INFO", tmp_path / "no such")  # outside, told by the variable
    monkeypatch.setenv(sandbox.SHARED_MEMORY, str(shared / "cvmatte"))
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert runtime_folders.folders()[0] == shared / "cvmatte"


@pytest.mark.parametrize("how", ["signal.pause()", "os.kill(os.getpid(), signal.SIGSTOP)"])
def test_one_that_hangs_is_killed_outside(how: str) -> None:
    program = f"import os, signal; signal.signal(2, signal.SIG_IGN); print(os.getpid(), flush=True); {how}"
    for process, said in started(program):
        assert process.id == int(said)
        assert not has_ended(said)
        process.end(0.2)
        wait_until(functools.partial(has_ended, said))


def test_one_whose_way_out_has_died_is_killed_too() -> None:
    # Flatpak's helper interrupts it by then, which not all heed.
    deaf = "import os, signal; signal.signal(2, signal.SIG_IGN); print(os.getpid(), flush=True); signal.pause()"
    for process, said in started(deaf):
        os.kill(process._popen.pid, signal.SIGKILL)
        process._popen.wait(30)
        assert not has_ended(said)
        process.kill()
        wait_until(functools.partial(has_ended, said))
        process.kill()


def test_the_signal_that_ended_one_is_told_as_of_any_process() -> None:
    for process, _ in started("import os, signal; print(flush=True); os.kill(os.getpid(), signal.SIGTERM)"):
        assert process.end(30) == -signal.SIGTERM
