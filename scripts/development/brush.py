"""A person with a brush, in a real Chromium: strokes with the mouse on the page for touching up."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from demo.throwaway_obs import PATIENCE

CHROMIUM = shutil.which("chromium")
# The stroke of the sample's own touch-up, from her arm's edge all over the helmet in her lap: points in its pixels,
# and how thick the brush is.
HELMET = [
    *((342, 296), (322, 330), (326, 365), (296, 420), (292, 500), (330, 505), (312, 440), (350, 385), (420, 366)),
    *((466, 410), (488, 478), (496, 500), (440, 500), (400, 500), (360, 490), (350, 420), (420, 400), (440, 450)),
    (390, 450),
]
HELMET_BRUSH = 44


@contextlib.contextmanager
def browser(**options: Any) -> Iterator[Any]:
    """A page of a Chromium, whose errors fail the test."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM)
        context = chromium.new_context(viewport={"width": 1100, "height": 800}, locale="en-US", **options)
        context.set_default_timeout(1000 * PATIENCE)
        page = context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page
        chromium.close()
        assert not errors, errors


class Brush:
    """The editor in a page. host: the selector of the element that it fills."""

    def __init__(self, page: Any, host: str) -> None:
        self.page, self.host = page, host
        page.locator(f"{host} canvas").wait_for()
        page.wait_for_function("host => document.querySelector(host).querySelector('a[download]')", arg=host)

    def place(self, point: tuple[float, float], size: tuple[int, int]) -> tuple[float, float]:
        """Where on the page a pixel of the photo, of (width, height), is while the whole fits."""
        box = self.page.locator(f"{self.host} canvas").bounding_box()
        scale = min(box["width"] / size[0], box["height"] / size[1])
        left, top = box["x"] + (box["width"] - scale * size[0]) / 2, box["y"] + (box["height"] - scale * size[1]) / 2
        return left + scale * point[0], top + scale * point[1]

    def take(self, tool: str) -> None:
        self.page.locator(self.host).get_by_role("radio", name=tool).check()

    def set_size(self, pixels: float) -> None:
        """As the slider does, whose places are logarithmic."""
        import math

        value = 100 * math.log(pixels) / math.log(400)
        slider = self.page.locator(f"{self.host} .sized input")
        slider.evaluate("(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')); }", value)

    @property
    def sent(self) -> int:
        return int(self.page.locator(self.host).get_attribute("data-sent") or 0)

    def stroke(
        self,
        points: Sequence[tuple[float, float]],
        size: tuple[int, int],
        button: str = "left",
        before_release: Callable[[], None] = lambda: None,
    ) -> float:
        """A stroke with the mouse, until its cut is on the page; the milliseconds that took after the release."""
        before, mouse = self.sent, self.page.mouse
        mouse.move(*self.place(points[0], size))
        mouse.down(button=button)
        for point in points[1:]:
            mouse.move(*self.place(point, size), steps=4)
        before_release()
        mouse.up(button=button)
        self.wait_until_sent(before + 1)
        return float(self.page.locator(self.host).get_attribute("data-milliseconds"))

    def wait_until_sent(self, count: int) -> None:
        self.page.wait_for_function(
            "([host, count]) => Number(document.querySelector(host).dataset.sent ?? 0) >= count",
            arg=[self.host, count],
        )
