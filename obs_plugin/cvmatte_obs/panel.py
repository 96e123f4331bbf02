"""The script's panel in Tools → Scripts. Called on OBS's UI thread, with obspython's own wrappers at hand."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import obspython as obs

from . import layers
from .session import Session

_IMAGES = "images"


class Panel:
    """What the panel shows and does for one session. `data` are the script's settings, alive as long as the script.

    obspython silently ignores callbacks that are bound methods: they must be plain functions, so lambdas.
    """

    def __init__(self, session: Session, data: Any) -> None:
        self._session = session
        self._data = data
        self._said = ""

    def properties(self) -> Any:
        texts = self._session.texts
        properties = obs.obs_properties_create()
        pattern = self._session.image_filter
        obs.obs_properties_add_editable_list(
            properties, _IMAGES, texts("panel.images"), obs.OBS_EDITABLE_LIST_TYPE_FILES, pattern, str(Path.home())
        )
        obs.obs_properties_add_button(properties, "add", texts("panel.add"), lambda *_: self._add())
        obs.obs_properties_add_button(
            properties, "rematte_all", texts("panel.rematte_all"), lambda *_: self._rematte_all()
        )
        line = obs.obs_properties_add_text(properties, "state", "", obs.OBS_TEXT_INFO)
        obs.obs_properties_add_button(properties, "refresh", texts("panel.refresh"), lambda *_: True)
        # Last: it lets go of the GIL, after which obspython may have lost track of the current script.
        obs.obs_property_set_description(line, self._state())
        return properties

    def _state(self) -> str:
        texts = self._session.texts
        lines = [self._said] if self._said else []
        for name, state in self._session.portraits():
            lines.append(texts("panel.portrait", name=name, state=state.text))
        if not lines:
            lines.append(texts("panel.no_portraits"))
        lines.append(texts(f"panel.worker.{self._session.client.state}"))
        return "<span>" + "<br>".join(html.escape(line) for line in lines) + "</span>"

    def _add(self) -> bool:
        texts = self._session.texts
        images = self._images()
        scene = obs.obs_frontend_get_current_scene()
        if not images:
            self._said = texts("panel.added_none")
        elif scene is None:
            self._said = texts("panel.no_scene")
        else:
            name = obs.obs_source_get_name(scene)
            count = sum(layers.add_portrait(int(scene), image) for image in images)
            self._said = texts("panel.added", scene=name, count=count)
            obs.obs_data_erase(self._data, _IMAGES)
        obs.obs_source_release(scene)
        return True

    def _images(self) -> list[Path]:
        images = []
        array = obs.obs_data_get_array(self._data, _IMAGES)
        for index in range(obs.obs_data_array_count(array)):
            item = obs.obs_data_array_item(array, index)
            images.append(Path(obs.obs_data_get_string(item, "value")))
            obs.obs_data_release(item)
        obs.obs_data_array_release(array)
        return images

    def _rematte_all(self) -> bool:
        self._session.rematte_all()
        return True
