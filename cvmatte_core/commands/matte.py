"""Cut people out of photos, clips, or a folder of photos, from the shell."""

from __future__ import annotations

import argparse
import functools
import glob
import io
import os
import re
import sys
import textwrap
import threading
from dataclasses import dataclass
from pathlib import Path

from ..filesystem import files, paths
from ..image import file_types, images
from ..layers import outputs
from ..layers.touch_ups import TouchUps
from ..localization.errors import Cancelled, CvmatteError, ImageError, SettingsError
from ..localization.texts import Texts, system_texts
from ..matting.matter import Matte, Matter, StrokesFor, decode, strokes_of
from ..matting.room.picture import read_room
from ..models.catalogue import AUTO, entry_of, is_there, missing, pair_for_held
from ..presets import PresetStore
from ..settings import CLIP, CONTROLS, FOLDER, HELD, PHOTO, MatteSettings
from ..system import devices
from . import program
from .clips_and_folders import cut_out_clip, cut_out_folder, is_animated
from .program import Misused, add_controls, ended, option_of, parser_for, tell

STANDARD = Path("-")  # standard input or output

_WIDTH = 79  # of help, as argparse has it
# The kinds of input that each option is for, controls aside; and what is said where it is another.
_ONLY_OF = {
    **dict.fromkeys(("mask", "touch_up", "overwrite"), (PHOTO,)),
    "room_at": (CLIP,),
    **dict.fromkeys(("watch", "recursive", "ray"), (FOLDER,)),
}
_UNFIT = {PHOTO: "matte.only_of_a_folder", CLIP: "matte.not_of_a_clip", FOLDER: "matte.not_of_a_folder"}


@dataclass(frozen=True)
class Task:
    """One input (kind: PHOTO, CLIP or FOLDER), its settings, and where the result goes."""

    photo: Path
    kind: str
    settings: MatteSettings
    output: Path


def kind_of(photo: Path, output: Path | None) -> str:
    """PHOTO, CLIP or FOLDER. A clip is known by its name; an animated picture is one if the output is to move."""
    if photo != STANDARD and files.is_folder(photo):
        return FOLDER
    moves = output is not None and output.suffix.lower() in file_types.MOVING_KINDS
    if file_types.is_clip(photo.name) or (moves and file_types.may_move(photo.name) and is_animated(photo)):
        return CLIP
    return PHOTO


def settings_and_output(chosen: argparse.Namespace, photo: Path, kind: str, texts: Texts) -> tuple[MatteSettings, Path]:
    """The settings, and where the layer goes: its format and its name's ending agree. Raises SettingsError, Misused."""
    preset = PresetStore().values(preset_named(chosen.preset, texts)) if chosen.preset is not None else {}
    asked_for = {one.name: getattr(chosen, one.name) for one in CONTROLS if hasattr(chosen, one.name)}
    given = MatteSettings.with_implied(asked_for, preset)
    if kind == FOLDER and chosen.output != STANDARD:
        given.setdefault("save_mask", True)
    wanted, output = MatteSettings(**given), chosen.output
    if output == STANDARD or (output is None and photo == STANDARD):
        return wanted, STANDARD
    if kind == FOLDER:
        folder = photo.absolute().resolve()
        beside = Path(wanted.output_folder or folder.parent / f"{folder.name or 'photos'}-cutout")
        return wanted, output or beside
    ending = file_types.clip_before(wanted.background) if kind == CLIP else images.suffix(wanted.format)
    if output is None:
        folder = Path(wanted.output_folder) if kind == PHOTO and wanted.output_folder else photo.parent
        return wanted, folder / f"{photo.stem}-cutout{ending}"
    if chosen.clips_into_folder if kind == CLIP else chosen.into_folder:
        return wanted, output / f"{outputs.shortened(photo.stem)}{ending}"
    if kind == CLIP and output.suffix.lower() not in ("", *file_types.MOVING_KINDS):
        raise Misused(texts("matte.ending", name=output.name, endings=", ".join(file_types.MOVING_KINDS)))
    if kind == CLIP:
        return wanted, output
    if output.suffix:
        by_name, by_option = images.format_of(output), getattr(chosen, "format", None)
        if by_name is None or by_option not in (None, by_name):
            kinds = [by_option] if by_option else images.SUFFIXES
            suffixes = ", ".join(ending for kind in kinds for ending in images.SUFFIXES[kind])
            raise Misused(texts("matte.ending", name=output.name, endings=suffixes))
        return MatteSettings(**{**given, "format": by_name}), output  # a preset's format gives way
    # Not with_suffix: what follows a dot in the photo's name is no ending.
    return wanted, output.with_name(output.name + ending)


def preset_named(name: str, texts: Texts) -> str:
    """The preset that somebody means, by its name or by what people read for it. Raises Misused."""
    store = PresetStore()
    for known in store.names():
        spelt = {known.casefold(), store.title(known, texts).casefold()}
        if name == known or name.casefold().replace("-", "_") in spelt:
            return known
    raise Misused(texts("matte.no_preset", name=name, presets=", ".join(store.names())))


def refuse_to_replace_sources(chosen: argparse.Namespace, task: Task, texts: Texts) -> None:
    """Raise Misused if an output would overwrite an input."""
    output, wanted = Path(os.devnull) if task.output == STANDARD else task.output, task.settings
    behind = Path(wanted.background_image) if wanted.background_image else None
    sources = [task.photo, chosen.touch_up, chosen.room, behind]
    targets = [output, chosen.mask, outputs.mask_beside(output) if chosen.overwrite and wanted.save_mask else None]
    for target in filter(None, targets):
        for source in filter(None, sources):
            if files.exists(target) and files.exists(source) and target.samefile(source):
                raise Misused(texts("matte.output_is_input"))


def refuse_what_is_of_one(chosen: argparse.Namespace, texts: Texts) -> None:
    """Raise Misused for what several inputs can't have together."""
    unfit = {"--mask": chosen.mask, "--touch-up": chosen.touch_up, "-": STANDARD in chosen.photos}
    for option in (option for option, given in unfit.items() if given):
        raise Misused(texts("matte.not_of_several", option=option))
    if chosen.output is not None and not chosen.into_folder and (chosen.output == STANDARD or chosen.output.suffix):
        raise Misused(texts("matte.several_need_a_folder", name=chosen.output))


def refuse_what_does_not_go_together(chosen: argparse.Namespace, task: Task, texts: Texts) -> None:
    """Raise Misused for an option that is of no use for this input, or an output that has nowhere to go."""
    unfit = [one for one, of in _ONLY_OF.items() if task.kind not in of and getattr(chosen, one) not in (None, False)]
    if task.kind == CLIP:
        for control in CONTROLS:
            # What clips lack altogether is refused as an option, but ignored in a preset, as ID photos are.
            of = task.settings if CLIP in control.applies_to else chosen
            if control.is_refused and control.does_nothing(getattr(of, control.name, control.default), CLIP):
                unfit.append(control.name)
    options = [*map(option_of, unfit), *(["-o -"] if chosen.output == STANDARD and task.kind != PHOTO else [])]
    if options:
        of_clips = bool(unfit) and _ONLY_OF.get(unfit[0]) == (CLIP,)
        raise Misused(texts("matte.only_of_a_clip" if of_clips else _UNFIT[task.kind], option=options[0]))
    if task.kind != PHOTO:
        return
    if task.output == STANDARD and task.settings.save_mask:
        raise Misused(texts("matte.mask_of_stdout"))
    if task.output == STANDARD and sys.stdout.isatty():
        raise Misused(texts("matte.stdout_is_a_screen"))
    if chosen.mask and (chosen.mask == STANDARD or chosen.mask.suffix.lower() != ".png"):
        raise Misused(texts("matte.mask_ending", name=chosen.mask.name))


def refuse_what_cannot_be(wanted: MatteSettings, texts: Texts) -> None:
    """Report what would fail for every photo before the first one. Raises Misused, ModelError, ImageError."""
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


def from_standard_input(
    matter: Matter, wanted: MatteSettings, strokes: StrokesFor | None, room: Path | None, texts: Texts
) -> Matte:
    """Raises ImageError."""
    name = texts("matte.stdin")
    data = sys.stdin.buffer.read(images.BYTE_LIMIT + 1)
    if not data:
        raise ImageError("image_empty", name=name)
    if len(data) > images.BYTE_LIMIT:
        raise ImageError("image_file_too_large", name=name, limit=images.BYTE_LIMIT // 1_000_000)
    decoded = decode(data, name, wanted.decoded_side)
    return matter.finish(matter.see(decoded, wanted, threading.Event(), room=room), wanted, strokes)


def seconds(text: str) -> float:
    """For argparse: "3", "0:03.5", "1:02:03". Raises ArgumentTypeError."""
    if not re.fullmatch(r"([0-9]{1,4}:){0,2}[0-9]{1,6}(\.[0-9]{1,6})?", text):
        raise argparse.ArgumentTypeError(system_texts()("matte.no_time", time=text))
    return functools.reduce(lambda before, part: 60 * before + float(part), text.split(":"), 0.0)


def named(name: str) -> list[Path]:
    """The files that a name means: Windows' shells leave patterns to the program."""
    if any(character in name for character in "*?[") and not files.exists(Path(name)):
        # Not Path.glob, which takes no absolute ones.
        return [Path(found) for found in sorted(glob.glob(name, recursive=True))] or [Path(name)]  # noqa: PTH207
    return [Path(name)]


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
        if len(chosen.photos) > 1:
            refuse_what_is_of_one(chosen, texts)
            chosen.into_folder = chosen.clips_into_folder = chosen.output is not None
        if chosen.room is not None and chosen.room_at is not None:
            raise Misused(texts("matte.one_room"))
        if chosen.room is not None:
            read_room(chosen.room)  # it would fail for every photo
        tasks = [self._task(photo) for photo in chosen.photos]  # wrong options are told before anything is done
        if len(tasks) == 1:
            return self._do(tasks[0])
        failed = 0
        for task in tasks:
            try:
                code = self._do(task)
                if code == program.INTERRUPTED:
                    return code
                failed += code != program.ALL_GOOD
            except Cancelled:
                raise
            except CvmatteError as error:
                failed += 1
                tell(error, texts, before="" if task.photo.name in error.sentence(texts) else f"{task.photo}: ")
        if not failed:
            return program.ALL_GOOD
        return program.NOTHING_DONE if failed == len(tasks) else program.SOME_FAILED

    def _task(self, photo: Path) -> Task:
        """Raises Misused, CvmatteError."""
        chosen, texts = self._chosen, self._texts
        kind = kind_of(photo, chosen.output)
        task = Task(photo, kind, *settings_and_output(chosen, photo, kind, texts))
        refuse_what_does_not_go_together(chosen, task, texts)
        refuse_what_cannot_be(task.settings, texts)
        if kind == PHOTO:
            refuse_to_replace_sources(chosen, task, texts)
        return task

    def _do(self, task: Task) -> int:
        chosen, texts, wanted = self._chosen, self._texts, task.settings
        if task.kind == CLIP:
            return cut_out_clip(task.photo, wanted, task.output, chosen, texts)
        if task.kind == FOLDER:
            return cut_out_folder(task.photo, wanted.resolved(), task.output, chosen, texts)
        self._photo(task)
        return program.ALL_GOOD

    def _photo(self, task: Task) -> None:
        chosen, texts, output, wanted = self._chosen, self._texts, task.output, task.settings
        painted = chosen.touch_up
        strokes = functools.partial(strokes_of, images.read(painted), painted.name) if painted else None
        if self._matter is None:
            self._matter = Matter(chosen.threads, device=chosen.device, touch_ups=TouchUps())
        if task.photo == STANDARD:
            matte = from_standard_input(self._matter, wanted, strokes, chosen.room, texts)
        else:
            matte = self._matter(task.photo, wanted, strokes=strokes, room=chosen.room)
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
    parser = parser_for("matte", texts)
    codes = textwrap.fill(texts("matte.exit_codes"), _WIDTH)
    parser.epilog = f"{texts('matte.examples', command=parser.prog)}\n\n{codes}".replace("%", "%%")
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help=texts("matte.photo"))
    parser.add_argument("-o", "--output", metavar="OUT", help=texts("matte.output"))
    presets = ", ".join(PresetStore().names())
    parser.add_argument("--preset", metavar="NAME", help=texts("matte.preset", presets=presets))
    parser.add_argument("--mask", type=Path, metavar="OUT", help=texts("matte.mask"))
    parser.add_argument("--touch-up", type=Path, metavar="STROKES", help=texts("matte.touch_up"))
    parser.add_argument("--room", type=Path, metavar="PICTURE", help=texts("matte.room"))
    parser.add_argument("--room-at", type=seconds, metavar="TIME", help=texts("matte.room_at"))
    parser.add_argument("--overwrite", action="store_true", help=texts("matte.overwrite"))
    parser.add_argument("--recursive", action="store_true", help=texts("matte.recursive"))
    parser.add_argument("--watch", action="store_true", help=texts("matte.watch"))
    parser.add_argument("--ray", metavar="ADDRESS", help=texts("matte.ray"))
    parser.add_argument("--device", choices=devices.devices_here(), help=texts("matte.device"))
    parser.add_argument("--threads", type=int, metavar="N", help=texts("matte.threads"))
    add_controls(parser, texts)
    chosen = parser.parse_args(arguments)
    chosen.photos = [path for name in chosen.photos for path in named(name)]
    # A name without an ending is a folder for a clip's pictures, also where that is there.
    chosen.clips_into_folder = chosen.output is not None and chosen.output.endswith(("/", os.sep))
    chosen.output = None if chosen.output is None else Path(chosen.output)
    into_one = chosen.output not in (None, STANDARD) and files.is_folder(chosen.output)
    chosen.into_folder = chosen.clips_into_folder or into_one
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names that are no text are told all the same
            stream.reconfigure(errors="backslashreplace")
    return ended(parser, Files(chosen, texts))
