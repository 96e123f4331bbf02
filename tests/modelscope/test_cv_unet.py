"""CV-UNet's backend with ModelScope's real pipeline, on a tiny graph of its signature, and the conversion.

Needs the dependency group modelscope, so it is asked for by name: python -m pytest tests/modelscope
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvmatte_core.filesystem import paths
from cvmatte_core.localization.errors import ModelError
from cvmatte_core.models import catalogue, convert, cv_unet, hub
from cvmatte_core.models.network import Network, load
from tests.modelscope import make_fixture

QUALITY = "balanced"


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """ModelScope's cache and the models folder, both new; a hub's model is installed in the one."""
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(paths, "models_folder", lambda: tmp_path / "models")
    make_fixture.write(hub.folder_of(catalogue.entry_of("cv-unet").source["id"]))
    return tmp_path


def alpha_of(network: Network, rgb: np.ndarray, quality: str = QUALITY) -> np.ndarray:
    return network(rgb, quality, lambda done, total: None)


@pytest.fixture(scope="module")
def rgb(photo: Path) -> np.ndarray:
    return np.asarray(Image.open(photo).convert("RGB"))


def test_auto_takes_cv_unet_once_it_is_installed(folders: Path) -> None:
    network = load("auto", 1)
    assert network.device == "TensorFlow, CPU"
    assert network.fallback is None
    assert load("auto", 1, "cuda").fallback == {"wanted": "CUDA", "device": "CPU"}


def test_red_is_red_to_it(folders: Path) -> None:
    network = load("cv-unet", 1)
    red, blue = np.zeros((2, 40, 50, 3), np.uint8)
    red[..., 0], blue[..., 2] = 255, 255
    assert alpha_of(network, red).min() > 0.9
    assert alpha_of(network, blue).max() < 0.2


@pytest.mark.parametrize("size", [(1, 1), (7, 90), (33, 17), (1500, 1300)])
def test_every_photo_gives_alpha_of_its_size(folders: Path, size: tuple[int, int]) -> None:
    told: list[tuple[int, int]] = []
    photo = np.full((*size, 3), (250, 10, 10), np.uint8)
    alpha = load("cv-unet", 1)(photo, "fast", lambda done, total: told.append((done, total)), [photo])
    assert alpha.shape == size
    assert alpha.dtype == np.float32
    assert alpha.min() > 0.5
    assert alpha.max() <= 1
    assert told == [(0, 1), (1, 1)]


def test_two_models_in_one_process_are_two(folders: Path, rgb: np.ndarray) -> None:
    entry = catalogue.entry_of("cv-unet")
    other = dataclasses.replace(entry, source={"kind": "modelscope", "id": "damo/another"})
    make_fixture.write(hub.folder_of(other.source["id"]), seed=2)
    first = cv_unet.ModelscopeMatting(entry, 1, "cpu")
    second = cv_unet.ModelscopeMatting(other, 1, "cpu")
    one, two = alpha_of(first, rgb), alpha_of(second, rgb)
    assert np.abs(one - two).max() > 0.05
    assert np.array_equal(alpha_of(first, rgb), one)


def test_a_damaged_graph_is_a_sentence(folders: Path) -> None:
    graph = catalogue.entry_of("cv-unet").path / "tf_graph.pb"
    whole = graph.read_bytes()
    for content in (b"", b"garbage", whole[: len(whole) // 2]):
        graph.write_bytes(content)
        with pytest.raises(ModelError, match=r"CV-UNet.* (can't be loaded|failed on this picture)"):
            alpha_of(load("cv-unet", 1), np.zeros((20, 20, 3), np.uint8))


def test_a_conversion_that_is_equal_is_kept_and_taken_from_then_on(folders: Path, rgb: np.ndarray) -> None:
    original = alpha_of(load("cv-unet", 1), rgb)
    told: list[tuple[str, int, int]] = []
    file = convert.convert(catalogue.entry_of("cv-unet"), rgb, lambda *step: told.append(step))
    assert told == [("convert", done, 3) for done in range(4)]
    entry = catalogue.entry_of("auto")
    assert (entry.backend, entry.path) == ("portrait-graph", file)
    catalogue.verify(entry)
    network = load("auto", 1)
    assert network.device == "CPUExecutionProvider"
    assert (np.abs(alpha_of(network, rgb) - original) <= 1.01 / 255).mean() >= 0.999
    for size in ((1, 1), (33, 17)):
        assert alpha_of(network, np.zeros((*size, 3), np.uint8)).shape == size
    assert sorted(path.name for path in file.parent.iterdir()) == [file.name, f"{file.name}.json"]
    # It is done again from the original, also where the entry is the converted one's.
    assert convert.convert(entry, rgb) == file


def test_a_conversion_that_differs_is_not_kept(folders: Path, rgb: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    make_fixture.write(folders / "other", seed=2)
    write_onnx: Callable[[Path, Path], None] = convert._write_onnx
    monkeypatch.setattr(
        convert, "_write_onnx", lambda graph, target: write_onnx(folders / "other" / "tf_graph.pb", target)
    )
    with pytest.raises(ModelError, match="gave a different result after conversion"):
        convert.convert(catalogue.entry_of("cv-unet"), rgb)
    assert not (folders / "models").exists()
    assert catalogue.entry_of("auto").backend == "modelscope"


def test_a_conversion_that_fails_leaves_the_one_before(
    folders: Path, rgb: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = catalogue.entry_of("cv-unet")
    record = catalogue.record_of_conversion(entry)
    record.parent.mkdir()
    record.write_text(json.dumps({"sha256": "of before"}))
    monkeypatch.setattr(cv_unet, "OUTPUT", "output_jpeg:0")
    with pytest.raises(ModelError, match="can't be converted"):
        convert.convert(entry, rgb)
    assert [path.name for path in record.parent.iterdir()] == [record.name]
    assert json.loads(record.read_text()) == {"sha256": "of before"}


def test_a_model_that_is_not_there_is_not_converted(folders: Path, rgb: np.ndarray) -> None:
    entry = catalogue.entry_of("cv-unet")
    (entry.path / "tf_graph.pb").unlink()
    with pytest.raises(ModelError, match="not installed"):
        convert.convert(entry, rgb)
