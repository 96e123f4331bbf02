"""Ties obs-websocket's vendor and a session: requests are answered from what is known, and done on its thread."""

from __future__ import annotations

import itertools
import threading
import time
import traceback
from dataclasses import dataclass
from typing import Any

from cvmatte_core.localization.errors import CvmatteError, RequestError
from cvmatte_core.settings import MatteSettings

from .. import controls, libobs
from ..session import Session
from . import schema, told
from .actions import Actions, Steps
from .vendor import VENDOR

_LOOK_SECONDS = 0.1  # between two looks for changes
_MISSING_SECONDS = 5.0  # and for an obs-websocket that isn't there
_MOST = 64  # accepted requests at once
_KNOWN = 100  # outcomes
_NUMBERS = itertools.count(1)  # also those of a script that is loaded anew


@dataclass(frozen=True)
class _Doing:
    """input: of the portrait that it is of, for its error's sentence."""

    request: str
    steps: Steps
    input: str


class Automation:
    """For one session, until it is closed."""

    def __init__(self, session: Session) -> None:
        self._session, self._actions = session, Actions(session)
        self._told: told.Told | None = None
        self._look_at = 0.0
        self._doing: dict[int, _Doing] = {}
        self._outcomes: dict[int, dict[str, Any]] = {}
        self._opening = threading.Lock()
        self._is_open = self._is_closed = False
        session.on_look = self._look

    def close(self) -> None:
        """On OBS's UI thread, before the session ends."""
        with self._opening:
            self._is_closed = True
            if not self._is_open:
                return
            VENDOR.close()
        for number in list(self._doing):
            self._ends(number, self._refused(RequestError("script_unloaded")))

    # On a thread of obs-websocket

    def _answer(self, request: str, data: dict[str, Any]) -> dict[str, Any]:
        try:
            schema.check(request, data)
            return {"ok": True, **self._answered(request, data)}
        except CvmatteError as error:
            return self._refused(error)

    def _refused(self, error: CvmatteError, input: str = controls.FROM_FILE) -> dict[str, Any]:
        return {"ok": False, "error": told.error_of(error, self._session.texts, input)}

    def _answered(self, request: str, data: dict[str, Any]) -> dict[str, Any]:
        known = self._told or told.Told()
        if request == "ListPortraits":
            return {"portraits": [portrait.says for portrait in known.portraits.values()]}
        if request == "ListErrands":
            return {"errands": [errand.says for errand in known.errands.values()]}
        if request == "GetOutcome":
            return {"outcome": self._outcome(data["accepted"])}
        chosen_input = self._checked(request, data, known)
        if len(self._doing) >= _MOST:
            raise RequestError("requests_many", most=_MOST)
        number = next(_NUMBERS)
        self._doing[number] = _Doing(request, self._actions.begin(request, data), chosen_input)
        return {"accepted": number}

    def _checked(self, request: str, data: dict[str, Any], known: told.Told) -> str:
        """The input of the portrait that it is of. Raises CvmatteError where it is known that nothing can be done."""
        errand = self._actions.errand(request)
        if errand is not None and request.startswith("Start") and errand.is_running:
            raise RequestError("errand_running", name=errand.name)
        if errand is not None and request.startswith("Cancel") and not errand.is_running:
            raise RequestError("errand_none")
        if "controls" in data:
            MatteSettings.from_mapping(data["controls"])
        if "portrait" not in data:
            return controls.FROM_FILE
        portrait = known.portrait_named(data["portrait"])
        if portrait is None:
            raise RequestError("portrait_missing", name=data["portrait"])
        chosen: str = portrait.says["input"]
        if chosen not in schema.REQUESTS[request].get("inputs", [chosen]):
            shown = self._session.texts(f"source.input.{chosen}")
            raise RequestError("portrait_input", request=request, name=data["portrait"], input=shown)
        return chosen

    def _outcome(self, number: int) -> dict[str, Any]:
        doing = self._doing.get(number)
        if doing is not None:
            return {"accepted": number, "request": doing.request}
        if number not in self._outcomes:
            raise RequestError("outcome_unknown", number=number)
        return self._outcomes[number]

    # On the session's thread

    def _look(self) -> None:
        libobs.guarded(self._looks)

    def _looks(self) -> None:
        now = time.monotonic()
        if not self._is_open:
            if now >= self._look_at:
                self._opens()
                self._look_at = now + (_LOOK_SECONDS if self._is_open else _MISSING_SECONDS)
            return
        ended = {number: outcome for number in list(self._doing) if (outcome := self._went_on(number)) is not None}
        if ended or now >= self._look_at:
            self._look_at = now + _LOOK_SECONDS
            self._tell_changes()
        for number, outcome in ended.items():
            self._ends(number, outcome)

    def _opens(self) -> None:
        """obs-websocket may be loaded after the script."""
        self._told = told.look(self._session)
        unloaded = self._refused(RequestError("script_unloaded"))
        with self._opening:
            if not self._is_closed:
                self._is_open = VENDOR.open(tuple(schema.REQUESTS), self._answer, unloaded)

    def _tell_changes(self) -> None:
        before, self._told = self._told or told.Told(), told.look(self._session)
        for event, data in told.changes(before, self._told):
            VENDOR.emit(event, data)

    def _went_on(self, number: int) -> dict[str, Any] | None:
        """What came of a request; None while it goes on."""
        doing = self._doing.get(number)
        if doing is None:
            return None
        try:
            next(doing.steps)
            return None
        except StopIteration as ended:
            return {"ok": True, "result": ended.value}
        except CvmatteError as error:
            return self._refused(error, doing.input)
        except Exception:
            libobs.log(libobs.LOG_ERROR, traceback.format_exc())
            return self._refused(RequestError("internal"), doing.input)

    def _ends(self, number: int, outcome: dict[str, Any]) -> None:
        """It may be ended by its outcome, or by the script's end: by what comes first."""
        doing = self._doing.get(number)
        if doing is None:
            return
        told_of = {"accepted": number, "request": doing.request, **outcome}
        self._outcomes[number] = told_of
        while len(self._outcomes) > _KNOWN:
            self._outcomes.pop(next(iter(self._outcomes)))
        if self._doing.pop(number, None) is not None:
            VENDOR.emit("RequestEnded", told_of)
