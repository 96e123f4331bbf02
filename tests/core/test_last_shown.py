"""Which layer a portrait showed last, where it can't show what it is asked for; and that it isn't tidied away."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from cvmatte_core.layers import last_shown, outputs
from cvmatte_core.layers.last_shown import LastLayer
from cvmatte_core.layers.store import LayerRecord, LayerStore

KEYS = ("a" * 32, "b" * 32, "c" * 32)


@pytest.fixture
def store(tmp_path: Path) -> LayerStore:
    """Three layers of one photo, the first the newest."""
    store, photo = LayerStore(tmp_path / "layers"), tmp_path / "me.png"
    photo.touch()
    for age, key in enumerate(KEYS):
        saved = tmp_path / f"{key}.png"
        saved.write_bytes(b"a layer")
        store.write_frame(key, 2, 2, np.zeros((2, 2, 4), np.uint8).data, (1, 1))
        store.save(LayerRecord(key, str(photo), 1, 1, str(saved), (2, 2), 0.1))
        times = (1_000_000 - 100 * age,) * 2
        for path in (saved, store.folder / f"{key}.json", store.frame_path(key)):
            os.utime(path, times)
    return store


class Portrait:
    """One in a scene collection; `id`: what its settings have."""

    def __init__(self, store: LayerStore, collection: list[str], saved_id: str = "", others: tuple[str, ...] = ()):
        self.id, self.store = saved_id, store
        self.last = LastLayer(store.folder, lambda: collection[0], self._save)
        self.last.begin(saved_id, others)

    def _save(self, portrait_id: str) -> None:
        self.id = portrait_id

    def keep(self, key: str) -> None:
        self.last.keep(key, self.id)

    @property
    def key(self) -> str:
        record = self.store.find(self.last.key)
        return record.key if record is not None else ""


def test_each_portrait_of_each_collection_has_its_own(store: LayerStore) -> None:
    here, there = ["Here"], ["There"]
    one, two = Portrait(store, here), Portrait(store, here)
    one.keep(KEYS[0])
    two.keep(KEYS[1])
    assert one.id != two.id and "" not in (one.id, two.id)
    elsewhere = Portrait(store, there, one.id)  # in a copy of the scene collection
    assert elsewhere.key == ""
    elsewhere.keep(KEYS[2])
    assert [Portrait(store, here, portrait.id).key for portrait in (one, two)] == [KEYS[0], KEYS[1]]
    assert Portrait(store, there, one.id).key == KEYS[2]
    assert Portrait(store, here).key == ""  # a new one


def test_a_copy_shows_the_same_and_goes_its_own_way(store: LayerStore) -> None:
    here = ["Here"]
    one = Portrait(store, here)
    one.keep(KEYS[0])
    copy = Portrait(store, here, one.id, others=(one.last.id,))
    assert copy.id != one.id and copy.key == KEYS[0]
    copy.keep(KEYS[1])
    one.keep("")
    assert [Portrait(store, here, portrait.id).key for portrait in (one, copy)] == ["", KEYS[1]]


def test_a_collection_that_is_renamed_keeps_them(store: LayerStore) -> None:
    collection = ["Before"]
    one = Portrait(store, collection)
    one.keep(KEYS[0])
    collection[0] = "After"
    one.keep(KEYS[0])
    assert Portrait(store, ["After"], one.id).key == KEYS[0]


def test_an_id_that_the_settings_lose_is_put_there_again(store: LayerStore) -> None:
    one = Portrait(store, ["Here"])
    one.keep(KEYS[0])
    kept, one.id = one.id, ""
    one.keep(KEYS[0])
    assert one.id == kept


def test_nothing_is_written_where_nothing_has_to_be_kept(store: LayerStore) -> None:
    one = Portrait(store, ["Here"])
    one.keep("")
    assert one.id == "" and not list(store.folder.glob("*.last"))
    one.keep(KEYS[0])
    one.keep("")
    assert not list(store.folder.glob("*.last"))


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"../../etc/passwd", b"x" * 5000])
def test_a_damaged_file_counts_as_none(store: LayerStore, content: bytes) -> None:
    one = Portrait(store, ["Here"])
    one.keep(KEYS[0])
    (path,) = store.folder.glob("*.last")
    path.write_bytes(content)
    assert Portrait(store, ["Here"], one.id).key == ""
    assert last_shown.keys(store.folder) == set()


def test_tidying_and_trimming_leave_it_alone(store: LayerStore) -> None:
    Portrait(store, ["Another collection"]).keep(KEYS[2])
    outputs.tidy(1, set(), store)
    assert [store.find(key) is not None for key in KEYS] == [True, False, True]
    store.trim(0)
    assert [store.frame_path(key).exists() for key in KEYS] == [False, False, True]
