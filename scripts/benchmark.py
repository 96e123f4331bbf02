"""Measures the way from a photo to OBS's screen, in a real throwaway OBS, beside the network's own time."""

from __future__ import annotations

import _environment

_environment.enter()

import argparse
import base64
import io
import os
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path
from collections.abc import Callable

import numpy as np
import throwaway_obs
from cvmatte_core import paths
from cvmatte_core.settings import MatteSettings
from cvmatte_core.worker.client import READY, WorkerClient
from PIL import Image, ImageEnhance, ImageOps
from throwaway_obs import SCENE, ThrowawayObs

SAMPLE = paths.ROOT / "tests" / "data" / "astronaut.png"
SCRIPT = paths.ROOT / "obs_plugin" / "cvmatte.py"
_DRAG_SECONDS = 10.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photo", type=Path, default=SAMPLE, help="a portrait [the sample]")
    parser.add_argument("--rounds", type=int, default=10, help="how often each is measured [%(default)s]")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cvmatte-benchmark-") as folder:
        photos = make_photos(chosen.photo, Path(folder) / "photos", chosen.rounds + 2)
        cold_start(Path(folder) / "cold", photos[0])
        in_obs(Path(folder) / "obs", photos)
        first_use(Path(folder) / "first", photos[0])
    return 0


def make_photos(portrait: Path, folder: Path, count: int) -> list[Path]:
    """1920 x 1080 JPEGs of one portrait, no two alike, so that none finds another's layer."""
    folder.mkdir()
    picture = ImageOps.fit(Image.open(portrait).convert("RGB"), (1920, 1080), centering=(0.5, 0.2))
    photos = []
    for number in range(count):
        path = folder / f"{number}.jpg"
        changed = ImageEnhance.Brightness(picture).enhance(1 - 0.03 * number)
        (ImageOps.mirror(changed) if number % 2 else changed).save(path, quality=92)
        photos.append(path)
    return photos


def cold_start(data: Path, photo: Path) -> None:
    """The worker alone: from nothing to its handshake, and to its first frame."""
    os.environ["CVMATTE_DATA"] = str(data)
    client = WorkerClient()
    begun = time.perf_counter()
    shown: list[float] = []
    client.submit(
        "matte",
        {"image": str(photo), "settings": MatteSettings().as_dict()},
        lambda event, detail: shown.append(time.perf_counter() - begun) if event in ("layer", "failed") else None,
    )
    throwaway_obs.wait_until(lambda: client.state == READY, interval=0.002)
    report("worker: cold start to handshake", time.perf_counter() - begun)
    throwaway_obs.wait_until(lambda: shown, interval=0.002)
    report("worker: cold start to first 1080p frame", shown[0])
    client.close()
    del os.environ["CVMATTE_DATA"]


def in_obs(folder: Path, photos: list[Path]) -> None:
    folder.mkdir()
    # A small canvas: drawing a large one without a graphics card would take most of the processor.
    obs = ThrowawayObs(folder, scripts=[(SCRIPT, {})], canvas=(320, 180))
    log = folder / ".local" / "share" / "cvmatte" / "logs" / "worker.log"
    try:
        obs.start()
        begun = time.perf_counter()
        obs.requests.create_input(SCENE, "Portrait", "cvmatte_portrait", {"image": str(photos[0])}, True)
        throwaway_obs.wait_until(lambda: drawn(obs) is not None, interval=0.02)
        report("OBS: new portrait to its first layer, worker cold", time.perf_counter() - begun)
        (worker,) = obs.worker_ids()
        change(obs, photos[1], log)  # warms up
        seconds, network = zip(*(change(obs, photo, log) for photo in photos[2:]), strict=True)
        report("OBS: change of the 1080p photo to its layer on screen", *seconds)
        report("worker: the network's own time for it", *network)
        show("OBS: ratio of the two", *(whole / alone for whole, alone in zip(seconds, network, strict=True)))
        feathers = range(1, len(photos) - 1)
        slides = [slide(obs, feather) for feather in feathers]
        report("OBS: change of a slider to its layer on screen", *slides)
        show("OBS: ratio of that to a change of the photo", statistics.median(slides) / statistics.median(seconds))
        drag(obs)
        still(obs, photos, log)
        peak = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{worker}/status").read_text())
        print(f"{'worker: peak memory':60} {int(peak.group(1)) / 1024 if peak else 0:8.0f} MB")
        time.sleep(2)
        print(f"{'OBS: memory leaks at its end':60} {obs.quit():8}")
        for line in re.findall(r"\[CVMatte\] (\d+ polls.*)", obs.log()):
            print("OBS:", line)
        begun = time.perf_counter()
        obs.start()
        answering = time.perf_counter() - begun
        throwaway_obs.wait_until(lambda: drawn(obs) is not None, interval=0.02)
        report("OBS: its start until obs-websocket answers", answering)
        report("OBS: its start until the kept layer is on screen", time.perf_counter() - begun)
        obs.quit()
    finally:
        obs.close()


def first_use(folder: Path, photo: Path) -> None:
    """As a new user: from an OBS with nothing in it to the first cutout on screen, with the mouse."""
    folder.mkdir()
    obs = ThrowawayObs(folder, scripts=[(SCRIPT, {})])
    clicks = 0

    def click(x: int, y: int) -> None:
        nonlocal clicks
        clicks += 1
        obs.click(x, y)

    try:
        obs.start()
        time.sleep(2)
        begun = time.perf_counter()
        click(277, 756)  # + in the dock of sources
        time.sleep(0.3)
        click(360, 442)  # CVMatte Portrait
        dialog = obs.window("^Create/Select Source$")
        obs.place(dialog, 352, 302)
        click(202, 272)  # OK
        dialog = obs.window("^Properties for")
        obs.place(dialog, 720, 570)
        time.sleep(0.3)
        click(645, 319)  # Browse
        obs.window("^Photo$")
        obs.xdotool("type", str(photo))  # a person would pick it with the mouse
        obs.xdotool("key", "Return")
        clicks += 1
        (name,) = [found["inputName"] for found in obs.requests.get_input_list().inputs]
        throwaway_obs.wait_until(lambda: drawn(obs, name) is not None, timeout=120, interval=0.02)
        report(f"OBS: first use to the first cutout, {clicks} clicks, without thinking", time.perf_counter() - begun)
    finally:
        obs.close()


def change(obs: ThrowawayObs, photo: Path, log: Path) -> tuple[float, float]:
    """Choose another photo: seconds until OBS draws it, and those that the network alone took for it."""
    jobs = len(network_times(log))
    seconds = seconds_until_drawn_anew(obs, lambda: set_portrait(obs, image=str(photo)))
    throwaway_obs.wait_until(lambda: len(network_times(log)) > jobs, interval=0.1)
    time.sleep(0.8)  # the layer's PNG belongs to this round
    return seconds, network_times(log)[-1]


def slide(obs: ThrowawayObs, feather: int) -> float:
    seconds = seconds_until_drawn_anew(obs, lambda: set_portrait(obs, feather=5 * feather))
    time.sleep(0.8)
    return seconds


def drag(obs: ThrowawayObs) -> None:
    """A slider on the move for some seconds: what becomes of OBS's frames."""
    idle = frames_rendered(obs, lambda: time.sleep(_DRAG_SECONDS))

    def move() -> None:
        until = time.monotonic() + _DRAG_SECONDS
        while time.monotonic() < until:
            for feather in (*range(50), *range(50, 0, -1)):
                set_portrait(obs, feather=feather)
                time.sleep(1 / 30)

    jobs = jobs_done(obs)
    dragged = frames_rendered(obs, move)
    shown = jobs_done(obs) - jobs
    show("OBS: frames a second, idle", idle)
    show("OBS: frames a second while a slider is dragged", dragged)
    show("OBS: layers a second that are made meanwhile", shown / _DRAG_SECONDS)


def jobs_done(obs: ThrowawayObs) -> int:
    log = obs.folder / ".local" / "share" / "cvmatte" / "logs" / "worker.log"
    return log.read_text().count("INFO job ")


def frames_rendered(obs: ThrowawayObs, act: Callable[[], None]) -> float:
    """Frames that OBS rendered in each second of an act."""
    before, begun = obs.requests.get_stats(), time.monotonic()
    act()
    after, seconds = obs.requests.get_stats(), time.monotonic() - begun
    total = after.render_total_frames - before.render_total_frames
    return (total - (after.render_skipped_frames - before.render_skipped_frames)) / seconds


def still(obs: ThrowawayObs, photos: list[Path], log: Path) -> None:
    """From the button to the layer of a still of a 1080p source."""
    obs.requests.create_input(SCENE, "Camera", "image_source", {"file": str(photos[0])}, False)
    set_portrait(obs, input="source", source="Camera", feather=0)
    time.sleep(1)

    def press() -> None:
        obs.requests.press_input_properties_button("Portrait", "take_still")

    seconds, network = [], []
    for number, photo in enumerate(photos):
        obs.requests.set_input_settings("Camera", {"file": str(photo)}, True)
        time.sleep(0.5)
        jobs = len(network_times(log))
        begun = time.perf_counter()
        before = drawn(obs)
        press()
        throwaway_obs.wait_until(lambda jobs=jobs: len(network_times(log)) > jobs, timeout=120, interval=0.01)  # type: ignore[misc]
        throwaway_obs.wait_until(lambda before=before: differs(drawn(obs), before), interval=0.01)  # type: ignore[misc]
        if number:  # the first warms up
            seconds.append(time.perf_counter() - begun)
            network.append(network_times(log)[-1])
        time.sleep(1)
    report("OBS: button to the layer of a still of a 1080p source", *seconds)
    show("OBS: ratio of that to the network's own time", *(a / b for a, b in zip(seconds, network, strict=True)))


def differs(now: np.ndarray | None, before: np.ndarray | None) -> bool:
    return now is not None and (before is None or not np.array_equal(now, before))


def set_portrait(obs: ThrowawayObs, **settings: object) -> None:
    obs.requests.set_input_settings("Portrait", settings, True)


def seconds_until_drawn_anew(obs: ThrowawayObs, act: Callable[[], None]) -> float:
    before = drawn(obs)
    assert before is not None
    frames = obs.folder / ".local" / "share" / "cvmatte" / "layers"
    known = frames.stat().st_mtime_ns
    begun = time.perf_counter()
    act()

    def changed() -> bool:
        now = drawn(obs)
        return now is not None and not np.array_equal(now, before)

    # Looking takes from what it looks at, pixels most of all: only from when there is something new to see.
    throwaway_obs.wait_until(lambda: frames.stat().st_mtime_ns != known, timeout=120, interval=0.02)
    throwaway_obs.wait_until(changed, interval=0.01)
    return time.perf_counter() - begun


def drawn(obs: ThrowawayObs, name: str = "Portrait") -> np.ndarray | None:
    """A small picture of what OBS draws for the portrait; None while that is nothing."""
    (item,) = [found for found in obs.requests.get_scene_item_list(SCENE).scene_items if found["sourceName"] == name]
    if not item["sceneItemTransform"]["sourceWidth"]:
        return None
    taken = obs.requests.get_source_screenshot(name, "png", 96, 54, 100)
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(taken.image_data.partition(",")[2]))))
    return pixels if pixels[..., 3].any() else None


def network_times(log: Path) -> list[float]:
    return [int(found) / 1000 for found in re.findall(r"network (\d+) ms", log.read_text())]


def show(name: str, *values: float) -> None:
    spread = f"   ({min(values):.2f} to {max(values):.2f})" if len(values) > 1 else ""
    print(f"{name:60} {statistics.median(values):8.2f}{spread}", flush=True)


def report(name: str, *seconds: float) -> None:
    spread = f"   ({min(seconds) * 1000:.0f} to {max(seconds) * 1000:.0f})" if len(seconds) > 1 else ""
    print(f"{name:60} {statistics.median(seconds) * 1000:8.0f} ms{spread}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
