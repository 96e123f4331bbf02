"""What Schemathesis can't know by itself: pictures, which no JSON schema describes."""

from __future__ import annotations

import io

import schemathesis
from hypothesis import strategies
from PIL import Image

from cvmatte_core.filesystem import paths

PORTRAIT = paths.ROOT / "scripts" / "demo" / "astronaut.png"


def picture(format: str) -> bytes:
    file = io.BytesIO()
    with Image.open(PORTRAIT) as portrait:
        portrait.convert("RGB").resize((96, 96)).save(file, format=format)
    return file.getvalue()


for format in ("png", "jpeg", "webp", "bmp", "tiff"):
    schemathesis.openapi.media_type(f"image/{format}", strategies.just(picture(format)))
