"""What all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="session")
def photo() -> Path:
    """NASA's portrait of Eileen Collins: 512 x 512, RGB."""
    return DATA / "astronaut.png"
