"""The bytes of a layer's file, with what is said in it beside the pixels."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any, Callable

import cv2
import numpy as np
from PIL import Image

from ..localization.errors import OutputError
from .metadata import NOTHING, Metadata

# One filter for all rows, and only runs of equal bytes: for photographs and layers less than half the time of Pillow's
# quickest, and files a tenth smaller. In this order: the others reset the strategy.
_PNG = [
    *(cv2.IMWRITE_PNG_COMPRESSION, 1),
    *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_AVG),
    *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE),
]
_AFTER_IHDR = 33  # bytes of a PNG's beginning
_INCH, _METRES = 0.0254, 1
_LONGEST_SIDE = {"png": 2**31 - 1, "webp": 16383, "jpeg": 65500}  # pixels, that the formats' encoders take
_JPEG_QUALITY, _WORST, _FINE = 95, 20, 75  # usual; least; from which on colours keep their full resolution


def png(pixels: np.ndarray, about: Metadata = NOTHING) -> bytes:
    """pixels: uint8, shape (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA with straight alpha. Raises MemoryError."""
    if pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR)
    try:
        done, encoded = cv2.imencode(".png", np.ascontiguousarray(pixels), _PNG)
    except cv2.error as error:  # nothing else can go wrong with such pixels
        raise MemoryError(str(error)) from error
    if not done:
        raise MemoryError("too little for a PNG")
    return _with_chunks(encoded.data, about)


def layer(pixels: np.ndarray, format: str, about: Metadata = NOTHING, max_kilobytes: int = 0) -> bytes:
    """A layer as "png", "webp" or "jpeg". pixels: uint8 RGBA, straight alpha, shape (H, W, 4).

    PNG and WebP keep every value; in a JPEG the layer stands on white. max_kilobytes: of 1000 bytes; 0: any number.
    Raises OutputError if a side is too long for the format, or the file can't be that small.
    """
    if max(pixels.shape[:2]) > _LONGEST_SIDE[format]:
        raise OutputError("format_too_large", format=format.upper(), limit=_LONGEST_SIDE[format])
    encoded, steps = _ENCODERS[format]
    best: bytes | None = encoded(pixels, about, 0)
    if max_kilobytes and best is not None and len(best) > 1000 * max_kilobytes:
        best, low, high = None, 1, steps
        while low <= high:  # the first step that makes little enough: each makes less than the one before
            step = (low + high) // 2
            content = encoded(pixels, about, step)
            if len(content) <= 1000 * max_kilobytes:
                best, high = content, step - 1
            else:
                low = step + 1
    if best is None:
        key = "over_limit_jpeg" if format == "jpeg" else "over_limit"
        raise OutputError(key, format=format.upper(), limit=max_kilobytes)
    return best


def _png_layer(pixels: np.ndarray, about: Metadata, step: int) -> bytes:
    """step: 0 as usual, 1 as small as can be."""
    if not step:
        return png(pixels, about)
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, format="PNG", optimize=True)
    return _with_chunks(file.getvalue(), about)


def _webp_layer(pixels: np.ndarray, about: Metadata, step: int) -> bytes:
    # Method 0: 0.1 to 0.25 s for 1920 x 1080 where method 1 takes 0.6 to 1 s, for files a quarter smaller; still
    # a third less than PNG. Exact: colours just outside the edge stay, which OBS mixes in when it scales.
    effort = {"method": 4, "quality": 100} if step else {"method": 0, "quality": 0}
    file = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.save(file, format="WEBP", lossless=True, exact=True, **effort, exif=about.exif(True), xmp=about.xmp())
    return file.getvalue()


def _jpeg_layer(pixels: np.ndarray, about: Metadata, step: int) -> bytes:
    """step: by how much worse than usual."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    quality = _JPEG_QUALITY - step
    options: dict[str, Any] = {"dpi": about.dpi} if about.dpi is not None else {}
    options |= {"quality": quality, "subsampling": "4:4:4" if quality >= _FINE else "4:2:0", "optimize": step > 0}
    file = io.BytesIO()
    white.save(file, format="JPEG", exif=about.exif(True), xmp=about.xmp(), **options)
    return file.getvalue()


_ENCODERS: dict[str, tuple[Callable[[np.ndarray, Metadata, int], bytes], int]] = {
    "png": (_png_layer, 1),
    "webp": (_webp_layer, 1),
    "jpeg": (_jpeg_layer, _JPEG_QUALITY - _WORST),
}


def _with_chunks(data: bytes | memoryview, about: Metadata) -> bytes:
    """A PNG with what it says beside its pixels."""
    chunks = []
    if about.dpi is not None:
        across, down = (round(value / _INCH) for value in about.dpi)
        chunks.append((b"pHYs", struct.pack(">IIB", across, down, _METRES)))
    if exif := about.exif():
        chunks.append((b"eXIf", exif.removeprefix(b"Exif\0\0")))
    if xmp := about.xmp():
        chunks.append((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp))
    framed = (
        struct.pack(f">I4s{len(body)}sI", len(body), name, body, zlib.crc32(name + body)) for name, body in chunks
    )
    return b"".join((data[:_AFTER_IHDR], *framed, data[_AFTER_IHDR:]))
