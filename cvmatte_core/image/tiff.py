"""What is peculiar to TIFF: which of its pages is the photo, and what to say of kinds that aren't read."""

from __future__ import annotations

import io

from PIL import Image, TiffImagePlugin

from ..localization.errors import ImageError

_PAGES = 16  # looked at
_REDUCED = 1  # of the tag NewSubfileType: a smaller version of another page
_OLD_REDUCED = 2  # of SubfileType
_NEW_SUBFILE_TYPE, _SUBFILE_TYPE = 254, 255
_TIMES_LARGER = 4  # in area, than a first page that is its thumbnail
_SAME_SHAPE = 0.03  # by how much the sides' ratios may differ
_SMALL = 256  # pixels of the longer side of a page that is a thumbnail whatever its shape
_FLOATS = 3  # of the tag SampleFormat
_YCBCR = 6  # of the tag PhotometricInterpretation


def seek_photo(image: Image.Image) -> None:
    """Go to the photo's page where the first is but its thumbnail; else stay at the first."""
    first, first_is_reduced = image.size, _is_reduced(image)
    largest, page = first, 0
    for number in range(1, _PAGES):
        try:
            image.seek(number)
        except Exception:  # there are no more, or this one can't be read
            break
        if not _is_reduced(image) and image.width * image.height > largest[0] * largest[1]:
            largest, page = image.size, number
    image.seek(page if first_is_reduced or _is_thumbnail(first, largest) else 0)


def load(image: TiffImagePlugin.TiffImageFile) -> Image.Image:
    """The page at hand with its pixels. Pillow before 13, which is all that Python 3.10 can have, takes YCbCr that
    isn't compressed for RGB with a byte more."""
    is_ycbcr = image.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == _YCBCR
    is_misread = is_ycbcr and image.mode == "RGB" and image.info.get("compression") == "raw"
    if is_misread:
        image.tile = [tile._replace(args=("RGB", *(tile.args or ())[1:])) for tile in image.tile]
    image.load()
    return Image.merge("YCbCr", image.split()) if is_misread else image


def _is_reduced(image: Image.Image) -> bool:
    tags = getattr(image, "tag_v2", {})
    return bool(tags.get(_NEW_SUBFILE_TYPE, 0) & _REDUCED) or tags.get(_SUBFILE_TYPE) == _OLD_REDUCED


def _is_thumbnail(first: tuple[int, int], largest: tuple[int, int]) -> bool:
    if _TIMES_LARGER * first[0] * first[1] > largest[0] * largest[1]:
        return False
    ratio = (first[0] * largest[1]) / (first[1] * largest[0])
    return abs(ratio - 1) < _SAME_SHAPE or max(first) <= _SMALL


def unread(data: bytes, name: str) -> ImageError | None:
    """What to say of a TIFF that Pillow doesn't know; None where it is none."""
    try:
        file = io.BytesIO(data)
        tags = TiffImagePlugin.ImageFileDirectory_v2(file.read(8))
        file.seek(tags.next)
        tags.load(file)
        if TiffImagePlugin.IMAGEWIDTH not in tags or TiffImagePlugin.IMAGELENGTH not in tags:
            return None
        floats = _FLOATS in tags.get(TiffImagePlugin.SAMPLEFORMAT, ())
    except Exception:  # decoders raise whatever the file makes them
        return None
    return ImageError("image_tiff_floats" if floats else "image_tiff_kind", name=name)
