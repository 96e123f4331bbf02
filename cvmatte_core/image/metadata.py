"""What goes from a photo's file to its layer's: resolution in print, date and author. Never where it was taken.

Read from EXIF, XMP and each format's own places; written to EXIF and XMP, made anew, so that nothing else comes along:
no place, no thumbnail, no orientation, no number of a camera.
"""

from __future__ import annotations

import contextlib
import html
import re
from dataclasses import dataclass
from typing import Any

from PIL import ExifTags, Image, TiffImagePlugin
from PIL.ExifTags import Base

_LONGEST = 500  # characters of an author
_XMP_BYTES = 1 << 20
_DATE = re.compile(r"(\d{4})[:-](\d\d)[:-](\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d))?)?[\d.]*(Z|[+-]\d\d:\d\d)?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]+")
_LEAST_DPI, _MOST_DPI = 2.0, 65_000.0
_CENTIMETRES = 3  # of the tag ResolutionUnit
_PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""'
    ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:exif="http://ns.adobe.com/exif/1.0/"'
    ' xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/">{}</rdf:Description>'
    '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)


@dataclass(frozen=True)
class Metadata:
    """dpi: pixels an inch, across and down; None where that isn't said. taken: as EXIF has it, "2026:05:04 13:30:00".

    zone: of that time, "+02:00". Texts are empty where nothing is known.
    """

    dpi: tuple[float, float] | None = None
    taken: str = ""
    zone: str = ""
    author: str = ""
    copyright: str = ""

    @property
    def _is_said(self) -> bool:
        return bool(self.taken or self.author or self.copyright)

    def exif(self, with_dpi: bool = False) -> bytes:
        """An EXIF block, beginning with "Exif"; empty without content. with_dpi: with the resolution."""
        dpi = self.dpi if with_dpi else None
        if not self._is_said and dpi is None:
            return b""
        block = Image.Exif()
        if self.author:
            block[Base.Artist] = self.author.encode()
        if self.copyright:
            block[Base.Copyright] = self.copyright.encode()
        if dpi is not None:
            block[Base.XResolution], block[Base.YResolution] = (TiffImagePlugin.IFDRational(value) for value in dpi)
            block[Base.ResolutionUnit] = 2
        if self.taken:
            times = block.get_ifd(ExifTags.IFD.Exif)
            times[Base.DateTimeOriginal] = self.taken
            if self.zone:
                times[Base.OffsetTimeOriginal] = self.zone
        return block.tobytes()

    def xmp(self) -> bytes:
        """An XMP packet; empty where there is nothing to say."""
        if not self._is_said:
            return b""
        parts = []
        if self.taken:
            day, _, time = self.taken.partition(" ")
            parts.append(f"<exif:DateTimeOriginal>{day.replace(':', '-')}T{time}{self.zone}</exif:DateTimeOriginal>")
        if self.author:
            parts.append(f"<dc:creator><rdf:Seq><rdf:li>{html.escape(self.author)}</rdf:li></rdf:Seq></dc:creator>")
        if self.copyright:
            line = f'<rdf:li xml:lang="x-default">{html.escape(self.copyright)}</rdf:li>'
            parts.append(f"<dc:rights><rdf:Alt>{line}</rdf:Alt></dc:rights>")
        return _PACKET.format("".join(parts)).encode()


NOTHING = Metadata()


def read(image: Image.Image) -> Metadata:
    """Of a picture that Pillow has opened, not yet turned upright. Never raises: what can't be read isn't there."""
    with contextlib.suppress(Exception):
        block = image.getexif()
        times = block.get_ifd(ExifTags.IFD.Exif)
        xmp = _xmp_of(image.info)
        said = times.get(Base.DateTimeOriginal), _of_xmp(xmp, "exif:DateTimeOriginal", "photoshop:DateCreated")
        dates = [_date(text) for text in (*said, times.get(Base.DateTimeDigitized), _of_xmp(xmp, "xmp:CreateDate"))]
        dates.append(_date(block.get(Base.DateTime)))
        taken, zone = next((date for date in dates if date[0]), ("", ""))
        of_exif = re.fullmatch(r"[+-]\d\d:\d\d", _text(times.get(Base.OffsetTimeOriginal)))
        return Metadata(
            _dpi_of(image, block),
            taken,
            (zone or (of_exif[0] if of_exif else "")) if taken else "",
            _text(block.get(Base.Artist)) or _list_of_xmp(xmp, "dc:creator") or _text(image.info.get("Author")),
            _text(block.get(Base.Copyright)) or _list_of_xmp(xmp, "dc:rights") or _text(image.info.get("Copyright")),
        )
    return NOTHING


def _dpi_of(image: Image.Image, block: Image.Exif) -> tuple[float, float] | None:
    """Of the format's own places, else of EXIF: what Pillow says of a JPEG may be a guess of its own."""
    info = image.info
    dpi = None if "jfif" in info and info.get("jfif_unit") not in (1, 2) else info.get("dpi")
    if image.format in ("JPEG", "MPO") and "jfif" not in info:
        dpi = None
    if dpi is None and Base.XResolution in block:
        across = float(block[Base.XResolution])
        inch = 2.54 if block.get(Base.ResolutionUnit) == _CENTIMETRES else 1.0
        dpi = across * inch, float(block.get(Base.YResolution, across)) * inch
    if dpi is None or not all(_LEAST_DPI <= float(value) <= _MOST_DPI for value in dpi):
        return None
    across, down = (round(float(value), 2) for value in dpi)
    return (down, across) if block.get(Base.Orientation) in (5, 6, 7, 8) else (across, down)


def _date(said: Any) -> tuple[str, str]:
    """Date and time, and its zone; empty where it isn't one."""
    match = _DATE.match(_text(said))
    if match is None or match[1] == "0000":
        return "", ""
    year, month, day, hour, minute, second, zone = match.groups()
    zone = "+00:00" if zone == "Z" else zone or ""
    return f"{year}:{month}:{day} {hour or '00'}:{minute or '00'}:{second or '00'}", zone


def _text(said: Any) -> str:
    """On one line. EXIF's are UTF-8 nowadays, which Pillow reads as Latin-1."""
    if isinstance(said, bytes):
        said = said.decode("utf-8", "replace")
    if not isinstance(said, str):
        return ""
    with contextlib.suppress(UnicodeError):
        said = said.encode("latin-1").decode("utf-8")
    return _CONTROL.sub(" ", said[:_LONGEST]).strip()


# XMP, which is looked through as text: parsing what a stranger wrote as XML may take all memory.


def _xmp_of(info: dict[Any, Any]) -> str:
    packet = info.get("xmp") or b""
    if isinstance(packet, tuple):  # a TIFF's tag
        packet = packet[0]
    return packet[:_XMP_BYTES].decode("utf-8", "replace") if isinstance(packet, bytes) else ""


def _between(text: str, before: str, after: str) -> str:
    _, found, rest = text.partition(before)
    return rest[: rest.find(after)] if found and after in rest else ""


def _of_xmp(xmp: str, *names: str) -> str:
    """The first of these simple values, which may be attributes or elements."""
    found = (_between(xmp, f'{name}="', '"') or _between(xmp, f"<{name}>", f"</{name}>") for name in names)
    return next(filter(None, found), "")


def _list_of_xmp(xmp: str, name: str) -> str:
    """The items of a list, with commas."""
    items = re.findall(r"<rdf:li[^>]*>([^<]*)", _between(xmp, f"<{name}>", f"</{name}>")[: 4 * _LONGEST])
    return _text(", ".join(filter(None, (html.unescape(item).strip() for item in items))))
