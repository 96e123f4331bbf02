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
from cvmatte_core.words.errors import CvmatteError
from cvmatte_core.words.texts import Texts

from . import layers, libobs
from .gate import GATE

_SETTLED_STATES = 6  # after so many, one a second, rate and working size have settled
_HIDDEN_SECONDS = 1.0  # that a portrait has to be hidden before it lets go of its camera


class LiveView:
    """One portrait's live picture, as long as its input is one."""

    def __init__(
        self,
        source: Callable[[], ContextManager[int | None]],
        say: Callable[[], None],
        took_still: Callable[[str], None],
        environment: dict[str, str],
    ) -> None:
        """source: the portrait's, kept alive for a block. say: called when there is something else to say.

        took_still(path): called when a still was taken.
        """
        self._source, self._say = source, say
        self._state: dict[str, Any] = {}
        self._states = 0  # that this process has told
        self._error: CvmatteError | None = None
        self._orders: dict[str, Any] = {}
        self._ordering = threading.Lock()
        self._hidden_since: float | None = None
        self.frozen = False
        self.is_closed = False
        self._showing = threading.Lock()
        self._took_still = took_still
        self._client = LiveClient(self._show, self._state_is, self._error_is, self._still_is, environment)

    @property
    def process_id(self) -> int | None:
        return self._client.process_id

    def want(self, source: dict[str, Any], settings: MatteSettings, rate: int, limit: int) -> None:
        """What is to be shown, and how. limit: percent of the processor that it may take."""
        self._order(source=source, settings=settings.as_dict(), rate=rate, limit=limit)

    def take_still(self, path: str) -> None:
        """Save what the camera sees now. Hidden, it sees nothing."""
        if not self._orders.get("paused"):
            self._order(still=path)

    def is_showing(self, showing: bool) -> None:
        """Whether anybody can see it: told at each look. Hidden for a while, it lets go of camera and processor."""
        self._client.look()
        now = time.monotonic()
        if showing:
            self._hidden_since = None
        elif self._hidden_since is None:
            self._hidden_since = now
        paused = self._hidden_since is not None and now - self._hidden_since > _HIDDEN_SECONDS
        self._order(paused=paused)

    @property
    def news(self) -> tuple[object, ...]:
        """Changes with what open properties should say anew: not with every figure, for that would redraw them in
        the midst of somebody's typing."""
        error = self._error.key if self._error is not None else ""
        return self._orders.get("paused"), error, self.frozen, bool(self._states), self._states >= _SETTLED_STATES

    def says(self, texts: Texts) -> tuple[str, bool]:
        """A sentence, and whether it is an error."""
        if self._orders.get("paused"):  # whatever was wrong is looked at again when it is shown
            return texts("live.hidden"), False
        if self._error is not None:
            return self._error.sentence(texts), True
        if self.frozen:
            return texts("live.frozen"), False
        return (texts("live.state", **self._state) if self._state else texts("state.starting")), False

    def close(self) -> None:
        self.is_closed = True
        with self._showing:  # once this is done no frame is on its way to OBS
            self._client.close()

    def _order(self, **changes: Any) -> None:
        with self._ordering:
            before, orders = self._orders, {**self._orders, **changes}
            self._orders = orders
            if orders != before and "source" in orders:
                self._client.order(orders)
        if before.get("paused") != orders.get("paused"):
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
        self._say()

    def _still_is(self, path: str) -> None:
        self._order(still="")  # or a process that is started anew would take it once more
        self._took_still(path)
