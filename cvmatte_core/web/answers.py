"""How errors are answered: {"error": key, "message": sentence}, in the person's language, with their status."""

from __future__ import annotations

import html
import logging
import mimetypes
from pathlib import Path
from typing import Annotated, Any, Callable, Iterable, Sequence

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.routing import Match, Route

from ..filesystem import files
from ..localization.errors import CvmatteError, RequestError, WorkerError
from ..localization.notes import Note
from ..localization.texts import Texts, known_language, language_of

logger = logging.getLogger(__name__)

STATIC = Path(__file__).with_name("static")
FILE = {"type": "string", "format": "binary"}  # in OpenAPI
NO_STORE = {"Cache-Control": "no-store"}
UNCACHED = {"Cache-Control": "no-cache"}
# On Windows types come from the registry, where any program may have declared these plain text: no browser would run
# them.
_PAGE_TYPES = {".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".svg": "image/svg+xml"}

_KEYS = {
    400: ("request_malformed", "upload_missing"),
    401: ("token_missing",),
    403: ("origin_foreign", "folders_closed"),
    404: ("folder_unknown", "job_unknown", "touch_up_closed", "model_unknown", "nothing_here"),
    405: ("method_unknown",),
    409: ("job_unfinished", "model_missing", "held_needs_model"),
    413: ("image_file_too_large", "image_too_many_pixels", "upload_too_large", "upload_too_many"),
    415: ("image_not_a_picture",),
    421: ("host_foreign",),
    500: ("internal", "model_failed"),
    503: ("model_damaged", "model_too_large", "image_memory", "server_busy"),
    504: ("took_too_long",),
    507: ("server_storage",),
}
_STATUS = {key: status for status, keys in _KEYS.items() for key in keys}
_PAGE = """<!doctype html>
<html lang="{language}"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>CVMatte</title><h1>CVMatte</h1><p>{sentence}</p></html>
"""
_UNUSABLE = 422  # every other error is of a photo or a control
_OF_THE_SERVER = ("folder", "path")  # values that would reveal the server's folders


class Error(BaseModel):
    """What every refusal says."""

    error: str
    message: str


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of an address's refusals."""
    return {status: {"model": Error} for status in (*statuses, 400, 401, 403, 421, 422, 500, 507)}


def texts_for(connection: HTTPConnection) -> Texts:
    """Texts in the language that a request asks for: its parameter `language`, else its Accept-Language."""
    chosen = connection.query_params.get("language")
    return Texts(language_of(chosen or _preferred(connection.headers.get("accept-language", ""))))


async def _texts(request: Request, language: str = "") -> Texts:
    return texts_for(request)


InLanguage = Annotated[Texts, Depends(_texts)]


def _preferred(header: str) -> str:
    """The most wanted of our languages in an Accept-Language header."""
    wanted: list[tuple[float, str]] = []
    for part in header.split(",")[:20]:
        name, _, quality = part.partition(";")
        try:
            weight = float(quality.strip().removeprefix("q=") or 1)
        except ValueError:
            weight = 0.0
        if known_language(name):
            wanted.append((-weight, name.strip()))
    return min(wanted, key=lambda each: each[0])[1] if wanted else ""


def explained(error: CvmatteError | None, texts: Texts) -> dict[str, Any]:
    """{"error": key, "message": sentence}; both None where there is no error."""
    if error is None:
        return {"error": None, "message": None}
    error = _told(error)
    return {"error": error.key, "message": error.sentence(texts)}


def noted(notes: Iterable[Note], texts: Texts) -> list[dict[str, str]]:
    """{"note": key, "message": sentence} of each."""
    return [{"note": note.key, "message": note.sentence(texts)} for note in notes]


def answer(error: CvmatteError, connection: HTTPConnection) -> Response:
    told = _told(error)
    headers = dict(NO_STORE)
    if told.key == "server_busy":
        headers["Retry-After"] = str(told.values["seconds"])
    if told.key == "token_missing":
        headers["WWW-Authenticate"] = "Bearer"
    texts, status = texts_for(connection), _STATUS.get(told.key, _UNUSABLE)
    if told.key == "token_missing" and "text/html" in connection.headers.get("accept", ""):  # a person, in a browser
        sentence = html.escape(told.sentence(texts))
        return HTMLResponse(_PAGE.format(language=texts.language, sentence=sentence), status, headers)
    return JSONResponse(explained(told, texts), status, headers)


def _told(error: CvmatteError) -> CvmatteError:
    """The error as a client may read it: nothing about the server's folders."""
    if not any(name in error.values for name in _OF_THE_SERVER):
        return error
    logger.warning("%s", error)
    return RequestError("server_storage")


def complete(app: FastAPI, folder_of: Callable[[Request], Path], routers: Sequence[APIRouter]) -> None:
    """Give an application these routers and the pages' files, and let it answer every exception as `answer` does.
    folder_of: where it keeps its files, for errors of the drive."""
    for ending, media in _PAGE_TYPES.items():
        mimetypes.add_type(media, ending)
    app.mount("/static", StaticFiles(directory=STATIC))
    for router in routers:
        app.include_router(router)

    async def told(request: Request, error: Exception) -> Response:
        if isinstance(error, OSError):
            error = files.output_error(error, folder_of(request))
        if isinstance(error, (RequestValidationError, ClientDisconnect)):
            error = RequestError("request_malformed")
        return answer(error if isinstance(error, CvmatteError) else WorkerError("internal"), request)

    for kind in (CvmatteError, OSError, RequestValidationError, ClientDisconnect, Exception):
        app.add_exception_handler(kind, told)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        keys = {404: "nothing_here", 405: "method_unknown"}
        response = answer(RequestError(keys.get(error.status_code, "request_malformed")), request)
        response.headers.update(error.headers or {})
        if error.status_code == 405:  # of all routes to the address, not only the first
            routes = [route for router in (app.router, *routers) for route in router.routes if isinstance(route, Route)]
            found = [route.methods or () for route in routes if route.matches(request.scope)[0] is not Match.NONE]
            response.headers["Allow"] = ", ".join(sorted(set().union(*found)))
        return response
