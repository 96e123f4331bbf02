"""A reverse proxy as people set one up: it serves a server of ours below a path, and calls it by its own address."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

BELOW = "/cvmatte"
_OWN = {"connection", "host", "keep-alive", "transfer-encoding"}  # headers between two neighbours


@contextlib.contextmanager
def proxied(port: int, own_port: int = 0) -> Iterator[str]:
    """The address, with the slash at its end, at which a server is found that listens on a port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self) -> None:
            if not self.path.startswith(f"{BELOW}/"):
                self.send_error(404)
                return
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _OWN}
            address = f"http://127.0.0.1:{port}{self.path.removeprefix(BELOW)}"
            with httpx.stream(self.command, address, headers=headers, content=body, timeout=100) as answer:
                self.send_response_only(answer.status_code)
                for name, value in answer.headers.multi_items():
                    if name.lower() not in _OWN:
                        self.send_header(name, value)
                self.send_header("Connection", "close")
                self.end_headers()
                with contextlib.suppress(OSError):  # whoever asked has gone
                    for chunk in answer.iter_raw():
                        self.wfile.write(chunk)
            self.close_connection = True

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_HEAD = forward  # noqa: N815 (its names)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", own_port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://localhost:{server.server_address[1]}{BELOW}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
