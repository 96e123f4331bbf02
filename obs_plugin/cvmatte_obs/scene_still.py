"""Stills of the panel's source, taken into the current scene: into its portrait there, else into a new one."""

from __future__ import annotations

from typing import Callable

from cvmatte_core.localization.errors import ImageError
from cvmatte_core.localization.texts import Texts

from . import controls, layers, libobs, scenes
from .additions import Additions, canvas
from .placement import places
from .portrait import Portrait
from .source_type import SOURCE_TYPE


class SceneStill:
    """For one session; but for `ask`, `photograph_room` and `says`, on its thread. post, complete: as of Services."""

    def __init__(
        self,
        texts: Texts,
        post: Callable[..., None],
        additions: Additions,
        complete: Callable[[int, int, None], None],
    ) -> None:
        self._texts, self._post, self._additions, self._complete = texts, post, additions, complete
        self._asked_of = ""  # a source whose still isn't begun yet
        self._portrait: Portrait | None = None  # that got the last one

    def ask(self, camera: str, delay: int, placement: str) -> None:
        """From any thread of OBS."""
        if camera:
            self._asked_of = camera
            self._post(self.begin, camera, delay, placement)

    def photograph_room(self, camera: str) -> None:
        """From any thread of OBS. By a portrait of the source, which shows the countdown: rather one that can be seen.
        Raises ImageError where there is none."""
        found = {
            libobs.source_name(source): portrait
            for portrait, source in SOURCE_TYPE.living()
            if portrait.values is not None
            and (portrait.values.camera == camera and portrait.values.input in controls.OF_SOURCES)
        }
        seen = scenes.names_in_current_scene(found)
        names = sorted(found, key=lambda name: name not in seen)
        if not names:
            raise ImageError("room_no_portrait", name=camera)
        self._post(found[names[0]].photograph_room)

    def says(self) -> str:
        """What there is to say of the last one: nothing once it is done."""
        portrait = self._portrait
        if self._asked_of:
            return self._texts("panel.still_begun", name=self._asked_of)
        if portrait is None or portrait not in SOURCE_TYPE.portraits():
            return ""
        goes_on = portrait.stills.is_taking or portrait.life.still_under_way
        return portrait.state.text if goes_on or portrait.state.is_error else ""

    def begin(self, camera: str, delay: int, placement: str) -> Portrait | None:
        """The portrait that takes it; None where there is no scene."""
        try:
            self._portrait = self._renewed(camera, delay) or self._new(camera, delay, placement)
            return self._portrait
        finally:
            self._asked_of = ""

    def _renewed(self, camera: str, delay: int) -> Portrait | None:
        """The source's portrait in the current scene, which takes another still."""
        names = scenes.names_in_current_scene([libobs.source_name(source) for _, source in SOURCE_TYPE.living()])
        for portrait, source in SOURCE_TYPE.living():
            values = portrait.values
            if values is None or libobs.source_name(source) not in names:
                continue
            if values.input == controls.FROM_SOURCE and values.camera == camera:
                layers.change(source, {controls.DELAY: delay})
                portrait.take_still()
                return portrait
        return None

    def _new(self, camera: str, delay: int, placement: str) -> Portrait | None:
        settings: dict[bytes, str | int] = {
            controls.INPUT: controls.FROM_SOURCE,
            controls.CAMERA: camera,
            controls.DELAY: delay,
        }
        (place,) = places(placement, 1, canvas())
        name = self._texts("source.cut_out", source=camera)
        with self._additions.adding("still") as added:
            made = scenes.add_portrait(name, settings, place, self._complete)
            added += [made] if made is not None else []
        SOURCE_TYPE.discover()
        for portrait, source in SOURCE_TYPE.living():
            if made is not None and portrait.helper == made.helper:
                portrait.look(source)
                portrait.take_still()
                return portrait
        return None
