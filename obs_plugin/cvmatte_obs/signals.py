"""Signals and hotkeys of OBS, received without any Python on OBS's threads.

Who emits a signal or handles a key may hold locks of libobs; a Python callback would wait there for the GIL. So what
OBS calls is libobs's own os_event_signal, and the session's thread looks at the event.
"""

from __future__ import annotations

import ctypes
import time

from . import libobs

_SIGNAL = libobs.address("os_event_signal")
_KEY_RELEASE_SECONDS = 2.0


class Signal:
    """Something that C signals and Python looks at."""

    def __init__(self) -> None:
        address = ctypes.c_void_p()
        libobs.os_event_init(ctypes.byref(address), libobs.OS_EVENT_TYPE_AUTO)
        self.address = address.value

    def happened(self) -> bool:
        """Whether it was signalled since the last look."""
        return libobs.os_event_try(self.address) == 0

    def connect(self, handler: int, signal: bytes) -> None:
        libobs.signal_handler_connect(handler, signal, _SIGNAL, self.address)

    def disconnect(self, handler: int, signal: bytes) -> None:
        libobs.signal_handler_disconnect(handler, signal, _SIGNAL, self.address)

    def close(self) -> None:
        """Free it; nothing may be connected to it any more, or emit."""
        libobs.os_event_destroy(self.address)


class Hotkey:
    """A hotkey in OBS's settings: of one source, listed and saved with it, or of the script, where there is none."""

    def __init__(self, name: str, label: str, source: int | None = None) -> None:
        self._name = name.encode()
        self._event = Signal()
        self._acted_at = float("-inf")
        wanted = (self._name, libobs.utf8(label), _SIGNAL, self._event.address)
        if source:
            self._id = libobs.obs_hotkey_register_source(source, *wanted)
        else:
            self._id = libobs.obs_hotkey_register_frontend(*wanted)

    def load(self, data: int) -> None:
        """Take over the keys that `save` put into an obs_data_t."""
        keys = libobs.obs_data_get_array(data, self._name)
        if keys:
            libobs.obs_hotkey_load(self._id, keys)
        libobs.obs_data_array_release(keys)

    def save(self, data: int) -> None:
        keys = libobs.obs_hotkey_save(self._id)
        libobs.obs_data_set_array(data, self._name, keys)
        libobs.obs_data_array_release(keys)

    def is_in(self, data: int) -> bool:
        """Whether `save` has put its keys into an obs_data_t."""
        return bool(libobs.obs_data_has_user_value(data, self._name))

    def forget(self, data: int) -> None:
        """Take out of an obs_data_t what `save` put there."""
        libobs.obs_data_erase(data, self._name)

    def describe(self, label: str) -> None:
        libobs.obs_hotkey_set_description(self._id, libobs.utf8(label))

    def pressed(self) -> bool:
        """Whether the key went down since the last look.

        The event is signalled when the key goes down and when it comes up, and doesn't tell which. So the first
        signal after one that was acted on counts as the key coming up, unless it comes much later.
        """
        if not self._event.happened():
            return False
        now = time.monotonic()
        if now - self._acted_at < _KEY_RELEASE_SECONDS:
            self._acted_at = float("-inf")
            return False
        self._acted_at = now
        return True

    def close(self) -> None:
        libobs.obs_hotkey_unregister(self._id)  # before the event goes: a source on its way out still has its keys
        self._event.close()
