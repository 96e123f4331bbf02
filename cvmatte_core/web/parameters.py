"""What a request may ask for: forms, read within limits of time and size; models that read every control out of their
texts and describe it in OpenAPI; and the controls as JSON, for the page."""

from __future__ import annotations

import contextlib
import io
import re
import secrets
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, Literal, Mapping, Sequence

import anyio
from fastapi import Request
from pydantic import BaseModel, BeforeValidator, Field, ValidationError, WithJsonSchema, create_model
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from .. import presets, settings
from ..image import colours
from ..layers import outputs
from ..localization.errors import RequestError, SettingsError
from ..localization.texts import Texts
from ..models import catalogue
from ..settings import CLIP, PHOTO, Control, MatteSettings, controls_for
from .answers import FILE
from .threads import Drive

BACKGROUND = "background_image"  # a file of the request, not a path
TOUCH_UP, ROOM = "touch_up", "room"  # files too, and no controls
OF_JOBS = controls_for(PHOTO, CLIP, at=settings.JOB)
OF_PHOTOS = controls_for(PHOTO, at=settings.ANSWER)
ROOM_FILE = {**FILE, "description": Texts("en")("matte.room")}
_PICTURES = "image/bmp, image/jpeg, image/png, image/tiff, image/webp"
_NOT_IN_NAMES = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')
_UPLOAD_SECONDS = 600.0  # that a request may take to arrive
_FIELD_LIMITS = {"max_fields": 64, "max_part_size": 4096}
_COLOUR = {"type": "string", "pattern": "^#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$"}


def _whole(text: str) -> int | None:
    """Stricter than int() and pydantic, which take blanks and underscores, and int() digits of any script."""
    return int(text) if re.fullmatch("-?[0-9]{1,9}", text) else None


_Switch = Annotated[bool, BeforeValidator(lambda text: {"true": True, "false": False}.get(text))]


def _known(model: str) -> str:
    """Refused now rather than when its turn comes. Raises SettingsError, ModelError; may wait for a drive."""
    names = (catalogue.AUTO, *catalogue.catalogue())
    if model not in names:
        raise SettingsError("setting_value", control="model", allowed=", ".join(names))
    return model


def _type_of(control: Control) -> Any:
    if control.kind == settings.INTEGER:
        return Annotated[int, Field(ge=control.minimum, le=control.maximum), BeforeValidator(_whole)]
    if control.kind == settings.CHOICE:
        return Literal[control.choices]
    models = WithJsonSchema({"type": "string", "enum": list(catalogue.choices(Texts("en")))})
    return {
        settings.SWITCH: _Switch,
        settings.COLOUR: Annotated[str, BeforeValidator(colours.hexadecimal), WithJsonSchema(_COLOUR)],
        settings.MODEL: Annotated[str, BeforeValidator(_known), models],
    }[control.kind]


def _model(controls: tuple[Control, ...], **more: Any) -> type[BaseModel]:
    """The text fields of a request: its controls, a preset, and more fields as create_model takes them."""
    about = "Sets many settings at once; settings you give override it."
    fields: dict[str, Any] = {
        "preset": (Literal[tuple(presets.BUILT_IN)], Field(default_factory=str, description=about))
    }
    for control in controls:
        if control.kind != settings.IMAGE:
            tip = Texts("en")(f"control.{control.name}.tip")
            fields[control.name] = _type_of(control), Field(control.default, description=tip)
    return create_model("Asked", __config__={"extra": "forbid"}, **fields, **more)


TOUCHED_UP = _model(OF_PHOTOS)
ONE_PHOTO = _model(OF_PHOTOS, output=(Literal["layer", "mask", "photo"], "layer"))
_RECURSIVE = (_Switch, Field(False, description="Of a folder: its subfolders too."))
MANY = _model(OF_JOBS, folder=(str, Field(default_factory=str)), recursive=_RECURSIVE)


@contextlib.asynccontextmanager
async def read_form(request: Request, most_files: int, or_photo: bool = False) -> AsyncIterator[FormData]:
    """The request's form. or_photo: the body may also be the photo itself, which becomes the field `image`. Raises
    RequestError, HTTPException, ClientDisconnect."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        with anyio.fail_after(_UPLOAD_SECONDS):
            if or_photo and (media.startswith("image/") or media == "application/octet-stream"):
                body = await request.body()
                form = FormData([("image", UploadFile(io.BytesIO(body), size=len(body), filename="photo"))])
            else:
                form = await request.form(max_files=most_files, **_FIELD_LIMITS)
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
    """The settings that a request asks for, and its other text fields.

    The form goes before the query, both before the named preset, and that before the defaults. Raises SettingsError,
    ModelError; RequestError for a photo that was sent as text.
    """
    texts = {name: value for name, value in form.items() if isinstance(value, str)}
    query = dict(request.query_params)
    for values in (query, texts):
        values.pop("language", None)  # the answer's
        for name in {"image", "images"} & set(values):  # it isn't a file
            raise RequestError("upload_missing", field=name)

    def parsed() -> tuple[MatteSettings, dict[str, Any]]:
        try:
            model.model_validate(query)  # a wrong value is refused even where the form overrides it
            values = model.model_validate({**query, **texts}).model_dump(exclude_unset=True)
        except ValidationError as error:
            raise _refusal(str(error.errors()[0]["loc"][0]), model) from None
        preset = presets.PresetStore().values(values.pop("preset")) if "preset" in values else {}
        chosen = {control.name: values.pop(control.name) for control in OF_JOBS if control.name in values}
        if background is not None:
            chosen[BACKGROUND] = str(background)
        return MatteSettings(**MatteSettings.with_implied(chosen, preset)), values

    return await drive.ask(parsed)


def one_file(form: FormData, name: str) -> UploadFile | None:
    """The file of a form's field; None where none was chosen, which browsers send as one without a name."""
    upload = form.get(name)
    return upload if isinstance(upload, UploadFile) and (upload.filename or upload.size) else None


async def kept_files(
    form: FormData, fields: Sequence[str], folder: Path, drive: Drive
) -> tuple[dict[str, Path], dict[str, str]]:
    """The files of those fields that have one, saved in a folder; and what the person calls them, by those files'
    names. Raises OSError."""
    uploads = {field: upload for field in fields if (upload := one_file(form, field)) is not None}
    paths = {field: await drive.ask(saved, upload, folder) for field, upload in uploads.items()}
    return paths, {paths[field].name: harmless(upload.filename) for field, upload in uploads.items()}


def harmless(name: str | None) -> str:
    """The name of an uploaded file without what makes a path or can't be shown; "photo" where nothing is left."""
    last = re.split(r"[/\\]", (name or "").encode("utf-8", "replace").decode())[-1]
    cleaned = _NOT_IN_NAMES.sub("_", last).strip(". ")
    return outputs.shortened(cleaned) or "photo"


def saved(upload: UploadFile, folder: Path) -> Path:
    """An uploaded file in a folder, under a name of ours. Raises OSError."""
    path = folder / secrets.token_hex(16)
    with path.open("xb") as file:
        shutil.copyfileobj(upload.file, file)
    return path


def _refusal(name: str, model: type[BaseModel]) -> SettingsError:
    """Why pydantic refused a field: nobody knows it, or its value is wrong."""
    takes = model.model_json_schema()["properties"].get(name)
    if takes is None:
        return SettingsError("setting_unknown", control=name[:60])
    if takes["type"] == "integer":
        return SettingsError("setting_range", control=name, low=takes["minimum"], high=takes["maximum"])
    otherwise = {"boolean": ("true", "false"), "string": ("#rrggbb, #rgb, red …",)}
    return SettingsError("setting_value", control=name, allowed=", ".join(takes.get("enum", otherwise[takes["type"]])))


def described(
    model: type[BaseModel], files: Mapping[str, Any], required: Sequence[str] = (), in_form_only: Sequence[str] = ()
) -> dict[str, Any]:
    """OpenAPI of a form: its files, and its text fields, which may be in the query too."""
    schema = model.model_json_schema()
    texts = schema["properties"]
    files = {**files, BACKGROUND: {**FILE, "description": Texts("en")(f"control.{BACKGROUND}.tip")}}
    form = {"schema": {**schema, "properties": {**files, **texts}, "required": list(required)}}
    form["encoding"] = {name: {"contentType": _PICTURES} for name in files}
    query = {name: takes for name, takes in texts.items() if name not in in_form_only}
    return {
        "parameters": [{"name": name, "in": "query", "required": False, "schema": query[name]} for name in query],
        "requestBody": {"required": True, "content": {"multipart/form-data": form}},
    }


def declaration(texts: Texts) -> dict[str, Any]:
    """Every control and every built-in preset, as the page draws them: {groups, presets}."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for control in OF_JOBS:
        groups.setdefault(control.group, []).append(_declared(control, texts))
    names = {control.name for control in OF_JOBS}
    store = presets.PresetStore()

    def preset(name: str) -> dict[str, Any]:
        values = {control: value for control, value in store.values(name).items() if control in names}
        return {"name": name, "label": store.title(name, texts), "values": values}

    return {
        "groups": [{"name": name, "label": texts(f"group.{name}"), "controls": groups[name]} for name in groups],
        "presets": [preset(name) for name in presets.BUILT_IN],
    }


def _declared(control: Control, texts: Texts) -> dict[str, Any]:
    choices = {value: texts(f"choice.{control.name}.{value}") for value in control.choices}
    if control.kind == settings.MODEL:
        choices = catalogue.choices(texts)
    asked_for = (True,) if control.kind == settings.SWITCH else control.choices
    as_it_is = ("name", "kind", "default", "minimum", "maximum", "step", "unit", "shown_when", "hidden_when")
    return {
        **{name: getattr(control, name) for name in as_it_is},
        "label": texts(f"control.{control.name}"),
        "tip": texts(f"control.{control.name}.tip"),
        "choices": [{"value": value, "label": label} for value, label in choices.items()],
        "only_jobs": control not in OF_PHOTOS,
        "photos_only": [value for value in asked_for if control.does_nothing(value, CLIP)],
    }
