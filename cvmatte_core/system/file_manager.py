"""Folders opened in the system's file manager, and files shown there. Standard library only: it runs inside OBS."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Sequence

from ..filesystem import sandbox

_ASK_SECONDS = 10.0  # a file manager may have to be started
_BUS, _OBJECT = "org.freedesktop.FileManager1", "/org/freedesktop/FileManager1"


def show(file: Path) -> bool:
    """Open a file's folder with the file chosen, as far as the system can; whether anything was opened.

    Never on a thread that mustn't wait.
    """
    if sys.platform == "win32":  # explorer answers 1 when all is well, and wants its quotes there
        return _has_run(f'explorer /select,"{file}"', heeds_answer=False)
    if sys.platform == "darwin":
        return _has_run(["open", "-R", str(file)])
    return any(_has_run([*sandbox.way_out(), *command]) for command in _of_desktop(file))


def open_folder(folder: Path) -> None:
    """Open a folder, without waiting for it. Raises OSError where no program is there that does."""
    if sys.platform == "win32":
        os.startfile(folder)
    else:
        opener = "open" if sys.platform == "darwin" else "xdg-open"
        subprocess.Popen([*sandbox.way_out(), opener, str(folder)], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _of_desktop(file: Path) -> list[list[str]]:
    """What to try, one after the other. An address has no quotes and no commas: they are %27 and %2C."""
    address, method = file.absolute().as_uri(), f"{_BUS}.ShowItems"
    milliseconds = int(_ASK_SECONDS * 1000)
    glib = ["gdbus", "call", "--session", f"--timeout={int(_ASK_SECONDS)}", "--dest", _BUS, "--object-path", _OBJECT]
    plain = ["dbus-send", "--session", "--print-reply", f"--reply-timeout={milliseconds}", f"--dest={_BUS}", _OBJECT]
    return [
        [*glib, "--method", method, f"['{address}']", ""],
        [*plain, method, f"array:string:{address}", "string:"],
        ["xdg-open", str(file.parent)],
    ]


def _has_run(command: str | Sequence[str], heeds_answer: bool = True) -> bool:
    nowhere = subprocess.DEVNULL
    try:
        done = subprocess.run(command, stdin=nowhere, stdout=nowhere, stderr=nowhere, timeout=2 * _ASK_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0 or not heeds_answer
