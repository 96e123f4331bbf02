"""A real OBS Studio with a home folder of its own, on a virtual screen: for the demo, the tests and measurements.

Nothing of the person's own OBS is read or changed. Linux only: it needs obs, Xvfb and xdotool.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import random
import re
import resource
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import obsws_python
from cvmatte_core.filesystem import files
from cvmatte_core.filesystem.sandbox import SPAWN
from cvmatte_core.localization.texts import LANGUAGES
from PIL import Image, ImageGrab

from .flatpak_stand_in import FlatpakStandIn
from .processes import children_of

logging.getLogger("obsws_python").setLevel(logging.CRITICAL)  # it logs each refusal that we wait out
SCENE = "Scene"
# Seconds: where every core is busy, a process of low priority is some thirty times slower. It costs nothing otherwise.
PATIENCE = 240.0
_SPOKEN_IN = {"en": "en-US", "de": "de-DE", "es": "es-ES", "fr": "fr-FR", "ja": "ja-JP", "ko": "ko-KR", "ru": "ru-RU"}
LOCALES = {language: _SPOKEN_IN.get(language, language) for language in LANGUAGES}  # what OBS calls them
_TOOLS_LOCALES = Path("/usr/share/obs/obs-plugins/frontend-tools/locale")
_MAIN_WINDOW = "^OBS (Studio )?[0-9]"  # in studio mode it says so
# Where the mouse finds things, from which version of OBS on: in the main window as `start` leaves it, in
# Tools → Scripts as `open_scripts` does, in a portrait's properties of 720 x 570 and in the missing files of 700 x 400.
_PLACES = {
    "topmost source": {29: (310, 603), 32: (60, 441)},
    "first script": {29: (122, 67), 30: (122, 62)},
    "second script": {29: (122, 101), 30: (122, 89)},
    "reload scripts": {29: (122, 707), 30: (117, 709), 32: (166, 709)},  # 30: with its icons and without
    "add photos": {29: (808, 603), 30: (796, 580), 32: (797, 584)},
    "browse photo": {29: (645, 319), 30: (648, 332)},
    "properties OK": {29: (570, 540)},
    "missing file": {29: (450, 95)},
    "missing files OK": {29: (575, 370)},
}


class ThrowawayObs:
    """One home folder of OBS; start and quit it as often as you like.

    scripts: each script's file with its settings. requests: the obs-websocket client, while OBS runs. version: OBS's
    major one, from its start on.
    screen: (width, height) of the virtual screen, pixels. preview: whether OBS's window shows the scene. Without a
    graphics card, that and each frame per second cost a good part of a processor core.
    """

    requests: obsws_python.ReqClient
    version: int

    def __init__(
        self,
        folder: Path,
        *,
        scripts: Sequence[tuple[Path, dict[str, Any]]] = (),
        language: str = "en-US",
        canvas: tuple[int, int] = (1280, 720),
        screen: tuple[int, int] = (1280, 800),
        preview: bool = False,
        frames_per_second: int = 30,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.screen = screen
        self.environment = environment or {}
        self._scripts_title = _scripts_title(language)
        self._port = free_port()
        self._flatpak = FlatpakStandIn.asked_for(folder)
        self._xvfb: subprocess.Popen[bytes] | None = None
        self._obs: subprocess.Popen[bytes] | None = None
        self.display = ""
        width, height = canvas
        self._video = {"BaseCX": width, "BaseCY": height, "OutputCX": width, "OutputCY": height}
        self._video |= {"FPSType": 1, "FPSInt": frames_per_second}
        self._configure(scripts, language, preview)
        self.write_profile("Untitled")

    @property
    def config(self) -> Path:
        return self._flatpak.configuration if self._flatpak else self.folder / ".config" / "obs-studio"

    def _configure(
        self,
        scripts: Sequence[tuple[Path, dict[str, Any]]],
        language: str,
        preview: bool,
    ) -> None:
        collection = {
            "name": "Untitled",
            "current_scene": SCENE,
            "current_program_scene": SCENE,
            "scene_order": [{"name": SCENE}],
            "sources": [{"id": "scene", "name": SCENE, "settings": {}}],
            "modules": {"scripts-tool": [{"path": str(path), "settings": settings} for path, settings in scripts]},
        }
        web_socket = {"server_enabled": True, "server_port": self._port, "auth_required": False, "first_load": False}
        user = (
            f"[General]\nFirstRun=true\nLanguage={language}\nEnableAutoUpdates=false\n"
            "[Basic]\nProfile=Untitled\nProfileDir=Untitled\nSceneCollection=Untitled\nSceneCollectionFile=Untitled\n"
            f"[BasicWindow]\nPreviewEnabled={str(preview).lower()}\n"
            f"[OBSWebSocket]\nServerEnabled=true\nServerPort={self._port}\nAuthRequired=false\nFirstLoad=false\n"
        )
        files = {
            "global.ini": user,
            "user.ini": user,  # from OBS 31 on; without it, OBS opens its wizard
            "basic/scenes/Untitled.json": json.dumps(collection),
            "plugin_config/obs-websocket/config.json": json.dumps(web_socket),
        }
        for name, text in files.items():
            self._write(name, text)

    def write_profile(self, name: str, **video: Any) -> None:
        """A profile, for OBS's next start. video: in what it differs from the usual one, as OBS's own file says it."""
        values = "".join(f"{key}={value}\n" for key, value in {**self._video, **video}.items())
        self._write(f"basic/profiles/{name}/basic.ini", f"[General]\nName={name}\n[Video]\n{values}")

    def _write(self, name: str, text: str) -> None:
        path = self.config / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def start(self, timeout: float = 60.0) -> None:
        """Start OBS and wait until it answers. Raises TimeoutError."""
        if self._xvfb is None:
            self._start_screen()
        runtime = self.folder / "run"
        runtime.mkdir(mode=0o700, exist_ok=True)
        own = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "QT_", "WAYLAND"))}
        own |= {
            "HOME": str(self.folder),
            "DISPLAY": self.display,
            "XDG_RUNTIME_DIR": str(runtime),
            "LIBGL_ALWAYS_SOFTWARE": "1",
            "QT_QPA_PLATFORM": "xcb",
            **self.environment,
        }
        command = ["obs", "--multi", "--disable-updater"]
        if self._flatpak:
            not_of_session = self.environment.keys() - {"PATH"}  # which says what programs the person has
            self._flatpak.start({name: value for name, value in own.items() if name not in not_of_session})
            command, own = self._flatpak.command(*command), self._flatpak.environment(own)
        with (self.folder / "obs.log").open("ab") as log:
            self._obs = subprocess.Popen(
                command, env=own, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        most = resource.getrlimit(resource.RLIMIT_CORE)[1]
        with contextlib.suppress(OSError):  # it has ended already
            resource.prlimit(self._obs.pid, resource.RLIMIT_CORE, (most, most))  # for `crashes`
        deadline = time.monotonic() + timeout
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
                self.requests = obsws_python.ReqClient(host="127.0.0.1", port=self._port, timeout=20)
                self.requests.get_scene_list()
                self.version = int(self.requests.get_version().obs_version.partition(".")[0])
                break
            except Exception as error:  # refused, or not ready yet
                if self._obs.poll() is not None:
                    raise TimeoutError(f"OBS has ended with {self._obs.returncode}:\n{self.last_lines()}") from error
                if time.monotonic() > deadline:
                    raise TimeoutError(f"OBS doesn't answer:\n{self.stacks()}\n{self.last_lines()}") from error
                time.sleep(0.1)
        self._fill_screen()

    def connect(self, timeout: float = 20.0) -> obsws_python.ReqClient:
        """One more connection to the OBS that runs, for another thread. timeout: of each request, in seconds."""
        return obsws_python.ReqClient(host="127.0.0.1", port=self._port, timeout=timeout)

    def _start_screen(self) -> None:
        reading, writing = os.pipe()
        width, height = self.screen
        self._xvfb = subprocess.Popen(
            ["Xvfb", "-displayfd", str(writing), "-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp"],
            pass_fds=(writing,), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(writing)
        with os.fdopen(reading) as numbers:
            number = numbers.readline().strip()
        if not number:
            raise TimeoutError("Xvfb doesn't start")
        self.display = f":{number}"

    def window(self, name: str) -> str:
        """The topmost visible window whose name matches an extended regular expression. Raises TimeoutError."""

        return wait_until(lambda: self.visible(name), timeout=10)[-1]

    def visible(self, name: str) -> list[str]:
        """The windows whose name matches, the topmost last."""
        try:
            return self.xdotool("search", "--onlyvisible", "--name", name).split()
        except subprocess.CalledProcessError:
            return []

    def place(self, window: str, width: int, height: int) -> None:
        """Move a window as `move` does and wait until it is drawn. Raises TimeoutError where it goes on changing."""
        self.move(window, width, height)
        before = b""

        def still() -> bool:
            nonlocal before
            former, before = before, self.photograph().crop((0, 0, width, height)).tobytes()
            return before == former

        wait_until(still, 20, 0.3)

    def move(self, window: str, width: int, height: int) -> None:
        """Move a window to the screen's corner at this size, so that what is in it has a known place."""
        self.xdotool("windowmove", "--sync", window, "0", "0")
        self.xdotool("windowsize", "--sync", window, str(width), str(height))

    def click(self, x: int, y: int) -> None:
        self.xdotool("mousemove", str(x), str(y), "sleep", "0.1", "click", "1")

    def click_on(self, what: str) -> None:
        """Click on one of _PLACES."""
        places = _PLACES[what]
        self.click(*places[max(version for version in places if version <= self.version)])

    def press(self, key: str) -> None:
        """Hold a hotkey for a second: OBS looks for them some 40 times in that, where the machine isn't busy.

        OBS 32 sees none of those of a virtual screen, its own neither: it is told of the key instead.
        """
        if self.version >= 31:
            self.requests.trigger_hot_key_by_key_sequence(f"OBS_KEY_{key}", False, False, False, False)
            return
        self.xdotool("keydown", key)
        time.sleep(1)
        self.xdotool("keyup", key)

    def dismiss(self, window: str) -> None:
        """Close a dialog with the Escape key. What has changed since it opened is kept. Raises TimeoutError."""

        def gone() -> bool:
            if window not in self.visible("."):
                return True
            # A still that was taken meanwhile is a change too; to keep it is the usual answer.
            question = self.visible("^Settings Changed$")
            asked, key = (question[-1], "Return") if question else (window, "Escape")
            with contextlib.suppress(subprocess.CalledProcessError):  # it goes just now
                self.xdotool("windowfocus", "--sync", asked)
                self.xdotool("key", key)
            return False  # again and again: what is just drawn anew takes no key

        wait_until(gone, timeout=10, interval=0.5)

    def open_scripts(self) -> str:
        """Open Tools → Scripts from the keyboard, at the screen's corner and 1100 x 790; its window."""
        for seconds in (0.5, 2.0, 5.0):  # on a busy machine the menu is late to take keys
            self.xdotool("windowfocus", "--sync", self.window(_MAIN_WINDOW))
            self.xdotool("key", "alt+t")
            time.sleep(seconds)
            self.xdotool("key", "Up", "Up", "Return")  # it stands above the last entry, obs-websocket's
            try:
                window = self.window(f"^{self._scripts_title}$")
            except TimeoutError:
                self.xdotool("key", "Escape", "Escape")
                continue
            self.place(window, 1100, 790)
            return window
        raise TimeoutError("the Scripts window didn't open")

    def _fill_screen(self) -> None:
        """Without a window manager the main window keeps its first size: give it the whole screen."""
        self.move(self.window(_MAIN_WINDOW), *self.screen)

    def xdotool(self, *arguments: str) -> str:
        # A locale that exists everywhere: xdotool matches names in Chinese only in one of UTF-8.
        environment = {**os.environ, "DISPLAY": self.display, "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            ["xdotool", *arguments], env=environment, check=True, capture_output=True, text=True, timeout=30
        )
        return done.stdout

    def photograph(self) -> Image.Image:
        """What is on the virtual screen, RGB."""
        return ImageGrab.grab(xdisplay=self.display).convert("RGB")

    @property
    def process_id(self) -> int:
        assert self._obs is not None
        return children_of(self._obs.pid)[0] if self._flatpak else self._obs.pid

    def worker_ids(self) -> list[int]:
        """The matting processes that OBS has started and that live."""
        return self._children_running("cvmatte_core.worker.server")

    def live_ids(self) -> list[int]:
        """As `worker_ids`, the processes of live portraits."""
        return self._children_running("cvmatte_core.live.process")

    def _children_running(self, module: str) -> list[int]:
        children = children_of(self.process_id)
        if self._flatpak:  # in there, beside an environment of its own, are only the ways out
            children = [*children_of(self._flatpak.starter), *children]
        found = []
        for child in children:
            with contextlib.suppress(OSError):  # it ended meanwhile
                program, *arguments = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
                if Path(os.fsdecode(program)).name != SPAWN and module.encode() in b" ".join(arguments):
                    found.append(child)
        return found

    @staticmethod
    def ports(process: int) -> list[int]:
        """On which a process waits for others to connect."""
        own = set()
        with contextlib.suppress(OSError):  # it ended meanwhile
            for entry in Path(f"/proc/{process}/fd").iterdir():
                with contextlib.suppress(OSError):  # it was closed meanwhile
                    own.add(str(entry.readlink()))
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return [int(row[1][-4:], 16) for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in own]

    @property
    def is_running(self) -> bool:
        return self._obs is not None and self._obs.poll() is None

    def quit(self, timeout: float = 30.0) -> int | None:
        """Quit OBS as its window's close button does; the number of memory leaks that it counted, None without one."""
        if self._obs is None:
            return None
        with contextlib.suppress(Exception):
            self.requests.disconnect()
        self._ask_to_quit()
        try:
            code = self._obs.wait(timeout)
        except subprocess.TimeoutExpired:
            stacks = self.stacks()
            self._obs.kill()
            self._obs.wait()
            raise TimeoutError(f"OBS doesn't quit:\n{stacks}") from None
        finally:
            self._obs = None
        counts = re.findall(r"Number of memory leaks: (\d+)", self.log())
        if counts:
            return int(counts[-1])
        with (self.folder / "obs.log").open("a") as log:
            log.write(f"OBS has ended with {code}, without counting its leaks\n")
        return None

    def _ask_to_quit(self) -> None:
        """Press Ctrl+Q in OBS's window.

        SIGINT is the last resort: OBS closes its window in the signal's handler, in the midst of whatever Qt is at, and
        crashed where that was the painting of a text.
        """
        assert self._obs is not None
        for _ in range(3):
            with contextlib.suppress(TimeoutError, subprocess.SubprocessError):
                self.xdotool("windowfocus", "--sync", self.window(_MAIN_WINDOW))
                self.xdotool("key", "ctrl+q")
                wait_until(lambda: not self.is_running or "== Shutting down ==" in self.log(), timeout=8)
                return
            if not self.is_running:
                return
        with (self.folder / "obs.log").open("a") as log:
            log.write("OBS doesn't heed Ctrl+Q: it gets SIGINT\n")
        self._obs.send_signal(signal.SIGINT)

    def log(self) -> str:
        """OBS's own log of its last run."""
        logs = sorted((self.config / "logs").glob("*.txt"), key=lambda path: path.stat().st_mtime)
        return logs[-1].read_text(encoding="utf-8", errors="replace") if logs else ""

    def last_lines(self) -> str:
        """The end of what OBS has printed."""
        return "\n".join((self.folder / "obs.log").read_text(errors="replace").splitlines()[-30:])

    def stacks(self) -> str:
        """What each of OBS's threads is doing, where gdb is installed."""
        return stacks("-p", str(self.process_id))

    def crashes(self) -> str:
        """As `stacks`, at each crash of this folder's OBS, where the system writes cores into the working folder."""
        return "\n".join(stacks("obs", str(core)) for core in sorted(self.folder.glob("core*")))

    def close(self) -> None:
        """End OBS, however it is, and the screen."""
        for process in (self._obs, self._xvfb):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
        self._obs = self._xvfb = None
        if self._flatpak:
            self._flatpak.close()


@contextlib.contextmanager
def running(folder: Path, **options: Any) -> Iterator[ThrowawayObs]:
    """A started OBS in a new home folder, ended with the block."""
    obs = ThrowawayObs(folder, **options)
    try:
        obs.start()
        yield obs
    finally:
        obs.close()


def wait_until(condition: Callable[[], Any], timeout: float = PATIENCE, interval: float = 0.05) -> Any:
    """The condition's first true value. Raises TimeoutError."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout:.0f} s")
        time.sleep(interval)


def same_layer(actual: np.ndarray, expected: np.ndarray) -> bool:
    """Whether two RGBA layers look the same: alpha within 1, colours within 2 where they are seen."""
    if actual.shape != expected.shape:
        return False
    difference = np.abs(actual.astype(int) - expected)
    seen = expected[..., 3] > 0
    return bool(difference[..., 3].max() <= 1 and difference[seen].max(initial=0) <= 2)


def screenshot(requests: obsws_python.ReqClient, name: str, width: int, height: int) -> np.ndarray:
    """What OBS draws of a source or scene: uint8 RGBA, this size. Raises OBSSDKRequestError where that is nothing."""
    # By a file: through the connection each megabyte costs half a second of processor, most of it the client's.
    with tempfile.TemporaryDirectory(prefix="cvmatte-screenshot-") as folder:
        path = Path(folder) / "taken.png"
        requests.save_source_screenshot(name, "png", str(path), width, height, 100)
        return np.asarray(Image.open(path).convert("RGBA"))


def size_in_scene(requests: obsws_python.ReqClient, name: str) -> tuple[int, int]:
    """Of what a source in the scene draws; (0, 0) while it draws nothing, or isn't there yet."""
    for item in requests.get_scene_item_list(SCENE).scene_items:
        if item["sourceName"] == name:
            shape = item["sceneItemTransform"]
            return int(shape["sourceWidth"]), int(shape["sourceHeight"])
    return 0, 0


def ask_probe(file: Path, command: dict[str, Any], timeout: float) -> dict[str, Any]:
    """What tests/obs/probe.py in OBS, whose file this is, answers to a command. Raises TimeoutError."""
    file.unlink(missing_ok=True)
    files.write(Path(f"{file}.command"), json.dumps(command).encode())
    wait_until(file.exists, timeout)
    answer: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return answer


def stacks(*process: str) -> str:
    """What gdb tells of the threads of a process, or of a crash: its program and core file."""
    asked = ["gdb", *process, "-batch", "-ex", "backtrace 30", "-ex", "thread apply all backtrace 30"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, errors="replace", timeout=120).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"(no stacks: {error})"


def _scripts_title(language: str) -> str:
    """What the dialog of the scripts is called; in English where OBS has no translation."""
    for name in (language, "en-US"):
        with contextlib.suppress(OSError):
            found = re.search('^Scripts="(.*)"', (_TOOLS_LOCALES / f"{name}.ini").read_text("utf-8"), re.MULTILINE)
            if found:
                return found[1]
    return "Scripts"


def free_port() -> int:
    """A port outside of those that the system gives to connections: it is OBS's from one start to the next.

    Another program's connection could take one of those while OBS is closed; or ours, which then reaches itself.
    """
    while True:
        port = random.randint(20_000, 32_000)
        with socket.socket() as found, contextlib.suppress(OSError):
            found.bind(("127.0.0.1", port))
            return port
