"""The short form of the soak: two minutes of everything at once, in a real OBS."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from cvmatte_core.disk import paths

SOAK = paths.ROOT / "scripts" / "development" / "soak.py"


def test_two_minutes_of_everything_at_once_leave_no_fault(tmp_path: Path) -> None:
    command = [sys.executable, str(SOAK), "--minutes", "2", "--seed", "1", "--keep", str(tmp_path / "soak")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    print(done.stdout, done.stderr)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
