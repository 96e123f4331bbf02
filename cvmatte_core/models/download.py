"""Fetching a model's file from its publisher's address, or from a mirror. Standard library only.

What has arrived is kept as FILE.part, with the server's name for that version in FILE.part.json: the next fetch resumes
it if the version is still the same (RFC 9110, sections 13.1.5 and 14.4). A file takes its place once its hash is right.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import logging
import os
import queue
import re
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage, IncompleteRead
from pathlib import Path
from typing import IO, Any

from .. import __version__
from ..filesystem import files
from ..localization.errors import ModelError, OutputError
from .catalogue import ModelEntry, install_command, record_of, sha256_as_published
from .local_file import note_unknown_hash, take_in_from_rembg
from .progress import Progress, ensure_room, no_room

logger = logging.getLogger(__name__)

MIRROR = "CVMATTE_MODEL_MIRROR"  # the variable that names an address under which the files lie by their names
_TRIES = 4  # in a row that don't get ahead
_AHEAD = 1_000_000  # bytes that count as getting ahead
_PAUSE_SECONDS = 1.0  # before the second try; twice as long before each one after that
_SILENCE_SECONDS = 30.0  # without a byte, after which a server is given up
_LOOK_SECONDS = 0.1  # in which a person's change of mind is noticed
_CHUNK, _CHUNKS = 1 << 18, 16  # bytes of one, and how many may wait to be written
_PASSING = (408, 425, 429)  # what servers answer, beside 5xx, that is worth another try


def from_url(entry: ModelEntry, progress: Progress) -> Path:
    """Fetch a model's file, or copy it from rembg's folder. Raises ModelError, OutputError, Cancelled."""
    if take_in_from_rembg(entry, progress):
        return entry.path
    address, part = address_of(entry), _Part(entry)
    try:
        for _ in range(2 if part.size else 1):  # what was kept may be damaged: then once more, all of it
            _fill(part, entry, address, progress)
            if _is_placed(part, entry, progress):
                return entry.path
    except OSError as error:
        logger.warning("fetching %s: %s", entry.name, error)
        if error.errno in files.DISK_FULL:
            raise no_room(entry, entry.path.parent, entry.size_bytes - part.size) from error
        raise files.output_error(error, entry.path.parent) from error
    except OutputError as error:
        if error.key != "disk_full":
            raise
        raise no_room(entry, entry.path.parent, entry.size_bytes - part.size) from error
    raise _other_file(entry, address)


def forget_download(entry: ModelEntry) -> None:
    """Remove what is kept of a file that has not all arrived, and the note of its hash. Raises OSError."""
    _Part(entry).discard()
    record_of(entry.path).unlink(missing_ok=True)


def address_of(entry: ModelEntry) -> str:
    """Where a model's file is fetched from. Raises ModelError where the mirror is no address."""
    mirror = os.environ.get(MIRROR, "").strip()
    if not mirror:
        return entry.source["url"]
    try:
        parts = urllib.parse.urlsplit(mirror)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable:
        raise ModelError("model_mirror", variable=MIRROR, address=mirror)
    return f"{mirror.rstrip('/')}/{urllib.parse.quote(entry.file)}"


class _BrokenOff(Exception):
    """A try that failed but is worth repeating. error: for the person, if none succeeds. anew: from the beginning."""

    def __init__(self, error: ModelError, *, anew: bool = False) -> None:
        super().__init__(str(error))
        self.error, self.anew = error, anew


class _Part:
    """What has arrived of a file."""

    def __init__(self, entry: ModelEntry) -> None:
        self.path = entry.path.with_name(f"{entry.file}.part")
        self._record = record_of(self.path)

    @property
    def size(self) -> int:
        return files.size_of(self.path)

    def version(self, address: str) -> str:
        """The version that the server at an address said this was part of; empty if unknown."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            noted = json.loads(self._record.read_text(encoding="utf-8"))
            if noted["address"] == address and isinstance(noted["version"], str):
                return str(noted["version"])
        return ""

    def begin(self, address: str, version: str) -> None:
        """Empty it for a new version. Raises OSError, OutputError."""
        self._record.unlink(missing_ok=True)  # first: what is there now must never count as of the new version
        self.path.write_bytes(b"")
        files.write(self._record, json.dumps({"address": address, "version": version}).encode("ascii"))

    def opened(self) -> IO[bytes]:
        """To write the rest of it. Raises OSError."""
        return self.path.open("ab")

    def discard(self) -> None:
        """Raises OSError."""
        for path in (self._record, self.path):
            path.unlink(missing_ok=True)


def _fill(part: _Part, entry: ModelEntry, address: str, progress: Progress) -> None:
    """Fetch until a part has the file's size. Raises ModelError, OutputError, Cancelled, OSError."""
    if not part.version(address):
        part.discard()
    ensure_room(entry, entry.path.parent, entry.size_bytes - part.size)
    furthest, tries = part.size, 0
    while part.size < entry.size_bytes:
        try:
            _receive(part, entry, address, progress)
        except _BrokenOff as broken:
            logger.info("fetching %s: %s, at %d", entry.name, broken, part.size)
            if broken.anew:
                part.discard()
            tries = 0 if part.size >= furthest + _AHEAD else tries + 1
            furthest = max(furthest, part.size)
            if tries == _TRIES or (broken.error.key == "model_offline" and not furthest):
                raise broken.error from broken
            _pause(_PAUSE_SECONDS * 2 ** max(0, tries - 1), progress)


def _pause(seconds: float, progress: Progress) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        progress.tell()
        time.sleep(_LOOK_SECONDS)


def _receive(part: _Part, entry: ModelEntry, address: str, progress: Progress) -> None:
    """Write what one request brings. Raises _BrokenOff, ModelError, OutputError, Cancelled, OSError."""
    version = part.version(address)
    start = progress.done = part.size if version else 0
    headers = {"User-Agent": f"CVMatte/{__version__}", "Accept-Encoding": "identity"}
    if start:
        headers.update({"Range": f"bytes={start}-", "If-Range": version})
    transfer = _Transfer(urllib.request.Request(address, headers=headers), entry)
    transfer.start()
    try:
        answer = transfer.next(progress)
        done = start
        if not _goes_on(answer, start, version, entry):
            _refuse_another(answer, entry, address)
            part.begin(address, _version_of(answer.headers))
            done = 0
        with part.opened() as file:
            while done <= entry.size_bytes and (chunk := transfer.next(progress)):
                file.write(chunk)
                done += len(chunk)
                progress.done = min(done, entry.size_bytes)
    finally:
        transfer.give_up()
    progress.tell()
    if done > entry.size_bytes:
        part.discard()
        raise _other_file(entry, address)
    if done < entry.size_bytes:
        raise _BrokenOff(ModelError("model_fetch_failed", model=entry.title))


def _goes_on(answer: _Answer, start: int, version: str, entry: ModelEntry) -> bool:
    """Whether an answer is the rest of a file, not all of it. Raises _BrokenOff where it is something else."""
    if answer.status != 206:
        return False
    told = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", "").strip())
    fits = told is not None and int(told[1]) == start and told[2] in ("*", str(entry.size_bytes))
    if not fits or _version_of(answer.headers) not in ("", version):
        raise _BrokenOff(ModelError("model_fetch_failed", model=entry.title), anew=True)
    return True


def _refuse_another(answer: _Answer, entry: ModelEntry, address: str) -> None:
    """Raise ModelError if an answer can't be the file: networks that require a login answer everything with a page."""
    length = answer.headers.get("Content-Length", "")
    is_page = answer.headers.get_content_type() == "text/html"
    if answer.status != 200 or is_page or (length.isdecimal() and int(length) != entry.size_bytes):
        raise _other_file(entry, address)


def _version_of(headers: HTTPMessage) -> str:
    """What identifies a version of a file; empty if the server doesn't say."""
    tag = headers.get("ETag", "").strip()
    return headers.get("Last-Modified", "").strip() if not tag or tag.startswith("W/") else tag


def _is_placed(part: _Part, entry: ModelEntry, progress: Progress) -> bool:
    """Put a part in the file's place if its hash is right; else remove it. Raises OutputError, Cancelled, OSError."""
    with part.path.open("rb") as file:
        sha256 = sha256_as_published(entry, file, tick=progress.tell)
    if sha256:
        note_unknown_hash(entry, sha256)
        files.replace_durably(entry.path, part.path)
    part.discard()
    return bool(sha256)


def _other_file(entry: ModelEntry, address: str) -> ModelError:
    install = install_command(entry.name)
    return ModelError("model_source_other", model=entry.title, host=_host_of(address), install=install)


def _host_of(address: str) -> str:
    return urllib.parse.urlsplit(address).hostname or address


# The network


@dataclass(frozen=True)
class _Answer:
    """The head of a server's answer."""

    status: int
    headers: HTTPMessage


class _Transfer(threading.Thread):
    """A request in a thread of its own, so that it can be cancelled at any moment."""

    def __init__(self, request: urllib.request.Request, entry: ModelEntry) -> None:
        super().__init__(name="download", daemon=True)
        self._request, self._entry = request, entry
        self._arrived: queue.Queue[Any] = queue.Queue(_CHUNKS)
        self._unwanted = threading.Event()
        self._told_at = 0.0

    def next(self, progress: Progress) -> Any:
        """First the _Answer, then its bytes, at the end none. Raises _BrokenOff, ModelError, Cancelled."""
        while True:
            if time.monotonic() - self._told_at > _LOOK_SECONDS:
                self._told_at = time.monotonic()
                progress.tell()
            with contextlib.suppress(queue.Empty):
                arrived = self._arrived.get(timeout=_LOOK_SECONDS)
                if isinstance(arrived, BaseException):
                    raise arrived
                return arrived

    def give_up(self) -> None:
        self._unwanted.set()

    def run(self) -> None:
        try:
            opener = urllib.request.build_opener(_Redirects(self._entry))
            with opener.open(self._request, timeout=_SILENCE_SECONDS) as answer:
                self._put(_Answer(answer.status, answer.headers))
                while not self._unwanted.is_set() and (chunk := answer.read1(_CHUNK)):
                    self._put(chunk)
            self._put(b"")
        except BaseException as error:
            self._put(self._explained(error))

    def _put(self, arrived: Any) -> None:
        while not self._unwanted.is_set():
            with contextlib.suppress(queue.Full):
                self._arrived.put(arrived, timeout=_LOOK_SECONDS)
                return

    def _explained(self, error: BaseException) -> BaseException:
        entry, address = self._entry, self._request.full_url
        if isinstance(error, urllib.error.HTTPError):
            error.close()
            return self._refused(error.code)
        if isinstance(getattr(error, "reason", error), ssl.SSLCertVerificationError):
            values = {"host": _host_of(address), "address": address, "install": install_command(entry.name)}
            return ModelError("model_no_trust", model=entry.title, **values)
        if isinstance(error, (OSError, HTTPException)):
            logger.info("%s: %s", address, error)
            key = "model_fetch_failed" if isinstance(error, IncompleteRead) else "model_offline"
            return _BrokenOff(ModelError(key, model=entry.title))
        return error

    def _refused(self, status: int) -> Exception:
        entry, host = self._entry, _host_of(self._request.full_url)
        if status == 416:  # there is no such rest: the file is another one by now
            return _BrokenOff(ModelError("model_fetch_failed", model=entry.title), anew=True)
        values = {"host": host, "status": status, "install": install_command(entry.name)}
        error = ModelError("model_source_answer", model=entry.title, **values)
        return _BrokenOff(error) if status in _PASSING or status >= 500 else error


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but to no server that isn't encrypted, unless that is this computer."""

    def __init__(self, entry: ModelEntry) -> None:
        self._entry = entry

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        if not _is_safe(newurl):
            install = install_command(self._entry.name)
            raise ModelError("model_unsafe", model=self._entry.title, host=_host_of(newurl), install=install)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _is_safe(address: str) -> bool:
    parts = urllib.parse.urlsplit(address)
    if parts.scheme == "https":
        return True
    host = parts.hostname or ""
    with contextlib.suppress(ValueError):
        return parts.scheme == "http" and (host == "localhost" or ipaddress.ip_address(host).is_loopback)
    return False
