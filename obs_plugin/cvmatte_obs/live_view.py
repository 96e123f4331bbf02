"""A live portrait in OBS: does what its lifecycle says, and hands each frame of its process to libobs."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import Any, Callable

from cvmatte_core.live.client import LiveClient
from cvmatte_core.live.shared_frames import FrameReader, Shown
from cvmatte_core.localization.errors import CvmatteError

from . import controls, layers, libobs
from .live_lifecycle import Begin, End, LiveAction, LiveCourse, LiveLifecycle, Order, Tell, UseStill, Wish
from .photo_lifecycle import Says
from .services import Services
from .shutdown_gate import GATE
from .weak_source import WeakSource

_NO_SOURCE = {controls.FROM_CAMERA: "state.no_camera", controls.FROM_VIDEO: "state.no_video"}
_FIGURES_SECONDS = 5.0  # between two times that open properties say new figures


class LiveView:
    """One portrait's."""

    def __init__(
        self,
        source: WeakSource,
        services: Services,
        life: LiveLifecycle,
        happens: Callable[[LiveCourse], None],
        catch_up: Callable[[], None],
        tell_error: Callable[[CvmatteError], None],
    ) -> None:
        """happens: do what follows from something that happened to the life. catch_up: read the present settings.
        tell_error: beside the state."""
        self._source, self._services, self._life, self._happens = source, services, life, happens
        self._catch_up, self._tell_error = catch_up, tell_error
        self._process: _Process | None = None
        self._told, self._told_at = Says(), 0.0  # the figures that open properties say, since then

    def wanted(self, values: controls.Values, device: str) -> LiveCourse:
        """Tell what the settings ask for."""
        source = values.live_source
        if not source:
            return self._life.wants_nothing(_NO_SOURCE[values.input])
        try:
            settings = values.settings().resolved().as_dict()
        except CvmatteError as error:
            return self._life.wants_the_impossible(error, source)
        return self._life.wants(Wish(source, settings, values.rate, values.limit, device))

    def look(self, source: int, device: str) -> None:
        """See what has happened since the last look. device: see `live_lifecycle.Wish`."""
        if self._process is not None:
            is_showing = bool(libobs.obs_source_showing(source))
            self._happens(self._life.looks(is_showing, device, self._process.process_id, time.monotonic()))

    def has_new_figures(self) -> bool:
        """Whether it is time that open properties say the figures anew, where nobody uses them."""
        now, says = time.monotonic(), self._life.says
        if says.key != "live.state" or says == self._told or now - self._told_at < _FIGURES_SECONDS:
            return False
        self._told, self._told_at = says, now
        return True

    def do(self, action: LiveAction) -> None:
        """Do it in OBS."""
        if isinstance(action, Begin):
            self._begin()
        elif isinstance(action, Order) and self._process is not None:
            self._process.order(action.orders)
        elif isinstance(action, End):
            self.close()
            with self._source.alive() as source:
                if source:
                    libobs.obs_source_set_async_unbuffered(source, False)
                    layers.hide(source)
        elif isinstance(action, UseStill):
            self._source.change({controls.INPUT: controls.FROM_SOURCE, controls.STILL: action.path})
        elif isinstance(action, Tell):
            self._tell_error(action.error)

    def _begin(self) -> None:
        with self._source.alive() as source:
            if source:
                libobs.obs_source_set_async_unbuffered(source, True)
        self._process = _Process(self._source, self._life, partial(self._services.post, self._hear))

    def _hear(self, process: _Process, happens: Callable[..., LiveCourse], *details: Any) -> None:
        if happens == self._life.still_is:  # it isn't for an input that was chosen just before
            self._catch_up()
        if process is self._process:
            self._happens(happens(*details))

    def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.close()


class _Process:
    """A process that is started again whenever it dies, until it is closed; its frames are shown."""

    def __init__(self, source: WeakSource, life: LiveLifecycle, hear: Callable[..., None]) -> None:
        """hear: called with this, what happens to the life, and the details of that; on a thread of the client."""
        self._source, self._life, self._hear = source, life, partial(hear, self)
        self._showing = threading.Lock()
        self._is_closed = False
        self._client: LiveClient | None = None  # whose thread may be quicker than this one
        error_is, still_is = partial(self._hear, life.error_is), partial(self._hear, life.still_is)
        self._client = client = LiveClient(self._show, self._state_is, error_is, still_is)
        self.order, self._end = client.order, partial(client.close, timeout=0)

    @property
    def process_id(self) -> int | None:
        """The id of the present process."""
        return self._client.process_id if self._client is not None else None

    def _state_is(self, figures: dict[str, Any]) -> None:
        self._hear(self._life.state_is, figures, self.process_id)

    def _show(self, reader: FrameReader, shown: Shown) -> None:
        with GATE.passing() as passes:
            if not passes or self._life.is_frozen:
                return
            with self._showing, self._source.alive() as source:
                if source and not self._is_closed:
                    layers.show_moving(source, reader.mapping, shown.offset, shown.width, shown.height)

    def close(self) -> None:
        self._is_closed = True
        with self._showing:  # once this is done no frame is on its way to OBS
            self._end()
