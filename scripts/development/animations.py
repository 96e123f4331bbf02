"""What the READMEs show as animations of a real throwaway OBS."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from demo import throwaway_obs
from demo.demo import COLOUR, SAMPLE, SCRIPT, STANDING, sample_in
from cvmatte_core.matting.matter import Matter
from cvmatte_core.settings import MatteSettings
from development import made_clips

SCREEN = (1280, 800)

# By scene: a colour, words, and where a webcam of 640 x 360 stands.
_WITH_WEBCAM = {
    "Talk": (
        COLOUR,
        "Talk\nat eight",
        {"positionX": 520.0, "positionY": 20.0, "scaleX": 1.55, "scaleY": 1.55, "cropLeft": 20, "cropRight": 140},
    ),
    "Game": (
        0xFF3A2A5A,
        "Level 3",
        {"positionX": 40.0, "positionY": 440.0, "scaleX": 0.75, "scaleY": 0.75, "cropLeft": 20, "cropRight": 140},
    ),
}
_TALL_SCREEN = (1280, 960)
# Where the panel stands on it, over docks that don't matter; and in it the list of sources, and the button below.
_PANEL_CORNER, _PANEL_SIZE, _LIST, _BUTTON = (560, 590), (720, 370), (560, 167), (520, 211)


def animate(path: Path, frames: list[tuple[Image.Image, int]]) -> None:
    """frames: each with its time on screen, in milliseconds."""
    first, *rest = (frame for frame, _ in frames)
    first.save(
        path, save_all=True, append_images=rest, duration=[length for _, length in frames], loop=0, quality=70, method=6
    )


def wait_for_layer(home: Path) -> None:
    outputs = home / ".local" / "share" / "cvmatte" / "outputs"
    throwaway_obs.wait_until(lambda: next(iter(outputs.glob("*.png")), None), timeout=120)


def session(path: Path) -> None:
    """A photo is chosen in a portrait's properties, cut out, moved, and stands in front of other things."""
    home = Path(tempfile.mkdtemp(prefix="cvmatte-pictures-"))
    frames: list[tuple[Image.Image, int]] = []  # each with its time on screen, ms
    try:
        with throwaway_obs.running(home, scripts=[(SCRIPT, {})], preview=True, screen=SCREEN) as obs:

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
            obs.requests.set_input_settings("Astronaut", sample_in(home), True)
            before = time.monotonic()
            while time.monotonic() < before + 8 and not list((home / ".local/share/cvmatte/outputs").glob("*.png")):
                take(500)
            wait_for_layer(home)
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
    animate(path, frames)


def _clip(home: Path) -> Path:
    """The sample sways before a wall, as a webcam sees people: down to where her helmet begins."""
    clip = home / "Videos" / "me.mp4"
    clip.parent.mkdir()
    layer = Matter()(SAMPLE, MatteSettings(quality="best")).layer[:345]
    wall = np.linspace((150, 140, 128), (96, 88, 84), 360)[:, None].repeat(640, axis=1)
    wall[40:150, 20:130], wall[46:144, 26:124] = (70, 58, 48), (150, 180, 200)  # a picture hangs there
    made_clips.write(clip, made_clips.frames(layer, wall.astype(np.uint8), (640, 360), 240))
    return clip


def live(path: Path) -> None:
    """A portrait's properties beside its live picture."""
    home = Path(tempfile.mkdtemp(prefix="cvmatte-pictures-"))
    clip = _clip(home)
    frames: list[tuple[Image.Image, int]] = []
    try:
        with throwaway_obs.running(home, scripts=[(SCRIPT, {})], preview=True, screen=SCREEN) as obs:
            scene = throwaway_obs.SCENE
            colour = {"color": COLOUR, "width": 1280, "height": 720}
            obs.requests.create_input(scene, "Background", "color_source_v3", colour, True)
            settings = {"input": "video", "video": str(clip), "longest_side": 0, "quality": "fast", "rate": 10}
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
    animate(path, frames)


def in_place(path: Path) -> None:
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
    animate(path, frames)
