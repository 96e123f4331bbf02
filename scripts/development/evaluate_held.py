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
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import numpy as np

from cvmatte_core.matting.matter import Matter
from cvmatte_core.models.catalogue import DEFAULT, pair_for_held
from cvmatte_core.settings import MatteSettings
from cvmatte_core.localization.errors import CvmatteError
from development import made_things
from development.made_things import Maker, Thing
from development.measuring import backgrounds, cutouts, in_bytes, matted, out_of_focus, row, table

_LONGEST_SIDE = 800  # pixels of the pictures
_HELD, _BEHIND = "held", "behind"


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
        cutout = made_things.reduced(pixels, _LONGEST_SIDE)
        for place, background in backgrounds(dataset):
            behind = out_of_focus(background, cutout[1].shape)
            for make in (made_things.ball, made_things.book, made_things.cup):
                for how in (_HELD, _BEHIND):
                    name = f"{person} {place} {make.__name__} {how}"
                    case = _case(name, how, Random(name), cutout, behind, make)
                    if case is not None:
                        yield case


def _case(name: str, how: str, random: Random, person: Thing, behind: np.ndarray, make: Maker) -> Case | None:
    alpha = person[1]
    place = made_things.beside(alpha, random, nearer=1.0 if how == _HELD else 0.6)
    thing = make(place[2], random)
    pasted, of_thing = made_things.placed(alpha.shape, thing, place)
    layers = [(pasted, of_thing), person] if how == _BEHIND else [person, (pasted, of_thing)]
    picture = behind
    for layer, its_alpha in layers:
        picture = picture + its_alpha[..., None] * (layer - picture)
    beside = of_thing * (1 - alpha) > 0.5
    if beside.sum() < 0.15 * (thing[1] > 0.5).sum():
        return None
    truth = 1 - (1 - alpha) * (1 - of_thing) if how == _HELD else alpha
    return Case(name, how, in_bytes(picture), truth, beside)


if __name__ == "__main__":
    sys.exit(main())
