"""Cut people out of a photo, or of a folder of photos, from the shell."""

from __future__ import annotations

import argparse
import contextlib
import functools
import io
import logging
import os
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO

from .. import settings
from ..batch import cluster
from ..batch.pipeline import Cutter, Pipeline
from ..disk import files
from ..layers import outputs
from ..layers.touch_ups import TouchUps
from ..matting import compose
from ..matting.matter import Matte, Matter, StrokesFor, decode, strokes_of
from ..models.catalogue import AUTO, catalogue
from ..pictures import images
from ..pictures.endings import CLIP_KINDS
from ..pictures.endings import CLIPS as CLIP_ENDINGS
from ..settings import CONTROLS, MatteSettings
from ..system import devices
from ..words.errors import CvmatteError, ImageError, SettingsError
from ..words.texts import Texts, system_texts
from . import clips, folders
from .program import parser_for

STANDARD = Path("-")  # standard input or output

_METAVARS = {settings.INTEGER: "N", settings.COLOUR: "#RRGGBB", settings.IMAGE: "FILE", settings.FOLDER: "FOLDER"}
_METAVARS[settings.MODEL] = "NAME"
_MOST_THREADS = 256
_UNITS = {"px": "PX", "%": "PERCENT"}


def add_controls(parser: argparse.ArgumentParser, texts: Texts) -> None:
    """An option for each control of MatteSettings; one that isn't given is absent from what is parsed."""
    groups: dict[str, Any] = {}
    for control in CONTROLS:
        if control.group not in groups:
            groups[control.group] = parser.add_argument_group(texts(f"group.{control.group}"))
        options: dict[str, Any] = {"default": argparse.SUPPRESS, "dest": control.name}
        options["help"] = texts(f"control.{control.name}.tip").replace("%", "%%")
        if control.kind == settings.SWITCH:
            options["action"] = argparse.BooleanOptionalAction
        else:
            options["help"] += f" [{control.default}]" if control.default != "" else ""
        if control.kind == settings.MODEL:
            options["help"] += " " + texts("matte.models", models=", ".join(model_names())).replace("%", "%%")
        if control.kind == settings.CHOICE:
            options["choices"] = control.choices
        elif control.kind in _METAVARS:
            options["metavar"] = _UNITS.get(control.unit, _METAVARS[control.kind])
        if control.kind == settings.INTEGER:
            options["type"] = int
        groups[control.group].add_argument("--" + control.name.replace("_", "-"), **options)


def model_names() -> list[str]:
    """Every name that --model takes now."""
    try:
        return [AUTO, *catalogue()]
    except CvmatteError:  # said when a model is needed
        return [AUTO]


class Misnamed(Exception):
    """What was asked for doesn't go together; the sentence says what to change."""


def settings_and_output(chosen: argparse.Namespace, texts: Texts) -> tuple[MatteSettings, Path]:
    """The settings, and where the layer goes: the format and the name's ending always agree.

    Raises SettingsError, or Misnamed where they can't.
    """
    given = {control.name: getattr(chosen, control.name) for control in CONTROLS if hasattr(chosen, control.name)}
    if chosen.output == STANDARD or (chosen.output is None and chosen.photo == STANDARD):
        return MatteSettings(**given), STANDARD
    if chosen.photo != STANDARD and files.is_folder(chosen.photo):
        given.setdefault("save_mask", True)
        wanted = MatteSettings(**given)
        name = chosen.photo.absolute().resolve().name or "photos"
        beside = Path(wanted.output_folder or chosen.photo.absolute().resolve().parent / f"{name}-cutout")
        return wanted, chosen.output or beside
    if is_clip(chosen):
        wanted = MatteSettings(**given)
        if chosen.output is not None and chosen.output.suffix.lower() not in ("", *CLIP_KINDS):
            endings = ", ".join(CLIP_KINDS)
            raise Misnamed(texts("matte.ending", name=chosen.output.name, endings=endings))
        return wanted, chosen.output or chosen.photo
    if chosen.output is not None and chosen.output.suffix:
        by_name = images.format_of(chosen.output)
        if by_name is None or given.setdefault("format", by_name) != by_name:
            kinds = [given["format"]] if "format" in given else images.SUFFIXES
            endings = ", ".join(ending for kind in kinds for ending in images.SUFFIXES[kind])
            raise Misnamed(texts("matte.ending", name=chosen.output.name, endings=endings))
        return MatteSettings(**given), chosen.output
    wanted = MatteSettings(**given)
    folder = Path(wanted.output_folder) if wanted.output_folder else chosen.photo.parent
    output = chosen.output or folder / f"{chosen.photo.stem}-cutout"
    # Not with_suffix: what follows a dot in the photo's name is no ending.
    return wanted, output.with_name(output.name + images.suffix(wanted.format))


def is_clip(chosen: argparse.Namespace) -> bool:
    """By its name, and where it is no folder."""
    return chosen.photo.suffix.lower() in CLIP_ENDINGS and not files.is_folder(chosen.photo)


def refuse_to_replace_sources(chosen: argparse.Namespace, wanted: MatteSettings, output: Path, texts: Texts) -> None:
    """Raise Misnamed where a picture that goes in has the name of one that comes out."""
    output = Path(os.devnull) if output == STANDARD else output
    sources = [chosen.photo, chosen.touch_up, Path(wanted.background_image) if wanted.background_image else None]
    targets = [output, chosen.mask, outputs.mask_beside(output) if chosen.overwrite and wanted.save_mask else None]
    for target in filter(None, targets):
        for source in filter(None, sources):
            if files.exists(target) and files.exists(source) and target.samefile(source):
                raise Misnamed(texts("matte.output_is_input"))


def refuse_what_does_not_go_together(chosen: argparse.Namespace, wanted: MatteSettings, texts: Texts) -> None:
    """Raise Misnamed where an option is of no use for what is to be matted, or there is no place for what it makes."""
    folder = chosen.photo != STANDARD and files.is_folder(chosen.photo)
    if is_clip(chosen):
        unfit = {
            "--mask": chosen.mask,
            "--save-mask": wanted.save_mask,
            "--touch-up": chosen.touch_up,
            "--overwrite": chosen.overwrite,
            "--watch": chosen.watch,
            "--recursive": chosen.recursive,
            "--ray": chosen.ray,
            "--subject": wanted.subject == "held",
            "-o -": chosen.output == STANDARD,
        }
        for option in (option for option, value in unfit.items() if value):
            raise Misnamed(texts("matte.not_of_a_clip", option=option))
        return
    for option, given, fits in (
        ("--recursive", chosen.recursive, folder),
        ("--watch", chosen.watch, folder),
        ("--ray", chosen.ray is not None, folder),
        ("--mask", chosen.mask, not folder),
        ("--touch-up", chosen.touch_up, not folder),
        ("--overwrite", chosen.overwrite, not folder),
        ("-o -", chosen.output == STANDARD, not folder),
    ):
        if given and not fits:
            raise Misnamed(texts("matte.not_of_a_folder" if folder else "matte.only_of_a_folder", option=option))
    to_standard = chosen.output == STANDARD or (chosen.output is None and chosen.photo == STANDARD)
    if to_standard and wanted.save_mask:
        raise Misnamed(texts("matte.mask_of_stdout"))
    if to_standard and sys.stdout.isatty():
        raise Misnamed(texts("matte.stdout_is_a_screen"))
    if chosen.mask and (chosen.mask == STANDARD or chosen.mask.suffix.lower() != ".png"):
        raise Misnamed(texts("matte.mask_ending", name=chosen.mask.name))


def cutting(chosen: argparse.Namespace) -> AbstractContextManager[Cutter]:
    """What cuts out the photos of a folder."""
    if chosen.ray is not None:
        return cluster.connected(chosen.ray, chosen.threads, chosen.device)
    matter = Matter(chosen.threads, 0, device=chosen.device, touch_ups=TouchUps())  # which keeps no photo
    return contextlib.nullcontext(Pipeline(matter))


def touch_up_of(chosen: argparse.Namespace) -> StrokesFor | None:
    """Raises ImageError."""
    if chosen.touch_up is None:
        return None
    return functools.partial(strokes_of, images.read(chosen.touch_up), chosen.touch_up.name)


def from_standard_input(matter: Matter, wanted: MatteSettings, strokes: StrokesFor | None, texts: Texts) -> Matte:
    """Raises ImageError."""
    name = texts("matte.stdin")
    data = sys.stdin.buffer.read(images.BYTE_LIMIT + 1)
    if not data:
        raise ImageError("image_empty", name=name)
    if len(data) > images.BYTE_LIMIT:
        raise ImageError("image_file_too_large", name=name, limit=images.BYTE_LIMIT // 1_000_000)
    decoded = decode(data, name, wanted.decoded_side)
    return matter.finish(matter.see(decoded, wanted, threading.Event()), wanted, strokes)


def parsed(arguments: list[str] | None, texts: Texts) -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    parser = parser_for("matte", texts, epilog=texts("matte.exit_codes").replace("%", "%%"))
    parser.add_argument("photo", type=Path, help=texts("matte.photo"))
    parser.add_argument("-o", "--output", type=Path, metavar="OUT", help=texts("matte.output"))
    parser.add_argument("--mask", type=Path, metavar="OUT", help=texts("matte.mask"))
    parser.add_argument("--touch-up", type=Path, metavar="STROKES", help=texts("matte.touch_up"))
    parser.add_argument("--overwrite", action="store_true", help=texts("matte.overwrite"))
    parser.add_argument("--recursive", action="store_true", help=texts("matte.recursive"))
    parser.add_argument("--watch", action="store_true", help=texts("matte.watch"))
    parser.add_argument("--ray", metavar="ADDRESS", help=texts("matte.ray"))
    parser.add_argument("--device", choices=devices.devices_here(), help=texts("matte.device"))
    parser.add_argument("--threads", type=int, metavar="N", help=texts("matte.threads"))
    add_controls(parser, texts)
    return parser, parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    texts = system_texts()
    parser, chosen = parsed(arguments, texts)
    logging.basicConfig(level=logging.CRITICAL)

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names that are no text are told all the same
            stream.reconfigure(errors="backslashreplace")

    def save(path: Path, write: Callable[[BinaryIO], None]) -> Path:
        if path == STANDARD:
            content = io.BytesIO()
            write(content)
            sys.stdout.buffer.write(content.getvalue())
            sys.stdout.flush()
            return path
        target = path if chosen.overwrite else outputs.unused(path)
        with files.atomic_write(target) as file:
            write(file)
        print(texts("matte.saved", path=target), file=sys.stderr if output == STANDARD else sys.stdout)
        return target

    try:
        if chosen.threads is not None and not 1 <= chosen.threads <= _MOST_THREADS:
            raise SettingsError("setting_range", control="threads", low=1, high=_MOST_THREADS)
        wanted, output = settings_and_output(chosen, texts)
        refuse_what_does_not_go_together(chosen, wanted, texts)
        if is_clip(chosen):
            return clips.cut_out(chosen.photo, chosen.output, wanted, texts, chosen.threads, chosen.device)
        if chosen.photo != STANDARD and files.is_folder(chosen.photo):
            return folders.cut_out(
                chosen.photo,
                wanted.resolved(),
                output,
                texts,
                cutting(chosen),
                recursive=chosen.recursive,
                watch=chosen.watch,
            )
        refuse_to_replace_sources(chosen, wanted, output, texts)
        strokes = touch_up_of(chosen)
        matter = Matter(chosen.threads, device=chosen.device, touch_ups=TouchUps())
        if chosen.photo == STANDARD:
            matte = from_standard_input(matter, wanted, strokes, texts)
        else:
            matte = matter(chosen.photo, wanted, strokes=strokes)
        if matte.fallback:
            print(texts("device.fallback", **matte.fallback), file=sys.stderr)
        mask = compose.alpha_bytes(matte.alpha)
        output = save(output, lambda file: images.write_layer(file, matte.layer, wanted.format))
        for path in (chosen.mask, outputs.mask_beside(output) if wanted.save_mask else None):
            if path is not None:
                save(path, lambda file: images.write_png(file, mask))
    except Misnamed as error:
        parser.error(str(error))
    except CvmatteError as error:
        print(error.sentence(texts), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return folders.INTERRUPTED
    except BrokenPipeError:  # nobody reads on; nor must the interpreter try to write what is left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0
