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
import os
import re
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from development import benchmark_obs as obs
import numpy as np
from development.benchmark_obs import memory
from development.benchmark_tables import milliseconds, ratio, row, table
from cvmatte_core.disk import paths
from cvmatte_core.pictures import images
from cvmatte_core.layers.store import LayerStore
from cvmatte_core.matting.matter import Matte, Matter, decode
from cvmatte_core.settings import MatteSettings
from PIL import Image, ImageEnhance, ImageOps

SAMPLE = paths.ROOT / "scripts" / "demo" / "astronaut.png"
HD = (1920, 1080)
SIZES = ((960, 540), HD, (4240, 2832), (8000, 6000))
_CLIENTS, _CALLS = 16, 4


def main() -> int:
    parts: dict[str, Callable[[argparse.Namespace, Path], None]] = {
        "stages": stages,
        "worker": lambda chosen, folder: obs.cold_start(folder / "data", make_photos(chosen.photo, folder, 1)[0]),
        "obs": in_obs,
        "touch-up": touching_up,
        "live": live,
        "folder": folder_of_photos,
        "server": server,
        "rembg": beside_rembg,
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*parts, []], help=f"{', '.join(parts)} [all]", metavar="PART")
    parser.add_argument("--photo", type=Path, default=SAMPLE, help="a portrait [the sample]")
    parser.add_argument("--rounds", type=int, default=10, help="how often each is measured in OBS [%(default)s]")
    parser.add_argument("--minutes", type=float, default=1, help="of the live portrait [%(default)s]")
    parser.add_argument("--photos", type=int, default=40, help="photos of the folder [%(default)s]")
    parser.add_argument("--quality", default=MatteSettings().quality, help="of the folder's [%(default)s]")
    parser.add_argument("--rembg", type=Path, metavar="MODEL", help="a U²-Net file, for rembg, where that is installed")
    chosen = parser.parse_args()
    for name, part in parts.items():
        if not chosen.parts or name in chosen.parts:
            with tempfile.TemporaryDirectory(prefix="cvmatte-benchmark-") as folder:
                part(chosen, Path(folder))
    return 0


def touching_up(chosen: argparse.Namespace, folder: Path) -> None:
    from development import benchmark_touch_up  # which needs a browser

    hd, large = (folder / name for name in ("hd", "large"))
    for made in (hd, large):
        made.mkdir()
    twelve = (4240, 2832)
    photos = {
        "1920 x 1080": (make_photos(chosen.photo, hd, 1)[0], HD, 0),
        "12 megapixels, a layer of 2160 pixels": (make_photos(chosen.photo, large, 1, twelve)[0], (2160, 1443), 2160),
        "12 megapixels, a layer as large": (make_photos(chosen.photo, large, 2, twelve)[1], twelve, 0),
    }
    benchmark_touch_up.touching_up(folder, photos)


def live(chosen: argparse.Namespace, folder: Path) -> None:
    from development import benchmark_live  # which needs PyAV

    benchmark_live.live(folder, chosen.photo, chosen.minutes)


def make_photos(portrait: Path, folder: Path, count: int, size: tuple[int, int] = HD) -> list[Path]:
    """JPEGs of one portrait, no two alike, so that none finds another's layer."""
    picture = ImageOps.fit(Image.open(portrait).convert("RGB"), size, centering=(0.5, 0.2))
    photos = []
    for number in range(count):
        path = folder / f"{number:04}.jpg"
        changed = ImageEnhance.Brightness(picture).enhance(1 - 0.5 * number / (count + 10))
        (ImageOps.mirror(changed) if number % 2 else changed).save(path, quality=92)
        photos.append(path)
    return photos


def stages(chosen: argparse.Namespace, folder: Path) -> None:
    """What each stage of a matte takes, in this process, with the network loaded."""
    names = ("decode", "network", "colours", "refine")
    settings, matter, store = MatteSettings(), Matter(), LayerStore(folder)
    columns = (*names, "frame for OBS", "photo to frame", "times the network", "PNG", "peak memory")
    table("A photo through each stage", "megapixels", *columns)
    for size in SIZES:
        (folder / str(size)).mkdir()
        taken: list[list[float]] = []
        first, *photos = make_photos(chosen.photo, folder / str(size), 4, size)
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
        *seconds, ratios, png = ([each[place] for each in taken] for place in (0, 1, 2, 3, 4, 5, 6, 7))
        cells = [milliseconds(values) for values in seconds]
        row(
            f"{math.prod(size) / 1e6:.1f}",
            *cells,
            ratio(ratios),
            milliseconds(png),
            f"{memory('self', 'VmHWM'):.0f} MB",
        )


def in_obs(chosen: argparse.Namespace, folder: Path) -> None:
    photos = make_photos(chosen.photo, folder, chosen.rounds + 2)
    (folder / "large").mkdir()
    large = make_photos(chosen.photo, folder / "large", chosen.rounds // 2 + 1, SIZES[2])
    obs.in_obs(folder / "obs", photos, large)
    obs.first_use(folder / "first", photos[0])


def folder_of_photos(chosen: argparse.Namespace, folder: Path) -> None:
    """scripts/matte.py with a folder: its rate beside the network's own, and its memory on the way."""
    (folder / "in").mkdir()
    photos = make_photos(chosen.photo, folder / "in", chosen.photos)
    settings = MatteSettings(quality=chosen.quality)
    alone = network_alone(photos, settings)
    command = [sys.executable, paths.ROOT / "scripts" / "matte.py", folder / "in", "-o", folder / "out"]
    begun = time.perf_counter()
    process = subprocess.Popen([*map(str, command), "--quality", chosen.quality], stderr=subprocess.DEVNULL)
    at: dict[int, float] = {}
    marks = sorted({min(20, len(photos) // 2), len(photos) - 2})
    peak = 0.0
    while process.poll() is None:
        finished = len(list((folder / "out").glob("*-mask.png")))
        with contextlib.suppress(OSError):
            at.update({mark: memory(process.pid) for mark in marks if finished >= mark and mark not in at})
            peak = memory(process.pid, "VmHWM")
        time.sleep(0.2)
    seconds = time.perf_counter() - begun
    alone += network_alone(photos, settings)
    rate, network = len(photos) / seconds, statistics.median(alone)
    table(f"A folder of {len(photos)} photos of 1920 x 1080, {chosen.quality}", "what", "")
    row("photos a second, start and archive included", f"{rate:.3f}")
    row("the network alone: 1 / its time for a photo", f"{1 / network:.3f} (its time: {milliseconds(alone)})")
    row("ratio of the two", f"{rate * network:.2f}")
    for mark, megabytes in at.items():
        row(f"memory at photo {mark}", f"{megabytes:.0f} MB")
    row("peak memory", f"{peak:.0f} MB")
    row("exit code", process.returncode)


def network_alone(photos: list[Path], settings: MatteSettings) -> list[float]:
    matter = Matter()
    seen = [
        matter.see(decode(photo.read_bytes(), photo.name), settings.resolved(), threading.Event())
        for photo in photos[:9]
    ]
    return [each.seconds["network"] for each in seen[1:]]


def server(chosen: argparse.Namespace, folder: Path) -> None:
    """scripts/serve.py under many clients at once: whether each gets its own answer, and the server's memory."""
    import httpx

    settings = MatteSettings(quality="fast")
    photos = make_photos(chosen.photo, folder, _CLIENTS, SIZES[0])
    matter = Matter()
    expected = {photo: alpha_of(matter(photo, settings)) for photo in photos}
    with serving() as (address, process):
        before = memory(process.pid)

        def call(photo: Path) -> str:
            while True:
                files = {"image": (photo.name, photo.read_bytes())}
                answer = httpx.post(f"{address}/remove_background", files=files, data={"quality": "fast"}, timeout=300)
                if answer.status_code == 503:
                    refused.append(photo)
                    time.sleep(int(answer.headers["Retry-After"]) / 4)
                elif answer.status_code == 200:
                    pixels = images.decode(answer.content, photo.name)
                    same = pixels.alpha is not None and np.array_equal(expected[photo], np.round(pixels.alpha * 255))
                    return "right" if same else "wrong"
                else:
                    return f"status {answer.status_code}"

        refused: list[Path] = []
        begun = time.perf_counter()
        with ThreadPoolExecutor(_CLIENTS) as clients:
            answers = list(clients.map(call, photos * _CALLS))
        seconds = time.perf_counter() - begun
        after, peak = memory(process.pid), memory(process.pid, "VmHWM")
    table(f"The server under {_CLIENTS} clients at once, {len(answers)} photos of 960 x 540, fast", "what", "")
    for answer in sorted(set(answers)):
        row(f"answers: {answer}", answers.count(answer))
    row("calls told to come back later, and answered then", len(refused))
    row("photos a second", f"{len(answers) / seconds:.2f}")
    row("memory before, after, peak", f"{before:.0f}, {after:.0f}, {peak:.0f} MB")


def alpha_of(matte: Matte) -> np.ndarray:
    return matte.layer[..., 3].astype(np.float32)


@contextlib.contextmanager
def serving() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server with its network loaded: its address and its process."""
    command = [sys.executable, str(paths.ROOT / "scripts" / "serve.py"), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found is not None
        time.sleep(5)
        yield found.group().rstrip("/"), process
    finally:
        process.terminate()
        process.wait()


def beside_rembg(chosen: argparse.Namespace, folder: Path) -> None:
    """The peer on the same pictures in the same run."""
    try:
        import rembg
    except ImportError:
        rembg = None
    if rembg is None or chosen.rembg is None:
        print("\nrembg: left out; it needs to be installed, and --rembg MODEL.")
        return
    os.environ["REMBG_HOME"] = str(chosen.rembg.absolute().parent)  # it takes models from there only
    session = rembg.new_session("u2net_custom", model_path=str(chosen.rembg.absolute()))
    matter, settings = Matter(), MatteSettings()
    table("Beside rembg, photo to PNG", "megapixels", "CVMatte", "rembg", "CVMatte / rembg")
    for size in SIZES:
        (folder / str(size)).mkdir()
        own, peer = [], []
        for photo in make_photos(chosen.photo, folder / str(size), 4, size):
            begun = time.perf_counter()
            matter(photo, settings).layer_file(settings.format)
            between = time.perf_counter()
            rembg.remove(photo.read_bytes(), session=session)
            own.append(between - begun)
            peer.append(time.perf_counter() - between)
        ratios = ratio([mine / theirs for mine, theirs in zip(own[1:], peer[1:], strict=True)])  # the first warms up
        row(f"{math.prod(size) / 1e6:.1f}", milliseconds(own[1:]), milliseconds(peer[1:]), ratios)


if __name__ == "__main__":
    sys.exit(main())
