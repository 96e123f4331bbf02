"""A loaded network, whatever its backend, and how one is loaded."""

from __future__ import annotations

from typing import Callable, Protocol, Sequence

import numpy as np

from ..words.errors import ModelError
from .catalogue import entry_of, verify

BACKENDS = ("recurrent", "onnx", "torchscript", "modelscope", "portrait-graph")


class Network(Protocol):
    """A loaded network."""

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


def load(name: str, threads: int, device: str = "auto") -> Network:
    """Load a model of the catalogue for `threads` CPU threads, on one of devices.DEVICES or what takes its place.

    Raises ModelError where it is missing, damaged, or what it runs on isn't installed.
    """
    entry = entry_of(name)
    verify(entry)
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
