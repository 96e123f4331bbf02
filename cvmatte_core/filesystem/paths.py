"""Where everything of CVMatte's is kept: the one place that knows a folder by name. Standard library only."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Callable

from ..localization.errors import OutputError
from . import sandbox

ROOT = Path(__file__).resolve().parents[2]
IS_PACKAGE = not (ROOT / "install.py").is_file()  # installed by pip, into whatever environment that was
ENVIRONMENT = ROOT / ".venv"  # that install.py makes


def python_of(environment: Path) -> Path:
    """The interpreter of a virtual environment."""
    return environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def environment_python() -> Path:
    """The interpreter that matting runs on: of the environment of this code, unless CVMATTE_PYTHON names another."""
    chosen = os.environ.get("CVMATTE_PYTHON")
    if chosen:
        return Path(chosen)
    return Path(sys.executable) if IS_PACKAGE else python_of(ENVIRONMENT)


def models_folder() -> Path:
    return (data_folder() if IS_PACKAGE else ROOT) / "models"


def home() -> Path:
    """The person's. Raises OutputError if there is none, as in a container with a user of its own."""
    try:
        return Path.home()
    except RuntimeError as error:
        raise OutputError("no_home") from error


def data_folder() -> Path:
    """The person's own CVMatte folder, by the platform's custom; CVMATTE_DATA names another. Raises as `home`."""
    chosen = os.environ.get("CVMATTE_DATA")
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home() / "AppData" / "Local") / "CVMatte"
    if sys.platform == "darwin":
        return home() / "Library" / "Application Support" / "CVMatte"
    return Path(sandbox.shared_data_home() or home() / ".local" / "share") / "cvmatte"


def _below_data(*names: str) -> Callable[[], Path]:
    """Raises as `home`."""
    return lambda: data_folder().joinpath(*names)


# The person's: CVMatte never deletes any of it, but finished layers and masks in outputs.tidy, on their word.
outputs_folder = _below_data("outputs")
stills_folder = _below_data("stills")  # taken from sources: photos like any other
touch_ups_folder = _below_data("touch-ups")
rooms_folder = _below_data("rooms")  # empty ones, photographed in OBS

# Safe to delete
layers_folder = _below_data("layers")  # what OBS shows: frame files, previews and their records
unfinished_clips_folder = _below_data("unfinished-clips")  # their parts: without them they begin anew
obs_python_folder = _below_data("python-for-obs")  # fetched for OBS on Windows; once another is chosen in OBS
shell_log_file = _below_data("logs", "shell.log")
log_file = _below_data("logs", "worker.log")
