"""What the version before has made is found again, and gone on with."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path

import pytest
from cvmatte_obs.worker_tasks import Unfinished

from cvmatte_core.batch.folders import DONE, UNCHANGED, FolderBatch
from cvmatte_core.batch.pipeline import Line, Made
from cvmatte_core.filesystem import paths
from cvmatte_core.layers import last_shown, outputs
from cvmatte_core.layers.last_shown import LastLayer
from cvmatte_core.layers.store import Frame, LayerStore
from cvmatte_core.layers.touch_ups import TouchUps
from cvmatte_core.models import catalogue
from cvmatte_core.presets import PRESET_CONTROLS, PresetStore
from cvmatte_core.settings import MatteSettings
from cvmatte_core.video import checkpoints, clips
from tests import version_before
from tests.version_before import CLIP_FRAMES, FAST, OF_PRESET, PORTRAITS, PRESET


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CVMATTE_DATA", str(tmp_path / "data"))
    version_before.put(tmp_path)
    return tmp_path


@pytest.mark.parametrize("portrait", [found for found in PORTRAITS if found.image], ids=lambda portrait: portrait.name)
def test_a_layer_is_found_by_its_photo_and_settings(folder: Path, portrait: version_before.Portrait) -> None:
    store, photo = LayerStore(), folder / "photos" / portrait.image
    record = store.find(LayerStore.key(str(photo), portrait.matte_settings(folder).resolved()))
    assert record is not None
    status = photo.stat()
    assert record.made_from == (status.st_size, status.st_mtime_ns)
    frame = Frame(store.frame_path(record.key), record.made_from)
    assert (frame.width, frame.height) == record.size
    frame.close()
    assert Path(record.saved).is_file()
    assert store.preview_path(record.key).is_file() == (portrait is PORTRAITS[0])
    assert record.touch_up == TouchUps().stamp(record.digest)


def test_a_touch_up_is_found_by_its_photo(folder: Path) -> None:
    touch_ups, photo = TouchUps(), folder / "photos" / "painted.png"
    assert touch_ups.stamp_at(photo) != ""
    assert touch_ups.stamp_at(folder / "photos" / "me.png") == ""


def test_what_a_portrait_showed_last_is_known_and_spared(folder: Path) -> None:
    store = LayerStore()
    (kept,) = last_shown.keys(store.folder)
    portrait = next(found for found in PORTRAITS if found.name == "of a later version")
    photo = str(folder / "photos" / portrait.image)
    assert kept == LayerStore.key(photo, portrait.matte_settings(folder).resolved())
    last = LastLayer(store.folder, lambda: "Untitled", lambda id: None)
    last.begin(version_before.portrait_id(folder), ())
    record = store.find(last.key)
    assert record is not None and record.key == kept
    outputs.tidy(1, set(), store)
    store.trim(0)
    assert store.frame_path(kept).is_file()


def test_a_preset_is_as_it_was(folder: Path) -> None:
    presets = PresetStore()
    assert presets.names()[-1] == PRESET
    defaults = {control.name: control.default for control in PRESET_CONTROLS}
    assert presets.values(PRESET) == {**defaults, **OF_PRESET}


def test_a_model_of_one_s_own_and_a_noted_hash_are_known(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "models_folder", lambda: folder / "models")
    mine = catalogue.entry_of("mine")
    assert (mine.title, mine.licence, mine.file, mine.size_bytes) == ("Mine", "MIT", "mine.onnx", 5)
    assert mine.options == {"size": 320, "sigmoid": True}
    assert catalogue.entry_of("birefnet-portrait").sha256 == "f" * 64


class PretendCutter:
    """Cuts nothing out; knows what it was asked to."""

    in_this_process = True

    def __init__(self) -> None:
        self.asked: list[str] = []

    def prepare(self, settings: MatteSettings, room: Path | None = None) -> None: ...

    def cut_out(self, photos: Iterable[Path], cancelled: threading.Event, *, alone: bool = False) -> Line:
        for photo in photos:
            self.asked.append(photo.name)
            yield Made(photo, layer=b"a layer", size=(2, 2))


def test_a_folder_is_gone_on_with_where_it_was_ended(folder: Path) -> None:
    params, cutter = Unfinished.folder().load(), PretendCutter()
    settings = MatteSettings.from_mapping(params["settings"])
    with FolderBatch(Path(params["folder"]), settings, Path(params["output_folder"])) as batch:
        assert (batch.output_folder / "batch_results.zip").is_file()
        list(batch.run(batch.scan(), cutter, threading.Event()))
        archive = batch.write_archive(threading.Event())
    assert cutter.asked == ["2.jpg"]
    assert batch.counts[DONE] == 1 and batch.counts[UNCHANGED] == 2
    assert archive == batch.output_folder / "batch_results.zip"  # known to be its own


def test_a_clip_is_gone_on_with_where_it_was_ended(folder: Path) -> None:
    params, done = Unfinished.clip().load(), list[int]()
    clip, settings = Path(params["clip"]), MatteSettings.from_mapping(params["settings"])
    assert settings == FAST
    with checkpoints.kept_for(clip, settings) as kept:
        made = clips.cut_out(clip, folder / "made.webm", settings, 2, on_frame=done.append, kept=kept)
    assert done[0] > 2
    assert (made.frames, made.whole) == (CLIP_FRAMES, True)
