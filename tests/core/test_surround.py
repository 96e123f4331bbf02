"""What lies around a person: an outline, a shadow of both, and how a layer grows for it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from cvmatte_core.layers.store import LayerStore
from cvmatte_core.matting import compose, framing, surround
from cvmatte_core.matting.dressing import Backgrounds, Dressed, dress
from cvmatte_core.matting.framing import Cutout
from cvmatte_core.matting.matter import Matter
from cvmatte_core.matting.video_matter import VideoMatter
from cvmatte_core.settings import MatteSettings

RED = "#ff0000"
GREY = 90  # the person's


def person(size: tuple[int, int] = (300, 260), softness: float = 1.0, turned: float = 0.0) -> np.ndarray:
    """Alpha of a half plane, whose straight edge goes through the picture's middle: float32, shape (H, W)."""
    rows, columns = np.indices(size)
    angle = np.deg2rad(turned)
    away = (rows - size[0] / 2 + 0.5) * np.sin(angle) + (columns - size[1] / 2 + 0.5) * np.cos(angle)
    return np.clip(0.5 - away / softness, 0, 1).astype(np.float32)


def disc(radius: float, size: int = 300, middle: float | None = None) -> np.ndarray:
    rows, columns = np.indices((size, size))
    middle = (size - 1) / 2 if middle is None else middle
    return np.clip(radius + 0.5 - np.hypot(rows - middle, columns - middle), 0, 1).astype(np.float32)


def dressed(alpha: np.ndarray, **settings: Any) -> Dressed:
    """Of a grey person before white."""
    photo = np.full((*alpha.shape, 3), 255, np.uint8)
    colours = np.full_like(photo, GREY)
    chosen = MatteSettings(**settings)
    return dress(Cutout(photo, alpha, colours, None), chosen, framing.of_photo(chosen), Backgrounds())


def profile(cover: np.ndarray, turned: float, out: int, beside: float = 0) -> np.ndarray:
    """What covers each quarter of a pixel, outwards from the edge of `person`: 0..1. beside: pixels along the edge."""
    angle, steps = np.deg2rad(turned), np.arange(0.125, out, 0.25)
    across = (cover.shape[1] - 1) / 2 + steps * np.cos(angle) - beside * np.sin(angle)
    down = (cover.shape[0] - 1) / 2 + steps * np.sin(angle) + beside * np.cos(angle)
    seen = cv2.remap(cover.astype(np.float32), across.astype(np.float32), down.astype(np.float32), cv2.INTER_LINEAR)
    return seen.ravel() / 255


@pytest.mark.parametrize("softness", [1.0, 4.0, 12.0])
@pytest.mark.parametrize("width", [1, 2, 3, 5, 8, 12, 17, 25, 40, 80])
def test_a_line_is_as_wide_as_it_says_in_every_direction(width: int, softness: float) -> None:
    for turned in (0, 3, 20, 45, 90, 200):
        line = surround.outline(person((400, 400), softness, turned), width, 0)
        widths = [profile(line, turned, 120, beside).sum() / 4 for beside in range(-20, 21, 2)]
        assert np.mean(widths) == pytest.approx(width, abs=0.6 + 0.03 * width), turned
        assert np.std(widths) < 0.3, turned  # not jagged
        assert (
            profile(line, turned, max(1, round(0.95 * width) - 2)).min() > 0.9 or width < 3
        )  # and no gap beside the person


@pytest.mark.parametrize("width", [6, 12, 40])
def test_a_line_is_hard_and_softness_fades_it_within_its_width(width: int) -> None:
    alpha = person((400, 400))

    def fade(softness: int) -> tuple[float, float]:
        """Where it is no longer whole, and where it is gone, in pixels."""
        seen = profile(surround.outline(alpha, width, softness), 0, 100)
        return float(np.argmax(seen < 0.95)) / 4, float(np.argmax(seen < 0.03)) / 4

    begins, ends = fade(0)
    assert ends - begins < 3
    for softness in (50, 100):
        begins, ends = fade(softness)
        assert begins < width * (1 - softness / 200) and ends <= width + 1.5
        assert ends - begins > 0.4 * width * softness / 100
    glow = profile(surround.outline(alpha, width, 100), 0, 100)
    assert glow[0] > 0.85 and np.diff(glow).max() < 0.01  # it begins whole, and only fades


def test_a_line_is_round_about_a_corner_and_fills_what_is_narrow() -> None:
    alpha = disc(60)
    line = surround.outline(alpha, 20, 0).astype(float) / 255
    assert np.sqrt(line.sum() / np.pi) == pytest.approx(80.5, abs=0.8)
    square = np.zeros((200, 200), np.float32)
    square[60:140, 60:140] = 1
    line = surround.outline(square, 30, 0)
    assert line[45, 100] == 255 and line[36, 36] == 0  # beside an edge, and off the corner
    gap = np.ones((100, 100), np.float32)
    gap[:, 46:54] = 0
    assert surround.outline(gap, 8, 0).min() == 255


def test_a_single_hair_and_a_speck_have_no_line_of_their_own() -> None:
    alpha = disc(60)
    plain = surround.outline(alpha, 16, 0)
    alpha[20:22, 20:22] = 1
    alpha[149, 215:280] = 0.9
    assert np.abs(surround.outline(alpha, 16, 0).astype(int) - plain).max() < 40


def test_hair_over_the_outline_is_mixed_with_its_colour_alone() -> None:
    """So that no fringe of white, of black or of the old background is about it, whatever the layer is shown on."""
    alpha = person(softness=10)
    layer = dressed(alpha, outline=20, outline_colour=RED).layer[20:-20, 20:-20]
    before = layer.astype(int)
    assert (layer[:, 145, 3] == 255).all() and (layer[:, :141, 3] == 255).all()
    red = np.array([255, 0, 0])
    wanted = alpha[..., None] * GREY + (1 - alpha[..., None]) * red
    whole = layer[..., 3] == 255
    assert np.abs(before[..., :3] - wanted)[whole].max() <= 1
    assert (before[whole][:, 0] >= GREY).all() and (before[whole][:, 1:3] <= GREY).all()
    rim = (layer[..., 3] > 0) & ~whole & (alpha == 0)
    assert rim.any() and (layer[rim][:, :3] == red).all()  # straight alpha: the colour is whole where it is faint


@pytest.mark.parametrize("background", ["transparent", "colour", "blur"])
def test_a_transparent_layer_grows_by_the_width_and_another_keeps_its_size(background: str) -> None:
    alpha = person((120, 90))
    with_line = dressed(alpha, outline=12, outline_colour=RED, background=background, background_colour="#0000ff")
    rim = 12 if background == "transparent" else 0
    assert with_line.layer.shape == (120 + 2 * rim, 90 + 2 * rim, 4)
    inside = with_line.layer[rim : 120 + rim, rim : 90 + rim]
    assert (inside[:, :44, :3] == GREY).all()
    assert with_line.rim == rim and np.array_equal(with_line.alpha, alpha)
    assert (inside[60, 48:54, :3] == (255, 0, 0)).all()
    if rim:  # also about what the photo's own border cuts
        assert (with_line.layer[3, 20:50] == (255, 0, 0, 255)).all()
        assert (with_line.layer[60, 2] == (255, 0, 0, 255)).all()
        assert with_line.layer[0, 0, 3] == with_line.layer[60, -1, 3] == 0
    else:
        assert (inside[60, -1] == ((0, 0, 255, 255) if background == "colour" else (255, 255, 255, 255))).all()


def test_an_id_photo_keeps_its_official_size() -> None:
    assert not framing.of_photo(MatteSettings(id_photo="us", outline=12)).may_grow


def test_the_shadow_is_that_of_the_person_with_the_outline() -> None:
    alpha = np.zeros((400, 400), np.float32)
    alpha[100:300, 100:250] = 1

    def beside(**settings: Any) -> np.ndarray:
        chosen = MatteSettings(shadow=60, **settings)
        black = np.full((400, 400, 3), GREY, np.uint8)
        colours, whole, _ = surround.surrounded(black, alpha, None, chosen)
        return np.dstack([colours, whole * 255])[200, 250:].astype(int)

    with_line, without = beside(outline=20, outline_colour=RED), beside()
    assert (with_line[:18] == (255, 0, 0, 255)).all()  # over the shadow, which darkens neither
    shadow = with_line[24:50, 3] - without[4:30, 3]
    assert np.abs(shadow).max() <= 10 and without[4, 3] > 50  # the same shadow, so much further out
    assert with_line[24:40, :3].max() == 0
    wall = compose.plain("#80c040", (400, 400))
    opaque = compose.layer_pixels(
        *surround.surrounded(np.full_like(wall, GREY), alpha, wall, MatteSettings(outline=20, shadow=60))
    )
    transparent = compose.layer_pixels(
        *surround.surrounded(np.full_like(wall, GREY), alpha, None, MatteSettings(outline=20, shadow=60))
    )
    seen = compose.over(np.ascontiguousarray(transparent[..., :3]), transparent[..., 3].astype(np.float32) / 255, wall)
    assert np.abs(opaque[..., :3].astype(int) - seen).max() <= 3


def test_a_shadow_darkens_what_is_behind_and_never_the_person() -> None:
    alpha = np.zeros((300, 200), np.float32)
    alpha[60:, 60:140] = 1
    alpha[58:60, 60:140] = 0.5
    person = np.full((300, 200, 3), 180, np.uint8)

    def layer_of(background: np.ndarray | None, shadow: int) -> np.ndarray:
        return compose.layer_pixels(*surround.surrounded(person, alpha, background, MatteSettings(shadow=shadow)))

    plain = compose.layer_pixels(person, alpha, None)
    layer = layer_of(None, 60)
    inside, right, left = np.s_[100:250, 70:130], np.s_[100:250, 141:144], np.s_[100:250, 20:40]
    assert np.array_equal(layer[inside], plain[inside])
    assert 60 < layer[right][..., 3].mean() < 130 and layer[right][..., :3].max() < 10
    assert layer[left][..., 3].max() == 0
    assert layer[299, 142, 3] > 80  # where the border cuts the person, it goes on
    # Over any background it is what one that stands behind gives.
    wall = compose.plain("#80c040", (200, 300))
    opaque = layer_of(wall, 60)[..., :3].astype(int)
    shown = compose.over(layer[..., :3], layer[..., 3].astype(np.float32) / 255, wall)
    assert np.abs(opaque - shown).max() <= 3
    assert np.array_equal(layer_of(None, 0), plain)


def test_nobody_has_no_outline() -> None:
    layer = dressed(np.zeros((50, 60), np.float32), outline=8, outline_colour=RED).layer
    assert layer.shape == (66, 76, 4) and not layer[..., 3].any()


@pytest.mark.parametrize(("outline", "longest_side"), [(12, 200), (12, 512), (30, 100), (200, 40), (12, 3), (200, 0)])
@pytest.mark.parametrize("crop", [False, True])
def test_the_longest_side_counts_the_outline(photo: Path, outline: int, longest_side: int, crop: bool) -> None:
    settings = MatteSettings(quality="fast", crop=crop, outline=outline, longest_side=longest_side)
    matte = Matter(2)(photo, settings, may_be_empty=True)
    layer = matte.layer
    assert matte.alpha.shape == matte.photo.shape[:2] == matte.foreground.shape[:2] == layer.shape[:2]
    assert longest_side - 2 <= max(layer.shape[:2]) <= longest_side or not longest_side or (crop and longest_side > 400)
    assert max(layer.shape[:2]) == 512 + 2 * outline or longest_side or crop


def test_without_it_all_is_as_it_was(photo: Path) -> None:
    """Old settings lack the fields: the same pixels, known by the same name."""
    plain, off = MatteSettings(shadow=30), MatteSettings(shadow=30, outline=0)
    assert plain.identity() == off.identity() and "outline" not in str(off.identity())
    assert LayerStore.key("/me.jpg", off) == LayerStore.key("/me.jpg", plain)
    changed = dataclasses.replace(off, outline=3)
    assert LayerStore.key("/me.jpg", changed) != LayerStore.key("/me.jpg", off)
    alpha, colours = disc(60), np.random.default_rng(1).integers(0, 256, (300, 300, 3), np.uint8)
    same = surround.surrounded(colours, alpha, None, MatteSettings(outline_colour=RED, outline_softness=50))
    assert same[0] is colours and same[1] is alpha


def test_moving_pictures_have_it_too_and_keep_their_size(photo: Path) -> None:
    frame = np.array(Image.open(photo).convert("RGB"))
    shapes = set()
    for crop in (False, True):
        moving = VideoMatter(MatteSettings(crop=crop, outline=16, outline_colour="#00ff00"), 2)
        for _ in range(3):
            layer = moving.layer(frame)
            shapes.add(layer.shape)
        green = (layer == (0, 255, 0, 255)).all(axis=2)
        assert green.sum() > 4000 and green[-10, :].any() and not layer[0, :, 3].any()
        moving.change(dataclasses.replace(moving.settings, outline=0))
        assert moving.layer(frame).shape == (*frame.shape[:2], 4)
    assert shapes == {(frame.shape[0] + 32, frame.shape[1] + 32, 4)}
