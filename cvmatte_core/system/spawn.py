"""Starting processes of ours: their command, their environment, and why none can be started.

Standard library only: it runs inside OBS, and in install.py.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any, Mapping, Sequence

from ..filesystem import paths, sandbox
from ..localization.errors import WorkerError

# The host application's settings of its own Python
_NOT_INHERITED = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONEXECUTABLE", "__PYVENV_LAUNCHER__")
_OURS = "CVMATTE_"  # what variables of ours begin with
_KILL_SECONDS = 5.0  # for what kills a process outside
_BEGIN_SECONDS = 2.0  # in which one there says its number
_SIGNALLED = 128  # and the signal's number: a shell's exit code


def command(module: str, *arguments: str, python: Path | None = None) -> list[str]:
    """The command that runs a module; python: the project's environment's, unless told."""
    return [str(python or paths.environment_python()), "-E", "-s", "-u", "-m", module, *arguments]


def start(command: Sequence[str], environment: Mapping[str, str], **pipes: Any) -> subprocess.Popen[bytes]:
    """Start a process in the project's folder, without a window and, on Windows, at a low priority.

    environment: what its environment says beside this process's own. pipes: as Popen's. Raises OSError.
    """
    environment = {"PYTHONUTF8": "1", **environment}
    if sandbox.starts_outside():
        return _Outside(command, environment, **pipes)
    inherited = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
    if sys.platform == "win32":
        pipes["creationflags"] = subprocess.CREATE_NO_WINDOW | subprocess.BELOW_NORMAL_PRIORITY_CLASS
    return subprocess.Popen(command, cwd=str(paths.ROOT), env={**inherited, **environment}, **pipes)


def number(process: subprocess.Popen[bytes]) -> int:
    """By which the system knows a process that was started here: the one outside, where that has begun."""
    return process.number if isinstance(process, _Outside) and process.number else process.pid


def refusal() -> WorkerError | None:
    """Why no process can be started from here: in a sandbox that has no way out, unless the person has named an
    environment made there."""
    confined = sandbox.name()
    if not confined or os.environ.get("CVMATTE_PYTHON"):
        return None
    if confined != sandbox.FLATPAK or not sandbox.is_there_a_way_out():
        return WorkerError("worker_in_sandbox", sandbox=confined)
    lacking = sandbox.lacking_permissions()
    return WorkerError("worker_not_allowed", command=sandbox.override(lacking)) if lacking else None


class _Outside(subprocess.Popen):
    """A process in the system outside of Flatpak's sandbox.

    What runs in here is flatpak-spawn: it ends with the other one, passes signals on, and takes it along when OBS dies.
    """

    # The first word is the descriptor on which it says its number: the shells' own way takes those of one digit alone.
    _SAYS_ITS_NUMBER = 'echo $$ >"/proc/self/fd/$0"; exec "$@"'

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], **pipes: Any) -> None:
        ours = {name: value for name, value in os.environ.items() if name.startswith(_OURS)}
        shared = {"CVMATTE_DATA": str(paths.data_folder()), sandbox.SHARED_MEMORY: str(sandbox.shared_memory())}
        # By env: flatpak-spawn's own option takes text alone, and a folder's name may be none.
        variables = (f"{name}={value}" for name, value in {**ours, **shared, **environment}.items())
        self.number = 0  # of the other one, once it has said that
        self._told, telling = os.pipe()
        weakref.finalize(self, os.close, self._told)
        os.set_blocking(self._told, False)
        try:
            out = [*sandbox.way_out(), "--watch-bus", f"--forward-fd={telling}", "env", *variables]
            shell = ["sh", "-c", self._SAYS_ITS_NUMBER, str(telling)]
            super().__init__([*out, *shell, *command], cwd=str(paths.ROOT), pass_fds=(telling,), **pipes)
        finally:
            os.close(telling)
        begun = select.poll()
        begun.register(self._told, select.POLLIN)
        if begun.poll(_BEGIN_SECONDS * 1000):
            self._lives_outside()

    @property
    def returncode(self) -> int | None:
        """A signal that ended the other one is told as by a shell."""
        return self._code if self._code is None or self._code <= _SIGNALLED else _SIGNALLED - self._code

    @returncode.setter
    def returncode(self, code: int | None) -> None:
        self._code = code

    def kill(self) -> None:
        """Nobody can pass this signal on, and what Flatpak sends in its place doesn't end a process that hangs."""
        if self._lives_outside():
            end = [*sandbox.way_out(), "sh", "-c", 'kill -KILL "$0"', str(self.number)]
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                subprocess.run(end, stdin=subprocess.DEVNULL, capture_output=True, timeout=_KILL_SECONDS)
        super().kill()

    def _lives_outside(self) -> bool:
        """Whether the other one does, as far as is known: it keeps open on what it has said its number."""
        try:
            while said := os.read(self._told, 32):
                self.number = int(said)
        except BlockingIOError:
            return self.number != 0
        return False
