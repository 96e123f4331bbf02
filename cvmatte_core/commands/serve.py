"""The web page and the HTTP API."""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import logging
import os
import secrets
import socket
import sys
from pathlib import Path
from urllib.parse import quote, urlsplit

from ..localization.texts import Texts, system_texts
from ..models.catalogue import install_packages_command
from .program import Misused, ended, parser_for

TOKEN_VARIABLE = "CVMATTE_TOKEN"  # which nobody else can read, as they can a program's options
_LAST_PORT = 65_535
_CONNECTIONS = 200  # at once; beyond, the server answers 503


def _port(text: str) -> int:
    """For argparse: 0 is any that is free. Raises ArgumentTypeError."""
    if not (text.isdecimal() and int(text) <= _LAST_PORT):
        raise argparse.ArgumentTypeError(system_texts()("serve.bad_port", port=text, last=_LAST_PORT))
    return int(text)


def _positive(text: str) -> int:
    """For argparse. Raises ValueError."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _is_of_this_computer(origin: str) -> bool:
    host = urlsplit(origin).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def main(arguments: list[str] | None = None) -> int:
    texts = system_texts()
    parser = parser_for("serve", texts)
    parser.add_argument("--host", default="127.0.0.1", help=texts("serve.host"))
    parser.add_argument("--port", type=_port, default=7860, help=texts("serve.port"))
    parser.add_argument("--root", type=Path, metavar="FOLDER", help=texts("serve.root"))
    parser.add_argument("--token", default="", help=texts("serve.token", variable=TOKEN_VARIABLE))
    parser.add_argument("--allow-host", action="append", default=[], metavar="NAME", help=texts("serve.allow_host"))
    parser.add_argument("--origin", action="append", default=[], metavar="URL", help=texts("serve.origin"))
    parser.add_argument("--upload-limit", type=_positive, default=64, metavar="MB", help=texts("serve.upload_limit"))
    parser.add_argument("--batch-limit", type=_positive, default=2000, metavar="MB", help=texts("serve.batch_limit"))
    parser.add_argument("--queue", type=_positive, default=16, metavar="N", help=texts("serve.queue"))
    parser.add_argument("--time-limit", type=_positive, default=120, metavar="SECONDS", help=texts("serve.time_limit"))
    chosen = parser.parse_args(arguments)
    if chosen.root is not None and not chosen.root.is_dir():
        parser.error(texts("serve.no_root", folder=chosen.root))
    return ended(parser, lambda: serve(chosen, texts))


def serve(chosen: argparse.Namespace, texts: Texts) -> int:
    """Until Ctrl+C; the exit code."""
    try:
        import uvicorn

        from ..web.app import Options, create_app
        from ..web.guard import Rules, origin_of
        from ..web.server import listening
    except ModuleNotFoundError as error:  # an environment from before they were needed
        if error.name is None or error.name.startswith("cvmatte"):
            raise
        install = install_packages_command("web")
        print(texts("script.needs_packages", extra="web", install=install), file=sys.stderr)
        return 1
    try:
        origins = frozenset(map(origin_of, chosen.origin))
    except ValueError as error:
        raise Misused(texts("serve.bad_origin", origin=error)) from error
    try:
        bound = listening(chosen.host, chosen.port)
    except OSError as error:
        print(texts("serve.no_address", host=chosen.host, port=chosen.port, reason=error), file=sys.stderr)
        return 1
    address, port = bound.getsockname()[:2]
    at_home = ipaddress.ip_address(address.partition("%")[0]).is_loopback
    only_loopback = at_home and all(map(_is_of_this_computer, origins))
    token = chosen.token or os.environ.get(TOKEN_VARIABLE, "") or ("" if only_loopback else secrets.token_urlsafe(24))
    names = {"localhost", *chosen.allow_host} | (set() if at_home else {socket.gethostname()})
    options = Options(
        rules=Rules(token, frozenset(name.lower() for name in names), only_loopback, origins),
        root=chosen.root,
        upload_bytes=chosen.upload_limit * 1_000_000,
        batch_bytes=chosen.batch_limit * 1_000_000,
        waiting=chosen.queue,
        seconds=chosen.time_limit,
    )
    shown_too = logging.StreamHandler()
    shown_too.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.getLogger().addHandler(shown_too)
    config = uvicorn.Config(
        create_app(options),
        log_config=None,
        access_log=False,  # it would hold the token of the first call
        proxy_headers=False,
        server_header=False,
        limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=3,
    )
    name = "localhost" if at_home else socket.gethostname() if address in ("0.0.0.0", "::") else address
    shown = f"[{name}]" if ":" in name else name
    query = f"?token={quote(token)}" if token else ""
    print(texts("serve.ready", address=f"http://{shown}:{port}/{query}"), flush=True)
    if token:
        print(texts("serve.with_token", token=token), flush=True)
    with contextlib.suppress(KeyboardInterrupt):  # raised anew once the server has ended
        uvicorn.Server(config).run(sockets=[bound])
    return 0
