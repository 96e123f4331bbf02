"""Files that are made to wear a decoder out: small ones that would take it hours, or all memory.

Known by how they are put together, before a decoder sees them. A file that is merely damaged passes: the decoder
knows better. Standard library only.
"""

from __future__ import annotations

import re
import struct
from typing import Iterator

_MOST_SCANS = 100  # of a JPEG, each of which goes over the whole picture; libtiff allows as many, cameras need 10
_MOST_PIECES = 10_000  # segments or chunks, which Pillow reads one by one
_MOST_RUBBISH = 1 << 16  # bytes between a JPEG's segments, which Pillow skips one by one
_LEAST_CHUNK = 1000  # bytes of a PNG's in the mean, where there are more; encoders write 8192
_MOST_VALUES = 1_000_000  # numbers in a tag, each of which becomes an object: a table of strips has the most
_MOST_TAGS = 1 << 16

MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # apart from what may stand within a scan's data
_LONE_MARKERS, _END, _SCAN, _EXIF = (0x01, 0xD8), 0xD9, 0xDA, 0xE1
_VALUE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_TEXTS = (1, 2, 7)  # types of values that stay bytes
_SUBDIRECTORIES = (0x8769, 0x8825, 0xA005)  # tags: EXIF, GPS, interoperability


class DecompressionBomb(ValueError):
    """The file is made to wear its decoder out."""


def refuse(data: bytes) -> None:
    """Raise DecompressionBomb where a picture's file is one."""
    if data.startswith(b"\xff\xd8\xff"):
        _refuse_jpeg(data)
    elif data.startswith(b"\x89PNG"):
        most = _MOST_PIECES + len(data) // _LEAST_CHUNK
        if any(number > most for number, _ in enumerate(chunks(data), 1)):
            raise DecompressionBomb("chunks without end")
    else:
        refuse_directories(data)


def refuse_directories(data: bytes) -> None:
    """The same where a TIFF's tags, or an EXIF block's, say more than there is: many may share one place."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 16:
        return
    big = struct.unpack_from(order + "H", data, 2)[0] == 43
    head, entry = struct.Struct(order + ("Q" if big else "H")), struct.Struct(order + ("HHQ8s" if big else "HHI4s"))
    place = struct.Struct(order + ("Q" if big else "I"))
    ahead, seen, said = [place.unpack_from(data, 8 if big else 4)[0]], set(), 0
    while ahead:
        at = ahead.pop()
        if at in seen or at + head.size > len(data):
            continue
        seen.add(at)
        (count,) = head.unpack_from(data, at)
        count = min(count, (len(data) - at - head.size) // entry.size)
        if count > _MOST_TAGS:
            raise DecompressionBomb("too many tags")
        at += head.size
        for tag, kind, values, field in entry.iter_unpack(data[at : at + count * entry.size]):
            (where,) = place.unpack(field)
            size = values * _VALUE_BYTES.get(kind, 0)
            if size > place.size and where + size <= len(data):  # else there is nothing to be read
                said += size
                if said > len(data) or (values > _MOST_VALUES and kind not in _TEXTS):
                    raise DecompressionBomb("tags that say more than there is")
            if tag in _SUBDIRECTORIES:
                ahead.append(where)


def _refuse_jpeg(data: bytes) -> None:
    at, pieces, scans, rubbish, exif = 2, 0, 0, 0, []
    while match := MARKER.search(data, at, len(data) if scans else at + _MOST_RUBBISH):
        rubbish += 0 if scans else match.start() - at
        marker, at = data[match.end() - 1], match.end()
        if marker == _END:
            break
        pieces += 1
        if pieces > _MOST_PIECES or scans > _MOST_SCANS or rubbish > _MOST_RUBBISH:
            raise DecompressionBomb("segments, scans or rubbish without end")
        if marker in _LONE_MARKERS:
            continue
        length = int.from_bytes(data[at : at + 2], "big")
        if marker == _EXIF and data[at + 2 : at + 8] == b"Exif\0\0":
            exif.append(data[at + 8 : at + length])
        scans += marker == _SCAN
        at += max(2, length)
    if not match and not scans and len(data) - at > _MOST_RUBBISH:
        raise DecompressionBomb("nothing but rubbish")
    refuse_directories(b"".join(exif))  # a block too long for one segment is taken together


def chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """The names and contents of a PNG's chunks before its end."""
    at, view = 8, memoryview(data)
    while at + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        if name == b"IEND":
            return
        yield name, view[at + 8 : at + 8 + length]
        at += 12 + length
