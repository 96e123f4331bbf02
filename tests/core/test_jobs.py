"""Every kind of job that the worker does: what it takes, what it refuses, and how the server runs it."""

from __future__ import annotations

import dataclasses
import gc
import io
import logging
import os
import re
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demo.throwaway_obs import wait_until

from cvmatte_core.child_process import messages
from cvmatte_core.child_process.parent import Parent
from cvmatte_core.diagnose import RecentWarnings
from cvmatte_core.filesystem import paths
from cvmatte_core.layers.store import LayerStore
from cvmatte_core.localization.errors import Cancelled, ModelError
from cvmatte_core.matting.matter import Matte
from cvmatte_core.settings import MatteSettings
from cvmatte_core.worker import protocol
from cvmatte_core.worker.jobs.job import Aside, Computation, Job, Steps, Worker
from cvmatte_core.worker.jobs.parameters import WholeNumber, parsed
from cvmatte_core.worker.server import KINDS, WorkerServer

RIGHT: dict[str, dict[str, Any]] = {
    "matte": {
        "image": "me.png",
        "settings": {"feather": 2},
        "rest_seconds": 1,
        "burst": ["1.bmp"],
        "room": "empty.jpg",
    },
    "room": {"room": "empty.png", "burst": ["1.bmp"], "settings": {}, "even_so": False},
    "batch": {"folder": "party", "settings": {}, "output_folder": "", "room": ""},
    "photos": {"paths": ["me.png", "party"], "most": 5},
    "clip": {"clip": "me.mp4", "settings": None, "room": "empty.jpg"},
    "touch_up": {
        "image": "me.png",
        "settings": {},
        "token": "t" * 16,
        "port": 0,
        "language": "en",
        "portrait": "",
        "name": "",
        "zones": "",
        "room": "",
    },
    "zones": {"portrait": "1", "zones": None},
    "models": {},
    "install_model": {"name": "auto"},
    "cameras": {},
    "diagnose": {"newest": False},
    "tidy": {"keep": 1, "in_use": ["a", "b"]},
}
METHODS = pytest.mark.parametrize("method", KINDS)


def fields(method: str) -> dict[str, dataclasses.Field[Any]]:
    return {field.name: field for field in dataclasses.fields(KINDS[method])}  # type: ignore[arg-type]


@METHODS
def test_every_kind_reads_its_parameters(method: str) -> None:
    assert set(RIGHT[method]) == set(fields(method))
    request = parsed(KINDS[method], RIGHT[method])
    assert isinstance(request, (Aside, Computation))
    for name in fields(method).keys() & {"image", "folder", "clip"}:
        assert getattr(request, name) == Path(RIGHT[method][name])
    if "settings" in fields(method):
        assert getattr(request, "settings") == MatteSettings(**(RIGHT[method]["settings"] or {})).resolved()  # noqa: B009


def test_what_need_not_be_sent_has_its_default() -> None:
    matte: Any = parsed(KINDS["matte"], {"image": "me.png"})
    assert (matte.settings, matte.rest_seconds, matte.burst) == (MatteSettings().resolved(), 0.0, [])
    assert matte.room is None
    assert parsed(KINDS["batch"], {"folder": "party"}) == parsed(KINDS["batch"], RIGHT["batch"])


@METHODS
def test_the_protocol_tells_of_every_kind_and_its_parameters(method: str) -> None:
    told = re.search(rf"^    {method} {{(.*?)}}", protocol.__doc__ or "", re.MULTILINE)
    assert told is not None
    assert {name.strip("? ") for name in told[1].split(",") if name} == set(fields(method))


def test_obs_asks_for_kinds_that_there_are() -> None:
    asked = set()
    for path in (paths.ROOT / "obs_plugin").rglob("*.py"):
        asked |= set(re.findall(r'(?:WorkerTask\(\s*[\w.]+,|\.submit\()\s*"(\w+)"', path.read_text(encoding="utf-8")))
    assert len(asked) > 5  # what there is to see is seen
    assert asked <= set(KINDS)


# The server


class Talk:
    """A server in this process, and what it says."""

    def __init__(self, folder: Path) -> None:
        ours, theirs = os.pipe()
        self.heard = io.BytesIO()
        self._requests = os.fdopen(theirs, "wb", buffering=0)
        self.server = WorkerServer(
            Parent(os.fdopen(ours, "rb"), self.heard), LayerStore(folder), folder, RecentWarnings()
        )
        self._thread = threading.Thread(target=self.server.serve, daemon=True)
        self._thread.start()

    def ask(self, number: int, method: str, params: Any) -> None:
        self._requests.write(messages.encode({"id": number, "method": method, "params": params}))

    def messages(self) -> list[dict[str, Any]]:
        return [messages.decode(line) for line in self.heard.getvalue().splitlines()]

    def answer(self, number: int) -> dict[str, Any]:
        wait_until(lambda: any(message.get("id") == number for message in self.messages()), interval=0.005)
        return next(message for message in self.messages() if message.get("id") == number)

    def close(self) -> None:
        self._requests.close()
        self._thread.join(5)


@pytest.fixture
def talk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Talk]:
    monkeypatch.setattr(Worker, "matter", lambda worker: None)  # nothing is loaded
    talking = Talk(tmp_path)
    yield talking
    talking.close()


RUBBISH: list[tuple[str, dict[str, Any], str]] = [
    ("matte", {"image": 5}, "TypeError: "),
    ("matte", {"burst": [5]}, "TypeError: "),
    ("matte", {"rest_seconds": True}, "ValueError: rest_seconds is 0 to 3600"),
    ("matte", {"rest_seconds": "1"}, "TypeError: "),
    ("room", {"burst": [5]}, "TypeError: "),
    ("batch", {"folder": ["party"]}, "TypeError: "),
    ("batch", {"output_folder": 5}, "TypeError: "),
    ("photos", {"paths": "me.png"}, "ValueError: a list of texts"),
    ("photos", {"most": -1}, "ValueError: a whole number, from 0"),
    ("clip", {"clip": None}, "TypeError: "),
    ("touch_up", {"token": "short"}, "ValueError: a token of some length, and a port"),
    ("touch_up", {"token": ["t"] * 16}, "ValueError: a token of some length, and a port"),
    ("touch_up", {"port": 70000}, "ValueError: a token of some length, and a port"),
    ("touch_up", {"port": True}, "ValueError: a whole number, from 0"),
    ("diagnose", {"newest": 1}, "ValueError: true or false"),
    ("tidy", {"keep": 1.5}, "ValueError: a whole number, from 0"),
    ("tidy", {"in_use": [1]}, "ValueError: a list of texts"),
    *(
        (method, {name: ...}, f"KeyError: '{name}'")
        for method in KINDS
        for name, field in fields(method).items()
        if field.default is field.default_factory is dataclasses.MISSING
    ),
]  # fmt: skip


@pytest.mark.parametrize(("method", "wrong", "message"), RUBBISH)
def test_rubbish_is_refused(talk: Talk, method: str, wrong: dict[str, Any], message: str) -> None:
    """... stands for what isn't sent."""
    params = {name: value for name, value in {**RIGHT[method], **wrong}.items() if value is not ...}
    talk.ask(7, method, params)
    error = talk.answer(7)["error"]
    assert error["code"] == protocol.INVALID_PARAMS
    assert error["message"].startswith(message)


def test_every_kind_that_takes_anything_is_tried_with_rubbish() -> None:
    assert {method for method, _, _ in RUBBISH} == {method for method in RIGHT if fields(method)}


@METHODS
def test_parameters_that_are_none_are_refused(talk: Talk, method: str) -> None:
    talk.ask(7, method, "rubbish")
    assert talk.answer(7)["error"]["code"] == protocol.INVALID_REQUEST


@pytest.mark.parametrize("method", [method for method in KINDS if "settings" in fields(method)])
def test_settings_that_do_not_fit_are_a_sentence(talk: Talk, method: str) -> None:
    talk.ask(7, method, {**RIGHT[method], "settings": {"erosion": 9999}})
    error = talk.answer(7)["error"]
    assert (error["code"], error["data"]["key"]) == (messages.CVMATTE_ERROR, "setting_range")


def test_a_model_that_is_unknown_is_a_sentence() -> None:
    with pytest.raises(ModelError):
        parsed(KINDS["install_model"], {"name": "nonsense"})


@dataclasses.dataclass(kw_only=True)
class Count(Computation):
    to: WholeNumber

    def steps(self, job: Job) -> Steps:
        for done in range(self.to):
            job.tell("count", done, self.to, name=str(done))
            yield None
        job.worker.held(threading.Event).set()
        return {"counted": self.to, "by": threading.current_thread().name}


@dataclasses.dataclass(kw_only=True)
class Outlast(Computation):
    """Goes on until another has counted."""

    gives_way = True

    def steps(self, job: Job) -> Steps:
        while not job.worker.held(threading.Event).is_set():
            yield None
        return {"by": threading.current_thread().name}


@dataclasses.dataclass(kw_only=True)
class Rest(Computation):
    until: float = 0.0

    def steps(self, job: Job) -> Steps:
        job.worker.notify("layer", id=job.number)
        try:
            yield self.until
        except Cancelled:
            job.worker.notify("forgotten", id=job.number)
            raise
        return {"by": threading.current_thread().name}


@pytest.fixture(autouse=True)
def new_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that a new kind needs: its class, and a line in the table."""
    for kind in (Count, Outlast, Rest):
        monkeypatch.setitem(KINDS, kind.__name__, kind)


def test_a_computation_goes_step_by_step_and_others_have_their_turn(talk: Talk) -> None:
    talk.ask(1, "Outlast", {})
    talk.ask(2, "Count", {"to": 2})
    assert talk.answer(1)["result"] == {"by": "compute"}
    assert talk.answer(2)["result"] == {"counted": 2, "by": "compute"}
    told = [message["params"]["id"] for message in talk.messages() if message.get("method") == "progress"]
    assert told == [2, 2]


def test_what_is_to_be_finished_is_so_beside_what_is_computed(talk: Talk) -> None:
    talk.ask(1, "Rest", {})
    assert talk.answer(1)["result"] == {"by": "finish"}


def test_what_is_cancelled_before_it_is_due_hears_of_it(talk: Talk) -> None:
    talk.ask(1, "Rest", {"until": time.monotonic() + 60})
    wait_until(lambda: b'"layer"' in talk.heard.getvalue(), interval=0.005)
    talk.ask(2, "cancel", {"id": 1})
    assert talk.answer(1)["error"]["data"]["key"] == "cancelled"
    assert any(message.get("method") == "forgotten" for message in talk.messages())
    talk.ask(3, "Count", {"to": 0})
    assert talk.answer(3)["result"]["counted"] == 0


class Cutter:
    """Stands in for the Matter; `made` is what is left of its mattes."""

    def __init__(self, error: type[Exception] | None) -> None:
        self.made: list[weakref.ref[Matte]] = []
        self._error = error

    def __call__(self, image: Path, settings: MatteSettings, **more: Any) -> Matte:
        pixels = np.zeros((9, 9, 4), np.uint8)
        matte = Matte(pixels, pixels[..., 3] / np.float32(1), pixels[..., :3], pixels[..., :3], "digest", {})
        self.made.append(weakref.ref(matte))
        if self._error is not None:
            raise self._error
        return matte


@pytest.mark.parametrize(("rest_seconds", "error"), [(0, None), (60, None), (0, MemoryError), (0, ValueError)])
def test_the_pixels_of_a_photo_are_gone_before_the_next_job_is_over(
    talk: Talk,
    photo: Path,
    monkeypatch: pytest.MonkeyPatch,
    rest_seconds: float,
    error: type[Exception] | None,
) -> None:
    """Also where it is given up: a slider on the move gives up twenty layers a second."""
    cutter = Cutter(error)
    monkeypatch.setattr(Worker, "matter", lambda worker: cutter)
    monkeypatch.setattr(logging.getLogger("cvmatte.worker"), "disabled", True)  # pytest keeps what is logged
    gc.disable()  # it counts objects, not their bytes: hundreds of megabytes pass before it comes by
    try:
        talk.ask(1, "matte", {"image": str(photo), "rest_seconds": rest_seconds})
        if rest_seconds:
            wait_until(lambda: b'"layer"' in talk.heard.getvalue(), interval=0.005)
            talk.ask(2, "cancel", {"id": 1})
        assert ("result" in talk.answer(1)) == (not rest_seconds and error is None)
        for number, kind, params in ((3, "Count", {"to": 0}), (4, "Rest", {})):  # both threads have gone on
            talk.ask(number, kind, params)
            talk.answer(number)
        assert [made() for made in cutter.made] == [None]
    finally:
        gc.enable()


def test_the_pixels_of_a_call_that_fails_are_gone_with_its_answer(talk: Talk, photo: Path) -> None:
    cutter = Cutter(MemoryError)
    gc.disable()
    try:
        answer = talk.server._call(lambda matter: cutter(photo, MatteSettings()))
        wait_until(answer.done, interval=0.005)
        del answer
        wait_until(lambda: cutter.made[0]() is None, timeout=5, interval=0.005)
    finally:
        gc.enable()


def test_what_jobs_hold_together_is_made_once(tmp_path: Path) -> None:
    worker = Worker(LayerStore(tmp_path), tmp_path, RecentWarnings(), print, print, print)  # type: ignore[arg-type]
    held = worker.held(threading.Event)
    assert worker.held(threading.Event) is held
    assert worker.held(threading.Condition) is not held
