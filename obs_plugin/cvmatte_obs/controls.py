"""MatteSettings as OBS sees them: a portrait's properties, defaults, and values in its settings.

A control is kept in a source's settings under its own name; the photo's path under "image".
"""

from __future__ import annotations

from typing import Any

from cvmatte_core import settings as declaration
from cvmatte_core.settings import CONTROLS, Control, MatteSettings
from cvmatte_core.texts import Texts

from . import libobs

IMAGE = b"image"

# Layers are drawn on a canvas of 1080 or 2160 lines: more would cost memory in every frame and not be seen.
_DEFAULTS_IN_OBS = {"longest_side": 2160}
_SLIDER_MAXIMUM = 255


def set_defaults(data: int) -> None:
    """Give each control its default in an obs_data_t."""
    for control in CONTROLS:
        default = _DEFAULTS_IN_OBS.get(control.name, control.default)
        name = control.name.encode()
        if control.kind == declaration.SWITCH:
            libobs.obs_data_set_default_bool(data, name, default)
        elif control.kind == declaration.INTEGER:
            libobs.obs_data_set_default_int(data, name, default)
        elif control.kind == declaration.COLOUR:
            libobs.obs_data_set_default_int(data, name, _colour_to_obs(default))
        else:
            libobs.obs_data_set_default_string(data, name, default.encode())


def read(data: int) -> tuple[Any, ...]:
    """The photo's path and the controls' values, in the order of CONTROLS, out of an obs_data_t."""
    return (read_image(data), *(_read_control(data, control) for control in CONTROLS))


def read_image(data: int) -> str:
    return (libobs.obs_data_get_string(data, IMAGE) or b"").decode("utf-8", "surrogateescape")


def matte_settings(values: tuple[Any, ...]) -> MatteSettings:
    """The MatteSettings in what `read` returned. Raises SettingsError."""
    return MatteSettings(**{control.name: value for control, value in zip(CONTROLS, values[1:])})


def _read_control(data: int, control: Control) -> Any:
    name = control.name.encode()
    if control.kind == declaration.SWITCH:
        return libobs.obs_data_get_bool(data, name)
    if control.kind == declaration.INTEGER:
        return libobs.obs_data_get_int(data, name)
    if control.kind == declaration.COLOUR:
        return _colour_from_obs(libobs.obs_data_get_int(data, name))
    return (libobs.obs_data_get_string(data, name) or b"").decode("utf-8", "replace")


def _colour_to_obs(colour: str) -> int:
    """OBS keeps a colour as 0xAABBGGRR."""
    return 0xFF000000 | int(colour[5:7] + colour[3:5] + colour[1:3], 16)


def _colour_from_obs(value: int) -> str:
    return f"#{value & 0xFF:02x}{value >> 8 & 0xFF:02x}{value >> 16 & 0xFF:02x}"


def add_controls(properties: int, data: int, texts: Texts) -> None:
    """Add every control to an obs_properties_t, grouped; `data` are the present settings."""
    groups: dict[str, int] = {}
    for control in CONTROLS:
        if control.group not in groups:
            groups[control.group] = libobs.obs_properties_create()
        added = _add_control(groups[control.group], control, texts)
        libobs.obs_property_set_long_description(added, texts(f"control.{control.name}.tip").encode())
    for group, members in groups.items():
        label = texts(f"group.{group}").encode()
        libobs.obs_properties_add_group(properties, f"group_{group}".encode(), label, libobs.OBS_GROUP_NORMAL, members)
    for control in CONTROLS:
        if control.shown_when:
            deciding = libobs.obs_properties_get(properties, control.shown_when[0].encode())
            libobs.obs_property_set_modified_callback2(deciding, _update_visibility, None)
    show_what_applies(properties, data)


def _add_control(properties: int, control: Control, texts: Texts) -> int:
    name, label = control.name.encode(), texts(f"control.{control.name}").encode()
    if control.kind == declaration.SWITCH:
        return libobs.obs_properties_add_bool(properties, name, label)
    if control.kind == declaration.COLOUR:
        return libobs.obs_properties_add_color(properties, name, label)
    if control.kind == declaration.INTEGER:
        slider = control.maximum <= _SLIDER_MAXIMUM
        add = libobs.obs_properties_add_int_slider if slider else libobs.obs_properties_add_int
        added = add(properties, name, label, control.minimum, control.maximum, control.step)
        if control.unit:
            libobs.obs_property_int_set_suffix(added, f" {control.unit}".encode())
        return added
    added = libobs.obs_properties_add_list(
        properties, name, label, libobs.OBS_COMBO_TYPE_LIST, libobs.OBS_COMBO_FORMAT_STRING
    )
    for choice in control.choices:
        shown = texts(f"choice.{control.name}.{choice}").encode()
        libobs.obs_property_list_add_string(added, shown, choice.encode())
    return added


def show_what_applies(properties: int, data: int) -> None:
    """Hide the controls that have no effect with the present settings."""
    values = {control.name: _read_control(data, control) for control in CONTROLS}
    for control in CONTROLS:
        if control.shown_when:
            deciding, needed = control.shown_when
            shown = libobs.obs_properties_get(properties, control.name.encode())
            libobs.obs_property_set_visible(shown, values[deciding] == needed)


@libobs.PropertyModified
def _update_visibility(_private: int, properties: int, _property: int, data: int) -> bool:
    libobs.guarded(show_what_applies, properties, data)
    return True
