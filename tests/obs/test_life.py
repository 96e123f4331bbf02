"""Across restarts of OBS, reloads of the script, and the panel in Tools → Scripts."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from throwaway_obs import SCENE, wait_until

from .conftest import BACKGROUND, open_studio, same_layer

NO_WORKER = {"CVMATTE_PYTHON": "/nonexistent/python"}

# Places in the Scripts dialog at the size that open_scripts gives it
RELOAD_BUTTON = (122, 707)
ADD_BUTTON = (710, 546)


@pytest.fixture
def chosen(tmp_path: Path, photo: Path) -> Path:
    """A copy of the sample photo, for a test to change or remove."""
    path = tmp_path / "chosen.png"
    path.write_bytes(photo.read_bytes())
    return path


def test_layers_return_after_a_restart_without_any_worker(tmp_path: Path, photo: Path, expected_layer: Any) -> None:
    with open_studio(tmp_path) as studio:
        studio.add("portrait", photo, erosion=1)
        studio.wait_for_state("portrait", "Ready")
        studio.quit()
        studio.obs.environment |= NO_WORKER
        studio.start()
        studio.wait_for_layer("portrait", expected_layer(photo, erosion=1), timeout=20)
        assert "Ready" in studio.state("portrait")
        assert studio.worker_ids() == []
        # What was never matted can't be: one sentence says what to do, and the layer stays.
        studio.set("portrait", erosion=7)
        state = studio.wait_for_state("portrait", "environment is missing")
        assert "install.py" in state
        layer = studio.layer("portrait")
        assert layer is not None
        assert same_layer(layer, expected_layer(photo, erosion=1))


@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_a_lost_frame_file_is_made_again_from_the_png_though_the_photo_is_gone(
    tmp_path: Path, photo: Path, chosen: Path, expected_layer: Any, damage: str
) -> None:
    with open_studio(tmp_path / "obs") as studio:
        studio.add("portrait", chosen)
        studio.wait_for_state("portrait", "Ready")
        studio.quit()
        (frame,) = (studio.data / "layers").glob("*.frame")
        if damage == "missing":
            frame.unlink()
        else:
            frame.write_bytes(frame.read_bytes()[:-1])
        chosen.unlink()
        studio.start()
        studio.wait_for_layer("portrait", expected_layer(photo))
        studio.wait_for_state("portrait", "Ready")


def test_a_photo_that_is_gone_still_shows_its_last_layer(
    tmp_path: Path, photo: Path, chosen: Path, other_photo: Path, expected_layer: Any
) -> None:
    with open_studio(tmp_path / "obs") as studio:
        studio.add("portrait", chosen)
        studio.wait_for_state("portrait", "Ready")
        studio.set("portrait", image=other_photo)
        studio.wait_for_layer("portrait", expected_layer(other_photo))
        chosen.unlink()
        studio.set("portrait", image=chosen)
        studio.wait_for_state("portrait", "chosen.png is not there any more: its last layer is shown.")
        layer = studio.layer("portrait")
        assert layer is not None
        assert same_layer(layer, expected_layer(photo))


def test_five_reloads_of_the_script_lose_nothing(tmp_path: Path, photo: Path, expected_layer: Any) -> None:
    with open_studio(tmp_path) as studio:
        studio.add("portrait", photo)
        studio.wait_for_state("portrait", "Ready")
        studio.obs.open_scripts()
        for reloads in range(1, 6):
            studio.obs.click(*RELOAD_BUTTON)
            wait_until(lambda: studio.obs.log().count("Unloaded python script: cvmatte.py") == reloads)  # noqa: B023
            studio.wait_for_layer("portrait", expected_layer(photo, erosion=reloads - 1))
            studio.set("portrait", erosion=reloads)
            studio.wait_for_layer("portrait", expected_layer(photo, erosion=reloads))
        studio.add("another", photo, feather=3)
        studio.wait_for_layer("another", expected_layer(photo, feather=3))
        studio.requests.trigger_hot_key_by_name("cvmatte.rematte_all")
        studio.wait_for_state("another", "Ready")
        assert len(studio.worker_ids()) == 1


def test_the_panel_adds_chosen_photos_to_the_current_scene(
    tmp_path: Path, photo: Path, other_photo: Path, expected_layer: Any
) -> None:
    chosen = {"images": [{"value": str(photo)}, {"value": str(other_photo)}]}
    with open_studio(tmp_path, settings=chosen) as studio:
        studio.obs.open_scripts()
        studio.obs.click(*ADD_BUTTON)
        studio.wait_for_layer("astronaut", expected_layer(photo, longest_side=2160))
        studio.wait_for_layer("mirrored", expected_layer(other_photo, longest_side=2160))
        names = [item["sourceName"] for item in studio.requests.get_scene_item_list(SCENE).scene_items]
        assert names == ["background", "astronaut", "mirrored"]
        for item in studio.requests.get_scene_item_list(SCENE).scene_items[1:]:
            shape = item["sceneItemTransform"]
            assert (shape["boundsWidth"], shape["boundsHeight"]) == (1280, 720)
        studio.requests.set_input_settings("mirrored", {"image": ""}, True)
        wait_until(lambda: studio.size("mirrored") == (0, 0))
        scene = studio.scene()
        assert tuple(scene[5, 5]) == BACKGROUND
        assert tuple(scene[700, 1270]) == BACKGROUND
        # As large as fits, standing on the canvas's bottom in its middle: the face is where that puts it.
        face = np.asarray(Image.open(photo).convert("RGB").resize((720, 720), Image.Resampling.BILINEAR))
        expected = face[150:210, 290:345].astype(int)
        actual = scene[150:210, 290 + 280 : 345 + 280].astype(int)
        assert np.abs(actual - expected).mean() < 4


def test_the_hotkey_s_keys_are_saved_and_restored(
    tmp_path: Path, photo: Path, chosen: Path, other_photo: Path, expected_layer: Any
) -> None:
    bound = {"cvmatte.rematte_all": [{"key": "OBS_KEY_F9"}]}
    with open_studio(tmp_path / "obs", settings=bound) as studio:
        studio.add("portrait", chosen)
        studio.wait_for_state("portrait", "Ready")
        studio.quit()
        collection = json.loads((studio.obs.config / "basic" / "scenes" / "Untitled.json").read_text())
        (saved,) = [
            script["settings"]
            for script in collection["modules"]["scripts-tool"]
            if script["path"].endswith("cvmatte.py")
        ]
        assert saved["cvmatte.rematte_all"] == [{"key": "OBS_KEY_F9"}]
        studio.start()
        studio.wait_for_layer("portrait", expected_layer(photo))
        Image.open(other_photo).save(chosen)
        time.sleep(1)
        studio.obs.xdotool("key", "F9")
        studio.wait_for_layer("portrait", expected_layer(chosen))


def test_everything_is_chinese_in_a_chinese_obs(tmp_path: Path, photo: Path) -> None:
    with open_studio(tmp_path, language="zh-CN") as studio:
        studio.add("人像", photo)
        studio.wait_for_state("人像", "完成：512 × 512")
        properties = studio.properties("人像")
        assert properties["image"]["description"] == "照片"
        assert properties["rematte"]["description"] == "重新抠图"
        assert properties["threshold"]["description"] == "透明度阈值"
        studio.set("人像", image="/nowhere/没有.png")
        studio.wait_for_state("人像", "没有.png 已不在原处：请重新选择照片。")


def test_portraits_come_back_after_a_switch_of_the_scene_collection(
    tmp_path: Path, photo: Path, expected_layer: Any
) -> None:
    with open_studio(tmp_path) as studio:
        studio.add("portrait", photo)
        studio.wait_for_state("portrait", "Ready")
        for _ in range(2):
            studio.requests.create_scene_collection(f"Other {time.monotonic_ns()}")  # where the script isn't
            time.sleep(1)
            assert "cvmatte_portrait" not in [found["inputKind"] for found in studio.requests.get_input_list().inputs]
            studio.requests.set_current_scene_collection("Untitled")
            studio.wait_for_layer("portrait", expected_layer(photo))
            assert len(studio.obs.worker_ids()) <= 1
        studio.set("portrait", erosion=2)
        studio.wait_for_layer("portrait", expected_layer(photo, erosion=2))


def test_a_copied_portrait_shows_at_once_and_lives_on_its_own(tmp_path: Path, photo: Path, expected_layer: Any) -> None:
    with open_studio(tmp_path) as studio:
        studio.add("portrait", photo, feather=2)
        studio.wait_for_state("portrait", "Ready")
        jobs = (studio.data / "logs" / "worker.log").read_text().count("job ")
        studio.add("copy", photo, feather=2)
        studio.wait_for_layer("copy", expected_layer(photo, feather=2), timeout=20)
        assert (studio.data / "logs" / "worker.log").read_text().count("job ") == jobs
        studio.set("copy", feather=6)
        studio.wait_for_layer("copy", expected_layer(photo, feather=6))
        studio.wait_for_layer("portrait", expected_layer(photo, feather=2), timeout=20)
