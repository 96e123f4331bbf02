"""A loaded network, whatever its backend, and how one is loaded."""

from __future__ import annotations

import gc
import importlib
import logging
import threading
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Protocol, Sequence, Tuple

import numpy as np

from ..localization.errors import ModelError
from ..system import devices, memory
from .catalogue import ModelEntry, entry_of, verify

# A smaller network is tried in any case: what it needs is an estimate, and what is free changes.
_LARGE = 1_500_000_000  # bytes

logger = logging.getLogger(__name__)

# Each module imports its runtime: only once a model is truly needed.
_BACKENDS = {
    "recurrent": (".recurrent", "RecurrentVideoMatting"),
    "onnx": (".onnx_image", "OnnxImageMatting"),
    "torchscript": (".torchscript", "TorchscriptMatting"),
    "modelscope": (".cv_unet", "ModelscopeMatting"),
    "portrait-graph": (".cv_unet", "PortraitGraphMatting"),
}


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
        self, rgb: np.ndarray, quality: str, on_pass: Callable[[int, int], None], before: Sequence[np.ndarray] = ()
    ) -> np.ndarray:
        """Alpha, float32 in 0..1, shape (H, W). Raises ModelError where the network fails.

        rgb: uint8, shape (H, W, 3), sRGB. quality: "fast", "balanced" or "best". on_pass(done, total) is called before
        each pass and after the last; what it raises ends the estimate. before: what the camera saw just before, oldest
        first, each as rgb; a network that looks at one picture only ignores them.
        """
        ...


_Made = Tuple[ModelEntry, Path, int, int]  # what a network was loaded from: a file, of this size and time
_living: dict[tuple[str, str], tuple[_Made, weakref.ref[Network]]] = {}  # by model and device
_loading = threading.Lock()


def load(name: str, threads: int, device: str = "auto") -> Network:
    """A model of the catalogue, on one of devices.DEVICES or what takes its place: in memory once a process, for
    everybody who asks, in any thread, with the number of CPU threads it was first loaded for. It goes with its last
    user. Raises ModelError where it is missing, damaged, too large, or what it runs on isn't installed."""
    entry = entry_of(name)
    with _loading:
        made = _made(entry)
        of, living = _living.get((entry.name, device), (None, None))
        network = living() if living is not None and of == made and made is not None else None
        if network is None:
            verify(entry)
            refuse_too_large(entry)
            if entry.backend not in _BACKENDS:
                values = {"backend": entry.backend, "backends": ", ".join(_BACKENDS)}
                raise ModelError("model_backend", model=entry.title, **values)
            module, kind = _BACKENDS[entry.backend]
            network = getattr(importlib.import_module(module, __package__), kind)(entry, threads, device)
            if made is not None:
                _living[entry.name, device] = made, weakref.ref(network)
        return network


@dataclass
class _InUse:
    entry: ModelEntry
    network: Network
    used_at: float


class Networks:
    """The networks that one user needs again and again: they stay loaded between uses, until they are idle."""

    def __init__(self, threads: int | None = None, device: str | None = None) -> None:
        """device: of devices.DEVICES. Both are the environment's where they aren't given; see devices.py."""
        self.threads = threads or devices.threads()
        self._device = device or devices.of_environment()
        self._in_use: dict[str, _InUse] = {}

    def get(self, entry: ModelEntry) -> Network:
        """Raises ModelError."""
        in_use = self._in_use.get(entry.name)
        if in_use is None or in_use.entry != entry:  # a person's own model may have been replaced
            self._in_use.pop(entry.name, None)  # freed before its successor needs memory
            in_use = _InUse(entry, load(entry.name, self.threads, self._device), 0.0)
            self._in_use[entry.name] = in_use
        in_use.used_at = time.monotonic()
        return in_use.network

    def let_go_of_idle(self, idle_seconds: float) -> float | None:
        """Drop the networks that weren't used for so long, and free their memory. Returns the seconds until the next
        would be dropped; None where none is loaded."""
        now = time.monotonic()
        idle = [name for name, in_use in self._in_use.items() if now - in_use.used_at >= idle_seconds]
        for name in idle:
            del self._in_use[name]
            logger.info("%s was idle for %.0f s: its network is let go of", name, idle_seconds)
        if idle:
            gc.collect()
            memory.give_back()
        if not self._in_use:
            return None
        return idle_seconds - (now - min(in_use.used_at for in_use in self._in_use.values()))


def _made(entry: ModelEntry) -> _Made | None:
    """What a network would be loaded from now; None where it isn't there."""
    try:
        status = entry.path.stat()
    except OSError:
        return None
    return entry, entry.path, status.st_size, status.st_mtime_ns


def refuse_too_large(entry: ModelEntry) -> None:
    """Raise ModelError where a network needs more memory than is free: the system would end this process for it."""
    costs = entry.costs
    # A file's size says little: of two exports of one network one takes half the memory. But its weights have to fit.
    needed = costs.get("memory_bytes") or costs.get("told_memory_bytes") or entry.size_bytes
    free = memory.available_bytes()
    if needed >= _LARGE and 0 < free < needed:
        amounts = {name: f"{value / 1e9:.1f}" for name, value in (("needed", needed), ("free", free))}
        raise ModelError("model_too_large", model=entry.title, **amounts)
