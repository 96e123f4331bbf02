"""Measure the matte on pictures whose true alpha is known.

The data set is either a folder of `cutouts` (straight RGBA) and `backgrounds`, which are put together to composites
whose alpha and colours are known exactly; or a folder of photos with their alphas: `image` (or `original`) beside
`alpha` (or `mask`, `matte`) with the same stems, as P3M-500, PPM-100 and AIM-500 have them once so named; or NAME.jpg
with NAME.alpha.png beside it.

MAD, MSE, edge-band MAD and the recomposite errors are in thousandths. SAD, gradient and connectivity errors (Rhemann
et al., CVPR 2009) are sums over the picture, in thousands. "edge" is where the true alpha is between 0.02 and 0.98,
dilated 9x9. The recomposite error is known for composites only: over green, and as the mean over five other colours.
"ghost" is the part of MAD that lies far from any true edge: patches of the old background, and holes.

--larger adds to each composite the same one mirrored, in the dark, in warm light, noisy, saved as a poor JPEG, at half
the size and cropped. --people adds a row for each cutout: to choose by all of them but one.

--strokes N mends evaluate_held.py's pictures with a brush, played by a rule that strokes.py tells, with plain paint
beside it.

--room tuned (or apart, to which nothing was tuned) compares cuts with and without a photo of the empty room, and with a
wrong one, on scenes that room_scenes.py makes; --every N takes some of them.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import environment

environment.enter()

import argparse
import dataclasses
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from cvmatte_core.commands.program import add_controls
from cvmatte_core.matting import compose
from cvmatte_core.image import encoders, file_types, images
from cvmatte_core.models.catalogue import catalogue, is_there
from cvmatte_core.localization.errors import CvmatteError, ModelError
from cvmatte_core.matting.matter import Matter
from cvmatte_core.settings import PHOTO, TOUCH_UP, MatteSettings, controls_for
from cvmatte_core.localization.texts import system_texts
from development import metrics, room_measures, room_scenes, strokes
from development.measuring import backgrounds, cutouts, in_bytes, matted, out_of_focus

_IMAGE_FOLDERS, _ALPHA_FOLDERS = ("image", "original"), ("alpha", "mask", "matte")
_THOUSANDTHS = ("mad", "mse", "mad_edge", "mse_edge", "recomposite", "recomposite_5", "ghost")
_COLUMNS = (
    *("mad", "mse", "mad_edge", "mse_edge", "recomposite", "recomposite_5", "ghost", "sad", "sad_edge"),
    *("gradient", "gradient_edge", "connectivity", "connectivity_edge", "seconds"),
)
# Alpha is compared pixel for pixel: as for touching up, nothing is cropped or mirrored; nor is a file written.
_CONTROLS = [
    one
    for one in controls_for(PHOTO, at=TOUCH_UP)
    if one.group not in ("background", "output") and one.shown_when is None
]
_WORST, _VIEW_HEIGHT = 6, 360  # of the contact sheet: rows, and pixels of each


@dataclass(frozen=True)
class Case:
    """A picture, uint8 RGB, shape (H, W, 3); its true alpha, float32 in 0..1; its true colours, in 0..1, if known."""

    name: str
    picture: np.ndarray
    alpha: np.ndarray
    colours: np.ndarray | None = None


def cases(folder: Path, larger: bool = False) -> Iterator[Case]:
    """Everything there is to measure in a data set's folder; nothing where it is none. larger: with variants."""
    if (folder / "cutouts").is_dir():
        for case in composites(folder):
            yield case
            if larger:
                yield from variants(case)
        return
    for picture, alpha in pairs(folder):
        decoded = images.decode(images.read(picture), picture.name).rgb
        truth = images.decode(images.read(alpha), alpha.name).rgb[..., 0]
        if truth.shape == decoded.shape[:2]:
            yield Case(picture.stem, decoded, truth / np.float32(255))
        else:
            print(f"{alpha.name}: not of its picture's size, left out", file=sys.stderr)


def composites(folder: Path) -> Iterator[Case]:
    """Each cutout over each background, rounded to 8 bits."""
    for person, cutout in cutouts(folder):
        rgba = cutout.astype(np.float32) / 255
        colours, alpha = rgba[..., :3], rgba[..., 3]
        for place, background in backgrounds(folder):
            mixed = alpha[..., None] * colours + (1 - alpha[..., None]) * out_of_focus(background, alpha.shape)
            yield Case(f"{person}-{place}", in_bytes(mixed), alpha, colours)


def variants(case: Case) -> Iterator[Case]:
    """The case as a person might have taken it otherwise; the same each time."""
    colours = case.colours
    assert colours is not None
    values = case.picture.astype(np.float32) / 255
    random = np.random.default_rng(zlib.crc32(case.name.encode()))
    noisy = values + random.normal(0, 0.03, values.shape).astype(np.float32)
    for name, light in (("dark", (0.3, 0.3, 0.3)), ("warm", (1, 0.86, 0.66))):  # the person's colours change with it
        factor = np.array(light, np.float32)
        yield Case(f"{case.name}-{name}", in_bytes(values * factor), case.alpha, colours * factor)
    yield Case(f"{case.name}-noise", in_bytes(noisy), case.alpha, colours)
    written = cv2.imencode(".jpg", case.picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 40])[1]
    jpeg = images.decode(written.tobytes(), "jpeg").rgb
    yield Case(f"{case.name}-jpeg", jpeg, case.alpha, colours)
    parts = (case.picture, case.alpha, colours)
    mirrored = (np.ascontiguousarray(part[:, ::-1]) for part in parts)
    yield Case(f"{case.name}-mirrored", *mirrored)
    size = case.alpha.shape[1] // 2, case.alpha.shape[0] // 2
    half = (cv2.resize(part, size, interpolation=cv2.INTER_AREA) for part in parts)
    yield Case(f"{case.name}-half", *half)
    rows, columns = np.flatnonzero((case.alpha > 0.5).any(axis=1)), np.flatnonzero((case.alpha > 0.5).any(axis=0))
    box = np.s_[rows[0] : rows[0] + len(rows) * 2 // 3, columns[0] + len(columns) // 6 : columns[-1] + 1]
    cropped = (np.ascontiguousarray(part[box]) for part in parts)
    yield Case(f"{case.name}-cropped", *cropped)


def pairs(folder: Path) -> list[tuple[Path, Path]]:
    """(picture, alpha) of every photo that has one, in the order of their names."""
    found = []
    for sub in _IMAGE_FOLDERS:
        for picture in sorted(path for path in folder.glob(f"{sub}/*") if path.suffix.lower() in file_types.PHOTOS):
            alphas = [path for name in _ALPHA_FOLDERS for path in folder.glob(f"{name}/*") if path.stem == picture.stem]
            found += [(picture, alpha) for alpha in alphas[:1]]
    for alpha in sorted(folder.glob("*.alpha.png")):
        name = alpha.name.removesuffix(".alpha.png")
        found += [(folder / (name + end), alpha) for end in file_types.PHOTOS if (folder / (name + end)).exists()][:1]
    return found


def measured(case: Case, matter: Matter, settings: MatteSettings) -> tuple[dict[str, float], np.ndarray]:
    """The case's figures, scaled as they are printed, and the layer: uint8 RGBA."""
    matte, seconds = matted(matter, case.picture, settings)
    figures = {"seconds": seconds}
    figures |= metrics.differences(matte.alpha, case.alpha)
    figures["ghost"] = metrics.ghost_error(matte.alpha, case.alpha)
    if case.colours is not None:
        colours = matte.foreground / 255
        parts = matte.alpha, colours, case.alpha, case.colours
        figures["recomposite"] = metrics.recomposite_error(*parts)
        over = [metrics.recomposite_error(*parts, background) for background in metrics.BACKGROUNDS]
        figures["recomposite_5"] = sum(over) / len(over)
    for name in figures.keys() - {"seconds"}:
        figures[name] *= 1000 if name in _THOUSANDTHS else 0.001
    return figures, matte.layer


def mean(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: sum(figures[name] for figures in rows) / len(rows) for name in rows[0]}


def of_people(rows: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """The mean of each cutout's rows."""
    people: dict[str, list[dict[str, float]]] = {}
    for name, figures in rows.items():
        people.setdefault(name.partition("-")[0], []).append(figures)
    return {f"= {name}": mean(its) for name, its in people.items()}


def of_all_models(folder: Path, settings: MatteSettings, larger: bool) -> dict[str, dict[str, float]]:
    """The mean of each model that is installed, over a data set. Raises CvmatteError."""
    result = {}
    for entry in filter(is_there, catalogue().values()):
        try:
            matter = Matter()  # whose memory goes with it
            matter.prepare(entry.name)
            with_it = dataclasses.replace(settings, model=entry.name)
            rows = [measured(case, matter, with_it)[0] for case in cases(folder, larger)]
        except ModelError as error:  # its packages are missing, or memory for it
            print(error, file=sys.stderr)
            continue
        if rows:
            result[entry.name] = mean(rows)
            print(f"{entry.name}: {len(rows)} pictures", file=sys.stderr)
    return result


def table(rows: dict[str, dict[str, float]]) -> str:
    columns = [name for name in _COLUMNS if all(name in figures for figures in rows.values())]
    width = max(map(len, rows))
    lines = [" ".join([" " * width, *(f"{name:>{max(8, len(name))}}" for name in columns)])]
    for name, figures in rows.items():
        values = (f"{figures[column]:{max(8, len(column))}.2f}" for column in columns)
        lines.append(" ".join([f"{name:{width}}", *values]))
    return "\n".join(lines)


def strip(case: Case, layer: np.ndarray) -> np.ndarray:
    """A row of the contact sheet: picture, true alpha, alpha, and the layer over black, white and magenta."""
    alpha = layer[..., 3] / np.float32(255)
    colours, size = layer[..., :3].copy(), layer.shape[1::-1]
    greys = [cv2.cvtColor(compose.alpha_bytes(values), cv2.COLOR_GRAY2RGB) for values in (case.alpha, alpha)]
    over = [compose.over(colours, alpha, compose.plain(colour, size)) for colour in ("#000000", "#ffffff", "#ff00ff")]
    scale = _VIEW_HEIGHT / size[1]
    views = [
        cv2.resize(view, (max(1, round(size[0] * scale)), _VIEW_HEIGHT), interpolation=cv2.INTER_AREA)
        for view in (case.picture, *greys, *over)
    ]
    return np.hstack(views)


def contact_sheet(strips: list[np.ndarray]) -> np.ndarray:
    width = max(row.shape[1] for row in strips)
    return np.vstack([cv2.copyMakeBorder(row, 0, 6, 0, width - row.shape[1], cv2.BORDER_CONSTANT) for row in strips])


def main(arguments: list[str] | None = None) -> int:
    texts = system_texts()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path, help="the data set's folder")
    parser.add_argument("--larger", action="store_true", help="with variants of each composite")
    parser.add_argument("--people", action="store_true", help="a row for each cutout")
    parser.add_argument("--all-models", action="store_true", help="one table of all models that are installed")
    parser.add_argument("--strokes", type=int, metavar="N", help="mend made pictures with up to N strokes")
    parser.add_argument("--stray", type=float, default=4, metavar="PX", help="how far the hand strays, of 512 pixels")
    parser.add_argument("--room", choices=(room_scenes.TUNED, room_scenes.APART), help="with an empty room's photo")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="of --room: one scene of so many")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures there too")
    parser.add_argument("--sheet", type=Path, metavar="PATH", help="write a picture of the worst cases there, a PNG")
    add_controls(parser, texts, _CONTROLS)
    chosen = parser.parse_args(arguments)
    given = {control.name: getattr(chosen, control.name) for control in _CONTROLS if hasattr(chosen, control.name)}
    rows: dict[str, dict[str, float]] = {}
    worst: list[tuple[float, str, np.ndarray]] = []
    try:
        settings = MatteSettings.from_mapping(given)
        if chosen.all_models:
            print(table(of_all_models(chosen.dataset, settings, chosen.larger)))
            return 0
        if chosen.room:
            room_measures.print_tables(chosen.dataset, chosen.room, settings, chosen.every)
            return 0
        if chosen.strokes:
            strokes.print_table(strokes.played(chosen.dataset, chosen.strokes, chosen.stray, settings))
            return 0
        matter = Matter()
        matter.prepare(settings.model)
        for case in cases(chosen.dataset, chosen.larger):
            rows[case.name], layer = measured(case, matter, settings)
            if chosen.sheet:
                worst.append((rows[case.name]["mad_edge"], case.name, strip(case, layer)))
                worst = sorted(worst, key=lambda one: -one[0])[:_WORST]
    except CvmatteError as error:
        print(error.sentence(texts), file=sys.stderr)
        return 1
    if not rows:
        parser.error(f"{chosen.dataset} holds neither cutouts and backgrounds nor pictures with alphas")
    means = mean(list(rows.values()))
    print(table({**rows, **(of_people(rows) if chosen.people else {}), "mean": means}))
    if chosen.json:
        report = {"settings": settings.as_dict(), "mean": means, "cases": rows}
        chosen.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if chosen.sheet:
        chosen.sheet.write_bytes(encoders.png(contact_sheet([row for *_, row in worst])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
