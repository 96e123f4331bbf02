"""A file that is shown in the system's file manager: what is asked for it, and what else where that isn't there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cvmatte_core.filesystem import sandbox
from cvmatte_core.system import file_manager

NAME = "Ana's, 1.png"
ADDRESS = "Ana%27s%2C%201.png"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only ones that there are."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(sandbox, "name", lambda: "")
    return folder


def add(programs: Path, name: str, answer: int = 0) -> None:
    path = programs / name
    path.write_text(f'#!/bin/sh\nfor one in "$@"; do echo "$one" >> {programs}/asked; done\nexit {answer}\n')
    path.chmod(0o755)


def asked(programs: Path) -> list[str]:
    return (programs / "asked").read_text().splitlines()


@pytest.mark.skipif(sys.platform == "win32", reason="its programs are no shell scripts")
@pytest.mark.parametrize("name", ["gdbus", "dbus-send"])
def test_the_desktop_is_asked_for_the_folder_with_the_file_chosen(programs: Path, tmp_path: Path, name: str) -> None:
    add(programs, name)
    add(programs, "xdg-open")
    assert file_manager.show(tmp_path / NAME)
    words = asked(programs)
    assert "org.freedesktop.FileManager1.ShowItems" in words
    (file,) = (word for word in words if "file://" in word)
    assert file.strip("[]'").endswith(f"{tmp_path.as_uri()}/{ADDRESS}") and "," not in file


@pytest.mark.skipif(sys.platform == "win32", reason="its programs are no shell scripts")
def test_a_desktop_without_such_a_file_manager_opens_the_folder(programs: Path, tmp_path: Path) -> None:
    add(programs, "gdbus", answer=1)
    add(programs, "xdg-open")
    assert file_manager.show(tmp_path / NAME)
    assert asked(programs)[-1] == str(tmp_path)


def test_where_nothing_can_be_asked_that_is_told(programs: Path, tmp_path: Path) -> None:
    assert not file_manager.show(tmp_path / NAME)


@pytest.mark.skipif(sys.platform == "win32", reason="its programs are no shell scripts")
def test_in_flatpak_the_system_outside_is_asked(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "name", lambda: "Flatpak")
    add(programs, "flatpak-spawn")
    assert file_manager.show(tmp_path / NAME)
    assert asked(programs)[:2] == ["--host", "gdbus"]


@pytest.mark.parametrize(
    ("platform", "command", "answer"),
    [("win32", f'explorer /select,"{Path("/x") / NAME}"', 1), ("darwin", ["open", "-R", str(Path("/x") / NAME)], 0)],
)
def test_windows_and_macos_have_their_own(
    monkeypatch: pytest.MonkeyPatch, platform: str, command: Any, answer: int
) -> None:
    ran = []

    def run(command: Any, **_: Any) -> subprocess.CompletedProcess[bytes]:
        ran.append(command)
        return subprocess.CompletedProcess(command, answer)

    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(subprocess, "run", run)
    assert file_manager.show(Path("/x") / NAME)
    assert ran == [command]
