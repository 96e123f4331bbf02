"""The zones of a live portrait: the page on which they are painted, and its settings, in which they are kept."""

from __future__ import annotations

import secrets
from pathlib import Path

from cvmatte_core.filesystem import files, runtime_folders
from cvmatte_core.settings import MatteSettings

from . import controls, libobs
from .layers import WeakSource
from .services import Services
from .touch_up_client import Hear

_STILL = f"{files.TEMPORARY_PREFIX}zones-"  # what is left of one that nobody removed is so named


class PaintedZones:
    """One portrait's."""

    def __init__(self, source: WeakSource, services: Services) -> None:
        self._source, self._services = source, services
        self._known_as = secrets.token_hex(16)  # to the worker, of all portraits of all scene collections
        self._known = ""  # the zones, as far as the page knows
        self._still: Path | None = None

    def new_still(self) -> str:
        """A file for the picture that is painted on: nobody else sees it, and it goes when it is of no use any more."""
        folder = runtime_folders.folders()[0]
        return str(folder / f"{_STILL}{secrets.token_hex(8)}.png")

    def open(self, still: str, zones: str, settings: MatteSettings, hear: Hear) -> None:
        """Have the page opened on a still. zones: as they are now. hear: see TouchingUp.open."""
        self._forget_still()
        self._still, self._known = Path(still), zones
        with self._source.alive() as source:
            name = libobs.source_name(source) if source else ""
        self._services.touching_up.open(still, settings, hear, self._known_as, name, lambda: self._known)

    def painted(self, portrait: str, zones: str) -> None:
        """A page has changed some portrait's."""
        if portrait == self._known_as:
            self._known = zones
            self._source.change({controls.ZONES: zones})

    def follow(self, zones: str) -> None:
        """The settings say these: where it wasn't the page that put them there, it is told."""
        if self._still is not None and zones != self._known:
            self._known = zones
            self._services.touching_up.zones_are(self._known_as, zones)

    def remove(self) -> None:
        self._source.change({controls.ZONES: ""})

    def close(self) -> None:
        """The portrait is gone."""
        if self._still is not None:
            self._services.touching_up.zones_are(self._known_as, None)
            self._forget_still()

    def _forget_still(self) -> None:
        if self._still is not None:
            files.remove(self._still)
            self._still = None
