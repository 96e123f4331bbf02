"""Animated pictures: read as clips where one is wanted, and what clips can become."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from development import made_clips
from PIL import Image

from cvmatte_core.commands import matte as matte_command
from cvmatte_core.live.capture import LiveSource
from cvmatte_core.live.latest_frame import LatestFrame
from cvmatte_core.settings import MatteSettings
from cvmatte_core.video import animation, clips

SIZE, DURATIONS = (240, 240), [40, 40, 120, 40, 60, 300]  # milliseconds
FAST = MatteSettings(quality="fast")


@pytest.fixture(scope="module")
def pictures(photo: Path) -> list[Image.Image]:
    cutout = made_clips.cut_by_an_ellipse(photo)
    background = np.full((80, 80, 3), (90, 120, 70), np.uint8)
    made = made_clips.frames(cutout, background, SIZE, len(DURATIONS))
    return [Image.fromarray(one.picture) for one in made]


def animated(path: Path, pictures: list[Image.Image]) -> Path:
    kind = {".apng": "PNG"}.get(path.suffix, path.suffix[1:].upper())
    first, *others = pictures
    first.save(path, format=kind, save_all=True, append_images=others, duration=DURATIONS, loop=0)
    return path


def frames_of(path: Path) -> tuple[list[np.ndarray], list[int]]:
    """RGBA and milliseconds of each frame, as Pillow decodes them."""
    with Image.open(path) as image:
        frames, durations = [], []
        for number in range(image.n_frames):  # type: ignore[attr-defined]
            image.seek(number)
            frames.append(np.array(image.convert("RGBA")))
            durations.append(round(image.info["duration"]))
    return frames, durations


@pytest.mark.parametrize("ending", [".gif", ".webp", ".png", ".apng"])
def test_an_animated_picture_becomes_a_clip_of_its_frames_and_times(
    pictures: list[Image.Image], tmp_path: Path, ending: str
) -> None:
    path = animated(tmp_path / f"anim{ending}", pictures)
    assert animation.count(path) == len(DURATIONS)
    made = clips.cut_out(path, tmp_path / "out.webm", FAST, 2)
    assert made.frames == len(DURATIONS) + 1  # the last one again, so that it is seen for as long
    import av

    with av.open(str(made.path)) as clip:
        times = [round(frame.time * 1000) for frame in clip.decode(video=0)]
        length = (clip.duration or 0) / 1000
    assert times == [0, 40, 80, 200, 240, 300, 560]
    assert length == pytest.approx(sum(DURATIONS), abs=2)


@pytest.mark.parametrize("ending", [".gif", ".webp", ".apng"])
def test_a_clip_becomes_an_animated_picture(pictures: list[Image.Image], tmp_path: Path, ending: str) -> None:
    source = animated(tmp_path / "source.webp", pictures)
    made = clips.cut_out(source, tmp_path / f"out{ending}", FAST, 2).path
    frames, durations = frames_of(made)
    assert len(frames) == len(DURATIONS) + 1 and sum(durations[:-1]) == 560
    wanted = clips.cut_out(source, tmp_path / "frames", FAST, 2).path
    for number, frame in enumerate(frames):
        layer = np.array(Image.open(wanted / f"{number:06}.png")).astype(int)
        surely, surely_not = layer[..., 3] > 240, layer[..., 3] < 15
        assert frame[surely, 3].min() > 200 and frame[surely_not, 3].max() < 60
        assert np.abs(frame[surely].astype(int) - layer[surely])[:, :3].mean() < 12
    with Image.open(made) as image:
        assert image.info.get("loop", 0) == 0  # for ever


def test_more_frames_than_a_gif_shows_are_left_out(photo: Path, tmp_path: Path) -> None:
    path = tmp_path / "fast.mp4"
    cutout = made_clips.cut_by_an_ellipse(photo)
    made_clips.write(path, made_clips.frames(cutout, np.full((80, 80, 3), 120, np.uint8), SIZE, 24), 120, sound="")
    frames, durations = frames_of(clips.cut_out(path, tmp_path / "out.gif", FAST, 2).path)
    assert 6 <= len(frames) <= 12 and min(durations) >= 20


def test_a_png_s_picture_for_who_knows_no_animations_isn_t_a_frame(pictures: list[Image.Image], tmp_path: Path) -> None:
    path = tmp_path / "default.png"
    still = Image.new("RGB", SIZE, "red")
    still.save(path, save_all=True, append_images=pictures, default_image=True, duration=40)
    with animation.opened(path) as opened:
        shown = [picture.pixels for picture in opened.pictures()]
    assert len(shown) == len(pictures) and np.abs(shown[0][..., :3] - np.asarray(pictures[0]).astype(int)).max() == 0


def test_a_damaged_one_gives_what_there_is(pictures: list[Image.Image], tmp_path: Path) -> None:
    path = animated(tmp_path / "anim.gif", pictures)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    made = clips.cut_out(path, tmp_path / "out.webm", FAST, 2)
    assert 1 <= made.frames < len(DURATIONS) + 1


# From the shell


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.setenv("CVMATTE_LANGUAGE", "en")

    def run(*arguments: Path | str) -> tuple[int, str]:
        code = matte_command.main([*map(str, arguments), "--quality", "fast"])
        told = capsys.readouterr()
        return code, told.out + told.err

    return run


def test_what_comes_out_says_whether_it_is_a_clip_or_a_photo(
    shell: Any, pictures: list[Image.Image], tmp_path: Path
) -> None:
    gif, webp = (animated(tmp_path / name, pictures) for name in ("anim.gif", "anim.webp"))
    for source in (gif, webp):
        code, told = shell(source, "-o", tmp_path / f"{source.suffix[1:]}.webm")
        assert code == 0 and "7 frames" in told
    single = tmp_path / "single.gif"
    pictures[0].save(single)
    code, told = shell(single, "-o", tmp_path / "single.webm")
    assert code == 0 and "Saved" in told
    still = Path(shutil.copy(gif, tmp_path / "still.gif"))
    code, told = shell(still, "-o", tmp_path / "still.png")
    assert code == 0 and "first" in told and Image.open(tmp_path / "still.png").size == SIZE
    code, told = shell(still)
    assert code == 0 and "first" in told and (tmp_path / "still-cutout.png").exists()


def test_live_it_plays_as_a_video_does(pictures: list[Image.Image], tmp_path: Path) -> None:
    for ending in (".gif", ".webp", ".apng"):
        latest = LatestFrame(LiveSource(video=str(animated(tmp_path / f"anim{ending}", pictures))))
        seen: list[np.ndarray] = []
        number = 0
        while len(seen) < 10:  # longer than it is: it begins anew
            taken = latest.next(number, 10)
            assert taken is not None, latest.error
            number = taken[0]
            seen.append(taken[1])
        latest.close()
        assert seen[0].shape == (*SIZE, 4) and len({frame.tobytes() for frame in seen}) > 3
