"""TIFFs as scanners, cameras and editors write them: a thumbnail first, numbers of other kinds."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from cvmatte_core.image import images
from cvmatte_core.localization.errors import ImageError
from tests.hostile import PICTURE, encoded, shape_tags, tiff

_LARGE = np.asarray(Image.fromarray(PICTURE).resize((480, 320)))


def pages(*pictures: np.ndarray, reduced: int | None = None) -> bytes:
    """A TIFF of several; reduced: which says that it is a smaller version of another."""
    first, *rest = (Image.fromarray(picture) for picture in pictures)
    for number, page in enumerate((first, *rest)):
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[254] = int(number == reduced)
        page.encoderinfo = {"tiffinfo": tags}
    return encoded(first, "TIFF", save_all=True, append_images=rest, tiffinfo=first.encoderinfo["tiffinfo"])


@pytest.mark.parametrize("reduced", [None, 0])
@pytest.mark.parametrize("longest_side", [0, 240])
def test_the_large_page_is_taken_where_the_first_is_its_thumbnail(reduced: int | None, longest_side: int) -> None:
    photo = images.decode(pages(PICTURE, _LARGE, reduced=reduced), "scan", longest_side)
    assert photo.rgb.shape == ((160, 240, 3) if longest_side else (320, 480, 3))
    if not longest_side:
        assert np.array_equal(photo.rgb, _LARGE)


def test_a_document_s_first_page_stays_the_first() -> None:
    taller = np.asarray(Image.fromarray(_LARGE).resize((480, 400)))
    assert np.array_equal(images.decode(pages(_LARGE, taller), "scan").rgb, _LARGE)
    assert np.array_equal(images.decode(pages(_LARGE, PICTURE, reduced=1), "scan").rgb, _LARGE)
    assert np.array_equal(images.decode(pages(PICTURE), "scan").rgb, PICTURE)


@pytest.mark.parametrize("kind", ["<f4", "<f8"])
def test_colours_of_floating_point_numbers_are_said(kind: str) -> None:
    bits = 8 * np.dtype(kind).itemsize
    written = tiff(shape_tags(48, 32, [bits] * 3, 2, sample_format=3), (PICTURE / 255).astype(kind).tobytes())
    lzw = [cv2.IMWRITE_TIFF_COMPRESSION, 5]  # older OpenCVs by themselves write such colours in another way
    compressed = cv2.imencode(".tif", (PICTURE / 255).astype(kind), lzw)[1].tobytes()
    for data in (written, compressed):
        with pytest.raises(ImageError) as refused:
            images.decode(data, "render.tif")
        assert refused.value.key == "image_tiff_floats"
        assert str(refused.value).startswith("render.tif is a TIFF of floating-point numbers")


def test_other_kinds_are_said_too_and_what_is_no_tiff_is_none() -> None:
    with pytest.raises(ImageError) as refused:
        images.decode(tiff(shape_tags(48, 32, [32] * 3, 2, sample_format=2), PICTURE.astype("<i4").tobytes()), "a.tif")
    assert refused.value.key == "image_tiff_kind"
    for data in (b"II*\0", b"II*\0\x08\0\0\0\0\0", b"MM\0*" + b"\0" * 40, io.BytesIO().getvalue() + b"II*\0nothing"):
        with pytest.raises(ImageError) as refused:
            images.decode(data, "a.tif")
        assert refused.value.key in ("image_not_a_picture", "image_damaged")
