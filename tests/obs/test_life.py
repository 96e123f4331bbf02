"""Across restarts of OBS, reloads of the script, and the panel in Tools → Scripts."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demo.throwaway_obs import SCENE, wait_until
from development import made_clips
from PIL import Image

from .conftest import BACKGROUND, Studio, face_is_off, open_studio, same_layer

NO_WORKER = {"CVMATTE_PYTHON": "/nonexistent/python"}


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
        studio.wait_for_layer("portrait", expected_layer(photo, erosion=1))
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
        studio.wait_for_state("portrait", "chosen.png can't be found: its last layer is shown.")


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
        studio.wait_for_state("portrait", "chosen.png can't be found: its last layer is shown.")
        layer = studio.layer("portrait")
        assert layer is not None
        assert same_layer(layer, expected_layer(photo))


def test_what_was_shown_is_shown_again_whatever_is_wrong_now(
    tmp_path: Path, photo: Path, chosen: Path, other_photo: Path, expected_layer: Any
) -> None:
    """Every portrait its own layer, copies too; and none where none was ever shown."""
    background, broken = tmp_path / "beach.jpg", tmp_path / "broken.png"
    background.write_bytes(other_photo.read_bytes())
    broken.write_bytes(photo.read_bytes()[:100_000])
    wrong: dict[str, dict[str, Any]] = {
        "second model": {"subject": "held"},
        "no background": {"background": "image"},
        "unknown model": {"model": "mine-of-last-year"},
        "of a later version": {"quality": "ultra"},
        "broken photo": {"image": broken},
    }
    images = {name: chosen if number % 2 else other_photo for number, name in enumerate(wrong)}
    with open_studio(tmp_path / "obs") as studio:
        for name, image in images.items():
            studio.add(name, image)
        behind = {"background": "image", "background_image": str(background)}
        studio.add("lost background", photo, **behind)
        for name in (*images, "lost background"):
            studio.wait_for_state(name, "Ready")
        over_background = studio.layer("lost background")
        assert over_background is not None
        for name, settings in wrong.items():
            studio.set(name, **settings)
        background.unlink()
        studio.set("lost background", mirror=True)
        for name in (*images, "lost background"):
            studio.wait_for_state(name, "The last good layer stays.")
        studio.duplicate("broken photo", "copy")
        studio.add("never shown", broken)
        studio.wait_for_state("copy", "The last good layer stays.")
        studio.set("copy", image=chosen)
        studio.wait_for_layer("copy", expected_layer(chosen))
        studio.wait_for_state("copy", "Ready")
        studio.set("copy", image=broken)
        studio.wait_for_state("copy", "The last good layer stays.")
        time.sleep(1)
        studio.quit()
        studio.start()
        for name, image in images.items():
            studio.wait_for_layer(name, expected_layer(image))
        studio.wait_for_layer("lost background", over_background)
        studio.wait_for_layer("copy", expected_layer(chosen))
        for name in (*images, "lost background"):
            studio.wait_for_state(name, "The last good layer stays.")
        assert "The last good layer" not in studio.wait_for_state("never shown", "is damaged")
        assert studio.size("never shown") == (0, 0)
        collection = (studio.obs.config / "basic" / "scenes" / "Untitled.json").read_text()
        assert all(path.stem not in collection for path in (studio.data / "layers").glob("*.json"))
        # What is mended is made, and nothing of before is kept.
        studio.set("broken photo", image=images["broken photo"])
        studio.wait_for_state("broken photo", "Ready")
        wait_until(lambda: len(list((studio.data / "layers").glob("*.last"))) == len(wrong) + 1)


def test_three_reloads_of_the_script_lose_nothing(tmp_path: Path, photo: Path, expected_layer: Any) -> None:
    with open_studio(tmp_path) as studio:
        studio.add("portrait", photo)
        studio.wait_for_state("portrait", "Ready")
        studio.obs.open_scripts()
        for reloads in range(1, 4):
            studio.obs.click_on("reload scripts")
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
        studio.obs.click_on("add photos")
        studio.wait_for_layer("astronaut", expected_layer(photo, longest_side=2160))
        studio.wait_for_layer("mirrored", expected_layer(other_photo, longest_side=2160))
        names = [item["sourceName"] for item in studio.requests.get_scene_item_list(SCENE).scene_items]
        assert names == ["background", "astronaut", "mirrored"]
        _, left, right = (item["sceneItemTransform"] for item in studio.requests.get_scene_item_list(SCENE).scene_items)
        assert left["positionX"] + left["boundsWidth"] / 2 < 640 < right["positionX"] + right["boundsWidth"] / 2
        studio.requests.set_input_settings("mirrored", {"image": ""}, True)
        wait_until(lambda: studio.size("mirrored") == (0, 0))
        scene = studio.scene()
        assert tuple(scene[5, 5]) == BACKGROUND
        assert tuple(scene[700, 1270]) == BACKGROUND
        assert face_is_off(scene, photo, left) < 4


def test_the_hotkey_s_keys_are_saved_and_restored(
    tmp_path: Path, photo: Path, chosen: Path, expected_layer: Any
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
        jobs = count_jobs(studio)
        studio.obs.press("F9")
        wait_until(lambda: count_jobs(studio) == jobs + 1)
        studio.wait_for_layer("portrait", expected_layer(photo))


def test_everything_is_chinese_in_a_chinese_obs(tmp_path: Path, photo: Path) -> None:
    with open_studio(tmp_path, language="zh-CN") as studio:
        studio.add("人像", photo)
        studio.wait_for_state("人像", "完成：512 × 512")
        properties = studio.properties("人像")
        assert properties["image"]["description"] == "照片"
        assert properties["rematte"]["description"] == "重新抠图"
        assert properties["threshold"]["description"] == "清除浅淡残留"
        studio.set("人像", image="/nowhere/没有.png")
        studio.wait_for_state("人像", "找不到 没有.png：请重新选择照片。")


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
        studio.wait_for_layer("copy", expected_layer(photo, feather=2))
        assert (studio.data / "logs" / "worker.log").read_text().count("job ") == jobs
        studio.set("copy", feather=6)
        studio.wait_for_layer("copy", expected_layer(photo, feather=6))
        studio.wait_for_layer("portrait", expected_layer(photo, feather=2))


def test_another_script_that_looks_sources_up_on_every_frame_never_freezes_obs(tmp_path: Path, photo: Path) -> None:
    """OBS loads a collection with its sources lock held; that script holds the GIL and waits for the lock."""
    scripts: list[Any] = [(Path(__file__).with_name("busy_script.py"), {})]
    with open_studio(tmp_path, scripts=scripts, frames_per_second=30) as studio:
        for number in range(60):
            studio.add(f"portrait {number}", "")
        studio.add("portrait", photo)
        studio.wait_for_state("portrait", "Ready")
        for _ in range(4):
            studio.quit()
            studio.start()
            studio.wait_for_state("portrait", "Ready")


def test_a_photo_that_changes_on_disk_is_matted_again_by_itself(
    studio: Studio, chosen: Path, photo: Path, other_photo: Path, expected_layer: Any
) -> None:
    studio.add("watched", chosen)
    studio.wait_for_layer("watched", expected_layer(photo))
    changed = io.BytesIO()
    Image.open(other_photo).save(changed, "PNG")
    half = len(changed.getvalue()) // 2
    with chosen.open("wb") as file:  # as a slow program writes
        file.write(changed.getvalue()[:half])
        file.flush()
        time.sleep(0.5)
        file.write(changed.getvalue()[half:])
    studio.wait_for_layer("watched", expected_layer(chosen))
    assert not same_layer(expected_layer(chosen), expected_layer(photo))
    studio.remove("watched")


def test_a_photo_that_goes_is_said_and_its_layer_stays_until_another_is_there(
    studio: Studio, chosen: Path, photo: Path, other_photo: Path, expected_layer: Any
) -> None:
    studio.add("watched", chosen)
    studio.wait_for_layer("watched", expected_layer(photo))
    studio.wait_for_state("watched", "Ready")
    away = chosen.rename(chosen.with_name("away"))
    studio.wait_for_state("watched", "chosen.png can't be found: its last layer is shown.")
    away.rename(chosen)  # the same as before: nothing is to be done
    studio.wait_for_state("watched", "Ready")
    chosen.unlink()
    studio.wait_for_state("watched", "chosen.png can't be found: its last layer is shown.")
    studio.wait_for_layer("watched", expected_layer(photo))
    Image.open(other_photo).save(chosen)
    studio.wait_for_layer("watched", expected_layer(chosen))
    studio.remove("watched")


def test_a_photo_that_changes_into_rubbish_and_back_is_said_and_mended(
    studio: Studio, chosen: Path, photo: Path, expected_layer: Any
) -> None:
    studio.add("watched", chosen)
    studio.wait_for_layer("watched", expected_layer(photo))
    studio.wait_for_state("watched", "Ready")
    good = chosen.read_bytes()
    chosen.write_bytes(good[:70_000])
    studio.wait_for_state("watched", "chosen.png is damaged")
    layer = studio.layer("watched")
    assert layer is not None
    assert same_layer(layer, expected_layer(photo))
    chosen.write_bytes(good)
    studio.wait_for_state("watched", "Ready")
    studio.remove("watched")


def test_a_photo_that_was_away_is_cut_out_when_it_is_back(
    studio: Studio, chosen: Path, photo: Path, expected_layer: Any
) -> None:
    """As on a disk that is pulled out for a while: the file is the same as before."""
    studio.add("asked for meanwhile", chosen)
    studio.add("left alone", chosen, erosion=1)
    studio.wait_for_state("asked for meanwhile", "Ready")
    studio.wait_for_state("left alone", "Ready")
    away = chosen.rename(chosen.with_suffix(".away"))
    studio.set("asked for meanwhile", erosion=2)
    studio.wait_for_state("asked for meanwhile", "chosen.png can't be found: choose the photo again.")
    studio.set("left alone", feather=1)
    studio.wait_for_state("left alone", "choose the photo again.")
    studio.set("left alone", feather=0)  # a layer that is kept
    studio.wait_for_state("left alone", "its last layer is shown.")
    away.rename(chosen)
    studio.wait_for_layer("asked for meanwhile", expected_layer(photo, erosion=2))
    studio.wait_for_state("asked for meanwhile", "Ready")
    studio.wait_for_state("left alone", "Ready")
    studio.remove("asked for meanwhile")
    studio.remove("left alone")


def find_again(studio: Studio, name: str, key: str, path: Path) -> None:
    """Give OBS's dialog of missing files the place of the first of them; name, key: the setting that it then is in."""
    studio.obs.place(studio.obs.window("^Missing Files$"), 700, 400)

    def line() -> bytes:
        return studio.obs.photograph().crop((300, 80, 690, 110)).tobytes()

    studio.obs.click_on("missing file")
    for _ in range(3):  # on a busy machine two clicks may be too far apart to count as one
        time.sleep(1)
        before = line()
        studio.obs.xdotool("click", "--repeat", "2", "1")
        with contextlib.suppress(TimeoutError):
            wait_until(lambda: line() != before, 10)  # noqa: B023
            break
    studio.obs.xdotool("key", "ctrl+a")
    studio.obs.xdotool("type", str(path))
    studio.obs.xdotool("key", "Return")
    studio.obs.click_on("missing files OK")
    wait_until(lambda: studio.requests.get_input_settings(name).input_settings[key] == str(path))


def test_a_moved_photo_is_in_obs_s_dialog_of_missing_files_and_can_be_found_there(
    tmp_path: Path, photo: Path, chosen: Path, expected_layer: Any
) -> None:
    with open_studio(tmp_path / "obs") as studio:
        studio.add("portrait", chosen)
        studio.wait_for_state("portrait", "Ready")
        studio.quit()
        moved = chosen.rename(tmp_path / "moved.png")
        studio.start()
        studio.wait_for_layer("portrait", expected_layer(photo))  # meanwhile the last layer is shown
        find_again(studio, "portrait", "image", moved)
        studio.wait_for_state("portrait", "Ready")
        studio.quit()
        studio.start()
        studio.wait_for_state("portrait", "Ready")
        assert "Missing" not in studio.obs.xdotool("search", "--name", "Missing|OBS ")


def test_a_moved_video_and_a_moved_background_are_found_again_in_obs_s_dialog(
    tmp_path: Path, photo: Path, chosen: Path, expected_layer: Any
) -> None:
    """OBS asks a portrait for one file: the video, and a background only once it was seen to be missing."""
    clip, background = tmp_path / "me.mp4", tmp_path / "beach.png"
    layer = made_clips.cut_by_an_ellipse(photo)
    made_clips.write(clip, made_clips.frames(layer, np.full((90, 160, 3), 90, np.uint8), (160, 90), 30))
    background.write_bytes(photo.read_bytes())

    with open_studio(tmp_path / "obs") as studio:
        studio.add("live", "", input="video", video=str(clip), quality="fast")
        studio.wait_for_state("live", "frames per second")
        studio.add("portrait", chosen, background="image", background_image=str(background))
        studio.wait_for_state("portrait", "Ready")
        studio.quit()
        clip = clip.rename(tmp_path / "moved.mp4")
        background = background.rename(tmp_path / "moved.png")
        studio.start()
        find_again(studio, "live", "video", clip)
        studio.wait_for_state("live", "frames per second")
        studio.wait_for_state("portrait", "The background beach.png can't be found")
        studio.quit()
        studio.start()
        find_again(studio, "portrait", "background_image", background)
        wait_until(lambda: "can't be found" not in studio.state("portrait"))
        studio.wait_for_state("portrait", "Ready")
        assert studio.requests.get_input_settings("portrait").input_settings["image"] == str(chosen)


def test_a_portrait_s_own_hotkeys_are_saved_restored_and_survive_a_reload(
    tmp_path: Path, photo: Path, expected_layer: Any
) -> None:
    with open_studio(tmp_path) as studio:
        studio.add("portrait", photo)
        studio.wait_for_state("portrait", "Ready")
        studio.quit()
        collection = studio.obs.config / "basic" / "scenes" / "Untitled.json"

        def hotkeys() -> dict[str, Any]:
            sources = json.loads(collection.read_text())["sources"]
            (found,) = [source["hotkeys"] for source in sources if source["name"] == "portrait"]
            return found

        assert set(hotkeys()) == {"cvmatte.portrait.rematte"}
        content = json.loads(collection.read_text())
        for source in content["sources"]:
            if source["name"] == "portrait":
                source["hotkeys"]["cvmatte.portrait.rematte"] = [{"key": "OBS_KEY_F8"}]
        collection.write_text(json.dumps(content))
        studio.start()
        studio.wait_for_state("portrait", "Ready")
        jobs = count_jobs(studio)
        studio.obs.press("F8")
        wait_until(lambda: count_jobs(studio) == jobs + 1)
        studio.obs.open_scripts()
        studio.obs.click_on("reload scripts")
        wait_until(lambda: studio.obs.log().count("Unloaded python script: cvmatte.py") == 1)
        studio.wait_for_state("portrait", "Ready")
        studio.obs.press("F8")  # coming up, it does nothing
        wait_until(lambda: count_jobs(studio) == jobs + 2)
        time.sleep(1.5)
        assert count_jobs(studio) == jobs + 2
        studio.quit()
        assert hotkeys()["cvmatte.portrait.rematte"] == [{"key": "OBS_KEY_F8"}]


def test_a_portrait_has_the_hotkeys_of_its_input_and_keeps_the_keys_of_the_others(tmp_path: Path, photo: Path) -> None:
    bound = {"cvmatte.portrait.rematte": "OBS_KEY_F8", "cvmatte.portrait.freeze": "OBS_KEY_F9"}
    with open_studio(tmp_path) as studio:
        studio.requests.create_input(SCENE, "camera", "image_source", {"file": str(photo)}, True)
        studio.add("portrait", photo)
        studio.wait_for_state("portrait", "Ready")
        studio.quit()
        collection = studio.obs.config / "basic" / "scenes" / "Untitled.json"
        content = json.loads(collection.read_text())
        for source in content["sources"]:
            if source["name"] == "portrait":  # as a version before saved them, which had all three
                source["hotkeys"] = {name: [{"key": key}] for name, key in bound.items()}
                source["private_settings"] = {}
        collection.write_text(json.dumps(content))

        def saved() -> dict[str, Any]:
            (found,) = (one for one in json.loads(collection.read_text())["sources"] if one["name"] == "portrait")
            return {name: keys[0]["key"] for name, keys in found["hotkeys"].items() if keys}

        def is_offered(names: set[str]) -> bool:
            every = studio.requests.get_hot_key_list().hotkeys
            return {name.rpartition(".")[2] for name in every if name.startswith("cvmatte.portrait.")} == names

        for chosen, names in (
            ("file", {"rematte"}),
            ("camera", {"take_still", "freeze"}),
            ("source", {"rematte", "take_still"}),
            ("file", {"rematte"}),
            ("video", {"take_still", "freeze"}),
        ):
            studio.start()  # so the keys are kept while OBS is closed, too
            studio.set("portrait", input=chosen, source="camera")
            wait_until(partial(is_offered, names))
            time.sleep(0.3)
            studio.quit()
            assert saved() == {name: key for name, key in bound.items() if name.rpartition(".")[2] in names}


def count_jobs(studio: Studio) -> int:
    return (studio.data / "logs" / "worker.log").read_text().count("INFO job ")


def test_a_renamed_portrait_and_a_duplicated_scene_go_on_as_they_were(
    studio: Studio, photo: Path, expected_layer: Any
) -> None:
    studio.add("portrait", photo)
    studio.wait_for_layer("portrait", expected_layer(photo))
    studio.requests.set_input_name("portrait", "Anna")
    studio.set("Anna", erosion=2)
    studio.wait_for_layer("Anna", expected_layer(photo, erosion=2))
    studio.requests.create_scene("copy")
    studio.requests.create_scene_item("copy", "Anna", True)
    studio.set("Anna", erosion=3)
    studio.wait_for_layer("Anna", expected_layer(photo, erosion=3))
    studio.requests.set_current_program_scene("copy")
    (item,) = studio.requests.get_scene_item_list("copy").scene_items
    assert int(item["sceneItemTransform"]["sourceWidth"]) == 512
    studio.requests.set_current_program_scene(SCENE)
    studio.requests.remove_scene("copy")
    studio.remove("Anna")


def test_undo_and_redo_of_a_removal_bring_the_layer_back(tmp_path: Path, photo: Path, expected_layer: Any) -> None:
    with open_studio(tmp_path) as studio:
        studio.add("portrait", photo, erosion=2)
        studio.wait_for_layer("portrait", expected_layer(photo, erosion=2))
        main = studio.obs.window("^OBS [0-9]")
        studio.obs.xdotool("windowfocus", "--sync", main)
        studio.obs.click_on("topmost source")
        question = "^Confirm Remove$"
        names = lambda: [found["inputName"] for found in studio.requests.get_input_list().inputs]  # noqa: E731

        def press_where(window: str, key: str) -> None:
            with contextlib.suppress(subprocess.CalledProcessError):  # it goes just now
                studio.obs.xdotool("windowfocus", "--sync", window)
                studio.obs.xdotool("key", key)
            time.sleep(1)

        def asks() -> list[str]:
            press_where(main, "Delete")
            return studio.obs.visible(question)

        def is_removed() -> bool:
            for window in studio.obs.visible(question):
                press_where(window, "Return")
            return "portrait" not in names()

        wait_until(asks)  # again and again: what is just drawn takes no key
        wait_until(is_removed)
        studio.obs.xdotool("windowfocus", "--sync", main)
        studio.obs.xdotool("key", "ctrl+z")
        wait_until(lambda: "portrait" in names())
        studio.wait_for_layer("portrait", expected_layer(photo, erosion=2))
        studio.set("portrait", erosion=5)
        studio.wait_for_layer("portrait", expected_layer(photo, erosion=5))


def browse(studio: Studio, path: Path) -> None:
    """Choose a file in the properties dialog that stands in the screen's corner."""

    def chosen() -> bool:
        return studio.requests.get_input_settings("portrait").input_settings.get("image") == str(path)

    for _ in range(3):  # on a busy machine the file dialog may be late to take keys
        studio.obs.click_on("browse photo")
        try:
            studio.obs.xdotool("windowfocus", "--sync", studio.obs.window("^Photo$"))
        except TimeoutError:  # the properties were redrawn while the button was down
            continue
        time.sleep(4)
        studio.obs.xdotool("type", str(path))
        studio.obs.xdotool("key", "Return")
        with contextlib.suppress(TimeoutError):
            wait_until(chosen, 5)
            return
        studio.obs.xdotool("key", "Escape")
        time.sleep(1)
    raise AssertionError("the file dialog took no path")


def test_a_file_dialog_that_is_open_while_a_portrait_becomes_ready_does_no_harm(
    tmp_path: Path, photo: Path, chosen: Path, expected_layer: Any
) -> None:
    """OBS crashes when a properties dialog is redrawn under the file dialog that was opened from it."""
    with open_studio(tmp_path / "obs") as studio:
        studio.add("portrait", "")
        studio.requests.open_input_properties_dialog("portrait")
        dialog = studio.obs.window("^Properties for")
        studio.obs.place(dialog, 720, 570)
        for path in (photo, chosen):  # the second time while the first is being cut out
            browse(studio, path)
        studio.wait_for_layer("portrait", expected_layer(photo))
        studio.wait_for_state("portrait", "Ready")
        studio.obs.click_on("properties OK")
        time.sleep(1)
        studio.obs.dismiss(dialog)  # on a busy machine the click may have missed it
