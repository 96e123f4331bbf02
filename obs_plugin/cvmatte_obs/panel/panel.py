"""The panel as a whole: its groups in the order in which people use them. Called on OBS's UI thread."""

from __future__ import annotations

import html

from cvmatte_core.localization.texts import Texts

from .. import libobs
from ..session import Choices, Session
from ..source_type import SOURCE_TYPE
from . import rows
from .clip import Clip
from .folder import Folder
from .help import Help
from .in_place import InPlace
from .models import Models
from .new_cuts import NewCuts
from .photos import Photos
from .portraits import Portraits
from .rows import Button, Group, Line, Shared
from .saved_layers import SavedLayers
from .still import Still

_GROUPS: tuple[type[Group], ...] = (InPlace, Photos, Still, Folder, Clip, NewCuts, Portraits, Models, SavedLayers, Help)
_WIDTH = 430  # pixels. As narrow as OBS opens the window there would be no room beside the labels


def description(texts: Texts) -> str:
    """What stands above the panel, as rich text. OBS makes its window as wide as this needs."""
    return f'<table width="{_WIDTH}"><tr><td>{html.escape(texts("panel.description"))}</td></tr></table>'


def set_defaults(data: int) -> None:
    """The panel's defaults, in an obs_data_t."""
    for group in _GROUPS:
        for name, value in group.defaults:
            if isinstance(value, int):
                libobs.obs_data_set_default_int(data, name.encode(), value)
            else:
                libobs.obs_data_set_default_string(data, name.encode(), value.encode())


class Panel:
    """What the panel shows and does for one session. `data`: the script's settings, an obs_data_t."""

    def __init__(self, session: Session, data: int) -> None:
        self._session = session
        self._data = data
        libobs.obs_data_addref(data)
        shared = Shared(session, data)
        self._groups = [group(shared) for group in _GROUPS]
        self._shared = shared
        self._refusal = Line("said", self._refuses)
        rows.pressed[:], rows.looked_at[:] = [self.press], [self.show_state]
        self.update()

    def close(self) -> None:
        rows.pressed.clear()
        rows.looked_at.clear()
        libobs.obs_data_release(self._data)

    def update(self) -> None:
        """The person changed something in the panel."""
        value = self._shared.value
        self._session.choices = Choices(
            preset=value("new_preset"),
            camera=value("still_source"),
            delay=self._shared.number("still_delay"),
            placement=value("placement"),
        )
        for group in self._groups:
            group.updates()

    def fill(self, properties: int) -> None:
        """Add everything to an empty obs_properties_t."""
        SOURCE_TYPE.discover()  # the script may just have been loaded
        self._refusal.add(properties, self._shared)
        for group in self._groups:
            group.add(properties)
        self.show_state(properties)

    def press(self, properties: int, name: str) -> None:
        """Do what a button is for, and show what came of it."""
        if not name.startswith("refresh"):
            for group in self._groups:
                group.forgets()
        for group in self._groups:
            for row in group.rows:
                if isinstance(row, Button) and row.name == name:
                    group.press(row)
        self.show_state(properties)

    def show_state(self, properties: int) -> None:
        """Whatever is true now."""
        self._refusal.show(properties)
        for group in self._groups:
            group.looks()
            group.show(properties)

    def _refuses(self) -> list[str]:
        """Why nothing can be done at all."""
        refusal = self._session.client.refusal
        return [refusal.sentence(self._session.texts)] if refusal is not None else []
