"""What a portrait hears of OBS: the signals of its source and of its helper, and its hotkeys."""

from __future__ import annotations

from cvmatte_core.localization.texts import Texts

from . import libobs
from .layers import WeakSource
from .signals import Hotkey, Signal

_BINDINGS = b"cvmatte_hotkeys"  # in the helper's private settings


class SourceSignals:
    """One portrait's. The hotkeys' keys from before the script was reloaded are taken over; see `keep_bindings`."""

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
