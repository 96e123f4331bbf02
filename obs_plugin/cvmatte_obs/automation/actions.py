"""What is done for each accepted request: what the panel's and the properties' buttons do, until it has ended.

On the session's thread. Each is a generator, which goes on at each look; it returns the outcome's result, or raises
CvmatteError.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any, Callable, Generator, Mapping

from cvmatte_core.localization.errors import ImageError, RequestError
from cvmatte_core.settings import MatteSettings

from .. import controls, in_place, libobs, preset_properties, scenes, worker_tasks
from ..errands import Errand
from ..portrait import Portrait
from ..session import Session
from ..source_type import SOURCE_TYPE

Data = Mapping[str, Any]  # as schema.json has it
Steps = Generator[None, None, "dict[str, Any]"]
Waiting = Generator[None, None, None]


def _name_of(portrait: Portrait) -> str:
    with portrait.source() as source:
        return libobs.source_name(source) if source else ""


def _is_taking(portrait: Portrait) -> bool:
    return portrait.live.is_taking or portrait.stills.is_taking


def _is_settled(portrait: Portrait) -> bool:
    """Whether nothing is under way that its settings ask for."""
    if _is_taking(portrait):
        return False
    portrait.read_now()  # a still that was just taken
    return not portrait.life.is_under_way


class Actions:
    """A session's."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._does: dict[str, Callable[[Data], Steps]] = {
            "Rematte": self._rematte,
            "RematteAll": self._rematte_all,
            "TakeStill": self._take_still,
            "TakeStillInScene": self._take_still_in_scene,
            "SetControls": self._set_controls,
            "ApplyPreset": self._apply_preset,
            "Freeze": self._freeze,
            "CutOutSource": self._cut_out_source,
            "OpenTouchUp": self._open_touch_up,
            "PhotographRoom": self._photograph_room,
            "StartFolder": self._start_folder,
            "CancelFolder": partial(self._cancel, session.folder),
            "StartClip": self._start_clip,
            "CancelClip": partial(self._cancel, session.clip),
            "Diagnose": self._diagnose,
        }

    def begin(self, request: str, data: Data) -> Steps:
        """From any thread: nothing is done before the first step."""
        return self._does[request](data)

    def errand(self, request: str) -> Errand | None:
        """The one that a request starts or cancels; None for others."""
        by_kind = {"Folder": self._session.folder, "Clip": self._session.clip}
        return next((errand for kind, errand in by_kind.items() if request.endswith(kind)), None)

    # A portrait's layer

    def _rematte(self, data: Data) -> Steps:
        portrait = self._portrait(data)
        yield from self._until_shown(portrait, data, portrait.rematte)
        return {"portrait": _name_of(portrait)}

    def _rematte_all(self, data: Data) -> Steps:
        portraits = [
            one for one in self._session.rematte_each(data.get("inScene", False)) if one.input not in controls.LIVE
        ]
        while any(one.life.is_under_way for one in portraits):
            yield
        failed = sum(one.says.error is not None for one in portraits)
        return {"done": len(portraits) - failed, "failed": failed}

    def _set_controls(self, data: Data) -> Steps:
        checked = MatteSettings.from_mapping(data["controls"])
        wanted = {name: getattr(checked, name) for name in data["controls"]}
        return self._changed(data, lambda settings: controls.write(settings, wanted))

    def _apply_preset(self, data: Data) -> Steps:
        return self._changed(data, lambda settings: preset_properties.put(self._session, settings, data["preset"]))

    def _changed(self, data: Data, put: Callable[[int], None]) -> Steps:
        """put: writes into settings, an obs_data_t."""
        portrait = self._portrait(data)
        settings = libobs.obs_data_create()
        try:
            put(settings)
            with portrait.source() as source:
                if source:
                    libobs.obs_source_update(source, settings)
        finally:
            libobs.obs_data_release(settings)
        portrait.refresh_wanted = True
        yield from self._until_shown(portrait, data, portrait.read_now)
        return {"portrait": _name_of(portrait)}

    # Stills and live pictures

    def _take_still(self, data: Data) -> Steps:
        portrait, delay = self._portrait(data), data.get("delay")
        if portrait.input in controls.LIVE:  # which count down nothing
            due = time.monotonic() + (delay or 0)
            while time.monotonic() < due:
                yield
        return (yield from self._taken(portrait, data, partial(portrait.take_still, delay)))

    def _take_still_in_scene(self, data: Data) -> Steps:
        session, source = self._session, data["source"]
        with scenes.source_named(source) as there:
            if not there:
                raise ImageError("still_source_missing", name=source)
        choices = session.choices
        portrait = session.scene_still.begin(source, data.get("delay", choices.delay), choices.placement)
        if portrait is None:
            raise ImageError("still_failed")
        return (yield from self._taken(portrait, {"portrait": _name_of(portrait)}, lambda: None))

    def _taken(self, portrait: Portrait, data: Data, take: Callable[[], None]) -> Steps:
        before = portrait.values.still if portrait.values is not None else ""
        yield from self._until_shown(portrait, data, take)
        still = portrait.values.still if portrait.values is not None else ""
        if still in ("", before):  # the input was changed meanwhile
            raise ImageError("still_failed")
        return {"portrait": _name_of(portrait), "file": still}

    def _freeze(self, data: Data) -> Steps:
        portrait = self._portrait(data)
        portrait.freeze(data.get("frozen"))
        yield from ()
        return {"portrait": _name_of(portrait), "frozen": portrait.live.is_frozen}

    def _cut_out_source(self, data: Data) -> Steps:
        done = in_place.cut_out(self._session, data["source"])
        SOURCE_TYPE.discover()
        portrait = self._portrait({"portrait": done.portrait})
        while done.is_waiting:
            yield
            if portrait.says.error is not None:
                raise portrait.says.error
        return {"portrait": _name_of(portrait), "source": done.source, "scene": done.scene}

    # Pages and rooms

    def _open_touch_up(self, data: Data) -> Steps:
        portrait = self._portrait(data)
        yield from self._until(portrait, data, portrait.touch_up, lambda: not portrait.page.is_opening)
        way = portrait.page.way
        if way is None:
            raise RequestError("portrait_empty", name=data["portrait"])
        return {"portrait": _name_of(portrait), "address": way.address}

    def _photograph_room(self, data: Data) -> Steps:
        portrait = self._portrait(data)
        begin = partial(portrait.photograph_room, data.get("renew", False))
        yield from self._until(portrait, data, begin, lambda: _is_settled(portrait))
        if portrait.life.still_trouble is not None:
            raise portrait.life.still_trouble
        return {"portrait": _name_of(portrait)}

    # Errands

    def _start_folder(self, data: Data) -> Steps:
        result = yield from self._ran(self._session.folder, data["folder"], data)
        found = {name: result[name] for name in ("done", "folder", "archive")}
        return {**found, "failed": len(result["failed"])}

    def _start_clip(self, data: Data) -> Steps:
        result = yield from self._ran(self._session.clip, data["clip"], data)
        return {"file": result["path"], "whole": result["whole"]}

    def _ran(self, errand: Errand, path: str, data: Data) -> Steps:
        session = self._session
        if errand.is_running:
            raise RequestError("errand_running", name=errand.name)
        errand.start(path, session.presets.values(data["preset"]) if "preset" in data else session.defaults_of_new())
        while errand.is_running:
            yield
        if errand.task.state != worker_tasks.DONE:
            raise errand.task.error or RequestError("errand_none")
        result: dict[str, Any] = errand.task.result
        return result

    def _cancel(self, errand: Errand, _data: Data) -> Steps:
        errand.task.cancel()
        while errand.is_running:
            yield
        return {}

    def _diagnose(self, _data: Data) -> Steps:
        diagnosis = self._session.diagnosis
        diagnosis.begin()
        while diagnosis.is_running:
            yield
        return {"text": diagnosis.text()}

    # What they have in common

    def _portrait(self, data: Data) -> Portrait:
        for portrait, source in SOURCE_TYPE.living():
            if libobs.source_name(source) == data["portrait"]:
                return portrait
        raise RequestError("portrait_missing", name=data["portrait"])

    def _until_shown(self, portrait: Portrait, data: Data, act: Callable[[], None]) -> Waiting:
        """Act, and wait until the portrait shows what its settings say then."""
        yield from self._until(portrait, data, act, lambda: _is_settled(portrait))
        if portrait.says.error is not None:
            raise portrait.says.error

    def _until(self, portrait: Portrait, data: Data, act: Callable[[], None], is_over: Callable[[], bool]) -> Waiting:
        before = portrait.refused
        act()
        while True:
            if portrait.refused is not None and portrait.refused is not before:
                raise portrait.refused.error
            if is_over():
                return
            yield
            if portrait not in SOURCE_TYPE.portraits():
                raise RequestError("portrait_missing", name=data["portrait"])
