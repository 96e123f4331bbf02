"""Photos that change on disk are noticed, whatever other drives do: real drives that hang."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from cvmatte_obs import file_watch
from cvmatte_obs.file_watch import GONE, FileWatch, State
from demo.throwaway_obs import wait_until

from tests.obs.hanging_drive import HangingDrive, mounted


class Watch(FileWatch):
    """What was told of each path, in order."""

    def __init__(self) -> None:
        self.told: dict[str, list[State]] = {}
        super().__init__(lambda path, state: self.told.setdefault(path, []).append(state))

    def look_at(self, *paths: Path) -> None:
        self.paths = frozenset(map(str, paths))

    def is_told(self, path: Path, state: State) -> bool:
        return self.told.get(str(path), [GONE])[-1] == state


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    monkeypatch.setattr(file_watch, "_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(file_watch, "_STUCK_SECONDS", 0.3)
    opened = Watch()
    yield opened
    opened.close()


def written(path: Path, content: str) -> State:
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def looking() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "cvmatte-file-look"]


def test_a_drive_that_hangs_holds_up_no_other(watch: Watch, tmp_path: Path) -> None:
    near = tmp_path / "near.png"
    with mounted(tmp_path / "first") as first, mounted(tmp_path / "second") as second:
        drives: list[HangingDrive] = [first, second]
        states = {path: written(path, "one") for path in (near, *(drive.folder / "far.png" for drive in drives))}
        watch.look_at(*states)
        wait_until(lambda: all(watch.is_told(path, state) for path, state in states.items()), 10)
        first.hang()
        second.hang()
        for number in range(3):  # more often than a look may be under way already
            state = written(near, f"changed {number}")
            wait_until(partial(watch.is_told, near, state), 10)
        second.answer()
        state = written(second.folder / "far.png", "changed too")
        wait_until(lambda: watch.is_told(second.folder / "far.png", state), 10)
        first.answer()
        (first.folder / "far.png").unlink()
        wait_until(lambda: watch.is_told(first.folder / "far.png", GONE), 10)


def test_links_to_a_drive_that_hangs_hold_up_nobody_else_and_few_threads(watch: Watch, tmp_path: Path) -> None:
    with mounted(tmp_path / "drive") as drive:
        written(drive.folder / "far.png", "one")
        links = []
        for number in range(2):
            (tmp_path / f"a{number}").mkdir()
            links += [tmp_path / f"a{number}" / f"{name}.png" for name in "abc"]
        more = [drive.folder / f"folder{number}" / "far.png" for number in range(40)]
        for link in links:
            link.symlink_to(drive.folder / "far.png")
        near = tmp_path / "near" / "near.png"
        written(near, "one")
        drive.hang()
        watch.look_at(near, *links, *more)
        for number in range(3):
            state = written(near, f"changed {number}")
            wait_until(partial(watch.is_told, near, state), 10)
        threads = len(looking())
        assert threads <= 2 * file_watch._MOST_STUCK + 1
        drive.answer()
        there = (drive.folder / "far.png").stat()
        state = there.st_size, there.st_mtime_ns
        wait_until(lambda: all(watch.is_told(link, state) for link in links), 10)
        wait_until(lambda: len(looking()) == 2, 10)  # one a drive
        watch.look_at()
        wait_until(lambda: not looking(), 10)
