"""Signals and hotkeys of OBS, received without any Python on OBS's threads.

Who emits a signal or handles a key may hold locks of libobs; a Python callback would wait there for the GIL. So what
OBS calls is libobs's own os_event_signal, and the session's thread looks at the event.
"""

from __future__ import annotations

import ctypes
import time

from cvmatte_core.localization.texts import Texts

from . import libobs
from .layers import WeakSource

_SIGNAL = libobs.address("os_event_signal")
_KEY_RELEASE_SECONDS = 2.0
_BINDINGS = b"cvmatte_hotkeys"  # in the helper's private settings


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
        wanted = (self._name, label.encode(), _SIGNAL, self._event.address)
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


class SourceSignals:
    """A portrait's, and its hotkeys. Those keys from before the script was reloaded are taken over: `keep_bindings`."""

    def __init__(self, source: int, helper: int, texts: Texts) -> None:
        self._helper = WeakSource(helper)
        self.updated, self.relinked = Signal(), Signal()
        self.updated.connect(libobs.obs_source_get_signal_handler(source), b"update")
        self.relinked.connect(libobs.obs_source_get_signal_handler(helper), b"update")
        names = ("rematte", "take_still", "freeze")
        self._hotkeys = [Hotkey(f"cvmatte.portrait.{name}", texts(f"hotkey.{name}"), source) for name in names]
        self.rematte, self.take_still, self.freeze = self._hotkeys
        kept = libobs.obs_source_get_private_settings(helper)
        bindings = libobs.obs_data_get_obj(kept, _BINDINGS)
        if bindings:
            for hotkey in self._hotkeys:
                hotkey.load(bindings)
            libobs.obs_data_release(bindings)
            libobs.obs_data_erase(kept, _BINDINGS)
        libobs.obs_data_release(kept)

    def keep_bindings(self) -> None:
        """Keep the hotkeys' keys until the script is back: with the helper, so that they end when it does."""
        with self._helper.alive() as helper:
            if not helper:
                return
            bindings = libobs.obs_data_create()
            for hotkey in self._hotkeys:
                hotkey.save(bindings)
            kept = libobs.obs_source_get_private_settings(helper)
            libobs.obs_data_set_obj(kept, _BINDINGS, bindings)
            for data in (kept, bindings):
                libobs.obs_data_release(data)

    def close(self, source: int | None) -> None:
        """Let go. source: None where it is gone, and its signals with it."""
        with self._helper.alive() as helper:
            for alive, event in ((source, self.updated), (helper, self.relinked)):
                if alive:
                    event.disconnect(libobs.obs_source_get_signal_handler(alive), b"update")
        self._helper.close()
        for hotkey in self._hotkeys:
            hotkey.close()
        self.updated.close()
        self.relinked.close()
