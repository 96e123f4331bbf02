"""Fetching a model's file from an address, with a publisher on loopback that breaks off, changes or answers wrong."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import os
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest
from demo.throwaway_obs import wait_until

from cvmatte_core.commands import models as script
from cvmatte_core.filesystem import paths
from cvmatte_core.localization.errors import Cancelled, CvmatteError, ModelError, OutputError
from cvmatte_core.localization.texts import Texts
from cvmatte_core.models import catalogue, download
from cvmatte_core.models.catalogue import ModelEntry, add_own, entry_of, is_there, remove_own, verify
from cvmatte_core.models.fetch import fetch, remove
from cvmatte_core.models.network_description import described
from tests.publisher import MODEL, Publisher, publishing, serve

OTHER = random.Random(3).randbytes(len(MODEL))
MD5, SHA256 = (hashlib.new(kind, MODEL).hexdigest() for kind in ("md5", "sha256"))
NAME = "tiny net.onnx"  # its address needs quoting


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A models folder of the test's own, still empty; no rembg, no mirror, and not much patience."""
    monkeypatch.setattr(paths, "models_folder", lambda: tmp_path / "models")
    monkeypatch.setenv("U2NET_HOME", str(tmp_path / "u2net"))
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    monkeypatch.delenv(download.MIRROR, raising=False)
    monkeypatch.setattr(download, "_PAUSE_SECONDS", 0.02)
    return tmp_path / "models"


@pytest.fixture
def publisher() -> Iterator[Any]:
    """The handler's class, `address` among its attributes."""
    with publishing() as one:
        yield one


def entry_at(address: str, **more: Any) -> ModelEntry:
    source = {"kind": "url", "url": f"{address}files/tiny%20net.onnx", "md5": MD5, "rembg": "tiny"}
    return ModelEntry("tiny", "Tiny", "MIT", "onnx", NAME, "", source, len(MODEL), **more)


@pytest.fixture
def entry(publisher: Any) -> ModelEntry:
    """Of one whose publisher names an md5 only."""
    return entry_at(publisher.address)


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*")}


def error_of(entry: ModelEntry, **more: Any) -> CvmatteError:
    with pytest.raises(CvmatteError) as caught:
        fetch(entry, **more)
    return caught.value


WHOLE = {NAME, f"{NAME}.json"}
KEPT = {f"{NAME}.part", f"{NAME}.part.json"}


def keep_a_part(publisher: Any, entry: ModelEntry, monkeypatch: pytest.MonkeyPatch, size: int = 2_000_000) -> None:
    """Fetch so many bytes and then nothing more, for good."""
    publisher.break_at, publisher.breaks = size, 1
    with monkeypatch.context() as patched:
        patched.setattr(download, "_TRIES", 1)
        patched.setattr(download, "_AHEAD", len(MODEL))
        assert error_of(entry).key == "model_fetch_failed"
    assert names_in(entry.path.parent) == KEPT
    publisher.asked.clear()


# What goes well


def test_a_model_arrives_and_says_how_many_bytes_have_come(publisher: Any, entry: ModelEntry, models: Path) -> None:
    told: list[tuple[str, int, int]] = []
    assert fetch(entry, lambda *progress: told.append(progress)) == models / NAME
    assert (models / NAME).read_bytes() == MODEL
    assert publisher.asked == [("/files/tiny%20net.onnx", None, None)]
    assert told[0] == ("fetch", 0, len(MODEL))
    assert told[-1] == ("fetch", len(MODEL), len(MODEL))
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    fetch(entry)
    assert len(publisher.asked) == 1


def test_where_only_an_md5_is_published_the_sha_256_is_noted_and_holds_from_then_on(
    publisher: Any, entry: ModelEntry, models: Path
) -> None:
    fetch(entry)
    assert names_in(models) == WHOLE
    assert json.loads((models / f"{NAME}.json").read_text()) == {"sha256": SHA256}
    noted = catalogue._with_noted_hash(entry)
    assert noted.sha256 == SHA256
    verify(noted)
    (models / NAME).write_bytes(OTHER)
    for known in (noted, entry):  # by either hash
        with pytest.raises(ModelError) as caught:
            verify(known)
        assert caught.value.key == "model_damaged"
    (models / f"{NAME}.json").write_text("[" * 100_000)
    assert catalogue._with_noted_hash(entry) == entry
    (models / f"{NAME}.json").write_text(json.dumps({"sha256": "0" * 64}))  # a note gone wrong can be repaired
    fetch(catalogue._with_noted_hash(entry))
    verify(catalogue._with_noted_hash(entry))


def test_where_a_sha_256_is_published_nothing_is_noted(publisher: Any, entry: ModelEntry, models: Path) -> None:
    known = dataclasses.replace(entry, sha256=SHA256, source={"kind": "url", "url": entry.source["url"]})
    fetch(known)
    verify(known)
    assert names_in(models) == {NAME}


def test_an_answer_of_unknown_length_is_taken(publisher: Any, entry: ModelEntry, models: Path) -> None:
    publisher.answer = lambda self: self.send_in_chunks(MODEL)
    fetch(entry)
    assert (models / NAME).read_bytes() == MODEL


def test_a_redirect_is_followed(publisher: Any, entry: ModelEntry, models: Path) -> None:
    def elsewhere(self: Publisher) -> None:
        publisher.answer = None
        self.send_response(302)
        self.send_header("Location", publisher.address.replace("127.0.0.1", "localhost") + "elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    publisher.answer = elsewhere
    fetch(entry)
    assert [path for path, *_ in publisher.asked] == ["/files/tiny%20net.onnx", "/elsewhere"]
    assert (models / NAME).read_bytes() == MODEL


# Going on


def test_a_download_that_breaks_off_goes_on_where_it_was(publisher: Any, entry: ModelEntry, models: Path) -> None:
    publisher.break_at, publisher.breaks = 1_500_000, 3
    fetch(entry)
    assert (models / NAME).read_bytes() == MODEL
    assert [wanted for _, wanted, _ in publisher.asked] == [None, *(f"bytes={n}00000-" for n in (15, 30, 45))]
    assert {condition for *_, condition in publisher.asked[1:]} == {'"one"'}
    assert names_in(models) == WHOLE


def test_a_later_fetch_goes_on_with_what_was_kept(
    publisher: Any, entry: ModelEntry, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_a_part(publisher, entry, monkeypatch)
    told: list[int] = []
    fetch(entry, lambda stage, done, total: told.append(done))
    assert publisher.asked == [("/files/tiny%20net.onnx", "bytes=2000000-", '"one"')]
    assert min(told) == told[0] == 2_000_000
    assert (models / NAME).read_bytes() == MODEL
    assert names_in(models) == WHOLE


def test_a_cancelled_download_ends_at_once_and_goes_on_later(publisher: Any, entry: ModelEntry, models: Path) -> None:
    cancelled = threading.Event()
    publisher.stall_at = 3_000_000

    def cancel(stage: str, done: int, total: int) -> None:
        if done == publisher.stall_at:
            cancelled.set()

    begun = time.monotonic()
    with pytest.raises(Cancelled):
        fetch(entry, cancel, cancelled)
    assert time.monotonic() - begun < 30  # half of what the server would wait
    assert names_in(models) == KEPT
    publisher.goes_on.set()
    publisher.stall_at = 0
    fetch(entry)
    assert publisher.asked[-1][1] == "bytes=3000000-"
    assert (models / NAME).read_bytes() == MODEL


def test_a_server_that_never_answers_can_be_given_up(publisher: Any, entry: ModelEntry, models: Path) -> None:
    cancelled = threading.Event()

    def never(self: Publisher) -> None:
        cancelled.set()
        self.goes_on.wait(60)

    publisher.answer = never
    begun = time.monotonic()
    with pytest.raises(Cancelled):
        fetch(entry, cancelled=cancelled)
    assert time.monotonic() - begun < 30
    assert names_in(models) == set()


def test_a_server_that_falls_silent_is_asked_again(
    publisher: Any, entry: ModelEntry, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "_SILENCE_SECONDS", 1)
    publisher.stall_at = 3_000_000

    def answer_the_next(stage: str, done: int, total: int) -> None:
        if done == publisher.stall_at:
            publisher.stall_at = 0

    fetch(entry, answer_the_next)
    assert (models / NAME).read_bytes() == MODEL
    assert publisher.asked[1][1] == "bytes=3000000-"


KILLED = """
import sys
from pathlib import Path
from cvmatte_core.filesystem import paths
paths.models_folder = lambda: Path(sys.argv[1])
from cvmatte_core.models.network_description import described
from cvmatte_core.models.fetch import fetch
from tests.core.test_download import entry_at
fetch(entry_at(sys.argv[2]))
"""


def started(models: Path, address: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(paths.ROOT), str(paths.ROOT / "scripts")])}
    return subprocess.Popen([sys.executable, "-c", KILLED, str(models), address], cwd=paths.ROOT, env=environment)


def test_a_download_whose_process_is_killed_goes_on_later(publisher: Any, entry: ModelEntry, models: Path) -> None:
    publisher.stall_at = 3_000_000
    process = started(models, publisher.address)
    part = models / f"{NAME}.part"
    wait_until(lambda: part.exists() and part.stat().st_size >= 2_900_000, 30)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = part.stat().st_size
    assert names_in(models) >= KEPT
    publisher.goes_on.set()
    publisher.stall_at = 0
    fetch(entry)
    assert publisher.asked[-1][1] == f"bytes={kept}-"
    assert (models / NAME).read_bytes() == MODEL


def test_two_processes_that_want_the_same_model_fetch_it_once(publisher: Any, models: Path) -> None:
    both = [started(models, publisher.address) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert len(publisher.asked) == 1
    assert names_in(models) == WHOLE


def test_a_server_without_ranges_is_asked_for_all_of_it(
    publisher: Any, entry: ModelEntry, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher.knows_ranges = False
    keep_a_part(publisher, entry, monkeypatch)
    fetch(entry)
    assert len(publisher.asked) == 1
    assert (models / NAME).read_bytes() == MODEL


@pytest.mark.parametrize("heeds_versions", [True, False])
def test_another_version_of_the_file_is_never_joined_to_the_first(
    publisher: Any, entry: ModelEntry, models: Path, monkeypatch: pytest.MonkeyPatch, heeds_versions: bool
) -> None:
    publisher.content = OTHER
    publisher.heeds_versions = heeds_versions
    keep_a_part(publisher, entry, monkeypatch)
    publisher.content, publisher.version = MODEL, '"two"'
    fetch(entry)
    assert (models / NAME).read_bytes() == MODEL
    assert publisher.asked[-1][1:] == (("bytes=2000000-", '"one"') if heeds_versions else (None, None))


@pytest.mark.parametrize("version", [None, 'W/"weak"'])
def test_a_server_that_tells_no_versions_is_asked_for_all_of_it(
    publisher: Any, entry: ModelEntry, models: Path, version: str | None
) -> None:
    publisher.version = version
    publisher.break_at, publisher.breaks = 2_000_000, 1
    fetch(entry)
    assert [wanted for _, wanted, _ in publisher.asked] == [None, None]
    assert (models / NAME).read_bytes() == MODEL


def test_what_was_kept_and_is_damaged_is_fetched_again(
    publisher: Any, entry: ModelEntry, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_a_part(publisher, entry, monkeypatch)
    with (models / f"{NAME}.part").open("r+b") as part:
        part.write(b"\0" * 1000)
    fetch(entry)
    assert [wanted for _, wanted, _ in publisher.asked] == ["bytes=2000000-", None]
    assert (models / NAME).read_bytes() == MODEL


@pytest.mark.parametrize("size", [len(MODEL), len(MODEL) + 10])
def test_what_was_kept_and_is_long_enough_is_looked_at_first(
    publisher: Any, entry: ModelEntry, models: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    keep_a_part(publisher, entry, monkeypatch)
    (models / f"{NAME}.part").write_bytes((MODEL + bytes(10))[:size])
    fetch(entry)
    assert len(publisher.asked) == (0 if size == len(MODEL) else 1)
    assert (models / NAME).read_bytes() == MODEL


@pytest.mark.parametrize("record", ["", "{", "3", '{"address": 3}', "[" * 100_000])
def test_what_was_kept_without_a_record_is_not_gone_on_with(
    publisher: Any, entry: ModelEntry, models: Path, monkeypatch: pytest.MonkeyPatch, record: str
) -> None:
    keep_a_part(publisher, entry, monkeypatch)
    (models / f"{NAME}.part.json").write_text(record)
    fetch(entry)
    assert publisher.asked == [("/files/tiny%20net.onnx", None, None)]
    assert (models / NAME).read_bytes() == MODEL


# What goes wrong


def test_an_address_where_nothing_is_says_so_at_once(publisher: Any, entry: ModelEntry, models: Path) -> None:
    publisher.answer = lambda self: self.send_error(404)
    error = error_of(entry)
    assert (error.key, error.values["status"], error.values["host"]) == ("model_source_answer", 404, "127.0.0.1")
    assert "models.py install tiny --file" in error.sentence(Texts("en"))
    assert len(publisher.asked) == 1
    assert names_in(models) == set()


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_is_busy_is_asked_a_few_times(
    publisher: Any, entry: ModelEntry, models: Path, status: int
) -> None:
    publisher.answer = lambda self: self.send_error(status)
    error = error_of(entry)
    assert (error.key, error.values["status"]) == ("model_source_answer", status)
    assert len(publisher.asked) == 4
    publisher.asked.clear()

    def recover(self: Publisher) -> None:
        publisher.answer = None
        self.send_error(status)

    publisher.answer = recover
    fetch(entry)
    assert len(publisher.asked) == 2


def test_without_a_network_it_says_so_at_once(models: Path) -> None:
    begun = time.monotonic()
    assert error_of(entry_at("http://127.0.0.1:9/")).key == "model_offline"
    assert error_of(entry_at("http://no-such-host.invalid/")).key == "model_offline"
    assert time.monotonic() - begun < 20
    assert names_in(models) == set()


def test_a_connection_that_is_refused_later_on_keeps_what_came(
    publisher: Any, entry: ModelEntry, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_a_part(publisher, entry, monkeypatch)
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    gone = entry_at(f"http://127.0.0.1:{port}/")
    record = {"address": gone.source["url"], "version": '"one"'}
    (models / f"{NAME}.part.json").write_text(json.dumps(record))
    assert error_of(gone).key == "model_offline"
    assert names_in(models) == KEPT


def test_an_end_that_comes_too_soon_every_time_is_given_up(publisher: Any, entry: ModelEntry, models: Path) -> None:
    publisher.knows_ranges = False  # so that it never gets ahead
    publisher.break_at, publisher.breaks = 2_000_000, 1000
    assert error_of(entry).key == "model_fetch_failed"
    assert len(publisher.asked) == 5  # the first one got ahead
    assert names_in(models) == KEPT


def wrong_length(self: Publisher) -> None:
    self.head(200, 6_000_000)
    self.wfile.write(bytes(6_000_000))


def a_page(self: Publisher) -> None:
    self.head(200, None, kind="text/html; charset=utf-8")
    self.close_connection = True
    self.wfile.write(b"<html>Log in to this network</html>")


@pytest.mark.parametrize(
    "answer",
    [
        wrong_length,
        a_page,
        lambda self: self.send_in_chunks(OTHER),
        lambda self: self.send_in_chunks(bytes(50_000_000)),
        lambda self: (self.head(200, len(OTHER)), self.send(OTHER)),
        lambda self: self.head(203, 0),
    ],
    ids=["wrong length", "a page", "wrong content", "too much", "wrong content of the length", "another status"],
)
def test_what_is_not_the_file_never_takes_its_place(
    publisher: Any, entry: ModelEntry, models: Path, answer: Any
) -> None:
    models.mkdir()
    (models / NAME).write_bytes(b"damaged, but the person's")
    publisher.answer = answer
    error = error_of(entry)
    assert (error.key, error.values["host"]) == ("model_source_other", "127.0.0.1")
    assert (models / NAME).read_bytes() == b"damaged, but the person's"
    assert names_in(models) == {NAME}
    publisher.answer = None
    fetch(entry)
    assert (models / NAME).read_bytes() == MODEL


def test_a_page_in_between_does_not_cost_what_was_kept(
    publisher: Any, entry: ModelEntry, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_a_part(publisher, entry, monkeypatch)
    publisher.answer = a_page
    assert error_of(entry).key == "model_source_other"
    assert (models / f"{NAME}.part").read_bytes() == MODEL[:2_000_000]
    publisher.answer = None
    fetch(entry)
    assert publisher.asked[-1][1] == "bytes=2000000-"


@pytest.mark.parametrize(
    "target", ["http://192.0.2.1/x", "http://localhost.example.com/x", "ftp://127.0.0.1/x", "file:///etc/passwd"]
)
def test_a_redirect_to_where_nothing_is_encrypted_is_not_followed(
    publisher: Any, entry: ModelEntry, models: Path, target: str
) -> None:
    def elsewhere(self: Publisher) -> None:
        self.send_response(302)
        self.send_header("Location", target)
        self.end_headers()

    publisher.answer = elsewhere
    error = error_of(entry)
    assert error.key in ("model_unsafe", "model_source_answer")  # of other schemes urllib itself makes a refusal
    assert len(publisher.asked) == 1
    assert names_in(models) == set()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make a certificate with")
def test_a_server_that_can_not_prove_who_it_is_is_not_trusted(publisher: Any, models: Path, tmp_path: Path) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = serve(publisher, context)
    error = error_of(entry_at(f"https://localhost:{server.server_address[1]}/"))
    assert (error.key, error.values["host"]) == ("model_no_trust", "localhost")
    assert publisher.asked == []
    server.shutdown()
    server.server_close()


# The disk


def test_a_disk_without_room_is_named_before_anything_is_fetched(
    publisher: Any, entry: ModelEntry, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_a_part(publisher, entry, monkeypatch)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9 - 52_000_000, 52_000_000))
    error = error_of(entry)
    assert (error.key, error.values["megabytes"]) == ("model_disk", 53)  # what is still to come, and the margin
    assert publisher.asked == []


class FullDisk:
    """A file that takes so many bytes and no more."""

    def __init__(self, file: IO[bytes], room: int) -> None:
        self._file, self._room = file, room

    def __enter__(self) -> FullDisk:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def write(self, content: bytes) -> None:
        self._room -= len(content)
        if self._room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        self._file.write(content)


def test_a_disk_that_fills_up_is_named_and_what_came_stays(
    publisher: Any, entry: ModelEntry, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = download._Part.opened
    with monkeypatch.context() as patched:
        full = lambda self, *of: FullDisk(opened(self, *of), 2_000_000)  # noqa: E731
        patched.setattr(download._Part, "opened", full)
        assert error_of(entry).key == "model_disk"
    assert names_in(models) == KEPT
    fetch(entry)
    assert re.fullmatch(r"bytes=[1-9]\d+-", publisher.asked[-1][1])
    assert (models / NAME).read_bytes() == MODEL


@pytest.fixture
def small_disk(models: Path) -> Iterator[Path]:
    """The models folder on a disk of 4 MB, where this user may mount one."""
    models.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "cvmatte", str(models)], capture_output=True)
    if mounted.returncode:
        pytest.skip("no disk can be mounted here")
    yield models
    subprocess.run(["umount", str(models)], check=True)


def test_a_real_disk_that_fills_up_is_named_too(
    publisher: Any, entry: ModelEntry, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 0, 10**9))  # as others fill it meanwhile
    error = error_of(entry)
    assert error.key == "model_disk"
    assert names_in(small_disk) == KEPT


def test_a_folder_that_can_not_be_written_is_named(publisher: Any, entry: ModelEntry, models: Path) -> None:
    (models / f"{NAME}.part").mkdir(parents=True)
    error = error_of(entry)
    assert isinstance(error, OutputError)
    assert error.values["folder"] == str(models)


# Mirrors


@pytest.mark.parametrize("end", ["", "/", "//"])
def test_a_mirror_has_the_files_by_their_names(
    publisher: Any, models: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setenv(download.MIRROR, f"{publisher.address}my/mirror{end}")
    fetch(entry_at("http://127.0.0.1:9/"))
    assert publisher.asked == [("/my/mirror/tiny%20net.onnx", None, None)]
    assert (models / NAME).read_bytes() == MODEL


def test_what_came_from_elsewhere_is_not_gone_on_with(
    publisher: Any, entry: ModelEntry, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_a_part(publisher, entry, monkeypatch)
    monkeypatch.setenv(download.MIRROR, publisher.address)
    fetch(entry)
    assert publisher.asked == [("/tiny%20net.onnx", None, None)]


@pytest.mark.parametrize("mirror", ["/srv/models", "file:///srv", "ftp://mirror/", "https://", "http://[", "mirror"])
def test_a_mirror_that_is_no_address_is_named(entry: ModelEntry, monkeypatch: pytest.MonkeyPatch, mirror: str) -> None:
    monkeypatch.setenv(download.MIRROR, mirror)
    error = error_of(entry)
    assert (error.key, error.values["address"]) == ("model_mirror", mirror)


# Files that somebody has


def test_rembg_s_own_file_is_copied(publisher: Any, entry: ModelEntry, models: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    for place in ("u2net/tiny.onnx", "u2net/models/tiny/tiny.onnx"):
        file = tmp_path / place
        file.parent.mkdir(parents=True)
        file.write_bytes(MODEL)
        told.clear()
        fetch(entry, lambda *progress: told.append(progress))
        assert publisher.asked == []
        assert told[-1] == ("fetch", len(MODEL), len(MODEL))
        assert names_in(models) == WHOLE
        assert file.read_bytes() == MODEL
        file.unlink()
        remove(entry)
        shutil.rmtree(tmp_path / "u2net")


def test_rembg_s_folders_are_found_by_its_variables(
    publisher: Any, entry: ModelEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("U2NET_HOME")
    monkeypatch.delenv("REMBG_HOME", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    places = {
        ".u2net/tiny.onnx": {},
        ".rembg/models/tiny/tiny.onnx": {},
        "data/rembg/models/tiny/tiny.onnx": {"XDG_DATA_HOME": "data"},
        "data/.u2net/tiny.onnx": {"XDG_DATA_HOME": "data"},
        "mine/models/tiny/tiny.onnx": {"REMBG_HOME": "mine"},
    }
    for place, variables in places.items():
        with monkeypatch.context() as patched:
            for name, folder in variables.items():
                patched.setenv(name, str(tmp_path / folder))
            (tmp_path / place).parent.mkdir(parents=True)
            (tmp_path / place).write_bytes(MODEL)
            fetch(entry)
            assert publisher.asked == [], place
            remove(entry)
            (tmp_path / place).unlink()


@pytest.mark.parametrize("content", [OTHER, MODEL[:-1], b""], ids=["another", "cut off", "empty"])
def test_rembg_s_file_is_left_aside_where_it_is_another(
    publisher: Any, entry: ModelEntry, models: Path, tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "u2net" / "tiny.onnx"
    file.parent.mkdir()
    file.write_bytes(content)
    fetch(entry)
    assert len(publisher.asked) == 1
    assert (models / NAME).read_bytes() == MODEL
    assert file.read_bytes() == content


@pytest.fixture
def listed(entry: ModelEntry, monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry among the models that there are."""
    entries = {**catalogue.catalogue(), "tiny": entry}
    for module in (script, catalogue):
        monkeypatch.setattr(module, "catalogue", lambda: entries)


@pytest.mark.usefixtures("listed")
def test_a_file_that_somebody_has_is_taken_in_from_the_shell(
    publisher: Any, models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "Downloads 下载.bin"
    mine.write_bytes(MODEL)
    assert script.main(["install", "tiny", "--file", str(mine)]) == 0
    assert capsys.readouterr().out == f"Tiny is installed: {models / NAME}\n"
    assert publisher.asked == []
    assert names_in(models) == WHOLE
    assert mine.read_bytes() == MODEL
    assert script.main(["verify", "tiny"]) == 0


@pytest.mark.usefixtures("listed")
def test_a_file_that_is_another_is_refused_and_leaves_nothing(
    publisher: Any, models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other.onnx").write_bytes(OTHER)
    (tmp_path / "short.onnx").write_bytes(MODEL[:-1])
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name, part in (
        ("other.onnx", "is not the file of the model Tiny"),
        ("short.onnx", "is not the file of the model Tiny"),
        ("folder", "can't be read"),
        ("pipe", "can't be read"),
        ("absent", "can't be read"),
    ):
        assert script.main(["install", "tiny", "--file", str(tmp_path / name)]) == 1
        assert part in capsys.readouterr().err
    assert publisher.asked == []
    assert names_in(models) == set()


def test_a_model_of_several_files_takes_none_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "modelscope"))
    assert error_of(entry_of("cv-unet"), file=tmp_path).key == "model_takes_no_file"


def test_the_default_can_be_taken_in_too(models: Path, tmp_path: Path) -> None:
    mine = tmp_path / "wrong"
    mine.write_bytes(b"not it")
    assert error_of(entry_of(catalogue.DEFAULT), file=mine).key == "model_file_other"
    own = dataclasses.replace(entry_of(catalogue.DEFAULT), sha256=hashlib.sha256(b"not it").hexdigest())
    assert fetch(own, file=mine).read_bytes() == b"not it"


def test_removing_a_model_takes_what_was_kept_of_it(
    publisher: Any, entry: ModelEntry, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_a_part(publisher, entry, monkeypatch)
    remove(entry)
    assert names_in(models) == set()
    fetch(entry)
    assert names_in(models) == WHOLE
    remove(entry)
    assert names_in(models) == set()
    remove(entry)


# The catalogue


def test_every_model_from_an_address_is_described_whole() -> None:
    found = [entry for entry in catalogue.catalogue().values() if entry.source["kind"] == "url"]
    assert {entry.licence for entry in found} == {"MIT", "Apache-2.0"}
    for entry in found:
        assert entry.source["url"].startswith("https://")
        assert entry.size_bytes > 1_000_000
        assert re.fullmatch("[0-9a-f]{64}", entry.sha256) or re.fullmatch("[0-9a-f]{32}", entry.source["md5"])
        assert entry.backend == "onnx"
        assert described(entry.options, entry.title).mean
    assert len({entry.file for entry in found}) == len(found)


def test_what_a_model_is_good_at_and_costs_is_said() -> None:
    shipped = catalogue.catalogue()
    unmeasured = "Its memory and time have not been measured."
    assert catalogue.costs(shipped["modnet"], Texts("en")) == f"26 MB to download. {unmeasured}"
    told = catalogue.costs(shipped["birefnet-portrait"], Texts("en"))
    assert told.startswith("973 MB to download. Others report 8 GB")
    assert "2.0 s for a photo" in catalogue.costs(shipped["isnet-general-use"], Texts("en"))
    assert catalogue.costs(shipped["cv-unet"], Texts("en")) == unmeasured
    own = ModelEntry("mine", "Mine", "", "onnx", "mine.onnx", "", {"kind": "file"})
    assert catalogue.costs(own, Texts("en")) == catalogue.good_at(own, Texts("en")) == ""


def test_an_own_model_of_a_name_that_cvmatte_has_since_stays_what_it_is(models: Path) -> None:
    models.mkdir()
    (models / "modnet.onnx").write_bytes(b"net")
    digest = hashlib.sha256(b"net").hexdigest()
    own = ModelEntry("modnet", "My portraits", "", "onnx", "modnet.onnx", digest, {"kind": "file"})
    add_own(own)
    assert entry_of("modnet") == catalogue.catalogue()["modnet"] == own
    assert catalogue.choices(Texts("en"))["modnet"] == "My portraits"
    verify(entry_of("modnet"))
    assert "costs" not in json.loads((models / "own.json").read_text())[0]  # which older versions don't know
    remove_own("modnet")
    assert entry_of("modnet").title == "MODNet"
    assert not is_there(entry_of("modnet"))
