"""A source that is cut out live in its place: a portrait stands where it stood, and it is back as it was."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from demo.throwaway_obs import SCENE, wait_until
from obsws_python.error import OBSSDKRequestError

from .conftest import BACKGROUND, Studio, open_studio

CAM, CUT_OUT = "cam", "cam, cut out"
CROPPED = {"cropLeft": 60, "cropTop": 20, "cropRight": 30, "cropBottom": 10}
ROTATED = {"positionX": 560.0, "positionY": 150.0, "scaleX": -0.9, "scaleY": 0.8, "rotation": 15.0, **CROPPED}
BOXED = {
    "positionX": 950.0,
    "positionY": 360.0,
    "alignment": 0,
    "rotation": 10.0,
    "boundsType": "OBS_BOUNDS_SCALE_INNER",
    "boundsAlignment": 8,
    "boundsWidth": 500.0,
    "boundsHeight": 400.0,
    **CROPPED,
}


@pytest.fixture(scope="module")
def studio(photo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """With a picture in the place of a webcam, between two others, and a filter that crops it to an odd size."""
    with open_studio(tmp_path_factory.mktemp("obs"), frames_per_second=10) as studio:
        requests = studio.requests
        requests.create_input(SCENE, CAM, "image_source", {"file": str(photo)}, True)
        green = {"color": 0xFF00FF00, "width": 100, "height": 80}
        requests.create_input(SCENE, "front", "color_source_v3", green, True)
        requests.create_source_filter(CAM, "cropped", "crop_filter", {"relative": True, "left": 33, "top": 5})
        wait_until(lambda: studio.size(CAM) == (479, 507))
        yield studio


def item(studio: Studio, name: str, scene: str = SCENE) -> int:
    return int(studio.requests.get_scene_item_id(scene, name).scene_item_id)


def is_shown(studio: Studio, name: str, scene: str = SCENE) -> bool:
    shown = studio.requests.get_scene_item_enabled(scene, item(studio, name, scene))
    return bool(shown.scene_item_enabled)


def names(studio: Studio, scene: str = SCENE) -> list[str]:
    """From below to above."""
    return [one["sourceName"] for one in studio.requests.get_scene_item_list(scene).scene_items]


def is_free(studio: Studio, name: str) -> bool:
    """Whether a source may take the name: a removed one has it until the last that uses it lets go."""
    try:
        studio.requests.get_input_settings(name)
    except OBSSDKRequestError:
        return True
    return False


def inputs(studio: Studio) -> list[str]:
    return [one["inputName"] for one in studio.requests.get_input_list().inputs]


def cut_out(studio: Studio, scene: str = SCENE) -> str:
    """Press the button, and wait until the portrait has taken the place; what the panel says then."""
    studio.panel("in_place_start", in_place_source=CAM)
    wait_until(lambda: not is_shown(studio, CAM, scene))
    return str(studio.panel("refresh_in_place")["in_place_state"]["description"])


def undo(studio: Studio) -> str:
    return str(studio.panel("undo_in_place")["in_place_state"]["description"])


def scene_and_alpha(studio: Studio) -> tuple[np.ndarray, np.ndarray]:
    """What the scene shows, and how much of that is the portrait, once the network rests: what it makes of a picture
    that doesn't change gets better at first.
    """
    background = item(studio, "background")

    def is_still(before: np.ndarray | None) -> bool:
        now = studio.layer(CUT_OUT)
        return before is not None and now is not None and np.array_equal(before, now)

    def seen() -> tuple[np.ndarray, np.ndarray] | None:
        before = studio.layer(CUT_OUT)
        time.sleep(0.5)
        if not is_still(before):  # which costs OBS less than its whole scene
            return None
        scene = studio.scene()
        studio.requests.set_scene_item_enabled(SCENE, background, False)
        time.sleep(0.5)
        alpha = studio.pixels(SCENE, 1280, 720)[..., 3]
        studio.requests.set_scene_item_enabled(SCENE, background, True)
        return (scene, alpha) if is_still(before) else None

    found: tuple[np.ndarray, np.ndarray] = wait_until(seen)
    return found


def brightness(picture: np.ndarray) -> np.ndarray:
    return picture.astype(float) @ (0.299, 0.587, 0.114)


def test_the_person_stays_where_it_was_and_only_the_background_goes(studio: Studio) -> None:
    requests = studio.requests
    requests.set_scene_item_transform(SCENE, item(studio, CAM), ROTATED)
    second = requests.create_scene_item(SCENE, CAM, True).scene_item_id
    requests.set_scene_item_transform(SCENE, second, BOXED)
    time.sleep(0.5)
    before = studio.scene()
    assert f"“{CUT_OUT}” has taken the place of “{CAM}” in “{SCENE}”." in cut_out(studio)
    assert names(studio) == ["background", CAM, CUT_OUT, "front", CAM, CUT_OUT]
    after, alpha = scene_and_alpha(studio)
    solid, gone = alpha == 255, alpha == 0
    assert solid.sum() > 80_000 and gone.sum() > 300_000
    assert np.abs(after[gone].astype(int) - BACKGROUND).max() <= 1
    off = {
        (down, right): np.abs(np.roll(brightness(after), (down, right), (0, 1)) - brightness(before))[solid]
        for down in (-1, 0, 1)
        for right in (-1, 0, 1)
    }
    assert min(off, key=lambda one: off[one].mean()) == (0, 0)
    assert off[0, 0].mean() < 1 and np.percentile(off[0, 0], 99) < 3
    assert undo(studio) == f"<span>“{CAM}” is back in its place in “{SCENE}”.</span>"
    assert names(studio) == ["background", CAM, "front", CAM]
    wait_until(lambda: CUT_OUT not in inputs(studio))
    time.sleep(0.3)
    assert np.array_equal(studio.scene(), before)
    requests.remove_scene_item(SCENE, second)


def test_a_second_scene_gets_the_same_portrait_and_undo_goes_back_step_by_step(studio: Studio) -> None:
    requests = studio.requests
    requests.create_scene("second")
    twice = [requests.create_scene_item("second", CAM, True).scene_item_id for _ in range(2)]
    requests.set_scene_item_transform("second", twice[1], {"positionX": 700.0, "scaleX": 0.5, "scaleY": 0.5})
    requests.set_scene_item_blend_mode("second", twice[1], "OBS_BLEND_SCREEN")
    requests.set_scene_item_locked("second", twice[1], True)
    cut_out(studio)
    (portrait,) = [name for name in inputs(studio) if name == CUT_OUT]
    studio.set(portrait, longest_side=240)
    wait_until(lambda: max(studio.size(portrait)) <= 240)
    requests.set_current_program_scene("second")
    assert studio.panel()["in_place_source"]["items"][1:] == [CAM]
    cut_out(studio, "second")
    assert names(studio, "second") == [CAM, CUT_OUT, CAM, CUT_OUT]
    found = requests.get_scene_item_list("second").scene_items
    for source, cut in zip(found[::2], found[1::2], strict=True):
        shapes = source["sceneItemTransform"], cut["sceneItemTransform"]
        for name in ("positionX", "positionY", "width", "height"):
            assert shapes[0][name] == pytest.approx(shapes[1][name], abs=0.01)
        assert not source["sceneItemEnabled"] and cut["sceneItemEnabled"]
        for name in ("sceneItemBlendMode", "sceneItemLocked"):
            assert source[name] == cut[name]
    requests.set_current_program_scene(SCENE)
    undo(studio)
    assert names(studio, "second") == [CAM, CAM] and not is_shown(studio, CAM)
    assert "hidden, not removed" in undo(studio)  # its settings were changed since
    assert is_shown(studio, CAM) and not is_shown(studio, CUT_OUT)
    assert not studio.panel()["undo_in_place"]["visible"]
    studio.remove(CUT_OUT)
    requests.remove_scene("second")


def test_with_an_outline_the_person_stays_where_it_was(studio: Studio) -> None:
    studio.panel(new_preset="sticker_outline")
    before = studio.requests.get_scene_item_transform(SCENE, item(studio, CAM)).scene_item_transform
    cut_out(studio)
    settings = studio.requests.get_input_settings(CUT_OUT).input_settings
    assert (settings["crop"], settings["outline"]) == (False, 12)
    wait_until(lambda: studio.size(CUT_OUT) == tuple(side + 24 for side in studio.size(CAM)))
    after = studio.requests.get_scene_item_transform(SCENE, item(studio, CUT_OUT)).scene_item_transform
    for name in ("positionX", "positionY", "scaleX", "scaleY", "rotation"):
        assert after[name] == pytest.approx(before[name], abs=0.001), name
    for name in ("cropLeft", "cropTop", "cropRight", "cropBottom"):
        assert after[name] == before[name] + 12, name
    undo(studio)
    wait_until(lambda: is_free(studio, CUT_OUT))
    studio.panel(new_preset="")


def test_in_a_group_it_stands_in_the_group(studio: Studio) -> None:
    studio.panel(new_preset="livestream_overlay")
    studio.group(CAM, "us")
    studio.panel("in_place_start", in_place_source=CAM)

    def within() -> list[tuple[str, bool]]:
        found = studio.requests.get_group_scene_item_list("us").scene_items
        return [(one["sourceName"], one["sceneItemEnabled"]) for one in found]

    wait_until(lambda: within() == [(CAM, False), (CUT_OUT, True)])
    settings = studio.requests.get_input_settings(CUT_OUT).input_settings
    assert (settings["crop"], settings["erosion"]) == (False, 1)
    studio.requests.remove_input(CUT_OUT)  # as somebody does who knows no Undo
    wait_until(lambda: within() == [(CAM, False)])
    assert f"Put back “{CAM}” in “{SCENE}”" in undo(studio)
    assert within() == [(CAM, True)]
    studio.panel(new_preset="")


def test_what_can_t_be_cut_out_is_not_offered(studio: Studio) -> None:
    requests = studio.requests
    requests.create_scene("outer")
    requests.create_scene_item("outer", SCENE, True)
    requests.create_input("outer", "words", "text_ft2_source_v2", {"text": "words"}, True)
    requests.create_input(
        "outer", "portrait of it", "cvmatte_portrait", {"input": "source_live", "source": "outer"}, True
    )
    requests.create_input("outer", "a sound", "pulse_output_capture", {}, True)
    requests.set_current_program_scene("outer")
    panel = studio.panel("in_place_start", in_place_source=CAM)
    assert panel["in_place_source"]["items"][1:] == ["words", SCENE]
    assert "be cut out in the current scene: choose another" in panel["in_place_state"]["description"]
    requests.set_current_program_scene(SCENE)
    requests.remove_input("portrait of it")
    requests.remove_scene("outer")
    assert (
        "Choose a source of the current scene first"
        in studio.panel("in_place_start", in_place_source="")["in_place_state"]["description"]
    )
    assert not studio.choose_in_panel("in_place_source", "front")["in_place_state"]["visible"]


def test_what_is_no_longer_heard_is_said(studio: Studio) -> None:
    requests = studio.requests
    requests.create_input(SCENE, "capture card", "ffmpeg_source", {}, True)
    for is_muted in (False, True):
        requests.set_input_mute("capture card", is_muted)
        said = studio.panel("in_place_start", in_place_source="capture card")["in_place_state"]["description"]
        assert ("To hear “capture card”, show it" in said) != is_muted
        undo(studio)
    requests.remove_input("capture card")


def test_what_is_gone_meanwhile_is_no_matter_for_undo(studio: Studio) -> None:
    studio.panel("in_place_start", in_place_source="front")
    studio.requests.remove_input("front")
    wait_until(lambda: is_free(studio, "front"))
    # As somebody does who adds a camera anew: there is no second cut-out
    studio.requests.create_input(SCENE, "front", "color_source_v3", {"width": 100, "height": 80}, True)
    studio.panel("in_place_start", in_place_source="front")
    wait_until(lambda: not is_shown(studio, "front"))
    assert names(studio).count("front, cut out") == 1
    undo(studio)
    assert is_shown(studio, "front")
    studio.requests.remove_input("front")
    wait_until(lambda: "front" not in names(studio))
    assert "as far as it still exists" in undo(studio)
    wait_until(lambda: "front, cut out" not in inputs(studio))


def test_it_is_drawn_and_shown_alike_and_leaves_nothing_in_obs(studio: Studio) -> None:
    studio.requests.create_input(SCENE, "other", "color_source_v3", {"width": 640, "height": 360}, True)
    studio.dress("other")
    studio.panel("in_place_start", in_place_source="other")
    wait_until(lambda: not is_shown(studio, "other"))
    studio.quit()
    collection = json.loads((studio.obs.config / "basic" / "scenes" / "Untitled.json").read_text())
    (scene,) = [source for source in collection["sources"] if source["name"] == SCENE]
    other, cut = (one for one in scene["settings"]["items"] if one["name"].startswith("other"))
    for name in ("scale_filter", "blend_method", "pos", "scale", "align", "bounds_type"):
        assert other[name] == cut[name]
    assert (cut["scale_filter"], cut["blend_method"]) == ("lanczos", "srgb_off")
    assert (cut["show_transition"]["id"], cut["show_transition"]["duration"]) == ("fade_transition", 700)
