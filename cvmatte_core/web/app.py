"""The application: who is let in, every address, and how errors are answered."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp

from .. import __version__
from . import information_routes, job_routes, photo_routes, touch_up_routes
from .answers import complete
from .guard import Guard
from .server import Options, WebServer

_ROUTERS = (information_routes.router, photo_routes.router, touch_up_routes.router, job_routes.router)


def create_app(options: Options) -> ASGIApp:
    """The ASGI application, guarded."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        server = await run_in_threadpool(WebServer, options)
        app.state.server, app.state.desk = server, server.desk
        try:
            yield
        finally:
            await run_in_threadpool(server.close)

    app = FastAPI(
        title="CVMatte",
        version=__version__,
        summary="Cuts people out of photos, with hair-level edges.",
        lifespan=lifespan,
        generate_unique_id_function=lambda route: route.name,
        docs_url=None,  # FastAPI's would load scripts from elsewhere; see the page at /docs
        redoc_url=None,
        dependencies=[Depends(HTTPBearer(auto_error=False))] if options.rules.token else [],
    )
    for route in [route for router in _ROUTERS for route in router.routes]:
        if isinstance(route, APIRoute):  # FastAPI's own summary would be the function's name
            route.summary = route.description.partition("\n")[0].rstrip(".")
    complete(app, lambda request: request.app.state.server.folder, _ROUTERS)

    def body_limit(path: str) -> int:
        return options.batch_bytes if path == "/jobs" else options.upload_bytes

    return Guard(app, options.rules, body_limit)
