"""Where live frames lie: in memory, this user's alone, and on disk where memory has no room."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cvmatte_core.filesystem import mounts, paths, runtime_folders
from cvmatte_core.live.shared_frames import FrameReader, FrameWriter, new_writer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is a place in memory on Linux alone")
IN_MEMORY = Path("/dev/shm")


@pytest.fixture(autouse=True)
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place in memory for a test alone, as the system's for everybody; and as usual none of the user's own."""
    if mounts.mounts().get(str(IN_MEMORY)) != "tmpfs":
        pytest.skip("nothing in memory here")
    place = Path(tempfile.mkdtemp(dir=IN_MEMORY))
    monkeypatch.setattr(runtime_folders, "_SHARED_MEMORY", place)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setenv("CVMATTE_DATA", str(tmp_path / "data"))
    yield place
    shutil.rmtree(place)


@contextlib.contextmanager
def small_memory(place: Path, size: str) -> Iterator[Path]:
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place]).returncode:
        pytest.skip("a program may not mount here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def test_frames_lie_in_memory_where_nobody_else_can_look(memory: Path) -> None:
    best, last = runtime_folders.folders()
    assert best.parent == memory
    assert stat.S_IMODE(best.stat().st_mode) == 0o700
    assert last == paths.layers_folder()
    best.chmod(0o755)
    assert runtime_folders.folders()[0] == best
    assert stat.S_IMODE(best.stat().st_mode) == 0o700
    assert new_writer("f", 100, runtime_folders.folders()).path.parent == best


def test_the_user_s_own_place_in_memory_comes_first(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(memory))
    assert runtime_folders.folders()[0] == memory / "cvmatte"


@pytest.mark.parametrize("chosen", ["DISK", "relative", "/nowhere/at all", ""])
def test_a_place_that_is_none_or_on_disk_is_not_taken(
    memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: str
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", chosen.replace("DISK", str(tmp_path)))
    assert runtime_folders.folders()[0].parent == memory


def test_what_another_user_has_put_there_is_left_alone(memory: Path, tmp_path: Path) -> None:
    theirs = memory / f"cvmatte-{os.getuid()}"
    (tmp_path / "elsewhere").mkdir()
    theirs.symlink_to(tmp_path / "elsewhere")
    assert runtime_folders.folders() == [paths.layers_folder()]
    theirs.unlink()
    theirs.touch()
    assert runtime_folders.folders() == [paths.layers_folder()]
    theirs.unlink()
    theirs.mkdir()
    if os.getuid() == 0:
        os.chown(theirs, 12345, 12345)
        assert runtime_folders.folders() == [paths.layers_folder()]


def test_where_memory_has_no_room_frames_lie_on_disk(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with small_memory(memory / "small", "2m") as small:
        monkeypatch.setattr(runtime_folders, "_SHARED_MEMORY", small)
        fits = new_writer("f", 50_000, runtime_folders.folders())  # 0.6 MB
        assert fits.path.is_relative_to(small)
        larger = new_writer("f", 100_000, runtime_folders.folders())
        assert larger.path.parent == paths.layers_folder()
        for writer in (fits, larger):
            assert writer.write(bytes(4 * 50_000), 250, 200) == 1
            assert FrameReader(writer.path).frame(1) is not None
            writer.close()
        full = new_writer("f", 50_000, runtime_folders.folders())
        with (small / "another's").open("wb") as file, contextlib.suppress(OSError):
            file.write(bytes(2_000_000))
        for _ in range(3):  # its room is its own
            full.write(bytes(4 * 50_000), 250, 200)
        full.close()


def test_a_file_for_which_there_is_no_room_is_refused_and_leaves_nothing(memory: Path) -> None:
    with small_memory(memory / "small", "1m") as small:
        with pytest.raises(OSError, match="No space left"):
            FrameWriter(small / "f.live", 1_000_000)
        assert not list(small.iterdir())


@pytest.mark.parametrize(
    ("path", "drive"),
    [
        ("/photos/a.png", "/"),
        ("/mnt/nas/a.png", "/mnt/nas"),
        ("/mnt/nas", "/mnt/nas"),
        ("/mnt/nas 2/deep/er/a.png", "/mnt/nas 2"),
        ("/mnt/nasty/a.png", "/"),
        ("relative", "/"),
    ],
)
def test_a_path_s_drive_is_told_without_reaching_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, drive: str
) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(
        "25 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
        "40 25 0:50 / /mnt/nas rw shared:2 - cifs //nas/photos rw\n"
        "41 25 0:51 / /mnt/nas\\0402 rw shared:3 master:1 - nfs4 nas:/photos rw\n"
        "nonsense\n"
    )
    monkeypatch.setattr(mounts, "_TABLE", table)
    assert mounts.mounts() == {"/": "ext4", "/mnt/nas": "cifs", "/mnt/nas 2": "nfs4"}
    assert mounts.drive_of(path, mounts.mounts()) == drive


def test_where_the_system_does_not_tell_a_drive_goes_by_its_path() -> None:
    assert mounts.drive_of("/Volumes/Photos/a.png", {}) == "/Volumes/Photos"
    assert mounts.drive_of("/Users/me/a.png", {}) == "/"
