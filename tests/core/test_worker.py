"""The real worker process and its client: answers, bad input, and every way to die."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from throwaway_obs import wait_until

from cvmatte_core import paths
from cvmatte_core.errors import Cancelled, ImageError, ModelError, SettingsError, WorkerError
from cvmatte_core.layer_store import Frame, LayerStore
from cvmatte_core.matting import Matter
from cvmatte_core.settings import MatteSettings
from cvmatte_core.worker import protocol
from cvmatte_core.worker.client import READY, WorkerClient, default_command

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
    assert np.array_equal(np.asarray(Image.open(record["png"])), expected)
    assert Path(record["png"]).parent == data / "outputs"
    assert Image.open(LayerStore().preview_path(shown["key"])).width > 600
    assert "progress" in answers.names()


def test_outputs_are_never_overwritten(client: WorkerClient, photo: Path) -> None:
    _, first = submit(client, photo)
    png = Path(first.wait_for("done")["png"])
    png.write_bytes(b"the person's own work")
    _, again = submit(client, photo, force=True)
    again.wait_for("done")
    _, other = submit(client, photo, MatteSettings(quality="fast", feather=2))
    assert other.wait_for("done")["png"] != str(png)
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


def test_a_worker_that_was_idle_for_long_is_kept(
    client: WorkerClient, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cvmatte_core.worker.client._SILENCE_SECONDS", 4.0)
    submit(client, photo)[1].wait_for("done")
    process = client.process_id
    time.sleep(4.5)
    _, answers = submit(client, photo, MatteSettings(quality="fast", feather=3))
    answers.wait_for("done")
    assert client.process_id == process


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
    wait_until(
        lambda: not Path(f"/proc/{worker}").exists() or "Z" in Path(f"/proc/{worker}/stat").read_text().split()[2]
    )


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


def test_a_missing_environment_is_a_sentence_each_time(data: Path, photo: Path) -> None:
    client = WorkerClient(["/nonexistent/python"])
    for _ in range(2):
        _, answers = submit(client, photo)
        assert answers.wait_for("failed").key == "worker_missing"
    client.close()


def test_a_missing_model_is_a_sentence_and_no_death(data: Path, photo: Path, tmp_path: Path) -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path\n"
        "from cvmatte_core import paths; paths.models_folder = lambda: Path(sys.argv[2])\n"
        "from cvmatte_core.worker.server import main; main()\n"
    )
    client = WorkerClient([sys.executable, "-c", program, str(paths.ROOT), str(tmp_path)])
    _, answers = submit(client, photo)
    error = answers.wait_for("failed")
    assert isinstance(error, ModelError)
    assert "install.py" in str(error)
    client.close()


def test_lines_that_are_no_requests_are_answered_and_survived(data: Path) -> None:
    worker = subprocess.Popen(default_command(), cwd=paths.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
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
        codes.append(protocol.decode(worker.stdout.readline())["error"]["code"])
    assert codes == [-32700, -32700, -32700, -32600, -32601, -32700, -32602]
    worker.stdin.write(protocol.encode({"id": 8, "method": "cancel", "params": {"id": ["no", "number"]}}))
    worker.stdin.flush()
    assert protocol.decode(worker.stdout.readline())["result"] == {}
    worker.stdin.write(protocol.encode({"id": 9, "method": "shutdown"}))
    worker.stdin.flush()
    assert protocol.decode(worker.stdout.readline())["result"] == {}
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
