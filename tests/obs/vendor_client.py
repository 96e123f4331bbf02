"""A program that drives CVMatte over obs-websocket. It holds each message that it sends or gets against schema.json."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import Any

import jsonschema_rs
import obsws_python
from demo.throwaway_obs import PATIENCE, ThrowawayObs, wait_until
from obsws_python.error import OBSSDKRequestError
from obsws_python.subs import Subs

from cvmatte_core.filesystem import paths

FILE = paths.ROOT / "obs_plugin" / "cvmatte_obs" / "automation" / "schema.json"
SCHEMA: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
REQUESTS, EVENTS = SCHEMA["requests"], SCHEMA["events"]
NO_VENDOR_REQUEST = 600  # obs-websocket's ResourceNotFound: between an unloading and the next loading


def validator(pointer: str) -> Any:
    return jsonschema_rs.validator_for({**SCHEMA, "$ref": f"#/{pointer}"})


REFUSED = validator("$defs/refused")
VALIDATORS = {
    f"{request}/{part}": validator(f"requests/{request}/{part}")
    for request, declared in REQUESTS.items()
    for part in ("request", "response", "outcome")
    if part in declared
} | {event: validator(f"events/{event}") for event in EVENTS}


class VendorClient:
    """events: all so far, as (type, data). answered, refused: the requests, and the errors' keys, that were met."""

    def __init__(self, obs: ThrowawayObs, timeout: float = 20.0) -> None:
        self._requests = obs.connect(timeout)
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.faults: list[str] = []  # of what came by itself
        self.answered: set[str] = set()
        self.refused: set[str] = set()
        self._came = threading.Condition()
        port = self._requests.base_client.port
        self._listener = obsws_python.EventClient(host="127.0.0.1", port=port, subs=Subs.VENDORS)
        self._listener.callback.register(self.on_vendor_event)

    def close(self) -> None:
        self._listener.disconnect()
        self._requests.disconnect()

    def on_vendor_event(self, event: Any) -> None:
        try:
            assert event.vendor_name == "cvmatte"
            VALIDATORS[event.event_type].validate(event.event_data)
        except Exception as error:
            self.faults.append(f"{event.event_type} {event.event_data}: {error}")
        with self._came:
            self.events.append((event.event_type, event.event_data))
            self._came.notify_all()

    def ask(self, request: str, data: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The response to a request, whatever that is."""
        wanted = {"vendorName": "cvmatte", "requestType": request, **({"requestData": data} if data else {})}
        answer = self._requests.send("CallVendorRequest", wanted, raw=True)["responseData"]
        if answer.get("ok"):
            VALIDATORS[f"{request}/request"].validate(data or {})
            VALIDATORS[f"{request}/response"].validate(answer)
            self.answered.add(request)
        else:
            REFUSED.validate(answer)
            assert answer["error"]["key"] in REQUESTS[request]["errors"], answer
            assert "{" not in answer["error"]["sentence"] and "error." not in answer["error"]["sentence"]
            self.refused.add(answer["error"]["key"])
        found: dict[str, Any] = answer
        return found

    def wait_until_served(self) -> None:
        """After the script was loaded anew."""

        def is_served() -> bool:
            try:
                return bool(self.ask("ListPortraits")["ok"])
            except OBSSDKRequestError as error:
                assert error.code == NO_VENDOR_REQUEST, error
                return False

        wait_until(is_served)

    def refusal(self, request: str, **data: Any) -> str:
        """The key of the error with which a request is refused."""
        answer = self.ask(request, data)
        assert answer["ok"] is False, answer
        return str(answer["error"]["key"])

    def accepted(self, request: str, **data: Any) -> int:
        """Its number."""
        answer = self.ask(request, data)
        assert answer["ok"], answer
        return int(answer["accepted"])

    def outcome(self, number: int) -> dict[str, Any]:
        """Of an accepted request, once it has ended."""

        def ended() -> dict[str, Any] | None:
            told = self.all_of("RequestEnded", accepted=number)
            return told[0] if told else None

        outcome: dict[str, Any] = self._wait(ended)
        if outcome["ok"]:
            VALIDATORS[f"{outcome['request']}/outcome"].validate(outcome["result"])
        else:
            self.refused.add(outcome["error"]["key"])
        return outcome

    def done(self, request: str, **data: Any) -> dict[str, Any]:
        """The result of a request that succeeds."""
        outcome = self.outcome(self.accepted(request, **data))
        assert outcome["ok"], outcome
        result: dict[str, Any] = outcome["result"]
        return result

    def failed(self, request: str, **data: Any) -> str:
        """The key of the error with which a request ends that was accepted."""
        outcome = self.outcome(self.accepted(request, **data))
        assert not outcome["ok"], outcome
        return str(outcome["error"]["key"])

    def portrait(self, name: str) -> dict[str, Any] | None:
        found = self.ask("ListPortraits")["portraits"]
        return next((portrait for portrait in found if portrait["name"] == name), None)

    def wait_for(self, name: str, **said: Any) -> dict[str, Any]:
        """A portrait, once it says this."""

        def says_it() -> dict[str, Any] | None:
            portrait = self.portrait(name)
            return portrait if portrait is not None and said.items() <= portrait.items() else None

        try:
            found: dict[str, Any] = wait_until(says_it, interval=0.1)
        except TimeoutError:
            raise AssertionError(f"{name} is {self.portrait(name)}, not {said}") from None
        return found

    def all_of(self, event: str, **values: Any) -> list[dict[str, Any]]:
        """The data of all events of a type that have these values."""
        return [data for kind, data in list(self.events) if kind == event and values.items() <= data.items()]

    def wait_for_event(self, event: str, **values: Any) -> dict[str, Any]:
        """The last of those."""
        found: list[dict[str, Any]] = self._wait(lambda: self.all_of(event, **values))
        return found[-1]

    def _wait(self, condition: Any) -> Any:
        with self._came:
            if not self._came.wait_for(condition, PATIENCE):
                raise AssertionError(f"it didn't come within {PATIENCE:.0f} s; the last events: {self.events[-10:]}")
            return condition()
