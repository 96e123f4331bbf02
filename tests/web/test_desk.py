"""The photos that are open for touching up, and the memory that they take."""

from __future__ import annotations

import asyncio
import gc
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cvmatte_core.layers.touch_ups import TouchUps
from cvmatte_core.localization.errors import OutputError, RequestError
from cvmatte_core.matting.matter import Matter
from cvmatte_core.matting.touch_up import KEEP
from cvmatte_core.settings import MatteSettings
from cvmatte_core.web.touch_up import Desk, OpenPhoto, bytes_of

SIDE = 400
BYTES = SIDE * SIDE * (3 + 4 + 1)  # of a photo: its pixels, its layer's, and what is painted
SETTINGS = MatteSettings(quality="fast")


class Table:
    """A desk, and what opens photos on it."""

    def __init__(
        self, matter: Matter, thread: ThreadPoolExecutor, most_bytes: int, touch_ups: TouchUps | None = None
    ) -> None:
        def run(work: Callable[[Matter], Any]) -> Future[Any]:
            return thread.submit(work, matter)

        self._run = run
        self.desk = Desk(run, touch_ups, most_bytes=most_bytes)

    def open(self, photo: Path, settings: MatteSettings = SETTINGS) -> OpenPhoto:
        return self._run(lambda matter: self.desk.open_now(matter, photo, photo.name, settings)).result()

    def has(self, photo: OpenPhoto) -> bool:
        try:
            return self.desk.find(photo.id) is photo
        except RequestError as error:
            assert error.key == "touch_up_closed"
            return False


@pytest.fixture(scope="module")
def thread() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as thread:
        yield thread


@pytest.fixture(scope="module")
def photos(photo: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Six, of different contents."""
    folder = tmp_path_factory.mktemp("photos")
    portrait = Image.open(photo).convert("RGB").resize((SIDE, SIDE))
    for number in range(6):
        portrait.putpixel((0, 0), (number, 0, 0))
        portrait.save(folder / f"{number}.png")
    return sorted(folder.iterdir())


def test_the_photos_that_are_open_hold_no_more_than_so_many_bytes(
    thread: ThreadPoolExecutor, photos: list[Path]
) -> None:
    table = Table(Matter(), thread, int(3.5 * BYTES))
    opened = [table.open(photo) for photo in photos]
    assert [table.has(photo) for photo in opened] == [False, False, False, True, True, True]


def test_what_is_counted_is_what_they_really_hold(thread: ThreadPoolExecutor, photos: list[Path]) -> None:
    table = Table(Matter(cache_bytes=0), thread, 100 * BYTES)
    tracemalloc.start()
    try:
        opened = [table.open(photo) for photo in photos[:2]]
        gc.collect()
        held, counted = tracemalloc.get_traced_memory()[0], bytes_of(opened)
        opened += [table.open(photo) for photo in photos[2:]]
        gc.collect()
        more = tracemalloc.get_traced_memory()[0] - held
    finally:
        tracemalloc.stop()
    assert bytes_of(opened) - counted == 4 * BYTES
    assert more == pytest.approx(4 * BYTES, rel=0.02)


def test_the_one_that_is_in_use_stays_open_however_large_it_is(thread: ThreadPoolExecutor, photos: list[Path]) -> None:
    table = Table(Matter(), thread, 1)
    for photo in photos[:2]:
        opened = table.open(photo)
        assert table.has(opened)


def test_pixels_that_open_photos_share_count_once(
    thread: ThreadPoolExecutor, photos: list[Path], tmp_path: Path
) -> None:
    table = Table(Matter(), thread, 100 * BYTES, TouchUps(tmp_path))
    opened = [table.open(photos[0], MatteSettings(quality="fast", feather=feather)) for feather in (0, 1, 2)]
    first = opened[0]
    pictures = {id(one.picture.base) for one in opened}
    assert len(pictures) < 3  # they come out of what is kept of the network's work
    assert bytes_of(opened) == len(pictures) * first.picture.nbytes + 3 * first.layer.nbytes + first.seen.pixels.nbytes


def test_what_is_used_last_stays_open(thread: ThreadPoolExecutor, photos: list[Path]) -> None:
    table = Table(Matter(), thread, int(2.5 * BYTES))
    first, second = (table.open(photo) for photo in photos[:2])
    assert table.has(first)
    third = table.open(photos[2])
    assert [table.has(photo) for photo in (first, second, third)] == [True, False, True]


def test_a_layer_that_is_given_out_has_no_stroke_that_is_not_kept_nor_one_that_comes_later(
    thread: ThreadPoolExecutor, photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its cut may still be made when the stroke's failure is answered already."""
    table = Table(Matter(), thread, 100 * BYTES, TouchUps(tmp_path))
    photo, goes_on, part = table.open(photos[0]), threading.Event(), OpenPhoto.part
    before = photo.layer.copy()
    stroke = (0, 0, 40, 40), np.full((40, 40), KEEP, np.uint8)

    def slowly(opened: OpenPhoto, *what: Any) -> Any:
        assert goes_on.wait(60)
        return part(opened, *what)

    def fails(*what: Any) -> None:
        raise OutputError("cannot_write", folder="")

    async def refused_and_looked_at() -> np.ndarray:
        with pytest.raises(OutputError):
            await table.desk.paint(photo, *stroke)
        looking = asyncio.create_task(table.desk.layer(photo))
        await asyncio.sleep(0)
        goes_on.set()
        return await looking

    monkeypatch.setattr(OpenPhoto, "part", slowly)
    with monkeypatch.context() as patch:
        patch.setattr(TouchUps, "save", fails)
        layer = asyncio.run(refused_and_looked_at())
    asyncio.run(table.desk.paint(photo, *stroke))
    assert not np.array_equal(photo.layer, before)
    assert np.array_equal(layer, before)
