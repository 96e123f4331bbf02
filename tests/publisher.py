"""A publisher of models on loopback, for the tests: it breaks off, changes its mind, or answers wrong."""

from __future__ import annotations

import contextlib
import random
import re
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = random.Random(2).randbytes(5_000_000)


class Publisher(BaseHTTPRequestHandler):
    """Has one file, by any name. What a test sets on the class is how it behaves from then on."""

    protocol_version = "HTTP/1.1"
    content = MODEL
    version: str | None = '"one"'
    break_at = 0  # bytes after which a connection is cut, `breaks` times
    breaks = 0
    stall_at = 0  # bytes after which nothing comes any more, until the test lets it go on
    goes_on: threading.Event
    knows_ranges = True
    heeds_versions = True  # else it answers a range of whatever it has
    answer: Any = None  # a method, in place of all that
    asked: list[tuple[str, str | None, str | None]]  # path, Range, If-Range

    def do_GET(self) -> None:
        wanted, condition = self.headers.get("Range"), self.headers.get("If-Range")
        self.asked.append((self.path, wanted, condition))
        if self.answer is not None:
            self.answer()
            return
        part = re.fullmatch(r"bytes=(\d+)-", wanted or "") if self.knows_ranges else None
        if part and self.heeds_versions and condition != self.version:
            part = None
        start, size = int(part[1]) if part else 0, len(self.content)
        self.head(206 if part else 200, size - start, f"bytes {start}-{size - 1}/{size}" if part else "")
        self.send(self.content[start:])

    def head(self, status: int, length: int | None, content_range: str = "", kind: str = "application/zip") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if length is not None:
            self.send_header("Content-Length", str(length))
        if content_range:
            self.send_header("Content-Range", content_range)
        if self.version:
            self.send_header("ETag", self.version)
        self.end_headers()

    def send(self, body: bytes) -> None:
        publisher = type(self)
        if publisher.breaks:
            publisher.breaks -= 1
            self.close_connection, body = True, body[: self.break_at]
        if stall_at := publisher.stall_at:
            self.wfile.write(body[:stall_at])
            self.goes_on.wait(60)
            body = body[stall_at:]
        self.wfile.write(body)

    def send_in_chunks(self, body: bytes) -> None:
        self.protocol_version = "HTTP/1.1"
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for start in range(0, len(body), 100_000):
            chunk = body[start : start + 100_000]
            self.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever fetched has gone away."""


def serve(publisher: Any, context: ssl.SSLContext | None = None) -> Server:
    server = Server(("127.0.0.1", 0), publisher)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server


@contextlib.contextmanager
def publishing() -> Iterator[Any]:
    """A Publisher's class of one's own, with its server's `address`."""
    one: Any = type("OnePublisher", (Publisher,), {"asked": [], "goes_on": threading.Event()})
    server = serve(one)
    one.address = f"http://127.0.0.1:{server.server_address[1]}/"
    try:
        yield one
    finally:
        one.goes_on.set()
        server.shutdown()
        server.server_close()
