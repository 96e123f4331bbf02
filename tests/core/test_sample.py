"""The sample's own touch-up, which comes with it: one stroke, and what people see first is whole."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from demo.demo import SAMPLE, TOUCH_UP, sample_in
from development.brush import HELMET, HELMET_BRUSH

from cvmatte_core.filesystem import paths
from cvmatte_core.layers.touch_ups import TouchUps
from cvmatte_core.matting.matter import Matter, strokes_of
from cvmatte_core.matting.touch_up import AUTOMATIC, KEEP
from cvmatte_core.settings import MatteSettings

PAGE = paths.ROOT / "cvmatte_core" / "web" / "static"
# By hand, in pixels of 512.
HERS = {
    "the helmet": np.s_[380:500, 320:460],
    "its left rim": np.s_[430:505, 283:300],
    "its lower edge": np.s_[496:510, 300:470],
    "its ring at the right": np.s_[470:505, 488:498],
    "the edge of her arm": np.s_[295:330, 330:350],
}
ROOM = {
    "beside her arm": np.s_[270:335, 366:440],
    "above the helmet": np.s_[300:400, 490:512],
    "beside its ring": np.s_[400:450, 503:512],
}


def test_it_is_the_one_stroke_that_is_painted_over_the_helmet() -> None:
    stroke = np.full((512, 512), AUTOMATIC, np.uint8)
    cv2.polylines(stroke, [np.array(HELMET)], False, KEEP, HELMET_BRUSH)
    sheet = strokes_of(TOUCH_UP.read_bytes(), TOUCH_UP.name, (512, 512)).pixels
    assert cv2.connectedComponents((sheet != AUTOMATIC).view(np.uint8))[0] == 2  # what isn't painted, and one stroke
    assert np.array_equal(sheet, stroke)


def test_the_page_which_is_a_package_of_its_own_has_the_same() -> None:
    assert (PAGE / "sample.touch-up.png").read_bytes() == TOUCH_UP.read_bytes()


@pytest.mark.parametrize("quality", ["fast", "balanced", "best"])
@pytest.mark.parametrize("photo", [SAMPLE, PAGE / "sample.jpg"], ids=["demo", "page"])
def test_she_is_whole_with_it_and_nothing_of_the_room_is_left(photo: Path, quality: str) -> None:
    matter, settings = Matter(), MatteSettings(quality=quality)
    without = matter(photo, settings).alpha
    with_it = matter(photo, settings, strokes=partial(strokes_of, TOUCH_UP.read_bytes(), TOUCH_UP.name)).alpha
    for name, part in HERS.items():
        assert with_it[part].min() > 0.98, name
    for name, part in ROOM.items():
        assert with_it[part].max() < 0.02, name
    assert without[HERS["the helmet"]].mean() < 0.1


def test_the_demo_gives_it_to_the_sample_as_a_person_would(tmp_path: Path) -> None:
    photo = Path(sample_in(tmp_path)["image"])
    kept = TouchUps(tmp_path / ".local" / "share" / "cvmatte" / "touch-ups")
    matte = Matter(touch_ups=kept)(photo, MatteSettings())
    assert matte.touch_up == kept.stamp(matte.digest) != ""
    assert not kept.is_outdated(photo, matte.digest)
    assert matte.alpha[HERS["the helmet"]].min() > 0.98
