"""The command `cvmatte`: the shell's scripts as its sub-commands."""

from __future__ import annotations

import argparse
import importlib
import sys

from .commands.program import NAME, add_version
from .localization.texts import system_texts

COMMANDS = ("matte", "models", "serve")


def main() -> int:
    texts = system_texts()
    parser = argparse.ArgumentParser(prog=NAME, description=texts("command.about"))
    add_version(parser, texts)
    commands = parser.add_subparsers(metavar="COMMAND", dest="command", required=True)
    for command in COMMANDS:
        commands.add_parser(command, help=texts(f"{command}.about"), add_help=False)
    chosen = parser.parse_args(sys.argv[1:2])
    sys.argv = [f"{NAME} {chosen.command}", *sys.argv[2:]]
    module = importlib.import_module(f".commands.{chosen.command}", __package__)
    return int(module.main())


if __name__ == "__main__":
    sys.exit(main())
