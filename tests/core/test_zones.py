"""Zones of a live picture: what is always kept of it, and what is never shown."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from development import made_clips
from PIL import Image

from cvmatte_core.live.orders import Orders
from cvmatte_core.live.rest import Rest
from cvmatte_core.matting import zones
from cvmatte_core.matting.touch_up import AUTOMATIC, KEEP, REMOVE
from cvmatte_core.matting.video_matter import VideoMatter
from cvmatte_core.matting.zones import Masks, Zones
from cvmatte_core.settings import MatteSettings

SIZE = (320, 180)
SHEET = (540, 960)
DESK = np.s_[150:180, :60]  # rows and columns of the frame: far from the person
CHIN = np.s_[100:130, 140:180]  # in their midst


def painted(*places: tuple[Any, int]) -> str:
    """Zones with these parts of the frame painted, one after the other."""
    sheet = np.full(SHEET, AUTOMATIC, np.uint8)
    for (rows, columns), value in places:
        sheet[3 * (rows.start or 0) : 3 * rows.stop, 3 * (columns.start or 0) : 3 * columns.stop] = value
    return zones.text_of(sheet)


@pytest.fixture(scope="module")
def made(photo: Path) -> list[np.ndarray]:
    """Of somebody who moves."""
    background = np.array(Image.open(photo).convert("RGB").crop((0, 0, 90, 60)).resize((900, 600)))
    found = made_clips.frames(made_clips.cut_by_an_ellipse(photo), background, SIZE, 4)
    return [frame.picture for frame in found]


Cut = Callable[..., np.ndarray]


@pytest.fixture(scope="module")
def cut(made: list[np.ndarray]) -> Cut:
    """The layer of the last frame with zones and controls."""

    def layer(text: str, frames: list[np.ndarray] = made, **settings: Any) -> np.ndarray:
        chosen = MatteSettings(quality="fast", **settings)
        moving = VideoMatter(chosen, 2)
        moving.change(chosen, text)
        return [moving.layer(frame) for frame in frames][-1]

    return layer


# What is kept of them


def test_a_sheet_is_a_short_text_and_back() -> None:
    sheet = np.full(SHEET, AUTOMATIC, np.uint8)
    assert zones.text_of(sheet) == "" and Zones("").masks((90, 160)) == Masks()
    for column in range(12):
        cv2.line(sheet, (80 * column, 20), (80 * column + 60, 500), KEEP if column % 2 else REMOVE, 43)
    text = zones.text_of(sheet)
    found = zones.sheet_of(text)
    assert found is not None and text.isascii() and len(text) < 10_000 and np.array_equal(found, sheet)


@pytest.mark.parametrize("shape", [(180, 320), (1080, 1920), (90, 160), (2160, 3840), (181, 319)])
def test_they_are_at_the_same_place_in_frames_of_every_size(shape: tuple[int, int]) -> None:
    masks = Zones(painted((DESK, KEEP), (CHIN, REMOVE))).masks(shape)
    kept, hidden = masks.kept, masks.hidden
    assert kept is not None and hidden is not None and kept.shape == hidden.shape == shape
    for mask, (rows, columns) in ((kept, DESK), (hidden, CHIN)):
        height, width = shape[0] / SIZE[1], shape[1] / SIZE[0]
        inside = mask[
            round((rows.start + 3) * height) : round((rows.stop - 3) * height),
            round(((columns.start or 0) + 3) * width) : round((columns.stop - 3) * width),
        ]
        area = (rows.stop - rows.start) * (columns.stop - (columns.start or 0)) / SIZE[0] / SIZE[1]
        assert inside.min() > 0.99 and mask.mean() == pytest.approx(area, rel=0.03)
    assert kept[-1, 0] > 0.99  # up to the picture's border
    assert ((kept > 0.02) & (kept < 0.98)).any()  # soft


@pytest.mark.parametrize(("shape", "stretched"), [((1080, 1920), False), ((358, 640), False), ((480, 640), True)])
def test_another_shape_of_the_picture_is_noticed(shape: tuple[int, int], stretched: bool) -> None:
    text = painted((DESK, KEEP))
    assert Zones(text).are_stretched(shape) == stretched and not Zones("").are_stretched(shape)


@pytest.mark.parametrize("shape", [(1, 1), (1, 4000), (4000, 1), (2, 4)])
def test_tiny_pictures_have_zones_too(shape: tuple[int, int]) -> None:
    sheet = np.full(zones.shape_of_sheet(shape), KEEP, np.uint8)
    assert min(sheet.shape) >= 1 and max(sheet.shape) == zones.SIDE
    kept = Zones(zones.text_of(sheet)).masks(shape).kept
    assert kept is not None and kept.min() > 0.99


def test_what_is_no_zones_counts_as_none() -> None:
    huge = cv2.imencode(".png", np.zeros((1, 5000), np.uint8))[1].tobytes()
    whole = painted((DESK, KEEP))
    for text in ("x", "é", "AAAA", whole[:100], whole[:-40], base64.b64encode(huge).decode(), "A" * 4_000_000):
        assert Zones(text).masks((90, 160)) == Masks()
    order = {"source": {"video": "a.mp4"}, "settings": {}}
    assert (Orders.parse({**order, "zones": "x"}).zones, Orders.parse(order).zones) == ("x", "")


# What they do


def test_what_is_kept_shows_in_its_own_colours_and_what_is_never_shown_does_not(
    cut: Cut, made: list[np.ndarray]
) -> None:
    before, layer = cut(""), cut(painted((DESK, KEEP), (CHIN, REMOVE)))
    inside_desk, inside_chin = np.s_[154:180, :56], np.s_[104:126, 144:176]
    assert before[inside_desk][..., 3].max() < 30 and before[inside_chin][..., 3].min() > 200
    assert layer[inside_desk][..., 3].min() == 255 and layer[inside_chin][..., 3].max() == 0
    assert np.array_equal(layer[inside_desk][..., :3], made[-1][inside_desk])
    far = np.s_[:80]  # from both
    assert np.array_equal(layer[far], before[far])


def test_what_is_painted_last_holds(cut: Cut) -> None:
    half = np.s_[100:130, 160:180]
    layer = cut(painted((CHIN, REMOVE), (half, KEEP)))
    assert layer[104:126, 164:176, 3].min() == 255 and layer[104:126, 144:156, 3].max() == 0
    layer = cut(painted((CHIN, KEEP), (half, REMOVE)))
    assert layer[104:126, 164:176, 3].max() == 0 and layer[104:126, 144:156, 3].min() == 255


def test_the_main_person_is_never_a_desk_and_keeps_it(cut: Cut) -> None:
    everything_else = np.s_[:180, :100]  # more than the person has
    layer = cut(painted((everything_else, KEEP)), subject="main")
    assert layer[10:170, 5:90, 3].min() == 255 and layer[104:126, 144:176, 3].min() > 200


def test_mirrored_they_are_mirrored_with_the_picture(cut: Cut) -> None:
    text = painted((DESK, KEEP))
    assert np.array_equal(cut(text, mirror=True), cv2.flip(cut(text), 1))


def test_the_edge_s_controls_see_no_seam_between_person_and_desk(cut: Cut) -> None:
    below = np.s_[120:180, 60:260]  # over the person's lower half
    layer = cut(painted((below, KEEP)), erosion=4)
    assert layer[128:176, 70:250, 3].min() == 255


def test_a_crop_follows_the_person_and_not_the_desk(made: list[np.ndarray]) -> None:
    chosen = MatteSettings(quality="fast", crop=True, crop_margin=0)
    windows: list[Any] = []
    for text in ("", painted((DESK, KEEP))):
        moving = VideoMatter(chosen, 2)
        moving.change(chosen, text)
        for frame in made:
            layer = moving.layer(frame)
        windows.append(moving._following.window)
        assert layer.shape[:2] == SIZE[::-1]
    assert windows[1] == pytest.approx(windows[0])
    # And what is never shown isn't looked at.
    hidden = painted((np.s_[:180, :160], REMOVE))
    moving = VideoMatter(chosen, 2)
    moving.change(chosen, hidden)
    for frame in made:
        moving.layer(frame)
    assert moving._following.window is not None and moving._following.window[0] > windows[0][0]


def test_without_anybody_nobody_is_seen_whatever_is_kept() -> None:
    chosen = MatteSettings(quality="fast")
    moving = VideoMatter(chosen, 2)
    moving.change(chosen, painted((DESK, KEEP)))
    layer = moving.layer(np.full((*SIZE[::-1], 3), 90, np.uint8))
    assert layer[154:180, :56, 3].min() == 255 and not moving.has_seen_somebody


def test_a_picture_s_own_transparency_stays(cut: Cut, made: list[np.ndarray]) -> None:
    frames = [np.dstack([frame, np.full(SIZE[::-1], 255, np.uint8)]) for frame in made]
    for frame in frames:
        frame[160:, :, 3] = 0
    layer = cut(painted((DESK, KEEP)), frames)
    assert layer[153:158, :50, 3].min() > 200 and layer[162:, :, 3].max() == 0


def test_another_size_of_frames_goes_on_with_them(made: list[np.ndarray]) -> None:
    moving = VideoMatter(MatteSettings(quality="fast"), 2)
    moving.change(moving.settings, painted((DESK, KEEP)))
    for size in (SIZE, (640, 360), (320, 240)):
        layer = moving.layer(cv2.resize(made[0], size))
        rows, columns = size[1] // 20, size[0] // 6
        assert layer[-rows:, :columns, 3].min() == 255
        assert moving.has_stretched_zones == (size == (320, 240))


def test_at_rest_changed_zones_count_at_once() -> None:
    resting, frame, settings = Rest(), np.full((90, 160, 3), 90, np.uint8), MatteSettings()
    while not resting.holds(frame, (settings, "")):
        pass
    assert resting.holds(frame, (settings, ""))
    assert not resting.holds(frame, (settings, painted((DESK, KEEP))))
