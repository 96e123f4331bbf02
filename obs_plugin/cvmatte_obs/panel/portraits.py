"""The panel's group of all portraits: what each says, and what can be done to them."""

from __future__ import annotations

from .rows import Button, Choice, Group, Line, Shared


class Portraits(Group):
    name = "portraits"

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self.rows = (
            Line("portraits", self._state),
            Button("refresh", lambda: None),
            Button("rematte_all", self.session.rematte_all, self._are_any),
            Choice("portrait_to_touch_up", lambda: [(name, name) for name in self._names()], self._are_any),
            Button("touch_up", self._touch_up, self._are_any),
        )

    def _names(self) -> list[str]:
        return [name for name, _ in self.session.portraits()]

    def _are_any(self) -> bool:
        return bool(self._names())

    def _state(self) -> list[str]:
        portraits = self.session.portraits()
        if not portraits:
            return [self.said, self.texts("panel.no_portraits")]
        lines = [self.texts("panel.portrait", name=name, state=state.text) for name, state in portraits]
        return [self.said, *lines, self.shared.as_of()]

    def _touch_up(self) -> str:
        names, chosen = self._names(), self.shared.value("portrait_to_touch_up")
        if not names:
            return self.texts("panel.touch_up_none")
        name = chosen if chosen in names else names[0]
        self.session.touch_up_named(name)
        return self.texts("panel.touch_up_opening", name=name)
