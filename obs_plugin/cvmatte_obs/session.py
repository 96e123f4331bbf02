"""One run of the plugin, from script_load to script_unload: the thread that serves all portraits.

The thread looks at what each portrait's source has signalled, and passes on what the worker and the disk have to say.
It alone changes portraits; everybody else, OBS's UI and the worker client among them, puts a message into its inbox.
"""

from __future__ import annotations

import contextlib
import math
import queue
import threading
import time
import traceback
from dataclasses import dataclass
from functools import partial
from typing import Any, Callable

from cvmatte_core.image import file_types
from cvmatte_core.layers.rooms import Rooms
from cvmatte_core.layers.store import LayerStore
from cvmatte_core.layers.touch_ups import TouchUps
from cvmatte_core.localization.errors import CvmatteError
from cvmatte_core.localization.texts import Texts
from cvmatte_core.presets import PresetStore
from cvmatte_core.system import memory
from cvmatte_core.worker.client import WorkerClient

from . import controls, dialogs, libobs, scenes
from .additions import Additions
from .camera_list import CameraList
from .diagnosis import Diagnosis
from .errands import ClipErrand, FolderErrand
from .file_watch import FileWatch, State
from .housekeeping import PollTimes, Trimming
from .messages import StateLine
from .model_install import ModelInstall
from .more_controls import MoreControls
from .placement import FIT_HEIGHT
from .portrait import Portrait
from .scene_still import SceneStill
from .services import Services
from .shutdown_gate import GATE
from .signals import Hotkey, Signal
from .source_feed import Feeds
from .source_type import SOURCE_TYPE
from .touch_up_client import TouchingUp

_POLL_SECONDS = 0.015
_POLL_SHARE = 0.05  # of one core at most for polling, however many portraits there are
_END_SECONDS = 5.0  # that OBS's UI waits for the thread when the script is unloaded
_TROUBLE_SECONDS = 1.0  # between polls that fail
_GOING_SECONDS = 0.3  # from OBS 30 on, a look-up by name may find a source that just goes: by then it is gone
_SOURCE_SIGNALS = (b"source_create", b"source_remove", b"source_rename")
_left: dict[int, StateLine] = {}  # by helper: what the portraits said when the script was unloaded to be loaded anew


@dataclass(frozen=True)
class Choices:
    """What is chosen in the panel: the preset of new portraits, and how a still gets into the scene."""

    preset: str = ""
    camera: str = ""
    delay: int = 0
    placement: str = FIT_HEIGHT


class Session:
    """Serves the portraits of SOURCE_TYPE until it is closed."""

    def __init__(self, texts: Texts, data: int) -> None:
        """data: the script's settings, an obs_data_t, for the script's hotkeys."""
        self.texts = texts
        self.presets = PresetStore()
        self.choices = Choices()
        self._collection = scenes.collection_name()
        self._inbox: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
        self._closing = False
        self._poll_times = PollTimes()
        self._trimming = Trimming()
        self.client = WorkerClient(on_state=self._worker_is)
        self.client.on_painted = partial(self.post, self._painted)
        self.client.on_zones = partial(self.post, self._zones_painted)
        self.camera_list = CameraList(self.client, partial(self.post, self._cameras_are))
        self.model_install = ModelInstall(self.client, partial(self.post, self._model_is_installed))
        self.more_controls = MoreControls()
        self._touching_up = TouchingUp(self.client, texts)
        self._feeds = Feeds(watched_live)
        self._watch = FileWatch(partial(self.post, self._file_is))
        self.settings_lock = threading.Lock()  # for who writes what follows from a portrait's settings
        self._rematte_scene = Hotkey("cvmatte.rematte_all", texts("hotkey.rematte_all"))
        self.additions = Additions()
        self.folder, self.clip = FolderErrand(self.client), ClipErrand(self.client, self.post, self.additions)
        self.diagnosis = Diagnosis(self.client, self.portraits)
        self.on_look: Callable[[], None] = _do_nothing  # called at each look, once the portraits are as it found them
        self.scene_still = SceneStill(texts, self.post, self.additions, self.complete)
        self._still_in_scene = Hotkey("cvmatte.take_still", texts("hotkey.take_still_in_scene"))
        for hotkey in (self._rematte_scene, self._still_in_scene):
            hotkey.load(data)
        self._has_discovered = False
        self._follow_at = math.inf  # when portraits look for the sources of their stills
        self._sources_changed = Signal()
        for signal in _SOURCE_SIGNALS:
            self._sources_changed.connect(libobs.obs_get_signal_handler(), signal)
        self._thread = threading.Thread(target=self._run, name="cvmatte-session", daemon=True)
        SOURCE_TYPE.serve(
            Services(
                texts=texts,
                store=LayerStore(),
                touch_ups=TouchUps(),
                rooms=Rooms(),
                touching_up=self._touching_up,
                client=self.client,
                watch=self._watch,
                post=self.post,
                complete=self.complete,
                has_no_camera=lambda: self.camera_list.found == {},
                collection=lambda: self._collection,
                ids=lambda: {portrait.last.id for portrait in SOURCE_TYPE.portraits()},
                feeds=self._feeds,
                on_show=self.additions.show,
                on_layer=self._trimming.later,
                on_files=self._watch_files,
                on_room=self._rooms_are_others,
            )
        )
        self._thread.start()

    @property
    def image_filter(self) -> str:
        """What OBS's file dialogs offer where a photo is to be chosen."""
        return self._filter("source.image_filter", file_types.PHOTOS)

    @property
    def video_filter(self) -> str:
        """And where a clip is."""
        return self._filter("source.video_filter", (*file_types.CLIPS, *file_types.ANIMATION_KINDS))

    def _filter(self, text: str, of: tuple[str, ...]) -> str:
        patterns = " ".join(f"*{ending}" for ending in (*of, *map(str.upper, of)))
        return f"{self.texts(text)} ({patterns})"

    # Called from any thread of OBS: these only queue

    def post(self, act: Callable[..., Any], *arguments: Any) -> None:
        """Have it done on the session's own thread."""
        self._inbox.put((act, *arguments))

    def rematte_all(self, in_scene: bool = False) -> None:
        """Re-matte every portrait; in_scene: of the current scene."""
        self.post(self.rematte_each, in_scene)

    def touch_up_named(self, name: str) -> None:
        """Open the page on which this portrait's photo is touched up."""
        for portrait, source in SOURCE_TYPE.living():
            if libobs.source_name(source) == name:
                self.post(portrait.touch_up)

    def take_still_in_scene(self) -> None:
        """Take a still of the panel's source into the current scene: into its portrait there, else into a new one."""
        self.scene_still.ask(self.choices.camera, self.choices.delay, self.choices.placement)

    def photograph_room(self, camera: str) -> None:
        """Have the empty room before a source photographed, by a portrait of it. Raises ImageError without one."""
        self.scene_still.photograph_room(camera)

    def still_says(self) -> str:
        """What there is to say of the last one: nothing once it is done."""
        return self.scene_still.says()

    def save(self, data: int) -> None:
        """OBS saves the scene collection: put the script's hotkeys into its settings, an obs_data_t."""
        self._collection = scenes.collection_name()  # it may have been renamed
        for hotkey in (self._rematte_scene, self._still_in_scene):
            hotkey.save(data)

    def portraits(self) -> list[tuple[str, StateLine]]:
        """Each portrait's name and state, in the order of their discovery: before the first look, the former state."""
        found = []
        for portrait, source in SOURCE_TYPE.living():
            state = portrait.state if portrait.state.text else _left.get(portrait.helper, portrait.state)
            found.append((libobs.source_name(source), state))
        return found

    def layers_in_use(self) -> set[str]:
        """What tidying leaves alone: the keys of the layers that portraits show, and of those under way, and the paths
        of the files that portraits need, any of which may be another portrait's layer.
        """
        return {used for portrait in SOURCE_TYPE.portraits() for used in portrait.in_use()}

    def complete(self, source: int, settings: int, before: controls.Values | None) -> None:
        """Give a new portrait the defaults that hold now as its own values. before: see controls.complete.

        The dialog that opens on a new portrait does so, and the session when it finds one: only the first of them
        writes, since settings are no place for two threads.
        """
        with self.settings_lock:
            if not controls.is_new(settings):
                return
            data = libobs.obs_data_create()
            controls.complete(data, settings, self.defaults_of_new(), before)
            libobs.obs_source_update(source, data)
            libobs.obs_data_release(data)

    def defaults_of_new(self) -> dict[str, Any]:
        """The values of the preset that new portraits begin with; empty without one."""
        if not self.choices.preset:
            return {}
        try:
            return self.presets.values(self.choices.preset)
        except CvmatteError as error:  # deleted meanwhile
            libobs.log(libobs.LOG_WARNING, str(error))
            return {}

    def let_go(self) -> None:
        """Hold no source, and have OBS send none, while it clears its scenes or changes its profile; GATE is shut."""
        for portrait in SOURCE_TYPE.portraits():
            libobs.guarded(portrait.stills.let_go)
        self._feeds.stop()

    def close(self) -> None:
        """End the thread and the worker, and let go of everything of OBS's."""
        self._closing = True
        self.post(_do_nothing)
        self._watch.close()
        self.client.close()
        self._thread.join(_END_SECONDS)
        if self._thread.is_alive():  # it holds what would be let go of here, and serves nobody when it goes on
            libobs.log(libobs.LOG_ERROR, "the session's thread doesn't end")
            return
        _left.clear()
        if GATE.is_open:  # else the portraits go too
            _left.update((portrait.helper, portrait.state) for portrait in SOURCE_TYPE.portraits())
        self.additions.close()
        SOURCE_TYPE.release()
        self._feeds.stop()
        for signal in _SOURCE_SIGNALS:
            self._sources_changed.disconnect(libobs.obs_get_signal_handler(), signal)
        self._sources_changed.close()
        for hotkey in (self._rematte_scene, self._still_in_scene):
            hotkey.close()
        libobs.log(libobs.LOG_INFO, f"{self._poll_times}; none of them on a thread of OBS")
        memory.give_back()

    # On the session's own thread

    def _run(self) -> None:
        self.more_controls.read()
        next_poll = time.monotonic()
        while not self._closing:
            act: Callable[..., Any] = _do_nothing
            arguments: list[Any] = []
            with contextlib.suppress(queue.Empty):
                act, *arguments = self._inbox.get(timeout=max(0.0, next_poll - time.monotonic()))
            while not self._closing:
                with GATE.passing() as passes:
                    if passes:
                        libobs.guarded(act, *arguments)
                        if time.monotonic() >= next_poll and not self._closing:
                            next_poll = self._polled()
                        break
                time.sleep(_POLL_SECONDS)
        with GATE.passing() as passes:
            if passes:  # no number of a countdown stays on screen
                for portrait in SOURCE_TYPE.portraits():
                    libobs.guarded(portrait.stills.give_up)
        self._touching_up.close()

    def _polled(self) -> float:
        """Look at everything; when to look again."""
        begun, worked = time.monotonic(), time.thread_time()
        try:
            self._poll()
            self._poll_times.add(time.monotonic() - begun, time.thread_time() - worked)
            self._trimming.if_due()
        except Exception:
            libobs.log(libobs.LOG_ERROR, traceback.format_exc())
            return begun + _TROUBLE_SECONDS
        # Of its own work: not of what it waited for others, who may hold the GIL for long.
        rest = self._poll_times.processor / _POLL_SHARE
        taking_still = any(portrait.stills.is_taking for portrait in SOURCE_TYPE.portraits())
        return begun + (_POLL_SECONDS if taking_still else max(_POLL_SECONDS, rest))

    def _poll(self) -> None:
        if self._sources_changed.happened() or not self._has_discovered:
            self._has_discovered = SOURCE_TYPE.discover()
            self._follow_at = time.monotonic() + _GOING_SECONDS
        if time.monotonic() > self._follow_at:
            self._follow_at = math.inf
            for portrait in SOURCE_TYPE.portraits():
                portrait.follow_camera()
        if self._rematte_scene.pressed():
            self.rematte_each(in_scene=True)
        if self._still_in_scene.pressed():
            self.take_still_in_scene()
        for portrait in SOURCE_TYPE.portraits():
            if self._closing:
                return
            with portrait.source() as source:
                if source:
                    portrait.look(source)
            if not source:
                SOURCE_TYPE.drop(portrait)
                portrait.ends()
                self._trimming.later()
                self._watch_files()
        self.additions.look()
        self.on_look()
        _left.clear()
        if self._waits_for_camera():
            self.camera_list.wait()
        if self.model_install.has_news():
            for portrait in SOURCE_TYPE.portraits():
                dialogs.redraw(portrait, in_passing=True)

    def _watch_files(self) -> None:
        self._watch.paths = frozenset(
            path
            for portrait in SOURCE_TYPE.portraits()
            if portrait.values is not None
            for path in portrait.values.needed.values()
        )

    def _file_is(self, path: str, state: State) -> None:
        for portrait in SOURCE_TYPE.portraits():
            portrait.file_is(path, state)

    def rematte_each(self, in_scene: bool) -> list[Portrait]:
        """As rematte_all; the portraits that it is."""
        names = scenes.names_in_current_scene([name for name, _ in self.portraits()]) if in_scene else None
        meant = [one for one, source in SOURCE_TYPE.living() if names is None or libobs.source_name(source) in names]
        for portrait in meant:
            portrait.rematte()
        return meant

    def _cameras_are(self) -> None:
        for portrait in SOURCE_TYPE.portraits():
            if portrait.values is not None and portrait.values.input == controls.FROM_CAMERA:
                portrait.cameras_changed()

    def _waits_for_camera(self) -> bool:
        found = self.camera_list.found or {}
        chosen = (portrait.values for portrait in SOURCE_TYPE.portraits() if portrait.values is not None)
        return any(values.input == controls.FROM_CAMERA and values.device not in found for values in chosen)

    def _model_is_installed(self, _result: Any) -> None:
        """Portraits that it now is the right one for are cut out with it."""
        self.client.damaged_models.clear()  # whichever it was: a job that finds another says so again
        for portrait in SOURCE_TYPE.portraits():
            portrait.models_changed()

    def _rooms_are_others(self) -> None:
        for portrait in SOURCE_TYPE.portraits():
            portrait.room.look_again()

    def _painted(self, digest: str) -> None:
        for portrait in SOURCE_TYPE.portraits():
            portrait.painted(digest)

    def _zones_painted(self, known_as: str, zones: str) -> None:
        for portrait in SOURCE_TYPE.portraits():
            portrait.zones.painted(known_as, zones)

    def _worker_is(self, state: str) -> None:
        self._touching_up.worker_is(state)
        libobs.log(libobs.LOG_INFO, f"worker: {state}, process {self.client.process_id}")


def watched_live() -> dict[str, str]:
    """By the name of each portrait that cuts out a source of OBS's, that source's."""
    return {
        libobs.source_name(source): portrait.values.camera
        for portrait, source in SOURCE_TYPE.living()
        if portrait.values is not None and portrait.values.input == controls.FROM_SOURCE_LIVE
    }


def _do_nothing() -> None: ...
