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
from concurrent.futures import ThreadPoolExecutor
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
_SLOW = ("settle", "restart", "reload", "properties", "for good", "disk", "collection", "beside")  # actions that wait


def begin_a_folder(world: World) -> None:
    world.probe({"set": {"folder": str(world.rubbish.parent)}, "press": "folder_start"})


def leave_the_collection(world: World) -> None:
    """The last thing that is done in this OBS."""
    world.requests.set_current_scene_collection(OTHER_COLLECTION)
    world.until = 0.0


ACTIONS = [
    *(action for action in soak_actions.ACTIONS if not any(word in action.name for word in _SLOW)),
    Action("begin a folder", 2, begin_a_folder),
    Action("leave the collection", 1, leave_the_collection),
]


def run(actions: Sequence[Action], results: Path, wanted: int, beside: int, busy: str) -> int:
    """Several OBSs beside each other, each in a home of its own, until there are as many ends as wanted.

    Returns the exit code: 0 where every line in the file tells of a clean end.
    """
    quits = Quits(actions, results, wanted, busy)
    with ThreadPoolExecutor(beside) as homes:
        try:
            list(homes.map(quits.run, range(beside)))
        finally:
            quits.stopping.set()
    lines = quits.lines()
    faulty = sum(f": {_CLEAN} |" not in line for line in lines)
    print(f"{len(lines)} ends, {faulty} of them with faults", flush=True)
    return 1 if faulty else 0


class Quits:
    """Starts and quits one OBS after another."""

    def __init__(self, actions: Sequence[Action], results: Path, wanted: int, busy: str) -> None:
        self.stopping = threading.Event()
        self._deck = [action for action in actions for _ in range(action.weight)]
        self._results = results
        self._wanted = wanted
        self._busy = busy
        self._writing = threading.Lock()
        results.parent.mkdir(parents=True, exist_ok=True)
        results.touch()

    def lines(self) -> list[str]:
        return self._results.read_text(encoding="utf-8").splitlines()

    @property
    def _is_done(self) -> bool:
        return self.stopping.is_set() or len(self.lines()) >= self._wanted

    def run(self, number: int) -> None:
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
            _begin(world, is_first=not life)
            self._do_things(world, done)
            leaks = world.obs.quit(60)
            if leaks != 0:
                faults.append(f"{leaks} leaks" if leaks else "OBS ended without counting its leaks")
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

    def _do_things(self, world: World, done: list[str]) -> None:
        """What a person does until they quit, without waiting for what comes of it."""
        world.until = time.monotonic() + world.random.random() * _LONGEST
        while time.monotonic() < world.until:
            action = world.random.choice(self._deck)
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


def _begin(world: World, is_first: bool) -> None:
    """OBS with CVMatte's scene collection. Raises TimeoutError."""
    if not is_first:
        world.change_scripts()
    for attempt in range(4):
        try:
            world.obs.start()
            break
        except TimeoutError:  # OBS 32 may crash in its audio thread before it loads any script: that is no end
            if attempt == 3 or "Loaded python script" in world.obs.last_lines():
                raise
    if is_first:
        world.furnish()
    elif world.requests.get_scene_collection_list().current_scene_collection_name != OWN_COLLECTION:
        world.requests.set_current_scene_collection(OWN_COLLECTION)
