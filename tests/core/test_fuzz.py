"""Whatever bytes a file has, whatever a request or the settings say: a result or a sentence, soon.

The same examples each time; CVMATTE_FUZZ=5000 tries so many others of each kind.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as of_hypothesis
from hypothesis import strategies as some

from cvmatte_core.child_process import messages
from cvmatte_core.child_process.parent import Parent
from cvmatte_core.filesystem import paths
from cvmatte_core.image import images
from cvmatte_core.layers.store import LayerRecord, LayerStore
from cvmatte_core.localization.errors import CvmatteError, ImageError, SettingsError
from cvmatte_core.localization.texts import LANGUAGES, Texts
from cvmatte_core.presets import PRESET_CONTROLS, PresetStore
from cvmatte_core.settings import CONTROLS, MatteSettings
from cvmatte_core.system import spawn
from cvmatte_core.worker import protocol
from cvmatte_core.worker.server import KINDS
from tests import hostile

MORE = int(os.environ.get("CVMATTE_FUZZ", 0))
WHOLE = hostile.whole()


def fuzzed(examples: int, seconds: float | None = 20) -> of_hypothesis:
    """seconds: that an example may take."""
    return of_hypothesis(
        max_examples=MORE or examples,
        derandomize=not MORE,
        database=None,
        deadline=seconds and timedelta(seconds=seconds),
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CVMATTE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def assert_sentence(error: CvmatteError) -> None:
    for language in LANGUAGES:
        assert error.sentence(Texts(language)) not in ("", f"error.{error.key}")


# Files

POINTED = [
    b"\0",
    b"\xff",
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\x80\0\0\0",
    b"\0\0\xff\xff",
    b"\xff\xda",
]
CHANGES = some.lists(
    some.tuples(
        some.sampled_from(["overwrite", "insert", "cut", "repeat", "flip"]),
        some.one_of(some.floats(0, 1), some.floats(0, 0.1)),  # headers are in front
        some.one_of(some.sampled_from(POINTED), some.binary(min_size=1, max_size=8)),
    ),
    min_size=1,
    max_size=6,
)


def changed(data: bytes, changes: list[tuple[str, float, bytes]]) -> bytes:
    for how, where, piece in changes:
        at, length = int(where * len(data)), len(piece)
        before, here, after = data[:at], data[at : at + length], data[at + length :]
        if how == "overwrite":
            data = before + piece + after
        elif how == "insert":
            data = before + piece + here + after
        elif how == "cut":
            data = before + after
        elif how == "repeat":
            data = before + here * (1 + piece[0] % 50) + after
        else:
            data = before + bytes(one ^ other for one, other in zip(here, piece, strict=False)) + after
    return data


def assert_photo_or_sentence(data: bytes, longest_side: int) -> None:
    try:
        photo = images.decode(data, "photo", longest_side)
    except ImageError as error:
        assert_sentence(error)
        return
    height, width = photo.rgb.shape[:2]
    assert photo.rgb.dtype == np.uint8
    assert photo.rgb.ndim == 3
    assert 0 < width * height <= images.PIXEL_LIMIT
    assert not longest_side or max(width, height) <= longest_side
    if photo.alpha is not None:
        assert photo.alpha.shape == (height, width)
        assert 0 <= photo.alpha.min() <= photo.alpha.max() <= 1


@given(name=some.sampled_from(sorted(WHOLE)), changes=CHANGES, longest_side=some.sampled_from([0, 0, 10]))
@fuzzed(300)
def test_a_changed_file_is_a_photo_or_a_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, changes: list[tuple[str, float, bytes]], longest_side: int
) -> None:
    monkeypatch.setattr(images, "PIXEL_LIMIT", 2_000_000)
    assert_photo_or_sentence(changed(WHOLE[name], changes), longest_side)


MARKS = [data[:length] for data in WHOLE.values() for length in (2, 4, 8, 16, 40)]


@given(mark=some.sampled_from(MARKS), body=some.binary(max_size=2000))
@fuzzed(100)
def test_any_bytes_behind_a_mark_are_a_photo_or_a_sentence(
    monkeypatch: pytest.MonkeyPatch, mark: bytes, body: bytes
) -> None:
    monkeypatch.setattr(images, "PIXEL_LIMIT", 2_000_000)
    assert_photo_or_sentence(mark + body, 0)


# Values

HUGE = [2**31, 2**63, 10**400, -(10**400), 1e308, float("inf"), float("-inf"), float("nan")]
PLAIN = some.one_of(
    some.none(),
    some.booleans(),
    some.integers(),
    some.floats(),
    some.sampled_from(HUGE),
    some.text(max_size=20),
    some.sampled_from(["", "\0", "\ud800", "~nobody", "/", "x" * 40_000, "fast", "png", "#00ff00", "auto"]),
)
JSON = some.recursive(
    PLAIN,
    lambda values: some.one_of(
        some.lists(values, max_size=4), some.dictionaries(some.text(max_size=8), values, max_size=4)
    ),
    max_leaves=8,
)
NAMES = [control.name for control in CONTROLS]
SETTINGS = some.one_of(
    some.dictionaries(some.sampled_from(NAMES), JSON, max_size=4),
    some.dictionaries(some.one_of(some.sampled_from(NAMES), some.text(max_size=8)), JSON, max_size=4),
    JSON,
)


@given(values=SETTINGS)
@fuzzed(100)
def test_any_settings_are_settings_or_a_sentence(values: Any) -> None:
    try:
        wanted = MatteSettings.from_mapping(values)
    except SettingsError as error:
        assert_sentence(error)
        assert len(str(error)) < 500
        return
    again = MatteSettings.from_mapping(json.loads(json.dumps(wanted.as_dict())))
    assert again == wanted
    assert LayerStore.key("/a.png", again) == LayerStore.key("/a.png", wanted)


@given(name=some.sampled_from(NAMES), value=JSON)
@fuzzed(150)
def test_any_value_of_a_control_is_kept_or_refused_by_its_name(name: str, value: Any) -> None:
    try:
        assert getattr(MatteSettings.from_mapping({name: value}), name) in (value, str(value).lower())
    except SettingsError as error:
        assert_sentence(error)
        assert name in str(error)


@given(
    content=some.one_of(JSON, some.fixed_dictionaries({"presets": some.dictionaries(some.text(max_size=5), SETTINGS)}))
)
@fuzzed(50)
def test_any_file_of_presets_gives_presets(data: Path, content: Any) -> None:
    file = data / "presets.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(content))
    store = PresetStore(file)
    for name in store.names():
        assert set(store.values(name)) == {control.name for control in PRESET_CONTROLS}


RECORD = {"key": "a", "image": "/a.png", "image_bytes": 1, "image_modified_ns": 1, "saved": "/b.png", "size": [1, 1]}


@given(
    content=some.one_of(
        JSON,
        some.dictionaries(some.sampled_from([*RECORD, "mask"]), JSON).map(
            lambda odd: {**RECORD, "seconds": 1.0, **odd}
        ),
    )
)
@fuzzed(100)
def test_any_file_of_a_record_is_a_record_or_none(data: Path, content: Any) -> None:
    store = LayerStore(data)
    data.mkdir(exist_ok=True)
    (data / "a.json").write_text(json.dumps(content))
    found = store.find("a")
    if found is not None:
        assert LayerRecord(**vars(found)) == found
        assert all(isinstance(path, str) for path in (found.key, found.image, found.saved, found.mask))
        assert all(isinstance(number, int) for number in (*found.size, found.image_bytes, found.image_modified_ns))


def test_a_record_nested_without_end_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[" * 100_000)
    assert LayerStore(tmp_path).find("a") is None


# The protocol

NOWHERE = some.sampled_from(["/nowhere/a.png", "", "\0", "/nowhere/\ud800", "/dev/zero", "/proc/self/mem", "x" * 5000])
PARAMS = some.fixed_dictionaries(
    {},
    optional={
        "image": some.one_of(NOWHERE, JSON.filter(lambda value: not isinstance(value, str))),
        "folder": some.one_of(some.just("/nowhere"), JSON.filter(lambda value: not isinstance(value, str))),
        "settings": SETTINGS,
        "rest_seconds": JSON,
        "burst": some.one_of(JSON, some.lists(NOWHERE)),
        "name": some.one_of(some.just("no model"), some.integers()),
        "clip": some.one_of(NOWHERE, JSON.filter(lambda value: not isinstance(value, str))),
        "paths": some.one_of(JSON, some.lists(NOWHERE)),
        "most": JSON,
        "keep": JSON,
        "in_use": JSON,
        "token": JSON,
        "port": JSON,
        "id": JSON,
    },
)
# A look at the cameras and a diagnosis take more time than all else.
METHODS = some.sampled_from(
    [*sorted(KINDS.keys() - {"cameras", "diagnose"}), "cancel", "fly", "", "progress", "initialize"]
)
REQUESTS = some.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": JSON,
        "id": some.one_of(some.integers(0, 50), JSON),
        "method": some.one_of(METHODS, METHODS, JSON.filter(lambda value: value != "shutdown")),
        "params": some.one_of(PARAMS, PARAMS, JSON),
    },
)
LINES = some.one_of(
    REQUESTS.map(lambda request: json.dumps(request).encode()),
    some.binary(max_size=200).map(lambda line: line.replace(b"\n", b"")),
    JSON.map(lambda value: json.dumps(value).encode()),
    some.integers(1, 3000).map(lambda depth: b'{"id": ' + b"[" * depth + b"]" * depth + b', "method": "cancel"}'),
    some.sampled_from(["utf-16", "utf-32"]).map(lambda coding: '{"id": 1, "method": "cancel"}'.encode(coding)),
)


class Worker:
    """A worker that is spoken to line by line."""

    def __init__(self) -> None:
        command = spawn.command("cvmatte_core.worker.server")
        self.process = subprocess.Popen(
            command, cwd=paths.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.asked = 10**6

    def answers(self, *lines: bytes) -> list[dict[str, Any]]:
        """What it says to these lines, until it answers one more that is right."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.asked += 1
        for line in (*lines, messages.encode({"id": self.asked, "method": "initialize"}).rstrip()):
            self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()
        heard: list[dict[str, Any]] = []
        while True:
            line = self.process.stdout.readline(messages.LONGEST_LINE)
            assert line.endswith(b"\n"), "the worker died, or speaks without end"
            message = json.loads(line, parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"))
            if message.get("id") == self.asked:
                return heard
            if message.get("method") != "beat":  # which comes at any time
                heard.append(message)


@contextlib.contextmanager
def started_worker(data: Path) -> Iterator[Worker]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CVMATTE_DATA", str(data))
        worker = Worker()
    try:
        yield worker
    finally:
        worker.process.kill()
        worker.process.wait()


@pytest.fixture(scope="module")
def fuzzed_worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """One for all examples: what was asked of it before may still be answered."""
    with started_worker(tmp_path_factory.mktemp("data")) as worker:
        worker.answers()
        yield worker


@pytest.fixture
def speaking(tmp_path: Path) -> Iterator[Worker]:
    with started_worker(tmp_path) as worker:
        yield worker


@given(lines=some.lists(LINES, min_size=1, max_size=8))
@fuzzed(80, seconds=None)  # it gets little of a busy computer
def test_the_worker_lives_through_any_lines(fuzzed_worker: Worker, lines: list[bytes]) -> None:
    for message in fuzzed_worker.answers(*lines):
        assert "method" in message or "result" in message or isinstance(message["error"]["message"], str)
        if "error" in message:
            assert message["error"]["code"] != messages.INTERNAL_ERROR, message
            assert len(message["error"]["message"]) < 100_000


def test_a_line_too_long_is_one_error_and_its_end_no_request(speaking: Worker) -> None:
    request = messages.encode({"id": 7, "method": "models"}).rstrip()
    line = b" " * messages.LONGEST_LINE + request
    assert [message["error"]["code"] for message in speaking.answers(line)] == [protocol.PARSE_ERROR]
    exactly = b" " * (messages.LONGEST_LINE - 1 - len(request)) + messages.encode({"id": 7, "method": "fly"}).rstrip()
    assert speaking.answers(exactly[-messages.LONGEST_LINE + 1 :])[0]["id"] == 7


def test_a_number_twice_under_way_is_refused(speaking: Worker) -> None:
    request = messages.encode({"id": 7, "method": "diagnose"}).rstrip()
    codes = [message["error"]["code"] for message in speaking.answers(*[request] * 5) if "error" in message]
    assert set(codes) == {protocol.INVALID_REQUEST}


def ascii_start(value: Any) -> str:
    return repr(value)[:8]


@pytest.mark.parametrize("rest", [float("inf"), float("nan"), 10**400, -1, 1e300, True, "1", [1]], ids=ascii_start)
def test_a_rest_that_is_no_time_is_refused(speaking: Worker, photo: Path, rest: Any) -> None:
    request = {"id": 8, "method": "matte", "params": {"image": str(photo), "rest_seconds": rest}}
    (answer,) = (message for message in speaking.answers(messages.encode(request).rstrip()) if message.get("id") == 8)
    assert answer["error"]["code"] == protocol.INVALID_PARAMS


def test_lines_come_whole_whatever_their_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "LONGEST_LINE", 8)
    said = io.BytesIO(b"short\n12345678901234567\nnext\n1234567\n123")
    assert list(Parent(said, io.BytesIO()).lines()) == [
        b"short\n",
        b"12345678",
        b"next\n",
        b"1234567\n",
        b"123",
    ]
