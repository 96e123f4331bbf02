"""A portrait's source in OBS: its picture, its settings, and its helper's file."""

from __future__ import annotations

import contextlib
import ctypes
import time
from mmap import mmap
from typing import Iterator, Mapping

from cvmatte_core.layers.store import Frame

from . import controls, libobs

SOURCE_ID = b"cvmatte_portrait"
HELPER_FILE = b"file"  # image_source's own key
_HELPER_ID, _HELPER_SETTINGS = "image_source", b"settings"


def show(source: int, frame: Frame) -> None:
    """Make a frame the picture of an asynchronous source, at once; libobs copies it.

    Not through obs_source_output_video: a frame put into its queue is dropped at the next tick of a source that
    nothing draws just then, because it is hidden, in another scene, or not yet in any. This waits for OBS's graphics
    lock, so never call it from a thread of OBS.
    """
    with _frame_of(frame.pixels, frame.offset, frame.width, frame.height) as shown:
        libobs.obs_source_preload_video(source, ctypes.byref(shown))
    libobs.obs_source_show_preloaded_video(source)


def show_moving(source: int, mapping: mmap, offset: int, width: int, height: int) -> None:
    """Make RGBA rows at an offset of a mapping the next frame of a moving picture; libobs copies them.

    It takes no lock of OBS's graphics, and drops a frame that nothing draws.
    """
    with _frame_of(mapping, offset, width, height) as shown:
        libobs.obs_source_output_video(source, ctypes.byref(shown))


@contextlib.contextmanager
def _frame_of(mapping: mmap, offset: int, width: int, height: int) -> Iterator[libobs.SourceFrame]:
    """What libobs takes for a frame of RGBA rows, straight alpha; only for the block."""
    pixels = (ctypes.c_uint8 * len(mapping)).from_buffer(mapping)
    shown = libobs.SourceFrame()
    shown.data[0] = ctypes.addressof(pixels) + offset
    shown.linesize[0] = width * 4
    shown.width, shown.height = width, height
    shown.timestamp = time.monotonic_ns()
    shown.format = libobs.VIDEO_FORMAT_RGBA
    shown.full_range = True
    try:
        yield shown
    finally:
        del pixels  # the mapping can't be closed while a buffer of it is held


def hide(source: int) -> None:
    """Leave an asynchronous source without a picture."""
    libobs.obs_source_output_video(source, None)


def change(source: int, settings: Mapping[bytes, str | int]) -> None:
    """Change some of a source's settings, as obs-websocket does: the others stay."""
    data = data_of(settings)
    libobs.obs_source_update(source, data)
    libobs.obs_data_release(data)


def data_of(settings: Mapping[bytes, str | int]) -> int:
    """A new obs_data_t with these settings, to be released."""
    data = libobs.obs_data_create()
    for name, value in settings.items():
        if isinstance(value, bool):
            libobs.obs_data_set_bool(data, name, value)
        elif isinstance(value, int):
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
    add_helper(data, name, image)
    libobs.obs_source_update(source, data)
    libobs.obs_data_release(data)


def add_helper(data: int, name: str, image: str) -> None:
    """Put what OBS makes the helper from into a portrait's settings."""
    controls.set_string(data, b"id", _HELPER_ID)
    controls.set_string(data, b"name", name)
    settings = data_of({HELPER_FILE: image, b"unload": True})  # it is never shown, so its picture is never loaded
    libobs.obs_data_set_obj(data, _HELPER_SETTINGS, settings)
    libobs.obs_data_release(settings)
