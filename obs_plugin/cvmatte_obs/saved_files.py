"""The files of a portrait, shown in the system's file manager. Called on the session's thread."""

from __future__ import annotations

import threading
from pathlib import Path

from cvmatte_core.system import file_manager

from .portrait import Portrait
from .session import Session


def show_layer(session: Session, portrait: Portrait) -> None:
    """What was saved of the layer: be it an ID photo, or a sheet of them."""
    record = portrait.life.record
    _show(session, portrait, record.saved if record is not None else "")


def show_still(session: Session, portrait: Portrait) -> None:
    """The still itself, before it was cut out."""
    _show(session, portrait, portrait.values.still if portrait.values is not None else "")


def _show(session: Session, portrait: Portrait, file: str) -> None:
    if not file:
        _say(portrait, session.texts("source.show_file.none"))
        return

    def work() -> None:  # which may take as long as a drive, or a desktop, takes to answer
        if not file_manager.show(Path(file)):
            session.post(_say, portrait, session.texts("source.show_file.where", path=file))

    threading.Thread(target=work, name="cvmatte-show-file", daemon=True).start()


def _say(portrait: Portrait, sentence: str) -> None:
    portrait.read_now()  # what is said here goes with the next change
    portrait.said_of_files, portrait.refresh_wanted = sentence, True
