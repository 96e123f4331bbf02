"""A portrait's properties dialog. Made on OBS's UI thread, through ctypes: obspython has no script at hand there."""

from __future__ import annotations

import html
import sys
from functools import partial
from typing import Any, Callable

from cvmatte_core.localization.errors import CvmatteError
from cvmatte_core.localization.texts import Texts
from cvmatte_core.presets import BUILT_IN
from cvmatte_core.settings import CONTROLS

from . import controls, libobs, scenes, status_line
from .portrait import Portrait
from .session import Session
from .source_type import SOURCE_TYPE

# Pixels in the properties dialog, at OBS's default width of it; and as many lines of text as are higher.
_VIEWS, _VIEWS_WIDTH, _VIEWS_HEIGHT, _VIEWS_LINES = 3, 460, 140, 8
_PRESET, _PRESET_APPLIED, _PRESET_NAME = b"preset", b"preset_applied", b"preset_name"
_OF_FILE = (controls.IMAGE,)
_OF_SOURCE = (controls.CAMERA, controls.DELAY)
_OF_CAMERA = (controls.DEVICE, controls.DEVICE_SIZE)
_OF_VIDEO = (controls.VIDEO, controls.VIDEO_LOOP)
_TYPES_CAMERAS = sys.platform != "linux"  # where a camera that isn't listed may be there, and has a name that one knows
_OF_OWN_PRESET = (b"preset_rename", b"preset_delete")


_current: list[Session] = []  # the session of the script that is loaded


def serve(session: Session) -> None:
    """Fill the portraits' properties, until `end`."""
    _current[:] = [session]
    SOURCE_TYPE.fill = partial(_fill, session)


def end() -> None:
    _current.clear()


def _fill(session: Session, portrait: Portrait, properties: int, source: int) -> None:
    """Add everything to an empty obs_properties_t."""
    texts = session.texts
    settings = libobs.obs_source_get_settings(source)
    try:
        session.complete(source, settings)
        session.look_for_cameras()
        session.client.start()  # somebody is about to need the worker: their first layer need not wait for its start
        own_name = libobs.source_name(source)
        _add_input(properties, portrait, session, own_name, settings)
        _add_live(properties, session, settings)
        _add_state(properties, portrait)
        if portrait.values is not None and portrait.values.image:
            _add_button(properties, "rematte", texts, _ON_REMATTE, portrait)
            _add_touch_up(properties, portrait, texts)
            _add_views(properties, portrait, texts)
        _add_presets(properties, session, settings)
        controls.add_controls(properties, texts, session.image_filter, controls.read(settings))
        _add_own_presets(properties, portrait, texts)
        _add_whole_state(properties, portrait)
        deciding = {when[0].encode() for one in CONTROLS for when in (one.shown_when, one.hidden_when) if when}
        for name in sorted(deciding | {controls.INPUT, b"format"}):
            changed = libobs.obs_properties_get(properties, name)
            libobs.obs_property_set_modified_callback2(changed, _ON_DECIDING, None)
        _show_what_applies(properties, texts, settings)
    finally:
        libobs.obs_data_release(settings)


def _add_input(properties: int, portrait: Portrait, session: Session, own_name: str, settings: int) -> None:
    texts = session.texts
    offered = (controls.FROM_FILE, controls.FROM_SOURCE, *controls.LIVE)
    inputs = ((value, texts(f"source.input.{value}")) for value in offered)
    controls.add_choice(properties, controls.INPUT, texts("source.input"), inputs)
    image = controls.add_file(properties, controls.IMAGE, texts("source.image"), session.image_filter)
    controls.explain(image, texts("source.image.tip"))
    names = [name for name in scenes.video_source_names() if name != own_name]
    chosen = controls.get_string(settings, controls.CAMERA)
    if chosen not in names:  # none yet, or one that is gone: say so rather than show another
        names.insert(0, chosen)
    shown = ((name, name or texts("source.camera.none")) for name in names)
    camera = controls.add_choice(properties, controls.CAMERA, texts("source.camera"), shown)
    controls.explain(camera, texts("source.camera.tip"))
    controls.add_delay(properties, controls.DELAY, texts)
    _add_button(properties, "take_still", texts, _ON_TAKE_STILL, portrait)


def _add_live(properties: int, session: Session, settings: int) -> None:
    texts = session.texts
    libobs.obs_data_set_default_bool(settings, controls.VIDEO_LOOP, True)
    libobs.obs_data_set_default_int(settings, controls.RATE, controls.DEFAULT_RATE)
    libobs.obs_data_set_default_int(settings, controls.LIMIT, 100)
    device = libobs.obs_properties_add_list(
        properties,
        controls.DEVICE,
        texts("source.device").encode(),
        libobs.OBS_COMBO_TYPE_EDITABLE if _TYPES_CAMERAS else libobs.OBS_COMBO_TYPE_LIST,
        libobs.OBS_COMBO_FORMAT_STRING,
    )
    _offer_cameras(properties, session, settings)
    controls.explain(device, texts("source.device.tip"))
    sizes = ((size, size.replace("x", " × ") or texts("source.device_size.own")) for size in controls.SIZES)
    controls.add_choice(properties, controls.DEVICE_SIZE, texts("source.device_size"), sizes)
    video = controls.add_file(properties, controls.VIDEO, texts("source.video"), session.video_filter)
    controls.explain(video, texts("source.video.tip"))
    libobs.obs_properties_add_bool(properties, controls.VIDEO_LOOP, texts("source.video_loop").encode())
    rates = {frames: texts("source.rate.frames", frames=frames) for frames in controls.RATES}
    rate = controls.add_number(properties, controls.RATE, texts("source.rate"), rates)
    controls.explain(rate, texts("source.rate.tip"))
    label, (lowest, step) = texts("source.limit").encode(), (controls.LOWEST_LIMIT, controls.LIMIT_STEP)
    limit = libobs.obs_properties_add_int_slider(properties, controls.LIMIT, label, lowest, 100, step)
    libobs.obs_property_int_set_suffix(limit, b" %")
    controls.explain(limit, texts("source.limit.tip"))


def _offer_cameras(properties: int, session: Session, settings: int) -> None:
    listed = libobs.obs_properties_get(properties, controls.DEVICE)
    libobs.obs_property_list_clear(listed)
    chosen, found = controls.get_string(settings, controls.DEVICE), session.cameras
    if chosen not in found and (chosen or not _TYPES_CAMERAS):
        found = {chosen: chosen or session.texts("source.device.none"), **found}
    for value, shown in found.items():
        libobs.obs_property_list_add_string(listed, libobs.utf8(shown), libobs.utf8(value))


def _add_state(properties: int, portrait: Portrait) -> None:
    shown, _ = status_line.lines(portrait.state.text, portrait.note)
    _add_text(properties, b"state", status_line.rich_text(shown, portrait.state.is_error), wraps=False)


def _add_whole_state(properties: int, portrait: Portrait) -> None:
    """What there was no room for above: at the end it moves nothing."""
    state, note = portrait.state, portrait.note
    _, is_all = status_line.lines(state.text, note)
    if not is_all:
        whole = status_line.all_lines(state.text, note)
        _add_text(properties, b"state_whole", status_line.rich_text(whole, state.is_error), wraps=False)


def _add_text(properties: int, name: bytes, rich_text: str, wraps: bool = True) -> None:
    added = libobs.obs_properties_add_text(properties, name, libobs.utf8(rich_text), libobs.OBS_TEXT_INFO)
    libobs.obs_property_text_set_info_word_wrap(added, wraps)


def _add_touch_up(properties: int, portrait: Portrait, texts: Texts) -> None:
    _add_button(properties, "touch_up", texts, _ON_TOUCH_UP, portrait)
    page = portrait.page
    if page is not None:
        link, address = html.escape(page.link), html.escape(page.address)
        text = f'{html.escape(texts("source.touch_up_opened"))}<br><a href="{link}">{address}</a>'
        _add_text(properties, b"touch_up_page", text)


def _add_views(properties: int, portrait: Portrait, texts: Texts) -> None:
    """Their room is there before they are, and the same for photos of any shape."""
    views, record = "", portrait.life.record
    if portrait.preview and record is not None:
        width, height = record.size
        width = min(_VIEWS_WIDTH, _VIEWS * _VIEWS_HEIGHT * width // height)
        views = f'{html.escape(texts("source.views"))}<br><img src="{html.escape(portrait.preview)}" width="{width}">'
    _add_text(properties, b"views", status_line.with_room(views, 1 + _VIEWS_LINES), wraps=False)


def _add_button(properties: int, name: str, texts: Texts, clicked: Any, portrait: Portrait) -> None:
    label = texts(f"source.{name}").encode()
    button = libobs.obs_properties_add_button2(properties, name.encode(), label, clicked, portrait.helper)
    controls.explain(button, texts(f"source.{name}.tip"))


def _add_presets(properties: int, session: Session, settings: int) -> None:
    texts, presets = session.texts, session.presets
    chosen = controls.get_string(settings, _PRESET)
    if chosen and not _matches(session, chosen, settings):
        # A control was moved since: no preset any more. Choosing the same again then applies it again.
        for name in (_PRESET, _PRESET_APPLIED):
            libobs.obs_data_set_string(settings, name, b"")
    names = [("", texts("source.preset.none")), *((name, presets.title(name, texts)) for name in presets.names())]
    listed = controls.add_choice(properties, _PRESET, texts("source.preset"), names)
    controls.explain(listed, texts("source.preset.tip"))
    libobs.obs_property_set_modified_callback2(listed, _ON_PRESET, None)


def _add_own_presets(properties: int, portrait: Portrait, texts: Texts) -> None:
    group = libobs.obs_properties_create()
    label = texts("source.preset_name").encode()
    name_line = libobs.obs_properties_add_text(group, _PRESET_NAME, label, libobs.OBS_TEXT_DEFAULT)
    controls.explain(name_line, texts("source.preset_name.tip"))
    _add_button(group, "preset_save", texts, _ON_PRESET_SAVE, portrait)
    _add_button(group, "preset_rename", texts, _ON_PRESET_RENAME, portrait)
    _add_button(group, "preset_delete", texts, _ON_PRESET_DELETE, portrait)
    label = texts("group.preset").encode()
    libobs.obs_properties_add_group(properties, b"group_preset", label, libobs.OBS_GROUP_NORMAL, group)


def _matches(session: Session, preset: str, settings: int) -> bool:
    try:
        wanted = session.presets.values(preset)
        present = controls.read(settings).settings().as_dict()
    except CvmatteError:  # no such preset, or a value that only another version of CVMatte takes
        return False
    return all(present[name] == value for name, value in wanted.items())


def _show_what_applies(properties: int, texts: Texts, data: int) -> None:
    values = controls.read(data)
    controls.show_what_applies(properties, texts, values)
    from_source = values.input == controls.FROM_SOURCE
    camera, video = (values.input == live for live in controls.LIVE)
    own = controls.get_string(data, _PRESET) not in ("", *BUILT_IN)
    for names, shown in (
        (_OF_FILE, values.input == controls.FROM_FILE),
        (_OF_SOURCE, from_source),
        ((b"take_still",), from_source or values.is_live),
        (_OF_CAMERA, camera),
        (_OF_VIDEO, video),
        ((controls.RATE, controls.LIMIT), values.is_live),
        (_OF_OWN_PRESET, own),
    ):
        for name in names:
            libobs.obs_property_set_visible(libobs.obs_properties_get(properties, name), shown)


# Called by OBS's UI


def _modified(call: Callable[[int, int], bool]) -> Any:
    @libobs.PropertyModified
    def callback(_private: int, properties: int, _property: int, data: int) -> bool:
        return bool(libobs.guarded(call, properties, data))

    return callback


def _clicked(call: Callable[[Session, Portrait], None]) -> Any:
    @libobs.ButtonClicked
    def callback(_properties: int, _button: int, helper: int) -> bool:
        portrait = SOURCE_TYPE.portrait_of(helper)
        if portrait is not None:
            for session in _current:
                libobs.guarded(call, session, portrait)
        return False

    return callback


def _deciding_changed(properties: int, data: int) -> bool:
    for session in _current:
        _offer_cameras(properties, session, data)  # those that were found since the dialog opened
        _show_what_applies(properties, session.texts, data)
    return True


def _preset_chosen(properties: int, data: int) -> bool:
    """Put a preset's values into the controls, once: OBS also calls this whenever the dialog opens."""
    chosen = controls.get_string(data, _PRESET)
    if not _current or chosen == controls.get_string(data, _PRESET_APPLIED):
        return False
    controls.set_string(data, _PRESET_APPLIED, chosen)
    if chosen:
        wanted = _current[0].presets.values(chosen)
        for control in CONTROLS:
            if control.name in wanted:
                controls.write(data, control, wanted[control.name])
    _show_what_applies(properties, _current[0].texts, data)
    return True


def _change_presets(change: Callable[[Any, str, str, Any], tuple[str, str]]) -> Any:
    """A button about presets: change(presets, chosen, name, settings) → (preset to choose, what to say).

    It is done on the session's thread, which may wait for the disk.
    """

    def work(session: Session, portrait: Portrait) -> None:
        with portrait.source() as source:
            if not source:
                return
            data = libobs.obs_source_get_settings(source)
            chosen, name = controls.get_string(data, _PRESET), controls.get_string(data, _PRESET_NAME)
            try:
                chosen, said = change(session.presets, chosen, name, controls.read(data).settings())
                portrait.tell(session.texts(said, name=name.strip() or chosen))
                controls.set_string(data, _PRESET, chosen)
                controls.set_string(data, _PRESET_APPLIED, chosen)
                controls.set_string(data, _PRESET_NAME, "")
            except CvmatteError as error:
                portrait.tell(error.sentence(session.texts))
            libobs.obs_data_release(data)
            libobs.obs_source_update_properties(source)

    return _clicked(lambda session, portrait: session.post(work, session, portrait))


def _save(presets: Any, chosen: str, name: str, settings: Any) -> tuple[str, str]:
    wanted = name if name.strip() or chosen in BUILT_IN else chosen
    return presets.save(wanted, settings), "source.preset.saved"


def _rename(presets: Any, chosen: str, name: str, settings: Any) -> tuple[str, str]:
    return presets.rename(chosen, name), "source.preset.renamed"


def _delete(presets: Any, chosen: str, name: str, settings: Any) -> tuple[str, str]:
    presets.delete(chosen)
    return "", "source.preset.deleted"


_ON_DECIDING = _modified(_deciding_changed)
_ON_PRESET = _modified(_preset_chosen)
_ON_REMATTE = _clicked(lambda session, portrait: session.post(portrait.rematte))
_ON_TOUCH_UP = _clicked(lambda session, portrait: session.post(portrait.touch_up))
_ON_TAKE_STILL = _clicked(lambda session, portrait: session.post(portrait.take_still))
_ON_PRESET_SAVE = _change_presets(_save)
_ON_PRESET_RENAME = _change_presets(_rename)
_ON_PRESET_DELETE = _change_presets(_delete)
