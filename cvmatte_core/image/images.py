"""Decoding photos: formats, orientation, colour and limits. Reading of finished layers.

Any file may be hostile: bombs are refused before decoding (see decompression_bombs.py), the size is checked
by the header before any pixel is decoded, and whatever the decoder raises becomes an ImageError.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib
import io
import logging
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
from PIL import Image, ImageCms, ImageOps, PngImagePlugin, TiffImagePlugin, UnidentifiedImageError

from ..filesystem import files
from ..localization.errors import ImageError
from ..localization.notes import Note
from ..system import memory
from . import colour_tags, decompression_bombs, metadata, tiff, truncated_jpeg
from .colour_spaces import ColourSpace, to_srgb
from .metadata import Metadata

logger = logging.getLogger(__name__)

# Pillow tries no other plugins than these. JPEG's brings MPO, which many phones write.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "HEIF")
for _plugin in ("Jpeg", "Png", "WebP", "Bmp", "Gif", "Tiff", "Avif"):
    importlib.import_module(f"PIL.{_plugin}ImagePlugin")
# HEIC, an iPhone's default. Decoding it turns it upright, and makes 8 bits of 10.
pillow_heif.register_heif_opener(thumbnails=False)
_ANIMATED = ("GIF", "WEBP", "PNG", "AVIF")  # may have several frames: of TIFF and HEIC others are other pictures
PIXEL_LIMIT = 120_000_000
BYTE_LIMIT = 400_000_000
_PIECE = 1 << 18  # bytes of a photo that even a slow drive gives before patience with it ends

SUFFIXES = {"png": (".png",), "webp": (".webp",), "jpeg": (".jpg", ".jpeg")}  # of a layer's file; the first is usual

# Pillow's own limit is 1 MB, for texts that nobody reads; colour profiles of printers and scanners are longer.
PngImagePlugin.MAX_TEXT_CHUNK = 16 << 20

_SRGB = ImageCms.createProfile("sRGB")
_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")


@dataclass(frozen=True)
class Photo:
    """rgb: uint8, shape (H, W, 3), sRGB, upright. alpha: float32 in 0..1, shape (H, W), the file's own transparency.

    notes: what was to be said of the file. about: what its layer's file takes over.
    """

    rgb: np.ndarray
    alpha: np.ndarray | None
    notes: tuple[Note, ...] = ()
    about: Metadata = metadata.NOTHING


def status(path: Path) -> os.stat_result | None:
    """Of a photo's file; None where there is none. Raises ImageError where its drive doesn't answer."""
    try:
        return files.patiently(path.stat, path.parent)
    except TimeoutError as error:
        raise ImageError("image_no_answer", name=path.name) from error
    except (OSError, ValueError):  # what is wrong with it, reading it will say
        return None


def read(path: Path) -> bytes:
    """The bytes of a photo's file. Raises ImageError if it can't be read, is empty or too large, or doesn't answer."""
    name = path.name or str(path)
    pieces: list[bytes] = []

    def take() -> None:
        if not path.is_file():  # a folder, a pipe or a device: reading it might never end
            raise ImageError("image_not_a_picture" if path.exists() else "image_missing", name=name)
        with path.open("rb") as file:
            left = os.fstat(file.fileno()).st_size  # no more than that, though it may be growing
            if left > BYTE_LIMIT:
                raise ImageError("image_file_too_large", name=name, limit=BYTE_LIMIT // 1_000_000)
            while piece := file.read(min(left, _PIECE)):
                pieces.append(piece)
                left -= len(piece)

    try:
        with memory.needed_for(name):
            files.patiently(take, path.parent, lambda: len(pieces))
            data = b"".join(pieces)
    except TimeoutError as error:
        raise ImageError("image_no_answer", name=name) from error
    except (OSError, ValueError) as error:
        raise ImageError("image_unreadable", name=name) from error
    if not data:
        raise ImageError("image_empty", name=name)
    return data


def digest(data: bytes) -> str:
    """The name of a photo's content, whatever its file is called: SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def decode(data: bytes, name: str, longest_side: int = 0) -> Photo:
    """A photo, upright, in sRGB, no side longer than that many pixels (0: its own). Raises ImageError, with `name`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the file's quirks; the ones that matter raise
        try:
            decompression_bombs.refuse(data)
            with memory.needed_for(name):
                try:
                    return _decode(data, name, longest_side)
                except OSError:
                    completed = truncated_jpeg.completed(data)
                    if completed is None:
                        raise
                    photo = _decode(completed, name, longest_side)
                    return dataclasses.replace(photo, notes=(*photo.notes, Note("note.cut_off")))
        except ImageError:
            raise
        except UnidentifiedImageError as error:
            raise (tiff.unread(data, name) or ImageError("image_not_a_picture", name=name)) from error
        except Image.DecompressionBombError as error:
            raise ImageError("image_too_many_pixels", name=name, limit=PIXEL_LIMIT // 1_000_000) from error
        except Exception as error:  # decoders raise whatever the file makes them
            logger.warning("decoding %s", name, exc_info=True)
            raise ImageError("image_damaged", name=name) from error


def _decode(data: bytes, name: str, longest_side: int) -> Photo:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        return _decoded(image, data, name, longest_side)


def _decoded(image: Image.Image, data: bytes, name: str, longest_side: int) -> Photo:
    if image.format == "TIFF":
        tiff.seek_photo(image)
    width, height = image.size
    refuse_too_many_pixels(width, height, name)
    if longest_side and image.format in ("JPEG", "MPO"):
        # The JPEG decoder can halve while it decodes: never below the size asked for.
        scale = longest_side / max(width, height)
        image.draft(None, (max(1, round(width * scale)), max(1, round(height * scale))))
    decompression_bombs.refuse_directories(_exif_of(image))
    profile, space = image.info.get("icc_profile"), colour_tags.space_of(image, data)
    opened, about = image, metadata.read(image) if image.format != "PNG" else None
    if space is not None:
        image, profile = opened if space.is_srgb else _in_srgb(opened, space, data), None
    moves = opened.format in _ANIMATED and getattr(opened, "is_animated", False)
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        image = tiff.load(image)
    else:
        image.load()
    about = about or metadata.read(opened)  # a PNG's may come after the pixels; a TIFF's are gone by then
    with contextlib.suppress(Exception):  # a broken EXIF block only costs the orientation, if that
        ImageOps.exif_transpose(image, in_place=True)
    colour, alpha = _colour_and_alpha(image)
    colour = _to_srgb(colour, profile)
    if longest_side and max(colour.size) > longest_side:
        scale = longest_side / max(colour.size)
        size = (max(1, round(colour.width * scale)), max(1, round(colour.height * scale)))
        colour = colour.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
        alpha = alpha.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0) if alpha else None
    is_opaque = alpha is None or alpha.getextrema() == (255, 255)
    transparency = None if is_opaque else np.asarray(alpha, dtype=np.float32) / np.float32(255)
    return Photo(np.array(colour, dtype=np.uint8), transparency, (Note("note.first_frame"),) if moves else (), about)


def _exif_of(image: Image.Image) -> bytes:
    """The EXIF block that Pillow will read the orientation from, where that isn't in a TIFF's own tags."""
    block = image.info.get("exif", b"")
    if not block:  # a PNG of ImageMagick's, in hexadecimal after three lines
        with contextlib.suppress(AttributeError, ValueError):
            block = bytes.fromhex("".join(image.info.get("Raw profile type exif", "").split("\n")[3:]))
    return block.removeprefix(b"Exif\0\0")


def _colour_and_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """The picture without its transparency (RGB, CMYK, L or LAB), and its transparency (L), if any."""
    if image.mode in _SIXTEEN_BIT:
        values = np.asarray(image)
        key = image.info.get("transparency")  # the value that a PNG calls transparent
        alpha = Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8)) if isinstance(key, int) else None
        return _grey_from(values, *_black_and_white(image)), alpha
    if image.mode in ("I", "F"):
        values = np.nan_to_num(np.asarray(image, dtype=np.float32), nan=0, posinf=0, neginf=0)
        # What full white is isn't told: 16-bit PNG files arrive in mode I, TIFF floats mostly run to 1.
        brightest = float(values.max())
        white = 1.0 if image.mode == "F" and brightest <= 1 else 255.0 if brightest <= 255 else 65535.0
        return _grey_from(values, 0, white), None
    if image.mode == "P" or image.mode in ("LA", "La", "PA", "RGBa", "RGBA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        return rgba.convert("RGB"), rgba.getchannel("A")
    return image if image.mode in ("RGB", "CMYK", "L", "LAB") else image.convert("RGB"), None


def _black_and_white(image: Image.Image) -> tuple[float, float]:
    """Black and white in a picture of 16-bit values. A TIFF may use 12 bits, or 0 for white; Pillow ignores both."""
    tags = getattr(image, "tag_v2", {})
    (bits, *_) = tags.get(TiffImagePlugin.BITSPERSAMPLE, (16,))
    most = float(2**bits - 1) if 8 < bits <= 16 else 65535.0
    return (most, 0.0) if tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0 else (0.0, most)


def _grey_from(values: np.ndarray, black: float, white: float) -> Image.Image:
    """uint8 grey of uint16 or float32 values."""
    scale = 255 / (white - black)
    if values.dtype not in (np.float32, np.uint16):
        values = values.astype(np.uint16)
    # Not cv2.convertScaleAbs, to which -1 would be bright.
    grey = cv2.addWeighted(values, scale, values, 0, -black * scale, dtype=cv2.CV_8U)
    return Image.fromarray(grey)


def _in_srgb(image: Image.Image, space: ColourSpace, data: bytes) -> Image.Image:
    """The picture as it is shown, with its transparency and its EXIF block: not yet upright."""
    deep = colour_tags.deep_pixels(image, data)
    colour, alpha = _colour_and_alpha(image)
    if deep is None or deep[0].shape[:2] != (image.height, image.width):
        deep = np.asarray(colour.convert("RGB")), 255
    pixels, white = deep
    shown = Image.fromarray(to_srgb(pixels, space, white=white))
    if alpha is not None:
        shown.putalpha(alpha)
    shown.info = {key: value for key, value in image.info.items() if key != "transparency"}
    return shown


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if profile:
        with contextlib.suppress(Exception):  # one that is damaged or doesn't fit the pixels is ignored, as in browsers
            of_file = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, of_file, _SRGB, outputMode="RGB")
            if converted is not None:
                return converted
    return image if image.mode == "RGB" else image.convert("RGB")


def refuse_too_many_pixels(width: int, height: int, name: str) -> None:
    """Raise ImageError for a picture, or a clip's frame, that is larger than PIXEL_LIMIT."""
    if width * height > PIXEL_LIMIT:
        raise ImageError("image_too_many_pixels", name=name, limit=PIXEL_LIMIT // 1_000_000)


def suffix(format: str) -> str:
    """What the name of a layer's file ends in, with its dot, for "png", "webp" or "jpeg"."""
    return SUFFIXES[format][0]


def format_of(path: Path) -> str | None:
    """The layer format that a file's name stands for, whatever its case; None for any other."""
    return next((format for format, suffixes in SUFFIXES.items() if path.suffix.lower() in suffixes), None)


def read_layer(path: Path) -> np.ndarray:
    """A saved layer: uint8 RGBA, straight alpha, shape (H, W, 4). Raises ImageError; a JPEG has no alpha."""
    try:
        with Image.open(path, formats=("PNG", "WEBP")) as image:
            refuse_too_many_pixels(image.width, image.height, path.name)
            return np.array(image.convert("RGBA"))
    except ImageError:
        raise
    except Exception as error:  # decoders raise whatever the file makes them
        raise ImageError("image_damaged", name=path.name) from error
