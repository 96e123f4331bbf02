"""The forms of requests, read within limits of time and size. What is in them: see parameters.py."""

from __future__ import annotations

import contextlib
import io
import secrets
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
from fastapi import Request
from pydantic import BaseModel
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from ..localization.errors import RequestError
from ..settings import MatteSettings
from . import parameters
from .drive_threads import Drive

_UPLOAD_SECONDS = 600.0  # that a request may take to arrive
_FIELDS, _FIELD_BYTES = 64, 4096


@contextlib.asynccontextmanager
async def read(request: Request, most_files: int, or_photo: bool = False) -> AsyncIterator[FormData]:
    """The request's form. or_photo: the body may also be the photo itself, which becomes the field `image`.

    Raises RequestError, HTTPException, ClientDisconnect.
    """
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        with anyio.fail_after(_UPLOAD_SECONDS):
            if or_photo and (media.startswith("image/") or media == "application/octet-stream"):
                body = await request.body()
                form = FormData([("image", UploadFile(io.BytesIO(body), size=len(body), filename="photo"))])
            else:
                limits = {"max_fields": _FIELDS, "max_part_size": _FIELD_BYTES}
                form = await request.form(max_files=most_files, **limits)
    except TimeoutError as error:
        raise RequestError("took_too_long", seconds=round(_UPLOAD_SECONDS)) from error
    except HTTPException as error:
        if "Too many files" in str(error.detail):
            raise RequestError("upload_too_many", limit=most_files) from error
        raise
    try:
        yield form
    finally:
        await form.close()


async def settings_of(
    request: Request, form: FormData, model: type[BaseModel], background: Path | None, drive: Drive
) -> tuple[MatteSettings, dict[str, Any]]:
    """As parameters.parsed. Also raises RequestError, for a photo that was sent as text."""
    texts = {name: value for name, value in form.items() if isinstance(value, str)}
    query = dict(request.query_params)
    for values in (query, texts):
        values.pop("language", None)  # the answer's
        for name in {"image", "images"} & set(values):  # it isn't a file
            raise RequestError("upload_missing", field=name)
    return await drive.ask(parameters.parsed, model, query, texts, background)


def one_file(form: FormData, name: str) -> UploadFile | None:
    """The file of a form's field; None where none was chosen, which browsers send as one without a name."""
    upload = form.get(name)
    return upload if isinstance(upload, UploadFile) and (upload.filename or upload.size) else None


def kept(upload: UploadFile, folder: Path) -> Path:
    """An uploaded file in a folder, under a name of ours. Raises OSError."""
    path = folder / secrets.token_hex(16)
    with path.open("xb") as file:
        shutil.copyfileobj(upload.file, file)
    return path
