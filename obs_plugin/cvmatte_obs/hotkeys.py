"""The script's own hotkeys: OBS lists them in Settings → Hotkeys, and keeps their keys with the script's settings."""

from __future__ import annotations

from typing import Any, Callable, Mapping

import obspython as obs


class Hotkeys:
    """Make it first thing in script_load: obspython knows the current script only until the GIL is let go.

    actions: what each does, by (name, label). obspython calls them on a thread of its own.
    """

    def __init__(self, data: Any, actions: Mapping[tuple[str, str], Callable[[], None]]) -> None:
        self._numbers = {}
        for (name, label), act in actions.items():
            # A plain function: obspython silently ignores bound methods.
            number = obs.obs_hotkey_register_frontend(name, label, lambda pressed, act=act: act() if pressed else None)
            saved = obs.obs_data_get_array(data, name)
            obs.obs_hotkey_load(number, saved)
            obs.obs_data_array_release(saved)
            self._numbers[name] = number

    def save(self, data: Any) -> None:
        for name, number in self._numbers.items():
            keys = obs.obs_hotkey_save(number)
            obs.obs_data_set_array(data, name, keys)
            obs.obs_data_array_release(keys)
