"""The finished layers on disk, from which OBS shows a portrait at once, also before any worker runs.

A layer is kept under the key of its request: the photo's path and the settings. So the same request finds its layer
again after a restart, in a copied source or after an undo, and nothing about it needs saving in a scene.
Standard library only: OBS reads here, the worker writes.

    KEY.frame         width, height, format, which photo it is of, and raw RGBA rows (straight alpha), read with mmap
    KEY.preview.png   the three views shown in the properties
    KEY.json          the record: which file it was made from, where its layer is saved
    PORTRAIT.last     the key of the layer that a portrait showed last; see last_shown.py
    still-*.burst     a frame of a still that is being taken; see burst_path
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import mmap
import os
import struct
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..filesystem import files, paths
from ..settings import MatteSettings
from . import last_shown

# Pixels of a side: what Direct3D 11, Metal and nearly every OpenGL take. OBS draws nothing of what is larger.
LARGEST_SIDE = 16384
_FORMAT_RGBA_STRAIGHT = 1
_HEADER = struct.Struct("<4sIIIIIQ")  # magic, version, width, height, format, header size, photo; 32 bytes
_MAGIC, _VERSION = b"CVMF", 1
BURST_SUFFIX = ".burst"
# By quality; to be raised when the same request comes to give another layer: kept ones are then made anew.
_RESULT_VERSIONS = {"fast": 5, "balanced": 5, "best": 6}


class FrameUnusable(Exception):
    """The frame file is missing, truncated, of another version or of another photo: make it again."""


@dataclass(frozen=True)
class LayerRecord:
    """What is known of a finished layer.

    saved, mask: paths of the layer's and the mask's file; empty without a mask. size: (width, height). seconds: to make
    it. digest: of the photo's content. touch_up: its touch-up's stamp; empty without one. Old records have neither.
    """

    key: str
    image: str
    image_bytes: int
    image_modified_ns: int
    saved: str
    size: tuple[int, int]
    seconds: float
    mask: str = ""
    digest: str = ""
    touch_up: str = ""

    @property
    def made_from(self) -> tuple[int, int]:
        """The bytes and modification of the photo that the layer was made from."""
        return self.image_bytes, self.image_modified_ns


def _stamp(made_from: tuple[int, int]) -> int:
    """A frame's mark of the photo that it is of, never 0."""
    digest = hashlib.sha256("{} {}".format(*made_from).encode()).digest()
    return int.from_bytes(digest[:8], "little") | 1


class Frame:
    """A mapped frame file: `width`, `height`, and `pixels`, a private writable mapping of RGBA rows at `offset`."""

    def __init__(self, path: Path, made_from: tuple[int, int] | None = None) -> None:
        """made_from: the bytes and modification of the photo that it must be of. Raises FrameUnusable."""
        try:
            with path.open("rb") as file:
                header = file.read(_HEADER.size)
                magic, version, width, height, layout, offset, stamp = _HEADER.unpack(header)
                expected = offset + width * height * 4
                is_of_photo = made_from is None or stamp in (0, _stamp(made_from))  # older frames have 0
                is_drawn = 0 < width <= LARGEST_SIDE and 0 < height <= LARGEST_SIDE  # older ones may be larger
                is_whole = os.fstat(file.fileno()).st_size == expected
                is_known = (magic, version, layout) == (_MAGIC, _VERSION, _FORMAT_RGBA_STRAIGHT)
                if not (is_of_photo and is_drawn and is_whole and is_known):
                    raise FrameUnusable(path)
                # A private mapping: ctypes wants a writable buffer, and the file must not change by it.
                self.pixels = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        except (OSError, struct.error, ValueError) as error:
            raise FrameUnusable(path) from error
        self.width, self.height, self.offset = width, height, offset

    def close(self) -> None:
        self.pixels.close()


class LayerStore:
    """The folder of finished layers. Reading never raises for a damaged entry: it counts as absent."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or paths.layers_folder()

    @staticmethod
    def key(image: str, settings: MatteSettings, room: Path | None = None) -> str:
        """The name of a request: a photo (its path, or its content's digest) with settings, resolved, and the empty
        room's photo where it has one."""
        # In the system's own spelling: OBS writes a path with slashes everywhere.
        behind = [str(room)] if room is not None else []
        request = json.dumps(
            [_RESULT_VERSIONS[settings.quality], str(Path(image)), settings.identity(), *behind], sort_keys=True
        )
        return hashlib.sha256(request.encode("utf-8", "surrogatepass")).hexdigest()[:32]

    def frame_path(self, key: str) -> Path:
        return self.folder / f"{key}.frame"

    def preview_path(self, key: str) -> Path:
        return self.folder / f"{key}.preview.png"

    def _record_path(self, key: str) -> Path:
        return self.folder / f"{key}.json"

    def find(self, key: str) -> LayerRecord | None:
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            values = json.loads(self._record_path(key).read_text(encoding="utf-8"))
            width, height = values.pop("size")
            record = LayerRecord(size=(width, height), **values)
            texts = record.key, record.image, record.saved, record.mask, record.digest, record.touch_up
            numbers = *record.size, record.image_bytes, record.image_modified_ns
            are_numbers = all(type(one) is int for one in numbers) and isinstance(record.seconds, (int, float))
            if are_numbers and all(isinstance(text, str) for text in texts):
                return record
        return None

    def save(self, record: LayerRecord) -> None:
        files.write(self._record_path(record.key), json.dumps(asdict(record)).encode(), durable=False)

    def write_frame(self, key: str, width: int, height: int, rows: Any, made_from: tuple[int, int]) -> Path:
        """rows: a contiguous buffer of RGBA, straight alpha. made_from: see LayerRecord. Raises OutputError."""
        path = self.frame_path(key)
        header = (_MAGIC, _VERSION, width, height, _FORMAT_RGBA_STRAIGHT, _HEADER.size, _stamp(made_from))
        with files.atomic_write(path, durable=False) as file:
            file.write(_HEADER.pack(*header))
            file.write(rows)
        return path

    def burst_path(self, name: str, width: int, height: int) -> Path:
        """Where a frame of a still is put on its way from OBS to the worker: a BMP file, at least as large as named."""
        return self.folder / f"still-{name}-{width}x{height}{BURST_SUFFIX}"

    def mark_used(self, key: str) -> None:
        """Keep this layer from being trimmed before ones that nothing has shown for longer."""
        with contextlib.suppress(OSError):
            os.utime(self.frame_path(key))

    def forget(self, key: str) -> None:
        for path in (self.frame_path(key), self.preview_path(key), self._record_path(key)):
            with contextlib.suppress(OSError):
                path.unlink()

    def trim(self, limit_bytes: int) -> None:
        """Drop the frames that were used longest ago until the rest fit. Saved layers stay, and what portraits showed
        last: nobody may be able to make it again."""
        spared = last_shown.keys(self.folder)
        with contextlib.suppress(OSError):
            pixels = [*self.folder.glob("*.frame"), *self.folder.glob(f"*{BURST_SUFFIX}")]
            frames = [(path.stat().st_mtime, path.stat().st_size, path) for path in pixels]
            total = sum(size for _, size, _ in frames)
            for _, size, path in sorted(frames):
                if total <= limit_bytes:
                    break
                if path.stem not in spared:
                    path.unlink()
                    total -= size
