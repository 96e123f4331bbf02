"""The pages for touching up, of which the plugin keeps account: what becomes of them when the worker ends."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cvmatte_obs import touch_up_client
from cvmatte_obs.touch_up_client import TouchingUp
from demo.throwaway_obs import wait_until

from cvmatte_core.localization.errors import CvmatteError, WorkerError
from cvmatte_core.localization.texts import Texts
from cvmatte_core.settings import MatteSettings
from cvmatte_core.system.browser import Way
from cvmatte_core.worker.client import READY, STOPPED


class Client:
    """Keeps what is asked of the worker, to be answered by a test."""

    def __init__(self) -> None:
        self.process_id = 1
        self.state = READY
        self.told: list[dict[str, Any]] = []  # of zones
        self.asked: list[tuple[dict[str, Any], Any]] = []

    def submit(self, method: str, params: dict[str, Any], listener: Any) -> int:
        if method == "zones":
            self.told.append(params)
            return 0
        assert method == "touch_up"
        self.asked.append((params, listener))
        return len(self.asked)

    def answer(self, event: str, port: int = 0, error: CvmatteError | None = None) -> None:
        asked, self.asked = self.asked, []
        for params, listener in asked:
            url = f"http://127.0.0.1:{port}/#{Path(params['image']).stem}"
            listener(event, {"port": port, "url": url} if event == "done" else error)


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setenv("CVMATTE_DATA", str(tmp_path))
    monkeypatch.setattr(touch_up_client.webbrowser, "open", lambda url: True)
    return Client()


def test_pages_that_can_not_be_opened_again_are_said_to_those_who_opened_them(client: Client) -> None:
    heard: dict[str, list[tuple[str, str]]] = {"one.png": [], "two.png": [], "three.png": []}
    pages = TouchingUp(client, Texts("en"))  # type: ignore[arg-type]

    def hear(image: str, way: Way | None, error: CvmatteError | None) -> None:
        heard[image].append((way.address if way else "", error.key if error else ""))

    def have_heard(count: int) -> bool:
        return [len(told) for told in heard.values()] == [count] * 3

    for image in heard:
        pages.open(image, MatteSettings(), partial(hear, image))
    client.answer("done", 5000)
    wait_until(partial(have_heard, 1))
    client.process_id = 2
    pages.worker_is(READY)
    assert [params["port"] for params, _ in client.asked] == [5000] * 3
    client.answer("done", 5000)  # as it was: there is nothing to say
    client.process_id = 3
    pages.worker_is(READY)
    client.answer("done", 6000)  # another program has the port
    wait_until(partial(have_heard, 2))
    assert [told[1:] for told in heard.values()] == [
        [(f"http://127.0.0.1:6000/#{Path(image).stem}", "")] for image in heard
    ]
    client.process_id = 4
    pages.worker_is(READY)
    client.answer("failed", error=WorkerError("page_not_served"))
    assert [told[2:] for told in heard.values()] == [[("", "page_not_served")]] * 3
    pages.worker_is(READY)
    assert client.asked == []
    pages.close()


def test_a_live_portrait_s_page_is_opened_again_with_the_zones_that_hold_then(client: Client) -> None:
    zones, heard = ["first"], []
    pages = TouchingUp(client, Texts("en"))  # type: ignore[arg-type]

    def hear(way: Way | None, error: CvmatteError | None) -> None:
        heard.append(error)

    for still in ("old.png", "new.png"):
        pages.open(still, MatteSettings(), hear, "a portrait", "Me", lambda: zones[0])
        (asked,) = [params for params, _ in client.asked]
        assert (asked["portrait"], asked["name"], asked["zones"]) == ("a portrait", "Me", "first")
        client.answer("done", 5000)
    wait_until(lambda: len(heard) == 2)
    zones[0], client.process_id = "second", 2
    pages.worker_is(READY)
    assert [(params["image"], params["zones"]) for params, _ in client.asked] == [("new.png", "second")]
    client.answer("failed", error=WorkerError("internal"))  # the still is kept for a while only: the page says it
    assert heard == [None, None]
    pages.zones_are("a portrait", "third")
    client.state = STOPPED
    pages.zones_are("a portrait", "fourth")  # no process: no page
    assert client.told == [{"portrait": "a portrait", "zones": "third"}]
    pages.close()


def test_a_portrait_that_is_gone_has_no_page(client: Client) -> None:
    pages = TouchingUp(client, Texts("en"))  # type: ignore[arg-type]
    pages.open("still.png", MatteSettings(), lambda way, error: None, "a portrait")
    client.answer("done", 5000)
    pages.zones_are("a portrait", None)
    client.process_id = 2
    pages.worker_is(READY)
    assert client.asked == [] and client.told == [{"portrait": "a portrait", "zones": None}]
    pages.close()
