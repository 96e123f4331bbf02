"""Makes `python3 scripts/NAME.py` work with any Python: goes on in the environment that install.py made.

Imported and called by each script before anything else. Standard library only.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

_ENTERED = "CVMATTE_ENTERED"

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def enter() -> None:
    """Go on in the project's environment; end with a sentence where there is none."""
    # Ctrl+C while packages are imported ends without a traceback; each command says itself how it ends after that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.platform != "win32":  # it waits while the other interpreter starts
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    from cvmatte_core.filesystem import paths
    from cvmatte_core.models.catalogue import install_command
    from cvmatte_core.localization.texts import prepare_console, system_texts

    prepare_console()
    python = paths.environment_python()
    if not python.exists():
        sys.exit(system_texts()("script.no_environment", install=install_command()))
    if Path(sys.executable).absolute() == python.absolute() or os.environ.pop(_ENTERED, ""):
        return
    os.environ[_ENTERED] = "1"
    command = [str(python), *sys.argv]
    if sys.platform == "win32":  # there exec returns to the shell at once
        sys.exit(_run(command))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    os.execv(python, command)


def _run(command: list[str]) -> int:
    """Its exit code. Ctrl+C, of which it hears too, ends it as it sees fit, and this process with it."""
    signal.signal(signal.SIGINT, lambda number, frame: None)
    return subprocess.Popen(command).wait()
