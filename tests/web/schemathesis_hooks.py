"""What Schemathesis can't know by itself: pictures, which no JSON schema describes."""

from __future__ import annotations

import io

import schemathesis
from hypothesis import strategies
from PIL import Image


def picture(format: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (32, 24), (200, 150, 100)).save(file, format=format)
    return file.getvalue()


for format in ("png", "jpeg", "webp", "bmp", "tiff"):
    schemathesis.openapi.media_type(f"image/{format}", strategies.just(picture(format)))
