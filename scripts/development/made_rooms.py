"""Empty rooms, drawn; what stands in them, how their light changes, and what a camera makes of them."""

from __future__ import annotations

import io
from collections.abc import Callable

import cv2
import numpy as np
from PIL import Image

Random = np.random.Generator
Draw = Callable[[tuple[int, int], Random], np.ndarray]  # (width, height) → float32 RGB in 0..1, shape (H, W, 3)


def plain(size: tuple[int, int], random: Random) -> np.ndarray:
    """A wall, a little brighter at one side: nothing that tells whether a camera was moved."""
    return _wall(size, random.uniform(0.45, 0.75, 3) * random.uniform(0.6, 1.1), random)


def shelf(size: tuple[int, int], random: Random) -> np.ndarray:
    """A wall with two boards of books, and a picture in its frame."""
    room = _wall(size, np.array([0.74, 0.7, 0.64]), random)
    width, height = size
    for top in (0.12, 0.45):
        left = 0.05
        while left < 0.38:
            right = left + random.uniform(0.012, 0.03)
            _box(room, (left, top + random.uniform(0, 0.08), right, top + 0.25), random.uniform(0.1, 0.8, 3))
            left = right + 0.001
        _box(room, (0.03, top + 0.25, 0.42, top + 0.27), np.array([0.35, 0.22, 0.12]))
    _box(room, (0.66, 0.14, 0.9, 0.5), np.array([0.15, 0.12, 0.1]))
    _box(room, (0.68, 0.17, 0.88, 0.47), np.array([0.85, 0.84, 0.8]))
    cv2.circle(room, (int(0.78 * width), int(0.33 * height)), int(0.09 * height), (0.3, 0.45, 0.6), -1, cv2.LINE_AA)
    return cv2.GaussianBlur(room, (0, 0), 1.2)


def window(size: tuple[int, int], random: Random) -> np.ndarray:
    """A bright window, a curtain in folds, and a plant."""
    width, height = size
    room = _wall(size, np.array([0.55, 0.58, 0.62]), random)
    _box(room, (0.3, 0.08, 0.72, 0.6), np.array([0.93, 0.96, 0.99]))
    _box(room, (0.5, 0.08, 0.52, 0.6), np.array([0.5, 0.48, 0.46]))
    folds = 0.75 + 0.25 * np.sin(np.linspace(0, 60, int(0.2 * width)))[None, :, None]
    room[:, int(0.74 * width) : int(0.74 * width) + folds.shape[1]] = np.array([0.6, 0.35, 0.3]) * folds
    for _ in range(60):
        middle = random.normal((0.15 * width, 0.6 * height), (0.05 * width, 0.12 * height)).astype(int)
        axes = int(0.035 * height), int(0.012 * height)
        green = (random.uniform(0.08, 0.25), random.uniform(0.25, 0.55), random.uniform(0.08, 0.2))
        cv2.ellipse(room, middle.tolist(), axes, random.uniform(0, 180), 0, 360, green, -1, cv2.LINE_AA)
    return cv2.GaussianBlur(room, (0, 0), 1.2)


def tiles(size: tuple[int, int], random: Random) -> np.ndarray:
    """Bricks with a grain, and a door."""
    width, height = size
    room = np.empty((height, width, 3), np.float32)
    room[:] = (0.5, 0.47, 0.44)
    tall, wide = height // 14, width // 10
    for row in range(15):
        for column in range(-1, 11):
            left, top = column * wide + row % 2 * wide // 2, row * tall
            colour = np.array([0.55, 0.3, 0.24]) * random.uniform(0.75, 1.2)
            cv2.rectangle(room, (left + 2, top + 2), (left + wide - 2, top + tall - 2), colour.tolist(), -1)
    room *= 1 + 0.1 * cv2.GaussianBlur(random.normal(0, 2, room.shape[:2]).astype(np.float32), (0, 0), 1.5)[..., None]
    _box(room, (0.08, 0.15, 0.3, 1), np.array([0.8, 0.79, 0.75]))
    return np.clip(cv2.GaussianBlur(room, (0, 0), 1.2), 0, 1)


def furniture(room: np.ndarray, middle: tuple[int, int], side: int, random: Random) -> np.ndarray:
    """Draw a chair's back about a place, (x, y), and a microphone's arm beside it. Where: bool, shape (H, W)."""
    where = np.zeros(room.shape[:2], np.uint8)
    x, y = middle
    chair = np.full_like(where, 0)
    cv2.rectangle(chair, (x - side, y - side // 3), (x + side, room.shape[0]), 255, -1)
    chair = (cv2.GaussianBlur(chair, (0, 0), side / 8) > 127).view(np.uint8)
    arm = np.zeros_like(where)
    hand = int(random.choice((-1, 1)))
    points = [
        (x + hand * 2 * side, room.shape[0]),
        (x + hand * int(1.6 * side), y),
        (x + hand * side // 2, y - side // 3),
    ]
    cv2.polylines(arm, [np.array(points, np.int32)], False, 1, max(3, side // 14))
    cv2.circle(arm, points[-1], max(5, side // 6), 1, -1)
    for part, colour in ((chair, random.uniform(0.05, 0.6, 3)), (arm, random.uniform(0.05, 0.2, 3))):
        soft = cv2.GaussianBlur(part.astype(np.float32), (0, 0), 1)[..., None]
        room += soft * (colour.astype(np.float32) - room)
        where |= part
    return where > 0


def shadow(alpha: np.ndarray, random: Random) -> np.ndarray:
    """Of somebody of this alpha on the wall: a factor, float32, shape (H, W, 1)."""
    height, width = alpha.shape
    away = np.array([[1, 0, random.choice((-1, 1)) * random.uniform(0.03, 0.1) * width], [0, 1, 0.04 * height]])
    cast = cv2.warpAffine(alpha, away, (width, height), borderMode=cv2.BORDER_REPLICATE)
    cast = cv2.GaussianBlur(cast, (0, 0), random.uniform(0.008, 0.03) * height)
    return 1 - random.uniform(0.25, 0.5) * cast[..., None]


def glow(shape: tuple[int, ...], random: Random) -> np.ndarray:
    """Of a screen on the wall: a factor, float32, shape (H, W, 3)."""
    height, width = shape[:2]
    rows, columns = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    x, y = random.uniform(0, 1, 2)
    spot = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 0.25)[..., None]
    return (1 + spot * random.uniform(-0.05, 0.2, 3)).astype(np.float32)


def seen(light: np.ndarray, noise: float, jpeg: int, random: Random) -> np.ndarray:
    """A camera's picture, uint8 RGB: its noise grows with light; jpeg: its quality, or 0."""
    deviation = noise * np.sqrt(0.3 + 1.4 * np.clip(light, 0, 1))
    noisy = light + deviation * random.standard_normal(light.shape, np.float32)
    picture = np.rint(noisy * 255).clip(0, 255).astype(np.uint8)
    if not jpeg:
        return picture
    written = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, jpeg])[1]
    return np.asarray(Image.open(io.BytesIO(written.tobytes())))


def moved(room: np.ndarray, size: tuple[int, int], shift: tuple[float, float], angle: float, zoom: float) -> np.ndarray:
    """The middle of a larger room as a camera sees it, of a size of (width, height). shift: in parts of that size;
    angle: in degrees."""
    height, width = room.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, zoom)
    turn[:, 2] += (size[0] * (0.5 + shift[0]) - width / 2, size[1] * (0.5 + shift[1]) - height / 2)
    return cv2.warpAffine(room, turn, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def _wall(size: tuple[int, int], colour: np.ndarray, random: Random) -> np.ndarray:
    rows, columns = np.mgrid[0 : 1 : size[1] * 1j, 0 : 1 : size[0] * 1j]
    light = 1 + random.uniform(-0.2, 0.2) * (columns - 0.5) + random.uniform(-0.2, 0.2) * (rows - 0.5)
    return np.clip(light[..., None] * colour, 0, 1).astype(np.float32)


def _box(room: np.ndarray, corners: tuple[float, float, float, float], colour: np.ndarray) -> None:
    """Left, top, right and bottom in parts of the sides."""
    height, width = room.shape[:2]
    left, top, right, bottom = corners
    room[int(top * height) : int(bottom * height), int(left * width) : int(right * width)] = colour


DRAWN: tuple[Draw, ...] = (shelf, window, plain, tiles)
