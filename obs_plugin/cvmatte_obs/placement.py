"""Where a new portrait stands on the canvas: by the person in its layer, not by the frame of the photo."""

from __future__ import annotations

from dataclasses import dataclass

from cvmatte_core.layers.store import Frame

FIT_HEIGHT, FULL_FRAME = "fit_height", "full_frame"
PLACEMENTS = (FIT_HEIGHT, "bottom_centre", "left_third", "right_third", FULL_FRAME)
_HEADROOM = 1 / 24  # of the canvas's height that stays free above a head
_LOOKS = 1024  # rows and columns that are looked at for the person
_SOLID = bytes(int(alpha >= 64) for alpha in range(256))  # not a veil, or a hair that flies far off


@dataclass(frozen=True)
class Box:
    """left, top, width, height: in pixels of the canvas, or as shares of a layer."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class Sides:
    """Pixels at each side."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0


@dataclass(frozen=True)
class Place:
    """fills: whether the photo covers it, rather than that the person stands in it."""

    box: Box
    fills: bool = False


def places(placement: str, count: int, canvas: tuple[int, int]) -> list[Place]:
    """For so many new portraits: several stand side by side. canvas: (width, height)."""
    width, height = canvas
    left, top, right = {
        "bottom_centre": (width // 6, height // 3, width - width // 6),
        "left_third": (0, 0, width // 3),
        "right_third": (width - width // 3, 0, width),
    }.get(placement, (0, 0, width))
    across = (right - left) // count
    boxes = [Box(left + number * across, top, across, height - top) for number in range(count)]
    return [Place(box, fills=placement == FULL_FRAME and count == 1) for box in boxes]


def person_in(frame: Frame) -> Box | None:
    """Which part of a layer isn't transparent, as shares of it; None where nothing is there."""
    step = max(1, max(frame.width, frame.height) // _LOOKS)
    seen: list[tuple[int, int, int]] = []  # rows, each with where it begins and ends
    for row in range(0, frame.height, step):
        begin = frame.offset + row * frame.width * 4 + 3
        alpha = frame.pixels[begin : begin + frame.width * 4 - 3 : step * 4].translate(_SOLID)
        if 1 in alpha:
            seen.append((row, alpha.index(1) * step, (alpha.rindex(1) + 1) * step))
    if not seen:
        return None
    left, right = min(begin for _, begin, _ in seen), min(frame.width, max(end for _, _, end in seen))
    top, bottom = seen[0][0], min(frame.height, seen[-1][0] + step)
    width, height = frame.width, frame.height
    return Box(left / width, top / height, (right - left) / width, (bottom - top) / height)


def around(person: Box, layer: tuple[int, int], place: Box, canvas_height: int) -> Box:
    """Where a layer of that size stands when the person in it stands in a place, down in its middle."""
    width, height = layer
    headroom = max(0.0, canvas_height * _HEADROOM - place.top)
    scale = min(place.width / (person.width * width), (place.height - headroom) / (person.height * height))
    middle, foot = (person.left + person.width / 2) * width, (person.top + person.height) * height
    left, top = place.left + place.width / 2 - middle * scale, place.top + place.height - foot * scale
    return Box(left, top, width * scale, height * scale)


def alike(crop: Sides, source: tuple[int, int], layer: tuple[int, int], rim: int) -> tuple[Sides, float, float]:
    """How a layer that shows all of a source is to be cropped, and how much more it is to be scaled across and down, to
    take as much room as the source with its crop.

    crop: pixels of the source that are taken away. source, layer: (width, height), pixels. rim: what the layer has
    around the source's picture on each side, in pixels: nobody is to move for that.
    """
    width, height = layer
    across, down = (width - 2 * rim) / source[0], (height - 2 * rim) / source[1]
    own = Sides(
        round(crop.left * across) + rim,
        round(crop.top * down) + rim,
        round(crop.right * across) + rim,
        round(crop.bottom * down) + rim,
    )

    def left(whole: int, begin: int, end: int) -> int:
        return max(1, whole - begin - end)

    # By what is left: a crop is in whole pixels.
    more_across = left(source[0], crop.left, crop.right) / left(width, own.left, own.right)
    return own, more_across, left(source[1], crop.top, crop.bottom) / left(height, own.top, own.bottom)
