"""The page that OBS opens for touching up: on this computer, for whoever has its link, as long as it is used."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from typing import Any
from urllib.parse import quote

import uvicorn
from fastapi import FastAPI, Response
from fastapi.responses import FileResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ..image import images
from ..localization.errors import WorkerError
from ..localization.texts import names_of_languages
from . import touch_up_routes
from .answers import STATIC, UNCACHED, InLanguage, complete
from .guard import Guard, Rules
from .server import listening
from .touch_up import Desk

logger = logging.getLogger(__name__)

_ZONES = "zones"  # what a page is of that isn't a photo's
_OWN = "zones.page."  # the keys of its own texts, in the place of those that begin with "touch_up."
_IDLE_SECONDS = 600.0  # after the last request: an open page asks every few seconds
_LOOK_SECONDS = 5.0
_START_SECONDS = 20.0


class TouchUpPage:
    """Serves the page of a desk's photos on loopback, until nobody uses it any more."""

    def __init__(self, desk: Desk, token: str, port: int, idle_seconds: float = _IDLE_SECONDS) -> None:
        """port: 0 for any that is free; another that is taken counts as 0. Raises WorkerError."""
        self.desk, self.token = desk, token
        self._idle_seconds = idle_seconds
        self._used_at = time.monotonic()
        self._bound = _bound(port)
        self.port: int = self._bound.getsockname()[1]
        rules = Rules(token, frozenset({"localhost"}), only_loopback=True)
        app = Guard(self._noting_use(_app(desk)), rules, lambda path: images.PIXEL_LIMIT)
        config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False, lifespan="off")
        self._server = uvicorn.Server(config)
        for work in (self._serve, self._end_when_idle):
            threading.Thread(target=work, name="touch-up page", daemon=True).start()
        end = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if time.monotonic() > end or self._server.should_exit:
                self.close()
                raise WorkerError("page_not_served")
            time.sleep(0.01)

    @property
    def is_open(self) -> bool:
        return not self._server.should_exit

    def address(self, id: str, language: str, for_zones: bool = False) -> str:
        """The link to a photo's page, or a live portrait's: whoever has it may paint."""
        self._used_at = time.monotonic()
        return f"http://127.0.0.1:{self.port}/?token={quote(self.token)}#{id}.{language}{f'.{_ZONES}' * for_zones}"

    def close(self) -> None:
        self._server.should_exit = True

    def _serve(self) -> None:
        try:
            self._server.run(sockets=[self._bound])
        except BaseException:
            logger.exception("the touch-up page")
        finally:
            self._server.should_exit = True
            self.desk.close()

    def _end_when_idle(self) -> None:
        while not self._server.should_exit:
            time.sleep(min(_LOOK_SECONDS, self._idle_seconds))
            if time.monotonic() - self._used_at > self._idle_seconds:
                logger.info("the touch-up page is not used any more")
                self.close()

    def _noting_use(self, app: ASGIApp) -> ASGIApp:
        async def noted(scope: Scope, receive: Receive, send: Send) -> None:
            self._used_at = time.monotonic()
            await app(scope, receive, send)

        return noted


def _bound(port: int) -> socket.socket:
    """Raises WorkerError."""
    for wanted in (port, 0):
        with contextlib.suppress(OSError, OverflowError):
            return listening("127.0.0.1", wanted)
    raise WorkerError("page_not_served")


def _app(desk: Desk) -> FastAPI:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    names_of_languages()  # reads all their texts now, so that no request waits for that
    app.state.desk = desk
    complete(app, lambda request: STATIC, [touch_up_routes.router])

    @app.get("/")
    async def page() -> Response:
        return FileResponse(STATIC / "touch-up.html", headers=UNCACHED)

    @app.get("/page")
    async def what_the_page_needs(texts: InLanguage, of: str = "") -> dict[str, Any]:
        needed = {**texts.starting("touch_up."), **texts.starting("web.")}
        if of == _ZONES:
            own = texts.starting(_OWN)
            needed.update({f"touch_up.{key[len(_OWN) :]}": text for key, text in own.items()})
        return {"language": texts.language, "texts": needed}

    return app
