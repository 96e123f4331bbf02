"""A person cut out of a moving picture, in a real OBS. A clip through the same path stands for a camera."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demo.processes import alive
from demo.throwaway_obs import PATIENCE, SCENE, wait_until
from PIL import Image

from cvmatte_core.filesystem import mounts, paths

from .conftest import CLIP_SIZE as SIZE
from .conftest import Studio, open_studio


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with open_studio(tmp_path_factory.mktemp("obs"), frames_per_second=15) as studio:
        yield studio


def live_ids(studio: Studio) -> list[int]:
    return studio.obs.live_ids()


def add_live(studio: Studio, name: str, video: Path | str, **settings: Any) -> None:
    values = {"input": "video", "video": str(video), "longest_side": 0, "quality": "fast", **settings}
    studio.requests.create_input(SCENE, name, "cvmatte_portrait", values, True)


def shows_person(studio: Studio, name: str) -> bool:
    layer = studio.layer(name)
    if layer is None or layer.shape[:2] != SIZE[::-1]:
        return False
    alpha = layer[..., 3]
    return bool(alpha[:15, :15].max() < 40 and alpha[100:150, 140:180].mean() > 150)


def moves(studio: Studio, name: str, seconds: float = PATIENCE) -> bool:
    """Whether another picture comes in that time."""
    before = studio.layer(name)

    def is_another() -> bool:
        nonlocal before
        now = studio.layer(name)
        if before is None:  # until then it had none
            before = now
        return now is not None and before is not None and not np.array_equal(now, before)

    try:
        wait_until(is_another, seconds, 0.05)
    except TimeoutError:
        return False
    return True


def is_live(studio: Studio, name: str = "live") -> bool:
    return shows_person(studio, name) and moves(studio, name)


def test_open_properties_go_on_to_say_its_figures(studio: Studio, clip: Path) -> None:
    add_live(studio, "live", clip)
    studio.wait_for_state("live", "Live: ")
    time.sleep(8)  # from then on it is only the figures that change
    studio.requests.open_input_properties_dialog("live")
    dialog = studio.obs.window("^Properties for")
    studio.obs.move(dialog, 720, 780)
    time.sleep(2)
    studio.obs.xdotool("mousemove", "100", "700", "click", "--repeat", "60", "5")  # to the end, where they all are

    def below_the_preview() -> bytes:
        return studio.obs.photograph().crop((150, 560, 680, 725)).tobytes()

    before = below_the_preview()
    wait_until(lambda: below_the_preview() != before, interval=0.5)
    studio.obs.dismiss(dialog)
    studio.remove("live")


def test_a_video_is_cut_out_as_it_plays(studio: Studio, clip: Path) -> None:
    add_live(studio, "live", clip)
    wait_until(lambda: shows_person(studio, "live"))
    assert moves(studio, "live")
    studio.wait_for_state("live", "frames per second, processed at")
    properties = studio.properties("live")
    assert properties["video"]["visible"] and properties["rate"]["visible"]
    assert not properties["image"]["visible"] and not properties["device"]["visible"]


def test_controls_act_on_it(studio: Studio) -> None:
    studio.set("live", background="colour", background_colour=0xFFFF0000)  # blue, as OBS keeps it
    wait_until(lambda: bool((studio.layer("live")[5, 5] == (0, 0, 255, 255)).all()))  # type: ignore[index]
    studio.set("live", background="transparent")
    wait_until(lambda: shows_person(studio, "live"))


def test_an_outline_comes_and_goes_while_it_plays(studio: Studio) -> None:
    studio.set("live", outline=10, outline_colour=0xFF00FF00)  # green, as OBS keeps it

    def has_line() -> bool:
        layer = studio.layer("live")
        if layer is None or layer.shape[:2] != (SIZE[1] + 20, SIZE[0] + 20):
            return False
        line = (layer[..., 1] > 240) & (layer[..., 0] < 15) & (layer[..., 3] > 240)
        return bool(line.sum() > 1000 and not layer[0, :, 3].any())

    wait_until(has_line)
    assert moves(studio, "live")
    studio.set("live", outline=0)
    wait_until(lambda: shows_person(studio, "live"))


def test_settings_that_can_not_be_are_said_while_it_goes_on(studio: Studio) -> None:
    studio.set("live", quality="of another version")
    studio.wait_for_state("live", "quality")
    assert moves(studio, "live")
    studio.set("live", quality="fast")
    studio.wait_for_state("live", "frames per second")


def test_controls_that_do_nothing_for_it_are_not_shown(studio: Studio) -> None:
    of_photos = {"id_photo", "format", "save_mask", "output_folder"}
    studio.add("of a photo", "", subject="held", id_photo="us", background="transparent", format="jpeg")
    properties = studio.properties("of a photo")
    shown = {*of_photos, "sheet", "jpeg_note"}
    assert all(properties[name]["visible"] for name in shown)
    assert properties["subject"]["items"] == ["Everyone", "The main person", "People and what they hold"]
    properties = studio.choose("of a photo", "input", "video")
    assert not any(properties[name]["visible"] for name in shown)
    assert properties["longest_side"]["visible"] and properties["shadow"]["visible"]
    assert properties["subject"]["items"] == ["Everyone", "The main person"]
    # What was chosen for photos is so again.
    assert studio.requests.get_input_settings("of a photo").input_settings["subject"] == "held"
    properties = studio.choose("of a photo", "input", "file")
    assert len(properties["subject"]["items"]) == 3 and properties["format"]["visible"]
    studio.remove("of a photo")


def test_it_heeds_the_choice_of_a_device_at_once(studio: Studio) -> None:
    studio.panel(device="cuda")  # which isn't there
    assert "CUDA can't be used" in studio.wait_for_state("live", "can't be used")
    studio.panel(device="cpu")
    wait_until(lambda: "can't be used" not in studio.state("live") and "frames" in studio.state("live"))
    studio.panel(device="auto")
    wait_until(lambda: moves(studio, "live", 0.3))


def test_a_process_that_dies_is_back_with_the_last_frame_on_screen(studio: Studio) -> None:
    (process,) = live_ids(studio)
    os.kill(process, signal.SIGKILL)
    assert shows_person(studio, "live")
    wait_until(lambda: live_ids(studio) not in ([], [process]))
    wait_until(lambda: moves(studio, "live", 0.3))


def test_a_process_that_hangs_is_ended_and_another_takes_its_place(studio: Studio) -> None:
    (process,) = live_ids(studio)
    os.kill(process, signal.SIGSTOP)
    assert shows_person(studio, "live")
    wait_until(lambda: live_ids(studio) not in ([], [process]))
    wait_until(lambda: moves(studio, "live", 0.3))


def test_it_keeps_to_a_limit_of_the_processor(studio: Studio) -> None:
    assert studio.properties("live")["limit"]["visible"]
    studio.set("live", limit=10)

    def share() -> float:
        """Of all cores, that the process takes for two seconds."""
        (process,) = live_ids(studio)
        ticks, begun = _processor(process), time.monotonic()
        time.sleep(2)
        used = (_processor(process) - ticks) / os.sysconf("SC_CLK_TCK")
        return used / (time.monotonic() - begun) / (os.cpu_count() or 1)

    wait_until(lambda: moves(studio, "live", 0.5) and share() < 0.15)
    studio.set("live", limit=100)
    wait_until(lambda: moves(studio, "live", 0.3))


@pytest.mark.skipif((os.cpu_count() or 1) > 8, reason="a tenth of so many cores is enough for it")
def test_what_misses_its_rate_says_what_helps(studio: Studio) -> None:
    studio.set("live", limit=10, rate=60)
    studio.wait_for_state("live", "frames per second")
    wait_until(lambda: "of 60 frames per second: raise Maximum CPU use." in studio.said("live"))
    studio.set("live", limit=100, rate=30)
    wait_until(lambda: "raise Maximum CPU use" not in studio.said("live"))


def test_hidden_it_rests_and_is_back_when_it_is_shown(studio: Studio) -> None:
    item = studio.requests.get_scene_item_id(SCENE, "live").scene_item_id
    studio.requests.set_scene_item_enabled(SCENE, item, False)
    hidden = studio.wait_for_state("live", "Hidden")
    assert "camera" not in hidden
    studio.press("live", "take_still")
    studio.wait_for_state("live", "No still was taken, because the portrait is hidden: show it")
    (process,) = live_ids(studio)
    wait_until(lambda: rests(process))
    studio.requests.set_scene_item_enabled(SCENE, item, True)
    wait_until(lambda: moves(studio, "live", 0.3))
    assert live_ids(studio) == [process]


def rests(process: int) -> bool:
    """Whether it uses no processor for a while."""
    before = _processor(process)
    time.sleep(1)
    return _processor(process) == before


def _processor(process: int) -> int:
    """Ticks of processor that it has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_the_hotkey_freezes_and_unfreezes(studio: Studio) -> None:
    hotkeys = [name for name in studio.requests.get_hot_key_list().hotkeys if name == "cvmatte.portrait.freeze"]
    assert hotkeys
    studio.requests.trigger_hot_key_by_name("cvmatte.portrait.freeze", None)
    studio.wait_for_state("live", "Frozen")
    wait_until(lambda: not moves(studio, "live", 0.5))
    # A key that is pressed this way goes down and up at once: what comes soon after counts as its coming up.
    time.sleep(2.5)
    studio.requests.trigger_hot_key_by_name("cvmatte.portrait.freeze", None)
    wait_until(lambda: moves(studio, "live", 0.5))


def test_two_at_once_and_a_photo_beside_them(studio: Studio, clip: Path, photo: Path, expected_layer: Any) -> None:
    add_live(studio, "second", clip)
    studio.add("photo", photo)
    studio.wait_for_layer("photo", expected_layer(photo))
    wait_until(lambda: shows_person(studio, "second"))
    assert len(live_ids(studio)) == 2
    studio.remove("second")
    wait_until(lambda: len(live_ids(studio)) == 1)


def test_to_a_photo_and_back(studio: Studio, photo: Path, expected_layer: Any) -> None:
    studio.set("live", input="file", image=photo)
    studio.wait_for_layer("live", expected_layer(photo, quality="fast"))
    wait_until(lambda: not live_ids(studio))
    studio.set("live", input="video")
    wait_until(lambda: shows_person(studio, "live"))


def test_a_still_of_what_it_sees_is_cut_out_in_full_quality(studio: Studio, expected_layer: Any) -> None:
    assert studio.properties("live")["take_still"]["visible"]
    studio.press("live", "take_still")
    studio.wait_for_state("live", "Ready")
    still = Path(studio.requests.get_input_settings("live").input_settings["still"])
    assert Image.open(still).size == SIZE
    studio.wait_for_layer("live", expected_layer(still, quality="fast"))
    studio.set("live", input="video")
    wait_until(lambda: shows_person(studio, "live") and moves(studio, "live", 0.5))


def test_a_still_of_a_video_that_has_ended_is_of_its_last_frame(studio: Studio) -> None:
    studio.set("live", video_loop=False)
    wait_until(lambda: studio.said("live") == "Live: nothing moves.")
    studio.press("live", "take_still")
    studio.wait_for_state("live", "Ready")
    studio.set("live", input="video", video_loop=True)
    wait_until(lambda: shows_person(studio, "live") and moves(studio, "live", 0.5))


@pytest.mark.parametrize(
    ("content", "part"), [(None, "can't be found"), (b"no video", "not a clip"), (b"", "not a clip")]
)
def test_what_is_no_video_is_said(studio: Studio, tmp_path: Path, content: bytes | None, part: str) -> None:
    video = tmp_path / "mine.mp4"
    if content is not None:
        video.write_bytes(content)
    studio.set("live", video=str(video))
    studio.wait_for_state("live", part)
    assert shows_person(studio, "live")  # the last frame stays
    studio.press("live", "take_still")
    studio.wait_for_state("live", "No still was taken, because there is no picture yet")


def test_it_goes_on_when_the_video_is_there(studio: Studio, clip: Path, tmp_path: Path) -> None:
    video = tmp_path / "later.mp4"
    studio.set("live", video=str(video))
    studio.wait_for_state("live", "can't be found")
    video.write_bytes(clip.read_bytes())
    studio.wait_for_state("live", "frames per second")
    assert moves(studio, "live")


def test_a_camera_that_is_not_there_is_said(studio: Studio) -> None:
    studio.set("live", input="camera", device="/dev/video77")
    studio.wait_for_state("live", "plug it in")
    studio.set("live", device="")
    none_chosen = ("Choose a camera.", "No camera found: plug one in.")  # as this computer has some or none
    wait_until(lambda: studio.said("live") in none_chosen)
    wait_until(lambda: not live_ids(studio))
    studio.press("live", "take_still")
    studio.wait_for_state("live", "No still was taken")


def test_obs_quits_with_a_live_portrait_and_leaves_nothing(studio: Studio, clip: Path) -> None:
    studio.set("live", input="video", video=str(clip))
    wait_until(lambda: shows_person(studio, "live"))
    (process,) = live_ids(studio)
    frames = {
        Path(line.split()[-1]) for line in Path(f"/proc/{process}/maps").read_text().splitlines() if ".live" in line
    }
    assert frames and all(path.exists() for path in frames)
    known = mounts.mounts()  # in memory, where the system has a place for that: no disk is written to
    assert {known[mounts.drive_of(str(path), known)] for path in frames} == {"tmpfs"}
    studio.quit()
    wait_until(lambda: not alive(process), 60)
    assert not any(path.exists() for path in frames)


def test_none_of_our_processes_outlives_an_obs_that_is_killed(
    studio: Studio, clip: Path, photo: Path, tmp_path: Path
) -> None:
    large = tmp_path / "large.png"
    Image.open(photo).resize((1500, 1500)).save(large)
    if not studio.obs.is_running:
        studio.start()
    add_live(studio, "moving", clip)
    studio.add("large", large, quality="best")
    studio.wait_for_state("large", "Cutting out")
    wait_until(lambda: live_ids(studio))
    processes = [*live_ids(studio), *studio.worker_ids()]
    assert len(processes) >= 2
    os.kill(studio.obs.process_id, signal.SIGKILL)
    wait_until(lambda: not any(alive(process) for process in processes), 60)
    wait_until(lambda: not studio.obs.is_running)


CAMERA_STANDS_IN = """#!/bin/sh
case "$*" in
*cvmatte_core.live.process*)
    for last in "$@"; do :; done
    exec PYTHON -E -s -u -c "
import sys
from cvmatte_core.live import process
from cvmatte_core.system import cameras
cameras.FFMPEG_FORMATS = {sys.platform: 'lavfi'}
process.main()  # cvmatte_core.live.process" "$last" ;;
esac
exec PYTHON "$@"
"""


def test_two_portraits_share_a_camera(tmp_path: Path, clip: Path) -> None:
    """FFmpeg's own picture of a clip stands for the camera."""
    python = tmp_path / "python"
    python.write_text(CAMERA_STANDS_IN.replace("PYTHON", str(paths.environment_python())))
    python.chmod(0o755)
    camera = f"movie=filename={clip}:loop=0,setpts=N/30/TB,realtime"
    with open_studio(tmp_path / "home", frames_per_second=15, environment={"CVMATTE_PYTHON": str(python)}) as studio:
        for name in ("one", "two"):
            values = {"input": "camera", "device": camera, "longest_side": 0, "quality": "fast", "rate": 15}
            studio.requests.create_input(SCENE, name, "cvmatte_portrait", values, True)
            wait_until(partial(is_live, studio, name))
        processes = live_ids(studio)
        assert len(processes) == 2
        holders = [one for one in processes if any(str(clip) in path for path in opened_files(one))]
        assert len(holders) == 1  # the other has only the frames
        os.kill(holders[0], signal.SIGKILL)
        for name in ("one", "two"):
            wait_until(partial(moves, studio, name, 0.5))


CAMERAS = """#!/bin/sh
case "$*" in
*cvmatte_core.system.cameras*)
    exec PYTHON -E -s -c "
import json
from cvmatte_core.system import cameras
cameras.cameras = lambda: json.load(open('FOLDER/cameras'))
cameras.main()" ;;
esac
exec PYTHON "$@"
"""


def test_the_cameras_are_listed_as_they_come_and_go(tmp_path: Path) -> None:
    python, listed = tmp_path / "python", tmp_path / "cameras"
    python.write_text(CAMERAS.replace("PYTHON", str(paths.environment_python())).replace("FOLDER", str(tmp_path)))
    python.chmod(0o755)
    listed.write_text('{"/dev/video7": "My webcam (video7)"}')
    with open_studio(tmp_path / "home", environment={"CVMATTE_PYTHON": str(python)}) as studio:

        def offered() -> list[str]:
            return studio.properties("live")["device"]["items"]

        studio.add("live", input="camera", image="")
        wait_until(lambda: offered() == ["Choose a camera", "My webcam (video7)"])
        studio.set("live", device="/dev/video7")
        listed.write_text('{"/dev/video8": "Another <b> (video8)"}')
        wait_until(lambda: offered() == ["/dev/video7", "Another <b> (video8)"])
        # Nobody has opened a dialog again since.
        studio.set("live", device="")
        listed.write_text("{}")
        wait_until(lambda: "No camera found: plug one in." in studio.said("live"))
        listed.write_text('{"/dev/video8": "Another <b> (video8)"}')
        wait_until(lambda: "Choose a camera." in studio.said("live"))
        # In a dialog that is open since before, once the input is chosen.
        studio.set("live", input="file", device="")
        assert offered() == ["Choose a camera", "Another <b> (video8)"]
        assert studio.choose("live", "input", "camera")["device"]["items"] == offered()


def opened_files(process: int) -> list[str]:
    found = []
    for entry in Path(f"/proc/{process}/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(str(entry.readlink()))
    return found


def test_a_clip_is_cut_out_from_the_panel_and_loops_in_the_scene(tmp_path: Path, clip: Path) -> None:
    begun = tmp_path / "data" / "unfinished_clip.json"  # before OBS was closed
    begun.parent.mkdir()
    begun.write_text(json.dumps({"clip": str(clip), "settings": {}}))
    with open_studio(tmp_path) as studio:
        assert "me.mp4 was interrupted" in studio.panel("refresh")["clip_state"]["description"]
        assert "Choose a clip" in studio.panel("clip_start")["clip_state"]["description"]
        studio.panel("clip_start", clip=str(clip))
        wait_until(lambda: "is in the scene" in studio.panel("refresh")["clip_state"]["description"])
        made = studio.data / "outputs" / "me-cutout.webm"
        assert made.exists() and not begun.exists()
        wait_until(lambda: shows_person(studio, "me-cutout"))
        broken = tmp_path / "broken.mp4"
        broken.write_bytes(b"no clip")
        studio.panel("clip_start", clip=str(broken))
        wait_until(lambda: "not a clip" in studio.panel("refresh")["clip_state"]["description"])
