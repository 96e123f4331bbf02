"""What networks can run on: one table for the panel, the command line and install.py. Standard library only.

It belongs to the computer, not to a portrait, so it is no control of MatteSettings: it stands in the environment of
each process that mattes. A device's name in a person's language is the text "device.NAME".
"""

from __future__ import annotations

import logging
import os
import platform
import sys
from typing import NamedTuple, Tuple

logger = logging.getLogger(__name__)

AUTO, CPU, CUDA, TENSORRT = "auto", "cpu", "cuda", "tensorrt"
DIRECTML, COREML, OPENVINO = "directml", "coreml", "openvino"

# The distributions of ONNX Runtime, and the dependency group that each is in. All have the same module, so an
# environment has one of them.
PLAIN_RUNTIME = "onnxruntime"
RUNTIME_GROUPS = {
    PLAIN_RUNTIME: "onnx-cpu",
    "onnxruntime-gpu": "onnx-cuda",
    "onnxruntime-directml": "onnx-directml",
    "onnxruntime-openvino": "onnx-openvino",
}


class Device(NamedTuple):
    """provider: ONNX Runtime's name. title: the maker's. runtime: the distribution for it. systems: by sys.platform,
    those with builds of that."""

    provider: str
    title: str
    runtime: str = PLAIN_RUNTIME
    systems: Tuple[str, ...] = ()


KNOWN = {
    CPU: Device("CPUExecutionProvider", "CPU"),
    CUDA: Device("CUDAExecutionProvider", "CUDA", "onnxruntime-gpu", ("linux", "win32")),
    TENSORRT: Device("TensorrtExecutionProvider", "TensorRT", "onnxruntime-gpu", ("linux", "win32")),
    DIRECTML: Device("DmlExecutionProvider", "DirectML", "onnxruntime-directml", ("win32",)),
    COREML: Device("CoreMLExecutionProvider", "Core ML", PLAIN_RUNTIME, ("darwin",)),
    OPENVINO: Device("OpenVINOExecutionProvider", "OpenVINO", "onnxruntime-openvino", ("linux", "win32")),
}
DEVICES = (AUTO, *KNOWN)

DEVICE_VARIABLE, THREADS_VARIABLE = "CVMATTE_DEVICE", "CVMATTE_THREADS"
MOST_THREADS = 256


def named(runtime_name: str) -> str:
    """Our name of a device that a runtime calls otherwise: ONNX Runtime, or PyTorch ("cuda:0")."""
    of_pytorch = CUDA if runtime_name.startswith("cuda") else CPU
    return next((name for name, device in KNOWN.items() if device.provider == runtime_name), of_pytorch)


def of_environment() -> str:
    """The device that the process's environment names; AUTO where it names none."""
    chosen = os.environ.get(DEVICE_VARIABLE, AUTO)
    if chosen in DEVICES:
        return chosen
    logger.warning("%s=%s is no device: %s", DEVICE_VARIABLE, chosen, ", ".join(DEVICES))
    return AUTO


def threads(most: int = 8) -> int:
    """The threads that a network runs on: what the environment says, else all cores but one for OBS, up to `most`:
    more hardly help a network of this size."""
    chosen = os.environ.get(THREADS_VARIABLE, "")
    if chosen.isdecimal() and 1 <= int(chosen) <= MOST_THREADS:
        return int(chosen)
    if chosen:
        logger.warning("%s=%s is no number from 1 to %d", THREADS_VARIABLE, chosen, MOST_THREADS)
    cores = os.cpu_count() or 1
    return max(1, min(most, cores if cores <= 2 else cores - 1))


def devices_here(system: str = sys.platform, machine: str = "") -> tuple[str, ...]:
    """The devices for which this system has builds of ONNX Runtime; the computer may still lack them."""
    machine = (machine or platform.machine()).lower()
    built = machine in ("x86_64", "amd64") or system == "darwin"  # for other processors, only the plain build
    return (AUTO, CPU, *(name for name, device in KNOWN.items() if built and system in device.systems))
