"""A wrong cut made right, and zones of a live picture: strokes in a real browser, down to OBS's pixels."""

from __future__ import annotations

import functools
import html
import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest
from demo.throwaway_obs import PATIENCE, SCENE, wait_until
from development.brush import CHROMIUM, HELMET, HELMET_BRUSH, Brush, browser
from PIL import Image

from cvmatte_core.matting import touch_up, zones

from .conftest import CLIP_SIZE, Studio, open_studio

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
IN_HELMET = np.s_[400:480, 360:460]
OUTSIDE = np.s_[:200, 320:]  # the background beside her head


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that the browser of the test's OBS writes the addresses to that it is to open."""
    return tmp_path_factory.mktemp("browser") / "opened"


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, opened: Path) -> Iterator[Studio]:
    script = opened.with_name("browser")
    script.write_text(f'#!/bin/sh\necho "$1" >> {opened}\n')
    script.chmod(0o755)
    folder = tmp_path_factory.mktemp("obs")
    with open_studio(folder, environment={"BROWSER": f"{script} %s"}) as studio:
        yield studio


def given_to_the_browser(studio: Studio, name: str, opened: Path, button: str = "touch_up") -> str:
    """What OBS has the browser open for a portrait's page."""
    before = opened.read_text().split() if opened.exists() else []
    studio.press(name, button)
    wait_until(lambda: opened.exists() and len(opened.read_text().split()) > len(before))
    return opened.read_text().split()[-1]


def page_said(studio: Studio, name: str) -> str:
    """What a portrait's properties say of its page."""
    return str(studio.properties(name).get("touch_up_page", {}).get("description", ""))


def status_of(link: str, headers: dict[str, str] | None = None) -> int:
    """What the page's server answers whom the link was given, or whom these headers are of."""
    address, _, rest = link.partition("/?token=")
    token, _, id = rest.partition("#")
    request = Request(
        f"{address}/touch_ups/{id.partition('.')[0]}",
        headers={"Authorization": f"Bearer {token}", **(headers or {})},
    )
    try:
        with urlopen(request, timeout=PATIENCE) as answer:
            return int(answer.status)
    except HTTPError as refused:
        return refused.code
    except OSError:
        return 0


def page_of(studio: Studio, name: str, opened: Path, button: str = "touch_up") -> str:
    """The address that this leads to."""
    file = Path(given_to_the_browser(studio, name, opened, button).removeprefix("file://"))
    found = re.search('href="(.*?)"', file.read_text())
    assert found is not None
    return html.unescape(found[1])


def kept(studio: Studio) -> set[Path]:
    return set((studio.data / "touch-ups").glob("*.png")) - set((studio.data / "touch-ups").glob("*.removed.png"))


def helmet(studio: Studio, name: str) -> float:
    """How opaque OBS shows the helmet, 0 to 1."""
    layer = studio.layer(name)
    assert layer is not None
    return float(layer[IN_HELMET][..., 3].mean()) / 255


def has_helmet(studio: Studio, name: str) -> bool:
    return helmet(studio, name) > 0.95


def test_strokes_show_in_obs_in_every_portrait_of_the_photo(
    studio: Studio, photo: Path, opened: Path, expected_layer: Any, tmp_path: Path
) -> None:
    copy = Path(shutil.copy(photo, tmp_path / "copy.png"))
    for name, image in (("one", photo), ("two", photo), ("copied", copy)):
        studio.add(name, image)
        studio.wait_for_layer(name, expected_layer(image))
    assert helmet(studio, "one") < 0.1
    link = page_of(studio, "one", opened)
    address, _, rest = link.partition("/?")
    said = studio.properties("one")["touch_up_page"]["description"]
    assert f">{address}/…</a>" in said and rest[:12] not in said  # which would not go into a line
    with browser() as page:
        page.goto(link)
        brush = Brush(page, "#touch-up")
        brush.set_size(HELMET_BRUSH)
        brush.stroke(HELMET, (512, 512))
        for name in ("one", "two", "copied"):
            wait_until(functools.partial(has_helmet, studio, name))
            layer = studio.layer(name)
            assert layer is not None and not layer[OUTSIDE][..., 3].any()
        page.keyboard.press("Control+z")
        wait_until(lambda: helmet(studio, "two") < 0.1)
        page.keyboard.press("Control+y")
        wait_until(lambda: helmet(studio, "two") > 0.95)
    studio.wait_for_state("one", "512 × 512")
    assert len(kept(studio)) == 1


def test_nobody_else_on_the_computer_reads_the_token(studio: Studio, opened: Path) -> None:
    given = given_to_the_browser(studio, "one", opened)
    file = Path(given.removeprefix("file://"))
    assert file.is_relative_to(studio.data)
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    # What a click in the dialog gives to the browser is the file, too.
    wait_until(lambda: f'href="{given}"' in studio.properties("one")["touch_up_page"]["description"])
    with browser() as page:
        page.goto(given)
        Brush(page, "#touch-up")
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/#\w+\.en", page.url)


def test_that_a_page_opens_is_said_at_once(studio: Studio) -> None:
    (worker,) = studio.worker_ids()
    os.kill(worker, signal.SIGSTOP)
    try:
        studio.press("two", "touch_up")
        wait_until(lambda: "Opening the page…" in page_said(studio, "two"))
    finally:
        os.kill(worker, signal.SIGCONT)
    wait_until(lambda: "The page is open" in page_said(studio, "two"))


def test_another_quality_and_a_preset_keep_what_was_painted(studio: Studio) -> None:
    before = studio.layer("one")
    assert before is not None
    studio.set("one", quality="fast", feather=2)
    wait_until(lambda: not np.array_equal(studio.layer("one"), before))  # type: ignore[arg-type]
    assert helmet(studio, "one") > 0.95


def test_a_worker_that_is_killed_in_mid_stroke_loses_nothing(studio: Studio, opened: Path) -> None:
    """And every page that is open goes on."""
    links = [page_of(studio, name, opened) for name in ("copied", "one", "two")]
    assert len(set(links)) == 3
    link = links[-1]
    with browser() as page:
        page.goto(link)
        brush = Brush(page, "#touch-up")
        brush.set_size(HELMET_BRUSH)
        brush.take("Remove")
        sent = brush.sent
        mouse = page.mouse
        mouse.move(*brush.place(HELMET[0], (512, 512)))
        mouse.down()
        for point in HELMET[1:]:
            mouse.move(*brush.place(point, (512, 512)), steps=4)
        for worker in studio.worker_ids():
            os.kill(worker, signal.SIGKILL)
        mouse.up()
        page.get_by_text("CVMatte isn't responding").wait_for()
        brush.wait_until_sent(sent + 1)
        wait_until(lambda: helmet(studio, "two") < 0.1)
    wait_until(lambda: [status_of(page) for page in links] == [200] * 3)


def test_only_the_link_lets_anybody_in(studio: Studio, opened: Path) -> None:
    link = page_of(studio, "two", opened)
    for headers in ({"Authorization": ""}, {"Authorization": "Bearer not-this-one"}, {"Origin": "http://elsewhere"}):
        assert status_of(link, headers) in (401, 403)
    assert status_of(link) == 200


def test_a_photo_that_was_edited_says_that_its_touch_up_no_longer_fits(
    studio: Studio, photo: Path, other_photo: Path, opened: Path, tmp_path: Path
) -> None:
    mine = Path(shutil.copy(other_photo, tmp_path / "mine.jpg"))
    studio.add("edited", mine)
    studio.wait_for_state("edited", "512 × 512")
    with browser() as page:
        page.goto(page_of(studio, "edited", opened))
        Brush(page, "#touch-up").stroke([(60, 60), (100, 60)], (512, 512))
    before = kept(studio)
    assert len(before) == 2
    Image.open(mine).rotate(1).save(mine)
    studio.wait_for_state("edited", "no longer fits")
    assert kept(studio) == before


def test_the_panel_opens_the_page_too(studio: Studio, opened: Path) -> None:
    before = opened.read_text().split()
    panel = studio.panel("touch_up", portrait_to_touch_up="one")
    assert "Opening the page for “one”" in panel["portraits"]["description"]
    wait_until(lambda: len(opened.read_text().split()) > len(before))


def test_strokes_on_a_photo_that_was_deleted_are_kept(
    studio: Studio, photo: Path, opened: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "deleted.png"
    Image.open(photo).rotate(90).save(mine)
    studio.add("deleted", mine)
    studio.wait_for_state("deleted", "512 × 512")
    link = page_of(studio, "deleted", opened)
    before = kept(studio)
    with browser() as page:
        page.goto(link)
        brush = Brush(page, "#touch-up")
        mine.unlink()
        mouse = page.mouse
        mouse.move(*brush.place((60, 60), (512, 512)))
        mouse.down()
        mouse.move(*brush.place((90, 60), (512, 512)))
        mouse.up()
        page.locator("#touch-up .status.bad", has_text="deleted.png").wait_for()
    assert len(kept(studio) - before) == 1
    assert studio.layer("deleted") is not None


def zones_of(studio: Studio, name: str = "live") -> tuple[bool, bool]:
    """Whether a corner of the room shows, and whether the middle of the person does."""
    layer = studio.layer(name)
    if layer is None or layer.shape[:2] != CLIP_SIZE[::-1]:
        return False, False
    return bool(layer[160:175, 5:30, 3].min() > 240), bool(layer[115:135, 150:170, 3].mean() > 150)


def test_zones_of_a_live_picture_are_painted_kept_and_removed(studio: Studio, clip: Path, opened: Path) -> None:
    values = {"input": "video", "video": str(clip), "longest_side": 0, "quality": "fast"}
    studio.requests.create_input(SCENE, "live", "cvmatte_portrait", values, True)
    wait_until(lambda: zones_of(studio) == (False, True))
    sheet = 960, 540  # three pixels for one of the clip's
    with browser() as page:
        page.goto(page_of(studio, "live", opened, "zones_page"))
        brush = Brush(page, "#touch-up")
        brush.set_size(90)
        brush.take("Always keep")
        brush.stroke([(10, 500), (100, 500)], sheet)
        wait_until(lambda: zones_of(studio) == (True, True))
        brush.take("Never show")
        brush.stroke([(440, 375), (520, 375)], sheet)
        wait_until(lambda: zones_of(studio) == (True, False))
        properties = studio.properties("live")
        assert properties["zones_page"]["description"] == "Change the zones…" and properties["zones_remove"]["visible"]
        studio.press("live", "zones_remove")
        wait_until(lambda: zones_of(studio) == (False, True))
        wait_until(lambda: not studio.properties("live")["zones_remove"]["visible"])
        bring_back = page.get_by_role("button", name="Bring back the last zones", include_hidden=True)
        bring_back.wait_for(state="attached")
        page.get_by_text("More, and keys").click()
        bring_back.click()  # once the page has noticed
        wait_until(lambda: zones_of(studio) == (True, False))
        studio.duplicate("live", "copy")  # with zones of its own
        wait_until(lambda: zones_of(studio, "copy") == (True, False))
        studio.remove("copy")
        studio.requests.set_input_name("live", "renamed")
        studio.requests.set_input_name("renamed", "live")
        assert page.get_by_text("This page is out of date").count() == 0


def test_at_obs_s_end_nothing_leads_to_the_page_any_more(studio: Studio, opened: Path) -> None:
    assert list((studio.data / "pages").iterdir())
    studio.quit()
    assert not list((studio.data / "pages").iterdir())


def test_in_the_next_obs_a_live_picture_has_its_zones(studio: Studio) -> None:
    studio.start()
    wait_until(lambda: zones_of(studio) == (True, False))
    # As from a scene collection of somebody else's.
    studio.set("live", zones="no zones")
    wait_until(lambda: zones_of(studio) == (False, True))
    studio.set("live", zones=zones.text_of(np.full((960, 960), touch_up.KEEP, np.uint8)))
    studio.wait_for_state("live", "stretched to this one")
