"""Schemathesis reads the server's OpenAPI document and tries what it says, and what it doesn't."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from cvmatte_core.filesystem import paths
from cvmatte_core.settings import CONTROLS, FOLDER, IMAGE
from cvmatte_core.web import jobs

from .conftest import PATIENCE, Address, serving

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


def test_every_control_is_in_the_document(address: Address) -> None:
    addresses = httpx.get(f"{address.url}/openapi.json", timeout=PATIENCE).json()["paths"]
    photos, jobs = addresses["/remove_background"]["post"], addresses["/jobs"]["post"]
    for control in CONTROLS:
        for operation in (photos, jobs):
            form = operation["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
            in_query = {parameter["name"] for parameter in operation["parameters"]}
            expected = control.kind != FOLDER and (control.name != "save_mask" or operation is jobs)
            assert (control.name in form) == expected
            assert (control.name in in_query) == (expected and control.kind != IMAGE)


def test_every_operation_says_what_it_does(address: Address) -> None:
    for path, methods in httpx.get(f"{address.url}/openapi.json", timeout=PATIENCE).json()["paths"].items():
        for operation in methods.values():
            assert len(operation["summary"].split()) >= 3, path
            assert not operation["summary"].endswith(".")


def test_schemathesis_finds_nothing(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "fetch", lambda entry, on_progress, cancelled: entry.path)  # nothing is downloaded
    program = Path(sys.executable).with_name("schemathesis")
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.web.schemathesis_hooks", "PYTHONPATH": str(paths.ROOT)}
    with serving(root=root) as address:
        command = [program, f"--config-file={CONFIGURATION}", "run", f"{address.url}/openapi.json"]
        done = subprocess.run([*map(str, command)], capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    found = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert found is not None
    assert found[1] == found[2]
    assert int(found[1]) > 300
