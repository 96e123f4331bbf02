"""The panel's group of networks: which there are, which can be installed, and what they run on."""

from __future__ import annotations

import contextlib

from cvmatte_core.filesystem import paths
from cvmatte_core.localization.errors import CvmatteError
from cvmatte_core.localization.texts import megabytes
from cvmatte_core.models.catalogue import (
    AUTO,
    ModelEntry,
    can_run,
    catalogue,
    costs,
    entry_of,
    good_at,
    install_command,
    is_there,
    shown_title,
    to_install,
)
from cvmatte_core.system import devices
from cvmatte_core.worker.client import STOPPED

from .. import libobs
from . import rows
from .rows import Button, Choice, Group, Line, Shared

_MODEL = "model_to_install"


class Models(Group):
    name = "model"
    defaults = (("device", devices.AUTO),)

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self._offered: list[ModelEntry] = []
        self._fetching = self.session.model_install
        self.rows = (
            Line("model_state", self._state),
            rows.refresh("model", self._is_running),
            Choice(_MODEL, self._choices, lambda: bool(self._offered)),
            Line("model_chosen", self._about_chosen),
            Button("install_model", self._install, self._can_install),
            Button("install_cancel", self._fetching.cancel, self._is_running),
            Choice("device", self._devices, has_tip=True),
        )

    def looks(self) -> None:
        self._offered = []
        with contextlib.suppress(CvmatteError):  # the state says it
            self._offered = to_install(self.session.client.damaged_models)

    def updates(self) -> None:
        client, device = self.session.client, self.shared.value("device")
        # Where it is left open, the environment that OBS itself was started with may say it.
        chosen = device != devices.AUTO and device in devices.devices_here()
        wanted = {devices.DEVICE_VARIABLE: device} if chosen else {}
        if client.environment != wanted:
            client.environment = wanted
            if client.state != STOPPED:  # what is under way is begun again on the other one
                client.restart()

    def _is_running(self) -> bool:
        return self._fetching.is_running

    def _devices(self) -> list[tuple[str, str]]:
        return [(one, self.texts(f"device.{one}")) for one in devices.devices_here()]

    def _choices(self) -> list[tuple[str, str]]:
        entry = self._chosen()
        if entry is not None:
            libobs.obs_data_set_default_string(self.shared.data, _MODEL.encode(), entry.name.encode())
        return [(one.name, shown_title(one, self.texts)) for one in self._offered]

    def _chosen(self) -> ModelEntry | None:
        """The model that Install is about; None where there is nothing left to install."""
        chosen, offered = self.shared.value(_MODEL), self._offered
        return next((entry for entry in offered if entry.name == chosen), offered[0] if offered else None)

    def _can_install(self) -> bool:
        entry = self._chosen()
        return entry is not None and can_run(entry) and not self._is_running()

    def _about_chosen(self) -> list[str]:
        """What it is good at, its costs, its licence, and how it is installed."""
        texts, entry = self.texts, self._chosen()
        if entry is None:
            return []
        about = {"good_at": good_at(entry, texts), "costs": costs(entry, texts)}
        shown = texts("panel.model.chosen", model=shown_title(entry, texts), licence=entry.licence, **about)
        if can_run(entry):
            return [shown]
        return [f"{shown} {texts('panel.model.by_command', command=install_command(entry.name), folder=paths.ROOT)}"]

    def _state(self) -> list[str]:
        """A line for each model that is installed, the one under way, and what went wrong with the last."""
        texts, fetching = self.texts, self._fetching
        lines = []
        try:
            auto = entry_of(AUTO).name
            for entry in filter(is_there, catalogue().values()):
                line = texts("panel.model.installed", model=shown_title(entry, texts), licence=entry.licence)
                lines.append(texts("panel.model.auto", line=line) if entry.name == auto else line)
        except CvmatteError as error:
            lines.append(error.sentence(texts))
        if self._is_running():
            done, total = fetching.progress
            lines.append(f"{texts('panel.model.installing', model=fetching.title)} {self.shared.goes_on()}")
            if total > 1:
                lines.append(texts("models.fetched", done=megabytes(done), total=megabytes(total)))
        return [*lines, self.said, self.shared.error_of(fetching)]

    def _install(self) -> None:
        entry = self._chosen()
        if entry is not None:
            self._fetching.start(entry, self.texts)
