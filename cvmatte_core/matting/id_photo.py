"""ID photos: a format's size in print, the head as high and where the format wants it, and sheets of them.

Where the face is, OpenCV's cascades say; where the head ends above, the matte: so hair counts, as it does in the rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

import cv2
import numpy as np

OFF = "off"
DPI = 300
_MM = DPI / 25.4  # pixels
_FACE_SIDE = 640  # pixels of the longer side that a face is looked for in
_SMALLEST_FACE = 1 / 12  # of the shorter side
# By most people's measures: where the eyes and the chin are in a face's box, and how far the chin is below the eyes, of
# their distance from each other.
_EYES_AT, _CHIN_AT, _EYES_TO_CHIN = 0.38, 1.2, 1.85
_LEVEL = 0.25  # of their distance: how much higher one eye may be than the other
_GAP, _RIM, _MARK = 1.0, 2.0, 2.0  # of a sheet, mm: between photos, around them, and the length of a cutting mark
_STRAIGHT = 1.0  # mm that an edge of the photo may cut off
_MARK_GREY, _WHITE = 150, 255


@dataclass(frozen=True)
class Format:
    """Lengths in mm. head: from the chin to the top of the hair, as it should be, and at most. top: above the head;
    eyes: from the lower edge to the eyes, which goes before that."""

    width: float
    height: float
    head: float
    most: float
    top: float = 4.0
    eyes: float = 0.0


# Of the authorities that issue the documents: ICAO's as nearly everywhere, the USA, Canada, China's passport, and
# China's one and two inches, whose heads have no rule.
FORMATS = {
    "35x45": Format(35, 45, 34, 36),
    "us": Format(50.8, 50.8, 31, 35, eyes=31.5),
    "ca": Format(50, 70, 33.5, 36, top=10),
    "cn": Format(33, 48, 30.5, 33),
    "25x35": Format(25, 35, 22, 25, top=3),
    "35x49": Format(35, 49, 31, 35),
}
SHEETS = {"10x15": (102.0, 152.0), "13x18": (127.0, 178.0), "a4": (210.0, 297.0)}


@dataclass(frozen=True)
class Head:
    """In pixels of a photo: the head's middle across, its top, the eyes, and the chin."""

    middle: float
    top: float
    eyes: float
    chin: float


@dataclass(frozen=True)
class Place:
    """The left and top of an ID photo in pixels of the photo, and how many of those one of its own is."""

    left: float
    top: float
    scale: float


def find_head(rgb: np.ndarray, alpha: np.ndarray) -> Head | None:
    """The head of whoever has the largest face, if any. rgb: uint8, (H, W, 3); alpha: float32 in 0..1, (H, W)."""
    scale = min(1.0, _FACE_SIDE / max(alpha.shape))
    grey = cv2.resize(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    grey = cv2.equalizeHist(grey)
    least = (max(24, int(min(grey.shape) * _SMALLEST_FACE)),) * 2
    faces = _cascade("frontalface_alt2").detectMultiScale(grey, 1.05, 4, minSize=least)
    inside = [face for face in faces if _is_a_person_s(face, alpha, scale)]
    if not inside:
        return None
    left, top, width, height = max(inside, key=lambda face: int(face[2]) * int(face[3]))
    upper = grey[top : top + height * 6 // 10, left : left + width]
    eyes = _cascade("eye").detectMultiScale(upper, 1.05, 6, minSize=(max(8, width // 8),) * 2)
    eyes_at, chin_at = _EYES_AT * height, _CHIN_AT * height
    if len(eyes) == 2:
        (x, y), (other_x, other_y) = ((one[0] + one[2] / 2, one[1] + one[3] / 2) for one in eyes)
        apart = abs(other_x - x)
        if abs(other_y - y) < _LEVEL * apart:
            eyes_at = (y + other_y) / 2
            chin_at = eyes_at + _EYES_TO_CHIN * apart
    columns = slice(int(left / scale), max(int(left / scale) + 1, int((left + width) / scale)))
    firm = np.flatnonzero((alpha[:, columns] > 0.5).mean(axis=1) > 0.1)
    crown = float(firm[0]) if firm.size else top / scale
    return Head((left + width / 2) / scale, crown, (top + eyes_at) / scale, (top + chin_at) / scale)


def place(alpha: np.ndarray, head: Head, format: Format) -> Place | str:
    """Where in a photo a format's picture is, the head as large as that wants it, else larger; or an error's key.

    alpha: float32 in 0..1, shape (H, W). There is none where the photo ends too soon below the face, or where its edge
    cuts hair or shoulders within the picture: they would end in a straight line.
    """
    width, height = size_of(format)
    fault = ""
    for wanted in np.linspace(format.head, format.most, 5):
        scale = (head.chin - head.top) / (wanted * _MM)  # pixels of the photo in one of the result
        top = head.top - format.top * _MM * scale
        if format.eyes:
            top = head.eyes - (format.height - format.eyes) * _MM * scale
        here = Place(head.middle - width / 2 * scale, top, scale)
        fault = _fault(alpha, here, (width, height))
        if not fault:
            return here
    return fault


def _fault(alpha: np.ndarray, place: Place, size: tuple[int, int]) -> str:
    rows, columns = alpha.shape
    right, bottom = place.left + size[0] * place.scale, place.top + size[1] * place.scale
    if bottom > rows + place.scale:
        return "id_photo_cut"
    across = slice(max(0, round(place.left)), max(1, round(right)))
    down = slice(max(0, round(place.top)), max(1, round(bottom)))
    least = _STRAIGHT * _MM * place.scale

    def is_cut(edge: np.ndarray, beyond: float) -> bool:
        return beyond > place.scale and bool(np.count_nonzero(edge > 0.5) > least)

    if is_cut(alpha[0, across], -place.top):
        return "id_photo_cut_top"
    if is_cut(alpha[down, 0], -place.left) or is_cut(alpha[down, -1], right - columns):
        return "id_photo_cut_side"
    return ""


def cut(picture: np.ndarray, place: Place, format: Format) -> np.ndarray:
    """A format's picture out of a photo, shape (H, W) or (H, W, C). Beyond it alpha is 0, colours are its rim's."""
    scale = place.scale
    reduction = max(1.0, scale)
    height, width = picture.shape[:2]
    if reduction > 1:  # by areas first: warping alone would alias
        small = max(1, round(width / reduction)), max(1, round(height / reduction))
        picture = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
    shrunk_x, shrunk_y = width / picture.shape[1], height / picture.shape[0]
    step_x, step_y = scale / shrunk_x, scale / shrunk_y
    left, top = place.left / shrunk_x + 0.5 * step_x - 0.5, place.top / shrunk_y + 0.5 * step_y - 0.5
    flags = (cv2.INTER_CUBIC if scale < 1 else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP
    beyond = cv2.BORDER_CONSTANT if picture.ndim == 2 else cv2.BORDER_REPLICATE
    move = np.array([[step_x, 0, left], [0, step_y, top]])
    result = cv2.warpAffine(picture, move, size_of(format), flags=flags, borderMode=beyond, borderValue=0)
    return np.clip(result, 0, 1) if picture.dtype == np.float32 else result


def size_of(format: Format) -> tuple[int, int]:
    """(width, height) in pixels."""
    return round(format.width * _MM), round(format.height * _MM)


def sheet_of(photo: np.ndarray, sheet: str) -> np.ndarray:
    """As many copies as fit on a sheet of SHEETS, with marks to cut at: uint8 RGB, as the photo, shape (H, W, 3)."""
    ways = [tuple(round(side * _MM) for side in sides) for sides in (SHEETS[sheet], SHEETS[sheet][::-1])]
    gap, rim = round(_GAP * _MM), round(_RIM * _MM)
    tall, wide = photo.shape[:2]

    def fit(way: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(max(1, (side - 2 * rim + gap) // (length + gap)) for side, length in zip(way, (wide, tall)))

    way = max(ways, key=lambda one: fit(one)[0] * fit(one)[1])
    across, down = fit(way)
    paper = np.full((max(way[1], tall), max(way[0], wide), 3), _WHITE, np.uint8)
    left = (paper.shape[1] - across * wide - (across - 1) * gap) // 2
    top = (paper.shape[0] - down * tall - (down - 1) * gap) // 2
    mark = round(_MARK * _MM)
    places = [(left + x * (wide + gap), top + y * (tall + gap)) for y in range(down) for x in range(across)]
    for x, y in places:
        for edge in (x - 1, x + wide):
            paper[max(0, y - mark) : y + tall + mark, max(0, edge)] = _MARK_GREY
        for edge in (y - 1, y + tall):
            paper[max(0, edge), max(0, x - mark) : x + wide + mark] = _MARK_GREY
    for x, y in places:
        paper[y : y + tall, x : x + wide] = photo
    return paper


def _is_a_person_s(face: Sequence[int], alpha: np.ndarray, scale: float) -> bool:
    left, top, width, height = (int(value / scale) for value in face)
    inner = alpha[top + height // 4 : top + 3 * height // 4, left + width // 4 : left + 3 * width // 4]
    return bool(inner.size and inner.mean() > 0.8)


def _cascade(name: str) -> cv2.CascadeClassifier:
    # OpenCV comes with them, but finds none on Windows in a folder whose name has letters that aren't English.
    text = (Path(cv2.__file__).with_name("data") / f"haarcascade_{name}.xml").read_text(encoding="utf-8")
    storage = cv2.FileStorage(text, cv2.FileStorage_READ | cv2.FileStorage_MEMORY)
    found = cv2.CascadeClassifier()
    found.read(storage.getFirstTopLevelNode())
    return found
