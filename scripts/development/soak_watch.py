"""What soak.py measures of OBS under use: how fast it answers, its frames, memory, handles and threads.

The watch has a thread and a connection of its own, so that it never waits for the actions. It takes screenshots too, so
that OBS draws sources for somebody else all the time.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from obsws_python.error import OBSSDKRequestError
from demo import throwaway_obs
from demo.throwaway_obs import ThrowawayObs

ANSWER_LIMIT = 1.0  # seconds for a light request
FREEZE_LIMIT = 20.0  # seconds without an answer, or without a frame
_PERIOD = 0.25  # seconds
_PROCESS_EVERY = 8  # periods


@dataclass(frozen=True)
class Answer:
    """One light request; all in seconds.

    late: by how much a sleep of this thread just before it overran. queued: how long those threads of OBS that an
    answer goes through waited for a processor. during: the action that was under way.
    """

    seconds: float
    late: float
    queued: float
    during: str

    @property
    def is_slow(self) -> bool:
        return self.seconds > ANSWER_LIMIT

    @property
    def is_slow_by_itself(self) -> bool:
        """Whether it is slow even without what the busy machine made it wait."""
        return self.seconds - self.queued - self.late > ANSWER_LIMIT


@dataclass(frozen=True)
class Process:
    """What one process holds. memory: resident, MB."""

    at: float
    memory: float
    handles: int
    threads: int


@dataclass
class Life:
    """One OBS from its start to its end, and its workers by process id. busy: beside a busy script."""

    busy: bool
    frames: int = 0
    lagged: int = 0
    obs: list[Process] = field(default_factory=list)
    workers: dict[int, list[Process]] = field(default_factory=dict)


class Watch:
    """Watches one OBS after another. during: the action that is under way. shown: what it takes screenshots of.

    problem: why OBS counts as frozen or gone; empty while it doesn't.
    """

    def __init__(self, obs: ThrowawayObs, shown: Callable[[], Sequence[str]]) -> None:
        self.during = ""
        self.problem = ""
        self.answers: list[Answer] = []
        self.lives: list[Life] = []
        self.screenshots = 0
        self._obs = obs
        self._shown = shown
        self._random = Random(0)
        # Held while OBS gets another canvas: its GetStats then crashes OBS 29, which has none for a moment.
        self.changing_canvas = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, busy: bool) -> None:
        """OBS has started."""
        self._stopping = threading.Event()
        self.lives.append(Life(busy))
        arguments = (self._stopping, self.lives[-1])
        self._thread = threading.Thread(target=self._run, args=arguments, name="soak-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """What OBS answers from now on doesn't count."""
        self._stopping.set()

    def end(self) -> None:
        """OBS is about to be quit."""
        self.stop()
        if self._thread is not None:
            self._thread.join(FREEZE_LIMIT + 5)
            self._thread = None

    def _run(self, stopping: threading.Event, life: Life) -> None:
        try:
            requests = self._obs.connect(timeout=FREEZE_LIMIT)
            with contextlib.closing(requests.base_client.ws):
                self._watch(requests, stopping, life)
        except Exception as error:
            if not stopping.is_set():
                gone = "" if self._obs.is_running else "; OBS is gone"
                self.problem = f"no answer to a light request: {error!r}{gone}"

    def _watch(self, requests: Any, stopping: threading.Event, life: Life) -> None:
        process = self._obs.process_id
        frames, moved = -1, time.monotonic()
        for count in itertools.count():
            slept = time.monotonic()
            time.sleep(_PERIOD)
            late = time.monotonic() - slept - _PERIOD
            if stopping.is_set():
                return
            with self.changing_canvas:  # for as long as a request may take at most
                queued = queueing(process)
                asked = time.monotonic()
                with contextlib.suppress(OBSSDKRequestError):  # not ready, while a collection loads: an answer too
                    stats = requests.get_stats()
                    life.frames, life.lagged = stats.render_total_frames, stats.render_skipped_frames
                answered = time.monotonic()
            if stopping.is_set():
                return
            if life.frames != frames:
                frames, moved = life.frames, answered
            elif answered - moved > FREEZE_LIMIT:
                raise TimeoutError(f"no frame was rendered for {answered - moved:.0f} s")
            queued_for = most_queued(queued, queueing(process))
            self.answers.append(Answer(answered - asked, late, queued_for, self.during))
            for _ in range(self._random.randrange(3)):
                with contextlib.suppress(OBSSDKRequestError):  # gone, or without a picture
                    throwaway_obs.screenshot(requests, self._random.choice(self._shown()), 160, 90)
                    self.screenshots += 1
            if count % _PROCESS_EVERY == 0:
                life.obs += look_at(process)
                for worker in self._obs.worker_ids():
                    life.workers.setdefault(worker, []).extend(look_at(worker))


def queueing(process: int) -> dict[str, float]:
    """By thread of a process: the seconds that it ever waited for a processor."""
    found = {}
    for path in Path(f"/proc/{process}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError, ValueError, IndexError):  # the thread ended meanwhile
            found[path.parent.name] = int(path.read_text().split()[1]) / 1e9
    return found


def most_queued(before: dict[str, float], after: dict[str, float]) -> float:
    """Of those three threads that waited longest: a request is taken, worked on and answered by one each."""
    waited = [seconds - before.get(thread, 0.0) for thread, seconds in after.items()]
    return sum(sorted(waited)[-3:])


def look_at(process: int) -> list[Process]:
    """What a process holds now; nothing where it has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
        values = dict(line.split(":", 1) for line in status.splitlines())
        handles = len(list(Path(f"/proc/{process}/fd").iterdir()))
        return [Process(time.monotonic(), int(values["VmRSS"].split()[0]) / 1024, handles, int(values["Threads"]))]
    except (OSError, KeyError):
        return []


def series(lives: Iterable[Sequence[Process]], what: str) -> list[list[tuple[float, float]]]:
    """(seconds, value) of one field of Process, a list for each process."""
    return [[(found.at, float(getattr(found, what))) for found in life] for life in lives]


def slope_an_hour(several: Iterable[Sequence[tuple[float, float]]]) -> tuple[float, float] | None:
    """Least squares over several series of (seconds, value), each with a level of its own: (slope, its noise) an hour.

    Of each series only the second half of its time counts: in the first, portraits, textures and caches come to their
    number. The noise is the standard error, made larger for values that resemble the ones before them.
    """
    kept = [np.array([one for one in points if one[0] > (points[0][0] + points[-1][0]) / 2]) for points in several]
    levelled = [points - points.mean(axis=0) for points in kept if len(points) > 2]
    times, values = np.concatenate([np.empty((0, 2)), *levelled]).T
    spread = times @ times
    if len(times) < 10 or not spread:
        return None
    slope = times @ values / spread
    rest = values - slope * times
    power = rest @ rest
    error = math.sqrt(power / (len(rest) - 2) / spread)
    alike = np.clip(rest[:-1] @ rest[1:] / power if power else 0.0, 0.0, 0.99)
    return float(slope * 3600), float(error * math.sqrt((1 + alike) / (1 - alike)) * 3600)


def keep_evidence(obs: ThrowawayObs, folder: Path) -> None:
    """Save what tells why OBS doesn't answer: the screen, and every thread's stack, of crashes too."""
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(Exception):
        obs.photograph().save(folder / "screen.png")
    for number in (1, 2) if obs.is_running else ():  # what has moved from the first to the second isn't stuck
        (folder / f"stacks-{number}.txt").write_text(obs.stacks(), encoding="utf-8")
        time.sleep(2)
    (folder / "crashes.txt").write_text(obs.crashes(), encoding="utf-8")
