"""The evaluation, on data sets made here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from development import evaluate, room_scenes
from PIL import Image

from tests.conftest import SAMPLE


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def test_a_composite_is_the_cutout_over_the_background(tmp_path: Path) -> None:
    cutout = np.full((40, 60, 4), 200, np.uint8)
    cutout[..., 3] = 102
    save(tmp_path / "cutouts" / "a.png", cutout)
    save(tmp_path / "backgrounds" / "b.png", np.full((10, 10, 3), 100, np.uint8))
    (case,) = evaluate.cases(tmp_path)
    assert case.name == "a-b"
    assert (case.picture == 140).all()  # 0.4 · 200 + 0.6 · 100
    assert case.alpha == pytest.approx(np.full((40, 60), 0.4))


def test_pairs_are_found_in_folders_and_side_by_side(tmp_path: Path) -> None:
    rgb, alpha = np.zeros((8, 8, 3), np.uint8), np.full((8, 8), 255, np.uint8)
    for folder, names in (("folders", ("original/a.png", "mask/a.png", "original/no-alpha.png")),):
        for name in names:
            save(tmp_path / folder / name, alpha if name.startswith("mask") else rgb)
    save(tmp_path / "beside" / "b.jpg", rgb)
    save(tmp_path / "beside" / "b.alpha.png", alpha)
    for folder, name in (("folders", "a"), ("beside", "b")):
        (case,) = evaluate.cases(tmp_path / folder)
        assert (case.name, case.alpha.min(), case.colours) == (name, 1, None)


def test_the_script_writes_a_table_figures_and_a_sheet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data"
    sample = Image.open(SAMPLE).convert("RGB").resize((128, 128))
    save(data / "image" / "a.png", np.asarray(sample))
    save(data / "alpha" / "a.png", np.zeros((128, 128), np.uint8))
    figures, sheet = tmp_path / "figures.json", tmp_path / "sheet.png"
    arguments = [str(data), "--quality", "fast", "--json", str(figures), "--sheet", str(sheet)]
    assert evaluate.main(arguments) == 0
    told = json.loads(figures.read_text(encoding="utf-8"))
    assert told["mean"] == told["cases"]["a"]
    assert 100 < told["mean"]["mad"] < 900  # all of the person is wrong
    assert told["settings"]["quality"] == "fast"
    assert "mean" in capsys.readouterr().out
    assert Image.open(sheet).height > 300


def test_an_empty_folder_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        evaluate.main([str(tmp_path)])


def composite_set(folder: Path) -> Path:
    """A grey disc of 60 % over a plain background."""
    rows, columns = np.mgrid[0:120, 0:160]
    cutout = np.full((120, 160, 4), 200, np.uint8)
    cutout[..., 3] = np.where(np.hypot(rows - 60, columns - 80) < 40, 255, 0)
    save(folder / "cutouts" / "a.png", cutout)
    save(folder / "backgrounds" / "b.png", np.full((10, 10, 3), 100, np.uint8))
    return folder


def test_variants_keep_to_their_truth_and_are_the_same_each_time(tmp_path: Path) -> None:
    found = list(evaluate.cases(composite_set(tmp_path), larger=True))
    again = list(evaluate.cases(tmp_path, larger=True))
    assert len({case.name for case in found}) == len(found) == 8
    for case, other in zip(found, again, strict=True):
        assert case.picture.shape[:2] == case.alpha.shape and case.picture.dtype == np.uint8
        assert case.colours is not None and case.colours.shape == case.picture.shape
        assert np.array_equal(case.picture, other.picture)
        if not case.name.endswith(("noise", "jpeg")):  # where alpha is 1, the picture is the person's colour
            inside = case.alpha == 1
            assert np.abs(case.picture[inside] / 255 - case.colours[inside]).max() < 0.01


def test_each_cutout_has_a_row_of_its_own() -> None:
    rows = {"a-x": {"mad": 1.0}, "a-y": {"mad": 3.0}, "b-x": {"mad": 5.0}}
    assert evaluate.of_people(rows) == {"= a": {"mad": 2.0}, "= b": {"mad": 5.0}}


def test_all_that_is_installed_is_in_one_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate.main([str(composite_set(tmp_path)), "--quality", "fast", "--all-models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "ghost" in lines[0]
    assert "rvm-mobilenetv3" in [line.split()[0] for line in lines[1:]]


def test_an_empty_room_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_scenes, "_LONGEST_SIDE", 160)
    arguments = [str(composite_set(tmp_path)), "--room", "tuned", "--quality", "fast", "--every", "17"]
    assert evaluate.main(arguments) == 0
    told = capsys.readouterr().out
    assert "set aside" in told and "nothing; other room" in told
