"""Files that are hostile or odd, made by code: each with what has to become of it.

PICTURE is what every valid one shows: no two of its orientations look alike. `corpus` lists them all.
"""

from __future__ import annotations

import io
import os
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms

LAYER, SENTENCE, EITHER = "layer", "sentence", "either"

_ACROSS, _DOWN = np.meshgrid(np.linspace(40, 255, 48), np.linspace(40, 255, 32))
PICTURE = np.dstack([_ACROSS, _DOWN, np.full((32, 48), 90.0)]).astype(np.uint8)
GREY = np.asarray(Image.fromarray(PICTURE).convert("L"))
NOISE = np.random.default_rng(5).integers(0, 256, (32, 48, 3), np.uint8)  # a file of which no part is redundant
ALPHA = np.tile(np.linspace(0, 255, 48).astype(np.uint8), (32, 1))
# Format, suffix, and options with which the colours stay nearly what they are
_WHOLE_COLOURS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("JPEG", "jpg", {"quality": 95}),
    ("PNG", "png", {}),
    ("WEBP", "webp", {"lossless": True}),
    ("TIFF", "tif", {}),
    ("HEIF", "heic", {"quality": -1, "chroma": 444}),
    ("AVIF", "avif", {"quality": 95, "subsampling": "4:4:4"}),
)

Tags = dict[int, tuple[int, list[int]]]  # of a TIFF: tag → (type 3 or 4, values)


@dataclass(frozen=True)
class Case:
    """A file and what has to become of it.

    put: writes it into a folder and returns its path. outcome: LAYER, SENTENCE, or EITHER where that is the decoder's
    to say. shown: what the layer shows, uint8 RGB, shape (H, W, 3), where that can be told, and tolerance, by how much
    a value may be off in the mean. key: of the sentence, where only one would be right. size: (width, height).
    """

    name: str
    put: Callable[[Path], Path]
    outcome: str
    shown: np.ndarray | None = None
    tolerance: float = 1.0
    key: str = ""
    size: tuple[int, int] | None = None


def corpus() -> list[Case]:
    """Every case; their names differ."""
    odd = (_valid, _kinds_of_tiff, _orientations, _profiles, _transparent, _shapes)
    hostile = (_truncated, _flipped, _lying, _bombs, _disguised, _no_files, _named)
    return [case for part in (*odd, *hostile) for case in part()]


# Making them


def encoded(pixels: np.ndarray | Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(file, kind, **options)
    return file.getvalue()


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *more: bytes, **header: int) -> bytes:
    """A PNG as it is written by hand: rows with their filter bytes, not yet compressed. more: whole chunks."""
    first = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, header.get("interlace", 0))
    parts = [chunk(b"IHDR", first), *more, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def rows_of(values: np.ndarray) -> bytes:
    return b"".join(b"\0" + row.tobytes() for row in values)


def packed(values: np.ndarray, depth: int) -> np.ndarray:
    """Rows of values of 1, 2 or 4 bits as rows of bytes."""
    bits = np.unpackbits(values.astype(np.uint8)[..., None], axis=-1)[..., 8 - depth :]
    return np.packbits(bits.reshape(values.shape[0], -1), axis=1)


def tiff(tags: Tags, data: bytes, order: str = "<", following: int = 0) -> bytes:
    """A TIFF as it is written by hand: the data is its one strip. following: where the next IFD is."""
    entries = {273: (4, [8]), 279: (4, [len(data)]), **tags}
    ifd_at = 8 + len(data) + len(data) % 2
    extra_at = ifd_at + 2 + 12 * len(entries) + 4
    ifd, extra = struct.pack(order + "H", len(entries)), b""
    for tag, (kind, values) in sorted(entries.items()):
        body = struct.pack(f"{order}{len(values)}{'H' if kind == 3 else 'I'}", *values)
        if len(body) > 4:
            extra, body = extra + body, struct.pack(order + "I", extra_at + len(extra))
        ifd += struct.pack(order + "HHI", tag, kind, len(values)) + body.ljust(4, b"\0")
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return (
        mark
        + struct.pack(order + "I", ifd_at)
        + data.ljust(ifd_at - 8, b"\0")
        + ifd
        + struct.pack(order + "I", following)
        + extra
    )


def shape_tags(width: int, height: int, bits: list[int], photometric: int, **more: int) -> Tags:
    tags = {256: (4, [width]), 257: (4, [height]), 258: (3, bits), 259: (3, [more.get("compression", 1)])}
    tags |= {262: (3, [photometric]), 277: (3, [len(bits)]), 278: (4, [height])}
    if "sample_format" in more:
        tags[339] = (3, [more["sample_format"]] * len(bits))
    return tags


def bmp(width: int, height: int, bits: int, body: bytes, palette: bytes = b"", compression: int = 0) -> bytes:
    start = 54 + len(palette)
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(body), 2835, 2835, 0, 0)
    return b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + info + palette + body


def _srgb() -> bytes:
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = bytes(12)  # when it was made: these files are the same each time
    return bytes(profile)


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


Data = bytes | Callable[[], bytes]  # what takes its time is made only when it is needed


def _file(name: str, data: Data) -> Callable[[Path], Path]:
    def put(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(data if isinstance(data, bytes) else data())
        return path

    return put


def _case(name: str, data: Data, outcome: str = LAYER, **more: Any) -> Case:
    return Case(name, _file(name, data), outcome, **more)


# Odd, but pictures


def _valid() -> Iterator[Case]:
    shown: dict[str, Any] = {"shown": PICTURE}
    for quality in (1, 30, 100):
        tolerance = {1: 30, 30: 6, 100: 3}[quality]
        yield _case(f"quality {quality}.jpg", encoded(PICTURE, "JPEG", quality=quality), **shown, tolerance=tolerance)
    yield _case("progressive.jpg", encoded(PICTURE, "JPEG", quality=95, progressive=True), **shown, tolerance=3)
    yield _case("arithmetic restart.jpg", encoded(PICTURE, "JPEG", quality=95, restart_marker_rows=1), tolerance=3)
    yield _case("grey.jpg", encoded(GREY, "JPEG", quality=95), shown=_grey(GREY), tolerance=3)
    yield _case("grey progressive.jpg", encoded(GREY, "JPEG", quality=95, progressive=True), shown=_grey(GREY))
    cmyk = Image.fromarray(PICTURE).convert("CMYK")
    yield _case("cmyk.jpg", encoded(cmyk, "JPEG", quality=95), **shown, tolerance=6)
    yield _case("cmyk progressive.jpg", encoded(cmyk, "JPEG", quality=95, progressive=True), **shown, tolerance=6)
    yield _case("rgb kept.jpg", encoded(PICTURE, "JPEG", quality=95, keep_rgb=True), **shown, tolerance=3)
    for subsampling in ("4:4:4", "4:2:2", "4:2:0"):
        data = encoded(PICTURE, "JPEG", quality=95, subsampling=subsampling)
        yield _case(f"{subsampling.replace(':', '')}.jpg", data, **shown, tolerance=3)
    jpeg = encoded(PICTURE, "JPEG", quality=95)
    yield _case("with rubbish behind.jpg", jpeg + b"\xff\xda rubbish" * 9999, **shown, tolerance=3)
    yield _case("long comment.jpg", encoded(PICTURE, "JPEG", quality=95, comment=b"x" * 65000), **shown, tolerance=3)
    yield _case("two pictures.jpg", encoded(PICTURE, "MPO", save_all=True, append_images=[Image.fromarray(NOISE)]))
    for name, segment in (
        ("jfif", b"JFIF"),
        ("mpf", b"MPF\0II*\0\xff\xff\xff\x7f"),
        ("photoshop", b"Photoshop 3.0\0\xff"),
    ):
        body = segment.ljust(60, b"\xfe")
        marker = {"jfif": b"\xff\xe0", "mpf": b"\xff\xe2", "photoshop": b"\xff\xed"}[name]
        data = jpeg[:2] + marker + struct.pack(">H", len(body) + 2) + body + jpeg[2:]
        yield _case(f"damaged {name} segment.jpg", data, **shown, tolerance=3)

    yield _case("plain.png", encoded(PICTURE, "PNG"), **shown, tolerance=0)
    yield _case("interlaced.png", _interlaced(), **shown, tolerance=0)
    for depth in (1, 2, 4, 8, 16):
        most = (1 << depth) - 1
        values = np.rint(GREY / 255 * most).astype(np.uint16)
        rows = packed(values, depth) if depth < 8 else values.astype(">u2" if depth == 16 else np.uint8)
        back = _grey(np.rint(values / most * 255))
        yield _case(f"grey of {depth} bits.png", png(48, 32, depth, 0, rows_of(rows)), shown=back)
        tags = shape_tags(48, 32, [depth], 1)
        data = (values.astype("<u2") if depth == 16 else rows).tobytes()
        yield _case(f"grey of {depth} bits.tif", tiff(tags, data), shown=back)
        tags[262] = (3, [0])
        inverted = (most - values).astype(np.uint16)
        data = (inverted.astype("<u2") if depth == 16 else inverted.astype(np.uint8)).tobytes()
        data = packed(inverted, depth).tobytes() if depth < 8 else data
        yield _case(f"grey of {depth} bits, white is 0.tif", tiff(tags, data), shown=back)
    colour16 = (PICTURE.astype(np.uint16) * 257).astype(">u2")
    yield _case("colour of 16 bits.png", png(48, 32, 16, 2, rows_of(colour16)), **shown)
    for depth in (1, 2, 4, 8):
        few = Image.fromarray(PICTURE).quantize(1 << depth)
        yield _case(f"palette of {depth} bits.png", encoded(few, "PNG"), shown=np.asarray(few.convert("RGB")))
    yield _case("palette with no colours.png", png(48, 32, 8, 3, rows_of(GREY)), EITHER)
    yield _case("palette too short.png", png(48, 32, 8, 3, rows_of(GREY), chunk(b"PLTE", b"\x10\x20\x30")), EITHER)
    second = Image.fromarray(NOISE)
    yield _case("animated.png", encoded(PICTURE, "PNG", save_all=True, append_images=[second]), **shown)
    text = chunk(b"zTXt", b"a\0\0" + zlib.compress(b"x" * 900_000))
    yield _case("long text.png", png(48, 32, 8, 2, rows_of(PICTURE), text), **shown)
    text = chunk(b"zTXt", b"a\0\0" + zlib.compress(b"x" * 20_000_000))
    yield _case("text that bursts.png", png(48, 32, 8, 2, rows_of(PICTURE), text), EITHER)
    yield _case("half a pair of pixels.png", png(48, 32, 8, 2, rows_of(PICTURE), chunk(b"pHYs", b"\0" * 9)), **shown)

    yield _case("lossless.webp", encoded(PICTURE, "WEBP", lossless=True), **shown, tolerance=0)
    yield _case("lossy.webp", encoded(PICTURE, "WEBP", quality=95), **shown, tolerance=4)
    frames: dict[str, Any] = {"save_all": True, "append_images": [second, second], "lossless": True}
    yield _case("animated.webp", encoded(PICTURE, "WEBP", **frames), **shown, tolerance=0)
    few = Image.fromarray(PICTURE).quantize(64)
    yield _case("single.gif", encoded(few, "GIF"), shown=np.array(few.convert("RGB")), tolerance=0)
    moving = encoded(few, "GIF", save_all=True, append_images=[second, second])
    yield _case("animated.gif", moving, shown=np.array(few.convert("RGB")), tolerance=0)

    yield _case("lossy.heic", encoded(PICTURE, "HEIF", quality=90), **shown, tolerance=4)
    yield _case("lossy.avif", encoded(PICTURE, "AVIF", quality=90), **shown, tolerance=4)
    yield _case("grey.heic", encoded(GREY, "HEIF", quality=-1), shown=_grey(GREY), tolerance=3)
    yield _case("of 10 bits.heic", _heic_of_10_bits(), **shown, tolerance=3)
    yield _case("burst.heic", encoded(PICTURE, "HEIF", save_all=True, append_images=[second]), **shown, tolerance=4)
    yield _case("animated.avif", encoded(PICTURE, "AVIF", save_all=True, append_images=[second]), tolerance=4)

    yield _case("plain.bmp", encoded(PICTURE, "BMP"), **shown, tolerance=0)
    yield _case("grey.bmp", encoded(GREY, "BMP"), shown=_grey(GREY), tolerance=0)
    yield _case("one bit.bmp", encoded(Image.fromarray(GREY).convert("1"), "BMP"))
    yield _case("palette.bmp", encoded(Image.fromarray(PICTURE).quantize(64), "BMP"), **shown, tolerance=20)
    bottom_up = PICTURE[::-1, :, ::-1].tobytes()
    yield _case("top down.bmp", bmp(48, -32, 24, PICTURE[..., ::-1].tobytes()), **shown, tolerance=0)
    yield _case("bottom up.bmp", bmp(48, 32, 24, bottom_up), **shown, tolerance=0)
    red, green, blue = (PICTURE[::-1].astype(np.uint16) >> 3).transpose(2, 0, 1)
    yield _case("16 bits a pixel.bmp", bmp(48, 32, 16, (red << 10 | green << 5 | blue).tobytes()), **shown, tolerance=6)
    unused = np.dstack([PICTURE[::-1, :, ::-1], np.zeros((32, 48), np.uint8)]).tobytes()
    yield _case("32 bits with a byte unused.bmp", bmp(48, 32, 32, unused), **shown, tolerance=0)
    greys = b"".join(bytes((value, value, value, 0)) for value in range(256))
    runs = b"".join(b"".join(bytes((1, value)) for value in row) + b"\0\0" for row in GREY[::-1]) + b"\0\1"
    yield _case("run lengths.bmp", bmp(48, 32, 8, runs, greys, 1), shown=_grey(GREY), tolerance=0)


def _heic_of_10_bits() -> bytes:
    """As newer phones take photos."""
    import pillow_heif

    file = io.BytesIO()
    values = (PICTURE.astype(np.uint16) * 257).tobytes()
    pillow_heif.encode("RGB;16", (48, 32), values, file, quality=-1, chroma=444)
    return file.getvalue()


def _grey(values: np.ndarray) -> np.ndarray:
    return np.dstack([values] * 3).astype(np.uint8)


def _interlaced() -> bytes:
    passes = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
    rows = b"".join(rows_of(PICTURE[top::down, left::across]) for top, left, down, across in passes)
    return png(48, 32, 8, 2, rows, interlace=1)


def _kinds_of_tiff() -> Iterator[Case]:
    shown: dict[str, Any] = {"shown": PICTURE}
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        data = encoded(PICTURE, "TIFF", **({} if compression == "raw" else {"compression": compression}))
        yield _case(f"{compression}.tif", data, **shown, tolerance=4 if compression == "jpeg" else 0)
    fax = encoded(Image.fromarray(GREY).convert("1"), "TIFF", compression="group4")
    yield _case("fax.tif", fax)
    pages = encoded(PICTURE, "TIFF", save_all=True, append_images=[Image.fromarray(NOISE)] * 3)
    yield _case("many pages.tif", pages, **shown, tolerance=0)
    for order, name in (("<", "little"), (">", "big")):
        tags = shape_tags(48, 32, [16] * 3, 2)
        data = (PICTURE.astype(np.uint16) * 257).astype(order + "u2").tobytes()
        yield _case(f"colour of 16 bits, {name} endian.tif", tiff(tags, data, order), **shown)
        values = (GREY.astype(np.uint16) * 257).astype(order + "u2")
        data = tiff(shape_tags(48, 32, [16], 1), values.tobytes(), order)
        yield _case(f"grey of 16 bits, {name} endian.tif", data, shown=_grey(GREY))
        for most, what in ((1.0, "1"), (255.0, "255"), (65535.0, "65535")):
            floats = (GREY / 255 * most).astype(order + "f4")
            floats[0, 0] = most
            data = tiff(shape_tags(48, 32, [32], 1, sample_format=3), floats.tobytes(), order)
            yield _case(f"floats to {what}, {name} endian.tif", data, shown=_grey(GREY), tolerance=2)
    for value in (np.nan, np.inf, -np.inf, 3e38):
        floats = np.full((32, 48), 0.5, "<f4")
        floats[:4] = value
        data = tiff(shape_tags(48, 32, [32], 1, sample_format=3), floats.tobytes())
        yield _case(f"floats with {value}.tif", data)
    floats = np.full((32, 48, 3), 0.5, "<f4")
    data = tiff(shape_tags(48, 32, [32] * 3, 2, sample_format=3), floats.tobytes())
    yield _case("colour of floats.tif", data, EITHER)
    doubles = np.full((32, 48), 0.5, "<f8")
    data = tiff(shape_tags(48, 32, [64], 1, sample_format=3), doubles.tobytes())
    yield _case("doubles.tif", data, EITHER)
    integers = (GREY.astype("<u4") * 257).astype("<i4")
    integers[0, 0] = 65535
    data = tiff(shape_tags(48, 32, [32], 1, sample_format=2), integers.tobytes())
    yield _case("32 bit integers.tif", data, shown=_grey(GREY), tolerance=2)
    twelve = np.rint(GREY.astype(np.float64) / 255 * 4095).astype(np.uint16)
    pairs = twelve.reshape(-1, 2)
    three = np.stack([pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255], axis=1)
    data = tiff(shape_tags(48, 32, [12], 1), three.astype(np.uint8).tobytes())
    yield _case("grey of 12 bits.tif", data, shown=_grey(GREY))
    cmyk = Image.fromarray(PICTURE).convert("CMYK")
    yield _case("cmyk.tif", encoded(cmyk, "TIFF"), **shown, tolerance=2)
    lab = ImageCms.profileToProfile(
        Image.fromarray(PICTURE), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert lab is not None
    yield _case("lab.tif", encoded(lab, "TIFF"), **shown, tolerance=3)
    ycbcr = Image.fromarray(PICTURE).convert("YCbCr")
    yield _case("ycbcr.tif", encoded(ycbcr, "TIFF"), **shown, tolerance=3)
    tags = shape_tags(48, 32, [8] * 5, 2)
    tags[338] = (3, [0, 0])
    five = np.dstack([PICTURE, GREY, GREY])
    yield _case("five channels.tif", tiff(tags, five.tobytes()), EITHER)
    tags = {**shape_tags(48, 32, [8] * 4, 2), 338: (3, [1])}
    share = ALPHA.astype(np.uint16)[..., None]
    premultiplied = np.dstack([(PICTURE * share // 255).astype(np.uint8), ALPHA])
    yield _case("premultiplied.tif", tiff(tags, premultiplied.tobytes()), size=(48, 32))


def _orientations() -> Iterator[Case]:
    stored: dict[int, np.ndarray] = {
        1: PICTURE,
        2: PICTURE[:, ::-1],
        3: PICTURE[::-1, ::-1],
        4: PICTURE[::-1],
        5: PICTURE.transpose(1, 0, 2),
        6: np.rot90(PICTURE, 1),
        7: PICTURE[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(PICTURE, -1),
    }
    for orientation, pixels in stored.items():
        pixels, exif = np.ascontiguousarray(pixels), _exif(orientation).tobytes()
        for kind, suffix, options in _WHOLE_COLOURS:
            data = encoded(pixels, kind, exif=exif, **options)
            yield _case(f"orientation {orientation}.{suffix}", data, shown=PICTURE, tolerance=3)
    whole = b"Exif\0\0" + _exif(6).tobytes()[6:]
    wrong = {
        "0": _exif(0).tobytes(),
        "9": _exif(9).tobytes(),
        "60000": _exif(60000).tobytes(),
        "no exif": b"Exif\0\0nonsense",
        "empty": b"Exif\0\0",
        "half": whole[:17],
        "an IFD that is its own next": b"Exif\0\0II*\0\x08\0\0\0\0\0\x08\0\0\0",
        "an IFD within itself": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\0\0\0\0",
        "a tag of 4 GB": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x07\0\xff\xff\xff\xff\x20\0\0\0\0\0\0\0",
        "an orientation in words": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x04\0\0\0six\0\0\0\0\0",
        "65535 tags": b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12\x01\x03\0\x01\0\0\0\x01\0\0\0" * 50,
    }
    for name, exif_bytes in wrong.items():
        data = encoded(PICTURE, "JPEG", quality=95, exif=exif_bytes)
        yield _case(f"exif with {name}.jpg", data, shown=PICTURE, tolerance=3)
        data = encoded(PICTURE, "WEBP", lossless=True, exif=exif_bytes)
        yield _case(f"exif with {name}.webp", data, shown=PICTURE)
        body = chunk(b"eXIf", exif_bytes.removeprefix(b"Exif\0\0"))
        yield _case(f"exif with {name}.png", png(48, 32, 8, 2, rows_of(PICTURE), body), shown=PICTURE)

    # A tag that Pillow can't write again behind the orientation, which is good.
    behind = {"infinite resolution": (0x11B, 11, 0x7FFFFFFF), "negative directory": (0xA005, 9, 0xFFFFFFFF)}
    for name, (tag, type_of_value, number) in behind.items():
        tags = struct.pack("<HHHII", 2, 0x0112, 3, 1, 6) + struct.pack("<HHII", tag, type_of_value, 1, number)
        exif_bytes = b"Exif\0\0II*\0\x08\0\0\0" + tags + bytes(4)
        data = encoded(np.ascontiguousarray(stored[6]), "JPEG", quality=95, exif=exif_bytes)
        yield _case(f"orientation before {name}.jpg", data, shown=PICTURE, tolerance=3)


def _profiles() -> Iterator[Case]:
    srgb = _srgb()
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    swapped = bytearray(srgb)
    red, green = swapped.index(b"rXYZ"), swapped.index(b"gXYZ")
    swapped[red : red + 4], swapped[green : green + 4] = b"gXYZ", b"rXYZ"
    huge = bytearray(srgb)
    huge[:4] = b"\xff\xff\xff\xff"
    profiles: dict[str, tuple[bytes, np.ndarray | None]] = {
        "srgb": (srgb, PICTURE),
        "of another kind": (lab, PICTURE),
        "cut": (srgb[:300], PICTURE),
        "rubbish": (b"nonsense" * 99, PICTURE),
        "of a lying size": (bytes(huge), None),
        "with red and green exchanged": (bytes(swapped), PICTURE[..., [1, 0, 2]]),
        "with its tags gone": (srgb[:128] + b"\0" * (len(srgb) - 128), PICTURE),
        "of 3 MB": (srgb + b"\0" * 3_000_000, PICTURE),
    }
    for name, (profile, shown) in profiles.items():
        for kind, suffix, options in _WHOLE_COLOURS:
            data = encoded(PICTURE, kind, icc_profile=profile, **options)
            yield _case(f"profile {name}.{suffix}", data, shown=shown, tolerance=4)
    yield _case("grey with a colour profile.png", encoded(GREY, "PNG", icc_profile=srgb), shown=_grey(GREY))
    cmyk = Image.fromarray(PICTURE).convert("CMYK")
    yield _case(
        "cmyk with an rgb profile.jpg", encoded(cmyk, "JPEG", quality=95, icc_profile=srgb), shown=PICTURE, tolerance=6
    )
    body = chunk(b"iCCP", b"a\0\0" + b"not compressed")
    yield _case("profile not compressed.png", png(48, 32, 8, 2, rows_of(PICTURE), body), shown=PICTURE)


def _transparent() -> Iterator[Case]:
    rgba = np.dstack([PICTURE, ALPHA])
    nothing = np.dstack([PICTURE, np.zeros_like(ALPHA)])
    opaque = np.dstack([PICTURE, np.full_like(ALPHA, 255)])
    for name, pixels in (("partly", rgba), ("wholly", nothing), ("not at all", opaque)):
        for kind, suffix, options in (
            ("PNG", "png", {}),
            ("WEBP", "webp", {"lossless": True, "exact": True}),
            ("TIFF", "tif", {}),
            ("BMP", "bmp", {}),
        ):
            yield _case(f"{name} transparent.{suffix}", encoded(pixels, kind, **options), size=(48, 32))
    grey = Image.merge("LA", (Image.fromarray(GREY), Image.fromarray(ALPHA)))
    for kind, suffix in (("PNG", "png"), ("TIFF", "tif")):
        yield _case(f"grey with alpha.{suffix}", encoded(grey, kind), size=(48, 32))
    few = Image.fromarray(PICTURE).quantize(16)
    yield _case("palette with a transparent colour.png", encoded(few, "PNG", transparency=3), size=(48, 32))
    yield _case("palette with alpha.png", encoded(few, "PNG", transparency=bytes(range(0, 256, 16))), size=(48, 32))
    for depth, colour, rows, key in (
        (8, 0, rows_of(GREY), b"\0\x80"),
        (8, 2, rows_of(PICTURE), b"\0\x80" * 3),
        (16, 0, rows_of((GREY.astype(np.uint16) * 257).astype(">u2")), b"\x80\x80"),
        (16, 2, rows_of((PICTURE.astype(np.uint16) * 257).astype(">u2")), b"\x80\x80" * 3),
        (1, 0, rows_of(packed(GREY >> 7, 1)), b"\0\1"),
        (8, 2, rows_of(PICTURE), b"\0"),
    ):
        data = png(48, 32, depth, colour, rows, chunk(b"tRNS", key))
        outcome = LAYER if len(key) > 1 else EITHER
        yield _case(f"type {colour} of {depth} bits, key of {len(key)} bytes.png", data, outcome)
    alpha16 = np.dstack([PICTURE, ALPHA]).astype(np.uint16) * 257
    yield _case("colour and alpha of 16 bits.png", png(48, 32, 16, 6, rows_of(alpha16.astype(">u2"))), size=(48, 32))
    grey16 = np.dstack([GREY, ALPHA]).astype(np.uint16) * 257
    yield _case("grey and alpha of 16 bits.png", png(48, 32, 16, 4, rows_of(grey16.astype(">u2"))), size=(48, 32))


def _shapes() -> Iterator[Case]:
    for width, height in ((1, 1), (1, 2), (2, 1), (3, 3), (7, 1), (1, 300), (300, 1), (1, 5000), (5000, 1), (40, 3000)):
        pixels = np.full((height, width, 3), 200, np.uint8)
        for kind, suffix in (("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp"), ("BMP", "bmp"), ("TIFF", "tif")):
            size = (width, height)
            yield _case(f"{width} x {height}.{suffix}", encoded(pixels, kind), shown=pixels, tolerance=3, size=size)
    for width, height in ((100_000, 1), (1, 100_000), (40_000, 40)):
        pixels = np.full((height, width), 200, np.uint8)
        for kind, suffix in (("PNG", "png"), ("BMP", "bmp")):
            yield _case(f"{width} x {height}.{suffix}", encoded(pixels, kind), size=(width, height))


# Hostile


def whole() -> dict[str, bytes]:
    """One valid file of each kind, no part of it redundant."""
    second = Image.fromarray(NOISE[::-1].copy())
    exif = _exif(6)
    return {
        "baseline.jpg": encoded(NOISE, "JPEG", quality=90, exif=exif, icc_profile=_srgb()),
        "progressive.jpg": encoded(NOISE, "JPEG", quality=90, progressive=True),
        "cmyk.jpg": encoded(Image.fromarray(NOISE).convert("CMYK"), "JPEG"),
        "colour.png": encoded(NOISE, "PNG", exif=exif, icc_profile=_srgb()),
        "palette.png": encoded(Image.fromarray(NOISE).quantize(64), "PNG", transparency=bytes(64)),
        "lossy.webp": encoded(NOISE, "WEBP"),
        "lossless.webp": encoded(NOISE, "WEBP", lossless=True, exif=exif),
        "animated.webp": encoded(NOISE, "WEBP", save_all=True, append_images=[second]),
        "moving.gif": encoded(Image.fromarray(NOISE).quantize(64), "GIF", save_all=True, append_images=[second]),
        "colour.bmp": encoded(NOISE, "BMP"),
        "palette.bmp": encoded(Image.fromarray(NOISE).quantize(64), "BMP"),
        "raw.tif": encoded(NOISE, "TIFF"),
        "lzw.tif": encoded(NOISE, "TIFF", compression="tiff_lzw"),
        "deflate.tif": encoded(NOISE, "TIFF", compression="tiff_adobe_deflate"),
        "jpeg.tif": encoded(NOISE, "TIFF", compression="jpeg"),
        "pages.tif": encoded(NOISE, "TIFF", save_all=True, append_images=[second]),
        "colour.heic": encoded(NOISE, "HEIF", exif=exif, icc_profile=_srgb()),
        "pages.heic": encoded(NOISE, "HEIF", save_all=True, append_images=[second]),
        "colour.avif": encoded(NOISE, "AVIF", exif=exif, icc_profile=_srgb()),
        "pages.avif": encoded(NOISE, "AVIF", save_all=True, append_images=[second]),
    }


def _truncated() -> Iterator[Case]:
    for name, data in whole().items():
        lengths = {1, 2, 4, 8, 12, 20, 30, 54, 100, len(data) - 1}
        lengths |= {len(data) * part // 8 for part in range(1, 8)}
        for length in sorted(lengths):
            # Whoever lacks a byte or a directory at the end may still have every pixel.
            outcome = SENTENCE if length < min(54, len(data) // 3) else EITHER
            yield _case(f"first {length} bytes of {name}", data[:length], outcome)


def _flipped() -> Iterator[Case]:
    for name, data in whole().items():
        for seed in range(12):
            rolled = random.Random(f"{name} {seed}")
            mutated = bytearray(data)
            reach = len(data) if seed % 2 else min(len(data), 200)  # every other time, in the headers only
            for _ in range(rolled.choice((1, 3, 20))):
                mutated[rolled.randrange(reach)] ^= 1 << rolled.randrange(8)
            yield _case(f"bits flipped {seed} of {name}", bytes(mutated), EITHER)


def _lying() -> Iterator[Case]:
    rows = rows_of(NOISE)
    for width, height in ((0, 0), (0, 32), (48, 0)):
        yield _case(f"{width} x {height}.png", png(width, height, 8, 2, b""), SENTENCE)
        yield _case(f"{width} x {height}.bmp", bmp(width, height, 24, b""), SENTENCE)
        data = tiff(shape_tags(width, height, [8] * 3, 2), NOISE.tobytes())
        yield _case(f"{width} x {height}.tif", data, SENTENCE)
        jpeg = bytearray(encoded(NOISE, "JPEG"))
        frame = jpeg.index(b"\xff\xc0")
        jpeg[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
        yield _case(f"{width} x {height}.jpg", bytes(jpeg), SENTENCE)
    yield _case("higher than its data.png", png(48, 3000, 8, 2, rows), EITHER)
    yield _case("wider than its data.png", png(3000, 32, 8, 2, rows), SENTENCE, key="image_damaged")
    yield _case("lower than its data.png", png(48, 8, 8, 2, rows), EITHER)
    yield _case("higher than its data.bmp", bmp(48, 3000, 24, NOISE.tobytes()), SENTENCE)
    yield _case("wider than its data.bmp", bmp(3000, 32, 24, NOISE.tobytes()), SENTENCE)
    yield _case("as high as can't be.bmp", bmp(48, -(2**31), 24, NOISE.tobytes()), SENTENCE)
    yield _case("as wide as can't be.bmp", bmp(2**31 - 1, 1, 24, NOISE.tobytes()), SENTENCE)
    yield _case("of 77 bits.bmp", bmp(48, 32, 77, NOISE.tobytes()), SENTENCE)
    yield _case("compressed by 99.bmp", bmp(48, 32, 24, NOISE.tobytes(), compression=99), SENTENCE)
    runs_off = bytes((255, 7)) * 5000
    yield _case("runs over its end.bmp", bmp(48, 32, 8, runs_off, bytes(1024), 1), EITHER)
    jumps = bytes((0, 2, 255, 255)) * 5000
    yield _case("jumps over its end.bmp", bmp(48, 32, 8, jumps, bytes(1024), 1), EITHER)
    yield _case("higher than its data.tif", tiff(shape_tags(48, 3000, [8] * 3, 2), NOISE.tobytes()), SENTENCE)
    yield _case("directory that is its own next.tif", tiff(shape_tags(48, 32, [8] * 3, 2), NOISE.tobytes(), "<", 4616))
    tags = shape_tags(48, 32, [8] * 3, 2)
    for name, tag, values in (
        ("strip beyond the end", 273, [2**32 - 1]),
        ("strip of 4 GB", 279, [2**32 - 1]),
        ("no rows a strip", 278, [0]),
        ("4 G rows a strip", 278, [2**32 - 1]),
        ("no samples", 277, [0]),
        ("65535 samples", 277, [65535]),
        ("compression unheard of", 259, [4711]),
        ("photometric unheard of", 262, [4711]),
        ("planes", 284, [2]),
        ("a billion wide", 256, [10**9]),
    ):
        data = tiff({**tags, tag: (4, values)}, NOISE.tobytes())
        yield _case(f"{name}.tif", data, EITHER)
    for side in (60_000, 2**31):
        tiles = {322: (4, [side]), 323: (4, [side]), 324: (4, [8]), 325: (4, [NOISE.nbytes])}
        for compression in (1, 5, 8):
            data = tiff({**shape_tags(48, 32, [8] * 3, 2, compression=compression), **tiles}, NOISE.tobytes())
            yield _case(f"tiles of {side}, compressed by {compression}.tif", data, EITHER)
    ours = encoded(NOISE, "PNG")
    at = ours.index(b"IDAT") - 4
    for length in (0, 5, 2**31 - 1, 2**31, 2**32 - 1):
        data = ours[:at] + struct.pack(">I", length) + ours[at + 4 :]
        yield _case(f"chunk that says {length} bytes.png", data, EITHER if length > len(ours) else SENTENCE)
    wrong_sum = bytearray(ours)
    wrong_sum[29] ^= 1
    yield _case("header with a wrong sum.png", bytes(wrong_sum), SENTENCE)
    for frames in (0, 2**31 - 1):
        control = chunk(b"acTL", struct.pack(">II", frames, 0))
        yield _case(f"animation of {frames} frames.png", png(48, 32, 8, 2, rows_of(PICTURE), control), EITHER)
    for depth, colour in ((3, 0), (16, 3), (8, 1), (8, 7), (32, 2), (0, 0)):
        yield _case(f"type {colour} of {depth} bits.png", png(48, 32, depth, colour, rows), SENTENCE)
    webp = encoded(NOISE, "WEBP", lossless=True)
    for length in (0, 4, 2**31, 2**32 - 1):
        yield _case(f"riff that says {length} bytes.webp", webp[:4] + struct.pack("<I", length) + webp[8:], EITHER)
    jpeg_data = encoded(NOISE, "JPEG")
    for length in (0, 1, 2, 65535):
        at = jpeg_data.index(b"\xff\xdb") + 2
        data = jpeg_data[:at] + struct.pack(">H", length) + jpeg_data[at + 2 :]
        yield _case(f"segment that says {length} bytes.jpg", data, EITHER)


def _bombs() -> Iterator[Case]:
    too_many: dict[str, Any] = {"key": "image_too_many_pixels"}
    nothing = b"\0" * 1000
    for width, height in ((60_000, 60_000), (2**31 - 1, 2**31 - 1), (2**31 - 1, 1), (11_000, 11_000)):
        yield _case(f"bomb of {width} x {height}.png", png(width, height, 8, 2, nothing), SENTENCE, **too_many)
    all_there = lambda: png(14_000, 14_000, 1, 0, bytes(14_000 * (1 + 14_000 // 8)))  # noqa: E731
    yield _case("bomb that is whole.png", all_there, SENTENCE, **too_many)
    yield _case("bomb.tif", tiff(shape_tags(60_000, 60_000, [8] * 3, 2), nothing), SENTENCE, **too_many)
    yield _case("bomb.bmp", bmp(60_000, 60_000, 24, nothing), SENTENCE, **too_many)
    jpeg = bytearray(encoded(NOISE, "JPEG"))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", 65500, 65500)
    yield _case("bomb.jpg", bytes(jpeg), SENTENCE, **too_many)
    webp = bytearray(encoded(NOISE, "WEBP", save_all=True, append_images=[Image.fromarray(NOISE[::-1].copy())]))
    canvas = webp.index(b"VP8X") + 12
    webp[canvas : canvas + 6] = b"\xff\x3f\0\xff\x3f\0"
    yield _case("bomb.webp", bytes(webp), SENTENCE)
    for kind, suffix in (("HEIF", "heic"), ("AVIF", "avif")):
        file = bytearray(encoded(NOISE, kind))
        size = file.index(b"ispe") + 8
        file[size : size + 8] = struct.pack(">II", 60_000, 60_000)
        yield _case(f"bomb.{suffix}", bytes(file), SENTENCE)
    whole_png = png(48, 32, 8, 2, rows_of(PICTURE))
    at = whole_png.index(b"IDAT") - 4
    body = zlib.compress(rows_of(PICTURE), 0)
    in_parts = b"".join(chunk(b"IDAT", body[place : place + 1]) for place in range(len(body)))
    yield _case("a chunk a byte.png", whole_png[:at] + in_parts + chunk(b"IEND", b""), shown=PICTURE)
    worn: dict[str, Callable[[], bytes]] = {
        # A hundred bytes a scan, each of which goes over the whole of a large picture.
        "four thousand scans.jpg": lambda: scans(6000, 6000, 4000),
        "a million markers.jpg": lambda: b"\xff\xd8" + b"\xff\xe0\0\2" * 1_000_000,
        "forty million bytes of filling.jpg": lambda: b"\xff\xd8" + b"\xff" * 40_000_000,
        "rubbish between markers.jpg": lambda: b"\xff\xd8\xff\xe0\0\2" + (b"rubbish " * 999 + b"\xff\xe0\0\2") * 999,
        "a million chunks.png": lambda: png(48, 32, 8, 2, b"", chunk(b"teXt", b"") * 1_000_000),
        "two thousand tags of the same megabyte.tif": lambda: directory_of_tags(2000, 1_000_000),
        "three million strips.tif": _three_million_strips,
        "tags upon tags.jpg": _jpeg_of_tags,
        "tags upon tags.png": lambda: png(
            48, 32, 8, 2, rows_of(PICTURE), chunk(b"eXIf", directory_of_tags(4000, 1_000_000))
        ),
        "tags upon tags.webp": lambda: encoded(PICTURE, "WEBP", exif=b"Exif\0\0" + directory_of_tags(4000, 1_000_000)),
        "tags upon tags in words.png": _png_of_tags_in_words,
    }
    for name, make in worn.items():
        yield _case(name, make, SENTENCE, key="image_damaged")


def _jpeg_of_tags() -> bytes:
    """Its EXIF block is too long for one segment, and taken together from many."""
    exif, data = directory_of_tags(4000, 1_000_000), encoded(PICTURE, "JPEG")
    pieces = [exif[at : at + 65000] for at in range(0, len(exif), 65000)]
    segments = b"".join(b"\xff\xe1" + struct.pack(">H", len(piece) + 8) + b"Exif\0\0" + piece for piece in pieces)
    return data[:2] + segments + data[2:]


def _png_of_tags_in_words() -> bytes:
    """As ImageMagick once wrote EXIF."""
    words = b"\nexif\n  99\n" + directory_of_tags(4000, 1_000_000).hex().encode()
    text = chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(words))
    return png(48, 32, 8, 2, rows_of(PICTURE), text)


def _three_million_strips() -> bytes:
    tags = shape_tags(48, 32, [8] * 3, 2)
    tags[273] = (4, [8] * 3_000_000)
    return tiff(tags, NOISE.tobytes())


def directory_of_tags(count: int, size: int) -> bytes:
    """A TIFF of little more than `size` bytes, all of whose tags say that their value is these bytes."""
    entries = b"".join(struct.pack("<HHII", 40_000 + tag % 20_000, 7, size, 8) for tag in range(count))
    return b"II*\0" + struct.pack("<I", 8 + size) + bytes(size) + struct.pack("<H", count) + entries + bytes(4)


def scans(width: int, height: int, count: int) -> bytes:
    """A progressive JPEG that is said again and again."""
    data = encoded(np.full((16, 16), 90, np.uint8), "JPEG", progressive=True)
    frame = data.index(b"\xff\xc2")
    start = data.rindex(b"\xff\xda")
    last = data[start:-2]
    return data[: frame + 5] + struct.pack(">HH", height, width) + data[frame + 9 : start] + last * count + b"\xff\xd9"


def _disguised() -> Iterator[Case]:
    zipped = b"PK\x03\x04\x14\0\0\0" + bytes(500)
    svg = b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>"
    heif = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(400)
    strangers = {
        "zip.jpg": zipped,
        "text.png": b"hello\n" * 50,
        "svg.png": svg,
        "page.jpg": b"<!DOCTYPE html><title>404</title>",
        "zeros.png": bytes(5000),
        "ones.webp": b"\xff" * 5000,
        "heif.jpg": heif,
        "pdf.tif": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + bytes(300),
        "program.png": b"\x7fELF" + bytes(300),
        "postscript.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run\n",
        "icon.png": encoded(PICTURE, "ICO"),
        "jpeg 2000.jpg": encoded(PICTURE, "JPEG2000"),
        "ppm.bmp": encoded(PICTURE, "PPM"),
        "targa.bmp": encoded(PICTURE, "TGA"),
        "one byte.jpg": b"\xff",
        "mark alone.png": b"\x89PNG\r\n\x1a\n",
        "mark alone.webp": b"RIFF\4\0\0\0WEBP",
        "mark alone.tif": b"II*\0",
        "mark alone.bmp": b"BM",
    }
    for name, data in strangers.items():
        yield _case(name, data, SENTENCE, key="image_not_a_picture")
    yield _case("empty.jpg", b"", SENTENCE, key="image_empty")
    for name, kind in (("jpeg.png", "JPEG"), ("png.jpg", "PNG"), ("webp.tif", "WEBP"), ("bmp.jpeg", "BMP")):
        options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {}
        yield _case(name, encoded(PICTURE, kind, **options), shown=PICTURE, tolerance=4)
    yield _case("two in one.jpg", encoded(PICTURE, "JPEG", quality=95) + zipped, shown=PICTURE, tolerance=3)
    yield _case("two in one.png", encoded(PICTURE, "PNG") + zipped, shown=PICTURE)


def _no_files() -> Iterator[Case]:
    def directory(folder: Path) -> Path:
        (folder / "folder.png").mkdir()
        return folder / "folder.png"

    def fifo(folder: Path) -> Path:
        os.mkfifo(folder / "pipe.png")
        return folder / "pipe.png"

    def link(name: str, target: str) -> Callable[[Path], Path]:
        def put(folder: Path) -> Path:
            (folder / name).symlink_to(target)
            return folder / name

        return put

    def absent(name: str) -> Callable[[Path], Path]:
        return lambda folder: folder / name

    none: dict[str, Any] = {"outcome": SENTENCE, "key": "image_not_a_picture"}
    gone: dict[str, Any] = {"outcome": SENTENCE, "key": "image_missing"}
    yield Case("a folder", directory, **none)
    yield Case("a pipe", fifo, **none)
    yield Case("a device", link("device.png", "/dev/zero"), **none)
    yield Case("a link to its own", link("loop.png", "loop.png"), **gone)
    yield Case("a link to nowhere", link("nowhere.png", "nothing here"), **gone)
    yield Case("nothing", absent("absent.png"), **gone)
    yield Case("a name that is too long", absent("x" * 300 + ".png"), SENTENCE)
    yield Case("a path that is too long", absent("deep/" * 2000 + "a.png"), SENTENCE)
    yield Case("a name with a zero", absent("a\0b.png"), SENTENCE)
    yield Case("half of a character", absent("\ud800.png"), SENTENCE)


_NAMES = {
    "chinese": "人像照片",
    "arabic": "صورة شخصية",
    "hebrew": "תמונה",
    "hindi": "फ़ोटो",
    "thai": "รูปถ่าย",
    "korean": "사진",
    "cyrillic": "портрет",
    "emoji": "👩‍👩‍👧 🧑🏽‍🦱",
    "combining": "e\u0301a\u0308\u0323",
    "right to left override": "a\u202egnp.exe",
    "zero width": "a\u200b\u2060b\ufeff",
    "blanks": "  two  blanks ",
    "quotes": 'it\'s "so" `named`',
    "leading dash": "--output",
    "newline": "one\ntwo\r\n",
    "tab and bell": "a\tb\ac\x1b[31m",
    "shell": "$(reboot); & | > < * ?",
    "braces": "{name} {0} {limit!r} %s %d",
    "backslash": "a\\b\\..\\c",
    "dots": "....",
    "markup": "<img src=x> & <b>",
    "tilde": "~nobody",
    "undecodable": os.fsdecode(b"\xff\xfe\x80caf\xe9"),
    "undecodable and not": os.fsdecode("人像".encode() + b"\xff"),
    "255 bytes": "x" * 251,
    "255 bytes of chinese": "像" * 83 + "xx",
    "255 bytes of emoji": "👩" * 62 + "xxx",
    "255 bytes, undecodable": os.fsdecode(b"\xff" * 251),
    "windows device": "CON",
}


def _named() -> Iterator[Case]:
    good, bad = encoded(PICTURE, "PNG"), b"no picture at all"
    for what, stem in _NAMES.items():
        name = f"{stem}.png"
        yield Case(f"named with {what}", _file(name, good), LAYER, shown=PICTURE)
        yield Case(f"named with {what}, no picture", _file(name, bad), SENTENCE, key="image_not_a_picture")
    yield Case("no name but a suffix", _file(".png", good), LAYER, shown=PICTURE)
    yield Case("no suffix", _file("photo", good), LAYER, shown=PICTURE)
    yield Case("a suffix in capitals", _file("PHOTO.PNG", good), LAYER, shown=PICTURE)

    def deep(folder: Path) -> Path:
        for _ in range(15):
            folder = folder / ("深" * 70)
        folder.mkdir(parents=True)
        return _file("a.png", good)(folder)

    yield Case("a path of 3 KB", deep, LAYER, shown=PICTURE)
