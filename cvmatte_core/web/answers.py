"""How errors are answered: {"error": key, "message": sentence}, in the person's language, with their status."""

from __future__ import annotations

import logging
from typing import Any

from fastapi.responses import JSONResponse
from starlette.requests import HTTPConnection

from ..words.errors import CvmatteError, RequestError
from ..words.texts import Texts, known_language, language_of

logger = logging.getLogger(__name__)

_STATUS = {
    "request_malformed": 400,
    "upload_missing": 400,
    "token_missing": 401,
    "origin_foreign": 403,
    "folders_closed": 403,
    "folder_unknown": 404,
    "job_unknown": 404,
    "model_unknown": 404,
    "nothing_here": 404,
    "method_unknown": 405,
    "job_unfinished": 409,
    "model_missing": 409,
    "held_needs_model": 409,
    "image_file_too_large": 413,
    "image_too_many_pixels": 413,
    "upload_too_large": 413,
    "upload_too_many": 413,
    "image_not_a_picture": 415,
    "host_foreign": 421,
    "internal": 500,
    "model_damaged": 503,
    "model_too_large": 503,
    "model_failed": 500,
    "image_memory": 503,
    "server_busy": 503,
    "took_too_long": 504,
    "server_storage": 507,
}
_UNUSABLE = 422  # every other error is of a photo or a control
_OF_THE_SERVER = ("folder", "path")  # values that would tell where it keeps things


def texts_for(connection: HTTPConnection) -> Texts:
    """Texts in the language that a request asks for: its parameter `language`, else its Accept-Language."""
    chosen = connection.query_params.get("language")
    return Texts(language_of(chosen or _preferred(connection.headers.get("accept-language", ""))))


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


def answer(error: CvmatteError, connection: HTTPConnection) -> JSONResponse:
    told = _told(error)
    headers = {"Cache-Control": "no-store"}
    if told.key == "server_busy":
        headers["Retry-After"] = str(told.values["seconds"])
    if told.key == "token_missing":
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(explained(told, texts_for(connection)), _STATUS.get(told.key, _UNUSABLE), headers)


def _told(error: CvmatteError) -> CvmatteError:
    """The error as a client may read it: nothing about the server's folders."""
    if not any(name in error.values for name in _OF_THE_SERVER):
        return error
    logger.warning("%s", error)
    return RequestError("server_storage")
