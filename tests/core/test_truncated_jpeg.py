"""JPEGs whose files end too early: opened as viewers do, and said; refused where more than a few rows are missing."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cvmatte_core.filesystem import paths
from cvmatte_core.image import images
from cvmatte_core.localization.errors import ImageError
from cvmatte_core.localization.notes import Note

_KINDS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "without subsampling": {"subsampling": 0},
    "progressive": {"progressive": True},
    "with restart markers": {"restart_marker_blocks": 3},
}


def jpeg(photo: Path, mode: str = "RGB", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.open(photo).convert(mode).save(file, "JPEG", quality=90, **options)
    return file.getvalue()


def decode(data: bytes, longest_side: int = 0) -> images.Photo:
    return images.decode(data, "photo", longest_side)


@pytest.mark.parametrize("lacking", [1, 2, 3, 5, 20, 200])
@pytest.mark.parametrize("options", _KINDS.values(), ids=_KINDS)
def test_one_that_lacks_its_last_bytes_is_opened_and_said(photo: Path, options: dict[str, Any], lacking: int) -> None:
    whole = jpeg(photo, **options)
    opened, right = decode(whole[:-lacking]), decode(whole)
    assert right.notes == () and opened.notes == (Note("note.cut_off"),)
    differs = np.flatnonzero((opened.rgb != right.rgb).any(axis=(1, 2)))
    assert opened.rgb.shape == right.rgb.shape
    assert not differs.size or differs[0] >= 512 - 17


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_cmyk_too(photo: Path, mode: str) -> None:
    whole = jpeg(photo, mode)
    opened = decode(whole[:-5])
    assert opened.notes and np.array_equal(opened.rgb[:490], decode(whole).rgb[:490])


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("longest_side", [0, 100])
def test_turned_or_reduced_it_is_the_same(photo: Path, orientation: int, longest_side: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    whole = jpeg(photo, exif=exif)
    opened, right = decode(whole[:-5], longest_side), decode(whole, longest_side)
    assert opened.notes and opened.rgb.shape == right.rgb.shape
    assert np.abs(opened.rgb.astype(int) - right.rgb).mean() < 0.5


@pytest.mark.parametrize("options", _KINDS.values(), ids=_KINDS)
@pytest.mark.parametrize("there", [0.3, 0.6, 0.9])
def test_one_that_lacks_more_is_damaged(photo: Path, options: dict[str, Any], there: float) -> None:
    whole = jpeg(photo, **options)
    with pytest.raises(ImageError) as refused:
        decode(whole[: int(len(whole) * there)])
    assert refused.value.key == "image_damaged"


def test_the_shell_says_it_beside_the_layer_and_a_folder_in_its_report(photo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "team"
    folder.mkdir()
    (folder / "me.jpg").write_bytes(jpeg(photo)[:-5])
    (folder / "you.jpg").write_bytes(jpeg(photo))

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(paths.ROOT / "scripts/matte.py"), *map(str, arguments), "--quality", "fast"]
        return subprocess.run(command, capture_output=True, text=True, env={"LC_ALL": "C.UTF-8"})

    said = "The photo's file ends too early"
    one = run(folder / "me.jpg", "-o", tmp_path / "me.png")
    assert one.returncode == 0 and one.stderr.startswith(said)
    assert Image.open(tmp_path / "me.png").size == (512, 512)
    many = run(folder, "-o", tmp_path / "out")
    assert many.returncode == 0 and f"me.jpg: {said}" in many.stderr and "you.jpg" not in many.stderr
    assert (tmp_path / "out" / "batch_report.csv").read_text(encoding="utf-8").count(said) == 1
