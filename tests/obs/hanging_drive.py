"""A drive that can be made to hang, as a network drive does that is gone: who asks for a file there waits."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from demo.throwaway_obs import wait_until


class HangingDrive:
    def __init__(self, folder: Path, process_id: int) -> None:
        self.folder = folder
        self._process_id = process_id

    def hang(self) -> None:
        os.kill(self._process_id, signal.SIGSTOP)

    def answer(self) -> None:
        os.kill(self._process_id, signal.SIGCONT)


@contextlib.contextmanager
def mounted(folder: Path) -> Iterator[HangingDrive]:
    """A drive with nothing on it. Skips the test where a program may not serve one."""
    if shutil.which("bindfs") is None or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("needs bindfs, and FUSE")
    behind, drive = folder / "behind", folder / "drive"
    behind.mkdir(parents=True)
    drive.mkdir()
    # The kernel keeps nothing of what is there, so that it has to ask each time.
    options = "attr_timeout=0,entry_timeout=0,negative_timeout=0"
    serving = subprocess.Popen(["bindfs", "-f", "-o", options, behind, drive])
    try:
        wait_until(drive.is_mount)
        try:
            yield HangingDrive(drive, serving.pid)
        finally:
            serving.send_signal(signal.SIGCONT)
            subprocess.run(["umount", "--lazy", drive], check=True)
    finally:
        serving.kill()  # another mount namespace may have it still
        serving.wait()
