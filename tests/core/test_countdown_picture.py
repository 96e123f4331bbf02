"""The numbers of a countdown, as they stand in a picture."""

from __future__ import annotations

import numpy as np
import pytest

from cvmatte_core.image import countdown_picture

SIZE = (320, 180)


def drawn(number: int, size: tuple[int, int] = SIZE, of: tuple[int, int, int, int] = (0, 0, 0, 0)) -> np.ndarray:
    width, height = size
    rows = bytearray(bytes(of) * (width * height))
    countdown_picture.draw(rows, width, height, number)
    return np.frombuffer(rows, np.uint8).reshape(height, width, 4)


def test_each_number_is_another_and_can_be_read_from_afar() -> None:
    pictures = [drawn(number) for number in range(11)]
    for picture in pictures:
        seen = picture[..., 3] == 255
        assert np.flatnonzero(seen.any(1)).size > SIZE[1] / 2
        white = (picture[..., :3] == 255).all(2) & seen
        assert 0.03 < white.mean() < 0.3
    for one in range(11):
        assert not any(np.array_equal(pictures[one], pictures[other]) for other in range(one))


def test_it_stands_in_the_middle() -> None:
    across = np.flatnonzero(drawn(8)[..., 3].any(0))
    down = np.flatnonzero(drawn(8)[..., 3].any(1))
    assert across[0] + across[-1] == pytest.approx(SIZE[0] - 1, abs=1)
    assert down[0] + down[-1] == pytest.approx(SIZE[1] - 1, abs=1)


def test_what_is_around_it_stays_and_its_edge_goes_over_into_that() -> None:
    red = (200, 0, 0, 255)
    picture = drawn(7, of=red)
    assert (picture[0, 0] == red).all() and (picture[..., 3] == 255).all()
    kinds = {tuple(pixel) for pixel in picture.reshape(-1, 4)}
    assert {red, (255, 255, 255, 255), (20, 20, 20, 255)} < kinds
    mixed = [pixel for pixel in kinds if 20 < pixel[0] < 200 and pixel[0] > pixel[1]]
    assert mixed


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3), (64, 64)])
def test_any_picture_takes_one(size: tuple[int, int]) -> None:
    assert drawn(10, size).shape == (size[1], size[0], 4)
