"""What the soak calls growth."""

from __future__ import annotations

import random

import pytest
from development.soak_watch import slope_an_hour


def memory(growth: float, seed: int = 1) -> list[tuple[float, float]]:
    """An hour of a process: half of it filling up by 100 MB, then growing by so many MB an hour, with noise."""
    noise = random.Random(seed)
    return [
        (at, 250 + min(at, 1800) / 18 + max(at - 1800, 0) / 3600 * growth + noise.gauss(0, 10))
        for at in range(0, 3600, 2)
    ]


def test_what_fills_up_in_the_first_half_is_no_growth() -> None:
    found = slope_an_hour([memory(0)])
    assert found is not None
    slope, noise = found
    assert abs(slope) < 3 * noise < 20


@pytest.mark.parametrize("growth", [50, 500])
def test_growth_is_found_over_the_noise(growth: float) -> None:
    found = slope_an_hour([memory(growth), [(at + 5000, value + 90) for at, value in memory(growth, 2)]])
    assert found is not None
    slope, noise = found
    assert slope == pytest.approx(growth, abs=3 * noise)
    assert slope - 2 * noise > 20


@pytest.mark.parametrize("series", [[], [[]], [[(0.0, 1.0)]], [[(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)]]])
def test_too_little_says_nothing(series: list[list[tuple[float, float]]]) -> None:
    assert slope_an_hour(series) is None
