"""Who is kept, the controls of the edge, cropping, and true edge colours."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from cvmatte_core.matting import compose, edge_colours, refine


def disc(size: int = 200, radius: int = 60, softness: float = 4) -> np.ndarray:
    """Alpha of a soft disc, float32."""
    rows, columns = np.indices((size, size)) - size / 2
    distance = np.hypot(rows, columns)
    return np.clip((radius - distance) / softness + 0.5, 0, 1).astype(np.float32)


def people(shape: tuple[int, int], discs: list[tuple[int, int, int]], softness: float = 4) -> np.ndarray:
    """Alpha of soft discs, each (row, column, radius), float32."""
    rows, columns = np.indices(shape)
    distances = [radius - np.hypot(rows - row, columns - column) for row, column, radius in discs]
    return np.clip(np.max(distances, axis=0) / softness + 0.5, 0, 1).astype(np.float32)


def test_without_controls_alpha_stays_as_it_is() -> None:
    alpha = disc()
    assert refine.threshold(alpha, 0) is alpha
    assert refine.erode(alpha, 0) is alpha
    assert refine.feather(alpha, 0) is alpha


def test_clean_ends_are_exactly_zero_and_one() -> None:
    cleaned = refine.clean_alpha(np.array([[0.0, 0.01, 0.5, 0.99, 1.0]], np.float32))[0].tolist()
    assert cleaned == [0, 0, pytest.approx(0.5), 1, 1]


def test_the_threshold_cuts_what_is_faint_and_keeps_the_edge_soft() -> None:
    alpha = np.linspace(0, 1, 1001, dtype=np.float32)[None]
    result = refine.threshold(alpha, 128)[0]
    assert (result[:500] == 0).all()
    assert result[-1] == 1
    assert np.diff(result).max() < 0.003
    strongest = refine.threshold(alpha, 255)[0]
    assert strongest[-1] == 1
    assert strongest[900] == 0


def test_erosion_moves_the_edge_inward_by_its_pixels() -> None:
    for pixels in (1, 5, 20):
        eroded = refine.erode(disc(), pixels)
        radius = np.sqrt(eroded.sum() / np.pi)
        assert radius == pytest.approx(60 - pixels, abs=0.7)


def test_erosion_leaves_a_person_who_is_cut_by_the_picture_s_edge_there() -> None:
    alpha = np.ones((100, 100), np.float32)
    assert refine.erode(alpha, 10).min() == 1
    alpha[:, :30] = 0
    assert (refine.erode(alpha, 10)[:, 40:] == 1).all()


@pytest.mark.parametrize("pixels", [1, 2, 3, 7, 20, 50])
def test_erosion_takes_the_lowest_alpha_of_the_disc_around_each_pixel(pixels: int) -> None:
    alpha = people((120, 170), [(60, 60, 55), (20, 140, 30)], softness=9)
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1,) * 2)
    assert np.abs(refine.erode(alpha, pixels) - cv2.erode(alpha, ellipse)).max() < 1e-5


@pytest.mark.parametrize("value", [200, 255])
def test_a_high_threshold_leaves_no_stairs_and_adds_nothing_outside(value: int) -> None:
    alpha = disc(softness=1.5)
    cut = refine.threshold(alpha, value)
    soft = refine.soften_cut(cut, value)
    assert not soft[cut == 0].any()
    assert ((soft > 0.1) & (soft < 0.9)).sum() > 3 * ((cut > 0.1) & (cut < 0.9)).sum()
    assert soft[90:110, 90:110].min() == 1
    assert refine.soften_cut(cut, 128) is cut


def test_erosion_before_the_threshold_gives_what_it_gives_after() -> None:
    alpha = people((120, 170), [(60, 60, 55)], softness=30)
    before, after = refine.threshold(refine.erode(alpha, 6), 200), refine.erode(refine.threshold(alpha, 200), 6)
    assert np.abs(before - after).max() < 1 / 2000


def test_feather_softens_without_moving_the_edge() -> None:
    feathered = refine.feather(disc(), 10)
    soft = (feathered > 0.05) & (feathered < 0.95)
    assert soft.sum() > 2 * ((disc() > 0.05) & (disc() < 0.95)).sum()
    assert feathered.sum() == pytest.approx(disc().sum(), rel=0.01)


@pytest.mark.parametrize("pixels", [1, 5, 13, 14, 20, 30, 50])
def test_feather_is_a_gaussian_blur_however_it_is_computed(pixels: int) -> None:
    alpha = people((331, 457), [(320, 200, 150), (60, 400, 8)], softness=2)  # one is cut by the picture's edge
    blurred = cv2.GaussianBlur(alpha, (0, 0), pixels / 2, borderType=cv2.BORDER_REPLICATE)
    result = refine.feather(alpha, pixels)
    assert np.abs(result - blurred).max() < 1 / 255
    assert result.dtype == np.float32
    assert 0 <= result.min() <= result.max() <= 1


def test_feather_inward_adds_nothing_and_outward_takes_nothing() -> None:
    alpha = disc(softness=1)
    inward, outward = refine.feather(alpha, 10, "inward"), refine.feather(alpha, 10, "outward")
    assert (inward <= alpha).all()
    assert (outward >= alpha).all()
    assert np.sqrt(inward.sum() / np.pi) == pytest.approx(60 - 4, abs=1)  # 0.8 sigma: the half Gaussian's mean
    assert np.sqrt(outward.sum() / np.pi) == pytest.approx(60 + 4, abs=1)
    for feathered in (inward, outward):
        assert ((feathered > 0.05) & (feathered < 0.95)).sum() > 5 * ((alpha > 0.05) & (alpha < 0.95)).sum()
        assert np.abs(np.diff(feathered[100])).max() < 0.2  # no cliff


def test_the_main_person_stays_whole_and_the_other_leaves_no_trace() -> None:
    main, other = [(100, 120, 60)], [(120, 330, 40)]
    alpha = people((200, 400), main + other, softness=24)
    alone = people((200, 400), main, softness=24)
    assert np.array_equal(refine.main_person(alpha), alone)
    assert refine.main_person(alone) is alone


def figure(height: int = 400, width: int = 300) -> np.ndarray:
    """A body in the middle of nothing."""
    alpha = np.zeros((height, width), np.float32)
    alpha[40:, 60:240] = 1
    return alpha


@pytest.mark.parametrize("scale", [1, 9], ids=["small", "12 megapixels"])
def test_a_small_hole_deep_inside_a_person_is_filled(scale: int) -> None:
    whole = cv2.resize(figure(), None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)
    alpha = whole.copy()
    cv2.circle(alpha, (150 * scale, 200 * scale), 10 * scale, 0.2, -1)  # a badge, 80 pixels from the outline
    mended = refine.mend(alpha)
    assert (mended == whole).all()
    assert mended.dtype == np.float32


@pytest.mark.parametrize(
    "gap",
    [
        (slice(200, 260), slice(80, 110)),  # of an arm akimbo
        (slice(60, 66), slice(70, 76)),  # of a mug's handle, or in hair
        (slice(340, 400), slice(146, 152)),  # between the legs
        (slice(370, 390), slice(146, 152)),  # the same, closed by the shoes
    ],
)
def test_a_real_gap_stays(gap: tuple[slice, slice]) -> None:
    alpha = figure()
    alpha[gap] = 0
    assert (refine.mend(alpha) == alpha).all()


def test_a_gap_near_the_border_of_a_close_up_stays() -> None:
    alpha = np.ones((400, 300), np.float32)
    alpha[300:360, 100:160] = 0
    assert (refine.mend(alpha) == alpha).all()


def test_a_speck_far_off_is_removed_but_neither_a_strand_of_hair_nor_a_second_person_is() -> None:
    person = figure(400, 600)
    person[30:38, 100:104] = 0.7  # a strand that blew loose
    person[300:340, 500:520] = 1  # somebody far away
    alpha = person.copy()
    alpha[100:106, 400:406] = 0.9
    alpha[0:5, 590:600] = 1
    assert (refine.mend(alpha) == person).all()


@pytest.mark.parametrize("value", [0, 0.5, 1])
def test_mending_leaves_an_even_matte_alone(value: float) -> None:
    alpha = np.full((5, 7), value, np.float32)
    assert (refine.mend(alpha) == alpha).all()


def test_hair_between_two_people_goes_with_whom_it_is_nearer_to() -> None:
    alpha = people((200, 400), [(100, 150, 50), (100, 310, 40)])
    alpha[100, 200:225] = 0.3  # a strand of the main person's, and one of the other's
    alpha[100, 250:270] = 0.3
    kept = refine.main_person(alpha)
    assert (kept[100, 200:225] == np.float32(0.3)).all()
    assert not kept[:, 245:].any()


def test_closeness_to_the_centre_weighs_against_size() -> None:
    nearer = refine.main_person(people((200, 400), [(100, 190, 40), (60, 350, 45)]))
    assert nearer[100, 190] == 1
    assert nearer[60, 350] == 0
    larger = refine.main_person(people((200, 400), [(100, 190, 10), (100, 300, 80)]))
    assert larger[100, 190] == 0
    assert larger[100, 300] == 1


def test_with_one_person_or_none_alpha_stays_bit_for_bit() -> None:
    for alpha in (disc(), np.zeros((50, 70), np.float32), np.ones((50, 70), np.float32)):
        assert refine.main_person(alpha) is alpha


def test_a_speck_is_no_person_and_goes_with_the_nearest() -> None:
    alpha = people((200, 400), [(100, 120, 60), (100, 185, 1), (100, 330, 40)])
    assert refine.main_person(alpha)[100, 185] == alpha[100, 185] > 0
    assert refine.main_person(alpha)[100, 330] == 0
    alone = people((200, 400), [(100, 120, 60), (100, 185, 1)])
    assert refine.main_person(alone) is alone


def test_people_are_told_apart_in_large_pictures_too() -> None:
    alpha = people((1500, 3000), [(800, 1300, 500), (800, 2400, 400)], softness=40)
    assert np.array_equal(refine.main_person(alpha), people((1500, 3000), [(800, 1300, 500)], softness=40))


def test_the_crop_is_the_visible_box_and_its_margin() -> None:
    alpha = np.zeros((100, 200), np.float32)
    alpha[30:50, 60:100] = 1
    alpha[5, 5] = 0.01  # too faint to see
    assert refine.crop_box(alpha, 0) == (slice(30, 50), slice(60, 100))
    assert refine.crop_box(alpha, 10) == (slice(26, 54), slice(56, 104))
    assert refine.crop_box(alpha, 50) == (slice(10, 70), slice(40, 120))


def test_the_crop_s_margin_ends_at_the_picture_s_border() -> None:
    alpha = np.zeros((100, 200), np.float32)
    alpha[90:, :40] = 1
    assert refine.crop_box(alpha, 50) == (slice(70, 100), slice(0, 60))


def test_where_nothing_is_visible_nothing_is_cropped() -> None:
    assert refine.crop_box(np.zeros((100, 200), np.float32), 5) == (slice(0, 100), slice(0, 200))


@pytest.mark.parametrize("size", [200, 1100])
def test_edge_colours_are_the_person_s_not_the_background_s(size: int) -> None:
    alpha = disc(size, int(size * 0.3), softness=size / 20)
    foreground, background = np.array([220, 180, 40.0]), np.array([20, 60, 200.0])
    mixed = alpha[..., None] * foreground + (1 - alpha[..., None]) * background
    photo = np.rint(mixed).astype(np.uint8)
    estimate = edge_colours.estimate_foreground(photo, alpha)
    edge = (alpha > 0.1) & (alpha < 0.9)
    wrong = np.abs(photo[edge] - foreground).mean()
    assert np.abs(estimate[edge] - foreground).mean() < wrong / 8
    inside = alpha > 0.999
    assert np.array_equal(estimate[inside], photo[inside])


def test_tiny_pictures_are_no_trouble() -> None:
    for shape in ((1, 1), (1, 40), (40, 1), (3, 5)):
        alpha = np.full(shape, 0.5, np.float32)
        photo = np.full((*shape, 3), 100, np.uint8)
        foreground = edge_colours.estimate_foreground(photo, alpha)
        refined = refine.feather(refine.threshold(refine.erode(refine.main_person(alpha), 3), 10), 30)
        blurred = compose.blurred_background(photo, alpha, 9)
        for background in (None, blurred, compose.covering(photo, shape[::-1])):
            layer = compose.layer_pixels(foreground, refined, background)
            assert layer.shape == (*shape, 4)
        assert compose.preview_sheet(photo, alpha, layer).ndim == 3
