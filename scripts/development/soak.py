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
import itertools
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random

import numpy as np
from development import soak_quits
from development.soak_actions import ACTIONS, SETTLE, Action
from development.soak_watch import ANSWER_LIMIT, Process, keep_evidence, series, slope_an_hour
from development.soak_world import SCENES, Fault, Frozen, World
from demo.throwaway_obs import wait_until
from obsws_python.error import OBSSDKRequestError


_POSSIBLE_SECONDS = 5.0  # until what wasn't possible may be


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    option = parser.add_argument
    option("--minutes", type=float, default=10.0, help="for so long, start and end aside [%(default)g]")
    option("--once", action="store_true", help="instead, each action once, however long that takes")
    option("--seed", type=int, default=1, help="of what is done, and in which order [%(default)s]")
    option("--blanks", type=int, default=60, help="portraits without a photo beside the others [%(default)s]")
    option(
        "--busy", choices=("never", "half", "always"), default="half",
        help="when another script in OBS looks sources up on each frame: half is every other OBS [%(default)s]",
    )  # fmt: skip
    option("--only", metavar="WORDS", help="only actions with one of these in their name, comma between")
    option("--without", metavar="WORDS", help="no such actions; without restart, one OBS lives throughout")
    option(
        "--growth", type=float, metavar="MB",
        help="it is a fault when OBS grows by more an hour, beyond the noise, in the second half of its life",
    )  # fmt: skip
    option("--quits", type=int, metavar="N", help="instead, quit OBS in the middle of everything, N times")
    option("--beside", type=int, default=2, metavar="N", help="OBSs that are quit so [%(default)s]")
    option(
        "--results", type=Path, default=Path("quits.log"), metavar="FILE",
        help="a line for each of those ends; those that it has already count too [%(default)s]",
    )  # fmt: skip
    option("--keep", type=Path, metavar="FOLDER", help="keep OBS's home and what was found in a new folder")
    chosen = parser.parse_args()
    wanted = [
        action
        for action in (soak_quits.ACTIONS if chosen.quits else ACTIONS)
        if is_named(action, chosen.only or "") and not (chosen.without and is_named(action, chosen.without))
    ]
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))  # through what ends OBS and unmounts its disk
    if chosen.quits:
        return soak_quits.run(wanted, chosen.results, chosen.quits, chosen.beside, chosen.busy)
    if chosen.keep:
        chosen.keep.mkdir(parents=True)
    folder = chosen.keep or Path(tempfile.mkdtemp(prefix="cvmatte-soak-"))
    world = World(folder, seed=chosen.seed, blanks=chosen.blanks, busy=chosen.busy)
    soak = Soak(world, wanted, 0 if chosen.once else chosen.minutes * 60)
    try:
        soak.run()
    finally:
        world.close()
    check_answers(world)
    if chosen.growth is not None:
        check_growth(world, chosen.growth)
    soak.report()
    if world.faults or chosen.keep:
        print(f"\nOBS's home, its logs and what was found are in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if world.faults else 0


def is_named(action: Action, words: str) -> bool:
    return any(word.strip() in action.name for word in words.split(","))


@dataclass
class Tally:
    """How an action went. missed: a dialog didn't come up. seconds: of each time that it was done."""

    seconds: list[float] = field(default_factory=list)
    impossible: int = 0
    missed: int = 0


class Soak:
    """Does one action after another, and keeps account. seconds: for so long; 0 for each of them once."""

    def __init__(self, world: World, actions: Sequence[Action], seconds: float) -> None:
        self._world = world
        self._actions = actions
        self._seconds = seconds
        self._tallies = {action.name: Tally() for action in actions}
        self._ui_answers: list[float] = []

    def run(self) -> None:
        world = self._world
        try:
            world.start()
            world.furnish()
            world.await_canary(120)
            world.until = time.monotonic() + self._seconds
            for action in self._turns():
                self._do(action)
                self._between()
            world.watch.during = "the end"
            for check in (world.settle, world.await_settings):
                with self._noting("at the end"):
                    check()
            world.quit()
        except Frozen as error:
            evidence = world.folder / "evidence"
            world.note(f"{error}; the stacks and the screen are in {evidence}")
            world.watch.stop()  # a debugger holds OBS up
            keep_evidence(world.obs, evidence)
        except Fault as error:
            world.note(str(error))

    def _turns(self) -> Iterator[Action]:
        decks = deal(self._actions, self._world.random)
        if self._seconds:
            turns = itertools.chain.from_iterable(decks)
            yield from itertools.takewhile(lambda action: time.monotonic() <= self._world.until, turns)
            return
        once = next(decks)
        yield from once
        for action in [action for action in once if not self._tallies[action.name].seconds]:  # it wasn't possible
            self._world.probe({"press": "rematte_all"})  # for those that need a worker
            with contextlib.suppress(TimeoutError):
                wait_until(partial(action.possible, self._world), _POSSIBLE_SECONDS)
            yield action

    @contextlib.contextmanager
    def _noting(self, what: str) -> Iterator[None]:
        """A fault is noted. Raises Frozen where OBS answers no more."""
        try:
            yield
        except (Fault, OBSSDKRequestError) as error:
            self._world.note(f"{what}: {error}")
        except Frozen:
            raise
        except Exception as error:  # of the connection: no answer, or closed
            raise Frozen(f"{what}: {error!r}") from error

    def _do(self, action: Action) -> None:
        world, tally = self._world, self._tallies[action.name]
        if not action.possible(world):
            tally.impossible += 1
            return
        world.watch.during = action.name
        begun = time.monotonic()
        with self._noting(action.name):
            try:
                action.holds(world, action.act(world))
            except (TimeoutError, subprocess.SubprocessError) as error:  # of xdotool: a dialog that didn't come
                if not world.obs.is_running or "timed out" in str(error):
                    raise
                tally.missed += 1
                with contextlib.suppress(subprocess.SubprocessError):
                    world.obs.xdotool("key", "Escape")
        tally.seconds.append(time.monotonic() - begun)

    def _between(self) -> None:
        """What comes after each action: OBS's UI thread answers, and what is due is done."""
        world = self._world
        world.watch.during = ""
        begun = time.monotonic()
        with self._noting("OBS's UI thread"):
            world.requests.set_current_program_scene(world.random.choice(SCENES))  # waits for the UI thread
        self._ui_answers.append(time.monotonic() - begun)
        with self._noting("what was due"):
            world.do_what_is_due()
        if world.watch.problem:
            raise Frozen(world.watch.problem)
        time.sleep(world.random.random() * 0.2)

    def report(self) -> None:
        world = self._world
        print(f"\n{'action':34}{'done':>6}{'median s':>10}{'longest s':>10}{'not possible':>14}{'no dialog':>11}")
        for name, tally in self._tallies.items():
            middle, longest = np.median(tally.seconds or 0), max(tally.seconds, default=0)
            done = len(tally.seconds)
            print(f"{name:34}{done:6}{middle:10.2f}{longest:10.2f}{tally.impossible:14}{tally.missed:11}")
        print(f"{'screenshots beside it':34}{world.watch.screenshots:6}")
        if not world.disk.is_mounted:
            print("The disk was never full and never read-only: only root may mount a small one.")
        answers = world.watch.answers
        print(f"\n{'seconds':44}{'median':>8}{'95 %':>8}{'99 %':>8}{'worst':>8}{'count':>8}")
        for name, values in (
            ("OBS's answer to a light request", [answer.seconds for answer in answers]),
            ("  of that, a thread of OBS had no processor", [answer.queued for answer in answers]),
            ("a plain sleep of the watcher ended late by", [answer.late for answer in answers]),
            ("OBS's UI thread changed the scene in", self._ui_answers),
        ):
            shown = np.quantile(values or [0], (0.5, 0.95, 0.99, 1))
            print(f"{name:44}" + "".join(f"{value:8.3f}" for value in shown) + f"{len(values):8}")
        slow = [answer for answer in answers if answer.is_slow]
        own = sum(answer.is_slow_by_itself for answer in slow)
        print(f"answers over {ANSWER_LIMIT:.0f} s: {len(slow)}; for other reasons than a busy machine: {own}")
        for name, busy in (("alone", False), ("beside the busy script", True)):
            lives = [life for life in world.watch.lives if life.busy == busy]
            frames, lagged = sum(life.frames for life in lives), sum(life.lagged for life in lives)
            if frames:
                print(f"{len(lives)} times OBS {name}: {frames} frames, {lagged} of them late ({lagged / frames:.1%})")
        print_processes("OBS", [life.obs for life in world.watch.lives])
        print_processes("worker", [found for life in world.watch.lives for found in life.workers.values()])
        if world.troubles_seen:
            print(f"\nSaid of the trouble that was made: {dict(world.troubles_seen)}")
        print(f"\n{len(world.faults)} faults" + "".join(f"\n  {fault}" for fault in world.faults))


def print_processes(name: str, lives: Sequence[Sequence[Process]]) -> None:
    print(f"\n{name}, {len(lives)} processes")
    for what in ("memory", "handles", "threads"):
        several = series(lives, what)
        values = [value for points in several for _, value in points] or [0.0]
        slope = slope_an_hour(several)
        growth = f"{slope[0]:+.0f} ± {slope[1]:.0f} an hour in the second half" if slope else "too short for a slope"
        print(f"  {what:8}{np.median(values):6.0f}, at most {max(values):.0f}; {growth}")


def check_answers(world: World) -> None:
    for answer in world.watch.answers:
        if answer.is_slow_by_itself:
            world.note(f"a light request took {answer.seconds:.1f} s, not for a busy machine, during “{answer.during}”")


def check_growth(world: World, limit: float) -> None:
    slope = slope_an_hour(series([life.obs for life in world.watch.lives], "memory"))
    if slope is None:
        world.note("too little was measured to tell whether OBS grows")
    elif slope[0] - 2 * slope[1] > limit:
        world.note(f"OBS grows by {slope[0]:.0f} ± {slope[1]:.0f} MB an hour")


def deal(actions: Sequence[Action], random: Random) -> Iterator[list[Action]]:
    """First each action once, but for what only looks; then decks with as many of each as it weighs, shuffled."""
    deck = [action for action in actions if action.name != SETTLE] or list(actions)
    while True:
        random.shuffle(deck)
        yield deck
        deck = [action for action in actions for _ in range(action.weight)]


if __name__ == "__main__":
    sys.exit(main())
