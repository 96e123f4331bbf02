"""Takes the READMEs' pictures in a real throwaway OBS: a session as an animation, properties and panel; and in a real
Chromium the touching up of the sample.

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
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from demo import throwaway_obs
from demo.demo import COLOUR, SAMPLE, SCRIPT, STANDING
from cvmatte_core.filesystem import paths
from cvmatte_core.matting.matter import Matter
from cvmatte_core.settings import MatteSettings
from cvmatte_core.web.touch_up import Desk
from cvmatte_core.web.touch_up_page import TouchUpPage
from cvmatte_core.localization.texts import LANGUAGES
from development import made_clips

_PICTURES = paths.ROOT / "docs" / "pictures"
_README = ("en", "zh-CN")
_SCREEN = (1280, 800)
_DIALOG, _PANEL = (800, 1000), (1000, 1000)
_WHOLE_DIALOG, _WHOLE_PANEL = (800, 2800), (1100, 2400)


# By scene: a colour, words, and where a webcam of 640 x 360 stands.
_WITH_WEBCAM = {
    "Talk": (
        COLOUR,
        "Talk\nat eight",
        {"positionX": 520.0, "positionY": 20.0, "scaleX": 1.6, "scaleY": 1.6, "cropLeft": 130, "cropRight": 90},
    ),
    "Game": (
        0xFF3A2A5A,
        "Level 3",
        {"positionX": 40.0, "positionY": 440.0, "scaleX": 0.75, "scaleY": 0.75, "cropLeft": 150, "cropRight": 130},
    ),
}
_TALL_SCREEN = (1280, 960)
# Where the panel stands on it, over docks that don't matter; and in it the list of sources, and the button below.
_PANEL_CORNER, _PANEL_SIZE, _LIST, _BUTTON = (560, 590), (720, 370), (560, 167), (520, 211)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--touch-up", action="store_true", help="the touching up alone")
    parser.add_argument("--page", action="store_true", help="the web page alone")
    parser.add_argument("--live", action="store_true", help="the live portrait alone")
    parser.add_argument("--in-place", action="store_true", help="the webcam that is cut out in its place alone")
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
        _live(_PICTURES / "live.webp")
        return 0
    if chosen.in_place:
        _in_place(_PICTURES / "in-place.webp")
        return 0
    for language in _README:
        name = "" if language == "en" else f".{language}"
        for picture, what in zip(_dialogs(language, _DIALOG, _PANEL), ("properties", "panel"), strict=True):
            _in_256_colours(picture).save(_PICTURES / f"{what}{name}.png", optimize=True)
    _session(_PICTURES / "session.webp")
    _touching_up(_PICTURES / "touch-up.webp")
    _live(_PICTURES / "live.webp")
    _in_place(_PICTURES / "in-place.webp")
    _pages()
    return 0


def _in_256_colours(picture: Image.Image) -> Image.Image:
    return picture.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)


def _dialogs(language: str, dialog: tuple[int, int], panel: tuple[int, int]) -> tuple[Image.Image, Image.Image]:
    """A portrait's properties and the script's panel, at these sizes (width, height), pixels."""
    home = Path(tempfile.mkdtemp(prefix="cvmatte-pictures-"))
    screen = (max(dialog[0], panel[0], _SCREEN[0]), max(dialog[1], panel[1], _SCREEN[1]))
    try:
        with throwaway_obs.running(
            home, scripts=[(SCRIPT, {})], screen=screen, language=throwaway_obs.LOCALES[language]
        ) as obs:
            obs.requests.create_input(throwaway_obs.SCENE, "Astronaut", "cvmatte_portrait", _settings(home), True)
            _wait_for_layer(home)
            obs.requests.open_input_properties_dialog("Astronaut")
            window = obs.window("Astronaut")
            obs.place(window, *dialog)
            properties = obs.photograph().crop((0, 0, *dialog))
            obs.dismiss(window)
            obs.place(obs.open_scripts(), *panel)
            return properties, obs.photograph().crop((0, 0, *panel))
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _settings(home: Path) -> dict[str, str]:
    photo = home / "Pictures" / SAMPLE.name
    photo.parent.mkdir()
    shutil.copyfile(SAMPLE, photo)
    return {"image": str(photo)}


def _wait_for_layer(home: Path) -> None:
    outputs = home / ".local" / "share" / "cvmatte" / "outputs"
    throwaway_obs.wait_until(lambda: next(iter(outputs.glob("*.png")), None), timeout=120)


def _session(path: Path) -> None:
    """A photo is chosen in a portrait's properties, cut out, moved, and stands in front of other things."""
    home = Path(tempfile.mkdtemp(prefix="cvmatte-pictures-"))
    frames: list[tuple[Image.Image, int]] = []  # each with its time on screen, ms
    try:
        with throwaway_obs.running(home, scripts=[(SCRIPT, {})], preview=True, screen=_SCREEN) as obs:

            def take(milliseconds: int) -> None:
                time.sleep(0.4)  # OBS draws its window ten times a second or so in software
                frames.append((obs.photograph().resize((960, 600), Image.Resampling.LANCZOS), milliseconds))

            scene = throwaway_obs.SCENE
            colour = {"color": COLOUR, "width": 1280, "height": 720}
            obs.requests.create_input(scene, "Background", "color_source_v3", colour, True)
            words = {"text": "Live\nat eight", "font": {"face": "Sans", "size": 140, "style": "Bold"}}
            text = obs.requests.create_input(scene, "Title", "text_ft2_source_v2", words, True)
            obs.requests.set_scene_item_transform(
                scene, text.scene_item_id, {"positionX": 70, "positionY": 200, "alignment": 5}
            )
            take(1500)
            portrait = obs.requests.create_input(scene, "Astronaut", "cvmatte_portrait", {}, True).scene_item_id
            obs.requests.set_scene_item_transform(scene, portrait, STANDING)
            obs.requests.open_input_properties_dialog("Astronaut")
            window = obs.window("Astronaut")
            obs.xdotool("windowmove", "--sync", window, "270", "60")
            obs.xdotool("windowsize", "--sync", window, "740", "640")
            take(1500)
            obs.requests.set_input_settings("Astronaut", _settings(home), True)
            before = time.monotonic()
            while time.monotonic() < before + 8 and not list((home / ".local/share/cvmatte/outputs").glob("*.png")):
                take(500)
            _wait_for_layer(home)
            take(600)
            take(2500)
            obs.dismiss(window)
            take(1500)
            for step in range(1, 9):
                obs.requests.set_scene_item_transform(scene, portrait, {**STANDING, "positionX": 40.0 * step})
                take(120)
            take(800)
            colour["color"] = 0xFF3A2A5A
            obs.requests.set_input_settings("Background", colour, True)
            take(1500)
            obs.requests.set_input_settings("Astronaut", {"mirror": True}, True)
            time.sleep(2)
            take(2500)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    _animate(path, frames)


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


def _clip(home: Path) -> Path:
    """The sample sways before a wall."""
    clip = home / "Videos" / "me.mp4"
    clip.parent.mkdir()
    layer = Matter()(SAMPLE, MatteSettings(quality="best")).layer
    wall = np.linspace((150, 140, 128), (96, 88, 84), 360)[:, None].repeat(640, axis=1)
    wall[40:150, 20:130], wall[46:144, 26:124] = (70, 58, 48), (150, 180, 200)  # a picture hangs there
    made_clips.write(clip, made_clips.frames(layer, wall.astype(np.uint8), (640, 360), 240))
    return clip


def _live(path: Path) -> None:
    """A portrait's properties beside its live picture."""
    home = Path(tempfile.mkdtemp(prefix="cvmatte-pictures-"))
    clip = _clip(home)
    frames: list[tuple[Image.Image, int]] = []
    try:
        with throwaway_obs.running(home, scripts=[(SCRIPT, {})], preview=True, screen=_SCREEN) as obs:
            scene = throwaway_obs.SCENE
            colour = {"color": COLOUR, "width": 1280, "height": 720}
            obs.requests.create_input(scene, "Background", "color_source_v3", colour, True)
            settings = {"input": "video", "video": str(clip), "longest_side": 0}
            item = obs.requests.create_input(scene, "Live", "cvmatte_portrait", settings, True).scene_item_id
            obs.requests.set_scene_item_transform(scene, item, {"scaleX": 1.9, "scaleY": 1.9, "positionX": -230.0})
            obs.requests.open_input_properties_dialog("Live")
            window = obs.window("Live")
            obs.xdotool("windowmove", "--sync", window, "640", "60")
            obs.xdotool("windowsize", "--sync", window, "620", "730")
            throwaway_obs.wait_until(obs.live_ids, timeout=60)
            time.sleep(12)
            for _ in range(40):
                time.sleep(0.1)
                picture = obs.photograph().resize((960, 600), Image.Resampling.LANCZOS)
                frames.append((picture, 150))
    finally:
        shutil.rmtree(home, ignore_errors=True)
    _animate(path, frames)


def _in_place(path: Path) -> None:
    """A webcam in two scenes, for which a clip stands, is cut out in its place with the panel."""
    home = Path(tempfile.mkdtemp(prefix="cvmatte-pictures-"))
    webcam = {"local_file": str(_clip(home)), "is_local_file": True, "looping": True}
    frames: list[tuple[Image.Image, int]] = []
    try:
        with throwaway_obs.running(home, scripts=[(SCRIPT, {})], preview=True, screen=_TALL_SCREEN) as obs:
            requests, items = obs.requests, {}
            requests.set_scene_name(throwaway_obs.SCENE, "Talk")
            requests.create_scene("Game")
            for scene, (colour, words, stands) in _WITH_WEBCAM.items():
                plain = {"color": colour, "width": 1280, "height": 720}
                requests.create_input(scene, f"{scene}: background", "color_source_v3", plain, True)
                if scene == "Talk":
                    items[scene] = requests.create_input(scene, "Webcam", "ffmpeg_source", webcam, True).scene_item_id
                    filtered = {"saturation": 0.3, "contrast": 0.1}
                    requests.create_source_filter("Webcam", "My colours", "color_filter_v2", filtered)
                else:
                    items[scene] = requests.create_scene_item(scene, "Webcam", True).scene_item_id
                requests.set_scene_item_transform(scene, items[scene], stands)
                title = {"text": words, "font": {"face": "Sans", "size": 100, "style": "Bold"}}
                text = requests.create_input(scene, f"{scene}: title", "text_ft2_source_v2", title, True).scene_item_id
                requests.set_scene_item_transform(scene, text, {"positionX": 60, "positionY": 60, "alignment": 5})
                for item in requests.get_scene_item_list(scene).scene_items:
                    requests.set_scene_item_locked(scene, item["sceneItemId"], True)  # without handles

            def take(count: int, milliseconds: int = 150) -> None:
                for _ in range(count):
                    time.sleep(0.1)
                    picture = obs.photograph().resize((960, 720), Image.Resampling.LANCZOS)
                    frames.append((picture, milliseconds))

            def click(place: tuple[int, int]) -> None:
                obs.click(*(corner + offset for corner, offset in zip(_PANEL_CORNER, place, strict=True)))
                time.sleep(0.5)

            def cut_out(scene: str) -> None:
                click(_BUTTON)
                throwaway_obs.wait_until(
                    lambda: not requests.get_scene_item_enabled(scene, items[scene]).scene_item_enabled, 60
                )
                take(14)
                take(1, 1500)

            requests.set_current_program_scene("Talk")
            window = obs.open_scripts()
            obs.xdotool("windowmove", "--sync", window, *map(str, _PANEL_CORNER))
            obs.xdotool("windowsize", "--sync", window, *map(str, _PANEL_SIZE))
            time.sleep(3)
            take(8)
            click(_LIST)
            obs.xdotool("key", "Down", "Down")  # the title stands above it
            take(3, 400)
            obs.xdotool("key", "Return")
            take(3, 400)
            cut_out("Talk")
            requests.set_current_program_scene("Game")
            time.sleep(2)
            take(8)
            cut_out("Game")
    finally:
        shutil.rmtree(home, ignore_errors=True)
    _animate(path, frames)


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
    _animate(path, frames)


def _animate(path: Path, frames: list[tuple[Image.Image, int]]) -> None:
    """frames: each with its time on screen, in milliseconds."""
    first, *rest = (frame for frame, _ in frames)
    first.save(
        path, save_all=True, append_images=rest, duration=[length for _, length in frames], loop=0, quality=70, method=6
    )


if __name__ == "__main__":
    sys.exit(main())
