"""What benchmark.py measures of touching up: a stroke's way to the page and to OBS's screen, and OBS's frames."""

from __future__ import annotations

import random
import threading
import time
from functools import partial
from pathlib import Path

from demo import throwaway_obs
from demo.throwaway_obs import SCENE, ThrowawayObs
from development.benchmark_obs import SCRIPT, differs, drawn, frames_rendered, network_times
from development.measuring import milliseconds, ratio, row, table
from development.brush import Brush, browser

_STROKES = 12
_PAINTING_SECONDS = 10.0
# Between two looks at what OBS draws: without a pause they would take a core from what is measured.
_LOOK_SECONDS = 1 / 60


def touching_up(folder: Path, photos: dict[str, tuple[Path, tuple[int, int], int]]) -> None:
    """photos: by what they are called, each with its size (width, height) and the longest side of its layer."""
    opened = folder / "opened"
    fake_browser = folder / "browser"
    fake_browser.write_text(f'#!/bin/sh\necho "$1" >> {opened}\n')
    fake_browser.chmod(0o755)
    log = folder / "home" / ".local" / "share" / "cvmatte" / "logs" / "worker.log"
    columns = ("a stroke until its cut is on the page", "until it is on OBS's screen", "times the network's own time")
    table("Touching up in OBS", "photo", *columns)
    environment = {"BROWSER": f"{fake_browser} %s"}
    with throwaway_obs.running(
        folder / "home", scripts=[(SCRIPT, {})], canvas=(320, 180), environment=environment
    ) as obs:
        frames = ""
        for name, (photo, size, longest_side) in photos.items():
            settings = {"image": str(photo), "longest_side": longest_side}
            obs.requests.create_input(SCENE, "Portrait", "cvmatte_portrait", settings, True)
            throwaway_obs.wait_until(lambda: drawn(obs) is not None, 120)
            known = len(opened.read_text().split()) if opened.exists() else 0
            obs.requests.press_input_properties_button("Portrait", "touch_up")
            throwaway_obs.wait_until(lambda known=known: opened.exists() and len(opened.read_text().split()) > known)  # type: ignore[misc]
            with browser() as page:
                page.goto(opened.read_text().split()[-1])
                brush = Brush(page, "#touch-up")
                brush.set_size(size[0] * 0.045)
                strokes = [_stroke(brush, obs, size, number) for number in range(_STROKES + 1)][1:]  # one warms up
                seen, shown = map(list, zip(*strokes, strict=True))
                network = network_times(log)[-1]
                ratios = (ratio([one / network for one in each]) for each in (seen, shown))
                row(name, milliseconds(seen), milliseconds(shown), f"{', '.join(ratios)} (of {network * 1000:.0f} ms)")
                frames = frames or f"{frames_rendered(obs, partial(_paint, brush, size)):.2f}"
            obs.requests.remove_input("Portrait")
            time.sleep(1)
        idle = frames_rendered(obs, lambda: time.sleep(_PAINTING_SECONDS))
        table("OBS's frames a second", "at rest", "while somebody paints")
        row(f"{idle:.2f}", frames)
        row("memory leaks at OBS's end", obs.quit())


def _points(size: tuple[int, int], number: int) -> list[tuple[float, float]]:
    """A stroke of a tenth of the picture's height over the person, who stands in the middle: no two alike."""
    place = random.Random(number)
    x, y = (0.4 + 0.04 * (number % 4)) * size[0], (0.45 + 0.12 * (number // 4 % 4)) * size[1]
    x, y = x + place.uniform(0, 0.01) * size[0], y + place.uniform(0, 0.01) * size[1]
    return [(x, y), (x + size[1] * 0.05, y + size[1] * 0.03), (x + size[1] * 0.1, y)]


def _stroke(brush: Brush, obs: ThrowawayObs, size: tuple[int, int], number: int) -> tuple[float, float]:
    """The seconds from the brush's end to the page, and to OBS's screen."""
    brush.take("Remove" if number < 16 else "Keep")
    points = _points(size, number)
    shown: list[float] = []
    before = drawn(obs)
    ready, lifted = threading.Event(), threading.Event()
    begun = 0.0

    def watch() -> None:
        requests = obs.connect()
        ready.set()
        lifted.wait()
        while time.perf_counter() < begun + 10:
            if differs(throwaway_obs.screenshot(requests, "Portrait", 96, 54), before):
                shown.append(time.perf_counter() - begun)
                return
            time.sleep(_LOOK_SECONDS)

    watching = threading.Thread(target=watch)
    watching.start()
    ready.wait()

    def lift() -> None:
        nonlocal begun
        begun = time.perf_counter()
        lifted.set()

    seen = brush.stroke(points, size, before_release=lift) / 1000
    watching.join()
    time.sleep(0.3)
    if not shown:
        raise TimeoutError(f"stroke {number} changes nothing in OBS")
    return seen, shown[0]


def _paint(brush: Brush, size: tuple[int, int]) -> None:
    until, number = time.monotonic() + _PAINTING_SECONDS, 1000
    while time.monotonic() < until:
        number += 1
        brush.stroke(_points(size, number), size)
