"""Colours: from each space that a picture may say to what a standard screen shows."""

from __future__ import annotations

import numpy as np
import pytest

from cvmatte_core.image.colour_spaces import ColourSpace, peak_of, to_srgb
from tests.colours import light_of, signal_of

_STEPS = np.linspace(0, 255, 24)
SRGB = np.stack(np.meshgrid(_STEPS, _STEPS, [0, 90, 255]), axis=-1).reshape(24, 72, 3).astype(np.uint8)


def shown(signal: float, space: ColourSpace, peak: float = 0.0) -> int:
    pixels = np.full((8, 8, 3), round(signal * 65535), np.uint16)
    result = to_srgb(pixels, space, peak=peak)
    assert np.ptp(result) == 0  # grey stays grey
    return int(result[0, 0, 0])


@pytest.mark.parametrize(("primaries", "transfer"), [(1, 13), (9, 14), (12, 13), (9, 16), (9, 18), (12, 16), (1, 8)])
@pytest.mark.parametrize("bits", [10, 12, 16])
def test_a_standard_picture_in_another_space_is_shown_as_it_was(primaries: int, transfer: int, bits: int) -> None:
    white = 2**bits - 1
    pixels = np.rint(signal_of(light_of(SRGB), primaries, transfer) * white).astype(np.uint16)
    result = to_srgb(pixels, ColourSpace.coded(primaries, transfer), white=white)
    difference = np.abs(result.astype(int) - SRGB)
    dark_steps = 4 if bits < 16 else 1  # of linear light and a saturated colour's dark parts there are few
    assert difference.mean() < (1 if transfer != 8 else 2)
    assert np.percentile(difference, 98) <= (dark_steps if transfer != 8 or bits == 16 else 13)


def test_what_the_standards_say_is_white_is_white() -> None:
    pq, hlg = ColourSpace.coded(9, 16), ColourSpace.coded(9, 18)
    assert shown(0.5807, pq) == shown(0.75, hlg) == 255  # BT.2408: 203 cd/m²
    assert abs(peak_of(np.full((8, 8, 3), round(0.7518 * 1023), np.uint16), pq, white=1023) - 1000) < 5
    assert shown(0.0, pq) == shown(0.0, hlg) == 0
    # 26 cd/m², BT.2408's 18 % grey, to sRGB: (26 / 203) linear.
    assert abs(shown(0.38, pq) - 100) <= 1 and abs(shown(0.38, hlg) - 100) <= 2


@pytest.mark.parametrize("transfer", [16, 18])
def test_what_is_brighter_than_white_is_rolled_off_and_keeps_its_hue(transfer: int) -> None:
    space = ColourSpace.coded(9, transfer)
    ramp = np.repeat(np.linspace(0, 1, 256)[None, :, None], 3, axis=2)
    levels = to_srgb(np.rint(ramp * 65535).astype(np.uint16), space, peak=1000)[0, :, 0].astype(int)
    assert (np.diff(levels) >= 0).all() and levels[-1] == 255
    white = levels[round((0.5807 if transfer == 16 else 0.75) * 255)]
    assert 215 < white < 240  # there is room above it
    orange = light_of(np.full((8, 8, 3), (255, 160, 40), np.uint8)) * 4  # a lamp of 812 cd/m²
    pixels = np.rint(signal_of(orange, 9, transfer) * 65535).astype(np.uint16)
    red, green, blue = light_of(to_srgb(pixels, space)[0, 0])
    assert red > 0.9
    assert abs(green / red - light_of(np.array(160))) < 0.03 and abs(blue / red - light_of(np.array(40))) < 0.02


def test_colours_that_srgb_does_not_have_are_its_nearest() -> None:
    p3 = ColourSpace.coded(12, 13)
    # The last two are sRGB's own red and green, as WebKit and CSS Color 4 give them in Display P3.
    pixels = np.array([[(255, 0, 0), (0, 255, 0), (120, 120, 120), (234, 51, 35), (117, 251, 76)]], np.uint8)
    right = [[(255, 0, 0), (0, 255, 0), (120, 120, 120), (255, 0, 0), (0, 255, 0)]]
    assert np.abs(to_srgb(pixels, p3).astype(int) - right).max() <= 6


@pytest.mark.parametrize("white", [255, 1023])
def test_narrow_range_has_its_black_at_16(white: int) -> None:
    unit = (white + 1) // 256
    pixels = np.full((2, 2, 3), 16 * unit, np.uint16)
    pixels[1] = 235 * unit
    result = to_srgb(pixels, ColourSpace.coded(1, 13, narrow=True), white=white)
    assert result[0].max() == 0 and result[1].min() == 255


def test_a_gamma_counts_and_near_srgb_s_nothing_is_done() -> None:
    pixels = np.full((2, 2, 3), 128, np.uint8)
    assert abs(int(to_srgb(pixels, ColourSpace(gamma=1.0))[0, 0, 0]) - 188) <= 1
    assert ColourSpace(gamma=1 / 0.45455).is_srgb and ColourSpace.coded(2, 2).is_srgb
    assert not ColourSpace(gamma=1.0).is_srgb and not ColourSpace.coded(12, 13).is_srgb
