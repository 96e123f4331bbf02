"""A source of OBS's that may go at any time."""

from __future__ import annotations

import contextlib
import threading
from typing import Iterator, Mapping

from . import layers, libobs


class WeakSource:
    """Doesn't keep its source alive, but for the block that needs it. Any thread may use it."""

    def __init__(self, source: int | None = None) -> None:
        self._weak = libobs.obs_source_get_weak_source(source) if source else None
        self._lock = threading.Lock()  # so that no thread drops the weak reference while another takes it up

    @contextlib.contextmanager
    def alive(self) -> Iterator[int | None]:
        """The source, kept alive for the block; None where it is gone."""
        with self._lock:
            source = libobs.obs_weak_source_get_source(self._weak)
        try:
            yield source
        finally:
            libobs.obs_source_release(source)

    def change(self, settings: Mapping[bytes, str | int]) -> None:
        """Change some of its settings."""
        with self.alive() as source:
            if source:
                layers.change(source, settings)

    def close(self) -> None:
        with self._lock:
            weak, self._weak = self._weak, None
        libobs.obs_weak_source_release(weak)
