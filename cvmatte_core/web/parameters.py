"""What a request may ask for: every control, out of texts; and the controls as JSON, for the page and for OpenAPI."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping

from .. import presets, settings
from ..models import catalogue
from ..pictures import colours
from ..settings import CONTROLS, Control, MatteSettings
from ..words.errors import SettingsError
from ..words.texts import Texts

OUTPUTS = ("layer", "mask", "photo")
PRESET = "preset"
BACKGROUND = "background_image"  # a file of the request, not a path
TOUCH_UP = "touch_up"  # a file too, and no control
# No request names a folder of the server; a single answer has one picture, so its mask is asked for by itself.
OF_JOBS = tuple(control for control in CONTROLS if control.kind != settings.FOLDER)
OF_PHOTOS = tuple(control for control in OF_JOBS if control.name != "save_mask")


def parsed(values: Mapping[str, str], controls: tuple[Control, ...], background: Path | None) -> MatteSettings:
    """Settings from a request's texts: where one is absent, the preset's that is named, or else the default.

    Raises SettingsError, ModelError.
    """
    known = {control.name: control for control in controls if control.kind != settings.IMAGE}
    chosen: dict[str, Any] = {}
    for name, text in values.items():
        if name == PRESET:
            continue
        if name not in known:
            raise SettingsError("setting_unknown", control=name[:60])
        chosen[name] = _value(known[name], text)
    if background is not None:
        chosen[BACKGROUND] = str(background)
    preset: dict[str, Any] = {}
    if PRESET in values:
        if values[PRESET] not in presets.BUILT_IN:
            raise SettingsError("setting_value", control=PRESET, allowed=", ".join(presets.BUILT_IN))
        preset = presets.PresetStore().values(values[PRESET])
    return MatteSettings.from_mapping(MatteSettings.with_implied(chosen, preset))


def _value(control: Control, text: str) -> Any:
    if control.kind == settings.SWITCH:
        return control.checked({"true": True, "false": False}.get(text, text))
    # Not int() alone: it takes blanks, underscores, and digits of any script.
    if control.kind == settings.INTEGER and text.isascii() and text.removeprefix("-").isdigit() and len(text) < 10:
        return control.checked(int(text))
    if control.kind == settings.INTEGER:
        raise SettingsError("setting_range", control=control.name, low=control.minimum, high=control.maximum)
    if control.kind == settings.MODEL:
        names = (catalogue.AUTO, *catalogue.catalogue())
        if text not in names:  # said at once, not when its turn has come
            raise SettingsError("setting_value", control=control.name, allowed=", ".join(names))
    if control.kind == settings.COLOUR:
        try:
            return colours.hexadecimal(text)
        except ValueError:
            raise SettingsError("setting_value", control=control.name, allowed="#rrggbb, #rgb, red …") from None
    return control.checked(text)


def schema(control: Control) -> dict[str, Any]:
    """The JSON schema of a control's value in a request."""
    described: dict[str, Any] = {"description": Texts("en")(f"control.{control.name}.tip")}
    if control.kind == settings.IMAGE:
        return {**described, "type": "string", "format": "binary"}
    described["default"] = control.default
    if control.kind in (settings.CHOICE, settings.MODEL):
        return {**described, "type": "string", "enum": list(_choices(control, Texts("en")))}
    if control.kind == settings.SWITCH:
        return {**described, "type": "boolean"}
    if control.kind == settings.INTEGER:
        return {**described, "type": "integer", "minimum": control.minimum, "maximum": control.maximum}
    return {**described, "type": "string", "pattern": "^#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$"}


def declaration(texts: Texts) -> dict[str, Any]:
    """Every control and every built-in preset, as the page draws them: {groups, presets}."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for control in OF_JOBS:
        groups.setdefault(control.group, []).append(_declared(control, texts))
    names = {control.name for control in OF_JOBS}
    store = presets.PresetStore()
    return {
        "groups": [
            {"name": group, "label": texts(f"group.{group}"), "controls": controls}
            for group, controls in groups.items()
        ],
        "presets": [
            {
                "name": name,
                "label": store.title(name, texts),
                "values": {control: value for control, value in store.values(name).items() if control in names},
            }
            for name in presets.BUILT_IN
        ],
    }


def _choices(control: Control, texts: Texts) -> dict[str, str]:
    """What a drop-down offers, and what people read for each. Raises ModelError."""
    if control.kind != settings.MODEL:
        return {value: texts(f"choice.{control.name}.{value}") for value in control.choices}
    return catalogue.choices(texts)


def _offered(control: Control) -> tuple[Any, ...]:
    """The values by which somebody asks for something."""
    return (True,) if control.kind == settings.SWITCH else control.choices


def _declared(control: Control, texts: Texts) -> dict[str, Any]:
    return {
        "name": control.name,
        "kind": control.kind,
        "label": texts(f"control.{control.name}"),
        "tip": texts(f"control.{control.name}.tip"),
        "default": control.default,
        "choices": [{"value": value, "label": label} for value, label in _choices(control, texts).items()],
        "minimum": control.minimum,
        "maximum": control.maximum,
        "step": control.step,
        "unit": control.unit,
        "shown_when": list(control.shown_when) if control.shown_when else None,
        "hidden_when": list(control.hidden_when) if control.hidden_when else None,
        "only_jobs": control not in OF_PHOTOS,
        "photos_only": [value for value in _offered(control) if control.does_nothing(value, settings.CLIP)],
    }
