"""What is painted on a picture that is open on pages, and where that is kept."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from ..matting.matter import Strokes


class Store(Protocol):
    """Where sheets are kept, by their digests; as layers.touch_ups.TouchUps."""

    def load(self, digest: str) -> bytes | None: ...

    def save(self, digest: str, png: bytes, photo: Path | None = None) -> None: ...

    def remove(self, digest: str) -> None: ...

    def removed(self, digest: str) -> bytes | None: ...


@dataclass
class Sheet:
    """What is painted on a photo, by any page.

    digest: of the photo's content; or what a live portrait is known by, or a page whose strokes are saved nowhere.
    version: counts its changes. png: the strokes as a file; empty if nothing is painted. lock: for these three, only
    ever held briefly. store: where they are saved; None: nowhere. writing: held while they are saved to a drive.
    """

    digest: str
    strokes: Strokes
    png: bytes
    store: Store | None = None
    version: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    writing: threading.Lock = field(default_factory=threading.Lock)

    @property
    def pixels(self) -> np.ndarray:
        """uint8, shape (H, W); see matting/touch_up.py."""
        return self.strokes.pixels

    def become(self, strokes: Strokes, png: bytes) -> None:
        with self.lock:
            self.strokes, self.png, self.version = strokes, png, self.version + 1
