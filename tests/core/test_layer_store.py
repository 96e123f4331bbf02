"""Frame files and records."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from cvmatte_core.filesystem import files
from cvmatte_core.layers.store import Frame, FrameUnusable, LayerRecord, LayerStore
from cvmatte_core.localization.errors import OutputError
from cvmatte_core.settings import MatteSettings

ROWS = bytes(range(48))
MADE_FROM = (5, 7)  # bytes, and modification in ns


@pytest.fixture
def store(tmp_path: Path) -> LayerStore:
    return LayerStore(tmp_path / "layers")


def record(key: str, **changes: object) -> LayerRecord:
    values = {
        "image": "/a.png",
        "image_bytes": 5,
        "image_modified_ns": 7,
        "saved": "/o.png",
        "size": (4, 3),
        "seconds": 1.5,
    }
    return LayerRecord(key=key, **{**values, **changes})  # type: ignore[arg-type]


def test_a_frame_comes_back_pixel_for_pixel(store: LayerStore) -> None:
    frame = Frame(store.write_frame("k", 4, 3, ROWS, MADE_FROM))
    assert (frame.width, frame.height) == (4, 3)
    assert frame.pixels[frame.offset :] == ROWS
    frame.close()


@pytest.mark.parametrize("damage", [b"", b"CVMF", b"x" * 200, None])
def test_a_damaged_frame_is_unusable_rather_than_wrong(store: LayerStore, damage: bytes | None) -> None:
    path = store.write_frame("k", 4, 3, ROWS, MADE_FROM)
    path.write_bytes(path.read_bytes()[:-1] if damage is None else damage)
    with pytest.raises(FrameUnusable):
        Frame(path)


def test_a_frame_with_a_lying_header_is_unusable(store: LayerStore) -> None:
    for width, height in ((0, 3), (4, 0), (65535, 65535), (4, 4)):
        with pytest.raises(FrameUnusable):
            Frame(store.write_frame("k", width, height, ROWS, MADE_FROM))


def test_a_frame_is_of_one_version_of_its_photo(store: LayerStore) -> None:
    path = store.write_frame("k", 4, 3, ROWS, MADE_FROM)
    Frame(path, MADE_FROM).close()
    with pytest.raises(FrameUnusable):
        Frame(path, (5, 8))


def test_a_frame_that_an_older_version_wrote_is_shown(store: LayerStore) -> None:
    path = store.write_frame("k", 4, 3, ROWS, MADE_FROM)
    header = path.read_bytes()[:24] + bytes(8)  # which photo it is of was not said
    path.write_bytes(header + ROWS)
    Frame(path, MADE_FROM).close()


def test_showing_a_frame_never_changes_its_file(store: LayerStore) -> None:
    path = store.write_frame("k", 4, 3, ROWS, MADE_FROM)
    frame = Frame(path)
    frame.pixels[frame.offset] = 255
    frame.close()
    assert path.read_bytes().endswith(ROWS)


def test_records_survive_and_damaged_ones_count_as_absent(store: LayerStore) -> None:
    store.save(record("k"))
    assert store.find("k") == record("k")
    for damage in ("", "[]", "{}", '{"size": [1]}', "\x00"):
        (store.folder / "k.json").write_text(damage)
        assert store.find("k") is None
    assert store.find("absent") is None


def test_a_record_of_another_version_counts_as_absent(store: LayerStore) -> None:
    store.save(record("k", mask="/m.png"))
    assert store.find("k") == record("k", mask="/m.png")
    path = store.folder / "k.json"
    values = json.loads(path.read_text())
    older = {**values, "png": values["saved"]}
    del older["saved"], older["mask"]
    for changed in (older, {**values, "colour": "red"}):
        path.write_text(json.dumps(changed))
        assert store.find("k") is None


def test_a_record_knows_the_photo_it_was_made_from() -> None:
    assert record("k", image_bytes=5, image_modified_ns=7).made_from == (5, 7)


def test_each_photo_and_each_setting_has_a_key_of_its_own() -> None:
    settings = MatteSettings()
    keys = {
        LayerStore.key("/a.png", settings),
        LayerStore.key("/b.png", settings),
        LayerStore.key("/a.png", MatteSettings(feather=1)),
        LayerStore.key("/\udcff.png", settings),
    }
    assert len(keys) == 4
    assert LayerStore.key("/a.png", MatteSettings()) in keys


def test_trimming_drops_what_was_used_longest_ago(store: LayerStore) -> None:
    for age, key in enumerate(("new", "middle", "old")):
        path = store.write_frame(key, 4, 3, ROWS, MADE_FROM)
        os.utime(path, (1e9 - age, 1e9 - age))
    size = store.frame_path("new").stat().st_size
    store.mark_used("old")
    store.trim(2 * size)
    assert {path.name for path in store.folder.glob("*.frame")} == {"old.frame", "new.frame"}


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="check that the folder exists"):
        LayerStore(tmp_path / "file").write_frame("k", 4, 3, ROWS, MADE_FROM)


def test_an_interrupted_write_leaves_the_former_file(store: LayerStore) -> None:
    path = store.write_frame("k", 4, 3, ROWS, MADE_FROM)
    with pytest.raises(TypeError):
        store.write_frame("k", 4, 3, "not bytes", MADE_FROM)
    assert path.read_bytes().endswith(ROWS)
    assert [found.name for found in store.folder.iterdir()] == ["k.frame"]


def test_what_killed_writers_have_left_goes_and_nothing_else(store: LayerStore) -> None:
    store.folder.mkdir()
    for name, age in (
        (".cvmatte-old", 7200),
        (".cvmatte-writing", 0),
        (".cvmatte-camera.lock", 7200),
        ("mine.png", 7200),
    ):
        (store.folder / name).write_text("x")
        os.utime(store.folder / name, (time.time() - age,) * 2)
    for name, age in ((".cvmatte-parts", 7200), (".cvmatte-parts-growing", 0)):
        part = store.folder / name / "000000.webm"
        part.parent.mkdir()
        part.write_text("x")
        os.utime(part, (time.time() - age,) * 2)
        os.utime(part.parent, (time.time() - 7200,) * 2)
    files.remove_stale(store.folder)
    left = {".cvmatte-writing", ".cvmatte-camera.lock", "mine.png", ".cvmatte-parts-growing"}
    assert {path.name for path in store.folder.iterdir()} == left


def test_files_get_the_permissions_that_the_person_s_others_have(store: LayerStore, tmp_path: Path) -> None:
    (tmp_path / "ordinary").write_text("x")
    path = store.write_frame("k", 4, 3, ROWS, MADE_FROM)
    assert path.stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def test_what_older_versions_have_made_is_found_again() -> None:
    """The key of a version that knew no shadow."""
    settings = MatteSettings(model="rvm-mobilenetv3", feather=2)
    assert LayerStore.key("/photos/me.jpg", settings) == "4c4d272019e092892a48253dfaf280c5"
    assert (
        LayerStore.key("/photos/me.jpg", MatteSettings(model="rvm-mobilenetv3", feather=2, shadow=30))
        != "4c4d272019e092892a48253dfaf280c5"
    )


def test_another_room_is_another_request_and_none_is_as_ever() -> None:
    keys = [LayerStore.key("me.png", MatteSettings(), room) for room in (None, Path("a.png"), Path("b.png"))]
    assert len(set(keys)) == 3
    assert keys[0] == LayerStore.key("me.png", MatteSettings())
