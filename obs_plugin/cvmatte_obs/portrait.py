"""A portrait in OBS: one source of our type. It tells its life (life.py) what happens, and does in OBS what follows.

Only the session's thread changes a portrait; other threads read single attributes.
"""

from __future__ import annotations

import contextlib
import functools
import secrets
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Collection, Iterator

from cvmatte_core.disk import files
from cvmatte_core.layers.store import Frame, FrameUnusable, LayerStore, Record
from cvmatte_core.layers.touch_ups import TouchUps
from cvmatte_core.system import devices
from cvmatte_core.system.browser import Way
from cvmatte_core.words.errors import CvmatteError, ImageError
from cvmatte_core.words.notes import from_wire
from cvmatte_core.words.texts import Texts
from cvmatte_core.worker.client import READY, WorkerClient

from . import controls, dialogs, layers, libobs, sentences, stills
from .events import Event, Hotkey
from .file_watch import GONE, FileWatch, State
from .last_layer import LastLayer
from .life import (
    Action,
    Cancel,
    Course,
    Discard,
    Hide,
    Job,
    KeepStill,
    Life,
    Look,
    LookAgain,
    LookBack,
    Reconsider,
    Refresh,
    Request,
    Says,
    Show,
    Submit,
)
from .live_view import LiveView
from .touching_up import TouchingUp

_REST_SECONDS = 0.3  # a layer gets its PNG when the controls have rested for so long
_PAINTING_SECONDS = 4.0  # and when the brush has
_QUIET_SECONDS = 0.7  # properties are redrawn only when nobody moved a control for so long
_MOVING_SECONDS = 1.0  # after a change, another is likely
_NOTE_SECONDS = 5.0  # that a button's note stays at least, whatever becomes of the layer meanwhile
_BINDINGS = b"cvmatte_hotkeys"  # in the helper's private settings


@dataclass(frozen=True)
class StateLine:
    """What a portrait says, in the person's language."""

    text: str = ""
    is_error: bool = False


@dataclass(frozen=True)
class Services:
    """What all portraits of a session share.

    post: have something called on the session's thread: post(call, arguments …). complete: give a new portrait's
    source, with these settings, the defaults that hold now. collection: the name of the scene collection. ids: those
    of the portraits that there are; see last_layer.py. on_layer, on_files: called whenever a portrait's layer is
    another, or files that it is made from are.
    """

    texts: Texts
    store: LayerStore
    touch_ups: TouchUps
    touching_up: TouchingUp
    client: WorkerClient
    watch: FileWatch
    post: Callable[..., None]
    complete: Callable[[int, int], None]
    collection: Callable[[], str]
    ids: Callable[[], Collection[str]]
    on_layer: Callable[[], None]
    on_files: Callable[[], None]


class Links:
    """What a portrait hears of OBS: the events and hotkeys of its source.

    The hotkeys' keys from before the script was reloaded are taken over; see `keep_bindings`.
    """

    def __init__(self, source: int, helper: int, texts: Texts) -> None:
        self._helper_weak = libobs.obs_source_get_weak_source(helper)
        self.updated, self.relinked = Event(), Event()
        self.updated.connect(libobs.obs_source_get_signal_handler(source), b"update")
        self.relinked.connect(libobs.obs_source_get_signal_handler(helper), b"update")
        self.rematte = Hotkey("cvmatte.portrait.rematte", texts("hotkey.rematte"), source)
        self.take_still = Hotkey("cvmatte.portrait.take_still", texts("hotkey.take_still"), source)
        self.freeze = Hotkey("cvmatte.portrait.freeze", texts("hotkey.freeze"), source)
        kept = libobs.obs_source_get_private_settings(helper)
        bindings = libobs.obs_data_get_obj(kept, _BINDINGS)
        if bindings:
            self.rematte.load(bindings)
            self.take_still.load(bindings)
            self.freeze.load(bindings)
            libobs.obs_data_release(bindings)
            libobs.obs_data_erase(kept, _BINDINGS)
        libobs.obs_data_release(kept)

    def keep_bindings(self) -> None:
        """Keep the hotkeys' keys until the script is back: with the helper, so that they end when it does."""
        helper = libobs.obs_weak_source_get_source(self._helper_weak)
        if not helper:
            return
        bindings = libobs.obs_data_create()
        self.rematte.save(bindings)
        self.take_still.save(bindings)
        self.freeze.save(bindings)
        kept = libobs.obs_source_get_private_settings(helper)
        libobs.obs_data_set_obj(kept, _BINDINGS, bindings)
        for data in (kept, bindings):
            libobs.obs_data_release(data)
        libobs.obs_source_release(helper)

    def close(self, source: int | None) -> None:
        """Let go. source: None where it is gone, and its signals with it."""
        helper = libobs.obs_weak_source_get_source(self._helper_weak)
        for alive, event in ((source, self.updated), (helper, self.relinked)):
            if alive:
                event.disconnect(libobs.obs_source_get_signal_handler(alive), b"update")
        libobs.obs_source_release(helper)
        libobs.obs_weak_source_release(self._helper_weak)
        self.rematte.close()
        self.take_still.close()
        self.freeze.close()
        self.updated.close()
        self.relinked.close()


class Portrait:
    """One source of our type, from its discovery until it is gone or the session ends."""

    def __init__(self, source: int, helper: int, services: Services) -> None:
        """helper: the source's data, a private image source that lives as long as it; see source_type.py."""
        self.helper = helper
        self.life = Life()
        self.values: controls.Values | None = None  # as last read from the source's settings
        self.still: stills.Still | None = None  # one that is being taken
        self.live: LiveView | None = None  # as long as its input is a live one
        self._live_news: tuple[object, ...] = ()  # that open properties say
        self.state = StateLine()
        self.note = ""  # what a button in the properties had to say
        self.preview = ""  # the picture of the three views; empty where there is none
        self.page: Way | None = None  # to where the photo is touched up, once somebody has asked for it
        self.refresh_wanted = False
        self._services = services
        self._weak = libobs.obs_source_get_weak_source(source)
        self._lock = threading.Lock()  # so that no thread drops the weak reference while another takes it up
        self._links: Links | None = None
        self.last = LastLayer(services.store, services.collection, self._save_id)
        self._helper_image: str | None = None  # the file that the helper stands for
        self._camera_weak = 0  # the source that stills are taken from
        self._noted_at = self._changed_at = 0.0
        self._painted_at = -_PAINTING_SECONDS
        self._painted_for = ""  # the touch-up that a layer was last made anew for
        self._logged: CvmatteError | None = None

    @contextlib.contextmanager
    def source(self) -> Iterator[int | None]:
        """The portrait's source, kept alive for the block; None where it is gone."""
        with self._lock:
            source = libobs.obs_weak_source_get_source(self._weak)
        try:
            yield source
        finally:
            libobs.obs_source_release(source)

    def tell(self, note: str) -> None:
        """Have the properties say something beside the state."""
        self.note, self._noted_at = note, time.monotonic()

    def tell_error(self, error: CvmatteError) -> None:
        """Have them say what a button couldn't do."""
        self.tell(sentences.of_error(error, self._input, self._services.texts))
        self.refresh_wanted = True

    def in_use(self) -> set[str]:
        """What tidying leaves alone: the keys of the layers that are shown and under way, and the files needed."""
        job, values = self.life.job, self.values  # read once: the session's thread may change them meanwhile
        used = {self.life.shown}
        if job is not None:
            used |= {job.request.key, job.request.image}
        if values is not None:
            used |= values.files
        return {one for one in used if one is not None}

    def keep_bindings(self) -> None:
        if self._links is not None:
            self._links.keep_bindings()

    def close(self) -> None:
        """Let go of everything of OBS's."""
        self.give_up_still()
        if self.live is not None:
            self.live.close()
        with self.source() as source:
            with self._lock:
                weak, self._weak = self._weak, 0
            camera_weak, self._camera_weak = self._camera_weak, 0
            links, self._links = self._links, None
            if links is not None:
                links.close(source)
        libobs.obs_weak_source_release(camera_weak)
        libobs.obs_weak_source_release(weak)

    # What happens in OBS, as far as the session's thread sees it

    def look(self, source: int) -> None:
        """See what has happened since the last look."""
        if self._links is None:
            self._links = Links(source, self.helper, self._services.texts)
            self._read(source)
        links = self._links
        if links.updated.happened():
            self._read(source)
        if links.relinked.happened():
            self._relink(source)
        if links.rematte.pressed():
            self.rematte()
        if links.take_still.pressed():
            self.take_still()
        if links.freeze.pressed():
            self.freeze()
        if self.live is not None:
            self.live.runs_on(self._device)
            self.live.is_showing(bool(libobs.obs_source_showing(source)))
        if self.still is not None:
            self._advance_still(self.still)
        self._keep_last()
        quiet = time.monotonic() - self._changed_at > _QUIET_SECONDS
        if self.refresh_wanted and quiet and libobs.may_redraw_properties():
            self.refresh_wanted = False
            dialogs.redraw(self)

    def _read(self, source: int) -> None:
        """Look at the source's settings, and act on what changed."""
        data = libobs.obs_source_get_settings(source)
        self._services.complete(source, data)
        values = controls.read(data)
        if self._helper_image is None:
            self._helper_image = layers.helper_image(data)
        libobs.obs_data_release(data)
        before, self.values = self.values, values
        if values == before:
            return
        self._changed_at = time.monotonic()
        if before is None:
            self.last.begin(values.portrait_id, self._services.ids())
        if before is not None and before.image != values.image:
            self.page = None
        if before is None or before.camera != values.camera:
            camera_weak, self._camera_weak = self._camera_weak, 0
            libobs.obs_weak_source_release(camera_weak)
            self.follow_camera()
        self._keep_helper()
        self._services.on_files()
        self._want()

    def _want(self, again: bool = False) -> None:
        """Tell what the settings ask for. again: not as it is kept."""
        values = self.values
        if values is None:
            return
        from_source = values.input == controls.FROM_SOURCE
        if values.is_live:
            self._want_live(values)
            return
        self._end_live()
        image = (self.life.still_under_way if from_source else "") or values.image
        if not image:
            self._live(self.life.wants_nothing("state.no_still" if from_source else "state.no_image"))
            return
        try:
            request = Request(image, values.settings().resolved())
        except CvmatteError as error:
            self._live(self.life.wants_the_impossible(error))
            return
        self._live(self.life.wants(request, again, self._services.watch.state(image)))

    def _keep_last(self) -> None:
        """A slider on the move goes through layers that nobody need remember."""
        stand_in, values = self.life.stand_in or "", self.values
        is_recent = time.monotonic() - self._changed_at < _MOVING_SECONDS
        moves = stand_in and is_recent and self.life.says.error is None
        if values is not None and not moves:
            self.last.keep(stand_in, values.portrait_id)

    def _save_id(self, portrait_id: str) -> None:
        self._change({controls.PORTRAIT_ID: portrait_id})

    # A live picture

    def _want_live(self, values: controls.Values) -> None:
        if not values.live_source:
            self._end_live()
            missing = "state.no_camera" if values.input == controls.FROM_CAMERA else "state.no_video"
            self._live(self.life.wants_nothing(missing))
            return
        try:
            settings = values.settings().resolved()
        except CvmatteError as error:
            self._live(self.life.wants_the_impossible(error))
            return
        if self.live is None:
            self._live(self.life.wants_nothing(""))
            with self.source() as source:
                if source:
                    libobs.obs_source_set_async_unbuffered(source, True)
            calls = (self._say_live, self._took_live_still, self.tell_error)
            self.live = LiveView(self.source, *(functools.partial(self._services.post, call) for call in calls))
        self.live.want(values.live_source, settings, values.rate, values.limit, self._device)
        self._say()

    @property
    def _device(self) -> str:
        """What the person wants networks to run on."""
        return self._services.client.environment.get(devices.DEVICE_VARIABLE, "")

    def _end_live(self) -> None:
        live, self.live = self.live, None
        if live is not None:
            live.close()
            with self.source() as source:
                if source:
                    libobs.obs_source_set_async_unbuffered(source, False)
                    layers.hide(source)

    def _say_live(self) -> None:
        self._say()
        news = (self.note, *self.live.news) if self.live is not None else ()
        if news != self._live_news:
            self._live_news = news
            self.refresh_wanted = True

    def _took_live_still(self, path: str) -> None:
        """From now on it shows the still, cut out in full quality."""
        if self.live is not None:
            self._change({controls.INPUT: controls.FROM_SOURCE, controls.STILL: path})

    def freeze(self) -> None:
        """Hold the picture as it is, or let it go on."""
        if self.live is not None:
            self.live.frozen = not self.live.frozen
            self._say()

    def rematte(self) -> None:
        self._want(again=True)

    def models_changed(self) -> None:
        self.refresh_wanted = True  # the drop-down of models
        self._want()

    def file_is(self, path: str, state: State) -> None:
        """What is on disk at a path is new."""
        if self.values is not None and path in self.values.needed.values():
            self._keep_helper()
        said = self.state
        self._live(self.life.photo_is(path, state))
        self.refresh_wanted = self.refresh_wanted or self.state != said  # of a background

    # Its touch-up

    def painted(self, digest: str) -> None:
        """Somebody has changed the touch-up of the photo with this content."""
        record = self.life.record
        if record is not None and record.digest == digest:
            self._painted_at = time.monotonic()
            self._live(self.life.is_painted())

    def touch_up(self) -> None:
        """Open the page on which the photo is touched up."""
        values = self.values
        if values is None or not values.image:
            return
        image = values.image

        def heard(way: Way | None, error: CvmatteError | None) -> None:
            self._services.post(self._opened, image, way, error)

        try:
            self._services.touching_up.open(image, values.settings().resolved(), heard)
        except CvmatteError as error:
            self._opened(image, None, error)

    def _opened(self, image: str, way: Way | None, error: CvmatteError | None) -> None:
        if error is not None:
            libobs.log(libobs.LOG_WARNING, str(error))
            self.tell_error(error)
        elif way is not None and way.is_open and self.values is not None and self.values.image == image:
            self.page = way
        elif self.page is way:
            self.page = None
        self.refresh_wanted = True

    def _touch_up_of(self, record: Record) -> str:
        return self._services.touch_ups.stamp(record.digest) if record.digest else ""

    def ends(self) -> None:
        """The source is gone."""
        try:
            self._live(self.life.ends())
        finally:
            self.close()

    # Stills

    def take_still(self) -> None:
        """Begin to take a still; pressed again, the countdown begins anew."""
        self.give_up_still()
        with self.source() as source:
            if source:
                self._read(source)  # what was chosen just before the button
        values = self.values
        if values is not None and values.is_live:
            self._take_live_still()
        if values is None or values.input != controls.FROM_SOURCE:
            return
        try:
            self.still = stills.Still(values.camera, values.delay)
        except CvmatteError as error:
            self._live(self.life.still_failed(error))

    def _take_live_still(self) -> None:
        try:
            if self.live is None:
                raise ImageError("live_still_none")
            self.live.take_still(str(stills.new_file("live", secrets.token_hex(4))))
        except CvmatteError as error:
            self.tell_error(error)

    def _advance_still(self, still: stills.Still) -> None:
        seconds = still.seconds_left()
        if seconds > 0:
            if seconds != still.told:
                still.told, self._changed_at = seconds, 0.0
                self._live(self.life.counts_down(seconds))
            return
        self.life.takes_still()
        self._say()
        try:
            if not still.capture(self._services.store):
                return
            assert self.values is not None
            request = Request(str(still.new_file()), self.values.settings().resolved(), tuple(still.frames))
        except Exception as error:
            self.give_up_still()
            if not isinstance(error, CvmatteError):
                raise
            self._live(self.life.still_failed(error))
            return
        still.frames = []  # they are the worker's now
        self.give_up_still()
        self._live(self.life.still_taken(request))

    def give_up_still(self) -> None:
        still, self.still = self.still, None
        if still is not None:
            still.close()
            self.life.gives_up_still()

    def follow_camera(self) -> None:
        """Keep to the source that stills are taken from, also when that is renamed."""
        values = self.values
        if values is None or values.input != controls.FROM_SOURCE:
            return
        self.refresh_wanted = True  # the drop-down of sources
        camera = libobs.obs_weak_source_get_source(self._camera_weak) if self._camera_weak else None
        if camera:
            name = libobs.source_name(camera)
            if name != values.camera:
                self._change({controls.CAMERA: name})
        elif values.camera:
            libobs.obs_weak_source_release(self._camera_weak or None)
            camera = libobs.source_named(values.camera)
            self._camera_weak = libobs.obs_source_get_weak_source(camera) or 0
        libobs.obs_source_release(camera)

    # The files that it needs

    def _keep_helper(self) -> None:
        """Let OBS know a file that the portrait needs, of several the first that is missing; see source_type.py."""
        if self.values is None:
            return
        paths, state = list(self.values.needed.values()), self._services.watch.state
        if self._helper_image in paths and state(self._helper_image) is None:
            return  # OBS may just be asking for it
        image = next((path for path in paths if state(path) == GONE), paths[0] if paths else "")
        if self._helper_image != image:
            self._helper_image = image
            with self.source() as source:
                if source:
                    layers.set_helper_image(source, self.helper, libobs.source_name(source), image)

    def _relink(self, source: int) -> None:
        """Take over the file that the person chose in OBS's dialog of missing files."""
        data = libobs.obs_source_get_settings(self.helper)
        image = controls.get_string(data, layers.HELPER_FILE)
        libobs.obs_data_release(data)
        if self.values is not None and image and image != self._helper_image:
            found_again = {key: image for key, path in self.values.needed.items() if path == self._helper_image}
            self._helper_image = image
            layers.change(source, found_again)

    def _change(self, settings: dict[bytes, str | int]) -> None:
        with self.source() as source:
            if source:
                layers.change(source, settings)

    # What the worker answers

    def hear(self, job: Job, event: str, detail: Any) -> None:
        """An event of a job; see worker.client.Listener."""
        life = self.life
        if event in ("waiting", "progress"):
            self._live(life.goes_on(job, detail["stage"], detail["done"], detail["total"]))
        elif event == "layer":
            self._live(life.made_layer(job, detail["key"], tuple(detail["made_from"])))
        elif event == "retrying":
            self._live(life.is_tried_again(job, detail))
        elif event == "done":
            notes, outdated = from_wire(detail.pop("notes")), detail.pop("outdated")
            record = Record(**{**detail, "size": tuple(detail["size"])})
            self._live(life.is_done(job, record, notes, outdated))
            stamp = self._touch_up_of(record)
            if stamp not in (record.touch_up, self._painted_for):  # painted on while the layer was made
                self._painted_for = stamp
                self._live(life.is_painted())
        else:
            self._live(life.has_failed(job, detail))

    # What its life brings about

    def _live(self, course: Course) -> None:
        """Do what follows from something that happened, and say what is so now."""
        reconsiders, answer = False, None
        with contextlib.suppress(StopIteration):
            while True:
                action = course.send(answer)
                answer = libobs.guarded(self._do, action)
                reconsiders = reconsiders or isinstance(action, Reconsider)
        self._say()
        if reconsiders:
            self.tell(self.state.text)  # why; the state goes on
            self._want()

    def _do(self, action: Action) -> Any:
        """Do it in OBS; the answer, where it has one."""
        services = self._services
        if isinstance(action, Look):
            record = services.store.find(action.request.key)
            # With another touch-up than the photo has now it is another layer.
            return record if record is not None and self._touch_up_of(record) == record.touch_up else None
        if isinstance(action, Show):
            return self._show(action.key, action.made_from)
        if isinstance(action, LookBack):
            return self.last.record()
        if isinstance(action, Hide):
            with self.source() as source:
                if source:
                    layers.hide(source)
            self.last.keep("", "")
        elif isinstance(action, Submit):
            self._submit(action.job)
        elif isinstance(action, Cancel):
            services.client.cancel(action.job.number)
        elif isinstance(action, LookAgain):
            services.watch.look_again(action.image)
        elif isinstance(action, KeepStill):
            return self._keep_still(action.image)
        elif isinstance(action, Discard):
            for path in action.burst:
                with contextlib.suppress(OSError):
                    path.unlink()
        elif isinstance(action, Refresh):
            self.refresh_wanted = True
        return None

    def _show(self, key: str, made_from: State) -> bool:
        store = self._services.store
        try:
            frame = Frame(store.frame_path(key), made_from)
        except FrameUnusable as error:
            libobs.log(libobs.LOG_WARNING, f"a frame that can't be read: {error} ({error.__cause__})")
            return False
        try:
            with self.source() as source:
                if not source:
                    return False
                layers.show(source, frame)
        finally:
            frame.close()
        self._services.on_layer()
        store.mark_used(key)
        return True

    def _submit(self, job: Job) -> None:
        params: dict[str, Any] = {
            "image": job.request.image,
            "settings": job.request.settings.as_dict(),
            "rest_seconds": _PAINTING_SECONDS if self._is_painted_on else _REST_SECONDS,
        }
        if job.request.burst:
            params["burst"] = [str(path) for path in job.request.burst]

        def listener(event: str, detail: Any) -> None:
            self._services.post(self.hear, job, event, detail)

        job.number = self._services.client.submit("matte", params, listener)

    @property
    def _is_painted_on(self) -> bool:
        return time.monotonic() - self._painted_at < _PAINTING_SECONDS

    def _keep_still(self, image: str) -> bool:
        """Put a still that was taken into the settings, so that it is saved with the scene. Says whether it was."""
        taken = files.exists(Path(image))
        if taken and self.values is not None and self.values.still != image:
            self._change({controls.STILL: image})
        return taken

    # What it says

    def _say(self) -> None:
        says, life = self.life.says, self.life
        if self.live is not None:
            self.state = StateLine(*self.live.says(self._services.texts, self._input))
            self.preview = ""
            self._end_note()
            return
        if says.error is not None and says.error is not self._logged:
            libobs.log(libobs.LOG_WARNING, str(says.error))
        self._logged = says.error
        self.state = StateLine(self._sentence(says), is_error=says.error is not None)
        self.preview = str(self._services.store.preview_path(life.record.key)) if life.record is not None else ""
        if says.error is None:
            self._end_note()

    def _end_note(self) -> None:
        if time.monotonic() - self._noted_at > _NOTE_SECONDS:
            self.note = ""

    def _sentence(self, says: Says) -> str:
        if says.key == "state.waiting" and self._services.client.state != READY:
            says = Says("state.starting")
        sentence = sentences.of_life(says, self._input, self._services.texts)
        background = self.values.needed.get(controls.BACKGROUND, "") if self.values is not None else ""
        if says.key == "state.ready" and self._services.watch.state(background) == GONE:
            gone = ImageError("background_gone", name=Path(background).name)
            return f"{sentence} {gone.sentence(self._services.texts)}"
        return sentence

    @property
    def _input(self) -> str:
        return self.values.input if self.values is not None else controls.FROM_FILE
