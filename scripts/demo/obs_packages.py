"""Installs what a throwaway OBS needs. Standard library only: the tests' set-up runs it too."""

from __future__ import annotations

import sys

from cvmatte_core.system import debian
from cvmatte_core.localization.errors import Refused
from cvmatte_core.localization.texts import system_texts

_PROGRAMS = {"obs": "obs-studio", "Xvfb": "xvfb", "xdotool": "xdotool"}  # with Debian's package of each
_LIBRARIES = ("libgl1-mesa-dri", "libegl-mesa0", "libglx-mesa0")  # Mesa's draw without a graphics card

_ICONS = ("qt6-svg-plugins",)  # of OBS's window; part of Qt itself until Debian 13


def install(*others: str) -> None:
    """OBS and a virtual screen from the distribution, where they are missing, and others, which are. Raises Refused."""
    if sys.platform != "linux":
        raise Refused(system_texts()("install.linux_only"))
    debian.install_missing(_PROGRAMS, _LIBRARIES, others, _ICONS)
