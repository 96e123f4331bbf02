"""A drive that doesn't answer keeps nobody waiting but who asks for what is on it."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from cvmatte_core.layers.touch_ups import TouchUps
from tests.obs.hanging_drive import HangingDrive, mounted

from .conftest import Address, serving

MANY = 60  # requests: more than the threads that a server's framework has for everything


@pytest.fixture
def drive(tmp_path: Path) -> Iterator[HangingDrive]:
    with mounted(tmp_path) as drive:
        yield drive


@contextlib.contextmanager
def asked(
    drive: HangingDrive, address: Address, method: str, path: str, times: int = 1
) -> Iterator[list[Future[httpx.Response]]]:
    """Requests that are under way, and wait for the drive, which answers at the end."""

    def ask() -> httpx.Response:
        return httpx.request(method, f"{address.url}{path}", timeout=100)

    with ThreadPoolExecutor(MANY) as clients:
        requests = [clients.submit(ask) for _ in range(times)]
        time.sleep(1)  # they have arrived
        try:
            yield requests
        finally:
            drive.answer()


def goes_on(address: Address) -> None:
    """That the server answers, and serves its page."""
    for path in ("/health", "/", "/page", "/static/script.js", "/controls"):
        assert httpx.get(f"{address.url}{path}", timeout=10).status_code == 200, path


def opened(address: Address, small: bytes) -> dict[str, Any]:
    response = httpx.post(f"{address.url}/touch_ups", files={"image": ("me.jpg", small)}, timeout=60)
    assert response.status_code == 201, response.text
    return response.json()


def test_while_touch_ups_cannot_be_read(drive: HangingDrive, small: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cvmatte_core.filesystem.paths.touch_ups_folder", lambda: drive.folder)
    with serving() as address:
        path = f"/touch_ups/{opened(address, small)['id']}"
        assert httpx.get(f"{address.url}{path}").status_code == 200
        drive.hang()
        with asked(drive, address, "GET", path, MANY) as requests:
            goes_on(address)
            assert not any(request.done() for request in requests)
            drive.answer()
            assert {request.result().status_code for request in requests} == {200}


def test_while_a_stroke_is_kept_the_photo_can_still_be_seen(
    drive: HangingDrive, small: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cvmatte_core.filesystem.paths.touch_ups_folder", lambda: drive.folder)
    remove = TouchUps.remove

    def hangs_meanwhile(self: TouchUps, digest: str) -> None:
        drive.hang()
        remove(self, digest)

    monkeypatch.setattr(TouchUps, "remove", hangs_meanwhile)
    with serving() as address:
        path = f"/touch_ups/{opened(address, small)['id']}"
        with asked(drive, address, "DELETE", f"{path}/strokes") as (clearing,):
            goes_on(address)
            for part in ("photo", "layer", "strokes"):
                assert httpx.get(f"{address.url}{path}/{part}", timeout=10).status_code == 200
            changes = httpx.post(f"{address.url}{path}/changes", timeout=10)
            assert changes.headers["box"] == "0,0,0,0"
            assert not clearing.done()
            drive.answer()
            assert clearing.result().status_code == 200


def test_while_a_job_s_files_cannot_be_removed(
    drive: HangingDrive, small: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on_the_drive(prefix: str) -> str:
        folder = drive.folder / f"{prefix}files"
        folder.mkdir()
        return str(folder)

    monkeypatch.setattr(tempfile, "mkdtemp", on_the_drive)
    with serving() as address:
        jobs = []
        for _ in range(2):
            jobs.append(httpx.post(f"{address.url}/jobs", files={"images": ("me.jpg", small)}, timeout=60).json())
            while httpx.get(f"{address.url}/jobs/{jobs[-1]['id']}").json()["state"] != "done":
                time.sleep(0.1)
        first, second = jobs
        drive.hang()
        with asked(drive, address, "DELETE", f"/jobs/{first['id']}") as (removing,):
            goes_on(address)
            assert httpx.get(f"{address.url}/jobs/{second['id']}", timeout=10).json()["state"] == "done"
            assert httpx.get(f"{address.url}/jobs/{first['id']}", timeout=10).status_code == 404
            assert not removing.done()
            drive.answer()
            assert removing.result().status_code == 204
    assert not list(drive.folder.iterdir())


def test_while_the_server_s_folder_cannot_be_looked_into(drive: HangingDrive) -> None:
    (drive.folder / "team").mkdir()
    with serving(root=drive.folder) as address:
        assert httpx.get(f"{address.url}/folders").json()["folders"] == [".", "team"]
        drive.hang()
        with asked(drive, address, "GET", "/folders", MANY) as requests:
            goes_on(address)
            assert not any(request.done() for request in requests)
            drive.answer()
            assert requests[-1].result().json()["folders"] == [".", "team"]
