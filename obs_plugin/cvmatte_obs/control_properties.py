"""The controls of MatteSettings in a portrait's properties, and when each of them is there."""

from __future__ import annotations

from typing import Any, Iterable

from cvmatte_core import settings as declaration
from cvmatte_core.localization.texts import Texts
from cvmatte_core.settings import CONTROLS, Control

from . import controls, libobs
from .controls import Values

JPEG_NOTE = b"jpeg_note"
# Those that nearly everybody may want, as they follow each other; others are put between them.
BACKGROUND = ("background", "background_colour", "background_image")
LOOK = ("background_blur", "crop", "crop_margin", "subject", "mirror")
OUTLINE = ("outline", "outline_colour", "outline_softness")
EDGE_AND_OUTPUT = ("erosion", "feather", *OUTLINE, "shadow", "id_photo", "sheet", "max_kilobytes")
CUT = ("quality", "model")
ROOM = ("keep_furniture",)
# The others, by their groups
RARE = {
    "edge": ("feather_direction", "threshold", "decontaminate"),
    "output": ("longest_side", "format", "save_mask", "metadata", "output_folder"),
}
_SLIDER_MAXIMUM = 255
_NAMED = {control.name: control for control in CONTROLS}


def add(properties: int, names: Iterable[str], texts: Texts, image_filter: str) -> None:
    """Add some controls to an obs_properties_t."""
    for name in names:
        added = _add_control(properties, _NAMED[name], texts, image_filter)
        controls.explain(added, texts(f"control.{name}.tip"))
        if name == "format":
            note = libobs.obs_properties_add_text(
                properties, JPEG_NOTE, texts("source.jpeg_note").encode(), libobs.OBS_TEXT_INFO
            )
            libobs.obs_property_text_set_info_type(note, libobs.OBS_TEXT_INFO_WARNING)


def add_rare(properties: int, texts: Texts, image_filter: str) -> None:
    """Add the rest, in their groups."""
    for group, names in RARE.items():
        members = libobs.obs_properties_create()
        add(members, names, texts, image_filter)
        label = texts(f"group.{group}").encode()
        libobs.obs_properties_add_group(properties, f"group_{group}".encode(), label, libobs.OBS_GROUP_NORMAL, members)


def _add_control(properties: int, control: Control, texts: Texts, image_filter: str) -> int:
    name, text = control.name.encode(), texts(f"control.{control.name}")
    label = text.encode()
    if control.kind == declaration.MODEL:
        return controls.add_choice(properties, name, text, ())  # model_properties.py fills it
    if control.kind == declaration.SWITCH:
        return libobs.obs_properties_add_bool(properties, name, label)
    if control.kind == declaration.COLOUR:
        return libobs.obs_properties_add_color(properties, name, label)
    if control.kind == declaration.IMAGE:
        return controls.add_file(properties, name, text, image_filter)
    if control.kind == declaration.FOLDER:
        return libobs.obs_properties_add_path(properties, name, label, libobs.OBS_PATH_DIRECTORY, None, None)
    if control.kind == declaration.INTEGER:
        slider = control.maximum <= _SLIDER_MAXIMUM
        add = libobs.obs_properties_add_int_slider if slider else libobs.obs_properties_add_int
        added = add(properties, name, label, control.minimum, control.maximum, control.step)
        controls.set_unit(added, control.unit)
        return added
    choices = ((choice, texts(f"choice.{control.name}.{choice}")) for choice in control.choices)
    return controls.add_choice(properties, name, text, choices)


def show_what_applies(properties: int, texts: Texts, values: Values, shows_rare: bool) -> None:
    """Hide the controls, and the choices of controls, that have no effect with the present settings."""
    present = dict(zip((control.name for control in CONTROLS), values.controls))
    kind = declaration.LIVE if values.is_live else declaration.PHOTO
    shown = {control.name.encode(): kind in control.applies_to and control.applies(present) for control in CONTROLS}
    for group, names in RARE.items():
        shown[f"group_{group}".encode()] = shows_rare and any(shown[name.encode()] for name in names)
    shown[JPEG_NOTE] = shown[b"format"] and present["format"] == "jpeg" and present["background"] == "transparent"
    for name, applies in shown.items():
        libobs.obs_property_set_visible(libobs.obs_properties_get(properties, name), applies)
    for control in CONTROLS:
        if control.photos_only:
            _offer_what_applies(properties, texts, control, present[control.name], kind)


def _offer_what_applies(properties: int, texts: Texts, control: Control, chosen: Any, kind: str) -> None:
    """A choice that does nothing to this kind is as good as the default. Where it is chosen it stays so, under the
    default's name: a photo chosen later is cut out with it again."""
    listed = libobs.obs_properties_get(properties, control.name.encode())
    libobs.obs_property_list_clear(listed)
    stands_in = chosen in control.choices and control.does_nothing(chosen, kind)
    for choice in control.choices:
        if not control.does_nothing(choice, kind):
            value = chosen if stands_in and choice == control.default else choice
            text = texts(f"choice.{control.name}.{choice}")
            libobs.obs_property_list_add_string(listed, libobs.utf8(text), libobs.utf8(value))
