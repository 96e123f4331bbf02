"""A portrait's properties: what is there for which input, what is remembered, and what stands beside what."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demo.throwaway_obs import SCENE, wait_until
from PIL import Image

from cvmatte_core.models.catalogue import entry_of, is_there
from cvmatte_core.settings import CONTROLS

from .conftest import Studio, open_studio, same_layer

INPUTS = ("file", "source", "camera", "video")
# What nobody need scroll far for, in this order, and what one switch brings
EVERYBODY_S = [
    "input", "image", "state", "preset", "background", "crop", "subject", "mirror", "touch_up",
    "erosion", "feather", "outline", "shadow", "id_photo", "show_file", "quality", "model", "more_controls",
]  # fmt: skip
RARE = ["rematte", "group_edge", "group_output", "group_preset", "views"]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some that OBS finds first: one takes the place of a file manager."""
    folder = tmp_path_factory.mktemp("bin")
    asked = folder / "gdbus"
    asked.write_text(f'#!/bin/sh\necho "$*" >> {folder}/asked\n')
    asked.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, programs: Path) -> Iterator[Studio]:
    environment = {"PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin"}
    with open_studio(tmp_path_factory.mktemp("obs"), environment=environment) as studio:
        yield studio


def shown(properties: dict[str, dict[str, Any]]) -> list[str]:
    return [name for name, found in properties.items() if found["visible"]]


def test_what_most_want_comes_first_and_the_rest_is_one_switch_away(studio: Studio, photo: Path) -> None:
    studio.add("portrait", photo)
    studio.wait_for_state("portrait", "Ready")
    properties = studio.properties("portrait")
    assert {control.name for control in CONTROLS} <= set(properties)
    assert not set(RARE) & set(shown(properties))
    of_groups = {"feather_direction", "threshold", "decontaminate", "longest_side", "format", "save_mask"}
    assert [name for name in shown(properties) if name in EVERYBODY_S] == EVERYBODY_S
    assert not {"rate", "limit", "device_size", "take_still", "device", "show_still"} & set(shown(properties))
    switched = studio.choose("portrait", "more_controls", True)
    assert [name for name in shown(switched) if name in RARE] == RARE
    assert of_groups <= set(shown(switched))
    assert list(switched)[-1] == "views"


def test_the_switch_holds_for_all_portraits_and_in_no_scene(studio: Studio) -> None:
    studio.add("another", "")
    assert "group_edge" in shown(studio.properties("another"))
    assert "more_controls" not in studio.requests.get_input_settings("portrait").input_settings
    assert json.loads((studio.data / "dialog.json").read_text()) == {"more_controls": True}
    assert "group_edge" not in shown(studio.choose("another", "more_controls", False))
    assert "group_edge" not in shown(studio.properties("portrait"))
    studio.remove("another")


def test_each_input_shows_its_own_at_once(studio: Studio) -> None:
    own = {
        "file": {"image", "touch_up", "id_photo", "show_file"},
        "source": {"source", "delay", "take_still", "touch_up", "id_photo", "show_file", "show_still"},
        "camera": {"device", "device_size", "take_still", "rate", "limit", "zones_page"},
        "video": {"video", "video_loop", "take_still", "rate", "limit", "zones_page"},
    }
    every = set().union(*own.values())
    studio.add("switched", "")
    for chosen in (*INPUTS, "file"):
        assert every & set(shown(studio.choose("switched", "input", chosen))) == own[chosen]
    # But what a program puts in the place of everything is what it says.
    studio.choose("switched", "input", "video")
    studio.requests.set_input_settings("switched", {"image": ""}, False)
    wait_until(lambda: studio.requests.get_input_settings("switched").input_settings.get("input") == "file")
    studio.remove("switched")


def test_defaults_keeps_the_input(studio: Studio, photo: Path, expected_layer: Any) -> None:
    studio.add("changed", photo, erosion=9, feather=4, zones="painted")
    studio.wait_for_layer("changed", expected_layer(photo, erosion=9, feather=4))
    studio.requests.open_input_properties_dialog("changed")
    dialog = studio.obs.window("Properties for 'changed'")
    studio.obs.place(dialog, 720, 570)
    studio.obs.click(64, 540)
    if studio.obs.version >= 30:  # it asks whether that is meant
        time.sleep(1)
        studio.obs.xdotool("key", "Return")

    def settings() -> dict[str, Any]:
        found: dict[str, Any] = studio.requests.get_input_settings("changed").input_settings
        return found

    wait_until(lambda: settings().get("erosion") == 0)
    assert settings()["input"] == "file" and settings()["image"] == str(photo) and settings()["zones"] == "painted"
    wait_until(lambda: settings().get("settings", {}).get("file") == str(photo))  # OBS's list of missing files
    studio.wait_for_layer("changed", expected_layer(photo))
    studio.obs.dismiss(dialog)
    studio.remove("changed")


def test_a_new_portrait_gives_time_to_get_into_position_and_an_old_one_is_as_it_was(studio: Studio) -> None:
    for name, settings, delay in (("new", {}, 3), ("told", {"delay": 0}, 0), ("of before", {"cvmatte": 1}, None)):
        studio.add(name, "", input="source", **settings)
        studio.wait_for_state(name, "Choose a source")
        assert studio.requests.get_input_settings(name).input_settings.get("delay") == delay
        studio.remove(name)


def test_a_countdown_can_be_read_from_a_chair(studio: Studio, photo: Path, expected_layer: Any) -> None:
    studio.requests.create_input(SCENE, "camera", "image_source", {"file": str(photo)}, True)
    wait_until(lambda: studio.size("camera")[0] == 512)
    studio.add("still", "", input="source", source="camera", delay=5)
    studio.wait_for_state("still", "Choose a source")

    studio.press("still", "take_still")
    seen: list[bytes] = []  # what OBS draws of it meanwhile
    wait_until(lambda: studio.said("still").startswith("Still in"))
    while studio.said("still").startswith("Still in"):
        layer = studio.layer("still")
        if layer is not None and layer.tobytes() not in seen:
            seen.append(layer.tobytes())
    studio.wait_for_state("still", "Ready")
    numbers = [np.frombuffer(picture, np.uint8).reshape(512, 512, 4) for picture in seen]
    assert len(numbers) >= 3
    for picture in numbers[:3]:
        white = (picture == 255).all(2)
        assert np.flatnonzero(white.any(1)).size > 512 / 3 and 0.02 < white.mean() < 0.3
    (still,) = (studio.data / "stills").glob("*.png")
    layer = expected_layer(still, burst=[np.asarray(Image.open(still).convert("RGB"))] * 3)
    studio.wait_for_layer("still", layer)
    # Over the layer, which is back when the still is given up
    studio.press("still", "take_still")
    wait_until(lambda: not shows(studio, "still", layer))
    studio.set("still", source="")
    studio.press("still", "take_still")
    studio.wait_for_state("still", "Choose a source to take the still from.")
    wait_until(lambda: shows(studio, "still", layer))
    studio.remove("still")
    studio.remove("camera")


def shows(studio: Studio, name: str, layer: np.ndarray) -> bool:
    now = studio.layer(name)
    return now is not None and same_layer(now, layer)


def test_the_saved_file_is_shown_where_it_is(studio: Studio, programs: Path) -> None:
    studio.press("portrait", "show_file")
    asked = wait_until(lambda: (programs / "asked").exists() and (programs / "asked").read_text())
    assert "ShowItems" in asked and f"{(studio.data / 'outputs').as_uri()}/astronaut-" in asked
    studio.add("empty", "")
    studio.wait_for_state("empty", "Choose a photo")

    def said() -> str:
        return str(studio.properties("empty").get("files_said", {}).get("description", ""))

    studio.press("empty", "show_file")
    wait_until(lambda: "There is no file yet" in said())
    studio.remove("empty")


def test_what_is_wrong_with_the_background_stands_beside_it(studio: Studio) -> None:
    properties = studio.choose("portrait", "background", "image")
    assert properties["background_said"]["visible"]
    order = list(properties)
    assert order.index("background_said") == order.index("background_image") + 1

    def said() -> str:
        description: str = studio.properties("portrait")["background_said"]["description"]
        return description

    wait_until(lambda: "Choose a background image." in said())
    studio.set("portrait", background_image="/nowhere/beach.png")
    wait_until(lambda: "beach.png can't be found" in said())
    studio.set("portrait", background="transparent")
    wait_until(lambda: not studio.properties("portrait")["background_said"]["visible"])


@pytest.mark.skipif(is_there(entry_of("modnet")), reason="MODNet is installed")
def test_a_model_that_is_not_there_is_installed_from_the_list(studio: Studio) -> None:
    properties = studio.properties("portrait")
    assert "Robust Video Matting" in properties["model"]["items"]
    assert {"MODNet (not installed)", "CV-UNet (ModelScope) (not installed)"} <= set(properties["model"]["items"])
    assert not properties["model_install"]["visible"] and not properties["model_said"]["visible"]
    missing = studio.choose("portrait", "model", "modnet")
    assert missing["model_install"]["visible"] and "MB to download" in missing["model_said"]["description"]
    state = studio.wait_for_state("portrait", "isn't installed")
    assert "install" in state and "python" not in state and "models.py" not in state
    by_hand = studio.choose("portrait", "model", "cv-unet")
    assert not by_hand["model_install"]["visible"]
    assert "Tools → Scripts" in by_hand["model_said"]["description"]
    assert not studio.choose("portrait", "model", "auto")["model_said"]["visible"]


def test_no_slider_is_without_the_mark_of_its_tip(studio: Studio) -> None:
    properties = studio.properties("portrait")
    assert all(properties[name]["suffix"].endswith("(?)") for name in ("feather", "shadow", "limit", "crop_margin"))
    assert properties["feather"]["suffix"] == " px (?)" and properties["threshold"]["suffix"] == " (?)"
