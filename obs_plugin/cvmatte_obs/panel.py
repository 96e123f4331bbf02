"""The script's panel in Tools → Scripts. Called on OBS's UI thread, with obspython's own wrappers at hand."""

from __future__ import annotations

import html
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable

import obspython as obs

from cvmatte_core import __version__, outputs, paths
from cvmatte_core.models.catalogue import CATALOGUE
from cvmatte_core.settings import MatteSettings

from . import controls, errands, layers, libobs
from .session import Session
from .source_type import video_source_names

_PHOTOS, _PLACEMENT, _CAMERA, _DELAY = "images", "placement", "still_source", "still_delay"
_PRESET, _FOLDER, _KEEP, _DIAGNOSIS = "new_preset", "folder", "keep", "diagnosis"
_KEEP_DEFAULT, _KEEP_MOST = 5, 100


class Panel:
    """What the panel shows and does for one session. `data` are the script's settings, alive as long as the script.

    obspython silently ignores callbacks that are bound methods: they must be plain functions, so lambdas.
    """

    def __init__(self, session: Session, data: Any) -> None:
        self._session = session
        self._texts = session.texts
        self._data = data
        self._said = ""
        self._batch = errands.Errand(session.client, "batch")
        self._install = errands.Errand(session.client, "install_model")
        self._diagnose = errands.Errand(session.client, "diagnose")

    @staticmethod
    def set_defaults(data: Any) -> None:
        obs.obs_data_set_default_string(data, _PLACEMENT, layers.FIT_HEIGHT)
        obs.obs_data_set_default_int(data, _KEEP, _KEEP_DEFAULT)

    def update(self) -> None:
        """The person changed something in the panel."""
        self._session.preset_of_new = obs.obs_data_get_string(self._data, _PRESET) or ""

    def properties(self) -> Any:
        properties = obs.obs_properties_create()
        self._text(properties, "said")
        self._add_photos(properties)
        self._add_still(properties)
        self._add_portraits(properties)
        self._add_folder(properties)
        self._add_files(properties)
        self._add_process(properties)
        # Last: it lets go of the GIL, after which obspython may have lost track of the current script.
        self._show_state(properties)
        return properties

    # Its parts

    def _add_photos(self, properties: Any) -> None:
        group = self._group(properties, "photos")
        pattern, folder = self._session.image_filter, str(Path.home())
        files = obs.OBS_EDITABLE_LIST_TYPE_FILES
        obs.obs_properties_add_editable_list(group, _PHOTOS, self._texts("panel.images"), files, pattern, folder)
        self._choice(group, _PLACEMENT, ((name, self._texts(f"panel.placement.{name}")) for name in layers.PLACEMENTS))
        presets = self._session.presets
        names = ((name, presets.title(name, self._texts)) for name in presets.names())
        listed = self._choice(group, _PRESET, [("", self._texts("panel.preset.none")), *names])
        obs.obs_property_set_long_description(listed, self._texts("panel.new_preset.tip"))
        self._button(group, "add", self._add)

    def _add_still(self, properties: Any) -> None:
        group = self._group(properties, "still")
        names = [("", self._texts("source.camera.none")), *((name, name) for name in video_source_names())]
        self._choice(group, _CAMERA, names)
        kind, values = obs.OBS_COMBO_TYPE_LIST, obs.OBS_COMBO_FORMAT_INT
        delay = obs.obs_properties_add_list(group, _DELAY, self._texts("source.delay"), kind, values)
        for seconds in controls.DELAYS:
            obs.obs_property_list_add_int(delay, self._texts("source.delay.seconds", seconds=seconds), seconds)
        self._button(group, "take_still", self.take_still)

    def _add_portraits(self, properties: Any) -> None:
        group = self._group(properties, "portraits")
        self._text(group, "portraits")
        self._button(group, "refresh", lambda: None)
        self._button(group, "rematte_all", self._session.rematte_all)

    def _add_folder(self, properties: Any) -> None:
        group = self._group(properties, "folder")
        kind = obs.OBS_PATH_DIRECTORY
        obs.obs_properties_add_path(group, _FOLDER, self._texts("panel.folder"), kind, None, str(Path.home()))
        self._button(group, "folder_start", self._start_folder)
        self._button(group, "folder_cancel", self._batch.cancel)
        self._text(group, "folder_state")

    def _add_files(self, properties: Any) -> None:
        group = self._group(properties, "files")
        self._button(group, "open_outputs", self._open_outputs)
        obs.obs_properties_add_int(group, _KEEP, self._texts("panel.keep"), 1, _KEEP_MOST, 1)
        self._button(group, "tidy", self._tidy)

    def _add_process(self, properties: Any) -> None:
        group = self._group(properties, "process")
        self._text(group, "model_state")
        self._button(group, "install_model", self._install_model)
        self._text(group, "worker_state")
        self._button(group, "restart", self._session.client.restart)
        self._button(group, "diagnose", self._write_diagnosis)
        text = obs.OBS_TEXT_MULTILINE
        obs.obs_properties_add_text(group, _DIAGNOSIS, self._texts("panel.diagnosis"), text)

    def _group(self, properties: Any, name: str) -> Any:
        group = obs.obs_properties_create()
        label = self._texts(f"panel.group.{name}")
        obs.obs_properties_add_group(properties, f"group_{name}", label, obs.OBS_GROUP_NORMAL, group)
        return group

    def _choice(self, properties: Any, name: str, choices: Any) -> Any:
        kind, values = obs.OBS_COMBO_TYPE_LIST, obs.OBS_COMBO_FORMAT_STRING
        added = obs.obs_properties_add_list(properties, name, self._texts(f"panel.{name}"), kind, values)
        for value, shown in choices:
            obs.obs_property_list_add_string(added, shown, value)
        return added

    def _text(self, properties: Any, name: str) -> None:
        obs.obs_properties_add_text(properties, name, "", obs.OBS_TEXT_INFO)

    def _button(self, properties: Any, name: str, act: Callable[[], None]) -> None:
        def clicked(shown: Any, _button: Any) -> bool:
            self._said = ""
            act()
            self._show_state(shown)
            return True

        added = obs.obs_properties_add_button(properties, name, self._texts(f"panel.{name}"), clicked)
        obs.obs_property_set_long_description(added, self._texts(f"panel.{name}.tip"))

    # What it says

    def _show_state(self, properties: Any) -> None:
        texts, client = self._texts, self._session.client
        model_there = (paths.models_folder() / CATALOGUE[MatteSettings().model].file).is_file()
        portraits = [texts("panel.portrait", name=name, state=state.text) for name, state in self._session.portraits()]
        installing = self._install.state == errands.RUNNING
        model = "installing" if installing else "installed" if model_there else "missing"
        lines = {
            "said": [self._said],
            "portraits": portraits or [texts("panel.no_portraits")],
            "model_state": [texts(f"panel.model.{model}"), self._error_of(self._install)],
            "worker_state": [texts(f"panel.worker.{client.state}")],
        }
        for name, shown in lines.items():
            self._show_text(properties, name, "<br>".join(html.escape(line) for line in shown if line))
        self._show_text(properties, "folder_state", self._folder_state())
        for name, visible in (
            ("folder_cancel", self._batch.state == errands.RUNNING),
            ("install_model", not model_there and not installing),
            (_DIAGNOSIS, bool(obs.obs_data_get_string(self._data, _DIAGNOSIS))),
        ):
            obs.obs_property_set_visible(obs.obs_properties_get(properties, name), visible)

    @staticmethod
    def _show_text(properties: Any, name: str, rich_text: str) -> None:
        line = obs.obs_properties_get(properties, name)
        obs.obs_property_set_description(line, f"<span>{rich_text}</span>")
        obs.obs_property_set_visible(line, bool(rich_text))

    def _error_of(self, errand: errands.Errand) -> str:
        return errand.error.sentence(self._texts) if errand.error is not None else ""

    def _folder_state(self) -> str:
        """How the folder is getting on, as rich text."""
        batch, texts = self._batch, self._texts
        if batch.state == errands.RUNNING:
            done, total = batch.progress.get("done", 0), batch.progress.get("total", 0)
            name = batch.progress.get("name", "")
            return html.escape(texts("panel.folder_running", done=done, total=total, name=name))
        if batch.state != errands.DONE:
            return html.escape(self._error_of(batch))
        result = batch.result
        lines = [html.escape(texts("panel.folder_done", done=result["done"], failed=len(result["failed"])))]
        if result["archive"]:
            archive = Path(result["archive"])
            lines.append(f'<a href="{html.escape(archive.as_uri())}">{html.escape(archive.name)}</a>')
        lines.append(html.escape(", ".join(failure["name"] for failure in result["failed"])))
        return "<br>".join(filter(None, lines))

    # What it does

    def _add(self) -> None:
        photos = self._photos()
        scene = layers.current_scene()
        if not photos:
            self._said = self._texts("panel.added_none")
        elif not scene:
            self._said = self._texts("panel.no_scene")
        else:
            name = (libobs.obs_source_get_name(scene) or b"").decode("utf-8", "replace")
            placement = self._value(_PLACEMENT)
            added = [
                layers.add_portrait(photo.stem or photo.name, {controls.IMAGE: str(photo)}, placement)
                for photo in photos
            ]
            self._said = self._texts("panel.added", scene=name, count=sum(map(bool, added)))
            obs.obs_data_erase(self._data, _PHOTOS)
        libobs.obs_source_release(scene)

    def _photos(self) -> list[Path]:
        photos = []
        array = obs.obs_data_get_array(self._data, _PHOTOS)
        for index in range(obs.obs_data_array_count(array)):
            item = obs.obs_data_array_item(array, index)
            photos.append(Path(obs.obs_data_get_string(item, "value")))
            obs.obs_data_release(item)
        obs.obs_data_array_release(array)
        return photos

    def take_still(self) -> None:
        """Take a still of the panel's source; the script's hotkey does the same."""
        camera = self._value(_CAMERA)
        if not camera:
            self._said = self._texts("error.still_no_source")
            return
        delay = obs.obs_data_get_int(self._data, _DELAY)
        self._session.take_still_in_scene(camera, delay, self._value(_PLACEMENT))
        self._said = self._texts("panel.still_begun", name=camera)

    def _start_folder(self) -> None:
        folder = self._value(_FOLDER)
        if not folder:
            self._said = self._texts("panel.folder_none")
            return
        wanted: dict[str, Any] = {}
        if self._session.preset_of_new:
            wanted = self._session.presets.values(self._session.preset_of_new)
        self._batch.start({"folder": folder, "settings": wanted, "output_folder": ""})

    def _open_outputs(self) -> None:
        folder = paths.outputs_folder()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if sys.platform == "win32":
                os.startfile(folder)
            else:
                opener = "open" if sys.platform == "darwin" else "xdg-open"
                subprocess.Popen([opener, str(folder)], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except OSError:  # no such program: then at least say where it is
            self._said = str(folder)

    def _tidy(self) -> None:
        keep = obs.obs_data_get_int(self._data, _KEEP)
        tidied = outputs.tidy(keep, self._session.layers_in_use(), self._session.store)
        self._said = self._texts("panel.tidied", count=tidied.count, megabytes=f"{tidied.bytes / 1e6:.1f}")

    def _install_model(self) -> None:
        self._install.start({"name": MatteSettings().model})

    def _write_diagnosis(self) -> None:
        """A text for a bug report. The worker's part is there when the button is pressed again: OBS doesn't wait."""
        client = self._session.client
        worker = self._diagnose.result or {}
        self._diagnose.start()
        lines = [
            f"CVMatte {__version__}, OBS {(libobs.obs_get_version_string() or b'').decode()}",
            f"Python in OBS: {platform.python_version()}, {platform.platform()}",
            f"worker: {client.state}, process {client.process_id}",
            f"data: {paths.data_folder()}",
            *(f"{name}: {state.text}" for name, state in self._session.portraits()),
            *(f"error: {sentence}" for sentence in client.errors),
            *(_line(name, value) for name, value in worker.items()),
        ]
        if not worker:
            self._said = self._texts("panel.diagnose_again")
        obs.obs_data_set_string(self._data, _DIAGNOSIS, "\n".join(lines))

    def _value(self, name: str) -> str:
        return obs.obs_data_get_string(self._data, name) or ""


def _line(name: str, value: Any) -> str:
    return f"{name}: " + ("\n  ".join(["", *map(str, value)]) if isinstance(value, list) else str(value))
