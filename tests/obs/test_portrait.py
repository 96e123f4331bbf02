"""A portrait in a real OBS, looked at through its pixels."""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demo.throwaway_obs import SCENE, wait_until
from PIL import Image

from .conftest import BACKGROUND, Studio, open_studio, same_layer
from .hanging_drive import mounted
from .test_life import count_jobs

FACE = (slice(110, 150), slice(205, 245))
HAIR = (slice(20, 110), slice(150, 305))


@pytest.fixture
def portrait(studio: Studio, photo: Path, expected_layer: Any) -> Iterator[str]:
    """A portrait of the sample photo, already on screen."""
    studio.add("portrait", photo)
    studio.wait_for_layer("portrait", expected_layer(photo))
    yield "portrait"
    studio.remove("portrait")


def test_the_photo_stands_cut_out_over_what_is_behind_it(studio: Studio, portrait: str, photo: Path) -> None:
    scene, original = studio.scene(), np.asarray(Image.open(photo).convert("RGB"))
    for corner in (scene[2, 2], scene[2, 509]):
        assert tuple(corner) == BACKGROUND
    assert np.abs(scene[FACE].astype(int) - original[FACE]).max() <= 2
    layer = studio.layer(portrait)
    assert layer is not None
    alpha = layer[HAIR][..., 3]
    assert ((alpha > 20) & (alpha < 235)).sum() > 100
    assert (alpha == 0).any()
    assert (alpha == 255).any()


def test_another_photo_replaces_the_layer(
    studio: Studio, portrait: str, other_photo: Path, expected_layer: Any
) -> None:
    studio.set(portrait, image=other_photo)
    studio.wait_for_layer(portrait, expected_layer(other_photo))


@pytest.mark.parametrize(
    "settings",
    [
        {"threshold": 128},
        {"erosion": 5},
        {"feather": 8},
        {"decontaminate": False},
        {"quality": "fast"},
        {"longest_side": 200},
        {"crop": True},
        {"crop": True, "crop_margin": 0},
        {"mirror": True},
        {"background": "colour", "background_colour": "#1e90ff"},
        {"background": "blur", "background_blur": 40},
        {"outline": 12},
        {"outline": 40, "outline_softness": 100, "shadow": 50},
    ],
    ids=lambda settings: list(settings)[-1],
)
def test_each_control_changes_the_layer(
    studio: Studio, portrait: str, photo: Path, expected_layer: Any, settings: dict[str, Any]
) -> None:
    in_obs = dict(settings)
    if "background_colour" in in_obs:
        in_obs["background_colour"] = 0xFFFF901E  # OBS writes colours as 0xAABBGGRR
    studio.set(portrait, **in_obs)
    changed = expected_layer(photo, **settings)
    assert not same_layer(changed, expected_layer(photo))
    studio.wait_for_layer(portrait, changed)


def test_an_image_stands_behind_the_person(
    studio: Studio, portrait: str, photo: Path, other_photo: Path, expected_layer: Any
) -> None:
    studio.set(portrait, background="image")
    studio.wait_for_state(portrait, "Choose a background image.")
    studio.set(portrait, background_image=str(other_photo))
    studio.wait_for_layer(portrait, expected_layer(photo, background="image", background_image=str(other_photo)))


def test_a_photo_that_is_larger_than_a_texture_fits(studio: Studio, tmp_path: Path, photo: Path) -> None:
    panorama = Image.new("RGB", (20_000, 512), (90, 120, 90))
    panorama.paste(Image.open(photo).convert("RGB"), (9744, 0))
    panorama.save(tmp_path / "panorama.jpg", quality=90)
    studio.add("panorama", tmp_path / "panorama.jpg", quality="fast")
    studio.wait_for_state("panorama", "Ready: 16384 × 419")
    assert studio.size("panorama") == (16384, 419)
    alpha = studio.pixels("panorama", 4096, 105)[..., 3]
    assert alpha[60:100, 2030:2060].mean() > 150 and alpha[:, :1500].mean() < 10
    (saved,) = (studio.data / "outputs").glob("panorama-*.png")
    assert Image.open(saved).size == (20_000, 512)
    studio.remove("panorama")


def test_only_the_main_person_stays(studio: Studio, tmp_path: Path, photo: Path, expected_layer: Any) -> None:
    one = Image.open(photo).convert("RGB").crop((60, 0, 400, 512))
    two = Image.new("RGB", (900, 512), (90, 120, 90))
    two.paste(one, (0, 0))
    two.paste(one.resize((170, 256)), (700, 256))
    path = tmp_path / "two.png"
    two.save(path)
    studio.add("two people", path)
    both = expected_layer(path)
    studio.wait_for_layer("two people", both)
    studio.set("two people", subject="main")
    alone = expected_layer(path, subject="main")
    studio.wait_for_layer("two people", alone)
    assert both[:, 700:, 3].max() > 200
    assert alone[:, 700:, 3].max() == 0
    studio.remove("two people")


def test_the_layer_is_saved_as_asked_and_obs_s_stays_transparent(
    studio: Studio, portrait: str, photo: Path, tmp_path: Path, expected_layer: Any
) -> None:
    folder = tmp_path / "my layers"
    for saved_as, ending in (("png", "png"), ("webp", "webp"), ("jpeg", "jpg")):
        studio.set(portrait, format=saved_as, save_mask=True, output_folder=str(folder))

        def saved(ending: str = ending) -> list[Path]:
            return [path for path in folder.glob(f"astronaut-*.{ending}") if not path.stem.endswith("-mask")]

        (path,) = wait_until(saved)
        studio.wait_for_state(portrait, "Ready")
        pixels = np.asarray(Image.open(path))
        layer = expected_layer(photo)
        seen = layer[..., 3] > 0
        if saved_as == "jpeg":
            assert pixels.shape == (512, 512, 3)
            assert (pixels[2, 2] >= 250).all()
        else:
            assert np.array_equal(pixels[seen], layer[seen])
        mask = np.asarray(Image.open(path.with_name(f"{path.stem}-mask.png")))
        assert np.array_equal(mask, layer[..., 3])
        studio.wait_for_layer(portrait, layer)
    properties = studio.properties(portrait)
    assert properties["jpeg_note"]["visible"]
    studio.set(portrait, background="blur")
    assert wait_until(lambda: not studio.properties(portrait)["jpeg_note"]["visible"])


def test_nobody_in_the_photo_is_said_and_the_last_layer_stays(
    studio: Studio, portrait: str, photo: Path, tmp_path: Path, expected_layer: Any
) -> None:
    layer = expected_layer(photo)
    studio.wait_for_layer(portrait, layer)
    Image.new("RGB", (640, 400), (90, 120, 160)).save(tmp_path / "sky.png")
    studio.set(portrait, image=tmp_path / "sky.png")
    studio.wait_for_state(portrait, "Nobody was found in sky.png: choose a photo of a person, or paint them in")
    shown = studio.layer(portrait)
    assert shown is not None and shown.shape == layer.shape and shown[..., 3].max() == 255
    studio.set(portrait, image=photo)
    studio.wait_for_layer(portrait, layer)


def test_a_preset_sets_the_controls_and_one_s_own_can_be_kept(
    studio: Studio, portrait: str, photo: Path, expected_layer: Any
) -> None:
    properties = studio.choose(portrait, "preset", "id_photo")
    assert properties["background_colour"]["visible"]
    wanted = {
        "quality": "best", "subject": "main", "id_photo": "35x45",
        "background": "colour", "background_colour": "#ffffff", "format": "jpeg",
    }  # fmt: skip
    studio.wait_for_layer(portrait, expected_layer(photo, **wanted))
    assert not studio.properties(portrait)["preset_delete"]["visible"]
    # Kept under a name, with a change
    studio.set(portrait, feather=4, quality="balanced", preset_name="  Mine ")
    studio.press(portrait, "preset_save")
    wait_until(lambda: "Saved the preset Mine." in said_of_presets(studio, portrait))
    properties = studio.properties(portrait)
    assert properties["preset"]["items"] == [
        "Custom", "Virtual meeting", "Livestream overlay", "ID photo", "Sticker", "Thumbnail", "Mine",
    ]  # fmt: skip
    assert properties["preset_delete"]["visible"]
    studio.choose(portrait, "preset", "livestream_overlay")
    studio.wait_for_layer(portrait, expected_layer(photo, crop=True, erosion=1, feather=1))
    studio.choose(portrait, "preset", "Mine")
    mine = {**wanted, "feather": 4, "quality": "balanced"}
    studio.wait_for_layer(portrait, expected_layer(photo, **mine))
    # Another name, then gone; the portrait stays as it is
    studio.set(portrait, preset_name="Yours")
    studio.press(portrait, "preset_rename")
    wait_until(lambda: "now called Yours." in said_of_presets(studio, portrait))
    assert "Yours" in studio.properties(portrait)["preset"]["items"]
    studio.set(portrait, preset_name="ID photo")
    studio.press(portrait, "preset_rename")
    wait_until(lambda: "ID photo" in said_of_presets(studio, portrait))
    studio.press(portrait, "preset_delete")
    wait_until(lambda: "Deleted the preset Yours." in said_of_presets(studio, portrait))
    assert studio.properties(portrait)["preset"]["items"][-1] == "Thumbnail"
    studio.wait_for_layer(portrait, expected_layer(photo, **mine))


def test_a_sticker_stands_in_the_scene_with_its_line(
    studio: Studio, portrait: str, photo: Path, expected_layer: Any
) -> None:
    studio.choose(portrait, "preset", "sticker_outline")
    wanted = expected_layer(photo, crop=True, outline=12, outline_colour="#ffffff")
    studio.wait_for_layer(portrait, wanted)
    assert studio.properties(portrait)["outline_colour"]["visible"]
    studio.set(portrait, crop=False, outline=16, outline_colour=0xFF00FF00)  # green, as OBS keeps it
    layer = expected_layer(photo, outline=16, outline_colour="#00ff00")
    studio.wait_for_layer(portrait, layer)
    assert studio.size(portrait) == (512 + 32, 512 + 32) == layer.shape[1::-1]
    assert (layer == (0, 255, 0, 255)).all(axis=2).sum() > 8000


def said_of_presets(studio: Studio, portrait: str) -> str:
    """Beside their buttons."""
    said: str = studio.properties(portrait)["preset_said"]["description"]
    return said


def test_a_value_of_another_version_leaves_the_dialog_whole(studio: Studio, photo: Path) -> None:
    studio.add("of a later version", photo, quality="ultra", preset="id_photo", preset_applied="id_photo")
    studio.wait_for_state("of a later version", "one of these: fast")
    properties = studio.properties("of a later version")
    assert {"quality", "feather", "preset_save"} <= set(properties)
    studio.remove("of a later version")


@pytest.mark.parametrize("way", ["button", "hotkey"])
def test_rematte_reads_the_photo_again(
    studio: Studio, photo: Path, other_photo: Path, tmp_path: Path, expected_layer: Any, way: str
) -> None:
    chosen = tmp_path / "chosen.png"
    shutil.copyfile(photo, chosen)
    studio.add("rematted", chosen)
    studio.wait_for_layer("rematted", expected_layer(photo))
    Image.open(other_photo).save(chosen)
    if way == "button":
        studio.press("rematted", "rematte")
    else:
        studio.requests.trigger_hot_key_by_name("cvmatte.portrait.rematte")
    studio.wait_for_layer("rematted", expected_layer(chosen))
    studio.remove("rematted")


def test_a_broken_photo_keeps_the_last_good_layer_and_says_so(
    studio: Studio, portrait: str, photo: Path, tmp_path: Path, expected_layer: Any
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(photo.read_bytes()[:100_000])
    studio.set(portrait, image=broken)
    state = studio.wait_for_state(portrait, "broken.png is damaged")
    assert "The last good layer stays." in state
    layer = studio.layer(portrait)
    assert layer is not None
    assert same_layer(layer, expected_layer(photo))
    studio.set(portrait, image=photo, erosion=3)
    studio.wait_for_layer(portrait, expected_layer(photo, erosion=3))


def test_a_photo_that_lacks_its_last_bytes_is_shown_and_that_is_said(
    studio: Studio, portrait: str, photo: Path, tmp_path: Path, expected_layer: Any
) -> None:
    whole, lacking = tmp_path / "whole.jpg", tmp_path / "lacking.jpg"
    Image.open(photo).convert("RGB").save(whole, quality=90)
    lacking.write_bytes(whole.read_bytes()[:-5])
    studio.set(portrait, image=lacking)
    assert "Ready" in studio.wait_for_state(portrait, "The photo's file ends too early")
    studio.wait_for_layer(portrait, expected_layer(lacking))


def test_a_layer_that_can_not_be_saved_is_shown_and_that_is_said(
    studio: Studio, portrait: str, photo: Path, tmp_path: Path, expected_layer: Any
) -> None:
    (tmp_path / "file").touch()
    studio.set(portrait, output_folder=str(tmp_path / "file"), erosion=6)
    state = studio.wait_for_state(portrait, "The new layer is shown all the same.")
    assert "Nothing can be written to" in state and "last good layer" not in state
    studio.wait_for_layer(portrait, expected_layer(photo, erosion=6))


def test_no_row_of_the_dialog_moves_when_the_state_is_another(tmp_path: Path, photo: Path, other_photo: Path) -> None:
    """Below the state: what a line has room for, and more."""
    portrait_format = tmp_path / "portrait.png"
    Image.open(other_photo).crop((156, 0, 412, 512)).save(portrait_format)
    with open_studio(tmp_path / "obs", screen=(1280, 1100)) as studio:
        studio.add("portrait", "", background="image", background_image=str(other_photo))
        studio.requests.open_input_properties_dialog("portrait")
        studio.set("portrait", image=photo)

        def below() -> np.ndarray:
            """The names of what comes first below the line that says how the portrait is."""
            studio.obs.place(studio.obs.window("portrait"), 720, 1000)
            return np.asarray(studio.obs.photograph())[640:830, 20:95]

        studio.wait_for_state("portrait", "Ready")
        time.sleep(2)  # until nobody is taken to move a control
        before = below()
        assert before.std() > 10
        for settings, state in (
            ({"background_image": "/nowhere"}, "can't be found"),
            ({"background_image": str(other_photo), "subject": "held"}, "Keeping what people hold takes another model"),
            ({"subject": "everyone", "image": portrait_format}, "Ready"),
        ):
            studio.set("portrait", **settings)
            studio.wait_for_state("portrait", state)
            time.sleep(2)
            assert np.abs(below().astype(int) - before).max() < 8, state
        studio.obs.dismiss(studio.obs.window("portrait"))  # else it asks at OBS's end what to do with the changes


def test_a_missing_background_is_said_once(studio: Studio, portrait: str) -> None:
    studio.set(portrait, background="image", background_image="/nowhere/beach.png")
    sentence = "The background beach.png can't be found"
    studio.wait_for_state(portrait, sentence)
    time.sleep(3)  # in which it would be tried again, if it were taken for the photo
    assert studio.obs.log().count(sentence) == 1


def test_a_drive_that_does_not_answer_costs_only_its_own_portrait(
    tmp_path: Path, photo: Path, other_photo: Path, expected_layer: Any
) -> None:
    with mounted(tmp_path) as drive, open_studio(tmp_path / "studio") as studio:
        far, another = drive.folder / photo.name, drive.folder / other_photo.name
        shutil.copy(photo, far)
        shutil.copy(other_photo, another)
        mine = Path(shutil.copy(photo, tmp_path / "mine"))
        studio.add("far", far)
        studio.add("near", mine)
        studio.wait_for_layer("far", expected_layer(photo))
        studio.wait_for_layer("near", expected_layer(photo))
        drive.hang()
        studio.set("far", image=another)
        studio.wait_for_state("far", "Starting…")
        studio.set("near", erosion=3)
        studio.wait_for_state("far", f"The drive that {another.name} is on isn")
        studio.wait_for_layer("near", expected_layer(photo, erosion=3))
        shutil.copy(other_photo, mine)  # which is noticed all the same
        studio.wait_for_layer("near", expected_layer(other_photo, erosion=3))
        studio.set("near", output_folder=str(drive.folder), erosion=4)
        studio.wait_for_layer("near", expected_layer(other_photo, erosion=4))
        studio.wait_for_state("near", f"The drive that {drive.folder} is on isn")
        drive.answer()
        studio.wait_for_layer("far", expected_layer(other_photo))
        drive.hang()
        time.sleep(1)
        studio.quit()
        drive.answer()


def test_no_photo_shows_nothing_and_asks_for_one(studio: Studio, portrait: str) -> None:
    studio.set(portrait, image="")
    studio.wait_for_state(portrait, "Choose a photo.")
    wait_until(lambda: studio.size(portrait) == (0, 0))


def test_a_worker_killed_in_mid_job_costs_nothing(
    studio: Studio, photo: Path, tmp_path: Path, expected_layer: Any
) -> None:
    large = tmp_path / "large.png"
    Image.open(photo).resize((1600, 1600)).save(large)
    before = studio.worker_ids()
    studio.add("survivor", large, quality="best")
    studio.wait_for_state("survivor", "Cutting out")
    (worker,) = studio.worker_ids()
    os.kill(worker, signal.SIGKILL)
    studio.wait_for_layer("survivor", expected_layer(large, quality="best"))
    assert worker not in studio.worker_ids()
    assert len(studio.worker_ids()) == 1
    assert before in ([], [worker])
    studio.remove("survivor")


def test_a_photo_on_which_the_worker_dies_twice_is_given_up_and_the_next_one_served(
    studio: Studio, photo: Path, tmp_path: Path, expected_layer: Any
) -> None:
    large = tmp_path / "large.png"
    Image.open(photo).resize((1500, 1500)).save(large)
    studio.add("deadly", large, quality="best")
    studio.add("next", photo, erosion=2)
    killed: set[int] = set()
    for said in ("ended unexpectedly: trying once more", "made the cut-out process end twice"):
        (worker,) = wait_until(lambda: set(studio.worker_ids()) - killed)
        studio.wait_for_state("deadly", "Cutting out")
        before = studio.obs.log().count(said)
        os.kill(worker, signal.SIGKILL)
        killed.add(worker)
        # Until the line is no more of the job before: a worker that is killed too early counts as none.
        wait_until(lambda: studio.obs.log().count(said) > before)  # noqa: B023
    studio.wait_for_state("deadly", said)
    studio.wait_for_layer("next", expected_layer(photo, erosion=2))
    studio.remove("deadly")
    studio.remove("next")


def test_a_dragged_slider_ends_on_its_last_value_and_saves_no_layer_for_each_step(
    studio: Studio, portrait: str, photo: Path, expected_layer: Any
) -> None:
    outputs = studio.data / "outputs"
    saved = set(outputs.iterdir())
    for feather in range(1, 31):
        studio.set(portrait, feather=feather)
        time.sleep(0.03)
    studio.wait_for_layer(portrait, expected_layer(photo, feather=30))
    studio.wait_for_state(portrait, "Ready")
    assert len(set(outputs.iterdir()) - saved) <= 5  # one, but for steps that a slow machine rests on


def test_the_saved_layer_is_what_obs_shows(studio: Studio, portrait: str, photo: Path, expected_layer: Any) -> None:
    studio.wait_for_state(portrait, "Ready")  # the file of what it shows before is there
    outputs = studio.data / "outputs"
    saved = set(outputs.iterdir())
    studio.set(portrait, threshold=77)
    studio.wait_for_layer(portrait, expected_layer(photo, threshold=77))
    (png,) = wait_until(lambda: set(outputs.glob("astronaut-*.png")) - saved)
    assert np.array_equal(np.asarray(Image.open(png)), expected_layer(photo, threshold=77))


def test_a_portrait_removed_in_mid_job_is_forgotten(studio: Studio, photo: Path, expected_layer: Any) -> None:
    studio.add("short-lived", photo, quality="best", erosion=9)
    time.sleep(0.3)
    studio.remove("short-lived")
    studio.add("after", photo, erosion=4)
    studio.wait_for_layer("after", expected_layer(photo, erosion=4))
    studio.remove("after")


def test_a_portrait_that_takes_the_place_of_a_removed_one_is_found(studio: Studio) -> None:
    """libobs gives it the same memory, as soon as it can."""
    for _ in range(40):
        studio.add("short-lived", "")
        studio.wait_for_state("short-lived", "Choose a photo.")
        studio.requests.remove_input("short-lived")
        wait_until(
            lambda: "short-lived" not in [found["inputName"] for found in studio.requests.get_input_list().inputs]
        )


def test_what_changes_while_nothing_draws_a_portrait_is_there_when_it_is_shown(
    studio: Studio, portrait: str, photo: Path, expected_layer: Any
) -> None:
    """Hidden, or in a scene that isn't on: libobs drops frames of such sources from its queue."""
    (item,) = [
        found["sceneItemId"]
        for found in studio.requests.get_scene_item_list(SCENE).scene_items
        if found["sourceName"] == portrait
    ]
    studio.requests.set_scene_item_enabled(SCENE, item, False)
    jobs = count_jobs(studio)
    studio.set(portrait, erosion=11)
    wait_until(lambda: count_jobs(studio) > jobs)
    studio.wait_for_state(portrait, "Ready")
    time.sleep(0.5)
    studio.requests.set_scene_item_enabled(SCENE, item, True)
    studio.wait_for_layer(portrait, expected_layer(photo, erosion=11))
    studio.requests.create_scene("elsewhere")
    studio.requests.create_input("elsewhere", "unseen", "cvmatte_portrait", {"image": str(photo), "feather": 4}, True)
    studio.wait_for_state("unseen", "Ready")
    time.sleep(0.5)
    studio.requests.set_current_program_scene("elsewhere")
    pixels = studio.pixels("elsewhere", 1280, 720)
    assert np.abs(pixels[FACE][..., :3].astype(int) - expected_layer(photo)[FACE][..., :3]).max() <= 2
    studio.requests.set_current_program_scene(SCENE)
    studio.requests.remove_scene("elsewhere")


def test_properties_show_every_control_with_its_tip_and_the_three_views(studio: Studio, portrait: str) -> None:
    studio.wait_for_state(portrait, "Ready: 512 × 512")
    properties = studio.properties(portrait)
    for control in (
        "model",
        "quality",
        "threshold",
        "erosion",
        "feather",
        "decontaminate",
        "subject",
        "crop",
        "mirror",
        "background",
        "outline",
        "shadow",
        "id_photo",
        "longest_side",
        "format",
        "save_mask",
        "metadata",
        "output_folder",
        "preset",
    ):
        assert properties[control]["visible"], control
        assert properties[control]["tip"], control
    for control in (
        "background_colour",
        "background_image",
        "background_blur",
        "outline_colour",
        "outline_softness",
        "crop_margin",
        "source",
        "sheet",
        "take_still",
    ):
        assert not properties[control]["visible"], control
    shown = [text for found in (properties, studio.panel()) for entry in found.values() for text in entry.values()]
    assert not [text for text in shown if isinstance(text, str) and re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", text)]
    assert "<img src=" in properties["views"]["description"]
    studio.set(portrait, background="colour")
    assert wait_until(lambda: studio.properties(portrait)["background_colour"]["visible"])


@pytest.mark.parametrize("without_websocket", [False, True])
def test_portraits_are_found_by_whatever_name_and_in_whatever_scene(
    tmp_path: Path, photo: Path, expected_layer: Any, without_websocket: bool
) -> None:
    """Also in a build of OBS that has no obs-websocket, as far as CVMatte can see."""
    scripts: list[Any] = [(Path(__file__).with_name("without_websocket.py"), {})] if without_websocket else []
    names = ['Zoë “the\\2nd” 𝄞 "x" <b>', "zwölf Boxkämpfer"]
    with open_studio(tmp_path, scripts=scripts) as studio:
        studio.requests.create_scene("elsewhere")
        settings = {"image": str(photo), "longest_side": 0}
        for name in names:
            studio.requests.create_input("elsewhere", name, "cvmatte_portrait", settings, True)
        for name in names:
            studio.wait_for_state(name, "Ready")
            assert same_layer(studio.pixels(name, 512, 512), expected_layer(photo))
        studio.requests.set_input_name(names[0], "renamed")
        studio.set("renamed", erosion=3)
        wait_until(lambda: same_layer(studio.pixels("renamed", 512, 512), expected_layer(photo, erosion=3)))
        listed = studio.properties("renamed")["source"]["items"]
        assert {"background", names[1], SCENE, "elsewhere"} <= set(listed)
