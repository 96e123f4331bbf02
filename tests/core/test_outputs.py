"""The person's files: names, never writing over anything, and tidying that takes only what it may."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cvmatte_core.layers import outputs
from cvmatte_core.layers.store import LayerRecord, LayerStore
from cvmatte_core.localization.errors import OutputError

LONG_AGO = 1_600_000_000


@pytest.fixture
def store(tmp_path: Path) -> LayerStore:
    return LayerStore(tmp_path / "layers")


class Desk:
    """Saves layers as the worker does; each one minute newer than the one before."""

    def __init__(self, store: LayerStore, folder: Path) -> None:
        self.store = store
        self.folder = folder
        self.folder.mkdir()
        self._photos = folder.parent / "photos"
        self._photos.mkdir()
        self._minutes = 0

    def photo(self, name: str) -> Path:
        path = self._photos / name
        path.touch()
        return path

    def save(
        self, key: str, photo: str = "photo.jpg", *, image: str = "", saved: Path | None = None, mask: bool = False
    ) -> Path:
        """image: the photo's whole path, instead of the name of one that is there."""
        image = image or str(self.photo(photo))
        path = saved or self.folder / f"{key}.png"
        path.write_bytes(b"x" * 100)
        beside = outputs.mask_beside(path)
        if mask:
            beside.write_bytes(b"m" * 10)
        self.store.write_frame(key, 1, 1, b"rgba", (5, 7))
        self.store.preview_path(key).write_bytes(b"preview")
        self.store.save(LayerRecord(key, image, 5, 7, str(path), (1, 1), 1.0, str(beside) if mask else ""))
        self._minutes += 1
        for written in (path, beside, self.store.folder / f"{key}.json"):
            if written.exists():
                os.utime(written, (LONG_AGO + 60 * self._minutes,) * 2)
        return path


@pytest.fixture
def desk(store: LayerStore, tmp_path: Path) -> Desk:
    return Desk(store, tmp_path / "outputs")


def remaining(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_newest_layers_of_each_portrait_stay(desk: Desk, store: LayerStore) -> None:
    for key in ("a1", "a2", "a3"):
        desk.save(key, "a.jpg", mask=True)
    desk.save("b1", "b.jpg")
    tidied = outputs.tidy(2, set(), store)
    assert remaining(desk.folder) == {"a2.png", "a2-mask.png", "a3.png", "a3-mask.png", "b1.png"}
    assert not any(name.startswith("a1") for name in remaining(store.folder))
    assert store.find("a2")
    assert tidied == outputs.Tidied(1, 100 + 10 + 36 + len(b"preview"))
    assert outputs.tidy(2, set(), store) == outputs.Tidied(0, 0)


def test_a_layer_made_again_counts_as_new(desk: Desk, store: LayerStore) -> None:
    for key in ("a1", "a2", "a1"):
        desk.save(key)
    outputs.tidy(1, set(), store)
    assert remaining(desk.folder) == {"a1.png"}


def test_layers_in_use_stay_by_key_and_by_path(desk: Desk, store: LayerStore, tmp_path: Path) -> None:
    by_path = desk.save("a1")
    desk.save("a2")
    mask = outputs.mask_beside(desk.save("a3", mask=True))
    for key in ("a4", "a5"):
        desk.save(key)
    spelled_otherwise = str(tmp_path / "layers" / ".." / "outputs" / by_path.name)
    assert outputs.tidy(1, {"a2", spelled_otherwise, str(mask)}, store).count == 1
    assert remaining(desk.folder) == {"a1.png", "a2.png", "a3.png", "a3-mask.png", "a5.png"}


def test_keeping_none_keeps_what_is_in_use(desk: Desk, store: LayerStore) -> None:
    desk.save("a1")
    desk.save("a2")
    assert outputs.tidy(0, {"a1"}, store).count == 1
    assert remaining(desk.folder) == {"a1.png"}


def test_what_no_record_names_is_never_touched(desk: Desk, store: LayerStore) -> None:
    (desk.folder / "the person's own.png").write_bytes(b"own")
    (desk.folder / "a1-mask.png").write_bytes(b"no record names this mask")
    desk.save("a1")
    (store.folder / "broken.json").write_text("{")
    (store.folder / "old.json").write_text('{"key": "old", "png": "/x.png", "size": [1, 1]}')
    (store.folder / "odd.json").write_text(
        '{"key": "odd", "image": "/i", "image_bytes": 1, "image_modified_ns": 1, "saved": 5, "size": [1, 1],'
        ' "seconds": 1}'
    )
    outputs.tidy(0, set(), store)
    assert remaining(desk.folder) == {"the person's own.png", "a1-mask.png"}
    assert {"broken.json", "old.json", "odd.json"} <= remaining(store.folder)


def test_a_file_that_the_person_has_changed_is_their_own(desk: Desk, store: LayerStore) -> None:
    path = desk.save("a1")
    desk.save("a2")
    path.write_bytes(b"painted on")
    assert outputs.tidy(1, set(), store).count == 0
    assert path.read_bytes() == b"painted on"


def test_a_layer_that_is_a_portrait_s_photo_stays(desk: Desk, store: LayerStore) -> None:
    layer = desk.save("a1")
    desk.save("a2")
    desk.save("b1", image=str(layer))
    assert outputs.tidy(1, set(), store).count == 0
    assert layer.exists()


def test_a_layer_that_is_a_photo_of_a_layer_that_is_gone_stays(desk: Desk, store: LayerStore) -> None:
    layer = desk.save("a1")
    desk.save("a2")
    desk.save("b1", image=str(layer)).unlink()
    assert outputs.tidy(1, set(), store).count == 0
    assert layer.exists()


def test_layers_whose_photo_is_not_there_any_more_stay(desk: Desk, store: LayerStore) -> None:
    for key in ("a1", "a2"):
        desk.save(key, "gone.jpg")
        desk.save(key.replace("a", "b"), "there.jpg")
    desk.photo("gone.jpg").unlink()
    assert outputs.tidy(1, set(), store).count == 1
    assert remaining(desk.folder) == {"a1.png", "a2.png", "b2.png"}


@pytest.mark.parametrize("image", ["a\0zero", "half \ud800 a character", "x" * 5000])
def test_a_record_of_a_photo_that_can_not_be_stops_nobody(desk: Desk, store: LayerStore, image: str) -> None:
    desk.save("odd", image=image)
    for key in ("a1", "a2"):
        desk.save(key)
    assert outputs.tidy(1, {"also a\0zero", ""}, store).count == 1
    assert remaining(desk.folder) == {"odd.png", "a2.png"}


def test_a_file_that_two_records_name_stays_while_one_of_them_does(desk: Desk, store: LayerStore) -> None:
    shared = desk.save("a1", "a.jpg")
    desk.save("a2", "a.jpg")
    desk.save("b1", "a copy.jpg", saved=shared)
    assert outputs.tidy(1, set(), store).count == 0
    assert shared.exists()


def test_layers_that_are_gone_do_not_push_out_the_ones_that_are_there(desk: Desk, store: LayerStore) -> None:
    desk.save("a1")
    for key in ("a2", "a3"):
        desk.save(key).unlink()
    outputs.tidy(1, set(), store)
    assert remaining(desk.folder) == {"a1.png"}


def test_what_can_not_be_removed_stays_with_its_record(
    desk: Desk, store: LayerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = desk.save("a1")
    desk.save("a2")
    unlink = Path.unlink

    def refuse(self: Path, missing_ok: bool = False) -> None:
        if self == path:
            raise PermissionError(13, "in use by another program")
        unlink(self, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    assert outputs.tidy(1, set(), store) == outputs.Tidied(0, 0)
    assert store.find("a1")


def test_tidying_where_nothing_was_ever_made_does_nothing(store: LayerStore) -> None:
    assert outputs.tidy(1, set(), store) == outputs.Tidied(0, 0)


def test_a_layer_takes_the_first_name_that_holds_nothing_else(tmp_path: Path) -> None:
    wanted = tmp_path / "new" / "layer.png"
    assert outputs.place(wanted, b"one", None) == (wanted, None)
    assert outputs.place(wanted, b"one", None) == (wanted, None)
    second = tmp_path / "new" / "layer-2.png"
    assert outputs.place(wanted, b"two", b"mask") == (second, tmp_path / "new" / "layer-2-mask.png")
    assert (wanted.read_bytes(), second.read_bytes()) == (b"one", b"two")


def test_a_mask_that_is_in_the_way_moves_both(tmp_path: Path) -> None:
    (tmp_path / "layer-mask.png").write_bytes(b"something else")
    (tmp_path / "layer.png").write_bytes(b"one")
    assert outputs.place(tmp_path / "layer.png", b"one", b"mask")[0] == tmp_path / "layer-2.png"
    assert (tmp_path / "layer-mask.png").read_bytes() == b"something else"


def test_a_folder_that_can_not_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        outputs.place(tmp_path / "file" / "layer.png", b"one", None)


@pytest.mark.parametrize("name", ["x" * 250, "照" * 83, "😀" * 60, "short"])
def test_a_shortened_name_has_room_for_what_is_appended(tmp_path: Path, name: str) -> None:
    short = outputs.shortened(name)
    assert name.startswith(short)
    (tmp_path / f"{short}-0123456789-2-mask.png").touch()
