"""What a batch has made: a line of JSON for each step, in a hidden file of its output folder.

It is how running again finds what is left, which files may be replaced, and what is no photo.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Iterator, Tuple

from ..filesystem import files
from ..filesystem.lock import locked_if_free
from ..localization.errors import CvmatteError

_PREFIX, _SUFFIX = ".matte-", ".jsonl"  # not one that files.remove_stale takes away
_LOCK = ".matte.lock"
State = list[int]  # see files.state_of
Size = Tuple[int, int]


@dataclass(frozen=True)
class Names:
    """Where a photo's layer and mask go: paths below the output folder; mask is empty where there is none."""

    layer: str
    mask: str


@dataclass(frozen=True)
class Done:
    """A finished photo: its state and settings as it was matted, and what was made of it."""

    state: State
    settings: str
    names: Names
    made: dict[str, State]
    size: Size
    seconds: float


class BatchRecord:
    """The record of the batches from a folder into an output folder, which is made if it is missing.

    tries: photos that were under way when a process ended, and how often. Until `close` the output folder is locked
    against other batches. Raises OutputError, CvmatteError if another is at work there.
    """

    def __init__(self, folder: Path, output_folder: Path) -> None:
        self.root = output_folder
        self.done: dict[str, Done] = {}
        self.tries: dict[str, int] = {}
        self._promised: dict[str, Names] = {}
        self._ever_made: dict[str, dict[str, State]] = {}  # by photos, with earlier options too
        self._others: dict[str, State] = {}  # the archive and the reports
        self._contents: dict[str, str] = {}
        digest = hashlib.sha256(os.fsencode(folder)).hexdigest()
        self._path = output_folder / f"{_PREFIX}{digest[:12]}{_SUFFIX}"
        self._made_root = not files.exists(output_folder)
        self._held = contextlib.ExitStack()
        if not self._held.enter_context(locked_if_free(output_folder / _LOCK)):
            raise CvmatteError("batch_at_work", folder=str(output_folder))
        try:
            # Without a buffer: what a full disk refused must not be tried again when it closes.
            self._file = self._path.open("ab", buffering=0)
        except OSError as error:
            self._held.close()
            raise files.output_error(error, output_folder) from error
        for step in _steps(self._path):
            with contextlib.suppress(KeyError, TypeError, ValueError, IndexError):
                self._learn(step)

    def close(self) -> None:
        """Where nothing was made, nothing stays."""
        self._file.close()
        if not (self.done or self._others or self.tries):
            with contextlib.suppress(OSError):
                self._path.unlink()
        self._held.close()
        if self._made_root:
            with contextlib.suppress(OSError):  # something was made
                self.root.rmdir()

    def begin(self, photo: str, names: Names, a_try: bool = True) -> None:
        """A photo is under way; its files will have these names. a_try: it may end this process. Raises OutputError."""
        self._append({"begun": photo, **asdict(names), **({} if a_try else {"try": False})})

    def let_go(self, photo: str) -> None:
        """It is so no more, in good order. Raises OutputError."""
        self._append({"let_go": photo})

    def finish(self, photo: str, state: State, settings: str, names: Names, size: Size, seconds: float) -> None:
        """The files of a photo are written. Raises OutputError."""
        step = {"done": photo, "state": state, "settings": settings, **asdict(names), "made": self._states(names)}
        self._append({**step, "size": size, "seconds": seconds})

    def _states(self, names: Names) -> dict[str, State]:
        return {name: files.state_of(self.root / name) for name in (names.layer, names.mask) if name}

    def note(self, name: str, content: str = "") -> None:
        """An archive or a report was written; `content` tells one from another. Raises OutputError."""
        self._append({"wrote": name, "state": files.state_of(self.root / name), "content": content})

    def names_of(self, photo: str) -> Names | None:
        """The names that a photo's files had, or were to have; None where anything else stands there by now."""
        names = self._promised.get(photo)
        if names is None or photo in self.tries:  # begun and not finished: what stands there, the process had written
            return names
        known = self.done[photo].made if photo in self.done else {}
        return names if all(now in ([], known.get(name)) for name, now in self._states(names).items()) else None

    def may_replace(self, photo: str, name: str) -> bool:
        """Whether a file stands as it was once made of a photo, perhaps with other options."""
        return files.state_of(self.root / name) == self._ever_made.get(photo, {}).get(name)

    def is_finished(self, photo: str, state: State, settings: str) -> bool:
        """Whether a photo was finished in this state, with these settings, and its files are still there."""
        done = self.done.get(photo)
        if done is None or (done.state, done.settings) != (state, settings) or photo in self.tries:
            return False
        return all(files.is_file(self.root / name) for name in done.made)

    def is_current(self, name: str, content: str) -> bool:
        """Whether a file that was noted with that content still stands as it was written."""
        return self._contents.get(name) == content and self.own(name)

    def own(self, name: str) -> bool:
        """Whether an archive or a report stands as this batch wrote it, and so may be replaced."""
        return files.state_of(self.root / name) == self._others.get(name)

    def taken(self) -> Iterator[str]:
        """The name of every file that was made, or is to be."""
        for names in self._promised.values():
            yield from filter(None, (names.layer, names.mask))

    def _learn(self, step: dict[str, Any]) -> None:
        if "begun" in step:
            self._promised[step["begun"]] = Names(step["layer"], step["mask"])
            self.tries[step["begun"]] = self.tries.get(step["begun"], 0) + int(step.get("try", True))
        elif "let_go" in step:
            self.tries.pop(step["let_go"], None)
        elif "done" in step:
            photo, names = step["done"], Names(step["layer"], step["mask"])
            size = (int(step["size"][0]), int(step["size"][1]))
            self.done[photo] = Done(step["state"], step["settings"], names, step["made"], size, step["seconds"])
            self._promised[photo] = names
            self._ever_made.setdefault(photo, {}).update(step["made"])
            self.tries.pop(photo, None)
        else:
            self._others[step["wrote"]], self._contents[step["wrote"]] = step["state"], step["content"]

    def _append(self, step: dict[str, Any]) -> None:
        try:
            # The break comes first: the line before it may have been cut off.
            line = b"\n" + json.dumps(step).encode("ascii")
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise files.output_error(error, self.root) from error
        self._learn(step)


def made_in(folder: Path) -> set[Path]:
    """What batches have made in a folder and below it, or were making when their process ended, by the records in the
    folder; not what never came of a photo: others may use its names. Never raises."""
    made: set[Path] = set()
    with contextlib.suppress(OSError):
        for path in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
            begun: dict[str, set[Path]] = {}
            for step in _steps(path):
                paths = {folder / str(step[key]) for key in ("layer", "mask") if step.get(key)}
                if "begun" in step:
                    begun[str(step["begun"])] = paths
                elif "let_go" in step:
                    begun.pop(str(step["let_go"]), None)
                else:
                    made |= paths
            made |= set().union(*begun.values())
    return made


def _steps(path: Path) -> list[dict[str, Any]]:
    """No step where it can't be read."""
    steps = []
    with contextlib.suppress(OSError), path.open("rb") as file:
        for line in file:
            with contextlib.suppress(ValueError):  # the process ended in mid-line
                steps.append(json.loads(line))
    return [step for step in steps if isinstance(step, dict)]
