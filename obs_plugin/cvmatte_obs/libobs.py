"""libobs through ctypes: the structures and functions that obspython lacks, or that must not hold the GIL.

What may wait for a lock of libobs lets go of the GIL while it runs, so that it can't deadlock with a thread of OBS that
holds the lock and waits for Python. What takes no lock keeps the GIL: to get it back costs milliseconds where other
scripts are busy. Names, order and types are those of libobs's own headers.
"""

from __future__ import annotations

import ctypes
import functools
import logging
import sys
import traceback
from ctypes import c_bool, c_char_p, c_float, c_int, c_longlong, c_size_t, c_uint8, c_uint32, c_uint64, c_void_p
from typing import TYPE_CHECKING, Any, Callable, TypeVar, cast

_NAME = "obs" if sys.platform == "win32" else None  # there OBS's own process has it loaded under its name
_T = TypeVar("_T")
_library, _library_with_gil = ctypes.CDLL(_NAME), ctypes.PyDLL(_NAME)
FRONTEND = ctypes.CDLL("obs-frontend-api") if _NAME else _library  # which isn't libobs

OBS_SOURCE_TYPE_INPUT = 0
OBS_SOURCE_VIDEO, OBS_SOURCE_AUDIO, OBS_SOURCE_ASYNC = 1 << 0, 1 << 1, 1 << 2
OBS_ICON_TYPE_IMAGE = 1
VIDEO_FORMAT_RGBA = 6

OBS_TEXT_DEFAULT, OBS_TEXT_MULTILINE, OBS_TEXT_INFO = 0, 2, 3
OBS_TEXT_INFO_WARNING = 1
OBS_PATH_FILE, OBS_PATH_DIRECTORY = 0, 2
OBS_COMBO_TYPE_EDITABLE, OBS_COMBO_TYPE_LIST = 1, 2
OBS_COMBO_FORMAT_INT, OBS_COMBO_FORMAT_STRING = 1, 3
OBS_EDITABLE_LIST_TYPE_FILES = 1
OBS_GROUP_NORMAL = 1

OBS_ALIGN_LEFT, OBS_ALIGN_TOP, OBS_ALIGN_BOTTOM = 1 << 0, 1 << 2, 1 << 3
OBS_BOUNDS_SCALE_INNER, OBS_BOUNDS_SCALE_OUTER = 2, 3
OBS_ALIGN_CENTER = 0
OS_EVENT_TYPE_AUTO = 0
OBS_TASK_UI = 0

LOG_ERROR, LOG_WARNING, LOG_INFO = 100, 200, 300

GetName = ctypes.CFUNCTYPE(c_void_p, c_void_p)
GetProperties = ctypes.CFUNCTYPE(c_void_p, c_void_p)
VendorRequest = ctypes.CFUNCTYPE(None, c_void_p, c_void_p, c_void_p)
ButtonClicked = ctypes.CFUNCTYPE(c_bool, c_void_p, c_void_p, c_void_p)
Task = ctypes.CFUNCTYPE(None, c_void_p)
FrontendEvent = ctypes.CFUNCTYPE(None, c_int, c_void_p)
PropertyModified = ctypes.CFUNCTYPE(c_bool, c_void_p, c_void_p, c_void_p, c_void_p)


def _pointers(names: str) -> list[tuple[str, Any]]:
    return [(name, c_void_p) for name in names.split()]


class SourceInfo(ctypes.Structure):
    """The leading fields of struct obs_source_info; libobs takes a shorter structure with its size.

    create, destroy, update and missing_files are addresses of libobs's own functions: OBS calls them with its sources
    lock held, and Python there would wait for the GIL while another script, holding that, waits for the lock.
    """

    _fields_ = [
        ("id", c_char_p),
        ("type", c_int),
        ("output_flags", c_uint32),
        ("get_name", GetName),
        *_pointers("create destroy get_width get_height get_defaults"),
        ("get_properties", GetProperties),
        *_pointers("update activate deactivate show hide video_tick video_render filter_video filter_audio"),
        *_pointers("enum_active_sources save load mouse_click mouse_move mouse_wheel focus key_click filter_remove"),
        *_pointers("type_data free_type_data audio_render enum_all_sources transition_start transition_stop"),
        *_pointers("get_defaults2 get_properties2 audio_mix"),
        ("icon_type", c_int),
        *_pointers("media_play_pause media_restart media_stop media_next media_previous media_get_duration"),
        *_pointers("media_get_time media_set_time media_get_state"),
        ("version", c_uint32),
        ("unversioned_id", c_char_p),
        ("missing_files", c_void_p),
    ]


class SourceFrame(ctypes.Structure):
    """struct obs_source_frame up to the range, with room for the rest; the same in OBS 29 to 32."""

    _fields_ = [
        ("data", c_void_p * 8),
        ("linesize", c_uint32 * 8),
        ("width", c_uint32),
        ("height", c_uint32),
        ("timestamp", c_uint64),
        ("format", c_int),
        ("color_matrix", c_float * 16),
        ("full_range", c_bool),
        ("_rest", c_uint8 * 256),
    ]


class Vec2(ctypes.Structure):
    _fields_ = [("x", c_float), ("y", c_float)]


class Crop(ctypes.Structure):
    """struct obs_sceneitem_crop: pixels of the source."""

    _fields_ = [("left", c_int), ("top", c_int), ("right", c_int), ("bottom", c_int)]


class VideoInfo(ctypes.Structure):
    """struct obs_video_info, the same in OBS 29 to 32, with room for more."""

    _fields_ = [
        ("graphics_module", c_char_p),
        ("fps_num", c_uint32),
        ("fps_den", c_uint32),
        ("base_width", c_uint32),
        ("base_height", c_uint32),
        ("output_width", c_uint32),
        ("output_height", c_uint32),
        ("output_format", c_int),
        ("adapter", c_uint32),
        ("gpu_conversion", c_bool),
        ("colorspace", c_int),
        ("range", c_int),
        ("scale_type", c_int),
        ("_rest", c_uint8 * 256),
    ]


def function(name: str, result: Any, *arguments: Any, library: ctypes.CDLL = _library) -> Any:
    """A function of libobs, or of another library. Raises AttributeError where it has none of that name."""
    found = getattr(library, name)
    found.restype, found.argtypes = result, list(arguments)
    return found


def address(name: str) -> int:
    """Where a function of libobs is, to be called by libobs itself: C alone, without waiting for Python."""
    return ctypes.cast(getattr(_library, name), c_void_p).value or 0


def has(name: str) -> bool:
    return hasattr(_library, name)


# The functions of libobs by what they give and take: p a pointer, s a text, b a bool, i an int, u a uint32_t,
# f a float, q a long long, z a size_t, v nothing.
_TYPES = dict(zip("psbiufqzv", (c_void_p, c_char_p, c_bool, c_int, c_uint32, c_float, c_longlong, c_size_t, None)))
_WAITING = """
p() obs_view_create
p(p) obs_scene_from_source
p(z) obs_hotkey_save
v(p) obs_source_release obs_weak_source_release obs_source_show_preloaded_video obs_source_update_properties
v(p) obs_source_inc_showing obs_source_dec_showing os_event_destroy obs_sceneitem_release obs_sceneitem_remove
v(p) obs_source_inc_active obs_source_dec_active
v(p) obs_view_remove obs_view_destroy obs_output_stop obs_output_release
v(z) obs_hotkey_unregister
b(p) obs_get_video_info obs_output_start
u(p) obs_source_get_width obs_source_get_height obs_source_get_base_width obs_source_get_base_height
p(pp) obs_scene_add obs_view_add2
p(pu) obs_view_get_source
v(pup) obs_view_set_source
v(ppp) obs_output_set_media
p(ps) obs_scene_find_source_recursive
p(pq) obs_scene_find_sceneitem_by_id
v(zs) obs_hotkey_set_description
v(pp) obs_source_update obs_source_output_video obs_source_preload_video obs_sceneitem_set_bounds
v(pp) obs_sceneitem_set_pos
v(pb) obs_source_set_async_unbuffered
v(pq) obs_source_set_sync_offset
v(pz) obs_register_source_s
v(pu) obs_sceneitem_set_bounds_type obs_sceneitem_set_bounds_alignment obs_sceneitem_set_alignment
v(pp) obs_sceneitem_set_scale obs_sceneitem_set_crop
v(pi) obs_sceneitem_set_scale_filter obs_sceneitem_set_blending_mode obs_sceneitem_set_blending_method
v(pi) obs_sceneitem_set_order_position
i(p) obs_sceneitem_get_order_position
v(pf) obs_sceneitem_set_rot
b(pb) obs_sceneitem_set_visible obs_sceneitem_set_locked
v(pbp) obs_sceneitem_set_transition
v(pbu) obs_sceneitem_set_transition_duration
p(psb) obs_source_duplicate
v(zp) obs_hotkey_load
i(pi) os_event_init
b(psp) proc_handler_call
p(sspp) obs_source_create obs_output_create
v(pspp) signal_handler_connect signal_handler_disconnect
v(ippb) obs_queue_task
z(sspp) obs_hotkey_register_frontend
z(psspp) obs_hotkey_register_source
"""
_LOCKLESS = """
p() obs_get_signal_handler obs_get_proc_handler obs_data_create obs_properties_create obs_get_audio
s() obs_get_version_string
p(p) obs_source_get_weak_source obs_weak_source_get_source obs_source_get_settings obs_obj_get_data
p(p) obs_source_get_signal_handler obs_source_get_private_settings obs_output_get_signal_handler
v(p) obs_sceneitem_addref
v(pp) obs_sceneitem_get_pos obs_sceneitem_get_scale obs_sceneitem_get_bounds
v(pp) obs_sceneitem_get_crop
p(p) obs_sceneitem_get_source obs_group_from_source
i(p) obs_sceneitem_get_scale_filter obs_sceneitem_get_blending_mode obs_sceneitem_get_blending_method
u(p) obs_sceneitem_get_alignment obs_sceneitem_get_bounds_alignment
b(p) obs_sceneitem_visible obs_sceneitem_locked
p(pb) obs_sceneitem_get_transition
u(pb) obs_sceneitem_get_transition_duration
q(p) obs_sceneitem_get_id obs_source_get_sync_offset
f(p) obs_sceneitem_get_rot
v(pp) obs_data_apply
v(p) bfree obs_data_addref obs_data_release obs_data_array_release obs_property_list_clear
b(p) obs_source_audio_active obs_source_muted obs_source_showing obs_source_active obs_source_removed obs_output_active
s(p) obs_property_name
i(p) os_event_try obs_sceneitem_get_bounds_type obs_output_get_total_frames
q(p) obs_output_get_total_bytes
v(pz) obs_output_set_mixers
v(pii) obs_output_set_reconnect_settings
z(p) obs_data_array_count
p(ps) obs_data_get_array obs_data_get_obj obs_properties_get
p(pz) obs_data_array_item
v(pb) obs_property_set_visible obs_property_text_set_info_word_wrap
v(ps) obs_data_erase obs_data_unset_user_value obs_property_int_set_suffix obs_property_set_long_description
v(ps) obs_property_set_description
v(pi) obs_property_text_set_info_type
b(ps) obs_data_get_bool obs_data_has_user_value
s(ps) obs_data_get_string
s(p) obs_data_get_json
p(s) obs_data_create_from_json
q(ps) obs_data_get_int
p(pss) obs_properties_add_bool obs_properties_add_color
v(ppp) obs_property_set_modified_callback2
v(psp) obs_data_set_array obs_data_set_obj
v(psb) obs_data_set_bool obs_data_set_default_bool
v(pss) obs_data_set_string obs_data_set_default_string
v(psq) obs_data_set_int obs_data_set_default_int
z(pss) obs_property_list_add_string
z(psq) obs_property_list_add_int
p(pssi) obs_properties_add_text
v(pssz) calldata_set_data
b(pspz) calldata_get_data
p(psspp) obs_properties_add_button2
p(pssip) obs_properties_add_group
p(pssii) obs_properties_add_list
p(pssiss) obs_properties_add_path obs_properties_add_editable_list
p(pssiii) obs_properties_add_int obs_properties_add_int_slider
"""
for _table, _of in ((_WAITING, _library), (_LOCKLESS, _library_with_gil)):
    for _row in _table.split("\n")[1:-1]:
        _signature, *_names = _row.split(" ")
        for _name in _names:
            _arguments = map(_TYPES.get, _signature[2:-1])
            globals()[_name] = function(_name, _TYPES[_signature[0]], *_arguments, library=_of)
if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...


# Of a function with variable arguments only the fixed ones: the others go elsewhere on Apple silicon.
_blog = function("blog", None, c_int, c_char_p)
obs_source_get_name = function("obs_source_get_name", c_char_p, c_void_p, library=_library_with_gil)
obs_source_get_id = function("obs_source_get_id", c_char_p, c_void_p, library=_library_with_gil)
obs_get_source_output_flags = function("obs_get_source_output_flags", c_uint32, c_char_p)
obs_get_source_by_name = function("obs_get_source_by_name", c_void_p, c_char_p)


def utf8(text: str) -> bytes:
    """Any text as libobs takes it. What a file's name may hold that is no text becomes question marks."""
    return text.encode("utf-8", "replace")


def source_name(source: int) -> str:
    return (obs_source_get_name(source) or b"").decode("utf-8", "replace")


def source_kind(source: int) -> str:
    return (obs_source_get_id(source) or b"").decode("utf-8", "replace")


def kind_shows(kind: str) -> bool:
    """Whether sources of a kind have a picture."""
    return bool(obs_get_source_output_flags(utf8(kind)) & OBS_SOURCE_VIDEO)


def kind_sounds(kind: str) -> bool:
    """Whether they may have sound."""
    return bool(obs_get_source_output_flags(utf8(kind)) & OBS_SOURCE_AUDIO)


def source_named(name: str) -> int | None:
    """The source of that name, with a reference to be released; None where there is none."""
    return obs_get_source_by_name(utf8(name))


def guarded(call: Callable[..., Any], *arguments: Any) -> Any:
    """The call's result; where it raises, the error goes to OBS's log instead of into C, and the result is None."""
    try:
        return call(*arguments)
    except Exception:
        log(LOG_ERROR, traceback.format_exc())
        return None


class _Guarding:
    def __init__(self, of: Any) -> None:
        self._of = of

    def __getattr__(self, name: str) -> Any:
        return functools.partial(guarded, getattr(self._of, name))


def guarding(of: _T) -> _T:
    """The same object, but for its methods: each call of one is `guarded`."""
    return cast(_T, _Guarding(of))


def log(level: int, message: str) -> None:
    """A line in OBS's log."""
    _blog(level, b"%s", c_char_p(utf8(f"[CVMatte] {message}")))


class _ToObs(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        levels = {logging.INFO: LOG_INFO, logging.WARNING: LOG_WARNING}
        log(levels.get(record.levelno, LOG_ERROR), self.format(record))


def take_logs() -> None:
    """Have what the library logs in OBS's own process go into OBS's log.

    Else Python prints it on what it takes for the console, which is OBS's Script Log: that pops up over everything.
    """
    logger = logging.getLogger("cvmatte_core")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(_ToObs())
