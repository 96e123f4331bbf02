"""The short form of the soak: a minute of everything at once, in a real OBS."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from cvmatte_core import paths

SOAK = paths.ROOT / "scripts" / "soak.py"


def test_a_minute_of_everything_at_once_leaves_no_fault(tmp_path: Path) -> None:
    command = [sys.executable, str(SOAK), "--minutes", "1", "--seed", "1", "--keep", str(tmp_path / "soak")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    print(done.stdout, done.stderr)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
