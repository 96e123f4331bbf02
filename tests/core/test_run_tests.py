"""What install.py --check and --test run once all is set up. Programs are only noted."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import tomllib
from development import renew_lock, run_tests
from packaging.requirements import Requirement

import install
from cvmatte_core.filesystem import paths
from cvmatte_core.filesystem.paths import ENVIRONMENT, python_of

CHECKS = ["ruff check", "ruff format --check", "mypy"]


class Programs:
    """Notes which modules are run, in which environment; `failing` ends with code 3."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.run: list[str] = []
        self.beside: list[str] = []
        self.failing = ""
        monkeypatch.setattr(subprocess, "run", self._run)
        monkeypatch.setattr(run_tests.obs_packages, "install", lambda: None)
        monkeypatch.setattr(run_tests.debian, "install_missing", lambda programs: None)
        monkeypatch.setattr(install, "set_up", lambda groups, folder, any_build: self.beside.append("set up"))
        monkeypatch.setattr(run_tests.signal, "signal", lambda number, action: None)

    def _run(self, command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        python, _, *module = command[command[0] == "nice" :]
        text = " ".join(module)
        (self.run if python == python_of(ENVIRONMENT) else self.beside).append(text)
        failed = bool(self.failing) and text.startswith(self.failing)
        return subprocess.CompletedProcess(command, 3 if failed else 0, "its tests\n")


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> Programs:
    return Programs(monkeypatch)


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What uv is asked."""
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(renew_lock.Uv, "__init__", lambda self, folder: None)
    monkeypatch.setattr(renew_lock.Uv, "run", lambda self, *arguments: asked.append(arguments))
    monkeypatch.setattr(run_tests.venv, "create", lambda folder: None)
    return asked


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    def main(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["run_tests.py", *arguments])
        return run_tests.main()

    return main


def test_quick_is_the_linter_the_types_and_the_core_s_quick_tests(programs: Programs, run: Callable[..., int]) -> None:
    assert run("--quick") == 0
    *checks, tests = programs.run
    assert checks == CHECKS
    assert tests.startswith("pytest tests/core -m not slow and not whole")
    assert programs.beside == []


def test_lowest_is_the_quick_tests_with_the_oldest_packages(
    programs: Programs, run: Callable[..., int], installed: list[tuple[str, ...]]
) -> None:
    programs.failing = "pytest"
    assert run("--lowest") == 3
    assert [tests.split(" -n")[0] for tests in programs.beside] == [
        "pytest tests/web/test_api.py tests/core -m not slow and not whole"
    ]
    (arguments,) = installed
    assert "--resolution=lowest-direct" in arguments
    assert [one.rpartition(":")[2] for one in arguments if one.startswith("--group")] == ["worker", "onnx-cpu", "test"]


def test_every_test_includes_modelscope_s_in_their_own_environment(
    programs: Programs, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run() == 0
    assert programs.run[:3] == CHECKS and programs.run[3].startswith("pytest -n")
    assert programs.beside[:2] == ["set up", "pytest tests/modelscope"]
    assert capsys.readouterr().out.count("its tests") == 2


def test_those_of_each_package_run_again_with_its_lowest_version(
    programs: Programs, run: Callable[..., int], installed: list[tuple[str, ...]]
) -> None:
    programs.failing = "pytest tests/core/test_backends.py"
    assert run() == 3
    (tests,) = programs.beside[2:]
    assert tests == " ".join(["pytest", *sorted({*run_tests.OF_PACKAGES.values()})])
    assert len(installed) == 1
    declared = tomllib.loads((paths.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    asked = [one for name in ("worker", "onnx-cpu", "video", "web") for one in declared[name] if isinstance(one, str)]
    assert {Requirement(one).name for one in asked} == run_tests.OF_PACKAGES.keys()
    assert all((paths.ROOT / tests.partition("::")[0]).is_file() for tests in run_tests.OF_PACKAGES.values())


def test_other_arguments_are_pytest_s_and_leave_modelscope_out(programs: Programs, run: Callable[..., int]) -> None:
    assert run("tests/core/test_install.py", "-k", "once", "--quiet") == 0
    assert programs.run == [*CHECKS, "pytest tests/core/test_install.py -k once --quiet"]
    assert programs.beside == []


@pytest.mark.parametrize("arguments", [[], ["--quick"], ["tests/obs"]])
def test_the_first_that_fails_ends_it(programs: Programs, run: Callable[..., int], arguments: list[str]) -> None:
    programs.failing = "ruff format"
    assert run(*arguments) == 3
    assert programs.run == CHECKS[:2]


def test_what_cannot_be_installed_is_said(
    programs: Programs, run: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(groups: set[str], folder: Path, any_build: bool) -> None:
        raise install.Refused("no network")

    monkeypatch.setattr(install, "set_up", refuse)
    assert run() == 1
    assert capsys.readouterr().err == "no network\n"
