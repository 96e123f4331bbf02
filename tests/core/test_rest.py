"""When nothing moves the network rests; what moves is always seen."""

from __future__ import annotations

import numpy as np
import pytest
from development import made_clips

from cvmatte_core.live import rest
from cvmatte_core.live.rest import Rest
from cvmatte_core.settings import MatteSettings

SETTINGS = MatteSettings()
SIZE = (320, 180)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        self.now += 1 / 30
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Thirty frames a second, however long they take."""
    ticking = Clock()
    monkeypatch.setattr(rest.time, "monotonic", ticking.monotonic)
    return ticking


def noisy(picture: np.ndarray, seed: int, strength: float = 4) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, strength, picture.shape)
    return np.rint((picture + noise).clip(0, 255)).astype(np.uint8)


def scenery() -> np.ndarray:
    rows, columns = np.mgrid[: SIZE[1], : SIZE[0]]
    return np.dstack([60 + rows % 90, 40 + columns % 120, np.full(rows.shape, 80)]).astype(np.uint8)


def settled(noise: float = 4) -> Rest:
    resting = Rest()
    for seed in range(20):
        resting.holds(noisy(scenery(), seed, noise), SETTINGS)
    assert resting.holds(noisy(scenery(), 99, noise), SETTINGS)
    return resting


@pytest.mark.parametrize("noise", [0.5, 4, 6])
def test_noise_is_no_movement_and_it_is_looked_at_once_a_second(noise: float) -> None:
    resting = settled(noise)
    looked = sum(not resting.holds(noisy(scenery(), seed, noise), SETTINGS) for seed in range(100, 250))
    assert looked == 5


def test_a_made_clip_of_somebody_who_does_not_move_rests() -> None:
    cutout = np.full((90, 60, 4), 255, np.uint8)
    resting = Rest()
    made = made_clips.frames(cutout, np.full((60, 90, 3), 90, np.uint8), SIZE, 60, still=True)
    looked = [not resting.holds(frame.picture, SETTINGS) for frame in made]
    assert all(looked[:8]) and sum(looked[12:]) <= 3


def test_the_same_picture_costs_nothing() -> None:
    resting, picture = Rest(), scenery()
    looked = sum(not resting.holds(picture, SETTINGS) for _ in range(600))
    assert looked < 12


@pytest.mark.parametrize("size", [6, 12, 40])
def test_whatever_moves_is_seen_at_once(size: int) -> None:
    """An eye that blinks, a finger, a hand."""
    resting = settled()
    moved = scenery()
    moved[60 : 60 + size, 100 : 100 + size] = 200
    assert not resting.holds(noisy(moved, 7), SETTINGS)
    assert not resting.holds(noisy(moved, 8), SETTINGS)  # until the network has settled again
    for seed in range(20):
        resting.holds(noisy(moved, seed), SETTINGS)
    assert resting.holds(noisy(moved, 9), SETTINGS)


def test_what_moves_slowly_is_seen_too() -> None:
    resting = settled()
    longest = held = 0
    for step in range(90):
        moved = scenery()
        moved[60:100, 100 + step // 3 : 140 + step // 3] = 200
        held = held + 1 if resting.holds(noisy(moved, step), SETTINGS) else 0
        longest = max(longest, held)
    assert longest <= 3


def test_a_light_that_is_switched_on_is_seen() -> None:
    resting = settled()
    assert not resting.holds(noisy(np.clip(scenery().astype(int) + 20, 0, 255), 3), SETTINGS)


def test_another_control_or_size_counts_at_once() -> None:
    resting = settled()
    assert not resting.holds(noisy(scenery(), 4), MatteSettings(feather=3))
    assert not resting.holds(noisy(scenery(), 5)[:90, :160], MatteSettings(feather=3))


@pytest.mark.parametrize("shape", [(2, 4, 3), (1, 1, 3), (2, 4, 4), (1, 4000, 3)])
def test_tiny_pictures_are_looked_at_too(shape: tuple[int, ...]) -> None:
    resting = Rest()
    assert not resting.holds(np.zeros(shape, np.uint8), SETTINGS)
    assert not resting.holds(np.full(shape, 200, np.uint8), SETTINGS)
