"""What all jobs have in common.

A kind of job is a dataclass of its request's parameters. An Aside runs in a thread of its own; a Computation goes step
by step on the computing thread, so that other jobs can have their turn in between.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Generator, TypeVar, Union

from ...diagnose import RecentWarnings
from ...layers.store import LayerStore
from ...layers.touch_ups import TouchUps

if TYPE_CHECKING:  # heavy: imported after the handshake
    from ...matting.matter import Matter

_PROGRESS_SECONDS = 0.05  # at most one progress message in so long
_Held = TypeVar("_Held")
_Kind = TypeVar("_Kind")

Answer = dict[str, Any]
# A None that it yields lets others have their turn. A number sends it to the finishing thread, where it goes on at
# that time.monotonic(), or sooner with Cancelled. What it returns is the answer.
Steps = Generator[Union[float, None], None, Answer]


class Aside:
    """Has nothing to do with matting, and may hang without holding anybody up."""

    def run(self, job: Job) -> Answer:
        raise NotImplementedError


class Computation:
    """gives_way: to the jobs that don't."""

    gives_way = False

    def steps(self, job: Job) -> Steps:
        raise NotImplementedError


@dataclass
class Worker:
    """What jobs may use, and share.

    notify: sends a notification. moved: tells the beat that this thread's work goes on. call(work, number): has work
    done with the Matter, right after the step under way, for the job of that number. under_way: the jobs that aren't
    answered yet, by number. device: what a network ran on last.
    """

    store: LayerStore
    outputs_folder: Path
    warnings: RecentWarnings
    notify: Callable[..., None]
    moved: Callable[[], None]
    call: Callable[..., Future[Any]]
    touch_ups: TouchUps = field(default_factory=TouchUps)
    under_way: dict[int, Job] = field(default_factory=dict)
    device: str = ""
    is_ending: bool = False
    loaded_matter: Matter | None = None
    _held: dict[Any, Any] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def matter(self) -> Matter:
        """For the computing thread only."""
        if self.loaded_matter is None:
            from ...matting.matter import Matter

            self.loaded_matter = Matter(touch_ups=self.touch_ups)
        return self.loaded_matter

    def held(self, kind: Callable[[], _Held]) -> _Held:
        """What the jobs of a kind hold together: the first one to ask has it made."""
        with self._lock:
            if kind not in self._held:
                self._held[kind] = kind()
            held: _Held = self._held[kind]
            return held

    def requests(self, kind: type[_Kind]) -> list[_Kind]:
        """Those of a kind that are under way."""
        return [job.request for job in list(self.under_way.values()) if isinstance(job.request, kind)]


@dataclass
class Job:
    """A request under way."""

    number: int
    request: Aside | Computation
    worker: Worker
    cancelled: threading.Event = field(default_factory=threading.Event)
    begun: float = 0.0  # by time.perf_counter; 0 as long as it only waits
    moved_at: float = field(default_factory=time.monotonic)  # when there was a sign of it
    steps: Steps | None = None  # of a Computation
    turn: tuple[bool, int] = (False, 0)  # its place in the line: whether it gives way, and its order
    _told: tuple[str, str] = ("", "")  # what the last progress message was about,
    _told_at: float = 0.0  # and when it was sent

    def tell(self, stage: str, done: int, total: int, *, name: str = "", **more: Any) -> None:
        """Report progress: at once where something begins, and now and then in between."""
        self.worker.moved()
        self.moved_at = now = time.monotonic()
        if self._told == (stage, name) and now - self._told_at < _PROGRESS_SECONDS:
            return
        self._told, self._told_at = (stage, name), now
        if name:
            more["name"] = name
        self.worker.notify("progress", id=self.number, stage=stage, done=done, total=total, **more)
