"""Decoding: every format, orientation and colour that people have, and files that aren't what they say."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from cvmatte_core.image import encoders, images
from cvmatte_core.localization.errors import ImageError, OutputError
from cvmatte_core.settings import CONTROLS
from tests import hostile

_ACROSS, _DOWN = np.meshgrid(np.linspace(0, 255, 96), np.linspace(0, 255, 64))
RGB = np.dstack([_ACROSS, _DOWN, np.full((64, 96), 90.0)]).astype(np.uint8)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def decode(data: bytes, **options: int) -> images.Photo:
    return images.decode(data, "photo", **options)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"quality": 95, "subsampling": 0}),
        ("JPEG", {"quality": 95, "progressive": True, "subsampling": 0}),
        ("PNG", {}),
        ("WEBP", {"lossless": True}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("HEIF", {"quality": -1, "chroma": 444}),
        ("AVIF", {"quality": 100, "subsampling": "4:4:4"}),
    ],
)
def test_each_format_decodes_to_its_colours(kind: str, options: dict[str, object]) -> None:
    photo = decode(encoded(Image.fromarray(RGB), kind, **options))
    assert photo.rgb.dtype == np.uint8
    assert photo.alpha is None
    assert np.abs(photo.rgb.astype(int) - RGB).max() <= {"JPEG": 6, "HEIF": 3, "AVIF": 3}.get(kind, 0)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_each_orientation_stands_upright(orientation: int) -> None:
    undo: dict[int, Callable[[np.ndarray], np.ndarray]] = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(undo[orientation](RGB)))
    assert np.array_equal(decode(encoded(stored, "PNG", exif=exif)).rgb, RGB)


def test_grey_palette_and_one_bit_pictures_become_colour() -> None:
    grey = Image.fromarray(RGB).convert("L")
    assert np.array_equal(decode(encoded(grey, "PNG")).rgb[..., 0], np.asarray(grey))
    palette = Image.fromarray(RGB).quantize(64)
    assert np.array_equal(decode(encoded(palette, "PNG")).rgb, np.asarray(palette.convert("RGB")))
    one_bit = Image.fromarray(RGB).convert("1")
    assert np.array_equal(decode(encoded(one_bit, "PNG")).rgb[..., 0], np.asarray(one_bit.convert("L")))


def test_sixteen_bit_grey_keeps_its_brightness() -> None:
    values = np.linspace(0, 65535, 64 * 96).reshape(64, 96).astype(np.uint16)
    for kind in ("PNG", "TIFF"):
        photo = decode(encoded(Image.fromarray(values), kind))
        assert np.abs(photo.rgb[..., 0].astype(int) - values / 257).max() <= 1


def test_sixteen_bit_colour_keeps_its_brightness() -> None:
    values = (RGB.astype(np.uint16) * 257).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    header = struct.pack(">IIBBBBB", 96, 64, 16, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    )
    assert np.abs(decode(data).rgb.astype(int) - RGB).max() <= 1


def test_cmyk_looks_as_it_was_meant() -> None:
    photo = decode(encoded(Image.fromarray(RGB).convert("CMYK"), "JPEG", quality=95, subsampling=0))
    assert np.abs(photo.rgb.astype(int) - RGB).mean() < 4


def test_a_colour_profile_is_applied_and_a_broken_one_ignored() -> None:
    linear = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    picture = Image.fromarray(RGB)
    assert np.array_equal(decode(encoded(picture, "PNG", icc_profile=linear.tobytes())).rgb, RGB)  # LAB: doesn't fit
    assert np.array_equal(decode(encoded(picture, "PNG", icc_profile=b"nonsense" * 40)).rgb, RGB)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    same = decode(encoded(picture, "PNG", icc_profile=srgb)).rgb
    assert np.abs(same.astype(int) - RGB).max() <= 1
    # Red and green primaries exchanged: the decoded picture must have its channels exchanged, about.
    swapped = bytearray(srgb)
    red, green = swapped.index(b"rXYZ"), swapped.index(b"gXYZ")
    swapped[red : red + 4], swapped[green : green + 4] = b"gXYZ", b"rXYZ"
    for kind in ("PNG", "HEIF", "AVIF"):
        exchanged = decode(encoded(picture, kind, icc_profile=bytes(swapped))).rgb
        assert np.abs(exchanged[..., 0].astype(int) - RGB[..., 1]).mean() < 4, kind


def test_transparency_is_kept_beside_the_colours() -> None:
    alpha = np.tile(np.linspace(0, 255, 96).astype(np.uint8), (64, 1))
    photo = decode(encoded(Image.fromarray(np.dstack([RGB, alpha])), "PNG"))
    assert photo.alpha is not None
    assert photo.alpha.dtype == np.float32
    assert np.allclose(photo.alpha, alpha / 255, atol=1e-6)
    assert np.array_equal(photo.rgb, RGB)
    opaque = decode(encoded(Image.fromarray(np.dstack([RGB, np.full_like(alpha, 255)])), "PNG"))
    assert opaque.alpha is None


def test_the_longest_side_is_kept_to_and_never_enlarges() -> None:
    large = Image.fromarray(RGB).resize((1200, 800))
    for kind in ("JPEG", "PNG"):
        assert decode(encoded(large, kind), longest_side=300).rgb.shape == (200, 300, 3)
    assert decode(encoded(large, "PNG"), longest_side=5000).rgb.shape == (800, 1200, 3)


def test_an_animation_gives_its_first_picture() -> None:
    first = Image.fromarray(RGB)
    data = encoded(first, "WEBP", save_all=True, append_images=[first.rotate(180)], lossless=True)
    assert np.array_equal(decode(data).rgb, RGB)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
def test_a_truncated_file_is_called_damaged(kind: str) -> None:
    data = encoded(Image.fromarray(np.random.default_rng(1).integers(0, 255, (64, 96, 3), np.uint8)), kind)
    for length in (len(data) // 3, len(data) // 2, len(data) * 3 // 4):
        with pytest.raises(ImageError) as refused:
            decode(data[:length])
        assert refused.value.key in ("image_damaged", "image_not_a_picture")


def test_what_is_no_picture_is_said_to_be_none() -> None:
    for data in (b"hello", b"PK\x03\x04" + b"\0" * 200, b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"\0" * 5000):
        with pytest.raises(ImageError, match="is not a picture"):
            decode(data)


def test_a_picture_too_large_to_decode_is_refused_by_its_header() -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    body = zlib.compress(b"\0" * 1000)
    chunks += struct.pack(">I", len(body)) + b"IDAT" + body + struct.pack(">I", zlib.crc32(b"IDAT" + body))
    with pytest.raises(ImageError, match="more than 120 megapixels"):
        decode(b"\x89PNG\r\n\x1a\n" + chunks)


def test_files_that_cannot_be_read_each_say_why(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    os.mkfifo(tmp_path / "pipe.jpg")
    for name, key in (
        ("absent.jpg", "image_missing"),
        ("empty.jpg", "image_empty"),
        ("pipe.jpg", "image_not_a_picture"),
        (".", "image_not_a_picture"),
    ):
        with pytest.raises(ImageError) as refused:
            images.read(tmp_path / name)
        assert refused.value.key == key
    with pytest.raises(ImageError):
        images.read(Path("a\0b"))


def test_a_grey_of_sixteen_bits_that_is_called_transparent_is() -> None:
    values = np.full((4, 6), 60_000, np.uint16)
    values[0, :3] = 257
    data = hostile.png(6, 4, 16, 0, hostile.rows_of(values.astype(">u2")), hostile.chunk(b"tRNS", b"\1\1"))
    photo = decode(data)
    assert photo.alpha is not None
    assert np.array_equal(photo.alpha, values != 257)


def test_what_would_wear_a_decoder_out_is_never_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "open", lambda *arguments, **more: pytest.fail("opened"))
    for data in (hostile.scans(5000, 5000, 200), hostile.directory_of_tags(50, 100_000)):
        with pytest.raises(ImageError) as refused:
            decode(data)
        assert refused.value.key == "image_damaged"


LAYER = np.dstack([RGB, RGB[..., 0]])  # transparent at the left, opaque at the right


def written(folder: Path, format: str, layer: np.ndarray = LAYER) -> Path:
    path = folder / f"layer{images.suffix(format)}"
    path.write_bytes(encoders.layer(layer, format))
    return path


@pytest.mark.parametrize("pixels", [RGB[..., 1], RGB, LAYER], ids=["grey", "colours", "with alpha"])
def test_a_png_keeps_every_value(pixels: np.ndarray) -> None:
    noise = np.random.default_rng(1).integers(0, 256, pixels.shape, np.uint8)
    for shown in (pixels, noise, noise[::2, 1::3]):
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(encoders.png(shown)))), shown)


@pytest.mark.parametrize("format", ["png", "webp"])
def test_a_written_layer_reads_back_the_same(tmp_path: Path, format: str) -> None:
    path = written(tmp_path, format)
    assert np.array_equal(images.read_layer(path), LAYER)  # also the colours of what is transparent
    opaque = LAYER.copy()
    opaque[..., 3] = 255
    assert np.array_equal(images.read_layer(written(tmp_path, format, opaque)), opaque)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ImageError):
        images.read_layer(path)


def test_a_jpeg_shows_the_layer_on_white(tmp_path: Path) -> None:
    shown = np.asarray(Image.open(written(tmp_path, "jpeg"))).astype(float)
    share = LAYER[..., 3:] / 255
    assert np.abs(shown - (share * RGB + (1 - share) * 255)).max() < 8
    assert (shown[:, :2] > 250).all()


def test_a_jpeg_keeps_colour_at_full_resolution(tmp_path: Path) -> None:
    stripes = np.zeros((64, 64, 4), np.uint8)
    stripes[..., 3] = 255
    stripes[:, ::2, 0] = stripes[:, 1::2, 2] = 255
    shown = np.asarray(Image.open(written(tmp_path, "jpeg", stripes))).astype(int)
    assert np.abs(shown - stripes[..., :3]).max() < 30


def test_a_layer_cannot_be_had_back_from_a_jpeg(tmp_path: Path) -> None:
    with pytest.raises(ImageError):
        images.read_layer(written(tmp_path, "jpeg"))


def test_a_layer_too_long_for_its_format_is_a_sentence() -> None:
    long = np.zeros((1, 16384, 4), np.uint8)
    with pytest.raises(OutputError, match="choose PNG"):
        encoders.layer(long, "webp")
    encoders.layer(long, "png")
    encoders.layer(long, "jpeg")


def test_formats_and_endings_name_each_other() -> None:
    (deciding,) = (control for control in CONTROLS if control.name == "format")
    for format in deciding.choices:
        assert images.format_of(Path(f"a.b{images.suffix(format).upper()}")) == format
    assert images.format_of(Path("a.jpeg")) == "jpeg"
    assert images.format_of(Path("a.bmp")) is None
    assert images.format_of(Path("png")) is None
