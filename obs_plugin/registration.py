"""Entering the script into a person's OBS, and taking exactly that back. Standard library only: install.py runs it.

OBS keeps its scripts in each scene collection's JSON, and reads them only when it starts. What is changed here is
written down in a record, so that uninstalling never touches what the person did.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cvmatte_core import files, paths

SCRIPT = paths.ROOT / "obs_plugin" / "cvmatte.py"
_SCRIPTS_TOOL = "scripts-tool"
_PYTHONS_OF_OBS = ((3, 6), (3, 12))  # what OBS loads on Windows and macOS


@dataclass
class Outcome:
    """What registering or unregistering did, by the files it concerns."""

    changed: list[Path] = field(default_factory=list)
    unchanged: list[Path] = field(default_factory=list)
    unreadable: list[Path] = field(default_factory=list)


def configuration_folders() -> list[Path]:
    """OBS's configuration folders that exist on this machine."""
    home = Path.home()
    candidates = [
        Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "obs-studio",
        home / ".var" / "app" / "com.obsproject.Studio" / "config" / "obs-studio",
        home / "Library" / "Application Support" / "obs-studio",
    ]
    if os.environ.get("APPDATA"):
        candidates.append(Path(os.environ["APPDATA"]) / "obs-studio")
    return [folder for folder in candidates if (folder / "basic" / "scenes").is_dir()]


def obs_is_running() -> bool:
    """Whether an OBS Studio runs that uses this person's configuration folders."""
    if sys.platform == "win32":
        listed = subprocess.run(["tasklist", "/FI", "IMAGENAME eq obs64.exe"], capture_output=True, text=True)
        return "obs64.exe" in listed.stdout
    if sys.platform == "darwin":
        return subprocess.run(["pgrep", "-x", "OBS"], capture_output=True).returncode == 0
    home = b"HOME=" + os.fsencode(Path.home())
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "comm").read_text().strip() == "obs" and home in (process / "environ").read_bytes().split(
                b"\0"
            ):
                return True
        except OSError:  # it ended meanwhile, or is somebody else's
            continue
    return False


def register(record: Path) -> Outcome:
    """Enter the script into every scene collection that hasn't got it yet. Raises OutputError."""
    outcome = Outcome()
    done = _read_record(record)
    for folder in configuration_folders():
        for collection in _collections(folder):
            content = _read_collection(collection)
            if content is None:
                outcome.unreadable.append(collection)
                continue
            scripts = content.setdefault("modules", {}).setdefault(_SCRIPTS_TOOL, [])
            if any(_is_ours(script) for script in scripts):
                outcome.unchanged.append(collection)
                continue
            scripts.append({"path": SCRIPT.as_posix(), "settings": {}})
            _replace(collection, json.dumps(content, indent=4, ensure_ascii=False))
            done["collections"] = sorted({*done["collections"], str(collection)})
            _write_record(record, done)
            outcome.changed.append(collection)
        if sys.platform in ("win32", "darwin"):
            _name_python(folder, record, done)
    return outcome


def unregister(record: Path) -> Outcome:
    """Take back what `register` did, and nothing else."""
    outcome = Outcome()
    done = _read_record(record)
    for name in done["collections"]:
        collection = Path(name)
        if not collection.exists():
            continue
        content = _read_collection(collection)
        if content is None:
            outcome.unreadable.append(collection)
            continue
        scripts = content.get("modules", {}).get(_SCRIPTS_TOOL, [])
        kept = [script for script in scripts if not _is_ours(script)]
        if len(kept) == len(scripts):
            outcome.unchanged.append(collection)
            continue
        content["modules"][_SCRIPTS_TOOL] = kept
        _replace(collection, json.dumps(content, indent=4, ensure_ascii=False))
        outcome.changed.append(collection)
    for name, line in done["python"].items():
        settings = Path(name)
        if settings.exists():
            text = settings.read_text(encoding="utf-8-sig")
            _replace(settings, text.replace(line + "\n", "", 1), bom=True)
    if not outcome.unreadable:
        record.unlink(missing_ok=True)
    return outcome


def _collections(folder: Path) -> list[Path]:
    return sorted((folder / "basic" / "scenes").glob("*.json"))


def _read_collection(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return None
    modules = content.get("modules", {}) if isinstance(content, dict) else None
    if not isinstance(modules, dict) or not isinstance(modules.get(_SCRIPTS_TOOL, []), list):
        return None
    return content


def _is_ours(script: Any) -> bool:
    try:
        return Path(script["path"]).resolve() == SCRIPT
    except (TypeError, KeyError, ValueError, OSError):
        return False


def _name_python(folder: Path, record: Path, done: dict[str, Any]) -> None:
    """On Windows and macOS OBS must be told where Python is: only where the person hasn't."""
    if not _PYTHONS_OF_OBS[0] <= sys.version_info[:2] <= _PYTHONS_OF_OBS[1]:
        return
    settings = folder / "user.ini"
    if not settings.exists():
        settings = folder / "global.ini"
    if not settings.exists():
        return
    text = settings.read_text(encoding="utf-8-sig")
    if "Path64bit=" in text:
        return
    line = f"Path64bit={Path(sys.base_prefix).as_posix()}"
    if "[Python]\n" in text:
        text = text.replace("[Python]\n", f"[Python]\n{line}\n", 1)
    else:
        line = f"\n[Python]\n{line}"
        text = text.rstrip("\n") + f"\n{line}\n"
    _replace(settings, text, bom=True)
    done["python"][str(settings)] = line
    _write_record(record, done)


def _replace(path: Path, text: str, bom: bool = False) -> None:
    """Write a file of OBS's anew, atomically, with its former content kept beside it."""
    former = path.read_bytes()
    backup = path.with_name(f"{path.name}.before-cvmatte-{time.strftime('%Y%m%d-%H%M%S')}")
    with files.atomic_write(backup) as file:
        file.write(former)
    had_bom = bom and former.startswith(b"\xef\xbb\xbf")
    with files.atomic_write(path) as file:
        file.write(text.encode("utf-8-sig" if had_bom else "utf-8"))


def _read_record(record: Path) -> dict[str, Any]:
    try:
        done = json.loads(record.read_text(encoding="utf-8"))
        return {"collections": list(done["collections"]), "python": dict(done["python"])}
    except (OSError, ValueError, KeyError, TypeError):
        return {"collections": [], "python": {}}


def _write_record(record: Path, done: dict[str, Any]) -> None:
    with files.atomic_write(record) as file:
        file.write(json.dumps(done, indent=2).encode())
