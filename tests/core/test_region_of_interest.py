"""Where the network looks in a moving picture: people larger, and nobody missed who comes in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from development import made_clips
from PIL import Image

from cvmatte_core.matting.region_of_interest import RegionOfInterest
from cvmatte_core.matting.video_matter import VideoMatter
from cvmatte_core.models.regions import Region
from cvmatte_core.settings import MatteSettings

SHAPE = (360, 640)
SMALL = np.full((32, 32, 3), 0.5, np.float32)
FEW = 32  # rows and columns of SMALL


def seen(attention: RegionOfInterest, *people: tuple[int, int, int, int], frames: int = 1) -> Region:
    """The region after frames that show people at (top, left, bottom, right) of the frame: what of them is inside."""
    for _ in range(frames):
        region = attention.region(SHAPE)
        alpha = np.zeros(SHAPE, np.float32)
        for top, left, bottom, right in people:
            alpha[top:bottom, left:right] = 1
        attention.saw(alpha[region])
    return attention.region(SHAPE)


def pixels(region: Region) -> int:
    return (region[0].stop - region[0].start) * (region[1].stop - region[1].start)


def holds(region: Region, top: int, left: int, bottom: int, right: int) -> bool:
    return region[0].start <= top and bottom <= region[0].stop and region[1].start <= left and right <= region[1].stop


EVERYWHERE = (slice(0, 360), slice(0, 640))


def test_it_begins_with_the_whole_and_looks_at_people_then() -> None:
    attention = RegionOfInterest()
    assert seen(attention, (100, 200, 300, 320), frames=2) == EVERYWHERE
    region = seen(attention, (100, 200, 300, 320))
    assert holds(region, 100, 200, 300, 320) and pixels(region) < 0.5 * 360 * 640


def test_who_rests_or_sways_keeps_the_region() -> None:
    attention = RegionOfInterest()
    region = seen(attention, (100, 200, 300, 320), frames=5)
    for shift in (0, 5, 10, 5, -5, -10, 0):
        assert seen(attention, (100 + shift, 200 + shift, 300 + shift, 320 + shift)) == region


def test_it_goes_along_with_who_walks() -> None:
    attention = RegionOfInterest()
    seen(attention, (100, 100, 300, 220), frames=5)
    for left in range(100, 500, 8):
        assert holds(seen(attention, (100, left, 300, left + 120)), 100, left, 300, left + 120)


def test_who_grows_fills_the_whole() -> None:
    attention = RegionOfInterest()
    seen(attention, (150, 250, 250, 330), frames=5)
    for by in range(0, 150, 4):
        seen(attention, (max(0, 150 - by), max(0, 250 - 2 * by), min(360, 250 + by), min(640, 330 + 2 * by)))
    assert seen(attention, (0, 0, 360, 640), frames=20) == EVERYWHERE


def test_a_tiny_person_gets_a_region_that_is_worth_it() -> None:
    region = seen(RegionOfInterest(), (200, 300, 206, 304), frames=5)
    assert pixels(region) >= 0.25 * 360 * 0.25 * 640


def test_two_people_are_both_looked_at_and_who_stays_alone() -> None:
    attention = RegionOfInterest()
    left, right = (100, 40, 300, 140), (100, 480, 300, 600)
    region = seen(attention, left, right, frames=5)
    assert holds(region, *left) and holds(region, *right)
    region = seen(attention, left)
    assert holds(region, *left) and pixels(region) < 0.5 * 360 * 640


def test_where_nobody_is_left_it_looks_everywhere() -> None:
    attention = RegionOfInterest()
    assert seen(attention, (100, 200, 300, 320), frames=5) != EVERYWHERE
    assert seen(attention) == EVERYWHERE


@pytest.mark.parametrize("shape", [(360, 200), (1, 1), (2, 900)])
def test_another_shape_begins_anew(shape: tuple[int, int]) -> None:
    attention = RegionOfInterest()
    seen(attention, (100, 200, 300, 320), frames=5)
    assert attention.region(shape) == (slice(0, shape[0]), slice(0, shape[1]))
    for _ in range(5):
        region = attention.region(shape)
        attention.saw(np.ones(shape, np.float32)[region])
    assert attention.region(shape) == (slice(0, shape[0]), slice(0, shape[1]))


def test_a_still_scene_is_looked_around_in_once() -> None:
    attention = RegionOfInterest()
    looks = []
    for _ in range(200):
        seen(attention, (100, 200, 300, 320))
        looks.append(attention.is_worth_a_look(SMALL))
    assert sum(looks) == 1


def test_change_beside_people_is_worth_a_look_and_theirs_is_not() -> None:
    attention = RegionOfInterest()
    person = (100, 200, 300, 320)
    for _ in range(40):
        seen(attention, person)
        attention.is_worth_a_look(SMALL)
    moved, entered = SMALL.copy(), SMALL.copy()
    moved[12:20, 12:14] = 0.9  # inside their region
    entered[10:28, 28:31] = 0.9
    for small, expected in ((moved, False), (entered, True)):
        worth = []
        for _ in range(20):
            seen(attention, person)
            worth.append(attention.is_worth_a_look(small))
        assert any(worth) == expected


def test_who_is_seen_elsewhere_is_looked_at_from_then_on() -> None:
    attention = RegionOfInterest()
    one, other = (100, 100, 300, 200), (120, 500, 300, 600)
    seen(attention, one, frames=5)
    alpha = np.zeros((90, 160), np.float32)
    alpha[25:75, 25:50] = alpha[30:75, 125:150] = 1
    attention.saw_all(alpha)
    region = seen(attention, one, other, frames=30)
    assert holds(region, *one) and holds(region, *other)


def test_where_nobody_was_after_all_is_looked_at_less_and_less_often() -> None:
    attention = RegionOfInterest()
    one = (100, 100, 300, 200)
    alpha = np.zeros((90, 160), np.float32)
    alpha[25:75, 25:50] = alpha[30:75, 125:150] = 1
    looks = []
    random = np.random.default_rng(5)
    for number in range(1200):
        seen(attention, one)
        if attention.is_worth_a_look(random.random((FEW, FEW, 3), np.float32)):
            attention.saw_all(alpha)
            looks.append(number)
    pauses = np.diff(looks)
    assert len(looks) < 12 and pauses[-1] > 8 * pauses[0]
    assert pixels(seen(attention, one, frames=20)) < 0.5 * 360 * 640


def test_who_leaps_out_of_the_region_is_looked_at_again_where_they_are() -> None:
    attention = RegionOfInterest()
    region = seen(attention, (100, 200, 300, 320), frames=5)
    alpha = np.zeros(SHAPE, np.float32)
    alpha[100:300, 290:410] = 1
    assert region[1].stop < 410
    grown = attention.outgrown(alpha[region])
    larger = attention.region(SHAPE)
    assert holds(larger, 100, 290, 300, 410) and larger[1].start == region[1].start and larger[0] == region[0]
    assert grown == pixels(larger) / pixels(region) > 1
    assert attention.outgrown(alpha[larger]) == 1
    attention.saw(alpha[larger])
    larger = attention.region(SHAPE)
    assert holds(larger, 100, 290, 300, 410)
    assert pixels(larger) < 1.2 * pixels(region)  # as small as one of who never leapt
    faint = np.full(SHAPE, 0.2, np.float32)
    assert attention.outgrown(faint[larger]) == 1 and attention.region(SHAPE) == larger


def test_the_frame_s_own_edge_is_not_leapt_over() -> None:
    attention = RegionOfInterest()
    region = seen(attention, (100, 0, 360, 150), frames=5)
    alpha = np.zeros(SHAPE, np.float32)
    alpha[100:360, :150] = 1
    assert attention.outgrown(alpha[region]) == 1 and attention.region(SHAPE) == region


_SIZE = 170  # of the person in `_frames`


def _frames(photo: Path) -> Callable[..., np.ndarray]:
    """A frame of a room with the person of the photo at each of these columns."""
    cutout = made_clips.cut_by_an_ellipse(photo)
    wall = np.array(Image.fromarray(np.random.default_rng(4).integers(80, 150, (6, 9, 3), np.uint8)).resize((640, 360)))
    person = np.array(Image.fromarray(cutout).resize((_SIZE, _SIZE)))

    def frame(*lefts: int) -> np.ndarray:
        picture = wall.copy()
        for left in lefts:
            place = picture[190:, left : left + _SIZE]
            shown = person[: place.shape[0], : place.shape[1]]
            share = shown[..., 3:] / 255
            place[:] = shown[..., :3] * share + place * (1 - share)
        return picture

    return frame


def test_who_leaps_in_a_clip_is_whole_in_the_same_frame(photo: Path) -> None:
    frame, moving = _frames(photo), VideoMatter(MatteSettings(quality="fast"), 2)
    moving.side = 320
    for _ in range(8):
        moving.alpha(frame(100))
    for left in (165, 230, 165, 100):
        alpha = moving.alpha(frame(left))
        assert alpha[260:, left + 40 : left + 110].mean() > 0.8, left


def test_somebody_who_comes_into_a_clip_is_cut_out(photo: Path) -> None:
    alone, frame = 45, _frames(photo)
    moving = VideoMatter(MatteSettings(quality="fast"), 2)
    moving.side = 320
    for _ in range(alone):
        alpha = moving.alpha(frame(40))
    assert alpha[260:, 80:140].mean() > 0.8 and alpha[:, 320:].max() < 0.1
    assert pixels(moving._attention.region((360, 640))) < 0.5 * 360 * 640
    for left in range(640, 420, -6):
        moving.alpha(frame(40, left))
    for _ in range(20):
        alpha = moving.alpha(frame(40, 420))
    assert alpha[260:, 80:140].mean() > 0.8 and alpha[260:, 460:520].mean() > 0.8
