"""Where everything of CVMatte's is kept: the one place that knows a folder by name. Standard library only."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ..words.errors import OutputError

ROOT = Path(__file__).resolve().parents[2]
IS_PACKAGE = not (ROOT / "install.py").is_file()  # installed by pip, into whatever environment that was
ENVIRONMENT = ROOT / ".venv"


def python_of(environment: Path) -> Path:
    """The interpreter of a virtual environment."""
    return environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def installed_python() -> Path:
    """The interpreter of the environment that install.py makes."""
    return python_of(ENVIRONMENT)


def environment_python() -> Path:
    """The interpreter that matting runs on: of the environment of this code, unless CVMATTE_PYTHON names another."""
    chosen = os.environ.get("CVMATTE_PYTHON")
    if chosen:
        return Path(chosen)
    return Path(sys.executable) if IS_PACKAGE else installed_python()


def models_folder() -> Path:
    return (data_folder() if IS_PACKAGE else ROOT) / "models"


def home() -> Path:
    """The person's. Raises OutputError where nobody knows of one, as in a container with a user of its own."""
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
    return Path(os.environ.get("XDG_DATA_HOME") or home() / ".local" / "share") / "cvmatte"


def obs_python_folder() -> Path:
    """The Python that was fetched for OBS itself to load, on Windows. Safe to delete, once another is chosen in OBS."""
    return data_folder() / "python-for-obs"


def outputs_folder() -> Path:
    """Finished layers and masks: the person's. Only outputs.tidy, on the person's word, removes some."""
    return data_folder() / "outputs"


def stills_folder() -> Path:
    """Stills taken from sources: the person's photos like any other, never deleted by CVMatte."""
    return data_folder() / "stills"


def touch_ups_folder() -> Path:
    """What people painted to mend a cut: theirs, never deleted by CVMatte."""
    return data_folder() / "touch-ups"


def layers_folder() -> Path:
    """What OBS shows layers from: frame files, previews and their records. Safe to delete."""
    return data_folder() / "layers"


def unfinished_clips_folder() -> Path:
    """What is done of clips that are being cut out. Safe to delete: they begin anew then."""
    return data_folder() / "unfinished-clips"


def shell_log_file() -> Path:
    return data_folder() / "logs" / "shell.log"


def log_file() -> Path:
    return data_folder() / "logs" / "worker.log"
