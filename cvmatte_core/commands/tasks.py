"""What the options of scripts/matte.py ask for: each input, its settings and where its result goes; and what can't be,
refused before anything is done."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from ..filesystem import files
from ..image import file_types, images
from ..layers import outputs
from ..localization.errors import ImageError
from ..localization.texts import Texts
from ..matting.room.picture import read_room
from ..models.catalogue import AUTO, entry_of, is_there, missing, pair_for_held
from ..presets import PresetStore
from ..settings import CLIP, CONTROLS, FOLDER, HELD, PHOTO, MatteSettings
from .clips_and_folders import is_animated
from .program import Misused, option_of

STANDARD = Path("-")  # standard input or output

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


def tasks_of(chosen: argparse.Namespace, texts: Texts) -> list[Task]:
    """What parsed options ask for, one for each input. Raises Misused, CvmatteError."""
    if len(chosen.photos) > 1:
        _refuse_what_is_of_one(chosen, texts)
        chosen.into_folder = chosen.clips_into_folder = chosen.output is not None
    if chosen.room is not None and chosen.room_at is not None:
        raise Misused(texts("matte.one_room"))
    if chosen.room is not None:
        read_room(chosen.room)  # it would fail for every photo
    return [_task(chosen, photo, texts) for photo in chosen.photos]


def _task(chosen: argparse.Namespace, photo: Path, texts: Texts) -> Task:
    kind = _kind_of(photo, chosen.output)
    task = Task(photo, kind, *_settings_and_output(chosen, photo, kind, texts))
    _refuse_what_does_not_go_together(chosen, task, texts)
    _refuse_what_cannot_be(task.settings, texts)
    if kind == PHOTO:
        _refuse_to_replace_sources(chosen, task, texts)
    return task


def _kind_of(photo: Path, output: Path | None) -> str:
    """PHOTO, CLIP or FOLDER. A clip is known by its name; an animated picture is one if the output is to move."""
    if photo != STANDARD and files.is_folder(photo):
        return FOLDER
    moves = output is not None and output.suffix.lower() in file_types.MOVING_KINDS
    if file_types.is_clip(photo.name) or (moves and file_types.may_move(photo.name) and is_animated(photo)):
        return CLIP
    return PHOTO


def _settings_and_output(
    chosen: argparse.Namespace, photo: Path, kind: str, texts: Texts
) -> tuple[MatteSettings, Path]:
    """The settings, and where the layer goes: its format and its name's ending agree. Raises SettingsError, Misused."""
    preset = PresetStore().values(_preset_named(chosen.preset, texts)) if chosen.preset is not None else {}
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


def _preset_named(name: str, texts: Texts) -> str:
    """The preset that somebody means, by its name or by what people read for it. Raises Misused."""
    store = PresetStore()
    for known in store.names():
        spelt = {known.casefold(), store.title(known, texts).casefold()}
        if name == known or name.casefold().replace("-", "_") in spelt:
            return known
    raise Misused(texts("matte.no_preset", name=name, presets=", ".join(store.names())))


def _refuse_to_replace_sources(chosen: argparse.Namespace, task: Task, texts: Texts) -> None:
    """Raise Misused if an output would overwrite an input."""
    output, wanted = Path(os.devnull) if task.output == STANDARD else task.output, task.settings
    behind = Path(wanted.background_image) if wanted.background_image else None
    sources = [task.photo, chosen.touch_up, chosen.room, behind]
    targets = [output, chosen.mask, outputs.mask_beside(output) if chosen.overwrite and wanted.save_mask else None]
    for target in filter(None, targets):
        for source in filter(None, sources):
            if files.exists(target) and files.exists(source) and target.samefile(source):
                raise Misused(texts("matte.output_is_input"))


def _refuse_what_is_of_one(chosen: argparse.Namespace, texts: Texts) -> None:
    """Raise Misused for what several inputs can't have together."""
    unfit = {"--mask": chosen.mask, "--touch-up": chosen.touch_up, "-": STANDARD in chosen.photos}
    for option in (option for option, given in unfit.items() if given):
        raise Misused(texts("matte.not_of_several", option=option))
    if chosen.output is not None and not chosen.into_folder and (chosen.output == STANDARD or chosen.output.suffix):
        raise Misused(texts("matte.several_need_a_folder", name=chosen.output))


def _refuse_what_does_not_go_together(chosen: argparse.Namespace, task: Task, texts: Texts) -> None:
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


def _refuse_what_cannot_be(wanted: MatteSettings, texts: Texts) -> None:
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
