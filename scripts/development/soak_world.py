"""What soak.py plays with: one OBS with portraits, photos and a data folder, and what must be true of them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from demo import throwaway_obs
from development import made_clips
from development.measuring import make_photos
from development.soak_watch import Watch
from cvmatte_core.filesystem import paths
from cvmatte_core.matting.matter import Matter
from cvmatte_core.settings import COLOUR, CONTROLS, MatteSettings
from obsws_python.error import OBSSDKRequestError
from PIL import Image
from demo.throwaway_obs import SCENE, ThrowawayObs, ask_probe, same_layer, size_in_scene, wait_until

_SCRIPT = paths.ROOT / "obs_plugin" / "cvmatte.py"
_PROBE, _BUSY_SCRIPT = (paths.ROOT / "tests" / "obs" / name for name in ("probe.py", "busy_script.py"))

OWN_COLLECTION, OTHER_COLLECTION, BLANK_COLLECTION = "Untitled", "Other", "Blank"
SCENES = (SCENE, "Scene 2", "Scene 3")
CAMERAS = ("camera 1", "camera 2", "camera 3")  # the last one in another scene
SHAPE = "shape"  # a plain source of any size
CANARY = "canary"  # a portrait that nobody touches
LIVE = "live"  # one that shows a clip as it plays
OWN_PROFILE = "Untitled"
PROFILES: dict[str, dict[str, Any]] = {  # the video settings in which others differ
    "PQ": {"ColorFormat": "P010", "ColorSpace": "2100PQ"},
    "HLG": {"ColorFormat": "P010", "ColorSpace": "2100HLG"},
    "10 bit": {"ColorFormat": "I010"},
    "RGB": {"ColorFormat": "RGB", "ColorRange": "Full"},
    "odd": {"BaseCX": 641, "BaseCY": 359, "OutputCX": 333, "OutputCY": 187},
    **{f"{rate} a second": {"FPSInt": rate} for rate in (15, 60, 144)},
}
_SPARED = 2  # photos that nothing happens to: the canary's, and those that the cameras show
_SIZES = [(side, side) for side in (512, 512, 384, 448, 320, 512)]  # of the photos, pixels
_DATA_SIZE = "4g"  # of the data folder's disk, at most; it takes what is on it
_QUIET_SECONDS = 240.0  # until everything is cut out: with restarts of the worker, which wait longer and longer
_IN_PASSING = (
    "Waiting for", "Starting", "Reading the", "Loading the", "Cutting out", "Refining the",
    "Saving the", "Still in", "Taking the", "trying once more",
)  # fmt: skip
_FROM_TROUBLE = (  # what a worker that is killed or starved, or a disk that is full or read-only, may leave behind
    "made the cut-out process end twice", "is full:", "Nothing can be written", "not enough memory",
    "failed on this picture", "can't be loaded", "ends as soon as it starts", "Something went wrong",
)  # fmt: skip
# What a live portrait says that plays or rests; one may say that it has fewer frames than it should.
_PLAYS_OR_RESTS = re.compile(r"Live: |\d+ of \d+ frames per second: |Hidden: ")


class Fault(Exception):
    """Something that must not be. The soak goes on."""


class Frozen(Exception):
    """OBS answers no more, or is gone. The soak stops."""


def must(condition: Callable[[], object], seconds: float, fault: Callable[[], str], interval: float = 0.05) -> None:
    """Raise Fault unless the condition comes true within so many seconds."""
    try:
        wait_until(condition, seconds, interval)
    except TimeoutError:
        raise Fault(fault()) from None


def plays_or_rests(said: str) -> bool:
    return _PLAYS_OR_RESTS.match(said) is not None


class Disk:
    """The data folder: a small disk of its own, where this may be mounted. Otherwise nothing can happen to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        tmpfs = ("mount", "-t", "tmpfs", "-o", f"size={_DATA_SIZE}", "cvmatte-soak", folder)
        self.is_mounted = os.geteuid() == 0 and _run(*tmpfs)
        self._repair: tuple[Any, ...] = ()  # the command that ends the trouble it is in

    @property
    def is_in_trouble(self) -> bool:
        return bool(self._repair)

    def fill(self) -> None:
        """Make it no larger than what is on it."""
        self._repair = ("mount", "-o", f"remount,size={_DATA_SIZE}", self.folder)
        for _ in range(10):  # while that grows
            now = os.statvfs(self.folder)
            if _run("mount", "-o", f"remount,size={(now.f_blocks - now.f_bfree) * now.f_frsize}", self.folder):
                return

    def lock(self) -> None:
        """Make it read-only, by a second mount over it: the first has files that are open for writing."""
        if _run("mount", "--bind", self.folder, self.folder):
            self._repair = ("umount", "-l", self.folder)
            _run("mount", "-o", "remount,bind,ro", self.folder)

    def repair(self) -> None:
        if self._repair:
            _run(*self._repair)
            self._repair = ()

    def close(self) -> None:
        self.repair()
        if self.is_mounted:
            _run("umount", "-l", self.folder)


def _run(*command: Any) -> bool:
    try:
        return subprocess.run([*map(str, command)], capture_output=True).returncode == 0
    except OSError:
        return False


class World:
    """The OBS under use. portraits: by name, the settings that each was given."""

    def __init__(self, folder: Path, *, seed: int, blanks: int, busy: str) -> None:
        self.seed, self.random = seed, Random(seed)
        self.folder = folder
        self.faults: list[str] = []
        self.until = 0.0  # the end of the actions, in monotonic seconds
        self.disk = Disk(folder / "data")
        self.photos = make_photos(folder / "photos", _SIZES, formats=("png", "jpg"))
        self.rubbish = folder / "photos" / "rubbish.jpg"
        self.rubbish.write_bytes(self.photos[1].read_bytes()[:3000])
        self.clip = folder / "clip.mp4"
        self.changing: set[Path] = set()  # photos that are something else for the moment
        self.portraits: dict[str, dict[str, Any]] = {}
        self.hung: int | None = None  # a worker that is stopped for longer than it may be silent
        self.hung_once = False
        self.troubles_seen: Counter[str] = Counter()
        self.leaks_of_obs = 0  # that the present OBS has without CVMatte, too
        self._busy, self._blanks = busy, blanks
        self._begun = time.monotonic()
        self._later: list[tuple[float, bool, Callable[[], object]]] = []  # when, whether it is patient, what
        self._restarts = self._made = 0
        self._matter = Matter()
        self._layers: dict[Any, list[np.ndarray]] = {}
        self._probe_file = folder / "probe.json"
        self.obs = ThrowawayObs(
            folder / "obs",
            scripts=[(path, {}) for path in self._scripts()],
            environment={"CVMATTE_DATA": str(self.disk.folder), "PROBE_FILE": str(self._probe_file)},
            canvas=(640, 360),
        )
        self.watch = Watch(self.obs, lambda: [*SCENES, *self.portraits])
        write_other_collections(self.obs, self.photos[0])
        for name, video in PROFILES.items():
            self.obs.write_profile(name, **video)

    def note(self, fault: str) -> None:
        self.faults.append(fault)
        print(f"FAULT after {time.monotonic() - self._begun:.0f} s: {fault}", flush=True)

    # OBS

    @property
    def requests(self) -> Any:
        return self.obs.requests

    @property
    def is_busy_script_there(self) -> bool:
        return self._busy == "always" or (self._busy == "half" and self._restarts % 2 == 0)

    def _scripts(self) -> list[Path]:
        # CVMatte's first: where `reload` clicks.
        return [_SCRIPT, *([_BUSY_SCRIPT] if self.is_busy_script_there else []), _PROBE]

    def start(self) -> None:
        self.leaks_of_obs = 0
        try:
            self.obs.start()
        except TimeoutError as error:
            raise Frozen(f"start: {error}") from None
        self.watch.begin(self.is_busy_script_there)

    def furnish(self) -> None:
        """Put into the new OBS what the soak needs from the beginning."""
        for scene in SCENES[1:]:
            self.requests.create_scene(scene)
        colour = {"color": 0xFF5A28C8, "width": 640, "height": 360}
        self.requests.create_input(SCENE, "background", "color_source_v3", colour, True)
        self.requests.create_input(SCENES[2], SHAPE, "color_source_v3", colour, True)
        for number, camera in enumerate(CAMERAS):
            photo, scene = self.photos[number % _SPARED], SCENES[number // _SPARED]
            self.requests.create_input(scene, camera, "image_source", {"file": str(photo)}, False)
        self.add(CANARY, image=str(self.photos[0]), quality="fast")
        rgb = np.asarray(Image.open(self.photos[0]).convert("RGB").resize((120, 120)))
        cutout = np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])
        made_clips.write(self.clip, made_clips.frames(cutout, rgb, (160, 90), 30), sound="")
        self.add(LIVE, input="video", video=str(self.clip), rate=10, quality="fast")
        self.requests.create_scene_item(SCENES[1], LIVE, True)  # not in the third, which it watches too
        for number in range(self._blanks):
            self.add(f"blank {number}", image="")

    def quit(self) -> None:
        """Quit OBS: it must have lost no memory, and logged no error of ours."""
        self.watch.end()
        try:
            leaks = self.obs.quit(60)
        except TimeoutError as error:
            raise Frozen(f"quit: {error}") from None
        log = self.obs.log()
        if "Traceback" in log:
            self.note(f"OBS's log has an error of ours: {log[log.index('Traceback') :][:1500]}")
        if leaks is None:
            raise Frozen(f"OBS ended without counting its leaks; the end of its log: {log[-1500:]}")
        if leaks > self.leaks_of_obs:
            self.note(f"OBS counted {leaks} memory leaks, at the end of “{self.watch.during}”")

    def change_scripts(self) -> None:
        """Let the busy script in or take it out, from the next start on."""
        self._restarts += 1
        file = self.obs.config / "basic" / "scenes" / f"{OWN_COLLECTION}.json"
        collection = json.loads(file.read_text(encoding="utf-8"))
        kept = {script["path"]: script for script in collection["modules"]["scripts-tool"]}
        scripts = [kept.get(str(path), {"path": str(path), "settings": {}}) for path in self._scripts()]
        collection["modules"]["scripts-tool"] = scripts
        file.write_text(json.dumps(collection), encoding="utf-8")

    def close(self) -> None:
        self.watch.end()
        for worker in self.obs.worker_ids() if self.obs.is_running else []:  # one that is stopped would never end
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGCONT)
        self.obs.close()
        with contextlib.suppress(OSError):  # the disk goes with what is on it
            shutil.copytree(self.disk.folder / "logs", self.folder / "worker logs", dirs_exist_ok=True)
        self.disk.close()

    # Portraits

    def new_name(self, what: str) -> str:
        self._made += 1
        return f"{what} {self._made}"

    def add(self, name: str, **settings: Any) -> None:
        self.requests.create_input(SCENE, name, "cvmatte_portrait", settings, True)
        self.portraits[name] = settings

    def change(self, name: str, **settings: Any) -> None:
        self.requests.set_input_settings(name, settings, True)
        self.portraits[name] = {**self.portraits[name], **settings}

    def names(self) -> list[str]:
        """Of those portraits that actions may change."""
        return [name for name in self.portraits if name not in (CANARY, LIVE) and not name.startswith("blank")]

    def quiet_photos(self) -> list[Path]:
        """Those that something may happen to."""
        return [photo for photo in self.photos[_SPARED:] if photo not in self.changing]

    def inputs(self) -> set[str]:
        return {found["inputName"] for found in self.requests.get_input_list().inputs}

    def settings(self, name: str) -> dict[str, Any]:
        """What OBS has."""
        return self.requests.get_input_settings(name).input_settings

    def probe(self, command: dict[str, Any]) -> dict[str, Any]:
        """Let probe.py in OBS do something. By portrait, what it says then, and whether that is an error."""
        try:
            found = ask_probe(self._probe_file, {**command, "states": True}, 60)
        except TimeoutError:
            raise Frozen("Python in OBS didn't answer within 60 s") from None
        if "error" in found:
            raise Fault(f"the probe: {found['error']}")
        return found["states"]

    def states(self) -> dict[str, tuple[str, bool]]:
        return self.probe({})

    def says(self, name: str) -> str:
        return self.states().get(name, ("nothing", True))[0]

    def later_in(self, seconds: float, act: Callable[[], object], patient: bool = False) -> None:
        """Do something in a while; or, unless it is patient, as soon as everything is to be put right."""
        self._later.append((time.monotonic() + seconds, patient, act))

    def do_what_is_due(self, everything: bool = False) -> None:
        now = time.monotonic()
        due = [one for one in self._later if one[0] <= now or (everything and not one[1])]
        self._later = [one for one in self._later if one not in due]
        for _, _, act in due:
            act()

    # What must hold. All raise Fault

    def await_canary(self, seconds: float) -> None:
        """The portrait that nobody touches shows its layer."""
        expected = self.expected(self.photos[0], self.portraits[CANARY])
        if not self._shows(CANARY, expected, seconds):
            raise Fault(f"{CANARY} doesn't show its layer; it says {self.says(CANARY)}")

    def is_as_given(self, name: str) -> None:
        """OBS has a portrait with the settings that it was given."""
        present = self.settings(name)
        wrong = {
            key: (present.get(key), value) for key, value in self.portraits[name].items() if present.get(key) != value
        }
        if wrong:
            raise Fault(f"{name} has other settings (present, given): {wrong}")

    def await_settings(self) -> None:
        missing = set(self.portraits) - self.inputs()
        if missing:
            raise Fault(f"these are gone: {sorted(missing)}")
        for name in self.portraits:
            self.is_as_given(name)

    def settle(self) -> None:
        """Wait for quiet, and check each portrait's state and pixels.

        A portrait may say that trouble it met kept it from being cut out. Asked again, it must be cut out.
        """
        self.do_what_is_due(everything=True)
        faults = [f"in quiet: {line}" for line in self._judge(self._await_quiet(), may_be_in_trouble=True)]
        self.probe({"press": "rematte_all"})
        time.sleep(1)
        faults += [f"cut out again: {line}" for line in self._judge(self._await_quiet(), may_be_in_trouble=False)]
        if faults:
            raise Fault("; ".join(faults))

    def _await_quiet(self) -> dict[str, tuple[str, bool]]:
        """What the portraits say once they have said for three seconds that nothing is under way."""
        moved, deadline = time.monotonic(), time.monotonic() + _QUIET_SECONDS
        while True:
            states = self.states()
            now = time.monotonic()
            if any(part in text for text, _ in states.values() for part in _IN_PASSING):
                moved = now
            if now - moved > 3 or now > deadline:
                return states
            if self.watch.problem:
                raise Frozen(self.watch.problem)
            self.do_what_is_due()
            time.sleep(0.5)

    def _judge(self, states: dict[str, tuple[str, bool]], may_be_in_trouble: bool) -> Iterator[str]:
        """What is wrong of what the portraits say and show."""
        for name in self.portraits:
            if name not in states:
                yield f"{name} is unknown to CVMatte"
                continue
            said, is_error = states[name]
            if name == LIVE:
                if is_error or not (said.startswith("Starting") or plays_or_rests(said)):
                    yield f"{name} says {said!r}"
                continue
            trouble = next((part for part in _FROM_TROUBLE if is_error and part in said), "")
            self.troubles_seen.update([trouble] if trouble else [])
            if trouble and may_be_in_trouble:
                continue
            settings = self.settings(name)
            image = Path(photo_of(settings))
            told = f"{name}, of {image.name or 'no photo'}, says {said!r}"
            if not image.name:
                if is_error:
                    yield told
            elif image == self.rubbish or not image.exists():
                if not is_error and "its last layer is shown" not in said:
                    yield f"{told}, which should be an error"
            elif is_error or not said.startswith("Ready"):
                yield told
            elif not self._shows(name, self.expected(image, settings), 10):
                yield f"{told}, but shows another layer"

    def expected(self, image: Path, settings: dict[str, Any]) -> list[np.ndarray]:
        """The layers that a portrait may show: a still's burst is used up, and cut out once more, it counts alone."""
        wanted = matte_settings(settings)
        is_still = settings.get("input") == "source"
        key = (image, image.stat().st_mtime_ns, wanted, is_still)
        if key not in self._layers:
            if len(self._layers) > 60:
                self._layers.clear()
            layers = self._layers[key] = [self._matter(image, wanted).layer]
            if is_still:
                burst = [np.asarray(Image.open(image).convert("RGB"))] * 3
                layers.append(Matter()(image, wanted, burst=burst).layer)
        return self._layers[key]

    def _shows(self, name: str, expected: list[np.ndarray], seconds: float) -> bool:
        def shown() -> bool:
            layer = self.layer(name)
            return layer is not None and any(same_layer(layer, one) for one in expected)

        try:
            return bool(wait_until(shown, seconds, 0.3))
        except TimeoutError:
            layer = self.layer(name)
            if layer is not None:
                Image.fromarray(layer).save(self.folder / f"{name} shown.png")
                Image.fromarray(expected[0]).save(self.folder / f"{name} expected.png")
            return False

    def layer(self, name: str) -> np.ndarray | None:
        """What OBS draws for a portrait: uint8 RGBA. None while that is nothing."""
        width, height = size_in_scene(self.requests, name)
        with contextlib.suppress(OBSSDKRequestError):  # gone, or without a picture
            return throwaway_obs.screenshot(self.requests, name, width, height) if width else None
        return None


def photo_of(settings: dict[str, Any]) -> str:
    """The photo or still that a portrait's settings name."""
    return settings.get("still" if settings.get("input") == "source" else "image", "")


def matte_settings(settings: dict[str, Any]) -> MatteSettings:
    """The controls in a portrait's settings, as OBS has them."""
    values = {}
    for control in CONTROLS:
        value = settings.get(control.name, 2160 if control.name == "longest_side" else control.default)
        if control.kind == COLOUR and isinstance(value, int):
            value = f"#{value & 0xFF:02x}{value >> 8 & 0xFF:02x}{value >> 16 & 0xFF:02x}"
        values[control.name] = value
    return MatteSettings(**values)


def write_other_collections(obs: ThrowawayObs, photo: Path) -> None:
    """A scene collection with CVMatte and one portrait, and one without scripts."""
    folder = obs.config / "basic" / "scenes"
    collection = json.loads((folder / f"{OWN_COLLECTION}.json").read_text(encoding="utf-8"))
    (scene,) = collection["sources"]
    portrait = {"id": "cvmatte_portrait", "name": "other", "settings": {"image": str(photo)}}
    items = {"items": [{"name": "other", "visible": True, "id": 1}], "id_counter": 2}
    for name, changed in (
        (OTHER_COLLECTION, {"sources": [portrait, {**scene, "settings": items}]}),
        (BLANK_COLLECTION, {"modules": {}}),
    ):
        text = json.dumps({**collection, **changed, "name": name})
        (folder / f"{name}.json").write_text(text, encoding="utf-8")
