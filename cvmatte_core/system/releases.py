"""Whether there is a newer CVMatte: GitHub is asked, and only when a person asks. Standard library only."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import subprocess
import urllib.request
from dataclasses import dataclass

from .. import __version__
from ..filesystem import paths
from ..localization.errors import CvmatteError

logger = logging.getLogger(__name__)

NOTED = "cvmatte_core/repository.txt"  # in a release, which release.py makes
_ADDRESS = "https://api.github.com/repos/{}/releases/latest"
_SECONDS = 5.0


@dataclass(frozen=True)
class Release:
    version: str
    url: str  # a page for people

    @property
    def is_newer(self) -> bool:
        return _numbers(self.version) > _numbers(__version__)


def newest() -> Release:
    """The newest that GitHub has. Raises CvmatteError."""
    name = repository()
    if not name:
        raise CvmatteError("release_unknown")
    page = f"https://github.com/{name}/releases"
    asked = urllib.request.Request(
        _ADDRESS.format(name), headers={"Accept": "application/vnd.github+json", "User-Agent": f"CVMatte/{__version__}"}
    )
    try:
        with urllib.request.urlopen(asked, timeout=_SECONDS) as answer:
            told = json.load(answer)
        found = Release(str(told["tag_name"]).removeprefix("v"), str(told["html_url"]))
        if not _numbers(found.version):
            raise ValueError(found.version)
    except Exception as error:  # of the network, or an answer that is no release
        logger.info("the newest release: %s", error)
        raise CvmatteError("release_no_answer", url=page) from error
    return found


def repository() -> str:
    """The project's "owner/name" on GitHub, as the release tells or the clone; "" where neither does."""
    with contextlib.suppress(OSError):
        return (paths.ROOT / NOTED).read_text(encoding="utf-8").strip()
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        command = ["git", "-C", str(paths.ROOT), "config", "--get", "remote.origin.url"]
        told = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_SECONDS).stdout
        found = re.search(r"\bgithub\.com[:/]([\w.-]+/[\w.-]+?)(?:\.git)?/?$", told.strip())
        return found[1] if found else ""
    return ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)))
