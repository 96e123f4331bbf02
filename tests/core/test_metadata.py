"""What a layer's file takes over from its photo's: resolution, date and author, and never the place."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, PngImagePlugin, TiffImagePlugin
from PIL.ExifTags import Base

from cvmatte_core.image import encoders, images
from cvmatte_core.image.metadata import Metadata
from cvmatte_core.layers.store import LayerStore
from cvmatte_core.matting.matter import Matter
from cvmatte_core.settings import MatteSettings

_TAKEN, _ZONE, _AUTHOR, _RIGHTS = "2026:05:04 13:30:00", "+02:00", "Zoë 小明", "© Zoë"
_FORMATS = ["png", "webp", "jpeg"]
_XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" photoshop:DateCreated="2025-01-02T03:04:05+01:00" exif:GPSLatitude="48,8.5N">'
    "<dc:creator><rdf:Seq><rdf:li>Ann &amp; Bob</rdf:li><rdf:li>小红</rdf:li></rdf:Seq></dc:creator>"
    '<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">Ann</rdf:li></rdf:Alt></dc:rights>'
    "</rdf:Description></rdf:RDF></x:xmpmeta>"
).encode()


def exif(**more: Any) -> Image.Exif:
    """What a camera writes, its place, its number and a thumbnail among it."""
    block = Image.Exif()
    block[Base.Artist], block[Base.Copyright] = _AUTHOR.encode(), _RIGHTS.encode()
    block[Base.Make], block[Base.Orientation] = "Camera", more.get("orientation", 1)
    times = block.get_ifd(ExifTags.IFD.Exif)
    times[Base.DateTimeOriginal], times[Base.OffsetTimeOriginal] = _TAKEN, _ZONE
    times[Base.BodySerialNumber], times[Base.MakerNote] = "SERIAL-77", b"MAKERS NOTE"
    place = block.get_ifd(ExifTags.IFD.GPSInfo)
    place[1], place[2] = "N", (48.0, 8.0, 30.0)
    return block


def encoded(photo: Path, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.open(photo).convert("RGB").resize((96, 64)).save(file, kind, **options)
    return file.getvalue()


def tiff(photo: Path) -> bytes:
    """Of which Pillow writes EXIF's date only from a directory of its own."""
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, text in ((Base.Artist, _AUTHOR), (Base.Copyright, _RIGHTS), (Base.Make, "Camera")):
        tags.tagtype[tag] = 2
        tags[tag] = text.encode()
    tags[Base.Orientation] = 1
    tags[ExifTags.IFD.Exif] = {
        Base.DateTimeOriginal: _TAKEN,
        Base.OffsetTimeOriginal: _ZONE,
        Base.BodySerialNumber: "SERIAL-77",
    }
    return encoded(photo, "TIFF", tiffinfo=tags)


def layer_of(data: bytes, format: str) -> bytes:
    """As a whole photo's layer would be written."""
    photo = images.decode(data, "photo")
    return encoders.layer(np.dstack([photo.rgb, photo.rgb[..., 0]]), format, photo.about)


def said(layer: bytes) -> tuple[Any, ...]:
    """Date, its zone, author and copyright of a file's EXIF block."""
    block = Image.open(io.BytesIO(layer)).getexif()
    times = block.get_ifd(ExifTags.IFD.Exif)
    texts = [str(block.get(tag, "")).encode("latin-1").decode() for tag in (Base.Artist, Base.Copyright)]
    return times.get(Base.DateTimeOriginal), times.get(Base.OffsetTimeOriginal), *texts


def dpi_of(layer: bytes) -> tuple[float, float] | None:
    image = Image.open(io.BytesIO(layer))
    block = image.getexif()
    if "dpi" not in image.info and Base.XResolution in block:
        return float(block[Base.XResolution]), float(block[Base.YResolution])
    return image.info.get("dpi")


@pytest.mark.parametrize("format", _FORMATS)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF"])
def test_date_and_author_go_along_and_nothing_else_does(photo: Path, kind: str, format: str) -> None:
    data = tiff(photo) if kind == "TIFF" else encoded(photo, kind, exif=exif())
    layer = layer_of(data, format)
    assert said(layer) == (_TAKEN, _ZONE, _AUTHOR, _RIGHTS)
    written = Image.open(io.BytesIO(layer)).getexif()
    assert not written.get_ifd(ExifTags.IFD.GPSInfo) and not written.get_ifd(ExifTags.IFD.IFD1)
    assert {Base.Make, Base.Orientation}.isdisjoint(written)
    assert b"SERIAL-77" not in layer and b"MAKERS NOTE" not in layer and b"GPS" not in layer
    assert images.decode(layer, "layer").about == images.decode(data, "photo").about


@pytest.mark.parametrize("format", _FORMATS)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_what_xmp_alone_says_goes_along_too_without_its_place(photo: Path, kind: str, format: str) -> None:
    options: dict[str, Any] = {"xmp": _XMP}
    if kind == "PNG":
        options = {"pnginfo": PngImagePlugin.PngInfo()}
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", _XMP.decode())
    layer = layer_of(encoded(photo, kind, **options), format)
    assert said(layer) == ("2025:01:02 03:04:05", "+01:00", "Ann & Bob, 小红", "Ann")
    packet = Image.open(io.BytesIO(layer)).info["xmp"].decode()
    assert "<rdf:li>Ann &amp; Bob, 小红</rdf:li>" in packet and "2025-01-02T03:04:05+01:00" in packet
    assert "GPS" not in packet


@pytest.mark.parametrize("format", _FORMATS)
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"dpi": (300, 300)}),
        ("PNG", {"dpi": (300, 300)}),
        ("TIFF", {"dpi": (300, 300)}),
        ("BMP", {"dpi": (300, 300)}),
    ],
)
def test_the_resolution_goes_along(photo: Path, kind: str, options: dict[str, Any], format: str) -> None:
    assert dpi_of(layer_of(encoded(photo, kind, **options), format)) == pytest.approx((300, 300), abs=0.1)


def test_a_resolution_that_nobody_says_is_none_and_one_in_exif_counts(photo: Path) -> None:
    for kind in ("JPEG", "PNG", "TIFF"):
        assert images.decode(encoded(photo, kind), "photo").about == Metadata(), kind
    assert images.decode(encoded(photo, "JPEG", exif=exif()), "photo").about.dpi is None
    for kind in ("WEBP", "AVIF", "JPEG"):
        block = exif(orientation=6)
        block[Base.XResolution], block[Base.YResolution], block[Base.ResolutionUnit] = 100.0, 200.0, 3
        data = encoded(photo, kind, exif=block)
        assert images.decode(data, "photo").about.dpi == pytest.approx((508, 254)), kind  # it is turned upright


@pytest.mark.parametrize(
    "packet",
    [
        b"<dc:creator>" * 50_000,
        b"<dc:creator><rdf:Seq>" + b"<rdf:li" * 100_000 + b"</dc:creator>",
        b"\xff\xfe\0",
        b"<" * 900_000,
    ],
)
def test_what_a_stranger_wrote_costs_nothing(photo: Path, packet: bytes) -> None:
    chunk = PngImagePlugin.PngInfo()
    chunk.add(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet)
    assert images.decode(encoded(photo, "PNG", pnginfo=chunk), "photo").about == Metadata()


def test_a_layer_has_them_an_id_photo_its_own_resolution_and_without_metadata_none(photo: Path, tmp_path: Path) -> None:
    data = tmp_path / "me.jpg"
    Image.open(photo).convert("RGB").save(data, dpi=(200, 200), exif=exif(), quality=95)
    matter = Matter()
    layer = matter(data, MatteSettings(quality="fast"))
    assert dpi_of(layer.layer_file("png")) == pytest.approx((200, 200), abs=0.1)
    assert dpi_of(layer.mask_file()) == pytest.approx((200, 200), abs=0.1)
    assert said(layer.layer_file("webp"))[2] == _AUTHOR
    assert b"Zo" not in layer.mask_file()
    id_photo = matter(data, MatteSettings(quality="fast", id_photo="35x45", background="colour"))
    assert dpi_of(id_photo.layer_file("jpeg")) == pytest.approx((300, 300), abs=0.1)
    assert said(id_photo.layer_file("jpeg"))[0] == _TAKEN
    plain = matter(data, MatteSettings(quality="fast", metadata=False))
    for format in _FORMATS:
        assert (
            dpi_of(plain.layer_file(format)) is None and not Image.open(io.BytesIO(plain.layer_file(format))).getexif()
        )


def test_layers_that_were_kept_before_there_was_the_control_are_found() -> None:
    assert "metadata" not in MatteSettings().identity()
    assert LayerStore.key("a.png", MatteSettings()) != LayerStore.key("a.png", MatteSettings(metadata=False))
