"""What the READMEs show of the empty room: the sample before a drawn one, cut out without its photo and with it."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from cvmatte_core.image import encoders
from cvmatte_core.matting.matter import Matter, strokes_of
from cvmatte_core.settings import MatteSettings
from demo.demo import SAMPLE, TOUCH_UP
from development import made_rooms
from development.measuring import in_bytes
from development.room_scenes import over

_SIZE = (640, 512)
_FRAME, _EDGE = (0.66, 0.12, 0.91, 0.51), 12  # of the room, where a portrait hangs; in pixels
_HEAD = (110, 0, 350, 300)  # of the sample
_NOISE, _BLUR, _MUTED = 0.006, 1.5, 0.75
_NEW = (0.2, 0.5, 0.6)  # the background at the middle's height
_SHOWN, _GAP = (480, 384), 12  # each view, and between them, in pixels


def draw(path: Path) -> None:
    """The empty room and the photo; below, what is cut out without the room and with it."""
    matter = Matter()
    room = _room()
    cutout = _cutout(matter)
    colours, alpha = np.zeros((*_SIZE[::-1], 3), np.float32), np.zeros(_SIZE[::-1], np.float32)
    colours[:, : cutout.shape[1]], alpha[:, : cutout.shape[1]] = cutout[..., :3], cutout[..., 3]
    random = np.random.default_rng(1)
    before_room = over((colours, alpha), room * made_rooms.shadow(alpha, random))
    empty, picture = (made_rooms.seen(light, _NOISE, 0, random) for light in (room, 1.03 * before_room))
    views = [empty, picture]
    with tempfile.TemporaryDirectory(prefix="cvmatte-pictures-") as folder:
        files = Path(folder) / "photo.png", Path(folder) / "room.png"
        for file, pixels in zip(files, (picture, empty), strict=True):
            file.write_bytes(encoders.png(pixels))
        for its_room in (None, files[1]):
            layer = matter(files[0], MatteSettings(), room=its_room).layer / np.float32(255)
            new = np.linspace(1.2, 0.8, _SIZE[1])[:, None, None] * np.array(_NEW)
            views.append(in_bytes(over((layer[..., :3], layer[..., 3]), new)))
    across, down = (length + _GAP for length in _SHOWN)
    sheet = Image.new("RGBA", (2 * across - _GAP, 2 * down - _GAP))
    for number, view in enumerate(views):
        shown = Image.fromarray(view).resize(_SHOWN, Image.Resampling.LANCZOS)
        sheet.paste(shown, (number % 2 * across, number // 2 * down))
    sheet.save(path, quality=85, method=6)


def _room() -> np.ndarray:
    """A shelf, and on the wall a portrait, which a network takes for somebody. float32 RGB in 0..1."""
    room = cv2.GaussianBlur(made_rooms.shelf(_SIZE, np.random.default_rng(5)), (0, 0), _BLUR)
    room = room.mean(axis=2, keepdims=True) * (1 - _MUTED) + _MUTED * room
    corners = np.array(_FRAME) * (*_SIZE, *_SIZE)
    left, top, right, bottom = corners.astype(int)
    room[top - _EDGE : bottom + _EDGE, left - _EDGE : right + _EDGE] = 0.12
    head = ImageOps.mirror(Image.open(SAMPLE).convert("RGB").crop(_HEAD))
    room[top:bottom, left:right] = np.asarray(head.resize((right - left, bottom - top))) / np.float32(255)
    return room


def _cutout(matter: Matter) -> np.ndarray:
    """The sample with her helmet, which a stroke brings back: float32 RGBA in 0..1, straight."""
    strokes = partial(strokes_of, TOUCH_UP.read_bytes(), TOUCH_UP.name)
    return matter(SAMPLE, MatteSettings(quality="best"), strokes=strokes).layer / np.float32(255)
