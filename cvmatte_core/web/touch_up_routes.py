"""The addresses that the page of an open photo talks to: CVMatte's own page's, and the one that OBS opens."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import cv2
import numpy as np
from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool

from ..localization.errors import RequestError
from ..localization.texts import Texts
from ..matting.matter import strokes_of
from .answers import FILE, NO_STORE, InLanguage, noted, refusals
from .touch_up import QUICK_PNG, SHEET_PNG, Change, Desk, OpenPhoto

_BYTES = {"content": {"application/octet-stream": {"schema": FILE}}}
_PNG = {"content": {"image/png": {"schema": FILE}}}
_REFUSALS = refusals(404, 409, 413, 415, 503)
_CHANGED: dict[str, Any] = {
    "response_class": Response,
    "responses": {200: {**_BYTES, "description": "The rectangle of the layer in the header Box, RGBA"}, **_REFUSALS},
}
_ONE_PNG: dict[str, Any] = {"response_class": Response, "responses": {200: _PNG, **_REFUSALS}}
_TAKES_BYTES = {"requestBody": {"required": True, **_BYTES}}
_TAKES_PNG = {"requestBody": {"required": True, **_PNG}}


async def _desk(request: Request) -> Desk:
    return request.app.state.desk


OnDesk = Annotated[Desk, Depends(_desk)]


async def _photo(desk: OnDesk, id: str) -> OpenPhoto:
    return desk.find(id)


Photo = Annotated[OpenPhoto, Depends(_photo)]
router = APIRouter()


@router.get("/touch_ups/{id}", responses=_REFUSALS)
async def open_photo(desk: OnDesk, photo: Photo, texts: InLanguage) -> dict[str, Any]:
    """A photo that is open for touching up."""
    return await told(desk, photo, texts)


@router.get("/touch_ups/{id}/photo", **_ONE_PNG)
async def photo_of_touch_up(photo: Photo) -> Response:
    """The photo, upright, in the size that it is touched up in."""
    return await _png(photo.picture)


@router.get("/touch_ups/{id}/layer", **_ONE_PNG)
async def layer_of_touch_up(desk: OnDesk, photo: Photo) -> Response:
    """The layer as it is now."""
    return await _png(await desk.layer(photo))


@router.get("/touch_ups/{id}/strokes", **_ONE_PNG)
async def strokes_of_touch_up(photo: Photo) -> Response:
    """What is painted: a grey picture, 255 keep, 0 remove, 128 automatic."""
    return await _png(photo.sheet.pixels)


@router.patch("/touch_ups/{id}/strokes", openapi_extra=_TAKES_BYTES, **_CHANGED)
async def paint(request: Request, desk: OnDesk, photo: Photo, x: int, y: int, width: int, height: int) -> Response:
    """Put a rectangle of what is painted: a byte a pixel, row by row."""
    rows, columns = photo.sheet.pixels.shape
    inside = 0 <= x < x + width <= columns and 0 <= y < y + height <= rows
    data = await request.body()
    if not inside or len(data) != width * height:
        raise RequestError("request_malformed")
    pixels = np.frombuffer(data, np.uint8).reshape(height, width)
    return _changed(await desk.paint(photo, (x, y, width, height), pixels))


@router.put("/touch_ups/{id}/strokes", openapi_extra=_TAKES_PNG, **_CHANGED)
async def replace_strokes(request: Request, desk: OnDesk, photo: Photo) -> Response:
    """Put all that is painted, out of a picture as `touch_up` takes it."""
    return _changed(await desk.put(photo, partial(strokes_of, await request.body(), photo.name)))


@router.delete("/touch_ups/{id}/strokes", **_CHANGED)
async def remove_strokes(desk: OnDesk, photo: Photo) -> Response:
    """Take the touch-up away. It is kept aside, for `restore`."""
    return _changed(await desk.clear(photo))


@router.post("/touch_ups/{id}/restore", **_CHANGED)
async def restore_strokes(desk: OnDesk, photo: Photo) -> Response:
    """Put the touch-up back that was taken away last."""
    return _changed(await desk.restore(photo))


@router.post("/touch_ups/{id}/changes", **_CHANGED)
async def fetch_changes(desk: OnDesk, photo: Photo) -> Response:
    """Where the layer has become another since the last answer: another page may have painted."""
    return _changed(await desk.changes(photo))


async def told(desk: Desk, photo: OpenPhoto, texts: Texts) -> dict[str, Any]:
    """What its page has to know, and what there is to say about it."""
    return {**await desk.drive.ask(desk.told, photo), "notes": noted(photo.notes, texts)}


async def _png(pixels: np.ndarray) -> Response:
    def encoded() -> bytes:
        order = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}
        shown = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, order[pixels.shape[2]])
        return cv2.imencode(".png", shown, SHEET_PNG if shown.ndim == 2 else QUICK_PNG)[1].tobytes()

    return Response(await run_in_threadpool(encoded), media_type="image/png", headers=NO_STORE)


def _changed(change: Change) -> Response:
    headers = {**NO_STORE, "Box": ",".join(map(str, change.box)), "Version": str(change.version)}
    return Response(change.pixels, media_type="application/octet-stream", headers=headers)
