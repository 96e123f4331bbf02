"""What install.py installs is locked: each package's version and files, within the ranges of pyproject.toml."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomllib
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from cvmatte_core.filesystem import paths
from cvmatte_core.system import requirements

DECLARED: dict[str, list[Any]] = tomllib.loads((paths.ROOT / "pyproject.toml").read_text())["dependency-groups"]
COMPUTERS = (("linux", "x86_64"), ("linux", "aarch64"), ("win32", "AMD64"), ("darwin", "arm64"), ("darwin", "x86_64"))
# What install.py refuses elsewhere.
SOME = {
    "onnx-cuda": (("linux", "x86_64"), ("win32", "AMD64")),
    "onnx-directml": (("win32", "AMD64"),),
    "onnx-openvino": (("linux", "x86_64"), ("win32", "AMD64")),
    "modelscope": (("linux", "x86_64"), ("win32", "AMD64"), ("darwin", "arm64")),
    "modelscope-test": (("linux", "x86_64"),),
}


def locked(group: str) -> Iterator[tuple[Requirement, str]]:
    """Each package, and its hashes."""
    text = (requirements.FOLDER / f"{group}.txt").read_text(encoding="utf-8")
    for line in re.sub(r" \\\n", "", text).splitlines():
        if not line.startswith("#"):
            package, _, hashes = line.partition("    --hash")
            yield Requirement(package), f"--hash{hashes}"


def of_range(group: str) -> Iterator[Requirement]:
    for one in DECLARED[group]:
        if isinstance(one, dict):
            yield from of_range(one["include-group"])
        else:
            yield Requirement(one)


def computers(group: str) -> Iterator[dict[str, str]]:
    """What markers are judged by, where the group can be installed."""
    for system, machine in SOME.get(group, COMPUTERS):
        for minor in range(10, 15):
            python = {"python_version": f"3.{minor}", "python_full_version": f"3.{minor}.1"}
            yield {"sys_platform": system, "platform_machine": machine, "implementation_name": "cpython", **python}


def versions(group: str, computer: dict[str, str]) -> dict[str, str]:
    """By package, what that computer gets."""
    return {
        canonicalize_name(one.name): str(one.specifier)
        for one, _ in locked(group)
        if one.marker is None or one.marker.evaluate(computer)
    }


def test_every_group_is_locked() -> None:
    assert requirements.groups() == {*DECLARED, requirements.INSTALLER}


@pytest.mark.parametrize("group", sorted(requirements.groups()))
def test_each_package_is_of_one_version_with_hashes_and_from_no_named_place(group: str) -> None:
    for package, hashes in locked(group):
        assert re.fullmatch(r"==[\w.+!]+", str(package.specifier)), package
        assert re.fullmatch(r"(\s*--hash=sha256:[0-9a-f]{64})+", hashes), package
    assert "://" not in (requirements.FOLDER / f"{group}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("group", sorted(DECLARED))
def test_on_every_computer_a_group_has_what_it_declares_within_its_ranges(group: str) -> None:
    for computer in computers(group):
        there = versions(group, computer)
        for wanted in of_range(group):
            if wanted.marker is None or wanted.marker.evaluate(computer):
                version = there[canonicalize_name(wanted.name)].removeprefix("==")
                assert wanted.specifier.contains(version, prereleases=True), (computer, wanted)


@pytest.mark.parametrize("computer", list(computers("worker")), ids=lambda computer: " ".join(computer.values()))
def test_groups_agree_on_what_several_of_them_have(computer: dict[str, str]) -> None:
    agreed: dict[str, str] = {}
    for group in requirements.groups():
        for name, version in versions(group, computer).items():
            assert agreed.setdefault(name, version) == version, (group, name)


def test_another_build_has_the_same_versions(tmp_path: Path) -> None:
    constraint, *groups = requirements.of_any_build(["worker", "video"], tmp_path)
    assert groups == ["--group=video", "--group=worker"]
    text = Path(constraint.removeprefix("--constraint=")).read_text(encoding="utf-8")
    assert "--hash" not in text
    assert {str(Requirement(line)) for line in text.splitlines()} == {
        str(package) for group in ("worker", "video") for package, _ in locked(group)
    }


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages, the only place that pip knows, and a lock of the first of them in `tmp_path`."""
    folder = tmp_path / "registry"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", folder.as_uri())
    monkeypatch.setattr(requirements, "FOLDER", tmp_path / "requirements")
    requirements.FOLDER.mkdir()
    digest = hashlib.sha256(release(folder, "1.0", "what was tested").read_bytes()).hexdigest()
    (requirements.FOLDER / "worker.txt").write_text(f"tiny==1.0 \\\n    --hash=sha256:{digest}\n", encoding="utf-8")
    return folder


def release(folder: Path, version: str, summary: str) -> Path:
    wheel = folder / f"tiny-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        about = f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\nSummary: {summary}\n"
        archive.writestr(f"tiny-{version}.dist-info/METADATA", about)
        archive.writestr(f"tiny-{version}.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
    return wheel


def fetched(folder: Path, *asked: str) -> tuple[str, ...]:
    """What pip takes: the names of the files, none where it refuses."""
    taken = folder / "taken"
    command = [sys.executable, "-m", "pip", "download", "--quiet", f"--dest={taken}", *asked]
    done = subprocess.run(command, cwd=folder, capture_output=True)
    return tuple(path.name for path in taken.iterdir()) if done.returncode == 0 else ()


def test_a_newer_release_is_not_taken(registry: Path, tmp_path: Path) -> None:
    release(registry, "1.1", "broken")
    assert fetched(tmp_path, *requirements.of(["worker"])) == ("tiny-1.0-py3-none-any.whl",)
    (tmp_path / "elsewhere").mkdir()
    assert fetched(tmp_path / "elsewhere", "tiny>=1,<2") == ("tiny-1.1-py3-none-any.whl",)


def test_another_file_of_the_same_version_is_refused(registry: Path, tmp_path: Path) -> None:
    release(registry, "1.0", "another")
    assert fetched(tmp_path, *requirements.of(["worker"])) == ()


def test_what_was_installed_otherwise_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A folder that comes first, as somebody's own pip install makes one
    for name, version in (("NumPy", "1.0"), ("pillow", "0.1"), ("theirs", "1")):
        (tmp_path / f"{name}-{version}.dist-info").mkdir()
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        (tmp_path / f"{name}-{version}.dist-info" / "METADATA").write_text(text)
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    assert requirements.other_than_locked() == ["numpy 1.0", "pillow 0.1"]
