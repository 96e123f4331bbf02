"""Photos whose files say another colour space than sRGB without a profile: what a browser and a phone show of them."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from cvmatte_core.image import images
from tests.colours import light_of, signal_of
from tests.hostile import chunk, png, rows_of

_ACROSS, _DOWN = np.meshgrid(np.linspace(20, 235, 96), np.linspace(20, 235, 64))
RGB = np.dstack([_ACROSS, _DOWN, np.full((64, 96), 90.0)]).astype(np.uint8)
GREY = np.repeat(RGB[..., :1], 3, axis=2)
_P3 = struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)  # cHRM: white first
_SPACES = [(9, 16), (9, 18), (12, 13), (12, 16), (9, 14)]


def shown(data: bytes) -> np.ndarray:
    return images.decode(data, "photo").rgb.astype(int)


def png_of(signal: np.ndarray, bits: int, *chunks: bytes, alpha: bool = False) -> bytes:
    """signal: 0 to 1, (H, W) grey or (H, W, 3)."""
    values = np.rint(signal * (2**bits - 1))
    grey = values.ndim == 2
    values = values[..., None] if grey else values
    if alpha:
        values = np.concatenate([values, np.full_like(values[..., :1], 2 ** (bits - 1))], axis=2)
    height, width = values.shape[:2]
    return png(
        width,
        height,
        bits,
        (0 if grey else 2) + 4 * alpha,
        rows_of(values.astype(">u2" if bits == 16 else "u1")),
        *chunks,
    )


def heif_of(signal: np.ndarray, bits: int, primaries: int, transfer: int) -> bytes:
    file = io.BytesIO()
    mode = "L" if signal.ndim == 2 else "RGB" if signal.shape[2] == 3 else "RGBA"
    if bits > 8:
        values, mode = np.rint(signal * 65535).astype(np.uint16), f"{mode};16"
    else:
        values = np.rint(signal * 255).astype(np.uint8)
    twelve, pillow_heif.options.SAVE_HDR_TO_12_BIT = pillow_heif.options.SAVE_HDR_TO_12_BIT, bits == 12
    try:
        made = pillow_heif.from_bytes(mode, (signal.shape[1], signal.shape[0]), values.tobytes())
        made.save(file, quality=-1, chroma=444, matrix_coefficients=1, full_range_flag=1)
    finally:
        pillow_heif.options.SAVE_HDR_TO_12_BIT = twelve
    return saying(file.getvalue(), primaries, transfer)


def avif_of(signal: np.ndarray, bits: int, primaries: int, transfer: int) -> bytes:
    values = np.rint(signal * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)
    values = values[..., ::-1] if values.ndim == 3 else values
    done, data = cv2.imencode(".avif", values, [cv2.IMWRITE_AVIF_DEPTH, bits, cv2.IMWRITE_AVIF_QUALITY, 100])
    assert done
    return saying(data.tobytes(), primaries, transfer)


def saying(data: bytes, primaries: int, transfer: int) -> bytes:
    """The file with other code points in its nclx."""
    at = data.index(b"colrnclx") + 8
    return data[:at] + struct.pack(">HH", primaries, transfer) + data[at + 4 :]


def cicp(primaries: int, transfer: int, full: int = 1) -> bytes:
    return chunk(b"cICP", bytes((primaries, transfer, 0, full)))


def gamma(value: float) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", round(value * 100_000)))


@pytest.mark.parametrize(("primaries", "transfer"), _SPACES)
@pytest.mark.parametrize(
    ("of", "bits"), [(heif_of, 8), (heif_of, 10), (heif_of, 12), (avif_of, 8), (avif_of, 10), (avif_of, 12)]
)
def test_heic_and_avif_are_in_the_space_that_their_nclx_says(
    of: Callable[..., bytes], bits: int, primaries: int, transfer: int
) -> None:
    difference = np.abs(shown(of(signal_of(light_of(RGB), primaries, transfer), bits, primaries, transfer)) - RGB)
    assert difference.mean() < (3 if bits == 8 else 1.5)
    assert np.percentile(difference, 99) < (15 if bits == 8 else 6)


@pytest.mark.parametrize("of", [heif_of, avif_of])
def test_their_greys_too(of: Callable[..., bytes]) -> None:
    signal = signal_of(light_of(GREY), 9, 16)[..., 0]
    assert np.abs(shown(of(signal, 10, 9, 16)) - GREY).mean() < 1.5


def test_a_heic_keeps_its_transparency_beside() -> None:
    signal = signal_of(light_of(RGB), 9, 18)
    alpha = np.tile(np.linspace(0, 1, 96), (64, 1))
    photo = images.decode(heif_of(np.dstack([signal, alpha]), 10, 9, 18), "photo")
    assert photo.alpha is not None and np.abs(photo.alpha - alpha).max() < 0.02
    assert np.abs(photo.rgb.astype(int) - RGB).mean() < 2


def test_a_profile_goes_before_an_nclx() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    options: dict[str, Any] = {"AVIF": {"quality": 100, "subsampling": "4:4:4"}, "HEIF": {"quality": -1, "chroma": 444}}
    for kind in ("AVIF", "HEIF"):
        file = io.BytesIO()
        Image.fromarray(RGB).save(file, kind, icc_profile=srgb, **options[kind])
        data = file.getvalue()
        if b"colrnclx" in data:
            data = saying(data, 9, 16)
        assert np.abs(shown(data) - RGB).mean() < 2, kind


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(("primaries", "transfer"), _SPACES)
def test_a_png_is_in_the_space_that_its_cicp_says(bits: int, primaries: int, transfer: int) -> None:
    signal = signal_of(light_of(RGB), primaries, transfer)
    data = png_of(signal, bits, cicp(primaries, transfer), gamma(1.0))
    assert np.abs(shown(data) - RGB).mean() < (2 if bits == 8 else 0.6)
    narrow = (signal * 219 + 16) * 2 ** (bits - 8) / (2**bits - 1)
    assert np.abs(shown(png_of(narrow, bits, cicp(primaries, transfer, full=0))) - RGB).mean() < (
        2.5 if bits == 8 else 1
    )


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("grey", [False, True])
def test_a_linear_png_is_not_dark(grey: bool, alpha: bool) -> None:
    picture = GREY if grey else RGB
    light = light_of(picture)[..., 0] if grey else light_of(picture)
    data = png_of(light, 16, gamma(1.0), alpha=alpha)
    photo = images.decode(data, "photo")
    assert np.abs(photo.rgb.astype(int) - picture).max() <= 1
    assert (photo.alpha is not None) == alpha


def test_a_gamma_and_primaries_count() -> None:
    assert np.abs(shown(png_of(light_of(RGB) ** (1 / 1.8), 8, gamma(1 / 1.8))) - RGB).max() <= 2
    p3 = signal_of(light_of(RGB), 12, 13)
    assert np.abs(shown(png_of(p3, 8, chunk(b"cHRM", _P3))) - RGB).mean() < 1
    assert np.abs(shown(png_of(p3, 8, gamma(1 / 2.2), chunk(b"cHRM", _P3))) - RGB).mean() < 1


def test_what_goes_before_what_in_a_png() -> None:
    rgb = RGB / 255
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = chunk(b"iCCP", b"sRGB\0\0" + zlib.compress(srgb))
    says_srgb = chunk(b"sRGB", b"\0")
    for chunks in (
        (cicp(1, 13), profile, gamma(1.0)),
        (cicp(1, 13), says_srgb, gamma(1.0), chunk(b"cHRM", _P3)),
        (profile, gamma(1.0), chunk(b"cHRM", _P3)),
        (says_srgb, gamma(1.0), chunk(b"cHRM", _P3)),
    ):
        assert np.abs(shown(png_of(rgb, 8, *chunks)) - RGB).max() <= 1
    swapped = bytearray(srgb)  # a profile whose red is green
    red, green = swapped.index(b"rXYZ"), swapped.index(b"gXYZ")
    swapped[red : red + 4], swapped[green : green + 4] = b"gXYZ", b"rXYZ"
    foreign = chunk(b"iCCP", b"odd\0\0" + zlib.compress(bytes(swapped)))
    assert np.abs(shown(png_of(rgb, 8, cicp(1, 13), foreign)) - RGB).max() <= 1
    for unsaid in (cicp(2, 2), cicp(77, 99), gamma(1.0), says_srgb):
        assert np.abs(shown(png_of(rgb, 8, unsaid, foreign))[..., 0] - RGB[..., 1].astype(int)).mean() < 4
    p3 = png_of(signal_of(light_of(RGB), 12, 13), 8, cicp(12, 13), profile, says_srgb, gamma(1.0))
    assert np.abs(shown(p3) - RGB).mean() < 1


@pytest.mark.parametrize(
    "chunks",
    [
        (gamma(0),),
        (gamma(40_000),),
        (gamma(0.45455),),  # as most write it who mean sRGB
        (chunk(b"cHRM", b"\0" * 32),),
        (chunk(b"cHRM", struct.pack(">8I", *(33333,) * 8)),),
        (chunk(b"cICP", b"\1"),),
        (cicp(77, 99),),
        (cicp(2, 2),),
    ],
)
def test_what_says_nothing_changes_nothing(chunks: tuple[bytes, ...]) -> None:
    assert np.array_equal(shown(png_of(RGB / 255, 8, *chunks)), RGB)


@pytest.mark.parametrize("bits", [8, 10])
def test_boxes_that_lie_are_the_decoder_s_to_refuse(bits: int) -> None:
    data = avif_of(signal_of(light_of(RGB), 9, 16), bits, 9, 16)
    head = data.index(b"mdat")
    changes = np.random.default_rng(3)
    for _ in range(300):
        damaged = bytearray(data)
        for at in changes.integers(12, head, 3):
            damaged[at] = changes.integers(256)
        try:
            shown(bytes(damaged))
        except images.ImageError:
            continue


def test_a_turned_photo_stands_upright_in_full_depth() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    block = chunk(b"eXIf", exif.tobytes()[6:])
    stored = np.rot90(light_of(RGB), 1)
    assert np.abs(shown(png_of(stored, 16, gamma(1.0), block)) - RGB).max() <= 1
