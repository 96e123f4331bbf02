"""The sandbox that OBS may be in, and what it shares with the system outside. Standard library only.

In a Flatpak's or a Snap's, Python scripts run on the sandbox's own Python; the environment that install.py makes can't:
its interpreter is the system's, and the sandbox has another /usr. Out of a Flatpak's, processes can be started in the
system; both sides see the person's home, and a folder in memory that Flatpak makes for each application.
"""

from __future__ import annotations

import configparser
import os
import re
import shutil
import sys
from pathlib import Path
from typing import List, Optional

FLATPAK, SNAP = "Flatpak", "Snap"
OBS = "com.obsproject.Studio"  # as Flatpak knows it
# Where each keeps OBS's configuration, below a person's home folder
CONFIGURATIONS = {
    FLATPAK: Path(".var", "app", OBS, "config", "obs-studio"),
    SNAP: Path("snap", "obs-studio", "current", ".config", "obs-studio"),
}
SHARED_MEMORY = "CVMATTE_SHARED_MEMORY"  # the variable by which a process outside is told of it
SPAWN = "flatpak-spawn"
_INFO = Path("/.flatpak-info")  # Flatpak puts it there, in every sandbox
_BUS_NAME = "org.freedesktop.Flatpak"  # of what starts processes outside
# Folders of the system's that a Flatpak has its own of, or none
_ITS_OWN = re.compile("app|bin|boot|dev|efi|etc|lib(32|64)?|proc|root|run|sbin|sys|tmp|usr|var")


def name() -> str:
    """The sandbox that this process, OBS, is in; empty outside."""
    if sys.platform == "linux" and _INFO.exists():
        return FLATPAK
    # Its name, since other snaps, such as an editor's terminal, leave theirs to all that is started from them.
    return SNAP if os.environ.get("SNAP_NAME") == "obs-studio" else ""


def starts_outside() -> bool:
    """Whether processes of ours belong outside: out of Flatpak's sandbox, unless the person has named an environment
    that was made in there."""
    return name() == FLATPAK and not os.environ.get("CVMATTE_PYTHON")


def way_out() -> List[str]:
    """What comes before a command of the system's, so that it runs outside."""
    return [SPAWN, "--host"] if name() == FLATPAK else []


def is_there_a_way_out() -> bool:
    return shutil.which(SPAWN) is not None


def lacking_permissions() -> List[str]:
    """The options of `flatpak override` that this sandbox would need. Empty where all is allowed, as OBS's own is."""
    try:
        return lacking_in(_INFO.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return lacking_in("")


def lacking_in(permissions: str) -> List[str]:
    """As `lacking_permissions`. permissions: as Flatpak writes them."""
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(permissions)
    except configparser.Error:
        parser.clear()

    def listed(key: str) -> List[str]:
        return parser.get("Context", key, fallback="").split(";")

    speaks = parser.get("Session Bus Policy", _BUS_NAME, fallback="none") in ("talk", "own")
    lacking = [] if speaks or "session-bus" in listed("sockets") else [f"--talk-name={_BUS_NAME}"]
    if not {"host", "home"} & set(listed("filesystems")):
        lacking.append("--filesystem=host")
    return lacking


def override(options: List[str]) -> str:
    """The command that gives OBS permissions."""
    return " ".join(["flatpak", "override", "--user", *options, OBS])


def hides(path: Path, home: Path) -> bool:
    """Whether a Flatpak that may see the system's files doesn't see these."""
    return home not in path.parents and _ITS_OWN.fullmatch("".join(path.parts[1:2])) is not None


def shared_data_home() -> Optional[str]:
    """What XDG_DATA_HOME is outside; None where it isn't set there."""
    return os.environ.get("HOST_XDG_DATA_HOME" if starts_outside() else "XDG_DATA_HOME")


def shared_memory() -> Optional[Path]:
    """The folder in memory that is the same outside and in Flatpak's sandbox; None where none is needed."""
    if starts_outside():
        return Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}", "app", OBS, "cvmatte")
    told = os.environ.get(SHARED_MEMORY)
    return Path(told) if told else None
