"""Installs packages of Debian and its descendants with apt. Standard library only: install.py runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

from ..localization.errors import Refused
from ..localization.texts import system_texts


def install_missing(
    programs: dict[str, str],
    libraries: Sequence[str] = (),
    others: Sequence[str] = (),
    newer: Sequence[str] = (),
) -> None:
    """Install the packages of programs, by the programs' names, that are missing and, where any is, the libraries; and
    others, which are known to be missing. newer: of the libraries, those that not every release has. Raises Refused."""
    missing = [package for program, package in programs.items() if shutil.which(program) is None]
    if missing or others:
        install(*others, *missing, *(libraries if missing else ()), newer=newer if missing else ())


def install(*packages: str, newer: Sequence[str] = ()) -> None:
    """Raises Refused, naming the command, where this person may not install packages. newer: see install_missing; who
    installs them by hand gets them as recommended ones."""
    say = system_texts()
    names, command = ", ".join(packages), f"apt-get install {' '.join(packages)}"
    if shutil.which("apt-get") is None:
        raise Refused(say("install.packages_by_hand", packages=names))
    if os.geteuid() != 0:
        raise Refused(say("install.packages_as_root", command=f"sudo {command}"))
    print(say("install.system_packages", packages=names), flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "-q", "update"], env=environment, capture_output=True)
    there = [one for one in newer if subprocess.run(["apt-cache", "show", one], capture_output=True).returncode == 0]
    asked = ["apt-get", "-q", "install", "-y", "--no-install-recommends", *packages, *there]
    done = subprocess.run(asked, env=environment, capture_output=True, text=True)
    if done.returncode:
        print(done.stdout + done.stderr, file=sys.stderr)
        raise Refused(say("install.packages_failed", command=command))
