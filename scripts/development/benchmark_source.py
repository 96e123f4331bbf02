"""What benchmark.py measures of a source of OBS that is cut out live: its rate, where its lag comes from, OBS's frames,
and what it costs while nothing moves."""

from __future__ import annotations

import os
import random
import statistics
import time
from pathlib import Path

import numpy as np
from cvmatte_core.filesystem import paths
from demo import throwaway_obs
from demo.throwaway_obs import SCENE, ThrowawayObs
from development import made_clips
from development.benchmark_live import states
from development.benchmark_obs import SCRIPT, frames_rendered, memory
from development.measuring import row, table
from PIL import Image

_SIZE = (640, 360)
_PART_SECONDS = 8.0
_CHANGES = 30
_FIGURES = ("rate", "side", "lag", "lag_99", "frame")
# Stands for the Python that a live process runs in: it notes when each frame of OBS's is there, and how bright it is.
_WATCHING = """#!/bin/sh
case "$*" in
*cvmatte_core.live.process*)
    for last in "$@"; do :; done
    exec PYTHON -E -s -u -c "
import time
from cvmatte_core.live import obs_frames, process
real = obs_frames.frames
def watched(*arguments):
    with open('ARRIVALS', 'a', buffering=1) as noted:
        for frame, age in real(*arguments):
            print(time.monotonic(), frame[::16, ::16].mean(), file=noted)
            yield frame, age
obs_frames.frames = watched
process.main()  # cvmatte_core.live.process" "$last" ;;
esac
exec PYTHON "$@"
"""


def source(folder: Path, portrait: Path, minutes: float) -> None:
    """A media source of 640 x 360, cut out live by one and by three portraits."""
    clips = {still: folder / f"{'still' if still else 'moving'}.mp4" for still in (False, True)}
    rgb = np.array(Image.open(portrait).convert("RGB"))
    behind = np.array(Image.fromarray(rgb[: rgb.shape[0] // 8, : rgb.shape[1] // 6]).resize((1280, 720)))
    for still, clip in clips.items():
        cut = made_clips.cut_by_an_ellipse(portrait)
        made_clips.write(clip, made_clips.frames(cut, behind, _SIZE, 60, still=still))
    python, arrivals = folder / "python", folder / "arrivals"
    python.write_text(
        _WATCHING.replace("PYTHON", str(paths.environment_python())).replace("ARRIVALS", str(arrivals)),
        encoding="utf-8",
    )
    python.chmod(0o755)
    environment = {"CVMATTE_LIVE_LOG": "1", "CVMATTE_PYTHON": str(python)}
    home = folder / "home"
    log = home / ".local" / "share" / "cvmatte" / "logs" / "worker.log"
    with throwaway_obs.running(home, scripts=[(SCRIPT, {})], canvas=_SIZE, environment=environment) as obs:
        media = {"local_file": str(clips[False]), "is_local_file": True, "looping": True, "clear_on_media_end": False}
        obs.requests.create_input(SCENE, "Media", "ffmpeg_source", media, True)
        time.sleep(2)
        table("A source of OBS, cut out live", "portraits", *_FIGURES, "OBS's frames a second", "OBS's frame, ms")
        _part(obs, log, "none")
        _add(obs, "Portrait", input="source_live", source="Media")
        _part(obs, log, "one")
        _add(obs, "Second", input="source_live", source="Media")
        _add(obs, "Third", input="source_live", source="Media")
        _part(obs, log, "three")
        for name in ("Second", "Third"):
            obs.requests.remove_input(name)
        obs.requests.set_input_settings("Portrait", {"input": "video", "video": str(clips[False])}, True)
        _part(obs, log, "one, of the file itself")
        obs.requests.set_input_settings("Portrait", {"input": "source_live"}, True)
        table("What it costs", "what is seen", "of a core", "frames a second that the network saw")
        _cost(obs, log, "somebody moves")
        obs.requests.set_input_settings("Media", {"local_file": str(clips[True])}, True)
        _cost(obs, log, "somebody stands still, with noise")
        obs.requests.create_input(SCENE, "Colour", "color_source_v3", {"color": 0xFF336699}, False)
        obs.requests.set_input_settings("Colour", {"width": _SIZE[0], "height": _SIZE[1]}, True)
        obs.requests.set_input_settings("Portrait", {"source": "Colour"}, True)
        _cost(obs, log, "a picture that stays")
        came = [_arrival(obs, arrivals, number) for number in range(_CHANGES)]
        came.sort()
        table("From a change of a source until the process has the frame", "median", "99 %", "least")
        row(f"{statistics.median(came):.0f} ms", f"{came[-1 - len(came) // 100]:.0f} ms", f"{came[0]:.0f} ms")
        obs.requests.set_input_settings("Media", {"local_file": str(clips[False])}, True)
        obs.requests.set_input_settings("Portrait", {"source": "Media"}, True)
        until, sizes = time.monotonic() + 60 * minutes, []
        while time.monotonic() < until:
            time.sleep(min(15, 60 * minutes / 10))
            sizes.append((memory(obs.process_id), memory(obs.live_ids()[0])))
        table("Memory while somebody moves, MB", "minutes", "OBS", "the process")
        row(f"{minutes:g}", *(" ".join(f"{one:.0f}" for one in of) for of in zip(*sizes, strict=True)))
        row("memory leaks at OBS's end", obs.quit())


def _add(obs: ThrowawayObs, name: str, **settings: str) -> None:
    obs.requests.create_input(SCENE, name, "cvmatte_portrait", {"rate": 30, "longest_side": 0, **settings}, True)
    throwaway_obs.wait_until(lambda: throwaway_obs.size_in_scene(obs.requests, name) == _SIZE, 60)


def _part(obs: ThrowawayObs, log: Path, name: str) -> None:
    time.sleep(4)
    told = len(states(log))
    rendered = frames_rendered(obs, lambda: time.sleep(_PART_SECONDS))
    found = states(log)[told:]
    figures = [f"{statistics.median([one[of] for one in found]):.1f}" if found else "" for of in _FIGURES]
    row(name, *figures, f"{rendered:.2f}", f"{obs.requests.get_stats().average_frame_render_time:.1f}")


def _cost(obs: ThrowawayObs, log: Path, name: str) -> None:
    time.sleep(5)
    (process,) = obs.live_ids()
    used, begun = _ticks(process), time.monotonic()
    time.sleep(_PART_SECONDS)
    seconds = time.monotonic() - begun
    row(name, f"{(_ticks(process) - used) / os.sysconf('SC_CLK_TCK') / seconds:.2f}", states(log)[-1].get("cut", ""))


def _ticks(process: int) -> int:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _arrival(obs: ThrowawayObs, arrivals: Path, number: int) -> float:
    """Milliseconds from a change of a source's colour until a frame of it is there."""
    time.sleep(0.4 + random.random() / 20)
    before = _noted(arrivals)[-1][1]
    begun = time.monotonic()
    obs.requests.set_input_settings("Colour", {"color": 0xFF000000 | (0x303030 if number % 2 else 0xB0B0B0)}, True)
    throwaway_obs.wait_until(lambda: abs(_noted(arrivals)[-1][1] - before) > 20, 10)
    return 1000 * (next(at for at, mean in _noted(arrivals) if at > begun and abs(mean - before) > 20) - begun)


def _noted(arrivals: Path) -> list[tuple[float, float]]:
    lines = arrivals.read_text(encoding="utf-8").splitlines()[-200:]
    return [(float(at), float(mean)) for at, mean in (line.split() for line in lines if line.count(".") == 2)]
