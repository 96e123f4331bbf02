"""Cut the person out of a photo, from the shell."""

from __future__ import annotations

import _environment

_environment.enter()

import argparse
import logging
import sys
from pathlib import Path
from typing import Any

from cvmatte_core import compose, files, images, settings
from cvmatte_core.errors import CvmatteError
from cvmatte_core.matting import Matter
from cvmatte_core.settings import CONTROLS, MatteSettings
from cvmatte_core.texts import Texts, system_texts


def add_controls(parser: argparse.ArgumentParser, texts: Texts) -> None:
    """An option for each control of MatteSettings."""
    groups: dict[str, Any] = {}
    for control in CONTROLS:
        if control.group not in groups:
            groups[control.group] = parser.add_argument_group(texts(f"group.{control.group}"))
        options: dict[str, Any] = {"default": control.default, "dest": control.name}
        options["help"] = texts(f"control.{control.name}.tip") + " [%(default)s]"
        if control.kind == settings.SWITCH:
            options["action"] = argparse.BooleanOptionalAction
            options["help"] = texts(f"control.{control.name}.tip")
        elif control.kind == settings.CHOICE:
            options["choices"] = control.choices
        elif control.kind == settings.INTEGER:
            options["type"] = int
            options["metavar"] = control.unit.upper() or "N"
        else:
            options["metavar"] = "#RRGGBB"
        groups[control.group].add_argument("--" + control.name.replace("_", "-"), **options)


def unused(path: Path) -> Path:
    """The path itself, or the first of NAME-2, NAME-3 … that doesn't exist yet."""
    candidate, number = path, 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return candidate


def main(arguments: list[str] | None = None) -> int:
    texts = system_texts()
    parser = argparse.ArgumentParser(prog="matte.py", description=texts("matte.about"))
    parser.add_argument("photo", type=Path, help=texts("matte.photo"))
    parser.add_argument("-o", "--output", type=Path, metavar="OUT", help=texts("matte.output"))
    parser.add_argument("--mask", type=Path, metavar="OUT", help=texts("matte.mask"))
    parser.add_argument("--overwrite", action="store_true", help=texts("matte.overwrite"))
    add_controls(parser, texts)
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.CRITICAL)
    try:
        wanted = MatteSettings(**{control.name: getattr(chosen, control.name) for control in CONTROLS})
        output = chosen.output or chosen.photo.with_name(f"{chosen.photo.stem}-cutout.png")
        if not output.suffix:
            output = output.with_suffix(".png")
        for path in filter(None, (output, chosen.mask)):
            if path.suffix.lower() != ".png":
                parser.error(texts("matte.png_only", name=path.name))
            if path.exists() and chosen.photo.exists() and path.samefile(chosen.photo):
                parser.error(texts("matte.output_is_input"))
        matte = Matter()(chosen.photo, wanted)
        for path, pixels in ((output, matte.layer), (chosen.mask, compose.alpha_bytes(matte.alpha))):
            if path is None:
                continue
            target = path if chosen.overwrite else unused(path)
            with files.atomic_write(target) as file:
                images.write_png(file, pixels)
            print(texts("matte.saved", path=target))
    except CvmatteError as error:
        print(error.sentence(texts), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
