"""scripts/models.py, as a person runs it."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cvmatte_core.commands import models as script
from cvmatte_core.filesystem import paths
from cvmatte_core.localization.errors import ModelError
from cvmatte_core.localization.texts import Texts
from cvmatte_core.models import catalogue, network
from cvmatte_core.models.catalogue import DEFAULT, add_own, entry_of, verify

from .test_models import ENTRY, MODEL, OWN, Shelf, put_conversion, put_cv_unet, shelf

__all__ = ["shelf"]  # a fixture


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A models folder of the test's own, still empty."""
    monkeypatch.setattr(paths, "models_folder", lambda: tmp_path / "models")
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "modelscope"))
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    return tmp_path / "models"


@pytest.fixture
def network_file(tmp_path: Path) -> Path:
    path = tmp_path / "Net work.ONNX"
    path.write_bytes(b"a network")
    return path


class StandIn:
    """A network that answers what a test wants."""

    device = "CPUExecutionProvider"

    def __init__(self, answer: Callable[[np.ndarray], np.ndarray]) -> None:
        self._answer = answer

    def __call__(
        self,
        rgb: np.ndarray,
        quality: str,
        on_pass: Callable[[int, int], None],
        before: Sequence[np.ndarray] = (),
    ) -> np.ndarray:
        return self._answer(rgb)


@pytest.fixture
def loadable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file is a network that takes any picture for half a person."""
    network_of = StandIn(lambda rgb: np.full(rgb.shape[:2], 0.5, np.float32))
    monkeypatch.setattr(network, "load", lambda name, threads: network_of)


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*")}


def test_it_runs_with_any_python_and_lists_the_models() -> None:
    command = ["/usr/bin/python3", str(paths.ROOT / "scripts" / "models.py"), "list"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LC_ALL": "zh_CN.UTF-8"})
    assert done.returncode == 0, done.stderr
    (default,) = [line for line in done.stdout.splitlines() if line.startswith(DEFAULT)]
    assert "GPL-3.0" in default
    assert "Robust Video Matting" in default
    assert "15.0 MB" in default
    assert not default.isascii()  # the state, in Chinese


@pytest.mark.usefixtures("modelscope_packages")
def test_the_list_says_what_is_installed_how_large_and_what_auto_is(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def listed() -> dict[str, str]:
        assert script.main(["list"]) == 0
        return {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}

    assert listed()[DEFAULT].endswith("Robust Video Matting: not installed (auto)")
    folder.mkdir()
    (folder / "mine.onnx").write_bytes(b"x" * 2_340_000)
    add_own(OWN)
    put_cv_unet()
    lines = listed()
    assert lines[DEFAULT].endswith("not installed")
    assert lines["mine"].endswith("Mine: installed, 2.3 MB")
    assert lines["cv-unet"].endswith("installed, 0.0 MB (auto)")
    put_conversion(folder)
    assert listed()["cv-unet"].endswith("installed, 0.0 MB (auto)")


def test_a_model_is_installed_with_its_bytes_told_then_verified_then_removed(
    shelf: type[Shelf], folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = {**catalogue.catalogue(), "tiny": ENTRY}
    for module in (script, catalogue):
        monkeypatch.setattr(module, "catalogue", lambda: entries)
    assert script.main(["install", "tiny"]) == 0
    said = capsys.readouterr()
    assert said.out == f"Tiny is installed: {folder / 'tiny.onnx'}\n"
    assert said.err.splitlines()[-1] == "3.0 of 3.0 MB"
    assert (folder / "tiny.onnx").read_bytes() == MODEL
    for arguments in (["verify"], ["verify", "tiny"]):
        assert script.main(arguments) == 0
        assert capsys.readouterr().out == "Tiny is intact.\n"
    assert script.main(["remove", "tiny"]) == 0
    assert names_in(folder) == set()
    capsys.readouterr()
    shelf.wheel = b"no wheel"
    assert script.main(["install", "tiny"]) == 1
    assert capsys.readouterr().err.endswith("try again, later if need be.\n")


def test_verify_names_each_damaged_model(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder.mkdir()
    for name, data in (("mine", b"net"), ("bad", b"bent"), ("worse", b"")):
        (folder / f"{name}.onnx").write_bytes(data)
        add_own(dataclasses.replace(OWN, name=name, title=name, file=f"{name}.onnx"))
    assert script.main(["verify"]) == 1
    said = capsys.readouterr()
    assert said.out == "mine is intact.\n"
    assert [line.partition(" is")[0] for line in said.err.splitlines()] == ["The model bad", "The model worse"]
    assert script.main(["verify", DEFAULT]) == 1
    assert "not installed" in capsys.readouterr().err


def test_ones_own_model_is_copied_tried_and_entered(
    folder: Path, network_file: Path, loadable: None, capsys: pytest.CaptureFixture[str]
) -> None:
    described = ["--options", '{"size": 256, "scale": 1.0}', "--size", "512", "--mean", "0.5", "0.5", "0.5"]
    described += ["--channels", "bgr", "--output", "-1", "--sigmoid"]
    named = ["--name", "my-net", "--title", "我的模型", "--licence", "MIT"]
    assert script.main(["add", str(network_file), *named, *described]) == 0
    assert "--model my-net" in capsys.readouterr().out
    entry = entry_of("my-net")
    assert (entry.title, entry.licence, entry.backend, entry.file) == ("我的模型", "MIT", "onnx", "my-net.onnx")
    assert (entry.sha256, entry.size_bytes) == (hashlib.sha256(b"a network").hexdigest(), 9)
    options = {"size": 512, "scale": 1.0, "mean": [0.5, 0.5, 0.5], "channels": "bgr", "output": -1, "sigmoid": True}
    assert entry.options == options
    assert names_in(folder) == {"my-net.onnx", "own.json"}
    assert network_file.read_bytes() == b"a network"
    network_file.unlink()
    assert script.main(["verify", "my-net"]) == 0
    assert script.main(["remove", "my-net"]) == 0
    assert names_in(folder) == {"own.json"}


@pytest.mark.parametrize("suffix", [".pt", ".ts", ".torchscript"])
def test_torchscript_is_told_by_the_ending(folder: Path, network_file: Path, loadable: None, suffix: str) -> None:
    file = network_file.rename(network_file.with_suffix(suffix))
    assert script.main(["add", str(file), "--name", "mine", "--output", "alpha"]) == 0
    assert (entry_of("mine").backend, entry_of("mine").file) == ("torchscript", f"mine{suffix}")
    assert entry_of("mine").options == {"output": "alpha"}


@pytest.mark.skipif(find_spec("cvmatte_core.models.network_description") is None, reason="no descriptions yet")
def test_a_well_known_model_s_description_is_taken_and_can_be_changed(
    folder: Path, network_file: Path, loadable: None
) -> None:
    from cvmatte_core.models.network_description import PRESETS

    assert tuple(PRESETS) == script._LIKE
    for like in PRESETS:
        arguments = ["add", str(network_file), "--name", "mine", "--like", like, "--size", "128", "--no-sigmoid"]
        assert script.main(arguments) == 0
        assert entry_of("mine").options == {**PRESETS[like], "size": 128, "sigmoid": False}
        assert script.main(["remove", "mine"]) == 0


def test_a_file_that_is_no_network_is_not_entered(
    folder: Path, network_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real runtime looks at it."""
    assert script.main(["add", str(network_file), "--name", "mine"]) == 1
    assert "Net work.ONNX can't be used as a model and was not added:" in capsys.readouterr().err
    assert names_in(folder) <= {"own.json"}
    assert "mine" not in catalogue.catalogue()


def explained(rgb: np.ndarray) -> np.ndarray:
    raise ModelError("model_failed", model="Mine") from ValueError("it takes 4 channels\nand more")


def unexplained(rgb: np.ndarray) -> np.ndarray:
    raise RuntimeError("out of shape")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (explained, "says why. it takes 4 channels"),
        (unexplained, "out of shape"),
        (lambda rgb: np.zeros((3, 3), np.float32), "no alpha of the picture's size"),
        (lambda rgb: np.full(rgb.shape[:2], np.nan, np.float32), "no alpha of the picture's size"),
        (lambda rgb: np.full(rgb.shape[:2], 255, np.float32), "no alpha of the picture's size"),
    ],
)
def test_a_network_that_makes_no_alpha_is_explained_and_not_entered(
    folder: Path,
    network_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answer: Any,
    reason: str,
) -> None:
    monkeypatch.setattr(network, "load", lambda name, threads: StandIn(answer))
    assert script.main(["add", str(network_file), "--name", "mine"]) == 1
    (sentence,) = capsys.readouterr().err.splitlines()
    assert reason in sentence
    assert names_in(folder) == {"own.json"}
    assert "mine" not in catalogue.catalogue()


def test_a_trial_that_is_interrupted_leaves_nothing(
    folder: Path, network_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(name: str, threads: int) -> StandIn:
        raise KeyboardInterrupt

    monkeypatch.setattr(network, "load", interrupt)
    assert script.main(["add", str(network_file), "--name", "mine"]) == 130
    assert capsys.readouterr().err == ""
    assert names_in(folder) == {"own.json"}


def test_names_that_are_taken_are_refused_and_what_has_them_stays(
    folder: Path, network_file: Path, loadable: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main(["add", str(network_file), "--name", "mine"]) == 0
    network_file.write_bytes(b"another")
    for name in ("mine", "auto", DEFAULT, "cv-unet"):
        assert script.main(["add", str(network_file), "--name", name]) == 1
        assert "choose another name" in capsys.readouterr().err
    assert (folder / "mine.onnx").read_bytes() == b"a network"


@pytest.mark.parametrize("name", ["../mine", "Mine", "my net", "", "-mine", "名", "rvm_mobilenetv3_fp32"])
def test_names_that_no_file_should_have_are_refused(network_file: Path, name: str) -> None:
    with pytest.raises(SystemExit) as ended:
        script.main(["add", str(network_file), f"--name={name}"])
    assert ended.value.code == 2


@pytest.mark.parametrize(
    "more",
    [["--options", "{"], ["--options", "[1]"], ["--options", "3"], ["--options", "[" * 10000], ["--size", "x"],
     ["--mean", "1"], ["--channels", "rgba"], ["--like", "nobody"]],
)  # fmt: skip
def test_descriptions_that_are_none_are_refused(network_file: Path, more: list[str], folder: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        script.main(["add", str(network_file), "--name", "mine", *more])
    assert ended.value.code == 2
    assert not folder.exists()


def test_files_that_can_not_be_a_model_are_refused(
    tmp_path: Path, network_file: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        script.main(["add", str(network_file.rename(tmp_path / "net.pth")), "--name", "mine"])
    assert ended.value.code == 2
    assert ".onnx, .pt, .ts, .torchscript" in capsys.readouterr().err
    (tmp_path / "folder.onnx").mkdir()
    os.mkfifo(tmp_path / "pipe.onnx")
    for name in ("folder.onnx", "pipe.onnx", "absent.onnx", "x" * 300 + ".onnx"):
        assert script.main(["add", str(tmp_path / name), "--name", "mine"]) == 1
        assert "can't be read" in capsys.readouterr().err
    assert names_in(folder) == set()


def test_what_was_never_there_is_not_removed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main(["remove", "modnet"]) == 1
    assert capsys.readouterr() == ("", "MODNet isn't installed, so there is nothing to remove.\n")


def test_the_progress_ends_with_all_of_it(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    line = script.ProgressLine(Texts("en"))
    line("fetch", 14_000_000, 15_000_000)
    line.end(arrived=True)
    assert capsys.readouterr().err.split("\r")[-1].strip().startswith("15.0 of 15.0 MB")


def test_unknown_names_and_a_damaged_list_are_sentences(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("install", "verify", "remove", "convert"):
        assert script.main([command, "nobody"]) == 2
        assert "no model called nobody" in capsys.readouterr().err
    folder.mkdir()
    (folder / "own.json").write_text("{")
    for arguments in (["list"], ["verify"], ["install", "mine"], ["remove", "mine"]):
        assert script.main(arguments) == 1
        assert str(folder / "own.json") in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["install"], ["remove"], ["add", "x.onnx"], ["list", "x"]])
def test_what_is_no_command_is_usage(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        script.main(arguments)
    assert ended.value.code == 2


@pytest.mark.parametrize("language", ["en_US.UTF-8", "zh_CN.UTF-8"])
def test_every_command_explains_itself(
    language: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LC_ALL", language)
    for command in ("list", "install", "verify", "remove", "convert", "add"):
        with pytest.raises(SystemExit) as ended:
            script.main([command, "--help"])
        assert ended.value.code == 0
        said = capsys.readouterr().out
        assert "models." not in said.replace("models.py", "")
        assert said.isascii() == (language == "en_US.UTF-8") or command == "add"


# Converting


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch, folder: Path) -> list[tuple[str, tuple[int, ...]]]:
    """A stand-in for the conversion; what it was asked for: the model, and the picture's shape."""
    asked = []

    def convert(entry: catalogue.ModelEntry, picture: np.ndarray, on_progress: Any) -> Path:
        on_progress("convert", 0, 3)
        asked.append((entry.name, picture.shape))
        put_conversion(folder)
        return folder / entry.converted["file"]

    module = type(sys)("cvmatte_core.models.convert")
    module.convert = convert  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return asked


def test_an_installed_model_is_converted_once(
    conversions: list[Any], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put_cv_unet()
    for _ in range(2):
        assert script.main(["convert", "cv-unet"]) == 0
        assert str(folder / "cv_unet_image-matting.onnx") in capsys.readouterr().out
    assert conversions == [("cv-unet", (480, 360, 3))]


def test_a_damaged_conversion_is_made_again(conversions: list[Any], folder: Path) -> None:
    put_cv_unet()
    put_conversion(folder)
    (folder / "cv_unet_image-matting.onnx").write_bytes(b"damaged")
    assert script.main(["convert", "cv-unet"]) == 0
    assert len(conversions) == 1
    verify(entry_of("cv-unet"))


def test_a_model_without_a_conversion_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main(["convert", DEFAULT]) == 1
    assert capsys.readouterr().err == "The model Robust Video Matting needs no conversion.\n"


def test_converting_without_the_software_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put_cv_unet()
    monkeypatch.setitem(sys.modules, "cvmatte_core.models.convert", None)
    assert script.main(["convert", "cv-unet"]) == 1
    assert "install.py --modelscope" in capsys.readouterr().err
