"""The panel's group of what whatever is cut out from now on begins with."""

from __future__ import annotations

from .rows import Choice, Group, Shared


class NewCuts(Group):
    name = "new"

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self.rows = (Choice("new_preset", self._presets, has_tip=True),)

    def _presets(self) -> list[tuple[str, str]]:
        presets = self.session.presets
        own = ((one, presets.title(one, self.texts)) for one in presets.names())
        return [("", self.texts("panel.preset.none")), *own]
