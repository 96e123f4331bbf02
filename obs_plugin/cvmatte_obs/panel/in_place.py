"""The panel's group that cuts out a source of the current scene live, in its place."""

from __future__ import annotations

from .. import in_place
from . import rows
from .rows import Button, Choice, Group, Line, Shared

_SOURCE = "in_place_source"


class InPlace(Group):
    name = "in_place"

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self._scene, self._offered = "", list[str]()
        self._done: in_place.Done | None = None
        self.rows = (
            Choice(_SOURCE, self._sources, has_tip=True),
            Button("in_place_start", self._start),
            Line("in_place_state", self._state),
            self.undo("in_place_undo", "panel.put_back", "panel.put_back_part"),
            rows.refresh(self.name),  # for the sources too
        )

    def looks(self) -> None:
        self._scene, self._offered = in_place.offered()

    def _sources(self) -> list[tuple[str, str]]:
        return [("", self.texts("source.camera.none")), *((name, name) for name in self._offered)]

    def _start(self) -> str:
        self._done = None
        source = self.shared.value(_SOURCE)
        if not source:
            return self.texts("panel.in_place_none")
        self._done = in_place.cut_out(self.session, source)
        return ""

    def forgets(self) -> None:
        super().forgets()
        self._done = None

    def _state(self) -> list[str]:
        done = self._done
        if done is None:
            nothing = "" if self._offered else self.texts("panel.in_place_empty", scene=self._scene)
            return [self.said or nothing]
        names = {"portrait": done.portrait, "source": done.source, "scene": done.scene}
        heard = self.texts("panel.in_place_silent", source=done.source) if done.is_silenced else ""
        if not done.is_waiting:
            return [self.texts("panel.in_place_done", **names), heard]
        state = dict(self.session.portraits()).get(done.portrait)
        waits = self.texts("panel.in_place_waits", **names, state=state.text if state is not None else "")
        return [f"{waits} {self.shared.goes_on()}", heard]
