"""Requests for one photo: its layer, or to open it for touching up."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import json
import secrets
from collections.abc import AsyncIterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import cv2
from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse
from starlette.datastructures import FormData
from starlette.requests import ClientDisconnect

from ..image import images
from ..localization.errors import CvmatteError, RequestError
from ..localization.notes import Note
from ..matting.matter import Matte, Matter, StrokesFor, strokes_of
from ..settings import MatteSettings
from . import parameters
from .answers import FILE, NO_STORE, STATIC, noted, refusals, texts_for
from .jobs import named
from .parameters import BACKGROUND, ONE_PHOTO, ROOM, ROOM_FILE, TOUCH_UP, TOUCHED_UP, described, harmless
from .server import Running, WebServer
from .threads import Deadline, Drive
from .touch_up import OpenPhoto
from .touch_up_routes import told

MEDIA = {"png": "image/png", "webp": "image/webp", "jpeg": "image/jpeg"}
_RAW = ("image/jpeg", "image/png", "image/webp")  # the photo itself as the body
_LOOK_SECONDS = 0.2
_NOTES = "CVMatte-Notes"  # a header of an answered picture
_SAID = {"description": "A JSON list of {note, message}, where there is something to say", "schema": {"type": "string"}}
_ANSWER = {"content": {media: {"schema": FILE} for media in MEDIA.values()}, "headers": {_NOTES: _SAID}}
_REFUSALS = refusals(409, 413, 415, 503, 504)
_ANSWERS = {200: _ANSWER, **_REFUSALS}
_STROKES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/png": {"schema": FILE}}},
    204: {"description": "Somebody has touched it up"},
    **refusals(),
}
_FILES = {"image": FILE, TOUCH_UP: FILE, ROOM: ROOM_FILE}
_TO_CUT_OUT = described(ONE_PHOTO, _FILES, ("image",))
_TO_CUT_OUT["requestBody"]["content"] |= {media: {"schema": FILE} for media in _RAW}
_TO_TOUCH_UP = described(TOUCHED_UP, _FILES, ("image",))

router = APIRouter()
Result = TypeVar("Result")


@dataclass
class _Asked:
    """What a request for one photo holds. names: the files' names as the person knows them.

    folder: of its files; removed after the request, or after `work` where that runs on, unless `is_kept`.
    """

    folder: Path
    photo: Path
    settings: MatteSettings
    output: str
    strokes: StrokesFor | None
    names: dict[str, str]
    room: Path | None = None
    work: Future[Any] | None = None
    is_kept: bool = False


@router.post("/remove_background", response_class=Response, responses=_ANSWERS, openapi_extra=_TO_CUT_OUT)
async def remove_background(request: Request, server: Running) -> Response:
    """Cut the people out of a photo, and answer the picture.

    The photo is the form field `image`, or the body itself, with controls in the query. Every control may be a form
    field or a query parameter. `output`: the layer, its mask (a grey PNG), or the photo itself, upright and cropped
    as the layer is. `touch_up`: a grey picture of the photo's upright size, 255 to keep, 0 to remove, 128 to leave
    to the network. `room`: a photo of the same place by the same camera, with nobody in it.
    """
    async with _asked(request, server, or_photo=True) as asked:
        in_time = Deadline(server.options.seconds)

        def cut_out(matter: Matter) -> tuple[bytes, tuple[Note, ...]]:
            matte = matter(asked.photo, asked.settings, strokes=asked.strokes, room=asked.room, on_progress=in_time)
            return _picture(matte, asked.settings, asked.output), matte.notes

        asked.work = server.engine.run(cut_out)
        picture, notes = await _ended(request, asked.work, in_time)
    media = MEDIA["png" if asked.output == "mask" else asked.settings.format]
    said = json.dumps(noted(notes, texts_for(request)))  # ASCII, as headers are
    return Response(picture, media_type=media, headers={**NO_STORE, _NOTES: said} if notes else NO_STORE)


@router.post("/touch_ups", status_code=201, responses=_REFUSALS, openapi_extra=_TO_TOUCH_UP)
async def open_for_touching_up(request: Request, server: Running) -> dict[str, Any]:
    """Open the photo in the form field `image` for touching up: the page's addresses then take strokes."""
    async with _asked(request, server) as asked:
        about = (asked.photo, asked.names[asked.photo.name], asked.settings)

        def opened(matter: Matter) -> OpenPhoto:
            return server.desk.open_now(matter, *about, folder=asked.folder, room=asked.room)

        photo = await asyncio.wrap_future(server.engine.run(opened))
        if asked.strokes is not None:
            await server.desk.put(photo, asked.strokes)
        asked.is_kept = True
    return await told(server.desk, photo, texts_for(request))


@router.get("/sample_strokes", response_class=FileResponse, responses=_STROKES)
async def strokes_of_the_sample(server: Running) -> Response:
    """The touch-up that comes with the page's sample.

    204 where somebody has touched it up on this computer: then theirs is used by itself.
    """
    digest = images.digest((STATIC / "sample.jpg").read_bytes())
    if await server.desk.drive.ask(server.desk.has_been_painted, digest):
        return Response(status_code=204, headers=NO_STORE)
    return FileResponse(STATIC / "sample.touch-up.png", headers=NO_STORE)


@contextlib.asynccontextmanager
async def _asked(request: Request, server: WebServer, or_photo: bool = False) -> AsyncIterator[_Asked]:
    """Take a place in the queue and read the request. Errors name its files as the person knows them. Raises
    RequestError, SettingsError, OSError."""
    with server.engine.place():
        async with parameters.read_form(request, 4, or_photo) as form:
            folder = server.folder / secrets.token_hex(16)
            await server.drive.ask(folder.mkdir)
            asked: _Asked | None = None
            try:
                asked = await _read(request, form, folder, server.drive)
                yield asked
            except CvmatteError as error:
                named(error, asked.names if asked else {})
                raise
            finally:
                if asked and asked.work and not asked.work.done():
                    asked.work.add_done_callback(lambda ended: server.drive.remove(folder))
                elif not (asked and asked.is_kept):
                    await asyncio.wrap_future(server.drive.remove(folder))


async def _read(request: Request, form: FormData, folder: Path, drive: Drive) -> _Asked:
    """Raises RequestError, SettingsError, OSError."""
    kept, names = await parameters.kept_files(form, ("image", BACKGROUND, ROOM), folder, drive)
    if "image" not in kept:
        raise RequestError("upload_missing", field="image")
    settings, more = await parameters.settings_of(request, form, ONE_PHOTO, kept.get(BACKGROUND), drive)
    painted = parameters.one_file(form, TOUCH_UP)
    strokes = functools.partial(strokes_of, await painted.read(), harmless(painted.filename)) if painted else None
    return _Asked(folder, kept["image"], settings, more.get("output", "layer"), strokes, names, kept.get(ROOM))


async def _ended(request: Request, work: Future[Result], in_time: Deadline) -> Result:
    """The work's result. Gives it up when it takes too long (RequestError) or the client disconnects."""
    result = asyncio.wrap_future(work)
    try:
        while not (await asyncio.wait({result}, timeout=_LOOK_SECONDS))[0]:
            in_time()
            if await request.is_disconnected():
                raise ClientDisconnect
        return result.result()
    finally:
        work.cancel()


def _picture(matte: Matte, settings: MatteSettings, output: str) -> bytes:
    """The bytes of what was asked for. Raises OutputError."""
    if output == "mask":
        return matte.mask_file()
    if output == "photo":
        matte = dataclasses.replace(matte, layer=cv2.cvtColor(matte.photo, cv2.COLOR_RGB2RGBA))
    return matte.layer_file(settings.format)
