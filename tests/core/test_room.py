"""The empty room: what differs from it and touches a person is theirs; a wrong room changes nothing."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from development import made_rooms
from PIL import Image

from cvmatte_core.image.geometry import everything
from cvmatte_core.localization.errors import ImageError
from cvmatte_core.localization.texts import Texts
from cvmatte_core.matting import edge_colours, hair
from cvmatte_core.matting.matter import Matter
from cvmatte_core.matting.room import registration
from cvmatte_core.matting.room.finding import MOVED, OTHER, UNSEEN
from cvmatte_core.matting.room.following import QUICK, RoomFollower
from cvmatte_core.matting.room.picture import read_room
from cvmatte_core.matting.room.view import look
from cvmatte_core.settings import MatteSettings

SIZE = (640, 400)
CUP, PASSER = (450, 300, 45), (70, 220, 35)
SETTINGS = MatteSettings(quality="fast")


def wall(seed: int = 0) -> np.ndarray:
    """A room that is larger than what the camera shows of it: float32 RGB."""
    draw = made_rooms.shelf if seed == 0 else made_rooms.tiles
    return draw((SIZE[0] + 160, SIZE[1] + 100), np.random.default_rng(seed))


def ellipse(x: int, y: int, across: int, down: int) -> np.ndarray:
    drawn = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    cv2.ellipse(drawn, (x, y), (across, down), 0, 0, 360, 255, -1, cv2.LINE_AA)
    return cv2.GaussianBlur(drawn.astype(np.float32) / 255, (0, 0), 1)


def person() -> np.ndarray:
    return np.maximum(ellipse(320, 140, 60, 80), ellipse(320, 430, 130, 230))


@dataclass
class Scene:
    """A picture in the making: float32 RGB in 0..1, before it is seen by a camera."""

    light: np.ndarray
    room: np.ndarray

    def with_(self, alpha: np.ndarray, colour: tuple[float, float, float]) -> Scene:
        return Scene(self.light + alpha[..., None] * (np.array(colour, np.float32) - self.light), self.room)

    def seen(self, gain: float = 1.0, offset: float = 0.0, jpeg: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """The picture and the room, uint8 RGB."""
        random = np.random.default_rng(9)
        exposed = (self.light * gain + offset).astype(np.float32)
        return made_rooms.seen(exposed, 0.01, jpeg, random), made_rooms.seen(self.room, 0.005, jpeg, random)


def scene(seed: int = 0, *, shadow: bool = False, furniture: bool = False) -> Scene:
    large = wall(seed)
    if furniture:
        made_rooms.furniture(large, (400, 330), 160, np.random.default_rng(2))
    room = made_rooms.moved(large, SIZE, (0, 0), 0, 1)
    light = room * made_rooms.shadow(person(), np.random.default_rng(4)) if shadow else room
    return Scene(light, room).with_(person(), (0.25, 0.3, 0.5))


@pytest.mark.parametrize("jpeg", [0, 60])
@pytest.mark.parametrize(("gain", "offset"), [(1.0, 0.0), (0.8, 0.02), (1.2, -0.02)])
def test_what_a_person_holds_is_kept_in_any_light(gain: float, offset: float, jpeg: int) -> None:
    cup = ellipse(*CUP[:2], CUP[2], CUP[2])
    picture, room = scene(shadow=True).with_(cup, (0.7, 0.2, 0.1)).seen(gain, offset, jpeg)
    view = look(person(), picture, room)
    truth = np.maximum(person(), cup)
    assert not view.reason
    assert view.alpha[cup > 0.5].mean() > 0.97
    assert np.abs(view.alpha - truth).mean() < 0.01  # the shadow isn't theirs


def test_who_passes_behind_is_left_out_and_who_stands_beside_is_kept() -> None:
    for radius, kept in ((35, False), (85, True)):
        other = ellipse(90, 330, radius, 2 * radius)
        picture, room = scene().with_(other, (0.6, 0.5, 0.2)).seen()
        view = look(np.maximum(person(), other), picture, room)
        assert not view.reason
        assert (view.alpha[other > 0.9].mean() > 0.95) == kept
        assert (view.alpha[other > 0.9].mean() < 0.05) != kept
        assert np.abs(view.alpha - person())[ellipse(320, 300, 120, 100) > 0.5].max() < 0.05


def test_furniture_goes_though_the_network_takes_it_for_theirs() -> None:
    with_it = scene(furniture=True)
    picture, room = with_it.seen()
    chair = (np.abs(with_it.room - scene().room).max(axis=2) > 0.1) & (person() < 0.02)
    assert chair.mean() > 0.03
    seen = np.maximum(person(), cv2.GaussianBlur(chair.astype(np.float32), (0, 0), 1))
    view = look(seen, picture, room)
    assert not view.reason
    refined = hair.refine(view.alpha, picture, 1, view.behind, view.unsure)
    assert refined[chair].mean() < 0.05
    assert refined[person() > 0.98].mean() > 0.98
    kept = look(seen, picture, room, keep_furniture=True)
    as_without = hair.refine(seen, picture)
    assert np.abs(hair.refine(kept.alpha, picture, 1, kept.behind, kept.unsure) - as_without)[chair].mean() < 0.01
    cup = ellipse(*CUP[:2], CUP[2], CUP[2])
    holding, room = with_it.with_(cup, (0.7, 0.2, 0.1)).seen()
    assert look(seen, holding, room, keep_furniture=True).alpha[cup > 0.5].mean() > 0.97


def test_somebody_in_the_wall_s_colour_gets_no_holes() -> None:
    room = np.full((SIZE[1], SIZE[0], 3), 0.45, np.float32)
    same = Scene(room, room).with_(person(), (0.8, 0.6, 0.5)).with_(ellipse(320, 380, 60, 60), (0.45, 0.45, 0.45))
    view = look(person(), *same.seen())
    assert not view.reason
    assert view.alpha[person() > 0.98].min() > 0.95


def test_nobody_is_nobody() -> None:
    picture, room = Scene(scene().room, scene().room).seen()
    assert not look(np.zeros(picture.shape[:2], np.float32), picture, room).alpha.any()


@pytest.mark.parametrize(
    ("shift", "angle", "zoom"), [((0.02, -0.01), 0, 1), ((0, 0.01), 1, 1), ((-0.01, 0), -0.5, 1.015)]
)
def test_a_camera_that_was_nudged_is_found_again(shift: tuple[float, float], angle: float, zoom: float) -> None:
    picture, _ = scene().seen()
    nudged = made_rooms.seen(made_rooms.moved(wall(), SIZE, shift, angle, zoom), 0.005, 0, np.random.default_rng(1))
    view = look(person(), picture, nudged)
    assert not view.reason and view.behind is not None
    outside = person() == 0
    assert np.abs(view.behind.astype(float) - picture)[20:-20, 20:-20][outside[20:-20, 20:-20]].mean() < 4
    assert np.abs(view.alpha - person()).mean() < 0.005


def test_a_wrong_room_is_set_aside_and_said() -> None:
    picture, room = scene().seen()
    alpha = person()
    moved = made_rooms.seen(made_rooms.moved(wall(), SIZE, (0.09, 0.03), 3, 1), 0.005, 0, np.random.default_rng(1))
    _, other = scene(1).seen()
    closeup = np.ones_like(alpha)
    for given, its_alpha, reason in (
        (moved, alpha, MOVED),
        (other, alpha, OTHER),
        (np.full_like(room, 128), alpha, OTHER),
        (np.ascontiguousarray(room[:, :400]), alpha, OTHER),
        (room, closeup, UNSEEN),
    ):
        view = look(its_alpha, picture, given)
        assert view.reason == reason
        assert view.alpha is its_alpha and view.behind is None and view.unsure is None


def test_a_room_of_another_size_and_a_tiny_picture_are_taken() -> None:
    picture, room = scene().seen()
    assert not look(person(), picture, cv2.resize(room, (1280, 800))).reason
    small = [cv2.resize(one, (24, 15), interpolation=cv2.INTER_AREA) for one in (picture, room)]
    view = look(cv2.resize(person(), (24, 15), interpolation=cv2.INTER_AREA), *small)
    assert view.alpha.shape == (15, 24)


def test_a_known_background_draws_the_edge_better() -> None:
    truth = cv2.GaussianBlur(person(), (0, 0), 6)
    base = scene(1).room
    picture, room = Scene(base, base).with_(truth, (0.3, 0.25, 0.2)).seen()
    guess = cv2.GaussianBlur(person(), (0, 0), 3)
    errors = [np.abs(hair.refine(guess, picture, 1, behind) - truth).mean() for behind in (None, room)]
    assert errors[1] < 0.8 * errors[0]
    colours = [
        edge_colours.estimate_foreground(picture, truth, behind=behind).astype(float) / 255 - (0.3, 0.25, 0.2)
        for behind in (None, room)
    ]
    band = (truth > 0.1) & (truth < 0.9)
    assert np.abs(colours[1][band]).mean() < np.abs(colours[0][band]).mean()


def test_places_scale_with_their_pictures() -> None:
    place = np.array([[1.01, 0.02, 3], [-0.01, 0.99, -2.0]])
    twice = registration.scaled(place, 2, 2)
    assert registration.scaled(twice, 0.5, 0.5) == pytest.approx(place)
    corner = np.array([-0.5, -0.5, 1])  # of the picture: where its first pixel begins
    assert (twice @ corner + 0.5) / 2 - 0.5 == pytest.approx(place @ corner)


# Photos


def save(path: Path, pixels: np.ndarray) -> Path:
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def astronaut(photo: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A photo of somebody before a wall of books, and of that wall."""
    rgb = np.asarray(Image.open(photo).convert("RGB")).astype(np.float32) / 255
    rows, columns = np.mgrid[:512, :512]
    inside = ((rows / 512 - 0.58) / 0.57) ** 2 + ((columns / 512 - 0.45) / 0.34) ** 2 < 1
    soft = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 1)[..., None]
    room = made_rooms.shelf((512, 512), np.random.default_rng(3))
    random = np.random.default_rng(4)
    picture = made_rooms.seen(room + soft * (rgb - room), 0.005, 0, random)
    return save(tmp_path / "photo.png", picture), save(tmp_path / "room.png", made_rooms.seen(room, 0.005, 0, random))


def test_a_raw_matte_is_of_its_room(astronaut: tuple[Path, Path], tmp_path: Path) -> None:
    picture, room = astronaut
    matter = Matter(1)
    without, with_it = matter(picture, SETTINGS), matter(picture, SETTINGS, room=room)
    assert not with_it.notes and not np.array_equal(without.alpha, with_it.alpha)
    assert np.array_equal(matter(picture, SETTINGS).alpha, without.alpha)
    again = matter(picture, SETTINGS, room=room)
    assert "network" not in again.seconds and np.array_equal(again.alpha, with_it.alpha)
    keeping = dataclasses.replace(SETTINGS, keep_furniture=True)
    assert "network" in matter(picture, keeping, room=room).seconds
    assert "network" not in matter(picture, keeping).seconds
    save(room, np.asarray(Image.open(room))[:, ::-1])
    other = matter(picture, SETTINGS, room=room)
    assert [note.key for note in other.notes] == [OTHER]
    assert np.array_equal(other.layer, without.layer)
    room.unlink()
    with pytest.raises(ImageError) as error:
        matter(picture, SETTINGS, room=room)
    assert error.value.key == "room_gone" and room.name in error.value.sentence(Texts("en"))


# Moving pictures


class Moving:
    """alpha: of the frames of a moving picture that a network sees a person in."""

    def __init__(self, room: np.ndarray) -> None:
        self.follower = RoomFollower(room, QUICK)

    def alpha(self, picture: np.ndarray) -> np.ndarray:
        decided = self.follower.decide(self.follower.see(picture), person(), everything(picture.shape))
        return person() if decided is None else decided.outline.on(person())[0]


def test_a_moving_picture_s_room_is_followed_through_nudges_and_lamps() -> None:
    cup = ellipse(*CUP[:2], CUP[2], CUP[2])
    _, room = scene().seen()
    moving = Moving(room)
    for number in range(45):
        gain = 1 + 0.03 * np.sin(number)
        standing = scene() if number < 20 else Scene(made_rooms.moved(wall(), SIZE, (0.015, 0.01), 0.5, 1), wall())
        light = standing.light * gain
        picture, _ = Scene(light, light).with_(person(), (0.25, 0.3, 0.5)).with_(cup, (0.7, 0.2, 0.1)).seen()
        alpha = moving.alpha(picture)
        assert not moving.follower.reason
        assert alpha[cup > 0.5].mean() > 0.9, number
        assert np.abs(alpha - np.maximum(person(), cup)).mean() < 0.02


def test_a_camera_that_is_turned_away_is_told_at_once_and_found_when_it_is_back() -> None:
    cup = ellipse(*CUP[:2], CUP[2], CUP[2])
    _, room = scene().seen()
    picture, _ = scene().with_(cup, (0.7, 0.2, 0.1)).seen()
    away, _ = scene(1).seen()
    moving = Moving(room)
    assert moving.alpha(picture)[cup > 0.5].mean() > 0.9
    assert all(np.array_equal(moving.alpha(away), person()) for _ in range(10))
    assert moving.follower.reason == OTHER
    back = [moving.alpha(picture)[cup > 0.5].mean() > 0.9 for _ in range(20)]
    assert back[-1] and not moving.follower.reason


def test_a_thing_that_was_put_down_can_be_made_part_of_the_room() -> None:
    cup = ellipse(*CUP[:2], CUP[2], CUP[2])
    _, room = scene().seen()
    picture, _ = scene().with_(cup, (0.7, 0.2, 0.1)).seen()
    moving = Moving(room)
    assert moving.follower.now(picture) is None
    moving.alpha(picture)
    now = moving.follower.now(picture)
    assert now is not None and now.shape == picture.shape
    aside = (cup > 0.9) & (ellipse(320, 430, 170, 270) == 0)
    assert np.abs(now.astype(float) - picture)[aside].mean() < 3
    assert Moving(now).alpha(picture)[aside].mean() < 0.05


def test_what_follows_is_the_same_each_time() -> None:
    _, room = scene().seen()
    pictures = [scene().with_(ellipse(450 + 3 * n, 300, 45, 45), (0.7, 0.2, 0.1)).seen()[0] for n in range(25)]
    once, twice = ([*map(Moving(room).alpha, pictures)] for _ in range(2))
    assert all(np.array_equal(one, other) for one, other in zip(once, twice, strict=True))


def test_a_lamp_that_comes_on_in_a_nudged_picture_leaves_the_room_found() -> None:
    nudged = made_rooms.moved(wall(), SIZE, (0.01, -0.005), 0.3, 1.003)
    rows, columns = np.mgrid[0 : 1 : SIZE[1] * 1j, 0 : 1 : SIZE[0] * 1j][..., None]
    lamp = 0.5 + 0.7 * np.exp(-((columns - 0.9) ** 2 + (rows - 0.1) ** 2) / 0.1) * np.array([1.1, 1, 0.8])
    cup = ellipse(*CUP[:2], CUP[2], CUP[2])
    light = (nudged * lamp).astype(np.float32)
    lit = Scene(light, wall()).with_(person(), (0.25, 0.3, 0.5)).with_(cup, (0.7, 0.2, 0.1))
    picture, _ = lit.seen()
    _, room = scene().seen()
    view = look(person(), picture, room)
    assert not view.reason and view.behind is not None
    assert view.alpha[cup > 0.5].mean() > 0.95
    assert np.abs(view.alpha - np.maximum(person(), cup)).mean() < 0.01
    outside = np.maximum(person(), cup) == 0
    assert np.abs(view.behind.astype(float) - picture)[20:-20, 20:-20][outside[20:-20, 20:-20]].mean() < 4


def test_a_room_s_photo_that_is_damaged_is_said_to_be_so(tmp_path: Path) -> None:
    broken = save(tmp_path / "room.png", scene().seen()[1])
    broken.write_bytes(broken.read_bytes()[:5000])
    with pytest.raises(ImageError) as error:
        read_room(broken)
    assert error.value.key == "room_damaged" and broken.name in error.value.sentence(Texts("en"))


@pytest.mark.parametrize("size", [(1, 1), (9, 16), (200, 7)])
def test_frames_of_any_size_and_light_are_taken(size: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    room = random.integers(0, 255, (*size, 3), np.uint8)
    for picture in (room, np.zeros_like(room), np.full_like(room, 255)):
        for alpha in (np.zeros(size, np.float32), np.ones(size, np.float32)):
            follower = RoomFollower(room, QUICK)
            for _ in range(2):
                decided = follower.decide(follower.see(picture), alpha, everything(size))
                drawn: np.ndarray = alpha if decided is None else decided.outline.on(alpha)[0]
                assert np.isfinite(drawn).all() and drawn.min() >= -1e-6 and drawn.max() <= 1 + 1e-6
