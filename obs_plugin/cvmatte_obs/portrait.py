"""A portrait in OBS: one source of our type. It tells its two lifecycles what happens, and does what follows.

Only the session's thread changes a portrait; other threads read single attributes.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Callable

from cvmatte_core.layers.last_shown import LastLayer
from cvmatte_core.layers.rooms import SOURCE, named
from cvmatte_core.localization.errors import CvmatteError, ImageError
from cvmatte_core.system import devices
from cvmatte_core.worker.client import READY

from . import controls, dialogs, libobs, messages, stills
from .file_watch import GONE, State
from .layers import HelperFile, WeakSource
from .live_view import LiveView
from .messages import StateLine
from .painted_zones import PaintedZones
from .photo_actions import Says
from .photo_view import PhotoView
from .portrait_page import PortraitPage
from .portrait_room import PortraitRoom
from .services import Services
from .source_signals import FREEZE, REMATTE, TAKE_STILL, SourceSignals
from .sync_offset import steady

_QUIET_SECONDS = 0.7  # properties are redrawn only when nobody moved a control for so long
_MOVING_SECONDS = 1.0  # after a change, another is likely
_NOTE_SECONDS = 5.0  # that a button's note stays at least, whatever becomes of the layer meanwhile


@dataclass(frozen=True, eq=False)
class Refused:
    """An error of one press, or request."""

    error: CvmatteError


class Portrait:
    """One source of our type, from its discovery until it is gone or the session ends."""

    def __init__(self, source: int, helper: int, services: Services) -> None:
        """helper: the source's data, a private image source that lives as long as it; see source_type.py."""
        self.helper = helper
        self.values: controls.Values | None = None  # as last read from the source's settings
        self.state = StateLine()
        self.note = ""  # what a button in the properties had to say
        self.lag: int | None = None  # milliseconds that the live picture is behind, once that has settled
        self.refused: Refused | None = None  # what a button couldn't do last
        self.says = Says()  # what the state line says, as its key and values
        self.said_of_presets = self.said_of_files = ""  # what one of those about presets had, or about files
        self.preview = ""  # the picture of the three views; empty where there is none
        self.page = PortraitPage(lambda: self.values, services.post, self.tell_error, self._refresh)
        self.refresh_wanted = False
        self._services = services
        self._source = WeakSource(source)
        self.source = self._source.alive
        self.last = LastLayer(services.store.folder, services.collection, self._save_id)
        self._photo_view = PhotoView(self._source, services, self.last, self._happens, self._refresh)
        self.zones = PaintedZones(self._source, services)
        does = self._happens, self.read_now, self.tell_error, self._refresh, self._paint_zones, self._use_room
        self._live_view = LiveView(self._source, services, *does)
        self.life, self.live = self._photo_view.life, self._live_view.life
        self.stills = stills.Stills(services.store, services.rooms, self.life, self._happens)
        told = self._happens, self.tell, self.tell_error
        self.room = PortraitRoom(services, self.live, self.stills, *told)
        self._is_live = False
        self.painted = self._photo_view.painted
        self._helper_file = HelperFile(self._source, helper, services.watch)
        self._signals: SourceSignals | None = None
        self._noted_at = self._changed_at = 0.0
        self._logged = ""  # the error that was logged last

    def tell(self, note: str) -> None:
        """Have the properties say something beside the state."""
        self.note, self._noted_at = note, time.monotonic()

    def tell_error(self, error: CvmatteError) -> None:
        """Have them say what a button couldn't do."""
        self.tell(messages.of_error(error, self.input, self._services.texts))
        self.refused = Refused(error)
        self.page.is_opening = False
        self.room.hears(error)
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
        if self._signals is not None:
            self._signals.keep_bindings()

    def ends(self) -> None:
        """The source is gone."""
        try:
            self._happens(self.life.ends)
        finally:
            self.close()

    def close(self) -> None:
        """Let go of everything of OBS's."""
        self.values = None  # whatever may still be posted to it asks for nothing
        self.stills.let_go()
        self.stills.forget_camera()
        self._live_view.close()
        self.zones.close()
        with self.source() as source:
            signals, self._signals = self._signals, None
            if signals is not None:
                signals.close(source)
        self._source.close()

    # What happens in OBS, as far as the session's thread sees it

    def look(self, source: int) -> None:
        """See what has happened since the last look."""
        if self._signals is None:
            self._signals = SourceSignals(source, self.helper, self._services.texts)
            self._read(source)
        signals = self._signals
        if signals.updated.happened():
            self._read(source)
        if signals.relinked.happened() and self.values is not None:
            self._helper_file.relink(self.values)
        signals.follow(source, self.input)
        if signals.pressed(REMATTE):
            self.rematte()
        if signals.pressed(TAKE_STILL):
            self.take_still()
        if signals.pressed(FREEZE):
            self.freeze()
        self._live_view.look(source, self._device)
        if self._live_view.has_new_figures():
            dialogs.redraw(self, in_passing=True)
        if self.stills.is_taking and self.values is not None and self.stills.advance(self.values.settings):
            self._changed_at = 0.0  # each number of a countdown shows
        room = self.room.path
        if self.values is not None and self.room.look(self.values):
            self.refresh_wanted = True
            if self.room.path != room:
                self._want()
        self._keep_last()
        quiet = time.monotonic() - self._changed_at > _QUIET_SECONDS
        if self.refresh_wanted and quiet and dialogs.may_redraw_properties():
            self.refresh_wanted = False
            dialogs.redraw(self)

    def _read(self, source: int) -> None:
        """Look at the source's settings, and act on what changed."""
        data = libobs.obs_source_get_settings(source)
        before = self.values
        self._services.complete(source, data, before)
        values = controls.read(data)
        self._helper_file.begin(data)
        is_emptied = controls.is_new(data)  # just now, by Defaults: which is signalled
        libobs.obs_data_release(data)
        if is_emptied or values == before:
            return
        self.values, self.said_of_presets, self.said_of_files = values, "", ""
        self._changed_at = time.monotonic()
        if before is None:
            self.last.begin(values.portrait_id, self._services.ids())
        elif before.input != values.input:
            self.stills.give_up()
        if before is None or before.pictured != values.pictured:
            self.page.forget()
        self.zones.follow(values.zones)
        self.refresh_wanted = self.refresh_wanted or (before is not None and bool(before.zones) != bool(values.zones))
        if before is None or (before.camera, before.input) != (values.camera, values.input):
            self.stills.forget_camera()
            self.follow_camera()
        self._helper_file.follow(values)
        self._services.on_files()
        self.refresh_wanted = self.room.follow(values) or self.refresh_wanted
        self._want()

    def read_now(self) -> None:
        """What was chosen just before something else happened."""
        with self.source() as source:
            if source:
                self._read(source)

    def follow_camera(self) -> None:
        """Keep to the source that stills are taken from, also when that is renamed."""
        values = self.values
        if values is not None and values.input in controls.OF_SOURCES:
            self.refresh_wanted = True  # the drop-down of sources
            name = self.stills.follow(values.camera)
            if name != values.camera:
                self.room.renamed(values.camera, name)
                is_of_it = values.still_of == named(SOURCE, values.camera)
                of = {controls.STILL_OF: named(SOURCE, name)} if is_of_it else {}
                self._source.change({controls.CAMERA: name, **of})

    def _want(self, again: bool = False) -> None:
        """Tell what the settings ask for. again: not as it is kept."""
        values = self.values
        if values is None:
            return
        was_live, self._is_live = self._is_live, values.is_live
        if not values.is_live:
            self._happens(self.live.wants_nothing, "")
            self._happens(self._photo_view.wanted, values, self.room.path, again)
            return
        if not was_live:
            self._happens(self.life.wants_nothing, "")
        self._happens(self._live_view.wanted, values, self._device, self.room.path)

    @property
    def _device(self) -> str:
        """What the person wants networks to run on."""
        return self._services.client.environment.get(devices.DEVICE_VARIABLE, "")

    def _keep_last(self) -> None:
        """A slider on the move goes through layers that nobody need remember."""
        stand_in, values = self.life.stand_in or "", self.values
        is_recent = time.monotonic() - self._changed_at < _MOVING_SECONDS
        moves = stand_in and is_recent and self.life.says.error is None
        if values is not None and not moves:
            self.last.keep(stand_in, values.portrait_id)

    def _save_id(self, portrait_id: str) -> None:
        self._source.change({controls.PORTRAIT_ID: portrait_id})

    def cameras_changed(self) -> None:
        self.refresh_wanted = True  # the drop-down of cameras
        if self.values is not None and not self.values.live_source:
            self._want()

    def rematte(self) -> None:
        self._want(again=True)

    def models_changed(self) -> None:
        self.refresh_wanted = True  # the drop-down of models
        self._want()

    def file_is(self, path: str, state: State) -> None:
        """What is on disk at a path is new."""
        if self.values is not None and path in self.values.needed.values():
            self._helper_file.follow(self.values)
        said = self.state
        self._happens(self.life.photo_is, path, state)
        self.refresh_wanted = self.refresh_wanted or self.state != said  # of a background

    def freeze(self, frozen: bool | None = None) -> None:
        """Hold a live picture, or let it go on; without `frozen` the other of the two."""
        if frozen is not self.live.is_frozen:
            self._happens(self.live.freezes)

    def take_still(self, delay: int | None = None) -> None:
        """Begin to take a still; pressed again, the countdown begins anew. delay: seconds, of what isn't live; as the
        settings have it without."""
        self.stills.give_up()
        self.read_now()
        values = self.values
        if values is not None and values.is_live:
            self._happens(self.live.takes_still, str(stills.new_file("live", secrets.token_hex(4))))
        elif values is not None and values.input == controls.FROM_SOURCE:
            self.stills.begin(values.camera, values.delay if delay is None else delay)

    def touch_up(self) -> None:
        """Open the page on which the photo is touched up, or the zones are painted of what is live."""
        self.read_now()
        values = self.values
        if values is not None and values.is_live:
            self.page.is_asked_for()
            self._happens(self.live.takes_still, self.zones.new_still(), True)
        elif values is not None and values.image:
            self.page.is_asked_for()
            self.page.open(partial(self._services.touching_up.open, values.image, room=self.room.path))

    def photograph_room(self, renews: bool = False) -> None:
        """See PortraitRoom."""
        self.read_now()
        if self.values is not None:
            self.room.photograph(self.values, renews)

    def _use_room(self, path: str) -> None:
        self.room.is_there(path)

    def _paint_zones(self, still: str) -> None:
        if self.values is not None:
            self.page.open(partial(self.zones.open, still, self.values.zones))

    # What its lives bring about

    def _happens(self, event: Callable[..., bool | None], *details: Any) -> None:
        """Have something happen to one of its lives, and say what is so now."""
        reconsiders = event(*details)
        self._say()
        if reconsiders:
            if self.life.says.error is not None:
                self.tell(self.state.text)  # why; the state goes on
            self.read_now()
            self._want()

    def _refresh(self) -> None:
        self.refresh_wanted = True

    # What it says

    def _say(self) -> None:
        says, record = self.live.says if self._is_live else self.life.says, self.life.record
        self.lag = steady(self.live.lag, self.lag) if self._is_live else None
        error = str(says.error) if says.error is not None else ""
        if error not in ("", self._logged):
            libobs.log(libobs.LOG_WARNING, error)
        self._logged = error
        self.state = self._line_of(says)
        self.preview = str(self._services.store.preview_path(record.key)) if record is not None else ""
        if self.note and (self._is_live or not error) and time.monotonic() - self._noted_at > _NOTE_SECONDS:
            self.note = ""
            self.refresh_wanted = self.refresh_wanted or self._is_live

    def _line_of(self, says: Says) -> StateLine:
        if says.key == "state.waiting" and self._services.client.state != READY:
            says = Says("state.starting")
        self.says = says
        background = self.values.needed.get(controls.BACKGROUND, "") if self.values is not None else ""
        is_gone = says.key == "state.ready" and self._services.watch.state(background) == GONE
        gone = ImageError("background_gone", name=Path(background).name) if is_gone else None
        return messages.line_of(says, self.input, self._services.texts, gone)

    @property
    def input(self) -> str:
        """As controls.Values; that of a photo before the first look."""
        return self.values.input if self.values is not None else controls.FROM_FILE
