"""The models: what there is, fetching, checking, removing and converting them, and adding one's own, from the shell."""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..filesystem import files
from ..localization.errors import CvmatteError, ModelError
from ..localization.texts import Texts, megabytes, system_texts
from ..models import network
from ..models.catalogue import AUTO, ModelEntry, add_own, catalogue, costs, entry_of, good_at, is_there, verify
from ..models.fetch import fetch, opened_model, remove
from ..models.network_description import PRESETS
from ..models.single_image import packages_missing
from .program import ALL_GOOD, Misused, ended, parser_for

_BACKENDS = {".onnx": "onnx", ".pt": "torchscript", ".ts": "torchscript", ".torchscript": "torchscript"}
_LIKE = tuple(PRESETS)
_THREADS = 2  # to try a model with
_TELL_SECONDS = 0.1  # between two looks of the progress line


class ProgressLine:
    """How far it is: one line that changes on a terminal; elsewhere a line each tenth."""

    def __init__(self, texts: Texts) -> None:
        self._texts, self._terminal = texts, sys.stderr.isatty()
        self._told: int | float = -1
        self._last = (0, 0)

    def __call__(self, stage: str, done: int, total: int) -> None:
        if total <= 1:  # not known yet
            return
        self._last = done, total
        now = time.monotonic() // _TELL_SECONDS if self._terminal else done * 10 // total
        if now == self._told and done < total:
            return
        self._told = now
        line = self._texts("models.fetched", done=megabytes(done), total=megabytes(total))
        print(f"\r{line}  " if self._terminal else f"{line}\n", end="", file=sys.stderr, flush=True)

    def end(self, arrived: bool) -> None:
        """arrived: all of it, which the last look may have come too soon for."""
        if self._told == -1:
            return
        if arrived and self._last[0] < self._last[1]:
            self("", self._last[1], self._last[1])
        if self._terminal:
            print(file=sys.stderr)


# Options of `add` that are the backend's. An output is given by its name, or its place, -1 the last.
_DESCRIBED: dict[str, dict[str, Any]] = {
    "size": {"type": int, "metavar": "PX"},
    "mean": {"type": float, "nargs": 3, "metavar": ("R", "G", "B")},
    "std": {"type": float, "nargs": 3, "metavar": ("R", "G", "B")},
    "channels": {"choices": ("rgb", "bgr")},
    "output": {"type": lambda text: int(text) if re.fullmatch(r"-?\d+", text) else text, "metavar": "NAME"},
    "sigmoid": {"action": argparse.BooleanOptionalAction},
}


# The commands: each prints what it has done, and raises CvmatteError


def list_models(chosen: argparse.Namespace, texts: Texts) -> None:
    entries, auto = catalogue().values(), entry_of(AUTO).name
    name_width, licence_width = (max(len(getattr(entry, what)) for entry in entries) for what in ("name", "licence"))
    for entry in entries:
        state = texts("models.state.missing")
        if is_there(entry):
            state = texts("models.state.installed", size=megabytes(files.size_of(entry.path)))
        if entry.name == auto:
            state = texts("models.state.auto", state=state)
        print(f"{entry.name:{name_width}}  {entry.licence or '-':{licence_width}}  {entry.title}: {state}")
        about = f"{good_at(entry, texts)} {costs(entry, texts)}".strip()
        if about:
            print(f"{'':{name_width}}  {about}")


def install(chosen: argparse.Namespace, texts: Texts) -> None:
    path = fetched(entry_of(chosen.name), texts, chosen.file)
    print(texts("models.installed", model=entry_of(chosen.name).title, path=path))


def fetched(entry: ModelEntry, texts: Texts, file: Path | None = None) -> Path:
    line, path = ProgressLine(texts), None
    try:
        path = fetch(entry, line, file=file)
        return path
    finally:
        line.end(path is not None)


def verify_models(chosen: argparse.Namespace, texts: Texts) -> None:
    entries = [entry_of(chosen.name)] if chosen.name else [e for e in catalogue().values() if is_there(e)]
    failed = None
    for entry in entries:
        try:
            verify(entry)
            print(texts("models.whole", model=entry.title))
        except CvmatteError as error:  # the others are looked at too
            if failed:
                print(failed.sentence(texts), file=sys.stderr)
            failed = error
    if failed:
        raise failed


def remove_model(chosen: argparse.Namespace, texts: Texts) -> None:
    entry = entry_of(chosen.name)
    if not is_there(entry):
        raise ModelError("model_not_installed", model=entry.title)
    remove(entry)
    print(texts("models.removed", model=entry.title))


def convert_model(chosen: argparse.Namespace, texts: Texts) -> None:
    if not entry_of(chosen.name).converted:
        raise ModelError("model_no_conversion", model=entry_of(chosen.name).title)
    path = fetched(entry_of(chosen.name), texts)  # a damaged conversion goes with that
    entry = entry_of(chosen.name)
    if not entry.file:
        print(texts("models.converting", model=entry.title), flush=True)
        try:
            from ..models.convert import convert

            path = convert(entry, trial_picture(), lambda *progress: None)
        except ImportError as error:
            raise packages_missing(entry.title) from error
    print(texts("models.converted", model=entry.title, path=path))


def add(chosen: argparse.Namespace, texts: Texts) -> None:
    suffix = chosen.file.suffix.lower()
    if not re.fullmatch("[a-z0-9][a-z0-9-]*", chosen.name):
        raise Misused(texts("models.bad_name", name=chosen.name))
    if suffix not in _BACKENDS:
        raise Misused(texts("models.bad_ending", name=chosen.file.name, endings=", ".join(_BACKENDS)))
    options = described(chosen, texts)
    known = catalogue()
    if chosen.name == AUTO or chosen.name in known:
        raise ModelError("model_name_taken", name=chosen.name)
    entry = ModelEntry(
        name=chosen.name,
        title=chosen.title or chosen.name,
        licence=chosen.licence,
        backend=_BACKENDS[suffix],
        file=chosen.name + suffix,
        sha256="",
        source={"kind": "file"},
        options=options,
        general=chosen.general,
    )
    others = (fields for one in known.values() for fields in ({"file": one.file}, one.converted, one.earlier))
    if entry.file in {fields.get("file") for fields in others}:
        raise ModelError("model_name_taken", name=chosen.name)
    with opened_model(chosen.file) as opened, files.atomic_write(entry.path) as file:
        digest = files.sha256(opened, copy_to=file)
    entry = dataclasses.replace(entry, sha256=digest, size_bytes=files.size_of(entry.path))
    try:
        add_own(entry)
        try_out(entry, chosen.file.name, texts)
    except BaseException:
        remove(entry)
        raise
    print(texts("models.added", model=entry.title, name=entry.name))


def described(chosen: argparse.Namespace, texts: Texts) -> dict[str, Any]:
    """What the backend is to know: of the model that it is like, then --options, then the single flags."""
    options: dict[str, Any] = dict(PRESETS[chosen.like]) if chosen.like else {}
    if chosen.options:
        try:
            options |= dict(json.loads(chosen.options).items())
        except (ValueError, AttributeError, RecursionError) as error:
            raise Misused(texts("models.bad_options")) from error
    return options | {name: getattr(chosen, name) for name in _DESCRIBED if hasattr(chosen, name)}


def try_out(entry: ModelEntry, file: str, texts: Texts) -> None:
    """Raise ModelError unless a model can be loaded and makes an alpha of a picture."""
    picture = trial_picture()
    try:
        alpha = network.load(entry.name, _THREADS)(picture, "fast", lambda done, total: None)
    except CvmatteError as error:
        reasons = (error.sentence(texts), first_line(error.__cause__) if error.__cause__ else "")
        raise ModelError("model_unfit", file=file, reason=" ".join(filter(None, reasons))) from error
    except Exception as error:  # whatever a foreign file makes of its runtime
        raise ModelError("model_unfit", file=file, reason=first_line(error)) from error
    if alpha.shape != picture.shape[:2] or not np.isfinite(alpha).all() or alpha.min() < 0 or alpha.max() > 1:
        raise ModelError("model_unfit", file=file, reason=texts("models.no_alpha"))


def first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__


def trial_picture() -> np.ndarray:
    """A head and shoulders of sorts before a gradient: uint8 RGB, shape (480, 360, 3)."""
    rows, columns = np.mgrid[:480, :360]
    picture = np.stack([rows // 2, columns // 2, 255 - rows // 2], axis=-1).astype(np.uint8)
    cv2.ellipse(picture, (180, 480), (150, 190), 0, 0, 360, (40, 60, 110), -1, cv2.LINE_AA)
    cv2.ellipse(picture, (180, 190), (75, 100), 0, 0, 360, (215, 170, 140), -1, cv2.LINE_AA)
    cv2.ellipse(picture, (180, 150), (80, 75), 0, 180, 360, (60, 40, 25), -1, cv2.LINE_AA)
    return picture


# The shell


def main(arguments: list[str] | None = None) -> int:
    texts = system_texts()
    parser = parser_for("models", texts)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, run: Any) -> Any:
        added = commands.add_parser(name, help=texts(f"models.{name}"), description=texts(f"models.{name}"))
        added.set_defaults(run=run)
        return added

    command("list", list_models)
    installed = command("install", install)
    installed.add_argument("name", metavar="NAME", help=texts("models.name"))
    installed.add_argument("--file", type=Path, metavar="FILE", help=texts("models.install.file"))
    command("verify", verify_models).add_argument("name", metavar="NAME", nargs="?", help=texts("models.name"))
    command("remove", remove_model).add_argument("name", metavar="NAME", help=texts("models.name"))
    command("convert", convert_model).add_argument("name", metavar="NAME", help=texts("models.name"))
    added = command("add", add)
    added.add_argument("file", type=Path, metavar="FILE", help=texts("models.add.file", endings=", ".join(_BACKENDS)))
    added.add_argument("--name", required=True, metavar="NAME", help=texts("models.add.name"))
    added.add_argument("--title", metavar="TEXT", default="", help=texts("models.add.title"))
    added.add_argument("--licence", metavar="TEXT", default="", help=texts("models.add.licence"))
    added.add_argument("--like", choices=_LIKE, help=texts("models.add.like"))
    added.add_argument("--options", metavar="JSON", help=texts("models.add.options"))
    for name, how in _DESCRIBED.items():
        added.add_argument(f"--{name}", default=argparse.SUPPRESS, help=texts(f"models.add.{name}"), **how)
    added.add_argument("--general", action="store_true", help=texts("models.add.general"))
    chosen = parser.parse_args(arguments)
    return ended(parser, lambda: chosen.run(chosen, texts) or ALL_GOOD)
