"""The controls of the edge, true edge colours, and compositing."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from cvmatte_core import compose, refine
from cvmatte_core.settings import MatteSettings


def disc(size: int = 200, radius: int = 60, softness: float = 4) -> np.ndarray:
    """Alpha of a soft disc, float32."""
    rows, columns = np.indices((size, size)) - size / 2
    distance = np.hypot(rows, columns)
    return np.clip((radius - distance) / softness + 0.5, 0, 1).astype(np.float32)


def test_without_controls_alpha_stays_as_it_is() -> None:
    assert np.array_equal(refine.refine_alpha(disc(), MatteSettings()), disc())


def test_clean_ends_are_exactly_zero_and_one() -> None:
    cleaned = refine.clean_alpha(np.array([[0.0, 0.01, 0.5, 0.99, 1.0]], np.float32))[0].tolist()
    assert cleaned == [0, 0, pytest.approx(0.5), 1, 1]


def test_the_threshold_cuts_what_is_faint_and_keeps_the_edge_soft() -> None:
    alpha = np.linspace(0, 1, 1001, dtype=np.float32)[None]
    result = refine.refine_alpha(alpha, MatteSettings(threshold=128))[0]
    assert (result[:500] == 0).all()
    assert result[-1] == 1
    assert np.diff(result).max() < 0.003
    strongest = refine.refine_alpha(alpha, MatteSettings(threshold=255))[0]
    assert strongest[-1] == 1
    assert strongest[900] == 0


def test_erosion_moves_the_edge_inward_by_its_pixels() -> None:
    for pixels in (1, 5, 20):
        eroded = refine.refine_alpha(disc(), MatteSettings(erosion=pixels))
        radius = np.sqrt(eroded.sum() / np.pi)
        assert radius == pytest.approx(60 - pixels, abs=0.7)


def test_erosion_leaves_a_person_who_is_cut_by_the_picture_s_edge_there() -> None:
    alpha = np.ones((100, 100), np.float32)
    assert refine.refine_alpha(alpha, MatteSettings(erosion=10)).min() == 1


def test_feather_softens_without_moving_the_edge() -> None:
    feathered = refine.refine_alpha(disc(), MatteSettings(feather=10))
    soft = (feathered > 0.05) & (feathered < 0.95)
    assert soft.sum() > 2 * ((disc() > 0.05) & (disc() < 0.95)).sum()
    assert feathered.sum() == pytest.approx(disc().sum(), rel=0.01)


@pytest.mark.parametrize("size", [200, 1100])
def test_edge_colours_are_the_person_s_not_the_background_s(size: int) -> None:
    alpha = disc(size, int(size * 0.3), softness=size / 20)
    foreground, background = np.array([220, 180, 40.0]), np.array([20, 60, 200.0])
    mixed = alpha[..., None] * foreground + (1 - alpha[..., None]) * background
    photo = np.rint(mixed).astype(np.uint8)
    estimate = refine.estimate_foreground(photo, alpha)
    edge = (alpha > 0.1) & (alpha < 0.9)
    wrong = np.abs(photo[edge] - foreground).mean()
    assert np.abs(estimate[edge] - foreground).mean() < wrong / 8
    inside = alpha > 0.999
    assert np.array_equal(estimate[inside], photo[inside])


def test_colours_reach_a_little_beyond_the_edge() -> None:
    """OBS mixes in the colours of transparent neighbours when it scales a layer."""
    alpha = disc(softness=2)
    photo = np.full((200, 200, 3), (0, 0, 255), np.uint8)
    photo[alpha > 0] = (255, 255, 255)
    layer = compose.layer_pixels(refine.estimate_foreground(photo, alpha), alpha, MatteSettings())
    outside = (cv2.dilate(alpha, np.ones((5, 5))) > 0) & (alpha == 0)
    assert layer[outside][:, 3].max() == 0
    assert layer[outside][:, :3].min() > 200
    assert not layer[0, 0].any()


def test_tiny_pictures_are_no_trouble() -> None:
    for shape in ((1, 1), (1, 40), (40, 1), (3, 5)):
        alpha = np.full(shape, 0.5, np.float32)
        photo = np.full((*shape, 3), 100, np.uint8)
        foreground = refine.estimate_foreground(photo, alpha)
        settings = MatteSettings(threshold=10, erosion=3, feather=3)
        layer = compose.layer_pixels(foreground, refine.refine_alpha(alpha, settings), settings)
        assert layer.shape == (*shape, 4)
        assert compose.preview_sheet(photo, foreground, alpha, layer).ndim == 3


def test_a_background_colour_makes_the_layer_opaque() -> None:
    alpha = disc()
    person = np.full((200, 200, 3), 255, np.uint8)
    settings = MatteSettings(background="colour", background_colour="#102030")
    layer = compose.layer_pixels(person, alpha, settings)
    assert (layer[..., 3] == 255).all()
    assert layer[0, 0].tolist() == [0x10, 0x20, 0x30, 255]
    assert layer[100, 100].tolist() == [255, 255, 255, 255]


def test_the_preview_shows_result_alpha_and_photo_beside_each_other() -> None:
    alpha = disc()
    photo = np.full((200, 200, 3), (10, 200, 30), np.uint8)
    layer = compose.layer_pixels(photo, alpha, MatteSettings())
    sheet = compose.preview_sheet(photo, photo, alpha, layer)
    third = (sheet.shape[1] + 6) // 3
    result, grey, original = sheet[:, : third - 6], sheet[:, third : 2 * third - 6], sheet[:, 2 * third :]
    assert result[100, 100].tolist() == [10, 200, 30]
    assert len({tuple(pixel) for pixel in result[0]}) == 2  # the checkerboard
    assert grey[100, 100].tolist() == [255] * 3
    assert grey[0, 0].tolist() == [0] * 3
    assert (original == (10, 200, 30)).all()
