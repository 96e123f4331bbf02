"""A scene collection of the version before, in a real OBS: everything in it is found again, and nothing made anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from demo.throwaway_obs import wait_until

from tests import version_before
from tests.version_before import OF_PRESET, PORTRAITS, SETTINGS_IN_PANEL

from .conftest import Studio


def sources(collection: Path) -> dict[str, dict[str, Any]]:
    """The portraits of a scene collection as OBS saves them, by their names."""
    saved = json.loads(collection.read_text(encoding="utf-8"))["sources"]
    return {source["name"]: source for source in saved if source["id"] == "cvmatte_portrait"}


def test_every_portrait_shows_its_layer_at_once_and_keeps_its_settings(tmp_path: Path) -> None:
    layers = version_before.put(tmp_path)
    studio = Studio(tmp_path)
    collection = studio.obs.config / "basic" / "scenes" / "Untitled.json"
    (tmp_path / "scenes.json").replace(collection)
    before = sources(collection)
    assert set(before) == {portrait.name for portrait in PORTRAITS}
    try:
        studio.start()
        for name, layer in layers.items():
            studio.wait_for_layer(name, layer)
        assert studio.worker_ids() == []  # until properties are looked at, which ask it for the cameras
        for portrait in PORTRAITS:
            later = "The last good layer stays." if portrait.name == "of a later version" else portrait.says
            studio.wait_for_state(portrait.name, later)
        wait_until(lambda: studio.size("video")[0] > 0)
        assert "INFO job " not in (studio.data / "logs" / "worker.log").read_text(encoding="utf-8")
        studio.add("new", "")  # by the preset that is chosen in the panel
        wait_until(lambda: "cvmatte" in studio.requests.get_input_settings("new").input_settings)
        new = studio.requests.get_input_settings("new").input_settings
        assert (new["background"], new["feather"]) == (OF_PRESET["background"], OF_PRESET["feather"])
        studio.quit()
    finally:
        studio.obs.close()
    after = sources(collection)
    for name, source in before.items():
        assert after[name]["settings"] == source["settings"], name
        bound = {hotkey: keys for hotkey, keys in source["hotkeys"].items() if keys}
        assert bound == {hotkey: keys for hotkey, keys in after[name]["hotkeys"].items() if keys}, name
    for portrait in PORTRAITS:
        assert portrait.hotkeys.items() <= after[portrait.name]["hotkeys"].items()
    panel = json.loads(collection.read_text(encoding="utf-8"))["modules"]["scripts-tool"][0]["settings"]
    assert SETTINGS_IN_PANEL.items() <= panel.items()
