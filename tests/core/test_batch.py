"""A folder of photos becomes a folder of layers, without a worker around it."""

from __future__ import annotations

import os
import shutil
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cvmatte_core import batch as batches
from cvmatte_core import paths
from cvmatte_core.batch import Batch, Outcome, photos_in
from cvmatte_core.errors import Cancelled, CvmatteError, ImageError, ModelError, OutputError
from cvmatte_core.matting import Matte, Matter
from cvmatte_core.settings import MatteSettings
from tests.conftest import fail

SMALL = MatteSettings(quality="fast", longest_side=64)


class PretendMatter:
    """Makes a layer of one colour in no time; what it does to a photo by name can be told."""

    def __init__(self, **by_stem: Callable[[], None]) -> None:
        self.seen: list[str] = []
        self._by_stem = by_stem

    def prepare(self, model: str) -> None: ...

    def __call__(self, image: Path, settings: MatteSettings, **how: Any) -> Matte:
        self.seen.append(image.name)
        how["on_progress"]("decode", 0, 1)
        self._by_stem.get(image.stem, lambda: None)()
        alpha = np.ones((4, 4), np.float32)
        pixels = np.full((4, 4, 4), 255, np.uint8)
        return Matte(pixels, alpha, pixels[..., :3], pixels[..., :3], "digest", {})


def pretend(**by_stem: Callable[[], None]) -> Any:
    return PretendMatter(**by_stem)


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CVMATTE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def folder(tmp_path: Path, photo: Path) -> Path:
    """Three photos, and things that are none."""
    made = tmp_path / "Our wedding"
    (made / "subfolder.png").mkdir(parents=True)
    for name in ("b.png", "C.PNG", "a.png"):
        shutil.copy(photo, made / name)
    shutil.copy(photo, made / "subfolder.png" / "deeper.png")
    shutil.copy(photo, made / "._a.png")
    (made / "notes.txt").write_text("no photo")
    return made


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_folder_s_photos_are_its_pictures_by_name(folder: Path) -> None:
    assert [path.name for path in photos_in(folder)] == ["a.png", "b.png", "C.PNG"]


def test_a_folder_becomes_layers_and_an_archive(folder: Path, data: Path) -> None:
    batch = Batch(folder, SMALL)
    told: list[tuple[int, int, str]] = []
    outcomes = list(batch.run(Matter(), lambda *progress: told.append(progress)))
    assert [outcome.photo for outcome in outcomes] == ["a.png", "b.png", "C.PNG"]
    assert batch.output_folder.parent == data / "outputs"
    assert batch.output_folder.name.startswith("Our wedding-cvmatte-")
    assert names_in(batch.output_folder) == {"a.png", "b.png", "C.png", "Our wedding-cvmatte.zip"}
    expected = Matter()(folder / "a.png", SMALL).layer
    assert np.array_equal(np.asarray(Image.open(batch.output_folder / "a.png")), expected)
    assert batch.archive is not None
    with zipfile.ZipFile(batch.archive) as archive:
        assert archive.namelist() == ["a.png", "b.png", "C.png"]
        assert archive.testzip() is None
        assert archive.read("b.png") == (batch.output_folder / "b.png").read_bytes()
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
    assert told[0] == (0, 3, "a.png")
    assert (2, 3, "C.PNG") in told
    assert told[-1] == (3, 3, "Our wedding-cvmatte.zip")


def test_two_photos_of_one_stem_get_a_layer_each(tmp_path: Path, photo: Path) -> None:
    for name in ("me.png", "me.PNG", "me.bmp", "me-mask.png"):
        Image.open(photo).resize((32, 32)).save(tmp_path / name)
    batch = Batch(tmp_path, MatteSettings(save_mask=True))
    list(batch.run(pretend()))
    made = [path for outcome in batch.outcomes.values() for path in (outcome.saved, outcome.mask) if path]
    assert len(set(made)) == 8
    assert names_in(batch.output_folder) == {path.name for path in made} | {f"{tmp_path.name}-cvmatte.zip"}


@pytest.mark.parametrize(("format", "suffix"), [("png", ".png"), ("webp", ".webp"), ("jpeg", ".jpg")])
def test_layers_are_saved_in_the_chosen_format(folder: Path, format: str, suffix: str) -> None:
    batch = Batch(folder, MatteSettings(format=format, save_mask=True))
    outcome = next(batch.run(pretend()))
    assert outcome.saved == batch.output_folder / f"a{suffix}"
    assert outcome.mask == batch.output_folder / "a-mask.png"
    assert Image.open(outcome.saved).format == format.upper()
    assert Image.open(outcome.mask).mode == "L"


def test_nothing_in_the_output_folder_is_written_over(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    (folder / "Our wedding-cvmatte.zip").write_bytes(b"an older archive")
    batch = Batch(folder, SMALL, folder)
    list(batch.run(pretend()))
    for name, content in before.items():
        assert (folder / name).read_bytes() == content
    assert {"a-2.png", "b-2.png", "Our wedding-cvmatte-2.zip"} <= names_in(folder)
    assert (folder / "Our wedding-cvmatte.zip").read_bytes() == b"an older archive"


def test_a_broken_photo_is_reported_and_the_others_are_done(folder: Path, photo: Path) -> None:
    (folder / "a.png").write_bytes(photo.read_bytes()[:9000])
    (folder / "empty.jpg").touch()
    batch = Batch(folder, SMALL)
    failed = {outcome.photo: outcome.error for outcome in batch.run(Matter()) if outcome.error}
    assert set(failed) == {"a.png", "empty.jpg"}
    assert all(isinstance(error, ImageError) for error in failed.values())
    assert names_in(batch.output_folder) == {"b.png", "C.png", "Our wedding-cvmatte.zip"}


def test_whatever_one_photo_raises_the_others_are_done(folder: Path) -> None:
    batch = Batch(folder, SMALL)
    outcomes = list(batch.run(pretend(a=fail(MemoryError()), b=fail(ZeroDivisionError()))))
    assert [outcome.error and outcome.error.key for outcome in outcomes] == ["image_memory", "internal", None]


def test_a_layer_too_large_for_its_format_is_one_photo_s_failure(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is of the kind that a full disk raises, yet it isn't the folder's fault."""
    too_large = OutputError("format_too_large", format="WEBP", limit=16383)
    monkeypatch.setattr(batches, "layer_file", lambda matte, settings: fail(too_large)())
    batch = Batch(folder, SMALL)
    assert [outcome.error for outcome in batch.run(pretend())] == [too_large] * 3


def test_where_no_photo_would_do_there_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    batch = Batch(tmp_path, SMALL)
    assert [outcome.saved for outcome in batch.run(Matter())] == [None]
    assert batch.archive is None
    assert names_in(batch.output_folder) == set()


@pytest.mark.parametrize("prepare", [lambda path: path.mkdir(), lambda path: None, lambda path: path.touch()])
def test_a_folder_without_photos_is_a_sentence_and_makes_no_folder(
    tmp_path: Path, data: Path, prepare: Callable[[Path], None]
) -> None:
    prepare(tmp_path / "photos")
    with pytest.raises(CvmatteError) as refused:
        Batch(tmp_path / "photos", SMALL)
    assert refused.value.key in ("batch_no_photos", "batch_folder")
    assert not data.exists()


def test_an_output_folder_that_can_not_be_written_is_a_sentence(folder: Path, tmp_path: Path, data: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        Batch(folder, SMALL, tmp_path / "file" / "layers")
    data.mkdir()
    (data / "outputs").touch()
    with pytest.raises(OutputError):
        Batch(folder, SMALL)


def test_a_disk_that_fills_up_ends_the_batch(folder: Path, tmp_path: Path) -> None:
    batch = Batch(folder, SMALL, tmp_path / "layers")
    steps = batch.run(pretend())
    next(steps)
    shutil.rmtree(tmp_path / "layers")
    (tmp_path / "layers").touch()
    with pytest.raises(OutputError):
        next(steps)


def test_a_missing_model_ends_the_batch_at_once(
    folder: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "models_folder", lambda: tmp_path)
    with pytest.raises(ModelError):
        list(Batch(folder, SMALL).run(Matter()))
    assert names_in(data / "outputs") == set()


def test_cancelled_between_two_photos_it_leaves_the_finished_ones(folder: Path) -> None:
    cancelled = threading.Event()
    batch = Batch(folder, SMALL)
    steps = batch.run(pretend(), cancelled=cancelled)
    next(steps)
    cancelled.set()
    with pytest.raises(Cancelled):
        next(steps)
    assert names_in(batch.output_folder) == {"a.png"}


def test_cancelled_inside_the_archive_it_leaves_no_half_of_one(folder: Path) -> None:
    cancelled = threading.Event()
    batch = Batch(folder, SMALL)

    def cancel_at_the_archive(done: int, total: int, name: str) -> None:
        if done == total:
            cancelled.set()

    with pytest.raises(Cancelled):
        list(batch.run(pretend(), cancel_at_the_archive, cancelled))
    assert names_in(batch.output_folder) == {"a.png", "b.png", "C.png"}


def ended_process(folder: Path, output_folder: Path | None = None, *, done: int, resume: bool = False) -> Batch:
    """A batch whose process was killed in the photo after `done` others: its journal stays as it was just then."""
    batch = Batch(folder, MatteSettings(), output_folder, resume=resume)
    journal = next(batch.output_folder.glob(".cvmatte-batch-*"))
    kept: list[bytes] = []

    def die() -> None:
        kept.append(journal.read_bytes())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(batch.run(pretend(**{"abC"[done]: die})))
    batch.output_folder.mkdir(exist_ok=True)
    journal.write_bytes(kept[0])
    return batch


def test_a_batch_goes_on_where_its_process_ended(folder: Path) -> None:
    first = ended_process(folder, done=1)
    matter = pretend()
    again = Batch(folder, MatteSettings(), first.output_folder, resume=True)
    assert [outcome.photo for outcome in again.run(matter)] == ["b.png", "C.PNG"]
    assert matter.seen == ["b.png", "C.PNG"]
    assert set(again.outcomes) == {"a.png", "b.png", "C.PNG"}
    assert names_in(first.output_folder) == {"a.png", "b.png", "C.png", "Our wedding-cvmatte.zip"}


def test_going_on_in_the_photos_folder_takes_no_layer_for_a_photo(folder: Path) -> None:
    ended_process(folder, folder, done=2)
    again = Batch(folder, MatteSettings(), folder, resume=True)
    list(again.run(pretend()))
    assert set(again.outcomes) == {"a.png", "b.png", "C.PNG"}
    assert {"a-2.png", "b-2.png"} <= names_in(folder)
    assert not {"a-2-2.png", "a-3.png", "b-3.png"} & names_in(folder)


def test_a_layer_written_just_before_the_process_ended_is_not_made_twice(folder: Path) -> None:
    first = ended_process(folder, done=1)
    (first.output_folder / "b.png").write_bytes(b"written, but the process ended before it could note that")
    again = Batch(folder, MatteSettings(), first.output_folder, resume=True)
    list(again.run(pretend()))
    assert names_in(first.output_folder) == {"a.png", "b.png", "C.png", "Our wedding-cvmatte.zip"}
    assert Image.open(first.output_folder / "b.png").size == (4, 4)


def test_a_photo_that_ended_two_processes_is_left_out(folder: Path) -> None:
    first = ended_process(folder, done=1)
    ended_process(folder, first.output_folder, done=1, resume=True)
    third = Batch(folder, MatteSettings(), first.output_folder, resume=True)
    outcomes = list(third.run(pretend()))
    assert [(outcome.photo, outcome.error and outcome.error.key) for outcome in outcomes] == [
        ("b.png", "worker_died_twice"),
        ("C.PNG", None),
    ]


def test_a_photo_that_ended_one_process_gets_a_second_try(folder: Path) -> None:
    first = ended_process(folder, done=0)
    again = Batch(folder, MatteSettings(), first.output_folder, resume=True)
    assert [outcome.error for outcome in again.run(pretend())] == [None] * 3


def test_a_journal_cut_off_in_mid_line_tells_the_rest(folder: Path) -> None:
    first = ended_process(folder, done=1)
    journal = next(first.output_folder.glob(".cvmatte-batch-*"))
    with journal.open("ab") as file:
        file.write(b'\n{"begun": "b.p')  # cut off as the process ended
    again = Batch(folder, MatteSettings(), first.output_folder, resume=True)
    assert [outcome.photo for outcome in again.run(pretend())] == ["b.png", "C.PNG"]


def test_a_failure_is_remembered_across_processes(folder: Path) -> None:
    first = Batch(folder, MatteSettings())
    steps = first.run(pretend(a=fail(ImageError("image_damaged", name="a.png"))))
    next(steps)
    again = Batch(folder, MatteSettings(), first.output_folder, resume=True)
    assert len(list(again.run(pretend()))) == 2
    error = again.outcomes["a.png"].error
    assert isinstance(error, ImageError)
    assert "a.png" in str(error)


def test_a_batch_whose_journal_is_gone_begins_anew(folder: Path, tmp_path: Path) -> None:
    batch = Batch(folder, SMALL, tmp_path / "layers", resume=True)
    assert len(list(batch.run(pretend()))) == 3


@pytest.mark.skipif(os.name == "nt", reason="names are always text there")
def test_names_that_are_no_text_are_done_and_archived(tmp_path: Path, photo: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in (os.fsdecode(b"caf\xe9.png"), "人像 ✂.png", "x" * 240 + ".png"):
        shutil.copy(photo, folder / name)
    batch = Batch(folder, MatteSettings(save_mask=True))
    outcomes = list(batch.run(pretend()))
    assert [outcome.error for outcome in outcomes] == [None] * 3
    assert batch.archive is not None
    with zipfile.ZipFile(batch.archive) as archive:
        assert "人像 ✂.png" in archive.namelist()
        assert len(archive.namelist()) == 6


def test_the_photos_matted_leave_nothing_in_memory(folder: Path) -> None:
    matter = Matter(cache_bytes=0)
    list(Batch(folder, MatteSettings(quality="fast", longest_side=64)).run(matter))
    assert len(matter._raw_mattes) <= 1


def test_an_outcome_says_where_the_layer_is(folder: Path, tmp_path: Path) -> None:
    batch = Batch(folder, SMALL, tmp_path / "layers")
    assert next(batch.run(pretend())) == Outcome("a.png", tmp_path / "layers" / "a.png")
