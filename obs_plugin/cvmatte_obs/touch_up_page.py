"""The page on which a portrait's photo is touched up, from the button until the way to it is closed."""

from __future__ import annotations

from typing import Callable

from cvmatte_core.localization.errors import CvmatteError
from cvmatte_core.system.browser import Way

from . import controls, libobs
from .services import Services


class TouchUpPage:
    """One portrait's."""

    def __init__(self, services: Services, on_change: Callable[[CvmatteError | None], None]) -> None:
        """on_change: called when there is another way to the page, or none, or an error to tell."""
        self._services, self._on_change = services, on_change
        self._image = ""  # the photo that it is asked for
        self.way: Way | None = None  # to the page, once somebody has asked for it

    def follow(self, image: str) -> None:
        """image: the portrait's photo now."""
        if image != self._image:
            self._image, self.way = image, None

    def open(self, values: controls.Values) -> None:
        image = values.image
        if not image:
            return

        def heard(way: Way | None, error: CvmatteError | None) -> None:
            self._services.post(self._opened, image, way, error)

        try:
            self._services.touching_up.open(image, values.settings().resolved(), heard)
        except CvmatteError as error:
            self._opened(image, None, error)

    def _opened(self, image: str, way: Way | None, error: CvmatteError | None) -> None:
        if error is not None:
            libobs.log(libobs.LOG_WARNING, str(error))
        elif way is not None and way.is_open and self._image == image:
            self.way = way
        elif self.way is way:
            self.way = None
        self._on_change(error)
