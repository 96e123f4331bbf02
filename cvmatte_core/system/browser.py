"""The way to an address that only this person may know, for their browser. Standard library only: it runs inside OBS.

Other users of a computer can read a program's arguments. So the browser gets, as with Jupyter, the address of a file
that only this person can read, and that redirects to the real one.
"""

from __future__ import annotations

import contextlib
import html
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ..filesystem import files, paths, sandbox

LASTS_SECONDS = 600.0  # that a way is there for; after that nobody who was shown it follows it any more
_ASK_SECONDS = 5.0
_PREFIX = "cvmatte-page-"
_FLATPAKS = (Path("/var/lib/flatpak/exports"), Path("~/.local/share/flatpak/exports"))
_PAGE = """<!doctype html>
<html><head><meta charset="utf-8"><meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0;url={address}"><title>CVMatte</title></head>
<body><a href="{address}">CVMatte</a></body></html>
"""


class Way:
    """link: what a browser is to be given, the address of a file; the address itself where no file would do."""

    def __init__(self, address: str) -> None:
        self.address = self.link = address
        self.is_open = True
        self._folder: Path | None = None
        with contextlib.suppress(OSError, RuntimeError):  # a disk that is full, somebody without a home
            place = _place()
            if place is not None:
                self.link = self._file_in(place)

    def _file_in(self, place: Path) -> str:
        """Its address. Raises OSError."""
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove_old(place)
        self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))  # for this person alone
        file = self._folder / "page.html"
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as page:
            page.write(_PAGE.format(address=html.escape(self.address)))
        return file.as_uri()

    def close(self) -> None:
        """From now on the link leads nowhere."""
        self.is_open = False
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _place() -> Path | None:
    """A folder that the person's browser can read; None where the address does no harm, or no such folder is known."""
    if sys.platform == "win32" or "microsoft" in platform.release().lower():
        return None  # Windows shows nobody what others' programs were started with; nor has it the files of its Linux
    browser = _browser()
    if browser is None:
        return None
    for place in (_place_of_snap(browser), _place_of_flatpak(browser)):
        if place is not None:  # it hasn't got the folders that other programs have
            return place if files.is_folder(place) else None
    return paths.data_folder() / "pages"


def _browser() -> str | None:
    """A command, or the name of a desktop entry; "" where it isn't known. None where files are opened by another."""
    if os.environ.get("BROWSER"):
        return os.environ["BROWSER"].split(os.pathsep)[0].split()[0]
    if sys.platform == "darwin":
        return ""
    of_files, of_addresses = (_opens(kind) for kind in ("text/html", "x-scheme-handler/http"))
    return of_files if of_files == of_addresses or not of_addresses else None


def _opens(kind: str) -> str:
    """The desktop entry of what opens such files or addresses; empty where the desktop doesn't say."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        command = [*sandbox.way_out(), "xdg-mime", "query", "default", kind]
        asked = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_ASK_SECONDS)
        return asked.stdout.decode("utf-8", "replace").strip()
    return ""


def _place_of_snap(browser: str) -> Path | None:
    """The folder of a snap's own. It reads neither what is hidden in the person's home nor the system's /tmp."""
    name = browser.partition("_")[0] if browser.endswith(".desktop") and "_" in browser else ""
    found = shutil.which(browser)
    if found is not None and (found.startswith("/snap/") or Path(found).resolve().name == "snap"):
        name = Path(found).name.partition(".")[0]
    return Path.home() / "snap" / name / "common" if name else None


def _place_of_flatpak(browser: str) -> Path | None:
    """The folder of a Flatpak's own. Most browsers' read nothing else but the person's downloads."""
    for exports in _FLATPAKS:
        if files.exists(exports.expanduser() / "share" / "applications" / browser) and browser.endswith(".desktop"):
            return Path.home() / ".var" / "app" / browser[: -len(".desktop")] / "data"
    return None


def _remove_old(place: Path) -> None:
    """What an OBS has left that crashed."""
    for folder in place.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > LASTS_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
