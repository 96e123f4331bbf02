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
from pathlib import Path

from ..filesystem import files, paths
from ..image import images
from ..layers import outputs
from ..layers.touch_ups import TouchUps
from ..localization.errors import Cancelled, CvmatteError, ImageError, SettingsError
from ..localization.texts import Texts, system_texts
from ..matting.matter import Matte, Matter, StrokesFor, decode, strokes_of
from ..presets import PresetStore
from ..settings import CLIP, FOLDER, MatteSettings
from ..system import devices
from . import program
from .clips_and_folders import cut_out_clip, cut_out_folder
from .program import add_controls, ended, parser_for, tell
from .tasks import STANDARD, Task, tasks_of

_WIDTH = 79  # of help, as argparse has it


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
        tasks = tasks_of(chosen, texts)  # wrong options are told before anything is done
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
