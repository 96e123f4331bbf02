"""A loaded network, whatever its backend, and how one is loaded."""

from __future__ import annotations

from typing import Callable, Protocol, Sequence

import numpy as np

from .catalogue import entry_of, verify


class Network(Protocol):
    """A loaded network."""

    @property
    def device(self) -> str:
        """What it runs on now, as its runtime calls it: "CPUExecutionProvider" for one."""
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
    """Load a model of the catalogue for `threads` CPU threads. Raises ModelError where it is missing or damaged."""
    entry = entry_of(name)
    verify(entry)
    from .recurrent import RecurrentVideoMatting  # imports the runtime: only once a model is truly needed

    return RecurrentVideoMatting(entry.path, threads)
