"""Every file of tests/hostile.py through the real worker: a layer or a sentence, and the worker lives on.

The network is a tiny stand-in, so that the time goes to the files; a few of them meet the real one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cvmatte_core.batch.folders import DONE, FAILED, FolderBatch
from cvmatte_core.batch.pipeline import Pipeline
from cvmatte_core.filesystem import paths
from cvmatte_core.image import decompression_bombs, images
from cvmatte_core.localization.errors import CvmatteError, ImageError
from cvmatte_core.localization.texts import LANGUAGES, Texts
from cvmatte_core.matting.matter import Matter
from cvmatte_core.models.catalogue import ModelEntry
from cvmatte_core.settings import MatteSettings
from cvmatte_core.worker.client import WorkerClient
from tests import hostile
from tests.conftest import DATA, SAMPLE
from tests.core.test_worker import ELSEWHERE, Answers, worker_with
from tests.hostile import EITHER, LAYER, SENTENCE, Case

CASES = hostile.corpus()
TINY = MatteSettings(model="tiny", decontaminate=False, save_mask=True)
MOST_MEMORY = 1_000  # MB of the worker, for files none of which shows more than 6 megapixels
MOST_MEMORY_AT_THE_LIMIT = 2_500  # MB, for a picture as large as is taken and a layer of 2000 pixels
PATIENCE = 300  # seconds a file


def tiny(models: Path) -> None:
    """A folder of models with a network that weighs colours: what it is fed, it answers."""
    models.mkdir(parents=True, exist_ok=True)
    shutil.copy(DATA / "onnx" / "free.onnx", models / "tiny.onnx")
    entry = ModelEntry("tiny", "Tiny", "", "onnx", "tiny.onnx", "", {"kind": "file"})
    (models / "own.json").write_text(json.dumps([dataclasses.asdict(entry)]))


@dataclasses.dataclass
class Worker:
    """A worker for all cases, its folders, and the process that it was at first.

    of_runtime: what ONNX Runtime itself keeps in the folder for temporary files, a mark of its session.
    """

    client: WorkerClient
    data: Path
    temporary: Path
    process: int | None = None
    of_runtime: set[Path] = dataclasses.field(default_factory=set)

    def matte(self, image: Path, settings: MatteSettings = TINY) -> Any:
        """The record of the layer, or else the error."""
        answers = Answers()
        self.client.submit("matte", {"image": str(image), "settings": settings.as_dict()}, answers)
        result = answers.wait_for("done", "failed", timeout=PATIENCE)
        assert "retrying" not in answers.names(), "the worker died"
        self.process = self.process or self.client.process_id
        assert self.client.process_id == self.process
        return result

    def most_memory(self) -> int:
        """The most that the process ever held, in MB."""
        (line,) = [line for line in Path(f"/proc/{self.process}/status").read_text().splitlines() if "VmHWM" in line]
        return int(line.split()[1]) // 1000

    def left_behind(self) -> list[Path]:
        """Files that are neither a result nor the log."""
        expected = (".frame", ".json", ".png", ".log")
        found = [path for path in self.data.rglob("*") if path.is_file()]
        odd = [path for path in found if path.suffix not in expected or path.name.startswith(".cvmatte-")]
        return odd + [path for path in self.temporary.rglob("*") if path not in self.of_runtime]


def worker_at(folder: Path, settings: pytest.MonkeyPatch) -> Worker:
    tiny(folder / "models")
    worker = Worker(WorkerClient(worker_with(ELSEWHERE, str(folder / "models"))), folder / "data", folder / "temporary")
    worker.temporary.mkdir()
    settings.setenv("CVMATTE_DATA", str(worker.data))
    settings.setenv("TMPDIR", str(worker.temporary))
    assert isinstance(worker.matte(SAMPLE), dict)
    worker.of_runtime = set(worker.temporary.rglob("*"))
    return worker


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with pytest.MonkeyPatch.context() as settings:
        opened = worker_at(tmp_path_factory.mktemp("worker"), settings)
        yield opened
        opened.client.close()


def digest_of(path: Path) -> str | None:
    """None of what is no file."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
    except (OSError, ValueError):
        return None


def assert_sentence(error: Any, key: str = "") -> None:
    """An error that says in both languages what happened, and that nobody takes for a fault of the program."""
    assert isinstance(error, CvmatteError)
    assert error.key != "internal"
    assert not key or error.key == key
    for language in LANGUAGES:
        sentence = error.sentence(Texts(language))
        assert sentence not in ("", f"error.{error.key}")
        assert "Traceback" not in sentence
        assert "{name}" not in sentence.replace(str(error.values.get("name")), "")


def assert_layer(layer: np.ndarray, case: Case) -> None:
    """The layer shows what the case says, upright and in its colours."""
    if case.size:
        assert layer.shape[1::-1] == case.size
    if case.shown is not None:
        assert layer.shape[:2] == case.shown.shape[:2]
        assert np.abs(layer[..., :3].astype(int) - case.shown).mean() <= case.tolerance


def _one(case: Case) -> Any:
    """One in three of the files that chance has changed is enough for every day."""
    often = not re.match(r"bits flipped ([4-9]|1\d) ", case.name)
    return pytest.param(case, id=case.name, marks=[] if often else [pytest.mark.slow])


@pytest.mark.parametrize("case", [_one(case) for case in CASES])
def test_a_file_becomes_a_layer_or_a_sentence(worker: Worker, tmp_path: Path, case: Case) -> None:
    path = case.put(tmp_path)
    before = digest_of(path)
    result = worker.matte(path)
    if isinstance(result, dict):
        assert case.outcome in (LAYER, EITHER), result
        assert_layer(images.read_layer(Path(result["saved"])), case)
        for made in (result["saved"], result["mask"]):
            Path(made).unlink()  # another case may show the same
    else:
        if result.key != "nobody_found" or case.outcome != LAYER:  # a picture like any other may show nobody
            assert case.outcome in (SENTENCE, EITHER), result
            assert_sentence(result, case.key)
    assert digest_of(path) == before
    assert worker.left_behind() == []


def test_after_all_of_them_the_worker_has_never_held_more_than_a_photo_takes(
    worker: Worker, photo: Path, record_property: Callable[[str, object], None]
) -> None:
    assert isinstance(worker.matte(photo), dict)
    record_property("most memory in MB", worker.most_memory())
    assert worker.most_memory() < MOST_MEMORY


def test_there_are_as_many_cases_as_names_and_at_least_300() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 300


# Of other kinds than one file after the other


@pytest.mark.parametrize(
    "settings",
    [
        MatteSettings(quality="best", crop=True, subject="main", erosion=50, feather=50, threshold=200),
        MatteSettings(quality="fast", background="blur", background_blur=100, mirror=True),
    ],
    ids=["cut close", "before a blur"],
)
def test_odd_shapes_do_with_the_real_network_and_all_controls(tmp_path: Path, settings: MatteSettings) -> None:
    matter = Matter()
    noise = np.random.default_rng(3)
    for width, height in ((1, 1), (3, 3), (1, 5000), (100_000, 1), (40_000, 40)):
        path = tmp_path / f"{width} x {height}.png"
        Image.fromarray(noise.integers(0, 256, (height, width, 3), np.uint8)).save(path)
        matte = matter(path, settings, may_be_empty=True)
        assert settings.crop or matte.layer.shape == (height, width, 4)
        assert matte.preview().size


@pytest.mark.parametrize("kind", ["RGBA", "16 bits"])
def test_memory_is_bounded_at_the_largest_picture_that_is_taken(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
    kind: str,
) -> None:
    worker = worker_at(tmp_path, monkeypatch)
    side = int(images.PIXEL_LIMIT**0.5)
    if kind == "16 bits":
        rows = (b"\0" + b"\xff" * (2 * side)) * side
        (tmp_path / "large.png").write_bytes(hostile.png(side, side, 16, 0, rows))
    else:
        Image.new(kind, (side, side), "white").save(tmp_path / "large.png", compress_level=1)
    settings = dataclasses.replace(TINY, longest_side=2000)
    assert isinstance(worker.matte(tmp_path / "large.png", settings), dict)
    record_property("most memory in MB", worker.most_memory())
    assert worker.most_memory() < MOST_MEMORY_AT_THE_LIMIT
    worker.client.close()


def test_a_folder_of_all_of_them_is_cut_out_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "models_folder", lambda: tmp_path / "models")
    tiny(tmp_path / "models")
    folder = tmp_path / "photos"
    wanted: dict[str, Case] = {}
    for number, case in enumerate(CASES):
        if case.name.startswith(("named", "a folder", "a pipe", "a device", "a link")) or number % 4 == 0:
            place = folder / str(number)
            place.mkdir(parents=True)
            path = case.put(place)
            if path.parent == place and path.suffix.lower() in (".png", ".jpg", ".tif", ".webp", ".bmp"):
                wanted[f"{number}/{path.name}"] = case
    before = {path: digest_of(path) for path in folder.rglob("*")}
    with FolderBatch(folder, TINY, tmp_path / "out", recursive=True) as batch:
        entries = list(batch.run(batch.scan(), Pipeline(Matter()), threading.Event()))
        archive = batch.write_archive(threading.Event())
        batch.write_reports(Texts("en"), 1.0)
    assert archive is not None
    for entry in entries:
        known = wanted.get(entry.file)
        if entry.status == FAILED:
            if known is not None and known.outcome == LAYER:  # a picture like any other may show nobody
                assert entry.error is not None and entry.error.key == "nobody_found", entry
                continue
            assert_sentence(entry.error, known.key if known else "")
        else:
            assert entry.status == DONE
            assert known is None or known.outcome != SENTENCE, entry
            if known is not None:
                assert_layer(images.read_layer(tmp_path / "out" / entry.layer), known)
    assert len(entries) > 150
    assert {path: digest_of(path) for path in folder.rglob("*")} == before
    assert not list((tmp_path / "out").rglob(".cvmatte-*"))


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs POSIX")
def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    path = tmp_path / "secret.png"
    path.write_bytes(hostile.encoded(hostile.PICTURE, "PNG"))
    path.chmod(0)
    user = os.geteuid()
    if user == 0:  # who may read everything
        os.seteuid(65534)
    try:
        with pytest.raises(ImageError) as refused:
            images.read(path)
    finally:
        os.seteuid(user)
    assert refused.value.key == "image_unreadable"


def test_a_file_that_has_no_end_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "long.png").open("wb") as file:
        file.truncate(images.BYTE_LIMIT + 1)  # it takes no place on the disk
    with pytest.raises(ImageError) as refused:
        images.read(tmp_path / "long.png")
    assert refused.value.key == "image_file_too_large"


def test_a_nameless_path_is_said_whole() -> None:
    with pytest.raises(ImageError, match=r"^\. is not a picture"):
        images.read(Path())


@pytest.mark.parametrize(
    "make", [lambda data: data, lambda data: data + b"\0" * 30_000_000], ids=["photo", "with more"]
)
def test_looking_for_bombs_takes_no_time(photo: Path, make: Callable[[bytes], bytes]) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (1500, 2000, 3), np.uint8)
    for kind in ("JPEG", "PNG", "TIFF", "BMP", "WEBP"):
        options = {"lossless": True, "method": 0, "quality": 0} if kind == "WEBP" else {}
        data = make(hostile.encoded(noise, kind, **options))
        begun = time.thread_time()
        decompression_bombs.refuse(data)
        assert time.thread_time() - begun < 0.5, kind
