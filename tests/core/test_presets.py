"""Presets: the ones that come with CVMatte, and the person's own in their file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cvmatte_core.localization.errors import OutputError, SettingsError
from cvmatte_core.localization.texts import Texts
from cvmatte_core.presets import BUILT_IN, NAME_LIMIT, PRESET_CONTROLS, PresetStore
from cvmatte_core.settings import MatteSettings

SOFT = MatteSettings(feather=7, background="colour", background_colour="#102030")


@pytest.fixture
def presets(tmp_path: Path) -> PresetStore:
    return PresetStore(tmp_path / "data" / "presets.json")


def test_the_built_in_presets_are_complete_and_valid(presets: PresetStore) -> None:
    assert presets.names() == [
        "virtual_meeting",
        "livestream_overlay",
        "id_photo",
        "sticker_outline",
        "thumbnail_glow",
    ]
    for name in presets.names():
        values = presets.values(name)
        assert set(values) == {control.name for control in PRESET_CONTROLS}
        assert MatteSettings(**values)
        assert values | BUILT_IN[name] == values
    meeting = MatteSettings(**presets.values("virtual_meeting"))
    assert (meeting.subject, meeting.background, meeting.feather) == ("main", "blur", 2)
    photo = MatteSettings(**presets.values("id_photo"))
    assert (photo.format, photo.quality, photo.id_photo, photo.background_colour) == (
        "jpeg",
        "best",
        "35x45",
        "#ffffff",
    )


def test_a_preset_leaves_alone_what_belongs_to_this_computer(presets: PresetStore) -> None:
    presets.save("Mine", MatteSettings(longest_side=800, output_folder="/somewhere", save_mask=True))
    for name in presets.names():
        assert not {"model", "longest_side", "output_folder", "save_mask"} & set(presets.values(name))


def test_built_in_presets_read_in_the_person_s_language_and_own_ones_as_they_are(presets: PresetStore) -> None:
    assert presets.title("id_photo", Texts("en")) == "ID photo"
    assert presets.title("id_photo", Texts("zh-CN")) == "证件照"
    assert presets.title("Mine", Texts("zh-CN")) == "Mine"


def test_an_own_preset_is_kept_and_saved_over(presets: PresetStore, tmp_path: Path) -> None:
    assert presets.save("  My\tshow 节目 ", SOFT) == "My show 节目"
    presets.save("Another", MatteSettings())
    presets.save("My show 节目", MatteSettings(feather=9))
    reopened = PresetStore(tmp_path / "data" / "presets.json")
    assert reopened.names()[-2:] == ["My show 节目", "Another"]
    assert reopened.values("My show 节目")["feather"] == 9
    assert list((tmp_path / "data").iterdir()) == [tmp_path / "data" / "presets.json"]


def test_renaming_keeps_the_values_and_the_place(presets: PresetStore) -> None:
    presets.save("One", SOFT)
    presets.save("Two", MatteSettings())
    assert presets.rename("One", " First ") == "First"
    assert presets.names()[-2:] == ["First", "Two"]
    assert presets.values("First")["feather"] == 7
    assert presets.rename("First", "First") == "First"


def test_renaming_onto_another_preset_is_refused(presets: PresetStore) -> None:
    presets.save("One", SOFT)
    presets.save("Two", MatteSettings())
    for taken in ("Two", "id_photo", "ID photo", "证件照"):
        with pytest.raises(SettingsError, match="already"):
            presets.rename("One", taken)
    assert presets.names()[-2:] == ["One", "Two"]


def test_deleting_forgets_one(presets: PresetStore) -> None:
    presets.save("One", SOFT)
    presets.save("Two", SOFT)
    presets.delete("One")
    assert presets.names() == [*BUILT_IN, "Two"]


@pytest.mark.parametrize("name", ["", "  \n ", "x" * (NAME_LIMIT + 1)])
def test_a_name_that_will_not_do_is_a_sentence(presets: PresetStore, name: str) -> None:
    with pytest.raises(SettingsError, match="60"):
        presets.save(name, SOFT)
    presets.save("x" * NAME_LIMIT, SOFT)


@pytest.mark.parametrize("name", ["Virtual_Meeting", "livestream overlay", "直播叠加"])
def test_a_built_in_preset_can_not_be_saved_over(presets: PresetStore, name: str) -> None:
    with pytest.raises(SettingsError) as refused:
        presets.save(name, SOFT)
    assert refused.value.key == "preset_name_taken"


def test_a_preset_that_is_not_there_is_a_sentence(presets: PresetStore) -> None:
    for attempt in (
        lambda: presets.values("absent"),
        lambda: presets.rename("absent", "new"),
        lambda: presets.delete("absent"),
        lambda: presets.rename("id_photo", "new"),
        lambda: presets.delete("id_photo"),
    ):
        with pytest.raises(SettingsError) as refused:
            attempt()
        assert refused.value.key == "preset_missing"


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"\xff\xfe", b"[]", b"null", b'{"presets": 5}', b'{"presets": []}', b'{"other": {}}', b"[" * 100_000],
)
def test_a_damaged_file_is_kept_aside_and_counts_as_empty(presets: PresetStore, tmp_path: Path, damage: bytes) -> None:
    file = tmp_path / "data" / "presets.json"
    file.parent.mkdir()
    file.write_bytes(damage)
    assert presets.names() == list(BUILT_IN)
    assert (tmp_path / "data" / "presets.damaged.json").read_bytes() == damage
    presets.save("One", SOFT)
    assert presets.names()[-1] == "One"


def test_a_second_damaged_file_does_not_take_the_first_one_s_place(presets: PresetStore, tmp_path: Path) -> None:
    file = tmp_path / "data" / "presets.json"
    file.parent.mkdir()
    for damage in ("first", "second"):
        file.write_text(damage)
        presets.names()
    assert {path.read_text() for path in file.parent.iterdir()} == {"first", "second"}


def test_values_that_this_version_does_not_take_become_the_defaults(presets: PresetStore, tmp_path: Path) -> None:
    file = tmp_path / "data" / "presets.json"
    file.parent.mkdir()
    odd = {"feather": 5000, "erosion": 3, "subject": "the dog", "from_the_future": 1, "model": "another"}
    file.write_text(json.dumps({"presets": {"Odd": odd, "No preset": 5, "id_photo": {"feather": 1}}}))
    assert presets.names() == [*BUILT_IN, "Odd"]
    assert MatteSettings(**presets.values("Odd")) == MatteSettings(erosion=3)
    assert presets.values("id_photo")["feather"] == 0


def test_a_file_that_can_not_be_read_is_never_written_over(presets: PresetStore, tmp_path: Path) -> None:
    file = tmp_path / "data" / "presets.json"
    file.mkdir(parents=True)  # reading a folder fails, as reading another's file would
    assert presets.names() == list(BUILT_IN)
    with pytest.raises(OutputError):
        presets.save("One", SOFT)
    assert file.is_dir()


def test_a_folder_that_can_not_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("in the way of the folder")
    with pytest.raises(OutputError):
        PresetStore(tmp_path / "data" / "presets.json").save("One", SOFT)
