"""The script's panel in Tools → Scripts. Called on OBS's UI thread.

Made through ctypes. obspython's own wrappers for properties take the current script from a global variable, which
another script's timer changes as soon as it gets hold of the GIL in between: OBS would crash.
"""

from __future__ import annotations

import contextlib
import html
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Sequence

from cvmatte_core import __version__
from cvmatte_core.filesystem import paths
from cvmatte_core.image import file_types
from cvmatte_core.localization.errors import CvmatteError, ImageError
from cvmatte_core.localization.notes import from_wire, sentences
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

from . import controls, libobs, scenes, worker_tasks
from .session import Choices, Session
from .source_type import SOURCE_TYPE

_PHOTOS, _PLACEMENT, _CAMERA, _DELAY = b"images", b"placement", b"still_source", b"still_delay"
_PRESET, _FOLDER, _KEEP, _DIAGNOSIS = b"new_preset", b"folder", b"keep", b"diagnosis"
_MODEL, _DEVICE = b"model_to_install", b"device"
_CLIP = b"clip"
_PORTRAIT = b"portrait_to_touch_up"
_REFRESHING = (_PLACEMENT, _PRESET, _CAMERA, _DELAY, _PORTRAIT, _MODEL, _DEVICE)  # with what is chosen in these
_CHOSEN = "model_chosen"  # the line about _MODEL
# By its groups: settings, lines of text, and buttons.
_LAYOUT: dict[str, tuple[bytes | str, ...]] = {
    "photos": (_PHOTOS, _PLACEMENT, _PRESET, "add"),
    "still": (_CAMERA, _DELAY, "take_still"),
    "portraits": ("portraits", "refresh", "rematte_all", _PORTRAIT, "touch_up"),
    "folder": (_FOLDER, "folder_start", "folder_cancel", "folder_state"),
    "clip": (_CLIP, "clip_start", "clip_cancel", "clip_state"),
    "files": ("open_outputs", _KEEP, "tidy", "tidy_state"),
    "model": ("model_state", _MODEL, _CHOSEN, "install_model", "install_cancel"),
    "process": ("worker_state", _DEVICE, "restart", "diagnose", _DIAGNOSIS),
}
_LINES = ("portraits", "folder_state", "clip_state", "tidy_state", "model_state", _CHOSEN, "worker_state")
_KEEP_DEFAULT, _KEEP_MOST = 5, 100
_NAMED = 5  # photos of a folder that something is said of
_MOST_PHOTOS = 50  # that are added to a scene at once out of folders


def set_defaults(data: int) -> None:
    """The panel's defaults, in an obs_data_t."""
    libobs.obs_data_set_default_string(data, _PLACEMENT, scenes.FIT_HEIGHT.encode())
    libobs.obs_data_set_default_int(data, _KEEP, _KEEP_DEFAULT)
    libobs.obs_data_set_default_string(data, _DEVICE, devices.AUTO.encode())


class Panel:
    """What the panel shows and does for one session. `data`: the script's settings, an obs_data_t."""

    def __init__(self, session: Session, data: int) -> None:
        self._session = session
        self._texts = session.texts
        self._data = data
        libobs.obs_data_addref(data)
        self._said = ""
        self._unfinished = worker_tasks.Unfinished.folder()
        self._batch = worker_tasks.WorkerTask(
            session.client,
            "batch",
            lambda result: self._unfinished.forget(),
            lambda resume: self._unfinished.save({**self._batch_params, **resume}),
        )
        self._batch_params = self._unfinished.load()  # of the last one, maybe in another panel's life
        self._install = worker_tasks.WorkerTask(session.client, "install_model", self._model_is_installed)
        self._unfinished_clip = worker_tasks.Unfinished.clip()
        self._clip_params = self._unfinished_clip.load()  # of the last one, in another panel's life
        self._clip = worker_tasks.WorkerTask(session.client, "clip", self._clip_made, on_failed=self._clip_failed)
        self._tidying = worker_tasks.WorkerTask(session.client, "tidy")
        self._installing = ""  # the title of the model that is being installed
        self._diagnose = worker_tasks.WorkerTask(session.client, "diagnose")
        self._is_diagnosing = False
        self._diagnosed: tuple[int | None, dict[str, Any]] = (None, {})  # a worker, and its part of the text
        libobs.obs_data_erase(data, _DIAGNOSIS)  # of an OBS that has ended, or a session
        self._listing = worker_tasks.WorkerTask(
            session.client, "photos", lambda found: session.post(self._add_listed, found)
        )
        self._listed: list[str] = []  # what came of that
        self._acts: dict[str, Callable[[], str | None]] = {  # what they say
            "add": self._add,
            "take_still": self._take_still,
            "refresh": lambda: None,
            "rematte_all": session.rematte_all,
            "touch_up": self._touch_up,
            "folder_start": self._start_folder,
            "folder_cancel": self._batch.cancel,
            "clip_start": self._start_clip,
            "clip_cancel": self._clip.cancel,
            "open_outputs": self._open_outputs,
            "tidy": self._tidy,
            "install_model": self._install_model,
            "install_cancel": self._install.cancel,
            "restart": session.client.restart,
            "diagnose": self._write_diagnosis,
        }
        _current[:] = [self]
        self.update()

    def close(self) -> None:
        _current.clear()
        libobs.obs_data_release(self._data)

    def update(self) -> None:
        """The person changed something in the panel."""
        self._session.choices = Choices(
            preset=self._value(_PRESET),
            camera=self._value(_CAMERA),
            delay=libobs.obs_data_get_int(self._data, _DELAY),
            placement=self._value(_PLACEMENT),
        )
        self._choose_device(self._value(_DEVICE))

    def _choose_device(self, device: str) -> None:
        client = self._session.client
        # Where it is left open, the environment that OBS itself was started with may say it.
        chosen = device != devices.AUTO and device in devices.devices_here()
        wanted = {devices.DEVICE_VARIABLE: device} if chosen else {}
        if client.environment != wanted:
            client.environment = wanted
            if client.state != STOPPED:  # what is under way is begun again on the other one
                client.restart()

    def fill(self, properties: int) -> None:
        """Add everything to an empty obs_properties_t."""
        SOURCE_TYPE.discover()  # the script may just have been loaded
        self._text(properties, "said")
        for group_name, items in _LAYOUT.items():
            group = self._group(properties, group_name)
            for item in items:
                if isinstance(item, bytes):
                    self._setting(group, item)
                elif item in _LINES:
                    self._text(group, item)
                else:
                    self._button(group, item)
        for name in _REFRESHING:
            listed = libobs.obs_properties_get(properties, name)
            libobs.obs_property_set_modified_callback2(listed, _chosen, None)
        self.show_state(properties)

    def press(self, properties: int, name: str) -> None:
        """Do what a button is for, and show what came of it."""
        if name != "refresh":
            self._listed = []
        try:
            self._said = self._acts[name]() or ""
        except CvmatteError as error:
            self._said = error.sentence(self._texts)
        self.show_state(properties)

    # Its parts

    def _setting(self, group: int, name: bytes) -> None:
        """Something to choose or to type, kept in the script's settings under this name."""
        label = self._label(name.decode()) if name != _DELAY else ""
        if name == _DELAY:
            controls.add_delay(group, name, self._texts)
        elif name == _PHOTOS:
            kind, pattern = libobs.OBS_EDITABLE_LIST_TYPE_FILES, self._session.image_filter.encode()
            libobs.obs_properties_add_editable_list(group, name, label.encode(), kind, pattern, _home())
        elif name == _FOLDER:
            libobs.obs_properties_add_path(group, name, label.encode(), libobs.OBS_PATH_DIRECTORY, None, _home())
        elif name == _CLIP:
            controls.add_file(group, name, label, self._session.video_filter, _home())
        elif name == _KEEP:
            libobs.obs_properties_add_int(group, name, label.encode(), 1, _KEEP_MOST, 1)
        elif name == _DIAGNOSIS:
            libobs.obs_properties_add_text(group, name, label.encode(), libobs.OBS_TEXT_MULTILINE)
        else:
            added = controls.add_choice(group, name, label, self._choices(name))
            if name in (_PRESET, _DEVICE):
                controls.explain(added, self._label(f"{name.decode()}.tip"))

    def _choices(self, name: bytes) -> list[tuple[str, str]]:
        """What a drop-down offers; that of models is filled when the state is shown."""
        texts, presets = self._texts, self._session.presets
        if name == _PLACEMENT:
            return [(one, texts(f"panel.placement.{one}")) for one in scenes.PLACEMENTS]
        if name == _PRESET:
            return [("", texts("panel.preset.none")), *((one, presets.title(one, texts)) for one in presets.names())]
        if name == _CAMERA:
            return [("", texts("source.camera.none")), *((one, one) for one in scenes.video_source_names())]
        if name == _PORTRAIT:
            return [(one, one) for one, _ in self._session.portraits()]
        return [(one, texts(f"device.{one}")) for one in devices.devices_here()] if name == _DEVICE else []

    def _label(self, name: str) -> str:
        return self._texts(f"panel.{name}")

    def _group(self, properties: int, name: str) -> int:
        group = libobs.obs_properties_create()
        label, kind = self._label(f"group.{name}").encode(), libobs.OBS_GROUP_NORMAL
        libobs.obs_properties_add_group(properties, f"group_{name}".encode(), label, kind, group)
        return group

    @staticmethod
    def _text(properties: int, name: str) -> None:
        libobs.obs_properties_add_text(properties, name.encode(), b"", libobs.OBS_TEXT_INFO)

    def _button(self, properties: int, name: str) -> None:
        label = self._label(name).encode()
        button = libobs.obs_properties_add_button2(properties, name.encode(), label, _clicked, None)
        controls.explain(button, self._label(f"{name}.tip"))

    # What it says

    def _offered(self) -> list[ModelEntry]:
        with contextlib.suppress(CvmatteError):  # the line above says it
            return to_install(self._session.client.damaged_models)
        return []

    def _to_install(self, offered: list[ModelEntry]) -> ModelEntry | None:
        """The model that Install is about; None where there is nothing left to install."""
        chosen = self._value(_MODEL)
        return next((entry for entry in offered if entry.name == chosen), offered[0] if offered else None)

    def _show_models(self, properties: int) -> dict[str, bool]:
        """Which can be installed; what the chosen one is good at, its costs, its licence, and how it is installed.

        Answers which of their properties are shown.
        """
        texts, offered, listed = self._texts, self._offered(), libobs.obs_properties_get(properties, _MODEL)
        entry = self._to_install(offered)
        libobs.obs_property_list_clear(listed)
        for one in offered:
            libobs.obs_property_list_add_string(listed, shown_title(one, texts).encode(), one.name.encode())
        shown = ""
        if entry is not None:
            libobs.obs_data_set_default_string(self._data, _MODEL, entry.name.encode())
            about = {"good_at": good_at(entry, texts), "costs": costs(entry, texts)}
            shown = texts("panel.model.chosen", model=shown_title(entry, texts), licence=entry.licence, **about)
            if not can_run(entry):
                shown = f"{shown} {texts('panel.model.by_command', command=install_command(entry.name))}"
        self._show_text(properties, _CHOSEN, html.escape(shown))
        installing = self._install.state == worker_tasks.RUNNING
        can_install = entry is not None and can_run(entry) and not installing
        return {_MODEL.decode(): entry is not None, "install_model": can_install, "install_cancel": installing}

    def show_state(self, properties: int) -> None:
        """Whatever there is to say now."""
        self._complete_diagnosis()
        texts, client = self._texts, self._session.client
        portraits = [texts("panel.portrait", name=name, state=state.text) for name, state in self._session.portraits()]
        refusal = client.refusal.sentence(texts) if client.refusal is not None else ""
        lines = {
            "said": [refusal, self._said, *self._listing_state(), *self._diagnosing_state()],
            "portraits": portraits or [texts("panel.no_portraits")],
            "tidy_state": [self._tidy_state()],
            "clip_state": [self._clip_state()],
            "model_state": self._model_state(),
            "worker_state": [refusal or texts(f"panel.worker.{client.state}")],
        }
        for name, shown in lines.items():
            self._show_text(properties, name, "<br>".join(html.escape(line) for line in shown if line))
        self._show_text(properties, "folder_state", self._folder_state())
        shown_or_not = self._show_models(properties)
        shown_or_not["folder_cancel"] = self._batch.state == worker_tasks.RUNNING
        shown_or_not["clip_cancel"] = self._clip.state == worker_tasks.RUNNING
        shown_or_not[_DIAGNOSIS.decode()] = bool(self._value(_DIAGNOSIS))
        for name, visible in shown_or_not.items():
            libobs.obs_property_set_visible(libobs.obs_properties_get(properties, name.encode()), visible)

    @staticmethod
    def _show_text(properties: int, name: str, rich_text: str) -> None:
        line = libobs.obs_properties_get(properties, name.encode())
        libobs.obs_property_set_description(line, libobs.utf8(f"<span>{rich_text}</span>"))
        libobs.obs_property_set_visible(line, bool(rich_text))

    def _error_of(self, errand: worker_tasks.WorkerTask) -> str:
        error = errand.error
        if error is None:
            return ""
        again = error.key == "disk_full"
        return self._texts("panel.disk_full", **error.values) if again else error.sentence(self._texts)

    def _model_state(self) -> list[str]:
        """A line for each model that there is, the one under way, and what went wrong with the last."""
        texts, install = self._texts, self._install
        lines = []
        try:
            auto = entry_of(AUTO).name
            for entry in catalogue().values():
                state = "installed" if is_there(entry) else "missing"
                line = texts(f"panel.model.{state}", model=shown_title(entry, texts), licence=entry.licence)
                lines.append(texts("panel.model.auto", line=line) if entry.name == auto else line)
        except CvmatteError as error:
            lines.append(error.sentence(texts))
        if install.state == worker_tasks.RUNNING:
            done, total = install.progress.get("done", 0), install.progress.get("total", 1)
            lines.append(f"{texts('panel.model.installing', model=self._installing)} {self._goes_on()}")
            if total > 1:
                lines.append(texts("models.fetched", done=megabytes(done), total=megabytes(total)))
        return [*lines, self._error_of(install)]

    def _goes_on(self) -> str:
        return self._texts("panel.goes_on", refresh=self._texts("panel.refresh"))

    def _listing_state(self) -> list[str]:
        listing = self._listing
        if listing.state == worker_tasks.RUNNING:
            return [f"{self._texts('panel.photos.listing')} {self._goes_on()}"]
        return self._listed if listing.state == worker_tasks.DONE else [self._error_of(listing)]

    def _folder_state(self) -> str:
        """How the folder is getting on, as rich text."""
        batch, texts = self._batch, self._texts
        if batch.state == worker_tasks.RUNNING:
            done, total = batch.progress.get("done", 0), batch.progress.get("total", 0)
            name = batch.progress.get("name", "")
            return html.escape(texts("panel.folder_running", done=done, total=total, name=name))
        if batch.state == worker_tasks.IDLE and self._batch_params:
            names = {"button": texts("panel.folder_start"), "preset": texts("panel.new_preset")}
            return html.escape(texts("panel.folder_interrupted", folder=self._batch_params["folder"], **names))
        if batch.state != worker_tasks.DONE:
            return html.escape(self._error_of(batch))
        result = batch.result
        lines = [html.escape(texts("panel.folder_done", done=result["done"], failed=len(result["failed"])))]
        if result["archive"]:
            archive = Path(result["archive"])
            lines.append(f'<a href="{html.escape(archive.as_uri())}">{html.escape(archive.name)}</a>')
        lines.append(html.escape(", ".join(failure["name"] for failure in result["failed"])))
        for noted in result["noted"][:_NAMED]:
            lines.append(html.escape(f"{noted['name']}: {sentences(from_wire(noted['notes']), texts)}"))
        return "<br>".join(filter(None, lines))

    def _clip_state(self) -> str:
        clip, texts = self._clip, self._texts
        if clip.state == worker_tasks.RUNNING:
            return texts("panel.clip_running", done=clip.progress.get("done", 0), total=clip.progress.get("total", 0))
        if clip.state == worker_tasks.IDLE and self._clip_params:
            names = {"button": texts("panel.clip_start"), "preset": texts("panel.new_preset")}
            return texts("panel.clip_interrupted", clip=Path(self._clip_params["clip"]).name, **names)
        if clip.state != worker_tasks.DONE:
            return self._error_of(clip)
        key = "panel.clip_done" if clip.result["whole"] else "panel.clip_part"
        made = texts(key, name=Path(clip.result["path"]).name)
        return f"{made} {sentences(from_wire(clip.result['notes']), texts)}".strip()

    def _tidy_state(self) -> str:
        tidying, texts = self._tidying, self._texts
        if tidying.state == worker_tasks.RUNNING:
            return texts("panel.tidying", refresh=texts("panel.refresh"))
        if tidying.state != worker_tasks.DONE:
            return self._error_of(tidying)
        return texts("panel.tidied", count=tidying.result["count"], megabytes=megabytes(tidying.result["bytes"]))

    # What it does

    def _add(self) -> str:
        photos = self._photos()
        if not photos:
            return self._texts("panel.added_none")
        if all(photo.suffix.lower() in file_types.PHOTOS for photo in photos):
            said, is_begun = self._added(photos)
        else:  # folders: the worker looks at them, since a drive may be away
            said, is_begun = "", self._listing.state != worker_tasks.RUNNING
            self._listing.start({"paths": [str(photo) for photo in photos], "most": _MOST_PHOTOS})
        if is_begun:
            libobs.obs_data_erase(self._data, _PHOTOS)
        return said

    def _added(self, photos: Sequence[Path]) -> tuple[str, bool]:
        """Add photos to the current scene; what to say, and whether there was a scene."""
        scene = scenes.current_scene()
        if not scene:
            return self._texts("panel.no_scene"), False
        name, placement = libobs.source_name(scene), self._session.choices.placement
        libobs.obs_source_release(scene)
        added = [
            scenes.add_portrait(photo.stem or photo.name, {controls.IMAGE: str(photo)}, placement) for photo in photos
        ]
        return self._texts("panel.added", scene=name, count=sum(map(bool, added))), True

    def _add_listed(self, found: dict[str, list[str]]) -> None:
        """On the session's thread."""
        photos, texts = [Path(photo) for photo in found["photos"]], self._texts
        said = [texts("panel.photos.none", folder=folder) for folder in found["empty"]]
        if len(photos) > _MOST_PHOTOS:
            said.append(texts("panel.photos.too_many", most=_MOST_PHOTOS, group=texts("panel.group.folder")))
        elif photos:
            said.append(self._added(photos)[0])
        self._listed = said

    def _touch_up(self) -> str:
        names = [name for name, _ in self._session.portraits()]
        if not names:
            return self._texts("panel.touch_up_none")
        chosen = self._value(_PORTRAIT)
        self._session.touch_up_named(chosen if chosen in names else names[0])
        return ""

    def _photos(self) -> list[Path]:
        photos = []
        array = libobs.obs_data_get_array(self._data, _PHOTOS)
        for index in range(libobs.obs_data_array_count(array) if array else 0):
            item = libobs.obs_data_array_item(array, index)
            photos.append(Path(controls.get_string(item, b"value")))
            libobs.obs_data_release(item)
        libobs.obs_data_array_release(array)
        return photos

    def _take_still(self) -> str:
        camera = self._value(_CAMERA)
        if not camera:
            raise ImageError("still_no_source")
        self._session.take_still_in_scene()
        return self._texts("panel.still_begun", name=camera)

    def _start_folder(self) -> str:
        folder = self._value(_FOLDER)
        if not folder:
            return self._texts("panel.folder_none")
        if self._batch.state != worker_tasks.RUNNING:
            wanted = {"folder": folder, "settings": self._session.defaults_of_new()}
            last = {**self._batch_params, **self._batch.resume}
            goes_on = self._batch.state != worker_tasks.DONE and wanted.items() <= last.items()
            self._batch_params = last if goes_on else {**wanted, "output_folder": ""}
            self._batch.start(self._batch_params)
        return ""

    def _start_clip(self) -> str:
        clip = self._value(_CLIP)
        if not clip:
            return self._texts("panel.clip_none")
        if self._clip.state != worker_tasks.RUNNING:
            params = {"clip": clip, "settings": self._session.defaults_of_new()}
            self._unfinished_clip.save(params)
            self._clip.start(params)
        return ""

    def _clip_failed(self, error: CvmatteError) -> None:
        if isinstance(error, ImageError):  # it would fail again
            self._unfinished_clip.forget()

    def _clip_made(self, result: Any) -> None:
        self._unfinished_clip.forget()
        path = Path(result["path"])
        self._session.post(scenes.add_media, path.stem, str(path))

    def _open_outputs(self) -> str:
        folder = paths.outputs_folder()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if sys.platform == "win32":
                os.startfile(folder)
            else:
                opener = "open" if sys.platform == "darwin" else "xdg-open"
                subprocess.Popen([opener, str(folder)], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except OSError:  # no such program: then at least say where it is
            return str(folder)
        return ""

    def _tidy(self) -> None:
        """The worker does it: looking at thousands of files, or at a drive that is away, OBS's window would freeze."""
        keep = libobs.obs_data_get_int(self._data, _KEEP)
        self._tidying.start({"keep": keep, "in_use": sorted(self._session.layers_in_use())})

    def _install_model(self) -> None:
        entry = self._to_install(self._offered())
        if entry is not None and self._install.state != worker_tasks.RUNNING:
            self._installing = shown_title(entry, self._texts)
            self._install.start({"name": entry.name})

    def _model_is_installed(self, _result: Any) -> None:
        self._session.client.damaged_models.clear()  # whichever it was: a job that finds another says so again
        self._session.models_changed()

    def _write_diagnosis(self) -> None:
        """A text for a bug report. The worker's part comes with what is pressed or chosen next: OBS doesn't wait."""
        if not self._is_diagnosing:  # else what is under way is what this asks for
            self._diagnose.start()
        self._is_diagnosing = True
        self._show_diagnosis()

    def _diagnosing_state(self) -> list[str]:
        return [self._texts("panel.diagnose_again")] if self._is_diagnosing else [self._error_of(self._diagnose)]

    def _complete_diagnosis(self) -> None:
        if self._is_diagnosing and self._diagnose.state != worker_tasks.RUNNING:
            self._is_diagnosing = False
            self._diagnosed = (self._session.client.process_id, self._diagnose.result or {})
            self._show_diagnosis()

    def _show_diagnosis(self) -> None:
        client = self._session.client
        of_process, worker = self._diagnosed
        worker = worker if of_process == client.process_id else {}
        lines = [
            f"CVMatte {__version__}, OBS {(libobs.obs_get_version_string() or b'').decode()}",
            f"Python in OBS: {platform.python_version()}, {platform.platform()}",
            f"worker: {client.state}, process {client.process_id}",
            f"data: {paths.data_folder()}",
            *(f"{name}: {state.text}" for name, state in self._session.portraits()),
            *(f"error: {sentence}" for sentence in client.errors),
            *(_line(name, value) for name, value in worker.items()),
        ]
        controls.set_string(self._data, _DIAGNOSIS, "\n".join(lines))

    def _value(self, name: bytes) -> str:
        return controls.get_string(self._data, name)


def _home() -> bytes:
    return os.fsencode(Path.home())


def _line(name: str, value: Any) -> str:
    return f"{name}: " + ("\n  ".join(["", *map(str, value)]) if isinstance(value, list) else str(value))


_current: list[Panel] = []  # the panel of the script that is loaded


@libobs.ButtonClicked
def _clicked(properties: int, button: int, _data: int) -> bool:
    """Of every button: the callback outlives the script, since a dialog that is open may still call it."""
    name = (libobs.obs_property_name(button) or b"").decode()
    for panel in _current:
        libobs.guarded(panel.press, properties, name)
    return True


@libobs.PropertyModified
def _chosen(_data: int, properties: int, _listed: int, _settings: int) -> bool:
    """Something was chosen: OBS draws the panel anew then, which no script can ask it for."""
    for panel in _current:
        libobs.guarded(panel.show_state, properties)
    return True
