"""Faults during install.py: a sentence each, nothing by halves, and the next run finishes."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import obs_setup
import pytest
import registration

import install as installer
from cvmatte_core.filesystem import paths, sandbox
from cvmatte_core.localization.errors import CvmatteError
from cvmatte_core.system import devices, spawn
from cvmatte_core.worker import client

from .test_install import collections, install, scripts

INSTALL = paths.ROOT / "install.py"


# An old Python


def test_an_old_python_gets_as_far_as_the_sentence() -> None:
    """It parses from 3.6 on, and looks at the version before it imports what an old Python hasn't got."""
    tree = ast.parse(INSTALL.read_text(encoding="utf-8"), feature_version=(3, 6))
    first, second = [node for node in tree.body if not isinstance(node, ast.Expr)][:2]
    assert ast.unparse(first) == "import sys"
    assert ast.unparse(second).startswith("if sys.version_info < (3, 10):")
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "__future__"]


@pytest.mark.parametrize(("language", "part"), [("en_US.UTF-8", "or newer: install it"), ("zh_CN.UTF-8", "或更高版本")])
def test_an_old_python_is_told_which_is_needed(language: str, part: str) -> None:
    program = "import runpy, sys; sys.version_info = (3, 9, 18); runpy.run_path(sys.argv[1], run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", program, str(INSTALL)],
        capture_output=True, cwd=paths.ROOT, env={**os.environ, "LC_ALL": language, "PYTHONPATH": str(paths.ROOT)},
    )  # fmt: skip
    assert done.returncode == 1
    said = done.stderr.decode("utf-8").splitlines()
    assert len(said) == 1
    assert "Python 3.10" in said[0]
    assert part in said[0]


# OBS's files


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b'{"modules": 3}',
        b'{"modules": {"scripts-tool": {}}}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"name": "\\ud800"}',  # Python reads these three, but would write no JSON
        b'{"volume": NaN}',
        b'{"volume": 1e999}',
    ],
)
def test_a_damaged_scene_collection_is_left_as_it_is_and_named(
    home: Path, content: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = home / ".config/obs-studio/basic/scenes/Damaged.json"
    damaged.write_bytes(content)
    monkeypatch.setattr(installer, "say", installer.system_texts())
    assert installer.register() == 1
    assert str(damaged) in capsys.readouterr().err
    assert damaged.read_bytes() == content
    damaged.write_bytes(b"{}")
    assert installer.register() == 0
    assert registration.SCRIPT.as_posix() in scripts(home, "Mine.json")
    assert scripts(home, "Damaged.json") == [registration.SCRIPT.as_posix()]
    damaged.write_bytes(content)
    assert installer.unregister() == 1
    assert str(damaged) in capsys.readouterr().err
    assert damaged.read_bytes() == content


def test_what_may_not_be_written_is_named_and_nothing_changed(home: Path) -> None:
    def install_as_person() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(INSTALL)]
        if os.geteuid() == 0:  # root without the rights that let it pass over a file's permissions
            command = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", *command]
        return subprocess.run(command, capture_output=True, text=True)

    before = collections(home)
    (home / "data").mkdir()
    for folder in (home / ".config/obs-studio/basic/scenes", home / "data"):
        folder.chmod(0o555)
        done = install_as_person()
        assert done.returncode == 1, done.stderr
        assert done.stderr == f"{CvmatteError('cannot_write', folder=str(folder))}\n"
        assert collections(home) == before
        folder.chmod(0o755)
    (home / ".config/obs-studio/basic/scenes/Bare.json").chmod(0)  # as if it were somebody else's
    done = install_as_person()
    assert done.returncode == 1
    assert "Bare.json can't be read" in done.stderr
    (home / ".config/obs-studio/basic/scenes/Bare.json").chmod(0o600)
    assert install_as_person().returncode == 0
    assert scripts(home, "Bare.json") == [registration.SCRIPT.as_posix()]


@pytest.mark.parametrize("when", ["before", "after"])
def test_registering_that_was_killed_is_finished_and_taken_back(
    home: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """At the moment around the change of a collection."""
    record = home / "data" / "registered.json"
    before = {name: json.loads(text) for name, text in collections(home).items()}
    replace = registration._replace

    def killed(path: Path, *arguments: Any) -> None:
        if when == "after":
            replace(path, *arguments)
        raise SystemExit

    for finish in (False, True):
        monkeypatch.setattr(registration, "_replace", killed)
        with pytest.raises(SystemExit):
            registration.register(record)
        monkeypatch.setattr(registration, "_replace", replace)
        if finish:
            registration.register(record)
            for name in before:
                assert scripts(home, name)[-1] == registration.SCRIPT.as_posix()
        registration.unregister(record)
        after = {name: json.loads(text) for name, text in collections(home).items()}
        assert after["Mine.json"] == before["Mine.json"]
        assert not after["Bare.json"].get("modules", {}).get("scripts-tool")
        (home / ".config/obs-studio/basic/scenes/Bare.json").write_text("{}", encoding="utf-8")


def test_a_collection_stays_as_private_as_it_was_and_a_link_a_link(home: Path) -> None:
    scenes = home / ".config/obs-studio/basic/scenes"
    (scenes / "Mine.json").chmod(0o600)
    (scenes / "Bare.json").rename(home / "elsewhere.json")
    (scenes / "Bare.json").symlink_to(home / "elsewhere.json")
    registration.register(home / "data" / "registered.json")
    for path in scenes.glob("Mine.json*"):
        assert path.stat().st_mode & 0o777 == 0o600
    assert len(list(scenes.glob("Mine.json*"))) == 2
    assert (scenes / "Bare.json").is_symlink()
    assert registration.SCRIPT.as_posix() in (home / "elsewhere.json").read_text(encoding="utf-8")


# The steps in their order


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What install.py does, only noted."""
    done: list[str] = []
    monkeypatch.setattr(installer, "set_up", lambda groups, device="": done.append("set up"))
    monkeypatch.setattr(installer, "fetch_model", lambda entry: done.append("model"))
    monkeypatch.setattr(registration, "obs_is_running", lambda: False)
    monkeypatch.setattr(sys, "argv", ["install.py"])
    return done


def test_a_running_obs_is_noticed_before_anything_is_done(
    home: Path, steps: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(registration, "obs_is_running", lambda: True)
    assert installer.main() == 1
    assert steps == []
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_set_up_that_breaks_off_says_so(
    home: Path, steps: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for error, code in ((KeyboardInterrupt(), 130), (OSError(5, "Input/output error"), 1)):
        monkeypatch.setattr(installer, "fetch_model", lambda entry, error=error: raise_it(error))
        assert installer.main() == code
        said = capsys.readouterr().err.splitlines()
        assert len(said) == 1
        assert "again" in said[0] or "再次" in said[0]


def raise_it(error: BaseException) -> None:
    raise error


# OBS in a sandbox


def sandboxed(home: Path, name: str) -> Path:
    """A scene collection of an OBS from Flatpak or Snap."""
    collection = home / sandbox.CONFIGURATIONS[name] / "basic" / "scenes" / "Mine.json"
    collection.parent.mkdir(parents=True)
    collection.write_text("{}", encoding="utf-8")
    return collection


def test_obs_from_snap_alone_is_refused_until_there_is_another(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    collection = sandboxed(home, "Snap")
    shutil.move(home / ".config", home / "later")
    programs = home / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    done = install()
    assert done.returncode == 1
    assert done.stdout == ""
    assert "your OBS is from Snap" in done.stderr
    assert "install OBS from your distribution" in done.stderr
    (programs / "obs").symlink_to("/bin/true")  # installed, never started
    done = install()
    assert done.returncode == 0
    assert str(registration.SCRIPT) in done.stdout
    shutil.move(home / "later", home / ".config")
    done = install()
    assert done.returncode == 0
    assert "from Snap was left as it is" in done.stdout
    assert registration.SCRIPT.as_posix() in scripts(home, "Mine.json")
    assert collection.read_text(encoding="utf-8") == "{}"
    assert list(collection.parent.iterdir()) == [collection]


@pytest.mark.skipif(sys.platform != "linux", reason="there is Flatpak on Linux alone")
def test_obs_from_flatpak_is_served_beside_the_system_s_and_alone(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if sandbox.hides(paths.ROOT, home):
        pytest.skip("the project lies where no Flatpak looks")
    collection = sandboxed(home, "Flatpak")
    programs = home / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))

    def entered() -> list[str]:
        tools = json.loads(collection.read_text(encoding="utf-8")).get("modules", {}).get("scripts-tool", [])
        return [script["path"] for script in tools]

    done = install()
    assert (done.returncode, done.stderr) == (0, "")
    assert "press + under “Sources”" in done.stdout
    assert registration.SCRIPT.as_posix() in scripts(home, "Mine.json")
    assert entered() == [registration.SCRIPT.as_posix()]
    assert install("--uninstall").returncode == 0
    assert entered() == []
    shutil.move(home / ".config", home / "later")
    (programs / "flatpak").write_text(f"#!/bin/sh\nprintf '%s' '{PERMISSIONS.replace('=talk', '=none')}'\n")
    (programs / "flatpak").chmod(0o755)
    done = install()
    assert (done.returncode, entered()) == (1, [registration.SCRIPT.as_posix()])
    assert done.stderr.strip().endswith(
        "flatpak override --user --talk-name=org.freedesktop.Flatpak com.obsproject.Studio"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="there is Flatpak on Linux alone")
def test_an_obs_from_flatpak_that_does_not_see_the_project_is_left(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(paths, "ROOT", Path("/usr/share/cvmatte"))
    collection = sandboxed(home, "Flatpak")
    assert obs_setup.register() == 1
    assert obs_setup.say("install.flatpak_hides", folder=paths.ROOT) in capsys.readouterr().err
    assert collection.read_text(encoding="utf-8") == "{}"


# Of OBS's own, as Flatpak tells them
PERMISSIONS = """[Context]
shared=network;ipc;
filesystems=xdg-run/pipewire-0;host;

[Session Bus Policy]
org.a11y.Bus=talk
org.freedesktop.Flatpak=talk

[Environment]
A=%s
"""


@pytest.mark.parametrize(
    ("permissions", "lacking"),
    [
        (PERMISSIONS, []),
        (PERMISSIONS.replace("Flatpak=talk", "Flatpak=see"), ["--talk-name=org.freedesktop.Flatpak"]),
        (PERMISSIONS.replace("host;", "host:ro;"), ["--filesystem=host"]),
        (PERMISSIONS.replace("host;", "home;"), []),
        (PERMISSIONS.replace("Flatpak=talk", "Flatpak=none") + "[Context]\nsockets=session-bus;\n", []),
        ("", ["--talk-name=org.freedesktop.Flatpak", "--filesystem=host"]),
        ("no keys at all", ["--talk-name=org.freedesktop.Flatpak", "--filesystem=host"]),
    ],
)
def test_what_a_flatpak_lacks_is_read_from_what_it_says(permissions: str, lacking: list[str]) -> None:
    assert sandbox.lacking_in(permissions) == lacking


@pytest.mark.skipif(sys.platform != "linux", reason="there are such sandboxes on Linux alone")
def test_inside_a_sandbox_every_job_fails_with_the_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CVMATTE_DATA", str(tmp_path))
    monkeypatch.delenv("CVMATTE_PYTHON", raising=False)
    monkeypatch.setenv("SNAP_NAME", "code")  # OBS that was started from an editor's terminal
    assert spawn.refusal() is None
    monkeypatch.setenv("SNAP_NAME", "obs-studio")
    assert "Snap" in str(spawn.refusal())
    monkeypatch.delenv("SNAP_NAME")
    monkeypatch.setattr(sandbox, "_INFO", tmp_path / ".flatpak-info")
    assert spawn.refusal() is None
    (tmp_path / ".flatpak-info").write_text(PERMISSIONS, encoding="utf-8")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "OBS from Flatpak can't start" in str(spawn.refusal())
    (tmp_path / "flatpak-spawn").touch(0o755)
    assert spawn.refusal() is None
    (tmp_path / ".flatpak-info").write_text(PERMISSIONS.replace("=talk", "=none"), encoding="utf-8")
    answers: list[tuple[str, Any]] = []
    worker = client.WorkerClient()
    worker.start()
    for _ in range(2):
        worker.submit("matte", {}, lambda event, detail: answers.append((event, detail)))
    wait_until(lambda: len(answers) == 2)
    worker.close()
    for event, error in answers:
        assert event == "failed"
        assert error.key == "worker_not_allowed"
        assert "flatpak override --user --talk-name" in str(error)
    assert worker.process_id is None
    monkeypatch.setenv("CVMATTE_PYTHON", sys.executable)  # an environment that the person made in there
    assert spawn.refusal() is None


def wait_until(true: Any, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


# The environment


def environment_that_says(folder: Path, text: str) -> Path:
    """An environment whose Python says a text, and fails."""
    python = paths.python_of(folder)
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{text}\nEND\nexit 1\n")
    python.chmod(0o755)
    return folder


@pytest.mark.parametrize(
    ("text", "sentence", "shown"),
    [
        (
            "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(…refused)'\n"
            "ERROR: No matching distribution found for pip>=25.1",
            "install.offline",
            "",
        ),
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
            "install.disk_full",
            "",
        ),
        (
            "ERROR: Exception:\nTraceback (most recent call last):\n  File x\n    y()\nKeyError: 'z'",
            "install.pip_failed",
            "ERROR: Exception:\nKeyError: 'z'\n\n",
        ),
    ],
)
def test_what_pip_failed_of_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, sentence: str, shown: str
) -> None:
    environment = environment_that_says(tmp_path / "environment", text)
    with pytest.raises(installer.Refused) as refused:
        installer.pip(environment, "install")
    expected = installer.say(sentence, folder=environment)
    assert str(refused.value) == expected
    assert capsys.readouterr().err == shown


def test_a_folder_that_lacks_packages_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    folder = tmp_path / "my wheels"
    installer.take_packages_from(folder)
    environment = environment_that_says(tmp_path / "environment", "ERROR: No matching distribution found for numpy==2")
    with pytest.raises(installer.Refused) as refused:
        installer.pip(environment, "install")
    assert str(refused.value) == installer.say("install.folder_lacks", folder=folder, python=installer.PYTHON)


class Environment:
    """An environment in which pip is only observed; `fault` is what it meets."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.packages: dict[str, str] = {}
        self.fault: BaseException | None = None
        self.made = 0
        monkeypatch.setattr(installer, "environment_works", lambda folder: (folder / "bin").exists())
        monkeypatch.setattr(installer, "packages_in", lambda folder: dict(self.packages))
        monkeypatch.setattr(installer, "make_environment", self._make)
        monkeypatch.setattr(installer, "pip", self._pip)

    def _make(self, folder: Path) -> None:
        self.made += 1
        self.packages = {}
        (folder / "bin").mkdir()

    def _pip(self, folder: Path, *arguments: str) -> None:
        if self.fault is not None:
            raise self.fault
        self.packages[arguments[-1]] = "1"

    def names(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()}


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    return Environment(tmp_path / "environment", monkeypatch)


def test_a_new_environment_that_fails_leaves_no_half(environment: Environment) -> None:
    environment.fault = installer.Refused("offline")
    with pytest.raises(installer.Refused):
        installer.set_up({"worker"}, environment.folder, devices.CPU)
    assert environment.names() == {"cvmatte-installed.json"}
    environment.fault = None
    installer.set_up({"worker"}, environment.folder, devices.CPU)
    assert installer.read_stamp(environment.folder).device == devices.CPU
    assert environment.made == 2
    assert not environment.folder.with_name("environment.lock").exists()


def test_an_update_that_changed_nothing_leaves_the_environment_in_use(environment: Environment) -> None:
    installer.set_up({"worker"}, environment.folder)
    before = installer.read_stamp(environment.folder)
    environment.fault = installer.Refused("offline")
    with pytest.raises(installer.Refused):
        installer.set_up({"worker", "web"}, environment.folder)
    assert installer.read_stamp(environment.folder) == before
    environment.fault = None
    installer.set_up({"worker", "web"}, environment.folder)
    assert environment.made == 1


def test_an_update_that_was_interrupted_is_begun_in_a_new_environment(environment: Environment) -> None:
    installer.set_up({"worker", "web"}, environment.folder)
    environment.fault = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        installer.set_up({"worker", "demo"}, environment.folder)
    (environment.folder / "half").mkdir()
    environment.fault = None
    installer.set_up({"worker"}, environment.folder)
    assert environment.made == 2
    assert "half" not in environment.names()
    assert installer.read_stamp(environment.folder).groups == ("web", "worker")  # as it was before


def test_modelscope_that_fails_half_way_binds_no_later_run(environment: Environment) -> None:
    installer.set_up({"worker"}, environment.folder)
    environment.fault = installer.Refused("full")
    packages = installer.packages_in
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(installer, "packages_in", lambda folder: {**packages(folder), str(time.monotonic_ns()): "1"})
        with pytest.raises(installer.Refused):
            installer.set_up({"worker", "modelscope"}, environment.folder)
    environment.fault = None
    installer.set_up({"worker"}, environment.folder)
    assert installer.read_stamp(environment.folder).groups == ("worker",)
    assert environment.made == 2


def test_a_disk_without_room_is_noticed_before_anything_is_fetched(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = installer.ROOM["worker"] - 1
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(free, 0, free))
    with pytest.raises(installer.Refused) as refused:
        installer.set_up({"worker"}, environment.folder)
    assert str(refused.value) == installer.say("install.no_room", megabytes=600, folder=environment.folder.parent)
    assert environment.made == 0
    assert environment.packages == {}
    assert not environment.folder.exists()
    environment.folder.mkdir()
    (environment.folder / "broken").write_bytes(b"1")  # it goes, which makes just enough room
    installer.set_up({"worker"}, environment.folder)
    assert environment.made == 1


def test_an_environment_that_is_a_link_is_replaced_and_not_emptied(tmp_path: Path, environment: Environment) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "kept").touch()
    environment.folder.symlink_to(other)
    installer.set_up({"worker"}, environment.folder)
    assert [path.name for path in other.iterdir()] == ["kept"]
    assert not environment.folder.is_symlink()


def test_an_environment_whose_python_is_no_program_does_not_work(tmp_path: Path) -> None:
    for content in (b"", b"\0\0\0\0"):
        python = paths.python_of(tmp_path)
        python.parent.mkdir(exist_ok=True)
        python.write_bytes(content)
        python.chmod(0o755)
        assert not installer.environment_works(tmp_path)
        python.chmod(0o644)
        assert not installer.environment_works(tmp_path)


def test_what_a_killed_set_up_left_running_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its pip lives on when only install.py itself is killed."""
    environment = environment_that_says(tmp_path / "environment", "")
    python = paths.python_of(environment)
    python.write_text(f"#!/bin/sh\ntouch {tmp_path}/begun; while [ ! -e {tmp_path}/end ]; do sleep 0.1; done\n")
    program = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); import install\n"
        "folder = Path(sys.argv[2])\n"
        "with install.set_up_alone(folder): install.pip(folder)\n"
    )
    killed = subprocess.Popen([sys.executable, "-c", program, str(paths.ROOT), str(environment)])
    with contextlib.ExitStack() as stack:
        stack.callback((tmp_path / "end").touch)
        wait_until((tmp_path / "begun").exists)
        killed.send_signal(signal.SIGKILL)
        killed.wait()

        def say_and_end_soon(*words: object, **options: Any) -> None:
            print(*words, **options)
            threading.Timer(1.0, (tmp_path / "end").touch).start()

        monkeypatch.setattr(installer, "print", say_and_end_soon, raising=False)
        with installer.set_up_alone(environment):
            assert (tmp_path / "end").exists()
    assert capsys.readouterr().out == installer.say("install.waiting") + "\n"
