"""A JPEG whose file ends too early: how much of it is missing, and the same with an end, as viewers read it."""

from __future__ import annotations

import io
import random

import numpy as np
from PIL import Image

from .decompression_bombs import MARKER

_FEW = 0.03  # of a picture's rows, that may be missing;
_ROWS, _OF_A_SMALL_ONE = 16, 0.125  # also so many, if they are no more than this
_NEAR = 1  # pixels that colours of a block reach into its neighbours
_BLOCKS = 16  # pixels of the largest side of what is coded at once
_NOISE_BYTES = 4096
_START_OF_SCAN, _END = 0xDA, b"\xff\xd9"
_FRAMES = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))
_LONE = (0x01, 0xD8, 0xD9)
_EVERY_COEFFICIENT = set(range(64))


def completed(data: bytes) -> bytes | None:
    """The JPEG with an end, if it is one that lacks a few rows at most; else None. Raises what a decoder does."""
    if not data.startswith(b"\xff\xd8") or not _has_its_last_scan(data):
        return None
    noise = bytes(random.Random(0).choices(range(255), k=_NOISE_BYTES))  # without 0xFF, which would be a marker
    plain, noisy = _pixels(data + _END), _pixels(data + noise + _END)
    missing = _rows_from_first((plain != noisy).any(axis=2))
    rows = plain.shape[0]
    return data + _END if missing <= max(_FEW * rows, min(_ROWS, _OF_A_SMALL_ONE * rows)) else None


def _pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
        return np.asarray(image.convert("RGB"))


def _rows_from_first(differs: np.ndarray) -> float:
    """How many rows of a picture come after its first pixel that differs, in the order in which blocks are coded."""
    rows = np.flatnonzero(differs.any(axis=1))
    if not rows.size:
        return 0.0
    top = int(rows[0]) + _NEAR
    line = differs[top : top + _BLOCKS]
    left = int(np.flatnonzero(line.any(axis=0))[0]) + _NEAR if line.any() else 0
    below = max(0, differs.shape[0] - top - _BLOCKS)
    return below + line.shape[0] * (1 - left / differs.shape[1])


def _has_its_last_scan(data: bytes) -> bool:
    """Whether no scan is to come after those that have begun: they give every coefficient to its last bit."""
    wanted: list[int] = []
    given: dict[int, set[int]] = {}
    at = 2
    while match := MARKER.search(data, at):
        marker, at = data[match.end() - 1], match.end()
        if marker in _LONE:
            continue
        length = int.from_bytes(data[at : at + 2], "big")
        segment = data[at + 2 : at + length]
        if marker in _FRAMES and len(segment) > 5:
            wanted = list(segment[6 : 6 + 3 * segment[5] : 3])
        elif marker == _START_OF_SCAN and segment and len(segment) >= 4 + 2 * segment[0]:
            first, last, bits = segment[1 + 2 * segment[0] : 4 + 2 * segment[0]]
            for component in segment[1 : 1 + 2 * segment[0] : 2]:
                if not bits & 15:
                    given.setdefault(component, set()).update(range(first, last + 1))
        at += max(2, length)
    return bool(wanted) and all(given.get(component, set()) >= _EVERY_COEFFICIENT for component in wanted)
