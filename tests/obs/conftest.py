"""A real OBS for the tests, and what they ask of it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demo.throwaway_obs import SCENE, ThrowawayObs, ask_probe, same_layer, screenshot, size_in_scene, wait_until
from development import made_clips
from PIL import Image

from cvmatte_core.filesystem import paths
from cvmatte_core.matting.matter import Matter
from cvmatte_core.settings import MatteSettings

SCRIPT = paths.ROOT / "obs_plugin" / "cvmatte.py"
PROBE = Path(__file__).with_name("probe.py")
BACKGROUND = (200, 40, 90)  # red, green, blue
CLIP_SIZE = (320, 180)


class Studio:
    """One OBS with the script in it, a plain colour in its scene, and a data folder of its own."""

    def __init__(self, folder: Path, settings: dict[str, Any] | None = None, **options: Any) -> None:
        self.data = folder / "data"
        self._probe_file = folder / "probe.json"
        environment = {
            "CVMATTE_DATA": str(self.data),
            "PROBE_FILE": str(self._probe_file),
            **options.pop("environment", {}),
        }
        folder.mkdir(parents=True, exist_ok=True)
        scripts = [*options.pop("scripts", []), (SCRIPT, settings or {}), (PROBE, {})]
        options.setdefault("frames_per_second", 5)  # each is drawn by the processor, which the others want
        self.obs = ThrowawayObs(folder, scripts=scripts, environment=environment, **options)

    def start(self) -> None:
        self.obs.start()

    @property
    def requests(self) -> Any:
        return self.obs.requests

    def add_background(self) -> None:
        red, green, blue = BACKGROUND
        colour = {"color": 0xFF000000 | blue << 16 | green << 8 | red, "width": 1280, "height": 720}
        self.requests.create_input(SCENE, "background", "color_source_v3", colour, True)

    def add(self, name: str, image: Path | str, **settings: Any) -> None:
        settings = {"longest_side": 0, **settings, "image": str(image)}
        self.requests.create_input(SCENE, name, "cvmatte_portrait", settings, True)

    def set(self, name: str, **settings: Any) -> None:
        if "image" in settings:
            settings["image"] = str(settings["image"])
        self.requests.set_input_settings(name, settings, True)

    def remove(self, name: str) -> None:
        self.requests.remove_input(name)
        wait_until(lambda: name not in [found["inputName"] for found in self.requests.get_input_list().inputs])

    def layer(self, name: str) -> np.ndarray | None:
        """What OBS draws for a source: uint8 RGBA, its own size. None while it draws nothing."""
        width, height = self.size(name)
        return self.pixels(name, width, height) if width else None

    def scene(self) -> np.ndarray:
        """What OBS shows and streams: uint8 RGB, 720 x 1280."""
        return self.pixels(SCENE, 1280, 720)[..., :3]

    def pixels(self, name: str, width: int, height: int) -> np.ndarray:
        """A screenshot of a source or scene: uint8 RGBA, at this size."""
        return screenshot(self.requests, name, width, height)

    def size(self, name: str) -> tuple[int, int]:
        """Of what a source in the scene draws; (0, 0) while it draws nothing, or isn't there yet."""
        return size_in_scene(self.requests, name)

    def wait_for_layer(self, name: str, expected: np.ndarray) -> None:
        """Until OBS draws exactly these RGBA pixels (colours of transparent ones aside). Raises AssertionError."""

        def shown() -> bool:
            actual = self.layer(name)
            return actual is not None and same_layer(actual, expected)

        try:
            wait_until(shown, interval=0.2)  # a screenshot costs OBS time that the worker wants
        except TimeoutError:
            raise AssertionError(f"{name} doesn't show the layer; state: {self.state(name)}") from None

    def properties(self, name: str) -> dict[str, dict[str, Any]]:
        """The portrait's properties as OBS gets them."""
        return self._probe({"properties": name})["properties"]

    def panel(self, press: str = "", **settings: Any) -> dict[str, dict[str, Any]]:
        """The script's panel as OBS gets it, after some of it was set, and a press of one of its buttons."""
        return self._probe({"set": settings, "press": press})["panel"]

    def hotkeys(self) -> list[str]:
        """What all hotkeys are called in OBS's settings."""
        return self._probe({"hotkeys": True})["hotkeys"]

    def mixes(self) -> int:
        """How many pictures of other sources OBS draws for portraits that cut them out live."""
        found: int = self._probe({"states": True})["mixes"]
        return found

    def reload(self) -> dict[str, dict[str, Any]]:
        """The panel as OBS gets it as soon as the script was loaded anew."""
        return self._probe({"reload": True})["panel"]

    def choose_in_panel(self, key: str, value: str) -> dict[str, dict[str, Any]]:
        """Choose in a drop-down of the panel, as OBS's dialog does; the panel after that."""
        return self._probe({"choose_in_panel": [key, value]})["panel"]

    def choose(self, name: str, key: str, value: str | bool) -> dict[str, dict[str, Any]]:
        """Choose in a drop-down of a portrait's properties, as their dialog does; the properties after that."""
        return self._probe({"choose": [name, key, value]})["properties"]

    def duplicate(self, name: str, new_name: str) -> None:
        """Put a copy of a source into the current scene, as OBS's Paste (Duplicate) does."""
        self._probe({"duplicate": [name, new_name]})

    def group(self, name: str, group_name: str) -> None:
        """Put a source's item of the current scene into a new group."""
        self._probe({"group": [name, group_name]})

    def dress(self, name: str) -> None:
        """Give its item there a scale filter, a blending method, and a transition with which it is shown."""
        self._probe({"dress": name})

    def _probe(self, command: dict[str, Any]) -> dict[str, Any]:
        found = ask_probe(self._probe_file, command, 30)
        assert "error" not in found, found["error"]
        return found

    def said(self, name: str) -> str:
        """What a portrait says, without a look at its properties."""
        text, _ = self._probe({"states": True})["states"][name]
        return str(text)

    def state(self, name: str) -> str:
        """What its properties say, on one line."""
        return self._said(name).replace("<br>", " ")

    def _said(self, name: str) -> str:
        """With its lines as they are broken: at a blank, or in the middle of a long path."""
        properties = self.properties(name)
        said: str = properties.get("state_whole", properties["state"])["description"]
        return said

    def wait_for_state(self, name: str, part: str) -> str:
        state = ""
        wanted = "(?:<br>)?".join("(?: |<br>)" if letter == " " else re.escape(letter) for letter in part)

        def reached() -> bool:
            nonlocal state
            said = self._said(name)
            state = said.replace("<br>", " ")
            return re.search(wanted, said) is not None

        try:
            wait_until(reached, interval=0.1)
        except TimeoutError:
            raise AssertionError(f"the state of {name} is {state!r}, not {part!r}") from None
        return state

    def press(self, name: str, button: str) -> None:
        self.requests.press_input_properties_button(name, button)

    def worker_ids(self) -> list[int]:
        return self.obs.worker_ids()

    def quit(self) -> None:
        """Quit OBS: it must have lost no memory, and logged no error of ours."""
        leaks = self.obs.quit()
        assert leaks == 0, f"{self.obs.last_lines()}\n{self.obs.log()[-3000:]}\n{self.obs.crashes()}"
        assert "Traceback" not in self.obs.log()


def face_is_off(scene: np.ndarray, photo: Path, shape: dict[str, Any]) -> float:
    """How far a scene's picture is from the sample's face, where a scene item of that shape has it: 0 to 255."""
    size, left, top = (round(shape[name]) for name in ("boundsWidth", "positionX", "positionY"))
    placed = np.asarray(Image.open(photo).convert("RGB").resize((size, size), Image.Resampling.BILINEAR))
    rows, columns = (slice(size * begin // 100, size * end // 100) for begin, end in ((21, 29), (41, 47)))
    shown = scene[top + rows.start : top + rows.stop, left + columns.start : left + columns.stop, :3]
    return float(np.abs(shown.astype(int) - placed[rows, columns]).mean())


@contextlib.contextmanager
def open_studio(folder: Path, **options: Any) -> Iterator[Studio]:
    """A started Studio with its background; quit and checked at the end, unless the test has done so."""
    studio = Studio(folder, **options)
    try:
        studio.start()
        studio.add_background()
        yield studio
        if studio.obs.is_running:
            studio.quit()
    finally:
        studio.obs.close()


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with open_studio(tmp_path_factory.mktemp("obs")) as opened:
        yield opened


@pytest.fixture(scope="session")
def expected_layer() -> Any:
    """The layer that a photo with settings must give, from the library itself. burst: of a still, earlier frames."""
    matter = Matter()

    def layer(image: Path, *, burst: Sequence[np.ndarray] = (), **settings: Any) -> np.ndarray:
        return (Matter() if len(burst) else matter)(image, MatteSettings(**settings), burst=burst).layer

    return layer


@pytest.fixture(scope="session")
def other_photo(photo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second portrait: the sample mirrored, as JPEG."""
    path = tmp_path_factory.mktemp("photos") / "mirrored.jpg"
    Image.open(photo).convert("RGB").transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(path, quality=95)
    return path


@pytest.fixture(scope="session")
def clip(photo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of somebody who moves."""
    background = np.array(Image.open(photo).convert("RGB").crop((0, 0, 90, 60)).resize((900, 600)))
    path = tmp_path_factory.mktemp("clips") / "me.mp4"
    made_clips.write(path, made_clips.frames(made_clips.cut_by_an_ellipse(photo), background, CLIP_SIZE, 60))
    return path
