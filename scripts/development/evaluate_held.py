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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

import cv2
import numpy as np

from cvmatte_core.matting.matter import Matter
from cvmatte_core.models.catalogue import DEFAULT, pair_for_held
from cvmatte_core.settings import MatteSettings
from cvmatte_core.localization.errors import CvmatteError
from development.measuring import backgrounds, cutouts, in_bytes, matted, out_of_focus, row, table

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
    matter = Matter()
    rows: dict[str, list[list[float]]] = {_HELD: [], _BEHIND: []}
    for case in cases(chosen.dataset):
        figures = [
            value
            for settings in ways.values()
            for value in _measured(matted(matter, case.picture, settings)[0].alpha, case)
        ]
        rows[case.how].append(figures)
        if chosen.rows:
            print(f"{case.name:44}", *(f"{value:7.1f}" for value in figures), flush=True)
    columns = [f"{way}: {figure}" for way in ways for figure in ("kept", "MAD")]
    table("Things held, and things behind", "", "pictures", *columns)
    for how, its in rows.items():
        row(how, len(its), *(f"{value:.1f}" for value in np.mean(its, axis=0)))
    return 0


def _measured(alpha: np.ndarray, case: Case) -> tuple[float, float]:
    return float(alpha[case.thing].mean()) * 100, float(np.abs(alpha - case.alpha).mean()) * 1000


def cases(dataset: Path) -> Iterator[Case]:
    """Each person with each thing, before each background; what would hardly show is left out."""
    for person, pixels in cutouts(dataset):
        cutout = _reduced(pixels)
        for place, background in backgrounds(dataset):
            behind = out_of_focus(background, cutout[1].shape)
            for make in (_ball, _book, _cup):
                for how in (_HELD, _BEHIND):
                    name = f"{person} {place} {make.__name__[1:]} {how}"
                    case = _case(name, how, Random(name), cutout, behind, make)
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
    return Case(name, how, in_bytes(picture), truth, beside)


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


def _reduced(cutout: np.ndarray) -> _Thing:
    colours, alpha = np.split(cutout.astype(np.float32) / 255, [3], axis=2)
    scale = _LONGEST_SIDE / max(alpha.shape)
    size = round(alpha.shape[1] * scale), round(alpha.shape[0] * scale)
    premultiplied = cv2.resize(colours * alpha, size, interpolation=cv2.INTER_AREA)
    reduced = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    return premultiplied / np.maximum(reduced, 1e-3)[..., None], reduced


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
    colours = _colour(random) * (0.55 + 0.6 * np.sin(across * np.pi))[None, :, None]
    colours = colours + inside * (np.array([0.2, 0.1, 0.05]) - colours)
    return np.clip(np.broadcast_to(colours, (side, side, 3)), 0, 1).astype(np.float32), alpha


if __name__ == "__main__":
    sys.exit(main())
