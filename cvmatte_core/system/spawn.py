"""Starting processes of ours: their command, their environment, and the sandboxes where none can be started.

In a Flatpak's or a Snap's, Python scripts run on the sandbox's own Python; the environment that install.py makes can't:
its interpreter is the system's, and the sandbox has another /usr. Standard library only: it runs inside OBS, and in
install.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Mapping, Sequence

from ..filesystem import paths
from ..localization.errors import WorkerError

# Where each keeps OBS's configuration, below a person's home folder
CONFIGURATIONS = {
    "Flatpak": Path(".var", "app", "com.obsproject.Studio", "config", "obs-studio"),
    "Snap": Path("snap", "obs-studio", "current", ".config", "obs-studio"),
}
_FLATPAK_INFO = Path("/.flatpak-info")  # Flatpak puts it there, in every sandbox
# The host application's settings of its own Python
_NOT_INHERITED = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONEXECUTABLE", "__PYVENV_LAUNCHER__")


def command(module: str, *arguments: str, python: Path | None = None) -> list[str]:
    """The command that runs a module; python: the project's environment's, unless told."""
    return [str(python or paths.environment_python()), "-E", "-s", "-u", "-m", module, *arguments]


def start(command: Sequence[str], environment: Mapping[str, str], **pipes: Any) -> subprocess.Popen[bytes]:
    """Start a process in the project's folder, without a window and, on Windows, at a low priority.

    environment: what its environment says beside this process's own. pipes: as Popen's. Raises OSError.
    """
    inherited = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
    if sys.platform == "win32":
        pipes["creationflags"] = subprocess.CREATE_NO_WINDOW | subprocess.BELOW_NORMAL_PRIORITY_CLASS
    environment = {**inherited, "PYTHONUTF8": "1", **environment}
    return subprocess.Popen(command, cwd=str(paths.ROOT), env=environment, **pipes)


def sandbox() -> str:
    """The sandbox that this process, OBS, is in; empty outside."""
    if _FLATPAK_INFO.exists():
        return "Flatpak"
    # Its name, since other snaps, such as an editor's terminal, leave theirs to all that is started from them.
    return "Snap" if os.environ.get("SNAP_NAME") == "obs-studio" else ""


def refusal() -> WorkerError | None:
    """Why no process can be started from here: in a sandbox, unless the person has named an environment made there."""
    confined = sandbox()
    if not confined or os.environ.get("CVMATTE_PYTHON"):
        return None
    return WorkerError("worker_in_sandbox", sandbox=confined)
