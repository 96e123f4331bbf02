"""OBS's side of a live portrait's process, with programs that stand for one that misbehaves."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from demo.processes import alive

from cvmatte_core.live import client as live_client
from cvmatte_core.live.client import LiveClient
from cvmatte_core.live.shared_frames import FrameWriter
from cvmatte_core.localization.errors import CvmatteError

LARGE = {"nonsense": "x" * 1_000_000}  # more than a pipe holds
DEAF = "import time; time.sleep(3600)"  # it reads nothing


class Heard:
    def __init__(self, program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CVMATTE_DATA", str(tmp_path))
        self.errors: list[CvmatteError | None] = []
        self.starts: list[float] = []
        self.client = LiveClient(
            lambda *_: None, self._state, self.errors.append, lambda _: None, [sys.executable, "-c", program]
        )

    def _state(self, state: dict[str, Any]) -> None:
        if not state:
            self.starts.append(time.monotonic())


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_process_that_does_not_read_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OBS's thread gives the orders, and ends the process."""
    heard = Heard(DEAF, tmp_path, monkeypatch)
    wait_for(lambda: heard.client.process_id is not None)
    process_id = heard.client.process_id
    assert process_id is not None
    acted = threading.Event()

    def act() -> None:
        for number in range(5):
            heard.client.order({**LARGE, "number": number})
        heard.client.close(timeout=0)
        acted.set()

    threading.Thread(target=act, daemon=True).start()
    assert acted.wait(10)
    wait_for(lambda: not alive(process_id))


def test_one_that_dies_after_a_steady_life_is_back_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_client, "_STEADY_SECONDS", 0.2)
    monkeypatch.setattr(live_client, "_DELAYS", (0.1, 3600))
    heard = Heard("import time; time.sleep(0.6)", tmp_path, monkeypatch)
    wait_for(lambda: len(heard.starts) >= 4)
    heard.client.close()
    assert heard.errors == []


def test_one_whose_network_hangs_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though it beats: and one that is at work on a frame for long is left to it."""
    program = (
        "import time, pathlib\nlimit = 400 if pathlib.Path(FILE).exists() else 100\n"
        "while True: print('{\"beat\": [[7, %d.5]]}' % limit, flush=True); time.sleep(0.05)"
    )
    file = tmp_path / "hangs"
    heard = Heard(program.replace("FILE", repr(str(file))), tmp_path, monkeypatch)
    wait_for(lambda: len(heard.starts) == 1)
    time.sleep(0.5)
    assert len(heard.starts) == 1
    file.touch()
    os.kill(heard.client.process_id or 0, signal.SIGKILL)
    wait_for(lambda: len(heard.starts) >= 3)
    heard.client.close()


def test_one_that_keeps_dying_is_said_and_tried_again_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_client, "_DELAYS", (0.05, 0.05, 0.05, 0.5))
    heard = Heard("", tmp_path, monkeypatch)
    wait_for(lambda: len(heard.errors) >= 2)
    heard.client.close()
    assert {error.key for error in heard.errors if error is not None} == {"live_ends"}
    assert len(heard.starts) >= 5 and heard.starts[4] - heard.starts[3] > 0.4


def test_frames_of_a_file_that_is_gone_already_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that goes from size to size: the process has made the next file before this side sees the one before."""
    first = FrameWriter(tmp_path / "first.live", 6)
    number = first.write(bytes(24), 3, 2)
    messages = [{"file": str(first.path)}, {"frame": number}, {"file": str(tmp_path / "gone")}, {"frame": number}]
    said = "\n".join(map(json.dumps, [*messages, {"still": "over"}]))
    program = f"import time; print({said!r}, flush=True); time.sleep(3600)"
    shown: list[int] = []
    stills: list[str] = []
    monkeypatch.setenv("CVMATTE_DATA", str(tmp_path))
    client = LiveClient(
        lambda reader, frame: shown.append(frame.number),
        lambda state: None,
        lambda error: None,
        stills.append,
        [sys.executable, "-c", program],
    )
    wait_for(lambda: stills == ["over"])
    assert shown == [number]
    client.close()
    first.close()
