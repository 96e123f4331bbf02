"""The application: every address of the web page and of the HTTP API."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import io
import itertools
import json
import logging
import mimetypes
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import cv2
from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import FileResponse, StreamingResponse
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp

from .. import __version__, presets
from ..batch import folders
from ..diagnose import diagnosis, state_of
from ..disk import files
from ..layers.touch_ups import TouchUps
from ..matting import id_photo
from ..matting.matter import Matte, Matter, StrokesFor, strokes_of
from ..models.catalogue import catalogue, costs, entry_of, good_at
from ..pictures import endings, images
from ..settings import Control, MatteSettings
from ..system import devices
from ..words.errors import CvmatteError, RequestError, SettingsError
from ..words.notes import Note
from ..words.texts import Texts, names_of_languages
from . import parameters
from .answers import PAGE_TYPES, add_errors, noted, texts_for
from .drives import Drive
from .engine import Engine
from .guard import Guard, Rules
from .jobs import FAILED, Item, Job, Jobs, give_up_after, harmless, named
from .touch_up import Desk, add_touch_up, as_json

logger = logging.getLogger(__name__)

Arriving = TypeVar("Arriving")

_STATIC = Path(__file__).with_name("static")
_MEDIA = {"png": "image/png", "webp": "image/webp", "jpeg": "image/jpeg"}
_CLIP_MEDIA = {".webm": "video/webm", ".mp4": "video/mp4"}
_TOLD = ("cvmatte", "python", "numpy", "onnxruntime", "opencv", "pillow", "platform", "cores", "memory_bytes")
_UPLOAD_SECONDS = 600.0  # that a request may take to arrive
_LOOK_SECONDS = 0.2
_KEEP_ALIVE_SECONDS = 15.0
_FOLDER_DEPTH, _FOLDER_LIMIT = 3, 500
_FIELDS, _FIELD_BYTES = 64, 4096
_NO_STORE = {"Cache-Control": "no-store"}
_NOTES = "CVMatte-Notes"  # a header of an answered picture


@dataclass(frozen=True)
class Options:
    """What the operator decides. root: the folder whose photos jobs may name; None: no folder of the server.

    rules: who is let in. upload_bytes: of one photo's request; batch_bytes: of a job's. waiting: requests in the line
    behind the one under way. seconds: that a photo may take, its wait included. files: photos of one job.
    """

    rules: Rules
    root: Path | None = None
    upload_bytes: int = 64_000_000
    batch_bytes: int = 2_000_000_000
    waiting: int = 16
    seconds: float = 120.0
    files: int = 1000


class Error(BaseModel):
    """What every refusal says."""

    error: str
    message: str


def _refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": Error} for status in (*statuses, 400, 401, 403, 421, 422, 500, 507)}


def _request_body(controls: tuple[Control, ...], fields: dict[str, Any], required: list[str]) -> dict[str, Any]:
    """OpenAPI for a form with these fields and every control, which may stand in the query too."""
    in_query = [
        {"name": control.name, "in": "query", "required": False, "schema": parameters.schema(control)}
        for control in controls
        if control.name != parameters.BACKGROUND
    ]
    picture = {"contentType": ", ".join(sorted({*_MEDIA.values(), "image/bmp", "image/tiff"}))}
    in_query.append({"name": parameters.PRESET, "in": "query", "required": False, "schema": _PRESET})
    fields = {**fields, parameters.PRESET: _PRESET}
    encoding = {
        name: picture for name in ("image", "images", parameters.BACKGROUND, parameters.TOUCH_UP) if name != "folder"
    }
    properties = {**fields, **{control.name: parameters.schema(control) for control in controls}}
    form: dict[str, Any] = {
        "schema": {"type": "object", "properties": properties, "required": required, "additionalProperties": False},
        "encoding": {name: value for name, value in encoding.items() if name in properties},
    }
    return {"parameters": in_query, "requestBody": {"required": True, "content": {"multipart/form-data": form}}}


_FILE = {"type": "string", "format": "binary"}
_PRESET = {
    "type": "string",
    "enum": list(presets.BUILT_IN),
    "description": "Sets many settings at once; settings you give override it.",
}
_OUTPUT = {"type": "string", "enum": list(parameters.OUTPUTS), "default": parameters.OUTPUTS[0]}
_ONE_PHOTO = _request_body(
    parameters.OF_PHOTOS, {"image": _FILE, parameters.TOUCH_UP: _FILE, "output": _OUTPUT}, ["image"]
)
_TO_TOUCH_UP = _request_body(parameters.OF_PHOTOS, {"image": _FILE, parameters.TOUCH_UP: _FILE}, ["image"])
_RAW = ("image/jpeg", "image/png", "image/webp")  # the photo itself as the body
_ONE_PHOTO["requestBody"]["content"] |= {media: {"schema": _FILE} for media in _RAW}
_ONE_PHOTO["parameters"].append({"name": "output", "in": "query", "required": False, "schema": _OUTPUT})
_MANY_PHOTOS = _request_body(
    parameters.OF_JOBS,
    {
        "images": {"type": "array", "items": _FILE, "minItems": 1},
        "folder": {"type": "string"},
        "recursive": {"type": "boolean", "default": False, "description": "Of a folder: its subfolders too."},
    },
    [],
)
_MANY_PHOTOS["requestBody"]["content"]["multipart/form-data"]["schema"]["anyOf"] = [
    {"required": ["images"]},
    {"required": ["folder"]},
]
_FOLLOWING: dict[int | str, dict[str, Any]] = {
    202: {
        "links": {
            name: {"operationId": name, "parameters": {"id": "$response.body#/id"}}
            for name in ("look", "follow", "archive", "remove")
        }
    }
}


class Server:
    """The application's parts, which live as long as it runs."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.folder = Path(tempfile.mkdtemp(prefix="cvmatte-web-"))
        self.drive, self.root_drive = Drive("files"), Drive("root")
        # On one's own computer; a server of many people would mix up what they paint.
        touch_ups = TouchUps() if options.rules.only_loopback else None
        self.engine = Engine(options.waiting + 1, touch_ups)
        self.jobs = Jobs(self.engine, self.drive, self.folder, options.seconds)
        self.desk = Desk(self.engine.run, touch_ups)
        self.engine.warm_up()
        names_of_languages()  # which reads all their texts: no request waits for that

    def close(self) -> None:
        self.jobs.close()
        self.engine.close()
        self.desk.close()
        for drive in (self.drive, self.root_drive):
            drive.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def create_app(options: Options) -> ASGIApp:
    """The ASGI application, guarded."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.server = await run_in_threadpool(Server, options)
        try:
            yield
        finally:
            await run_in_threadpool(app.state.server.close)

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
    for ending, media in PAGE_TYPES.items():
        mimetypes.add_type(media, ending)
    app.mount("/static", StaticFiles(directory=_STATIC))
    add_errors(app, lambda request: _server(request).folder)
    _add_information(app)
    _add_photos(app)
    _add_touching_up(app)
    _add_jobs(app)
    for route in app.routes:
        if isinstance(route, APIRoute):  # FastAPI's own would be the function's name
            route.summary = route.description.partition("\n")[0].rstrip(".")

    def body_limit(path: str) -> int:
        return options.batch_bytes if path == "/jobs" else options.upload_bytes

    return Guard(app, options.rules, body_limit)


def _server(request: Request) -> Server:
    return request.app.state.server


def _add_information(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return FileResponse(_STATIC / "index.html", headers={"Cache-Control": "no-cache"})

    @app.get("/docs", include_in_schema=False)
    async def documents() -> Response:
        return FileResponse(_STATIC / "docs.html", headers={"Cache-Control": "no-cache"})

    @app.get("/health", responses=_refusals())
    async def health() -> dict[str, str]:
        """Whether the server answers; needs no token."""
        return {"status": "ok"}

    @app.get("/page", responses=_refusals())
    async def what_the_page_needs(request: Request, language: str = "") -> dict[str, Any]:
        """The page's texts in a language, and the limits that it keeps to."""
        options, texts = _server(request).options, texts_for(request)
        limits = {"upload_bytes": options.upload_bytes, "batch_bytes": options.batch_bytes, "files": options.files}
        beginnings = ("web.", "note.", "touch_up.", "models.fetched", "state.nobody_found")
        said = {key: text for beginning in beginnings for key, text in texts.starting(beginning).items()}
        return {
            "language": texts.language,
            "languages": names_of_languages(),
            "texts": said,
            "limits": limits,
            "endings": endings.PHOTOS,
            "clips": endings.CLIPS,
            "system_folders": endings.SYSTEM_FOLDERS,
            "id_photos": {name: id_photo.size_of(format) for name, format in id_photo.FORMATS.items()},
        }

    @app.get("/controls", responses=_refusals())
    async def controls(request: Request, language: str = "") -> dict[str, Any]:
        """Every control, in groups, with its texts; and the built-in presets."""
        return await _server(request).drive.ask(parameters.declaration, texts_for(request))

    @app.get("/models", responses=_refusals(503))
    async def models(request: Request, language: str = "") -> list[dict[str, Any]]:
        """Every model that the server knows: whether it is there, what it is good at, and what it costs."""
        return await _server(request).drive.ask(_models, texts_for(request))

    @app.post("/models/{name}/install", status_code=202, responses={**_FOLLOWING, **_refusals(404, 503)})
    async def install(request: Request, name: str) -> dict[str, Any]:
        """Fetch a model: a job, to be followed as any other."""
        server = _server(request)
        return server.jobs.install(await server.drive.ask(entry_of, name)).as_json(texts_for(request))

    @app.get("/diagnose", responses=_refusals(503))
    async def diagnose(request: Request, language: str = "") -> dict[str, Any]:
        """Versions, the computer, and what the network runs on."""
        server = _server(request)
        told = await server.drive.ask(diagnosis, (), "")
        device = server.engine.device
        runs_on = texts_for(request)(f"device.{devices.named(device)}") if device else ""
        return {**{name: told[name] for name in _TOLD}, "device": device, "runs_on": runs_on}

    @app.get("/folders", responses=_refusals())
    async def folders(request: Request) -> dict[str, Any]:
        """The folders of the server whose photos a job may name; "." is the root that its operator chose."""
        server = _server(request)
        root = server.options.root
        found = await server.root_drive.ask(_folders_in, root) if root else []
        return {"open": root is not None, "folders": found}


def _models(texts: Texts) -> list[dict[str, Any]]:
    return [
        {**state_of(entry), "good_at": good_at(entry, texts), "costs": costs(entry, texts)}
        for entry in catalogue().values()
    ]


def _add_photos(app: FastAPI) -> None:
    said = {
        "description": "A JSON list of {note, message}, where there is something to say",
        "schema": {"type": "string"},
    }
    content = {media: {"schema": _FILE} for media in _MEDIA.values()}
    pictures = {"content": content, "headers": {_NOTES: said}}

    @app.post(
        "/remove_background",
        response_class=Response,
        responses={200: pictures, **_refusals(409, 413, 415, 503, 504)},
        openapi_extra=_ONE_PHOTO,
    )
    async def remove_background(request: Request) -> Response:
        """Cut the people out of a photo, and answer the picture.

        The photo is the form field `image`, or the body itself, with controls in the query. Every control may be a form
        field or a query parameter. `output`: the layer, its mask (a grey PNG), or the photo itself, upright and cropped
        as the layer is. `touch_up`: a grey picture of the photo's upright size, 255 to keep, 0 to remove, 128 to leave
        to the network.
        """
        server = _server(request)
        with server.engine.place():
            form = await _form_or_photo(request)
            folder = await _new_folder(server)
            work: Future[_Cut] | None = None
            try:
                asked = await _asked(request, form, folder)
                end = time.monotonic() + server.options.seconds

                def step(stage: str, done: int, total: int) -> None:
                    give_up_after(end, server.options.seconds)

                def cut_out(matter: Matter) -> _Cut:
                    matte = matter(asked.photo, asked.settings, strokes=asked.strokes, on_progress=step)
                    return _Cut(_picture(matte, asked.settings, asked.output), matte.notes)

                work = server.engine.run(cut_out)
                try:
                    cut = await _in_time(request, work, end, server.options.seconds)
                except CvmatteError as error:
                    raise named(error, asked.names) from error
            finally:
                await form.close()
                await _remove_after(work, folder, server.drive)
        media = _MEDIA["png" if asked.output == "mask" else asked.settings.format]
        notes = json.dumps(noted(cut.notes, texts_for(request)))  # ASCII, as headers are
        return Response(cut.picture, media_type=media, headers={**_NO_STORE, _NOTES: notes} if cut.notes else _NO_STORE)


def _add_touching_up(app: FastAPI) -> None:
    add_touch_up(app, lambda request: _server(request).desk, _refusals(404, 409, 413, 415, 503))

    @app.post("/touch_ups", status_code=201, responses=_refusals(409, 413, 415, 503, 504), openapi_extra=_TO_TOUCH_UP)
    async def open_for_touching_up(request: Request) -> dict[str, Any]:
        """Open the photo in the form field `image` for touching up: the page's addresses then take strokes."""
        server = _server(request)
        with server.engine.place():
            form = await _form(request, 3)
            folder = await _new_folder(server)
            try:
                asked = await _asked(request, form, folder)
                try:
                    name = asked.names[asked.photo.name]
                    photo = await server.desk.open(asked.photo, name, asked.settings, folder=folder)
                    if asked.strokes is not None:
                        await server.desk.put(photo, asked.strokes)
                except CvmatteError as error:
                    raise named(error, asked.names) from error
            except BaseException:
                await asyncio.wrap_future(server.drive.remove(folder))
                raise
            finally:
                await form.close()
        return await server.desk.drive.ask(as_json, server.desk, photo)


@dataclass(frozen=True)
class _Cut:
    """What a request for one photo gets."""

    picture: bytes
    notes: tuple[Note, ...]


@dataclass(frozen=True)
class _Asked:
    """What a request for one photo holds. names: what the person calls the files that were kept of it."""

    photo: Path
    strokes: StrokesFor | None
    settings: MatteSettings
    output: str
    names: dict[str, str]


async def _new_folder(server: Server) -> Path:
    """Raises OSError."""
    folder = server.folder / secrets.token_hex(16)
    await server.drive.ask(folder.mkdir)
    return folder


async def _asked(request: Request, form: FormData, folder: Path) -> _Asked:
    """Raises RequestError, SettingsError, OSError."""
    drive = _server(request).drive
    values = _texts_of(request, form)
    output = values.pop("output", parameters.OUTPUTS[0])
    if not {output, request.query_params.get("output", output)} <= set(parameters.OUTPUTS):
        raise SettingsError("setting_value", control="output", allowed=", ".join(parameters.OUTPUTS))
    photo, background = _one_file(form, "image"), _one_file(form, parameters.BACKGROUND)
    if photo is None:
        raise RequestError("upload_missing", field="image")
    kept = {upload: await drive.ask(_kept, upload, folder) for upload in (photo, background) if upload is not None}
    behind = kept[background] if background is not None else None
    settings = await drive.ask(_settings_of, request, values, parameters.OF_PHOTOS, behind)
    painted = _one_file(form, parameters.TOUCH_UP)
    strokes = None
    if painted is not None:
        strokes = functools.partial(strokes_of, await painted.read(), harmless(painted.filename))
    return _Asked(
        kept[photo], strokes, settings, output, {path.name: harmless(up.filename) for up, path in kept.items()}
    )


async def _remove_after(work: Future[_Cut] | None, folder: Path, drive: Drive) -> None:
    """Remove a request's folder once the work on it has ended, which may be after the answer."""
    if work is None or work.done():
        await asyncio.wrap_future(drive.remove(folder))
    else:
        work.add_done_callback(lambda ended: drive.remove(folder))


async def _in_time(request: Request, work: Future[_Cut], end: float, seconds: float) -> _Cut:
    """What the work makes. Raises RequestError where that takes too long; whoever hangs up gives it up."""
    result = asyncio.wrap_future(work)
    while True:
        done, _ = await asyncio.wait({result}, timeout=_LOOK_SECONDS)
        if done:
            return result.result()
        if time.monotonic() > end:
            work.cancel()
            give_up_after(end, seconds)
        if await request.is_disconnected():
            work.cancel()
            raise ClientDisconnect


def _picture(matte: Matte, settings: MatteSettings, output: str) -> bytes:
    """The bytes of what was asked for. Raises OutputError."""
    if output == "mask":
        return matte.mask_file()
    if output == "layer":
        return matte.layer_file(settings.format)
    file = io.BytesIO()
    images.write_layer(
        file, cv2.cvtColor(matte.photo, cv2.COLOR_RGB2RGBA), settings.format, matte.about, matte.max_kilobytes
    )
    return file.getvalue()


def _add_jobs(app: FastAPI) -> None:
    @app.post(
        "/jobs", status_code=202, responses={**_FOLLOWING, **_refusals(404, 413, 503)}, openapi_extra=_MANY_PHOTOS
    )
    async def start(request: Request) -> dict[str, Any]:
        """Cut out many photos and clips: uploaded ones (`images`, once for each), or the photos in a `folder` under the
        server's root. A clip becomes a transparent WebM, or an MP4 where there is a background.

        Every control may be a form field or a query parameter, for all of them alike. `id_photo`, `sheet`, `format`,
        `save_mask` and the `subject` held do nothing for clips.
        """
        server = _server(request)
        job = server.jobs.new("photos", "")
        try:
            await server.drive.ask(job.folder.mkdir)
            form = await _form(request, server.options.files + 1)
            try:
                values = _texts_of(request, form)
                folder, recursive = values.pop("folder", None), _switch(values, "recursive")
                background = _one_file(form, parameters.BACKGROUND)
                kept = await server.drive.ask(_kept, background, job.folder) if background else None
                settings = await server.drive.ask(_settings_of, request, values, parameters.OF_JOBS, kept)
                uploads = [upload for upload in form.getlist("images") if isinstance(upload, UploadFile)]
                if folder is not None:
                    job.items = await server.root_drive.ask(_items_of, folder, recursive, server.options)
                    job.title = folder
                for upload in uploads:
                    job.items.append(await server.drive.ask(_item_of, upload, job, server.options))
                if not job.items:
                    raise RequestError("upload_missing", field="images")
            finally:
                await form.close()
        except BaseException:
            await asyncio.wrap_future(server.jobs.forget(job))
            raise
        server.jobs.start(job, settings)
        return job.as_json(texts_for(request))

    @app.get("/jobs/{id}", responses=_refusals(404))
    async def look(request: Request, id: str, language: str = "") -> dict[str, Any]:
        """How far a job is, and what became of each of its photos."""
        return _server(request).jobs.find(id).as_json(texts_for(request))

    @app.delete("/jobs/{id}", status_code=204, response_class=Response, responses=_refusals(404))
    async def remove(request: Request, id: str) -> Response:
        """Cancel a job: what is finished stays. Once it is over, remove it with all its results."""
        jobs = _server(request).jobs
        job = jobs.find(id)
        jobs.cancel(job)
        if job.is_over:
            await asyncio.wrap_future(jobs.forget(job))
        return Response(status_code=204)

    event = {"type": "object", "properties": {"data": {"type": "string", "contentMediaType": "application/json"}}}
    stream = {"content": {"text/event-stream": {"schema": event}}}

    @app.get("/jobs/{id}/events", response_class=StreamingResponse, responses={200: stream, **_refusals(404)})
    async def follow(request: Request, id: str, language: str = "") -> StreamingResponse:
        """A job's progress as server-sent events: the job, at first with all its photos, then with those that changed.

        The stream ends with the job.
        """
        events = _events(request, _server(request).jobs.find(id))
        headers = {**_NO_STORE, "X-Accel-Buffering": "no"}  # for nginx, which would keep them until they are many
        return StreamingResponse(events, media_type="text/event-stream", headers=headers)

    zipped = {"content": {"application/zip": {"schema": _FILE}}}

    @app.get("/jobs/{id}/archive", response_class=FileResponse, responses={200: zipped, **_refusals(404, 409)})
    async def archive(request: Request, id: str) -> Response:
        """All results of a job that is over, as a ZIP."""
        job = _server(request).jobs.find(id)
        if not job.is_over:
            raise RequestError("job_unfinished")
        if job.archive is None:
            raise RequestError("nothing_here")
        return FileResponse(job.archive, media_type="application/zip", filename="cvmatte.zip", headers=_NO_STORE)

    pictures = {"content": {media: {"schema": _FILE} for media in (*_MEDIA.values(), *_CLIP_MEDIA.values())}}

    @app.get("/jobs/{id}/results/{number}", response_class=FileResponse, responses={200: pictures, **_refusals(404)})
    async def result(request: Request, id: str, number: int) -> Response:
        """The layer of one of a job's photos, or the clip of one of its clips."""
        item = _item(_server(request).jobs.find(id), number)
        return _sent(item.layer, item.layer_name)

    @app.get("/jobs/{id}/masks/{number}", response_class=FileResponse, responses={200: pictures, **_refusals(404)})
    async def mask(request: Request, id: str, number: int) -> Response:
        """The mask of one of a job's photos, where `save_mask` asked for it."""
        item = _item(_server(request).jobs.find(id), number)
        return _sent(item.mask, item.mask_name)


async def _form_or_photo(request: Request) -> FormData:
    """The request's form; of a body that is a photo itself, one that has it in the field `image`. Raises as _form."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not (media.startswith("image/") or media == "application/octet-stream"):
        return await _form(request, 3)
    body = await _arrived(request.body())
    return FormData([("image", UploadFile(io.BytesIO(body), size=len(body), filename="photo"))])


async def _arrived(reading: Awaitable[Arriving]) -> Arriving:
    """What is read of a request. Raises RequestError where that takes too long."""
    try:
        return await asyncio.wait_for(reading, _UPLOAD_SECONDS)
    except (asyncio.TimeoutError, TimeoutError) as error:
        raise RequestError("took_too_long", seconds=round(_UPLOAD_SECONDS)) from error


async def _form(request: Request, most_files: int) -> FormData:
    """The request's form. Raises RequestError, HTTPException, ClientDisconnect."""
    reading = request.form(max_files=most_files, max_fields=_FIELDS, max_part_size=_FIELD_BYTES)
    try:
        return await _arrived(reading)
    except HTTPException as error:
        if "Too many files" in str(error.detail):
            raise RequestError("upload_too_many", limit=most_files) from error
        raise


def _texts_of(request: Request, form: FormData) -> dict[str, str]:
    """The texts among a request's parameters, of its query and of its form; not the answer's language."""
    in_form = {name: value for name, value in form.items() if isinstance(value, str)}
    values = {**request.query_params, **in_form}
    values.pop("language", None)
    for name in ("image", "images"):
        if name in values:  # it isn't a file
            raise RequestError("upload_missing", field=name)
    return values


def _settings_of(
    request: Request, values: dict[str, str], controls: tuple[Control, ...], background: Path | None
) -> MatteSettings:
    """As parameters.parsed; also what the query says and the form says otherwise has to be right."""
    names = {control.name for control in controls}
    in_query = {name: value for name, value in request.query_params.items() if name in names}
    parameters.parsed(in_query, controls, None)
    return parameters.parsed(values, controls, background)


def _one_file(form: FormData, name: str) -> UploadFile | None:
    """The file of a form's field; None where none was chosen, which browsers send as one without a name."""
    upload = form.get(name)
    return upload if isinstance(upload, UploadFile) and (upload.filename or upload.size) else None


def _kept(upload: UploadFile, folder: Path) -> Path:
    """An uploaded file in a folder, under a name of ours. Raises OSError."""
    path = folder / secrets.token_hex(16)
    with path.open("xb") as file:
        shutil.copyfileobj(upload.file, file)
    return path


def _item_of(upload: UploadFile, job: Job, options: Options) -> Item:
    """An uploaded photo of a job. Raises OSError."""
    name = harmless(upload.filename)
    if (upload.size or 0) > options.upload_bytes and not endings.is_clip(name):
        limit = options.upload_bytes // 1_000_000
        return Item(name, job.folder / "none", state=FAILED, error=RequestError("upload_too_large", limit=limit))
    return Item(name, _kept(upload, job.folder))


def _switch(values: dict[str, str], name: str) -> bool:
    """Takes it out of the values. Raises SettingsError."""
    value = values.pop(name, "false")
    if value not in ("true", "false"):
        raise SettingsError("setting_value", control=name, allowed="true, false")
    return value == "true"


def _items_of(folder: str, recursive: bool, options: Options) -> list[Item]:
    """The photos in a folder under the root. Raises RequestError."""
    if options.root is None:
        raise RequestError("folders_closed")
    root = options.root.resolve()
    try:
        chosen = (root / folder).resolve()
        if not chosen.is_relative_to(root) or not files.is_folder(chosen):
            raise RequestError("folder_unknown")
        # Also a link in it mustn't lead out.
        found = folders.walk(chosen, chosen, recursive=recursive, unreadable=[])
        photos = [photo for photo in found if photo.resolve().is_relative_to(root)]
    except (OSError, ValueError, RuntimeError) as error:  # names that no folder has, links that go round
        raise RequestError("folder_unknown") from error
    except RequestError:
        raise
    except CvmatteError as error:
        raise RequestError("folder_unknown") from error
    if not photos:
        raise RequestError("folder_unknown")
    if len(photos) > options.files:
        raise RequestError("upload_too_many", limit=options.files)
    return [Item(harmless(photo.name), photo) for photo in photos]


def _folders_in(root: Path) -> list[str]:
    """The root and its folders, as jobs name them; without links, hidden ones, those deep down and the last of many."""
    return list(itertools.islice(_walked(root), _FOLDER_LIMIT))


def _walked(root: Path) -> Iterator[str]:
    for path, names, _ in os.walk(root):
        place = Path(path).relative_to(root)
        yield place.as_posix()
        is_deep = len(place.parts) >= _FOLDER_DEPTH
        names[:] = [] if is_deep else sorted(name for name in names if not endings.is_hidden(name))


def _item(job: Job, number: int) -> Item:
    """Raises RequestError."""
    if not 0 <= number < len(job.items):
        raise RequestError("nothing_here")
    return job.items[number]


def _sent(path: Path | None, name: str) -> Response:
    """Raises RequestError where there is no such result."""
    if path is None:
        raise RequestError("nothing_here")
    media = _CLIP_MEDIA.get(Path(name).suffix) or _MEDIA[images.format_of(Path(name)) or "png"]
    return FileResponse(path, media_type=media, filename=name, headers=_NO_STORE)


async def _events(request: Request, job: Job) -> AsyncIterator[str]:
    texts, seen, quiet = texts_for(request), -1, 0.0
    while True:
        version, over = job.version, job.is_over
        if version != seen:
            yield f"data: {json.dumps(job.as_json(texts, since=seen))}\n\n"
            seen, quiet = version, 0.0
        if over:
            return
        await asyncio.sleep(_LOOK_SECONDS)
        quiet += _LOOK_SECONDS
        if quiet >= _KEEP_ALIVE_SECONDS:
            yield ": still here\n\n"
            quiet = 0.0
