"""Fetching a model's file from its publisher's address, or from a mirror. Standard library only.

What has arrived is kept as FILE.part, with the server's name for that version in FILE.part.json: the next fetch resumes
it if the version is still the same (RFC 9110, sections 13.1.5 and 14.4). A file takes its place once its hash is right.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from functools import partial
from http.client import HTTPException, HTTPMessage, HTTPResponse, IncompleteRead
from pathlib import Path
from typing import IO, Any, Callable, Iterator

from .. import __version__
from ..filesystem import files
from ..localization.errors import ModelError, OutputError
from .catalogue import ModelEntry, install_command, note_hash, record_of, sha256_as_published
from .progress import Progress, ensure_room, no_room

logger = logging.getLogger(__name__)

MIRROR = "CVMATTE_MODEL_MIRROR"  # the variable that names an address under which the files lie by their names
_TRIES = 4  # in a row that don't get ahead
_AHEAD = 1_000_000  # bytes that count as getting ahead
_PAUSE_SECONDS = 1.0  # before the second try; twice as long before each one after that
_SILENCE_SECONDS = 30.0  # without a byte, after which a server is given up
_CHUNK = 1 << 18  # bytes that are written at once, at most
_PASSING = (408, 425, 429)  # what servers answer, beside 5xx, that is worth another try


def from_url(entry: ModelEntry, progress: Progress) -> Path:
    """Fetch a model's file. Raises ModelError, OutputError, Cancelled."""
    download = _Download(entry, progress)
    try:
        for _ in range(2 if download.part.size else 1):  # what was kept may be damaged: then once more, all of it
            download.fill()
            if download.is_placed():
                return entry.path
    except (OSError, OutputError) as error:
        logger.warning("fetching %s: %s", entry.name, error)
        told: OutputError | ModelError = (
            files.output_error(error, entry.path.parent) if isinstance(error, OSError) else error
        )
        if told.key == "disk_full":
            told = no_room(entry, entry.path.parent, entry.size_bytes - download.part.size)
        raise told from error
    raise download.error("model_source_other")


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
        noted = files.read_texts(self._record)
        return noted.get("version", "") if noted.get("address") == address else ""

    def begin(self, address: str, version: str) -> None:
        """Empty it for a new version. Raises OSError, OutputError."""
        self._record.unlink(missing_ok=True)  # first: what is there now must never count as of the new version
        self.path.write_bytes(b"")
        files.write_texts(self._record, address=address, version=version)

    def opened(self) -> IO[bytes]:
        """To write the rest of it. Raises OSError."""
        return self.path.open("ab")

    def discard(self) -> None:
        """Raises OSError."""
        for path in (self._record, self.path):
            path.unlink(missing_ok=True)


class _Download:
    """Of one model's file, in as many requests as it takes."""

    def __init__(self, entry: ModelEntry, progress: Progress) -> None:
        """Raises ModelError where the mirror is no address."""
        self._entry, self._progress, self._address = entry, progress, address_of(entry)
        self.part = _Part(entry)

    def error(self, key: str, **values: Any) -> ModelError:
        values = {"host": _host_of(self._address), "install": install_command(self._entry.name), **values}
        return ModelError(key, model=self._entry.title, **values)

    def fill(self) -> None:
        """Fetch until the part has the file's size. Raises ModelError, OutputError, Cancelled, OSError."""
        entry, part = self._entry, self.part
        if not part.version(self._address):
            part.discard()
        ensure_room(entry, entry.path.parent, entry.size_bytes - part.size)
        furthest, tries = part.size, 0
        while part.size < entry.size_bytes:
            try:
                self._receive()
            except _BrokenOff as broken:
                logger.info("fetching %s: %s, at %d", entry.name, broken, part.size)
                if broken.anew:
                    part.discard()
                tries = 0 if part.size >= furthest + _AHEAD else tries + 1
                furthest = max(furthest, part.size)
                if tries == _TRIES or (broken.error.key == "model_offline" and not furthest):
                    raise broken.error from broken
                self._progress.through(partial(time.sleep, _PAUSE_SECONDS * 2 ** max(0, tries - 1)))

    def is_placed(self) -> bool:
        """Put the part in the file's place if its hash is right; else remove it. Raises OutputError, Cancelled,
        OSError."""
        with self.part.path.open("rb") as file:
            sha256 = sha256_as_published(self._entry, file, tick=self._progress.tell)
        if sha256:
            note_hash(self._entry, sha256)
            files.replace_durably(self._entry.path, self.part.path)
        self.part.discard()
        return bool(sha256)

    def _receive(self) -> None:
        """Write what one request brings. Raises as `fill` does, and _BrokenOff."""
        version, size = self.part.version(self._address), self._entry.size_bytes
        done = self._progress.done = self.part.size if version else 0
        headers = {"User-Agent": f"CVMatte/{__version__}", "Accept-Encoding": "identity"}
        if done:
            headers.update({"Range": f"bytes={done}-", "If-Range": version})
        answer = self._progress.through(partial(self._ask, headers))
        if not self._goes_on(answer, done, version):
            self._refuse_another(answer)
            self.part.begin(self._address, _version_of(answer.headers))
            done = 0
        with self.part.opened() as file:  # closed where this is cancelled: what still arrives is written nowhere
            done = self._progress.through(partial(self._copy, answer, file, done))
        if done > size:
            self.part.discard()
            raise self.error("model_source_other")
        if done < size:
            raise self._failed()

    def _goes_on(self, answer: HTTPResponse, start: int, version: str) -> bool:
        """Whether an answer is the rest of the file, not all of it. Raises _BrokenOff where it is something else."""
        if answer.status != 206:
            return False
        told = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", "").strip())
        fits = told is not None and int(told[1]) == start and told[2] in ("*", str(self._entry.size_bytes))
        if not fits or _version_of(answer.headers) not in ("", version):
            raise self._failed(anew=True)
        return True

    def _refuse_another(self, answer: HTTPResponse) -> None:
        """Raise ModelError if an answer can't be the file: networks that require a login answer all with a page."""
        length = answer.headers.get("Content-Length", "")
        is_page = answer.headers.get_content_type() == "text/html"
        if answer.status != 200 or is_page or (length.isdecimal() and int(length) != self._entry.size_bytes):
            raise self.error("model_source_other")

    # In threads of their own, so that they can be given up at any moment

    def _ask(self, headers: dict[str, str]) -> HTTPResponse:
        opener = urllib.request.build_opener(_Redirects(self.error))
        with self._explained():
            answer: HTTPResponse = opener.open(
                urllib.request.Request(self._address, headers=headers), timeout=_SILENCE_SECONDS
            )
        return answer

    def _copy(self, answer: HTTPResponse, file: IO[bytes], done: int) -> int:
        """Write the rest of an answer to a file of which so much is done; how much it is then, as far as it may be."""
        with answer:
            while done <= self._entry.size_bytes and (chunk := self._next(answer)):
                file.write(chunk)
                done += len(chunk)
                self._progress.done = min(done, self._entry.size_bytes)
        return done

    def _next(self, answer: HTTPResponse) -> bytes:
        with self._explained():
            return answer.read1(_CHUNK)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Raises ModelError, or _BrokenOff where it is worth another try."""
        try:
            yield
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416:  # there is no such rest: the file is another one by now
                raise self._failed(anew=True) from error
            refused = self.error("model_source_answer", status=error.code)
            raise _BrokenOff(refused) if error.code in _PASSING or error.code >= 500 else refused from error
        except (OSError, HTTPException) as error:
            if isinstance(getattr(error, "reason", error), ssl.SSLCertVerificationError):
                raise self.error("model_no_trust", address=self._address) from error
            logger.info("%s: %s", self._address, error)
            raise self._failed(
                "model_fetch_failed" if isinstance(error, IncompleteRead) else "model_offline"
            ) from error

    def _failed(self, key: str = "model_fetch_failed", *, anew: bool = False) -> _BrokenOff:
        return _BrokenOff(self.error(key), anew=anew)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but to no server that isn't encrypted, unless that is this computer."""

    def __init__(self, error: Callable[..., ModelError]) -> None:
        self._error = error

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        if not _is_safe(newurl):
            raise self._error("model_unsafe", host=_host_of(newurl))
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _is_safe(address: str) -> bool:
    parts = urllib.parse.urlsplit(address)
    if parts.scheme == "https":
        return True
    host = parts.hostname or ""
    with contextlib.suppress(ValueError):
        return parts.scheme == "http" and (host == "localhost" or ipaddress.ip_address(host).is_loopback)
    return False


def _host_of(address: str) -> str:
    return urllib.parse.urlsplit(address).hostname or address


def _version_of(headers: HTTPMessage) -> str:
    """What identifies a version of a file; empty if the server doesn't say."""
    tag = headers.get("ETag", "").strip()
    return headers.get("Last-Modified", "").strip() if not tag or tag.startswith("W/") else tag
