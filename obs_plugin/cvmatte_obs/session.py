"""One run of the plugin, from script_load to script_unload: the thread that serves all portraits.

The thread looks at what each portrait's source has signalled, sends what changed to the worker, and hands finished
frames to OBS. It alone changes portraits; everybody else, OBS's UI and the worker client among them, puts a message
into its inbox.
"""

from __future__ import annotations

import contextlib
import math
import queue
import statistics
import threading
import time
import traceback
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cvmatte_core import files, memory
from cvmatte_core.errors import Cancelled, CvmatteError, ImageError
from cvmatte_core.layer_store import Frame, FrameUnusable, LayerStore, Record
from cvmatte_core.presets import PresetStore
from cvmatte_core.settings import MatteSettings
from cvmatte_core.texts import Texts
from cvmatte_core.worker.client import READY, WorkerClient

from . import controls, layers, libobs, stills
from .events import Event, Hotkey
from .file_watch import FileWatch
from .file_watch import State as FileState
from .source_type import SOURCE_TYPE, Portrait, State

_POLL_SECONDS = 0.015
_POLL_SHARE = 0.05  # of one core at most for polling, however many portraits there are
_REST_SECONDS = 0.3  # a layer gets its PNG when the controls have rested for so long
_QUIET_SECONDS = 0.7  # properties are redrawn only when nobody moved a control for so long
_NOTE_SECONDS = 5.0  # that a button's note stays at least, whatever becomes of the layer meanwhile
_END_SECONDS = 5.0  # that OBS's UI waits for the thread when the script is unloaded
_TROUBLE_SECONDS = 1.0  # between polls that fail
_TRIM_SECONDS = 30.0  # between a layer's end and that of its memory
_TRIM_SHARE = 1e-4  # of all time at most: whoever allocates memory meanwhile waits
_SOURCE_SIGNALS = (b"source_create", b"source_remove", b"source_rename")


@dataclass(frozen=True)
class Request:
    """A layer that a portrait is to show. burst: the frame files of a still that was just taken."""

    image: str
    settings: MatteSettings
    burst: tuple[Path, ...] = ()

    @property
    def key(self) -> str:
        return LayerStore.key(self.image, self.settings)


@dataclass
class Job:
    """A request on its way through the worker."""

    request: Request
    on_disk: tuple[int, int] | None  # bytes and modification of its photo, as last seen when it began
    number: int = 0
    frame_shown: bool = False


class PollTimes:
    """How long polls took, in bounded memory, however many hours they go on."""

    def __init__(self) -> None:
        self._latest: deque[tuple[float, float]] = deque(maxlen=4096)
        self._longest = (0.0, 0.0)
        self._count = 0

    def add(self, seconds: float, processor: float) -> None:
        self._latest.append((seconds, processor))
        self._longest = (max(self._longest[0], seconds), max(self._longest[1], processor))
        self._count += 1

    def __str__(self) -> str:
        medians = [statistics.median(times) for times in zip(*self._latest)] or [0.0, 0.0]
        wall, processor = (
            f"median {median * 1000:.3f} ms, longest {longest * 1000:.2f} ms"
            for median, longest in zip(medians, self._longest)
        )
        return f"{self._count} polls, {wall}; of processor {processor} (medians of the last {len(self._latest)})"


@dataclass(frozen=True)
class Choices:
    """What is chosen in the panel: the preset of new portraits, and how a still gets into the scene."""

    preset: str = ""
    camera: str = ""
    delay: int = 0
    placement: str = layers.FIT_HEIGHT


class Session:
    """Serves the portraits of SOURCE_TYPE until it is closed."""

    _image_patterns = "*.jpg *.jpeg *.png *.webp *.bmp *.tif *.tiff *.JPG *.JPEG *.PNG *.WEBP *.BMP *.TIF *.TIFF"

    def __init__(self, texts: Texts, data: int) -> None:
        """data: the script's settings, an obs_data_t, for the script's hotkeys."""
        self.texts = texts
        self.presets = PresetStore()
        self.choices = Choices()
        self.store = LayerStore()
        self._inbox: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
        self._closing = False
        self._poll_times = PollTimes()
        self._trim_at = math.inf  # when to give memory back: some time after layers came or went
        self._on_disk: dict[str, FileState] = {}  # of each photo, as `_watch` last told
        self.client = WorkerClient(on_state=self._log_worker_state)
        self._watch = FileWatch(lambda path, state: self._inbox.put(("photo_on_disk", path, state)))
        self._completing = threading.Lock()
        self._rematte_scene = Hotkey("cvmatte.rematte_all", texts("hotkey.rematte_all"))
        self._still_in_scene = Hotkey("cvmatte.take_still", texts("hotkey.take_still_in_scene"))
        for hotkey in (self._rematte_scene, self._still_in_scene):
            hotkey.load(data)
        self._sources_changed = Event()
        for signal in _SOURCE_SIGNALS:
            self._sources_changed.connect(libobs.obs_get_signal_handler(), signal)
        self._thread = threading.Thread(target=self._run, name="cvmatte-session", daemon=True)
        SOURCE_TYPE.serve(self)
        self._thread.start()

    @property
    def image_filter(self) -> str:
        """What OBS's file dialogs offer."""
        return f"{self.texts('source.image_filter')} ({self._image_patterns})"

    # Called from any thread of OBS: these only queue

    def rematte(self, portrait: Portrait) -> None:
        self._inbox.put(("rematte", portrait))

    def rematte_all(self, in_scene: bool = False) -> None:
        """Re-matte every portrait; in_scene: of the current scene."""
        self._inbox.put(("rematte_all", in_scene))

    def models_changed(self) -> None:
        """A model was installed: portraits that it now is the right one for are cut out with it."""
        self._inbox.put(("models_changed",))

    def take_still(self, portrait: Portrait) -> None:
        self._inbox.put(("take_still", portrait))

    def take_still_in_scene(self) -> None:
        """Take a still of the panel's source into the current scene: into its portrait there, else into a new one."""
        self._inbox.put(("take_still_in_scene",))

    def save_hotkeys(self, data: int) -> None:
        """Put the script's hotkeys into its settings, an obs_data_t."""
        for hotkey in (self._rematte_scene, self._still_in_scene):
            hotkey.save(data)

    def portraits(self) -> list[tuple[str, State]]:
        """Each portrait's name and state, in the order of their discovery."""
        found = []
        for portrait in SOURCE_TYPE.portraits():
            with SOURCE_TYPE.source(portrait) as source:
                if source:
                    found.append((libobs.source_name(source), portrait.state))
        return found

    def layers_in_use(self) -> set[str]:
        """What tidying leaves alone: the keys of the layers that portraits show, and of those under way, and the paths
        of the files that portraits need, any of which may be another portrait's layer.
        """
        used: set[Any] = set()
        for portrait in SOURCE_TYPE.portraits():
            job, values = portrait.job, portrait.values  # read once: the session's thread may change them meanwhile
            used.add(portrait.shown)
            if job is not None:
                used |= {job.request.key, job.request.image}
            if values is not None:
                used |= values.files
        return used - {None}

    def complete(self, source: int, settings: int) -> None:
        """Give a new portrait the defaults that hold now as its own values.

        The dialog that opens on a new portrait does so, and the session when it finds one: only the first of them
        writes, since settings are no place for two threads.
        """
        with self._completing:
            if not controls.is_new(settings):
                return
            data = libobs.obs_data_create()
            controls.complete(data, settings, self.defaults_of_new())
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

    def close(self) -> None:
        """End the thread and the worker, and let go of everything of OBS's."""
        self._closing = True
        self._inbox.put(("close",))
        self._watch.close()
        self.client.close()
        self._thread.join(_END_SECONDS)
        if self._thread.is_alive():  # it holds what would be let go of here, and serves nobody when it goes on
            libobs.log(libobs.LOG_ERROR, "the session's thread doesn't end")
            return
        for portrait in SOURCE_TYPE.portraits():
            self._give_up_still(portrait)
        SOURCE_TYPE.release()
        for signal in _SOURCE_SIGNALS:
            self._sources_changed.disconnect(libobs.obs_get_signal_handler(), signal)
        self._sources_changed.close()
        for hotkey in (self._rematte_scene, self._still_in_scene):
            hotkey.close()
        libobs.log(libobs.LOG_INFO, f"{self._poll_times}; none of them on a thread of OBS")
        memory.give_back()

    # On the session's own thread

    def _run(self) -> None:
        libobs.guarded(SOURCE_TYPE.discover)
        next_poll = time.monotonic()
        trimmed_until = 0.0  # when memory may be given back again
        while not self._closing:
            try:
                message = self._inbox.get(timeout=max(0.0, next_poll - time.monotonic()))
            except queue.Empty:
                message = ("poll",)
            try:
                if message[0] != "poll":
                    getattr(self, f"_on_{message[0]}")(*message[1:])
                if time.monotonic() >= next_poll and not self._closing:
                    begun, worked = time.monotonic(), time.thread_time()
                    next_poll = begun + _TROUBLE_SECONDS
                    self._poll()
                    processor = time.thread_time() - worked
                    self._poll_times.add(time.monotonic() - begun, processor)
                    # Of its own work: not of what it waited for others, who may hold the GIL for long.
                    rest = processor / _POLL_SHARE
                    taking_still = any(portrait.still is not None for portrait in SOURCE_TYPE.portraits())
                    next_poll = begun + (_POLL_SECONDS if taking_still else max(_POLL_SECONDS, rest))
                    if begun >= max(self._trim_at, trimmed_until):
                        self._trim_at = math.inf
                        begun = time.monotonic()
                        memory.give_back()
                        trimmed_until = begun + (time.monotonic() - begun) / _TRIM_SHARE
            except Exception:
                libobs.log(libobs.LOG_ERROR, traceback.format_exc())

    def _poll(self) -> None:
        if self._sources_changed.happened():
            SOURCE_TYPE.discover()
            for portrait in SOURCE_TYPE.portraits():
                self._follow_camera(portrait)
        if self._rematte_scene.pressed():
            self._on_rematte_all(in_scene=True)
        if self._still_in_scene.pressed():
            self._on_take_still_in_scene()
        for portrait in SOURCE_TYPE.portraits():
            if self._closing:
                return
            with SOURCE_TYPE.source(portrait) as source:
                if source:
                    self._look_at(portrait, source)
            if not source:
                self._drop(portrait)

    def _look_at(self, portrait: Portrait, source: int) -> None:
        if portrait.links is None:
            SOURCE_TYPE.link(portrait, source, self.texts)
            self._read(portrait, source)
        links = portrait.links
        assert links is not None
        if links.updated.happened():
            self._read(portrait, source)
        if links.relinked.happened():
            self._relink(portrait, source)
        if links.rematte.pressed():
            self._want(portrait, source, again=True)
        if links.take_still.pressed():
            self._on_take_still(portrait)
        if portrait.still is not None:
            self._advance_still(portrait)
        quiet = time.monotonic() - portrait.changed_at > _QUIET_SECONDS
        if portrait.refresh_wanted and quiet and libobs.may_redraw_properties():
            portrait.refresh_wanted = False
            SOURCE_TYPE.redraw_properties(portrait)

    def _drop(self, portrait: Portrait) -> None:
        self._give_up_job(portrait)
        self._give_up_still(portrait)
        SOURCE_TYPE.drop(portrait)
        self._trim_later()

    def _trim_later(self) -> None:
        self._trim_at = min(self._trim_at, time.monotonic() + _TRIM_SECONDS)

    def _read(self, portrait: Portrait, source: int) -> None:
        """Look at a portrait's settings, and act on what changed."""
        data = libobs.obs_source_get_settings(source)
        self.complete(source, data)
        values = controls.read(data)
        if portrait.helper_image is None:
            portrait.helper_image = layers.helper_image(data)
        libobs.obs_data_release(data)
        before = portrait.values
        if values == before:
            return
        portrait.values, portrait.changed_at = values, time.monotonic()
        if before is None or before.camera != values.camera:
            camera_weak, portrait.camera_weak = portrait.camera_weak, 0
            libobs.obs_weak_source_release(camera_weak)
            self._follow_camera(portrait)
        self._watch.paths = frozenset(
            found.values.image for found in SOURCE_TYPE.portraits() if found.values is not None and found.values.image
        )
        self._want(portrait, source)

    def _on_close(self) -> None: ...

    def _on_photo_on_disk(self, path: str, state: FileState) -> None:
        self._on_disk[path] = state
        for portrait in SOURCE_TYPE.portraits():
            if state is None:
                self._note_absence(portrait, path)
            else:
                self._renew_if_changed(portrait, path)

    def _note_absence(self, portrait: Portrait, path: str) -> None:
        """The photo of a finished layer is gone. It may come back the same."""
        shown = portrait.values is not None and portrait.values.image == path and portrait.job is None
        if shown and portrait.made_from is not None:
            self._say_gone(portrait, path)
            portrait.refresh_wanted = True

    def _say_gone(self, portrait: Portrait, path: str) -> None:
        self._set_state(portrait, "state.photo_gone", name=Path(path).name)
        portrait.made_from = None

    def _renew_if_changed(self, portrait: Portrait, path: str) -> None:
        """Matte a photo again that isn't any more what the portrait's layer was made from."""
        if portrait.values is None or portrait.values.image != path or portrait.job is not None:
            return
        if self._on_disk.get(path) not in (None, portrait.made_from):
            known = portrait.made_from is not None  # else its layer may be in the store
            portrait.made_from = self._on_disk[path]  # if that one turns out broken: not again before it changes
            with SOURCE_TYPE.source(portrait) as source:
                if source:
                    self._want(portrait, source, again=known)

    def _expect_photo(self, portrait: Portrait, path: str) -> None:
        """A photo isn't there: cut it out when it is, though it may be the same as before."""
        portrait.made_from = None
        self._on_disk.pop(path, None)
        self._watch.forget(path)

    def _on_rematte(self, portrait: Portrait) -> None:
        with SOURCE_TYPE.source(portrait) as source:
            if source:
                self._want(portrait, source, again=True)

    def _on_rematte_all(self, in_scene: bool) -> None:
        names = layers.names_in_current_scene([name for name, _ in self.portraits()]) if in_scene else None
        for portrait in SOURCE_TYPE.portraits():
            with SOURCE_TYPE.source(portrait) as source:
                if source and (names is None or libobs.source_name(source) in names):
                    self._want(portrait, source, again=True)

    def _on_models_changed(self) -> None:
        for portrait in SOURCE_TYPE.portraits():
            portrait.refresh_wanted = True  # the drop-down of models
            with SOURCE_TYPE.source(portrait) as source:
                if source:
                    self._want(portrait, source)

    # From a portrait's settings to its layer

    def _want(self, portrait: Portrait, source: int, again: bool = False) -> None:
        """Bring the portrait to what its settings ask for: from the store at once, or through the worker.

        again: not from the store.
        """
        values = portrait.values
        if values is None:
            return
        image = self._still_under_way(portrait) or values.image
        self._keep_helper(portrait, source, values.image)
        if not image:
            self._give_up_job(portrait)
            layers.hide(source)
            portrait.shown, portrait.preview = None, ""
            self._set_state(portrait, "state.no_still" if values.input == controls.FROM_SOURCE else "state.no_image")
            portrait.refresh_wanted = True
            return
        try:
            request = Request(image, values.settings().resolved())
        except CvmatteError as error:
            self._set_error(portrait, error)
            return
        job = portrait.job
        if job is not None and job.request.key == request.key and not again:
            portrait.waiting = None
            return
        if not again and self._show_kept(portrait, source, request):
            self._give_up_job(portrait)
            return
        if job is None:
            self._submit(portrait, request)
            return
        portrait.waiting = request
        # One that is on screen only has its file to come; one of another photo is of no use. But a slider on the
        # move waits for the frame under way: else nothing would be seen before it rests.
        if not job.request.burst and (job.frame_shown or job.request.image != image):
            self.client.cancel(job.number)

    def _give_up_job(self, portrait: Portrait) -> None:
        portrait.waiting = None
        if portrait.job is not None:
            self.client.cancel(portrait.job.number)
            portrait.job = None  # whatever it still answers is no longer listened to

    def _show_kept(self, portrait: Portrait, source: int, request: Request) -> bool:
        """Show the layer that the store keeps for a request. Says whether nothing more is to be done."""
        record = self.store.find(request.key)
        if record is None:
            return False
        # Not looked at here, since a drive may hang: `_watch` tells what has changed, if only after the layer is shown.
        if self._on_disk.get(request.image) not in (None, record.made_from):
            # The photo has changed meanwhile. Its former layer beats an empty source until the new one is there.
            if portrait.shown is None:
                self._show(portrait, source, request.key)
            return False
        if not self._show(portrait, source, request.key):
            return False
        self._set_done(portrait, record)
        return True

    def _show(self, portrait: Portrait, source: int, key: str) -> bool:
        try:
            frame = Frame(self.store.frame_path(key))
        except FrameUnusable:
            return False
        try:
            layers.show(source, frame)
        finally:
            frame.close()
        self._trim_later()
        portrait.shown = key
        self.store.mark_used(key)
        return True

    def _submit(self, portrait: Portrait, request: Request) -> None:
        job = Job(request, self._on_disk.get(request.image))
        portrait.job, portrait.waiting = job, None
        self._set_state(portrait, "state.waiting" if self.client.state == READY else "state.starting")
        params: dict[str, Any] = {
            "image": request.image,
            "settings": request.settings.as_dict(),
            "rest_seconds": _REST_SECONDS,
        }
        if request.burst:
            params["burst"] = [str(path) for path in request.burst]

        def listener(event: str, detail: Any) -> None:
            self._inbox.put(("job", portrait, job, event, detail))

        job.number = self.client.submit("matte", params, listener)

    def _on_job(self, portrait: Portrait, job: Job, event: str, detail: Any) -> None:
        if portrait.job is not job:
            return
        if event in ("waiting", "progress"):
            if detail["stage"] in ("load", "network") and detail["done"] == 0:
                # Once, since the two come together unless loading takes long: every redraw takes the focus from what
                # a person touches.
                portrait.refresh_wanted = True
            self._set_state(portrait, f"state.{detail['stage']}", done=detail["done"], total=detail["total"])
        elif event == "layer":
            self._on_layer(portrait, job, detail)
        elif event == "retrying":
            job.frame_shown = False
            self._set_error(portrait, detail)
        else:
            portrait.job = None
            self._keep_still(portrait, job)
            if event == "done":
                fallback = detail.pop("fallback")
                self._set_done(portrait, Record(**{**detail, "size": tuple(detail["size"])}), fallback=fallback)
            elif not isinstance(detail, Cancelled):
                self._set_error(portrait, detail)
                self._after_failure(portrait, job, detail)
            if event == "failed" and job.request.burst and not files.exists(Path(job.request.image)):
                self._forget_still(portrait, job)
            elif portrait.waiting is not None:
                self._submit(portrait, portrait.waiting)
            elif event == "done" or isinstance(detail, ImageError):
                self._renew_if_changed(portrait, job.request.image)

    def _after_failure(self, portrait: Portrait, job: Job, error: CvmatteError) -> None:
        """A photo that was missing is waited for; of one that was broken, another may stand in its place by now."""
        if error.key == "image_missing":
            self._expect_photo(portrait, job.request.image)
        elif isinstance(error, ImageError):
            portrait.made_from = job.on_disk

    def _on_layer(self, portrait: Portrait, job: Job, detail: dict[str, Any]) -> None:
        with SOURCE_TYPE.source(portrait) as source:
            if source:
                job.frame_shown = self._show(portrait, source, detail["key"])
                self._set_state(portrait, "state.finishing")
        self._keep_still(portrait, job)
        if portrait.waiting is not None:
            self.client.cancel(job.number)

    # Stills

    def _on_take_still(self, portrait: Portrait) -> None:
        """Begin to take a still; pressed again, the countdown begins anew."""
        self._give_up_still(portrait)
        with SOURCE_TYPE.source(portrait) as source:
            if source:
                self._read(portrait, source)  # what was chosen just before the button
        values = portrait.values
        if values is None or values.input != controls.FROM_SOURCE:
            return
        try:
            portrait.still = stills.Still(values.camera, values.delay)
        except CvmatteError as error:
            self._set_error(portrait, error)

    def _on_take_still_in_scene(self) -> None:
        camera, delay = self.choices.camera, self.choices.delay
        if not camera:
            return
        names = layers.names_in_current_scene([name for name, _ in self.portraits()])
        for portrait in SOURCE_TYPE.portraits():
            with SOURCE_TYPE.source(portrait) as source:
                values = portrait.values
                if not source or values is None or libobs.source_name(source) not in names:
                    continue
                if values.input == controls.FROM_SOURCE and values.camera == camera:
                    layers.change(source, {controls.DELAY: delay})
                    self._inbox.put(("take_still", portrait))
                    return
        settings: dict[bytes, str | int] = {
            controls.INPUT: controls.FROM_SOURCE,
            controls.CAMERA: camera,
            controls.DELAY: delay,
        }
        helper = layers.add_portrait(camera, settings, self.choices.placement)
        SOURCE_TYPE.discover()
        for portrait in SOURCE_TYPE.portraits():
            if helper and portrait.helper == helper:
                with SOURCE_TYPE.source(portrait) as source:
                    if source:
                        self._look_at(portrait, source)
                self._on_take_still(portrait)

    def _advance_still(self, portrait: Portrait) -> None:
        still, values = portrait.still, portrait.values
        assert values is not None
        seconds = still.seconds_left()
        if seconds > 0:
            if seconds != still.told:
                still.told = seconds
                self._set_state(portrait, "state.countdown", seconds=seconds)
                portrait.refresh_wanted, portrait.changed_at = True, 0.0
            return
        self._set_state(portrait, "state.capture")
        try:
            if not still.capture(self.store):
                return
            settings = values.settings().resolved()
            request = Request(str(still.new_file()), settings, tuple(still.frames))
        except Exception as error:
            self._give_up_still(portrait)
            if not isinstance(error, CvmatteError):
                raise
            self._set_error(portrait, error)
            return
        still.frames = []  # they are the worker's now
        self._give_up_still(portrait)
        self._give_up_job(portrait)
        self._submit(portrait, request)

    def _give_up_still(self, portrait: Portrait) -> None:
        still, portrait.still = portrait.still, None
        if still is not None:
            still.close()

    @staticmethod
    def _still_under_way(portrait: Portrait) -> str:
        """The file of a still that is being cut out and isn't in the portrait's settings yet."""
        from_source = portrait.values is not None and portrait.values.input == controls.FROM_SOURCE
        job = portrait.job
        return job.request.image if from_source and job is not None and job.request.burst else ""

    def _keep_still(self, portrait: Portrait, job: Job) -> None:
        """Put a still that was taken into the portrait's settings, so that it is saved with the scene."""
        image = job.request.image
        if not job.request.burst or portrait.values is None or portrait.values.still == image:
            return
        if files.exists(Path(image)):
            with SOURCE_TYPE.source(portrait) as source:
                if source:
                    layers.change(source, {controls.STILL: image})

    def _forget_still(self, portrait: Portrait, job: Job) -> None:
        """Nothing came of a still: what was to be made from it is made from the one before."""
        for path in job.request.burst:
            with contextlib.suppress(OSError):
                path.unlink()
        if portrait.waiting is None:
            return
        portrait.waiting = None
        portrait.tell(portrait.state.text)  # why; the state goes on
        with SOURCE_TYPE.source(portrait) as source:
            if source:
                self._want(portrait, source)

    def _follow_camera(self, portrait: Portrait) -> None:
        """Keep a portrait to the source it takes stills from, also when that is renamed."""
        values = portrait.values
        if values is None or values.input != controls.FROM_SOURCE:
            return
        portrait.refresh_wanted = True  # the drop-down of sources
        camera = libobs.obs_weak_source_get_source(portrait.camera_weak) if portrait.camera_weak else None
        if camera:
            name = libobs.source_name(camera)
            if name != values.camera:
                with SOURCE_TYPE.source(portrait) as source:
                    if source:
                        layers.change(source, {controls.CAMERA: name})
        elif values.camera:
            libobs.obs_weak_source_release(portrait.camera_weak or None)
            camera = libobs.source_named(values.camera)
            portrait.camera_weak = libobs.obs_source_get_weak_source(camera) or 0
        libobs.obs_source_release(camera)

    # The photo's file

    def _keep_helper(self, portrait: Portrait, source: int, image: str) -> None:
        """Let OBS know which file the portrait needs; see source_type.py."""
        if portrait.helper_image != image:
            portrait.helper_image = image
            layers.set_helper_image(source, portrait.helper, libobs.source_name(source), image)

    def _relink(self, portrait: Portrait, source: int) -> None:
        """Take over the file that the person chose in OBS's dialog of missing files."""
        data = libobs.obs_source_get_settings(portrait.helper)
        image = controls.get_string(data, layers.HELPER_FILE)
        libobs.obs_data_release(data)
        if portrait.values is not None and image and image != portrait.helper_image:
            portrait.helper_image = image
            layers.change(source, {portrait.values.image_key: image})

    # What a portrait says

    def _set_state(self, portrait: Portrait, key: str, **values: Any) -> None:
        portrait.state = State(self.texts(key, **values))
        if time.monotonic() - portrait.noted_at > _NOTE_SECONDS:
            portrait.note = ""

    def _set_done(self, portrait: Portrait, record: Record, fallback: Any = None) -> None:
        """fallback: see matting.Matte."""
        width, height = record.size
        portrait.made_from = record.made_from
        self._set_state(portrait, "state.ready", width=width, height=height, seconds=f"{record.seconds:.1f}")
        if self._on_disk.get(record.image, record.made_from) is None:
            self._say_gone(portrait, record.image)
        if fallback:
            portrait.state = State(f"{portrait.state.text} {self.texts('device.fallback', **fallback)}")
        portrait.preview = str(self.store.preview_path(record.key))
        portrait.refresh_wanted = True

    def _set_error(self, portrait: Portrait, error: CvmatteError) -> None:
        sentence = error.sentence(self.texts)
        libobs.log(libobs.LOG_WARNING, str(error))
        if portrait.shown is not None:
            sentence = self.texts("state.kept", sentence=sentence)
        portrait.state = State(sentence, is_error=True)
        portrait.refresh_wanted = True

    def _log_worker_state(self, state: str) -> None:
        libobs.log(libobs.LOG_INFO, f"worker: {state}, process {self.client.process_id}")
