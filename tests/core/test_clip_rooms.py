"""Clips with the empty room: a photo of it, or what the clip itself shows at a time."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from development import made_clips, made_rooms
from PIL import Image

from cvmatte_core.commands import matte as matte_command
from cvmatte_core.filesystem import paths
from cvmatte_core.image.geometry import reduced
from cvmatte_core.localization.errors import Cancelled, ImageError
from cvmatte_core.matting.room.finding import OTHER
from cvmatte_core.matting.video_matter import VideoMatter
from cvmatte_core.settings import MatteSettings
from cvmatte_core.video import clips
from cvmatte_core.worker.jobs.clip import ClipCutout

SIZE, EMPTY, COUNT, RATE = (480, 300), 4, 8, 10
BALL = (350, 215, 28)  # touches the shoulder
FAST = MatteSettings(quality="fast")


@pytest.fixture(scope="module")
def room() -> np.ndarray:
    light = made_rooms.shelf(SIZE, np.random.default_rng(0))
    return made_rooms.seen(light, 0.0, 0, np.random.default_rng(1))


@pytest.fixture(scope="module")
def pictures(photo: Path, room: np.ndarray) -> list[np.ndarray]:
    """The room alone, then somebody in it with a ball at their shoulder."""
    cutout = reduced(made_clips.cut_by_an_ellipse(photo), SIZE[1])
    height, width = cutout.shape[:2]
    left = (SIZE[0] - width) // 2
    somebody = room.copy()
    part = somebody[SIZE[1] - height :, left : left + width]
    alpha = cutout[..., 3:] / 255
    part[:] = alpha * cutout[..., :3] + (1 - alpha) * part
    cv2.circle(somebody, BALL[:2], BALL[2], (40, 170, 60), -1, cv2.LINE_AA)
    return [room] * EMPTY + [somebody] * (COUNT - EMPTY)


@pytest.fixture(scope="module")
def clip(pictures: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rooms") / "clip.mp4"
    alpha = np.zeros(SIZE[::-1], np.float32)
    made_clips.write(path, (made_clips.MadeFrame(picture, alpha) for picture in pictures), RATE, sound="")
    return path


def held(layer: np.ndarray) -> float:
    x, y, radius = BALL
    return float(layer[y - radius // 2 : y + radius // 2, x : x + radius // 2, 3].mean()) / 255


def test_what_is_held_before_a_known_room_is_kept(pictures: list[np.ndarray], room: np.ndarray) -> None:
    without, moving = VideoMatter(FAST, 2), VideoMatter(FAST, 2, room=room)
    for picture in pictures[EMPTY:]:
        lost, kept = without.layer(picture), moving.layer(picture)
    assert held(kept) > 0.95 > 0.5 > held(lost)
    assert not moving.without_room
    assert kept[:40, :40, 3].max() < 8


def test_what_is_held_has_its_own_colours_also_where_furniture_is_kept(
    pictures: list[np.ndarray], room: np.ndarray
) -> None:
    x, y, radius = BALL
    inside = np.s_[y - radius // 2 : y + radius // 2, x : x + radius // 2]
    for keeps in (False, True):
        moving = VideoMatter(dataclasses.replace(FAST, keep_furniture=keeps), 2, room=room)
        for picture in pictures[EMPTY:]:
            layer = moving.layer(picture)
        assert held(layer) > 0.95
        assert np.abs(layer[inside][..., :3].astype(int) - pictures[-1][inside]).max() < 12


def test_a_room_that_is_another_changes_nothing_and_is_counted(pictures: list[np.ndarray]) -> None:
    noise = np.random.default_rng(5).integers(0, 255, (300, 480, 3), np.uint8)
    without, moving = VideoMatter(FAST, 2), VideoMatter(FAST, 2, room=noise)
    assert np.array_equal(without.layer(pictures[-1]), moving.layer(pictures[-1]))
    assert moving.without_room == {OTHER: 1}


def test_the_room_is_what_a_clip_shows_at_a_time(clip: Path, pictures: list[np.ndarray]) -> None:
    for seconds, number in ((0, 0), (0.35, 3), (0.4, 4), (0.75, 7)):
        frame = clips.frame_at(clip, seconds)
        assert np.abs(frame.astype(int) - pictures[number]).mean() < 12, seconds
    with pytest.raises(ImageError) as refused:
        clips.frame_at(clip, 3)
    assert refused.value.key == "room_at_beyond"


def test_a_clip_is_cut_out_with_its_own_frame(clip: Path, tmp_path: Path) -> None:
    target = tmp_path / "frames"
    assert matte_command.main([str(clip), "-o", str(target), "--room-at", "0:00.1", "--quality", "fast"]) == 0
    last = np.asarray(Image.open(sorted(target.iterdir())[-1]))
    assert held(last) > 0.95


def test_a_clip_may_have_a_photo_of_its_room_and_hears_where_that_is_another(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noise = np.random.default_rng(5).integers(0, 255, (300, 480, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "room.png")
    options = ["--room", str(tmp_path / "room.png"), "--quality", "fast"]
    assert matte_command.main([str(clip), "-o", str(tmp_path / "frames"), *options]) == 0
    assert "shows another place" in capsys.readouterr().err


def test_the_worker_s_clip_has_a_room_and_parts_of_another_or_of_none_are_not_gone_on_with(
    clip: Path, room: np.ndarray, tmp_path: Path
) -> None:
    """The worker dies in the middle of a cut without a room; the next is with one."""
    begun: list[Path] = []

    def job(dies_after: int) -> Any:
        def tell(stage: str, done: int, total: int) -> None:
            begun.extend(paths.unfinished_clips_folder().glob("*/"))
            worker.is_ending = done >= dies_after

        worker = SimpleNamespace(is_ending=False, outputs_folder=tmp_path)
        return SimpleNamespace(tell=tell, cancelled=threading.Event(), worker=worker)

    noise = np.random.default_rng(5).integers(0, 255, room.shape, np.uint8)
    for name, pixels in (("room.png", room), ("other.png", noise)):
        Image.fromarray(pixels).save(tmp_path / name)
    rooms = (None, tmp_path / "room.png", tmp_path / "other.png")
    for given in rooms:
        with pytest.raises(Cancelled):
            ClipCutout(clip=clip, settings=FAST, room=given).run(job(dies_after=2))
    assert len({folder.name for folder in begun}) == len(rooms)
    notes = [ClipCutout(clip=clip, settings=FAST, room=given).run(job(99))["notes"] for given in rooms]
    assert notes == [[], [], [[OTHER, {}]]]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--room-at", "soon"], "“soon” is not a time"),
        (["--room-at", "0:-3"], "is not a time"),
        (["--room-at", "0:09"], "has no picture at the time"),
        (["--room-at", "0", "--room", "{clip}"], "either --room or --room-at"),
    ],
)
def test_what_cannot_be_is_a_sentence(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    wanted = [str(clip), "-o", str(tmp_path / "out.webm"), *(option.format(clip=clip) for option in options)]
    with pytest.raises(SystemExit) as ended:
        raise SystemExit(matte_command.main(wanted))
    assert ended.value.code == 2 and said in capsys.readouterr().err
    assert not (tmp_path / "out.webm").exists()


def test_a_time_is_for_clips_only(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for what in (photo, photo.parent):
        with pytest.raises(SystemExit):
            raise SystemExit(matte_command.main([str(what), "--room-at", "0:03"]))
        assert "--room-at is for clips only" in capsys.readouterr().err


def test_times_are_read_as_players_write_them() -> None:
    assert [matte_command.seconds(text) for text in ("3", "0:03.5", "1:02:03")] == [3, 3.5, 3723]
