"""Presets: named sets of controls, some that come with CVMatte and the person's own. Standard library only.

A preset says how a portrait looks, not how this computer makes and keeps it: settings.PRESET.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any, Mapping

from .filesystem import files, paths
from .layers import outputs
from .localization.errors import OutputError, SettingsError
from .localization.texts import LANGUAGES, Texts
from .settings import CLIP, LIVE, PHOTO, PRESET, MatteSettings, controls_for

NAME_LIMIT = 60  # characters
PRESET_CONTROLS = controls_for(PHOTO, CLIP, LIVE, at=PRESET)
_FORMAT_VERSION = 1


# What differs from the defaults. A name's text is "preset.NAME".
BUILT_IN: dict[str, dict[str, Any]] = {
    "virtual_meeting": {"subject": "main", "background": "blur", "feather": 2},
    "livestream_overlay": {"background": "transparent", "crop": True, "erosion": 1, "feather": 1},
    "id_photo": {
        "quality": "best",
        "subject": "main",
        "id_photo": "35x45",
        "background": "colour",
        "background_colour": "#ffffff",
        "format": "jpeg",
    },
    "sticker_outline": {"crop": True, "outline": 12, "outline_colour": "#ffffff"},
    "thumbnail_glow": {"crop": True, "outline": 40, "outline_colour": "#ffffff", "outline_softness": 100},
}


class PresetStore:
    """The presets: CVMatte's by their ids, and the person's own, which are read from their file at every call."""

    def __init__(self, file: Path | None = None) -> None:
        self._chosen = file

    @property
    def _file(self) -> Path:
        """Raises OutputError where there is nowhere to keep one."""
        return self._chosen or paths.data_folder() / "presets.json"

    def names(self) -> list[str]:
        """The built-in presets' ids, then the names of the person's own in the order of their making."""
        return [*BUILT_IN, *self._readable()]

    def title(self, name: str, texts: Texts) -> str:
        """What a person reads for a name out of `names`."""
        return texts(f"preset.{name}") if name in BUILT_IN else name

    def values(self, name: str) -> dict[str, Any]:
        """A value for each of PRESET_CONTROLS. Raises SettingsError where there is no such preset."""
        if name in BUILT_IN:
            return _complete(BUILT_IN[name])
        own = self._readable()
        if name not in own:
            raise SettingsError("preset_missing", name=name)
        return _complete(own[name])

    def save(self, name: str, settings: MatteSettings) -> str:
        """Keep the settings under a name, over an own preset of that name. Returns the name as it is kept. Raises
        SettingsError where the name won't do, OutputError where nothing can be written."""
        name = _checked(name)
        own = self._read()
        own[name] = _complete(settings.as_dict())
        self._write(own)
        return name

    def rename(self, name: str, new_name: str) -> str:
        """Give an own preset another name; its place in the order stays. Returns the name as it is kept. Raises
        SettingsError where there is no such preset or the new name is taken or won't do, OutputError."""
        new_name = _checked(new_name)
        own = self._read()
        if name not in own:
            raise SettingsError("preset_missing", name=name)
        if new_name != name and new_name in own:
            raise SettingsError("preset_name_taken", name=new_name)
        self._write({new_name if kept == name else kept: values for kept, values in own.items()})
        return new_name

    def delete(self, name: str) -> None:
        """Forget an own preset. Raises SettingsError where there is no such own preset, OutputError."""
        own = self._read()
        if own.pop(name, None) is None:
            raise SettingsError("preset_missing", name=name)
        self._write(own)

    def _readable(self) -> dict[str, dict[str, Any]]:
        try:
            return self._read()
        except OutputError:  # said when something is to be written
            return {}

    def _read(self) -> dict[str, dict[str, Any]]:
        """The person's own presets. A damaged file is put aside and counts as empty. Raises OutputError where the file
        is there but can't be read: writing would lose what it holds."""
        try:
            text = self._file.read_bytes().decode("utf-8")
            presets = json.loads(text)["presets"].items()
            return {name: values for name, values in presets if isinstance(values, dict) and name not in BUILT_IN}
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise OutputError("cannot_write", folder=str(self._file.parent)) from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            with contextlib.suppress(OSError):
                self._file.replace(outputs.unused(self._file.with_name(f"{self._file.stem}.damaged.json")))
            return {}

    def _write(self, own: Mapping[str, Any]) -> None:
        content = {"version": _FORMAT_VERSION, "presets": own}
        files.write(self._file, json.dumps(content, indent=2, ensure_ascii=True).encode("ascii"))


def _complete(values: Mapping[str, Any]) -> dict[str, Any]:
    """A value for each of PRESET_CONTROLS: the default where there is none, or one that this version doesn't take."""
    complete = {control.name: control.default for control in PRESET_CONTROLS}
    for control in PRESET_CONTROLS:
        with contextlib.suppress(SettingsError, KeyError):
            complete[control.name] = control.checked(values[control.name])
    return complete


def _checked(name: str) -> str:
    """The name with its blanks in order. Raises SettingsError where it is empty, too long or a built-in preset's."""
    name = " ".join(name.split())
    if not 1 <= len(name) <= NAME_LIMIT:
        raise SettingsError("preset_name", limit=NAME_LIMIT)
    titles = {Texts(language)(f"preset.{own}") for language in LANGUAGES for own in BUILT_IN}
    if name.casefold() in {taken.casefold() for taken in {*BUILT_IN, *titles}}:
        raise SettingsError("preset_name_taken", name=name)
    return name
