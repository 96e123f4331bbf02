"""What soak.py plays with: one OBS with portraits, photos and a data folder, and what must be true of them."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from demo import throwaway_obs
from development import made_clips
from development.soak_watch import Watch
from cvmatte_core.disk import paths
from cvmatte_core.matting.matter import Matter
from cvmatte_core.settings import COLOUR, CONTROLS, MatteSettings
from obsws_python.error import OBSSDKRequestError
from PIL import Image, ImageEnhance, ImageOps
from demo.throwaway_obs import SCENE, ThrowawayObs, ask_probe, same_layer, size_in_scene, wait_until

SAMPLE = paths.ROOT / "scripts" / "demo" / "astronaut.png"
SCRIPT = paths.ROOT / "obs_plugin" / "cvmatte.py"
PROBE = paths.ROOT / "tests" / "obs" / "probe.py"
BUSY_SCRIPT = paths.ROOT / "tests" / "obs" / "busy_script.py"

OWN_COLLECTION, OTHER_COLLECTION, BLANK_COLLECTION = "Untitled", "Other", "Blank"
SCENES = (SCENE, "Scene 2", "Scene 3")
CAMERAS = ("camera 1", "camera 2", "camera 3")  # the last one in another scene
CANARY = "canary"  # a portrait that nobody touches
LIVE = "live"  # one that shows a clip as it plays
_LIVE_SAYS = ("Live:", "Hidden:", "Starting")
_SPARED = 2  # photos that nothing happens to: the canary's, and those that the cameras show
_DATA_SIZE = "4g"  # at most; it takes what is on it
_QUIET_SECONDS = 240.0  # until everything is cut out: with restarts of the worker, which wait longer and longer
_IN_PASSING = (
    "Waiting for", "Starting the", "Beginning", "Reading the", "Loading the", "Cutting out", "Refining the",
    "Saving the", "Still in", "Taking the", "trying once more",
)  # fmt: skip
_FROM_TROUBLE = (  # what a worker that is killed or starved, or a disk that is full or locked, may leave behind
    "made the matting process end twice", "is full:", "Nothing can be written", "not enough memory",
    "failed on this picture", "can't be loaded", "ends as soon as it starts", "Something went wrong",
)  # fmt: skip


class Fault(Exception):
    """Something that must not be. The soak goes on."""


class Frozen(Exception):
    """OBS answers no more, or is gone. The soak stops."""


@dataclass(frozen=True)
class Later:
    """Something to be done at a time. patient: not earlier either when everything is to be put right."""

    due: float
    act: Callable[[], None]
    patient: bool = False


class Disk:
    """The data folder: a small disk of its own where this may be mounted, else a plain folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.is_mounted = os.geteuid() == 0 and _mount(
            "-t", "tmpfs", "-o", f"size={_DATA_SIZE}", "cvmatte-soak", folder
        )
        self.is_locked = self.is_full = False

    @property
    def is_in_trouble(self) -> bool:
        return self.is_locked or self.is_full

    def fill(self) -> None:
        """Make it no larger than what is on it."""
        self.is_full = True
        for _ in range(10):  # while that grows
            now = os.statvfs(self.folder)
            if _mount("-o", f"remount,size={(now.f_blocks - now.f_bfree) * now.f_frsize}", self.folder):
                return

    def free(self) -> None:
        if self.is_full:
            self.is_full = False
            _mount("-o", f"remount,size={_DATA_SIZE}", self.folder)

    def lock(self) -> None:
        """Make it read-only; files that are open stay so."""
        self.is_locked = True
        if not self.is_mounted:
            for folder in self._folders():
                folder.chmod(0o555)
        elif _mount("--bind", self.folder, self.folder):  # over itself: the disk itself has files open for writing
            _mount("-o", "remount,bind,ro", self.folder)

    def unlock(self) -> None:
        if not self.is_locked:
            return
        self.is_locked = False
        if self.is_mounted:
            _unmount(self.folder)
        else:
            for folder in self._folders():
                folder.chmod(0o755)

    def close(self) -> None:
        self.unlock()
        if self.is_mounted:
            _unmount(self.folder)

    def _folders(self) -> list[Path]:
        return [self.folder, *(path for path in self.folder.rglob("*") if path.is_dir())]


def _mount(*arguments: Any) -> bool:
    command = ["mount", *map(str, arguments)]
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False


def _unmount(folder: Path) -> None:
    subprocess.run(["umount", "-l", str(folder)], capture_output=True)


class World:
    """The OBS under use. portraits: by name, the settings that each was given; blanks: portraits without a photo."""

    def __init__(self, folder: Path, *, seed: int, blanks: int, busy: str) -> None:
        self.seed, self.random = seed, Random(seed)
        self.folder = folder
        self.until = 0.0  # the end of the actions, in monotonic seconds
        self.busy = busy
        self.disk = Disk(folder / "data")
        self.photos, self.rubbish = make_photos(folder / "photos", self.random)
        self.clip = folder / "clip.mp4"
        self.changing: set[Path] = set()  # photos that are something else for the moment
        self.portraits: dict[str, dict[str, Any]] = {}
        self.blanks = blanks
        self.later: list[Later] = []
        self.hung: int | None = None  # a worker that is stopped for longer than it may be silent
        self.hung_once = False
        self.restarts = 0
        self.states_seen: dict[str, int] = {}
        self._made = 0
        self._matter = Matter()
        self._layers: dict[Any, np.ndarray] = {}
        self._probe_file = folder / "probe.json"
        environment = {"CVMATTE_DATA": str(self.disk.folder), "PROBE_FILE": str(self._probe_file)}
        self.obs = ThrowawayObs(
            folder / "obs",
            scripts=[(path, {}) for path in self._scripts()],
            environment=environment,
            canvas=(640, 360),
        )
        self.watch = Watch(self.obs)
        write_other_collections(self.obs, self.photos[0])

    # OBS

    @property
    def requests(self) -> Any:
        return self.obs.requests

    @property
    def is_busy_script_there(self) -> bool:
        return self.busy == "always" or (self.busy == "half" and self.restarts % 2 == 0)

    def _scripts(self) -> list[Path]:
        # CVMatte's first: where `reload` clicks.
        return [SCRIPT, *([BUSY_SCRIPT] if self.is_busy_script_there else []), PROBE]

    def start(self) -> None:
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
        for number, camera in enumerate(CAMERAS):
            photo, scene = self.photos[number % _SPARED], SCENES[number // _SPARED]
            self.requests.create_input(scene, camera, "image_source", {"file": str(photo)}, False)
        self.add(CANARY, image=str(self.photos[0]), quality="fast")
        rgb = np.asarray(Image.open(self.photos[0]).convert("RGB").resize((120, 120)))
        cutout = np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])
        made_clips.write(self.clip, made_clips.frames(cutout, rgb, (160, 90), 30), sound="")
        self.add(LIVE, input="video", video=str(self.clip), rate=10, quality="fast")
        for number in range(self.blanks):
            self.add(f"blank {number}", image="")

    @property
    def photos_folder(self) -> Path:
        return self.rubbish.parent

    def quit(self) -> None:
        """Quit OBS: it must have lost no memory, and logged no error of ours."""
        self.watch.end()
        try:
            leaks = self.obs.quit(60)
        except TimeoutError as error:
            raise Frozen(f"quit: {error}") from None
        log = self.obs.log()
        if "Traceback" in log:
            raise Fault(f"OBS's log has an error of ours: {log[log.index('Traceback') :][:1500]}")
        if leaks is None:
            raise Frozen(f"OBS ended without counting its leaks; the end of its log: {log[-1500:]}")
        if leaks:
            raise Fault(f"OBS counted {leaks} memory leaks")

    def restart(self) -> None:
        """Quit OBS, let the busy script in or take it out, and start OBS again."""
        faults = []
        try:
            self.quit()
        except Fault as error:  # a leak: no reason to end here
            faults.append(str(error))
        self.change_scripts()
        try:
            self.start()
            self.await_settings()
            self.await_canary(60)
        except (Fault, Frozen) as error:
            raise type(error)("; then ".join([*faults, str(error)])) from None
        if faults:
            raise Fault(faults[0])

    def change_scripts(self) -> None:
        """Let the busy script in or take it out, from the next start on."""
        self.restarts += 1
        file = self.obs.config / "basic" / "scenes" / f"{OWN_COLLECTION}.json"
        collection = json.loads(file.read_text(encoding="utf-8"))
        kept = {script["path"]: script for script in collection["modules"]["scripts-tool"]}
        scripts = [kept.get(str(path), {"path": str(path), "settings": {}}) for path in self._scripts()]
        collection["modules"]["scripts-tool"] = scripts
        file.write_text(json.dumps(collection), encoding="utf-8")

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
        """What probe.py in OBS answers."""
        try:
            found = ask_probe(self._probe_file, command, 60)
        except TimeoutError:
            raise Frozen("Python in OBS didn't answer within 60 s") from None
        if "error" in found:
            raise Fault(f"the probe: {found['error']}")
        return found

    def states(self) -> dict[str, tuple[str, bool]]:
        """By portrait: what it says, and whether that is an error."""
        return {name: (text, is_error) for name, (text, is_error) in self.probe({"states": True})["states"].items()}

    def later_in(self, seconds: float, act: Callable[[], None], patient: bool = False) -> None:
        self.later.append(Later(time.monotonic() + seconds, act, patient))

    def do_what_is_due(self, everything: bool = False) -> None:
        now = time.monotonic()
        due = [one for one in self.later if one.due <= now or (everything and not one.patient)]
        self.later = [one for one in self.later if one not in due]
        for one in due:
            one.act()

    # What must hold

    def await_canary(self, timeout: float) -> None:
        """The portrait that nobody touches shows its layer. Raises Fault."""
        expected = self.expected(self.photos[0], {**self.portraits[CANARY], "cvmatte": 1})
        shown = self._shows(CANARY, [expected], timeout)
        if not shown:
            raise Fault(f"{CANARY} doesn't show its layer; it says {self.states().get(CANARY)}")

    def await_settings(self) -> None:
        """OBS has every portrait, with the settings that it was given. Raises Fault."""
        missing = set(self.portraits) - self.inputs()
        if missing:
            raise Fault(f"these are gone: {sorted(missing)}")
        for name, given in self.portraits.items():
            present = self.settings(name)
            wrong = {key: (present.get(key), value) for key, value in given.items() if present.get(key) != value}
            if wrong:
                raise Fault(f"{name} has other settings (present, given): {wrong}")

    def settle(self) -> list[str]:
        """Wait for quiet and check each portrait's state and pixels; what was wrong.

        A portrait may say that trouble it met kept it from being cut out. Asked again, it must be cut out.
        """
        self.do_what_is_due(everything=True)
        states = self._await_quiet()
        faults = [f"in quiet: {line}" for line in self._judge(states, may_be_in_trouble=True)]
        self.probe({"press": "rematte_all", "states": True})
        time.sleep(1)
        return faults + [f"cut out again: {line}" for line in self._judge(self._await_quiet(), False)]

    def _await_quiet(self) -> dict[str, tuple[str, bool]]:
        quiet_since, deadline = 0.0, time.monotonic() + _QUIET_SECONDS
        while True:
            states = self.states()
            moving = [name for name, (text, _) in states.items() if any(part in text for part in _IN_PASSING)]
            now = time.monotonic()
            if moving:
                quiet_since = 0.0
            elif not quiet_since:
                quiet_since = now
            elif now - quiet_since > 3:
                return states
            if now > deadline:
                return states
            self._check_watch()
            self.do_what_is_due()
            time.sleep(0.5)

    def _judge(self, states: dict[str, tuple[str, bool]], may_be_in_trouble: bool) -> Iterator[str]:
        yield from (f"{name} is unknown to CVMatte" for name in self.portraits if name not in states)
        for name in [name for name in self.portraits if name in states]:
            said, is_error = states[name]
            if name == LIVE:
                if is_error or not said.startswith(_LIVE_SAYS):
                    yield f"{name} says {said!r}"
                continue
            settings = self.settings(name)
            image = settings.get("still" if settings.get("input") == "source" else "image", "")
            in_trouble = is_error and any(part in said for part in _FROM_TROUBLE)
            if in_trouble:
                sort = next(part for part in _FROM_TROUBLE if part in said)
                self.states_seen[sort] = self.states_seen.get(sort, 0) + 1
            told = f"{name}, of {Path(image).name or 'no photo'}, says {said!r}"
            if in_trouble and may_be_in_trouble:
                continue
            if not image:
                if is_error:
                    yield told
            elif Path(image) == self.rubbish or not Path(image).exists():
                if not is_error and "its last layer is shown" not in said:
                    yield f"{told}, which should be an error"
            elif is_error or not said.startswith("Ready"):
                yield told
            elif not self._shows(name, self._expected_of(image, settings), 10):
                yield f"{told}, but shows another layer"

    def _expected_of(self, image: str, settings: dict[str, Any]) -> list[np.ndarray]:
        """What a portrait may show. A still's burst is used up: made once more, it is made from the still alone."""
        layers = [self.expected(Path(image), settings)]
        if settings.get("input") == "source":
            layers.append(self.expected(Path(image), settings, burst=True))
        return layers

    def expected(self, image: Path, settings: dict[str, Any], burst: bool = False) -> np.ndarray:
        """The layer that the library makes of it."""
        wanted = matte_settings(settings)
        key = (image, image.stat().st_mtime_ns, wanted, burst)
        if key not in self._layers:
            if len(self._layers) > 60:
                self._layers.clear()
            frames = [np.asarray(Image.open(image).convert("RGB"))] * 3 if burst else []
            matter = Matter() if burst else self._matter
            self._layers[key] = matter(image, wanted, burst=frames).layer
        return self._layers[key]

    def _shows(self, name: str, expected: list[np.ndarray], timeout: float) -> bool:
        def shown() -> bool:
            layer = self.layer(name)
            return layer is not None and any(same_layer(layer, one) for one in expected)

        try:
            return bool(wait_until(shown, timeout, 0.3))
        except TimeoutError:
            layer = self.layer(name)
            if layer is not None:
                Image.fromarray(layer).save(self.folder / f"{name} shown.png")
                Image.fromarray(expected[0]).save(self.folder / f"{name} expected.png")
            return False

    def layer(self, name: str) -> np.ndarray | None:
        """What OBS draws for a portrait: uint8 RGBA. None while that is nothing."""
        width, height = size_in_scene(self.requests, name)
        return screenshot(self.requests, name, width, height) if width else None

    def _check_watch(self) -> None:
        if self.watch.problem:
            raise Frozen(self.watch.problem)

    def close(self) -> None:
        self.watch.end()
        for worker in self.obs.worker_ids() if self.obs.is_running else []:  # one that is stopped would never end
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGCONT)
        self.obs.close()
        with contextlib.suppress(OSError):  # the disk goes with what is on it
            shutil.copytree(self.disk.folder / "logs", self.folder / "worker logs", dirs_exist_ok=True)
        self.disk.close()


def screenshot(requests: Any, name: str, width: int, height: int) -> np.ndarray | None:
    try:
        return throwaway_obs.screenshot(requests, name, width, height)
    except OBSSDKRequestError:  # gone, or without a picture
        return None


def matte_settings(settings: dict[str, Any]) -> MatteSettings:
    """The controls in a portrait's settings, as OBS has them."""
    values = {}
    for control in CONTROLS:
        value = settings.get(control.name, 2160 if control.name == "longest_side" else control.default)
        if control.kind == COLOUR and isinstance(value, int):
            value = f"#{value & 0xFF:02x}{value >> 8 & 0xFF:02x}{value >> 16 & 0xFF:02x}"
        values[control.name] = value
    return MatteSettings(**values)


def make_photos(folder: Path, random: Random) -> tuple[list[Path], Path]:
    """Portraits, no two alike, and a file that is none."""
    folder.mkdir(parents=True)
    picture = Image.open(SAMPLE).convert("RGB")
    photos = []
    for number, side in enumerate((512, 512, 384, 448, 320, 512)):
        path = folder / f"photo {number}.{'jpg' if number % 2 else 'png'}"
        changed = ImageEnhance.Brightness(picture.resize((side, side))).enhance(random.uniform(0.7, 1.1))
        (ImageOps.mirror(changed) if number % 2 else changed).save(path, quality=95)
        photos.append(path)
    rubbish = folder / "rubbish.jpg"
    rubbish.write_bytes(photos[1].read_bytes()[:3000])
    return photos, rubbish


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
