"""Alpha that the picture's own colours tell: closed-form matting, and hair refined with it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from cvmatte_core.matting import closed_form, hair

PERSON, BACKGROUND = np.array([200, 60, 40]), np.array([30, 90, 180])


def strands(shape: tuple[int, int] = (240, 320)) -> np.ndarray:
    """Alpha of a head with thin hair all around: float32, shape (H, W)."""
    drawn = np.zeros((shape[0] * 4, shape[1] * 4), np.uint8)
    centre = (drawn.shape[1] // 2, drawn.shape[0] // 2)
    cv2.circle(drawn, centre, drawn.shape[0] // 5, 255, -1)
    for angle in np.arange(0, 2 * np.pi, 0.09):
        reach = drawn.shape[0] * (0.33 + 0.06 * np.sin(7 * angle))
        end = (int(centre[0] + reach * np.cos(angle)), int(centre[1] + reach * np.sin(angle)))
        cv2.line(drawn, centre, end, 255, 5)
    return cv2.resize(drawn, shape[::-1], interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def picture_of(alpha: np.ndarray) -> np.ndarray:
    """A person of one colour before a background of another, both uneven."""
    rows, columns = np.mgrid[0 : alpha.shape[0], 0 : alpha.shape[1]]
    uneven = 12 * np.sin(rows / 17) + 12 * np.cos(columns / 23)
    mixed = alpha[..., None] * PERSON + (1 - alpha[..., None]) * BACKGROUND + uneven[..., None]
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


def seen_by_a_network(alpha: np.ndarray) -> np.ndarray:
    """As a network gives hair: a soft veil where the strands are."""
    return np.clip(cv2.GaussianBlur(alpha, (0, 0), 5), 0, 1)


def error(alpha: np.ndarray, truth: np.ndarray) -> float:
    return float(np.abs(alpha - truth).mean())


# Closed form


def test_alpha_that_is_linear_in_colour_is_found_from_its_ends() -> None:
    ramp = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (20, 1))
    rgb = np.rint(ramp[..., None] * [200, 150, 100] + 20).astype(np.uint8)
    unknown = np.zeros(ramp.shape, bool)
    unknown[:, 4:-4] = True
    guess = np.where(unknown, np.float32(0.5), ramp)
    found = closed_form.solve(rgb, guess, guess, np.zeros_like(ramp), unknown, 400)
    assert np.abs(found - ramp).max() < 0.02


def test_what_is_known_stays_exactly() -> None:
    truth = strands()
    guess = seen_by_a_network(truth)
    unknown = (guess > 0.05) & (guess < 0.95)
    found = closed_form.solve(picture_of(truth), guess, guess, np.full_like(guess, 0.01), unknown, 30)
    assert np.array_equal(found[~unknown], guess[~unknown])
    assert found.dtype == np.float32 and found.min() >= 0 and found.max() <= 1
    assert error(found, truth) < 0.75 * error(guess, truth)


def test_a_great_weight_holds_to_what_is_expected() -> None:
    truth = strands()
    prior = np.full_like(truth, 0.3)
    everywhere = np.ones(truth.shape, bool)
    found = closed_form.solve(picture_of(truth), truth, prior, np.full_like(truth, 1e6), everywhere, 30)
    assert np.abs(found - 0.3).max() < 0.01


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (3, 3), (2, 50), (40, 1)])
@pytest.mark.parametrize("rounds", [0, 1, 30])
def test_any_shape_will_do(shape: tuple[int, int], rounds: int) -> None:
    alpha = np.full(shape, 0.5, np.float32)
    for unknown in (np.ones(shape, bool), np.zeros(shape, bool)):
        for colour in (0, 255):
            rgb = np.full((*shape, 3), colour, np.uint8)
            found = closed_form.solve(rgb, alpha, alpha, np.zeros_like(alpha), unknown, rounds)
            assert found.shape == shape and np.isfinite(found).all()


def test_noise_leads_to_numbers_all_the_same() -> None:
    random = np.random.default_rng(1)
    rgb = random.integers(0, 256, (60, 80, 3), np.uint8)
    alpha = random.random((60, 80), np.float32)
    unknown = random.random((60, 80)) < 0.7
    found = closed_form.solve(rgb, alpha, alpha, np.zeros_like(alpha), unknown, 200)
    assert np.isfinite(found).all() and found.min() >= 0 and found.max() <= 1


# Hair


def test_hair_comes_out_of_a_veil() -> None:
    truth = strands()
    guess = seen_by_a_network(truth)
    assert error(hair.refine(guess, picture_of(truth)), truth) < 0.6 * error(guess, truth)


def test_hair_that_is_solved_twice_comes_nearer_to_the_truth() -> None:
    truth = strands()
    guess = seen_by_a_network(truth)
    once, twice = (error(hair.refine(guess, picture_of(truth), times=times), truth) for times in (1, 2))
    assert twice < 0.95 * once


def test_hair_of_a_large_picture_too() -> None:
    truth = strands((960, 1280))
    guess = np.clip(cv2.GaussianBlur(truth, (0, 0), 12), 0, 1)
    refined = hair.refine(guess, picture_of(truth))
    assert refined.shape == truth.shape
    assert error(refined, truth) < 0.75 * error(guess, truth)


def test_where_person_and_background_look_alike_the_network_is_believed() -> None:
    guess = seen_by_a_network(strands())
    flat = np.full((*guess.shape, 3), 127, np.uint8)
    assert np.abs(hair.refine(guess, flat) - guess).mean() < 0.01


def test_far_from_what_is_soft_nothing_changes() -> None:
    truth = strands()
    guess = seen_by_a_network(truth)
    guess[guess < 0.02], guess[guess > 0.98] = 0, 1
    soft = ((guess > 0) & (guess < 1)).astype(np.uint8)
    far = cv2.dilate(soft, np.ones((31, 31), np.uint8)) == 0
    noisy = np.random.default_rng(2).integers(0, 256, (*guess.shape, 3), np.uint8)
    assert np.array_equal(hair.refine(guess, noisy)[far], guess[far])


@pytest.mark.parametrize("value", [0, 1])
def test_alpha_without_an_edge_is_left_alone(value: int) -> None:
    flat = np.full((30, 40), value, np.float32)
    assert np.array_equal(hair.refine(flat, np.zeros((30, 40, 3), np.uint8)), flat)


@pytest.mark.parametrize("shape", [(1, 1), (1, 200), (200, 1), (5, 7)])
def test_a_photo_of_any_shape_will_do(shape: tuple[int, int]) -> None:
    half = np.full(shape, 0.5, np.float32)
    refined = hair.refine(half, np.random.default_rng(3).integers(0, 256, (*shape, 3), np.uint8))
    assert refined.shape == shape and np.isfinite(refined).all()


def test_alpha_that_was_given_is_not_written_to() -> None:
    truth = strands()
    guess = seen_by_a_network(truth)
    before = guess.copy()
    hair.refine(guess, picture_of(truth))
    assert np.array_equal(guess, before)
