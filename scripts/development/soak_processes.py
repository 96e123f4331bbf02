"""What soak.py does to the processes that CVMatte has started: the worker, and those of live portraits."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from development.soak_world import Fault, World
from cvmatte_core.child_process.child import SILENCE_SECONDS

Processes = Callable[[World], list[int]]


def worker_may_end(world: World) -> bool:
    return world.hung is None


def workers(world: World) -> list[int]:
    """Those that may end."""
    return world.obs.worker_ids() if worker_may_end(world) else []


def may_hang(world: World) -> object:
    """Once in a run, and only where there is time to see the end of it."""
    time_left = world.until - time.monotonic()
    return not world.hung_once and workers(world) and world.names() and time_left > SILENCE_SECONDS + 60


def live_ones(world: World) -> list[int]:
    return world.obs.live_ids()


def send(number: int, processes: Iterable[int]) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


def kill(processes: Processes) -> Callable[[World], None]:
    return lambda world: send(signal.SIGKILL, processes(world))


def stop(processes: Processes, longest: float) -> Callable[[World], None]:
    """For a while, in seconds."""

    def act(world: World) -> None:
        stopped = processes(world)
        send(signal.SIGSTOP, stopped)
        world.later_in(world.random.uniform(1, longest), lambda: send(signal.SIGCONT, stopped))

    return act


def hang_worker(world: World) -> None:
    """Until CVMatte gives it up; meanwhile ever more is asked of it."""
    (worker,) = world.obs.worker_ids()
    name = world.random.choice(world.names())
    send(signal.SIGSTOP, [worker])
    world.hung, world.hung_once = worker, True
    world.change(name, image=str(world.photos[0]), input="file", threshold=world.random.randrange(100, 250))

    def was_ended() -> None:
        world.hung = None
        if worker in world.obs.worker_ids():
            send(signal.SIGKILL, [worker])
            raise Fault(f"a worker that stood still for {SILENCE_SECONDS + 45:.0f} s was not ended")

    world.later_in(SILENCE_SECONDS + 45, was_ended, patient=True)


def limit_memory(process: int, size: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(process, resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))


def starve(processes: Processes) -> Callable[[World], None]:
    """They get hardly more memory than they have, for some seconds."""

    def act(world: World) -> None:
        starved = processes(world)
        for process in starved:
            with contextlib.suppress(OSError):
                pages = int(Path(f"/proc/{process}/statm").read_text().split()[0])
                more = world.random.choice([0, 4, 32]) * (1 << 20)
                limit_memory(process, pages * resource.getpagesize() + more)

        def feed() -> None:
            for process in starved:
                limit_memory(process, resource.RLIM_INFINITY)

        world.later_in(world.random.uniform(2, 8), feed)

    return act
