"""Schemathesis reads the server's OpenAPI document and tries what it says, and what it doesn't."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx

from cvmatte_core import paths
from cvmatte_core.settings import CONTROLS, FOLDER, IMAGE

from .conftest import Address

EXAMPLES = 12  # of each address


def test_every_control_is_in_the_document(address: Address) -> None:
    addresses = httpx.get(f"{address.url}/openapi.json").json()["paths"]
    photos, jobs = addresses["/remove_background"]["post"], addresses["/jobs"]["post"]
    for control in CONTROLS:
        for operation in (photos, jobs):
            form = operation["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
            in_query = {parameter["name"] for parameter in operation["parameters"]}
            expected = control.kind != FOLDER and (control.name != "save_mask" or operation is jobs)
            assert (control.name in form) == expected
            assert (control.name in in_query) == (expected and control.kind != IMAGE)


def test_schemathesis_finds_nothing(address: Address, tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("schemathesis")
    command = [program, "run", f"{address.url}/openapi.json", f"--max-examples={EXAMPLES}", "--seed=1"]
    command += ["--suppress-health-check=all", "--request-timeout=60"]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.web.schemathesis_hooks", "PYTHONPATH": str(paths.ROOT)}
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
