"""A real throwaway OBS under continuous use: what a person does to it, and everything that may go wrong around it.

The same seed does the same things, as far as time allows. Ends with a report, and with 0 only where nothing was wrong.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import environment

environment.enter()

import argparse
import contextlib
import csv
import math
import os
import resource
import shutil
import signal
import statistics
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

from development import soak_quits
from development.soak_actions import ACTIONS, Action, settle
from development.soak_watch import ANSWER_LIMIT, Life, Process, Watch, keep_evidence, slope_an_hour
from development.soak_world import SCENES, Fault, Frozen, World, screenshot
from obsws_python.error import OBSSDKRequestError

_LONG = 600.0  # seconds that a process has lived to be told of through its time


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="for so long, start and end aside [%(default)g]")
    parser.add_argument("--seed", type=int, default=1, help="of what is done, and in which order [%(default)s]")
    parser.add_argument(
        "--blanks", type=int, default=60, help="portraits without a photo beside the others [%(default)s]"
    )
    parser.add_argument(
        "--busy",
        choices=("never", "half", "always"),
        default="half",
        help="when another script in OBS looks sources up on each frame: half is every other OBS [%(default)s]",
    )
    parser.add_argument("--only", metavar="WORDS", help="only actions with one of these in their name, comma between")
    parser.add_argument("--without", metavar="WORDS", help="no such actions; without restart, one OBS lives throughout")
    parser.add_argument(
        "--growth",
        type=float,
        metavar="MB",
        help="it is a fault when OBS grows by more an hour, beyond the noise, in the second half of its life",
    )
    parser.add_argument("--quits", type=int, metavar="N", help="instead, quit OBS in the middle of everything, N times")
    parser.add_argument("--beside", type=int, default=2, metavar="N", help="OBSs that are quit so [%(default)s]")
    parser.add_argument(
        "--results", type=Path, default=Path("quits.log"), metavar="FILE",
        help="a line for each of those ends; those that it has already count too [%(default)s]",
    )  # fmt: skip
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="keep OBS's home and what was found in a new folder"
    )
    chosen = parser.parse_args()
    wanted = [
        action
        for action in (soak_quits.ACTIONS if chosen.quits else ACTIONS)
        if not chosen.only or is_named(action, chosen.only)
    ]
    if chosen.without:
        wanted = [action for action in wanted if not is_named(action, chosen.without)]
    with contextlib.suppress(ValueError):  # a crash leaves its memory in OBS's home, for a debugger
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))  # through what ends OBS and unmounts its disk
    if chosen.quits:
        return soak_quits.run(wanted, chosen.results, chosen.quits, chosen.beside, chosen.busy)
    if chosen.keep:
        chosen.keep.mkdir(parents=True)
    folder = chosen.keep or Path(tempfile.mkdtemp(prefix="cvmatte-soak-"))
    world = World(folder, seed=chosen.seed, blanks=chosen.blanks, busy=chosen.busy)
    soak = Soak(world, wanted, chosen.minutes * 60)
    try:
        soak.run()
    finally:
        world.close()
    soak.check_answers()
    if chosen.growth is not None:
        soak.check_growth(chosen.growth)
    soak.report()
    write_processes(folder / "processes.csv", world.watch.lives)
    if soak.faults or chosen.keep:
        print(f"\nOBS's home, its logs and what was found are in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if soak.faults else 0


def is_named(action: Action, words: str) -> bool:
    return any(word.strip() in action.name for word in words.split(","))


@dataclass
class Tally:
    """How an action went. missed: a dialog didn't come up. seconds: of each time that it was done."""

    seconds: list[float] = field(default_factory=list)
    impossible: int = 0
    missed: int = 0


class Soak:
    """Does one action after another, and keeps account."""

    def __init__(self, world: World, actions: Sequence[Action], seconds: float) -> None:
        self.world = world
        self._seconds = seconds
        self.faults: list[str] = []
        self.tallies = {action.name: Tally() for action in actions}
        self.ui_answers: list[float] = []
        self._actions = actions
        self._begun = time.monotonic()
        self._photographer = Photographer(world)

    def run(self) -> None:
        world = self.world
        try:
            world.start()
            world.furnish()
            world.await_canary(120)
            self._photographer.start()
            world.until = time.monotonic() + self._seconds
            for action in deal(self._actions, world.random):
                if time.monotonic() > world.until:
                    break
                self._do(action)
                self._between()
            self._finish()
        except Frozen as error:
            self._freeze(str(error))
        except Fault as error:
            self._note(str(error))
        finally:
            self._photographer.stop()

    def _do(self, action: Action) -> None:
        world, tally = self.world, self.tallies[action.name]
        if not action.possible(world):
            tally.impossible += 1
            return
        world.watch.during = action.name
        begun = time.monotonic()
        try:
            action.holds(world, action.act(world))
        except (Fault, OBSSDKRequestError) as error:
            self._note(f"{action.name}: {error}")
        except (TimeoutError, subprocess.SubprocessError) as error:  # of xdotool: a dialog that didn't come
            if not world.obs.is_running:
                raise Frozen(f"{action.name}: OBS is gone ({error!r})") from error
            if "timed out" in str(error):
                raise Frozen(f"{action.name}: {error!r}") from error
            tally.missed += 1
            with contextlib.suppress(subprocess.SubprocessError):
                world.obs.xdotool("key", "Escape")
        except Frozen:
            raise
        except Exception as error:  # of the connection: no answer, or closed
            raise Frozen(f"{action.name}: {error!r}") from error
        tally.seconds.append(time.monotonic() - begun)

    def _between(self) -> None:
        """What comes after each action: OBS's UI thread answers, and what is due is done."""
        world = self.world
        world.watch.during = ""
        begun = time.monotonic()
        try:
            world.requests.set_current_program_scene(world.random.choice(SCENES))  # waits for the UI thread
        except OBSSDKRequestError as error:
            self._note(str(error))
        except Exception as error:
            raise Frozen(f"OBS's UI thread doesn't answer: {error!r}") from error
        self.ui_answers.append(time.monotonic() - begun)
        try:
            world.do_what_is_due()
        except Fault as error:
            self._note(str(error))
        if world.watch.problem:
            raise Frozen(world.watch.problem)
        time.sleep(world.random.random() * 0.2)

    def check_answers(self) -> None:
        for answer in self.world.watch.answers:
            if answer.is_obs_own:
                self._note(
                    f"a light request took {answer.seconds:.1f} s, not for a busy machine, during “{answer.during}”"
                )

    def _finish(self) -> None:
        world = self.world
        world.watch.during = "the end"
        for fault in [*world.settle(), *self._ended(world.await_settings)]:
            self._note(f"at the end, {fault}")
        self._photographer.stop()
        for fault in self._ended(world.quit):
            self._note(f"at the end, {fault}")

    @staticmethod
    def _ended(act: Callable[[], None]) -> Iterator[str]:
        try:
            act()
        except Fault as error:
            yield str(error)

    def _freeze(self, why: str) -> None:
        evidence = self.world.folder / "evidence"
        self._note(f"{why}; the stacks and the screen are in {evidence}")
        self.world.watch.stop()  # a debugger holds OBS up
        keep_evidence(self.world.obs, evidence)

    def _note(self, fault: str) -> None:
        self.faults.append(fault)
        print(f"FAULT after {time.monotonic() - self._begun:.0f} s: {fault}", flush=True)

    def check_growth(self, limit: float) -> None:
        slope = slope_an_hour(memory_of(life.obs for life in self.world.watch.lives))
        if slope is None:
            self._note("too little was measured to tell whether OBS grows")
        elif slope[0] - 2 * slope[1] > limit:
            self._note(f"OBS grows by {slope[0]:.0f} ± {slope[1]:.0f} MB an hour")

    # The report

    def report(self) -> None:
        watch = self.world.watch
        print(f"\n{'action':34}{'done':>6}{'median s':>10}{'longest s':>10}{'not possible':>14}{'no dialog':>11}")
        for name, tally in self.tallies.items():
            times = tally.seconds or [0.0]
            print(
                f"{name:34}{len(tally.seconds):6}{statistics.median(times):10.2f}{max(times):10.2f}"
                f"{tally.impossible:14}{tally.missed:11}"
            )
        print(f"{'screenshots beside it':34}{self._photographer.taken:6}")
        if not self.world.disk.is_mounted:
            print("The disk was never full: only root may mount a small one.")
        print_answers(watch, self.ui_answers)
        print_frames(watch.lives)
        print_processes("OBS", [life.obs for life in watch.lives])
        print_processes("worker", [found for life in watch.lives for found in life.workers.values()])
        if self.world.states_seen:
            print("\nSaid of the trouble that was made: " + str(dict(Counter(self.world.states_seen))))
        print(f"\n{len(self.faults)} faults" + "".join(f"\n  {fault}" for fault in self.faults))


def deal(actions: Sequence[Action], random: Random) -> Iterator[Action]:
    """First each action once, but for what only looks; then decks with as many of each as it weighs, shuffled."""
    deck = [action for action in actions if action.act is not settle] or list(actions)
    while True:
        random.shuffle(deck)
        yield from deck
        deck = [action for action in actions for _ in range(action.weight)]


class Photographer:
    """Takes screenshots all the time, over a connection of its own, in whatever OBS runs."""

    def __init__(self, world: World) -> None:
        self.taken = 0
        self._world = world
        self._random = Random(0)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="soak-photographer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(30)

    def _run(self) -> None:
        while not self._stopping.wait(0.5):
            with contextlib.suppress(Exception):  # OBS is being restarted; whether it should be, others see
                requests = self._world.obs.connect()
                with contextlib.closing(requests.base_client.ws):
                    while not self._stopping.wait(self._random.random() * 0.3):
                        name = self._random.choice([*SCENES, *self._world.portraits])
                        self.taken += screenshot(requests, name, 160, 90) is not None


def print_answers(watch: Watch, ui_answers: Sequence[float]) -> None:
    answers = watch.answers
    print(f"\n{'seconds':44}{'median':>8}{'95 %':>8}{'99 %':>8}{'worst':>8}{'count':>8}")
    for name, values in (
        ("OBS's answer to a light request", [answer.seconds for answer in answers]),
        ("  of that, a thread of OBS had no processor", [answer.queued for answer in answers]),
        ("a plain sleep of the watcher ended late by", [answer.late for answer in answers]),
        ("OBS's UI thread changed the scene in", ui_answers),
    ):
        if values:
            shown = (quantile(values, share) for share in (0.5, 0.95, 0.99, 1.0))
            print(f"{name:44}" + "".join(f"{value:8.3f}" for value in shown) + f"{len(values):8}")
    loads = [answer.load for answer in answers] or [0.0]
    print(
        f"the machine's load: {statistics.median(loads):.1f}, at most {max(loads):.1f}, on {os.cpu_count()} processors"
    )
    slow = [answer for answer in answers if answer.is_slow]
    own = sum(answer.is_obs_own for answer in slow)
    print(f"answers over {ANSWER_LIMIT:.0f} s: {len(slow)}; for other reasons than a busy machine: {own}")
    for answer in sorted(slow, key=lambda answer: -answer.seconds)[:10]:
        print(
            f"  {answer.seconds:.2f} s: without a processor {answer.queued:.2f} s, sleep late {answer.late:.2f} s, "
            f"load {answer.load:.1f}, during “{answer.during}”"
        )


def quantile(values: Sequence[float], share: float) -> float:
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]


def print_frames(lives: Sequence[Life]) -> None:
    for name, busy in (("alone", False), ("beside the busy script", True)):
        chosen = [life for life in lives if life.busy == busy]
        frames, lagged = sum(life.frames for life in chosen), sum(life.lagged for life in chosen)
        if frames:
            print(f"{len(chosen)} times OBS {name}: {frames} frames, {lagged} of them late ({lagged / frames:.1%})")


def print_processes(name: str, lives: Sequence[Sequence[Process]]) -> None:
    everything = [found for life in lives for found in life]
    if not everything:
        return
    memory = [found.memory for found in everything]
    handles = [found.handles for found in everything]
    threads = [found.threads for found in everything]
    print(
        f"\n{name}, {len(lives)} processes: memory {statistics.median(memory):.0f} MB, at most {max(memory):.0f}; "
        f"handles {statistics.median(handles):.0f}, at most {max(handles)}; "
        f"threads {statistics.median(threads):.0f}, at most {max(threads)}"
    )
    for what, series in (
        ("memory, MB an hour, second half", memory_of(lives)),
        ("handles an hour, second half", [[(found.at, float(found.handles)) for found in life] for life in lives]),
        ("threads an hour, second half", [[(found.at, float(found.threads)) for found in life] for life in lives]),
    ):
        slope = slope_an_hour(series)
        print(f"  {what}: " + (f"{slope[0]:+.0f} ± {slope[1]:.0f}" if slope else "too short to tell"))
    for life in lives:
        if life and life[-1].at - life[0].at > _LONG:
            print("  one of them through its time, MB: " + " ".join(f"{value:.0f}" for value in tenths(life)))


def tenths(life: Sequence[Process]) -> Iterator[float]:
    """The median memory of each tenth of a process's time."""
    length = (life[-1].at - life[0].at) / 10
    for number in range(10):
        begin = life[0].at + number * length
        yield statistics.median([found.memory for found in life if begin <= found.at <= begin + length] or [math.nan])


def write_processes(path: Path, lives: Sequence[Life]) -> None:
    """Everything measured of OBS and its workers, as CSV."""
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("OBS", "worker", "seconds", "memory MB", "handles", "threads"))
        for number, life in enumerate(lives, 1):
            for worker, series in [("", life.obs), *life.workers.items()]:
                for found in series:
                    at = round(found.at - life.begun, 1)
                    table.writerow((number, worker, at, round(found.memory, 1), found.handles, found.threads))


def memory_of(lives: Iterable[Sequence[Process]]) -> list[list[tuple[float, float]]]:
    return [[(found.at, found.memory) for found in life] for life in lives]


if __name__ == "__main__":
    sys.exit(main())
