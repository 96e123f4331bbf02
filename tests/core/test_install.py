"""install.py and the registration with a person's OBS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import registration

from cvmatte_core import paths

COLLECTION = {
    "name": "Mine",
    "sources": [{"name": "场景"}],
    "modules": {"scripts-tool": [{"path": "/mine.lua", "settings": {}}]},
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's home folder with two scene collections of an OBS that doesn't run."""
    scenes = tmp_path / ".config" / "obs-studio" / "basic" / "scenes"
    scenes.mkdir(parents=True)
    (scenes / "Mine.json").write_text(json.dumps(COLLECTION, ensure_ascii=False), encoding="utf-8")
    (scenes / "Bare.json").write_text("{}", encoding="utf-8")
    for name in ("XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CVMATTE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    return tmp_path


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
        assert "Tools → Scripts" in done.stdout
        assert scripts(home, "Mine.json") == ["/mine.lua", registration.SCRIPT.as_posix()]
        assert scripts(home, "Bare.json") == [registration.SCRIPT.as_posix()]
    backups = list((home / ".config/obs-studio/basic/scenes").glob("*.before-cvmatte-*"))
    assert json.loads(next(path for path in backups if "Mine" in path.name).read_text(encoding="utf-8")) == COLLECTION
    assert len(backups) == 2
    assert install("--uninstall").returncode == 0
    after = {name: json.loads(text) for name, text in collections(home).items()}
    assert after["Mine.json"] == before["Mine.json"]
    assert after["Bare.json"] == {"modules": {"scripts-tool": []}}


def test_what_the_person_added_by_hand_stays_when_uninstalling(home: Path) -> None:
    by_hand = {"modules": {"scripts-tool": [{"path": str(registration.SCRIPT), "settings": {"a": 1}}]}}
    (home / ".config/obs-studio/basic/scenes/Bare.json").write_text(json.dumps(by_hand), encoding="utf-8")
    assert install().returncode == 0
    assert install("--uninstall").returncode == 0
    assert json.loads(collections(home)["Bare.json"]) == by_hand


def test_a_damaged_scene_collection_is_left_as_it_is_and_named(home: Path) -> None:
    damaged = home / ".config/obs-studio/basic/scenes/Damaged.json"
    for text in ("{", "[]", '{"modules": 3}', '{"modules": {"scripts-tool": {}}}'):
        damaged.write_text(text, encoding="utf-8")
        done = install()
        assert str(damaged) in done.stderr
        assert damaged.read_text(encoding="utf-8") == text
        assert registration.SCRIPT.as_posix() in scripts(home, "Mine.json")


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


def test_a_damaged_model_is_fetched_again(home: Path) -> None:
    model = paths.models_folder() / "rvm_mobilenetv3_fp32.onnx"
    whole = model.read_bytes()
    try:
        model.write_bytes(whole[:1000])
        done = install()
        assert done.returncode == 0, done.stderr
        assert model.read_bytes() == whole
    finally:
        model.write_bytes(whole)


def test_missing_system_packages_are_named_where_they_cannot_be_installed(home: Path) -> None:
    """As somebody who isn't root, on a machine without OBS."""
    if os.geteuid() != 0:
        pytest.skip("needs root to become somebody else")
    programs = home / "bin"
    programs.mkdir()
    for name in ("apt-get", "xdotool", "Xvfb"):
        (programs / name).symlink_to("/bin/true")
    program = (
        "import os, sys; sys.path.insert(0, sys.argv[1]); import install\n"
        "os.geteuid = lambda: 1000\n"
        "try: install.install_obs()\nexcept install.Refused as refused: sys.exit(str(refused))\n"
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
