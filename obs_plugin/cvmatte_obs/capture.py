"""A still from any video source, as OBS shows it with its filters. Never call it from a thread of OBS.

Nothing is written to the person's recording folder: the source is drawn into a texture, and that is read back.
"""

from __future__ import annotations

import contextlib
import ctypes
from typing import Iterator, NamedTuple

from . import libobs

_LONGEST_SIDE = 16384  # pixels; what graphics cards can draw


class Picture(NamedTuple):
    """Raw RGBA rows of a source, without gaps, and its size in pixels."""

    width: int
    height: int
    rows: bytes


def draw(source: int) -> Picture | None:
    """What a source shows now; None while it shows nothing (a camera that is still starting)."""
    width, height = libobs.obs_source_get_width(source), libobs.obs_source_get_height(source)
    if not 0 < width <= _LONGEST_SIDE or not 0 < height <= _LONGEST_SIDE:
        return None
    with _graphics():
        texture = libobs.gs_texrender_create(libobs.GS_RGBA, libobs.GS_ZS_NONE)
        surface = libobs.gs_stagesurface_create(width, height, libobs.GS_RGBA)
        try:
            if not texture or not surface or not libobs.gs_texrender_begin(texture, width, height):
                return None
            _draw_source(source, width, height)
            libobs.gs_texrender_end(texture)
            libobs.gs_stage_texture(surface, libobs.gs_texrender_get_texture(texture))
            return _read(surface, width, height)
        finally:
            if surface:
                libobs.gs_stagesurface_destroy(surface)
            if texture:
                libobs.gs_texrender_destroy(texture)


@contextlib.contextmanager
def _graphics() -> Iterator[None]:
    libobs.obs_enter_graphics()
    try:
        yield
    finally:
        libobs.obs_leave_graphics()


def _draw_source(source: int, width: int, height: int) -> None:
    memory = ctypes.create_string_buffer(32)
    black = ctypes.addressof(memory) + 15 & ~15  # a struct vec4, which C may read with aligned instructions
    libobs.gs_clear(libobs.GS_CLEAR_COLOR, black, 0.0, 0)
    libobs.gs_ortho(0.0, width, 0.0, height, -100.0, 100.0)
    libobs.gs_blend_state_push()
    libobs.gs_blend_function(libobs.GS_BLEND_ONE, libobs.GS_BLEND_ZERO)
    libobs.obs_source_video_render(source)
    libobs.gs_blend_state_pop()


def _read(surface: int, width: int, height: int) -> Picture | None:
    data, stride = ctypes.c_void_p(), ctypes.c_uint32()
    if not libobs.gs_stagesurface_map(surface, ctypes.byref(data), ctypes.byref(stride)) or not data.value:
        return None
    try:
        if stride.value == width * 4:
            rows = ctypes.string_at(data.value, height * width * 4)
        else:
            lines = (ctypes.string_at(data.value + row * stride.value, width * 4) for row in range(height))
            rows = b"".join(lines)
        return Picture(width, height, rows)
    finally:
        libobs.gs_stagesurface_unmap(surface)
