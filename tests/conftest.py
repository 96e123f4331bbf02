"""What all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="session")
def photo() -> Path:
    """NASA's portrait of Eileen Collins: 512 x 512, RGB."""
    return DATA / "astronaut.png"


@pytest.fixture
def modelscope_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment with what ModelScope's pipeline runs on, as far as can be seen from outside."""
    home = tmp_path / "environment"
    for name in ("modelscope", "tensorflow", "torch"):
        (home / "lib" / "python3.11" / "site-packages" / name).mkdir(parents=True)
    monkeypatch.setenv("CVMATTE_PYTHON", str(home / "bin" / "python"))
