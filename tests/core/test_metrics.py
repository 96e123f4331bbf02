"""The measures on tiny cases with known answers."""

from __future__ import annotations

import numpy as np
import pytest
from development import metrics


def square(size: int = 40, low: int = 10, high: int = 30, inside: float = 1) -> np.ndarray:
    alpha = np.zeros((size, size), np.float32)
    alpha[low:high, low:high] = inside
    return alpha


def test_a_perfect_matte_has_no_error() -> None:
    soft = square()
    soft[10:12] *= 0.5
    assert set(metrics.differences(soft, soft).values()) == {0.0}
    colours = np.random.default_rng(1).random((40, 40, 3))
    assert metrics.recomposite_error(soft, colours, soft, colours) == 0


def test_differences_by_hand() -> None:
    truth = np.array([[0, 0, 1, 1]], np.float32)
    found = metrics.differences(np.array([[0, 0.5, 1, 0.75]], np.float32), truth)
    assert found["sad"] == pytest.approx(0.75)
    assert found["mad"] == pytest.approx(0.75 / 4)
    assert found["mse"] == pytest.approx((0.25 + 0.0625) / 4)
    assert found["mad_edge"] == 0  # nothing is soft in the truth


def test_the_edge_band_is_what_is_soft_and_four_pixels_around() -> None:
    truth = np.zeros((30, 30), np.float32)
    truth[15, 15] = 0.5
    band = metrics.edge_band(truth)
    assert band.sum() == 81
    assert band[11:20, 11:20].all()


def test_a_step_s_gradient_is_the_derivative_of_gaussian_s_response() -> None:
    truth, nothing = np.zeros((40, 40), np.float32), np.zeros((40, 40), np.float32)
    truth[:, 20:] = 1
    places = np.arange(-5, 6)
    gauss = np.exp(-(places**2) / (2 * 1.4**2))
    slope = places * gauss / np.linalg.norm(places * gauss)
    expected = (slope[places > 0].sum() * (gauss / np.linalg.norm(gauss)).sum()) ** 2
    errors = metrics.gradient_error(nothing, truth)
    # A pixel beside the step sees one weight more on its side, and that one is 0.
    assert errors[20, 20] == pytest.approx(expected, rel=1e-6)
    assert errors[20, 5] == pytest.approx(0, abs=1e-9)


def test_an_island_counts_as_unconnected_and_a_faint_one_does_not() -> None:
    truth = square()
    island, faint = truth.copy(), truth.copy()
    island[2:4, 2:4], faint[2:4, 2:4] = 1, 0.1
    assert metrics.connectivity_error(island, truth).sum() == pytest.approx(4)
    assert metrics.connectivity_error(faint, truth).sum() == 0


def test_measures_do_not_depend_on_the_picture_s_orientation() -> None:
    random = np.random.default_rng(3)
    # With a body: which of equally large parts is taken for it, noise alone would leave to chance.
    alpha, truth = (np.maximum(random.random((40, 40)).astype(np.float32) * 0.9, square()) for _ in range(2))
    straight, turned = metrics.differences(alpha, truth), metrics.differences(alpha[::-1, ::-1], truth[::-1, ::-1])
    assert turned == pytest.approx(straight)


def test_a_halo_of_a_tenth_shows_as_alpha_times_it() -> None:
    truth = np.full((20, 20), 0.5, np.float32)
    colours = np.full((20, 20, 3), 0.4)
    assert metrics.recomposite_error(truth, colours + 0.1, truth, colours) == pytest.approx(0.05)


def test_alpha_that_is_wrong_shows_as_far_as_the_background_s_colour_is_from_the_person_s() -> None:
    truth = np.full((20, 20), 0.5, np.float32)
    grey = np.full((20, 20, 3), 0.4)
    errors = [metrics.recomposite_error(truth + 0.2, grey, truth, grey, (b, b, b)) for b in (0.4, 0.9)]
    assert errors == pytest.approx([0, 0.1])


def test_a_ghost_is_what_is_wrong_far_from_any_true_edge() -> None:
    truth = np.zeros((500, 1000), np.float32)
    truth[:, 500:] = 1
    truth[:, 500] = 0.5
    near, far = truth.copy(), truth.copy()
    near[:, 480:500] = 1  # an edge that is a little off
    far[100:110, 100:110] = 1
    assert metrics.ghost_error(near, truth) == 0
    assert metrics.ghost_error(far, truth) == pytest.approx(100 / truth.size)
    assert metrics.ghost_error(np.ones_like(truth), np.zeros_like(truth)) == 1  # without an edge all is far
