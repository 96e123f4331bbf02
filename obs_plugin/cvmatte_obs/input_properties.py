"""Where a portrait's picture comes from, in its properties."""

from __future__ import annotations

import sys

from cvmatte_core.localization.texts import Texts

from . import controls, libobs, scenes
from .portrait import Portrait
from .property_callbacks import add_button, clicked
from .session import Session

_TYPES_CAMERAS = sys.platform != "linux"  # where a camera that isn't listed may be there, and has a name that one knows
_LIVE_NOTE = b"live_note"
# What is there for which inputs
_APPLIES_TO = {
    controls.IMAGE: (controls.FROM_FILE,),
    controls.CAMERA: controls.OF_SOURCES,
    _LIVE_NOTE: (controls.FROM_SOURCE_LIVE,),
    controls.DELAY: (controls.FROM_SOURCE,),
    b"take_still": (controls.FROM_SOURCE, *controls.LIVE),
    controls.DEVICE: (controls.FROM_CAMERA,),
    controls.DEVICE_SIZE: (controls.FROM_CAMERA,),
    controls.VIDEO: (controls.FROM_VIDEO,),
    controls.VIDEO_LOOP: (controls.FROM_VIDEO,),
    controls.RATE: controls.LIVE,
    controls.LIMIT: controls.LIVE,
}


def add(properties: int, portrait: Portrait, session: Session, own_name: str, settings: int) -> None:
    """own_name: the portrait's, which isn't offered as a source."""
    texts = session.texts
    offered = (controls.FROM_FILE, controls.FROM_SOURCE, *controls.LIVE)
    inputs = ((value, texts(f"source.input.{value}")) for value in offered)
    controls.add_choice(properties, controls.INPUT, texts("source.input"), inputs)
    image = controls.add_file(properties, controls.IMAGE, texts("source.image"), session.image_filter)
    controls.explain(image, texts("source.image.tip"))
    _add_sources(properties, texts, own_name, controls.get_string(settings, controls.CAMERA))
    controls.add_delay(properties, controls.DELAY, texts)
    _add_cameras(properties, session, settings)
    libobs.obs_data_set_default_bool(settings, controls.VIDEO_LOOP, True)
    video = controls.add_file(properties, controls.VIDEO, texts("source.video"), session.video_filter)
    controls.explain(video, texts("source.video.tip"))
    libobs.obs_properties_add_bool(properties, controls.VIDEO_LOOP, texts("source.video_loop").encode())
    add_button(
        properties, b"take_still", portrait, _ON_TAKE_STILL, texts("source.take_still"), texts("source.take_still.tip")
    )


def _add_sources(properties: int, texts: Texts, own_name: str, chosen: str) -> None:
    names = [name for name in scenes.video_source_names() if name != own_name]
    label, none = texts("source.camera"), texts("source.camera.none")
    camera = controls.add_source_choice(properties, controls.CAMERA, label, names, chosen, none)
    controls.explain(camera, texts("source.camera.tip"))
    controls.add_text(properties, _LIVE_NOTE, texts("source.live_note"), wraps=True)


def _add_cameras(properties: int, session: Session, settings: int) -> None:
    device = libobs.obs_properties_add_list(
        properties,
        controls.DEVICE,
        session.texts("source.device").encode(),
        libobs.OBS_COMBO_TYPE_EDITABLE if _TYPES_CAMERAS else libobs.OBS_COMBO_TYPE_LIST,
        libobs.OBS_COMBO_FORMAT_STRING,
    )
    offer_cameras(properties, session, settings)
    controls.explain(device, session.texts("source.device.tip"))


def offer_cameras(properties: int, session: Session, settings: int) -> None:
    """Those that there are now."""
    listed = libobs.obs_properties_get(properties, controls.DEVICE)
    libobs.obs_property_list_clear(listed)
    chosen, found = controls.get_string(settings, controls.DEVICE), session.camera_list.found or {}
    if chosen not in found and (chosen or not _TYPES_CAMERAS):
        none = "source.device.none" if found or session.camera_list.found is None else "source.device.none_found"
        found = {chosen: chosen or session.texts(none), **found}
    for value, shown in found.items():
        libobs.obs_property_list_add_string(listed, libobs.utf8(shown), libobs.utf8(value))


def add_pace(properties: int, texts: Texts, settings: int) -> None:
    """How large and how fast a live picture is to be."""
    libobs.obs_data_set_default_int(settings, controls.RATE, controls.DEFAULT_RATE)
    libobs.obs_data_set_default_int(settings, controls.LIMIT, 100)
    sizes = ((size, size.replace("x", " × ") or texts("source.device_size.own")) for size in controls.SIZES)
    controls.add_choice(properties, controls.DEVICE_SIZE, texts("source.device_size"), sizes)
    rates = {frames: texts("source.rate.frames", frames=frames) for frames in controls.RATES}
    rate = controls.add_number(properties, controls.RATE, texts("source.rate"), rates)
    controls.explain(rate, texts("source.rate.tip"))
    label, (lowest, step) = texts("source.limit").encode(), (controls.LOWEST_LIMIT, controls.LIMIT_STEP)
    limit = libobs.obs_properties_add_int_slider(properties, controls.LIMIT, label, lowest, 100, step)
    controls.set_unit(limit, "%")
    controls.explain(limit, texts("source.limit.tip"))


def show_what_applies(properties: int, chosen_input: str) -> None:
    for name, inputs in _APPLIES_TO.items():
        libobs.obs_property_set_visible(libobs.obs_properties_get(properties, name), chosen_input in inputs)


_ON_TAKE_STILL = clicked(lambda session, portrait: session.post(portrait.take_still))
