"""What OBS's UI calls from a portrait's properties. It outlives the script: a dialog that is open may call it.

Made through ctypes: obspython has no script at hand there.
"""

from __future__ import annotations

from typing import Any, Callable

from . import controls, libobs
from .portrait import Portrait
from .session import Session
from .source_type import SOURCE_TYPE

current: list[Session] = []  # the session of the script that is loaded


def modified(call: Callable[[Session, int, int], bool]) -> Any:
    """For call(session, properties, settings), which says whether the dialog is to be drawn anew."""

    @libobs.PropertyModified
    def callback(_private: int, properties: int, _property: int, data: int) -> bool:
        return any(libobs.guarded(call, session, properties, data) for session in current)

    return callback


def modified_in(call: Callable[[Session, Portrait, int, int], bool]) -> Any:
    """The same for call(session, portrait, properties, settings), of a property that has the portrait's helper."""

    @libobs.PropertyModified
    def callback(helper: int, properties: int, _property: int, data: int) -> bool:
        portrait = SOURCE_TYPE.portrait_of(helper)
        if portrait is None:
            return False
        return any(libobs.guarded(call, session, portrait, properties, data) for session in current)

    return callback


def clicked(call: Callable[[Session, Portrait], None]) -> Any:
    """For call(session, portrait), which mustn't wait."""

    @libobs.ButtonClicked
    def callback(_properties: int, _button: int, helper: int) -> bool:
        portrait = SOURCE_TYPE.portrait_of(helper)
        if portrait is not None:
            for session in current:
                libobs.guarded(call, session, portrait)
        return False

    return callback


def add_button(properties: int, name: bytes, portrait: Portrait, on_click: Any, label: str, tip: str) -> None:
    """Add a button to an obs_properties_t. on_click: of `clicked`."""
    button = libobs.obs_properties_add_button2(properties, name, label.encode(), on_click, portrait.helper)
    controls.explain(button, tip)
