"""Measure moving pictures: error and flicker on made clips whose alpha is known (see made_clips.py).

The data set is the one that evaluate.py takes: a folder of `cutouts` and `backgrounds`. Told in thousandths: the mean
absolute error of alpha, a frame; its flicker, which is how much the error changes from one frame to the next; and the
flicker where nobody moves, in noise alone. Beside it the network run frame by frame, with nothing remembered; and, with
--model NAME, a network that looks at each frame alone.

--room tuned (or apart, to which nothing was tuned) compares clips with and without a photo of the empty room, and with
a wrong one, that room_clips.py makes; --every N and --only CONDITION take some of them. With --evening, instead, one
clip of an evening, in which light, exposure and camera change, by minute (see room_evening.py): with fewer frames a
second they change more from one to the next, and the room, which is looked for every so many frames, is later found.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import environment

environment.enter()

import argparse
import itertools
from collections.abc import Callable

import numpy as np

from cvmatte_core.matting import refine
from cvmatte_core.matting.video_matter import VideoMatter
from cvmatte_core.models.catalogue import entry_of
from cvmatte_core.models.network import load
from cvmatte_core.settings import MatteSettings
from development import made_clips, room_clip_measures, room_clips, room_scenes
from development.measuring import backgrounds, cutouts, row, table

_SIZE, _FRAMES, _SETTLING = (640, 360), 40, 4
Way = Callable[[np.ndarray], np.ndarray]  # a frame → its alpha


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path, help="a folder with cutouts and backgrounds")
    parser.add_argument("--quality", default="balanced", help="[%(default)s]")
    parser.add_argument("--clips", type=int, help="only so many of them: a person before a background each")
    parser.add_argument("--model", help="a network that looks at each frame alone, to be compared")
    parser.add_argument("--side", type=int, help="the working size, as live portraits choose it; the quality's without")
    parser.add_argument("--room", choices=room_scenes.HALVES, help="with an empty room's photo")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="of --room: one clip of so many")
    parser.add_argument("--only", nargs="+", choices=room_clips.CONDITIONS, help="of --room: these conditions")
    parser.add_argument("--evening", action="store_true", help="an evening before an empty room, by minute")
    parser.add_argument("--minutes", type=float, default=10, help="of --evening [%(default)s]")
    parser.add_argument("--rate", type=float, default=5, help="of --evening: frames a second [%(default)s]")
    chosen = parser.parse_args(arguments)
    settings = MatteSettings(quality=chosen.quality)
    if chosen.evening:
        split = chosen.room or room_scenes.TUNED
        room_clip_measures.print_evening(chosen.dataset, split, settings, chosen.minutes, chosen.rate, chosen.side)
        return 0
    if chosen.room:
        conditions = chosen.only or room_clips.CONDITIONS
        room_clip_measures.print_table(chosen.dataset, chosen.room, settings, conditions, chosen.every, chosen.side)
        return 0
    rows: dict[str, list[list[float]]] = {}
    clips = itertools.product(cutouts(chosen.dataset), backgrounds(chosen.dataset))
    for (_, cutout), (_, background) in itertools.islice(clips, chosen.clips):
        moving, still = (
            list(made_clips.frames(cutout, background, _SIZE, _FRAMES, still=still)) for still in (False, True)
        )
        for name, make in ways(settings, chosen.model, chosen.side).items():
            rows.setdefault(name, []).append([*measured(make(), moving), measured(make(), still)[1]])
    table("Moving pictures, in thousandths", "", "error", "flicker", "at rest")
    for name, figures in rows.items():
        row(name, *(f"{1000 * value:.2f}" for value in np.mean(figures, axis=0)))
    return 0


def ways(settings: MatteSettings, model: str | None, side: int | None) -> dict[str, Callable[[], Way]]:
    def remembering() -> VideoMatter:
        moving = VideoMatter(settings, 2)
        moving.side = side or moving.side
        return moving

    def forgetful() -> Way:
        moving = remembering()

        def alpha(frame: np.ndarray) -> np.ndarray:
            moving.forget()
            return moving.alpha(frame)

        return alpha

    def alone() -> Way:
        network = load(entry_of(model or "").name, 2)
        return lambda frame: refine.clean_alpha(network(frame, "fast", lambda done, total: None))

    result: dict[str, Callable[[], Way]] = {
        "CVMatte": lambda: remembering().alpha,
        "the same network, frame by frame": forgetful,
    }
    return {**result, f"{model}, frame by frame": alone} if model else result


def measured(way: Way, clip: list[made_clips.MadeFrame]) -> tuple[float, float]:
    """The error of a frame, and how much that changes to the next."""
    errors = [way(frame.picture) - frame.alpha for frame in clip][_SETTLING:]
    changes = [np.abs(now - before).mean() for before, now in itertools.pairwise(errors)]
    return float(np.mean([np.abs(error).mean() for error in errors])), float(np.mean(changes))


if __name__ == "__main__":
    sys.exit(main())
