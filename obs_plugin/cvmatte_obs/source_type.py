"""The source type "CVMatte Portrait", registered from Python through ctypes: obspython has no call of its own for that.

A type can't be unregistered, so its callbacks live as long as OBS: this module stays in sys.modules when the script
is reloaded or a scene collection is switched, and only the session that serves them changes.

OBS creates and destroys sources with its sources lock held, the whole time that it loads a scene collection. Python
in there would wait for the GIL; another script that looks a source up on each frame holds that, and waits for the
lock: OBS would never start. So a portrait is created, updated and destroyed by functions of libobs itself, and found
by the session afterwards.

What libobs makes as a portrait's data is a private image source, its helper: never shown, with the portrait's photo
as its file. That is how a photo that was moved gets into OBS's own dialog of missing files. The helper's id, name and
settings are kept in the portrait's settings, in the form in which OBS saves any source.
"""

from __future__ import annotations

import contextlib
import ctypes
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Iterator

import obspython

from . import controls, layers, libobs, properties
from .events import Event, Hotkey

if TYPE_CHECKING:
    from .session import Session


_BINDINGS = b"cvmatte_hotkeys"  # in the helper's private settings


@dataclass
class State:
    """A portrait's state line, in the person's language."""

    text: str = ""
    is_error: bool = False


class Links:
    """What a portrait hears of OBS: the events and hotkeys of its source.

    The hotkeys' keys from before the script was reloaded are taken over; see `keep_bindings`.
    """

    def __init__(self, source: int, helper: int, texts: Any) -> None:
        self._helper_weak = libobs.obs_source_get_weak_source(helper)
        self.updated, self.relinked = Event(), Event()
        self.updated.connect(libobs.obs_source_get_signal_handler(source), b"update")
        self.relinked.connect(libobs.obs_source_get_signal_handler(helper), b"update")
        self.rematte = Hotkey("cvmatte.portrait.rematte", texts("hotkey.rematte"), source)
        self.take_still = Hotkey("cvmatte.portrait.take_still", texts("hotkey.take_still"), source)
        kept = libobs.obs_source_get_private_settings(helper)
        bindings = libobs.obs_data_get_obj(kept, _BINDINGS)
        if bindings:
            self.rematte.load(bindings)
            self.take_still.load(bindings)
            libobs.obs_data_release(bindings)
            libobs.obs_data_erase(kept, _BINDINGS)
        libobs.obs_data_release(kept)

    def keep_bindings(self) -> None:
        """Keep the hotkeys' keys until the script is back: with the helper, so that they end when it does."""
        helper = libobs.obs_weak_source_get_source(self._helper_weak)
        if not helper:
            return
        bindings = libobs.obs_data_create()
        self.rematte.save(bindings)
        self.take_still.save(bindings)
        kept = libobs.obs_source_get_private_settings(helper)
        libobs.obs_data_set_obj(kept, _BINDINGS, bindings)
        for data in (kept, bindings):
            libobs.obs_data_release(data)
        libobs.obs_source_release(helper)

    def close(self, source: int | None) -> None:
        """Let go. source: None where it is gone, and its signals with it."""
        helper = libobs.obs_weak_source_get_source(self._helper_weak)
        for alive, event in ((source, self.updated), (helper, self.relinked)):
            if alive:
                event.disconnect(libobs.obs_source_get_signal_handler(alive), b"update")
        libobs.obs_source_release(helper)
        libobs.obs_weak_source_release(self._helper_weak)
        self.rematte.close()
        self.take_still.close()
        self.updated.close()
        self.relinked.close()


@dataclass(eq=False)
class Portrait:
    """One source of our type. Only the session's thread changes it; other threads read single attributes."""

    helper: int  # the source's data: a private image source that lives as long as it
    weak: int
    links: Links | None = None
    values: controls.Values | None = None  # as last read from the source's settings
    helper_image: str | None = None  # the file that the helper stands for
    camera_weak: int = 0  # the source that stills are taken from
    shown: str | None = None  # the key of the layer on screen
    made_from: tuple[int, int] | None = None  # bytes and modification of the photo of the finished layer
    job: Any = None
    waiting: Any = None
    still: Any = None  # one that is being taken
    state: State = field(default_factory=State)
    note: str = ""  # what a button in the properties had to say
    noted_at: float = 0.0
    preview: str = ""
    changed_at: float = 0.0
    refresh_wanted: bool = False

    def tell(self, note: str) -> None:
        self.note, self.noted_at = note, time.monotonic()


class SourceType:
    """The registered type: its callbacks, the portraits that exist, and the session that serves them now."""

    def __init__(self) -> None:
        self.session: Session | None = None
        self._portraits: list[Portrait] = []  # those that are gone too, until the session drops them
        self._lock = threading.Lock()  # never held while libobs takes a lock of its own
        self._discovering = threading.Lock()
        self._registered = False
        self._to_redraw: deque[Portrait] = deque()
        self._redraw = libobs.Task(lambda _: libobs.guarded(self._redraw_next))
        self._name = ctypes.create_string_buffer(b"CVMatte Portrait")
        self._info = libobs.SourceInfo(
            id=layers.SOURCE_ID,
            type=libobs.OBS_SOURCE_TYPE_INPUT,
            output_flags=libobs.OBS_SOURCE_VIDEO | libobs.OBS_SOURCE_ASYNC,
            get_name=libobs.GetName(self._get_name),
            create=libobs.address("obs_load_private_source"),
            destroy=libobs.address("obs_source_release"),
            update=libobs.address("bnum_allocs"),  # does nothing; but only types with an update emit its signal
            get_properties=libobs.GetProperties(self._get_properties),
            icon_type=libobs.OBS_ICON_TYPE_IMAGE,
            missing_files=libobs.address("obs_source_get_missing_files"),  # the helper's
        )

    def serve(self, session: Session) -> None:
        """Register the type, once in OBS's life, and let this session serve the portraits that exist and will."""
        self.session = session
        self._name = ctypes.create_string_buffer(session.texts("source.name").encode())
        if self._registered:
            return
        self._registered = True
        libobs.obs_register_source_s(ctypes.byref(self._info), ctypes.sizeof(self._info))
        if libobs.has("obs_module_add_source"):
            # OBS 32.1 and newer paints sources red whose type belongs to no module.
            get_module = libobs.function("obs_get_module", ctypes.c_void_p, ctypes.c_char_p)
            add_source = libobs.function("obs_module_add_source", None, ctypes.c_void_p, ctypes.c_char_p)
            module = get_module(b"frontend-tools")
            if module:
                add_source(module, layers.SOURCE_ID)

    def release(self) -> None:
        """The session has ended: hold on to nothing of OBS's. A later session finds the portraits again."""
        with self._lock:
            self.session = None
        for portrait in self.portraits():
            if portrait.links is not None:
                portrait.links.keep_bindings()
            self.drop(portrait)

    def portraits(self) -> list[Portrait]:
        with self._lock:
            return list(self._portraits)

    def discover(self) -> None:
        """Find the portraits that were created since the last time."""
        with self._discovering:
            for source in _all_sources():
                helper = libobs.obs_obj_get_data(source)
                if helper and libobs.obs_source_get_id(source) == layers.SOURCE_ID:
                    self._add(source, helper)

    def _add(self, source: int, helper: int) -> None:
        if self._living(helper) is not None:
            return
        portrait = Portrait(helper, libobs.obs_source_get_weak_source(source))
        with self._lock:
            if self.session is not None:
                self._portraits.append(portrait)
                return
        libobs.obs_weak_source_release(portrait.weak)

    def _living(self, helper: int) -> Portrait | None:
        """The portrait with this helper. Others may have had one at the same address, and be gone."""
        for portrait in self.portraits():
            if portrait.helper == helper:
                with self.source(portrait) as source:
                    if source:
                        return portrait
        return None

    def link(self, portrait: Portrait, source: int, texts: Any) -> None:
        """Begin to hear of a portrait."""
        portrait.links = Links(source, portrait.helper, texts)

    @contextlib.contextmanager
    def source(self, portrait: Portrait) -> Iterator[int | None]:
        """The portrait's source, kept alive for the block; None where it is gone."""
        with self._lock:  # so that no other thread drops the weak reference meanwhile
            source = libobs.obs_weak_source_get_source(portrait.weak)
        try:
            yield source
        finally:
            libobs.obs_source_release(source)

    def redraw_properties(self, portrait: Portrait) -> None:
        """Have an open properties dialog of the portrait redrawn as soon as OBS's UI thread gets to it.

        There, no file dialog can be opened between the look for one and the redrawing.
        """
        self._to_redraw.append(portrait)
        libobs.obs_queue_task(libobs.OBS_TASK_UI, self._redraw, None, False)

    def drop(self, portrait: Portrait) -> None:
        """Let go of a portrait."""
        with self.source(portrait) as source:
            with self._lock:
                if portrait in self._portraits:
                    self._portraits.remove(portrait)
                weak, portrait.weak = portrait.weak, 0
                camera_weak, portrait.camera_weak = portrait.camera_weak, 0
                links, portrait.links = portrait.links, None
            if links is not None:
                links.close(source)
        libobs.obs_weak_source_release(camera_weak)
        libobs.obs_weak_source_release(weak)

    # Called by OBS, on its UI thread

    def _redraw_next(self) -> None:
        portrait = self._to_redraw.popleft()
        if not libobs.may_redraw_properties():
            portrait.refresh_wanted = True  # later
            return
        with self.source(portrait) as source:
            if source:
                libobs.obs_source_update_properties(source)

    def _get_name(self, _type_data: int) -> int:
        return ctypes.addressof(self._name)

    def portrait_of(self, helper: int) -> Portrait | None:
        """The portrait that OBS means by the data it calls back with."""
        portrait = self._living(helper)
        if portrait is None and self.session is not None:  # its properties open as soon as it is created
            self.discover()
            portrait = self._living(helper)
        return portrait

    def _get_properties(self, helper: int) -> int:
        made = libobs.obs_properties_create()
        session = self.session
        portrait = self.portrait_of(helper) if session is not None and helper else None
        if session is not None and portrait is not None:
            with self.source(portrait) as source:
                if source:
                    libobs.guarded(properties.fill, session, portrait, made, source)
        return made


def _all_sources() -> Iterator[int]:
    """Every public input source, alive until the next is asked for."""
    # obspython holds the GIL while it waits for OBS's sources lock, which a scene collection that loads keeps for long:
    # wait for it without the GIL first.
    libobs.obs_source_release(libobs.obs_get_source_by_name(b""))
    sources = obspython.obs_enum_sources()
    try:
        for source in sources or ():
            yield int(source)
    finally:
        obspython.source_list_release(sources)


def video_source_names() -> list[str]:
    """The names of everything that a still can be taken from: scenes, then sources, each by name."""
    inputs = []
    for source in _all_sources():
        if libobs.obs_source_get_output_flags(source) & libobs.OBS_SOURCE_VIDEO:
            inputs.append(libobs.source_name(source))
    scenes = obspython.obs_frontend_get_scene_names() or []
    return [*sorted(inputs, key=str.casefold), *sorted(scenes, key=str.casefold)]


SOURCE_TYPE = SourceType()
