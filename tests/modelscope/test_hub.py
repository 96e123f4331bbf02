"""ModelScope's own client, fetching from a hub on loopback. Needs that client: see pyproject.toml's extra."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from demo.processes import alive, children_of

from cvmatte_core.filesystem import files, paths
from cvmatte_core.localization.errors import Cancelled, CvmatteError
from cvmatte_core.models import hub
from cvmatte_core.models.catalogue import entry_of, is_there, verify
from cvmatte_core.models.fetch import fetch, remove
from tests.modelscope.fake_hub import FakeHub

pytest.importorskip("modelscope_hub")

GRAPH = random.Random(1).randbytes(6_000_000)
FILES = {"configuration.json": b"{}", "tf_graph.pb": GRAPH, "README.md": b"x" * 500_000}
WANTED = len(FILES["configuration.json"]) + len(GRAPH)


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "models_folder", lambda: tmp_path / "models")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with FakeHub(FILES) as opened:
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", opened.url)
        yield opened


def downloads(served: FakeHub) -> list[tuple[str, str, int]]:
    """What was asked of files, not of their list: (name, Range, status)."""
    asked = [(path.partition("FilePath=")[2], wanted, status) for path, wanted, status in served.requests]
    return [(name.partition("&")[0], wanted, status) for name, wanted, status in asked if name]


def arrived() -> Path:
    return hub.folder_of("damo/cv_unet_image-matting")


def error_of(**more: Any) -> CvmatteError:
    with pytest.raises(CvmatteError) as caught:
        fetch(entry_of("cv-unet"), **more)
    return caught.value


def wait_until(condition: Callable[[], object], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_model_arrives_and_its_bytes_add_up(served: FakeHub) -> None:
    told: list[tuple[str, int, int]] = []
    served.rate = 6_000_000
    folder = fetch(entry_of("cv-unet"), lambda *progress: told.append(progress))
    assert folder == arrived() == entry_of("cv-unet").path
    assert (folder / "tf_graph.pb").read_bytes() == GRAPH
    assert {name for name, _, _ in downloads(served)} == set(hub.NEEDED)  # the README has no use here
    assert told[-1] == ("fetch", WANTED, WANTED)
    between = [done for _, done, total in told if 0 < done < total == WANTED]
    assert len(set(between)) >= 3
    assert between == sorted(between)
    assert entry_of("auto").name == "cv-unet"


def test_what_is_there_is_not_asked_for_again(served: FakeHub) -> None:
    fetch(entry_of("cv-unet"))
    served.requests.clear()
    fetch(entry_of("cv-unet"))
    assert served.requests == []


def test_a_broken_connection_is_gone_on_with(served: FakeHub) -> None:
    served.break_at, served.breaks = 2_000_000, 1
    fetch(entry_of("cv-unet"))
    assert (arrived() / "tf_graph.pb").read_bytes() == GRAPH
    assert any(wanted.startswith("bytes=") and wanted != "bytes=0-" for _, wanted, _ in downloads(served))


def test_a_cancelled_download_ends_its_process_and_the_next_goes_on(served: FakeHub) -> None:
    served.rate = 1_500_000
    cancelled = threading.Event()

    def cancel_midway(stage: str, done: int, total: int) -> None:
        if done > 2_000_000:
            cancelled.set()

    with pytest.raises(Cancelled):
        fetch(entry_of("cv-unet"), cancel_midway, cancelled)
    assert children_of("self") == []
    assert not is_there(entry_of("cv-unet"))
    served.rate = None
    served.requests.clear()
    told: list[tuple[str, int, int]] = []
    fetch(entry_of("cv-unet"), lambda *progress: told.append(progress))
    assert (arrived() / "tf_graph.pb").read_bytes() == GRAPH
    assert told[-1] == ("fetch", WANTED, WANTED)
    ranges = [wanted for name, wanted, _ in downloads(served) if name == "tf_graph.pb" and wanted]
    assert ranges
    assert "bytes=0-" not in ranges


def test_a_connection_that_says_nothing_can_be_cancelled(served: FakeHub) -> None:
    served.rate = 2_000
    cancelled = threading.Event()
    threading.Timer(3, cancelled.set).start()
    begun = time.monotonic()
    with pytest.raises(Cancelled):
        fetch(entry_of("cv-unet"), cancelled=cancelled)
    assert time.monotonic() - begun < 30


def test_wrong_bytes_are_a_sentence_and_nothing_is_taken_for_whole(served: FakeHub) -> None:
    served.wrong = True
    assert error_of().key == "model_fetch_failed"
    assert not is_there(entry_of("cv-unet"))
    served.wrong = False
    fetch(entry_of("cv-unet"))
    assert (arrived() / "tf_graph.pb").read_bytes() == GRAPH


def test_a_connection_that_breaks_off_every_time_is_a_sentence(served: FakeHub) -> None:
    served.break_at = 0
    assert error_of().key == "model_offline"
    assert not is_there(entry_of("cv-unet"))


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize("what", ["status", "list_status"])
def test_a_hub_that_refuses_is_a_sentence(served: FakeHub, what: str, status: int) -> None:
    setattr(served, what, status)
    assert error_of().key == "model_fetch_failed"
    assert not is_there(entry_of("cv-unet"))


def test_a_hub_that_is_in_trouble_is_tried_again_and_then_a_sentence(served: FakeHub) -> None:
    served.status, served.statuses = 500, 1
    fetch(entry_of("cv-unet"))
    remove(entry_of("cv-unet"))
    served.statuses = 1 << 30
    assert error_of().key == "model_fetch_failed"


def test_a_model_that_lacks_its_graph_is_a_sentence(served: FakeHub) -> None:
    del served.files["tf_graph.pb"]
    assert error_of().key == "model_fetch_failed"
    assert not is_there(entry_of("cv-unet"))


def test_without_a_network_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", "http://127.0.0.1:9")
    assert error_of().key == "model_offline"


def test_a_disk_without_room_is_named_before_the_graph_is_fetched(
    served: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.rate = 1_000_000
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9 - 51_000_000, 51_000_000))
    error = error_of()
    assert error.key == "model_disk"
    assert error.values["megabytes"] == 56
    assert str(arrived()) == error.values["folder"]
    assert children_of("self") == []


def test_a_damaged_conversion_gives_way_to_the_original(served: FakeHub, tmp_path: Path) -> None:
    fetch(entry_of("cv-unet"))
    models = tmp_path / "models"
    (models / "cv_unet_image-matting.onnx").write_bytes(b"damaged")
    (models / "cv_unet_image-matting.onnx.json").write_text('{"sha256": "of something else"}')
    assert entry_of("cv-unet").path.parent == models
    assert fetch(entry_of("cv-unet")) == arrived()
    verify(entry_of("cv-unet"))
    assert list(models.iterdir()) == []


def test_a_cache_named_by_a_relative_path_is_the_caller_s(
    served: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODELSCOPE_CACHE", "here")
    assert fetch(entry_of("cv-unet")).is_relative_to(tmp_path / "here")


def test_without_the_client_it_says_how_to_get_it(tmp_path: Path) -> None:
    assert subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"]).returncode == 0
    error = error_of(python=tmp_path / "bare" / "bin" / "python")
    assert error.key == "packages_missing"
    assert error.values["install"].endswith("install.py --modelscope")


FETCH = """
import sys
from pathlib import Path
from cvmatte_core.filesystem import paths
paths.models_folder = lambda: Path(sys.argv[1])
from cvmatte_core.models.catalogue import entry_of
from cvmatte_core.models.fetch import fetch
fetch(entry_of("cv-unet"))
"""


def another(tmp_path: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", FETCH, str(tmp_path / "models")], cwd=paths.ROOT)


def test_two_processes_that_want_it_at_once_fetch_it_once(served: FakeHub, tmp_path: Path) -> None:
    served.rate = 3_000_000
    both = [another(tmp_path) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert (arrived() / "tf_graph.pb").read_bytes() == GRAPH
    assert len([name for name, _, _ in downloads(served) if name == "configuration.json"]) == 1


def test_a_killed_process_takes_its_download_along_and_the_next_goes_on(served: FakeHub, tmp_path: Path) -> None:
    served.rate = 200_000
    process = another(tmp_path)
    wait_until(lambda: files.size_of(arrived() / "tf_graph.pb.incomplete"))
    (child,) = children_of(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_until(lambda: not alive(child))
    served.rate = None
    fetch(entry_of("cv-unet"))
    assert (arrived() / "tf_graph.pb").read_bytes() == GRAPH
