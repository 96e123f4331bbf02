"""The short forms of the soak: everything once, and some ends of OBS in the midst of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from cvmatte_core.filesystem import paths

SOAK = paths.ROOT / "scripts" / "development" / "soak.py"


def test_everything_that_a_person_does_and_that_may_go_wrong_leaves_no_fault(tmp_path: Path) -> None:
    command = [sys.executable, str(SOAK), "--once", "--seed", "1", "--keep", str(tmp_path / "soak")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    print(done.stdout, done.stderr)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]


def test_obs_is_quit_in_the_middle_of_everything_and_ends_clean(tmp_path: Path) -> None:
    """OBS 32 frees a scene that it still walks over as it ends, unless somebody holds the scenes."""
    command = [sys.executable, str(SOAK), "--quits", "12", "--beside", "2", "--results", str(tmp_path / "quits.log")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    print(done.stdout, done.stderr)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
