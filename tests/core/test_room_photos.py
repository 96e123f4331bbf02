"""Photos of empty rooms: where they are kept, and of which frames they are made."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from development import made_rooms

from cvmatte_core.layers.rooms import CAMERA, SOURCE, VIDEO, Place, Rooms, named, preview_of, size_of
from cvmatte_core.live import empty_room
from cvmatte_core.live.countdown import Countdown
from cvmatte_core.live.empty_room import UNREADABLE, EmptyRoom
from cvmatte_core.localization.errors import CvmatteError, ImageError
from cvmatte_core.matting import room_photo
from cvmatte_core.matting.room.picture import read_room
from cvmatte_core.matting.room_photo import RoomPhoto

SIZE = (160, 90)
WEBCAM = named(SOURCE, "Webcam")
PLACE = Place(WEBCAM, "160x90")


def room(seed: int = 0, size: tuple[int, int] = SIZE) -> np.ndarray:
    """uint8 RGB."""
    return made_rooms.seen(made_rooms.shelf(size, np.random.default_rng(seed)), 0.01, 0, np.random.default_rng(seed))


@pytest.fixture
def rooms(tmp_path: Path) -> Rooms:
    return Rooms(tmp_path / "rooms")


def kept(rooms: Rooms, place: Place, size: tuple[int, int] = SIZE) -> str:
    path = rooms.new_file(place)
    room_photo.save(path, room(size=size))
    return str(path)


# Keeping


def test_the_newest_photo_of_a_place_counts(rooms: Rooms) -> None:
    assert rooms.find(PLACE) == ""
    first, second = kept(rooms, PLACE), kept(rooms, PLACE)
    assert rooms.find(PLACE) == second != first
    assert Rooms(rooms.folder).find(PLACE) == second
    rooms.tidy(Path(second))
    assert sorted(rooms.folder.iterdir()) == sorted([Path(second), preview_of(Path(second))])


@pytest.mark.parametrize(
    "other",
    [
        Place(named(SOURCE, "Other"), "160x90"),
        Place(named(CAMERA, "Webcam"), "160x90"),
        Place(WEBCAM, "320x180"),
        Place(WEBCAM, "160x90", "a filter"),
        Place(named(CAMERA, "/dev/video0")),
    ],
)
def test_each_place_has_its_own(rooms: Rooms, other: Place) -> None:
    mine = kept(rooms, PLACE)
    assert rooms.find(other) == ""
    its = kept(rooms, other)
    rooms.tidy(Path(its))
    assert (rooms.find(PLACE), rooms.find(other)) == (mine, its)


def test_who_forgets_one_keeps_the_others(rooms: Rooms) -> None:
    filtered, other = Place(WEBCAM, "160x90", "a filter"), Place(named(CAMERA, "/dev/video0"))
    for place in (PLACE, filtered, other):
        kept(rooms, place)
    rooms.forget(WEBCAM)
    assert rooms.find(PLACE) == rooms.find(filtered) == ""
    assert len(list(rooms.folder.iterdir())) == 2 and rooms.find(other)


def test_a_source_that_is_renamed_keeps_its_room(rooms: Rooms) -> None:
    kept(rooms, PLACE)
    rooms.rename(WEBCAM, named(SOURCE, "Camera"))
    found = Path(rooms.find(Place(named(SOURCE, "Camera"), "160x90")))
    assert preview_of(found).exists() and rooms.find(PLACE) == ""
    mine = kept(rooms, PLACE)
    rooms.rename(WEBCAM, named(SOURCE, "Camera"))  # which has one
    assert rooms.find(PLACE) == mine


def test_a_still_has_the_newest_room_of_its_shape(rooms: Rooms) -> None:
    large, upright = kept(rooms, Place(WEBCAM, "320x180", "a filter"), (320, 180)), Place(WEBCAM, "90x160")
    kept(rooms, upright, (90, 160))
    kept(rooms, Place(named(VIDEO, "Webcam")))
    assert rooms.find_for(WEBCAM, (160, 120)) == ""
    assert rooms.find_for(WEBCAM, None) == rooms.find(upright)
    assert rooms.find_for(WEBCAM, (160, 90)) == large
    assert rooms.find_for(named(CAMERA, "Webcam"), (160, 90)) == ""


def test_other_files_are_left_alone(rooms: Rooms) -> None:
    kept(rooms, PLACE)
    (rooms.folder / "notes.png").write_bytes(b"mine")
    Path(rooms.find(PLACE)).with_suffix(".old.png").write_bytes(b"mine")
    rooms.forget(WEBCAM)
    assert [path.read_bytes() for path in rooms.folder.iterdir()] == [b"mine", b"mine"]


def test_what_is_no_picture_has_no_size(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no")
    assert size_of(tmp_path / "a.png") is None and size_of(tmp_path) is None


# The photo


def frames(count: int = 24, gain: float = 0.0) -> Iterator[np.ndarray]:
    random = np.random.default_rng(1)
    empty = made_rooms.shelf(SIZE, np.random.default_rng(0))
    for number in range(count):
        lit = (empty * (1 + gain * np.sin(number))).astype(np.float32)
        yield made_rooms.seen(lit, 0.02, 0, random)


def photo(of: Iterator[np.ndarray] | list[np.ndarray]) -> RoomPhoto:
    made = RoomPhoto()
    for frame in of:
        made.add(frame)
    return made


def test_noise_and_a_lamp_that_flickers_average_out() -> None:
    empty = made_rooms.shelf(SIZE, np.random.default_rng(0)) * 255
    assert np.abs(photo(frames()).picture() - empty).mean() < 1
    assert np.abs(photo(frames(gain=0.06)).picture() - empty).mean() < 3


def test_who_is_still_leaving_the_picture_is_noticed() -> None:
    moving = list(frames())
    for number, frame in enumerate(moving):
        frame[20:, 5 * number : 5 * number + 30] = (90, 40, 30)
    with pytest.raises(ImageError, match="Something moved"):
        photo(moving).picture()


def test_a_frame_of_another_size_begins_it_anew() -> None:
    made = photo([*frames(3), room(size=(320, 180))])
    assert made.count == 1 and made.picture().shape == (180, 320, 3)


def test_somebody_who_sits_still_is_noticed_and_a_picture_on_the_wall_is_none() -> None:
    alpha = np.zeros((100, 100), np.float32)
    alpha[:10, :10] = 1
    room_photo.refuse_somebody(alpha)
    alpha[:20, :20] = 1
    with pytest.raises(ImageError, match="Somebody"):
        room_photo.refuse_somebody(alpha)


# Live


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(empty_room, "_SECONDS", 0.0)
    monkeypatch.setattr(empty_room, "_LOOK_SECONDS", 0.0)


def sees(share: float) -> Mock:
    """A VideoMatter that sees people in this part of the picture."""
    alpha = np.zeros((10, 10), np.float32)
    alpha.flat[: int(100 * share)] = 1
    return Mock(alpha=Mock(return_value=alpha), room_now=Mock(return_value=room(7)))


def test_the_room_is_read_and_another_is_another(quick: None, rooms: Rooms) -> None:
    live = EmptyRoom(Mock())
    assert not live.follow("")
    path = kept(rooms, PLACE)
    assert live.follow(path)
    picture = live.picture
    assert picture is not None and live.settling and not live.trouble
    assert not live.follow(path) and live.picture is picture
    room_photo.save(Path(path), room(3))
    assert live.follow(path) and live.picture is not picture
    Path(path).unlink()  # and its successor is on its way
    assert not live.follow(path)
    assert live.picture is not None and not live.trouble
    assert live.follow("")
    assert live.picture is None and not live.settling


def test_a_room_that_can_not_be_read_is_said(quick: None, rooms: Rooms) -> None:
    live = EmptyRoom(Mock())
    path = kept(rooms, PLACE)
    Path(path).write_bytes(b"no picture")
    for broken in (path, path.replace("rooms", "none")):
        live.follow(broken)
        assert live.picture is None and live.trouble == UNREADABLE
    room_photo.save(Path(path), room())
    live.follow(path)
    assert live.picture is not None and not live.trouble


def test_a_photo_is_taken_once(quick: None, rooms: Rooms) -> None:
    told: list[tuple[str, CvmatteError | None]] = []
    live, path = EmptyRoom(lambda *what: told.append(what)), str(rooms.new_file(PLACE))
    for frame in [*frames(), *frames()]:
        live.photograph(path, False, frame, sees(0).alpha)
    assert told == [(path, None)]
    assert np.abs(read_room(Path(path)).rgb.astype(int) - room()).mean() < 5


def test_a_camera_that_is_slow_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, rooms: Rooms) -> None:
    monkeypatch.setattr(empty_room, "_MOST_SECONDS", 0.1)
    told = Mock()
    live, path = EmptyRoom(told), str(rooms.new_file(PLACE))
    while not told.called:
        live.photograph(path, False, room(), sees(0).alpha)
        time.sleep(0.03)
    told.assert_called_once_with(path, None)


def test_somebody_is_refused_and_accepted_on_the_person_s_word(quick: None, rooms: Rooms) -> None:
    told: list[Any] = []
    live = EmptyRoom(lambda path, error: told.append(error.key if error is not None else None))
    for even_so in (False, True):
        path = str(rooms.new_file(PLACE))
        for frame in frames():
            live.photograph(path, even_so, frame, sees(0.2).alpha)
        assert Path(path).exists() == even_so
    assert told == ["room_somebody", None]


def test_a_process_that_begins_anew_does_not_photograph_again(quick: None, rooms: Rooms) -> None:
    path, told = kept(rooms, PLACE), Mock()
    before = Path(path).read_bytes()
    live = EmptyRoom(told)
    for frame in frames():
        live.photograph(path, False, frame[::-1], sees(0.5).alpha)
    told.assert_called_once_with(path, None)
    assert Path(path).read_bytes() == before


def test_the_room_is_renewed_by_a_frame_where_it_is_of_use(quick: None, rooms: Rooms) -> None:
    told: list[Any] = []
    live, moving = EmptyRoom(lambda path, error: told.append((path, error))), sees(0.2)
    path = str(rooms.new_file(PLACE))
    for _ in range(2):
        live.renew(path, moving, room())
    assert told == [(path, None)] and Path(path).exists()
    moving.room_now.return_value = None
    live.renew(str(rooms.new_file(PLACE)), moving, room())
    assert told[1][1].key == "room_of_no_use"


def test_where_nothing_can_be_written_that_is_said(quick: None, rooms: Rooms) -> None:
    rooms.folder.write_bytes(b"no folder")
    told: list[Any] = []
    live = EmptyRoom(lambda _, error: told.append(error.key if error is not None else None))
    live.renew(str(rooms.new_file(PLACE)), sees(0), room())
    assert told == ["cannot_write"]


def test_a_number_stands_in_the_picture() -> None:
    layer, countdown = np.zeros((*SIZE[::-1], 4), np.uint8), Countdown()
    countdown.draw(0, layer)
    assert not layer.any()
    countdown.draw(3, layer)
    assert 0.02 < (layer[..., 3] == 255).mean() < 0.3
    another = np.full_like(layer, 90)
    countdown.draw(3, another)
    assert np.array_equal(another[layer[..., 3] > 0], layer[layer[..., 3] > 0])
    assert (another[layer[..., 3] == 0] == 90).all()
