"""Stills from other sources of OBS, looked at through their pixels."""

from __future__ import annotations

import contextlib
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

from tests.conftest import SAMPLE

from .conftest import Studio, open_studio

BURST = 4  # frames


@pytest.fixture
def camera(studio: Studio, photo: Path) -> Iterator[str]:
    """A source that shows the sample photo, as a webcam would."""
    studio.requests.create_input(SCENE, "camera", "image_source", {"file": str(photo)}, True)
    wait_until(lambda: studio.size("camera")[0] == 512)
    yield "camera"
    studio.remove("camera")


@pytest.fixture
def portrait(studio: Studio, camera: str) -> Iterator[str]:
    studio.add("portrait", "", input="source", source=camera, delay=0)
    studio.wait_for_state("portrait", "Choose a source and press “Take still”.")
    yield "portrait"
    studio.remove("portrait")


def stills(studio: Studio) -> set[Path]:
    return set((studio.data / "stills").glob("*.png"))


def take(studio: Studio, portrait: str, known: set[Path]) -> Path:
    """Press the button, and wait for the still."""
    studio.press(portrait, "take_still")
    (still,) = wait_until(lambda: stills(studio) - known)
    return still


def burst_of(still: Path) -> list[np.ndarray]:
    """The frames before a still of something that doesn't move."""
    return [np.asarray(Image.open(still).convert("RGB"))] * (BURST - 1)


def test_a_still_is_what_the_source_shows_and_becomes_a_layer(
    studio: Studio, portrait: str, photo: Path, expected_layer: Any
) -> None:
    still = take(studio, portrait, stills(studio))
    assert still.name.startswith("camera-")
    studio.wait_for_layer(portrait, expected_layer(still, burst=burst_of(still)))
    assert np.array_equal(np.asarray(Image.open(still)), np.asarray(Image.open(photo).convert("RGB")))
    assert not list(studio.data.rglob("still-*"))  # its frames are used up
    assert not list((studio.obs.folder / "Videos").glob("*"))
    # The still is kept with the portrait: other settings are made from it, and the next still gets its own file.
    studio.set(portrait, erosion=4)
    studio.wait_for_layer(portrait, expected_layer(still, burst=burst_of(still), erosion=4))
    again = take(studio, portrait, stills(studio))
    studio.wait_for_layer(portrait, expected_layer(again, burst=burst_of(again), erosion=4))
    assert still.exists()


def test_a_still_has_the_source_s_filters(studio: Studio, portrait: str, photo: Path) -> None:
    studio.requests.create_source_filter("camera", "cropped", "crop_filter", {"relative": True, "left": 100})
    wait_until(lambda: studio.size("camera")[0] == 412)
    still = take(studio, portrait, stills(studio))
    assert np.array_equal(np.asarray(Image.open(still)), np.asarray(Image.open(photo).convert("RGB"))[:, 100:])


def test_a_source_that_a_filter_enlarges_is_taken_through_a_scene(studio: Studio, portrait: str) -> None:
    studio.requests.create_source_filter("camera", "padded", "crop_filter", {"relative": True, "left": -100})
    wait_until(lambda: studio.size("camera")[0] == 612)
    studio.press(portrait, "take_still")
    studio.wait_for_state(portrait, "A filter enlarges camera")
    studio.set(portrait, source=SCENE)
    assert Image.open(take(studio, portrait, stills(studio))).size == (1280, 720)


def test_a_whole_scene_can_be_the_source(studio: Studio, portrait: str) -> None:
    studio.requests.create_scene("another scene")
    colour = {"color": 0xFF2040C0, "width": 1280, "height": 720}
    studio.requests.create_input("another scene", "plain", "color_source_v3", colour, True)
    assert "another scene" in studio.properties(portrait)["source"]["items"]
    studio.set(portrait, source="another scene")
    pixels = np.asarray(Image.open(take(studio, portrait, stills(studio))))
    assert pixels.shape == (720, 1280, 3)
    assert (pixels == (0xC0, 0x40, 0x20)).all()
    assert "take another still" in studio.wait_for_state(portrait, "Nobody was found in another scene")
    studio.requests.remove_scene("another scene")


def test_the_countdown_is_in_the_state_line(studio: Studio, portrait: str) -> None:
    studio.set(portrait, delay=10)
    known = stills(studio)
    studio.press(portrait, "take_still")
    studio.wait_for_state(portrait, "Still in")
    numbers: list[int] = []
    while True:
        there = stills(studio)
        said = re.search(r"Still in (\d+) …", studio.state(portrait))
        if said is None:
            break
        assert there == known
        numbers.append(int(said[1]))
    assert numbers == sorted(numbers, reverse=True) and len(set(numbers)) >= 3 and numbers[0] <= 10
    wait_until(lambda: stills(studio) - known)
    studio.wait_for_state(portrait, "Ready: 512 × 512")


def test_another_input_ends_the_countdown(studio: Studio, portrait: str, photo: Path, expected_layer: Any) -> None:
    studio.set(portrait, delay=10)
    known = stills(studio)
    studio.press(portrait, "take_still")
    studio.wait_for_state(portrait, "Still in")
    begun = time.monotonic()
    studio.set(portrait, input="file", image=photo)
    studio.wait_for_layer(portrait, expected_layer(photo))
    time.sleep(max(0, begun + 11 - time.monotonic()))
    assert stills(studio) == known and "Ready" in studio.state(portrait)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("", "Choose a source to take the still from."),
        ("long gone", "There is no source called long gone"),
        ("dark", "dark shows no picture"),
    ],
)
def test_a_source_that_shows_nothing_is_said(studio: Studio, portrait: str, source: str, sentence: str) -> None:
    studio.requests.create_input(SCENE, "dark", "image_source", {}, True)
    studio.set(portrait, source=source)
    studio.press(portrait, "take_still")
    studio.wait_for_state(portrait, sentence)
    studio.remove("dark")


def test_the_list_of_sources_stays_current_and_a_renamed_source_is_followed(studio: Studio, portrait: str) -> None:
    listed = studio.properties(portrait)["source"]["items"]
    assert {"background", "camera", SCENE} <= set(listed)
    assert portrait not in listed
    studio.requests.create_input(SCENE, "new one", "color_source_v3", {}, True)
    assert "new one" in studio.properties(portrait)["source"]["items"]
    studio.remove("new one")
    assert "new one" not in studio.properties(portrait)["source"]["items"]
    studio.requests.set_input_name("camera", "the other camera")
    wait_until(lambda: studio.requests.get_input_settings(portrait).input_settings["source"] == "the other camera")
    take(studio, portrait, stills(studio))
    studio.wait_for_state(portrait, "Ready")
    studio.requests.set_input_name("the other camera", "camera")


def test_a_still_that_can_not_be_written_leaves_the_one_before(
    studio: Studio, portrait: str, tmp_path: Path, expected_layer: Any
) -> None:
    still = take(studio, portrait, stills(studio))
    kept = Path(shutil.copy(still, tmp_path / "kept.png"))
    studio.wait_for_state(portrait, "Ready")
    studio.set(portrait, still=str(kept))
    studio.wait_for_state(portrait, "Ready")
    (studio.data / "stills").rename(studio.data / "elsewhere")
    (studio.data / "stills").touch()  # a file where the folder has to be
    try:
        with stopped(studio.worker_ids()):
            studio.press(portrait, "take_still")
            wait_until(lambda: len(list(studio.data.rglob("still-*"))) == BURST)
            studio.wait_for_state(portrait, "Waiting")
            studio.set(portrait, erosion=4)
            time.sleep(0.5)  # as a person who moves a slider meanwhile
        studio.wait_for_state(portrait, "Nothing can be written to")
        studio.wait_for_state(portrait, "Ready")
        studio.wait_for_layer(portrait, expected_layer(kept, burst=burst_of(kept), erosion=4))
        assert studio.requests.get_input_settings(portrait).input_settings["still"] == str(kept)
        assert not list(studio.data.rglob("still-*"))
    finally:
        (studio.data / "stills").unlink()
        (studio.data / "elsewhere").rename(studio.data / "stills")


@contextlib.contextmanager
def stopped(workers: list[int]) -> Iterator[None]:
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)
    try:
        yield
    finally:
        for worker in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGCONT)


def test_a_still_survives_the_worker_s_death(studio: Studio, portrait: str, expected_layer: Any) -> None:
    studio.set(portrait, quality="best")
    studio.requests.set_input_settings("camera", {"file": str(large_photo(studio))}, True)
    wait_until(lambda: studio.size("camera")[0] == 1600)
    studio.press(portrait, "take_still")
    studio.wait_for_state(portrait, "Cutting out")
    for worker in studio.worker_ids():
        os.kill(worker, signal.SIGKILL)
    studio.wait_for_state(portrait, "Ready: 1600 × 1600")
    still = Path(studio.requests.get_input_settings(portrait).input_settings["still"])
    layer = studio.layer(portrait)
    assert layer is not None
    # The burst was used up before the death: what comes is made from the still alone.
    assert np.abs(layer.astype(int) - expected_layer(still, quality="best"))[..., 3].mean() < 2


def large_photo(studio: Studio) -> Path:
    path = studio.data / "large.png"
    Image.open(SAMPLE).resize((1600, 1600)).save(path)
    return path


def test_another_script_that_draws_never_freezes_obs_while_stills_are_taken(tmp_path: Path, photo: Path) -> None:
    """It holds the GIL and waits for the graphics lock: who holds that lock mustn't wait for the GIL."""
    scripts: list[Any] = [(Path(__file__).with_name("drawing_script.py"), {})]
    with open_studio(tmp_path, scripts=scripts, frames_per_second=30) as studio:
        studio.requests.create_input(SCENE, "camera", "image_source", {"file": str(photo)}, True)
        studio.add("portrait", "", input="source", source="camera", delay=0, quality="fast")
        studio.wait_for_state("portrait", "Take still")
        for _ in range(10):
            take(studio, "portrait", stills(studio))
        studio.wait_for_state("portrait", "Ready")


def test_a_source_that_is_removed_in_the_countdown_still_gives_its_still(
    studio: Studio, portrait: str, photo: Path
) -> None:
    known = stills(studio)
    studio.requests.create_input(SCENE, "passing", "image_source", {"file": str(photo)}, True)
    studio.set(portrait, source="passing", delay=3)
    studio.press(portrait, "take_still")
    studio.wait_for_state(portrait, "Still in")
    studio.requests.remove_input("passing")
    wait_until(lambda: stills(studio) - known)
    studio.wait_for_state(portrait, "Ready")


def test_a_data_folder_whose_name_is_no_text_never_ends_obs(tmp_path: Path, photo: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")  # a name of older systems: Latin-1
    with open_studio(tmp_path, environment={"CVMATTE_DATA": str(folder)}) as studio:
        studio.requests.create_input(SCENE, "camera", "image_source", {"file": str(photo)}, True)
        studio.add("portrait", "", input="source", source="camera", delay=0, quality="fast")
        studio.wait_for_state("portrait", "Take still")
        studio.press("portrait", "take_still")
        studio.wait_for_state("portrait", "Nothing can be written")
        studio.add("photo", photo, quality="fast")
        studio.wait_for_state("photo", "Ready")
        assert "feather" in studio.properties("photo")


def test_a_still_is_there_at_once_after_a_restart_and_has_the_portrait_s_hotkey(
    tmp_path: Path, photo: Path, expected_layer: Any
) -> None:
    with open_studio(tmp_path) as studio:
        studio.requests.create_input(SCENE, "camera", "image_source", {"file": str(photo)}, True)
        studio.add("portrait", "", input="source", source="camera", delay=0)
        studio.wait_for_state("portrait", "Take still")
        studio.requests.trigger_hot_key_by_name("cvmatte.portrait.take_still")
        (still,) = wait_until(lambda: stills(studio))
        expected = expected_layer(still, burst=burst_of(still))
        studio.wait_for_layer("portrait", expected)
        studio.wait_for_state("portrait", "Ready")
        studio.quit()
        studio.obs.environment["CVMATTE_PYTHON"] = "/nonexistent/python"
        studio.start()
        studio.wait_for_layer("portrait", expected)


def test_no_source_is_held_while_obs_clears_its_scenes(tmp_path: Path, photo: Path) -> None:
    """Neither when it loads another collection nor when it ends: also not for a still that is about to be taken."""
    told = tmp_path / "leaving.txt"
    scripts: list[Any] = [(Path(__file__).with_name("leaving_script.py"), {})]
    with open_studio(tmp_path / "obs", scripts=scripts, environment={"LEAVING_FILE": str(told)}) as studio:
        studio.requests.create_scene("another scene")
        studio.requests.create_input("another scene", "camera", "image_source", {"file": str(photo)}, True)
        studio.add("portrait", "", input="source", source="camera", delay=10)
        for leave in (lambda: studio.requests.create_scene_collection("other"), studio.quit):
            studio.wait_for_state("portrait", "Take still")
            studio.press("portrait", "take_still")
            studio.wait_for_state("portrait", "Still in")
            told.unlink(missing_ok=True)
            leave()
            assert told.read_text().split() == ["False"]
            if studio.obs.is_running:
                studio.requests.set_current_scene_collection("Untitled")
