"""install.py and the registration with a person's OBS."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import registration

import install as installer
from cvmatte_core.filesystem import paths
from cvmatte_core.localization.errors import ModelError
from cvmatte_core.models.catalogue import ModelEntry
from cvmatte_core.system import devices, requirements

from .conftest import COLLECTION


def collections(home: Path) -> dict[str, str]:
    scenes = home / ".config" / "obs-studio" / "basic" / "scenes"
    return {path.name: path.read_text(encoding="utf-8") for path in scenes.glob("*.json")}


def scripts(home: Path, name: str) -> list[str]:
    return [script["path"] for script in json.loads(collections(home)[name])["modules"]["scripts-tool"]]


def install(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(paths.ROOT / "install.py"), *arguments], capture_output=True, text=True)


def test_it_enters_the_script_once_and_takes_exactly_that_back(home: Path) -> None:
    before = {name: json.loads(text) for name, text in collections(home).items()}
    for _ in range(2):
        done = install()
        assert done.returncode == 0, done.stderr
        assert "press + under “Sources”" in done.stdout
        assert scripts(home, "Mine.json") == ["/mine.lua", registration.SCRIPT.as_posix()]
        assert scripts(home, "Bare.json") == [registration.SCRIPT.as_posix()]
    backups = list((home / ".config/obs-studio/basic/scenes").glob("*.before-cvmatte-*"))
    assert json.loads(next(path for path in backups if "Mine" in path.name).read_text(encoding="utf-8")) == COLLECTION
    assert len(backups) == 2
    done = install("--uninstall")
    assert (done.returncode, "removed from your OBS" in done.stdout) == (0, True)
    after = {name: json.loads(text) for name, text in collections(home).items()}
    assert after["Mine.json"] == before["Mine.json"]
    assert after["Bare.json"] == {"modules": {"scripts-tool": []}}


def test_what_the_person_added_by_hand_stays_when_uninstalling(home: Path) -> None:
    by_hand = {"modules": {"scripts-tool": [{"path": str(registration.SCRIPT), "settings": {"a": 1}}]}}
    (home / ".config/obs-studio/basic/scenes/Bare.json").write_text(json.dumps(by_hand), encoding="utf-8")
    assert install().returncode == 0
    assert install("--uninstall").returncode == 0
    assert json.loads(collections(home)["Bare.json"]) == by_hand


def test_without_an_obs_uninstalling_does_not_say_that_it_took_anything_out(home: Path) -> None:
    for path in (home / ".config/obs-studio/basic/scenes").iterdir():
        path.unlink()
    done = install("--uninstall")
    assert done.returncode == 0
    assert done.stdout.startswith("CVMatte wasn't found in your OBS")
    assert str(paths.ROOT) in done.stdout and str(home / "data") in done.stdout


def test_without_an_obs_it_says_where_the_script_is(home: Path) -> None:
    for path in (home / ".config/obs-studio/basic/scenes").iterdir():
        path.unlink()
    done = install()
    assert done.returncode == 0
    assert str(registration.SCRIPT) in done.stdout


def test_it_changes_nothing_while_obs_runs(home: Path) -> None:
    stand_in = home / "obs"  # a process of that name; a real one would take a screen
    stand_in.write_bytes(Path("/bin/sleep").read_bytes())
    stand_in.chmod(0o755)
    process = subprocess.Popen([stand_in, "60"])
    try:
        before = collections(home)
        for argument in ([], ["--uninstall"]):
            done = install(*argument)
            assert done.returncode == 1
            assert "quit OBS" in done.stderr
        assert collections(home) == before
    finally:
        process.kill()
        process.wait()


def test_running_it_again_installs_nothing(home: Path) -> None:
    install()
    again = install()
    assert again.returncode == 0
    assert len(again.stdout.splitlines()) == 1, again.stdout  # what to click, and nothing before it


ELSEWHERE = """
import sys
from pathlib import Path
models = Path(sys.argv.pop())
from cvmatte_core.filesystem import paths
paths.models_folder = lambda: models
import install
sys.exit(install.main())
"""


def test_a_damaged_model_is_fetched_again(home: Path) -> None:
    """In a folder of its own: other tests need the model meanwhile."""
    (whole,) = paths.models_folder().glob("rvm_mobilenetv3_fp32.onnx")
    model = home / "models" / whole.name
    model.parent.mkdir()
    model.write_bytes(whole.read_bytes()[:1000])
    command = [sys.executable, "-c", ELSEWHERE, str(model.parent)]
    done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert model.read_bytes() == whole.read_bytes()


def test_missing_system_packages_are_named_where_they_cannot_be_installed(home: Path) -> None:
    """As somebody who isn't root, on a machine without OBS."""
    if os.geteuid() != 0:
        pytest.skip("needs root to become somebody else")
    programs = home / "bin"
    programs.mkdir()
    for name in ("apt-get", "xdotool", "Xvfb"):
        (programs / name).symlink_to("/bin/true")
    program = (
        "import os, sys; sys.path[:0] = [sys.argv[1], sys.argv[1] + '/scripts']\n"
        "from demo import obs_packages\n"
        "os.geteuid = lambda: 1000\n"
        "try: obs_packages.install()\nexcept obs_packages.Refused as refused: sys.exit(str(refused))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(paths.ROOT)],
        capture_output=True, text=True, env={**os.environ, "PATH": str(programs)},
    )  # fmt: skip
    assert done.returncode == 1
    assert "sudo apt-get install obs-studio" in done.stderr
    (programs / "apt-get").unlink()
    done = subprocess.run(
        [sys.executable, "-c", program, str(paths.ROOT)],
        capture_output=True, text=True, env={**os.environ, "PATH": str(programs)},
    )  # fmt: skip
    assert "your system's package manager" in done.stderr
    assert "obs-studio" in done.stderr


def test_the_demo_names_all_that_is_missing_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is installed: as somebody who isn't root, on a Debian with no more than Python."""
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ensurepip" else find_spec(name))
    monkeypatch.setattr(shutil, "which", lambda program: "/usr/bin/apt-get" if program == "apt-get" else None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(installer, "ENVIRONMENT", tmp_path / "environment")
    monkeypatch.setattr(sys, "argv", ["install.py", "--demo"])
    assert installer.main() == 1
    assert f"sudo apt-get install python{installer.PYTHON}-venv obs-studio xvfb xdotool lib" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


# Which packages it installs: pip is only observed


def of(group: str) -> str:
    return f"--requirement=requirements/{group}.txt"


def install_of(*groups: str) -> str:
    return " ".join(["install", *map(of, groups)])


class Environment:
    """An environment whose pip notes what it is asked for, and installs what the groups of ONNX Runtime hold."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.asked: list[str] = []
        self.there: set[str] = set()
        self.missing: set[str] = set()  # groups that can't be had
        monkeypatch.setattr(installer, "environment_works", lambda folder: folder.exists())
        monkeypatch.setattr(installer, "make_environment", lambda folder: self.there.clear())
        monkeypatch.setattr(installer, "packages_in", lambda folder: dict.fromkeys(self.there, "1"))
        monkeypatch.setattr(installer, "pip", self._pip)
        monkeypatch.setattr(devices, "devices_here", lambda: devices.DEVICES)

    def _pip(self, folder: Path, *arguments: str) -> None:
        assert folder == self.folder
        what = [argument for argument in arguments if argument not in ("--quiet", "--yes", "--require-hashes")]
        self.asked.append(" ".join(what))
        if what[0] == "uninstall":
            self.there -= set(what[1:])
        elif self.missing & set(what):
            raise installer.Refused("see above")
        for distribution, group in devices.RUNTIME_GROUPS.items():
            if of(group) in what:
                self.there.add(distribution)

    def set_up(self, *groups: str, device: str = "") -> list[str]:
        """What pip was asked for, but for pip itself."""
        self.asked = []
        installer.set_up({"worker", *groups}, self.folder, device)
        return [asked for asked in self.asked if of(requirements.INSTALLER) not in asked]


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    return Environment(tmp_path / "environment", monkeypatch)


def test_a_plain_set_up_has_the_plain_runtime_and_is_quick_again(environment: Environment) -> None:
    assert environment.set_up() == [install_of("worker"), install_of("onnx-cpu")]
    assert environment.set_up() == []
    assert environment.set_up("test") == [install_of("test", "worker"), install_of("onnx-cpu")]
    assert environment.set_up() == []  # what it has, it keeps


@pytest.mark.parametrize(
    ("device", "distribution"),
    [
        ("auto", "onnxruntime"),
        ("cpu", "onnxruntime"),
        ("cuda", "onnxruntime-gpu"),
        ("tensorrt", "onnxruntime-gpu"),
        ("directml", "onnxruntime-directml"),
        ("openvino", "onnxruntime-openvino"),
    ],
)
def test_a_device_has_its_runtime_alone_and_is_remembered(
    environment: Environment, device: str, distribution: str
) -> None:
    environment.set_up()
    environment.set_up(device=device)
    assert environment.there == {distribution}
    assert environment.set_up() == []
    environment.set_up("test")
    assert environment.there == {distribution}
    environment.set_up(device="auto")
    assert environment.there == {"onnxruntime"}


def test_whatever_runtimes_are_there_go_before_another_comes(environment: Environment) -> None:
    environment.set_up()
    environment.there.add("onnxruntime-openvino")  # by hand
    asked = environment.set_up(device="cuda")
    assert asked[1:] == ["uninstall onnxruntime onnxruntime-openvino", install_of("onnx-cuda")]


def test_a_runtime_that_can_not_be_had_leaves_the_plain_one(environment: Environment) -> None:
    environment.set_up("test")
    environment.missing = {of("onnx-cuda")}
    with pytest.raises(installer.Refused, match="CUDA"):
        environment.set_up(device="cuda")
    assert environment.there == {"onnxruntime"}
    assert environment.set_up() == []
    environment.missing |= {of("onnx-cpu")}
    with pytest.raises(installer.Refused):
        environment.set_up(device="cuda")
    environment.missing = set()
    environment.set_up()  # the next run mends it
    assert environment.there == {"onnxruntime"}
    assert installer.read_stamp(environment.folder).groups == ("test", "worker")


def test_a_device_of_another_system_is_refused_in_a_sentence(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "devices_here", lambda: ("auto", "cpu", "coreml"))
    with pytest.raises(installer.Refused, match="auto, cpu, coreml"):
        environment.set_up(device="directml")
    assert environment.asked == []


def test_an_environment_from_before_there_were_devices_is_brought_up_to_date(environment: Environment) -> None:
    environment.folder.mkdir()
    environment.there = {"onnxruntime"}
    stamp = {"requirements": "old", "groups": ["demo", "worker", "no longer"]}
    (environment.folder / "cvmatte-installed.json").write_text(json.dumps(stamp), encoding="utf-8")
    assert environment.set_up() == [install_of("demo", "worker"), install_of("onnx-cpu")]


def test_what_a_set_up_takes_is_fetched_into_a_folder_and_taken_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """pip, which a set-up without a network is given no address, is only observed."""
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setattr(installer, "make_environment", lambda folder: None)
    monkeypatch.setattr(installer, "pip", lambda folder, *arguments: asked.append(arguments))
    monkeypatch.setattr(devices, "devices_here", lambda: devices.DEVICES)
    monkeypatch.setattr(sys, "argv", ["install.py", "--download", str(tmp_path / "all of it"), "--device", "cuda"])
    (tmp_path / "all of it").mkdir()  # as pip makes it
    assert installer.main() == 0
    assert f'--offline "{tmp_path / "all of it"}"' in capsys.readouterr().out
    fetched = {argument for arguments in asked if arguments[0] == "download" for argument in arguments}
    groups = ("pip", "worker", "web", "video", "demo", "onnx-cpu", "onnx-cuda")
    assert {*map(of, groups), f"--dest={tmp_path / 'all of it'}", "--require-hashes"} <= fetched
    assert of("test") not in fetched

    models = tmp_path / "models"
    monkeypatch.setattr(paths, "models_folder", lambda: models)
    set_up: list[str] = []
    monkeypatch.setattr(installer, "set_up", lambda groups, device="": set_up.append(os.environ["PIP_FIND_LINKS"]))
    monkeypatch.setattr(installer, "refuse_while_obs_runs", lambda: None)
    monkeypatch.setattr(installer, "register", lambda: 0)
    monkeypatch.setattr(installer, "read_stamp", lambda folder: installer.Stamp())
    monkeypatch.setattr(sys, "argv", ["install.py", "--offline", str(tmp_path / "all of it")])
    assert installer.main() == 0
    assert set_up == [(tmp_path / "all of it").as_uri()] and os.environ["PIP_NO_INDEX"] == "1"
    (model,) = models.glob("*.onnx")
    assert model.read_bytes() == (tmp_path / "all of it" / "models" / model.name).read_bytes()


def test_each_system_is_offered_what_there_are_builds_for() -> None:
    assert devices.devices_here("linux", "x86_64") == ("auto", "cpu", "cuda", "tensorrt", "openvino")
    assert devices.devices_here("linux", "aarch64") == ("auto", "cpu")
    assert devices.devices_here("win32", "AMD64") == ("auto", "cpu", "cuda", "tensorrt", "directml", "openvino")
    assert devices.devices_here("darwin", "arm64") == ("auto", "cpu", "coreml")


@pytest.mark.parametrize("option", [["--device", "cpu"], ["--ray"], ["--modelscope"]])
@pytest.mark.parametrize("is_there", [True, False])
def test_what_is_added_to_one_that_is_there_leaves_obs_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: list[str], is_there: bool
) -> None:
    registered: list[bool] = []
    monkeypatch.setattr(installer, "set_up", lambda groups, device="": None)
    monkeypatch.setattr(installer, "fetch_model", lambda entry: None)
    monkeypatch.setattr(installer, "refuse_while_obs_runs", lambda: None)

    def register() -> int:
        registered.append(True)
        return 0

    monkeypatch.setattr(installer, "register", register)
    stamp = installer.Stamp("digest", ("worker",)) if is_there else installer.Stamp()
    monkeypatch.setattr(installer, "read_stamp", lambda folder: stamp)
    monkeypatch.setattr(sys, "argv", ["install.py", *option])
    assert installer.main() == 0
    assert registered == ([] if is_there else [True])
    assert ("without options to add it" in capsys.readouterr().out) == is_there


def test_modelscope_comes_after_the_rest_which_its_failure_leaves_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done: list[str] = []
    registered: list[int] = []

    def register() -> int:
        registered.append(len(done))
        return 0

    def fetch_model(entry: ModelEntry) -> None:
        done.append(entry.name)
        if entry.name == "cv-unet":
            raise ModelError("model_fetch_failed", model=entry.title)

    monkeypatch.setattr(installer, "set_up", lambda groups, device="": done.append("+".join(sorted(groups))))
    monkeypatch.setattr(installer, "fetch_model", fetch_model)
    monkeypatch.setattr(installer, "register", register)
    monkeypatch.setattr(installer, "read_stamp", lambda folder: installer.Stamp())
    monkeypatch.setattr(sys, "argv", ["install.py", "--modelscope"])
    assert installer.main() == 1
    assert done == ["video+web+worker", "rvm-mobilenetv3", "modelscope+worker", "cv-unet"]
    assert registered == [4]
    assert "CV-UNet" in capsys.readouterr().err
