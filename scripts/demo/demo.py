"""Shows the sample portrait, cut out, in a scene of a real throwaway OBS. Run by `install.py --demo`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import environment

environment.enter()

import argparse
import shutil
import tempfile
import time

from cvmatte_core.filesystem import paths
from cvmatte_core.image import images
from cvmatte_core.layers.touch_ups import TouchUps
from cvmatte_core.models.catalogue import install_packages_command
from cvmatte_core.localization.errors import Refused
from cvmatte_core.localization.texts import system_texts

SAMPLE = Path(__file__).with_name("astronaut.png")
TOUCH_UP = SAMPLE.with_name("astronaut.touch-up.png")  # one stroke, for the helmet that the default network loses
SCRIPT = paths.ROOT / "obs_plugin" / "cvmatte.py"
RESULTS = paths.ROOT / "demo"
COLOUR = 0xFFB86A2F  # OBS writes colours as 0xAABBGGRR: a calm blue
_SCREEN, _DIALOG, _PANEL = (1280, 1000), (800, 1000), (1000, 1000)
STANDING = {  # as large as fits, on the canvas's bottom
    "boundsType": "OBS_BOUNDS_SCALE_INNER", "boundsWidth": 1280, "boundsHeight": 720, "boundsAlignment": 8,
}  # fmt: skip


def sample_in(home: Path) -> dict[str, str]:
    """A portrait's settings with the sample, which is touched up in this home as by a person. Raises OutputError."""
    photo = home / "Pictures" / SAMPLE.name
    photo.parent.mkdir()
    shutil.copyfile(SAMPLE, photo)
    kept = TouchUps(home / ".local" / "share" / "cvmatte" / "touch-ups")
    kept.save(images.digest(SAMPLE.read_bytes()), TOUCH_UP.read_bytes(), photo)
    return {"image": str(photo)}


def main() -> int:
    argparse.ArgumentParser(description=__doc__).parse_args()
    texts = system_texts()
    try:
        from demo import obs_packages, throwaway_obs
    except ModuleNotFoundError as error:  # an environment without the demo's packages
        if error.name is None or error.name.startswith(("cvmatte", "demo")):
            raise
        print(texts("script.needs_packages", extra="demo", install=install_packages_command("demo")), file=sys.stderr)
        return 1
    try:
        obs_packages.install()
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1
    RESULTS.mkdir(exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="cvmatte-demo-"))
    print(texts("demo.starting"), flush=True)
    try:
        with throwaway_obs.running(
            home, scripts=[(SCRIPT, {})], preview=True, screen=_SCREEN, language=throwaway_obs.LOCALES[texts.language]
        ) as obs:
            colour = {"color": COLOUR, "width": 1280, "height": 720}
            obs.requests.create_input(throwaway_obs.SCENE, "Background", "color_source_v3", colour, True)
            settings = sample_in(home)
            added = obs.requests.create_input(throwaway_obs.SCENE, "Astronaut", "cvmatte_portrait", settings, True)
            obs.requests.set_scene_item_transform(throwaway_obs.SCENE, added.scene_item_id, STANDING)
            outputs = home / ".local" / "share" / "cvmatte" / "outputs"
            layer = throwaway_obs.wait_until(lambda: next(iter(outputs.glob("*.png")), None))
            shutil.copyfile(layer, RESULTS / "astronaut.png")
            time.sleep(1.0)  # OBS draws its window ten times a second or so in software
            obs.photograph().save(RESULTS / "obs.png")
            obs.requests.open_input_properties_dialog("Astronaut")
            dialog = obs.window("Astronaut")
            obs.place(dialog, *_DIALOG)
            obs.photograph().crop((0, 0, *_DIALOG)).save(RESULTS / "properties.png")
            obs.dismiss(dialog)
            obs.place(obs.open_scripts(), *_PANEL)
            obs.photograph().crop((0, 0, *_PANEL)).save(RESULTS / "panel.png")
    except TimeoutError as error:
        print(error, texts("demo.failed", folder=home), sep="\n", file=sys.stderr)
        return 1
    shutil.rmtree(home, ignore_errors=True)
    print(texts("demo.screenshot", path=RESULTS / "obs.png"))
    print(texts("demo.properties", path=RESULTS / "properties.png"))
    print(texts("demo.panel", path=RESULTS / "panel.png"))
    print(texts("demo.layer", path=RESULTS / "astronaut.png"))
    print(texts("demo.touch_up", path=TOUCH_UP))
    return 0


if __name__ == "__main__":
    sys.exit(main())
