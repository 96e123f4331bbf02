"""The life of a portrait's live picture: what its process is told to do, what of it is shown, and what is said of it.

Plain Python like photo_lifecycle.py, which tells how it is used: no libobs, no thread, no file, no clock. live_view.py
does in OBS what follows; tests/core/test_live_lifecycle.py does it in a made-up world, in thousands of orders of
events.

Nothing sets what it says or orders: both follow from the rest. Figures are those of the process that runs, since it was
started, shown again or given another source.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Mapping, Union

from cvmatte_core.localization.errors import CvmatteError, ImageError, WorkerError

from .live_actions import LiveActions, Wish
from .photo_actions import Says
from .room_taking import RoomTaking

_HIDDEN_SECONDS = 1.0  # that a portrait has to be hidden before it lets go of its camera
# Why nothing was taken of the picture, by what it was to be
_STILL, _ZONES, _ROOM = "still", "zones", "room"
Why = Union[CvmatteError, Mapping[str, CvmatteError]]
_IS_HIDDEN = {
    _STILL: ImageError("live_still_hidden"),
    _ZONES: ImageError("live_zones_hidden"),
    _ROOM: ImageError("room_hidden"),
}
_NO_PICTURE = {
    _STILL: ImageError("live_still_none"),
    _ZONES: ImageError("live_zones_none"),
    _ROOM: ImageError("room_no_picture"),
}
_SETTLED_STATES = 6  # after so many, one a second, rate and working size have settled


class LiveLifecycle:
    """One portrait's, also while its input isn't a live one."""

    def __init__(self, actions: LiveActions) -> None:
        self._do = actions
        self._nothing = ""  # what to say where nothing is wished for
        self._impossible: CvmatteError | None = None  # why the settings can't be; the process keeps to the former ones
        self._stop()
        self._told = self._news

    def _stop(self) -> None:
        self.wish: Wish | None = None
        # With either no frame is handed to OBS. They are read by the thread on which frames come.
        self.is_frozen = False
        self.is_blank = False  # of a source that is gone nobody stays on the air
        self._is_hidden = False
        self._hidden_since: float | None = None
        self._process: int | None = None  # as of the last look
        self._error: CvmatteError | None = None
        self._unfed: CvmatteError | None = None  # why OBS sends no frames of its source
        self._figures: dict[str, Any] = {}
        self._lags: tuple[int, ...] = ()  # of the last figures
        self._still = ""  # the file of one that is being taken,
        self._is_for_zones = False  # to paint zones on
        self._room = RoomTaking()
        self._ordered: dict[str, Any] = {}

    @property
    def says(self) -> Says:
        if self._impossible is not None:
            return Says(error=self._impossible)
        if self.wish is None:
            return Says(self._nothing)
        if self._is_hidden:  # whatever was wrong is looked at again when it is shown
            return Says("live.hidden")
        error = self._unfed or self._error
        if error is not None:
            return Says(error=error)
        if self._still:
            return Says("state.capture")
        if self._room.path:
            return self._room.says
        if self.is_frozen:
            return Says("live.frozen")
        if not self._figures:
            return Says("state.starting")
        wish = {"wanted": self.wish.rate, "limit": self.wish.limit, "quality": self.wish.settings.get("quality", "")}
        return Says("live.state", {**self._figures, "lag": self._median_lag, **wish})

    @property
    def lag(self) -> int | None:
        """Milliseconds that the picture is behind; None while there is none, or that hasn't settled."""
        return self._median_lag if self._is_settled and self.says.key == "live.state" else None

    @property
    def _median_lag(self) -> int:
        return round(sorted(self._lags)[len(self._lags) // 2], -1)

    @property
    def _is_settled(self) -> bool:
        return len(self._lags) >= _SETTLED_STATES

    def _figures_are(self, figures: dict[str, Any]) -> None:
        """figures: empty where there are none of the present process and source."""
        self._figures = figures
        self._lags = (*self._lags, figures["lag"])[-_SETTLED_STATES:] if figures else ()

    @property
    def _news(self) -> tuple[object, ...]:
        """What open properties say anew when it changes. Not with each figure: that would redraw them in the midst of
        somebody's typing."""
        says = self.says
        of_figures = bool(self._figures.get("stretched")), self._figures.get("room")
        return says.key, says.values.get("seconds"), str(says.error), self._is_settled, *of_figures

    def _follow(self) -> None:
        """At the end of whatever happens: what follows from how things are now."""
        if self.wish is not None:
            orders = {**vars(self.wish), "paused": self._is_hidden, "still": self._still, **self._room.orders}
            if orders != self._ordered:
                self._ordered = orders
                self._do.order(orders)
        was_blank, self.is_blank = self.is_blank, self._unfed is not None and not self.is_frozen
        if self.is_blank and not was_blank:
            self._do.hide()
        if self._news != self._told:
            self._told = self._news
            self._do.refresh()

    @property
    def is_taking(self) -> bool:
        """Whether a still or a photo of the room is under way."""
        return bool(self._still or self._room.path)

    # What the settings ask for

    def wants(self, wish: Wish) -> None:
        self._nothing, self._impossible = "", None
        if self.wish is None:
            self.wish = wish
            self._do.begin()
        self._wish_for(wish)

    def wants_nothing(self, why: str) -> None:
        """No source is chosen, or the input isn't a live one. why: the text that says it."""
        self._nothing, self._impossible = why, None
        if self.wish is not None:
            self._give_up(_NO_PICTURE)
            self._do.end()
            self._stop()
        self._follow()

    def wants_the_impossible(self, error: CvmatteError, source: dict[str, Any]) -> None:
        """The settings can't be: the picture goes on with the last ones that can."""
        self._impossible = error
        if self.wish is not None:
            self._wish_for(dataclasses.replace(self.wish, source=source))
        else:
            self._follow()

    def _wish_for(self, wish: Wish) -> None:
        if self.wish is not None and wish.source != self.wish.source:
            self._give_up(_NO_PICTURE)
            self._look_anew()
        self.wish = wish
        self._follow()

    def _look_anew(self) -> None:
        """What was said is of another source, or of another time. But that there is no process isn't the source's."""
        self._figures_are({})
        self._unfed = None
        if not isinstance(self._error, WorkerError):
            self._error = None

    # What happens in OBS

    def looks(self, is_showing: bool, device: str, process: int | None, now: float) -> None:
        """is_showing: whether anybody can see it. process: the id of the present one. now: in seconds of any clock."""
        if self.wish is None:
            return
        if device != self.wish.device:
            self.wish = dataclasses.replace(self.wish, device=device)
        if process != self._process:
            self._process = process
            self._figures_are({})
        since = now if self._hidden_since is None else self._hidden_since
        self._hidden_since = None if is_showing else since
        was_hidden, self._is_hidden = self._is_hidden, not is_showing and now - since > _HIDDEN_SECONDS
        if self._is_hidden:
            self._give_up(_IS_HIDDEN)
        elif was_hidden:
            self._look_anew()
        self._room.look(now)
        self._follow()

    def feed_is(self, error: CvmatteError | None) -> None:
        """error: why OBS sends no frames of a source of its own; None where it does, or the source isn't OBS's."""
        self._unfed = error
        if error is not None:
            self._give_up(error)
            self._figures_are({})  # those until it is back are of no picture
        self._follow()

    def freezes(self) -> None:
        """Hold the picture as it is, whatever becomes of the process and its source; or let it go on."""
        self.is_frozen = self.wish is not None and not self.is_frozen
        self._follow()

    # What is taken of the picture

    def takes_still(self, path: str, for_zones: bool = False) -> None:
        """Save what the source shows now, or as soon as it shows something, unless that is under way already."""
        why = self._nothing_to_take
        if why is not None:
            self._do.tell(why[_ZONES if for_zones else _STILL])
        elif not self._still:
            self._still, self._is_for_zones = path, for_zones
        self._follow()

    def photographs_room(self, path: str, even_so: bool = False, renews: bool = False) -> None:
        """Have a photo of the empty room there, after a countdown, unless one is under way; see RoomTaking.begin."""
        why = self._nothing_to_take
        if why is not None:
            self._do.tell(why[_ROOM])
        elif not self._room.path:
            self._room.begin(path, even_so and not renews, renews)
        self._follow()

    @property
    def _nothing_to_take(self) -> Mapping[str, CvmatteError] | None:
        """Why nothing can be taken now."""
        if self._is_hidden:
            return _IS_HIDDEN
        return _NO_PICTURE if self.wish is None or self._unfed is not None or self._error is not None else None

    def still_is(self, path: str) -> None:
        """One was saved there."""
        if path == self._still:
            self._still = ""  # or a process that is started anew would take it once more
            (self._do.paint_zones if self._is_for_zones else self._do.use_still)(path)
        self._follow()

    def room_is(self, path: str, error: CvmatteError | None) -> None:
        """The photo of the room was saved there, or not, because of an error."""
        if path == self._room.path:
            self._room.end()
            if error is None:
                self._do.keep_room(path)
            else:
                self._do.tell(error)
        self._follow()

    def _give_up(self, why: Why) -> None:
        """Take nothing of the picture that hasn't been taken yet."""
        still, self._still = self._still, ""
        room = self._room.path
        self._room.end()
        for wanted, what in ((still, _ZONES if self._is_for_zones else _STILL), (room, _ROOM)):
            if wanted:
                self._do.tell(why if isinstance(why, CvmatteError) else why[what])

    # What the process tells

    def state_is(self, figures: dict[str, Any], process: int | None) -> None:
        """figures: empty while the process starts. process: that told them."""
        if process == self._process and self._unfed is None:
            self._figures_are(figures)
        self._follow()

    def error_is(self, error: CvmatteError | None) -> None:
        """None once it has passed."""
        self._error = error
        if error is not None:
            self._give_up(error)
        self._follow()
