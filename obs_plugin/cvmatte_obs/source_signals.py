"""What a portrait hears of OBS: the signals of its source and of its helper, and its hotkeys."""

from __future__ import annotations

import contextlib
from typing import Iterator

from cvmatte_core.localization.texts import Texts

from . import controls, libobs
from .layers import WeakSource
from .signals import Hotkey, Signal

# Hotkeys' keys while the hotkeys are none: in the helper's private settings while the script is reloaded, in the
# source's, which OBS saves with it, while the portrait has an input that they do nothing for.
_BINDINGS = b"cvmatte_hotkeys"
REMATTE, TAKE_STILL, FREEZE = "rematte", "take_still", "freeze"
_OF_INPUT = {
    controls.FROM_FILE: (REMATTE,),
    controls.FROM_SOURCE: (REMATTE, TAKE_STILL),
    **dict.fromkeys(controls.LIVE, (TAKE_STILL, FREEZE)),
}


class SourceSignals:
    """One portrait's. The hotkeys' keys from before the script was reloaded are taken over; see `keep_bindings`."""

    def __init__(self, source: int, helper: int, texts: Texts) -> None:
        self._texts = texts
        self._helper = WeakSource(helper)
        self.updated, self.relinked, self._renamed = Signal(), Signal(), Signal()
        self.updated.connect(libobs.obs_source_get_signal_handler(source), b"update")
        self.relinked.connect(libobs.obs_source_get_signal_handler(helper), b"update")
        self._renamed.connect(libobs.obs_source_get_signal_handler(source), b"rename")
        self._name, self._input = libobs.source_name(source), ""
        # All of them, so that OBS hands over the keys that it has saved: those that don't fit the input end below.
        self._hotkeys = {what: self._hotkey(what, source) for what in (REMATTE, TAKE_STILL, FREEZE)}
        with _kept(helper) as bindings:
            for hotkey in self._hotkeys.values():
                hotkey.load(bindings)
                hotkey.forget(bindings)

    def follow(self, source: int, chosen_input: str) -> None:
        """Have the hotkeys that do something for this input, under the name that the portrait has now."""
        if self._renamed.happened():
            self._name = libobs.source_name(source)
            for what, hotkey in self._hotkeys.items():
                hotkey.describe(self._label(what))
        if chosen_input == self._input:
            return
        is_first, self._input = not self._input, chosen_input
        fitting = _OF_INPUT[chosen_input]
        with _kept(source) as bindings:
            for what in [what for what in self._hotkeys if what not in fitting]:
                hotkey = self._hotkeys.pop(what)
                if not (is_first and hotkey.is_in(bindings)):  # OBS knows nothing of keys that were kept before
                    hotkey.save(bindings)
                hotkey.close()
            for what in fitting:
                if what not in self._hotkeys:
                    self._hotkeys[what] = self._hotkey(what, source)
                self._hotkeys[what].load(bindings)
                self._hotkeys[what].forget(bindings)

    def pressed(self, what: str) -> bool:
        return what in self._hotkeys and self._hotkeys[what].pressed()

    def _hotkey(self, what: str, source: int) -> Hotkey:
        return Hotkey(f"cvmatte.portrait.{what}", self._label(what), source)

    def _label(self, what: str) -> str:
        return self._texts(f"hotkey.{what}", portrait=self._name)

    def keep_bindings(self) -> None:
        """Keep the hotkeys' keys until the script is back: with the helper, so that they end when it does."""
        with self._helper.alive() as helper:
            if helper:
                with _kept(helper) as bindings:
                    for hotkey in self._hotkeys.values():
                        hotkey.save(bindings)

    def close(self, source: int | None) -> None:
        """Let go. source: None where it is gone, and its signals with it."""
        with self._helper.alive() as helper:
            connected = (
                (source, self.updated, b"update"),
                (helper, self.relinked, b"update"),
                (source, self._renamed, b"rename"),
            )
            for alive, event, signal in connected:
                if alive:
                    event.disconnect(libobs.obs_source_get_signal_handler(alive), signal)
        self._helper.close()
        for hotkey in self._hotkeys.values():
            hotkey.close()
        for event in (self.updated, self.relinked, self._renamed):
            event.close()


@contextlib.contextmanager
def _kept(source: int) -> Iterator[int]:
    """The keys that a source's private settings keep, to be changed in the block: an obs_data_t."""
    private = libobs.obs_source_get_private_settings(source)
    bindings = libobs.obs_data_get_obj(private, _BINDINGS) or libobs.obs_data_create()
    try:
        yield bindings
        libobs.obs_data_set_obj(private, _BINDINGS, bindings)
    finally:
        libobs.obs_data_release(bindings)
        libobs.obs_data_release(private)
