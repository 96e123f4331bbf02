"""Sessions that go over to the next device: with fakes of those that no computer here has."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from cvmatte_core.filesystem import paths
from cvmatte_core.localization.texts import Texts
from cvmatte_core.models.onnx_session import CPU, FALLBACK, Session, title
from cvmatte_core.system.devices import DEVICES
from tests.conftest import DATA

CUDA, TENSORRT, DML = "CUDAExecutionProvider", "TensorrtExecutionProvider", "DmlExecutionProvider"
FREE = DATA / "onnx" / "free.onnx"
FEED = {"picture": np.ones((1, 3, 4, 5), np.float32)}
EXPECTED = np.full((1, 1, 4, 5), 0.875, np.float32)
RealSession = onnxruntime.InferenceSession


class FakeSession:
    """ONNX Runtime's on CPU, which says that it runs on another provider, and whose runs may fail."""

    def __init__(self, provider: str, fails: Exception | None = None) -> None:
        self._provider, self._fails = provider, fails
        self._real = RealSession(str(FREE), providers=[CPU])

    def get_providers(self) -> list[str]:
        return [self._provider, CPU]

    def disable_fallback(self) -> None:
        pass

    def run(self, outputs: list[str], feed: dict[str, np.ndarray]) -> Any:
        if self._fails is not None:
            raise self._fails
        return self._real.run(outputs, feed)


@pytest.fixture
def providers(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Make ONNX Runtime have these providers, each with what starting it gives: a session, or an error to raise."""

    def fake(**there: Any) -> list[str]:
        started: list[str] = []

        def start(path: str, options: Any, providers: list[Any], **more: Any) -> Any:
            name = providers[0][0]
            started.append(name)
            if name == CPU:
                return RealSession(path, options, providers=[CPU])
            if isinstance(there[name], Exception):
                raise there[name]
            return there[name]

        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [*there, CPU])
        monkeypatch.setattr(onnxruntime, "InferenceSession", start)
        return started

    return fake


def test_auto_on_a_plain_runtime_is_cpu_and_nothing_fell_back() -> None:
    session = Session(FREE, "auto", 1)
    assert (session.device, session.fallback) == (CPU, None)
    assert np.array_equal(session.run(["alpha"], FEED)[0], EXPECTED)


def test_auto_takes_the_gpu_that_is_there(providers: Callable[..., list[str]]) -> None:
    started = providers(CoreMLExecutionProvider=None, **{DML: FakeSession(DML)})
    assert Session(FREE, "auto", 1).device == DML
    assert started == [DML]


@pytest.mark.parametrize("device", DEVICES)
def test_every_device_works_though_it_is_not_there(providers: Callable[..., list[str]], device: str) -> None:
    providers()
    session = Session(FREE, device, 1)
    assert session.device == CPU
    assert np.array_equal(session.run(["alpha"], FEED)[0], EXPECTED)
    assert (session.fallback is None) == (device in ("auto", "cpu"))
    if session.fallback:
        assert session.fallback == {"wanted": title(device), "device": "CPU"}


def test_one_that_fails_to_start_falls_to_the_next(providers: Callable[..., list[str]]) -> None:
    started = providers(**{TENSORRT: RuntimeError("no libnvinfer"), CUDA: FakeSession(CUDA)})
    session = Session(FREE, "tensorrt", 1)
    assert started == [TENSORRT, CUDA]
    assert session.device == CUDA
    assert session.fallback == {"wanted": "TensorRT", "device": "CUDA"}


def test_one_that_silently_runs_on_cpu_is_noticed(providers: Callable[..., list[str]]) -> None:
    providers(**{CUDA: FakeSession(CPU)})
    session = Session(FREE, "cuda", 1)
    assert session.fallback == {"wanted": "CUDA", "device": "CPU"}
    sentence = Texts("en")(FALLBACK, **session.fallback)
    assert sentence.startswith("CUDA can't be used, so CVMatte runs on CPU")


def test_a_failure_in_mid_job_repeats_the_same_on_cpu_and_stays_there(
    providers: Callable[..., list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    providers(**{CUDA: FakeSession(CUDA, fails=RuntimeError("CUDA out of memory"))})
    session = Session(FREE, "auto", 1)
    assert (session.device, session.fallback) == (CUDA, None)
    for _ in range(2):
        assert np.array_equal(session.run(["alpha"], FEED)[0], EXPECTED)
        assert session.device == CPU
    assert session.fallback == {"wanted": "CUDA", "device": "CPU"}
    assert [record.message for record in caplog.records] == [f"free.onnx on {CUDA}: CUDA out of memory"]


def test_what_even_cpu_cannot_do_is_raised(providers: Callable[..., list[str]], tmp_path: Path) -> None:
    (tmp_path / "garbage.onnx").write_bytes(b"garbage")
    with pytest.raises(Exception, match=r"garbage\.onnx"):
        Session(tmp_path / "garbage.onnx", "auto", 1)
    with pytest.raises(Exception, match="picture"):
        Session(FREE, "auto", 1).run(["alpha"], {"picture": np.ones((1, 4, 4, 5), np.float32)})


def test_wrong_input_is_not_the_device_s_fault(providers: Callable[..., list[str]]) -> None:
    providers(**{CUDA: FakeSession(CUDA)})
    session = Session(FREE, "cuda", 1)
    with pytest.raises(Exception, match="picture"):
        session.run(["alpha"], {"picture": np.ones((1, 4, 4, 5), np.float32)})
    assert session.device == CUDA


@pytest.mark.skipif(
    "OpenVINOExecutionProvider" not in onnxruntime.get_available_providers(), reason="needs onnxruntime-openvino"
)
def test_openvino_gives_what_cpu_gives() -> None:
    session = Session(FREE, "openvino", 1)
    assert (session.device, session.fallback) == ("OpenVINOExecutionProvider", None)
    assert np.allclose(session.run(["alpha"], FEED)[0], EXPECTED, atol=1e-3)


def test_a_path_of_any_letters_does(tmp_path: Path) -> None:
    path = tmp_path / "模型 é.onnx"
    path.write_bytes(FREE.read_bytes())
    assert Session(path, "cpu", 1).device == CPU


def test_the_runtime_keeps_and_reports_nothing_of_its_use(tmp_path: Path) -> None:
    """It would: what it is to send it first writes to the temporary folder and the person's own."""
    program = "from cvmatte_core.models.network import load; load('rvm-mobilenetv3', 1, 'cpu')"
    folders = {name: str(tmp_path / name) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME")}
    for folder in folders.values():
        Path(folder).mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"} | folders
    subprocess.run([sys.executable, "-c", program], check=True, cwd=paths.ROOT, env=environment)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
