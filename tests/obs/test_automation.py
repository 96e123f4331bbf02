"""CVMatte, driven from outside: every request, event and error that schema.json declares, in a real OBS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demo.throwaway_obs import SCENE, wait_until

from tests.conftest import make_team

from .conftest import Studio, open_studio
from .test_touch_up import status_of
from .vendor_client import EVENTS, REQUESTS, SCHEMA, VendorClient

FAST = {"quality": "fast", "longest_side": 0}


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with open_studio(tmp_path_factory.mktemp("obs"), frames_per_second=10, environment={"BROWSER": "true"}) as studio:
        yield studio


@pytest.fixture(scope="module")
def client(studio: Studio, photo: Path) -> Iterator[VendorClient]:
    client = VendorClient(studio.obs)
    yield client
    client.close()
    assert not client.faults


def add(studio: Studio, name: str, input: str, source: str = "", **settings: Any) -> None:
    values = {**FAST, "input": input, "source": source, **settings}
    studio.requests.create_input(SCENE, name, "cvmatte_portrait", values, True)


def show(studio: Studio, name: str, shown: bool) -> None:
    item = studio.requests.get_scene_item_id(SCENE, name).scene_item_id
    studio.requests.set_scene_item_enabled(SCENE, item, shown)


def test_a_program_does_all_that_is_declared(
    studio: Studio, client: VendorClient, photo: Path, other_photo: Path, clip: Path, tmp_path: Path
) -> None:
    cut_out_photos(studio, client, photo)
    set_how_they_look(studio, client, other_photo)
    take_stills(studio, client, photo)
    go_live(studio, client, clip)
    numbers = photograph_rooms(studio, client, clip)
    cut_out_folders(client, photo, tmp_path)
    assert client.outcome(numbers["background"])["ok"]
    assert client.outcome(numbers["cam"])["error"]["key"] == "room_somebody"
    assert client.outcome(numbers["clip"])["error"]["key"] == "room_moves"
    cut_out_clips(studio, client, clip)
    ask_for_too_much(studio, client)
    assert client.answered == set(REQUESTS)
    assert {event for event, _ in client.events} == set(EVENTS)
    assert client.refused - {"background_gone"} == set(SCHEMA["errors"])


def cut_out_photos(studio: Studio, client: VendorClient, photo: Path) -> None:
    assert client.ask("ListPortraits")["portraits"] == []
    studio.add("me", photo, quality="fast")
    me = client.wait_for("me", state="ready")
    assert me["input"] == "file" and me["layer"] == {"width": 512, "height": 512}
    client.wait_for_event("LayerShown", portrait="me", width=512, height=512)
    shown = len(client.all_of("LayerShown"))
    assert client.done("Rematte", portrait="me") == {"portrait": "me"}
    assert len(client.all_of("LayerShown")) == shown + 1
    assert client.refusal("Rematte", portrait="nobody") == "portrait_missing"
    add(studio, "empty", "file")
    client.wait_for("empty", state="no_image")
    assert client.done("RematteAll") == {"done": 2, "failed": 0}
    assert client.done("RematteAll", inScene=True) == {"done": 2, "failed": 0}
    assert len(client.all_of("LayerShown")) == shown + 3
    assert status_of(client.done("OpenTouchUp", portrait="me")["address"]) == 200
    assert client.failed("OpenTouchUp", portrait="empty") == "portrait_empty"
    assert "CVMatte" in client.done("Diagnose")["text"] and "me: " in client.events[-1][1]["result"]["text"]
    studio.remove("empty")


def set_how_they_look(studio: Studio, client: VendorClient, other_photo: Path) -> None:
    wanted = {"background": "colour", "background_colour": "#FF0000", "mirror": True, "feather": 3}
    client.done("SetControls", portrait="me", controls=wanted)
    layer = studio.layer("me")
    assert layer is not None and np.array_equal(layer[5, 5], (255, 0, 0, 255))
    chosen = studio.requests.get_input_settings("me").input_settings
    assert (chosen["feather"], chosen["mirror"]) == (3, True)
    gone = {"background": "image", "background_image": "/no"}
    assert client.failed("SetControls", portrait="me", controls=gone) == "background_gone"
    client.done("ApplyPreset", portrait="me", preset="virtual_meeting")
    chosen = studio.requests.get_input_settings("me").input_settings
    assert (chosen["background"], chosen["feather"], chosen["preset"]) == ("blur", 2, "virtual_meeting")
    assert client.failed("ApplyPreset", portrait="me", preset="mine") == "preset_missing"
    for controls, error in (
        ({"colour": "red"}, "setting_unknown"),
        ({"background": "red"}, "setting_value"),
        ({"mirror": 1}, "setting_value"),
        ({"feather": 51}, "setting_range"),
        ({}, "request_field"),
    ):
        assert client.refusal("SetControls", portrait="me", controls=controls) == error
    for fields in ({}, {"portrait": 5}, {"portrait": ""}, {"portrait": "me", "more": 1}, {"portrait": ["me"]}):
        assert client.refusal("Rematte", **fields) == "request_field"
    assert client.refusal("TakeStill", portrait="me", delay=4) == "request_field"
    assert client.refusal("Freeze", portrait="me") == "portrait_input"


def take_stills(studio: Studio, client: VendorClient, photo: Path) -> None:
    studio.requests.create_input(SCENE, "cam", "image_source", {"file": str(photo)}, True)
    studio.requests.create_input(SCENE, "dark", "image_source", {"file": ""}, True)
    of_nothing = client.accepted("TakeStillInScene", source="dark", delay=0)
    taken = client.done("TakeStillInScene", source="cam", delay=0)
    name, file = taken["portrait"], taken["file"]
    assert Path(file).is_file() and client.wait_for_event("StillTaken", portrait=name)["file"] == file
    assert client.wait_for(name, state="ready")["input"] == "source"
    assert client.done("TakeStillInScene", source="cam", delay=0)["portrait"] == name
    number = client.accepted("TakeStill", portrait=name, delay=3)
    under_way = client.ask("GetOutcome", {"accepted": number})["outcome"]
    assert under_way == {"accepted": number, "request": "TakeStill"}
    client.wait_for(name, state="countdown")
    studio.set(name, input="file", image=str(photo))
    assert client.outcome(number)["error"]["key"] == "still_failed"
    assert client.ask("GetOutcome", {"accepted": number})["outcome"] == client.outcome(number)
    assert client.refusal("GetOutcome", accepted=10**6) == "outcome_unknown"
    studio.set(name, input="source", delay=0)
    client.wait_for(name, input="source", state="ready")
    assert client.done("TakeStill", portrait=name)["file"] != file
    add(studio, "nowhere", "source")
    client.wait_for("nowhere", state="no_still")
    assert client.failed("TakeStill", portrait="nowhere", delay=0) == "still_no_source"
    assert client.failed("TakeStillInScene", source="nothing", delay=0) == "still_source_missing"
    assert client.outcome(of_nothing)["error"]["key"] == "still_no_picture"


def go_live(studio: Studio, client: VendorClient, clip: Path) -> None:
    done = client.done("CutOutSource", source="cam")
    live = done["portrait"]
    assert (done["source"], done["scene"]) == ("cam", SCENE)
    assert client.failed("CutOutSource", source="nothing") == "in_place_cannot"
    client.wait_for_event("LiveChanged", portrait=live, state="running", frozen=False)
    assert client.wait_for(live, state="running")["figures"]["wanted"] == 30
    for frozen in (True, True, False):
        assert client.done("Freeze", portrait=live, frozen=frozen) == {"portrait": live, "frozen": frozen}
    assert client.done("Freeze", portrait=live)["frozen"] is True
    client.wait_for_event("LiveChanged", portrait=live, state="frozen", frozen=True)
    client.done("Freeze", portrait=live)
    assert "#" in client.done("OpenTouchUp", portrait=live)["address"]
    assert client.failed("PhotographRoom", portrait=live, renew=True) == "room_of_no_use"
    add(studio, "film", "video")
    client.wait_for("film", state="no_video")
    assert client.failed("TakeStill", portrait="film") == "live_still_none"
    assert client.failed("OpenTouchUp", portrait="film") == "live_zones_none"
    assert client.failed("PhotographRoom", portrait="film") == "room_no_picture"
    show(studio, live, False)
    client.wait_for(live, state="hidden")
    assert client.failed("TakeStill", portrait=live) == "live_still_hidden"
    assert client.failed("OpenTouchUp", portrait=live) == "live_zones_hidden"
    assert client.failed("PhotographRoom", portrait=live) == "room_hidden"
    show(studio, live, True)
    studio.set("film", video=str(clip))
    client.wait_for("film", state="running")
    assert Path(client.done("TakeStill", portrait="film", delay=0)["file"]).is_file()
    assert client.wait_for("film", state="ready")["input"] == "source"
    studio.set("film", input="video", video="/no/clip.mp4")
    error = client.wait_for("film", state="error")["error"]
    assert client.wait_for_event("LiveChanged", portrait="film", state="error")["error"] == error
    studio.remove("film")
    studio.remove(live)


def photograph_rooms(studio: Studio, client: VendorClient, clip: Path) -> dict[str, int]:
    """Of an empty one, one with somebody, and one where something moves: each in ten seconds, all at once. The numbers
    of the requests, by the source."""
    studio.requests.create_input(SCENE, "clip", "ffmpeg_source", {"local_file": str(clip), "looping": True}, True)
    numbers = dict[str, int]()
    for source in ("background", "cam", "clip"):
        add(studio, f"room of {source}", "source", source)
        client.wait_for(f"room of {source}")
        numbers[source] = client.accepted("PhotographRoom", portrait=f"room of {source}")
    client.wait_for("room of cam", state="room_countdown")
    return numbers


def cut_out_folders(client: VendorClient, photo: Path, tmp_path: Path) -> None:
    folder = make_team(tmp_path / "team", photo, 3)
    assert {errand["state"] for errand in client.ask("ListErrands")["errands"]} == {"idle"}
    assert client.refusal("CancelFolder") == "errand_none"
    assert client.failed("StartFolder", folder=str(folder), preset="mine") == "preset_missing"
    number = client.accepted("StartFolder", folder=str(folder), preset="livestream_overlay")
    client.wait_for_event("ErrandChanged", errand="folder", state="running", total=3, done=1)
    assert client.refusal("StartFolder", folder=str(folder)) == "errand_running"
    client.done("CancelFolder")
    assert client.outcome(number)["error"]["key"] == "cancelled"
    client.wait_for_event("ErrandChanged", errand="folder", state="cancelled")
    done = client.done("StartFolder", folder=str(folder), preset="livestream_overlay")
    assert (done["done"], done["failed"]) == (3, 0) and Path(done["archive"]).is_file()
    client.wait_for_event("ErrandChanged", errand="folder", state="done")


def cut_out_clips(studio: Studio, client: VendorClient, clip: Path) -> None:
    assert client.refusal("CancelClip") == "errand_none"
    broken = clip.with_name("broken.mp4")
    broken.write_bytes(b"none")
    assert client.failed("StartClip", clip=str(broken)) == "clip_unreadable"
    assert client.failed("StartClip", clip="/no/clip.mp4") == "clip_missing"
    failed = client.wait_for_event("ErrandChanged", errand="clip", state="failed")
    assert failed["error"]["key"] in ("clip_unreadable", "clip_missing")
    number = client.accepted("StartClip", clip=str(clip))
    client.wait_for_event("ErrandChanged", errand="clip", state="running", total=60)
    client.done("CancelClip")
    assert client.outcome(number)["result"]["whole"] is False
    done = client.done("StartClip", clip=str(clip))
    assert done["whole"] and Path(done["file"]).is_file()
    wait_until(lambda: studio.size(Path(done["file"]).stem) != (0, 0))


def ask_for_too_much(studio: Studio, client: VendorClient) -> None:
    """The countdown of a portrait begins anew for each, until it is removed; others go on until the script ends."""
    numbers = [client.accepted("TakeStill", portrait="room of cam", delay=10) for _ in range(64)]
    assert client.refusal("RematteAll") == "requests_many"
    studio.remove("room of cam")
    assert {client.outcome(number)["error"]["key"] for number in numbers} == {"portrait_missing"}
    number = client.accepted("TakeStill", portrait="room of background", delay=10)
    studio.reload()
    assert client.outcome(number)["error"]["key"] == "script_unloaded"
    client.wait_until_served()
    assert client.done("Rematte", portrait="me") == {"portrait": "me"}
