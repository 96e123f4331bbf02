"""The application: who is let in, every address, and how errors are answered; its pages, and what they have to know."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Response
from fastapi.responses import FileResponse
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp

from .. import __version__
from ..diagnose import diagnosis, state_of
from ..image import file_types
from ..localization.texts import Texts, names_of_languages
from ..matting import id_photo
from ..models.catalogue import catalogue, costs, good_at
from ..system import devices
from . import job_routes, parameters, photo_routes, touch_up_routes
from .answers import STATIC, UNCACHED, InLanguage, complete, refusals
from .guard import Guard
from .server import Options, Running, WebServer

_TOLD = ("cvmatte", "python", "numpy", "onnxruntime", "opencv", "pillow", "platform", "cores", "memory_bytes")

router = APIRouter()


@router.get("/", include_in_schema=False)
async def page() -> Response:
    return FileResponse(STATIC / "index.html", headers=UNCACHED)


@router.get("/docs", include_in_schema=False)
async def documents() -> Response:
    return FileResponse(STATIC / "docs.html", headers=UNCACHED)


@router.get("/health", responses=refusals())
async def health() -> dict[str, str]:
    """Whether the server answers; needs no token."""
    return {"status": "ok"}


@router.get("/page", responses=refusals())
async def what_the_page_needs(server: Running, texts: InLanguage) -> dict[str, Any]:
    """The page's texts in a language, and the limits that it keeps to."""
    options = server.options
    beginnings = ("web.", "note.", "touch_up.", "models.fetched", "state.nobody_found")
    return {
        "language": texts.language,
        "languages": names_of_languages(),
        "texts": {key: text for beginning in beginnings for key, text in texts.starting(beginning).items()},
        "limits": {name: getattr(options, name) for name in ("upload_bytes", "batch_bytes", "files")},
        "endings": file_types.PHOTOS,
        "clips": file_types.CLIPS,
        "system_folders": file_types.SYSTEM_FOLDERS,
        "id_photos": {name: id_photo.size_of(format) for name, format in id_photo.FORMATS.items()},
    }


@router.get("/controls", responses=refusals())
async def controls(server: Running, texts: InLanguage) -> dict[str, Any]:
    """Every control, in groups, with its texts; and the built-in presets."""
    return await server.drive.ask(parameters.declaration, texts)


@router.get("/models", responses=refusals(503))
async def models(server: Running, texts: InLanguage) -> list[dict[str, Any]]:
    """Every model that the server knows: whether it is there, what it is good at, and what it costs."""
    return await server.drive.ask(_models, texts)


def _models(texts: Texts) -> list[dict[str, Any]]:
    told = catalogue().values()
    return [{**state_of(one), "good_at": good_at(one, texts), "costs": costs(one, texts)} for one in told]


@router.get("/diagnose", responses=refusals(503))
async def diagnose(server: Running, texts: InLanguage) -> dict[str, Any]:
    """Versions, the computer, and what the network runs on."""
    told = await server.drive.ask(diagnosis, (), "")
    device = server.engine.device
    runs_on = texts(f"device.{devices.named(device)}") if device else ""
    return {**{name: told[name] for name in _TOLD}, "device": device, "runs_on": runs_on}


def create_app(options: Options) -> ASGIApp:
    """The ASGI application, guarded."""
    routers = (router, photo_routes.router, touch_up_routes.router, job_routes.router)

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
    for route in [route for router in routers for route in router.routes]:
        if isinstance(route, APIRoute):  # FastAPI's own summary would be the function's name
            route.summary = route.description.partition("\n")[0].rstrip(".")
    complete(app, lambda request: request.app.state.server.folder, routers)
    limits = {"/jobs": options.batch_bytes}
    return Guard(app, options.rules, lambda path: limits.get(path, options.upload_bytes))
