"""Programs that ask without a pause while the script is loaded anew: OBS answers each, and ends clean."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path

from demo.throwaway_obs import wait_until
from obsws_python.error import OBSSDKRequestError

from .conftest import Studio, open_studio
from .vendor_client import NO_VENDOR_REQUEST, VendorClient

REQUESTS, CLIENTS = 10_000, 3  # requests that CVMatte answers
_REFUSED_SECONDS = 0.005  # until another one, where it is just being loaded
UNSERVED = "unserved"


class Storm(threading.Thread):
    """One client's. answers: how often each came: ok, an error's key, or UNSERVED."""

    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self._client = VendorClient(studio.obs)
        self.answers: Counter[str] = Counter()
        self.fault: Exception | None = None

    def run(self) -> None:
        me = {"portrait": "me"}
        asked: list[tuple[str, dict[str, str]]] = [("ListPortraits", {}), ("Rematte", me), ("SetControls", me)]
        try:
            while self.answers.total() - self.answers[UNSERVED] < REQUESTS / CLIENTS:
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
            time.sleep(_REFUSED_SECONDS)
            return UNSERVED
        return "ok" if answer["ok"] else str(answer["error"]["key"])


def test_reloads_of_the_script_under_a_storm_of_requests_do_no_harm(tmp_path: Path, photo: Path) -> None:
    with open_studio(tmp_path, frames_per_second=10) as studio:
        studio.add("me", photo, quality="fast")
        studio.wait_for_state("me", "Ready")
        storms, reloads = [Storm(studio) for _ in range(CLIENTS)], 0
        for storm in storms:
            storm.start()
        while any(storm.is_alive() for storm in storms):
            studio.reload()
            reloads += 1
            time.sleep(0.2)
        assert [storm.fault for storm in storms] == [None] * CLIENTS
        answers = sum((storm.answers for storm in storms), Counter())
        print(f"{reloads} reloads, {dict(answers)}")
        assert answers.total() - answers[UNSERVED] >= REQUESTS and not answers["portrait_missing"]
        assert reloads >= 5 and answers[UNSERVED] and min(answers["ok"], answers["request_field"]) > REQUESTS / 10
        client = VendorClient(studio.obs)
        client.wait_until_served()
        # What the storm asked last is still under way, up to as many as there may be.
        number = wait_until(lambda: client.ask("Rematte", {"portrait": "me"}).get("accepted"))
        assert client.outcome(number)["result"] == {"portrait": "me"}
        client.close()
        studio.quit()
