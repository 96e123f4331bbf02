"""What networks can run on: one list for the panel, the command line and install.py. Standard library only.

It is the computer's, not a portrait's: so no control of MatteSettings. Who starts a process that mattes says it in the
process's environment. A device's name in a person's language is the text "device.NAME".
"""

from __future__ import annotations

import logging
import os
import platform
import sys

logger = logging.getLogger(__name__)

AUTO, CPU, CUDA, TENSORRT = "auto", "cpu", "cuda", "tensorrt"
DIRECTML, COREML, OPENVINO = "directml", "coreml", "openvino"
DEVICES = (AUTO, CPU, CUDA, TENSORRT, DIRECTML, COREML, OPENVINO)

DEVICE_VARIABLE, THREADS_VARIABLE = "CVMATTE_DEVICE", "CVMATTE_THREADS"
MOST_THREADS = 256

_BY_SYSTEM = {
    "linux": (CUDA, TENSORRT, OPENVINO),
    "win32": (CUDA, TENSORRT, DIRECTML, OPENVINO),
    "darwin": (COREML,),
}
# The distribution of ONNX Runtime for a device, and the dependency group that each is in. All have the same module, so
# an environment has one of them.
PLAIN_RUNTIME = "onnxruntime"
RUNTIMES = {
    CUDA: "onnxruntime-gpu",
    TENSORRT: "onnxruntime-gpu",
    DIRECTML: "onnxruntime-directml",
    OPENVINO: "onnxruntime-openvino",
}
RUNTIME_GROUPS = {
    PLAIN_RUNTIME: "onnx-cpu",
    "onnxruntime-gpu": "onnx-cuda",
    "onnxruntime-directml": "onnx-directml",
    "onnxruntime-openvino": "onnx-openvino",
}

_RUNTIME_NAMES = {
    "CPUExecutionProvider": CPU,
    "CUDAExecutionProvider": CUDA,
    "TensorrtExecutionProvider": TENSORRT,
    "DmlExecutionProvider": DIRECTML,
    "CoreMLExecutionProvider": COREML,
    "OpenVINOExecutionProvider": OPENVINO,
}


def named(runtime_name: str) -> str:
    """Our name of a device that a runtime calls otherwise: ONNX Runtime, or PyTorch ("cuda:0")."""
    return _RUNTIME_NAMES.get(runtime_name) or (CUDA if runtime_name.startswith("cuda") else CPU)


def of_environment() -> str:
    """The device that the process's environment names; AUTO where it names none."""
    chosen = os.environ.get(DEVICE_VARIABLE, AUTO)
    if chosen in DEVICES:
        return chosen
    logger.warning("%s=%s is no device: %s", DEVICE_VARIABLE, chosen, ", ".join(DEVICES))
    return AUTO


def threads(most: int = 8) -> int:
    """How many threads a network runs on: as many as the process's environment says; where it doesn't, all cores but
    one for OBS, at most so many: more hardly help a network of this size."""
    chosen = os.environ.get(THREADS_VARIABLE, "")
    if chosen.isdecimal() and 1 <= int(chosen) <= MOST_THREADS:
        return int(chosen)
    if chosen:
        logger.warning("%s=%s is no number from 1 to %d", THREADS_VARIABLE, chosen, MOST_THREADS)
    cores = os.cpu_count() or 1
    return max(1, min(most, cores if cores <= 2 else cores - 1))


def devices_here(system: str = sys.platform, machine: str = "") -> tuple[str, ...]:
    """The devices that there are builds of ONNX Runtime for on this computer's system; whether it has them is open."""
    machine = (machine or platform.machine()).lower()
    built = machine in ("x86_64", "amd64") or system == "darwin"  # for other processors, only the plain build
    return (AUTO, CPU, *(_BY_SYSTEM.get(system, ()) if built else ()))
