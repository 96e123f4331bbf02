"""A folder, with its subfolders, becomes a folder that mirrors it, and is gone on with where it was ended."""

from __future__ import annotations

import csv
import errno
import gc
import json
import os
import shutil
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cvmatte_core.batch import folders, search
from cvmatte_core.batch.folders import (
    DONE,
    FAILED,
    UNCHANGED,
    WAITING,
    Entry,
    FolderBatch,
    new_output_folder,
    walk,
)
from cvmatte_core.batch.pipeline import STAGES, Cutter, Pipeline
from cvmatte_core.batch.record import made_in
from cvmatte_core.filesystem import files, paths
from cvmatte_core.localization.errors import Cancelled, CvmatteError, ImageError, ModelError, OutputError
from cvmatte_core.localization.texts import Texts
from cvmatte_core.matting.matter import Decoded, Matte, Matter, Seen
from cvmatte_core.settings import MatteSettings
from tests.conftest import fail

SETTINGS = MatteSettings(save_mask=True, longest_side=32)


class PretendMatter:
    """Sees everybody everywhere, in no time; what it does to a photo by name can be told."""

    def __init__(self, **by_stem: Callable[[], None]) -> None:
        self.seen: list[str] = []
        self.rooms: list[Path | None] = []
        self.most_alive = 0
        self._by_stem = by_stem

    def prepare(self, model: str) -> None: ...

    def see(
        self,
        decoded: Decoded,
        settings: MatteSettings,
        cancelled: threading.Event,
        on_progress: Any = None,
        room: Path | None = None,
    ) -> Seen:
        self.seen.append(decoded.name)
        self.rooms.append(room)
        self._by_stem.get(Path(decoded.name).stem, lambda: None)()
        if cancelled.is_set():
            raise Cancelled
        alive = sum(isinstance(thing, Decoded) for thing in gc.get_objects())
        self.most_alive = max(self.most_alive, alive)
        return Seen(decoded, np.ones(decoded.photo.rgb.shape[:2], np.float32), "CPU", None, {"network": 0.5})

    def finish(self, seen: Seen, settings: MatteSettings) -> Matte:
        alpha = seen.alpha
        pixels = np.dstack([seen.decoded.photo.rgb, np.full(alpha.shape, 255, np.uint8)])
        return Matte(pixels, alpha, pixels[..., :3], pixels[..., :3], seen.decoded.digest, seen.seconds)


def pretend(**by_stem: Callable[[], None]) -> Any:
    return PretendMatter(**by_stem)


CUTTERS: dict[str, Callable[[Any], Cutter]] = {
    "at once": Pipeline,
    "one by one": lambda matter: Pipeline(matter, lambda photo: None),
}
cutter_of = Pipeline


@pytest.fixture(autouse=True, params=CUTTERS)
def each_cutter(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the two of this process; the cluster's has tests of its own."""
    monkeypatch.setattr(f"{__name__}.cutter_of", CUTTERS[request.param])


@pytest.fixture
def folder(tmp_path: Path, photo: Path) -> Path:
    made = tmp_path / "team"
    (made / "deep" / "deeper").mkdir(parents=True)
    small = Image.open(photo).resize((32, 32))
    for name in ("a.png", "b.jpg", "deep/c.PNG", "deep/deeper/人像.webp"):
        small.save(made / name)
    (made / "notes.txt").write_text("no photo")
    return made


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def run(
    folder: Path,
    out: Path,
    matter: Any = None,
    settings: MatteSettings = SETTINGS,
    cancelled: threading.Event | None = None,
    recursive: bool = True,
    room: Path | None = None,
) -> list[Entry]:
    """One run as the script does it: all photos, the reports, the archive. Returns all entries, by name."""
    cancelled = cancelled or threading.Event()
    with FolderBatch(folder, settings, out, recursive=recursive, room=room) as batch:
        try:
            list(batch.run(batch.scan(), cutter_of(matter or pretend()), cancelled))
            batch.write_archive(cancelled)
        except Cancelled:
            pass
        batch.write_reports(Texts("en"), 1.0)
        return [batch.entries[name] for name in sorted(batch.entries)]


def statuses(entries: list[Entry]) -> dict[str, str]:
    return {entry.file: entry.status for entry in entries}


def visible(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("[!.]*") if path.is_file()}


LAYERS = {"a.png", "b.png", "deep/c.png", "deep/deeper/人像.png"}
MASKS = {"a-mask.png", "b-mask.png", "deep/c-mask.png", "deep/deeper/人像-mask.png"}
TELLING = {"batch_results.zip", "batch_report.json", "batch_report.csv"}


def test_another_room_makes_all_anew_and_in_the_folder_it_is_no_photo(folder: Path, out: Path) -> None:
    room = folder / "empty.png"
    Image.new("RGB", (32, 32)).save(room)
    first = pretend()
    entries = run(folder, out, first, room=room)
    assert set(statuses(entries).values()) == {DONE} and "empty.png" not in statuses(entries)
    assert first.rooms == [room] * len(entries)
    assert {entry.status for entry in run(folder, out, room=room)} == {UNCHANGED}
    Image.new("RGB", (32, 32), "white").save(room)
    assert {entry.status for entry in run(folder, out, room=room)} == {DONE}
    room.unlink()
    assert {entry.status for entry in run(folder, out)} == {DONE}


def test_the_output_mirrors_the_folder(folder: Path, out: Path) -> None:
    assert set(statuses(run(folder, out)).values()) == {DONE}
    assert visible(out) == LAYERS | MASKS | TELLING
    with zipfile.ZipFile(out / "batch_results.zip") as archive:
        assert set(archive.namelist()) == LAYERS | MASKS
        assert archive.testzip() is None
        assert archive.read("deep/c.png") == (out / "deep" / "c.png").read_bytes()


def test_subfolders_count_on_request_only(folder: Path, out: Path) -> None:
    assert set(statuses(run(folder, out, recursive=False))) == {"a.png", "b.jpg"}


def test_the_network_s_own_layer_is_what_a_single_photo_gets(folder: Path, out: Path, photo: Path) -> None:
    shutil.copy(photo, folder / "a.png")
    settings = MatteSettings(quality="fast", longest_side=128, crop=True, feather=2)
    run(folder, out, Matter(), settings)
    expected = Matter()(folder / "a.png", settings).layer
    assert np.array_equal(np.asarray(Image.open(out / "a.png")), expected)


def test_the_report_tells_of_each_file(folder: Path, out: Path) -> None:
    (folder / "broken.jpg").write_bytes(b"no picture")
    run(folder, out)
    report = json.loads((out / "batch_report.json").read_text())
    assert (report["done"], report["failed"], report["settings"]["save_mask"]) == (4, 1, True)
    with (out / "batch_report.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"a.png", "b.jpg", "broken.jpg", "deep/c.PNG", "deep/deeper/人像.webp"}
    assert rows["a.png"]["status"] == "done"
    assert rows["a.png"]["size"] == "32x32"
    assert float(rows["a.png"]["seconds"]) >= 0.5
    assert int(rows["a.png"]["bytes"]) == (folder / "a.png").stat().st_size
    assert rows["broken.jpg"]["status"] == "failed"
    assert "broken.jpg is not a picture" in rows["broken.jpg"]["error"]
    by_name = {row["file"]: row for row in report["photos"]}
    assert {name: {key: str(value) for key, value in row.items()} for name, row in by_name.items()} == rows


def test_run_again_there_is_nothing_to_do(folder: Path, out: Path) -> None:
    run(folder, out)
    before = {name: (out / name).stat().st_mtime_ns for name in LAYERS | MASKS | {"batch_results.zip"}}
    matter = pretend()
    assert set(statuses(run(folder, out, matter)).values()) == {UNCHANGED}
    assert matter.seen == []
    assert {name: (out / name).stat().st_mtime_ns for name in before} == before
    assert visible(out) == LAYERS | MASKS | TELLING


def test_what_changed_is_done_again_in_its_place(folder: Path, out: Path) -> None:
    run(folder, out)
    Image.new("RGB", (20, 20)).save(folder / "a.png")
    (out / "b.png").unlink()
    matter = pretend()
    found = statuses(run(folder, out, matter))
    assert sorted(matter.seen) == ["a.png", "b.jpg"]
    assert found["deep/c.PNG"] == UNCHANGED
    assert Image.open(out / "a.png").size == (20, 20)
    assert visible(out) == LAYERS | MASKS | TELLING
    with zipfile.ZipFile(out / "batch_results.zip") as archive:
        assert archive.read("a.png") == (out / "a.png").read_bytes()


def test_other_settings_are_done_again_in_their_place(folder: Path, out: Path) -> None:
    run(folder, out)
    matter = pretend()
    run(folder, out, matter, MatteSettings(save_mask=True, longest_side=16))
    assert len(matter.seen) == 4
    assert visible(out) == LAYERS | MASKS | TELLING


def test_files_of_the_person_s_get_company(folder: Path, out: Path) -> None:
    out.mkdir()
    for name in ("a.png", "b-mask.png", "batch_results.zip", "batch_report.csv"):
        (out / name).write_bytes(b"mine")
    for _ in range(2):
        run(folder, out)
        for name in ("a.png", "b-mask.png", "batch_results.zip", "batch_report.csv"):
            assert (out / name).read_bytes() == b"mine"
    assert {"a-2.png", "b-2.png", "b-2-mask.png", "batch_results-2.zip", "batch_report-2.csv"} <= visible(out)
    assert not {"a-3.png", "b.png", "batch_results-3.zip"} & visible(out)


def test_a_layer_that_the_person_retouched_is_kept_when_its_photo_changes(folder: Path, out: Path) -> None:
    run(folder, out)
    (out / "a.png").write_bytes(b"retouched")
    Image.new("RGB", (20, 20)).save(folder / "a.png")
    run(folder, out)
    assert (out / "a.png").read_bytes() == b"retouched"
    assert Image.open(out / "a-2.png").size == (20, 20)


def test_what_the_person_put_where_a_photo_failed_is_kept(folder: Path, out: Path) -> None:
    run(folder, out, pretend(b=fail(MemoryError())))
    (out / "b.png").write_bytes(b"by hand")
    run(folder, out)
    assert (out / "b.png").read_bytes() == b"by hand"
    assert {"b-2.png", "b-2-mask.png"} <= visible(out)


def test_a_photo_in_the_place_of_a_layer_that_never_came_is_a_photo(folder: Path) -> None:
    run(folder, folder, pretend(b=fail(MemoryError())))
    shutil.copy(folder / "a.png", folder / "b.png")
    assert statuses(run(folder, folder))["b.png"] == DONE


def test_photos_that_differ_in_their_ending_alone_get_a_layer_each(folder: Path, out: Path) -> None:
    for name in ("a.jpg", "a.bmp", "A.tif", "a-mask.png"):
        Image.new("RGB", (32, 32)).save(folder / name)
    made = [name.casefold() for entry in run(folder, out) for name in (entry.layer, entry.mask)]
    assert len(set(made)) == 16  # also where letters' case makes no difference


@pytest.mark.parametrize("where", ["out", "."])
def test_an_output_folder_inside_is_not_taken_for_photos(folder: Path, where: str) -> None:
    for _ in range(3):
        entries = run(folder, folder / where)
        assert len(entries) == 4
    # Nor by a batch that goes elsewhere.
    assert len(run(folder, folder / "elsewhere")) == 4
    assert len(made_in(folder / where)) == 8


def test_broken_photos_are_told_and_tried_again_next_time(folder: Path, out: Path) -> None:
    (folder / "a.png").write_bytes((folder / "a.png").read_bytes()[:300])
    (folder / "empty.jpg").touch()
    matter = pretend(b=fail(MemoryError()))
    found = statuses(run(folder, out, matter))
    assert {name for name, status in found.items() if status == FAILED} == {"a.png", "empty.jpg", "b.jpg"}
    assert visible(out) == {"deep/c.png", "deep/c-mask.png", *(LAYERS | MASKS) & visible(out)} | TELLING
    assert statuses(run(folder, out))["b.jpg"] == DONE


def test_whatever_one_photo_raises_the_others_are_done(folder: Path, out: Path) -> None:
    too_large = OutputError("format_too_large", format="WEBP", limit=16383)  # of the kind that a full disk raises
    matter = pretend(a=fail(MemoryError()), b=fail(ZeroDivisionError()), c=fail(too_large))
    keys = {entry.file: entry.error and entry.error.key for entry in run(folder, out, matter)}
    assert list(keys.values()) == ["image_memory", "internal", "format_too_large", None]


@pytest.mark.parametrize(("format", "suffix"), [("png", ".png"), ("webp", ".webp"), ("jpeg", ".jpg")])
def test_layers_are_saved_in_the_chosen_format(folder: Path, out: Path, format: str, suffix: str) -> None:
    run(folder, out, settings=MatteSettings(format=format, save_mask=True))
    assert Image.open(out / f"a{suffix}").format == format.upper()
    assert Image.open(out / "a-mask.png").mode == "L"


def test_links_in_a_circle_lead_nowhere_twice(folder: Path, out: Path) -> None:
    (folder / "deep" / "up").symlink_to(folder, target_is_directory=True)
    (folder / "again").symlink_to(folder / "deep", target_is_directory=True)
    (folder / "nowhere.png").symlink_to(folder / "absent.png")
    (folder / "itself").symlink_to(folder / "itself")
    assert set(statuses(run(folder, out))) == {"a.png", "b.jpg", "deep/c.PNG", "deep/deeper/人像.webp"}


def test_a_folder_that_can_not_be_read_is_told(folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def refuse(path: Any) -> Any:
        if Path(path).name == "deeper":
            raise PermissionError(errno.EACCES, "no")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    entries = {entry.file: entry for entry in run(folder, out)}
    assert entries["deep/deeper/"].error is not None
    assert entries["deep/deeper/"].error.key == "batch_folder"
    assert statuses(list(entries.values()))["deep/c.PNG"] == DONE


@pytest.mark.skipif(os.name == "nt", reason="names are always text there")
def test_names_of_every_kind(folder: Path, out: Path) -> None:
    names = [os.fsdecode(b"caf\xe9.png"), "人像 ✂.png", "ñ" * 120 + ".png", "x" * 250 + ".png", "صورة.png", "-.png"]
    names += ["new\nline.png", "100%{name}.png", "..png"]
    for name in names:
        shutil.copy(folder / "a.png", folder / name)
    found = statuses(run(folder, out))
    assert {found[name] for name in names if name[0] != "."} == {DONE}
    assert set(statuses(run(folder, out)).values()) == {UNCHANGED}


def test_at_no_time_more_than_a_few_photos_are_in_memory(tmp_path: Path, out: Path) -> None:
    (tmp_path / "many").mkdir()
    for number in range(40):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / "many" / f"{number}.png")
    few, many = pretend(), pretend()
    gc.collect()  # what other tests have left
    run(tmp_path / "many", out, many)
    for number in range(35):
        (tmp_path / "many" / f"{number}.png").unlink()
    run(tmp_path / "many", tmp_path / "other", few)
    assert len(many.seen) == 40
    # One more than are under way, for the moment between its end and its thread's letting go of it.
    assert max(few.most_alive, many.most_alive) <= STAGES + 1


def test_photos_that_fail_leave_memory_at_once(folder: Path, out: Path) -> None:
    gc.collect()
    gc.disable()
    try:
        matter = pretend(a=fail(MemoryError()), b=fail(ImageError("image_memory", name="b")))
        with FolderBatch(folder, SETTINGS, out, recursive=True) as batch:
            list(batch.run(batch.scan(), cutter_of(matter), threading.Event()))
            assert batch.counts[FAILED] == 2
            assert not [thing for thing in gc.get_objects() if isinstance(thing, Decoded)]
    finally:
        gc.enable()


def test_cancelled_it_keeps_what_is_finished_and_goes_on_next_time(folder: Path, out: Path) -> None:
    cancelled = threading.Event()
    entries = run(folder, out, pretend(c=cancelled.set), cancelled=cancelled)
    found = statuses(entries)
    assert [found[name] for name in ("a.png", "b.jpg", "deep/c.PNG")] == [DONE, DONE, WAITING]
    assert json.loads((out / "batch_report.json").read_text())["waiting"] == 2
    assert "batch_results.zip" not in visible(out)
    matter = pretend()
    run(folder, out, matter)
    assert matter.seen == ["c.PNG", "人像.webp"]
    assert visible(out) == LAYERS | MASKS | TELLING


@pytest.mark.parametrize("at", ["before", "a"])
def test_cancelled_before_anything_was_made_it_leaves_nothing(folder: Path, out: Path, at: str) -> None:
    cancelled = threading.Event()
    if at == "before":
        cancelled.set()
    with FolderBatch(folder, SETTINGS, out, recursive=True) as batch, pytest.raises(Cancelled):
        list(batch.run(batch.scan(), cutter_of(pretend(a=cancelled.set)), cancelled))
    assert not out.exists()


def test_cancelled_in_the_last_photo_it_says_so(folder: Path, out: Path) -> None:
    cancelled = threading.Event()
    with FolderBatch(folder / "deep" / "deeper", SETTINGS, out) as batch, pytest.raises(Cancelled):
        list(batch.run(batch.scan(), cutter_of(pretend(人像=cancelled.set)), cancelled))


def test_cancelled_inside_the_archive_it_leaves_no_half_of_one(folder: Path, out: Path) -> None:
    cancelled = threading.Event()
    with FolderBatch(folder, SETTINGS, out, recursive=True) as batch:
        list(batch.run(batch.scan(), cutter_of(pretend()), cancelled))
        with pytest.raises(Cancelled):
            batch.write_archive(cancelled, cancelled.set)
    assert visible(out) == LAYERS | MASKS
    run(folder, out)
    assert visible(out) == LAYERS | MASKS | TELLING


def test_a_missing_model_ends_it_at_once(folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "models_folder", lambda: folder)
    with pytest.raises(ModelError):
        run(folder, out, Matter())
    assert not out.exists()


def test_an_output_folder_that_can_not_be_made_is_a_sentence(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        FolderBatch(folder, SETTINGS, tmp_path / "file" / "layers")


def test_a_new_output_folder_is_named_after_the_photos_and_takes_nobody_s_place(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "outputs_folder", lambda: tmp_path)
    first = new_output_folder(folder)
    first.mkdir()
    assert first.name.startswith("team-cvmatte-")
    assert new_output_folder(folder) != first
    assert new_output_folder(Path("/")).name.startswith("photos-cvmatte-")


def test_a_full_disk_ends_it_and_it_can_be_gone_on_with(
    folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = files.write

    def refuse(path: Path, content: bytes) -> None:
        if path.name == "c.png":
            raise files.output_error(OSError(errno.ENOSPC, "full"), path.parent)
        write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(files, "write", refuse)
        cancelled = threading.Event()
        with pytest.raises(OutputError) as refused:
            run(folder, out, cancelled=cancelled)
        assert refused.value.key == "disk_full"
        assert not cancelled.is_set()  # it would pass for Ctrl+C
    assert {"a.png", "b.png"} <= visible(out)
    matter = pretend()
    assert UNCHANGED in statuses(run(folder, out, matter)).values()
    assert set(matter.seen) == {"c.PNG", "人像.webp"}
    assert visible(out) == LAYERS | MASKS | TELLING


def test_a_subfolder_that_can_not_be_written_costs_its_own_photos_only(folder: Path, out: Path) -> None:
    out.mkdir()
    (out / "deep").touch()  # a file where a folder has to be
    found = statuses(run(folder, out))
    assert found == {"a.png": DONE, "b.jpg": DONE, "deep/c.PNG": FAILED, "deep/deeper/人像.webp": FAILED}


def ended_process(folder: Path, out: Path, at: str) -> None:
    """A run whose process was killed while the photo was in the network: nothing is noted any more."""

    class Killed(BaseException): ...

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(folders.BatchRecord, "let_go", lambda self, photo: None)
        patch.setattr("cvmatte_core.batch.pipeline.explained", fail(Killed()))
        run(folder, out, pretend(**{at: fail(Killed())}))


def test_a_photo_that_ends_two_processes_is_left_out(folder: Path, out: Path) -> None:
    ended_process(folder, out, "b")
    ended_process(folder, out, "b")
    matter = pretend()
    found = {entry.file: entry for entry in run(folder, out, matter)}
    assert {name: entry.error and entry.error.key for name, entry in found.items() if entry.status == FAILED} == {
        "b.jpg": "worker_died_twice"
    }
    assert "b.jpg" not in matter.seen
    assert statuses(run(folder, out))["b.jpg"] == DONE  # the next run gives it another chance


def test_a_layer_written_just_before_the_process_ended_is_not_made_twice(folder: Path, out: Path) -> None:
    ended_process(folder, out, "b")
    (out / "b.png").write_bytes(b"written, but the process ended before it could note that")
    run(folder, out)
    assert visible(out) == LAYERS | MASKS | TELLING
    assert Image.open(out / "b.png").size == (32, 32)


def test_a_record_cut_off_in_mid_line_tells_the_rest(folder: Path, out: Path) -> None:
    ended_process(folder, out, "b")
    (record,) = out.glob(".matte-*.jsonl")
    with record.open("ab") as file:
        file.write(b'\n{"begun": "b.j')
    assert statuses(run(folder, out))["a.png"] == UNCHANGED
    assert visible(out) == LAYERS | MASKS | TELLING


def test_two_batches_do_not_write_over_each_other(folder: Path, out: Path, tmp_path: Path) -> None:
    with FolderBatch(folder, SETTINGS, out), pytest.raises(CvmatteError) as refused:
        FolderBatch(folder, SETTINGS, out)
    assert refused.value.key == "batch_at_work"
    other = tmp_path / "other"
    other.mkdir()
    Image.new("RGB", (9, 9)).save(other / "a.png")
    with FolderBatch(folder, SETTINGS, out), pytest.raises(CvmatteError) as refused:
        FolderBatch(other, SETTINGS, out)  # the names that one has chosen, the other can't know
    assert refused.value.key == "batch_at_work"
    run(folder, out)
    run(other, out)
    assert Image.open(out / "a-2.png").size == (9, 9)
    assert {"batch_results-2.zip", "batch_report-2.json"} <= visible(out)


def test_where_there_is_nothing_nothing_is_left_behind(tmp_path: Path, out: Path) -> None:
    (tmp_path / "empty").mkdir()
    with FolderBatch(tmp_path / "empty", SETTINGS, out) as batch:
        assert batch.scan() == []
    assert not out.exists()
    for absent in (tmp_path / "absent", Path(__file__)):
        with pytest.raises(CvmatteError) as refused:
            FolderBatch(absent, SETTINGS, out)
        assert refused.value.key == "batch_folder"


def test_a_file_has_settled_once_it_stays_as_it_is(tmp_path: Path) -> None:
    growing, gone = tmp_path / "growing.jpg", tmp_path / "gone.jpg"
    growing.write_bytes(b"1")
    first = {"growing.jpg": files.state_of(growing)}
    assert search.settled(first, {}) == []
    growing.write_bytes(b"12")
    second = {"growing.jpg": files.state_of(growing), "gone.jpg": files.state_of(gone)}
    assert search.settled(second, first) == []
    assert search.settled({"growing.jpg": files.state_of(growing), "gone.jpg": files.state_of(gone)}, second) == [
        "growing.jpg"
    ]


@pytest.mark.parametrize("name", [".thumbnails", "@eaDir", "#recycle", "$RECYCLE.BIN"])
def test_hidden_folders_and_a_network_drive_s_own_are_not_walked(folder: Path, out: Path, name: str) -> None:
    (folder / name).mkdir()
    shutil.copy(folder / "a.png", folder / name / "x.png")
    found: Iterator[Path] = walk(folder, out, True, [])
    assert [path.name for path in found] == ["a.png", "b.jpg", "c.PNG", "人像.webp"]


def test_the_photos_of_named_folders_are_those_that_a_batch_would_do(tmp_path: Path, photo: Path) -> None:
    team, empty = tmp_path / "team", tmp_path / "empty"
    for folder in (team / "below", empty):
        folder.mkdir(parents=True)
    for name in ("b.png", "A.jpg", ".hidden.png", "below/c.png", "notes.txt"):
        (team / name).write_bytes(photo.read_bytes())
    assert search.named_photos([photo, team, empty], 50) == ([photo, team / "A.jpg", team / "b.png"], [empty])
    assert search.named_photos([team, team], 2) == ([team / "A.jpg", team / "b.png", team / "A.jpg"], [])
    with pytest.raises(CvmatteError, match="can't be read"):
        search.walk(tmp_path / "none", tmp_path / "none", False, []).__next__()
