"""A live portrait in OBS: hands each frame of its process to libobs, and knows what to say of it.

Frames come on a thread of the process's client.
"""

from __future__ import annotations

import threading
import time
from typing import Any, Callable, ContextManager

from cvmatte_core.live.client import LiveClient
from cvmatte_core.live.frames import FrameReader, Shown
from cvmatte_core.settings import MatteSettings
from cvmatte_core.words.errors import CvmatteError, ImageError
from cvmatte_core.words.texts import Texts

from . import layers, libobs, sentences
from .gate import GATE

_SETTLED_STATES = 6  # after so many, one a second, rate and working size have settled
_FIGURES_SECONDS = 5.0  # between two times that open properties say new figures
_HIDDEN_SECONDS = 1.0  # that a portrait has to be hidden before it lets go of its camera


class LiveView:
    """One portrait's live picture, as long as its input is one."""

    def __init__(
        self,
        source: Callable[[], ContextManager[int | None]],
        say: Callable[[], None],
        took_still: Callable[[str], None],
        still_failed: Callable[[CvmatteError], None],
    ) -> None:
        """source: the portrait's, kept alive for a block. say: called when there is something else to say.

        took_still(path), still_failed(error): called when a still was taken, or couldn't be.
        """
        self._source, self._say = source, say
        self._state: dict[str, Any] = {}
        self._states = 0  # that this process has told
        self._told: dict[str, Any] = {}  # the state that open properties say,
        self._told_at = 0.0  # since then
        self._error: CvmatteError | None = None
        self._orders: dict[str, Any] = {}
        self._ordering = threading.Lock()
        self._hidden_since: float | None = None
        self.frozen = False
        self.is_closed = False
        self._showing = threading.Lock()
        self._took_still, self._still_failed = took_still, still_failed
        self._client = LiveClient(self._show, self._state_is, self._error_is, self._still_is)

    @property
    def process_id(self) -> int | None:
        return self._client.process_id

    def want(self, source: dict[str, Any], settings: MatteSettings, rate: int, limit: int, device: str) -> None:
        """What is to be shown, and how. limit: percent of the processor that it may take. device: see `runs_on`."""
        self._order(source=source, settings=settings.as_dict(), rate=rate, limit=limit, device=device)

    def runs_on(self, device: str) -> None:
        """device: of devices.DEVICES; empty for what OBS's own environment says. Told at each look."""
        self._order(device=device)

    def take_still(self, path: str) -> None:
        """Save what the camera sees now, or as soon as it sees something. Raises ImageError where it doesn't look."""
        if self._orders.get("paused"):
            raise ImageError("live_still_hidden")
        if self._error is not None:
            raise ImageError("live_still_none")
        self._order(still=path)

    def is_showing(self, showing: bool) -> None:
        """Whether anybody can see it: told at each look. Hidden for a while, it lets go of camera and processor."""
        now = time.monotonic()
        if showing:
            self._hidden_since = None
        elif self._hidden_since is None:
            self._hidden_since = now
        paused = self._hidden_since is not None and now - self._hidden_since > _HIDDEN_SECONDS
        if paused and self._still:
            self._gives_up_still(ImageError("live_still_hidden"))
        self._order(paused=paused)

    @property
    def news(self) -> tuple[object, ...]:
        """Changes with what open properties should say anew: not with every figure, for that would redraw them in
        the midst of somebody's typing."""
        error = self._error.key if self._error is not None else ""
        has_settled = self._states >= _SETTLED_STATES
        return self._orders.get("paused"), self._still, error, self.frozen, bool(self._states), has_settled

    @property
    def _still(self) -> str:
        """The file of a still that is being taken."""
        return str(self._orders.get("still", ""))

    def has_new_figures(self) -> bool:
        """Whether it is time that open properties say the figures anew, where nobody uses them."""
        now, state = time.monotonic(), self._state
        if state == self._told or now - self._told_at < _FIGURES_SECONDS or self.frozen:
            return False
        self._told, self._told_at = state, now
        return True

    def says(self, texts: Texts, chosen_input: str) -> tuple[str, bool]:
        """A sentence, and whether it is an error."""
        if self._orders.get("paused"):  # whatever was wrong is looked at again when it is shown
            return texts("live.hidden"), False
        if self._error is not None:
            return sentences.of_error(self._error, chosen_input, texts), True
        if self._still:
            return texts("state.capture"), False
        if self.frozen:
            return texts("live.frozen"), False
        if not self._state:
            return texts("state.starting"), False
        sentence, fallback = texts("live.state", **self._state), self._state.get("fallback")
        return f"{sentence} {texts('device.fallback', **fallback)}" if fallback else sentence, False

    def close(self) -> None:
        self.is_closed = True
        with self._showing:  # once this is done no frame is on its way to OBS
            self._client.close(timeout=0)

    def _order(self, **changes: Any) -> None:
        with self._ordering:
            before, orders = self._orders, {**self._orders, **changes}
            self._orders = orders
            if orders != before and "source" in orders:
                self._client.order(orders)
        if any(before.get(name) != orders.get(name) for name in ("paused", "still")):
            self._say()

    # On the client's thread

    def _show(self, reader: FrameReader, shown: Shown) -> None:
        with GATE.passing() as passes:
            if not passes or self.frozen:
                return
            with self._showing, self._source() as source:
                if source and not self.is_closed:
                    layers.show_moving(source, reader.mapping, shown.offset, shown.width, shown.height)

    def _state_is(self, state: dict[str, Any]) -> None:
        self._state, self._states = state, self._states + 1 if state else 0
        self._say()

    def _error_is(self, error: CvmatteError | None) -> None:
        if error is not None and (self._error is None or self._error.key != error.key):
            libobs.log(libobs.LOG_WARNING, str(error))
        self._error = error
        if error is not None and self._still:
            self._gives_up_still(error)
        self._say()

    def _still_is(self, path: str) -> None:
        self._order(still="")  # or a process that is started anew would take it once more
        self._took_still(path)

    def _gives_up_still(self, error: CvmatteError) -> None:
        self._order(still="")
        self._still_failed(error)
