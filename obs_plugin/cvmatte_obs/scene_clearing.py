"""OBS clears its scenes: as it ends, and before it loads another scene collection.

Nothing of ours takes or holds a source of OBS's then, from before it begins. But for the scenes: OBS 32 removes each as
it walks over them. One that nothing else holds is freed by another thread while the walk still stands on it: those that
come after it are never removed, and OBS ends with leaks, "Not all sources were cleared", "Double destroy", or a crash,
also without any script, in one of four of its ends on a busy machine. So they are held until the walk is over.
"""

from __future__ import annotations

import ctypes
from typing import Callable

import obspython

from . import libobs
from .shutdown_gate import GATE

_PATIENCE_SECONDS = 2.0  # that OBS waits at most for threads of ours that just have a source


class Clearing:
    """Hears of it for one session. Called on OBS's UI thread."""

    def __init__(self, let_go: Callable[[], None]) -> None:
        """let_go: have the session hold no source, and OBS send none."""
        self._let_go = let_go
        self._held: list[int] = []
        _current[:] = [self]
        _call("obs_frontend_add_event_callback")

    def close(self) -> None:
        """The session has ended."""
        _call("obs_frontend_remove_event_callback")
        _current.clear()
        self._release()
        GATE.open()

    def hear(self, event: int) -> None:
        if event in (
            obspython.OBS_FRONTEND_EVENT_SCRIPTING_SHUTDOWN,
            obspython.OBS_FRONTEND_EVENT_SCENE_COLLECTION_CHANGING,
        ):
            self._release()
            if GATE.shut(_PATIENCE_SECONDS):
                self._let_go()
            else:
                libobs.log(libobs.LOG_WARNING, "a source is still in use while OBS clears its scenes")
            self._held = [int(scene) for scene in obspython.obs_frontend_get_scenes() or ()]
        elif event == obspython.OBS_FRONTEND_EVENT_SCENE_COLLECTION_CLEANUP:
            self._release()
        elif event == obspython.OBS_FRONTEND_EVENT_PROFILE_CHANGING:
            # While anything is sent OBS changes no video settings; see mixes.py.
            if GATE.shut(_PATIENCE_SECONDS):
                self._let_go()
        elif event == obspython.OBS_FRONTEND_EVENT_PROFILE_CHANGED:
            GATE.open()
        elif event == obspython.OBS_FRONTEND_EVENT_SCENE_COLLECTION_CHANGED:  # without a cleanup, which unloads us
            self._release()
            GATE.open()

    def _release(self) -> None:
        held, self._held = self._held, []
        for scene in held:
            libobs.obs_source_release(scene)


_current: list[Clearing] = []


def _hear(event: int, _data: int) -> None:
    for clearing in _current:
        libobs.guarded(clearing.hear, event)


_ON_EVENT = libobs.FrontendEvent(_hear)  # OBS may call it as long as it lives, as this module does


def _call(name: str) -> None:
    """Not by way of obspython: that takes the script from a global variable, which another script's tick changes."""
    libobs.function(name, None, libobs.FrontendEvent, ctypes.c_void_p, library=libobs.FRONTEND)(_ON_EVENT, None)
