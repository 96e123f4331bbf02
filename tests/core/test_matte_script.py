"""scripts/matte.py, as a person runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from development import made_clips
from PIL import Image

from cvmatte_core.filesystem import paths
from cvmatte_core.models.catalogue import catalogue, is_there
from cvmatte_core.settings import CONTROLS

PYTHON = "/usr/bin/python3"  # the system's: it has none of what matting needs


def run(*arguments: object, language: str = "en_US.UTF-8", **environment: str) -> subprocess.CompletedProcess[str]:
    command = [PYTHON, str(paths.ROOT / "scripts" / "matte.py"), *map(str, arguments)]
    environment = {**os.environ, "LC_ALL": language, **environment}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


@pytest.fixture(scope="module")
def clip(photo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of three small frames."""
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    grey = np.full((60, 90, 3), 120, np.uint8)
    made_clips.write(path, made_clips.frames(made_clips.cut_by_an_ellipse(photo), grey, (160, 90), 3), sound="")
    return path


def test_a_photo_becomes_a_layer_and_a_mask(photo: Path, tmp_path: Path) -> None:
    done = run(photo, "-o", tmp_path / "out.png", "--mask", tmp_path / "mask.png", "--quality", "fast")
    assert done.returncode == 0, done.stderr
    layer, mask = np.asarray(Image.open(tmp_path / "out.png")), np.asarray(Image.open(tmp_path / "mask.png"))
    assert layer.shape == (512, 512, 4)
    assert np.array_equal(layer[..., 3], mask)
    assert str(tmp_path / "out.png") in done.stdout


def test_a_room_is_heeded_or_set_aside_and_said(photo: Path, tmp_path: Path) -> None:
    room = tmp_path / "room.png"
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (512, 512, 3), np.uint8)).save(room)
    done = run(photo, "-o", tmp_path / "out.png", "--room", room, "--quality", "fast")
    assert done.returncode == 0 and "empty room shows another place" in done.stderr
    (tmp_path / "team").mkdir()
    (tmp_path / "team" / "me.png").write_bytes(photo.read_bytes())
    many = run(tmp_path / "team", "-o", tmp_path / "cut", "--room", room, "--quality", "fast")
    assert many.returncode == 0 and "me.png: The photo of the empty room shows another place" in many.stderr
    gone = run(photo, "-o", tmp_path / "none.png", "--room", tmp_path / "gone.png")
    assert (gone.returncode, (tmp_path / "none.png").exists()) == (2, False)
    assert "gone.png" in gone.stderr
    over = run(photo, "-o", room, "--overwrite", "--room", room)
    assert over.returncode == 2 and "another name" in over.stderr, over.stderr


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
        (["absent.jpg"], "absent.jpg can't be found"),
        (["{photo}", "--erosion", "999"], "--erosion takes a whole number from 0 to 50"),
        (["{photo}", "--model", "nope"], "no model called nope"),
        (["{photo}", "--preset", "nope"], "no preset nope"),
        (["{photo}", "--background-colour", "reddish"], "reddish is not a colour"),
        (["{photo}", "-o", "{photo}"], "replace the photo itself"),
        (["{photo}", "-o", "out.jpg", "--format", "png"], "as the file's format: .png"),
        (["{photo}", "-o", "out.png", "--format", "jpeg"], "as the file's format: .jpg, .jpeg"),
        (["{photo}", "-o", "out.gif"], ".png, .webp, .jpg, .jpeg"),
        (["{photo}", "--mask", "mask.jpg"], "end the name in .png"),
        (["{photo}", "--background", "image"], "Choose a background image"),
        (["{photo}", "--background", "image", "--background-image", "absent.jpg"], "absent.jpg can't be found"),
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


@pytest.mark.parametrize(
    "arguments",
    [
        ["{photo}", "--threshold", "300"],
        ["{folder}", "--threshold", "300"],
        ["{photo}", "--model", "nope"],
        ["{folder}", "--model", "nope"],
        ["{photo}", "--background-image", "absent.jpg"],
        ["{folder}", "--background-image", "absent.jpg"],
        ["{photo}", "--threads", "0"],
        ["{photo}", "{photo}", "--mask", "mask.png"],
        ["{photo}", "{photo}", "-o", "one.png"],
        ["{photo}", "--model", "{missing}"],
        ["{folder}", "--model", "{missing}"],
        ["{photo}", "{photo}", "--model", "{missing}"],
        ["{clip}", "--id-photo", "35x45"],
        ["{clip}", "--preset", "id_photo", "--sheet", "a4"],
        ["{clip}", "--save-mask"],
        ["{clip}", "--subject", "held"],
        ["{photo}", "--watch"],
        ["{photo}", "{clip}", "--id-photo", "35x45", "-o", "{folder}/made/"],
        ["{clip}", "-o", "{folder}/clip.mp4"],
    ],
)
def test_what_no_photo_could_help_is_told_in_two_lines_before_the_first(
    photo: Path, clip: Path, tmp_path: Path, arguments: list[str]
) -> None:
    folder = tmp_path / "team"
    folder.mkdir()
    (folder / "me.png").write_bytes(photo.read_bytes())
    missing = next(name for name, entry in catalogue().items() if not is_there(entry))
    values = {"photo": photo, "clip": clip, "folder": folder, "missing": missing}
    done = run(*(argument.format(**values) for argument in arguments))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 2
    assert [path.name for path in tmp_path.rglob("*")] == ["team", "me.png"]


@pytest.mark.parametrize(
    ("variable", "value", "part"),
    [
        ("CVMATTE_DEVICE", "foo", "takes one of these: auto"),
        ("CVMATTE_THREADS", "x", "1 to 256"),
        ("CVMATTE_THREADS", "0", "1 to 256"),
    ],
)
def test_a_variable_that_says_what_cannot_be_is_told(photo: Path, variable: str, value: str, part: str) -> None:
    done = run(photo, **{variable: value})
    assert done.returncode == 2
    assert done.stderr.startswith(variable) and part in done.stderr


def test_nobody_in_the_photo_is_no_success(photo: Path, tmp_path: Path) -> None:
    Image.new("RGB", (200, 150), (90, 120, 160)).save(tmp_path / "sky.png")
    done = run(tmp_path / "sky.png", "-o", tmp_path / "out.png")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Nobody was found in sky.png" in done.stderr
    assert not (tmp_path / "out.png").exists()
    piped = subprocess.run(
        [PYTHON, str(paths.ROOT / "scripts" / "matte.py"), "-"],
        input=(tmp_path / "sky.png").read_bytes(), capture_output=True,
    )  # fmt: skip
    assert (piped.returncode, piped.stdout) == (1, b"")


def test_a_folder_is_taken_for_one_photo_and_for_several_and_patterns(photo: Path, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(photo.read_bytes())
    Image.new("RGB", (200, 150), (90, 120, 160)).save(tmp_path / "sky.png")
    there = tmp_path / "there"
    there.mkdir()
    fast = ("--quality", "fast")
    assert run(tmp_path / "a.png", "-o", there, *fast).returncode == 0
    assert run(tmp_path / "a.png", "-o", f"{tmp_path}/new/", "--format", "webp", *fast).returncode == 0
    assert [path.name for path in there.iterdir()] == ["a.png"]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.webp"]
    done = run(f"{tmp_path}/*.png", "-o", tmp_path / "all", "--save-mask", *fast)  # a pattern that no shell has seen
    assert done.returncode == 1  # one shows nobody
    assert done.stderr.splitlines() == ["Nobody was found in sky.png: choose a photo of a person."]
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == ["a-mask.png", "a.png", "b-mask.png", "b.png"]
    none = run(tmp_path / "sky.png", tmp_path / "absent.png", "-o", tmp_path / "all", *fast)
    assert none.returncode == 3
    assert len(none.stderr.splitlines()) == 2


def test_a_preset_a_colour_s_name_and_what_a_colour_implies(photo: Path, tmp_path: Path) -> None:
    for number, options in enumerate((["--background-color", "red"], ["--background-colour", "#f00"])):
        assert run(photo, "-o", tmp_path / f"{number}.png", *options, "--quality", "fast").returncode == 0
        assert np.asarray(Image.open(tmp_path / f"{number}.png"))[0, 0].tolist() == [255, 0, 0, 255]
    for name in ("id_photo", "ID photo"):
        done = run(photo, "-o", f"{tmp_path}/{name}/", "--preset", name, "--quality", "fast")
        assert done.returncode == 0, done.stderr
        with Image.open(tmp_path / name / "astronaut.jpg") as made:
            assert made.size != (512, 512) and np.asarray(made)[0, 0].min() > 250
    done = run(photo, "-o", tmp_path / "mine.png", "--preset", "id_photo", "--id-photo", "off", "--format", "png")
    assert done.returncode == 0, done.stderr
    assert Image.open(tmp_path / "mine.png").size == (512, 512)


def test_the_ending_that_somebody_types_goes_before_a_preset_s_format(photo: Path, tmp_path: Path) -> None:
    done = run(photo, "-o", tmp_path / "me.png", "--preset", "id_photo", "--quality", "fast")
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "me.png") as made:
        assert (made.format, made.size) == ("PNG", (413, 531))


def test_a_preset_s_id_photo_is_said_not_to_be_of_a_clip(clip: Path, tmp_path: Path) -> None:
    done = run(clip, "-o", f"{tmp_path}/", "--preset", "id_photo", "--quality", "fast")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("clip.mp4 is a clip, so the preset's ID photo doesn't apply to it.\n")
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_how_a_photo_s_file_is_written_may_be_said_beside_a_clip(clip: Path, tmp_path: Path) -> None:
    done = run(clip, "-o", f"{tmp_path}/", "--format", "webp", "--no-metadata", "--quality", "fast")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["clip.webm"]


def run_changed(program: str, photo: Path, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """A program that changes matte.py and runs it, with a folder for its data and out.png."""
    return subprocess.run(
        [str(paths.environment_python()), "-c", program, str(photo), *options, "-o", str(folder / "out.png")],
        capture_output=True, text=True, cwd=paths.ROOT,
        env={**os.environ, "LC_ALL": "C.UTF-8", "CVMATTE_DATA": str(folder)},
    )  # fmt: skip


def test_a_device_that_can_not_be_used_is_said_and_where_the_log_is(photo: Path, tmp_path: Path) -> None:
    program = (
        "import dataclasses, sys; from cvmatte_core.commands import matte\n"
        "class Falling(matte.Matter):\n"
        "    def __call__(self, *arguments, **more):\n"
        "        fallback = {'wanted': 'CUDA', 'device': 'CPU'}\n"
        "        return dataclasses.replace(super().__call__(*arguments, **more), fallback=fallback)\n"
        "matte.Matter = Falling\n"
        "sys.exit(matte.main(sys.argv[1:]))"
    )
    done = run_changed(program, photo, tmp_path)
    assert done.returncode == 0
    first, second = done.stderr.splitlines()
    assert first.startswith("CUDA can't be used, so CVMatte runs on CPU")
    assert second == f"The log is {tmp_path / 'logs' / 'shell.log'}."


@pytest.mark.parametrize(
    ("options", "colour", "width"),
    [
        (("--outline", 20, "--outline-colour", "lime"), (0, 255, 0), 20),
        (("--outline-colour", "#f00"), (255, 0, 0), 12),  # which says that there is to be one
        (("--preset", "sticker_outline", "--no-crop"), (255, 255, 255), 12),
        (("--preset", "thumbnail_glow", "--no-crop", "--outline-softness", 0), (255, 255, 255), 40),
    ],
)
def test_an_outline_is_an_option_and_two_presets(
    photo: Path, tmp_path: Path, options: tuple[object, ...], colour: tuple[int, int, int], width: int
) -> None:
    target = tmp_path / "sticker.png"
    assert run(photo, "-o", target, "--quality", "fast", *options).returncode == 0
    layer = np.asarray(Image.open(target))
    assert layer.shape[:2] == (512 + 2 * width, 512 + 2 * width)
    assert ((layer == (*colour, 255)).all(axis=2)).sum() > 500 * width


def test_the_longest_side_is_the_crop_s(photo: Path, tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    Image.open(photo).convert("RGB").resize((1024, 1024)).save(large)
    options = ("--crop", "--crop-margin", 0, "--longest-side", 600, "--quality", "fast")
    assert run(large, "-o", tmp_path / "out.png", *options).returncode == 0
    assert 597 <= max(Image.open(tmp_path / "out.png").size) <= 600


def test_what_the_log_explains_is_there_and_where_it_is_said(photo: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from cvmatte_core.commands import matte; from cvmatte_core.matting import refine\n"
        "def fail(*_): raise ValueError('of the test')\n"
        "refine.crop_box = fail\n"
        "sys.exit(matte.main(sys.argv[1:]))"
    )
    done = run_changed(program, photo, tmp_path, "--crop")
    assert done.returncode == 1
    first, second = done.stderr.splitlines()
    assert "Something went wrong inside CVMatte" in first
    log = Path(second.removeprefix("The log is ").removesuffix("."))
    assert "ValueError: of the test" in log.read_text()


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.2, 0.6])
def test_ctrl_c_soon_after_the_start_prints_no_traceback(photo: Path, tmp_path: Path, seconds: float) -> None:
    Image.open(photo).resize((2048, 2048)).save(tmp_path / "large.bmp")  # so that it isn't done by then
    arguments = [str(tmp_path / "large.bmp"), "-o", str(tmp_path / "out.png"), "--quality", "best"]
    command = [PYTHON, str(paths.ROOT / "scripts" / "matte.py"), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    # Once it goes on in CVMatte's own environment; before, all is the system's Python's.
    while str(paths.environment_python()).encode() not in Path(f"/proc/{process.pid}/cmdline").read_bytes():
        time.sleep(0.005)
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert "Traceback" not in errors
    assert process.returncode in (-signal.SIGINT, 130), errors


def test_ctrl_c_that_breaks_an_import_is_no_error(photo: Path, tmp_path: Path) -> None:
    """ONNX Runtime's own module makes an ImportError of it, and the network seems not to load."""
    program = (
        "import os, signal, sys\n"
        "from cvmatte_core.commands import matte; from cvmatte_core.models import onnx_session\n"
        "def broken(*_):\n"
        "    try: os.kill(os.getpid(), signal.SIGINT)\n"
        "    except KeyboardInterrupt: raise ImportError('initialization failed')\n"
        "onnx_session._steps = broken\n"
        "sys.exit(matte.main(sys.argv[1:]))"
    )
    done = run_changed(program, photo, tmp_path)
    assert (done.returncode, done.stderr.strip()) == (130, "")


def test_without_the_environment_it_says_what_to_run(photo: Path) -> None:
    done = run(photo, CVMATTE_PYTHON="/nonexistent/python")
    assert done.returncode != 0
    assert "python3 install.py" in done.stderr
