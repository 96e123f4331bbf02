"""Alpha enlarged, led by the photo."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from cvmatte_core.models import guided_filter
from cvmatte_core.models.guided_filter import enlarge_alpha


def test_hair_finer_than_the_reduced_picture_is_the_photo_s() -> None:
    alpha = np.zeros((600, 600), np.float32)
    alpha[:, :300] = 1
    for row in range(10, 600, 24):  # strands of three pixels, in a picture reduced to a quarter
        alpha[row : row + 3, 300:360] = 1
    rgb = np.rint(40 + 180 * (1 - alpha[..., None]) * np.ones(3)).astype(np.uint8)
    size = (150, 150)
    small_alpha, small = (cv2.resize(values, size, interpolation=cv2.INTER_AREA) for values in (alpha, rgb))
    led = enlarge_alpha(small_alpha, small, rgb)
    plain = cv2.resize(small_alpha, (600, 600), interpolation=cv2.INTER_CUBIC)
    assert np.abs(led - alpha).mean() < 0.2 * np.abs(plain - alpha).mean()
    assert led.dtype == np.float32
    assert 0 <= led.min() <= led.max() <= 1


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_a_flat_alpha_stays_whatever_the_photo_shows(value: float) -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    small = cv2.resize(rgb, (75, 50), interpolation=cv2.INTER_AREA)
    led = enlarge_alpha(np.full((50, 75), value, np.float32), small, rgb)
    assert np.abs(led - value).max() < 1e-3


def test_a_photo_of_one_colour_leads_nowhere() -> None:
    alpha = np.tile(np.linspace(0, 1, 60, dtype=np.float32), (40, 1))
    led = enlarge_alpha(alpha, np.full((40, 60, 3), 90, np.uint8), np.full((40, 60, 3), 90, np.uint8))
    assert np.abs(led - alpha)[:, 10:-10].max() < 1e-3


def test_odd_sizes_are_no_trouble() -> None:
    for shape in ((1, 1), (1, 40), (40, 1), (700, 3)):
        rgb = np.zeros((*shape, 3), np.uint8)
        assert enlarge_alpha(np.full((1, 1), 0.5, np.float32), rgb[:1, :1], rgb).shape == shape


@pytest.mark.parametrize("colours", ["grey", "nearly grey", "any"])
def test_slopes_are_those_of_the_least_squares_in_double_precision(colours: str) -> None:
    random = np.random.default_rng(3)
    alpha = np.clip(np.linspace(-0.3, 1.3, 40) + 0.1 * random.normal(size=(30, 40)), 0, 1).astype(np.float32)
    rgb = np.repeat(60 + 130 * alpha[..., None], 3, axis=2)
    rgb += random.normal(0, {"grey": 0, "nearly grey": 1, "any": 20}[colours], rgb.shape)
    rgb = np.clip(rgb, 0, 255).astype(np.uint8)
    slopes, _, _ = guided_filter._coefficients(alpha, rgb)
    reach, cell = guided_filter._RADIUS, guided_filter._CELL
    exact = np.zeros((30 // cell, 40 // cell, 3))
    for row, column in np.ndindex(exact.shape[:2]):
        rows, columns = (slice(max(0, cell * (at - reach)), cell * (at + reach + 1)) for at in (row, column))
        pixels, values = rgb[rows, columns].reshape(-1, 3) / 255, alpha[rows, columns].reshape(-1).astype(float)
        covariance = np.cov(pixels, rowvar=False, bias=True) + guided_filter._EPSILON * np.eye(3)
        exact[row, column] = np.linalg.solve(covariance, (pixels - pixels.mean(0)).T @ values / len(values))
    smoothing = guided_filter._SMOOTHING
    inner = (slice(reach + smoothing, -reach - smoothing),) * 2  # what depends on nothing beyond the picture
    found = guided_filter._blurred(exact, smoothing)[inner]
    assert np.abs(slopes[inner] - found).max() < 2e-3 * np.abs(exact).max()


@pytest.mark.parametrize("height", [90, 1500])  # enlarged at once, and by parts
def test_parts_make_the_whole(height: int) -> None:
    random = np.random.default_rng(4)
    small_alpha = cv2.GaussianBlur(random.random((45, 60), np.float32), (0, 0), 2)
    small = random.integers(0, 256, (45, 60, 3), dtype=np.uint8)
    rgb = cv2.resize(small, (height * 4 // 3, height), interpolation=cv2.INTER_CUBIC)
    enlargement = guided_filter.Enlargement(small_alpha, small, rgb)
    for rows in (slice(0, height // 3), slice(height // 3, height)):
        enlargement.lead((rows, slice(0, rgb.shape[1])))
    assert np.abs(enlargement.alpha - enlarge_alpha(small_alpha, small, rgb)).max() < 2 / 255
