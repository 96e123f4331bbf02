"""The empty room in a portrait's properties: a small picture of it, and what can be done about it."""

from __future__ import annotations

import html
from pathlib import Path

from cvmatte_core.layers.rooms import preview_of

from . import control_properties, controls, libobs
from .portrait import Portrait
from .property_callbacks import add_button, clicked
from .session import Session

_GROUP, _PICTURE, _RENEW, _FORGET = b"group_room", b"room_picture", b"room_renew", b"room_forget"
_INPUTS = (controls.FROM_CAMERA, *controls.OF_SOURCES)
_WIDTH = 160  # pixels of the picture


def add(properties: int, portrait: Portrait, session: Session) -> None:
    group, texts = libobs.obs_properties_create(), session.texts

    def button(name: bytes, label: str, on_click: object) -> None:
        add_button(group, name, portrait, on_click, texts(label), texts(f"{label}.tip"))

    if portrait.room.offered:
        preview = html.escape(str(preview_of(Path(portrait.room.offered))))
        controls.add_text(group, _PICTURE, f'<img src="{preview}" width="{_WIDTH}">')
    button(b"room_take", "source.room.take", _ON_TAKE)
    control_properties.add(group, control_properties.ROOM, texts, session.image_filter)
    button(_RENEW, "source.room.renew", _ON_RENEW)
    button(_FORGET, "source.room.forget", _ON_FORGET)
    label = texts("source.room").encode()
    libobs.obs_properties_add_group(properties, _GROUP, label, libobs.OBS_GROUP_NORMAL, group)


def show_what_applies(properties: int, values: controls.Values) -> None:
    has_one = bool(libobs.obs_properties_get(properties, _PICTURE))
    shown = {_GROUP: values.input in _INPUTS, _RENEW: has_one and values.is_live, _FORGET: has_one}
    shown.update((name.encode(), has_one) for name in control_properties.ROOM)
    for name, is_shown in shown.items():
        libobs.obs_property_set_visible(libobs.obs_properties_get(properties, name), is_shown)


_ON_TAKE = clicked(lambda session, portrait: session.post(portrait.photograph_room))
_ON_RENEW = clicked(lambda session, portrait: session.post(portrait.photograph_room, True))
_ON_FORGET = clicked(lambda session, portrait: session.post(portrait.room.forget))
