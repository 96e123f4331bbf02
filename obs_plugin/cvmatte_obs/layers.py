"""Layers in OBS: handing a frame's pixels to a source, and placing a new portrait in a scene."""

from __future__ import annotations

import ctypes
import time
from pathlib import Path

from cvmatte_core.layer_store import Frame

from . import controls, libobs

SOURCE_ID = b"cvmatte_portrait"


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


def add_portrait(scene_source: int, image: Path) -> bool:
    """Add a portrait named after its photo to a scene, standing on the canvas's bottom, as large as fits.

    Call it on OBS's UI thread. Says whether OBS made the source.
    """
    data = libobs.obs_data_create()
    libobs.obs_data_set_string(data, controls.IMAGE, str(image).encode("utf-8", "surrogateescape"))
    name = _unused_name(image.stem or image.name)
    source = libobs.obs_source_create(SOURCE_ID, name.encode("utf-8", "replace"), data, None)
    libobs.obs_data_release(data)
    if not source:
        return False
    item = libobs.obs_scene_add(libobs.obs_scene_from_source(scene_source), source)
    video = libobs.VideoInfo()
    if item and libobs.obs_get_video_info(ctypes.byref(video)):
        # A box instead of a scale: the layer's size in pixels may change with its settings, its place must not.
        libobs.obs_sceneitem_set_alignment(item, libobs.OBS_ALIGN_LEFT | libobs.OBS_ALIGN_TOP)
        libobs.obs_sceneitem_set_pos(item, ctypes.byref(libobs.Vec2(0, 0)))
        libobs.obs_sceneitem_set_bounds(item, ctypes.byref(libobs.Vec2(video.base_width, video.base_height)))
        libobs.obs_sceneitem_set_bounds_alignment(item, libobs.OBS_ALIGN_BOTTOM)
        libobs.obs_sceneitem_set_bounds_type(item, libobs.OBS_BOUNDS_SCALE_INNER)
    libobs.obs_source_release(source)
    return bool(item)


def _unused_name(wanted: str) -> str:
    name, number = wanted, 1
    while True:
        taken = libobs.obs_get_source_by_name(name.encode("utf-8", "replace"))
        if not taken:
            return name
        libobs.obs_source_release(taken)
        number += 1
        name = f"{wanted} {number}"
