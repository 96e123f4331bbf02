"""Whether portraits' properties show what is rarely needed, too: a choice that holds for all, and in the next OBS."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from cvmatte_core.filesystem import files, paths
from cvmatte_core.localization.errors import CvmatteError

KEY = b"more_controls"  # of the properties; portraits' settings have it as a default only


class MoreControls:
    """is_on: as it was chosen last, in this OBS or a former one. Reading and keeping may wait for the disk."""

    def __init__(self, file: Path | None = None) -> None:
        self.is_on = False
        self._chosen = file

    @property
    def _file(self) -> Path:
        return self._chosen or paths.data_folder() / "dialog.json"

    def read(self) -> None:
        """Where there is no choice yet, or none that can be read, it is off."""
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError, RecursionError, CvmatteError):
            self.is_on = json.loads(self._file.read_text(encoding="utf-8"))[KEY.decode()] is True

    def keep(self) -> None:
        """Where it can't be written, it holds until OBS ends."""
        with contextlib.suppress(CvmatteError):
            files.write(self._file, json.dumps({KEY.decode(): self.is_on}).encode("ascii"))
