"""What a finer look at a person may change, and what it may not."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from cvmatte_core.matting.matter import Matter
from cvmatte_core.models.recurrent import Look, detailed
from cvmatte_core.settings import MatteSettings
from tests.core.test_hair import error, picture_of, seen_by_a_network, strands

_SHAPE = (480, 640)
_HEAD = np.s_[225:255, 305:335]


def look(picture: np.ndarray, alpha: np.ndarray, size: tuple[int, int]) -> Look:
    small, seen = (cv2.resize(values, size, interpolation=cv2.INTER_AREA) for values in (picture, alpha))
    return Look(small, seen, [], (0, 0, *alpha.shape))


def test_strands_come_from_the_finer_look_and_no_holes_or_patches_do() -> None:
    truth = strands(_SHAPE)
    picture = picture_of(truth)
    coarse = look(picture, seen_by_a_network(truth), (320, 240))
    finer = cv2.GaussianBlur(truth, (0, 0), 1)
    drawn = detailed(coarse, look(picture, finer, (640, 480)))
    assert drawn.alpha.shape == _SHAPE and drawn.alpha.min() >= 0 and drawn.alpha.max() <= 1
    without = detailed(coarse, look(picture, coarse.alpha, (640, 480)))
    assert error(drawn.alpha, truth) < 0.8 * error(without.alpha, truth)

    wrong = finer.copy()
    wrong[_HEAD] = 0  # a hole in the middle of the head
    wrong[10:60, 10:60] = 1  # somebody where nobody is
    assert np.allclose(detailed(coarse, look(picture, wrong, (640, 480))).alpha, drawn.alpha, atol=0.01)


def test_what_lies_behind_hair_is_not_taken_for_it() -> None:
    truth = strands(_SHAPE)
    picture = picture_of(truth)
    coarse = look(picture, seen_by_a_network(truth), (320, 240))
    without = detailed(coarse, look(picture, coarse.alpha, (640, 480)))
    filled = detailed(coarse, look(picture, np.ones(_SHAPE, np.float32), (640, 480)))
    assert error(filled.alpha, without.alpha) < 0.1 * error(without.alpha, np.ones(_SHAPE, np.float32))


def test_best_takes_a_finer_look(photo: Path) -> None:
    told: list[int] = []
    mattes = [
        Matter()(photo, MatteSettings(quality=quality), on_progress=lambda *step: told.append(step[2]))
        for quality in ("balanced", "best")
    ]
    assert max(told) == 6
    change = np.abs(mattes[1].alpha - mattes[0].alpha)
    assert 0.0005 < change.mean() < 0.02
