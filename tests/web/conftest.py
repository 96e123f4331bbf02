"""A real server on a free port for the tests of the web page and the HTTP API.

They need the dependency group webtest; those of the page need the distribution's Chromium too.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from development import made_clips
from PIL import Image

if any(importlib.util.find_spec(package) is None for package in ("fastapi", "httpx", "playwright", "schemathesis")):
    collect_ignore_glob = ["test_*.py"]
else:
    from playwright.sync_api import expect

    expect.set_options(timeout=30_000)

PATIENCE = 300  # seconds, with a server on a computer that runs all other tests beside
CHROMIUM = shutil.which("chromium")
TOKEN = "a token"


@dataclass(frozen=True)
class Address:
    """Where a server listens."""

    port: int

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"


@contextlib.contextmanager
def serving(
    *, token: str = "", only_loopback: bool = True, origins: Sequence[str] = (), **options: Any
) -> Iterator[Address]:
    """A server in this process, by uvicorn, as scripts/serve.py runs one."""
    import uvicorn

    from cvmatte_core.web.app import Options, create_app
    from cvmatte_core.web.guard import Rules

    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    rules = Rules(token, frozenset({"localhost"}), only_loopback, frozenset(origins))
    app = create_app(Options(rules=rules, **options))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.02)
    try:
        yield Address(bound.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(30)
        bound.close()


@pytest.fixture(scope="package", autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A folder for temporary files that no other server writes to, so that a test sees what is left in it; and one for
    touch-ups, which photos elsewhere know nothing of."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(tmp_path_factory.mktemp("temporary")))
        patch.setenv("CVMATTE_DATA", str(tmp_path_factory.mktemp("data")))
        patch.setattr(tempfile, "tempdir", None)
        yield


@pytest.fixture(scope="package")
def root(photo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the server: two photos in "team", one of them broken; beside it a link that leads out."""
    root = tmp_path_factory.mktemp("root")
    outside = tmp_path_factory.mktemp("outside")
    shutil.copy(photo, outside / "secret.png")
    (root / "team").mkdir()
    shutil.copy(photo, root / "team" / "me.png")
    (root / "team" / "broken.jpg").write_bytes(b"\xff\xd8\xff no")
    (root / "out").symlink_to(outside)
    (root / "team" / "linked.png").symlink_to(outside / "secret.png")
    return root


@pytest.fixture(scope="package")
def address(root: Path) -> Iterator[Address]:
    with serving(root=root, upload_bytes=4_000_000, batch_bytes=20_000_000) as address:
        yield address


def made_clip(folder: Path, photo: Path, frames: int) -> Path:
    """Somebody before one colour, 160 x 90, 30 frames a second."""
    path = folder / "clip.mp4"
    made_clips.write(
        path,
        made_clips.frames(made_clips.cut_by_an_ellipse(photo), np.full((60, 90, 3), 90, np.uint8), (160, 90), frames),
    )
    return path


@pytest.fixture(scope="session")
def clip(photo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_clip(tmp_path_factory.mktemp("clip"), photo, 30)


@pytest.fixture(scope="session")
def long_clip(photo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_clip(tmp_path_factory.mktemp("long"), photo, 900)


@pytest.fixture(scope="session")
def small(photo: Path) -> bytes:
    """The portrait, 256 x 256, as a JPEG."""
    file = io.BytesIO()
    Image.open(photo).convert("RGB").resize((256, 256)).save(file, format="JPEG")
    return file.getvalue()


@pytest.fixture
def waits_for_cancel(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job's third photo and those after it wait until the job is cancelled: it is never done before."""
    from cvmatte_core.web.jobs import Jobs, WebJob

    cut_out = Jobs._pictures

    def held(self: Jobs, job: WebJob, item: Any, settings: Any, matter: Any) -> Any:
        if job.items.index(item) >= 2:
            assert job.cancelled.wait(PATIENCE)
        return cut_out(self, job, item, settings, matter)

    monkeypatch.setattr(Jobs, "_pictures", held)


def hold(page: Any, address: str) -> Callable[[], Any]:
    """Holds the next request of a page to an address. Returns what waits for it: for the Route, to go on with."""
    held: list[Any] = []
    page.route(address, lambda route: held.append(route), times=1)

    def asked() -> Any:
        while not held:
            page.wait_for_timeout(20)
        return held[0]

    return asked
