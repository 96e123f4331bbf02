"""The evaluation, on data sets made here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from development import evaluate
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
