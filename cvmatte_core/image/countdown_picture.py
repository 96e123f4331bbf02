"""The numbers of a countdown, drawn into a picture so large that they can be read from a chair.

Standard library only: OBS draws them on a photo's layer, a live process on its frames. A number is some strokes with
round ends, and is drawn row by row: where a row of pixels meets a stroke is a single stretch.
"""

from __future__ import annotations

import math
from typing import Iterable, Iterator, List, Tuple

Point = Tuple[float, float]
Stroke = List[Point]  # straight lines from each point to the next
Stretch = Tuple[float, float]

_HEIGHT, _THICKNESS, _RIM = 0.6, 0.085, 0.035  # the first of the picture's height, the others of the number's
_WIDEST = 0.8  # of the picture's width
_WIDTH, _GAP = 0.6, 0.3  # of a figure, and between two, in its heights
_FILL, _EDGE = (255, 255, 255), (20, 20, 20)


def _arc(x: float, y: float, half_width: float, half_height: float, begin: int, end: int) -> Stroke:
    """A part of an ellipse, from an angle to another: 0 is to the right, 90 down."""
    angles = (math.radians(angle) for angle in (*range(begin, end, 15), end))
    return [(x + half_width * math.cos(angle), y + half_height * math.sin(angle)) for angle in angles]


_SIX: List[Stroke] = [[(0.47, 0), (0.26, 0.2), (0.1, 0.42), (0.02, 0.66)], _arc(0.3, 0.69, 0.29, 0.31, 0, 360)]
_FIGURES: dict[str, list[Stroke]] = {
    "0": [_arc(0.3, 0.5, 0.29, 0.5, 0, 360)],
    "1": [[(0.12, 0.2), (0.38, 0), (0.38, 1)]],
    "2": [[*_arc(0.3, 0.28, 0.28, 0.28, 195, 400), (0.02, 1), (0.6, 1)]],
    "3": [_arc(0.28, 0.25, 0.27, 0.25, 205, 450), _arc(0.28, 0.74, 0.31, 0.26, 270, 520)],
    "4": [[(0.45, 1), (0.45, 0), (0, 0.7), (0.6, 0.7)]],
    "5": [[(0.55, 0), (0.1, 0), (0.06, 0.45), *_arc(0.28, 0.68, 0.31, 0.32, 230, 500)]],
    "6": _SIX,
    "7": [[(0, 0), (0.6, 0), (0.22, 1)]],
    "8": [_arc(0.3, 0.24, 0.25, 0.24, 0, 360), _arc(0.3, 0.74, 0.3, 0.26, 0, 360)],
    "9": [[(0.6 - x, 1 - y) for x, y in stroke] for stroke in _SIX],
}


def draw(rows: bytearray, width: int, height: int, number: int) -> None:
    """Draw a number into the middle of RGBA rows, straight alpha."""
    figures = str(number)
    wide = _WIDTH + (_WIDTH + _GAP) * (len(figures) - 1)
    size = min(_HEIGHT * height, _WIDEST * width / wide)
    left, top = (width - wide * size) / 2, (height - size) / 2
    lines = []
    for place, figure in enumerate(figures):
        x = left + size * place * (_WIDTH + _GAP)
        for stroke in _FIGURES[figure]:
            points = [(x + size * point[0], top + size * point[1]) for point in stroke]
            lines += [(*points[at - 1], *points[at]) for at in range(1, len(points))]
    thick, rim = size * _THICKNESS, size * _RIM
    margin = math.ceil(thick + rim)
    for row in range(max(0, int(top) - margin), min(height, int(top + size) + margin + 1)):
        for radius, colour in ((thick + rim, _EDGE), (thick, _FILL)):
            for begin, end in _joined(_meets(row + 0.5, lines, radius)):
                _paint(rows, row * width, max(0.0, begin), min(float(width), end), colour)


def _meets(y: float, lines: Iterable[tuple[float, float, float, float]], radius: float) -> Iterator[Stretch]:
    """Where a row meets lines of this half thickness, with round ends."""
    for begin_x, begin_y, end_x, end_y in lines:
        if not min(begin_y, end_y) - radius < y < max(begin_y, end_y) + radius:
            continue
        found = []
        for x, distance in ((begin_x, y - begin_y), (end_x, y - end_y)):
            if abs(distance) < radius:
                half = math.sqrt(radius * radius - distance * distance)
                found += [x - half, x + half]
        length = math.hypot(end_x - begin_x, end_y - begin_y)
        if length:
            along, down, below = (end_x - begin_x) / length, (end_y - begin_y) / length, y - begin_y
            across = _between(-radius - below * along, radius - below * along, -down)
            beside = _between(-below * down, length - below * down, along)
            low, high = max(across[0], beside[0]), min(across[1], beside[1])
            if low < high:
                found += [begin_x + low, begin_x + high]
        if found:
            yield min(found), max(found)


def _between(low: float, high: float, factor: float) -> Stretch:
    """For which values their product with the factor is between these."""
    if abs(factor) < 1e-9:
        return (-math.inf, math.inf) if low <= 0 <= high else (math.inf, -math.inf)
    first, second = low / factor, high / factor
    return min(first, second), max(first, second)


def _joined(stretches: Iterable[Stretch]) -> Iterator[Stretch]:
    """Those that touch as one."""
    begin = end = -math.inf
    for low, high in sorted(stretches):
        if low > end:
            if end > begin:
                yield begin, end
            begin, end = low, high
        end = max(end, high)
    if end > begin:
        yield begin, end


def _paint(rows: bytearray, row: int, begin: float, end: float, colour: tuple[int, int, int]) -> None:
    """Colour a stretch; row: the pixels before it. A pixel that it covers in part keeps the rest of what it was."""
    first, last = math.ceil(begin), math.floor(end)
    if first < last:
        rows[(row + first) * 4 : (row + last) * 4] = bytes((*colour, 255)) * (last - first)
    for pixel, part in ((first - 1, first - begin), (last, end - last)):
        if first <= last and part > 0:
            _mix(rows, (row + pixel) * 4, colour, part)


def _mix(rows: bytearray, at: int, colour: tuple[int, int, int], part: float) -> None:
    rest = rows[at + 3] / 255 * (1 - part)
    alpha = part + rest
    for channel in range(3):
        rows[at + channel] = round((colour[channel] * part + rows[at + channel] * rest) / alpha)
    rows[at + 3] = round(255 * alpha)
