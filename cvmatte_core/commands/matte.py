"""Cut people out of photos, clips, or a folder of photos, from the shell."""

from __future__ import annotations

import argparse
import contextlib
import copy
import functools
import glob
import io
import os
import sys
import textwrap
import threading
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from .. import settings
from ..batch import cluster
from ..batch.pipeline import Cutter, Pipeline
from ..disk import files, paths
from ..layers import outputs
from ..layers.touch_ups import TouchUps
from ..matting.matter import Matte, Matter, StrokesFor, decode, strokes_of
from ..models.catalogue import AUTO, catalogue, entry_of, is_there, missing, pair_for_held
from ..pictures import colours, endings, images
from ..presets import PresetStore
from ..settings import CONTROLS, HELD, MatteSettings
from ..system import devices
from ..words.errors import Cancelled, CvmatteError, ImageError, SettingsError
from ..words.texts import Texts, system_texts
from . import clips, folders
from .program import (
    ALL_GOOD,
    INTERRUPTED,
    NOTHING_DONE,
    SOME_FAILED,
    Misused,
    Parser,
    ended,
    option_of,
    parser_for,
    tell,
)

STANDARD = Path("-")  # standard input or output

_METAVARS = {settings.INTEGER: "N", settings.COLOUR: "#RRGGBB", settings.IMAGE: "FILE", settings.FOLDER: "FOLDER"}
_METAVARS[settings.MODEL] = "NAME"
_WIDTH = 79  # of help, as argparse has it
_ALSO_SPELT = {"background_colour": "--background-color"}
_UNITS = {"px": "PX", "%": "PERCENT"}


def add_controls(
    parser: argparse.ArgumentParser, texts: Texts, controls: Iterable[settings.Control] = CONTROLS
) -> None:
    """An option for each control of MatteSettings; one that isn't given is absent from what is parsed."""
    groups: dict[str, Any] = {}
    for control in controls:
        if control.group not in groups:
            groups[control.group] = parser.add_argument_group(texts(f"group.{control.group}"))
        options: dict[str, Any] = {"default": argparse.SUPPRESS, "dest": control.name}
        options["help"] = help_of(control, texts).replace("%", "%%")
        if control.kind == settings.SWITCH:
            options["action"] = argparse.BooleanOptionalAction
        if control.kind == settings.CHOICE:
            options["choices"] = control.choices
        elif control.kind in _METAVARS:
            options["metavar"] = _UNITS.get(control.unit, _METAVARS[control.kind])
        if control.kind == settings.INTEGER:
            options["type"] = int
        if control.kind == settings.COLOUR:
            options["type"] = colour
        names = [option_of(control.name), *filter(None, [_ALSO_SPELT.get(control.name)])]
        groups[control.group].add_argument(*names, **options)


def help_of(control: settings.Control, texts: Texts) -> str:
    """What a control does, which values it takes, and which it has by itself."""
    parts = [texts(f"control.{control.name}.tip")]
    if control.kind == settings.MODEL:
        parts.append(texts("matte.models", models=", ".join(model_names())))
    if control.kind == settings.COLOUR:
        parts.append(texts("matte.colours"))
    default = str(control.default)
    if control.kind == settings.SWITCH:
        default = option_of(control.name if control.default else f"no_{control.name}")
    if control.kind == settings.INTEGER:
        default = texts("matte.range", low=control.minimum, high=control.maximum, default=control.default)
    if control.name == "save_mask":
        default = texts("matte.save_mask_default")
    return " ".join([*parts, f"[{default}]" if default else ""]).strip()


def colour(text: str) -> str:
    """For argparse: "#rrggbb". Raises ArgumentTypeError."""
    try:
        return colours.hexadecimal(text)
    except ValueError:
        raise argparse.ArgumentTypeError(system_texts()("matte.no_colour", colour=text)) from None


def model_names() -> list[str]:
    """Every name that --model takes now."""
    try:
        return [AUTO, *catalogue()]
    except CvmatteError:  # said when a model is needed
        return [AUTO]


def settings_and_output(chosen: argparse.Namespace, texts: Texts) -> tuple[MatteSettings, Path]:
    """The settings, and where the layer goes: the format and the name's ending always agree.

    Raises SettingsError, or Misused where they can't.
    """
    preset = PresetStore().values(preset_named(chosen.preset, texts)) if chosen.preset is not None else {}
    given = MatteSettings.with_implied(
        {control.name: getattr(chosen, control.name) for control in CONTROLS if hasattr(chosen, control.name)}, preset
    )
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
        if chosen.output is not None and chosen.clips_into_folder:
            name = f"{outputs.shortened(chosen.photo.stem)}{endings.clip_before(wanted.background)}"
            return wanted, chosen.output / name
        if chosen.output is not None and chosen.output.suffix.lower() not in ("", *endings.MOVING_KINDS):
            allowed = ", ".join(endings.MOVING_KINDS)
            raise Misused(texts("matte.ending", name=chosen.output.name, endings=allowed))
        return wanted, chosen.output or chosen.photo
    if chosen.output is not None and chosen.into_folder:
        wanted = MatteSettings(**given)
        name = f"{outputs.shortened(chosen.photo.stem)}{images.suffix(wanted.format)}"
        return wanted, chosen.output / name
    if chosen.output is not None and chosen.output.suffix:
        by_name, by_option = images.format_of(chosen.output), getattr(chosen, "format", None)
        if by_name is None or by_option not in (None, by_name):
            kinds = [by_option] if by_option else images.SUFFIXES
            suffixes = ", ".join(ending for kind in kinds for ending in images.SUFFIXES[kind])
            raise Misused(texts("matte.ending", name=chosen.output.name, endings=suffixes))
        return MatteSettings(**{**given, "format": by_name}), chosen.output  # a preset's format gives way
    wanted = MatteSettings(**given)
    folder = Path(wanted.output_folder) if wanted.output_folder else chosen.photo.parent
    output = chosen.output or folder / f"{chosen.photo.stem}-cutout"
    # Not with_suffix: what follows a dot in the photo's name is no ending.
    return wanted, output.with_name(output.name + images.suffix(wanted.format))


def preset_named(name: str, texts: Texts) -> str:
    """The preset that somebody means, by its name or by what people read for it. Raises Misused."""
    store = PresetStore()
    for known in store.names():
        if name.casefold().replace("-", "_") in (known.casefold(), store.title(known, texts).casefold()):
            return known
        if name == known:
            return known
    raise Misused(texts("matte.no_preset", name=name, presets=", ".join(store.names())))


def is_clip(chosen: argparse.Namespace) -> bool:
    """By its name, and where it is no folder; an animated picture, where what is to come out moves."""
    if endings.is_clip(chosen.photo.name):
        return not files.is_folder(chosen.photo)
    moves = chosen.output is not None and chosen.output.suffix.lower() in endings.MOVING_KINDS
    return moves and endings.may_move(chosen.photo.name) and clips.is_animated(chosen.photo)


def refuse_to_replace_sources(chosen: argparse.Namespace, wanted: MatteSettings, output: Path, texts: Texts) -> None:
    """Raise Misused where a picture that goes in has the name of one that comes out."""
    output = Path(os.devnull) if output == STANDARD else output
    sources = [chosen.photo, chosen.touch_up, Path(wanted.background_image) if wanted.background_image else None]
    targets = [output, chosen.mask, outputs.mask_beside(output) if chosen.overwrite and wanted.save_mask else None]
    for target in filter(None, targets):
        for source in filter(None, sources):
            if files.exists(target) and files.exists(source) and target.samefile(source):
                raise Misused(texts("matte.output_is_input"))


def refuse_what_does_not_go_together(chosen: argparse.Namespace, wanted: MatteSettings, texts: Texts) -> None:
    """Raise Misused where an option is of no use for what is to be matted, or there is no place for what it makes."""
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
            "--subject": wanted.subject == HELD,
            # A preset's is said, and gone on without: see clips.py.
            "--id-photo": getattr(chosen, "id_photo", "off") != "off",
            "--sheet": getattr(chosen, "sheet", "off") != "off",
            "--max-kilobytes": getattr(chosen, "max_kilobytes", 0),
            "-o -": chosen.output == STANDARD,
        }
        for option in (option for option, value in unfit.items() if value):
            raise Misused(texts("matte.not_of_a_clip", option=option))
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
            raise Misused(texts("matte.not_of_a_folder" if folder else "matte.only_of_a_folder", option=option))
    to_standard = chosen.output == STANDARD or (chosen.output is None and chosen.photo == STANDARD)
    if to_standard and wanted.save_mask:
        raise Misused(texts("matte.mask_of_stdout"))
    if to_standard and sys.stdout.isatty():
        raise Misused(texts("matte.stdout_is_a_screen"))
    if chosen.mask and (chosen.mask == STANDARD or chosen.mask.suffix.lower() != ".png"):
        raise Misused(texts("matte.mask_ending", name=chosen.mask.name))


def refuse_what_cannot_be(wanted: MatteSettings, texts: Texts) -> None:
    """What would go wrong with each photo alike is said before the first. Raises Misused, ModelError, ImageError."""
    entry = entry_of(wanted.model)
    if wanted.model != AUTO and not is_there(entry):
        raise Misused(missing(entry).sentence(texts))
    if wanted.subject == HELD:
        pair_for_held(wanted.model)
    if wanted.background == "image":
        if not wanted.background_image:
            raise ImageError("background_missing")
        path = Path(wanted.background_image)
        if not files.exists(path):
            raise ImageError("background_gone", name=path.name)


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


def parsed(arguments: list[str] | None, texts: Texts) -> tuple[Parser, argparse.Namespace]:
    parser = parser_for("matte", texts)
    codes = textwrap.fill(texts("matte.exit_codes"), _WIDTH)
    parser.epilog = f"{texts('matte.examples', command=parser.prog)}\n\n{codes}".replace("%", "%%")
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help=texts("matte.photo"))
    parser.add_argument("-o", "--output", metavar="OUT", help=texts("matte.output"))
    parser.add_argument(
        "--preset", metavar="NAME", help=texts("matte.preset", presets=", ".join(PresetStore().names()))
    )
    parser.add_argument("--mask", type=Path, metavar="OUT", help=texts("matte.mask"))
    parser.add_argument("--touch-up", type=Path, metavar="STROKES", help=texts("matte.touch_up"))
    parser.add_argument("--overwrite", action="store_true", help=texts("matte.overwrite"))
    parser.add_argument("--recursive", action="store_true", help=texts("matte.recursive"))
    parser.add_argument("--watch", action="store_true", help=texts("matte.watch"))
    parser.add_argument("--ray", metavar="ADDRESS", help=texts("matte.ray"))
    parser.add_argument("--device", choices=devices.devices_here(), help=texts("matte.device"))
    parser.add_argument("--threads", type=int, metavar="N", help=texts("matte.threads"))
    add_controls(parser, texts)
    chosen = parser.parse_args(arguments)
    chosen.photos = [path for name in chosen.photos for path in named(name)]
    chosen.into_folder = chosen.output is not None and is_folder(chosen.output)
    # A name without an ending is a folder for a clip's pictures, also where that is there.
    chosen.clips_into_folder = chosen.output is not None and chosen.output.endswith(("/", os.sep))
    chosen.output = None if chosen.output is None else Path(chosen.output)
    return parser, chosen


def named(name: str) -> list[Path]:
    """The files that a name means: shells that know no patterns leave them to us."""
    if any(character in name for character in "*?[") and not files.exists(Path(name)):
        # Not Path.glob, which takes no absolute ones.
        return [Path(found) for found in sorted(glob.glob(name, recursive=True))] or [Path(name)]  # noqa: PTH207
    return [Path(name)]


def is_folder(output: str) -> bool:
    return output.endswith(("/", os.sep)) or (output != "-" and files.is_folder(Path(output)))


class Files:
    """Photos, clips and folders one after the other, with one Matter."""

    def __init__(self, chosen: argparse.Namespace, texts: Texts) -> None:
        self._chosen, self._texts = chosen, texts
        self._matter: Matter | None = None

    def __call__(self) -> int:
        """The exit code. Raises Misused, CvmatteError where there is one alone."""
        chosen, texts = self._chosen, self._texts
        if chosen.threads is not None and not 1 <= chosen.threads <= devices.MOST_THREADS:
            raise SettingsError("setting_range", control="threads", low=1, high=devices.MOST_THREADS)
        several = len(chosen.photos) > 1
        if several:
            self._prepare_for_several()
        ready = [self._checked(photo) for photo in chosen.photos]  # wrong options are told before anything is done
        if not several:
            return self._one(*ready[0])
        failed = 0
        for photo, checked in zip(chosen.photos, ready):
            try:
                code = self._one(*checked)
                if code == INTERRUPTED:
                    return code
                failed += code != ALL_GOOD
            except Cancelled:
                raise
            except CvmatteError as error:
                failed += 1
                tell(error, texts, before="" if photo.name in error.sentence(texts) else f"{photo}: ")
        return NOTHING_DONE if failed == len(chosen.photos) else SOME_FAILED if failed else ALL_GOOD

    def _prepare_for_several(self) -> None:
        """Raises Misused."""
        chosen, texts = self._chosen, self._texts
        for option, given in (
            ("--mask", chosen.mask),
            ("--touch-up", chosen.touch_up),
            ("-", STANDARD in chosen.photos),
        ):
            if given:
                raise Misused(texts("matte.not_of_several", option=option))
        if chosen.output is not None:
            if not chosen.into_folder and (chosen.output == STANDARD or chosen.output.suffix):
                raise Misused(texts("matte.several_need_a_folder", name=chosen.output))
            chosen.into_folder = chosen.clips_into_folder = True

    def _checked(self, photo: Path) -> tuple[argparse.Namespace, MatteSettings, Path]:
        """What is chosen for one, its settings, and where it goes. Raises Misused, CvmatteError."""
        chosen, texts = copy.copy(self._chosen), self._texts
        chosen.photo = photo
        wanted, output = settings_and_output(chosen, texts)
        refuse_what_does_not_go_together(chosen, wanted, texts)
        refuse_what_cannot_be(wanted, texts)
        if photo == STANDARD or not (is_clip(chosen) or files.is_folder(photo)):
            refuse_to_replace_sources(chosen, wanted, output, texts)
        return chosen, wanted, output

    def _one(self, chosen: argparse.Namespace, wanted: MatteSettings, output: Path) -> int:
        texts, photo = self._texts, chosen.photo
        if is_clip(chosen):
            target = output if chosen.output is not None else None
            return clips.cut_out(photo, target, wanted, texts, chosen.threads, chosen.device)
        if photo != STANDARD and files.is_folder(photo):
            return folders.cut_out(
                photo,
                wanted.resolved(),
                output,
                texts,
                cutting(chosen),
                recursive=chosen.recursive,
                watch=chosen.watch,
            )
        self._photo(chosen, wanted, output)
        return ALL_GOOD

    def _photo(self, chosen: argparse.Namespace, wanted: MatteSettings, output: Path) -> None:
        texts, strokes = self._texts, touch_up_of(chosen)
        if self._matter is None:
            self._matter = Matter(chosen.threads, device=chosen.device, touch_ups=TouchUps())
        if chosen.photo == STANDARD:
            matte = from_standard_input(self._matter, wanted, strokes, texts)
        else:
            matte = self._matter(chosen.photo, wanted, strokes=strokes)
        for note in matte.notes:
            print(note.sentence(texts), file=sys.stderr)
        if matte.fallback:
            print(texts("script.log", path=paths.shell_log_file()), file=sys.stderr)
        told = sys.stderr if output == STANDARD else sys.stdout

        def save(path: Path, content: bytes) -> Path:
            if path == STANDARD:
                sys.stdout.buffer.write(content)
                sys.stdout.flush()
                return path
            target = path if chosen.overwrite else outputs.unused(path)
            files.write(target, content)
            print(texts("matte.saved", path=target), file=told)
            return target

        output = save(output, matte.layer_file(wanted.format))
        for path in (chosen.mask, outputs.mask_beside(output) if wanted.save_mask else None):
            if path is not None:
                save(path, matte.mask_file())


def main(arguments: list[str] | None = None) -> int:
    texts = system_texts()
    parser, chosen = parsed(arguments, texts)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names that are no text are told all the same
            stream.reconfigure(errors="backslashreplace")
    return ended(parser, texts, Files(chosen, texts))
