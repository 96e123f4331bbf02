"""OBS inside a sandbox, that of Flatpak or Snap. Standard library only: it runs inside OBS, and in install.py.

Python scripts run there, on the sandbox's own Python; the environment that install.py makes can't: its interpreter is
the system's, and the sandbox has another /usr.
"""

from __future__ import annotations

import os
from pathlib import Path

FLATPAK, SNAP = "Flatpak", "Snap"

# Where each keeps OBS's configuration, below a person's home folder
CONFIGURATIONS = {
    FLATPAK: Path(".var", "app", "com.obsproject.Studio", "config", "obs-studio"),
    SNAP: Path("snap", "obs-studio", "current", ".config", "obs-studio"),
}
_FLATPAK_INFO = Path("/.flatpak-info")  # Flatpak puts it there, in every sandbox


def sandbox() -> str:
    """The sandbox that this process, OBS, is in; empty outside."""
    if _FLATPAK_INFO.exists():
        return FLATPAK
    # Its name, since other snaps, such as an editor's terminal, leave theirs to all that is started from them.
    return SNAP if os.environ.get("SNAP_NAME") == "obs-studio" else ""
