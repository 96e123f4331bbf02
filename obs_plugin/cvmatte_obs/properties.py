"""A portrait's properties dialog. Made on OBS's UI thread, through ctypes: obspython has no script at hand there.

In the order in which people want things; what is rarely needed is there while *More controls* is on. Everything is in
the dialog, and shown where it applies: so each change of the input shows what is its own at once.
"""

from __future__ import annotations

from functools import partial

from cvmatte_core.settings import CONTROLS

from . import (
    control_properties,
    controls,
    input_properties,
    libobs,
    model_properties,
    more_controls,
    preset_properties,
    room_properties,
    saved_files,
    state_properties,
    voice_properties,
)
from .portrait import Portrait
from .property_callbacks import add_button, clicked, current, modified
from .session import Session
from .source_type import SOURCE_TYPE

_OF_PICTURES = (b"touch_up", b"show_file")  # of photos and stills
_ZONES, _REMOVE_ZONES = b"zones_page", b"zones_remove"
_REMATTE, _SHOW_STILL = b"rematte", b"show_still"


def serve(session: Session) -> None:
    """Fill the portraits' properties, until `end`."""
    current[:] = [session]
    SOURCE_TYPE.fill = partial(_fill, session)


def end() -> None:
    current.clear()


def _fill(session: Session, portrait: Portrait, properties: int, source: int) -> None:
    """Add everything to an empty obs_properties_t."""
    settings = libobs.obs_source_get_settings(source)
    try:
        session.complete(source, settings, portrait.values)
        session.camera_list.is_shown()
        session.client.start()  # somebody is about to need the worker: their first layer need not wait for its start
        libobs.obs_data_set_default_bool(settings, more_controls.KEY, session.more_controls.is_on)
        input_properties.add(properties, portrait, session, libobs.source_name(source), settings)
        state_properties.add(properties, portrait, settings)
        _add_look(properties, portrait, session, settings)
        _add_rare(properties, portrait, session, settings)
        state_properties.add_whole(properties, portrait)
        deciding = {when[0].encode() for one in CONTROLS for when in (one.shown_when, one.hidden_when) if when}
        for name in sorted(deciding | {controls.INPUT, b"format", b"model"}):
            changed = libobs.obs_properties_get(properties, name)
            libobs.obs_property_set_modified_callback2(changed, _ON_DECIDING, None)
        _show_what_applies(session, properties, settings)
    finally:
        libobs.obs_data_release(settings)


def _add_look(properties: int, portrait: Portrait, session: Session, settings: int) -> None:
    """What nearly everybody may want."""
    texts = session.texts

    def add(*names: str) -> None:
        control_properties.add(properties, names, texts, session.image_filter)

    preset_properties.add(properties, session, settings, _ON_PRESET)
    add(*control_properties.BACKGROUND)
    state_properties.add_background_said(properties, portrait, texts)
    add(*control_properties.LOOK)
    add_button(properties, b"touch_up", portrait, _ON_TOUCH_UP, texts("source.touch_up"), texts("source.touch_up.tip"))
    has_zones = bool(controls.get_string(settings, controls.ZONES))
    zones, tip = texts("source.zones.change" if has_zones else "source.zones"), texts("source.zones.tip")
    add_button(properties, _ZONES, portrait, _ON_TOUCH_UP, zones, tip)
    remove, tip = texts("source.zones.remove"), texts("source.zones.remove.tip")
    add_button(properties, _REMOVE_ZONES, portrait, _ON_REMOVE_ZONES, remove, tip)
    state_properties.add_page_said(properties, portrait.page, texts)
    room_properties.add(properties, portrait, session)
    add(*control_properties.EDGE_AND_OUTPUT)
    add_button(
        properties, b"show_file", portrait, _ON_SHOW_FILE, texts("source.show_file"), texts("source.show_file.tip")
    )
    add_button(
        properties, b"show_still", portrait, _ON_SHOW_STILL, texts("source.show_still"), texts("source.show_still.tip")
    )
    state_properties.add_files_said(properties, portrait)
    input_properties.add_pace(properties, texts, settings)
    add(*control_properties.CUT)
    model_properties.add(properties, session, portrait)


def _add_rare(properties: int, portrait: Portrait, session: Session, settings: int) -> None:
    texts = session.texts
    label = texts("source.more_controls").encode()
    more = libobs.obs_properties_add_bool(properties, more_controls.KEY, label)
    controls.explain(more, texts("source.more_controls.tip"))
    libobs.obs_property_set_modified_callback2(more, _ON_MORE, None)
    add_button(properties, b"rematte", portrait, _ON_REMATTE, texts("source.rematte"), texts("source.rematte.tip"))
    control_properties.add_rare(properties, texts, session.image_filter)
    voice_properties.add(properties, portrait, session, settings)
    preset_properties.add_own(properties, session, portrait)
    state_properties.add_views(properties, portrait, texts)


def _show_what_applies(session: Session, properties: int, data: int) -> None:
    values, shows_rare = controls.read(data), libobs.obs_data_get_bool(data, more_controls.KEY)
    control_properties.show_what_applies(properties, session.texts, values, shows_rare)
    input_properties.show_what_applies(properties, values.input)
    model_properties.show_what_applies(properties, session, values.control("model"))
    preset_properties.show_what_applies(properties, data, shows_rare)
    room_properties.show_what_applies(properties, values)
    state_properties.show_what_applies(properties, values, shows_rare)
    voice_properties.show_what_applies(properties, values, shows_rare)
    for names, shown in (
        (_OF_PICTURES, not values.is_live),
        ((_ZONES,), values.is_live),
        ((_REMOVE_ZONES,), values.is_live and bool(values.zones)),
        ((_SHOW_STILL,), values.input == controls.FROM_SOURCE),
        ((_REMATTE,), shows_rare and not values.is_live),
    ):
        for name in names:
            libobs.obs_property_set_visible(libobs.obs_properties_get(properties, name), shown)


# Called by OBS's UI


def _deciding_changed(session: Session, properties: int, data: int) -> bool:
    input_properties.offer_cameras(properties, session, data)  # those that were found since the dialog opened
    _show_what_applies(session, properties, data)
    return True


def _preset_chosen(session: Session, properties: int, data: int) -> bool:
    is_another = preset_properties.apply(session, data)
    if is_another:
        _show_what_applies(session, properties, data)
    return is_another


def _more_chosen(session: Session, properties: int, data: int) -> bool:
    """No portrait's settings keep it, so that it is the same for all."""
    is_on = libobs.obs_data_get_bool(data, more_controls.KEY)
    if is_on != session.more_controls.is_on:
        session.more_controls.is_on = is_on
        session.post(session.more_controls.keep)
    libobs.obs_data_set_default_bool(data, more_controls.KEY, is_on)
    libobs.obs_data_unset_user_value(data, more_controls.KEY)
    _show_what_applies(session, properties, data)
    return True


_ON_DECIDING, _ON_PRESET, _ON_MORE = modified(_deciding_changed), modified(_preset_chosen), modified(_more_chosen)
_ON_REMATTE = clicked(lambda session, portrait: session.post(portrait.rematte))
_ON_TOUCH_UP = clicked(lambda session, portrait: session.post(portrait.touch_up))
_ON_REMOVE_ZONES = clicked(lambda session, portrait: session.post(portrait.zones.remove))
_ON_SHOW_FILE = clicked(lambda session, portrait: session.post(saved_files.show_layer, session, portrait))
_ON_SHOW_STILL = clicked(lambda session, portrait: session.post(saved_files.show_still, session, portrait))
