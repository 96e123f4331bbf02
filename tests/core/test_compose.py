"""Layers, what stands behind the person, and the preview."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from cvmatte_core.matting import compose, edge_colours

from .test_refine import disc

BLUE, ORANGE = (20, 60, 200), (250, 120, 10)


def test_colours_reach_a_little_beyond_the_edge() -> None:
    """OBS mixes in the colours of transparent neighbours when it scales a layer."""
    alpha = disc(softness=2)
    photo = np.full((200, 200, 3), (0, 0, 255), np.uint8)
    photo[alpha > 0] = (255, 255, 255)
    layer = compose.layer_pixels(edge_colours.estimate_foreground(photo, alpha), alpha, None)
    outside = (cv2.dilate(alpha, np.ones((5, 5))) > 0) & (alpha == 0)
    assert layer[outside][:, 3].max() == 0
    assert layer[outside][:, :3].min() > 200
    assert not layer[0, 0].any()


def test_a_transparent_layer_holds_alpha_and_the_colours_it_was_given() -> None:
    alpha = disc()
    colours = np.random.default_rng(1).integers(0, 256, (200, 200, 3), np.uint8)
    layer = compose.layer_pixels(colours, alpha, None)
    assert np.array_equal(layer[..., 3], np.rint(alpha * 255))
    assert np.array_equal(layer[alpha > 0][:, :3], colours[alpha > 0])
    assert layer.flags.c_contiguous


def test_a_background_makes_the_layer_opaque_and_shows_only_around_the_person() -> None:
    alpha = disc()
    person = np.full((200, 200, 3), 255, np.uint8)
    layer = compose.layer_pixels(person, alpha, compose.plain("#102030", (200, 200)))
    assert (layer[..., 3] == 255).all()
    assert layer[0, 0].tolist() == [0x10, 0x20, 0x30, 255]
    assert layer[100, 100].tolist() == [255, 255, 255, 255]
    half = np.unravel_index(np.argmin(np.abs(alpha - 0.5)), alpha.shape)
    assert layer[half][0] == pytest.approx(alpha[half] * 255 + (1 - alpha[half]) * 0x10, abs=1)


@pytest.mark.parametrize("size", [(80, 60), (30, 90), (90, 30), (1, 1), (400, 10), (300, 300)])
def test_a_background_image_covers_the_layer_with_its_middle(size: tuple[int, int]) -> None:
    """Columns and rows tell where each pixel is from: the middle must stay the middle, and nothing be squeezed."""
    columns, rows = np.meshgrid(np.linspace(0, 240, 241), np.linspace(0, 120, 121))
    picture = np.dstack([columns, rows, rows * 0 + 7]).astype(np.uint8)
    fitted = compose.covering(picture, size).astype(float)
    assert fitted.shape == (size[1], size[0], 3)
    assert fitted[..., 0].mean() == pytest.approx(120, abs=2)
    assert fitted[..., 1].mean() == pytest.approx(60, abs=2)
    if min(size) > 1:
        per_column = (fitted[:, -1, 0] - fitted[:, 0, 0]).mean() / (size[0] - 1)
        per_row = (fitted[-1, :, 1] - fitted[0, :, 1]).mean() / (size[1] - 1)
        assert per_column == pytest.approx(per_row, rel=0.1)
        whole = fitted[..., 0].max() - fitted[..., 0].min() > 235 or fitted[..., 1].max() - fitted[..., 1].min() > 115
        assert whole, "more was cut away than needed"


def test_a_picture_of_the_layer_s_size_is_its_own_cover() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (60, 80, 3), np.uint8)
    assert np.array_equal(compose.covering(picture, (80, 60)), picture)


@pytest.mark.parametrize("blur", [1, 3, 8, 20, 100])
def test_nothing_of_the_person_s_colour_is_in_the_blurred_background(blur: int) -> None:
    alpha = disc(400, 120, softness=6)
    mixed = alpha[..., None] * np.array(ORANGE) + (1 - alpha[..., None]) * np.array(BLUE)
    blurred = compose.blurred_background(np.rint(mixed).astype(np.uint8), alpha, blur)
    assert np.abs(blurred.astype(int) - BLUE).max() <= 3  # next to the edge and behind the person, too


def test_the_blurred_background_is_the_photo_blurred_far_from_the_person() -> None:
    rows, columns = np.indices((300, 400))
    photo = np.dstack([rows % 256, columns % 256, (rows + columns) % 64 * 4]).astype(np.uint8)
    alpha = np.zeros((300, 400), np.float32)
    for blur in (2, 12):
        wanted = cv2.GaussianBlur(photo, (0, 0), blur, borderType=cv2.BORDER_REPLICATE).astype(int)
        inner = np.s_[40:-40, 40:-40]
        assert np.abs(compose.blurred_background(photo, alpha, blur).astype(int) - wanted)[inner].mean() < 2


def test_what_a_person_hides_is_filled_from_both_sides() -> None:
    photo = np.zeros((200, 400, 3), np.uint8)
    photo[:, :200], photo[:, 200:] = (200, 40, 40), (40, 40, 200)
    alpha = np.zeros((200, 400), np.float32)
    alpha[50:, 120:280] = 1
    photo[alpha > 0] = (0, 255, 0)
    behind = compose.blurred_background(photo, alpha, 10)[150].astype(int)
    assert behind[:, 1].max() < 50
    assert behind[130, 0] > behind[200, 0] > behind[270, 0]
    assert behind[130, 2] < behind[200, 2] < behind[270, 2]


def test_a_photo_full_of_the_person_has_some_background_all_the_same() -> None:
    photo = np.full((60, 80, 3), 100, np.uint8)
    assert compose.blurred_background(photo, np.ones((60, 80), np.float32), 5).shape == photo.shape


def test_the_preview_shows_result_alpha_and_photo_beside_each_other() -> None:
    alpha = disc()
    photo = np.full((200, 200, 3), (10, 200, 30), np.uint8)
    layer = compose.layer_pixels(photo, alpha, None)
    sheet = compose.preview_sheet(photo, alpha, layer)
    third = (sheet.shape[1] + 6) // 3
    result, grey, original = sheet[:, : third - 6], sheet[:, third : 2 * third - 6], sheet[:, 2 * third :]
    assert result[100, 100].tolist() == [10, 200, 30]
    assert len({tuple(pixel) for pixel in result[0]}) == 2  # the checkerboard
    assert grey[100, 100].tolist() == [255] * 3
    assert grey[0, 0].tolist() == [0] * 3
    assert (original == (10, 200, 30)).all()
