"""A ModelScope hub on loopback: as much of its API as the client's snapshot_download calls, and ways to go wrong.

    with FakeHub({"configuration.json": b"...", "tf_graph.pb": b"..."}) as hub:
        hub.break_at, hub.breaks = 1000, 2
        snapshot_download("damo/cv_unet_image-matting", endpoint=hub.url, cache_dir=...)
        hub.requests  # [(path, Range header or "", status)]

What the 1.40 client (modelscope-hub 0.5) asks for: repo/files, then repo?FilePath= for each file, resumed with Range
and, once a download, repos/internalAccelerationInfo. The older ones, up to 1.37, ask for revisions too.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

_PIECE = 1 << 14  # bytes


class FakeHub:
    """The switches may be set at any time; each is for the requests after."""

    def __init__(self, files: Mapping[str, bytes], repo: str = "damo/cv_unet_image-matting") -> None:
        self.files = dict(files)
        self.repo = repo
        self.requests: list[tuple[str, str, int]] = []
        self.break_at: int | None = None  # bytes of a file's body after which the connection is cut
        self.breaks = 1 << 30  # how many times
        self.wrong = False  # the first byte of every body is another one
        self.status: int | None = None  # answer this to requests for files
        self.list_status: int | None = None  # and this to those for the list
        self.statuses = 1 << 30  # how many times, either
        self.ranges = True
        self.rate: float | None = None  # bytes a second
        self.sha256 = True  # whether the list carries digests
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.hub = self  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._server.serve_forever, name="hub", daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> FakeHub:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        hub: FakeHub = self.server.hub  # type: ignore[attr-defined]
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        model = f"/api/v1/models/{hub.repo}"
        if parts.path == f"{model}/repo/files":
            if hub.list_status and hub.statuses > 0:
                hub.statuses -= 1
                self._json(hub.list_status, None)
            else:
                self._json(200, {"Files": [self._entry(path, data) for path, data in hub.files.items()]})
        elif parts.path == f"{model}/repo" and query.get("FilePath") in hub.files:
            self._file(hub, hub.files[query["FilePath"]])
        elif parts.path == f"{model}/revisions":
            revision = {"Revision": "master", "CreatedAt": 1700000000}
            self._json(200, {"RevisionMap": {"Branches": [revision], "Tags": []}, "InitialRevision": revision})
        elif parts.path == model:
            self._json(200, {"Id": 1, "Path": hub.repo.split("/")[0], "Name": hub.repo.split("/")[1], "Visibility": 5})
        elif parts.path == "/api/v1/repos/internalAccelerationInfo":
            self._json(200, {"InternalRegionQueryAddress": ""})
        else:
            self._json(404, None)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _entry(self, path: str, data: bytes) -> dict[str, Any]:
        hub: FakeHub = self.server.hub  # type: ignore[attr-defined]
        digest = {"Sha256": hashlib.sha256(data).hexdigest()} if hub.sha256 else {}
        return {
            "Name": Path(path).name, "Path": path, "Type": "blob", "Size": len(data), "Mode": "33188",
            "Revision": hashlib.sha1(data).hexdigest(), "CommittedDate": 1700000000, "IsLFS": False, **digest,
        }  # fmt: skip

    def _json(self, status: int, data: Any) -> None:
        self._note(status)
        good = status < 400
        body = json.dumps(
            {"Code": 200 if good else status, "Data": data, "Message": "" if good else "no", "Success": good}
        ).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _file(self, hub: FakeHub, data: bytes) -> None:
        if hub.status and hub.statuses > 0:
            hub.statuses -= 1
            self._json(hub.status, None)
            return
        if hub.wrong and data:
            data = bytes([data[0] ^ 0xFF]) + data[1:]
        total, start, end, status = len(data), 0, len(data) - 1, 200
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if hub.ranges and wanted:
            start, end, status = int(wanted[1]), min(int(wanted[2] or end), end), 206
            if start > end:
                self._note(416)
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{total}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
        self._note(status)
        body = memoryview(data)[start : end + 1]
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{end}/{total}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        cut = hub.break_at if hub.break_at is not None and hub.breaks > 0 and hub.break_at < len(body) else None
        if cut is not None:
            hub.breaks -= 1
        try:
            for at in range(0, len(body) if cut is None else cut, _PIECE):
                piece = body[at : at + _PIECE] if cut is None else body[at : min(at + _PIECE, cut)]
                self.wfile.write(piece)
                if hub.rate:
                    time.sleep(len(piece) / hub.rate)
        except OSError:  # the client has gone
            self.close_connection = True
            return
        if cut is not None:
            self.close_connection = True

    def _note(self, status: int) -> None:
        hub: FakeHub = self.server.hub  # type: ignore[attr-defined]
        hub.requests.append((self.path, self.headers.get("Range", ""), status))
