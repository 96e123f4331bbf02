"""What every command of the shell has: its name, its version, its log, controls as options, and how it ends."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import sys
import threading
from logging.handlers import RotatingFileHandler
from typing import Any, Callable, Iterable, NoReturn

from .. import __version__, settings
from ..filesystem import paths
from ..image import colours
from ..localization.errors import Cancelled, CvmatteError, SettingsError, WorkerError
from ..localization.texts import Texts, system_texts
from ..models.catalogue import AUTO, catalogue
from ..settings import CLIP, CONTROLS, PHOTO, controls_for
from ..system import devices, releases

NAME = "cvmatte"
ALL_GOOD, SOME_FAILED, MISUSED, NOTHING_DONE, INTERRUPTED = 0, 1, 2, 3, 130
_EXPLAINED_BY_THE_LOG = ("internal", "model_failed", "model_unreadable", "model_conversion")
_LOG_BYTES = 1_000_000
# Errors that a person's options make, whatever the photo is.
_OF_OPTIONS = (
    "model_unknown",
    "held_needs_model",
    "background_missing",
    "background_gone",
    "room_gone",
    "room_at_beyond",
    "clip_needs_background",
)

_ALSO_SPELT = {"background_colour": "--background-color"}
_UNITS = {"px": "PX", "%": "PERCENT"}

_interrupted = threading.Event()  # by Ctrl+C

logger = logging.getLogger(__name__)


class Misused(Exception):
    """What was asked for doesn't go together, or can't be meant; the sentence says what to change."""


class Parser(argparse.ArgumentParser):
    """One whose mistakes are one sentence, and where to read more."""

    texts: Texts

    def error(self, message: str) -> NoReturn:
        raise SystemExit(self.misused(message))

    def misused(self, message: str) -> int:
        """Say it; the exit code."""
        print(f"{message}\n{self.texts('script.see_help', command=self.prog)}", file=sys.stderr)
        return MISUSED


def parser_for(command: str, texts: Texts) -> Parser:
    """A parser for a command, called as `cvmatte COMMAND` or as scripts/COMMAND.py."""
    name = f"{NAME} {command}" if sys.argv[0] == f"{NAME} {command}" else f"{command}.py"
    Parser.texts = texts  # those of its subcommands are made by argparse
    about, form = texts(f"{command}.about"), argparse.RawDescriptionHelpFormatter
    parser = Parser(prog=name, description=about, formatter_class=form, allow_abbrev=False)
    add_version(parser, texts)
    return parser


def add_version(parser: argparse.ArgumentParser, texts: Texts) -> None:
    parser.add_argument("--version", action=_Version, nargs=0, help=texts("script.version"))
    parser.add_argument("--check", action=_Version, nargs=0, help=texts("script.check"))


class _Version(argparse.Action):
    """What --version shows, and --check beside it, whichever comes first."""

    def __call__(
        self, parser: argparse.ArgumentParser, _space: object, _values: object, option: str | None = None
    ) -> None:
        if option == "--check" and "--version" not in sys.argv:
            parser.error(f"--check: {system_texts()('script.check')}")
        print(f"CVMatte {__version__}", flush=True)
        parser.exit(_look_for_a_newer_one() if "--check" in sys.argv else 0)


def _look_for_a_newer_one() -> int:
    """The exit code."""
    texts = system_texts()
    try:
        release = releases.newest()
    except CvmatteError as error:
        print(error.sentence(texts), file=sys.stderr)
        return 1
    newer = texts("release.newer", version=release.version, url=release.url)
    print(newer if release.is_newer else texts("release.newest"))
    return 0


def option_of(control: str) -> str:
    """A control's option: "background_colour" is --background-colour."""
    return "--" + control.replace("_", "-")


def colour(text: str) -> str:
    """For argparse: "#rrggbb". Raises ArgumentTypeError."""
    try:
        return colours.hexadecimal(text)
    except ValueError:
        raise argparse.ArgumentTypeError(system_texts()("matte.no_colour", colour=text)) from None


_OF_KIND: dict[str, dict[str, Any]] = {  # of argparse
    settings.SWITCH: {"action": argparse.BooleanOptionalAction},
    settings.INTEGER: {"type": int, "metavar": "N"},
    settings.COLOUR: {"type": colour, "metavar": "#RRGGBB"},
    settings.IMAGE: {"metavar": "FILE"},
    settings.FOLDER: {"metavar": "FOLDER"},
    settings.MODEL: {"metavar": "NAME"},
    settings.CHOICE: {},
}


def add_controls(
    parser: argparse.ArgumentParser, texts: Texts, controls: Iterable[settings.Control] = controls_for(PHOTO, CLIP)
) -> None:
    """An option for each control of MatteSettings; one that isn't given is absent from what is parsed."""
    groups: dict[str, Any] = {}
    for control in controls:
        if control.group not in groups:
            groups[control.group] = parser.add_argument_group(texts(f"group.{control.group}"))
        options: dict[str, Any] = {"default": argparse.SUPPRESS, "dest": control.name, **_OF_KIND[control.kind]}
        options["help"] = help_of(control, texts).replace("%", "%%")
        if control.choices:
            options["choices"] = control.choices
        if control.unit in _UNITS:
            options["metavar"] = _UNITS[control.unit]
        names = [option_of(control.name), *filter(None, [_ALSO_SPELT.get(control.name)])]
        groups[control.group].add_argument(*names, **options)


def help_of(control: settings.Control, texts: Texts) -> str:
    """What a control does, which values it takes, and which it has by itself."""
    parts = [texts(f"control.{control.name}.tip")]
    if control.kind == settings.MODEL:
        names = [AUTO]
        with contextlib.suppress(CvmatteError):  # said when a model is needed
            names += catalogue()
        parts.append(texts("matte.models", models=", ".join(names)))
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


def ended(parser: Parser, work: Callable[[], int]) -> int:
    """A command's exit code: what its work returns, or what that has met, told as a sentence."""
    _log()
    try:
        # enter() has put it off while the packages were imported.
        signal.signal(signal.SIGINT, _interrupt)
        return _outcome(parser, work)
    except (KeyboardInterrupt, Cancelled):
        return INTERRUPTED
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python's end prints a traceback for one that is raised


def _interrupt(number: int, frame: object) -> NoReturn:
    _interrupted.set()
    raise KeyboardInterrupt


def _outcome(parser: Parser, work: Callable[[], int]) -> int:
    texts = parser.texts
    try:
        _check_environment()
        return work()
    except Misused as error:
        parser.error(str(error))
    except Cancelled:
        raise
    except CvmatteError as error:
        if isinstance(error, SettingsError) or error.key in _OF_OPTIONS:
            return parser.misused(in_options(error, texts))
        tell(error, texts)
        return SOME_FAILED
    except BrokenPipeError:  # nobody reads on; nor must the interpreter try to write what is left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return SOME_FAILED
    except Exception as error:
        unexplained = WorkerError("internal")
        unexplained.__cause__ = error
        tell(unexplained, texts)
        return SOME_FAILED


def in_options(error: CvmatteError, texts: Texts) -> str:
    """An error's sentence, in which a control has its option's name."""
    names = {control.name for control in CONTROLS} | {"threads", "device"}
    control = error.values.get("control")
    values = {**error.values, "control": option_of(control)} if control in names else error.values
    return texts(f"error.{error.key}", **values)


def tell(error: CvmatteError, texts: Texts, before: str = "", say: Callable[[str], None] | None = None) -> None:
    """Say an error; where the log says more, say where that is. Raises KeyboardInterrupt where Ctrl+C caused it."""
    if _interrupted.is_set():  # a package that it meets while it is imported says ImportError
        raise KeyboardInterrupt
    say = say or (lambda line: print(line, file=sys.stderr))
    say(before + error.sentence(texts))
    if error.key in _EXPLAINED_BY_THE_LOG:
        logger.error("%s", error, exc_info=error.__cause__)
        with contextlib.suppress(CvmatteError):  # without a home there is no log
            say(texts("script.log", path=paths.shell_log_file()))


def _log() -> None:
    """Warnings and errors go to a file of the shell's own, which begins with the first of them."""
    try:
        paths.shell_log_file().parent.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(paths.shell_log_file(), maxBytes=_LOG_BYTES, backupCount=1, delay=True)
    except (OSError, CvmatteError):
        logging.basicConfig(level=logging.CRITICAL)
        return
    logging.basicConfig(level=logging.WARNING, handlers=[handler], format="%(asctime)s %(levelname)s %(message)s")
    logging.raiseExceptions = False  # a disk that is full is no reason to print tracebacks


def _check_environment() -> None:
    """Raises SettingsError where a variable of the environment says what can't be."""
    device, threads = (os.environ.get(name, "") for name in (devices.DEVICE_VARIABLE, devices.THREADS_VARIABLE))
    if device and device not in devices.DEVICES:
        raise SettingsError("setting_value", control=devices.DEVICE_VARIABLE, allowed=", ".join(devices.DEVICES))
    if threads and not (threads.isdecimal() and 1 <= int(threads) <= devices.MOST_THREADS):
        raise SettingsError("setting_range", control=devices.THREADS_VARIABLE, low=1, high=devices.MOST_THREADS)
