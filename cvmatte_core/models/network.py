"""A loaded network, whatever its backend, and how one is loaded."""

from __future__ import annotations

import threading
import weakref
from pathlib import Path
from typing import Callable, Protocol, Sequence, Tuple

import numpy as np

from ..system import memory
from ..words.errors import ModelError
from .catalogue import ModelEntry, entry_of, verify

# A smaller network is tried in any case: what it needs is an estimate, and what is free changes.
_LARGE = 1_500_000_000  # bytes

BACKENDS = ("recurrent", "onnx", "torchscript", "modelscope", "portrait-graph")


class Network(Protocol):
    """A loaded network. Several threads may use it at once."""

    @property
    def device(self) -> str:
        """What it runs on now, as its runtime calls it: "CPUExecutionProvider" for one."""
        ...

    @property
    def fallback(self) -> dict[str, str] | None:
        """Where that isn't what was wanted: the values of the text onnx_session.FALLBACK."""
        ...

    def __call__(
        self,
        rgb: np.ndarray,
        quality: str,
        on_pass: Callable[[int, int], None],
        before: Sequence[np.ndarray] = (),
    ) -> np.ndarray:
        """Estimate alpha.

        rgb: uint8, shape (H, W, 3), sRGB. quality: "fast", "balanced" or "best".
        on_pass(done, total) is called before each pass and after the last; what it raises ends the estimate.
        before: what the camera saw just before, oldest first, each as rgb; a network that looks at one picture only
        ignores them.
        Returns alpha: float32 in 0..1, shape (H, W). Raises ModelError where the network fails.
        """
        ...


_Made = Tuple[ModelEntry, Path, int, int]  # what a network was loaded from: a file, of this size and time
_living: dict[tuple[str, str], tuple[_Made, weakref.ref[Network]]] = {}  # by model and device
_loading = threading.Lock()


def load(name: str, threads: int, device: str = "auto") -> Network:
    """A model of the catalogue, on one of devices.DEVICES or what takes its place: in memory once a process.

    Whoever asks gets the one that somebody has, in any thread, with as many CPU threads as it was loaded for; it goes
    with the last who holds it. threads: of one that has to be loaded. Raises ModelError where it is missing, damaged,
    too large for this computer, or what it runs on isn't installed.
    """
    entry = entry_of(name)
    with _loading:
        made = _made(entry)
        of, living = _living.get((entry.name, device), (None, None))
        network = living() if living is not None and of == made and made is not None else None
        if network is None:
            network = _loaded(entry, threads, device)
            if made is not None:
                _living[entry.name, device] = made, weakref.ref(network)
        return network


def _made(entry: ModelEntry) -> _Made | None:
    """What a network would be loaded from now; None where it isn't there."""
    try:
        status = entry.path.stat()
    except OSError:
        return None
    return entry, entry.path, status.st_size, status.st_mtime_ns


def _loaded(entry: ModelEntry, threads: int, device: str) -> Network:
    verify(entry)
    refuse_too_large(entry)
    # Each imports its runtime: only once a model is truly needed.
    if entry.backend == "recurrent":
        from .recurrent import RecurrentVideoMatting

        return RecurrentVideoMatting(entry, threads, device)
    if entry.backend == "onnx":
        from .onnx_image import OnnxImageMatting

        return OnnxImageMatting(entry, threads, device)
    if entry.backend == "torchscript":
        from .torchscript import TorchscriptMatting

        return TorchscriptMatting(entry, threads, device)
    if entry.backend == "modelscope":
        from .cv_unet import ModelscopeMatting

        return ModelscopeMatting(entry, threads, device)
    if entry.backend == "portrait-graph":
        from .cv_unet import PortraitGraphMatting

        return PortraitGraphMatting(entry, threads, device)
    raise ModelError("model_backend", model=entry.title, backend=entry.backend, backends=", ".join(BACKENDS))


def refuse_too_large(entry: ModelEntry) -> None:
    """Raise ModelError where a network needs more memory than is free: the system would end this process for it."""
    costs = entry.costs
    needed = costs.get("memory_bytes") or costs.get("told_memory_bytes") or 2 * entry.size_bytes
    free = memory.available_bytes()
    if needed >= _LARGE and 0 < free < needed:
        amounts = {name: f"{value / 1e9:.1f}" for name, value in (("needed", needed), ("free", free))}
        raise ModelError("model_too_large", model=entry.title, **amounts)
