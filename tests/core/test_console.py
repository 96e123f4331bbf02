"""Every program says what it can do on every console, whoever runs it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cvmatte_core.filesystem import paths
from cvmatte_core.localization.texts import Texts

PROGRAMS = sorted(
    path.relative_to(paths.ROOT).as_posix()
    for folder in (paths.ROOT / "scripts", paths.ROOT)
    for path in folder.rglob("*.py" if folder.name == "scripts" else "install.py")
    if "ArgumentParser(" in path.read_text(encoding="utf-8") or "cvmatte_core.commands" in path.read_text("utf-8")
)
COMMANDS = (["-m", "cvmatte_core"], *(["-m", "cvmatte_core", command] for command in ("matte", "models", "serve")))


def help_of(program: list[str], encoding: str, language: str) -> str:
    """What it prints, on such a console."""
    environment = {
        **os.environ,
        "PYTHONIOENCODING": encoding,
        "LC_ALL": f"{language.replace('-', '_')}.UTF-8",
        "CVMATTE_PYTHON": sys.executable,
        "COLUMNS": "200",
    }
    command = [sys.executable, *program, "--help"]
    done = subprocess.run(command, cwd=paths.ROOT, env=environment, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode(encoding)
    return done.stdout.decode(encoding)


def test_the_programs_are_found() -> None:
    assert {"install.py", "scripts/matte.py", "scripts/models.py", "scripts/serve.py"} < set(PROGRAMS)
    assert {"scripts/demo/demo.py", "scripts/development/soak.py", "scripts/development/obs_versions.py"} < set(
        PROGRAMS
    )


@pytest.mark.parametrize("encoding", ["cp950", "cp850", "cp866", "ascii"])
def test_every_program_s_help_is_shown_on_every_console(encoding: str) -> None:
    for program in PROGRAMS:
        assert "usage" in help_of([program], encoding, "en")
    for language in ("de", "fr"):
        assert "usage" in help_of(["scripts/matte.py"], encoding, language)


@pytest.mark.parametrize(
    ("encoding", "language", "shown"),
    [
        ("cp950", "zh-CN", "en"),  # that of Taiwan, which has no simplified letters
        ("cp936", "zh-CN", "zh-CN"),
        ("cp850", "zh-CN", "en"),
        ("cp850", "de", "de"),
        ("cp866", "ru", "ru"),
        ("cp850", "ru", "en"),
        ("cp932", "ja", "ja"),
        ("cp850", "fr", "fr"),
        ("cp866", "fr", "fr"),
        ("utf-8", "ko", "ko"),
    ],
)
def test_it_is_in_the_person_s_language_where_that_can_be_read(encoding: str, language: str, shown: str) -> None:
    said = help_of(COMMANDS[0], encoding, language)
    assert "?" not in said

    about = Texts(shown)("command.about")
    assert (about if shown != "fr" or encoding == "cp850" else about.replace("é", "e").replace("è", "e")) in said


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_has_help_there_too(command: list[str]) -> None:
    for encoding in ("cp950", "cp866"):
        assert "usage" in help_of(command, encoding, "fr")


@pytest.fixture
def nobody(tmp_path: Path) -> dict[str, str]:
    """The environment of a user whom the system doesn't know, without a home."""
    (tmp_path / "sitecustomize.py").write_text(
        "import pwd\ndef unknown(number):\n    raise KeyError(number)\npwd.getpwuid = unknown\n"
    )
    kept = {name: value for name, value in os.environ.items() if not re.match("HOME|XDG_|CVMATTE_|MODELSCOPE_", name)}
    return {**kept, "PYTHONPATH": str(tmp_path), "LC_ALL": "en_US.UTF-8", "CVMATTE_PYTHON": sys.executable}


@pytest.mark.skipif(sys.platform == "win32", reason="there everybody has a home")
@pytest.mark.parametrize("program", [["scripts/models.py", "list"], ["-m", "cvmatte_core", "models", "list"]])
def test_without_a_home_there_is_a_sentence_and_a_way(
    program: list[str], nobody: dict[str, str], tmp_path: Path
) -> None:
    command = [sys.executable, *program]
    done = subprocess.run(command, cwd=paths.ROOT, env=nobody, capture_output=True, text=True, timeout=60)
    assert done.stderr == f"{Texts('en')('error.no_home')}\n"
    assert done.returncode == 1
    nobody["CVMATTE_DATA"] = str(tmp_path / "data")
    done = subprocess.run(command, cwd=paths.ROOT, env=nobody, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert "rvm-mobilenetv3" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="there everybody has a home")
@pytest.mark.parametrize("program", PROGRAMS)
def test_without_a_home_every_program_has_help(program: str, nobody: dict[str, str]) -> None:
    command = [sys.executable, program, "--help"]
    done = subprocess.run(command, cwd=paths.ROOT, env=nobody, capture_output=True, text=True, timeout=60)
    assert "usage" in done.stdout, done.stderr
