"""scripts/matte.py on a folder and in a pipe, as a person runs it, with the real network."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import struct
import subprocess
import sys
import time
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from demo.throwaway_obs import wait_until
from PIL import Image

from cvmatte_core.filesystem import paths
from tests.conftest import make_team

pytestmark = pytest.mark.whole

SMALL = ("--quality", "fast", "--longest-side", "64")
SLOW = ("--quality", "best")  # slow enough to be met in the middle


def command(*arguments: object) -> list[str]:
    return [sys.executable, str(paths.ROOT / "scripts" / "matte.py"), *map(str, arguments)]


ENVIRONMENT = {**os.environ, "LC_ALL": "en_US.UTF-8", "CVMATTE_ENTERED": "1"}


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, env=ENVIRONMENT)


def start(*arguments: object) -> subprocess.Popen[str]:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command(*arguments), env=ENVIRONMENT, **pipes)  # type: ignore[call-overload]


wait_for = partial(wait_until, timeout=90)


@pytest.fixture
def folder(tmp_path: Path, photo: Path) -> Path:
    """Six photos, one of them in a subfolder."""
    return make_team(tmp_path / "team", photo, 5)


def layers(folder: Path) -> set[str]:
    if not folder.exists():
        return set()
    return {path.name for path in folder.iterdir() if path.suffix == ".png" and "mask" not in path.name}


def rows(out: Path) -> dict[str, str]:
    with (out / "batch_report.csv").open(encoding="utf-8-sig", newline="") as file:
        return {row["file"]: row["status"] for row in csv.DictReader(file)}


def test_other_options_give_the_same_names_and_what_is_left_out_is_said(folder: Path) -> None:
    for name in ("layers.psd", "clip.mp4", "raw.cr2", "notes.txt"):
        (folder / name).write_bytes(b"not looked at")
    out = folder.parent / "team-cutout"
    names = sorted(path.stem for path in folder.glob("*.*") if path.suffix not in (".psd", ".mp4", ".cr2", ".txt"))
    for options, made in (
        ((), [".png", "-mask.png"]),
        (("--no-save-mask",), [".png"]),
        (("--format", "webp"), [".webp", "-mask.png"]),
        ((), [".png", "-mask.png"]),
    ):
        done = run(folder, *SMALL, *options)
        assert done.returncode == 0, done.stderr
        assert "clip.mp4, layers.psd, raw.cr2" in done.stderr and "notes" not in done.stderr
        there = {path.name for path in out.iterdir()}
        assert {f"{name}{ending}" for name in names for ending in made} <= there
        assert not [name for name in there if name.endswith(("-2.png", "-2.webp", "-2-mask.png"))]


def test_a_folder_becomes_a_folder_beside_it(folder: Path) -> None:
    done = run(folder, "--recursive", *SMALL)
    assert done.returncode == 0, done.stderr
    assert "Done: 6, unchanged: 0, failed: 0, left: 0" in done.stdout
    out = folder.parent / "team-cutout"
    assert layers(out) == {f"{number}.png" for number in range(5)}
    layer = np.asarray(Image.open(out / "second floor" / "人像.png"))
    mask = np.asarray(Image.open(out / "second floor" / "人像-mask.png"))
    assert np.array_equal(layer[..., 3], mask)
    assert 0 < mask.mean() < 255
    with zipfile.ZipFile(out / "batch_results.zip") as archive:
        assert len(archive.namelist()) == 12
    again = run(folder, "--recursive", *SMALL)
    assert again.returncode == 0
    assert "Done: 0, unchanged: 6" in again.stdout


def test_exit_codes(folder: Path, tmp_path: Path) -> None:
    (folder / "0.png").write_bytes((folder / "0.png").read_bytes()[:9000])
    out = tmp_path / "out"
    some = run(folder, "-o", out, "--no-save-mask", *SMALL)
    assert some.returncode == 1
    assert "0.png is damaged" in some.stderr
    assert rows(out) == {"0.png": "failed", **{f"{number}.png": "done" for number in range(1, 5)}}
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.jpg").write_bytes(b"no picture")
    assert run(tmp_path / "bad", *SMALL).returncode == 3
    (tmp_path / "empty").mkdir()
    nothing = run(tmp_path / "empty", *SMALL)
    assert nothing.returncode == 3
    assert "There are no photos" in nothing.stderr
    assert not (tmp_path / "empty-cutout").exists()
    (tmp_path / "file").touch()
    unwritable = run(folder, "-o", tmp_path / "file" / "out", *SMALL)
    assert (unwritable.returncode, unwritable.stderr.count("\n")) == (3, 1)


def test_killed_in_the_middle_it_goes_on_where_it_was(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start(folder, "-o", out, *SLOW)
    wait_for(lambda: len(layers(out)) >= 2)
    process.kill()
    process.communicate()
    finished = {name: (out / name).stat().st_mtime_ns for name in layers(out)}
    for name in finished:
        Image.open(out / name).load()  # whole
    again = run(folder, "-o", out, *SLOW)
    assert again.returncode == 0, again.stderr
    assert layers(out) == {f"{number}.png" for number in range(5)}
    kept = [name for name, written in finished.items() if (out / name).stat().st_mtime_ns == written]
    assert len(kept) >= len(finished) - 1  # one may have been written, and not yet noted
    assert f"unchanged: {len(kept)}" in again.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_ended_by_the_person_it_keeps_what_is_finished(folder: Path, tmp_path: Path, number: int) -> None:
    out = tmp_path / "out"
    process = start(folder, "-o", out, *SLOW)
    wait_for(lambda: len(layers(out)) >= 1)
    begun = time.monotonic()
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    assert time.monotonic() - begun < 20
    assert process.returncode == 130
    assert "Traceback" not in errors
    found = rows(out)
    assert {name for name, status in found.items() if status == "done"} == layers(out)
    assert "waiting" in found.values()
    assert not [path for path in out.iterdir() if path.name.startswith(".cvmatte-") or path.suffix == ".zip"]
    assert f"Done: {len(layers(out))}," in output
    again = run(folder, "-o", out, *SLOW)
    assert again.returncode == 0
    assert (out / "batch_results.zip").exists()


SLOW_COPY = """
import sys
from pathlib import Path
from cvmatte_core.batch.folders import FolderBatch
from cvmatte_core.commands import clips_and_folders, matte

def scan(batch):
    with (batch.folder / "late.png").open("ab") as file:
        file.write(source.read(size // 6))
    return looks(batch)

looks, FolderBatch.scan = FolderBatch.scan, scan
clips_and_folders._WATCH_SECONDS = 0.1
photo = Path(sys.argv[1], "0.png")
source, size = photo.open("rb"), photo.stat().st_size
sys.exit(matte.main())
"""


def test_watching_it_takes_what_comes_once_it_is_whole(folder: Path, tmp_path: Path) -> None:
    """A copy so slow that there is some more of it at each look."""
    out = tmp_path / "out"
    arguments = [sys.executable, "-c", SLOW_COPY, str(folder), "-o", str(out), "--watch", *SMALL]
    environment = {**ENVIRONMENT, "PYTHONPATH": str(paths.ROOT)}
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(arguments, env=environment, **pipes)  # type: ignore[call-overload]
    wait_for(lambda: len(layers(out)) == 6 and "late.png" in rows(out))
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "damaged" not in errors
    assert set(rows(out).values()) == {"done"}
    with zipfile.ZipFile(out / "batch_results.zip") as archive:
        assert "late.png" in archive.namelist()


def test_a_pipe_takes_a_photo_and_gives_a_layer(photo: Path, tmp_path: Path) -> None:
    done = subprocess.run(command("-", "-o", "-", *SMALL), input=photo.read_bytes(), capture_output=True)
    assert done.returncode == 0, done.stderr
    layer = Image.open(io.BytesIO(done.stdout))
    assert (layer.format, layer.mode, layer.size) == ("PNG", "RGBA", (64, 64))
    run(photo, "-o", tmp_path / "out.png", *SMALL)
    assert np.array_equal(np.asarray(layer), np.asarray(Image.open(tmp_path / "out.png")))
    webp = subprocess.run(command(photo, "-o", "-", "--format", "webp", *SMALL), capture_output=True)
    assert Image.open(io.BytesIO(webp.stdout)).format == "WEBP"
    options = ("-", "-o", tmp_path / "named.webp", "--mask", tmp_path / "mask.png", *SMALL)
    named = subprocess.run(command(*options), input=photo.read_bytes(), capture_output=True)
    assert named.returncode == 0, named.stderr
    assert Image.open(tmp_path / "named.webp").format == "WEBP"


@pytest.mark.parametrize(("given", "part"), [(b"", b"empty"), (b"no picture", b"not a picture")])
def test_what_is_no_photo_in_a_pipe_is_a_sentence(given: bytes, part: bytes) -> None:
    done = subprocess.run(command("-", *SMALL), input=given, capture_output=True, env=ENVIRONMENT)
    assert (done.returncode, done.stdout) == (1, b"")
    assert part in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_reader_that_goes_away_is_no_traceback(photo: Path) -> None:
    process = subprocess.Popen(command(photo, "-o", "-", *SMALL), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 1


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["{folder}", "--mask", "mask.png"], "--mask is for a single photo"),
        (["{folder}", "--overwrite"], "--overwrite is for a single photo"),
        (["{folder}", "-o", "-"], "-o - is for a single photo"),
        (["{folder}/0.png", "--watch"], "--watch is for a folder"),
        (["{folder}/0.png", "--ray", "auto"], "--ray is for a folder"),
        (["{folder}/0.png", "--recursive"], "--recursive is for a folder"),
        (["{folder}/0.png", "-o", "-", "--save-mask"], "mask can't be saved beside standard output"),
    ],
)
def test_options_that_do_not_go_together_are_a_sentence(folder: Path, arguments: list[str], part: str) -> None:
    done = run(*(argument.format(folder=folder) for argument in arguments))
    assert done.returncode == 2
    assert part in done.stderr


def test_the_report_is_in_the_person_s_language(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.jpg").write_bytes(b"no picture")
    environment = {**ENVIRONMENT, "LC_ALL": "zh_CN.UTF-8"}
    subprocess.run(command(tmp_path / "bad"), env=environment, capture_output=True)
    report = json.loads((tmp_path / "bad-cutout" / "batch_report.json").read_text())
    assert "不是 CVMatte 能读取的图片" in report["photos"][0]["error"]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_a_terminal_shows_a_bar_with_rate_and_time_left(folder: Path, tmp_path: Path) -> None:
    import fcntl
    import pty
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    process = subprocess.Popen(
        command(folder, "-o", tmp_path / "out", *SMALL), stdout=subprocess.DEVNULL, stderr=theirs, env=ENVIRONMENT
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    assert process.wait() == 0
    assert b"5/5 [" in shown
    assert b"photos" in shown and b"<00:" in shown


def test_a_cluster_without_ray_is_a_sentence(folder: Path, tmp_path: Path) -> None:
    program = "import sys; sys.modules['ray'] = None; from cvmatte_core.commands import matte; sys.exit(matte.main())"
    environment = {**ENVIRONMENT, "PYTHONPATH": str(paths.ROOT)}
    arguments = [sys.executable, "-c", program, str(folder), "-o", str(tmp_path / "out"), "--ray", "auto"]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)
    assert "install.py --ray" in done.stderr
    assert not (tmp_path / "out").exists()
