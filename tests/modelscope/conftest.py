"""What the tests of ModelScope's own software share."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture(autouse=True)
def this_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Matting runs on the interpreter that has ModelScope's packages: this one."""
    monkeypatch.setenv("CVMATTE_PYTHON", sys.executable)
