"""What scripts/development/benchmark.py measures in a real throwaway OBS, and of the worker before it."""

from __future__ import annotations

import itertools
import os
import re
import time
from pathlib import Path
from collections.abc import Callable

import numpy as np
from demo import throwaway_obs
from development.measuring import milliseconds, ratio, row, table
from cvmatte_core.filesystem import paths
from cvmatte_core.settings import MatteSettings
from cvmatte_core.worker.client import READY, WorkerClient
from demo.throwaway_obs import SCENE, ThrowawayObs

SCRIPT = paths.ROOT / "obs_plugin" / "cvmatte.py"
_SECONDS = 10.0  # that OBS's frames are counted


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
    table("The worker from nothing", "until", "ms")
    row("its handshake", milliseconds([time.perf_counter() - begun]))
    throwaway_obs.wait_until(lambda: shown, interval=0.002)
    row("its first 1080p layer", milliseconds([shown[0]]))
    client.close()
    del os.environ["CVMATTE_DATA"]


def in_obs(folder: Path, photos: list[Path], large: list[Path]) -> None:
    """Every way from a change to OBS's screen, and what OBS's frames and memory are meanwhile.

    photos: of 1080p. large: of 12 megapixels.
    """
    log = folder / ".local" / "share" / "cvmatte" / "logs" / "worker.log"
    table("In OBS, photos of 1920 x 1080", "what", "how long", "times the network's own time")
    # A small canvas: drawing a large one without a graphics card would take most of the processor.
    with throwaway_obs.running(folder, scripts=[(SCRIPT, {})], canvas=(320, 180)) as obs:
        begun = time.perf_counter()
        obs.requests.create_input(SCENE, "Portrait", "cvmatte_portrait", {"image": str(photos[0])}, True)
        throwaway_obs.wait_until(lambda: drawn(obs) is not None, interval=0.02)
        row("a new portrait to its first layer, worker cold", milliseconds([time.perf_counter() - begun]), "")
        (worker,) = obs.worker_ids()
        change(obs, photos[1], log)  # warms up
        changes = [change(obs, photo, log) for photo in photos[2:]]
        row_of_ratios("another photo to its layer on screen", changes)
        row("of that, the network", milliseconds([alone for _, alone in changes]), "")
        change(obs, large[0], log)
        row_of_ratios("the same with 12 megapixels", [change(obs, photo, log) for photo in large[1:]])
        set_portrait(obs, image=str(photos[-1]))  # its layer is kept
        time.sleep(2)
        row("a slider to its layer on screen", milliseconds([slide(obs, feather) for feather in range(1, 11)]), "")
        row_of_ratios("the button to the layer of a still", still(obs, photos, log))
        frames(obs, photos)
        table("OBS and the worker", "what", "")
        row("the worker's peak memory", f"{memory(worker, 'VmHWM'):.0f} MB")
        time.sleep(2)
        row("memory leaks at OBS's end", obs.quit())
        for line in re.findall(r"\[CVMatte\] (\d+ polls.*)", obs.log()):
            row("the script's thread", line)
        begun = time.perf_counter()
        obs.start()
        row("OBS's start until it answers", milliseconds([time.perf_counter() - begun]))
        throwaway_obs.wait_until(lambda: drawn(obs) is not None, interval=0.02)
        row("OBS's start until the kept layer is on screen", milliseconds([time.perf_counter() - begun]))
        obs.quit()


def row_of_ratios(name: str, taken: list[tuple[float, float]]) -> None:
    """taken: the seconds of the whole and of the network alone, each time."""
    row(name, milliseconds([whole for whole, _ in taken]), ratio([whole / alone for whole, alone in taken]))


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


def frames(obs: ThrowawayObs, photos: list[Path]) -> None:
    """OBS's frames while nothing happens, while a slider is dragged, and while the worker has no rest."""

    def drag() -> None:
        step = 0
        until = time.monotonic() + _SECONDS
        while time.monotonic() < until:
            for feather in (*range(50), *range(50, 0, -1)):
                step += 1
                set_portrait(obs, feather=feather, threshold=step % 200)  # no layer is asked for twice
                time.sleep(1 / 30)

    def saturate() -> None:
        until = time.monotonic() + _SECONDS
        for quality, photo in itertools.product(("best", "fast"), photos):  # no matte of them is kept yet
            if time.monotonic() > until:
                return
            jobs = jobs_done(obs)
            set_portrait(obs, image=str(photo), quality=quality)
            throwaway_obs.wait_until(lambda jobs=jobs: jobs_done(obs) > jobs)  # type: ignore[misc]

    set_portrait(obs, input="file", image=str(photos[-1]))
    time.sleep(3)
    table("OBS's frames", "while", "rendered a second", "layers a second")
    for name, act in (
        ("nothing happens", lambda: time.sleep(_SECONDS)),
        ("a slider is dragged", drag),
        ("the network has no rest", saturate),
    ):
        jobs, begun = jobs_done(obs), time.monotonic()
        rendered = frames_rendered(obs, act)
        row(name, f"{rendered:.2f}", f"{(jobs_done(obs) - jobs) / (time.monotonic() - begun):.1f}")


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


def still(obs: ThrowawayObs, photos: list[Path], log: Path) -> list[tuple[float, float]]:
    """From the button to the layer of a still of a 1080p source: seconds, and those that the network alone took."""
    obs.requests.create_input(SCENE, "Camera", "image_source", {"file": str(photos[0])}, False)
    set_portrait(obs, input="source", source="Camera", delay=0, feather=0)
    time.sleep(1)
    taken = []
    for photo in photos:
        obs.requests.set_input_settings("Camera", {"file": str(photo)}, True)
        time.sleep(0.5)
        jobs = len(network_times(log))
        begun = time.perf_counter()
        before = drawn(obs)
        obs.requests.press_input_properties_button("Portrait", "take_still")
        throwaway_obs.wait_until(lambda jobs=jobs: len(network_times(log)) > jobs, timeout=120, interval=0.01)  # type: ignore[misc]
        throwaway_obs.wait_until(lambda before=before: differs(drawn(obs), before), interval=0.01)  # type: ignore[misc]
        taken.append((time.perf_counter() - begun, network_times(log)[-1]))
        time.sleep(1)
    return taken[1:]  # the first warms up


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
    if throwaway_obs.size_in_scene(obs.requests, name) == (0, 0):
        return None
    pixels = throwaway_obs.screenshot(obs.requests, name, 96, 54)
    return pixels if pixels[..., 3].any() else None


def memory(process: int | str, field: str = "VmRSS") -> float:
    """Megabytes. Raises OSError where the process has ended."""
    found = re.search(rf"{field}:\s+(\d+)", Path(f"/proc/{process}/status").read_text())
    return int(found.group(1)) / 1024 if found else 0.0


def network_times(log: Path) -> list[float]:
    return [int(found) / 1000 for found in re.findall(r"network (\d+) ms", log.read_text())]
