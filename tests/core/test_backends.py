"""The backends of a person's own networks, with the tiny real ones of tests/data/onnx."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from cvmatte_core.filesystem import paths
from cvmatte_core.image import geometry
from cvmatte_core.localization.errors import ModelError
from cvmatte_core.models import catalogue, single_image
from cvmatte_core.models.catalogue import ModelEntry
from cvmatte_core.models.network import Network, load, refuse_too_large
from cvmatte_core.models.network_description import PRESETS, Description, described
from cvmatte_core.system import memory
from tests.conftest import DATA

WEIGHTS = np.array([0.5, 0.25, 0.125])
QUALITY = "balanced"


@pytest.fixture
def rgb() -> np.ndarray:
    """24 x 32 of every colour."""
    return np.random.default_rng(7).integers(0, 256, (24, 32, 3), np.uint8)


def entry_for(name: str, backend: str = "onnx", suffix: str = ".onnx", **options: Any) -> ModelEntry:
    """An own model that is one of the tiny networks, or any other file by its path."""
    file = name if Path(name).is_absolute() else str(DATA / "onnx" / f"{name}{suffix}")
    return ModelEntry("own", "Mine", "", backend, file, "", {"kind": "file"}, options=options)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Load a network through the catalogue, as everyone does."""

    def open_network(name: str, device: str = "cpu", **more: Any) -> Network:
        monkeypatch.setattr(catalogue, "catalogue", lambda: {"own": entry_for(name, **more)})
        return load("own", 1, device)

    return open_network


def alpha_of(network: Network, rgb: np.ndarray, quality: str = QUALITY) -> np.ndarray:
    return network(rgb, quality, lambda done, total: None)


def weighed(rgb: np.ndarray) -> np.ndarray:
    return (rgb / 255 * WEIGHTS).sum(-1)


@pytest.mark.parametrize("name", ["free", "fixed", "last_is_channels", "half"])
def test_a_picture_that_needs_no_resizing_gives_exactly_what_the_network_answers(
    opened: Any, rgb: np.ndarray, name: str
) -> None:
    alpha = alpha_of(opened(name), rgb)
    assert alpha.dtype == np.float32
    assert np.allclose(alpha, weighed(rgb), atol=2e-3 if name == "half" else 1e-6)


def test_channels_mean_and_std_are_those_of_the_description(opened: Any, rgb: np.ndarray) -> None:
    assert np.allclose(alpha_of(opened("free", channels="bgr"), rgb), weighed(rgb[..., ::-1]), atol=1e-6)
    mean, std = [0.1, 0.2, 0.3], [2, 1.5, 1.2]
    alpha = alpha_of(opened("free", mean=mean, std=std, scale=200), rgb)
    assert np.allclose(alpha, np.clip(((rgb / 200 - mean) / std * WEIGHTS).sum(-1), 0, 1), atol=1e-6)
    # Both are in the order of the channels as fed.
    alpha = alpha_of(opened("free", mean=mean, channels="bgr"), rgb)
    assert np.allclose(alpha, np.clip(((rgb[..., ::-1] / 255 - mean) * WEIGHTS).sum(-1), 0, 1), atol=1e-6)


def test_an_output_is_chosen_by_name_or_place(opened: Any, rgb: np.ndarray) -> None:
    for chosen in ("logit", 3, -1):
        alpha = alpha_of(opened("several", output=chosen, sigmoid=True), rgb)
        assert np.allclose(alpha, weighed(rgb), atol=1e-4)
    alpha = alpha_of(opened("several", output="smaller"), rgb)
    assert alpha.shape == rgb.shape[:2]
    assert abs(alpha.mean() - weighed(rgb).mean()) < 0.02


needs_deform_conv = pytest.mark.skipif(
    tuple(map(int, onnxruntime.__version__.split(".")[:2])) < (1, 25), reason="ONNX Runtime has DeformConv from 1.25 on"
)


@needs_deform_conv
def test_a_deformed_convolution_takes_each_pixel_from_where_its_offset_says(opened: Any, rgb: np.ndarray) -> None:
    alpha = alpha_of(opened("deformed"), rgb)
    moved = np.pad(weighed(rgb)[:, 1:], ((0, 0), (0, 1))) / 2  # there is nothing beyond the edge
    assert np.allclose(alpha, moved, atol=1e-6)


def test_an_answer_is_normalised_where_it_is_described_so(opened: Any, rgb: np.ndarray) -> None:
    alpha = alpha_of(opened("free", normalise=True), rgb)
    expected = weighed(rgb)
    assert np.allclose(alpha, (expected - expected.min()) / (expected.max() - expected.min()), atol=1e-5)
    flat = np.full_like(rgb, 90)
    assert np.isfinite(alpha_of(opened("free", normalise=True), flat)).all()


@pytest.mark.parametrize("size", [(1, 1), (7, 90), (90, 7), (24, 32), (33, 21), (480, 640)])
@pytest.mark.parametrize("name", ["free", "fixed"])
def test_every_photo_gives_alpha_of_its_size(opened: Any, name: str, size: tuple[int, int]) -> None:
    alpha = alpha_of(opened(name, multiple=8) if name == "free" else opened(name), np.full((*size, 3), 200, np.uint8))
    assert alpha.shape == size
    assert alpha.dtype == np.float32
    assert np.allclose(alpha, 200 / 255 * 0.875, atol=1e-5)


def test_a_reduced_photo_s_alpha_follows_the_photo(opened: Any, photo: Path) -> None:
    large = np.asarray(Image.open(photo).convert("RGB").resize((1400, 1400)))
    alpha = alpha_of(opened("free"), large)
    assert np.abs(alpha - weighed(large)).mean() < 0.01
    assert np.abs(alpha_of(opened("free"), large, "fast") - weighed(large)).mean() < 0.02


@pytest.mark.parametrize(
    ("shape", "description", "size"),
    [
        ((3000, 4000), Description(), (960, 1280)),
        ((300, 400), Description(), (300, 400)),
        ((3000, 4000), Description(size=(320, 640)), (320, 640)),
        ((3000, 4000), Description(shortest_side=512, multiple=32), (512, 672)),
        ((300, 400), Description(shortest_side=512, multiple=32), (512, 672)),
        ((300, 400), Description(longest_side=640), (480, 640)),
        ((100, 9000), Description(shortest_side=512, multiple=32), (32, 2048)),
        ((1, 1), Description(multiple=32), (32, 32)),
    ],
)
def test_the_size_of_what_a_network_sees(
    shape: tuple[int, int], description: Description, size: tuple[int, int]
) -> None:
    assert single_image.size_of_look(shape, QUALITY, description) == size


def test_the_quality_decides_only_a_size_that_nothing_else_does() -> None:
    def sizes(description: Description) -> list[int]:
        return [
            single_image.size_of_look((3000, 3000), quality, description)[0] for quality in ("fast", "balanced", "best")
        ]

    assert sizes(Description()) == [768, 1280, 1920]
    assert sizes(Description(shortest_side=512)) == [512] * 3


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("four_channels", {}, r"Mine takes input of the shape 1 × 4 × \? × \?, but a picture has 1 × 3 × \? × \?:"),
        ("fixed", {"size": 64}, "Mine takes input of the shape 1 × 3 × 24 × 32, but a picture has 1 × 3 × 64 × 64:"),
        ("portrait_graph", {}, "Mine takes"),
        ("two_inputs", {}, "its inputs are picture, state"),
        ("free", {"input": "photo"}, "its inputs are picture"),
        ("free", {"output": "pha"}, "no output pha: name one of alpha"),
        ("free", {"output": 1}, "no output 1"),
        ("several", {"output": "features"}, "1 × 3 × 24 × 32, is not alpha: name another .* classes, smaller, logit"),
        ("several", {"output": "classes"}, "1 × 3 × 1 × 1, is not alpha"),
        ("free", {"std": [1, 1, 0]}, r"invalid option \(std: \[1, 1, 0\]\)"),
        ("free", {"size": [320]}, "size"),
        ("free", {"size": "320"}, "size"),
        ("free", {"channels": "grb"}, "grb"),
        ("free", {"sigmoid": 1}, "sigmoid"),
        ("free", {"sizes": 320}, "sizes"),
        ("free", {"multiple": 0}, "multiple"),
    ],
)
def test_a_network_that_does_not_fit_its_description_is_a_sentence(
    opened: Any, rgb: np.ndarray, name: str, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ModelError, match=sentence):
        alpha_of(opened(name, **options), rgb)


@pytest.mark.filterwarnings("ignore:overflow")
def test_infinite_answers_are_a_failure_and_no_alpha(opened: Any, rgb: np.ndarray) -> None:
    with pytest.raises(ModelError, match="Mine failed on this picture"):
        alpha_of(opened("half", scale=1e-3), rgb)


@pytest.mark.parametrize("backend", ["recurrent", "onnx", "portrait-graph"])
def test_a_file_that_is_no_network_is_a_sentence(opened: Any, tmp_path: Path, backend: str) -> None:
    for content in (b"", b"garbage", (DATA / "onnx" / "several.onnx").read_bytes()[:200]):
        (tmp_path / "broken.onnx").write_bytes(content)
        with pytest.raises(ModelError, match="Mine can't be loaded"):
            opened(str(tmp_path / "broken.onnx"), backend=backend, device="cuda")


def test_another_network_than_the_backend_s_is_a_sentence(opened: Any, rgb: np.ndarray) -> None:
    for backend in ("recurrent", "portrait-graph"):
        with pytest.raises(ModelError, match="Mine failed on this picture"):
            alpha_of(opened("free", backend=backend), rgb)
    with pytest.raises(ModelError, match="tensorflow: choose one of recurrent, onnx"):
        opened("free", backend="tensorflow")


def test_the_portrait_graph_is_fed_rgb_and_alpha_is_its_fourth_channel(opened: Any, rgb: np.ndarray) -> None:
    alpha = alpha_of(opened("portrait_graph", backend="portrait-graph"), rgb)
    assert np.abs(alpha - weighed(rgb)).max() <= 0.51 / 255


def test_a_device_that_fails_in_mid_job_loses_no_pass(
    photo: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The default network, its third pass failing on a GPU that is none."""
    rgb, real, passes = np.asarray(Image.open(photo).convert("RGB")), onnxruntime.InferenceSession, []

    class FailsThirdPass:
        def __init__(self, path: str, options: Any, providers: list[Any], **more: Any) -> None:
            self.provider = providers[0][0]
            self.real = real(path, options, providers=["CPUExecutionProvider"])

        def get_providers(self) -> list[str]:
            return [self.provider]

        def disable_fallback(self) -> None:
            pass

        def run(self, *given: Any) -> Any:
            passes.append(self.provider)
            if self.provider != "CPUExecutionProvider" and len(passes) == 3:
                raise RuntimeError("out of memory")
            return self.real.run(*given)

    expected = alpha_of(load(catalogue.DEFAULT, 1, "cpu"), rgb, "fast")
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    monkeypatch.setattr(onnxruntime, "InferenceSession", FailsThirdPass)
    monkeypatch.setattr("cvmatte_core.models.network._living", {})  # another test may hold one
    network = load(catalogue.DEFAULT, 1, "auto")
    told: list[tuple[int, int]] = []
    with caplog.at_level(logging.WARNING):
        alpha = network(rgb, "fast", lambda done, total: told.append((done, total)))
    assert np.array_equal(alpha, expected)
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert network.device == "CPUExecutionProvider"
    assert network.fallback == {"wanted": "CUDA", "device": "CPU"}
    assert "out of memory" in caplog.text


def test_what_on_pass_raises_ends_the_estimate_as_it_is(opened: Any, rgb: np.ndarray) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        opened("free")(rgb, QUALITY, stop)


@pytest.mark.parametrize(("backend", "package"), [("torchscript", "torch"), ("modelscope", "tensorflow")])
def test_packages_that_are_not_installed_are_a_sentence(
    opened: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # importing it fails
    entry = dataclasses.replace(entry_for("free", backend=backend), source={"kind": "modelscope", "id": "a/b"})
    folder = tmp_path / "models" / "a" / "b"
    folder.mkdir(parents=True)
    for name in ("configuration.json", "tf_graph.pb"):
        (folder / name).write_text("{}")
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path))
    monkeypatch.setattr(catalogue, "catalogue", lambda: {"own": entry})
    with pytest.raises(ModelError, match=r"Mine needs packages .* install.py --modelscope”"):
        load("own", 1, "cpu")


def test_a_model_scope_model_that_is_not_there_says_what_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path))
    monkeypatch.setattr(paths, "models_folder", lambda: tmp_path)
    with pytest.raises(ModelError, match=r"run “python3 install\.py --modelscope”"):
        load("cv-unet", 1)


def test_every_preset_is_a_description() -> None:
    for options in PRESETS.values():
        assert described(options, "").mean != (0, 0, 0)


def test_a_burst_is_ignored(opened: Any, rgb: np.ndarray) -> None:
    alpha = opened("free")(rgb, QUALITY, lambda done, total: None, [geometry.reduced(rgb, 8)])
    assert np.allclose(alpha, weighed(rgb), atol=1e-6)


# A second look


def small_person(height: int = 480, width: int = 640) -> np.ndarray:
    """A bright person who fills a small part of a dark photo, with a striped outline that takes pixels to be seen."""
    photo = np.zeros((height, width, 3), np.uint8)
    photo[200:320, 60:140] = 255
    photo[200:215, 60:140:12] = photo[200:215, 61:140:12] = 0
    return photo


def looks(network: Network, photo: np.ndarray, quality: str) -> tuple[np.ndarray, list[tuple[int, int]]]:
    told: list[tuple[int, int]] = []
    return network(photo, quality, lambda done, total: told.append((done, total))), told


def test_people_who_fill_little_of_a_photo_are_looked_at_again(opened: Any) -> None:
    photo = small_person()
    network = opened("fixed", normalise=True)  # it sees 24 x 32 pixels
    once, told_once = looks(network, photo, "fast")
    twice, told_twice = looks(network, photo, "balanced")
    assert (told_once, told_twice) == ([(0, 1), (1, 1)], [(0, 1), (1, 2), (2, 2)])
    truth = (photo > 0).all(axis=2)
    assert np.abs(twice - truth).mean() < 0.7 * np.abs(once - truth).mean()
    far = np.s_[:, 320:]
    assert np.array_equal(twice[far], once[far])


def test_people_who_fill_the_photo_are_looked_at_once(opened: Any, photo: Path) -> None:
    large = np.asarray(Image.open(photo).convert("RGB"))
    _, told = looks(opened("fixed"), large, "best")
    assert told == [(0, 1), (1, 1)]


def test_a_second_look_that_loses_the_person_is_not_believed(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = small_person()
    photo[photo > 0] = 255
    network: Any = opened("fixed", normalise=True)
    once, _ = looks(network, photo, "fast")
    see, seen = network.look, []

    def loses_it(picture: np.ndarray) -> np.ndarray:
        seen.append(picture)
        return see(picture) if len(seen) == 1 else np.zeros(picture.shape[:2], np.float32)

    monkeypatch.setattr(network, "look", loses_it)
    twice, _ = looks(network, photo, "balanced")
    assert len(seen) == 2
    assert np.array_equal(twice, once)


# Memory


@pytest.mark.parametrize(
    ("costs", "free", "refused"),
    [
        ({"memory_bytes": 2_000_000_000}, 1_000_000_000, True),
        ({"told_memory_bytes": 8_000_000_000}, 7_900_000_000, True),
        ({"memory_bytes": 2_000_000_000}, 2_100_000_000, False),
        ({"memory_bytes": 2_000_000_000}, 0, False),  # nobody knows
        ({"memory_bytes": 600_000_000}, 100_000_000, False),  # small ones are tried
        ({}, 100_000_000, False),
        ({"told_memory_bytes": 5_000_000_000}, 5_100_000_000, False),  # a larger file of the same network needs 8 GB
    ],
)
def test_a_network_too_large_for_this_computer_is_refused(
    opened: Any, monkeypatch: pytest.MonkeyPatch, costs: dict[str, float], free: int, refused: bool
) -> None:
    entry = dataclasses.replace(entry_for("free"), costs=costs)
    monkeypatch.setattr(catalogue, "catalogue", lambda: {"own": entry})
    monkeypatch.setattr(memory, "available_bytes", lambda: free)
    if not refused:
        assert load("own", 1, "cpu").device == "CPUExecutionProvider"
        return
    with pytest.raises(ModelError, match="close other programs") as raised:
        load("own", 1, "cpu")
    assert raised.value.key == "model_too_large"


@pytest.mark.parametrize(("free", "refused"), [(1_900_000_000, True), (2_100_000_000, False)])
def test_the_weights_of_a_network_that_nobody_measured_have_to_fit(
    monkeypatch: pytest.MonkeyPatch, free: int, refused: bool
) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: free)
    entry = dataclasses.replace(entry_for("free"), size_bytes=2_000_000_000)
    with pytest.raises(ModelError) if refused else contextlib.nullcontext():
        refuse_too_large(entry)


def test_a_network_is_in_memory_once_whoever_asks(rgb: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = dataclasses.replace(entry_for("free"), costs={"memory_bytes": 5_000_000_000})
    monkeypatch.setattr(catalogue, "catalogue", lambda: {"own": entry})
    monkeypatch.setattr(memory, "available_bytes", lambda: 6_000_000_000)
    network = load("own", 1, "cpu")
    monkeypatch.setattr(memory, "available_bytes", lambda: 1_000_000_000)
    assert load("own", 2, "cpu") is network
    with ThreadPoolExecutor(4) as threads:
        alphas = list(threads.map(partial(alpha_of, network), [rgb] * 20))
    assert all(np.array_equal(alpha, alphas[0]) for alpha in alphas)
    del network
    with pytest.raises(ModelError, match="close other programs"):
        load("own", 1, "cpu")


def test_a_model_s_own_file_that_is_another_is_loaded_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {"own": entry_for("free")}
    monkeypatch.setattr(catalogue, "catalogue", lambda: entries)
    before = load("own", 1, "cpu")
    entries["own"] = dataclasses.replace(entries["own"], title="Another")
    assert load("own", 1, "cpu") is not before


def test_what_is_free_is_told_by_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 0 < memory.available_bytes() <= memory.total_bytes()
    told = tmp_path / "meminfo"
    told.write_text("MemTotal:       16000000 kB\nMemFree:  1 kB\nMemAvailable:    1234567 kB\n")
    monkeypatch.setattr(memory, "_MEMINFO", told)
    assert memory.available_bytes() == 1234567 * 1024
    told.write_text("nothing of the sort")
    assert memory.available_bytes() == memory.total_bytes()
