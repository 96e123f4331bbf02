"""The web page in the distribution's Chromium, in both languages and down to 360 pixels."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
import shutil
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    ViewportSize,
    expect,
    sync_playwright,
)

from cvmatte_core.filesystem import paths
from cvmatte_core.localization.texts import LANGUAGES, Texts
from cvmatte_core.models import catalogue
from cvmatte_core.models.catalogue import ModelEntry, entry_of
from cvmatte_core.system.browser import Way
from cvmatte_core.web import jobs
from cvmatte_core.web.parameters import OF_PHOTOS
from tests.publisher import MODEL, publishing

from .conftest import CHROMIUM, PATIENCE, TOKEN, Address, hold, serving

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs the distribution's Chromium: apt-get install chromium")

WIDE, NARROW = (1280, 900), (360, 740)
Opened = Callable[..., Page]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium: Browser, address: Address) -> Iterator[Opened]:
    """Opens the page. A test fails at the end where the page has logged an error or asked another server."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def complain_of_policy(message: ConsoleMessage) -> None:
        if "Content Security" in message.text:
            complaints.append(message.text)

    def complain_of_others(request: Request) -> None:
        if "localhost" not in request.url and not request.url.startswith("file:"):
            complaints.append(request.url)

    def open_page(language: str = "en", size: tuple[int, int] = WIDE, url: str = address.url) -> Page:
        viewport = ViewportSize(width=size[0], height=size[1])
        context = chromium.new_context(locale=language, viewport=viewport, accept_downloads=True)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", complain_of_policy)
        page.on("request", complain_of_others)
        page.goto(url)
        page.wait_for_selector("body[data-ready]")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints


def choose(page: Page, photo: Path) -> None:
    page.set_input_files("#photo", photo)
    expect(page.locator("#shown")).to_be_visible()
    expect(page.locator("#status.busy")).to_have_count(0)


def fast(page: Page) -> None:
    page.evaluate("document.getElementById('options').open = true")
    page.select_option("#control-quality", "fast")


# By how many pixels a drop-down is too narrow for what is chosen in it.
CUT_OFF = """(select) => {
    const alone = document.createElement("select");
    alone.style.cssText = "width: max-content; position: absolute";
    alone.append(select.selectedOptions[0].cloneNode(true));
    select.after(alone);
    const missing = alone.offsetWidth - select.offsetWidth;
    alone.remove();
    return missing;
}"""


def fits(page: Page) -> None:
    """Nothing sticks out to the right."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


# In every language, wide and narrow


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_the_whole_page_in_a_language_and_a_width(
    opened: Opened, photo: Path, tmp_path: Path, language: str, size: tuple[int, int]
) -> None:
    texts, page = Texts(language), opened(language, size)
    pictures = tmp_path / "screenshots"

    def look(name: str) -> None:
        fits(page)
        page.screenshot(path=pictures / f"{name}.png", full_page=True)

    assert page.get_attribute("html", "lang") == language
    assert page.title() == texts("web.title")
    assert "web." not in page.inner_text("body")
    look("1-empty")
    fast(page)
    choose(page, photo)
    look("2-result")
    page.get_by_label(texts("web.alpha"), exact=True).check()
    expect(page.locator("#mask")).to_be_visible()
    look("3-alpha")
    page.get_by_label(texts("web.compare"), exact=True).check()
    expect(page.locator("#before")).to_be_visible()
    page.locator("#before").evaluate("image => image.decode()")
    look("4-compare")
    page.get_by_role("tab", name=texts("web.batch")).click()
    expect(page.locator("#batch-status")).to_have_text(texts("web.chosen_none"))
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff no")
    page.set_input_files("#photos", [photo, broken])
    look("5-chosen")
    page.get_by_role("button", name=texts("web.start"), exact=True).click()
    finished = texts("web.all_done", done=1, failed=1)
    expect(page.locator("#batch-status")).to_have_text(finished)
    expect(page.locator("#list")).to_contain_text(texts("error.image_not_a_picture", name="broken.jpg"))
    look("6-batch")
    page.get_by_role("tab", name=texts("web.about")).click()
    expect(page.locator("#models")).to_contain_text("Robust Video Matting")
    expect(page.locator("#versions")).to_contain_text(texts("device.cpu"))
    look("7-about")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_fits(opened: Opened, tmp_path: Path, language: str) -> None:
    texts = Texts(language)
    for name, size in (("wide", WIDE), ("narrow", NARROW)):
        page = opened(language, size)
        assert page.get_attribute("html", "lang") == language
        assert page.locator("#language option:checked").inner_text() == texts("language.name")
        assert "web." not in page.inner_text("body")
        for tab in ("single", "batch", "about"):
            page.get_by_role("tab", name=texts(f"web.{tab}"), exact=True).click()
            fits(page)
            page.evaluate("document.getElementById('options').open = true")
            for select in page.locator("#options select:visible").all():
                assert select.evaluate(CUT_OFF) <= 0, select.get_attribute("id")
            page.screenshot(path=tmp_path / "screenshots" / f"{name} {tab}.png", full_page=True)


def test_the_switch_changes_the_language_and_keeps_everything_else(opened: Opened, photo: Path) -> None:
    english, chinese = Texts("en"), Texts("zh-CN")
    page = opened("en")
    fast(page)
    page.fill("#control-erosion", "7")
    choose(page, photo)
    page.select_option("#language", "zh-CN")
    expect(page.get_by_role("tab", name=chinese("web.single"))).to_be_visible()
    expect(page.locator("label[for=control-erosion]")).to_have_text(chinese("control.erosion"))
    expect(page.locator("#control-erosion")).to_have_value("7")
    expect(page.locator("#shown")).to_be_visible()
    assert page.get_attribute("html", "lang") == "zh-CN"
    page.select_option("#language", "en")
    expect(page.get_by_role("tab", name=english("web.single"))).to_be_visible()


# One photo


def test_a_dropped_photo_is_cut_out(opened: Opened, photo: Path) -> None:
    page = opened()
    fast(page)
    drop(page, "#drop", {"me.png": photo.read_bytes()})
    expect(page.locator("#status")).to_contain_text("me.png: 512 × 512")


def test_a_pasted_photo_is_cut_out_from_any_tab(opened: Opened, photo: Path) -> None:
    page = opened()
    fast(page)
    page.get_by_role("tab", name="About").click()
    write = """async (data) => {
        const blob = new Blob([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], { type: "image/png" });
        await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
    }"""
    page.evaluate(write, base64.b64encode(photo.read_bytes()).decode())
    page.keyboard.press("Control+v")
    expect(page.locator("#shown")).to_be_visible()
    expect(page.locator("#status")).to_contain_text("512 × 512")


def test_pasted_words_are_explained(opened: Opened) -> None:
    page = opened()
    page.evaluate("navigator.clipboard.writeText('words')")
    page.keyboard.press("Control+v")
    expect(page.locator("#status")).to_have_text(Texts("en")("web.no_picture"))


def test_every_control_is_an_option_with_its_label_and_its_tip(opened: Opened) -> None:
    texts, page = Texts("en"), opened()
    page.evaluate("document.querySelectorAll('.control').forEach((control) => (control.hidden = false))")
    for control in OF_PHOTOS:
        field = page.locator(f"#control-{control.name}")
        expect(field).to_have_accessible_name(texts(f"control.{control.name}"))
        expect(field).to_have_accessible_description(texts(f"control.{control.name}.tip"))


def test_options_act_at_once_and_show_when_they_apply(opened: Opened, photo: Path) -> None:
    page = opened()
    fast(page)
    expect(page.locator("#control-background_colour")).to_be_hidden()
    expect(page.locator("#control-save_mask")).to_be_hidden()
    expect(page.locator("#control-sheet")).to_be_hidden()
    page.select_option("#control-id_photo", "us")
    expect(page.locator("#control-sheet")).to_be_visible()
    page.select_option("#control-id_photo", "off")
    choose(page, photo)
    page.select_option("#control-background", "colour")
    page.fill("#control-background_colour", "#0102c8")
    page.select_option("#control-format", "webp")
    expect(page.locator("#download")).to_have_attribute("download", re.compile(r"\.webp$"))
    expect(page.locator("#status")).to_contain_text("512 × 512")
    with page.expect_download() as download:
        page.click("#download")
    assert download.value.suggested_filename == "astronaut-cutout.webp"
    with Image.open(download.value.path()) as layer:
        assert layer.format == "WEBP"
        assert layer.convert("RGB").getpixel((3, 3)) == (1, 2, 200)


def test_a_background_image_and_a_preset(opened: Opened, photo: Path, tmp_path: Path) -> None:
    Image.new("RGB", (30, 30), (1, 2, 200)).save(tmp_path / "wall.png")
    page = opened()
    fast(page)
    page.select_option("#control-background", "image")
    page.set_input_files("#control-background_image", tmp_path / "wall.png")
    page.select_option("#language", "zh-CN")  # what is chosen survives the language
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    choose(page, photo)
    with page.expect_download() as download:
        page.click("#download")
    assert Image.open(download.value.path()).convert("RGB").getpixel((3, 3)) == (1, 2, 200)
    page.select_option("#preset", "id_photo")
    expect(page.locator("#control-format")).to_have_value("jpeg")
    page.click("#reset")
    expect(page.locator("#control-format")).to_have_value("png")


def test_a_sticker_has_a_line_in_a_colour_of_one_s_own(opened: Opened, photo: Path) -> None:
    page = opened()
    fast(page)
    expect(page.locator("#control-outline_colour")).to_be_hidden()
    page.select_option("#preset", "sticker_outline")
    expect(page.locator("#control-outline")).to_have_value("12")
    page.fill("#control-outline_colour", "#00ff00")
    page.uncheck("#control-crop")
    choose(page, photo)
    with page.expect_download() as download:
        page.click("#download")
    layer = np.asarray(Image.open(download.value.path()))
    assert layer.shape == (512 + 24, 512 + 24, 4)
    assert (layer == (0, 255, 0, 255)).all(axis=2).sum() > 6000


def test_the_mask_takes_the_result_s_place(opened: Opened, photo: Path) -> None:
    for size in (WIDE, NARROW):
        page = opened(size=size)
        choose(page, photo)
        before = page.locator("#layer").bounding_box()
        page.get_by_label("Mask", exact=True).check()
        expect(page.locator("#mask")).to_be_visible()
        assert page.locator("#mask").bounding_box() == before
        with page.expect_download() as download:
            page.get_by_role("link", name="Download the mask").click()
        assert download.value.suggested_filename == "astronaut-cutout-mask.png"


def test_one_scrollbar_moves_the_options_past_the_picture(opened: Opened, photo: Path) -> None:
    page = opened()
    choose(page, photo)
    assert page.evaluate(
        "document.getElementById('options').scrollHeight <= document.getElementById('options').offsetHeight"
    )
    page.locator("#control-format").scroll_into_view_if_needed()
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    expect(page.locator("#control-format")).to_be_in_viewport()
    expect(page.locator("#layer")).to_be_in_viewport(ratio=0.99)


def test_an_id_photo_of_too_few_pixels_is_said(opened: Opened, photo: Path) -> None:
    page = opened()
    fast(page)
    page.select_option("#control-id_photo", "us")
    choose(page, photo)
    enlarged = {language: Texts(language)("web.enlarged", width=600, height=600) for language in ("en", "de")}
    expect(page.locator("#note")).to_have_text(enlarged["en"])
    page.select_option("#language", "de")
    expect(page.locator("#note")).to_have_text(enlarged["de"])
    page.select_option("#control-id_photo", "25x35")  # 295 × 413
    expect(page.locator("#note")).to_be_hidden()


def test_a_photo_that_lacks_its_last_bytes_is_said(opened: Opened, photo: Path, tmp_path: Path) -> None:
    Image.open(photo).save(tmp_path / "whole.jpg")
    (tmp_path / "me.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:-5])
    page = opened()
    fast(page)
    choose(page, tmp_path / "me.jpg")
    expect(page.locator("#note")).to_have_text(Texts("en")("note.cut_off"))
    page.select_option("#language", "de")
    expect(page.locator("#note")).to_have_text(Texts("de")("note.cut_off"))
    choose(page, tmp_path / "whole.jpg")
    expect(page.locator("#note")).to_be_hidden()


def test_a_room_is_used_for_all_until_it_is_forgotten_and_what_is_said_of_it_is_told(
    opened: Opened, photo: Path, tmp_path: Path
) -> None:
    english, german = Texts("en"), Texts("de")
    Image.effect_noise((512, 512), 80).save(tmp_path / "empty.png")
    page = opened(size=NARROW)
    fast(page)
    expect(page.locator("#forget-room")).to_be_hidden()
    page.get_by_label(english("web.room"), exact=True).set_input_files(tmp_path / "empty.png")
    choose(page, photo)
    expect(page.locator("#note")).to_have_text(english("note.room_other"))
    page.click("#touch-up")
    expect(page.locator("#editor .status-line")).to_contain_text(english("note.room_other"))
    page.keyboard.press("Escape")
    page.select_option("#language", "de")
    expect(page.locator("#note")).to_have_text(german("note.room_other"))
    page.get_by_role("tab", name=german("web.batch")).click()
    page.set_input_files("#photos", photo)
    page.get_by_role("button", name=german("web.start"), exact=True).click()
    expect(page.locator("#list")).to_contain_text(german("note.room_other"))
    page.get_by_role("tab", name=german("web.single")).click()
    fits(page)
    page.screenshot(path=tmp_path / "screenshots" / "room.png", full_page=True)
    page.get_by_role("button", name=german("web.room_forget")).click()
    expect(page.locator("#note")).to_be_hidden()
    expect(page.locator("#room")).to_be_focused()


def test_a_time_is_said_where_there_is_one(opened: Opened, photo: Path) -> None:
    """By a clock of its own: the server may know the photo from another test, and answer within 50 ms or not."""
    page = opened()
    fast(page)
    page.evaluate("(times) => { performance.now = () => times.shift() }", [0, 1234, 2000, 2049])
    choose(page, photo)
    expect(page.locator("#status")).to_have_text("astronaut.png: 512 × 512, 1.2 s")
    page.select_option("#control-quality", "balanced")
    expect(page.locator("#status")).to_have_text("astronaut.png: 512 × 512")


def test_the_divider_follows_the_keyboard_and_the_mouse(opened: Opened, photo: Path) -> None:
    page = opened()
    fast(page)
    choose(page, photo)
    page.get_by_label("Before / after").check()
    expect(page.locator("#before")).to_be_visible()
    page.locator("#divide").focus()
    page.keyboard.press("Home")
    expect(page.locator("#before")).to_have_css("clip-path", "inset(0px 100% 0px 0px)")
    box = page.locator("#before").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 5, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 200)
    page.mouse.up()
    assert 73 <= int(page.input_value("#divide")) <= 77
    divider = page.locator("#divider").bounding_box()
    assert divider is not None
    assert abs(divider["x"] + divider["width"] / 2 - (box["x"] + box["width"] * 0.75)) < 0.02 * box["width"]


def test_a_bad_file_is_explained_and_no_other_result_stays(opened: Opened, photo: Path, tmp_path: Path) -> None:
    page = opened()
    fast(page)
    choose(page, photo)
    (tmp_path / "zip.jpg").write_bytes(b"PK\x03\x04 no picture")
    page.set_input_files("#photo", tmp_path / "zip.jpg")
    expect(page.locator("#status.bad")).to_contain_text("zip.jpg is not a picture")
    expect(page.locator("#shown")).to_be_hidden()
    choose(page, photo)
    (tmp_path / "big.jpg").write_bytes(bytes(5_000_000))
    page.set_input_files("#photo", tmp_path / "big.jpg")
    expect(page.locator("#status.bad")).to_have_text("big.jpg is larger than 4 MB: choose a smaller photo.")
    expect(page.locator("#shown")).to_be_hidden()


def test_the_sample_shows_what_it_does_full_size_and_in_the_clipboard(opened: Opened) -> None:
    page = opened()
    fast(page)
    page.click("#sample")
    expect(page.locator("#shown")).to_be_visible()
    page.set_viewport_size({"width": 500, "height": 400})
    assert page.locator("#layer").bounding_box()["height"] < 300  # type: ignore[index]
    page.check("#zoom")
    assert page.locator("#layer").bounding_box()["height"] == 512  # type: ignore[index]
    fits(page)

    def copies() -> None:
        page.click("#copy")
        expect(page.locator("#status")).to_have_text("Copied: paste it where you like.")
        copied = page.evaluate(
            """async () => {
                const [item] = await navigator.clipboard.read();
                const picture = await createImageBitmap(await item.getType("image/png"));
                const canvas = new OffscreenCanvas(picture.width, picture.height).getContext("2d");
                canvas.drawImage(picture, 0, 0);
                return [picture.width, picture.height, ...canvas.getImageData(0, 0, 1, 1).data];
            }"""
        )
        assert copied[:2] == [512, 512] and copied[5] == 0  # transparent in the corner

    copies()
    page.select_option("#control-format", "webp")
    expect(page.locator("#download")).to_have_attribute("download", "sample-cutout.webp")
    expect(page.locator("#status.busy")).to_have_count(0)
    copies()


def test_a_download_is_named_after_what_it_is(opened: Opened, photo: Path) -> None:
    page = opened()
    fast(page)
    asked = hold(page, "**/remove_background")
    page.set_input_files("#photo", photo)
    png = asked()
    page.evaluate("document.getElementById('control-format').value = 'webp'")  # no event yet: so nothing is given up
    png.continue_()
    expect(page.locator("#download")).to_have_attribute("download", "astronaut-cutout.png")
    for format, name in (("webp", "astronaut-cutout.webp"), ("jpeg", "astronaut-cutout.jpg")):
        page.select_option("#control-format", format)
        expect(page.locator("#download")).to_have_attribute("download", name)


def test_a_photo_that_is_being_cut_out_is_so_in_another_language(opened: Opened, photo: Path) -> None:
    page = opened()
    asked = hold(page, "**/remove_background")
    page.set_input_files("#photo", photo)
    asked()
    page.select_option("#language", "de")
    expect(page.locator("#status.busy")).to_have_text(Texts("de")("web.working", name="astronaut.png"))


def test_a_photo_that_is_too_large_ends_the_work_on_another(opened: Opened, photo: Path, tmp_path: Path) -> None:
    page = opened()
    asked = hold(page, "**/remove_background")
    page.set_input_files("#photo", photo)
    asked()
    (tmp_path / "big.jpg").write_bytes(bytes(5_000_000))
    with page.expect_event("requestfailed"):
        page.set_input_files("#photo", tmp_path / "big.jpg")
    expect(page.locator("#status.bad")).to_have_text(Texts("en")("web.too_large", name="big.jpg", limit=4))


def test_a_result_that_is_no_longer_wanted_is_not_said(opened: Opened, photo: Path) -> None:
    page = opened()
    fast(page)
    page.evaluate(
        """() => {
            const layer = document.getElementById("layer");
            layer.decode = () => new Promise((wake) => { window.goOn = wake; });
        }"""
    )
    page.set_input_files("#photo", photo)
    page.wait_for_function("() => window.goOn")
    asked = hold(page, "**/remove_background")
    page.select_option("#control-format", "webp")
    asked()
    page.evaluate("window.goOn()")
    assert page.locator("#status").get_attribute("class") == "status busy"


def test_a_server_that_is_gone_is_explained(opened: Opened, photo: Path) -> None:
    page = opened()
    page.route("**/remove_background", lambda route: route.abort())
    page.set_input_files("#photo", photo)
    expect(page.locator("#status.bad")).to_have_text(Texts("en")("web.unreachable"))
    page.evaluate("document.getElementById('status').textContent = ''")
    page.route("**/sample_strokes", lambda route: route.abort())
    page.click("#sample")
    expect(page.locator("#status.bad")).to_have_text(Texts("en")("web.unreachable"))


# Many photos


def test_a_batch_shows_each_photo_s_progress_and_gives_a_zip(opened: Opened, photo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "team"
    folder.mkdir()
    for name in ("a.png", "b.png", "notes.txt"):
        shutil.copy(photo, folder / name)
    (folder / "@eaDir").mkdir()  # as a network drive of Synology's keeps thumbnails
    shutil.copy(photo, folder / "@eaDir" / "a.png")
    page = opened()
    fast(page)
    page.get_by_role("tab", name="Many photos").click()
    page.check("#control-save_mask")
    page.set_input_files("#folder", folder)
    left_out = "Left out, since CVMatte doesn't read them: notes.txt."
    expect(page.locator("#batch-status")).to_have_text(re.compile(rf"2 files, 1\.58 MB\. {re.escape(left_out)}"))
    page.click("#start")
    expect(page.locator("#batch-status")).to_have_text("Finished: 2 cut out, 0 failed.")
    expect(page.get_by_role("link", name="Download: a.png")).to_be_visible()
    with page.expect_download() as download:
        page.click("#archive")
    with zipfile.ZipFile(download.value.path()) as archive:
        assert sorted(archive.namelist()) == ["a-mask.png", "a.png", "b-mask.png", "b.png"]
    expect(page.locator("#list img.thumbnail")).to_have_count(2)
    # With other options, without choosing them again.
    page.uncheck("#control-save_mask")
    page.get_by_role("button", name="Cut out all again").click()
    expect(page.get_by_role("link", name="Mask: a.png")).to_have_count(0)
    expect(page.locator("#batch-status")).to_have_text("Finished: 2 cut out, 0 failed.")
    with page.expect_download() as download:
        page.click("#archive")
    with zipfile.ZipFile(download.value.path()) as archive:
        assert sorted(archive.namelist()) == ["a.png", "b.png"]
    page.click("#clear")
    expect(page.locator("#list li")).to_have_count(0)
    expect(page.locator("#start")).to_have_text("Cut out all")


def test_a_clip_is_cut_out_into_one_that_plays(opened: Opened, clip: Path, tmp_path: Path) -> None:
    page = opened()
    fast(page)
    page.select_option("#control-id_photo", "us")
    drop(page, "#drop", {"me.mp4": clip.read_bytes()})  # though photos are asked for there
    expect(page.get_by_role("tab", name="Many photos")).to_have_attribute("aria-selected", "true")
    said = r"me\.mp4 is a clip: clips are cut out here\. 1 file, [\d.]+ kB\."
    expect(page.locator("#batch-status")).to_have_text(re.compile(said))
    page.check("#control-save_mask")
    expect(page.locator("#list")).to_contain_text("These options have no effect on clips: ID photo, Save the mask too.")
    page.uncheck("#control-save_mask")
    page.click("#start")
    page.select_option("#control-id_photo", "off")  # the job has what it had
    expect(page.locator("#list")).to_contain_text("These options have no effect on clips: ID photo.")
    expect(page.locator("#batch-status")).to_have_text("Finished: 1 cut out, 0 failed.", timeout=60_000)
    playing = page.locator("#list video.thumbnail")
    page.wait_for_function("video => video.readyState >= 2 && video.videoWidth === 160", arg=playing.element_handle())
    with page.expect_download() as download:
        page.get_by_role("link", name="Download: me.mp4").click()
    assert download.value.suggested_filename == "me.webm"


@pytest.mark.usefixtures("waits_for_cancel")
def test_dropped_photos_become_a_batch_that_can_be_cancelled(opened: Opened, photo: Path) -> None:
    page = opened()
    fast(page)
    page.get_by_role("tab", name="Many photos").click()
    drop(page, "#drop-many", {f"{number}.png": photo.read_bytes() for number in range(12)})
    expect(page.locator("#list li")).to_have_count(12)
    page.click("#start")
    expect(page.locator("#batch-status")).to_contain_text("2 of 12 done")
    expect(page.locator("#list")).to_contain_text("Cutting out")
    expect(page.locator("#batch-progress")).to_be_visible()
    page.click("#cancel")
    expect(page.locator("#batch-status")).to_contain_text("Cancelled")
    expect(page.locator("#cancel")).to_be_hidden()


def test_a_folder_of_the_server_is_cut_out(opened: Opened) -> None:
    page = opened()
    fast(page)
    page.get_by_role("tab", name="Many photos").click()
    page.get_by_label("Folder on the server").select_option(".")
    page.check("#server-recursive")
    page.get_by_role("button", name="Cut out this folder").click()
    expect(page.locator("#batch-status")).to_have_text("Finished: 1 cut out, 1 failed.")


# About, and the keyboard


def test_a_model_that_is_missing_can_be_installed(opened: Opened) -> None:
    page = opened()
    missing = [{"name": "rvm-mobilenetv3", "title": "A model", "installed": False, "size_bytes": 0, "licence": "MIT"}]
    page.route("**/models", lambda route: route.fulfill(json=missing))
    page.get_by_role("tab", name="About").click()
    page.get_by_role("button", name="Install A model").click()
    expect(page.locator("#model-status")).to_have_text("A model: Done")


def test_the_page_shows_how_much_of_a_model_has_arrived(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    arrived = threading.Event()

    def fetch_slowly(entry: ModelEntry, on_progress: Callable[[str, int, int], None], cancelled: object) -> None:
        on_progress("fetch", 5_000_000, 20_000_000)
        assert arrived.wait(PATIENCE)

    monkeypatch.setattr(jobs, "fetch", fetch_slowly)
    page = opened()
    missing = [{"name": "rvm-mobilenetv3", "title": "A model", "installed": False, "size_bytes": 0, "licence": "MIT"}]
    page.route("**/models", lambda route: route.fulfill(json=missing))
    page.get_by_role("tab", name="About").click()
    page.get_by_role("button", name="Install A model").click()
    expect(page.locator("#model-fetched span")).to_have_text("5.0 of 20.0 MB")
    assert page.evaluate("document.querySelector('#model-fetched progress').value") == 0.25
    arrived.set()
    expect(page.locator("#model-status")).to_have_text("A model: Done")
    expect(page.locator("#model-fetched")).to_be_hidden()


@pytest.fixture
def loopback_modnet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """MODNet as it would be if a publisher on loopback had it, and nothing of it were here; yields the publisher."""
    with publishing() as publisher:
        source = {"kind": "url", "url": publisher.address + "modnet.onnx"}
        modnet = dataclasses.replace(
            entry_of("modnet"), source=source, size_bytes=len(MODEL), sha256=hashlib.sha256(MODEL).hexdigest()
        )
        others = [entry for entry in catalogue._read_shipped() if entry.name != "modnet"]
        monkeypatch.setattr(catalogue, "_read_shipped", lambda: [*others, modnet])
        monkeypatch.setattr(paths, "models_folder", lambda: tmp_path / "models")
        yield publisher


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_a_model_of_the_catalogue_is_fetched_by_a_click_can_be_cancelled_and_goes_on(
    opened: Opened, loopback_modnet: Any, tmp_path: Path, language: str
) -> None:
    texts, page = Texts(language), opened(language, NARROW)
    page.get_by_role("tab", name=texts("web.about")).click()
    row = page.locator("#models li").filter(has_text="MODNet")
    for told in ("Apache-2.0", texts("model.good_at.modnet"), texts("model.download", megabytes=5)):
        expect(row).to_contain_text(told)
    fits(page)
    loopback_modnet.stall_at = 3_000_000
    install = page.get_by_role("button", name=texts("web.install_named", model="MODNet"))
    install.click()
    expect(page.locator("#model-fetched span")).to_have_text(texts("models.fetched", done="3.0", total="5.0"))
    fits(page)
    page.locator("#model-fetched").get_by_role("button", name=texts("web.cancel")).click()
    expect(page.locator("#model-status")).to_have_text(f"MODNet: {texts('web.state_cancelled')}")
    expect(page.locator("#model-fetched")).to_be_hidden()
    loopback_modnet.stall_at = 0
    loopback_modnet.goes_on.set()
    install.click()
    expect(row).to_contain_text(texts("web.installed", megabytes="5.0"))
    assert loopback_modnet.asked[-1][1] == "bytes=3000000-"
    assert (tmp_path / "models" / entry_of("modnet").file).read_bytes() == MODEL
    page.screenshot(path=tmp_path / "screenshots" / "models.png", full_page=True)


def test_the_api_is_told_to_people(opened: Opened, address: Address) -> None:
    page = opened(url=f"{address.url}/")
    page.goto(f"{address.url}/docs")
    page.wait_for_selector("body[data-ready]")
    expect(page.locator(".operation h2", has_text="POST /remove_background")).to_be_visible()
    expect(page.locator(".operation").first).to_contain_text("Whether the server answers")
    remove_background = page.locator(".operation", has_text="POST /remove_background")
    expect(remove_background).to_contain_text("background_colour")
    expect(remove_background).to_contain_text("for difficult photos. Default: balanced.")
    example = f'curl -F "image=@photo.jpg" "{address.url}/remove_background" -o result.png'
    expect(remove_background.locator("pre")).to_have_text(example)
    removed = page.locator(".operation").filter(has=page.get_by_role("heading", name="DELETE /jobs/{id}", exact=True))
    expect(removed.locator("pre")).to_have_text(f'curl -X DELETE "{address.url}/jobs/ID"')
    fits(page)
    for width in (360, 300):
        page.set_viewport_size({"width": width, "height": 700})
        fits(page)
        name, kind = (remove_background.locator(tag).first.bounding_box() for tag in ("dt", "dd"))
        assert name is not None and kind is not None
        assert name["x"] == kind["x"] and kind["y"] >= name["y"] + name["height"]


def test_the_keyboard_alone_reaches_everything(opened: Opened) -> None:
    page = opened()
    page.keyboard.press("Tab")
    expect(page.locator("#language")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("tab", name="One photo")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Many photos")).to_be_focused()
    expect(page.locator("#batch")).to_be_visible()
    page.keyboard.press("End")
    expect(page.locator("#about")).to_be_visible()
    page.keyboard.press("Home")
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id"))
        assert page.evaluate(
            "document.activeElement.tagName === 'BODY' || document.activeElement.matches(':focus-visible')"
        )
    assert {"photo", "preset", "reset", "control-quality", "control-erosion", "control-crop"} <= reached


def test_everything_that_acts_has_a_name(opened: Opened) -> None:
    page = opened()
    for tab in page.get_by_role("tab").all():
        tab.click()
        for element in page.locator("button:visible, a:visible, input:visible, select:visible, img:visible").all():
            if element.get_attribute("aria-hidden") != "true":
                expect(element).to_have_accessible_name(re.compile(r"\S"))


def test_the_token_of_the_address_opens_the_page_and_leaves_the_address(opened: Opened, chromium: Browser) -> None:
    with serving(token=TOKEN) as address:
        page = opened(url=f"{address.url}/?token={TOKEN}")
        assert page.url == f"{address.url}/"
        page.get_by_role("tab", name="About").click()
        expect(page.locator("#models")).to_contain_text("Robust Video Matting")
        page.context.close()


def test_the_file_that_a_browser_is_given_opens_the_page_and_its_token_leaves_the_address(
    opened: Opened, chromium: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROWSER", "chromium")
    with serving(token=TOKEN) as address:
        way = Way(f"{address.url}/?token={quote(TOKEN)}#a.place")
        assert TOKEN not in way.link and quote(TOKEN) not in way.link
        page = opened(url=way.link)
        assert page.url == f"{address.url}/#a.place"
        page.get_by_role("tab", name="About").click()
        expect(page.locator("#models")).to_contain_text("Robust Video Matting")
        page.context.close()
        way.close()


def drop(page: Page, selector: str, contents: dict[str, bytes]) -> None:
    encoded = {name: base64.b64encode(content).decode() for name, content in contents.items()}
    script = """(contents) => {
        const transfer = new DataTransfer();
        for (const [name, data] of Object.entries(contents)) {
            transfer.items.add(new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], name));
        }
        return transfer;
    }"""
    transfer = page.evaluate_handle(script, encoded)
    page.dispatch_event(selector, "drop", {"dataTransfer": transfer})
