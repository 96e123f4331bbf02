"""Things that people hold, drawn, and where they are held; and people cut out, reduced."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import cv2
import numpy as np

Thing = tuple[np.ndarray, np.ndarray]  # colours in 0..1, shape (h, w, 3), and alpha in 0..1, shape (h, w)
Maker = Callable[[int, Random], Thing]  # of a side in pixels


def beside(alpha: np.ndarray, random: Random, nearer: float = 1.0) -> tuple[int, int, int]:
    """Row and column of a thing's middle, about a person's outline at the height of hands and laps; and its side.

    nearer: how much of the distance that it may have from the outline."""
    firm = alpha > 0.5
    rows = np.flatnonzero(firm.any(axis=1))
    top, height = int(rows[0]), int(np.ptp(rows))
    width = np.mean([np.ptp(np.flatnonzero(firm[row])) for row in range(top + height // 2, top + height, 5)])
    side = int(np.clip(random.uniform(0.35, 0.6) * width, 60, 300))
    row = int(top + height * random.uniform(0.6, 0.85))
    columns = np.flatnonzero(firm[row])
    at_left = random.random() < 0.5
    if columns[0] < side * 0.7:  # no room
        at_left = False
    elif columns[-1] > alpha.shape[1] - side * 0.7:
        at_left = True
    away = random.uniform(-0.1, 0.35) * side * nearer
    column = int(columns[0] - away) if at_left else int(columns[-1] + away)
    return row, column, side


def placed(shape: tuple[int, ...], thing: Thing, place: tuple[int, int, int]) -> Thing:
    """The thing in an empty picture of this shape."""
    colours, alpha = thing
    result, its_alpha = np.zeros((*shape, 3), np.float32), np.zeros(shape, np.float32)
    top, left = place[0] - alpha.shape[0] // 2, place[1] - alpha.shape[1] // 2
    rows = slice(max(0, top), min(shape[0], top + alpha.shape[0]))
    columns = slice(max(0, left), min(shape[1], left + alpha.shape[1]))
    part = np.s_[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    result[rows, columns], its_alpha[rows, columns] = colours[part], alpha[part]
    return result, its_alpha


def reduced(cutout: np.ndarray, longest_side: int) -> Thing:
    """A person, uint8 RGBA, straight, with a longer side of so many pixels."""
    colours, alpha = np.split(cutout.astype(np.float32) / 255, [3], axis=2)
    scale = longest_side / max(alpha.shape)
    size = round(alpha.shape[1] * scale), round(alpha.shape[0] * scale)
    premultiplied = cv2.resize(colours * alpha, size, interpolation=cv2.INTER_AREA)
    share = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    return premultiplied / np.maximum(share, 1e-3)[..., None], share


# Things: of a side in pixels


def colour(random: Random) -> np.ndarray:
    return np.array([random.random() for _ in range(3)], np.float32) * 0.8 + 0.1


def ball(side: int, random: Random) -> Thing:
    rows, columns = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    radius = np.hypot(rows, columns)
    towards = np.sqrt(np.clip(1 - radius**2, 0, 1))
    light = np.clip(-0.5 * columns - 0.6 * rows + 0.6 * towards, 0, 1)[..., None]
    stripes = (np.sin(6 * np.arctan2(rows, columns + 1e-6) + 4 * towards) > 0)[..., None]
    plain = colour(random) * (0.3 + 0.7 * light) + np.clip(light, 0.9, 1) * 2 - 1.8
    striped = np.where(stripes, plain, plain / 2 + 0.2)
    return np.clip(striped, 0, 1).astype(np.float32), np.clip((0.98 - radius) * side / 3, 0, 1).astype(np.float32)


def book(side: int, random: Random) -> Thing:
    height, width = side, int(side * 0.72)
    rows, columns = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    cover = colour(random) + 0.25 * np.sin(9 * rows + 5 * columns)[..., None] * colour(random)
    border = (np.minimum(rows, 1 - rows) < 0.06) | (columns < 0.1)
    cover[border] = 0.12
    around = int(np.hypot(height, width)) + 4
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), random.uniform(-30, 30), 1)
    turn[:, 2] = turn[:, 2] + np.array([around - width, around - height]) / 2
    alpha = cv2.warpAffine(np.ones((height, width), np.float32), turn, (around, around))
    colours = cv2.warpAffine(cover.astype(np.float32), turn, (around, around), borderMode=cv2.BORDER_REPLICATE)
    return np.clip(colours, 0, 1), alpha


def cup(side: int, random: Random) -> Thing:
    def drawn(*ellipses: tuple[float, float, float, float], body: bool = False) -> np.ndarray:
        """In parts of the side: the middle and the half axes of each ellipse."""
        scale = side * 4
        large = np.zeros((scale, scale), np.uint8)
        for ellipse in ellipses:
            x, y, across, down = (int(value * scale) for value in ellipse)
            cv2.ellipse(large, (x, y), (across, down), 0, 0, 360, 255, -1)
        if body:
            corners = (int(0.12 * scale), int(0.15 * scale)), (int(0.68 * scale), int(0.85 * scale))
            cv2.rectangle(large, *corners, 255, -1)
            handle = (int(0.7 * scale), int(0.5 * scale)), (int(0.2 * scale), int(0.22 * scale))
            cv2.ellipse(large, *handle, 0, -100, 100, 255, int(0.07 * scale))
        return cv2.resize(large, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) / 255

    alpha = drawn((0.4, 0.85, 0.28, 0.1), (0.4, 0.15, 0.28, 0.1), body=True)
    inside = drawn((0.4, 0.15, 0.25, 0.075))[..., None]
    across = np.clip((np.linspace(0, 1, side) - 0.12) / 0.56, 0, 1)
    colours = colour(random) * (0.55 + 0.6 * np.sin(across * np.pi))[None, :, None]
    colours = colours + inside * (np.array([0.2, 0.1, 0.05]) - colours)
    return np.clip(np.broadcast_to(colours, (side, side, 3)), 0, 1).astype(np.float32), alpha


def near(thing: Thing, wall: np.ndarray, random: Random) -> Thing:
    """The thing in nearly a wall's colour, float32 RGB."""
    colours, alpha = thing
    own = colours[alpha > 0.5].mean(axis=0)
    shift = random.choice((-1, 1)) * random.uniform(0.05, 0.09)
    return np.clip(wall + shift + 0.3 * (colours - own), 0, 1).astype(np.float32), alpha


def paper(side: int, random: Random) -> Thing:
    """A sheet with lines of writing, turned."""
    colours = np.full((side, side, 3), random.uniform(0.85, 0.97), np.float32)
    for row in range(int(0.3 * side), int(0.75 * side), max(4, side // 18)):
        colours[row : row + max(1, side // 60), int(0.25 * side) : int(side * random.uniform(0.5, 0.72))] = 0.25
    turn = random.uniform(-0.3, 0.3)
    return colours, _filled(side, [_turned([(0.2, 0.15), (0.8, 0.15), (0.8, 0.85), (0.2, 0.85)], turn)])


def guitar(side: int, random: Random) -> Thing:
    """A body, a hole, a neck as long again, and its head."""
    bows = [_ellipse(0.3, 0.68, 0.26, 0.24), _ellipse(0.46, 0.5, 0.18, 0.17)]
    neck = [[(0.5, 0.42), (0.9, 0.06), (0.94, 0.1), (0.56, 0.48)], [(0.88, 0.1), (0.93, 0.0), (1, 0.06), (0.93, 0.14)]]
    wood = np.array([0.6, 0.35, 0.15], np.float32) * random.uniform(0.5, 1.4)
    grain = 1 + 0.15 * np.sin(np.mgrid[0 : 40 : side * 1j, 0 : 15 : side * 1j].sum(axis=0) * 2)
    colours = np.clip(wood * grain[..., None], 0, 1).astype(np.float32)
    dark = _filled(side, [_ellipse(0.42, 0.55, 0.07, 0.07), *neck])[..., None]
    return colours + dark * (np.float32(0.12) - colours), _filled(side, [*bows, *neck])


def bottle(side: int, random: Random) -> Thing:
    outline = [
        (0.36, 0.98),
        (0.36, 0.4),
        (0.44, 0.28),
        (0.44, 0.06),
        (0.56, 0.06),
        (0.56, 0.28),
        (0.64, 0.4),
        (0.64, 0.98),
    ]
    across = np.linspace(0, 1, side)
    shine = 0.6 + 0.5 * np.exp(-(((across - 0.42) / 0.03) ** 2)) + 0.2 * np.sin(across * 9)
    colours = np.broadcast_to(colour(random) * shine[None, :, None], (side, side, 3)).copy()
    colours[int(0.5 * side) : int(0.75 * side)] = colour(random)  # its label
    return np.clip(colours, 0, 1).astype(np.float32), _filled(side, [outline])


def telephone(side: int, random: Random) -> Thing:
    case = np.full((side, side, 3), random.uniform(0.02, 0.12), np.float32)
    turn = random.uniform(-0.4, 0.4)
    screen = _filled(side, [_turned([(0.34, 0.18), (0.66, 0.18), (0.66, 0.78), (0.34, 0.78)], turn)])[..., None]
    return case + screen * (colour(random) - case), _filled(
        side, [_turned([(0.3, 0.1), (0.7, 0.1), (0.7, 0.88), (0.3, 0.88)], turn)]
    )


def toy(side: int, random: Random) -> Thing:
    """Something round with ears and a fur."""
    parts = [_ellipse(0.5, 0.66, 0.3, 0.28), _ellipse(0.5, 0.32, 0.22, 0.2), _ellipse(0.3, 0.14, 0.08, 0.1)]
    parts += [_ellipse(0.7, 0.14, 0.08, 0.1), _ellipse(0.17, 0.62, 0.12, 0.07), _ellipse(0.83, 0.62, 0.12, 0.07)]
    fur = np.random.default_rng(random.randrange(9999)).normal(0, 1, (side, side)).astype(np.float32)
    fur = cv2.GaussianBlur(fur, (0, 0), 1.5)[..., None] * 0.25
    wavy = cv2.GaussianBlur(_filled(side, parts) + 0.6 * fur[..., 0], (0, 0), 1)
    return np.clip(colour(random) * (1 + fur), 0, 1).astype(np.float32), np.clip((wavy - 0.3) / 0.4, 0, 1)


def headphones(side: int, random: Random) -> Thing:
    """To be worn: a bow and two cups around a head that is as wide as half of them."""
    bow, inner = _ellipse(0.5, 0.5, 0.36, 0.42), _ellipse(0.5, 0.52, 0.3, 0.36)
    alpha = np.clip(_filled(side, [bow]) - _filled(side, [inner]), 0, 1)
    alpha[side // 2 :] = 0
    alpha = np.maximum(alpha, _filled(side, [_ellipse(0.17, 0.55, 0.1, 0.16), _ellipse(0.83, 0.55, 0.1, 0.16)]))
    return np.full((side, side, 3), colour(random), np.float32), alpha


_Points = list[tuple[float, float]]  # x and y in parts of the side


def _filled(side: int, shapes: list[_Points]) -> np.ndarray:
    """Alpha of shapes, float32 in 0..1, shape (side, side)."""
    large = np.zeros((4 * side, 4 * side), np.uint8)
    for shape in shapes:
        cv2.fillPoly(large, [np.rint(np.array(shape) * 4 * side).astype(np.int32)], 255)
    return cv2.resize(large, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def _ellipse(x: float, y: float, across: float, down: float) -> _Points:
    angles = np.linspace(0, 2 * np.pi, 60)
    return [(x + across * np.cos(angle), y + down * np.sin(angle)) for angle in angles]


def _turned(shape: _Points, angle: float) -> _Points:
    sine, cosine = np.sin(angle), np.cos(angle)
    return [
        (0.5 + cosine * (x - 0.5) - sine * (y - 0.5), 0.5 + sine * (x - 0.5) + cosine * (y - 0.5)) for x, y in shape
    ]
