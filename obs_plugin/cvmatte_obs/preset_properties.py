"""Presets in a portrait's properties: one to choose, and one's own to save, rename and delete."""

from __future__ import annotations

from typing import Any, Callable

from cvmatte_core.localization.errors import CvmatteError
from cvmatte_core.presets import BUILT_IN

from . import controls, dialogs, libobs, status_line
from .portrait import Portrait
from .property_callbacks import add_button, clicked
from .session import Session

_PRESET, _PRESET_APPLIED, _PRESET_NAME = b"preset", b"preset_applied", b"preset_name"
_GROUP, _OF_OWN_PRESET = b"group_preset", (b"preset_rename", b"preset_delete")


def add(properties: int, session: Session, settings: int, on_chosen: Any) -> None:
    """on_chosen: of property_callbacks.modified."""
    texts, presets = session.texts, session.presets
    with session.settings_lock:
        chosen = controls.get_string(settings, _PRESET)
        if chosen and not _matches(session, chosen, settings):
            # A control was moved since: no preset any more. Choosing the same again then applies it again.
            _choose(settings, "")
    names = [("", texts("source.preset.none")), *((name, presets.title(name, texts)) for name in presets.names())]
    listed = controls.add_choice(properties, _PRESET, texts("source.preset"), names)
    controls.explain(listed, texts("source.preset.tip"))
    libobs.obs_property_set_modified_callback2(listed, on_chosen, None)


def _matches(session: Session, preset: str, settings: int) -> bool:
    try:
        wanted = session.presets.values(preset)
        present = controls.read(settings).settings().as_dict()
    except CvmatteError:  # no such preset, or a value that only another version of CVMatte takes
        return False
    return all(present[name] == value for name, value in wanted.items())


def apply(session: Session, data: int) -> bool:
    """Put a preset's values into the controls, once: OBS also calls this whenever the dialog opens. Whether it did."""
    chosen = controls.get_string(data, _PRESET)
    if chosen == controls.get_string(data, _PRESET_APPLIED):
        return False
    controls.set_string(data, _PRESET_APPLIED, chosen)
    put(session, data, chosen)
    return True


def put(session: Session, data: int, chosen: str) -> None:
    """Put a preset, and its values, into settings, an obs_data_t. Raises SettingsError where there is none of it."""
    wanted = session.presets.values(chosen) if chosen else {}
    _choose(data, chosen)
    controls.write(data, wanted)


def _choose(data: int, preset: str) -> None:
    """Name it as one that is applied: no control is moved for it."""
    for name in (_PRESET, _PRESET_APPLIED):
        controls.set_string(data, name, preset)


def add_own(properties: int, session: Session, portrait: Portrait) -> None:
    """Always of the same height: what a button had to say stands in the place of what they are for."""
    texts, group = session.texts, libobs.obs_properties_create()
    label = texts("source.preset_name").encode()
    name_line = libobs.obs_properties_add_text(group, _PRESET_NAME, label, libobs.OBS_TEXT_DEFAULT)
    controls.explain(name_line, texts("source.preset_name.tip"))
    add_button(group, b"preset_save", portrait, _ON_SAVE, texts("source.preset_save"), texts("source.preset_save.tip"))
    said, _ = status_line.line(portrait.said_of_presets or texts("source.preset_name.tip"), "")
    controls.add_text(group, b"preset_said", status_line.rich_text([said], False))
    add_button(
        group, b"preset_rename", portrait, _ON_RENAME, texts("source.preset_rename"), texts("source.preset_rename.tip")
    )
    add_button(
        group, b"preset_delete", portrait, _ON_DELETE, texts("source.preset_delete"), texts("source.preset_delete.tip")
    )
    label = texts("group.preset").encode()
    libobs.obs_properties_add_group(properties, _GROUP, label, libobs.OBS_GROUP_NORMAL, group)


def show_what_applies(properties: int, data: int, shows_rare: bool) -> None:
    own = controls.get_string(data, _PRESET) not in ("", *BUILT_IN)
    for name in _OF_OWN_PRESET:
        libobs.obs_property_set_visible(libobs.obs_properties_get(properties, name), own)
    libobs.obs_property_set_visible(libobs.obs_properties_get(properties, _GROUP), shows_rare)


def _change(change: Callable[[Any, str, str, Any], tuple[str, str]]) -> Any:
    """A button about presets: change(presets, chosen, name, settings) → (preset to choose, what to say).

    It is done on the session's thread, which may wait for the disk.
    """

    def work(session: Session, portrait: Portrait) -> None:
        portrait.read_now()  # what is said here goes with the next change
        with portrait.source() as source:
            if not source:
                return
            data = libobs.obs_source_get_settings(source)
            chosen, name = controls.get_string(data, _PRESET), controls.get_string(data, _PRESET_NAME)
            try:
                after, said = change(session.presets, chosen, name, controls.read(data).settings())
                with session.settings_lock:  # a dialog that opens now may have missed the preset's former name
                    _choose(data, after)
                if controls.get_string(data, _PRESET_NAME) == name:  # nobody types the next one already
                    controls.set_string(data, _PRESET_NAME, "")
                portrait.said_of_presets = session.texts(said, name=after or chosen)
            except CvmatteError as error:
                portrait.said_of_presets = error.sentence(session.texts)
            libobs.obs_data_release(data)
        dialogs.redraw(portrait)

    return clicked(lambda session, portrait: session.post(work, session, portrait))


def _save(presets: Any, chosen: str, name: str, settings: Any) -> tuple[str, str]:
    wanted = name if name.strip() or chosen in BUILT_IN else chosen
    return presets.save(wanted, settings), "source.preset.saved"


def _rename(presets: Any, chosen: str, name: str, settings: Any) -> tuple[str, str]:
    return presets.rename(chosen, name), "source.preset.renamed"


def _delete(presets: Any, chosen: str, name: str, settings: Any) -> tuple[str, str]:
    presets.delete(chosen)
    return "", "source.preset.deleted"


_ON_SAVE, _ON_RENAME, _ON_DELETE = _change(_save), _change(_rename), _change(_delete)
