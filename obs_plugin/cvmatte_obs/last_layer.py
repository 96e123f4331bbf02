"""What a portrait goes on to show after a restart of OBS, though its settings ask for something that can't be had.

Nothing about a layer is saved in the scene. The store keeps which one it is, under the scene collection's name and an
id that the portrait's settings have from then on: a copy gets an id of its own, so that each goes its own way.
"""

from __future__ import annotations

import secrets
from typing import Callable, Collection

from cvmatte_core.layers.store import LayerRecord, LayerStore


class LastLayer:
    """One portrait's."""

    def __init__(self, store: LayerStore, collection: Callable[[], str], save_id: Callable[[str], None]) -> None:
        """collection: the name of the present scene collection. save_id: puts an id into the portrait's settings."""
        self._store, self._collection, self._save_id = store, collection, save_id
        self.id = ""
        self._key = ""  # of the layer that is kept,
        self._kept_in = ""  # and the scene collection

    def begin(self, saved_id: str, others: Collection[str]) -> None:
        """saved_id: what its settings have; empty without one. others: the ids of the portraits that there are."""
        self.id, self._kept_in = saved_id, self._collection()
        self._key = self._store.last_shown.key(self._kept_in, saved_id)
        if saved_id and saved_id in others:
            self.id, key, self._key = _new_id(), self._key, ""
            self._save_id(self.id)
            self.keep(key, self.id)

    def record(self) -> LayerRecord | None:
        """Of the layer that it showed last."""
        return self._store.find(self._key) if self._key else None

    def keep(self, key: str, saved_id: str) -> None:
        """key: of the layer to show after a restart; empty where what the settings ask for will do."""
        if key:
            is_kept = (key, self._collection()) == (self._key, self._kept_in)
            self.id = self.id or _new_id()
            if self.id != saved_id:
                self._save_id(self.id)
            if not is_kept:
                self._kept_in = self._collection()
                self._store.last_shown.keep(self._kept_in, self.id, key)
        elif self._key:
            self._store.last_shown.forget(self._kept_in, self.id)
        self._key = key


def _new_id() -> str:
    return secrets.token_hex(8)
