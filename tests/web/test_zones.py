"""Zones of a live portrait, painted on the page for touching up."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demo.throwaway_obs import wait_until
from development import made_clips
from development.brush import CHROMIUM, Brush, browser
from PIL import Image

from cvmatte_core.localization.errors import RequestError
from cvmatte_core.matting import zones
from cvmatte_core.matting.matter import Matter
from cvmatte_core.matting.touch_up import AUTOMATIC, KEEP, REMOVE
from cvmatte_core.settings import MatteSettings
from cvmatte_core.web.touch_up import Desk, OpenPhoto
from cvmatte_core.web.touch_up_page import TouchUpPage
from cvmatte_core.web.zones import PortraitZones, open_zones

SIZE = (320, 180)
SHEET = (960, 540)  # width, height
DESK = np.s_[470:520, 40:160]
FACE = np.s_[200:260, 440:520]


@dataclass
class Portrait:
    """A live one, what OBS keeps for it, and the page of a worker."""

    folder: Path
    still: Path
    matter: Matter = field(default_factory=Matter)
    thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    kept: str = ""
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.desk = Desk(self._run, None)
        self.store = PortraitZones(self._hear)

    def _run(self, work: Callable[[Matter], Any]) -> Future[Any]:
        return self.thread.submit(work, self.matter)

    def _hear(self, portrait: str, text: str) -> None:
        assert portrait == "me"
        self.kept = text
        self.told.append(text)

    def open(self, id: str = "one", still: Path | None = None, **settings: Any) -> OpenPhoto:
        chosen = MatteSettings(quality="fast", **settings)
        about: dict[str, Any] = {"id": id, "name": "Me", "portrait": "me", "text": self.kept}
        wanted = functools.partial(open_zones, self.desk, self.store, still=still or self.still, settings=chosen)
        self._run(lambda matter: wanted(matter, **about)).result()
        return self.desk.find(id)

    @property
    def sheet(self) -> np.ndarray:
        return zones.on_sheet(self.kept, SHEET[::-1])


@pytest.fixture(scope="module")
def still(photo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A frame of somebody in a room."""
    room = np.array(Image.open(photo).convert("RGB").crop((0, 0, 90, 60)).resize((900, 600)))
    (frame,) = made_clips.frames(made_clips.cut_by_an_ellipse(photo), room, SIZE, 1)
    path = tmp_path_factory.mktemp("stills") / "still.png"
    Image.fromarray(frame.picture).save(path)
    return path


@pytest.fixture
def portrait(tmp_path: Path, still: Path) -> Iterator[Portrait]:
    made = Portrait(tmp_path, still)
    yield made
    made.desk.close()
    made.thread.shutdown()


def painted(*places: tuple[Any, int]) -> str:
    sheet = np.full(SHEET[::-1], AUTOMATIC, np.uint8)
    for place, value in places:
        sheet[place] = value
    return zones.text_of(sheet)


def told(portrait: Portrait, photo: OpenPhoto) -> dict[str, Any]:
    return portrait.desk.told(photo)


def test_the_cut_of_a_still_has_the_portrait_s_zones_and_colours(portrait: Portrait) -> None:
    portrait.kept = painted((DESK, KEEP), (FACE, REMOVE))
    photo = portrait.open(mirror=True, crop=True, background="colour")
    assert told(portrait, photo)["mirrored"] and photo.picture.shape == (*SHEET[::-1], 3)
    assert (photo.layer[480:510, 50:150, 3] == 255).all() and not photo.layer[205:255, 445:515, 3].any()
    assert np.array_equal(photo.layer[480:510, 50:150, :3], photo.picture[480:510, 50:150])
    assert not photo.layer[:60, :200, 3].any()  # where nothing is painted, and nobody is


def test_what_is_changed_elsewhere_shows_on_the_page_and_can_be_brought_back(portrait: Portrait) -> None:
    portrait.kept = before = painted((DESK, KEEP))
    photo = portrait.open()
    version = told(portrait, photo)["version"]
    portrait.store.hear("me", before)
    assert told(portrait, photo)["version"] == version  # nothing is new
    portrait.store.hear("me", "")  # removed in OBS's properties
    now = told(portrait, photo)
    assert (now["painted"], now["removed"]) == (False, True) and now["version"] > version
    portrait.store.hear("another", before)
    assert portrait.store.load("another") is None and portrait.told == []


def test_two_pages_of_a_portrait_have_one_sheet_until_the_picture_has_another_shape(
    portrait: Portrait, tmp_path: Path
) -> None:
    first, second = portrait.open("one"), portrait.open("two")
    assert first.sheet is second.sheet
    asyncio.run(portrait.desk.paint(first, (40, 470, 120, 50), np.full((50, 120), KEEP, np.uint8)))
    for photo in (first, second):  # also on a page that is looked at only then
        assert asyncio.run(portrait.desk.layer(photo))[480:510, 50:150, 3].min() == 255
    square = tmp_path / "square.png"
    Image.open(portrait.still).resize((240, 240)).save(square)
    third = portrait.open("three", square)
    for id in ("one", "two"):
        with pytest.raises(RequestError, match="out of date"):
            portrait.desk.find(id)
    assert third.sheet.pixels.shape == (960, 960) and (third.sheet.pixels == KEEP).any()  # stretched


def test_of_a_portrait_that_is_gone_nothing_is_kept(portrait: Portrait) -> None:
    photo = portrait.open()
    portrait.desk.take_away("me")
    portrait.store.forget("me")
    with pytest.raises(RequestError, match="out of date"):
        portrait.desk.find("one")
    portrait.store.save(photo.sheet.digest, b"a stroke that was under way")
    assert portrait.told == []


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_somebody_paints_zones(portrait: Portrait) -> None:
    portrait.open("plain")
    portrait.open("mirrored", mirror=True)
    served = TouchUpPage(portrait.desk, "a token of some length", 0)
    desk, door = [(60, 500), (150, 500)], [(860, 100), (930, 300)]
    with browser() as page:
        page.goto(served.address("plain", "en", for_zones=True))
        brush = Brush(page, "#touch-up")
        assert page.title() == "Me – CVMatte"
        brush.set_size(60)
        brush.take("Always keep")
        brush.stroke(desk, SHEET)
        brush.take("Never show")
        brush.stroke(door, SHEET)
        wait_until(lambda: len(portrait.told) == 2)
        assert portrait.sheet[500, 100] == KEEP and portrait.sheet[200, 895] == REMOVE
        page.get_by_text("More, and keys").click()
        assert page.get_by_text("X swaps Always keep and Never show").is_visible()
        page.get_by_role("button", name="Remove the zones").click()
        wait_until(lambda: portrait.kept == "")
        page.get_by_role("button", name="Bring back the last zones").click()
        wait_until(lambda: portrait.kept != "")
        # As the layer is mirrored the page is, and what is painted on it lands where it is in the frame.
        page.goto("about:blank")
        page.goto(served.address("mirrored", "en", for_zones=True))
        brush = Brush(page, "#touch-up")
        brush.set_size(60)
        brush.take("Never show")
        brush.stroke([(60, 500), (150, 500)], SHEET)
        assert portrait.sheet[500, SHEET[0] - 100] == REMOVE and portrait.sheet[500, 100] == KEEP
        portrait.desk.take_away("me")
        page.get_by_text("This page is out of date").wait_for()
    served.close()
