"""The panel's group that takes a still of a source of OBS into the current scene."""

from __future__ import annotations

from cvmatte_core.localization.errors import ImageError

from .. import scenes
from ..room_taking import SECONDS
from . import rows
from .rows import Button, Choice, Delay, Group, Line, Shared


class Still(Group):
    name = "still"

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self.rows = (
            Choice("still_source", self._sources),
            Delay("still_delay"),
            Button("take_still", self._take),
            Button("photograph_room", self._photograph_room),
            Line("still_state", self._state),
            self.undo(),
            rows.refresh("still"),  # for the sources too
        )

    def _sources(self) -> list[tuple[str, str]]:
        names, chosen = scenes.video_source_names(), self.shared.value("still_source")
        if chosen and chosen not in names:  # rather than show another
            names.insert(0, chosen)
        return [("", self.texts("source.camera.none")), *((name, name) for name in names)]

    def _state(self) -> list[str]:
        under_way = self.session.still_says()
        return [self.said or (f"{under_way} {self.shared.goes_on()}" if under_way else "")]

    def _photograph_room(self) -> str:
        source = self.shared.value("still_source")
        if not source:
            raise ImageError("still_no_source")
        self.session.photograph_room(source)
        return self.texts("state.room_countdown", seconds=SECONDS)

    def _take(self) -> None:
        if not self.shared.value("still_source"):
            raise ImageError("still_no_source")
        self.session.take_still_in_scene()
