"""Jobs: many photos and clips, uploaded or in a folder of the server, or the fetching of a model."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import FileResponse, StreamingResponse
from starlette.datastructures import FormData, UploadFile

from ..batch.search import walk
from ..filesystem import files
from ..image import file_types, images
from ..localization.errors import CvmatteError, RequestError
from ..localization.texts import Texts
from ..models.catalogue import entry_of
from ..settings import MatteSettings
from .answers import FILE, NO_STORE, InLanguage, refusals, texts_for
from .jobs import FAILED, Item, WebJob
from .parameters import (
    BACKGROUND,
    MANY,
    ROOM,
    ROOM_FILE,
    described,
    harmless,
    kept_files,
    read_form,
    saved,
    settings_of,
)
from .photo_routes import MEDIA
from .server import Running, WebServer

_ID = {"id": "$response.body#/id"}
_LINKS = {name: {"operationId": name, "parameters": _ID} for name in ("look", "follow", "archive", "remove")}
_FOLLOWING: dict[int | str, dict[str, Any]] = {202: {"links": _LINKS}}
_CLIP_MEDIA = {".webm": "video/webm", ".mp4": "video/mp4"}
_LOOK_SECONDS = 0.2
_KEEP_ALIVE_SECONDS = 15.0
_FOLDER_DEPTH, _FOLDER_LIMIT = 3, 500
_PHOTOS = {"type": "array", "items": FILE, "minItems": 1}
_TO_START = described(MANY, {"images": _PHOTOS, ROOM: ROOM_FILE}, in_form_only=("folder", "recursive"))
_ONE_OF = [{"required": [name]} for name in ("images", "folder")]
_TO_START["requestBody"]["content"]["multipart/form-data"]["schema"]["anyOf"] = _ONE_OF
_EVENT = {"type": "object", "properties": {"data": {"type": "string", "contentMediaType": "application/json"}}}
_EVENTS = {"content": {"text/event-stream": {"schema": _EVENT}}}
_ZIP = {"content": {"application/zip": {"schema": FILE}}}
_RESULT = {"content": {media: {"schema": FILE} for media in (*MEDIA.values(), *_CLIP_MEDIA.values())}}


async def _found(id: str, server: Running) -> WebJob:
    return server.jobs.find(id)


Found = Annotated[WebJob, Depends(_found)]
router = APIRouter()


@router.post("/jobs", status_code=202, responses={**_FOLLOWING, **refusals(404, 413, 503)}, openapi_extra=_TO_START)
async def start(request: Request, server: Running) -> dict[str, Any]:
    """Cut out many photos and clips: uploaded ones (`images`, once for each), or the photos in a `folder` under the
    server's root. A clip becomes a transparent WebM, or an MP4 where there is a background.

    Every control may be a form field or a query parameter, for all of them alike. `id_photo`, `sheet`, `format`,
    `save_mask` and the `subject` held do nothing for clips.
    """
    job = server.jobs.new("photos", "")
    try:
        await server.drive.ask(job.folder.mkdir)
        async with read_form(request, server.options.files + 2) as form:
            settings = await _filled(job, request, form, server)
    except BaseException:
        await asyncio.wrap_future(server.jobs.forget(job))
        raise
    server.jobs.start(job, settings)
    return job.as_json(texts_for(request))


async def _filled(job: WebJob, request: Request, form: FormData, server: WebServer) -> MatteSettings:
    """Fill a job with its items, and return its settings. Raises RequestError, SettingsError, OSError."""
    kept, job.names = await kept_files(form, (BACKGROUND, ROOM), job.folder, server.drive)
    job.room = kept.get(ROOM)
    settings, more = await settings_of(request, form, MANY, kept.get(BACKGROUND), server.drive)
    if "folder" in more:
        job.title, recursive, options = more["folder"], more.get("recursive", False), server.options
        photos = await server.root_drive.ask(_photos_in, options.root, job.title, recursive, options.files)
        job.items = [Item(harmless(photo.name), photo) for photo in photos]
    for upload in form.getlist("images"):
        if isinstance(upload, UploadFile):
            name, most = harmless(upload.filename), server.options.upload_bytes
            if (upload.size or 0) > most and not file_types.is_clip(name):
                error = RequestError("upload_too_large", limit=most // 1_000_000)
                job.items.append(Item(name, job.folder / "none", state=FAILED, error=error))
            else:
                job.items.append(Item(name, await server.drive.ask(saved, upload, job.folder)))
    if not job.items:
        raise RequestError("upload_missing", field="images")
    return settings


@router.post("/models/{name}/install", status_code=202, responses={**_FOLLOWING, **refusals(404, 503)})
async def install(name: str, server: Running, texts: InLanguage) -> dict[str, Any]:
    """Fetch a model: a job, to be followed as any other."""
    return server.jobs.install(await server.drive.ask(entry_of, name)).as_json(texts)


@router.get("/jobs/{id}", responses=refusals(404))
async def look(job: Found, texts: InLanguage) -> dict[str, Any]:
    """How far a job is, and what became of each of its photos."""
    return job.as_json(texts)


@router.delete("/jobs/{id}", status_code=204, response_class=Response, responses=refusals(404))
async def remove(job: Found, server: Running) -> Response:
    """Cancel a job: what is finished stays. Once it is over, remove it with all its results."""
    job.cancelled.set()
    if job.is_over:
        await asyncio.wrap_future(server.jobs.forget(job))
    return Response(status_code=204)


@router.get("/jobs/{id}/events", response_class=StreamingResponse, responses={200: _EVENTS, **refusals(404)})
async def follow(job: Found, texts: InLanguage) -> StreamingResponse:
    """A job's progress as server-sent events: the job, at first with all its photos, then with those that changed.

    The stream ends with the job.
    """
    headers = {**NO_STORE, "X-Accel-Buffering": "no"}  # for nginx, which would keep them until they are many
    return StreamingResponse(_events(job, texts), media_type="text/event-stream", headers=headers)


async def _events(job: WebJob, texts: Texts) -> AsyncIterator[str]:
    seen, said_at = -1, time.monotonic()
    while True:
        over, version = job.is_over, job.version
        if version != seen or over:  # it is over an instant before that counts as a change
            yield f"data: {json.dumps(job.as_json(texts, since=seen))}\n\n"
            seen, said_at = version, time.monotonic()
        if over:
            return
        if time.monotonic() - said_at > _KEEP_ALIVE_SECONDS:
            yield ": still here\n\n"
            said_at = time.monotonic()
        await asyncio.sleep(_LOOK_SECONDS)


@router.get("/jobs/{id}/archive", response_class=FileResponse, responses={200: _ZIP, **refusals(404, 409)})
async def archive(job: Found) -> Response:
    """All results of a job that is over, as a ZIP."""
    if not job.is_over or job.archive is None:
        raise RequestError("nothing_here" if job.is_over else "job_unfinished")
    return FileResponse(job.archive, media_type="application/zip", filename="cvmatte.zip", headers=NO_STORE)


@router.get("/jobs/{id}/results/{number}", response_class=FileResponse, responses={200: _RESULT, **refusals(404)})
async def result(job: Found, number: int) -> Response:
    """The layer of one of a job's photos, or the clip of one of its clips."""
    return _sent_of(job, number, "layer")


@router.get("/jobs/{id}/masks/{number}", response_class=FileResponse, responses={200: _RESULT, **refusals(404)})
async def mask(job: Found, number: int) -> Response:
    """The mask of one of a job's photos, where `save_mask` asked for it."""
    return _sent_of(job, number, "mask")


def _sent_of(job: WebJob, number: int, kind: str) -> Response:
    """Raises RequestError where there is none."""
    if not 0 <= number < len(job.items) or kind not in job.items[number].results:
        raise RequestError("nothing_here")
    path, name = job.items[number].results[kind]
    media = _CLIP_MEDIA.get(Path(name).suffix) or MEDIA[images.format_of(Path(name)) or "png"]
    return FileResponse(path, media_type=media, filename=name, headers=NO_STORE)


@router.get("/folders", responses=refusals())
async def folders(server: Running) -> dict[str, Any]:
    """The folders of the server whose photos a job may name; "." is the root that its operator chose."""
    root = server.options.root
    found = await server.root_drive.ask(_folders_in, root) if root else []
    return {"open": root is not None, "folders": found}


def _folders_in(root: Path) -> list[str]:
    """The root and its folders, as jobs name them: no links, no hidden ones, only so deep and only so many."""
    found: list[str] = []
    for path, names, _ in itertools.islice(os.walk(root), _FOLDER_LIMIT):
        place = Path(path).relative_to(root)
        found.append(place.as_posix())
        is_deep = len(place.parts) >= _FOLDER_DEPTH
        names[:] = [] if is_deep else sorted(name for name in names if not file_types.is_hidden(name))
    return found


def _photos_in(root: Path | None, folder: str, recursive: bool, most: int) -> list[Path]:
    """The photos in a folder under the root. Raises RequestError."""
    if root is None:
        raise RequestError("folders_closed")
    photos: list[Path] = []
    try:
        root = root.resolve()
        chosen = (root / folder).resolve()
        if chosen.is_relative_to(root) and files.is_folder(chosen):
            found = walk(chosen, chosen, recursive=recursive, unreadable=[])
            # A link in it mustn't lead out either.
            photos = [photo for photo in found if photo.resolve().is_relative_to(root)]
    except (OSError, ValueError, RuntimeError, CvmatteError) as error:  # impossible names, circular links
        raise RequestError("folder_unknown") from error
    if not photos:
        raise RequestError("folder_unknown")
    if len(photos) > most:
        raise RequestError("upload_too_many", limit=most)
    return photos
