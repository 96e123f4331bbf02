"""Entering the script into a person's OBS, and taking exactly that back. Standard library only: install.py runs it.

OBS keeps its scripts in each scene collection's JSON, and reads them only when it starts. What is changed here is
written down in a record before, so that uninstalling finds it, however registering ended, and never touches what the
person did.
"""

from __future__ import annotations

import codecs
import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterable, Iterator

import obs_python

from cvmatte_core.filesystem import files, paths, sandbox

SCRIPT = paths.ROOT / "obs_plugin" / "cvmatte.py"
_SCRIPTS_TOOL = "scripts-tool"
_ASK_SECONDS = 20.0
_PYTHON_KEY = re.compile(r"^\[Python\][^\[]*?^Path64bit=(.*)$", re.MULTILINE)


@dataclass
class Outcome:
    """What registering or unregistering did, by the files it concerns. python: where OBS finds a Python of its own now;
    useless_python: what it was told by the person, and finds none in."""

    changed: list[Path] = field(default_factory=list)
    unchanged: list[Path] = field(default_factory=list)
    unreadable: list[Path] = field(default_factory=list)
    python: str = ""
    useless_python: str = ""


def configuration_folders() -> list[Path]:
    """The configuration folders on this machine of OBSs that the script works in."""
    home, chosen, windows = paths.home(), os.environ.get("XDG_CONFIG_HOME"), os.environ.get("APPDATA")
    places = chosen or home / ".config", home / "Library" / "Application Support", windows
    candidates = [Path(place) / "obs-studio" for place in places if place]
    if not flatpak_hides_us():
        candidates.append(home / sandbox.CONFIGURATIONS[sandbox.FLATPAK])
    return [folder for folder in candidates if _has_collections(folder)]


def has_obs_in(name: str) -> bool:
    """Whether this person has had an OBS in a sandbox; see sandbox.py."""
    return _has_collections(paths.home() / sandbox.CONFIGURATIONS[name])


def flatpak_hides_us() -> bool:
    """Whether this folder is one that an OBS from Flatpak doesn't see."""
    return sandbox.hides(paths.ROOT, paths.home())


def lacking_in_flatpak() -> list[str]:
    """The permissions that were taken from the OBS from Flatpak, as far as Flatpak says: see sandbox.py."""
    command = ["flatpak", "info", "--show-permissions", sandbox.OBS]
    try:
        told = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_ASK_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return []
    return sandbox.lacking_in(told.stdout) if told.returncode == 0 else []


def obs_of_the_system() -> bool:
    """Whether there is an OBS outside a sandbox, which may never have been started."""
    found = shutil.which("obs")
    return found is not None and not found.startswith("/snap/")


def _has_collections(folder: Path) -> bool:
    return files.is_folder(folder / "basic" / "scenes")


def obs_is_running() -> bool:
    """Whether an OBS Studio runs that uses this person's configuration folders."""
    if sys.platform == "win32":
        # As bytes: what it says where there is none is in letters of the console's, not of the system's.
        listed = subprocess.run(["tasklist", "/FI", "IMAGENAME eq obs64.exe"], capture_output=True)
        return b"obs64.exe" in listed.stdout.lower()
    if sys.platform == "darwin":
        return subprocess.run(["pgrep", "-x", "OBS"], capture_output=True).returncode == 0
    home = b"HOME=" + os.fsencode(paths.home())
    for process in Path("/proc").glob("[0-9]*"):
        try:
            is_obs = (process / "comm").read_text().strip() == "obs"
            if is_obs and home in (process / "environ").read_bytes().split(b"\0"):
                return True
        except OSError:  # it ended meanwhile, or is somebody else's
            continue
    return False


def register(record: Path) -> Outcome:
    """Enter the script into every scene collection that hasn't got it yet. Raises OutputError."""
    outcome = Outcome()
    done = _read_record(record)
    for folder in configuration_folders():
        files.remove_stale(folder / "basic" / "scenes")
        for collection, content, scripts in _read(sorted((folder / "basic" / "scenes").glob("*.json")), outcome):
            if any(_is_ours(script) for script in scripts):
                outcome.unchanged.append(collection)
                continue
            scripts.append({"path": SCRIPT.as_posix(), "settings": {}})
            done["collections"] = sorted({*done["collections"], str(collection)})
            _write_record(record, done)
            _replace(collection, _encoded(content))
            outcome.changed.append(collection)
        if sys.platform in ("win32", "darwin"):
            _name_python(folder, record, done, outcome)
    return outcome


def unregister(record: Path) -> Outcome:
    """Take back what `register` did, and nothing else."""
    outcome = Outcome()
    done = _read_record(record)
    for collection, content, scripts in _read(filter(files.exists, map(Path, done["collections"])), outcome):
        kept = [script for script in scripts if not _is_ours(script)]
        if len(kept) == len(scripts):
            outcome.unchanged.append(collection)
            continue
        scripts[:] = kept
        _replace(collection, _encoded(content))
        outcome.changed.append(collection)
    for name, line in done["python"].items():
        settings = Path(name)
        if files.exists(settings):
            text = _read_settings(settings)
            if text is None:
                outcome.unreadable.append(settings)
            elif line + "\n" in text:
                _replace(settings, text.replace(line + "\n", "", 1).encode(), bom=True)
    if not outcome.unreadable:
        try:
            record.unlink(missing_ok=True)
        except OSError as error:
            raise files.output_error(error, record.parent) from error
    return outcome


def _read(collections: Iterable[Path], outcome: Outcome) -> Iterator[tuple[Path, dict[str, Any], list[Any]]]:
    """Each scene collection with its content and, in that, its scripts; the outcome has those that can't be read."""
    for collection in collections:
        try:
            content = json.loads(collection.read_text(encoding="utf-8-sig"))
            _encoded(content)  # Python reads numbers and characters that JSON hasn't got
            scripts = content.setdefault("modules", {}).setdefault(_SCRIPTS_TOOL, [])
            if not isinstance(scripts, list):
                raise ValueError("no list of scripts")
        except (OSError, ValueError, AttributeError, RecursionError):
            outcome.unreadable.append(collection)
        else:
            yield collection, content, scripts


def _encoded(content: dict[str, Any]) -> bytes:
    """Raises ValueError."""
    return json.dumps(content, indent=4, ensure_ascii=False, allow_nan=False).encode()


def _read_settings(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError):
        return None


def _is_ours(script: Any) -> bool:
    try:
        return Path(script["path"]).resolve() == SCRIPT
    except (TypeError, KeyError, ValueError, OSError):
        return False


def _name_python(folder: Path, record: Path, done: dict[str, Any], outcome: Outcome) -> None:
    """On Windows and macOS OBS must be told where its Python is. What the person has told it stays."""
    settings = folder / ("user.ini" if (folder / "user.ini").exists() else "global.ini")
    text = _read_settings(settings)
    if text is None:
        return
    computer, before = obs_python.Computer.this(), done["python"].get(str(settings), "")
    told = _PYTHON_KEY.search(text)
    named = told[1].strip().replace("\\\\", "\\") if told else ""
    if named and obs_python.works(computer, named):
        outcome.python = named
        return
    if named and f"Path64bit={named}" not in before:  # an older version of install.py may have named a useless one
        outcome.useless_python = named
        return
    found = obs_python.find(computer, paths.obs_python_folder())
    if found is None:
        return
    text = text.replace(before + "\n", "", 1) if before else text
    line = f"Path64bit={found.as_posix()}"
    if told and not before:  # a key without a value
        text = text[: told.start(1)] + found.as_posix() + text[told.end(1) :]
    elif "[Python]\n" in text:
        text = text.replace("[Python]\n", f"[Python]\n{line}\n", 1)
    else:
        line = f"\n[Python]\n{line}"
        text = text.rstrip("\n") + f"\n{line}\n"
    done["python"][str(settings)] = line
    _write_record(record, done)
    _replace(settings, text.encode(), bom=True)
    outcome.python = found.as_posix()


def _replace(path: Path, content: bytes, bom: bool = False) -> None:
    """Write a file of OBS's anew, atomically, with its former content kept beside it, both as private as it was. bom:
    with a byte order mark if it had one. Raises OutputError."""
    path = path.resolve()  # a link stays one
    former = path.read_bytes()
    backup = path.with_name(f"{path.name}.before-cvmatte-{time.strftime('%Y%m%d-%H%M%S')}")
    had_bom = bom and former.startswith(codecs.BOM_UTF8)
    for target, written in ((backup, former), (path, codecs.BOM_UTF8 + content if had_bom else content)):
        with files.atomic_write(target) as file:
            shutil.copymode(path, file.name)
            file.write(written)


def _read_record(record: Path) -> dict[str, Any]:
    try:
        done = json.loads(record.read_text(encoding="utf-8"))
        return {"collections": list(done["collections"]), "python": dict(done["python"])}
    except (OSError, ValueError, KeyError, TypeError):
        return {"collections": [], "python": {}}


def _write_record(record: Path, done: dict[str, Any]) -> None:
    files.write(record, json.dumps(done, indent=2).encode())
