"""A source of OBS that is cut out live, in a real OBS: what is sent, when, and that OBS takes no harm."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demo.processes import alive
from demo.throwaway_obs import SCENE, wait_until
from development import made_clips, made_rooms
from PIL import Image

from .conftest import BACKGROUND, Studio, open_studio
from .conftest import CLIP_SIZE as SIZE
from .test_live import is_live, moves

CANVAS = (640, 360)  # larger ones take OBS's time without a graphics card
CLIP = {"is_local_file": True, "looping": True, "clear_on_media_end": False}


@pytest.fixture(scope="module")
def studio(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """With a proxy that isn't there, as some have for the internet."""
    proxy = {"http_proxy": "http://127.0.0.1:9"}
    options: dict[str, Any] = {"frames_per_second": 30, "canvas": CANVAS, "environment": proxy}
    with open_studio(tmp_path_factory.mktemp("obs"), **options) as studio:
        studio.requests.create_input(SCENE, "cam", "ffmpeg_source", {"local_file": str(clip), **CLIP}, True)
        yield studio


def add_live(studio: Studio, name: str, source: str, **settings: Any) -> None:
    values = {"input": "source_live", "source": source, "longest_side": 0, "quality": "fast", **settings}
    studio.requests.create_input(SCENE, name, "cvmatte_portrait", values, True)


def outputs(studio: Studio) -> list[tuple[int, int]]:
    """The sizes of what is being sent."""
    return [
        (one["outputWidth"], one["outputHeight"])
        for one in studio.requests.get_output_list().outputs
        if one["outputKind"] == "ffmpeg_output" and one["outputActive"]
    ]


def sync_offset(studio: Studio, name: str) -> int:
    """Of a source with sound, in milliseconds."""
    return int(studio.requests.get_input_audio_sync_offset(name).input_audio_sync_offset)


def shown(studio: Studio, name: str, visible: bool) -> None:
    item = studio.requests.get_scene_item_id(SCENE, name).scene_item_id
    studio.requests.set_scene_item_enabled(SCENE, item, visible)


def memory(process: int) -> int:
    """Megabytes that a process holds."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20


def test_a_source_is_cut_out_as_it_plays(studio: Studio) -> None:
    add_live(studio, "live", "cam")
    wait_until(lambda: is_live(studio))
    studio.wait_for_state("live", "frames per second, processed at")
    wait_until(lambda: outputs(studio) == [SIZE])
    (process,) = studio.obs.live_ids()
    assert not studio.obs.ports(process)  # OBS is connected: nobody else can


def test_its_properties_offer_every_source_and_say_what_is_locked(studio: Studio) -> None:
    properties = studio.properties("live")
    assert {"cam", "background", SCENE} <= set(properties["source"]["items"])
    visible = {name for name, one in properties.items() if one["visible"]}
    assert {"source", "live_note", "rate", "limit", "take_still"} <= visible
    assert not visible & {"image", "video", "device", "delay"}
    with pytest.raises(Exception, match="while an output is active"):
        studio.requests.set_video_settings(30, 1, 1920, 1080, 1280, 720)


def test_hidden_nothing_is_sent(studio: Studio) -> None:
    shown(studio, "live", False)
    studio.wait_for_state("live", "Hidden")
    wait_until(lambda: not outputs(studio))
    shown(studio, "live", True)
    wait_until(lambda: is_live(studio))


def test_a_press_makes_the_microphone_as_late_as_the_picture(studio: Studio) -> None:
    """What the person had set there is added to, once; what they set since is left."""
    studio.requests.create_input(SCENE, "mic", "ffmpeg_source", {"local_file": "", **CLIP}, False)
    studio.requests.set_input_audio_sync_offset("mic", 200)
    studio.set("live", source="")
    studio.press("live", "voice_fit")
    studio.wait_for_state("live", "Choose a source with sound")
    studio.choose("live", "more_controls", True)
    properties = studio.choose("live", "microphone", "mic")
    assert {"mic", "cam"} <= set(properties["microphone"]["items"]) and properties["group_voice"]["visible"]
    assert not {"background", SCENE, "live"} & set(properties["microphone"]["items"])
    studio.press("live", "voice_fit")
    studio.wait_for_state("live", "isn't known yet")
    assert sync_offset(studio, "mic") == 200

    studio.set("live", source="cam")
    wait_until(lambda: "ms" in studio.properties("live")["voice_fit"]["description"])
    assert not studio.properties("live")["voice_back"]["visible"]

    def is_as_the_button_says() -> bool:
        """However often it is pressed, and also where the lag has become another just now."""
        studio.press("live", "voice_fit")
        time.sleep(0.2)
        properties = studio.properties("live")
        named = re.search(r"to (\d+) ms", properties["voice_fit"]["description"])
        assert named is not None
        is_said = "before, it was 200 ms" in properties["voice_said"]["description"]
        return is_said and sync_offset(studio, "mic") == int(named[1]) >= 210

    for _ in range(2):
        wait_until(is_as_the_button_says)
    studio.press("live", "voice_back")
    wait_until(lambda: sync_offset(studio, "mic") == 200)

    studio.press("live", "voice_fit")
    wait_until(lambda: sync_offset(studio, "mic") != 200)
    studio.requests.set_input_audio_sync_offset("mic", 555)
    assert "changed since, to 555 ms" in studio.properties("live")["voice_said"]["description"]
    studio.press("live", "voice_back")
    studio.wait_for_state("live", "mic has been changed to 555 ms since")
    assert sync_offset(studio, "mic") == 555
    studio.press("live", "voice_fit")
    wait_until(lambda: sync_offset(studio, "mic") > 555)
    studio.choose("live", "more_controls", False)


def test_two_portraits_of_a_source_are_fed_with_the_same_picture(studio: Studio) -> None:
    add_live(studio, "second", "cam")
    wait_until(lambda: is_live(studio, "second"))
    wait_until(lambda: outputs(studio) == [SIZE, SIZE] and studio.mixes() == 1)
    studio.set("second", longest_side=160)
    wait_until(lambda: studio.size("second") == (160, 90))
    wait_until(lambda: outputs(studio) == [SIZE, SIZE] and studio.mixes() == 1)  # as large as the one that wants more
    shown(studio, "live", False)
    wait_until(lambda: outputs(studio) == [(160, 90)])
    shown(studio, "live", True)
    wait_until(lambda: outputs(studio) == [SIZE, SIZE] and studio.mixes() == 1)
    studio.remove("second")
    wait_until(lambda: outputs(studio) == [SIZE])
    wait_until(lambda: is_live(studio))


def test_a_source_that_is_renamed_is_followed(studio: Studio) -> None:
    studio.requests.set_input_name("cam", "webcam")
    wait_until(lambda: studio.requests.get_input_settings("live").input_settings["source"] == "webcam")
    wait_until(lambda: is_live(studio))
    studio.requests.set_input_name("webcam", "cam")
    wait_until(lambda: studio.requests.get_input_settings("live").input_settings["source"] == "cam")
    wait_until(lambda: is_live(studio))


def test_a_source_that_is_gone_is_said_until_it_is_back(studio: Studio, clip: Path) -> None:
    studio.requests.remove_input("cam")
    studio.wait_for_state("live", "There is no source called cam")
    assert studio.size("live") == (0, 0) and not outputs(studio)  # nobody stays on the air
    studio.press("live", "take_still")
    studio.wait_for_state("live", "No still was taken")
    studio.requests.create_input(SCENE, "cam", "ffmpeg_source", {"local_file": str(clip), **CLIP}, True)
    wait_until(lambda: is_live(studio))


def test_what_is_removed_from_its_last_scene_is_gone(studio: Studio, clip: Path) -> None:
    """And no sooner. OBS itself has it as long as anybody holds it, as who draws it does."""
    studio.requests.create_scene("other")
    there = studio.requests.create_scene_item("other", "cam", True).scene_item_id
    studio.requests.remove_scene_item(SCENE, studio.requests.get_scene_item_id(SCENE, "cam").scene_item_id)
    time.sleep(1.5)
    assert "There is no source" not in studio.said("live")
    wait_until(lambda: is_live(studio) and "frames per second" in studio.said("live"))
    studio.requests.remove_scene_item("other", there)
    wait_until(lambda: "There is no source called cam" in studio.said("live"))
    assert studio.size("live") == (0, 0)
    studio.requests.create_input("other", "cam", "ffmpeg_source", {"local_file": str(clip), **CLIP}, True)
    wait_until(lambda: is_live(studio))
    shown(studio, "live", False)
    wait_until(lambda: "Hidden" in studio.said("live"))
    studio.requests.remove_scene("other")
    wait_until(lambda: studio.size("live") == (0, 0))
    shown(studio, "live", True)
    assert studio.size("live") == (0, 0)  # not even for a moment
    studio.requests.create_input(SCENE, "cam", "ffmpeg_source", {"local_file": str(clip), **CLIP}, True)
    wait_until(lambda: is_live(studio))


def test_a_loop_is_refused_also_when_it_comes_about_later(studio: Studio) -> None:
    studio.set("live", source=SCENE)
    studio.wait_for_state("live", "shows this portrait itself")
    assert studio.size("live") == (0, 0) and not outputs(studio)
    for scene, inside in (("inner", "cam"), ("outer", "inner")):
        studio.requests.create_scene(scene)
        studio.requests.create_scene_item(scene, inside, True)
    studio.set("live", source="outer")
    wait_until(lambda: studio.size("live") == CANVAS and moves(studio, "live"))
    item = studio.requests.create_scene_item("inner", "live", True).scene_item_id
    studio.wait_for_state("live", "outer shows this portrait itself")
    wait_until(lambda: not outputs(studio) and studio.size("live") == (0, 0))
    studio.requests.remove_scene_item("inner", item)
    wait_until(lambda: outputs(studio) == [CANVAS] and moves(studio, "live"))
    studio.set("live", source="cam")
    wait_until(lambda: is_live(studio))
    for scene in ("outer", "inner"):
        studio.requests.remove_scene(scene)


@pytest.mark.parametrize(
    ("size", "sent", "layer"),
    [
        ((641, 359), (644, 360), (641, 359)),  # what makes it whole fours isn't shown
        ((1, 1), (4, 2), (1, 1)),
        ((7680, 4320), (1280, 720), (1280, 720)),
        ((30, 2000), (20, 1280), (19, 1280)),
    ],
)
def test_any_size_is_sent_and_never_more_than_is_shown(
    studio: Studio, size: tuple[int, int], sent: tuple[int, int], layer: tuple[int, int]
) -> None:
    colour = {"color": 0xFF336699, "width": size[0], "height": size[1]}
    if "plain" not in [one["inputName"] for one in studio.requests.get_input_list().inputs]:
        studio.requests.create_input(SCENE, "plain", "color_source_v3", colour, False)
    studio.requests.set_input_settings("plain", colour, True)
    studio.set("live", source="plain", longest_side=1280)
    wait_until(lambda: outputs(studio) == [sent])
    wait_until(lambda: studio.size("live") == layer)


def test_that_nothing_moves_is_said(studio: Studio) -> None:
    studio.set("live", source="background")
    wait_until(lambda: studio.said("live") == "Live: nothing moves.")


def test_a_source_without_a_picture_is_said(studio: Studio) -> None:
    studio.requests.create_input(SCENE, "empty", "ffmpeg_source", {"local_file": "", **CLIP}, True)
    studio.set("live", source="empty", longest_side=0)
    studio.wait_for_state("live", "empty shows no picture")
    assert studio.size("live") == (0, 0) and not outputs(studio)
    studio.set("live", source="cam")
    wait_until(lambda: is_live(studio))


def test_forty_sources_switched_through(studio: Studio) -> None:
    for _ in range(10):
        for source in ("plain", "cam", "background", "empty"):
            studio.set("live", source=source)
            time.sleep(0.15)
    studio.set("live", source="cam")
    wait_until(lambda: is_live(studio))
    wait_until(lambda: outputs(studio) == [SIZE])


def test_a_process_that_dies_is_fed_again(studio: Studio) -> None:
    for _ in range(3):
        (process,) = studio.obs.live_ids()
        os.kill(process, signal.SIGKILL)
        wait_until(lambda: studio.obs.live_ids() not in ([], [process]))  # noqa: B023
        assert studio.size("live") == SIZE  # the last picture stays
        wait_until(lambda: is_live(studio))
    wait_until(lambda: outputs(studio) == [SIZE])


def test_a_process_that_hangs_does_not_fill_the_memory(studio: Studio) -> None:
    """OBS keeps what it can't send: 10 s of this would be 400 MB."""
    studio.requests.create_input(
        SCENE, "large", "color_source_v3", {"color": 0xFF336699, "width": 1920, "height": 1080}, False
    )
    studio.set("live", source="large")
    wait_until(lambda: outputs(studio) == [(1920, 1080)])
    (process,) = studio.obs.live_ids()
    before = memory(studio.obs.process_id)
    os.kill(process, signal.SIGSTOP)
    most = 0
    for _ in range(60):
        time.sleep(0.1)
        most = max(most, memory(studio.obs.process_id) - before)
    assert most < 200
    wait_until(lambda: studio.obs.live_ids() not in ([], [process]))
    studio.set("live", source="cam")
    wait_until(lambda: is_live(studio))


def test_a_change_of_profile_changes_the_video_settings(studio: Studio) -> None:
    studio.requests.create_profile("other")
    wait_until(lambda: is_live(studio))
    shown(studio, "live", False)
    studio.wait_for_state("live", "Hidden")
    wait_until(lambda: not outputs(studio))
    studio.requests.set_video_settings(30, 1, 320, 180, 320, 180)
    shown(studio, "live", True)
    wait_until(lambda: is_live(studio))
    for profile, width in (("Untitled", 640), ("other", 320), ("Untitled", 640)):
        studio.requests.set_current_profile(profile)
        assert studio.requests.get_video_settings().base_width == width
        assert studio.size("live") == SIZE
        wait_until(lambda: is_live(studio))
    studio.requests.remove_profile("other")


def test_obs_records_beside_it_and_in_studio_mode(studio: Studio) -> None:
    studio.requests.set_studio_mode_enabled(True)
    studio.requests.start_record()
    wait_until(lambda: is_live(studio))
    studio.set("live", source="background")  # one begins and another ends while OBS records
    wait_until(lambda: outputs(studio) not in ([], [SIZE]))
    studio.set("live", source="cam")
    wait_until(lambda: is_live(studio))
    recorded = Path(studio.requests.stop_record().output_path)
    wait_until(lambda: recorded.exists() and recorded.stat().st_size > 10_000)
    studio.requests.set_studio_mode_enabled(False)
    wait_until(lambda: is_live(studio) and outputs(studio) == [SIZE])


def still_of(studio: Studio, name: str) -> Path:
    return Path(studio.requests.get_input_settings(name).input_settings.get("still", ""))


def test_a_still_of_what_it_sees(studio: Studio) -> None:
    studio.press("live", "take_still")
    studio.wait_for_state("live", "Ready")
    wait_until(lambda: not outputs(studio))
    first = still_of(studio, "live")
    assert Image.open(first).size == SIZE
    studio.set("live", input="source_live", source="background")
    wait_until(lambda: outputs(studio) == [(1280, 720)])
    studio.press("live", "take_still")
    wait_until(lambda: still_of(studio, "live") != first)
    colours = np.asarray(Image.open(still_of(studio, "live")).convert("RGB"), int)
    assert np.abs(colours - BACKGROUND).max() <= 2
    studio.set("live", input="source_live", source="cam")
    wait_until(lambda: is_live(studio))


def test_the_script_reloaded_and_the_collection_switched(studio: Studio) -> None:
    studio.reload()
    wait_until(lambda: is_live(studio) and outputs(studio) == [SIZE])
    studio.requests.create_scene_collection("elsewhere")
    wait_until(lambda: not outputs(studio))
    studio.requests.set_current_scene_collection("Untitled")
    wait_until(lambda: is_live(studio))


def test_the_microphone_s_offset_is_put_back_after_a_restart_and_under_another_name(studio: Studio) -> None:
    studio.requests.set_input_name("mic", "voice")
    assert "mic isn't there any more" in studio.properties("live")["voice_said"]["description"]
    studio.press("live", "voice_back")
    studio.wait_for_state("live", "mic isn't there any more")
    studio.choose("live", "microphone", "voice")
    assert sync_offset(studio, "voice") > 555
    studio.press("live", "voice_back")
    wait_until(lambda: sync_offset(studio, "voice") == 555)


def pictures_of_a_room(folder: Path, photo: Path) -> tuple[Path, Path, tuple[int, int]]:
    """An empty room; the same with a person who holds a ball; and where that is."""
    random = np.random.default_rng(5)
    wall = made_rooms.shelf(CANVAS, random) * 255
    cutout = np.asarray(Image.fromarray(made_clips.cut_by_an_ellipse(photo)).resize((340, 340)), np.float32)
    seen = wall.copy()
    seen[20:, 60:400] += cutout[..., 3:] / 255 * (cutout[..., :3] - seen[20:, 60:400])
    rows, columns = np.mgrid[:360, :640]
    seen[(rows - 250) ** 2 + (columns - 360) ** 2 < 50**2] = (210, 60, 40)
    paths = folder / "empty.png", folder / "person.png"
    for path, picture in zip(paths, (wall, seen), strict=True):
        Image.fromarray(np.rint(picture + random.normal(0, 1.5, picture.shape)).clip(0, 255).astype(np.uint8)).save(
            path
        )
    return *paths, (250, 370)


def test_what_a_person_holds_is_kept_before_an_empty_room(studio: Studio, photo: Path, tmp_path: Path) -> None:
    """Live, and of a still that is taken later; and it goes again when the room is forgotten."""
    empty, person, ball = pictures_of_a_room(tmp_path, photo)

    def has_room(name: str) -> bool:
        return bool(studio.properties(name)["room_forget"]["visible"])

    def shows_number(name: str) -> bool:
        layer = studio.layer(name)
        return layer is not None and float((layer[..., 3] == 255).mean()) > 0.02

    studio.requests.create_input(SCENE, "desk", "image_source", {"file": str(empty)}, True)
    studio.set("live", source="desk", longest_side=0, subject="everyone")
    add_live(studio, "still", "desk", input="source", delay=0)
    wait_until(lambda: studio.size("live") == CANVAS)
    wait_until(lambda: studio.properties("live")["room_take"]["visible"])
    assert not has_room("live")
    studio.press("live", "room_take")
    studio.wait_for_state("live", "The empty room in")
    wait_until(lambda: shows_number("live"))
    wait_until(lambda: has_room("live"))
    assert ".preview.png" in studio.properties("still")["room_picture"]["description"]
    assert not studio.properties("still")["room_renew"]["visible"]

    studio.requests.create_source_filter("desk", "green", "color_filter_v2", {"hue_shift": 90.0})
    wait_until(lambda: not has_room("live"))
    studio.requests.remove_source_filter("desk", "green")
    studio.requests.set_input_name("desk", "table")
    wait_until(lambda: has_room("live") and has_room("still"))

    def shows_ball(name: str) -> bool:
        layer = studio.layer(name)
        return layer is not None and layer.shape[:2] == CANVAS[::-1] and bool(layer[ball][3] > 250)

    studio.requests.set_input_settings("table", {"file": str(person)}, True)
    wait_until(lambda: shows_ball("live"))
    studio.press("still", "take_still")
    studio.wait_for_state("still", "Ready")
    assert shows_ball("still")
    studio.press("still", "room_forget")
    wait_until(lambda: not shows_ball("live") and not shows_ball("still"))
    assert not list((studio.data / "rooms").iterdir())
    studio.set("live", source="cam")
    wait_until(lambda: is_live(studio))


def test_obs_quits_while_it_is_live_and_leaves_nothing(studio: Studio) -> None:
    (process,) = studio.obs.live_ids()
    wait_until(lambda: outputs(studio) == [SIZE])
    studio.quit()
    wait_until(lambda: not alive(process), 60)
