"""scripts/matte.py, as a person runs it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvmatte_core.disk import paths
from cvmatte_core.settings import CONTROLS

PYTHON = "/usr/bin/python3"  # the system's: it has none of what matting needs


def run(*arguments: object, language: str = "en_US.UTF-8", **environment: str) -> subprocess.CompletedProcess[str]:
    command = [PYTHON, str(paths.ROOT / "scripts" / "matte.py"), *map(str, arguments)]
    environment = {**os.environ, "LC_ALL": language, **environment}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_a_photo_becomes_a_layer_and_a_mask(photo: Path, tmp_path: Path) -> None:
    done = run(photo, "-o", tmp_path / "out.png", "--mask", tmp_path / "mask.png", "--quality", "fast")
    assert done.returncode == 0, done.stderr
    layer, mask = np.asarray(Image.open(tmp_path / "out.png")), np.asarray(Image.open(tmp_path / "mask.png"))
    assert layer.shape == (512, 512, 4)
    assert np.array_equal(layer[..., 3], mask)
    assert str(tmp_path / "out.png") in done.stdout


def test_without_an_output_the_layer_stands_beside_the_photo_under_a_new_name(photo: Path, tmp_path: Path) -> None:
    copy = tmp_path / "me.png"
    copy.write_bytes(photo.read_bytes())
    for _ in range(2):
        assert run(copy, "--quality", "fast").returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["me-cutout-2.png", "me-cutout.png", "me.png"]
    assert copy.read_bytes() == photo.read_bytes()


@pytest.mark.parametrize("arguments", [["-o", "{folder}/out.webp"], ["-o", "{folder}/out", "--format", "webp"]])
def test_the_output_s_ending_and_the_format_agree_whichever_is_given(
    photo: Path, tmp_path: Path, arguments: list[str]
) -> None:
    done = run(photo, *(argument.format(folder=tmp_path) for argument in arguments), "--quality", "fast")
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "out.webp") as layer:
        assert (layer.format, layer.mode) == ("WEBP", "RGBA")


def test_a_jpeg_may_be_called_jpg_or_jpeg(photo: Path, tmp_path: Path) -> None:
    for name in ("a.JPG", "b.jpeg"):
        done = run(photo, "-o", tmp_path / name, "--format", "jpeg", "--quality", "fast")
        assert done.returncode == 0, done.stderr
        with Image.open(tmp_path / name) as layer:
            assert layer.format == "JPEG"
            assert np.asarray(layer)[0, 0].min() > 250  # white where nobody is


def test_the_output_folder_and_the_format_name_the_output(photo: Path, tmp_path: Path) -> None:
    copy = tmp_path / "me.v2.png"
    copy.write_bytes(photo.read_bytes())
    folder = tmp_path / "made here"
    options = ("--output-folder", folder, "--format", "webp", "--save-mask", "--quality", "fast")
    for _ in range(2):
        done = run(copy, *options)
        assert done.returncode == 0, done.stderr
    names = ["me.v2-cutout-2-mask.png", "me.v2-cutout-2.webp", "me.v2-cutout-mask.png", "me.v2-cutout.webp"]
    assert sorted(path.name for path in folder.iterdir()) == names
    elsewhere = run(copy, *options, "-o", tmp_path / "here.webp")
    assert elsewhere.returncode == 0, elsewhere.stderr
    assert (tmp_path / "here-mask.png").exists()
    assert len(list(folder.iterdir())) == 4


def test_the_saved_mask_is_the_layer_s_alpha_however_it_is_cropped(photo: Path, tmp_path: Path) -> None:
    options = ("--crop", "--crop-margin", 3, "--mirror", "--subject", "main", "--save-mask", "--mask")
    done = run(photo, "-o", tmp_path / "out.png", *options, tmp_path / "mine.png")
    assert done.returncode == 0, done.stderr
    layer = np.asarray(Image.open(tmp_path / "out.png"))
    assert layer.shape[1] < 450
    for name in ("out-mask.png", "mine.png"):
        assert np.array_equal(np.asarray(Image.open(tmp_path / name)), layer[..., 3])


def test_a_background_image_is_an_option(photo: Path, tmp_path: Path) -> None:
    Image.new("RGB", (30, 30), (1, 2, 200)).save(tmp_path / "wall.png")
    options = ("--background", "image", "--background-image", tmp_path / "wall.png", "--quality", "fast")
    done = run(photo, "-o", tmp_path / "out.png", *options)
    assert done.returncode == 0, done.stderr
    assert np.asarray(Image.open(tmp_path / "out.png"))[0, 0].tolist() == [1, 2, 200, 255]


def test_every_control_is_an_option_in_both_languages() -> None:
    for language in ("en_US.UTF-8", "zh_CN.UTF-8"):
        shown = run("--help", language=language).stdout
        for control in CONTROLS:
            assert f"--{control.name.replace('_', '-')}" in shown
    assert "照片" in shown


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["absent.jpg"], "absent.jpg is not there any more"),
        (["{photo}", "--erosion", "999"], "erosion takes a whole number from 0 to 50"),
        (["{photo}", "-o", "{photo}"], "replace the photo itself"),
        (["{photo}", "-o", "out.jpg", "--format", "png"], "as the file's format: .png"),
        (["{photo}", "-o", "out.png", "--format", "jpeg"], "as the file's format: .jpg, .jpeg"),
        (["{photo}", "-o", "out.gif"], ".png, .webp, .jpg, .jpeg"),
        (["{photo}", "--mask", "mask.jpg"], "end the name in .png"),
        (["{photo}", "--background", "image"], "Choose a background image"),
        (["{photo}", "--background", "image", "--background-image", "absent.jpg"], "absent.jpg is not there"),
        (["{photo}", "--background-image", "{photo}", "-o", "{photo}", "--overwrite"], "replace the photo itself"),
        (["{photo}", "-o", "/proc/nowhere/out.png"], "can be written"),
    ],
)
def test_mistakes_are_one_sentence(photo: Path, arguments: list[str], part: str) -> None:
    before = photo.read_bytes()
    done = run(*(argument.format(photo=photo) for argument in arguments), "--quality", "fast")
    assert done.returncode != 0
    assert part in done.stderr
    assert "Traceback" not in done.stderr
    assert photo.read_bytes() == before


def test_without_the_environment_it_says_what_to_run(photo: Path) -> None:
    done = run(photo, CVMATTE_PYTHON="/nonexistent/python")
    assert done.returncode != 0
    assert "python3 install.py" in done.stderr
