"""Makes `python3 scripts/NAME.py` work with any Python: goes on in the environment that install.py made.

Imported and called by each script before anything else. Standard library only.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_ENTERED = "CVMATTE_ENTERED"

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def enter() -> None:
    """Go on in the project's environment; end with a sentence where there is none."""
    from cvmatte_core.disk import paths
    from cvmatte_core.models.catalogue import install_command
    from cvmatte_core.words.texts import system_texts

    python = paths.environment_python()
    if not python.exists():
        sys.exit(system_texts()("script.no_environment", install=install_command()))
    if Path(sys.executable).absolute() == python.absolute() or os.environ.pop(_ENTERED, ""):
        return
    os.environ[_ENTERED] = "1"
    command = [str(python), *sys.argv]
    if sys.platform == "win32":  # there exec returns to the shell at once
        sys.exit(_wait_for(subprocess.Popen(command)))
    os.execv(python, command)


def _wait_for(process: subprocess.Popen[bytes]) -> int:
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # the process has heard of it too, and ends as it sees fit
            continue
