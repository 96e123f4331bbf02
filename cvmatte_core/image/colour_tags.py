"""Which colour space a picture's file says it is in, where that is no ICC profile, and its pixels in full depth.

PNG by cICP, sRGB, gAMA and cHRM; HEIC and AVIF by nclx (ISO/IEC 23008-12). Pillow gives 8 bits of each.
"""

from __future__ import annotations

import io
import itertools
import struct
from dataclasses import replace
from typing import Any, Iterator, Tuple

import cv2
import numpy as np
import pillow_heif
from PIL import Image

from . import decompression_bombs
from .colour_spaces import ColourSpace

_DEPTH_AT = 24  # of a PNG, in its file
_GAMMAS = (0.1, 10.0)  # exponents beyond which nobody means it
_NARROW = 0  # of cICP's flag of the range
_MOST_BOXES = 10_000  # of an AVIF

_Box = Tuple[bytes, memoryview]


def space_of(image: Image.Image, data: bytes) -> ColourSpace | None:
    """The space that a file says, which has precedence; None if it says none that is valid, or has an ICC profile."""
    profile = image.info.get("icc_profile")
    try:
        if image.format == "PNG":
            space = _of_cicp(data) or (None if profile else _of_gamma(image.info))
        elif profile:
            space = None
        else:
            space = _of_nclx(image, data)
    except (ValueError, TypeError, IndexError, struct.error):
        return None
    return space if space is not None and space.is_possible else None


def deep_pixels(image: Image.Image, data: bytes) -> tuple[np.ndarray, int] | None:
    """The colours of a file of more than 8 bits, not yet upright: uint16 RGB, shape (H, W, 3), and the number of a full
    signal. None if it has no more, or they can't be read."""
    if image.format == "HEIF":
        return _deep_heif(data) if image.info.get("bit_depth", 8) > 8 else None
    depth = 16 if image.format == "PNG" and data[_DEPTH_AT] == 16 else 8
    if image.format == "AVIF":
        depth = _depth_of_avif(data)
    elif depth == 16:
        image.load()  # which says where it is damaged; OpenCV makes something of it
    if depth == 8:
        return None
    white = 2**depth - 1
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16:
        return None
    if pixels.ndim == 2:
        return cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB), white
    return cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGB if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB), white


# PNG


def _of_cicp(data: bytes) -> ColourSpace | None:
    """By the first such chunk ahead of the pixels."""
    ahead = itertools.takewhile(lambda chunk: chunk[0] != b"IDAT", decompression_bombs.chunks(data))
    said = next((content for name, content in ahead if name == b"cICP"), b"")
    if len(said) != 4:
        return None
    primaries, transfer, _, full = said
    if not ColourSpace.is_said(primaries, transfer):
        return None
    return ColourSpace.coded(primaries, transfer, narrow=full == _NARROW)


def _of_gamma(info: dict[Any, Any]) -> ColourSpace | None:
    """Of gAMA and cHRM, before which sRGB goes."""
    gamma, coordinates = info.get("gamma"), info.get("chromaticity")
    if "srgb" in info or (gamma is None and coordinates is None):
        return None
    space = ColourSpace()
    if isinstance(gamma, float) and gamma > 0 and _GAMMAS[0] <= 1 / gamma <= _GAMMAS[1]:
        space = ColourSpace(gamma=1 / gamma)
    if isinstance(coordinates, tuple):
        white, colours = coordinates[:2], coordinates[2:8]
        space = replace(space, primaries=(*colours, *white))
    return space


# HEIC and AVIF


def _of_nclx(image: Image.Image, data: bytes) -> ColourSpace | None:
    if image.format == "HEIF":
        said = image.info.get("nclx_profile")
        return ColourSpace.coded(said["color_primaries"], said["transfer_characteristics"]) if said else None
    if image.format != "AVIF":
        return None
    for name, content in _properties(data):
        if name == b"colr" and content[:4] == b"nclx":
            return ColourSpace.coded(*struct.unpack_from(">HH", content, 4))
    return None


def _deep_heif(data: bytes) -> tuple[np.ndarray, int] | None:
    file = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)
    pixels = np.asarray(file[file.primary_index])
    if pixels.dtype != np.uint16:
        return None
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    colours = pixels[..., :3] if pixels.shape[2] >= 3 else np.repeat(pixels[..., :1], 3, axis=2)
    return np.ascontiguousarray(colours), 65535


def _depth_of_avif(data: bytes) -> int:
    """Bits of each colour: a grid's own properties have no av1C, so its parts'."""
    properties = _within(_within(_within(memoryview(data), b"meta")[4:], b"iprp"), b"ipco")
    third = next((content[2] for name, content in _boxes(properties) if name == b"av1C" and len(content) > 2), 0)
    return 8 if not third & 0x40 else 12 if third & 0x20 else 10


def _properties(data: bytes) -> Iterator[_Box]:
    """Those of the primary item."""
    meta = _within(memoryview(data), b"meta")[4:]
    primary = _within(meta, b"pitm")
    item = int.from_bytes(primary[4:], "big")
    properties = _within(meta, b"iprp")
    every = list(_boxes(_within(properties, b"ipco")))
    for name, content in _boxes(properties):
        if name == b"ipma":
            for index in _associations(content, item):
                if 1 <= index <= len(every):
                    yield every[index - 1]


def _associations(content: memoryview, wanted: int) -> Iterator[int]:
    """Numbers of an item's properties, from 1, in an ipma box."""
    version, wide = content[0], content[3] & 1
    (count,) = struct.unpack_from(">I", content, 4)
    at = 8
    for _ in range(min(count, _MOST_BOXES)):
        (item,) = struct.unpack_from(">I" if version else ">H", content, at)
        at += 4 if version else 2
        number, at = content[at], at + 1
        step = 2 if wide else 1
        for place in range(at, at + number * step, step):
            index = int.from_bytes(content[place : place + step], "big") & (0x7FFF if wide else 0x7F)
            if item == wanted:
                yield index
        at += number * step


def _within(data: memoryview, wanted: bytes) -> memoryview:
    """The content of the first box of that name; empty where there is none."""
    return next((content for name, content in _boxes(data) if name == wanted), memoryview(b""))


def _boxes(data: memoryview) -> Iterator[_Box]:
    at = 0
    for _ in range(_MOST_BOXES):
        if at + 8 > len(data):
            return
        size, name = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1:
            (size,), head = struct.unpack_from(">Q", data, at + 8), 16
        end = at + size if size else len(data)
        if size and size < head:
            return
        yield name, data[at + head : end]
        at = end
