"""The sync offset of the microphone that a person chooses: set to how late a live picture is, and put back.

What stood there before is kept with that source of OBS's, in the settings that OBS saves with it: there it is known
after a restart, under another name and to every portrait, and neither Cancel nor Defaults in a portrait's properties
parts it from the offset.
"""

from __future__ import annotations

import contextlib
from typing import Iterator

from . import controls, layers, libobs, scenes
from .portrait import Portrait
from .session import Session
from .sync_offset import SyncOffset, known, milliseconds

MICROPHONE = b"microphone"  # in a portrait's settings: the name of the source
_KEPT, _BEFORE, _OURS = b"cvmatte_sync_offset", b"before", b"set"  # in the microphone's private ones


@contextlib.contextmanager
def named(name: str) -> Iterator[int | None]:
    """The source of that name that may have sound, kept alive for the block; None where there is none."""
    # Looked up only where it is listed: from OBS 30 on, a look-up by name may find a source that just goes.
    if name not in scenes.audio_source_names():
        yield None
        return
    with scenes.source_named(name) as source:
        yield source


def read(source: int) -> SyncOffset:
    now = int(libobs.obs_source_get_sync_offset(source))
    private = libobs.obs_source_get_private_settings(source)
    kept = libobs.obs_data_get_obj(private, _KEPT)
    libobs.obs_data_release(private)
    if not kept:
        return SyncOffset(now)
    before, ours = (int(libobs.obs_data_get_int(kept, key)) for key in (_BEFORE, _OURS))
    libobs.obs_data_release(kept)
    return known(now, before, ours)


def _write(source: int, offset: SyncOffset) -> None:
    private = libobs.obs_source_get_private_settings(source)
    if offset.before is None:
        libobs.obs_data_erase(private, _KEPT)
    else:
        kept = layers.data_of({_BEFORE: offset.before, _OURS: offset.ours})
        libobs.obs_data_set_obj(private, _KEPT, kept)
        libobs.obs_data_release(kept)
    libobs.obs_data_release(private)
    libobs.obs_source_set_sync_offset(source, offset.now)


# Buttons; on the session's thread


def fit(session: Session, portrait: Portrait) -> None:
    """Set the chosen microphone's sync offset to the picture's lag."""
    with _chosen(session, portrait) as source:
        if not source:
            return
        if portrait.lag is None:
            portrait.tell(session.texts("voice.no_picture"))
            return
        _write(source, read(source).with_lag(portrait.lag))


def put_back(session: Session, portrait: Portrait) -> None:
    with _chosen(session, portrait) as source:
        if not source:
            return
        offset = read(source)
        _write(source, offset.put_back())
        if offset.is_changed:
            values = {"name": libobs.source_name(source), "offset": milliseconds(offset.now)}
            portrait.tell(session.texts("voice.left", **values))


@contextlib.contextmanager
def _chosen(session: Session, portrait: Portrait) -> Iterator[int | None]:
    """The microphone that is chosen now; where there is none, that is told."""
    portrait.tell("")
    name = ""
    with portrait.source() as source:
        if source:
            data = libobs.obs_source_get_settings(source)
            name = controls.get_string(data, MICROPHONE)
            libobs.obs_data_release(data)
    with named(name) as microphone:
        if not microphone:
            portrait.tell(session.texts("voice.gone", name=name) if name else session.texts("source.microphone.none"))
        yield microphone
    portrait.refresh_wanted = True
