"""Clips beside what was made of them, as OBS shows both: its decoder is another than the one that made them."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from demo.throwaway_obs import SCENE, wait_until
from PIL import Image

from cvmatte_core.settings import MatteSettings
from cvmatte_core.video import clips

from .conftest import Studio, open_studio

GREEN = MatteSettings(quality="fast", background="colour", background_colour="#00ff00")


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with open_studio(tmp_path_factory.mktemp("obs"), frames_per_second=10) as studio:
        yield studio


def film(path: Path, photo: Path, size: tuple[int, int], told: dict[str, int], aspect: Fraction = Fraction(1)) -> Path:
    """The sample portrait for a second, in a film of this size; untagged unless it is told."""
    width, height = size
    shown = round(width * aspect), height
    canvas = Image.new("RGB", shown, (70, 90, 110))
    canvas.paste(Image.open(photo).convert("RGB").resize((height, height)), ((shown[0] - height) // 2, 0))
    rgb = np.array(canvas.resize(size))
    matrix = told.get("colorspace", 1 if height >= 720 else 5)
    with av.open(str(path), "w") as clip:
        video: Any = clip.add_stream("libx264", rate=10, options={"crf": "8"})
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        video.codec_context.sample_aspect_ratio = aspect
        for name, value in told.items():
            setattr(video.codec_context, name, value)
        for number in range(10):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace=matrix, dst_color_range=1)
            frame.pts, frame.time_base = number, Fraction(1, 10)
            clip.mux(video.encode(frame))
        clip.mux(video.encode(None))
    return path


def played(studio: Studio, path: Path) -> np.ndarray:
    """OBS's pixels of a clip in its scene: uint8 RGB."""
    settings = {"local_file": str(path), "looping": True, "restart_on_activate": False}
    studio.requests.create_input(SCENE, path.name, "ffmpeg_source", settings, True)
    try:
        wait_until(lambda: studio.layer(path.name) is not None and bool(studio.layer(path.name)[..., 3].any()))  # type: ignore[index]
        width, height = studio.size(path.name)
        # Not the source's own: of clips with more than 8 bits a screenshot of that is too dark.
        return studio.scene()[:height, :width]
    finally:
        studio.remove(path.name)


TAGGED = {"colorspace": 1, "color_range": 1, "color_primaries": 1, "color_trc": 1}


@pytest.mark.parametrize("told", [TAGGED, {}], ids=["tagged", "untagged"])
@pytest.mark.parametrize("ending", [".mp4", ".webm", ".mov"])
def test_obs_shows_a_cut_clip_in_the_colours_of_its_original(
    studio: Studio, photo: Path, tmp_path: Path, told: dict[str, int], ending: str
) -> None:
    original = film(tmp_path / "original.mp4", photo, (1280, 720), told)
    made = clips.cut_out(original, tmp_path / f"made{ending}", GREEN, 2).path
    before, after = played(studio, original).astype(int), played(studio, made).astype(int)
    assert after.shape == before.shape
    assert np.abs(after[10:200, 10:200, :3] - (0, 255, 0)).max() <= 4
    inside = np.s_[520:700, 600:680, :3]
    assert np.abs(np.median(after[inside] - before[inside], axis=(0, 1))).max() <= 3


def test_an_anamorphic_clip_has_the_shape_of_its_original(studio: Studio, photo: Path, tmp_path: Path) -> None:
    original = film(tmp_path / "pal.mp4", photo, (720, 576), {}, Fraction(64, 45))
    made = clips.cut_out(original, tmp_path / "made.webm", MatteSettings(quality="fast"), 2).path
    assert played(studio, made).shape[:2] == (576, 1024)
    frames = clips.cut_out(original, tmp_path / "frames", MatteSettings(quality="fast"), 2).path
    assert Image.open(frames / "000000.png").size == (1024, 576)
    values = {"input": "video", "video": str(original), "longest_side": 0, "quality": "fast"}
    studio.requests.create_input(SCENE, "live", "cvmatte_portrait", values, True)
    wait_until(lambda: studio.size("live") == (1024, 576))
    studio.remove("live")
