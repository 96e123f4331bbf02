"""A portrait's source in OBS: its picture, its settings, and its helper's file."""

from __future__ import annotations

import contextlib
import ctypes
import threading
import time
from mmap import mmap
from typing import Any, Iterator, Mapping

from cvmatte_core.layers.store import Frame

from . import controls, libobs
from .file_watch import GONE, FileWatch

SOURCE_ID = b"cvmatte_portrait"
_HELPER_SETTINGS = b"settings"
_HELPER_FILE = b"file"  # image_source's own key
Settings = Mapping[bytes, Any]  # texts, numbers, switches, and settings in them


def show(source: int, frame: Frame) -> None:
    """Make a frame the picture of an asynchronous source, at once; libobs copies it.

    Not through obs_source_output_video: a frame put into its queue is dropped at the next tick of a source that
    nothing draws just then, because it is hidden, in another scene, or not yet in any. This waits for OBS's graphics
    lock, so never call it from a thread of OBS.
    """
    show_rows(source, frame.pixels, frame.offset, frame.width, frame.height)


def show_rows(source: int, pixels: mmap | bytearray, offset: int, width: int, height: int) -> None:
    """As `show`, of RGBA rows at an offset."""
    with _frame_of(pixels, offset, width, height) as shown:
        libobs.obs_source_preload_video(source, ctypes.byref(shown))
    libobs.obs_source_show_preloaded_video(source)


def show_moving(source: int, mapping: mmap, offset: int, width: int, height: int) -> None:
    """Make RGBA rows at an offset of a mapping the next frame of a moving picture; libobs copies them.

    It takes no lock of OBS's graphics, and drops a frame that nothing draws.
    """
    with _frame_of(mapping, offset, width, height) as shown:
        libobs.obs_source_output_video(source, ctypes.byref(shown))


@contextlib.contextmanager
def _frame_of(mapping: mmap | bytearray, offset: int, width: int, height: int) -> Iterator[libobs.SourceFrame]:
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


def change(source: int, settings: Settings) -> None:
    """Change some of a source's settings, as obs-websocket does: the others stay."""
    data = data_of(settings)
    libobs.obs_source_update(source, data)
    libobs.obs_data_release(data)


def data_of(settings: Settings) -> int:
    """A new obs_data_t with these settings, to be released."""
    data = libobs.obs_data_create()
    for name, value in settings.items():
        if isinstance(value, bool):
            libobs.obs_data_set_bool(data, name, value)
        elif isinstance(value, int):
            libobs.obs_data_set_int(data, name, value)
        elif isinstance(value, str):
            controls.set_string(data, name, value)
        else:
            part = data_of(value)
            libobs.obs_data_set_obj(data, name, part)
            libobs.obs_data_release(part)
    return data


def helper_settings(name: str, image: str) -> dict[bytes, Any]:
    """What OBS makes the helper from, in a portrait's settings. name: for OBS's dialog of missing files."""
    # It is never shown, so its picture is never loaded.
    return {b"id": "image_source", b"name": name, _HELPER_SETTINGS: {_HELPER_FILE: image, b"unload": True}}


class WeakSource:
    """A source of OBS's that may go at any time: kept alive only for the block that needs it. Any thread may use it."""

    def __init__(self, source: int | None = None) -> None:
        self._weak = libobs.obs_source_get_weak_source(source) if source else None
        self._lock = threading.Lock()  # so that no thread drops the weak reference while another takes it up

    @contextlib.contextmanager
    def alive(self) -> Iterator[int | None]:
        """The source, kept alive for the block; None where it is gone."""
        with self._lock:
            source = libobs.obs_weak_source_get_source(self._weak)
        try:
            yield source
        finally:
            libobs.obs_source_release(source)

    def change(self, settings: Settings) -> None:
        """Change some of its settings."""
        with self.alive() as source:
            if source:
                change(source, settings)

    def close(self) -> None:
        with self._lock:
            weak, self._weak = self._weak, None
        libobs.obs_weak_source_release(weak)


class HelperFile:
    """The one file that a portrait's helper stands for in OBS's dialog of missing files: of several that the portrait
    needs the first that is missing. See source_type.py.
    """

    def __init__(self, source: WeakSource, helper: int, watch: FileWatch) -> None:
        self._source, self._helper, self._watch = source, helper, watch
        self._path: str | None = None

    def begin(self, data: int) -> None:
        """data: the portrait's settings, which say what the helper was made with."""
        # Anew where its settings were emptied.
        if self._path is None or not libobs.obs_data_has_user_value(data, _HELPER_SETTINGS):
            settings = libobs.obs_data_get_obj(data, _HELPER_SETTINGS)
            self._path = controls.get_string(settings, _HELPER_FILE) if settings else ""
            libobs.obs_data_release(settings)

    def follow(self, values: controls.Values) -> None:
        """Let OBS know of another file where that is called for, now and when it makes the helper again."""
        paths, state = list(values.needed.values()), self._watch.state
        if self._path in paths and state(self._path) is None:
            return  # OBS may just be asking for it
        path = next((path for path in paths if state(path) == GONE), paths[0] if paths else "")
        if self._path != path:
            self._path = path
            with self._source.alive() as source:
                if source:
                    change(self._helper, {_HELPER_FILE: path})
                    change(source, helper_settings(libobs.source_name(source), path))

    def relink(self, values: controls.Values) -> None:
        """Take over the file that the person chose in that dialog."""
        data = libobs.obs_source_get_settings(self._helper)
        chosen = controls.get_string(data, _HELPER_FILE)
        libobs.obs_data_release(data)
        if chosen and chosen != self._path:
            found_again = {key: chosen for key, path in values.needed.items() if path == self._path}
            self._path = chosen
            self._source.change(found_again)
