"""The script's panel in Tools → Scripts: its buttons pressed in a real OBS."""

from __future__ import annotations

import html
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demo import flatpak_stand_in
from demo.throwaway_obs import SCENE, wait_until
from PIL import Image

from cvmatte_core.filesystem import paths
from cvmatte_core.localization.texts import Texts
from cvmatte_core.models.catalogue import costs, entry_of, good_at, is_there, record_of
from cvmatte_core.system import requirements
from tests.publisher import publishing

from .conftest import Studio, face_is_off, open_studio

# Where portraits stand on a canvas of 1280 x 720: left, top, width, height
PLACEMENTS = {
    "fit_height": (0, 0, 1280, 720),
    "bottom_centre": (213, 240, 854, 480),
    "left_third": (0, 0, 426, 720),
    "right_third": (854, 0, 426, 720),
    "full_frame": (0, 0, 1280, 720),
}
HEADROOM = 30
FLATPAK = flatpak_stand_in.RELEASE in os.environ


def listed(*photos: Path) -> list[dict[str, str]]:
    """Photos in the panel's list."""
    return [{"value": str(photo)} for photo in photos]


def shapes(studio: Studio) -> dict[str, Any]:
    items = studio.requests.get_scene_item_list(SCENE).scene_items
    return {item["sourceName"]: item["sceneItemTransform"] for item in items}


def person(shape: dict[str, Any], layer: np.ndarray) -> tuple[float, float, float, float]:
    """Where the person in a layer stands on the canvas: left, top, right, bottom."""
    box = Image.fromarray(layer[..., 3] >= 64).getbbox()
    assert box is not None
    scale = shape["boundsWidth"] / layer.shape[1]
    assert shape["boundsHeight"] / layer.shape[0] == pytest.approx(scale, rel=0.01)
    begins, highest, ends, lowest = (scale * edge for edge in box)
    left, top = shape["positionX"], shape["positionY"]
    return left + begins, top + highest, left + ends, top + lowest


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_chosen_photos_are_added_where_the_person_wants_them(
    studio: Studio, photo: Path, other_photo: Path, expected_layer: Any, placement: str
) -> None:
    panel = studio.panel("add", images=listed(photo, other_photo), placement=placement)
    assert "Added to Scene: 2." in panel["photos_state"]["description"]
    layers = {
        name: expected_layer(path, longest_side=2160)
        for name, path in (("astronaut", photo), ("mirrored", other_photo))
    }
    for name, layer in layers.items():
        studio.wait_for_layer(name, layer)
    found = shapes(studio)
    assert list(found) == ["background", "astronaut", "mirrored"]
    left, top, width, height = PLACEMENTS[placement]
    for number, (name, layer) in enumerate(layers.items()):
        assert found[name]["boundsType"] == "OBS_BOUNDS_SCALE_INNER"
        begins, highest, ends, lowest = person(found[name], layer)
        assert (begins + ends) / 2 == pytest.approx(left + width * (number + 0.5) / 2, abs=4)
        assert lowest == pytest.approx(top + height, abs=4)
        room = width / 2, height - max(0, HEADROOM - top)
        assert max((ends - begins) / room[0], (lowest - highest) / room[1]) == pytest.approx(1, abs=0.02)
    assert "Put photos into the list above first." in studio.panel("add")["photos_state"]["description"]
    for name in layers:
        studio.wait_for_state(name, "Ready")
    states = studio.panel("refresh")["portraits"]["description"]
    assert "astronaut – Ready: 512 × 512" in states
    assert "mirrored – Ready: 512 × 512" in states
    studio.remove("astronaut")
    studio.remove("mirrored")


def test_one_photo_fills_the_frame(studio: Studio, photo: Path, expected_layer: Any) -> None:
    studio.panel("add", images=listed(photo), placement="full_frame")
    studio.wait_for_layer("astronaut", expected_layer(photo, longest_side=2160))
    shape = shapes(studio)["astronaut"]
    box = tuple(int(shape[name]) for name in ("positionX", "positionY", "boundsWidth", "boundsHeight"))
    assert box == PLACEMENTS["full_frame"]
    assert shape["boundsType"] == "OBS_BOUNDS_SCALE_OUTER"
    studio.remove("astronaut")


def test_a_small_person_in_a_wide_photo_is_as_large_as_another(studio: Studio, tmp_path: Path, photo: Path) -> None:
    wide = tmp_path / "wide.png"
    picture = Image.new("RGB", (2000, 800), (70, 90, 110))
    picture.paste(Image.open(photo).convert("RGB").resize((400, 400)), (1500, 400))
    picture.save(wide)
    heights = []
    for path in (photo, wide):
        studio.panel("add", images=listed(path), placement="left_third")
        studio.wait_for_state(path.stem, "Ready")
        layer = studio.layer(path.stem)
        assert layer is not None
        left, top, right, bottom = person(shapes(studio)[path.stem], layer)
        assert (left + right) / 2 == pytest.approx(213, abs=8)  # where it is small, a stray hair counts for more
        assert bottom == pytest.approx(720, abs=8)
        heights.append(bottom - top)
        studio.remove(path.stem)
    assert heights[0] == pytest.approx(heights[1], rel=0.1)


def test_what_was_moved_meanwhile_stays_where_it_is(studio: Studio, photo: Path, expected_layer: Any) -> None:
    (worker,) = studio.worker_ids()
    os.kill(worker, signal.SIGSTOP)
    studio.panel("add", images=listed(photo), placement="left_third", new_preset="id_photo")
    (item,) = (
        one for one in studio.requests.get_scene_item_list(SCENE).scene_items if one["sourceName"] == "astronaut"
    )
    studio.requests.set_scene_item_transform(SCENE, item["sceneItemId"], {"positionX": 500.0})
    os.kill(worker, signal.SIGCONT)
    studio.wait_for_state("astronaut", "Ready")
    shape = shapes(studio)["astronaut"]
    assert (shape["positionX"], shape["boundsWidth"], shape["boundsHeight"]) == (500, 426, 720)
    studio.panel(new_preset="")
    studio.remove("astronaut")


def test_what_was_added_can_be_taken_back_but_not_what_was_changed_since(
    studio: Studio, tmp_path: Path, photo: Path, other_photo: Path, expected_layer: Any
) -> None:
    third = tmp_path / "third.png"
    third.write_bytes(photo.read_bytes())
    assert not studio.panel()["undo_photos"]["visible"]
    assert studio.panel("add", images=listed(photo, other_photo, third))["undo_photos"]["visible"]
    for name in ("astronaut", "mirrored", "third"):
        studio.wait_for_state(name, "Ready")
    studio.set("mirrored", feather=3)
    studio.wait_for_layer("mirrored", expected_layer(other_photo, longest_side=2160, feather=3))
    (item,) = (one for one in studio.requests.get_scene_item_list(SCENE).scene_items if one["sourceName"] == "third")
    studio.requests.set_scene_item_transform(SCENE, item["sceneItemId"], {"rotation": 5.0})
    panel = studio.panel("undo_photos")
    assert "Removed from the scene: 1. Changed since, or already gone: 2." in panel["photos_state"]["description"]
    assert not panel["undo_photos"]["visible"]
    assert list(shapes(studio)) == ["background", "mirrored", "third"]
    wait_until(lambda: "astronaut" not in [found["inputName"] for found in studio.requests.get_input_list().inputs])
    studio.remove("mirrored")
    studio.remove("third")
    studio.panel("add", images=listed(photo, other_photo))
    assert "Removed from the scene: 2." in studio.panel("undo_photos")["photos_state"]["description"]
    assert list(shapes(studio)) == ["background"]


def test_in_studio_mode_photos_go_into_the_scene_that_is_edited(studio: Studio, photo: Path) -> None:
    studio.requests.create_scene("next")
    studio.requests.set_studio_mode_enabled(True)
    studio.requests.set_current_preview_scene("next")
    wait_until(lambda: studio.requests.get_current_preview_scene().current_preview_scene_name == "next")
    studio.panel("add", images=listed(photo), placement="fit_height")
    (item,) = studio.requests.get_scene_item_list("next").scene_items
    assert item["sourceName"] == "astronaut"
    studio.wait_for_state("astronaut", "Ready")
    studio.requests.trigger_studio_mode_transition()
    time.sleep(1)
    shape = studio.requests.get_scene_item_list("next").scene_items[0]["sceneItemTransform"]
    assert face_is_off(studio.pixels("next", 1280, 720), photo, shape) < 6
    studio.requests.set_studio_mode_enabled(False)
    studio.requests.set_current_program_scene(SCENE)
    studio.requests.remove_scene("next")
    wait_until(lambda: "astronaut" not in [found["inputName"] for found in studio.requests.get_input_list().inputs])


def test_new_portraits_begin_with_the_chosen_preset_and_keep_it(
    tmp_path: Path, photo: Path, expected_layer: Any
) -> None:
    with open_studio(tmp_path) as studio:
        studio.panel("add", images=listed(photo), new_preset="livestream_overlay")
        overlay = {"crop": True, "erosion": 1, "feather": 1, "longest_side": 2160}
        studio.wait_for_layer("astronaut", expected_layer(photo, **overlay))
        studio.add("given", photo, feather=9)  # what is asked for goes before the preset
        studio.wait_for_layer("given", expected_layer(photo, crop=True, erosion=1, feather=9))
        studio.quit()
        collection = studio.obs.config / "basic" / "scenes" / "Untitled.json"
        collection.write_text(collection.read_text().replace("livestream_overlay", "id_photo"))
        studio.start()
        studio.wait_for_layer("astronaut", expected_layer(photo, **overlay))


def test_a_still_from_the_panel_makes_a_portrait_and_renews_it(studio: Studio, photo: Path) -> None:
    assert "Choose a source to take the still from." in studio.panel("take_still")["still_state"]["description"]
    studio.requests.create_input(SCENE, "camera", "image_source", {"file": str(photo)}, True)
    assert "camera" in studio.panel()["still_source"]["items"]
    without = studio.panel("photograph_room", still_source="camera")["still_state"]["description"]
    assert "Take a still of camera first" in without
    begun = studio.panel("take_still", still_source="camera", placement="left_third")
    assert begun["still_state"]["visible"]
    wait_until(lambda: "camera, cut out" in shapes(studio))
    studio.wait_for_state("camera, cut out", "Ready: 512 × 512")
    layer = studio.layer("camera, cut out")
    assert layer is not None
    assert sum(person(shapes(studio)["camera, cut out"], layer)[::2]) / 2 == pytest.approx(213, abs=4)
    assert not studio.panel("refresh_still")["still_state"]["visible"]  # it is done
    first = studio.requests.get_input_settings("camera, cut out").input_settings["still"]
    assert "leave the picture" in studio.panel("photograph_room")["still_state"]["description"]
    studio.wait_for_state("camera, cut out", "The empty room in")
    studio.requests.trigger_hot_key_by_name("cvmatte.take_still")
    wait_until(lambda: studio.requests.get_input_settings("camera, cut out").input_settings["still"] != first)
    studio.wait_for_state("camera, cut out", "Ready: 512 × 512")  # a still's countdown takes the place of the room's
    assert list(shapes(studio)) == ["background", "camera", "camera, cut out"]
    studio.remove("camera")
    studio.remove("camera, cut out")


def test_hotkeys_say_whose_they_are_and_what_they_do(studio: Studio, photo: Path) -> None:
    studio.add("Alice", photo)
    studio.wait_for_state("Alice", "Ready")
    ours = [hotkey for hotkey in studio.hotkeys() if "Alice" in hotkey and "CVMatte" in hotkey]
    assert ours == ["CVMatte: Alice: cut out again"]
    studio.requests.set_input_name("Alice", "Bert")
    wait_until(lambda: "CVMatte: Bert: cut out again" in studio.hotkeys())
    assert not [hotkey for hotkey in studio.hotkeys() if "Alice" in hotkey and "CVMatte" in hotkey]
    studio.remove("Bert")


def test_a_folder_is_cut_out_with_progress_and_an_archive(
    studio: Studio, tmp_path: Path, photo: Path, other_photo: Path, expected_layer: Any
) -> None:
    folder = tmp_path / "team"
    folder.mkdir()
    for name in ("anna", "berta", "carla"):
        Image.open(photo).save(folder / f"{name}.png")
    (folder / "broken.jpg").write_bytes(other_photo.read_bytes()[:5000])
    begun = studio.panel("folder_start", folder=str(folder))
    assert begun["folder_cancel"]["visible"]
    assert begun["refresh_folder"]["visible"]
    assert "“Refresh status” shows how far it is." in begun["folder_state"]["description"]
    assert "0 of 0" not in begun["folder_state"]["description"]
    wait_until(lambda: " of 4: " in studio.panel("refresh")["folder_state"]["description"])

    def finished() -> str:
        text = studio.panel("refresh")["folder_state"]["description"]
        return text if text.startswith("<span>Done") else ""

    done = wait_until(finished)
    assert "Done: 3 cut out, 1 failed." in done
    assert "broken.jpg" in done
    panel = studio.panel()
    assert [panel[name]["visible"] for name in ("folder_start", "refresh_folder", "folder_cancel")] == [
        True,
        False,
        False,
    ]
    (archive,) = (studio.data / "outputs").rglob("*.zip")
    assert archive.as_uri() in done
    with zipfile.ZipFile(archive) as opened:
        assert sorted(opened.namelist()) == ["anna.png", "berta.png", "carla.png"]
        pixels = np.asarray(Image.open(opened.open("anna.png")))
    assert np.array_equal(pixels, expected_layer(photo))
    archive.unlink()


def test_a_folder_can_be_cancelled(studio: Studio, tmp_path: Path, photo: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(30):
        Image.open(photo).save(folder / f"{number}.png")
    studio.panel("folder_start", folder=str(folder))
    wait_until(lambda: "1 of 30: " in studio.panel("refresh")["folder_state"]["description"])
    studio.panel("folder_cancel")
    wait_until(lambda: not studio.panel("refresh")["folder_cancel"]["visible"])
    assert "cancelled" in studio.panel()["folder_state"]["description"]
    assert not list((studio.data / "outputs").rglob("*.zip"))
    (made,) = (studio.data / "outputs").glob("many-cvmatte-*")
    finished = {path: path.stat().st_mtime_ns for path in made.glob("*.png")}
    assert 0 < len(finished) < 30
    for path in sorted(folder.iterdir())[4:]:  # the rest would only take time
        path.unlink()
    studio.panel("folder_start", folder=str(folder))
    wait_until(lambda: "Done: " in studio.panel("refresh")["folder_state"]["description"])
    assert list((studio.data / "outputs").glob("many-cvmatte-*")) == [made]
    assert finished.items() <= {path: path.stat().st_mtime_ns for path in made.glob("*.png")}.items()
    assert {f"{number}.png" for number in (0, 1, 10, 11)} <= {path.name for path in made.glob("*.png")}
    studio.add("after", photo)
    studio.wait_for_state("after", "Ready")
    studio.remove("after")


def test_a_folder_that_obs_s_end_interrupts_goes_on(tmp_path: Path, photo: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(30):
        Image.open(photo).save(folder / f"{number}.png")
    with open_studio(tmp_path / "obs") as studio:
        studio.panel("folder_start", folder=str(folder))
        wait_until(lambda: "1 of 30: " in studio.panel("refresh")["folder_state"]["description"])
        studio.quit()
        (made,) = (studio.data / "outputs").glob("many-cvmatte-*")
        finished = {path: path.stat().st_mtime_ns for path in made.glob("*.png")}
        assert 0 < len(finished) < 30
        for path in sorted(folder.iterdir())[4:]:  # the rest would only take time
            path.unlink()
        studio.start()
        assert f"{folder} was interrupted." in studio.panel()["folder_state"]["description"]
        studio.panel("folder_start")
        wait_until(lambda: "Done: " in studio.panel("refresh")["folder_state"]["description"])
        assert list((studio.data / "outputs").glob("many-cvmatte-*")) == [made]
        assert finished.items() <= {path: path.stat().st_mtime_ns for path in made.glob("*.png")}.items()
        assert not list(studio.data.glob("*.json"))


def test_tidying_keeps_what_is_in_use_and_the_newest(
    tmp_path: Path, photo: Path, other_photo: Path, expected_layer: Any
) -> None:
    with open_studio(tmp_path) as studio:
        studio.add("portrait", photo)
        for erosion in range(4):
            studio.set("portrait", erosion=erosion)
            studio.wait_for_layer("portrait", expected_layer(photo, erosion=erosion))
            studio.wait_for_state("portrait", "Ready")
        studio.set("portrait", erosion=0)
        studio.wait_for_layer("portrait", expected_layer(photo))
        outputs = studio.data / "outputs"

        def saved() -> dict[bytes, Path]:
            return {np.asarray(Image.open(path)).tobytes(): path for path in outputs.glob("*.png")}

        layers = [expected_layer(photo, erosion=erosion).tobytes() for erosion in range(4)]
        assert saved().keys() == set(layers)
        behind = saved()[layers[1]]
        studio.add("before it", other_photo, background="image", background_image=str(behind), format="webp")
        studio.wait_for_state("before it", "Ready")
        said = studio.panel("tidy", keep=1)["tidy_state"]["description"]
        assert "Tidying…" in said or "Removed 1 layers" in said  # which it may have by then
        wait_until(lambda: "Removed 1 layers" in studio.panel("refresh")["tidy_state"]["description"])
        assert saved().keys() == {layers[erosion] for erosion in (0, 1, 3)}


def test_a_drive_that_is_away_keeps_only_tidying_waiting(tmp_path: Path, photo: Path, expected_layer: Any) -> None:
    python = worker_with(tmp_path, SLOW_TO_TIDY)
    with open_studio(tmp_path / "obs", environment={"CVMATTE_PYTHON": str(python)}) as studio:
        for _ in range(3):  # pressing it again does no harm
            begun = time.monotonic()
            assert "Tidying…" in studio.panel("tidy")["tidy_state"]["description"]
            assert time.monotonic() - begun < 8  # less than the tidying takes
        studio.add("portrait", photo)
        studio.wait_for_layer("portrait", expected_layer(photo))
        wait_until(lambda: "Removed 7 layers" in studio.panel("refresh")["tidy_state"]["description"])
        assert (tmp_path / "tidied").read_text() == "once "


def test_the_worker_s_state_its_restart_and_the_diagnosis(tmp_path: Path, photo: Path, expected_layer: Any) -> None:
    with open_studio(tmp_path) as studio:
        assert "starts when it is needed" in studio.panel()["worker_state"]["description"]
        studio.add("portrait", photo)
        studio.wait_for_state("portrait", "Ready")
        (before,) = studio.worker_ids()
        assert "is ready" in studio.panel()["worker_state"]["description"]
        studio.panel("restart")
        wait_until(lambda: studio.worker_ids() and before not in studio.worker_ids())
        studio.add("broken", "/nowhere/at all.png")
        studio.wait_for_state("broken", "can't be found")
        for _ in range(2):
            studio.panel("diagnose")
            wait_until(lambda: not studio.panel("refresh_help")["help_state"]["visible"])
        assert studio.panel()["diagnosis"]["visible"]
        studio.quit()
        told = diagnosis_of(studio)
        for part in (
            "CVMatte 0.",
            f"OBS {studio.obs.version}.",
            "onnxruntime",
            "\nPython in OBS: 3.",
            "\nsandbox: Flatpak\n" if FLATPAK else "",
            "\npython: 3.",
            "\ninterpreter: ",
            f"\nlock: {requirements.digest()[:12]}\n",
            "CPUExecutionProvider",
            str(studio.data),
            "at all.png",
        ):
            assert part in told
        # It is of the OBS that runs, and the worker's part of that press: not of an earlier one.
        studio.start()
        assert not studio.panel()["diagnosis"]["visible"]
        studio.panel("diagnose")
        wait_until(lambda: not studio.panel("refresh_help")["help_state"]["visible"])
        (worker,) = studio.worker_ids()
        studio.quit()
        assert f"process {worker}" in diagnosis_of(studio)
        assert "log_file: " in diagnosis_of(studio)  # the worker's part


def diagnosis_of(studio: Studio) -> str:
    """The text for bug reports, as OBS has saved it."""
    collection = json.loads((studio.obs.config / "basic" / "scenes" / "Untitled.json").read_text())
    scripts: list[dict[str, Any]] = collection["modules"]["scripts-tool"]
    (text,) = [script["settings"]["diagnosis"] for script in scripts if script["path"].endswith("cvmatte.py")]
    return str(text)


def test_a_portrait_says_its_state_as_soon_as_the_script_is_loaded_anew(studio: Studio, photo: Path) -> None:
    studio.add("astronaut", photo)
    studio.wait_for_state("astronaut", "Ready")
    for _ in range(3):
        assert "astronaut – Ready: 512 × 512" in studio.reload()["portraits"]["description"]
    studio.wait_for_state("astronaut", "Ready")
    studio.remove("astronaut")


def test_a_worker_that_ends_and_is_started_again_is_no_matter_for_the_script_log(
    studio: Studio, photo: Path, expected_layer: Any
) -> None:
    studio.add("astronaut", photo)
    studio.wait_for_state("astronaut", "Ready")
    (worker,) = studio.worker_ids()
    os.kill(worker, signal.SIGTERM)
    wait_until(lambda: "the worker ended with code -15" in studio.obs.log())
    studio.set("astronaut", erosion=5)
    studio.wait_for_layer("astronaut", expected_layer(photo, erosion=5))
    assert "[CVMatte] the worker ended with code -15" in studio.obs.log()
    time.sleep(1)
    with pytest.raises(subprocess.CalledProcessError):
        studio.obs.xdotool("search", "--onlyvisible", "--name", "^Script Log$")
    studio.remove("astronaut")


def test_a_folder_in_the_list_of_photos_means_the_photos_in_it(
    studio: Studio, tmp_path: Path, photo: Path, other_photo: Path, expected_layer: Any
) -> None:
    """As OBS's *Add Directory* puts it there."""
    team, empty, many = (tmp_path / name for name in ("team", "empty", "many"))
    for folder in (team, empty, many):
        folder.mkdir()
    for path in (team / "anna.png", team / ".hidden.png"):
        path.write_bytes(photo.read_bytes())
    (team / "berta.jpg").write_bytes(other_photo.read_bytes())
    (team / "notes.txt").write_text("not a photo")
    for number in range(51):
        (many / f"{number}.png").write_bytes(photo.read_bytes())

    def said_of(*named: Path) -> str:
        studio.panel("add", images=listed(*named), placement="fit_height")
        wait_until(lambda: "Looking for" not in studio.panel("refresh_photos")["photos_state"]["description"])
        return html.unescape(studio.panel("refresh_photos")["photos_state"]["description"])

    assert f"There are no photos in {empty}." in said_of(empty)
    assert "more than 50 photos" in said_of(many)
    assert list(shapes(studio)) == ["background"]
    assert "The folder " not in said_of(team, photo)
    assert "Added to Scene: 3." in html.unescape(studio.panel("refresh_photos")["photos_state"]["description"])
    assert list(shapes(studio)) == ["background", "anna", "berta", "astronaut"]
    studio.wait_for_layer("anna", expected_layer(photo, longest_side=2160))
    studio.wait_for_layer("berta", expected_layer(other_photo, longest_side=2160))
    assert "Put photos into the list above first." in studio.panel("add")["photos_state"]["description"]
    for name in ("anna", "berta", "astronaut"):
        studio.remove(name)


def test_the_models_are_named_and_can_be_installed(studio: Studio) -> None:
    panel = studio.panel()
    listed = panel["model_state"]["description"]
    assert "Robust Video Matting (GPL-3.0): installed. Automatic means this one." in listed
    assert "CV-UNet" not in listed
    # What helps most first, nothing that is there, and last what a click can't install.
    titles = ["IS-Net general", "BiRefNet portrait", "BiRefNet general lite", "U²-Net human", "MODNet"]
    assert panel["model_to_install"]["items"] == [*titles, "CV-UNet (ModelScope)"]
    assert "IS-Net general: " in panel["model_chosen"]["description"]
    assert panel["install_model"]["visible"]
    assert not panel["install_cancel"]["visible"]
    chosen = studio.choose_in_panel("model_to_install", "cv-unet")  # without ModelScope's packages
    command = html.unescape(chosen["model_chosen"]["description"])
    assert "can't be installed by a click: run “python3 install.py --modelscope”" in command
    assert not chosen["install_model"]["visible"]
    assert studio.choose_in_panel("model_to_install", "modnet")["install_model"]["visible"]
    # One that is there can be chosen no more: another is offered in its place.
    assert "IS-Net" in studio.choose_in_panel("model_to_install", "rvm-mobilenetv3")["model_chosen"]["description"]


def test_what_the_chosen_model_is_good_at_and_costs_is_told(studio: Studio) -> None:
    for model, title in (("isnet-general-use", "IS-Net general"), ("modnet", "MODNet")):
        told = html.unescape(studio.choose_in_panel("model_to_install", model)["model_chosen"]["description"])
        entry = entry_of(model)
        for part in (title, good_at(entry, Texts("en")), costs(entry, Texts("en")), "Licence: Apache-2.0."):
            assert part in told
    assert "MODNet" in studio.panel("refresh")["model_chosen"]["description"]


@pytest.mark.skipif(is_there(entry_of("modnet")), reason="MODNet is installed: it must not be touched")
def test_a_model_is_fetched_by_a_click_and_can_be_cancelled(tmp_path: Path) -> None:
    """From a mirror on loopback, which has something else of that size."""
    modnet = entry_of("modnet")
    part = modnet.path.with_name(f"{modnet.file}.part")
    with publishing() as publisher:
        publisher.content, publisher.stall_at = bytes(modnet.size_bytes), 10_000_000
        environment = {"CVMATTE_MODEL_MIRROR": publisher.address}
        try:
            with open_studio(tmp_path / "obs", environment=environment) as studio:
                pressed = studio.panel("install_model", model_to_install="modnet")
                assert "Installing MODNet… “Refresh status” shows how" in pressed["model_state"]["description"]
                assert pressed["install_cancel"]["visible"]
                assert not pressed["install_model"]["visible"]
                wait_until(lambda: "10.0 of 25.9 MB" in studio.panel("refresh")["model_state"]["description"])
                studio.panel("install_cancel")
                wait_until(lambda: studio.panel("refresh")["install_model"]["visible"])
                assert part.stat().st_size == 10_000_000
                publisher.stall_at = 0
                publisher.goes_on.set()
                studio.panel("install_model", model_to_install="modnet")
                sentence = "The file from 127.0.0.1 is not the model MODNet"
                wait_until(lambda: sentence in studio.panel("refresh")["model_state"]["description"])
            assert publisher.asked[1][:2] == (f"/{modnet.file}", "bytes=10000000-")
            assert not part.exists()
            assert not is_there(modnet)
        finally:
            for path in (part, record_of(part)):
                path.unlink(missing_ok=True)


def test_a_model_that_is_gone_is_said_so_and_another_can_be_chosen(
    studio: Studio, photo: Path, expected_layer: Any
) -> None:
    studio.add("old", photo, model="mine of last year")
    studio.wait_for_state("old", "There is no model called mine of last year")
    found = studio.properties("old")["model"]["items"]
    assert found[:2] == ["Automatic (Robust Video Matting)", "Robust Video Matting"]
    assert found[-1] == "mine of last year (missing)"
    studio.set("old", model="rvm-mobilenetv3")
    studio.wait_for_layer("old", expected_layer(photo))
    assert len(studio.properties("old")["model"]["items"]) == len(found) - 1
    studio.remove("old")


def test_the_device_is_the_worker_s_from_its_next_start(tmp_path: Path, photo: Path) -> None:
    with open_studio(tmp_path) as studio:
        assert studio.panel()["device"]["items"][:2] == ["Automatic", "Processor"]
        studio.panel(device="cpu")
        time.sleep(1)
        assert studio.worker_ids() == []  # for that alone none is started
        studio.add("portrait", photo)
        studio.wait_for_state("portrait", "Ready")
        (before,) = studio.worker_ids()
        assert b"CVMATTE_DEVICE=cpu" in Path(f"/proc/{before}/environ").read_bytes()
        studio.panel(device="auto")
        wait_until(lambda: studio.worker_ids() and before not in studio.worker_ids())
        (after,) = studio.worker_ids()
        assert b"CVMATTE_DEVICE" not in Path(f"/proc/{after}/environ").read_bytes()
        studio.panel(keep=3)  # anything else leaves it alone
        time.sleep(1)
        assert studio.worker_ids() == [after]


def worker_with(folder: Path, program: str) -> Path:
    """An interpreter whose worker is `program`."""
    file, python = folder / "worker.py", folder / "python"
    file.write_text(program.format(root=str(paths.ROOT), folder=str(folder)), encoding="utf-8")
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -u "{file}"\n', encoding="utf-8")
    python.chmod(0o755)
    return python


SLOW_TO_TIDY = """
import sys, time
sys.path.insert(0, {root!r})
from cvmatte_core.layers import outputs
def tidy(*arguments):
    with open({folder!r} + "/tidied", "a") as file:
        file.write("once ")
    time.sleep(10)
    return outputs.Tidied(7, 0)
outputs.tidy = tidy
from cvmatte_core.worker.server import main
main()
"""

ELSEWHERE = """
import sys
sys.path.insert(0, {root!r})
from cvmatte_core.models import network as networks
load = networks.load
def elsewhere(*arguments):
    network = load(*arguments)
    type(network).fallback = property(lambda self: {{"wanted": "CUDA", "device": "CPU"}})
    return network
networks.load = elsewhere
from cvmatte_core.worker.server import main
main()
"""


def test_a_network_that_runs_elsewhere_is_said_so_with_the_layer(tmp_path: Path, photo: Path) -> None:
    python = worker_with(tmp_path, ELSEWHERE)
    with open_studio(tmp_path / "obs", environment={"CVMATTE_PYTHON": str(python)}) as studio:
        studio.add("portrait", photo)
        state = studio.wait_for_state("portrait", "Ready: 512 × 512")
        assert "CUDA can't be used, so CVMatte runs on CPU" in state


def test_the_outputs_folder_opens(tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    opened = tmp_path / "opened"
    opener = programs / "xdg-open"
    opener.write_text(f'#!/bin/sh\necho "$1" > "{opened}"\n')
    opener.chmod(0o755)
    environment = {"PATH": f"{programs}:{os.environ['PATH']}"}
    with open_studio(tmp_path / "obs", environment=environment) as studio:
        studio.panel("open_outputs")
        wait_until(lambda: opened.exists() and opened.read_text().strip() == str(studio.data / "outputs"))
        assert (studio.data / "outputs").is_dir()


def test_a_hanging_worker_is_restarted_from_the_panel(tmp_path: Path, photo: Path, expected_layer: Any) -> None:
    with open_studio(tmp_path) as studio:
        studio.add("portrait", photo)
        studio.wait_for_state("portrait", "Ready")
        (worker,) = studio.worker_ids()
        os.kill(worker, signal.SIGSTOP)
        studio.set("portrait", erosion=3)
        time.sleep(1)
        studio.panel("restart")
        studio.wait_for_layer("portrait", expected_layer(photo, erosion=3))


NOT_ALLOWED = "[Context]\nfilesystems=host;\n[Session Bus Policy]\norg.freedesktop.Flatpak=none\n"


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        # As far as OBS's environment goes: it isn't really in one.
        pytest.param(
            {"SNAP_NAME": "obs-studio"},
            "cut-out process, because its sandbox hides the system",
            marks=pytest.mark.skipif(FLATPAK, reason="it is in Flatpak's sandbox"),
            id="Snap",
        ),
        pytest.param(
            {"INFO": NOT_ALLOWED},
            "flatpak override --user --talk-name=org.freedesktop.Flatpak com.obsproject.Studio",
            marks=pytest.mark.skipif(not FLATPAK, reason="needs obs_versions.py --flatpak"),
            id="Flatpak",
        ),
    ],
)
def test_in_a_sandbox_the_panel_and_a_portrait_say_that_it_can_not_work(
    tmp_path: Path, photo: Path, environment: dict[str, str], sentence: str
) -> None:
    with open_studio(tmp_path, environment=environment) as studio:
        panel = studio.panel("refresh")
        for line in ("said", "worker_state"):
            assert sentence in panel[line]["description"]
        studio.add("astronaut", photo)
        studio.wait_for_state("astronaut", sentence)
