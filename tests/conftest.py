"""What all tests share."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

DATA = Path(__file__).parent / "data"
SAMPLE = Path(__file__).parents[1] / "scripts" / "demo" / "astronaut.png"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest of what would come last comes first: else, of the processes that run files, one waits for another."""
    items.sort(key=lambda item: item.path.name != "test_worker.py")


@pytest.fixture(scope="session")
def photo() -> Path:
    """NASA's portrait of Eileen Collins: 512 x 512, RGB."""
    return SAMPLE


def make_team(folder: Path, photo: Path, count: int) -> Path:
    """A new folder of so many photos, no two alike, and a subfolder with one more."""
    (folder / "second floor").mkdir(parents=True)
    pixels = np.asarray(Image.open(photo))
    for number in range(count):
        Image.fromarray(np.roll(pixels, number, axis=1)).save(folder / f"{number}.png")
    shutil.copy(folder / "0.png", folder / "second floor" / "人像.png")
    return folder


def fail(error: BaseException) -> Callable[[], None]:
    """Something that raises an error when it is called."""

    def raising() -> None:
        raise error

    return raising


@pytest.fixture
def modelscope_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment with what ModelScope's pipeline runs on, as far as can be seen from outside."""
    home = tmp_path / "environment"
    for name in ("modelscope", "tensorflow", "torch"):
        (home / "lib" / "python3.11" / "site-packages" / name).mkdir(parents=True)
    monkeypatch.setenv("CVMATTE_PYTHON", str(home / "bin" / "python"))
