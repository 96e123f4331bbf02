"""Programs that ask without a pause while the script is loaded anew: OBS answers each, and ends clean."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

from obsws_python.error import OBSSDKRequestError

from .conftest import Studio, open_studio
from .vendor_client import NO_VENDOR_REQUEST, VendorClient

REQUESTS, RELOADS, CLIENTS = 10_000, 12, 3


class Storm(threading.Thread):
    """One client's. answers: how often each came: ok, an error's key, or a status of obs-websocket's."""

    def __init__(self, studio: Studio, done: threading.Event) -> None:
        super().__init__()
        self._client, self._done = VendorClient(studio.obs), done
        self.answers: Counter[str] = Counter()
        self.fault: Exception | None = None

    def run(self) -> None:
        me = {"portrait": "me"}
        asked: list[tuple[str, dict[str, str]]] = [("ListPortraits", {}), ("Rematte", me), ("SetControls", me)]
        try:
            while not self._done.is_set() or self.answers.total() < REQUESTS / CLIENTS:
                for request, data in asked:
                    self.answers[self._answer(request, data)] += 1
        except Exception as error:
            self.fault = error
        finally:
            self._client.close()

    def _answer(self, request: str, data: dict[str, str]) -> str:
        try:
            answer = self._client.ask(request, data)
        except OBSSDKRequestError as error:
            assert error.code == NO_VENDOR_REQUEST, error
            return str(error.code)
        return "ok" if answer["ok"] else str(answer["error"]["key"])


def test_reloads_of_the_script_under_a_storm_of_requests_do_no_harm(tmp_path: Path, photo: Path) -> None:
    with open_studio(tmp_path, frames_per_second=10) as studio:
        studio.add("me", photo, quality="fast")
        studio.wait_for_state("me", "Ready")
        reloaded = threading.Event()
        storms = [Storm(studio, reloaded) for _ in range(CLIENTS)]
        for storm in storms:
            storm.start()
        for _ in range(RELOADS):
            studio.reload()
        reloaded.set()
        for storm in storms:
            storm.join(120)
        assert [storm.fault for storm in storms] == [None] * CLIENTS
        answers = sum((storm.answers for storm in storms), Counter())
        assert answers.total() >= REQUESTS and answers["ok"] > REQUESTS / 10, answers
        assert answers["request_field"] > REQUESTS / 10 and answers[str(NO_VENDOR_REQUEST)] > 0, answers
        print(answers)
        client = VendorClient(studio.obs)
        client.wait_until_served()
        assert client.done("Rematte", portrait="me") == {"portrait": "me"}
        client.close()
        studio.quit()
