"""Lips and voice in a portrait's properties: which microphone is to be as late as the live picture."""

from __future__ import annotations

from cvmatte_core.localization.texts import Texts

from . import controls, libobs, scenes, status_line, voice
from .portrait import Portrait
from .property_callbacks import add_button, clicked, modified_in
from .session import Session
from .sync_offset import SyncOffset, milliseconds

_GROUP, _SAID, _FIT, _BACK = b"group_voice", b"voice_said", b"voice_fit", b"voice_back"


def add(properties: int, portrait: Portrait, session: Session, settings: int) -> None:
    texts, group = session.texts, libobs.obs_properties_create()
    names, chosen = scenes.audio_source_names(), controls.get_string(settings, voice.MICROPHONE)
    label, none = texts("source.microphone"), texts("source.microphone.none")
    listed = controls.add_source_choice(group, voice.MICROPHONE, label, names, chosen, none)
    controls.explain(listed, texts("source.microphone.tip"))
    libobs.obs_property_set_modified_callback2(listed, _ON_CHOSEN, portrait.helper)
    controls.add_text(group, _SAID, "")
    add_button(group, _FIT, portrait, _ON_FIT, texts("source.voice_fit"), texts("source.voice_fit.tip"))
    add_button(group, _BACK, portrait, _ON_BACK, "", texts("source.voice_back.tip"))
    libobs.obs_properties_add_group(properties, _GROUP, texts("group.voice").encode(), libobs.OBS_GROUP_NORMAL, group)
    _describe(session, portrait, properties, settings)


def show_what_applies(properties: int, values: controls.Values, shows_rare: bool) -> None:
    group = libobs.obs_properties_get(properties, _GROUP)
    libobs.obs_property_set_visible(group, shows_rare and values.is_live)


def _describe(session: Session, portrait: Portrait, properties: int, data: int) -> bool:
    """How the chosen microphone's offset is, and what a press would make of it."""
    texts, name = session.texts, controls.get_string(data, voice.MICROPHONE)
    with voice.named(name) as source:
        offset = voice.read(source) if source else None
    said, fit, back = "", texts("source.voice_fit"), ""
    if offset is not None:
        said = _said(offset, texts)
        if portrait.lag is not None:
            fit = texts("source.voice_fit.to", offset=milliseconds(offset.with_lag(portrait.lag).now))
        if offset.before is not None:
            back = texts("source.voice_back", offset=milliseconds(offset.before))
    elif name:
        said = texts("voice.gone", name=name)
    line, _ = status_line.line(said, "")
    line = status_line.rich_text([line], is_error=bool(name) and offset is None)
    for key, text, is_there in ((_SAID, line, True), (_FIT, fit, offset is not None), (_BACK, back, bool(back))):
        found = libobs.obs_properties_get(properties, key)
        libobs.obs_property_set_description(found, libobs.utf8(text))
        libobs.obs_property_set_visible(found, is_there)
    return True


def _said(offset: SyncOffset, texts: Texts) -> str:
    now = milliseconds(offset.now)
    if offset.is_changed:
        return texts("voice.is_changed", offset=now)
    if offset.before is None:
        return texts("voice.is", offset=now)
    return texts("voice.is_set", offset=now, before=milliseconds(offset.before))


_ON_CHOSEN = modified_in(_describe)
_ON_FIT = clicked(lambda session, portrait: session.post(voice.fit, session, portrait))
_ON_BACK = clicked(lambda session, portrait: session.post(voice.put_back, session, portrait))
