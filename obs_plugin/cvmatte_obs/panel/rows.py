"""What groups of the panel are made of: each row knows how OBS adds it, and what is true of it now.

Made through ctypes. obspython's own wrappers for properties take the current script from a global variable, which
another script's timer changes as soon as it gets hold of the GIL in between: OBS would crash.
"""

from __future__ import annotations

import html
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterable, Sequence

from cvmatte_core.localization.errors import CvmatteError
from cvmatte_core.localization.texts import Texts

from .. import controls, libobs
from ..model_install import ModelInstall
from ..session import Session
from ..worker_tasks import WorkerTask

Add = Callable[[int, bytes, bytes], Any]  # one of libobs's, of an obs_properties_t, a name and a label


def _always() -> bool:
    return True


def _home() -> bytes:
    return os.fsencode(Path.home())


@dataclass(frozen=True)
class Shared:
    """What the panel's groups share. data: the script's settings, an obs_data_t."""

    session: Session
    data: int

    @property
    def texts(self) -> Texts:
        return self.session.texts

    def label(self, name: str) -> str:
        return self.texts(f"panel.{name}")

    def value(self, name: str) -> str:
        return controls.get_string(self.data, name.encode())

    def number(self, name: str) -> int:
        return int(libobs.obs_data_get_int(self.data, name.encode()))

    def error_of(self, task: WorkerTask | ModelInstall) -> str:
        error = task.error
        if error is None:
            return ""
        is_full = error.key == "disk_full"
        return self.texts("panel.disk_full", **error.values) if is_full else error.sentence(self.texts)

    def goes_on(self) -> str:
        """A sentence of what is under way: OBS shows no news of a script by itself."""
        return self.texts("panel.goes_on", refresh=self.label("refresh"))

    def as_of(self) -> str:
        """Another, of what may change: what stands in an open panel is as old as this says."""
        return self.texts("panel.as_of", time=time.strftime("%X"), refresh=self.label("refresh"))


class Row:
    """A line, a button, or something to choose."""

    refreshes = False  # whether the panel shows what is true anew when the person changes it

    def __init__(self, name: str, is_shown: Callable[[], bool] = _always) -> None:
        self.name = name
        self.is_shown = is_shown

    def add(self, properties: int, shared: Shared) -> None:
        """To its group's obs_properties_t."""
        raise NotImplementedError

    def show(self, properties: int) -> None:
        """What is true now. properties: the panel's."""
        libobs.obs_property_set_visible(self.found(properties), self.is_shown())

    def found(self, properties: int) -> int:
        return int(libobs.obs_properties_get(properties, self.name.encode()))


class Line(Row):
    """Text, by lines: whatever is empty has none."""

    def __init__(self, name: str, says: Callable[[], Iterable[str]], is_rich: bool = False) -> None:
        super().__init__(name)
        self._says, self._is_rich = says, is_rich

    def add(self, properties: int, shared: Shared) -> None:
        libobs.obs_properties_add_text(properties, self.name.encode(), b"", libobs.OBS_TEXT_INFO)

    def show(self, properties: int) -> None:
        lines = [line if self._is_rich else html.escape(line) for line in self._says() if line]
        line = self.found(properties)
        libobs.obs_property_set_description(line, libobs.utf8(f"<span>{'<br>'.join(lines)}</span>"))
        libobs.obs_property_set_visible(line, bool(lines))


class Button(Row):
    """act: what it is for; says what came of it. label: the key of its text, its own name's where it is empty."""

    def __init__(
        self, name: str, act: Callable[[], str | None], is_shown: Callable[[], bool] = _always, label: str = ""
    ) -> None:
        super().__init__(name, is_shown)
        self.act = act
        self._label = label or name

    def add(self, properties: int, shared: Shared) -> None:
        label = shared.label(self._label).encode()
        button = libobs.obs_properties_add_button2(properties, self.name.encode(), label, clicked, None)
        controls.explain(button, shared.label(f"{self._label}.tip"))


def refresh(group: str, is_shown: Callable[[], bool] = _always) -> Button:
    """The button of a group that shows what OBS can't by itself."""
    return Button(f"refresh_{group}", lambda: None, is_shown, "refresh")


class Choice(Row):
    """A drop-down. offers: (value, shown text) of what there is to choose now."""

    refreshes = True

    def __init__(
        self,
        name: str,
        offers: Callable[[], Sequence[tuple[str, str]]],
        is_shown: Callable[[], bool] = _always,
        has_tip: bool = False,
    ) -> None:
        super().__init__(name, is_shown)
        self._offers, self._has_tip = offers, has_tip

    def add(self, properties: int, shared: Shared) -> None:
        added = controls.add_choice(properties, self.name.encode(), shared.label(self.name), ())
        if self._has_tip:
            controls.explain(added, shared.label(f"{self.name}.tip"))

    def show(self, properties: int) -> None:
        super().show(properties)
        controls.offer(self.found(properties), self._offers())


class Delay(Row):
    refreshes = True

    def add(self, properties: int, shared: Shared) -> None:
        controls.add_delay(properties, self.name.encode(), shared.texts)


class Number(Row):
    def __init__(self, name: str, most: int) -> None:
        super().__init__(name)
        self._most = most

    def add(self, properties: int, shared: Shared) -> None:
        label = shared.label(self.name).encode()
        libobs.obs_properties_add_int(properties, self.name.encode(), label, 1, self._most, 1)


class Photos(Row):
    """A list of photos and folders. It has no label: the group's title says it, and the list gets the room."""

    def add(self, properties: int, shared: Shared) -> None:
        kind, pattern = libobs.OBS_EDITABLE_LIST_TYPE_FILES, shared.session.image_filter.encode()
        libobs.obs_properties_add_editable_list(properties, self.name.encode(), b"", kind, pattern, _home())


class Clip(Row):
    refreshes = True

    def add(self, properties: int, shared: Shared) -> None:
        name, label = self.name.encode(), shared.label(self.name)
        controls.add_file(properties, name, label, shared.session.video_filter, _home())


class Folder(Row):
    refreshes = True

    def add(self, properties: int, shared: Shared) -> None:
        name, label = self.name.encode(), shared.label(self.name).encode()
        libobs.obs_properties_add_path(properties, name, label, libobs.OBS_PATH_DIRECTORY, None, _home())


class LongText(Row):
    def add(self, properties: int, shared: Shared) -> None:
        label = shared.label(self.name).encode()
        libobs.obs_properties_add_text(properties, self.name.encode(), label, libobs.OBS_TEXT_MULTILINE)


class Group:
    """Some rows under a title. said: what came of the button of it that was pressed last, as long as nothing else is
    chosen in it."""

    name = ""
    defaults: tuple[tuple[str, str | int], ...] = ()

    def __init__(self, shared: Shared) -> None:
        self.shared, self.session, self.texts = shared, shared.session, shared.texts
        self.said = ""
        self._said_of: tuple[str, ...] = ()
        self.rows: tuple[Row, ...] = ()

    def add(self, properties: int) -> None:
        """To the panel's obs_properties_t."""
        group = libobs.obs_properties_create()
        for row in self.rows:
            row.add(group, self.shared)
        label, kind = self.shared.label(f"group.{self.name}").encode(), libobs.OBS_GROUP_NORMAL
        libobs.obs_properties_add_group(properties, f"group_{self.name}".encode(), label, kind, group)
        for row in self.rows:
            if row.refreshes:
                libobs.obs_property_set_modified_callback2(row.found(properties), chosen, None)

    def show(self, properties: int) -> None:
        if self._chosen_here() != self._said_of:
            self.said = ""
        for row in self.rows:
            row.show(properties)

    def _chosen_here(self) -> tuple[str, ...]:
        return tuple(self.shared.value(row.name) for row in self.rows if row.refreshes)

    def undo(self, label: str = "undo", done: str = "panel.undone", part: str = "panel.undone_part") -> Button:
        """The button that takes back what was added here last. done, part: the keys of what is said then: of all of it,
        or where not all of it is as it was.

        Not by way of OBS's own Undo: that keeps a script's callbacks, and may call them when the script is gone.
        """
        additions, name = self.session.additions, self.name

        def act() -> str:
            undone = additions.undo(name)
            if undone is None:
                return ""
            return self.texts(part if undone.kept else done, count=undone.removed, kept=undone.kept, **undone.names)

        return Button(f"undo_{name}", act, lambda: additions.can_undo(name), label)

    def press(self, button: Button) -> None:
        try:
            self.said = button.act() or ""
        except CvmatteError as error:
            self.said = error.sentence(self.texts)
        self._said_of = self._chosen_here()

    def looks(self) -> None:
        """The panel is about to be shown anew."""

    def forgets(self) -> None:
        """A button was pressed, of whichever group: what came of the last one isn't said any more."""
        self.said = ""

    def updates(self) -> None:
        """The person changed something in the panel."""


pressed: list[Callable[[int, str], None]] = []  # what the panel of the script that is loaded does, with its properties
looked_at: list[Callable[[int], None]] = []


@libobs.ButtonClicked
def clicked(properties: int, button: int, _data: int) -> bool:
    """Of every button: the callback outlives the script, since a dialog that is open may still call it."""
    name = (libobs.obs_property_name(button) or b"").decode()
    for press in pressed:
        libobs.guarded(press, properties, name)
    return True


@libobs.PropertyModified
def chosen(_data: int, properties: int, _listed: int, _settings: int) -> bool:
    """Something was chosen: OBS draws the panel anew then, which no script can ask it for."""
    for look in looked_at:
        libobs.guarded(look, properties)
    return True
