"""The models that can be used, as data: catalogue.json here, and beside the models' files the person's own.

Standard library only: OBS and install.py read them too.

An entry's `source` says where it comes from: {"kind": "wheel", "wheel": a requirement, "member": a file in it},
{"kind": "modelscope", "id": …, "revision": …}, or {"kind": "file"}, which is a person's own. `options` are the
backend's: see the module of that backend.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath
from typing import Any, Callable, Mapping

from ..disk import files, paths
from ..disk.lock import locked
from ..words.errors import ModelError
from . import hub

AUTO = "auto"  # CV-UNet for who installed it, else the default
DEFAULT = "rvm-mobilenetv3"
_PREFERRED = "cv-unet"
_SHIPPED, _OWN = Path(__file__).with_name("catalogue.json"), "own.json"
_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


@dataclass(frozen=True)
class ModelEntry:
    """A model: what it is called, where it comes from, which backend runs it, and the file it is kept as.

    sha256: of the file; empty where its source vouches for it. converted: the fields that change once a conversion
    of it is there (see convert.py).
    """

    name: str
    title: str
    licence: str
    backend: str
    file: str
    sha256: str
    source: Mapping[str, str]
    size_bytes: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    converted: Mapping[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """The model's file; the hub's folder of one from ModelScope, also where it is to be."""
        if self.file:
            return paths.models_folder() / self.file
        return hub.folder_of(self.source["id"])


def catalogue() -> dict[str, ModelEntry]:
    """Every model by its name: the shipped ones, then the person's own. Raises ModelError where those can't be read."""
    entries = _shipped()
    return {**entries, **{entry.name: entry for entry in _own() if entry.name not in entries}}


def entry_of(name: str) -> ModelEntry:
    """The entry of a model's name, which may be AUTO. Raises ModelError."""
    shipped = _shipped()
    if name == AUTO:
        preferred = shipped[_PREFERRED]
        return preferred if is_there(preferred) and _can_run(preferred) else shipped[DEFAULT]
    entries = shipped if name in shipped else catalogue()  # the shipped ones do without what a person's own need
    if name not in entries:
        raise ModelError("model_unknown", model=name, models=", ".join([AUTO, *entries]))
    return entries[name]


def shown_title(entry: ModelEntry, texts: Callable[..., str]) -> str:
    """What a person reads for a model: a shipped one's text, or the title that they gave their own."""
    key = f"choice.model.{entry.name}"
    shown = texts(key)
    return entry.title if shown == key else shown


def choices(texts: Callable[..., str]) -> dict[str, str]:
    """What a person may choose from now, and what they read for each: AUTO first. Raises ModelError."""
    titles = {name: shown_title(entry, texts) for name, entry in catalogue().items()}
    return {AUTO: texts("choice.model.auto", model=shown_title(entry_of(AUTO), texts)), **titles}


def _shipped() -> dict[str, ModelEntry]:
    return {entry.name: _preferring_converted(entry) for entry in _read_shipped()}


@functools.cache  # it doesn't change, and every move of a slider asks what is meant by AUTO
def _read_shipped() -> list[ModelEntry]:
    return _read(_SHIPPED)


def _can_run(entry: ModelEntry) -> bool:
    """Whether the packages are there that run it: ModelScope's client may have fetched it for somebody else."""
    if entry.backend != "modelscope":
        return True
    home = paths.environment_python().parent.parent
    folders = [home / "Lib" / "site-packages", *home.glob("lib/python*/site-packages")]
    return any(all((folder / name).is_dir() for name in ("modelscope", "tensorflow", "torch")) for folder in folders)


def add_own(entry: ModelEntry) -> None:
    """Enter a person's own model, in place of an own one of that name. Raises ModelError, OutputError."""
    with locked(_own_lock()):
        _write_own([*(other for other in _own() if other.name != entry.name), entry])


def remove_own(name: str) -> None:
    """Forget a person's own model, if there is one of that name. Raises ModelError, OutputError."""
    with locked(_own_lock()):
        entries = _own()
        if any(entry.name == name for entry in entries):
            _write_own([entry for entry in entries if entry.name != name])


def is_there(entry: ModelEntry) -> bool:
    """Whether the model's file is there, whole or not: quick, for who only asks what to show."""
    return entry.path.is_file() if entry.file else hub.is_complete(entry.path)


def files_of(entry: ModelEntry) -> list[Path]:
    """The files of the models folder that a model is loaded from; none of one that is in ModelScope's."""
    return [entry.path, *([record_of_conversion(entry)] if entry.converted else [])] if entry.file else []


def verify(entry: ModelEntry) -> None:
    """Raise ModelError unless the model is there, byte for byte."""
    if not entry.file:
        if not hub.is_complete(entry.path):
            raise ModelError("model_missing", model=entry.title, install=install_command(entry.name))
        return
    try:
        with entry.path.open("rb") as file:
            digest = files.sha256(file)
    except OSError as error:
        raise ModelError("model_missing", model=entry.title, install=install_command(entry.name)) from error
    if entry.sha256 and digest != entry.sha256:
        raise ModelError("model_damaged", model=entry.title, install=install_command(entry.name))


def install_command(name: str = DEFAULT) -> str:
    """The command that a person runs to have a model."""
    if paths.IS_PACKAGE:
        return f"cvmatte models install {name}"
    python = "py" if sys.platform == "win32" else "python3"
    return f"{python} install.py" if name == DEFAULT else f"{python} scripts/models.py install {name}"


def install_packages_command(extra: str = "") -> str:
    """The command that a person runs to have CVMatte's packages, those of an extra among them."""
    if paths.IS_PACKAGE:
        return f"pip install 'cvmatte[{extra}]'" if extra else "pip install cvmatte"
    return f"{install_command()} --{extra}" if extra else install_command()


def record_of_conversion(entry: ModelEntry) -> Path:
    """The JSON file that a conversion leaves beside its result once that is proven equal: {"sha256": …}."""
    return paths.models_folder() / f"{entry.converted['file']}.json"


def _preferring_converted(entry: ModelEntry) -> ModelEntry:
    if not entry.converted:
        return entry
    try:
        proven = json.loads(record_of_conversion(entry).read_text(encoding="utf-8"))
        converted = dataclasses.replace(entry, **entry.converted, sha256=proven["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return entry
    return converted if converted.path.is_file() else entry


def _own_lock() -> Path:
    return paths.models_folder() / f".{_OWN}.lock"


def _own() -> list[ModelEntry]:
    path = paths.models_folder() / _OWN
    return _read(path) if path.exists() else []


def _read(path: Path) -> list[ModelEntry]:
    try:
        return [_checked(ModelEntry(**values)) for values in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ModelError("catalogue_damaged", path=str(path)) from error


def _checked(entry: ModelEntry) -> ModelEntry:
    """The entry. Raises one of the errors above where it isn't one, or names a file outside of its folder."""
    words = (entry.name, entry.title, entry.licence, entry.backend, entry.file, entry.sha256, entry.source["kind"])
    mappings = (entry.source, entry.options, entry.converted)
    if not all(isinstance(word, str) for word in words) or not all(isinstance(values, dict) for values in mappings):
        raise TypeError("a field is of another type")
    if not isinstance(entry.size_bytes, int):
        raise TypeError("size_bytes is no number")
    if (
        not entry.name
        or PureWindowsPath(entry.file).name != entry.file
        or PureWindowsPath(entry.name).name != entry.name
    ):
        raise ValueError("names a file in another folder")
    if not entry.file and not _HUB_NAME.fullmatch(entry.source["id"]):
        raise ValueError("neither a file nor a model of the hub")
    return entry


def _write_own(entries: list[ModelEntry]) -> None:
    content = json.dumps([dataclasses.asdict(entry) for entry in entries], indent=2)
    files.write(paths.models_folder() / _OWN, content.encode("utf-8"))
