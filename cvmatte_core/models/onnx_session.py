"""ONNX Runtime sessions on a chosen device (see devices.py), which go over to the next one when that doesn't do."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Mapping, Sequence, Tuple

from ..filesystem import paths
from ..system import devices
from . import single_image
from .catalogue import ModelEntry

if TYPE_CHECKING:
    import numpy as np
    import onnxruntime

logger = logging.getLogger(__name__)

# It would report its use to Microsoft over the internet. Read when onnxruntime is first imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

FALLBACK = "device.fallback"  # the text of a network's `fallback`
CPU = devices.KNOWN[devices.CPU].provider

# Runtimes with these two are only there for who installed them. Core ML is part of every Mac's, and slow with pictures
# of ever new sizes; TensorRT builds for minutes; OpenVINO is no faster on a CPU: those are for who asks for them.
_OF_AUTO = (devices.CUDA, devices.DIRECTML)
_NEXT = {devices.TENSORRT: devices.CUDA}  # to try before CPU

_Step = Tuple[devices.Device, Mapping[str, str]]  # a way to start: a device, and the options of its provider


def fallback(wanted: str, device: str) -> dict[str, str] | None:
    """The values of the text FALLBACK where a network runs on another device than was wanted; both as people say."""
    return None if wanted == device else {"wanted": wanted, "device": device}


def title(device: str) -> str:
    """What people call one of devices.DEVICES; "CPU" for "auto"."""
    return devices.KNOWN[devices.CPU if device == devices.AUTO else device].title


class Session:
    """An ONNX Runtime session on one of devices.DEVICES; where that fails, now or in mid-job, on the next, at last on
    CPU, with so many threads. Raises what the runtime raises where not even CPU does."""

    def __init__(self, path: Path, device: str, threads: int) -> None:
        self._path, self._threads = path, threads
        self._steps = _steps(device, threads)  # the one in use, then those that are left
        self._wanted = self._steps[0][0].title
        self._running = threading.Lock()
        self._session = self._started()

    @property
    def device(self) -> str:
        """The provider it runs on, as the runtime calls it."""
        return self._steps[0][0].provider

    @property
    def fallback(self) -> dict[str, str] | None:
        """Values of the text FALLBACK, where it doesn't run on what was wanted."""
        return fallback(self._wanted, self._steps[0][0].title)

    def run(self, outputs: Sequence[str], feed: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """The named outputs for these inputs. A device that fails is left for good, and the next does them again.
        Threads take turns: DirectML can't do otherwise, and on others each pass has all the session's processors."""
        from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

        with self._running:
            while True:
                try:
                    return self._session.run(list(outputs), dict(feed))
                except InvalidArgument:  # wrong on any device
                    raise
                except Exception as error:  # the runtime's errors have no common base
                    if len(self._steps) == 1:
                        raise
                    del self._session  # its memory is free before the next one needs any
                    self._leave(error)
                self._session = self._started()

    def _started(self) -> onnxruntime.InferenceSession:
        while True:
            try:
                return _start(self._path, self._steps[0], self._threads)
            except Exception as error:
                if len(self._steps) == 1:
                    raise
                self._leave(error)

    def _leave(self, error: Exception) -> None:
        logger.warning("%s on %s: %s", self._path.name, self.device, error)
        del self._steps[0]


class OnSession(Session):
    """What every network on ONNX Runtime is: the session of its model's file."""

    def __init__(self, entry: ModelEntry, threads: int, device: str) -> None:
        self._model = entry.title
        with single_image.failures_explained(self._model, "model_unreadable"):
            super().__init__(entry.path, device, threads)


def _steps(device: str, threads: int) -> list[_Step]:
    """What to try for one of devices.DEVICES, in order; CPU is last. One that is asked for is tried in any case."""
    import onnxruntime

    names = [device, _NEXT.get(device, devices.CPU)]
    if device == devices.AUTO:
        there = onnxruntime.get_available_providers()
        names = [name for name in _OF_AUTO if devices.KNOWN[name].provider in there]
    in_order = dict.fromkeys([*names, devices.CPU])
    return [(devices.KNOWN[name], options) for name in in_order for options in _options(name, threads)]


def _options(name: str, threads: int) -> list[dict[str, str]]:
    """Of a device's provider, for each way to try it. Half precision is in none: hair hasn't been compared with it."""
    if name == devices.OPENVINO:
        from onnxruntime.capi import _pybind_state

        found: list[str] = getattr(_pybind_state, "get_available_openvino_device_ids", list)()
        on_gpu = [{"device_type": "GPU"}] if any(of.startswith("GPU") for of in found) else []
        return [*on_gpu, {"device_type": "CPU", "num_of_threads": str(threads)}]
    if name == devices.TENSORRT:
        kept = str(paths.data_folder() / "tensorrt")  # what it builds for minutes
        return [{"trt_engine_cache_enable": "True", "trt_engine_cache_path": kept}]
    # Its default tries every algorithm for every new size of picture, which takes longer than it saves.
    return [{"cudnn_conv_algo_search": "HEURISTIC"} if name == devices.CUDA else {}]


def _start(path: Path, step: _Step, threads: int) -> onnxruntime.InferenceSession:
    """Raises where the session doesn't truly run on the step's provider, and what the runtime raises."""
    import onnxruntime

    device, given = step
    provider = device.provider
    if provider not in onnxruntime.get_available_providers():
        raise RuntimeError(f"the installed ONNX Runtime has no {provider}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Idle threads must not spin: the cores belong to OBS.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_mem_pattern = device is not devices.KNOWN[devices.DIRECTML]  # which can't have it
    providers: list[Any] = [(provider, dict(given))]
    if provider != CPU:
        providers.append(CPU)  # for what the provider doesn't know
    # Going over to CPU is ours: the runtime's own way prints, and starts what we can't tell from what was wanted.
    session = onnxruntime.InferenceSession(str(path), options, providers=providers, enable_fallback=0)
    session.disable_fallback()
    if session.get_providers()[0] != provider:  # it says nothing when a driver is missing
        raise RuntimeError(f"{provider} didn't start")
    return session
