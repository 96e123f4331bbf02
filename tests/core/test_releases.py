"""Whether there is a newer version: only a person asks, here of a server on loopback in GitHub's place."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cvmatte_core import __version__
from cvmatte_core.commands import models
from cvmatte_core.filesystem import paths
from cvmatte_core.localization.errors import CvmatteError
from cvmatte_core.system import releases
from cvmatte_core.worker.jobs import computer


class Answers(BaseHTTPRequestHandler):
    """One answer to everything."""

    status, content = 200, b""
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def github(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Answers]]:
    """Of a copy whose release says where it is from."""
    answers = type("AnswersHere", (Answers,), {"asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (tmp_path / releases.NOTED).parent.mkdir()
    (tmp_path / releases.NOTED).write_text("me/mine", encoding="utf-8")
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setattr(releases, "_ADDRESS", f"http://127.0.0.1:{server.server_port}/repos/{{}}/latest")
    yield answers
    server.shutdown()
    server.server_close()


def release(version: str) -> bytes:
    return json.dumps({"tag_name": version, "html_url": "https://github.com/me/mine/releases/x"}).encode()


@pytest.mark.parametrize(
    ("version", "is_newer"), [("v99.0", True), (f"v{__version__}", False), (f"{__version__}.1", True), ("0.0.9", False)]
)
def test_a_newer_version_is_told_from_others(
    github: type[Answers],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    version: str,
    is_newer: bool,
) -> None:
    github.content = release(version)
    monkeypatch.setattr(sys, "argv", ["models.py", "--version", "--check"])
    with pytest.raises(SystemExit) as ended:
        models.main()
    assert ended.value.code == 0
    own, said = capsys.readouterr().out.splitlines()
    assert own == f"CVMatte {__version__}"
    wanted = version.removeprefix("v")
    assert said == (
        f"CVMatte {wanted} is out: https://github.com/me/mine/releases/x" if is_newer else "There is no newer version."
    )
    assert github.asked == ["/repos/me/mine/latest"]


@pytest.mark.parametrize(
    ("status", "content"), [(404, b"{}"), (403, b""), (200, b"<html>"), (200, b"[]"), (200, release("newest"))]
)
def test_what_is_no_release_is_one_sentence(github: type[Answers], status: int, content: bytes) -> None:
    github.status, github.content = status, content
    with pytest.raises(CvmatteError, match=r"look at https://github\.com/me/mine/releases$"):
        releases.newest()


def test_nobody_is_asked_unless_a_person_asks(
    github: type[Answers], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    github.content = release("99")
    for arguments in (["--version"], ["--check"]):
        monkeypatch.setattr(sys, "argv", ["models.py", *arguments])
        with pytest.raises(SystemExit):
            models.main()
    assert "with --version" in capsys.readouterr().err
    job: Any = type("Job", (), {"worker": type("Worker", (), {"warnings": type("W", (), {"lines": []}), "device": ""})})
    assert "newest_version" not in computer.Diagnose().run(job)
    assert github.asked == []
    assert computer.Diagnose(newest=True).run(job)["newest_version"] == "99, https://github.com/me/mine/releases/x"
    assert len(github.asked) == 1


@pytest.mark.parametrize(
    ("origin", "name"),
    [
        ("https://github.com/me/mine.git", "me/mine"),
        ("git@github.com:me/mine.git", "me/mine"),
        ("https://github.com/me/my.one/", "me/my.one"),
        ("/srv/git/mine", ""),
        ("https://example.com/github.com.git", ""),
    ],
)
def test_a_clone_knows_where_it_is_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origin: str, name: str
) -> None:
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    subprocess.run(["git", "-C", tmp_path, "init", "--quiet"], check=True)
    subprocess.run(["git", "-C", tmp_path, "remote", "add", "origin", origin], check=True)
    assert releases.repository() == name


def test_a_copy_that_knows_nothing_of_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    with pytest.raises(CvmatteError, match="where you got it"):
        releases.newest()
