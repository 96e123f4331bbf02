"""The page that a portrait has in the browser: its photo is touched up there, or its zones are painted."""

from __future__ import annotations

from functools import partial
from typing import Any, Callable

from cvmatte_core.localization.errors import CvmatteError
from cvmatte_core.system.browser import Way

from . import controls, libobs


class PortraitPage:
    """way: to the page of the picture that the portrait has now, once somebody has asked for it. is_opening: whether
    somebody has, and neither that nor an error has come yet."""

    def __init__(
        self,
        values: Callable[[], controls.Values | None],
        post: Callable[..., None],
        tell_error: Callable[[CvmatteError], None],
        refresh: Callable[[], None],
    ) -> None:
        """values: those of the portrait. post: see Services. tell_error, refresh: see Portrait."""
        self.way: Way | None = None
        self.is_opening = False
        self._values, self._post, self._tell_error, self._refresh = values, post, tell_error, refresh

    def is_asked_for(self) -> None:
        self.is_opening = True
        self._refresh()

    def forget(self) -> None:
        """The portrait has another picture."""
        self.way, self.is_opening = None, False

    def open(self, open: Callable[..., None]) -> None:
        """Have it opened by calling open(settings, hear)."""
        values = self._values()
        if values is None:
            return
        try:
            open(values.settings().resolved(), partial(self._post, self._is, values.pictured))
        except CvmatteError as error:
            self._is(values.pictured, None, error)

    def _is(self, pictured: Any, way: Way | None, error: CvmatteError | None) -> None:
        """There is another way to the page of this picture, or none, or an error."""
        values = self._values()
        if error is not None:
            libobs.log(libobs.LOG_WARNING, str(error))
            self._tell_error(error)
        elif way is not None and way.is_open and values is not None and values.pictured == pictured:
            self.way, self.is_opening = way, False
        elif self.way is way:
            self.way = None
        self._refresh()
