"""The models that can be used, as data: catalogue.json here, and beside the models' files the person's own.

An entry's `source` says where it comes from: {"kind": "wheel", "wheel": a requirement, "member": a file in it},
{"kind": "modelscope", "id": …, "revision": …}, {"kind": "url", "url": …, "md5": …, "rembg": …}, or {"kind": "file"},
which is a person's own. `options` are the backend's: see the module of that backend; or {"like": one of
network_description.PRESETS}, of a shipped one.

A "url" has an md5 if its publisher names no SHA-256: a new file is compared with that, and its SHA-256 is noted beside
it (record_of) for later. "rembg" is what that package calls the model, if it has the same file. Standard library only:
OBS and install.py read them too.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath
from typing import IO, Any, Callable, Collection, Iterator, Mapping

from ..filesystem import files, paths
from ..filesystem.lock import locked
from ..localization.errors import ModelError, WorkerError
from . import hub
from .network_description import PRESETS

AUTO = "auto"  # CV-UNet for who installed it, else the default
DEFAULT = "rvm-mobilenetv3"
_PREFERRED = "cv-unet"
_INSTALLED_ON_REQUEST = ("modelscope", "ray")  # extras, by install.py
_SHIPPED, _OWN = Path(__file__).with_name("catalogue.json"), "own.json"
_TYPES = {"str": str, "int": int, "bool": bool}  # of an entry's fields; the others are dicts
_RUNTIME = re.compile(r"onnxruntime(?:_gpu|_directml|_openvino)?-(\d+)\.(\d+)\.")  # its folder beside the package
_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


@dataclass(frozen=True)
class ModelEntry:
    """A model: what it is called, where it comes from, which backend runs it, and the file it is kept as.

    sha256: of the file; empty where its source vouches for it, or names an md5 only. size_bytes: of the download; 0 if
    unknown, exact for a "url". costs: of a photo of 2 megapixels on two processor cores, as measured:
    {"memory_bytes": …, "seconds": …}, or as others report: {"told_memory_bytes": …}. converted: the fields that change
    once it has been converted (see convert.py). general: whether it sees any striking object, not only people.
    runtime: the ONNX Runtime that knows all its operators, "1.25"; any if empty. earlier: the fields of the file that
    it was before: who has that keeps it, and so does who has no such runtime.
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
    costs: Mapping[str, float] = field(default_factory=dict)
    general: bool = False
    runtime: str = ""
    earlier: Mapping[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """The model's file; the hub's folder of one from ModelScope, also where it is to be."""
        if self.file:
            return paths.models_folder() / self.file
        return hub.folder_of(self.source["id"])


def catalogue() -> dict[str, ModelEntry]:
    """Every model by its name: the shipped ones, then the person's own. Raises ModelError where those can't be read."""
    entries = _shipped()
    # One that was added before CVMatte had a model of that name stays what it is.
    own = {entry.name: entry for entry in _own() if entry.name not in entries or _gives_way(entries[entry.name])}
    return {**entries, **own}


def entry_of(name: str) -> ModelEntry:
    """The entry of a model's name, which may be AUTO. Raises ModelError."""
    shipped = _shipped()
    if name == AUTO:
        preferred = shipped[_PREFERRED]
        return preferred if is_there(preferred) and can_run(preferred) else shipped[DEFAULT]
    # The first of them do without what a person's own need.
    entries = shipped if name in shipped and not _gives_way(shipped[name]) else catalogue()
    if name not in entries:
        raise ModelError("model_unknown", model=name, models=", ".join([AUTO, *entries]))
    return entries[name]


def pair_for_held(name: str) -> tuple[ModelEntry, ModelEntry]:
    """The models for the people and for what they hold, for a chosen one. Raises ModelError if none sees things."""
    chosen = entry_of(name)
    if chosen.general:
        return _shipped()[DEFAULT], chosen
    general = sorted((entry for entry in catalogue().values() if entry.general), key=lambda entry: entry.size_bytes)
    things = next((entry for entry in general if is_there(entry)), None)
    if things is None:
        raise ModelError("held_needs_model", model=general[0].title, install=install_command(general[0].name))
    return chosen, things


def to_install(damaged: Collection[str] = ()) -> list[ModelEntry]:
    """The shipped models that are missing, the most useful first (what people hold is lost without a model that sees
    things), those that a click can't install last. damaged: titles of broken ones. Raises ModelError."""
    there = [entry for entry in catalogue().values() if is_there(entry) and entry.title not in damaged]
    missing = [entry for entry in _shipped().values() if entry not in there]
    things = [] if any(entry.general for entry in there) else [entry for entry in missing if entry.general]
    first = min(things, key=lambda entry: entry.size_bytes, default=None)
    return sorted(missing, key=lambda entry: (entry.name != DEFAULT, not can_run(entry), entry is not first))


def shown_title(entry: ModelEntry, texts: Callable[..., str]) -> str:
    """What a person reads for a model: a shipped one's text, or the title that they gave their own."""
    key = f"choice.model.{entry.name}"
    shown = texts(key)
    return entry.title if is_own(entry) or shown == key else shown


def good_at(entry: ModelEntry, texts: Callable[..., str]) -> str:
    """What a model is good at, in a sentence; nothing of a person's own."""
    return "" if is_own(entry) else texts(f"model.good_at.{entry.name}")


def costs(entry: ModelEntry, texts: Callable[..., str]) -> str:
    """What a model costs to fetch and to use, in sentences; nothing of a person's own."""
    if is_own(entry):
        return ""
    fetching = texts("model.download", megabytes=round(entry.size_bytes / 1e6)) if entry.size_bytes else ""
    if "seconds" in entry.costs:
        megabytes, seconds = round(entry.costs["memory_bytes"] / 1e6), f"{entry.costs['seconds']:.1f}"
        use = texts("model.measured", megabytes=megabytes, seconds=seconds)
    elif "told_memory_bytes" in entry.costs:
        use = texts("model.told", gigabytes=round(entry.costs["told_memory_bytes"] / 1e9))
    else:
        use = texts("model.not_measured")
    return f"{fetching} {use}".strip()


def choices(texts: Callable[..., str]) -> dict[str, str]:
    """What a person may choose from now, and what they read for each: AUTO first. Raises ModelError."""
    titles = {name: shown_title(entry, texts) for name, entry in catalogue().items()}
    return {AUTO: texts("choice.model.auto", model=shown_title(entry_of(AUTO), texts)), **titles}


def is_own(entry: ModelEntry) -> bool:
    """Whether a person added it themselves."""
    return entry.source["kind"] == "file"


def _gives_way(entry: ModelEntry) -> bool:
    """Whether a person's own model of the same name goes before a shipped one: these came later."""
    return entry.source["kind"] == "url"


def _shipped() -> dict[str, ModelEntry]:
    kept = (_keeping_earlier(entry) for entry in _read_shipped())
    return {entry.name: _with_noted_hash(_preferring_converted(entry)) for entry in kept}


@functools.cache  # it doesn't change, and every move of a slider asks what is meant by AUTO
def _read_shipped() -> list[ModelEntry]:
    """With the options of the family that an entry is like."""
    known = [(entry, PRESETS.get(entry.options.get("like", ""))) for entry in _read(_SHIPPED)]
    return [dataclasses.replace(entry, options=options) if options else entry for entry, options in known]


def can_run(entry: ModelEntry) -> bool:
    """Whether the packages are there that run it: ModelScope's client may have fetched it for somebody else."""
    if entry.backend != "modelscope":
        return True
    needed = ("modelscope", "tensorflow", "torch")
    return any(all((folder / name).is_dir() for name in needed) for folder in _package_folders())


def _package_folders() -> list[Path]:
    """Of the environment that matting runs in: OBS has another one."""
    home = paths.environment_python().parent.parent
    return [home / "Lib" / "site-packages", *home.glob("lib/python*/site-packages")]


def _has_runtime(version: str) -> bool:
    """Whether no older ONNX Runtime is installed, of whatever build: where there is none yet, it will be a new one."""
    names = (path.name for folder in _package_folders() for path in folder.glob("onnxruntime*.dist-info"))
    found = [(int(one[1]), int(one[2])) for one in map(_RUNTIME.match, names) if one]
    major, minor = map(int, version.split("."))
    return all(there >= (major, minor) for there in found)


def add_own(entry: ModelEntry) -> None:
    """Enter a person's own model, in place of one of that name. Raises ModelError, OutputError."""
    _replace_own(entry.name, entry)


def remove_own(name: str) -> None:
    """Forget a person's own model, if there is one of that name. Raises ModelError, OutputError."""
    _replace_own(name)


def _replace_own(name: str, *successor: ModelEntry) -> None:
    with locked(paths.models_folder() / f".{_OWN}.lock"):
        before = _own()
        entries = [*(entry for entry in before if entry.name != name), *successor]
        if entries != before:
            values = [dataclasses.asdict(entry) for entry in entries]
            for one in values:
                for unknown in ("costs", "runtime", "earlier"):  # of shipped ones alone; older versions know none
                    del one[unknown]
            files.write(paths.models_folder() / _OWN, json.dumps(values, indent=2).encode("utf-8"))


def is_there(entry: ModelEntry) -> bool:
    """Whether the model's file is there, whole or not: quick, to show a list."""
    return entry.path.is_file() if entry.file else hub.is_complete(entry.path)


def files_of(entry: ModelEntry) -> list[Path]:
    """The files of the models folder that a model is loaded from; none of one that is in ModelScope's."""
    return [entry.path, *([record_of_conversion(entry)] if entry.converted else [])] if entry.file else []


def missing(entry: ModelEntry) -> ModelError:
    """That the model isn't there, and how to install it."""
    return ModelError("model_missing", model=entry.title, install=install_command(entry.name))


def verify(entry: ModelEntry) -> None:
    """Raise ModelError unless the model is there, byte for byte."""
    if not entry.file and not hub.is_complete(entry.path):
        raise missing(entry)
    if entry.file:
        try:
            with entry.path.open("rb") as file:
                if entry.sha256:  # the catalogue's, or the noted one
                    has_its_hash = files.sha256(file) == entry.sha256
                else:
                    has_its_hash = "md5" not in entry.source or bool(sha256_as_published(entry, file))
        except OSError as error:
            raise missing(entry) from error
        if not has_its_hash:
            raise ModelError("model_damaged", model=entry.title, install=install_command(entry.name))


def is_whole(entry: ModelEntry) -> bool:
    """Whether `verify` has nothing against it."""
    with contextlib.suppress(ModelError):
        verify(entry)
        return True
    return False


def sha256_as_published(
    entry: ModelEntry, file: IO[bytes], copy_to: IO[bytes] | None = None, tick: Callable[[], None] = lambda: None
) -> str:
    """The SHA-256 of an open file if it has the hash that the model's publisher names; else empty. The rest is as
    files.digests has it."""
    kind = "md5" if "md5" in entry.source else "sha256"
    found = files.digests(file, {kind, "sha256"}, copy_to, tick)
    return found["sha256"] if found[kind] == entry.source.get(kind, entry.sha256) else ""


def install_command(name: str = DEFAULT) -> str:
    """The command that a person runs to have a model."""
    if paths.IS_PACKAGE:
        return f"cvmatte models install {name}"
    python = "py" if sys.platform == "win32" else "python3"
    if name == _PREFERRED:  # with what it runs on
        return f"{python} install.py --modelscope"
    return f"{python} install.py" if name == DEFAULT else f"{python} scripts/models.py install {name}"


def install_packages_command(extra: str = "") -> str:
    """The command that a person runs to install CVMatte's packages, including an extra's."""
    if paths.IS_PACKAGE:
        return f"pip install 'cvmatte[{extra}]'" if extra else "pip install cvmatte"
    return f"{install_command()} --{extra}" if extra in _INSTALLED_ON_REQUEST else install_command()


@contextlib.contextmanager
def needs_packages(key: str, extra: str) -> Iterator[None]:
    """For imports that an older environment, or a package without that extra, may lack. Raises WorkerError."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("cvmatte"):
            raise
        raise WorkerError(key, command=install_packages_command(extra)) from error


def record_of_conversion(entry: ModelEntry) -> Path:
    """The record of a conversion, written once its result has proven equal."""
    return record_of(paths.models_folder() / entry.converted["file"])


def record_of(file: Path) -> Path:
    """The JSON file beside a model's with the hash that the catalogue doesn't know: {"sha256": …}."""
    return file.with_name(f"{file.name}.json")


def note_hash(entry: ModelEntry, sha256: str) -> None:
    """Note the SHA-256 of a model's whole file where the catalogue knows none. Raises OutputError."""
    if "md5" in entry.source:
        files.write_texts(record_of(entry.path), sha256=sha256)


def _noted_hash(record: Path) -> str:
    """Empty where there is no record, or none that can be read."""
    return files.read_texts(record).get("sha256", "")


def _preferring_converted(entry: ModelEntry) -> ModelEntry:
    if entry.converted and (proven := _noted_hash(record_of_conversion(entry))):
        converted = dataclasses.replace(entry, **entry.converted, sha256=proven)
        return converted if converted.path.is_file() else entry
    return entry


def _keeping_earlier(entry: ModelEntry) -> ModelEntry:
    if not entry.earlier:
        return entry
    before = dataclasses.replace(entry, **entry.earlier, runtime="", earlier={})
    is_kept = before.path.is_file() and not entry.path.is_file()
    return before if is_kept or not _has_runtime(entry.runtime) else entry


def _with_noted_hash(entry: ModelEntry) -> ModelEntry:
    """Only of one whose catalogue knows no better."""
    if entry.sha256 or "md5" not in entry.source:
        return entry
    return dataclasses.replace(entry, sha256=_noted_hash(record_of(entry.path)))


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
    wanted = ((getattr(entry, one.name), _TYPES.get(str(one.type), dict)) for one in dataclasses.fields(entry))
    if not all(isinstance(value, kind) for value, kind in (*wanted, (entry.source["kind"], str))):
        raise TypeError("a field is of another type")
    if not entry.name or any(PureWindowsPath(name).name != name for name in (entry.file, entry.name)):
        raise ValueError("names a file in another folder")
    if not entry.file and not _HUB_NAME.fullmatch(entry.source["id"]):
        raise ValueError("neither a file nor a model of the hub")
    return entry
