"""Portraits' properties dialogs that stand open, redrawn on OBS's UI thread.

There, no file dialog can be opened between the look for one and the redrawing: see libobs.may_redraw_properties.
"""

from __future__ import annotations

from collections import deque
from typing import ContextManager, Protocol

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
    if in_passing and libobs.is_being_used():
        return
    if not libobs.may_redraw_properties():
        portrait.refresh_wanted = True  # later
        return
    with portrait.source() as source:
        if source:
            libobs.obs_source_update_properties(source)


_TASK = libobs.Task(lambda _: libobs.guarded(_redraw_next))  # OBS may call it as long as it lives, as this module does
