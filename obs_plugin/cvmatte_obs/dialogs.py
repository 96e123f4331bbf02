"""Portraits' properties dialogs that stand open, redrawn on OBS's UI thread.

There, no file dialog can be opened between the look for one and the redrawing: see may_redraw_properties.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections import deque
from ctypes import POINTER, c_char_p, c_int, c_void_p
from typing import Any, ContextManager, Protocol

from . import libobs


class _Portrait(Protocol):
    refresh_wanted: bool

    def source(self) -> ContextManager[int | None]: ...


_to_redraw: deque[tuple[_Portrait, bool]] = deque()


def redraw(portrait: _Portrait, in_passing: bool = False) -> None:
    """Have its dialog redrawn, where one is open, as soon as the UI thread gets to it. in_passing: or not at all,
    where somebody types or holds the mouse just then.
    """
    _to_redraw.append((portrait, in_passing))
    libobs.obs_queue_task(libobs.OBS_TASK_UI, _TASK, None, False)


def _redraw_next() -> None:
    portrait, in_passing = _to_redraw.popleft()
    if in_passing and is_being_used():
        return
    if not may_redraw_properties():
        portrait.refresh_wanted = True  # later
        return
    with portrait.source() as source:
        if source:
            libobs.obs_source_update_properties(source)


_TASK = libobs.Task(lambda _: libobs.guarded(_redraw_next))  # OBS may call it as long as it lives, as this module does


def _of_qt(module: str, name: str, windows_name: str, result: Any, *arguments: Any) -> Any:
    """A function out of the Qt libraries that OBS runs on; None where it isn't found."""
    windows = sys.platform == "win32"
    for library in (f"Qt6{module}", f"Qt5{module}") if windows else (None,):
        with contextlib.suppress(OSError, AttributeError):
            return libobs.function(windows_name if windows else name, result, *arguments, library=ctypes.CDLL(library))
    return None


def _of_application(name: str) -> Any:
    """A function of QApplication's that gives a widget."""
    windows_name = f"?{name}@QApplication@@SAPEAVQWidget@@XZ"
    return _of_qt("Widgets", f"_ZN12QApplication{len(name)}{name}Ev", windows_name, c_void_p)


_active_modal_widget = _of_application("activeModalWidget")
_active_popup_widget, _focus_widget = _of_application("activePopupWidget"), _of_application("focusWidget")
_mouse_buttons = _of_qt(
    "Gui",
    "_ZN15QGuiApplication12mouseButtonsEv",
    "?mouseButtons@QGuiApplication@@SA?AV?$QFlags@W4MouseButton@Qt@@@@XZ",
    c_void_p if sys.platform == "win32" else c_int,
    *([POINTER(c_int)] if sys.platform == "win32" else []),  # there what it gives is written where this says
)
_MetaCast = ctypes.PYFUNCTYPE(c_void_p, c_void_p, c_char_p)
_TYPED_INTO = (b"QLineEdit", b"QAbstractSpinBox", b"QTextEdit", b"QPlainTextEdit")


def may_redraw_properties() -> bool:
    """Whether a properties dialog may be redrawn now.

    OBS crashes when that happens under a file dialog that was opened from it: the field that the chosen path is to go
    into has been deleted. Where it can't be told, never. Only on OBS's UI thread is it certain to hold still.
    """
    return _active_modal_widget is not None and not _active_modal_widget()


def is_being_used() -> bool:
    """Whether somebody holds the mouse, has a list open, or may be typing. Only on OBS's UI thread."""
    if None in (_active_popup_widget, _focus_widget, _mouse_buttons):
        return True  # it can't be told
    focused = _focus_widget()
    typed_into = focused and any(_is_a(focused, kind) for kind in _TYPED_INTO)
    return bool(_active_popup_widget() or _are_buttons_pressed() or typed_into)


def _is_a(widget: int, kind: bytes) -> bool:
    """Whether a widget is of a class of Qt's, which its second virtual function tells: QObject's qt_metacast."""
    functions = c_void_p.from_address(widget).value or 0
    meta_cast = _MetaCast(c_void_p.from_address(functions + ctypes.sizeof(c_void_p)).value or 0)
    return bool(meta_cast(widget, kind))


def _are_buttons_pressed() -> bool:
    if sys.platform != "win32":
        return bool(_mouse_buttons())
    pressed = c_int()
    _mouse_buttons(ctypes.byref(pressed))
    return bool(pressed.value)
