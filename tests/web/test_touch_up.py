"""Touching up on the page and through the API."""

from __future__ import annotations

import base64
import io
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from development.brush import CHROMIUM, HELMET, HELMET_BRUSH, Brush, browser
from PIL import Image
from playwright.sync_api import expect

from cvmatte_core.image import images
from cvmatte_core.layers.touch_ups import TouchUps
from cvmatte_core.localization.texts import Texts
from cvmatte_core.web.touch_up import OpenPhoto

from .conftest import Address, hold, serving

IN_HELMET = np.s_[400:480, 360:460]
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CVMATTE_DATA", str(folder))
        yield folder


@pytest.fixture(scope="module")
def address(data: Path) -> Iterator[Address]:
    with serving() as address:
        yield address


@pytest.fixture
def api(address: Address) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address.url, timeout=60) as client:
        yield client


@pytest.fixture(autouse=True)
def nothing_painted(data: Path) -> Iterator[None]:
    yield
    for path in TouchUps().folder.glob("*"):
        path.unlink()


def png(strokes: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(strokes).save(file, "PNG")
    return file.getvalue()


def pixels(answer: httpx.Response) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(answer.content)))


def strokes_over_the_helmet() -> np.ndarray:
    strokes = np.full((512, 512), 128, np.uint8)
    strokes[385:500, 340:470] = 255
    return strokes


def opened(api: httpx.Client, photo: Path) -> dict[str, Any]:
    answer = api.post("/touch_ups", files={"image": (photo.name, photo.read_bytes())})
    assert answer.status_code == 201, answer.text
    return answer.json()


# Through the API


def test_the_form_field_touches_up(api: httpx.Client, photo: Path) -> None:
    files = {"image": photo.read_bytes(), "touch_up": png(strokes_over_the_helmet())}
    layer = pixels(api.post("/remove_background", files=files))
    assert layer[IN_HELMET][..., 3].mean() > 250
    without = pixels(api.post("/remove_background", files={"image": photo.read_bytes()}))
    assert without[IN_HELMET][..., 3].mean() < 30


@pytest.mark.parametrize(
    ("touch_up", "status", "part"),
    [
        (png(np.full((100, 512), 255, np.uint8)), 422, "another shape"),
        (b"no picture", 415, "not a picture"),
    ],
)
def test_a_field_that_is_no_touch_up_is_said(
    api: httpx.Client, photo: Path, touch_up: bytes, status: int, part: str
) -> None:
    files = {"image": ("me.png", photo.read_bytes()), "touch_up": ("mine.png", touch_up)}
    answer = api.post("/remove_background", files=files)
    assert (answer.status_code, part in answer.json()["message"]) == (status, True), answer.text


def test_what_there_is_to_say_of_a_photo_is_told(api: httpx.Client, photo: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (512, 512), np.uint8)
    files = {"image": ("me.png", photo.read_bytes()), "room": ("empty.png", png(noise))}
    answer = api.post("/touch_ups", files=files)
    assert answer.status_code == 201, answer.text
    for told in (answer, api.get(f"/touch_ups/{answer.json()['id']}")):
        assert [said["note"] for said in told.json()["notes"]] == ["note.room_other"]
    assert opened(api, photo)["notes"] == []


def test_a_stroke_is_answered_with_the_rectangle_that_changed_and_kept(api: httpx.Client, photo: Path) -> None:
    photo_open = opened(api, photo)
    path = f"/touch_ups/{photo_open['id']}"
    assert (photo_open["width"], photo_open["height"], photo_open["painted"]) == (512, 512, False)
    assert photo_open["kept"]
    before = pixels(api.get(f"{path}/layer"))
    box = {"x": 340, "y": 385, "width": 130, "height": 115}
    answer = api.patch(f"{path}/strokes", params=box, content=b"\xff" * (130 * 115))
    x, y, width, height = map(int, answer.headers["Box"].split(","))
    assert len(answer.content) == width * height * 4
    before[y : y + height, x : x + width] = np.frombuffer(answer.content, np.uint8).reshape(height, width, 4)
    now = pixels(api.get(f"{path}/layer"))
    assert np.array_equal(before, now) and now[IN_HELMET][..., 3].mean() > 250
    assert (pixels(api.get(f"{path}/strokes")) == strokes_over_the_helmet()).all()
    assert len(list(TouchUps().folder.glob("*.png"))) == 1
    # Whoever cuts the same photo out finds it, and so does whoever opens it.
    cut = pixels(api.post("/remove_background", files={"image": photo.read_bytes()}))
    assert cut[IN_HELMET][..., 3].mean() > 250
    assert opened(api, photo)["painted"]


def test_what_is_removed_can_be_brought_back(api: httpx.Client, photo: Path) -> None:
    path = f"/touch_ups/{opened(api, photo)['id']}"
    assert api.put(f"{path}/strokes", content=png(strokes_over_the_helmet())).status_code == 200
    assert api.delete(f"{path}/strokes").status_code == 200
    told = api.get(path).json()
    assert (told["painted"], told["removed"]) == (False, True)
    assert pixels(api.get(f"{path}/layer"))[IN_HELMET][..., 3].mean() < 30
    assert api.post(f"{path}/restore").status_code == 200
    assert pixels(api.get(f"{path}/layer"))[IN_HELMET][..., 3].mean() > 250


@pytest.mark.parametrize(
    ("box", "content"),
    [
        ((0, 0, 10, 10), b"\xff" * 99),
        ((0, 0, 10, 10), b""),
        ((-1, 0, 10, 10), b"\xff" * 100),
        ((505, 505, 10, 10), b"\xff" * 100),
        ((0, 0, 0, 0), b""),
        ((0, 0, 10**9, 10**9), b"\xff"),
    ],
)
def test_a_stroke_that_is_none_changes_nothing(
    api: httpx.Client, photo: Path, box: tuple[int, int, int, int], content: bytes
) -> None:
    path = f"/touch_ups/{opened(api, photo)['id']}"
    params = dict(zip(("x", "y", "width", "height"), box, strict=True))
    assert api.patch(f"{path}/strokes", params=params, content=content).status_code == 400
    assert not api.get(path).json()["painted"]


def test_an_import_that_is_no_touch_up_leaves_what_is_painted(api: httpx.Client, photo: Path) -> None:
    path = f"/touch_ups/{opened(api, photo)['id']}"
    api.put(f"{path}/strokes", content=png(strokes_over_the_helmet()))
    for content in (b"no", png(np.zeros((10, 512), np.uint8))):
        assert api.put(f"{path}/strokes", content=content).status_code in (415, 422)
    assert (pixels(api.get(f"{path}/strokes")) == strokes_over_the_helmet()).all()


def test_a_photo_that_nobody_opened_is_not_there(api: httpx.Client) -> None:
    answer = api.get("/touch_ups/none")
    assert (answer.status_code, answer.json()["error"]) == (404, "touch_up_closed")
    assert api.post("/touch_ups", files={"image": b"no picture"}).status_code == 415


def test_a_full_disk_keeps_what_was_painted(api: httpx.Client, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"/touch_ups/{opened(api, photo)['id']}"
    api.put(f"{path}/strokes", content=png(strokes_over_the_helmet()))
    layer = pixels(api.get(f"{path}/layer"))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("cvmatte_core.filesystem.files.replace", full)
        box = {"x": 0, "y": 0, "width": 4, "height": 4}
        assert api.patch(f"{path}/strokes", params=box, content=b"\xff" * 16).status_code == 507
    assert (pixels(api.get(f"{path}/strokes")) == strokes_over_the_helmet()).all()
    assert np.array_equal(pixels(api.get(f"{path}/layer")), layer)


def test_a_stroke_is_answered_only_once_it_is_kept(
    api: httpx.Client, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its cut is made meanwhile. A page sends again what finds no answer: so a process that ends here loses nothing."""
    path = f"/touch_ups/{opened(api, photo)['id']}"
    made, goes_on = threading.Event(), threading.Event()
    save, part = TouchUps.save, OpenPhoto.part

    def slowly(store: TouchUps, *what: Any) -> None:
        assert goes_on.wait(60)
        save(store, *what)

    def seen(opened: OpenPhoto, *what: Any) -> Any:
        try:
            return part(opened, *what)
        finally:
            made.set()

    monkeypatch.setattr(TouchUps, "save", slowly)
    monkeypatch.setattr(OpenPhoto, "part", seen)
    with ThreadPoolExecutor(1) as thread:
        box = {"x": 340, "y": 385, "width": 130, "height": 115}
        answer = thread.submit(api.patch, f"{path}/strokes", params=box, content=b"\xff" * (130 * 115))
        try:
            assert made.wait(60)
            time.sleep(0.3)
            assert not answer.done() and not list(TouchUps().folder.glob("*.png"))
            assert (pixels(api.get(f"{path}/strokes")) == 128).all()
        finally:
            goes_on.set()
        assert answer.result().status_code == 200
    assert len(list(TouchUps().folder.glob("*.png"))) == 1
    assert (pixels(api.get(f"{path}/strokes")) == strokes_over_the_helmet()).all()


def test_on_a_server_for_others_nothing_is_kept(photo: Path, data: Path) -> None:
    with (
        serving(token="a token", only_loopback=False) as address,
        httpx.Client(base_url=address.url, timeout=60, headers={"Authorization": "Bearer a token"}) as api,
    ):
        photo_open = opened(api, photo)
        assert not photo_open["kept"]
        path = f"/touch_ups/{photo_open['id']}"
        api.put(f"{path}/strokes", content=png(strokes_over_the_helmet()))
        assert pixels(api.get(f"{path}/layer"))[IN_HELMET][..., 3].mean() > 250
        cut = pixels(api.post("/remove_background", files={"image": photo.read_bytes()}))
        assert cut[IN_HELMET][..., 3].mean() < 30
    assert not list(TouchUps().folder.glob("*.png"))


def test_on_a_server_for_others_nobody_paints_on_another_s_photo(photo: Path, data: Path) -> None:
    with (
        serving(token="a token", only_loopback=False) as address,
        httpx.Client(base_url=address.url, timeout=60, headers={"Authorization": "Bearer a token"}) as api,
    ):
        mine, theirs = (f"/touch_ups/{opened(api, photo)['id']}" for _ in range(2))
        assert api.put(f"{mine}/strokes", content=png(strokes_over_the_helmet())).headers["Version"] == "1"
        assert api.get(theirs).json()["version"] == 0
        assert api.post(f"{theirs}/changes").content == b""
        assert (pixels(api.get(f"{theirs}/strokes")) == 128).all()
        assert pixels(api.get(f"{theirs}/layer"))[IN_HELMET][..., 3].mean() < 30
        later = f"/touch_ups/{opened(api, photo)['id']}"
        assert (pixels(api.get(f"{later}/strokes")) == 128).all()
        api.delete(f"{theirs}/strokes")
        assert (pixels(api.get(f"{mine}/strokes")) == strokes_over_the_helmet()).all()


def test_the_sample_s_strokes_are_given_until_somebody_has_their_own(api: httpx.Client) -> None:
    given = api.get("/sample_strokes")
    assert (given.status_code, given.headers["Content-Type"]) == (200, "image/png")
    assert given.content == api.get("/static/sample.touch-up.png").content
    sample = images.digest(api.get("/static/sample.jpg").content)
    TouchUps().save(sample, png(strokes_over_the_helmet()))
    assert (api.get("/sample_strokes").status_code, api.get("/sample_strokes").content) == (204, b"")
    TouchUps().remove(sample)  # what somebody took away stays away
    assert api.get("/sample_strokes").status_code == 204


# On the page


@pytest.fixture
def page(address: Address, photo: Path) -> Iterator[Any]:
    with browser() as page:
        page.goto(address.url)
        page.locator("body[data-ready]").wait_for()
        page.locator("#photo").set_input_files(str(photo))
        page.locator("#shown:not([hidden])").wait_for(timeout=60_000)
        yield page


def touching_up(page: Any) -> Brush:
    page.get_by_role("button", name="Touch up").click()
    brush = Brush(page, "#editor")
    brush.set_size(HELMET_BRUSH)
    return brush


PIXELS = """async (what) => {
  const { href } = document.querySelector('a[download$="touch-up.png"]');
  const bitmap = await createImageBitmap(await (await fetch(href.replace('/strokes', what))).blob());
  const context = new OffscreenCanvas(512, 512).getContext('2d');
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, 512, 512);
  let text = '';
  for (let at = 0; at < data.length; at += 4096) text += String.fromCharCode(...data.subarray(at, at + 4096));
  return btoa(text);
}"""


NEXT_FRAMES = "() => new Promise((wake) => requestAnimationFrame(() => requestAnimationFrame(wake)))"


def paint(page: Any, brush: Brush, points: Sequence[tuple[int, int]]) -> None:
    """As Brush.stroke, which waits for its cut."""
    first, *others = (brush.place(point, (512, 512)) for point in points)
    page.mouse.move(*first)
    page.mouse.down()
    for place in others:
        page.mouse.move(*place, steps=4)
    page.mouse.up()


def of_editor(page: Any, what: str) -> np.ndarray:
    """The layer or the strokes of the photo that the editor has open: uint8 RGBA."""
    data = base64.b64decode(page.evaluate(PIXELS, f"/{what}"))
    return np.frombuffer(data, np.uint8).reshape(512, 512, 4)


def opacity(page: Any) -> float:
    """Of the helmet, 0 to 1, as the editor has it."""
    return float(of_editor(page, "layer")[IN_HELMET][..., 3].mean()) / 255


ALPHA = """async (image, [x, y]) => {
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 512;
  canvas.getContext('2d').drawImage(image, 0, 0);
  return canvas.getContext('2d').getImageData(x, y, 1, 1).data[3];
}"""


def shown(page: Any, point: tuple[int, int] = (400, 440)) -> int:
    """Alpha at a pixel, in the middle of the helmet, 0 to 255, as the page shows the result."""
    return int(page.locator("#layer").evaluate(ALPHA, point))


@needs_chromium
def test_one_stroke_brings_the_helmet_back_and_the_result_has_it(page: Any) -> None:
    brush = touching_up(page)
    brush.stroke(HELMET, (512, 512))
    assert opacity(page) > 0.95
    page.get_by_role("button", name="Done").click()
    page.locator("#editor[hidden]").wait_for(state="attached")
    page.get_by_text("512 × 512").wait_for()
    assert shown(page) == 255


GREEN = """([x, y]) => {
  const canvas = document.querySelector('#editor canvas');
  const { left, top } = canvas.getBoundingClientRect();
  const [red, green, blue] = canvas.getContext('2d').getImageData(x - left, y - top, 1, 1).data;
  return green - Math.max(red, blue);
}"""


@needs_chromium
def test_what_was_painted_is_seen_until_its_cut_is_there(page: Any) -> None:
    brush = touching_up(page)
    asked = hold(page, "**/strokes?*")
    paint(page, brush, [(390, 440), (410, 440)])
    stroke = asked()
    page.evaluate(NEXT_FRAMES)
    begin = brush.place((390, 440), (512, 512))
    assert page.evaluate(GREEN, begin) > 30
    stroke.continue_()
    brush.wait_until_sent(1)
    page.evaluate(NEXT_FRAMES)
    assert page.evaluate(GREEN, begin) < 30


# How much of the canvas is drawn on, 0 to 1.
DRAWN = """() => {
  const canvas = document.querySelector('#editor canvas');
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let drawn = 0;
  for (let at = 3; at < data.length; at += 4) if (data[at] === 255) drawn++;
  return (4 * drawn) / data.length;
}"""


@needs_chromium
def test_the_picture_is_there_on_wide_windows_and_after_their_size_changed(page: Any) -> None:
    page.set_viewport_size({"width": 1920, "height": 1080})
    touching_up(page)
    for width, height in ((1920, 1080), (1400, 700), (1920, 1080)):
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate(NEXT_FRAMES)
        box = page.locator("#editor canvas").bounding_box()
        assert page.evaluate(DRAWN) == pytest.approx(box["height"] / box["width"], rel=0.02)  # the photo is square


@needs_chromium
def test_escape_leaves_with_what_is_painted(page: Any) -> None:
    brush = touching_up(page)
    brush.stroke(HELMET, (512, 512))
    page.keyboard.press("Escape")
    page.locator("#editor[hidden]").wait_for(state="attached")
    page.get_by_text("512 × 512").wait_for()
    assert page.evaluate("document.activeElement.id") == "touch-up"
    touching_up(page)
    assert opacity(page) > 0.95


@needs_chromium
def test_somebody_can_be_painted_in_where_nobody_was_found(page: Any, tmp_path: Path) -> None:
    sky = tmp_path / "sky.png"
    Image.new("RGB", (512, 512), (90, 120, 200)).save(sky)
    page.locator("#photo").set_input_files(str(sky))
    page.get_by_text(
        "Nobody was found in sky.png: choose a photo of a person, or paint them in with Touch up."
    ).wait_for()
    assert page.locator("#shown").is_hidden()
    brush = touching_up(page)
    brush.stroke(HELMET, (512, 512))
    page.get_by_role("button", name="Done").click()
    page.get_by_text("sky.png: 512 × 512").wait_for()
    assert page.locator("#layer").is_visible() and page.locator("#paint-in").is_hidden()


@needs_chromium
def test_an_answer_that_takes_long_leaves_the_stroke_undoable(page: Any) -> None:
    """The page asks meanwhile whether another page has painted: it takes its own stroke for none."""
    brush = touching_up(page)

    def answer_late(route: Any) -> None:
        answer = route.fetch()
        page.wait_for_timeout(7000)
        route.fulfill(response=answer)

    page.route("**/strokes?*", answer_late, times=1)
    brush.stroke(HELMET, (512, 512))
    undo = page.get_by_role("button", name="Undo")
    assert undo.is_enabled()
    page.wait_for_timeout(6000)
    assert undo.is_enabled()


@needs_chromium
def test_undo_redo_automatic_and_the_right_button(page: Any) -> None:
    brush = touching_up(page)
    brush.stroke(HELMET, (512, 512))
    page.keyboard.press("Control+z")
    brush.wait_until_sent(2)
    assert opacity(page) < 0.1
    page.keyboard.press("Control+Shift+z")
    brush.wait_until_sent(3)
    assert opacity(page) > 0.95
    brush.stroke(HELMET, (512, 512), button="right")  # the opposite
    assert opacity(page) < 0.05
    page.keyboard.press("a")
    brush.stroke(HELMET, (512, 512))
    assert opacity(page) < 0.1
    assert page.get_by_role("radio", name="Automatic").is_checked()


HINT, KEPT = "Paint roughly", "Every stroke is saved at once."


@needs_chromium
def test_the_hint_is_shown_until_the_first_stroke(page: Any) -> None:
    brush = touching_up(page)
    status = page.locator("#editor [role=status]")
    assert status.inner_text().startswith(HINT) and status.inner_text().endswith(KEPT)
    brush.stroke([(40, 40), (60, 40)], (512, 512))
    page.wait_for_function("kept => document.querySelector('#editor [role=status]').innerText === kept", arg=KEPT)
    page.keyboard.press("Control+z")
    brush.wait_until_sent(2)
    assert status.inner_text() == KEPT
    page.keyboard.press("Control+Shift+z")
    brush.wait_until_sent(3)
    page.keyboard.press("Escape")
    page.locator("#editor[hidden]").wait_for(state="attached")
    touching_up(page)  # what is painted already needs no hint
    assert status.inner_text() == KEPT


@needs_chromium
@pytest.mark.parametrize("width", [1100, 360])
def test_a_sentence_that_comes_or_goes_moves_nothing(page: Any, width: int) -> None:
    """However many lines it has: somebody may be painting, or have zoomed."""
    page.set_viewport_size({"width": width, "height": 640})
    brush = touching_up(page)
    status = page.locator("#editor [role=status]")
    canvas = page.locator("#editor canvas")
    before, lines = canvas.bounding_box(), status.bounding_box()["height"]
    brush.stroke([(40, 40), (60, 40)], (512, 512))
    page.wait_for_function("kept => document.querySelector('#editor [role=status]').innerText === kept", arg=KEPT)
    assert canvas.bounding_box() == before
    assert width > 360 or status.bounding_box()["height"] < lines


@needs_chromium
def test_keys_change_the_brush(page: Any) -> None:
    touching_up(page)
    shown = page.locator("#editor output")
    assert shown.inner_text() == "44 px"
    page.keyboard.press("]")
    assert shown.inner_text() == "52 px"
    page.keyboard.press("[")
    page.keyboard.press("x")
    assert page.get_by_role("radio", name="Remove").is_checked()
    page.keyboard.press("x")
    assert page.get_by_role("radio", name="Keep").is_checked()


@needs_chromium
def test_a_zoomed_and_moved_picture_is_painted_where_the_pointer_is(page: Any) -> None:
    brush = touching_up(page)
    left, top = brush.place((400, 440), (512, 512))
    page.mouse.move(left, top)
    page.mouse.wheel(0, -400)
    page.keyboard.down("Space")
    page.mouse.down()
    page.mouse.move(left + 40, top - 30, steps=3)
    page.mouse.up()
    page.keyboard.up("Space")
    brush.set_size(60)
    page.mouse.move(left + 40, top - 30)  # the same pixel of the photo, since that went along
    page.mouse.down()
    page.mouse.move(left + 44, top - 30)
    page.mouse.up()
    brush.wait_until_sent(1)
    rows, columns = np.nonzero(of_editor(page, "strokes")[..., 0] == 255)
    assert columns.mean() == pytest.approx(400, abs=3) and rows.mean() == pytest.approx(440, abs=3)
    assert rows.size == pytest.approx(3.14 * 30**2, rel=0.15)


@needs_chromium
def test_removing_the_touch_up_can_be_undone(page: Any) -> None:
    brush = touching_up(page)
    brush.stroke(HELMET, (512, 512))
    page.get_by_text("More, and keys").click()
    page.get_by_role("button", name="Remove the touch-up").click()
    page.get_by_role("button", name="Bring back the last touch-up").wait_for()
    assert opacity(page) < 0.1
    page.get_by_role("button", name="Undo").click()
    brush.wait_until_sent(2)
    assert opacity(page) > 0.95


@needs_chromium
def test_two_pages_on_one_photo_see_each_other_s_strokes(page: Any, address: Address, photo: Path) -> None:
    first = touching_up(page)
    other = page.context.new_page()
    other.goto(address.url)
    other.locator("body[data-ready]").wait_for()
    other.locator("#photo").set_input_files(str(photo))
    other.locator("#shown:not([hidden])").wait_for(timeout=60_000)
    other.get_by_role("button", name="Touch up").click()
    second = Brush(other, "#editor")
    second.set_size(20)
    page.bring_to_front()  # behind another tab, each movement of the mouse takes a second
    first.stroke(HELMET, (512, 512))
    other.bring_to_front()
    second.stroke([(40, 40), (60, 40)], (512, 512))
    assert opacity(other) > 0.95
    strokes = TouchUps().load(next(path.stem for path in TouchUps().folder.glob("*.png")))
    assert strokes is not None
    painted = np.array(Image.open(io.BytesIO(strokes)))
    assert painted[440, 400] == 255 and painted[40, 50] == 255


@needs_chromium
@pytest.mark.parametrize(("width", "height"), [(360, 640), (320, 480)])
def test_it_fits_a_phone_and_a_dock(page: Any, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    touching_up(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    box = page.locator("#editor canvas").bounding_box()
    assert box["width"] > 0.9 * width and box["height"] > 0.25 * height
    assert box["y"] + box["height"] <= height


PING = "**/touch_ups/*"  # whether another page has painted: every five seconds
DOT = np.s_[300:310, 480:490]  # in the rectangle of the stroke over the helmet, and beside it


def paint_dot(api: httpx.Client, photo: Path, value: int = 255) -> None:
    """On another page."""
    path = f"/touch_ups/{opened(api, photo)['id']}/strokes"
    box = {"x": 480, "y": 300, "width": 10, "height": 10}
    assert api.patch(path, params=box, content=bytes([value]) * 100).status_code == 200


def painted(page: Any) -> tuple[int, int]:
    """On the helmet and on the dot."""
    strokes = of_editor(page, "strokes")[..., 0]
    assert (strokes[DOT] == strokes[300, 480]).all()
    return int(strokes[440, 400]), int(strokes[300, 480])


@needs_chromium
def test_what_is_painted_or_undone_while_another_page_s_strokes_arrive_stays(
    page: Any, api: httpx.Client, photo: Path
) -> None:
    brush = touching_up(page)
    asked = hold(page, "**/strokes")
    paint_dot(api, photo)
    arriving = asked()
    paint(page, brush, HELMET)
    arriving.continue_()
    brush.wait_until_sent(1)
    assert painted(page) == (255, 255)
    asked = hold(page, "**/strokes")
    paint_dot(api, photo, 0)
    arriving = asked()
    page.keyboard.press("Control+z")
    arriving.continue_()
    brush.wait_until_sent(2)
    assert painted(page) == (128, 0)
    page.keyboard.press("Control+Shift+z")
    brush.wait_until_sent(3)
    assert painted(page) == (255, 0)


@needs_chromium
@pytest.mark.parametrize("part", ["changes", "strokes"])
def test_a_page_that_couldn_t_take_another_s_strokes_goes_on_and_takes_them_later(
    page: Any, api: httpx.Client, photo: Path, part: str
) -> None:
    brush = touching_up(page)
    taken: list[str] = []
    page.on("requestfinished", lambda request: taken.extend([request.url] * request.url.endswith("/strokes")))
    page.route(f"**/{part}", lambda route: route.abort(), times=1)
    paint_dot(api, photo)
    page.locator("#editor .status.bad").wait_for()
    brush.stroke([(40, 40), (60, 40)], (512, 512))
    while not taken:
        page.wait_for_timeout(20)
    brush.stroke(HELMET, (512, 512))
    assert painted(page) == (255, 255)
    assert of_editor(page, "strokes")[40, 50, 0] == 255


@needs_chromium
def test_a_stroke_whose_answer_was_lost_shows_and_can_be_undone(page: Any, photo: Path) -> None:
    brush = touching_up(page)
    (left, top), around = brush.place((400, 440), (512, 512)), np.s_[438:443, 398:403]
    there = {"x": left - 1, "y": top - 1, "width": 3, "height": 3}
    colour = pytest.approx(np.asarray(Image.open(photo).convert("RGB"))[around].mean((0, 1)), abs=12)

    def drawn() -> np.ndarray:
        page.mouse.move(5, 5)  # the brush isn't part of it
        page.evaluate(NEXT_FRAMES)
        picture = Image.open(io.BytesIO(page.screenshot(clip=there))).convert("RGB")
        return np.asarray(picture).mean((0, 1))

    assert drawn() != colour

    def lose(route: Any) -> None:
        route.fetch()
        route.abort()

    page.route("**/strokes?*", lose, times=1)
    with page.expect_response("**/changes"):  # the page looks for others', since it has missed a change
        brush.stroke(HELMET, (512, 512))
        assert drawn() == colour
    asked = hold(page, PING)
    asked().continue_()  # what came before is done
    assert painted(page) == (255, 128)
    page.keyboard.press("Control+z")
    brush.wait_until_sent(2)
    assert painted(page) == (128, 128)


@needs_chromium
def test_a_removal_is_no_other_page_s(page: Any) -> None:
    brush = touching_up(page)
    brush.stroke(HELMET, (512, 512))
    asked = hold(page, PING)
    ping = asked()
    page.get_by_text("More, and keys").click()
    page.get_by_role("button", name="Remove the touch-up").click()
    page.get_by_role("button", name="Bring back the last touch-up").wait_for()
    asked = hold(page, PING)
    ping.continue_()
    asked().continue_()
    page.get_by_role("button", name="Undo").click()
    brush.wait_until_sent(2)
    assert painted(page) == (255, 128)
    page.get_by_role("button", name="Undo").click()
    brush.wait_until_sent(3)
    assert painted(page) == (128, 128)


@needs_chromium
def test_what_is_painted_during_a_removal_stays_and_both_can_be_undone(page: Any) -> None:
    brush = touching_up(page)
    brush.stroke(HELMET, (512, 512))
    page.get_by_text("More, and keys").click()
    asked = hold(page, "**/strokes")
    page.get_by_role("button", name="Remove the touch-up").click()
    removal = asked()
    paint(page, brush, [(470, 305), (500, 305)])  # the brush is thick: all over the dot
    removal.continue_()
    brush.wait_until_sent(2)
    assert painted(page) == (128, 255)
    for sent, expected in ((3, (128, 128)), (4, (255, 128)), (5, (128, 128))):
        page.keyboard.press("Control+z")
        brush.wait_until_sent(sent)
        assert painted(page) == expected


# The sample


def try_sample(page: Any, key: str) -> None:
    """Until its cut is shown, and this is said of it."""
    page.get_by_role("button", name="Try a sample").click()
    expect(page.locator("#note")).to_have_text(Texts("en")(key), timeout=60_000)


def go_to(page: Any, url: str) -> None:
    page.goto(url)
    page.locator("body[data-ready]").wait_for()


def undo(page: Any) -> None:
    before = int(page.locator("#editor").get_attribute("data-sent") or 0)
    page.get_by_role("button", name="Undo").click()
    page.wait_for_function("sent => document.querySelector('#editor').dataset.sent > sent", arg=before)


@needs_chromium
def test_the_sample_comes_with_a_stroke_that_can_be_undone_and_stays_as_it_is_left(address: Address) -> None:
    with browser() as page:
        go_to(page, address.url)
        try_sample(page, "web.sample_touched_up")
        assert shown(page) == 255
        touching_up(page)
        expect(page.get_by_role("button", name="Undo")).to_be_enabled()
        assert opacity(page) > 0.98
        undo(page)
        assert opacity(page) < 0.1
        page.get_by_role("button", name="Done").click()
        expect(page.locator("#note")).to_have_text("")
        page.get_by_text("512 × 512").wait_for()
        assert shown(page) < 25
        try_sample(page, "web.sample_as_left")
        assert shown(page) < 25


@needs_chromium
def test_what_somebody_has_painted_on_the_sample_stays(address: Address, api: httpx.Client) -> None:
    with browser() as page:
        go_to(page, address.url)
        try_sample(page, "web.sample_touched_up")
        painted = strokes_over_the_helmet()
        painted[:20] = 255  # meanwhile, elsewhere
        TouchUps().save(images.digest(api.get("/static/sample.jpg").content), png(painted))
        touching_up(page)
        assert (of_editor(page, "strokes")[..., 0] == painted).all()
        expect(page.get_by_role("button", name="Undo")).to_be_disabled()
        page.get_by_role("button", name="Done").click()
        try_sample(page, "web.sample_as_left")
        assert shown(page) == 255
        assert shown(page, (5, 5)) == 255


@needs_chromium
def test_two_visitors_touch_up_the_sample_each_on_their_own(data: Path) -> None:
    with serving(token="a token", only_loopback=False) as address, browser() as first:
        second = first.context.browser.new_context(locale="en-US").new_page()
        for page in (first, second):
            go_to(page, f"{address.url}/?token=a+token")
            try_sample(page, "web.sample_touched_up")
            touching_up(page)
            expect(page.get_by_role("button", name="Undo")).to_be_enabled()
        undo(first)
        assert opacity(first) < 0.1
        second.wait_for_timeout(6000)  # a page asks every five seconds what others painted
        assert opacity(second) > 0.98
        undo(second)  # which it could not, had another painted
        assert opacity(second) < 0.1
        first.get_by_role("button", name="Redo").click()
        first.wait_for_function("document.querySelector('#editor').dataset.sent > 1")
        assert opacity(first) > 0.98
        assert opacity(second) < 0.1
