"""docs/automation.md and its twin: that they are up to date, and that what they show to be sent and answered is so."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from cvmatte_obs.automation.schema import DECLARED, REQUESTS
from development.automation_reference import BEGIN, PAGES, renewed

FIELDS = {"requestData": "request", "responseData": "response"}


def blocks(page: Path, language: str = r"\w+") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)


def messages(page: Path) -> Iterator[dict[str, Any]]:
    """What its examples send to the vendor and get from it, out of what that is wrapped in."""
    for block in blocks(page, "json"):
        message = json.loads(block)
        message = message.get("d", message)
        yield message["requestData"] if message.get("requestType") == "CallVendorRequest" else message


@pytest.mark.parametrize("page", PAGES, ids=PAGES.get)
def test_the_reference_is_up_to_date(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text == renewed(page), "run scripts/development/automation_reference.py"
    reference = text.partition(BEGIN)[2]
    for name in (*REQUESTS, *DECLARED["events"], *DECLARED["$defs"]):
        assert f"\n### {name}\n" in reference
    assert all(f"\n| `{key}` |" in reference for key in DECLARED["errors"])


@pytest.mark.parametrize("page", PAGES, ids=PAGES.get)
def test_each_example_is_as_declared(page: Path) -> None:
    found = list(messages(page))
    for message in found:
        assert message.pop("vendorName") == "cvmatte"
        event, request = message.pop("eventType", None), message.pop("requestType", None)
        ((field, data),) = message.items()
        pointer = f"events/{event}" if field == "eventData" else f"requests/{request}/{FIELDS[field]}"
        jsonschema_rs.validator_for({**DECLARED, "$ref": f"#/{pointer}"}).validate(data or {})
    assert len(found) > len(FIELDS)


def test_both_pages_show_the_same_programs_and_examples() -> None:
    english, chinese = map(blocks, PAGES)
    assert english == chinese


@pytest.mark.parametrize("page", PAGES, ids=PAGES.get)
def test_each_link_within_the_page_leads_to_a_heading(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in re.findall(r"^#+ (.+)$", text, re.M)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= headings
