"""The soak's other form: OBS is quit in the middle of everything, again and again, and must end as clean as it began.

One line for each end goes into a file, which also says how many there have been: a soak that was stopped goes on.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from development import soak_actions
from development.soak_actions import Action
from development.soak_watch import keep_evidence
from development.soak_world import OTHER_COLLECTION, OWN_COLLECTION, World
from obsws_python.error import OBSSDKRequestError

_LONGEST = 6.0  # seconds between the last thing that is furnished, or loaded, and the end
_LIVES = 25  # of one home: then another begins, empty
_CLEAN = "clean"
_BAD = {  # in OBS's log
    "Double destroy": "double destroy",
    "Not all sources were cleared": "sources that weren't cleared",
    "the session's thread doesn't end": "a session's thread that didn't end",
    "Traceback": "an error of ours",
}
_SLOW = ("settle", "restart", "reload", "properties", "for good", "disk", "collection")  # actions that wait


def start(world: World) -> None:
    """OBS 32 may crash in its audio thread before it loads any script: that is no end. Raises TimeoutError."""
    for _ in range(3):
        try:
            world.obs.start()
            return
        except TimeoutError:
            if "Loaded python script" in world.obs.last_lines():
                raise
    world.obs.start()


def begin_a_folder(world: World) -> None:
    world.probe({"set": {"folder": str(world.photos_folder)}, "press": "folder_start", "states": True})


def leave_the_collection(world: World) -> None:
    """The last thing that is done in this OBS."""
    world.requests.set_current_scene_collection(OTHER_COLLECTION)
    world.until = 0.0


ACTIONS = (
    *(action for action in soak_actions.ACTIONS if not any(word in action.name for word in _SLOW)),
    Action("begin a folder", 2, begin_a_folder),
    Action("leave the collection", 1, leave_the_collection),
)


@dataclass
class Tally:
    """Of every line in the results' file: those of a clean end, and the others."""

    clean: int = 0
    faulty: int = 0

    @property
    def all(self) -> int:
        return self.clean + self.faulty


def run(actions: Sequence[Action], results: Path, wanted: int, beside: int, busy: str) -> int:
    """The exit code: 0 where every line in the file tells of a clean end."""
    tally = Quits(actions, results, wanted, busy).run(beside)
    print(f"{tally.all} ends, {tally.faulty} of them with faults", flush=True)
    return 1 if tally.faulty else 0


class Quits:
    """Several OBSs beside each other, each in a home of its own, until there are as many ends as wanted."""

    def __init__(self, actions: Sequence[Action], results: Path, wanted: int, busy: str) -> None:
        self._actions = actions
        self._results = results
        self._wanted = wanted
        self._busy = busy
        self._stopping = threading.Event()
        self._writing = threading.Lock()
        results.parent.mkdir(parents=True, exist_ok=True)
        results.touch()

    def run(self, beside: int) -> Tally:
        threads = [threading.Thread(target=self._run, args=(number,), daemon=True) for number in range(beside)]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        finally:
            self._stopping.set()
            for thread in threads:
                thread.join(120)
        return self.tally()

    def tally(self) -> Tally:
        lines = self._results.read_text(encoding="utf-8").splitlines()
        clean = sum(f": {_CLEAN} |" in line for line in lines)
        return Tally(clean, len(lines) - clean)

    @property
    def _is_done(self) -> bool:
        return self._stopping.is_set() or self.tally().all >= self._wanted

    def _run(self, number: int) -> None:
        while not self._is_done:
            seed = int(time.time()) * 100 + number
            folder = Path(tempfile.mkdtemp(prefix="cvmatte-quits-"))
            world = World(folder, seed=seed, blanks=3, busy=self._busy)
            try:
                life = 0
                while life < _LIVES and not self._is_done and self._ends_clean(world, life):
                    life += 1
            finally:
                world.close()
                shutil.rmtree(folder, ignore_errors=True)

    def _ends_clean(self, world: World, life: int) -> bool:
        """One OBS, from its start to its end."""
        done: list[str] = []
        faults = []
        try:
            self._start(world, is_first=not life)
            self._do_things(world, done)
            leaks = world.obs.quit(60)
            faults += [f"{leaks} leaks" if leaks else "OBS ended without counting its leaks"] if leaks != 0 else []
        except Exception as error:  # an OBS that has ended, or answers no more, says so in many ways
            faults.append(f"{type(error).__name__}: {error}"[:3000])
        log = world.obs.log()
        faults += [word for part, word in _BAD.items() if part in log]
        verdict = "; ".join(faults) or _CLEAN
        self._write(f"seed {world.seed} life {life}: {verdict} | {', '.join(done)}")
        if faults:
            kept = self._results.with_suffix("") / f"{world.seed}-{life}"
            keep_evidence(world.obs, kept)
            (kept / "log.txt").write_text(f"{verdict}\n\n{log}\n\n{world.obs.last_lines()}", encoding="utf-8")
        return not faults

    def _start(self, world: World, is_first: bool) -> None:
        if is_first:
            start(world)
            world.furnish()
            return
        world.change_scripts()
        start(world)
        if world.requests.get_scene_collection_list().current_scene_collection_name != OWN_COLLECTION:
            world.requests.set_current_scene_collection(OWN_COLLECTION)

    def _do_things(self, world: World, done: list[str]) -> None:
        """What a person does until they quit, without waiting for what comes of it."""
        world.until = time.monotonic() + world.random.random() * _LONGEST
        while time.monotonic() < world.until:
            action = world.random.choice([one for one in self._actions for _ in range(one.weight)])
            if not action.possible(world):
                continue
            done.append(action.name)
            with contextlib.suppress(OBSSDKRequestError):
                action.act(world)
            time.sleep(world.random.random() * 0.3)
        world.do_what_is_due(everything=True)

    def _write(self, line: str) -> None:
        line = f"{time.strftime('%H:%M:%S')} {line}".replace("\n", " ")
        with self._writing, self._results.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
        print(line, flush=True)
