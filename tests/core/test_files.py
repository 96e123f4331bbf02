"""What is there, also in places that let nobody look."""

from __future__ import annotations

import errno
import io
import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import registration

from cvmatte_core.filesystem import files, paths
from cvmatte_core.image import images
from cvmatte_core.layers import outputs
from cvmatte_core.layers.store import LayerRecord, LayerStore
from cvmatte_core.layers.touch_ups import TouchUps
from cvmatte_core.localization.errors import ImageError, OutputError
from cvmatte_core.presets import PresetStore
from cvmatte_core.settings import MatteSettings
from tests.conftest import fail


def test_what_is_there(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert (files.exists(file), files.is_file(file), files.is_folder(file)) == (True, True, False)
    assert (files.exists(tmp_path), files.is_file(tmp_path), files.is_folder(tmp_path)) == (True, False, True)


@pytest.mark.parametrize("name", ["absent", "file/below", "x" * 300, "zero\0", "\ud800"])
def test_what_cannot_be_is_not_there(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / name
    assert (files.exists(path), files.is_file(path), files.is_folder(path)) == (False, False, False)


@pytest.mark.skipif(sys.platform != "linux", reason="setpriv is Linux's")
def test_where_one_may_not_look_nothing_is_there(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    (closed / "file").touch()
    closed.chmod(0)
    program = (
        "import sys; from pathlib import Path; from cvmatte_core.filesystem import files\n"
        "print(files.exists(Path(sys.argv[1])))"
    )
    command = [sys.executable, "-c", program, str(closed / "file")]
    if os.geteuid() == 0:  # without the rights to pass over permissions
        command = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", *command]
    done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, check=True)
    closed.chmod(0o700)
    assert done.stdout.strip() == "False"


def wait_until_nobody_waits() -> None:
    """For a drive."""
    deadline = time.monotonic() + 10
    while "drive" in [thread.name for thread in threading.enumerate()]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_drive_that_does_not_answer_is_waited_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_PATIENCE_SECONDS", 0.1)
    back = threading.Event()
    with pytest.raises(TimeoutError):
        files.patiently(back.wait, tmp_path)
    asked = []
    with pytest.raises(TimeoutError):
        files.patiently(lambda: asked.append(1), tmp_path)
    assert not asked
    monkeypatch.setattr(files, "_PATIENCE_SECONDS", 60)
    assert files.patiently(lambda: "another", tmp_path / "another") == "another"
    back.set()
    wait_until_nobody_waits()
    assert files.patiently(lambda: "back", tmp_path) == "back"


def test_a_drive_that_is_slow_is_waited_for_as_long_as_it_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_PATIENCE_SECONDS", 0.02)
    asked = itertools.count()
    back = threading.Event()

    def answers() -> int:
        """One more each time, until the call is done."""
        if (count := next(asked)) == 20:
            back.set()
        return count

    assert files.patiently(lambda: back.wait(60) and "all", tmp_path, answers) == "all"
    back.clear()
    seen: list[int] = []

    def answers_until_it_hangs() -> int:
        seen.append(min(len(seen), 20))
        return seen[-1]

    with pytest.raises(TimeoutError):
        files.patiently(back.wait, tmp_path, answers_until_it_hangs)
    assert seen == [*range(21), 20]
    back.set()


@pytest.mark.parametrize("error", [TimeoutError(110, "the drive's own"), PermissionError(13, "no"), ValueError("0")])
def test_what_a_drive_answers_is_passed_on(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)) as raised:
        files.patiently(fail(error), tmp_path)
    assert raised.value is error


def test_where_no_thread_can_be_had_memory_is_said_to_be_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    none = fail(RuntimeError("can't start new thread"))
    monkeypatch.setattr(threading.Thread, "start", lambda thread: none())
    with pytest.raises(ImageError) as raised:
        images.read(tmp_path / "photo.png")
    assert raised.value.key == "image_memory"


def test_a_photo_and_a_folder_whose_drive_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(path: Path, *arguments: object) -> None:
        if path.is_relative_to(tmp_path):
            back.wait()

    back = threading.Event()
    monkeypatch.setattr(files, "_PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(Path, "stat", hang)
    for asked in (images.read, images.status):
        with pytest.raises(ImageError) as raised:
            asked(tmp_path / "photo.png")
        assert raised.value.key == "image_no_answer"
    with pytest.raises(OutputError) as refused:
        outputs.place(tmp_path / "layers" / "layer.png", b"layer", None)
    assert refused.value.key == "folder_no_answer"
    back.set()


def test_a_photo_whose_drive_goes_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Going(io.FileIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() >= 1 << 20:
                back.wait()
            return super().read(size)

    photo = tmp_path / "photo.png"
    photo.write_bytes(os.urandom(3 << 20))
    back = threading.Event()
    monkeypatch.setattr(files, "_PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(Path, "open", lambda path, mode: Going(path, mode))
    with pytest.raises(ImageError) as raised:
        images.read(photo)
    assert raised.value.key == "image_no_answer"
    back.set()
    wait_until_nobody_waits()
    assert images.read(photo) == photo.read_bytes()


# A power cut


class Disk:
    """What was asked of the operating system: "settled" for what had to reach the disk, "A -> B" for a renaming."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        fsync, replace = os.fsync, os.replace

        def settled(descriptor: int) -> None:
            path = Path(f"/proc/self/fd/{descriptor}").readlink()
            self.calls.append(f"settled {path.name}" + (f", {path.stat().st_size} bytes" if path.is_file() else ""))
            fsync(descriptor)

        def replaced(source: Any, target: Any, **more: Any) -> None:
            self.calls.append(f"{Path(source).name} -> {Path(target).name}")
            replace(source, target, **more)

        monkeypatch.setattr(os, "fsync", settled)
        monkeypatch.setattr(os, "replace", replaced)

    def wrote(self, folder: str, name: str, size: int) -> None:
        """That the file was whole on the disk before it got its name, and its name next; forget it."""
        (settled, renamed, named), self.calls = self.calls[:3], self.calls[3:]
        temporary = renamed.partition(" -> ")[0]
        assert renamed == f"{temporary} -> {name}"
        assert (settled, named) == (f"settled {temporary}, {size} bytes", f"settled {folder}")


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def unable(number: int) -> Callable[[int], None]:
    """An fsync that fails so."""

    def fsync(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    return fsync


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")


@on_linux
def test_what_a_person_made_is_on_the_disk_before_it_takes_the_old_one_s_place(disk: Disk, tmp_path: Path) -> None:
    files.write(tmp_path / "mine", b"1234")
    disk.wrote(tmp_path.name, "mine", 4)
    (tmp_path / "made").write_bytes(b"12")
    files.replace_durably(tmp_path / "mine", tmp_path / "made")
    disk.wrote(tmp_path.name, "mine", 2)
    digest = "ab" * 32
    TouchUps(tmp_path).save(digest, b"123")
    disk.wrote(tmp_path.name, f"{digest}.png", 3)
    PresetStore(tmp_path / "presets.json").save("Mine", MatteSettings())
    disk.wrote(tmp_path.name, "presets.json", (tmp_path / "presets.json").stat().st_size)
    assert not disk.calls


@on_linux
def test_obs_s_scene_collection_and_its_backup_are_on_the_disk_one_after_the_other(
    disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenes = tmp_path / "obs-studio" / "basic" / "scenes"
    scenes.mkdir(parents=True)
    (scenes / "mine.json").write_text('{"name": "mine"}')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    registration.register(tmp_path / "record.json")
    (backup,) = scenes.glob("*.before-cvmatte-*")
    for path in (tmp_path / "record.json", backup, scenes / "mine.json"):
        disk.wrote(path.parent.name, path.name, path.stat().st_size)
    assert not disk.calls


@on_linux
def test_what_can_be_made_anew_waits_for_no_disk(disk: Disk, tmp_path: Path) -> None:
    store = LayerStore(tmp_path)
    store.write_frame("key", 1, 1, bytes(4), (1, 1))
    store.save(LayerRecord("key", "photo", 1, 1, "", (1, 1), 1.0))
    assert [call for call in disk.calls if "settled" in call] == []


def test_a_disk_that_is_full_only_when_it_is_waited_for_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.write(tmp_path / "mine", b"before")
    monkeypatch.setattr(os, "fsync", unable(errno.EDQUOT))
    with pytest.raises(OutputError) as caught:
        files.write(tmp_path / "mine", b"after")
    assert caught.value.key == "disk_full"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert (tmp_path / "mine").read_bytes() == b"before"


def test_a_drive_that_knows_no_such_thing_is_written_to_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", unable(errno.EINVAL))
    files.write(tmp_path / "mine", b"mine")
    assert (tmp_path / "mine").read_bytes() == b"mine"


@pytest.mark.parametrize("knows", [True, False])  # how to exchange two files
def test_what_can_be_made_anew_takes_the_old_one_s_place_whole(
    knows: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not knows:
        monkeypatch.setattr(files, "_exchanged", lambda one, other: False)
    path = tmp_path / "ä frame"
    for content in (b"one", b"another"):
        files.write(path, content, durable=False)
        with path.open("rb") as whoever_reads_it:
            files.write(path, b"the next", durable=False)
            assert whoever_reads_it.read() == content
        assert path.read_bytes() == b"the next"
        assert [path] == list(tmp_path.iterdir())


def test_two_files_are_exchanged_where_the_system_can(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"1")
    assert not files._exchanged(one, other)  # there is none
    other.write_bytes(b"2")
    if sys.platform == "linux":
        assert files._exchanged(one, other) and (one.read_bytes(), other.read_bytes()) == (b"2", b"1")
