"""A live portrait in OBS: does what its lifecycle says, and hands each frame of its process to libobs."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import Any, Callable

from cvmatte_core.live.client import LiveClient
from cvmatte_core.live.shared_frames import FrameReader, Shown
from cvmatte_core.localization.errors import CvmatteError

from . import controls, layers, libobs, messages
from .layers import WeakSource
from .live_actions import Wish
from .live_lifecycle import LiveLifecycle
from .photo_actions import Says
from .services import Services
from .shutdown_gate import GATE
from .source_feed import SourceFeed

_NO_SOURCE = {
    controls.FROM_CAMERA: "state.no_camera",
    controls.FROM_VIDEO: "state.no_video",
    controls.FROM_SOURCE_LIVE: "state.no_live_source",
}
_FIGURES_SECONDS = 5.0  # between two times that open properties say new figures,
_SENTENCE_SECONDS = 1.0  # or another sentence


class LiveView:
    """One portrait's."""

    def __init__(
        self,
        source: WeakSource,
        services: Services,
        happens: Callable[..., None],
        catch_up: Callable[[], None],
        tell: Callable[[CvmatteError], None],
        refresh: Callable[[], None],
        paint_zones: Callable[[str], None],
        keep_room: Callable[[str], None],
    ) -> None:
        """happens: called with what happens to the life, and the details of that. catch_up: read the present settings.
        tell: say an error beside the state. paint_zones: open the page for zones on a still, which is the file.
        keep_room: a photo of the empty room is there.
        """
        self._source, self._services, self._happens, self._catch_up = source, services, happens, catch_up
        self.tell, self.refresh, self.paint_zones, self.keep_room = tell, refresh, paint_zones, keep_room
        self._is_of = ""  # what the picture is taken with
        self.life = LiveLifecycle(libobs.guarding(self))
        self._client: LiveClient | None = None  # starts a process again whenever it dies, until it is closed
        self._begun = object()  # another each time that one begins or ends: what comes of a former one is nothing
        self._showing = threading.Lock()
        self._feed = SourceFeed(services.feeds)
        self._told, self._told_at = Says(), 0.0  # the figures that open properties say, since then

    def wanted(self, values: controls.Values, device: str, room: str) -> None:
        """Tell what the settings ask for. device, room: see `live_actions.Wish`."""
        source, self._is_of = values.live_source, values.live_of
        self._feed.wants(source.get("obs", ""), values.control("longest_side"))
        if not source:
            has_none = values.input == controls.FROM_CAMERA and self._services.has_no_camera()
            return self.life.wants_nothing("state.no_camera_found" if has_none else _NO_SOURCE[values.input])
        try:
            settings = values.settings().resolved().as_dict()
        except CvmatteError as error:
            return self.life.wants_the_impossible(error, source)
        return self.life.wants(Wish(source, settings, values.rate, values.limit, device, values.zones, room))

    def look(self, source: int, device: str) -> None:
        """See what has happened since the last look. device: see `live_actions.Wish`."""
        if self._client is not None:
            is_showing = bool(libobs.obs_source_showing(source))
            self._happens(self.life.looks, is_showing, device, self._process_id, time.monotonic())
            self._happens(self.life.feed_is, self._feed.look(source))

    def has_new_figures(self) -> bool:
        """Whether it is time that open properties say the figures anew, where nobody uses them."""
        now, says = time.monotonic(), self.life.says
        if says.key != "live.state" or says == self._told:
            return False
        is_another = messages.live_key(says.values) != messages.live_key(self._told.values or says.values)
        if now - self._told_at < (_SENTENCE_SECONDS if is_another else _FIGURES_SECONDS):
            return False
        self._told, self._told_at = says, now
        return True

    # What its life has done; see LiveActions

    def begin(self) -> None:
        with self._source.alive() as source:
            if source:
                libobs.obs_source_set_async_unbuffered(source, True)
        self._begun = begun = object()
        hear = partial(self._services.post, self._hear, begun)
        self._client = LiveClient(
            partial(self._show, begun),
            lambda figures: hear(self.life.state_is, figures, self._process_id),
            partial(hear, self.life.error_is),
            partial(hear, self.life.still_is),
            on_listening=partial(self._services.post, self._listens, begun),
            on_room=partial(hear, self.life.room_is),
        )

    def order(self, orders: dict[str, Any]) -> None:
        if self._client is not None:
            self._feed.is_watched(not orders["paused"])  # before the process hangs up
            self._client.order(orders)

    def end(self) -> None:
        self._end_process()
        self.hide()
        with self._source.alive() as source:
            if source:
                libobs.obs_source_set_async_unbuffered(source, False)

    def hide(self) -> None:
        with self._showing, self._source.alive() as source:  # once this is done no frame is on its way to OBS
            if source:
                layers.hide(source)

    def use_still(self, path: str) -> None:
        still = {controls.STILL: path, controls.STILL_OF: self._is_of}
        self._source.change({controls.INPUT: controls.FROM_SOURCE, **still})

    # What the process tells, on threads of the client

    @property
    def _process_id(self) -> int | None:
        """The id of the present process."""
        return self._client.process_id if self._client is not None else None

    def _show(self, begun: object, reader: FrameReader, shown: Shown) -> None:
        with GATE.passing() as passes:
            if not passes:
                return
            with self._showing, self._source.alive() as source:
                is_wanted = begun is self._begun and not self.life.is_frozen and not self.life.is_blank
                if source and is_wanted:
                    layers.show_moving(source, reader.mapping, shown.offset, shown.width, shown.height)

    def _hear(self, begun: object, happens: Callable[..., None], *details: Any) -> None:
        """On the session's thread."""
        if happens == self.life.still_is:  # it isn't for an input that was chosen just before
            self._catch_up()
        if begun is self._begun:
            self._happens(happens, *details)

    def _listens(self, begun: object, port: int, secret: str) -> None:
        """On the session's thread: a process waits there for frames of OBS's."""
        if begun is self._begun:
            self._feed.listens(port, secret)

    def close(self) -> None:
        """Nothing more is asked of it."""
        self._end_process()
        self._feed.close()

    def _end_process(self) -> None:
        self._feed.is_watched(False)
        client, self._client, self._begun = self._client, None, object()
        with self._showing:  # once this is done no frame is on its way to OBS
            if client is not None:
                client.close(timeout=0)
