"""Which colour space a picture's file says it is in, where that is no ICC profile, and its pixels in full depth.

PNG by cICP, sRGB, gAMA and cHRM; HEIC and AVIF by nclx (ISO/IEC 23008-12). Pillow gives 8 bits of each.
"""

from __future__ import annotations

import io
import itertools
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pillow_heif
from PIL import Image

from . import decompression_bombs
from .colour_spaces import ColourSpace

_DEPTH_AT = 24  # of a PNG, in its file
_GAMMAS = (0.1, 10.0)  # exponents beyond which nobody means it
_NARROW = 0  # of cICP's flag of the range


def space_of(image: Image.Image, data: bytes) -> ColourSpace | None:
    """The space that a file says, which has precedence; None if it says none that is valid, or has an ICC profile."""
    profile = image.info.get("icc_profile")
    try:
        if image.format == "PNG":
            space = _of_cicp(data) or (None if profile else _of_gamma(image.info))
        else:
            space = None if profile else _of_nclx(image, data)
        return space if space is not None and space.is_possible else None
    except (ValueError, TypeError, IndexError, RuntimeError, SyntaxError, EOFError):
        return None


def deep_pixels(image: Image.Image, data: bytes) -> tuple[np.ndarray, int] | None:
    """The colours of a file of more than 8 bits, not yet upright: uint16 RGB, shape (H, W, 3), and the number of a full
    signal. None if it has no more, or they can't be read."""
    if image.format == "HEIF":
        return _deep_heif(data) if image.info.get("bit_depth", 8) > 8 else None
    depth = 16 if image.format == "PNG" and data[_DEPTH_AT] == 16 else 8
    if image.format == "AVIF":
        depth = _opened(data).info.get("bit_depth", 8)
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
    info = image.info if image.format == "HEIF" else _opened(data).info if image.format == "AVIF" else {}
    said = info.get("nclx_profile")
    return ColourSpace.coded(said["color_primaries"], said["transfer_characteristics"]) if said else None


def _deep_heif(data: bytes) -> tuple[np.ndarray, int] | None:
    file = _opened(data)
    pixels = np.asarray(file[file.primary_index])
    if pixels.dtype != np.uint16:
        return None
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    colours = pixels[..., :3] if pixels.shape[2] >= 3 else np.repeat(pixels[..., :1], 3, axis=2)
    return np.array(colours, order="C"), 65535  # a copy: in older pillow-heif they go with the file


def _opened(data: bytes) -> pillow_heif.HeifFile:
    """Of an AVIF what is said beside its pixels, which libheif doesn't decode here."""
    return pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)
