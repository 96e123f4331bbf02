"""What every command of the shell has: the name that it was called by, and its version."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from .. import __version__
from ..words.texts import Texts

NAME = "cvmatte"


def parser_for(command: str, texts: Texts, **more: Any) -> argparse.ArgumentParser:
    """A parser for a command, called as `cvmatte COMMAND` or as scripts/COMMAND.py."""
    name = f"{NAME} {command}" if sys.argv[0] == f"{NAME} {command}" else f"{command}.py"
    parser = argparse.ArgumentParser(prog=name, description=texts(f"{command}.about"), **more)
    add_version(parser, texts)
    return parser


def add_version(parser: argparse.ArgumentParser, texts: Texts) -> None:
    parser.add_argument("--version", action="version", version=f"CVMatte {__version__}", help=texts("script.version"))
