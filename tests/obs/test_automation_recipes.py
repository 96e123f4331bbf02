"""The programs in docs/automation.md, as they stand there, and what the page says of obs-websocket; in a real OBS."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from demo.throwaway_obs import PATIENCE, SCENE, wait_until
from PIL import Image

from cvmatte_core.filesystem import paths
from tests.conftest import make_team

from .conftest import Studio, open_studio
from .vendor_client import VendorClient

PAGE = paths.ROOT / "docs" / "automation.md"
PROGRAMS = re.findall(r'^```python\n("""(\w+\.py)""".*?)^```', PAGE.read_text(encoding="utf-8"), re.M | re.S)
OK, NOT_AN_OBJECT, EMPTY, NOT_THERE = 100, 401, 403, 600  # obs-websocket's RequestStatus
SERIAL_REALTIME, PARALLEL = 0, 2  # and its RequestBatchExecutionType
REQUEST_BATCH = 8  # and its WebSocketOpCode


class Programs:
    """As a person has them: in one folder, with a file that says where OBS is."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        for program, name in PROGRAMS:
            (folder / name).write_text(program, encoding="utf-8")
        (folder / "config.toml").write_text(f'[connection]\nhost = "localhost"\nport = {port}\n')

    def run(self, *command: str | Path) -> str:
        """What a program prints that ends by itself."""
        done = subprocess.run(
            [sys.executable, *command], cwd=self.folder, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, *command: str | Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-u", *command],
            cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, photo: Path) -> Iterator[Studio]:
    """With a source "Webcam", and a live portrait "Me" of it."""
    with open_studio(tmp_path_factory.mktemp("obs"), frames_per_second=10) as studio:
        studio.requests.create_input(SCENE, "Webcam", "image_source", {"file": str(photo)}, True)
        live = {"input": "source_live", "source": "Webcam", "quality": "fast"}
        studio.requests.create_input(SCENE, "Me", "cvmatte_portrait", live, True)
        yield studio


@pytest.fixture(scope="module")
def client(studio: Studio) -> Iterator[VendorClient]:
    client = VendorClient(studio.obs)
    client.wait_for("Me", state="running")
    yield client
    client.close()
    assert not client.faults


@pytest.fixture(scope="module")
def programs(studio: Studio, client: VendorClient, tmp_path_factory: pytest.TempPathFactory) -> Programs:
    return Programs(tmp_path_factory.mktemp("programs"), studio.requests.base_client.port)


def test_a_button_puts_somebody_into_the_scene(programs: Programs, studio: Studio, client: VendorClient) -> None:
    name, _, file = programs.run("still.py").strip().partition(" shows ")
    assert client.wait_for(name, state="ready")["input"] == "source" and Path(file).is_file()
    assert any(item["sourceName"] == name for item in studio.requests.get_scene_item_list(SCENE).scene_items)


def test_a_name_swaps_the_background(programs: Programs, studio: Studio) -> None:
    (programs.folder / "backgrounds").mkdir()
    Image.new("RGB", (64, 36), "red").save(programs.folder / "backgrounds" / "beach.png")

    def corner_is(colour: tuple[int, ...]) -> bool:
        layer = studio.layer("Me")
        return layer is not None and tuple(layer[2, 2]) == colour

    programs.run("background.py", "beach")
    wait_until(lambda: corner_is((255, 0, 0, 255)))
    programs.run("background.py", "../beach")
    wait_until(lambda: corner_is((0, 0, 0, 0)))


def test_a_scene_freezes_somebody(programs: Programs, studio: Studio, client: VendorClient) -> None:
    studio.requests.create_scene("Break")
    studio.requests.create_scene_item("Break", "Me")
    program = programs.start("freeze.py")
    try:
        assert program.stdout is not None and program.stdout.read(5) == "Press"
        for scene, frozen in (("Break", True), (SCENE, False)):
            studio.requests.set_current_program_scene(scene)
            client.wait_for("Me", frozen=frozen)
        program.communicate("\n", timeout=PATIENCE)
        assert program.returncode == 0
    finally:
        program.kill()


def test_photos_that_come_into_a_folder_become_layers(
    programs: Programs, client: VendorClient, photo: Path, tmp_path: Path
) -> None:
    folder = make_team(tmp_path / "team", photo, 1)
    program = programs.start("folder.py", folder)
    try:
        client.wait_for("0.png", state="ready")
        Image.open(photo).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "new.png")
        client.wait_for("new.png", state="ready")
        assert program.poll() is None
    finally:
        program.kill()
        program.wait()


def test_obs_websocket_is_as_the_page_says(studio: Studio, client: VendorClient) -> None:
    connection = studio.obs.connect()
    order = {"vendorName": "cvmatte", "requestType": "ListErrands"}

    def status(**more: Any) -> int:
        answer = connection.base_client.req("CallVendorRequest", {**order, **more})
        return int(answer["requestStatus"]["code"])

    assert status() == status(requestData=None) == OK
    assert (status(requestData={}), status(requestData="")) == (EMPTY, NOT_AN_OBJECT)
    assert status(vendorName="nobody") == NOT_THERE
    for kind in (SERIAL_REALTIME, PARALLEL):
        requests = [{"requestType": "CallVendorRequest", "requestData": order}] * 2
        batch = {"requestId": "", "executionType": kind, "requests": requests}
        connection.base_client.ws.send(json.dumps({"op": REQUEST_BATCH, "d": batch}))
        results = json.loads(connection.base_client.ws.recv())["d"]["results"]
        assert [result["requestStatus"]["code"] for result in results] == [OK, OK]
    connection.disconnect()
