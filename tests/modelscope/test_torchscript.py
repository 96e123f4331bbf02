"""The TorchScript backend with tiny scripted networks. Needs the dependency group modelscope."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cvmatte_core.localization.errors import ModelError
from cvmatte_core.models import torchscript
from cvmatte_core.models.catalogue import ModelEntry

WEIGHTS = np.array([0.5, 0.25, 0.125])


class Weighing(nn.Module):
    """Alpha is what it is fed of red, green and blue, weighed."""

    def __init__(self) -> None:
        super().__init__()
        self.weigh = nn.Conv2d(3, 1, 1, bias=False)
        self.weigh.weight.data = torch.tensor(WEIGHTS, dtype=torch.float32).view(1, 3, 1, 1)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        return self.weigh(picture)


class Several(nn.Module):
    """Features first, and the logit of alpha last."""

    def __init__(self) -> None:
        super().__init__()
        self.alpha = Weighing()

    def forward(self, picture: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return picture, torch.logit(self.alpha(picture))


@pytest.fixture
def rgb() -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (24, 32, 3), np.uint8)


def saved(network: nn.Module, folder: Path, **options: Any) -> ModelEntry:
    path = folder / "模型.pt"
    torch.jit.script(network.eval()).save(str(path))
    return ModelEntry("own", "Mine", "", "torchscript", str(path), "", {"kind": "file"}, options=options)


def alpha_of(entry: ModelEntry, rgb: np.ndarray, device: str = "cpu") -> np.ndarray:
    return torchscript.TorchscriptMatting(entry, 1, device)(rgb, "balanced", lambda done, total: None)


def test_a_picture_gives_exactly_what_the_network_answers(tmp_path: Path, rgb: np.ndarray) -> None:
    assert np.allclose(alpha_of(saved(Weighing(), tmp_path), rgb), (rgb / 255 * WEIGHTS).sum(-1), atol=1e-6)
    alpha = alpha_of(saved(Weighing(), tmp_path, channels="bgr"), rgb)
    assert np.allclose(alpha, (rgb[..., ::-1] / 255 * WEIGHTS).sum(-1), atol=1e-6)


def test_one_of_several_answers_is_chosen_by_its_place(tmp_path: Path, rgb: np.ndarray) -> None:
    alpha = alpha_of(saved(Several(), tmp_path, output=-1, sigmoid=True), rgb)
    assert np.allclose(alpha, (rgb / 255 * WEIGHTS).sum(-1), atol=1e-5)
    for output, sentence in ((0, "is not alpha"), (2, "no output 2: name one of 0, 1"), ("alpha", "no output alpha")):
        with pytest.raises(ModelError, match=sentence):
            alpha_of(saved(Several(), tmp_path, output=output), rgb)


def test_odd_sizes_give_alpha_of_their_size(tmp_path: Path) -> None:
    for size in ((1, 1), (7, 90), (1500, 1000)):
        alpha = alpha_of(saved(Weighing(), tmp_path, size=[24, 32]), np.full((*size, 3), 255, np.uint8))
        assert alpha.shape == size
        assert np.allclose(alpha, 0.875, atol=1e-5)


def test_a_device_that_torch_has_not_is_cpu(tmp_path: Path) -> None:
    entry = saved(Weighing(), tmp_path)
    network = torchscript.TorchscriptMatting(entry, 1, "directml")
    assert (network.device, network.fallback) == ("cpu", {"wanted": "DirectML", "device": "CPU"})
    assert torchscript.TorchscriptMatting(entry, 1, "auto").fallback is None


def test_a_gpu_that_fails_in_mid_job_falls_to_cpu(
    tmp_path: Path, rgb: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)  # it isn't, so every run on it fails
    network = torchscript.TorchscriptMatting(saved(Weighing(), tmp_path), 1, "auto")
    assert (network.device, network.fallback) == ("cuda", None)
    alpha = network(rgb, "balanced", lambda done, total: None)
    assert np.allclose(alpha, (rgb / 255 * WEIGHTS).sum(-1), atol=1e-6)
    assert (network.device, network.fallback) == ("cpu", {"wanted": "CUDA", "device": "CPU"})


def test_a_file_that_is_no_network_is_a_sentence(tmp_path: Path) -> None:
    entry = saved(Weighing(), tmp_path)
    whole = entry.path.read_bytes()
    for content in (b"", b"garbage", whole[: len(whole) // 2]):
        entry.path.write_bytes(content)
        with pytest.raises(ModelError, match="Mine can't be loaded"):
            torchscript.TorchscriptMatting(entry, 1, "cpu")
    torch.save({"weights": torch.zeros(3)}, str(entry.path))  # not a network, only its weights
    with pytest.raises(ModelError, match="Mine can't be loaded"):
        torchscript.TorchscriptMatting(entry, 1, "cpu")


def test_a_network_of_another_shape_is_a_failure(tmp_path: Path, rgb: np.ndarray) -> None:
    with pytest.raises(ModelError, match="Mine failed on this picture"):
        alpha_of(saved(nn.Conv2d(4, 1, 1), tmp_path), rgb)
