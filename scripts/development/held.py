"""Measure Keep: people and what they hold, on made pictures: things pasted before people, and behind them.

The data set is the one that evaluate.py takes: a folder of `cutouts` (straight RGBA) and `backgrounds`. Balls, books
and cups are drawn; alpha of person and thing is known. Told for what each model sees alone, and joined: how much is
kept of the things' part that isn't over a person, in hundredths, and MAD of alpha, in thousandths.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import environment

environment.enter()

import argparse
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

import cv2
import numpy as np

from cvmatte_core.matting.matter import Matter
from cvmatte_core.models.catalogue import DEFAULT, pair_for_held
from cvmatte_core.pictures import images
from cvmatte_core.settings import MatteSettings
from cvmatte_core.words.errors import CvmatteError

_LONGEST_SIDE = 800  # pixels of the pictures
_HELD, _BEHIND = "held", "behind"
_Thing = tuple[np.ndarray, np.ndarray]  # colours in 0..1, shape (h, w, 3), and alpha in 0..1, shape (h, w)


@dataclass(frozen=True)
class Case:
    """picture: uint8 RGB, shape (H, W, 3). alpha: the true one, of the people and of what they hold. thing: bool, where
    the thing is to be seen beside the people."""

    name: str
    how: str
    picture: np.ndarray
    alpha: np.ndarray
    thing: np.ndarray


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path, help="a folder with cutouts and backgrounds")
    parser.add_argument("--model", default=DEFAULT, help="the network for people, or one for things [%(default)s]")
    parser.add_argument("--rows", action="store_true", help="each picture too")
    chosen = parser.parse_args()
    try:
        people, things = (entry.name for entry in pair_for_held(chosen.model))
    except CvmatteError as error:
        print(error, file=sys.stderr)
        return 1
    ways = {
        people: MatteSettings(model=people),
        things: MatteSettings(model=things),
        "joined": MatteSettings(model=things, subject="held"),
    }
    matter, rows = Matter(), []
    with tempfile.TemporaryDirectory(prefix="cvmatte-held-") as folder:
        photo = Path(folder) / "photo.png"
        for case in cases(chosen.dataset):
            with photo.open("wb") as file:
                images.write_png(file, case.picture)
            row = [
                value
                for settings in ways.values()
                for value in _measured(matter(photo, settings, may_be_empty=True).alpha, case)
            ]
            rows.append((case.how, row))
            if chosen.rows:
                print(f"{case.name:44}", *(f"{value:7.1f}" for value in row), flush=True)
    print(f"{'':12}{'pictures':>9}", *(f"{way:>24}" for way in ways))
    for how in (_HELD, _BEHIND):
        chosen_rows = [row for its, row in rows if its == how]
        means = np.mean(chosen_rows, axis=0)
        told = (f"kept {means[at]:5.1f}  MAD {means[at + 1]:6.2f}" for at in range(0, len(means), 2))
        print(f"{how:12}{len(chosen_rows):9}", *(f"{words:>24}" for words in told))
    return 0


def _measured(alpha: np.ndarray, case: Case) -> tuple[float, float]:
    return float(alpha[case.thing].mean()) * 100, float(np.abs(alpha - case.alpha).mean()) * 1000


def cases(dataset: Path) -> Iterator[Case]:
    """Each person with each thing, before each background; what would hardly show is left out."""
    backgrounds = sorted((dataset / "backgrounds").iterdir())
    for path in sorted((dataset / "cutouts").iterdir()):
        colours, alpha = _cutout(path)
        for background in backgrounds:
            behind = _background(background, alpha.shape)
            for make in (_ball, _book, _cup):
                for how in (_HELD, _BEHIND):
                    name = f"{path.stem} {background.stem} {make.__name__[1:]} {how}"
                    random = Random(name)
                    case = _case(name, how, random, (colours, alpha), behind, make)
                    if case is not None:
                        yield case


def _case(
    name: str, how: str, random: Random, person: _Thing, behind: np.ndarray, make: Callable[..., _Thing]
) -> Case | None:
    alpha = person[1]
    place = _beside(alpha, how, random)
    thing = make(place[2], random)
    pasted, of_thing = _placed(alpha.shape, thing, place)
    layers = [(pasted, of_thing), person] if how == _BEHIND else [person, (pasted, of_thing)]
    picture = behind
    for layer, its_alpha in layers:
        picture = picture + its_alpha[..., None] * (layer - picture)
    beside = of_thing * (1 - alpha) > 0.5
    if beside.sum() < 0.15 * (thing[1] > 0.5).sum():
        return None
    truth = 1 - (1 - alpha) * (1 - of_thing) if how == _HELD else alpha
    return Case(name, how, np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8), truth, beside)


def _beside(alpha: np.ndarray, how: str, random: Random) -> tuple[int, int, int]:
    """Row and column of a thing's middle, about a person's outline at the height of hands and laps; and its side."""
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
    away = random.uniform(-0.1, 0.35) * side * (1.0 if how == _HELD else 0.6)
    column = int(columns[0] - away) if at_left else int(columns[-1] + away)
    return row, column, side


def _placed(shape: tuple[int, ...], thing: _Thing, place: tuple[int, int, int]) -> _Thing:
    """The thing in an empty picture of this shape."""
    colours, alpha = thing
    result, its_alpha = np.zeros((*shape, 3), np.float32), np.zeros(shape, np.float32)
    top, left = place[0] - alpha.shape[0] // 2, place[1] - alpha.shape[1] // 2
    rows = slice(max(0, top), min(shape[0], top + alpha.shape[0]))
    columns = slice(max(0, left), min(shape[1], left + alpha.shape[1]))
    part = np.s_[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    result[rows, columns], its_alpha[rows, columns] = colours[part], alpha[part]
    return result, its_alpha


def _cutout(path: Path) -> _Thing:
    pixels = images.read_layer(path).astype(np.float32) / 255
    colours, alpha = pixels[..., :3], pixels[..., 3]
    scale = _LONGEST_SIDE / max(alpha.shape)
    size = round(alpha.shape[1] * scale), round(alpha.shape[0] * scale)
    premultiplied = cv2.resize(colours * alpha[..., None], size, interpolation=cv2.INTER_AREA)
    reduced = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    return premultiplied / np.maximum(reduced, 1e-3)[..., None], reduced


def _background(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    rgb = images.decode(images.read(path), path.name).rgb
    resized = cv2.resize(rgb, shape[::-1], interpolation=cv2.INTER_CUBIC)
    return cv2.GaussianBlur(resized, (0, 0), 2).astype(np.float32) / 255


# Things: of a side in pixels


def _colour(random: Random) -> np.ndarray:
    return np.array([random.random() for _ in range(3)], np.float32) * 0.8 + 0.1


def _ball(side: int, random: Random) -> _Thing:
    rows, columns = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    radius = np.hypot(rows, columns)
    towards = np.sqrt(np.clip(1 - radius**2, 0, 1))
    light = np.clip(-0.5 * columns - 0.6 * rows + 0.6 * towards, 0, 1)[..., None]
    stripes = (np.sin(6 * np.arctan2(rows, columns + 1e-6) + 4 * towards) > 0)[..., None]
    plain = _colour(random) * (0.3 + 0.7 * light) + np.clip(light, 0.9, 1) * 2 - 1.8
    striped = np.where(stripes, plain, plain / 2 + 0.2)
    return np.clip(striped, 0, 1).astype(np.float32), np.clip((0.98 - radius) * side / 3, 0, 1).astype(np.float32)


def _book(side: int, random: Random) -> _Thing:
    height, width = side, int(side * 0.72)
    rows, columns = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    cover = _colour(random) + 0.25 * np.sin(9 * rows + 5 * columns)[..., None] * _colour(random)
    border = (np.minimum(rows, 1 - rows) < 0.06) | (columns < 0.1)
    cover[border] = 0.12
    around = int(np.hypot(height, width)) + 4
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), random.uniform(-30, 30), 1)
    turn[:, 2] = turn[:, 2] + np.array([around - width, around - height]) / 2
    alpha = cv2.warpAffine(np.ones((height, width), np.float32), turn, (around, around))
    colours = cv2.warpAffine(cover.astype(np.float32), turn, (around, around), borderMode=cv2.BORDER_REPLICATE)
    return np.clip(colours, 0, 1), alpha


def _cup(side: int, random: Random) -> _Thing:
    def drawn(*shapes: Callable[[np.ndarray, float], object]) -> np.ndarray:
        large = np.zeros((side * 4, side * 4), np.uint8)
        for shape in shapes:
            shape(large, side * 4)
        return cv2.resize(large, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) / 255

    def ellipse(x: float, y: float, across: float, down: float) -> Callable[[np.ndarray, float], object]:
        return lambda picture, scale: cv2.ellipse(
            picture, (int(x * scale), int(y * scale)), (int(across * scale), int(down * scale)), 0, 0, 360, 255, -1
        )

    def wall(picture: np.ndarray, scale: float) -> object:
        corners = (int(0.12 * scale), int(0.15 * scale)), (int(0.68 * scale), int(0.85 * scale))
        return cv2.rectangle(picture, *corners, 255, -1)

    def handle(picture: np.ndarray, scale: float) -> object:
        middle, axes = (int(0.7 * scale), int(0.5 * scale)), (int(0.2 * scale), int(0.22 * scale))
        return cv2.ellipse(picture, middle, axes, 0, -100, 100, 255, int(0.07 * scale))

    alpha = drawn(wall, ellipse(0.4, 0.85, 0.28, 0.1), ellipse(0.4, 0.15, 0.28, 0.1), handle)
    inside = drawn(ellipse(0.4, 0.15, 0.25, 0.075))[..., None]
    across = np.clip((np.linspace(0, 1, side) - 0.12) / 0.56, 0, 1)
    colours = _colour(random) * (0.55 + 0.6 * np.sin(across * np.pi))[None, :, None]
    colours = colours + inside * (np.array([0.2, 0.1, 0.05]) - colours)
    return np.clip(np.broadcast_to(colours, (side, side, 3)), 0, 1).astype(np.float32), alpha


if __name__ == "__main__":
    sys.exit(main())
