"""The pages, and what they and programs have to know of the server."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse

from ..diagnose import diagnosis, state_of
from ..image import file_types
from ..localization.texts import Texts, names_of_languages
from ..matting import id_photo
from ..models.catalogue import catalogue, costs, good_at
from ..system import devices
from . import parameters
from .answers import STATIC, UNCACHED, InLanguage, refusals
from .server import Running

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
    return [
        {**state_of(entry), "good_at": good_at(entry, texts), "costs": costs(entry, texts)}
        for entry in catalogue().values()
    ]


@router.get("/diagnose", responses=refusals(503))
async def diagnose(server: Running, texts: InLanguage) -> dict[str, Any]:
    """Versions, the computer, and what the network runs on."""
    told = await server.drive.ask(diagnosis, (), "")
    device = server.engine.device
    runs_on = texts(f"device.{devices.named(device)}") if device else ""
    return {**{name: told[name] for name in _TOLD}, "device": device, "runs_on": runs_on}
