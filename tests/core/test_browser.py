"""The way to a secret address: through a file that nobody else can read, in a place that the browser can."""

from __future__ import annotations

import errno
import html
import os
import sys
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from cvmatte_core.system import browser
from cvmatte_core.system.browser import Way

ADDRESS = "http://127.0.0.1:8188/?token=a%20secret#photo.en"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows shows nobody what others' programs were given")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's, without a desktop that says what opens what."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CVMATTE_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("BROWSER", raising=False)
    monkeypatch.setattr("platform.release", lambda: "6.1.0")
    return tmp_path


def program(home: Path, name: str, script: str) -> Path:
    path = home / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def desktop(home: Path, of_files: str, of_addresses: str) -> None:
    """A desktop in which these open them."""
    program(home, "xdg-mime", f'[ "$3" = text/html ] && echo {of_files} || echo {of_addresses}')


def file_of(way: Way) -> Path:
    assert urlsplit(way.link).scheme == "file"
    return Path(unquote(urlsplit(way.link).path))


def test_the_file_is_for_this_person_alone_and_leads_on(home: Path) -> None:
    old_mask = os.umask(0)
    try:
        way = Way(ADDRESS)
    finally:
        os.umask(old_mask)
    assert "secret" not in way.link and way.address == ADDRESS
    file = file_of(way)
    assert file.is_relative_to(home / "data")
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert f"url={html.escape(ADDRESS)}" in file.read_text()


def test_it_is_gone_once_it_is_closed() -> None:
    way, other = Way(ADDRESS), Way(ADDRESS)
    way.close()
    way.close()
    assert not way.is_open and not file_of(way).parent.exists()
    assert other.is_open and file_of(other).exists()


def test_what_was_left_behind_is_removed_by_the_next() -> None:
    left, new = Way(ADDRESS), Way(ADDRESS)
    long_ago = time.time() - 2 * browser.LASTS_SECONDS
    os.utime(file_of(left).parent, (long_ago, long_ago))
    Way(ADDRESS)
    assert not file_of(left).exists()
    assert file_of(new).exists()


def test_a_snap_s_browser_finds_it_in_its_own_folder(home: Path) -> None:
    (home / "snap" / "firefox" / "common").mkdir(parents=True)
    desktop(home, "firefox_firefox.desktop", "firefox_firefox.desktop")
    assert file_of(Way(ADDRESS)).is_relative_to(home / "snap" / "firefox" / "common")


def test_a_snap_named_by_the_environment_too(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "snap" / "chromium" / "common").mkdir(parents=True)
    program(home, "snap", "")
    (home / "bin" / "chromium").symlink_to(home / "bin" / "snap")
    monkeypatch.setenv("BROWSER", "chromium --new-window %s")
    assert file_of(Way(ADDRESS)).is_relative_to(home / "snap" / "chromium" / "common")


def test_a_flatpak_s_browser_too(home: Path) -> None:
    (home / ".local/share/flatpak/exports/share/applications").mkdir(parents=True)
    (home / ".local/share/flatpak/exports/share/applications/org.mozilla.firefox.desktop").touch()
    (home / ".var/app/org.mozilla.firefox/data").mkdir(parents=True)
    desktop(home, "org.mozilla.firefox.desktop", "org.mozilla.firefox.desktop")
    assert file_of(Way(ADDRESS)).is_relative_to(home / ".var/app/org.mozilla.firefox/data")


def test_another_browser_reads_cvmatte_s_folder(home: Path) -> None:
    desktop(home, "firefox-esr.desktop", "firefox-esr.desktop")
    assert file_of(Way(ADDRESS)).is_relative_to(home / "data")


@pytest.mark.parametrize("case", ["no folder of the snap's", "an editor opens files", "Windows opens them", "no disk"])
def test_where_no_file_would_do_the_browser_is_given_the_address(
    home: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    def full(*arguments: object, **options: object) -> str:
        raise OSError(errno.ENOSPC, "full")

    if case == "no folder of the snap's":
        desktop(home, "firefox_firefox.desktop", "firefox_firefox.desktop")
    elif case == "an editor opens files":
        desktop(home, "code.desktop", "firefox-esr.desktop")
    elif case == "Windows opens them":
        monkeypatch.setattr("platform.release", lambda: "5.15.167.4-microsoft-standard-WSL2")
    else:
        monkeypatch.setattr("tempfile.mkdtemp", full)
    way = Way(ADDRESS)
    assert way.link == ADDRESS
    way.close()
