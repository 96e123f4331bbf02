"""CVMatte, driven from outside: every request, event and error that schema.json declares, in a real OBS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Studio, open_studio
from .vendor_client import VendorClient


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with open_studio(tmp_path_factory.mktemp("obs"), frames_per_second=10) as studio:
        yield studio


@pytest.fixture(scope="module")
def client(studio: Studio) -> Iterator[VendorClient]:
    client = VendorClient(studio.obs)
    yield client
    client.close()
    assert not client.faults


def test_portraits_are_listed_and_cut_out_again(studio: Studio, client: VendorClient, photo: Path) -> None:
    assert client.ask("ListPortraits")["portraits"] == []
    studio.add("me", photo, quality="fast")
    me = client.wait_for("me", state="ready")
    assert me["input"] == "file" and me["layer"] == {"width": 512, "height": 512}
    client.wait_for_event("LayerShown", portrait="me", width=512, height=512)
    shown = len(client.all_of("LayerShown"))
    assert client.done("Rematte", portrait="me") == {"portrait": "me"}
    assert len(client.all_of("LayerShown")) == shown + 1
    assert client.refusal("Rematte", portrait="nobody") == "portrait_missing"
