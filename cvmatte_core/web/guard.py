"""Who is let in: checks every request before the application sees it, and adds headers to every answer.

A browser sends requests for any page that the person looks at. So a request has to name this server as its Host
(against DNS rebinding); if a page sends it, that must be this server's own or one that the operator has allowed; and
it has to hold the token where one is needed.
"""

from __future__ import annotations

import contextlib
import hmac
import ipaddress
from dataclasses import dataclass
from typing import Callable
from urllib.parse import SplitResult, urlsplit

from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..localization.errors import RequestError
from .answers import answer

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "media-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_READABLE = {"Access-Control-Expose-Headers": "Box, Version, CVMatte-Notes, Content-Disposition, Retry-After"}
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE",
    "Access-Control-Allow-Headers": "Accept-Language, Authorization, Content-Type",
    "Access-Control-Max-Age": "600",
}
_OPEN = "/health"  # needs no token
_ENTRANCE = """<!doctype html>
<html><meta charset="utf-8"><title>CVMatte</title><script src="static/entrance.js"></script></html>
"""


@dataclass(frozen=True)
class Rules:
    """token: "" where none is needed. hosts: names that this server answers to, besides its addresses.

    only_loopback: whether it answers to this computer's own addresses only. origins: other sites whose pages may call
    it, or its own behind a proxy that changes the Host; see `origin_of`.
    """

    token: str
    hosts: frozenset[str]
    only_loopback: bool
    origins: frozenset[str] = frozenset()


class Guard:
    """ASGI middleware. body_limit: of a path, the bytes that a request to it may have."""

    def __init__(self, app: ASGIApp, rules: Rules, body_limit: Callable[[str], int]) -> None:
        self._app, self._rules, self._body_limit = app, rules, body_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        request = Request(scope)
        headers = {**_HEADERS, **self._for_other_pages(request)}

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers)
            await send(message)

        try:
            self._check_host(request)
            self._check_origin(request)
            asks_first = request.method == "OPTIONS" and "access-control-request-method" in request.headers
            is_answered = asks_first and "Access-Control-Allow-Origin" in headers  # a browser, for an allowed page
            entrance = Response(headers=_PREFLIGHT, status_code=204) if is_answered else self._check_token(request)
            limited = _limited(request, receive, self._body_limit(request.url.path))
        except RequestError as error:
            await answer(error, request)(scope, receive, send_with_headers)
            return
        await (entrance or self._app)(scope, limited, send_with_headers)

    def _check_host(self, request: Request) -> None:
        host = _host_of(f"//{request.headers.get('host', '')}")
        if host in self._rules.hosts or host in map(_host_of, self._rules.origins):
            return
        with contextlib.suppress(ValueError):
            if ipaddress.ip_address(host).is_loopback or not self._rules.only_loopback:
                return
        raise RequestError("host_foreign")

    def _for_other_pages(self, request: Request) -> dict[str, str]:
        """The headers by which a browser lets an allowed page read an answer."""
        if not self._rules.origins:
            return {}
        origin = request.headers.get("origin", "")
        allowed = {"Access-Control-Allow-Origin": origin, **_READABLE} if origin in self._rules.origins else {}
        return {"Vary": "Origin", **allowed}

    def _check_origin(self, request: Request) -> None:
        origin = request.headers.get("origin")
        if origin in self._rules.origins:
            return
        site = request.headers.get("sec-fetch-site", "none")
        # Another page may link to ours, but nothing more.
        is_link = request.method == "GET" and request.url.path == "/" and origin is None
        if site not in ("none", "same-origin") and not is_link:
            raise RequestError("origin_foreign")
        if origin is not None and _parts_of(origin).netloc != request.headers.get("host"):
            raise RequestError("origin_foreign")

    def _check_token(self, request: Request) -> ASGIApp | None:
        """None where it may go on; at the page's first call, an answer that sets a cookie and redirects."""
        if not self._rules.token or request.url.path == _OPEN:
            return None
        cookie = f"cvmatte-{(request.scope.get('server') or ('', 0))[1]}"  # cookies know no ports
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        if (scheme.lower() == "bearer" and self._is_token(bearer)) or self._is_token(request.cookies.get(cookie, "")):
            return None
        if request.url.path == "/" and self._is_token(request.query_params.get("token", "")):
            # Redirect to the page without the token: browsers keep addresses in their history.
            response: Response = RedirectResponse("./", 303, {"Cache-Control": "no-store"})
            if request.headers.get("sec-fetch-site", "none") != "none":
                # Browsers send no strict cookie along a redirection that began at another page or a file.
                response = HTMLResponse(_ENTRANCE, headers={"Cache-Control": "no-store"})
            # Without a path the cookie is the page's own, wherever a proxy has put that.
            response.set_cookie(cookie, self._rules.token, path=None, httponly=True, samesite="strict")
            return response
        raise RequestError("token_missing")

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.strip().encode("utf-8", "replace"), self._rules.token.encode())


def origin_of(text: str) -> str:
    """An origin as browsers name it: https://photos.example, http://localhost:3000. Raises ValueError for others."""
    parts = urlsplit(text.strip())
    usual = {"http": 80, "https": 443}[parts.scheme] if parts.scheme in ("http", "https") else None
    plain = parts._replace(path="" if parts.path == "/" else parts.path).geturl()
    if usual is None or not parts.hostname or plain != f"{parts.scheme}://{parts.netloc}" or "@" in parts.netloc:
        raise ValueError(text)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname.encode("idna").decode("ascii")
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port not in (None, usual) else "")


def _host_of(address: str) -> str:
    return (_parts_of(address).hostname or "").rstrip(".")


def _parts_of(address: str) -> SplitResult:
    """Empty ones where it is no address."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


def _limited(request: Request, receive: Receive, limit: int) -> Receive:
    """The same messages, until their bodies exceed the limit. Raises RequestError then, or now if the request's own
    Content-Length does."""
    too_large, received = RequestError("upload_too_large", limit=max(1, limit // 1_000_000)), 0
    length = request.headers.get("content-length", "0")
    if length.isascii() and length.isdigit() and int(length) > limit:
        raise too_large

    async def counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise too_large
        return message

    return counted
