"""Layers in OBS: handing a frame's pixels to a source, changing its settings, placing a new portrait in a scene."""

from __future__ import annotations

import ctypes
import time
from typing import Iterable, Mapping

import obspython

from cvmatte_core.layer_store import Frame

from . import controls, libobs

SOURCE_ID = b"cvmatte_portrait"
HELPER_FILE = b"file"  # image_source's own key
_HELPER_ID, _HELPER_SETTINGS = "image_source", b"settings"

FIT_HEIGHT = "fit_height"
PLACEMENTS = (FIT_HEIGHT, "bottom_centre", "left_third", "right_third", "full_frame")


def show(source: int, frame: Frame) -> None:
    """Make a frame the picture of an asynchronous source, at once; libobs copies it.

    Not through obs_source_output_video: a frame put into its queue is dropped at the next tick of a source that
    nothing draws just then, because it is hidden, in another scene, or not yet in any. This waits for OBS's graphics
    lock, so never call it from a thread of OBS.
    """
    pixels = (ctypes.c_uint8 * len(frame.pixels)).from_buffer(frame.pixels)
    shown = libobs.SourceFrame()
    shown.data[0] = ctypes.addressof(pixels) + frame.offset
    shown.linesize[0] = frame.width * 4
    shown.width, shown.height = frame.width, frame.height
    shown.timestamp = time.monotonic_ns()
    shown.format = libobs.VIDEO_FORMAT_RGBA
    shown.full_range = True
    libobs.obs_source_preload_video(source, ctypes.byref(shown))
    libobs.obs_source_show_preloaded_video(source)
    del pixels  # the mapping can't be closed while a buffer of it is held


def hide(source: int) -> None:
    """Leave an asynchronous source without a picture."""
    libobs.obs_source_output_video(source, None)


def change(source: int, settings: Mapping[bytes, str | int]) -> None:
    """Change some of a source's settings, as obs-websocket does: the others stay."""
    data = _data(settings)
    libobs.obs_source_update(source, data)
    libobs.obs_data_release(data)


def _data(settings: Mapping[bytes, str | int]) -> int:
    data = libobs.obs_data_create()
    for name, value in settings.items():
        if isinstance(value, int):
            libobs.obs_data_set_int(data, name, value)
        else:
            controls.set_string(data, name, value)
    return data


def helper_image(data: int) -> str:
    """The file that the helper of a portrait with these settings was made with; see source_type.py."""
    settings = libobs.obs_data_get_obj(data, _HELPER_SETTINGS)
    image = controls.get_string(settings, HELPER_FILE) if settings else ""
    libobs.obs_data_release(settings)
    return image


def set_helper_image(source: int, helper: int, name: str, image: str) -> None:
    """Let a portrait's helper stand for another file, now and when OBS makes it again. name: for OBS's dialog."""
    change(helper, {HELPER_FILE: image})
    data = libobs.obs_data_create()
    _add_helper(data, name, image)
    libobs.obs_source_update(source, data)
    libobs.obs_data_release(data)


def _add_helper(data: int, name: str, image: str) -> None:
    """Put what OBS makes the helper from into a portrait's settings."""
    controls.set_string(data, b"id", _HELPER_ID)
    controls.set_string(data, b"name", name)
    settings = _data({HELPER_FILE: image})
    libobs.obs_data_set_bool(settings, b"unload", True)  # it is never shown, so its picture is never loaded
    libobs.obs_data_set_obj(data, _HELPER_SETTINGS, settings)
    libobs.obs_data_release(settings)


# Scenes


def current_scene() -> int | None:
    """The scene that the person works on, with a reference to be released: in studio mode the one in the preview."""
    if obspython.obs_frontend_preview_program_mode_active():
        scene = obspython.obs_frontend_get_current_preview_scene()
    else:
        scene = obspython.obs_frontend_get_current_scene()
    return int(scene) if scene is not None else None


def names_in_current_scene(names: Iterable[str]) -> set[str]:
    """Those of these sources' names that are in the current scene or its groups."""
    scene = current_scene()
    if not scene:
        return set()
    items = libobs.obs_scene_from_source(scene)
    found = {name for name in names if libobs.obs_scene_find_source_recursive(items, libobs.utf8(name))}
    libobs.obs_source_release(scene)
    return found


def add_portrait(name: str, settings: Mapping[bytes, str | int], placement: str) -> int | None:
    """Add a portrait to the current scene; its helper, None where there is no scene or OBS made no source."""
    scene = current_scene()
    if not scene:
        return None
    data = _data(settings)
    _add_helper(data, name, str(settings.get(controls.IMAGE, "")))
    unused = libobs.utf8(_unused_name(name))
    source = libobs.obs_source_create(SOURCE_ID, unused, data, None)
    libobs.obs_data_release(data)
    helper = None
    if source:
        item = libobs.obs_scene_add(libobs.obs_scene_from_source(scene), source)
        if item:
            place(item, placement)
            helper = libobs.obs_obj_get_data(source)
    libobs.obs_source_release(source)
    libobs.obs_source_release(scene)
    return helper


def place(item: int, placement: str) -> None:
    """Give a scene item its place on the canvas.

    A box instead of a scale: the layer's size in pixels may change with its settings, its place must not.
    """
    video = libobs.VideoInfo()
    if not libobs.obs_get_video_info(ctypes.byref(video)):
        return
    width, height = video.base_width, video.base_height
    left, top, right = {
        "bottom_centre": (width // 6, height // 3, width - width // 6),
        "left_third": (0, 0, width // 3),
        "right_third": (width - width // 3, 0, width),
    }.get(placement, (0, 0, width))
    full_frame = placement == "full_frame"
    kind = libobs.OBS_BOUNDS_SCALE_OUTER if full_frame else libobs.OBS_BOUNDS_SCALE_INNER
    standing = libobs.OBS_ALIGN_CENTER if full_frame else libobs.OBS_ALIGN_BOTTOM
    libobs.obs_sceneitem_set_alignment(item, libobs.OBS_ALIGN_LEFT | libobs.OBS_ALIGN_TOP)
    libobs.obs_sceneitem_set_pos(item, ctypes.byref(libobs.Vec2(left, top)))
    libobs.obs_sceneitem_set_bounds(item, ctypes.byref(libobs.Vec2(right - left, height - top)))
    libobs.obs_sceneitem_set_bounds_alignment(item, standing)
    libobs.obs_sceneitem_set_bounds_type(item, kind)


def _unused_name(wanted: str) -> str:
    name, number = wanted, 1
    while True:
        taken = libobs.source_named(name)
        if not taken:
            return name
        libobs.obs_source_release(taken)
        number += 1
        name = f"{wanted} {number}"
