"""Cut the person out of a photo, from the shell."""

from __future__ import annotations

import _environment

_environment.enter()

import argparse
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from cvmatte_core import compose, devices, files, images, outputs, settings
from cvmatte_core.errors import CvmatteError, SettingsError
from cvmatte_core.matting import Matter
from cvmatte_core.models.catalogue import AUTO, catalogue
from cvmatte_core.settings import CONTROLS, MatteSettings
from cvmatte_core.texts import Texts, system_texts


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


def refuse_to_replace_sources(chosen: argparse.Namespace, wanted: MatteSettings, output: Path, texts: Texts) -> None:
    """Raise Misnamed where a picture that goes in has the name of one that comes out."""
    targets = [output, chosen.mask, outputs.mask_beside(output) if chosen.overwrite and wanted.save_mask else None]
    sources = [chosen.photo, Path(wanted.background_image) if wanted.background_image else None]
    for target in filter(None, targets):
        for source in filter(None, sources):
            if target.exists() and source.exists() and target.samefile(source):
                raise Misnamed(texts("matte.output_is_input"))


def parsed(arguments: list[str] | None, texts: Texts) -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    parser = argparse.ArgumentParser(prog="matte.py", description=texts("matte.about"))
    parser.add_argument("photo", type=Path, help=texts("matte.photo"))
    parser.add_argument("-o", "--output", type=Path, metavar="OUT", help=texts("matte.output"))
    parser.add_argument("--mask", type=Path, metavar="OUT", help=texts("matte.mask"))
    parser.add_argument("--overwrite", action="store_true", help=texts("matte.overwrite"))
    parser.add_argument("--device", choices=devices.devices_here(), help=texts("matte.device"))
    parser.add_argument("--threads", type=int, metavar="N", help=texts("matte.threads"))
    add_controls(parser, texts)
    return parser, parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    texts = system_texts()
    parser, chosen = parsed(arguments, texts)
    logging.basicConfig(level=logging.CRITICAL)

    def save(path: Path, write: Callable[[BinaryIO], None]) -> Path:
        target = path if chosen.overwrite else outputs.unused(path)
        with files.atomic_write(target) as file:
            write(file)
        print(texts("matte.saved", path=target))
        return target

    try:
        if chosen.threads is not None and not 1 <= chosen.threads <= _MOST_THREADS:
            raise SettingsError("setting_range", control="threads", low=1, high=_MOST_THREADS)
        wanted, output = settings_and_output(chosen, texts)
        if chosen.mask and chosen.mask.suffix.lower() != ".png":
            raise Misnamed(texts("matte.mask_ending", name=chosen.mask.name))
        refuse_to_replace_sources(chosen, wanted, output, texts)
        matte = Matter(chosen.threads, device=chosen.device)(chosen.photo, wanted)
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
    return 0


if __name__ == "__main__":
    sys.exit(main())
