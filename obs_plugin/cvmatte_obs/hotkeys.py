"""The script's hotkeys, in OBS's own hotkey settings. OBS keeps their keys with the script's settings."""

from __future__ import annotations

from typing import Any, Callable

import obspython as obs

_REMATTE_ALL = "cvmatte.rematte_all"


class Hotkeys:
    """Make it first thing in script_load: obspython knows the current script only until the GIL is let go."""

    def __init__(self, data: Any, label: str, rematte_all: Callable[[], None]) -> None:
        self._action = rematte_all
        # A plain function: obspython silently ignores bound methods.
        self._rematte_all = obs.obs_hotkey_register_frontend(
            _REMATTE_ALL, label, lambda pressed: self._pressed(pressed)
        )
        saved = obs.obs_data_get_array(data, _REMATTE_ALL)
        obs.obs_hotkey_load(self._rematte_all, saved)
        obs.obs_data_array_release(saved)

    def save(self, data: Any) -> None:
        keys = obs.obs_hotkey_save(self._rematte_all)
        obs.obs_data_set_array(data, _REMATTE_ALL, keys)
        obs.obs_data_array_release(keys)

    def _pressed(self, pressed: bool) -> None:
        if pressed:
            self._action()
