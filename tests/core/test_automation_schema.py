"""What drives CVMatte from outside: its declaration, and the reader of that which OBS's own Python has."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from cvmatte_obs.automation.schema import DECLARED, REQUESTS, check
from hypothesis import given
from hypothesis import strategies as st

from cvmatte_core.localization.errors import RequestError
from cvmatte_core.localization.texts import Texts
from cvmatte_core.presets import BUILT_IN

FIELDS = sorted({field for request in REQUESTS.values() for field in request["request"]["properties"]} | {"other"})
PARTS = [
    *(f"requests/{name}/{part}" for name in REQUESTS for part in ("request", "response", "outcome")),
    *(f"events/{name}" for name in DECLARED["events"]),
    *(f"$defs/{name}" for name in DECLARED["$defs"]),
]
PLAIN = st.one_of(st.text(max_size=3), st.integers(-1, 11), st.booleans(), st.none(), st.just(0.5))
VALUES = st.one_of(PLAIN, st.lists(PLAIN, max_size=2), st.dictionaries(st.text(max_size=3), PLAIN, max_size=2))


def takes(request: str, data: Any) -> bool:
    try:
        check(request, data)
    except RequestError as error:
        assert error.key == "request_field" and error.values["request"] == request
        return False
    return True


def test_the_presets_of_our_own_are_named() -> None:
    assert all(name in DECLARED["$defs"]["presetName"]["description"] for name in BUILT_IN)


@pytest.mark.parametrize("request_name", REQUESTS)
@given(st.one_of(st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=3), VALUES))
def test_the_own_reader_takes_what_a_whole_one_takes(request_name: str, data: Any) -> None:
    whole = jsonschema_rs.validator_for({**DECLARED, "$ref": f"#/requests/{request_name}/request"})
    assert takes(request_name, data) == whole.is_valid(data)


def test_every_schema_in_the_file_is_one() -> None:
    for part in PARTS:
        found: Any = DECLARED
        for name in part.split("/"):
            found = found.get(name, {})
        jsonschema_rs.meta.validate({**found, "$schema": DECLARED["$schema"]})
        jsonschema_rs.validator_for({**DECLARED, "$ref": f"#/{part}"} if found else {})


def test_every_error_that_is_declared_has_a_sentence_and_every_one_that_a_request_names_is_declared() -> None:
    named = {key for one in REQUESTS.values() for key in (*one["errors"], *one.get("outcomeErrors", ()))}
    assert named == set(DECLARED["errors"])
    assert all(Texts("en").starting(f"error.{key}") for key in named)


def test_what_is_accepted_has_an_outcome_and_what_is_answered_at_once_has_none() -> None:
    for declared in REQUESTS.values():
        assert (declared["response"] == {"$ref": "#/$defs/accepted"}) == ("outcome" in declared)
