"""What benchmark.py measures of a live portrait in OBS: rate, lag, working size, memory, and OBS's own frames."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from demo import throwaway_obs
from demo.throwaway_obs import SCENE
from development import made_clips
from development.benchmark_obs import SCRIPT, frames_rendered, memory
from development.measuring import row, table
from PIL import Image

_SIZE = (640, 360)
_PART_SECONDS = 15.0


def live(folder: Path, portrait: Path, minutes: float) -> None:
    """One live portrait of a looped clip of 640 x 360, for so many minutes."""
    clip = folder / "clip.mp4"
    rgb = np.array(Image.open(portrait).convert("RGB"))
    height, width = rgb.shape[:2]
    behind = np.array(Image.fromarray(rgb[: height // 8, : width // 6]).resize((1280, 720)))
    made_clips.write(clip, made_clips.frames(made_clips.cut_by_an_ellipse(portrait), behind, _SIZE, 150))
    home = folder / "home"
    log = home / ".local" / "share" / "cvmatte" / "logs" / "worker.log"
    with throwaway_obs.running(
        home, scripts=[(SCRIPT, {})], canvas=_SIZE, environment={"CVMATTE_LIVE_LOG": "1"}
    ) as obs:
        idle = frames_rendered(obs, lambda: time.sleep(_PART_SECONDS))
        settings = {"input": "video", "video": str(clip), "rate": 30}
        obs.requests.create_input(SCENE, "Portrait", "cvmatte_portrait", settings, True)
        throwaway_obs.wait_until(obs.live_ids, 60)
        time.sleep(5)
        (process,) = obs.live_ids()
        told, sizes = len(states(log)), []
        with_live = frames_rendered(obs, lambda: time.sleep(_PART_SECONDS))
        obs.requests.start_record()
        recording = frames_rendered(obs, lambda: time.sleep(_PART_SECONDS))
        obs.requests.stop_record()
        recorded = states(log)[told:]
        told = len(states(log))
        until = time.monotonic() + 60 * minutes
        while time.monotonic() < until:
            time.sleep(min(15, 60 * minutes / 10))
            sizes.append(memory(process))
        table("A live portrait of 640 x 360 in OBS", "", "median", "least to most, by the second")
        steady = states(log)[told:]
        for name, unit in (("rate", " a second"), ("side", " px"), ("lag", " ms"), ("lag_99", " ms"), ("frame", " ms")):
            row(name, *_spread([one[name] for one in steady], unit))
        row("the network's own time", *_spread([one["network"] for one in steady], " ms"))
        row("lag / network", *_spread([one["lag"] / max(1, one["network"]) for one in steady], ""))
        row("rate while OBS records", *_spread([one["rate"] for one in recorded], " a second"))
        table("OBS's frames a second", "without", "with a live portrait", "while it records, too")
        row(f"{idle:.2f}", f"{with_live:.2f}", f"{recording:.2f}")
        table("The process's memory", "minutes", "MB, by tenths")
        tenths = [sizes[len(sizes) * tenth // 10] for tenth in range(10)] if len(sizes) >= 10 else sizes
        row(f"{minutes:g}", " ".join(f"{size:.0f}" for size in tenths))
        row("memory leaks at OBS's end", obs.quit())


def states(log: Path) -> list[dict[str, Any]]:
    """What live processes have logged of themselves."""
    found = []
    for line in log.read_text().splitlines() if log.exists() else ():
        _, separator, told = line.partition("live state ")
        if separator:
            found.append({name: float(value) for name, value in (part.split("=") for part in told.split())})
    return found


def _spread(values: list[float], unit: str) -> tuple[str, str]:
    if not values:
        return "none", ""
    digits = 0 if max(values) >= 100 else 1 if max(values) >= 10 else 2
    return (
        f"{statistics.median(values):.{digits}f}{unit}",
        f"{min(values):.{digits}f} to {max(values):.{digits}f}{unit}",
    )
