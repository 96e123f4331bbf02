"""Where new portraits stand: by the person in their layers."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest
from cvmatte_obs.placement import PLACEMENTS, Box, Sides, alike, around, person_in, places

from cvmatte_core.layers.store import Frame, LayerStore

CANVAS = (1280, 720)


def frame_with(folder: Path, size: tuple[int, int], person: tuple[int, int, int, int] | None) -> Frame:
    """A layer of this size with somebody at left, top, right, bottom; a veil and a stray hair elsewhere."""
    width, height = size
    layer = np.zeros((height, width, 4), np.uint8)
    layer[0, :, 3] = 20
    if person is not None:
        left, top, right, bottom = person
        layer[top:bottom, left:right] = 255
    store = LayerStore(folder)
    store.write_frame("key", width, height, layer.data, (1, 1))
    return Frame(store.frame_path("key"))


@pytest.mark.parametrize("size", [(40, 30), (1000, 500), (700, 2100)])
def test_the_person_is_found_in_a_layer(tmp_path: Path, size: tuple[int, int]) -> None:
    width, height = size
    frame = frame_with(tmp_path, size, (width // 4, height // 2, width // 2, height))
    found = person_in(frame)
    frame.close()
    assert found is not None
    near = max(size) / 1024 / min(size) + 1e-9  # not each row and column is looked at
    assert (found.left, found.top, found.width, found.height) == pytest.approx((0.25, 0.5, 0.25, 0.5), abs=2 * near)


def test_in_an_empty_layer_nobody_is_found(tmp_path: Path) -> None:
    frame = frame_with(tmp_path, (300, 200), None)
    assert person_in(frame) is None
    frame.close()


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_several_stand_side_by_side(placement: str, count: int) -> None:
    (whole,), several = places(placement, 1, CANVAS), places(placement, count, CANVAS)
    assert len(several) == count
    for before, after in itertools.pairwise(several):
        assert before.box.left + before.box.width <= after.box.left
    assert several[0].box.left == whole.box.left
    assert several[-1].box.left + several[-1].box.width <= whole.box.left + whole.box.width
    assert [place.fills for place in several] == [placement == "full_frame" and count == 1] * count


def test_a_small_person_in_a_wide_photo_is_as_large_as_another() -> None:
    (place,) = places("left_third", 1, CANVAS)
    stands = []
    for layer, person in (((4000, 1000), Box(0.8, 0.5, 0.05, 0.4)), ((500, 1000), Box(0.1, 0.0, 0.8, 0.8))):
        box = around(person, layer, place.box, CANVAS[1])
        assert box.width / box.height == pytest.approx(layer[0] / layer[1])
        left, top = box.left + person.left * box.width, box.top + person.top * box.height
        stands.append((left, top, person.width * box.width, person.height * box.height))
    assert stands[0] == pytest.approx(stands[1])
    left, top, width, height = stands[0]
    assert left + width / 2 == pytest.approx(place.box.left + place.box.width / 2)
    assert (top, top + height) == pytest.approx((30, 720))  # there is air above the head


def test_somebody_with_wide_arms_stays_within_their_place() -> None:
    (place,) = places("bottom_centre", 1, CANVAS)
    box = around(Box(0.0, 0.25, 1.0, 0.5), (2000, 500), place.box, CANVAS[1])
    assert (box.left, box.width) == pytest.approx((place.box.left, place.box.width))
    assert box.top + 0.75 * box.height == pytest.approx(720)


@pytest.mark.parametrize("rim", [0, 12])
@pytest.mark.parametrize("crop", [Sides(), Sides(60, 20, 33, 7), Sides(0, 358, 0, 0)])
@pytest.mark.parametrize(
    ("source", "layer"),
    [((640, 360), (640, 360)), ((641, 359), (640, 358)), ((3840, 2160), (2160, 1216)), ((30, 400), (16, 216))],
)
def test_a_layer_takes_as_much_room_as_the_source_that_it_shows(
    crop: Sides, source: tuple[int, int], layer: tuple[int, int], rim: int
) -> None:
    with_rim, across, down = alike(crop, source, (layer[0] + 2 * rim, layer[1] + 2 * rim), rim)
    own = Sides(*(side - rim for side in dataclasses.astuple(with_rim)))
    if source == layer:
        assert (own, across, down) == (crop, 1, 1)
    for whole, begin, end, reduced, own_begin, own_end, more in (
        (source[0], crop.left, crop.right, layer[0], own.left, own.right, across),
        (source[1], crop.top, crop.bottom, layer[1], own.top, own.bottom, down),
    ):
        if begin + end < whole:
            assert (reduced - own_begin - own_end) * more == pytest.approx(whole - begin - end)
            assert own_begin * whole / reduced == pytest.approx(begin, abs=whole / reduced / 2)
