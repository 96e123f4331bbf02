"""Takes the READMEs' pictures in a real throwaway OBS: a session as an animation, properties and panel; and in a real
Chromium the touching up of the sample. What an empty room's photo does needs neither.

With --all FOLDER, properties and panel of every language instead, from top to bottom, to look at.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import environment

environment.enter()

import argparse
import io
import itertools
import re
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor

from PIL import Image

from demo import throwaway_obs
from demo.demo import SAMPLE, SCRIPT, sample_in
from cvmatte_core.filesystem import paths
from cvmatte_core.matting.matter import Matter
from cvmatte_core.settings import MatteSettings
from cvmatte_core.web.touch_up import Desk
from cvmatte_core.web.touch_up_page import TouchUpPage
from cvmatte_core.localization.texts import LANGUAGES
from development import room_picture
from development.animations import SCREEN, animate, in_place, live, session, wait_for_layer

_PICTURES = paths.ROOT / "docs" / "pictures"
_README = ("en", "zh-CN")
_DIALOG, _PANEL = (800, 1000), (1000, 1000)
_WHOLE_DIALOG, _WHOLE_PANEL = (800, 2800), (1100, 2400)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--touch-up", action="store_true", help="the touching up alone")
    parser.add_argument("--page", action="store_true", help="the web page alone")
    parser.add_argument("--live", action="store_true", help="the live portrait alone")
    parser.add_argument("--in-place", action="store_true", help="the webcam that is cut out in its place alone")
    parser.add_argument("--room", action="store_true", help="the empty room alone")
    parser.add_argument("--all", type=Path, metavar="FOLDER", help="properties and panel of every language, whole")
    chosen = parser.parse_args()
    if chosen.all:
        chosen.all.mkdir(parents=True, exist_ok=True)
        for language in LANGUAGES:
            properties, panel = _dialogs(language, _WHOLE_DIALOG, _WHOLE_PANEL)
            properties.save(chosen.all / f"properties.{language}.png")
            panel.save(chosen.all / f"panel.{language}.png")
            print(chosen.all, language, flush=True)
        return 0
    _PICTURES.mkdir(parents=True, exist_ok=True)
    if chosen.touch_up:
        _touching_up(_PICTURES / "touch-up.webp")
        return 0
    if chosen.page:
        _pages()
        return 0
    if chosen.live:
        live(_PICTURES / "live.webp")
        return 0
    if chosen.in_place:
        in_place(_PICTURES / "in-place.webp")
        return 0
    if chosen.room:
        room_picture.draw(_PICTURES / "room.webp")
        return 0
    for language in _README:
        name = "" if language == "en" else f".{language}"
        for picture, what in zip(_dialogs(language, _DIALOG, _PANEL), ("properties", "panel"), strict=True):
            _in_256_colours(picture).save(_PICTURES / f"{what}{name}.png", optimize=True)
    session(_PICTURES / "session.webp")
    _touching_up(_PICTURES / "touch-up.webp")
    live(_PICTURES / "live.webp")
    in_place(_PICTURES / "in-place.webp")
    room_picture.draw(_PICTURES / "room.webp")
    _pages()
    return 0


def _in_256_colours(picture: Image.Image) -> Image.Image:
    return picture.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)


def _dialogs(language: str, dialog: tuple[int, int], panel: tuple[int, int]) -> tuple[Image.Image, Image.Image]:
    """A portrait's properties and the script's panel, at these sizes (width, height), pixels."""
    home = Path(tempfile.mkdtemp(prefix="cvmatte-pictures-"))
    screen = (max(dialog[0], panel[0], SCREEN[0]), max(dialog[1], panel[1], SCREEN[1]))
    try:
        with throwaway_obs.running(
            home, scripts=[(SCRIPT, {})], screen=screen, language=throwaway_obs.LOCALES[language]
        ) as obs:
            obs.requests.create_input(throwaway_obs.SCENE, "Astronaut", "cvmatte_portrait", sample_in(home), True)
            wait_for_layer(home)
            obs.requests.open_input_properties_dialog("Astronaut")
            window = obs.window("Astronaut")
            obs.place(window, *dialog)
            properties = obs.photograph().crop((0, 0, *dialog))
            obs.dismiss(window)
            obs.place(obs.open_scripts(), *panel)
            return properties, obs.photograph().crop((0, 0, *panel))
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _pages() -> None:
    """The web page with the sample, half of it cut out."""
    from development.brush import browser

    command = [sys.executable, str(paths.ROOT / "scripts" / "serve.py"), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server, browser() as tab:
        try:
            assert server.stdout is not None
            address = re.search(r"http://\S+", server.stdout.readline())
            assert address is not None
            for language in _README:
                tab.set_viewport_size({"width": 1200, "height": 820})
                tab.goto(address[0])
                tab.wait_for_selector("body[data-ready]")
                tab.select_option("#language", language)
                tab.click("#sample")
                tab.wait_for_selector("#shown:not([hidden])", timeout=60_000)
                tab.check("[name=view][value=compare]", force=True)
                tab.wait_for_timeout(1500)
                picture = Image.open(io.BytesIO(tab.screenshot())).convert("RGB")
                name = "" if language == "en" else f".{language}"
                _in_256_colours(picture).save(_PICTURES / f"web{name}.png", optimize=True)
        finally:
            server.terminate()


def _touching_up(path: Path) -> None:
    """One rough stroke brings the sample's helmet back."""
    from development.brush import HELMET, HELMET_BRUSH, Brush, browser  # which need a browser

    thread = ThreadPoolExecutor(1)
    matter = Matter()
    desk = Desk(lambda work: thread.submit(work, matter), None)
    page = TouchUpPage(desk, "a token for the pictures", 0)
    photo = thread.submit(desk.open_now, matter, SAMPLE, SAMPLE.name, MatteSettings()).result()
    frames: list[tuple[Image.Image, int]] = []
    with browser() as tab:
        tab.set_viewport_size({"width": 760, "height": 700})

        def take(milliseconds: int) -> None:
            frames.append((Image.open(io.BytesIO(tab.screenshot())).convert("RGB"), milliseconds))

        tab.goto(page.address(photo.id, "en"))
        brush = Brush(tab, "#touch-up")
        brush.set_size(HELMET_BRUSH)
        take(1800)
        places = [brush.place(point, (512, 512)) for point in HELMET]
        tab.mouse.move(*places[0])
        tab.mouse.down()
        for before, after in itertools.pairwise(places):
            for share in (1 / 3, 2 / 3, 1):
                tab.mouse.move(*(one + share * (other - one) for one, other in zip(before, after, strict=True)))
                take(70)
        tab.mouse.up()
        brush.wait_until_sent(1)
        tab.mouse.move(20, 680)
        tab.wait_for_timeout(200)
        take(2600)
        tab.get_by_role("radio", name="Colour").check()
        tab.wait_for_timeout(200)
        take(2600)
    page.close()
    thread.shutdown()
    animate(path, frames)


if __name__ == "__main__":
    sys.exit(main())
