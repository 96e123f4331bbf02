"""Measures everything that a person waits for, beside the network's own time in the same run. Prints tables.

Absolute times are this computer's; ratios carry over to others.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import environment

environment.enter()

import argparse
import contextlib
import math
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable

import numpy as np
from development import benchmark_live, benchmark_source, benchmark_touch_up
from development import benchmark_obs as obs
from development.benchmark_obs import memory
from development.measuring import SAMPLE, make_photos, milliseconds, ratio, row, table
from cvmatte_core.filesystem import paths
from cvmatte_core.layers.store import LayerStore
from cvmatte_core.matting.matter import Matter, decode
from cvmatte_core.settings import MatteSettings

HD, LARGE = (1920, 1080), (4240, 2832)
SIZES = ((960, 540), HD, LARGE, (8000, 6000))


def main() -> int:
    parts: dict[str, Callable[[argparse.Namespace, Path], None]] = {
        "stages": stages,
        "worker": lambda chosen, folder: obs.cold_start(folder / "data", make_photos(folder, [HD], chosen.photo)[0]),
        "obs": in_obs,
        "touch-up": touching_up,
        "live": lambda chosen, folder: benchmark_live.live(folder, chosen.photo, chosen.minutes),
        "source": lambda chosen, folder: benchmark_source.source(folder, chosen.photo, chosen.minutes),
        "folder": folder_of_photos,
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*parts, []], help=f"{', '.join(parts)} [all]", metavar="PART")
    parser.add_argument("--photo", type=Path, default=SAMPLE, help="a portrait [the sample]")
    parser.add_argument("--rounds", type=int, default=10, help="how often each is measured in OBS [%(default)s]")
    parser.add_argument("--minutes", type=float, default=1, help="of the live portrait [%(default)s]")
    parser.add_argument("--photos", type=int, default=40, help="photos of the folder [%(default)s]")
    parser.add_argument("--quality", default=MatteSettings().quality, help="of the folder's [%(default)s]")
    chosen = parser.parse_args()
    for name, part in parts.items():
        if not chosen.parts or name in chosen.parts:
            with tempfile.TemporaryDirectory(prefix="cvmatte-benchmark-") as folder:
                part(chosen, Path(folder))
    return 0


def touching_up(chosen: argparse.Namespace, folder: Path) -> None:
    hd, large, larger = make_photos(folder, (HD, LARGE, LARGE), chosen.photo)
    photos = {
        "1920 x 1080": (hd, HD, 0),
        "12 megapixels, a layer of 2160 pixels": (large, (2160, 1443), 2160),
        "12 megapixels, a layer as large": (larger, LARGE, 0),
    }
    benchmark_touch_up.touching_up(folder, photos)


def stages(chosen: argparse.Namespace, folder: Path) -> None:
    """What each stage of a matte takes, in this process, with the network loaded."""
    names = ("decode", "network", "colours", "refine")
    settings, matter, store = MatteSettings(), Matter(), LayerStore(folder)
    columns = (*names, "frame for OBS", "photo to frame", "times the network", "PNG", "peak memory")
    table("A photo through each stage", "megapixels", *columns)
    for size in SIZES:
        taken: list[list[float]] = []
        first, *photos = make_photos(folder / str(size), [size] * 4, chosen.photo)
        matter(first, settings)
        for photo in photos:
            begun = time.perf_counter()
            matte = matter(photo, settings)
            matted = time.perf_counter()
            height, width = matte.alpha.shape
            store.write_frame("frame", width, height, np.ascontiguousarray(matte.layer).data, (0, 0))
            framed = time.perf_counter()
            matte.layer_file(settings.format)
            saved = time.perf_counter()
            whole = framed - begun
            network = matte.seconds["network"]
            taken.append(
                [*(matte.seconds[name] for name in names), framed - matted, whole, whole / network, saved - framed]
            )
        *seconds, ratios, png = map(list, zip(*taken, strict=True))
        peak = f"{memory('self', 'VmHWM'):.0f} MB"
        cells = [milliseconds(values) for values in seconds]
        row(f"{math.prod(size) / 1e6:.1f}", *cells, ratio(ratios), milliseconds(png), peak)


def in_obs(chosen: argparse.Namespace, folder: Path) -> None:
    photos = make_photos(folder / "hd", [HD] * (chosen.rounds + 2), chosen.photo)
    large = make_photos(folder / "large", [LARGE] * (chosen.rounds // 2 + 1), chosen.photo)
    obs.in_obs(folder / "obs", photos, large)


def folder_of_photos(chosen: argparse.Namespace, folder: Path) -> None:
    """scripts/matte.py with a folder: its rate beside the network's own, and its memory on the way."""
    photos = make_photos(folder / "in", [HD] * chosen.photos, chosen.photo)
    settings = MatteSettings(quality=chosen.quality)
    alone = network_alone(photos, settings)
    command = [sys.executable, paths.ROOT / "scripts" / "matte.py", folder / "in", "-o", folder / "out"]
    begun = time.perf_counter()
    process = subprocess.Popen([*map(str, command), "--quality", chosen.quality], stderr=subprocess.DEVNULL)
    sizes = []
    while process.poll() is None:
        with contextlib.suppress(OSError):
            sizes.append(memory(process.pid))
        time.sleep(0.2)
    seconds = time.perf_counter() - begun
    alone += network_alone(photos, settings)
    rate, network = len(photos) / seconds, statistics.median(alone)
    table(f"A folder of {len(photos)} photos of 1920 x 1080, {chosen.quality}", "what", "")
    row("photos a second, start and archive included", f"{rate:.3f}")
    row("the network alone: 1 / its time for a photo", f"{1 / network:.3f} (its time: {milliseconds(alone)})")
    row("ratio of the two", f"{rate * network:.2f}")
    half, nearly = sizes[len(sizes) // 2], sizes[9 * len(sizes) // 10]
    row("memory half way, near the end, at most", f"{half:.0f}, {nearly:.0f}, {max(sizes):.0f} MB")
    row("exit code", process.returncode)


def network_alone(photos: list[Path], settings: MatteSettings) -> list[float]:
    matter = Matter()
    seen = [
        matter.see(decode(photo.read_bytes(), photo.name), settings.resolved(), threading.Event())
        for photo in photos[:9]
    ]
    return [each.seconds["network"] for each in seen[1:]]


if __name__ == "__main__":
    sys.exit(main())
