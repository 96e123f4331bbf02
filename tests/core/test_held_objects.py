"""What people hold is kept, and what merely stands behind them is not."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from cvmatte_core.commands import models as command
from cvmatte_core.filesystem import paths
from cvmatte_core.localization.errors import ModelError
from cvmatte_core.matting.held_objects import join
from cvmatte_core.matting.matter import Matter
from cvmatte_core.models import catalogue
from cvmatte_core.settings import MatteSettings

SHAPE = (480, 640)


def disc(x: int, y: int, radius: int, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """A disc's alpha: float32, its edge soft."""
    drawn = np.zeros(shape, np.uint8)
    cv2.circle(drawn, (x, y), radius, 255, -1, cv2.LINE_AA)
    return drawn.astype(np.float32) / 255


def person(shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """A head on shoulders, cut by the picture's lower border."""
    drawn = np.zeros(shape, np.uint8)
    cv2.ellipse(drawn, (320, 150), (60, 80), 0, 0, 360, 255, -1, cv2.LINE_AA)
    cv2.ellipse(drawn, (320, 480), (150, 260), 0, 180, 360, 255, -1, cv2.LINE_AA)
    return drawn.astype(np.float32) / 255


@pytest.mark.parametrize(("x", "y", "radius"), [(470, 380, 70), (170, 350, 60), (330, 400, 70), (440, 300, 40)])
def test_what_is_in_front_of_a_person_is_kept(x: int, y: int, radius: int) -> None:
    body, thing = person(), disc(x, y, radius)
    seen = body * (1 - thing)  # the network of people loses it, and the arm behind
    result = join(seen, np.maximum(body, thing))
    assert np.abs(result - np.maximum(body, thing)).max() < 0.05


@pytest.mark.parametrize(("x", "y", "radius"), [(470, 380, 70), (170, 350, 60), (440, 270, 70), (230, 240, 80)])
def test_what_stands_behind_is_left_out(x: int, y: int, radius: int) -> None:
    body = person()
    assert np.array_equal(join(body, np.maximum(body, disc(x, y, radius))), body)


@pytest.mark.parametrize(
    "things",
    [
        disc(80, 80, 50),  # far from everybody
        np.ones(SHAPE, np.float32),  # all there is
        cv2.GaussianBlur(disc(320, 300, 230), (0, 0), 2),  # a sofa about the person
        np.zeros(SHAPE, np.float32),
        disc(470, 380, 2),  # a speck
        cv2.dilate(person(), np.ones((7, 7))),  # another outline of the same person
    ],
)
def test_nothing_else_is_taken_for_held(things: np.ndarray) -> None:
    body = person()
    assert np.array_equal(join(body, np.maximum(body, things)), body)


def test_a_hole_that_a_thing_fills_is_filled() -> None:
    body, thing = person(), disc(320, 400, 40)
    assert join(body * (1 - thing), np.maximum(body, thing))[400, 320] == 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (5, 3)])
def test_any_picture_will_do(shape: tuple[int, int]) -> None:
    ones, nothing = np.ones(shape, np.float32), np.zeros(shape, np.float32)
    for body in (ones, nothing):
        assert np.array_equal(join(body, ones), body)
        assert join(body, nothing).dtype == np.float32


def test_what_is_soft_stays_soft_and_nothing_is_taken_away() -> None:
    body, thing = person(), cv2.GaussianBlur(disc(470, 380, 70), (0, 0), 3)
    result = join(body * (1 - thing), np.maximum(body, thing))
    assert (result >= body * (1 - thing)).all()
    soft = (thing > 0.2) & (thing < 0.8) & (body == 0)
    assert np.abs(result - thing)[soft].max() < 0.02


# With models


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The default model in a folder of its own."""
    folder = tmp_path / "models"
    folder.mkdir()
    for model in (paths.ROOT / "models").glob("*.onnx"):
        (folder / model.name).symlink_to(model)
    monkeypatch.setattr(paths, "models_folder", lambda: folder)
    return folder


def add_general(name: str = "things") -> None:
    network = paths.ROOT / "tests" / "data" / "onnx" / "free.onnx"
    assert command.main(["add", str(network), "--name", name, "--general"]) == 0


def test_without_a_network_that_sees_things_it_says_which_one_to_install(models: Path, photo: Path) -> None:
    with pytest.raises(ModelError) as raised:
        Matter()(photo, MatteSettings(subject="held"))
    assert raised.value.key == "held_needs_model"
    named = catalogue.catalogue()[raised.value.values["install"].split()[-1]]
    assert named.general and named.title == raised.value.values["model"]


def test_the_default_and_a_general_network_are_joined(models: Path, photo: Path) -> None:
    add_general()
    told: list[tuple[str, int, int]] = []
    matter = Matter()
    held = matter(photo, MatteSettings(subject="held"), on_progress=lambda *step: told.append(step))
    everyone = matter(photo, MatteSettings())
    assert (held.alpha >= everyone.alpha).all()
    steps = [(done, total) for stage, done, total in told if stage == "network"]
    assert all(done <= total for done, total in steps) and steps == sorted(steps)
    assert steps[-1][0] == steps[-1][1] > 1
    # A chosen general network sees the things, the default the people.
    chosen = matter(photo, MatteSettings(model="things", subject="held"))
    assert np.array_equal(chosen.alpha, held.alpha)


def test_the_raw_matte_of_everyone_is_not_taken_for_it(models: Path, photo: Path) -> None:
    matter = Matter()
    matter(photo, MatteSettings())
    with pytest.raises(ModelError):
        matter(photo, MatteSettings(subject="held"))
