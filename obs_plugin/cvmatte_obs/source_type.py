"""The source type "CVMatte Portrait", registered from Python through ctypes: libobs has no call of its own for that.

A type can't be unregistered, so its callbacks live as long as OBS: this module stays in sys.modules when the script
is reloaded or a scene collection is switched, and only the session that serves them changes. A portrait's data is a
block of libobs's memory with the source's address in it, which libobs itself frees: portraits are destroyed after
Python has ended.
"""

from __future__ import annotations

import ctypes
import html
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cvmatte_core.texts import Texts

from . import controls, layers, libobs

if TYPE_CHECKING:
    from .session import Session

_VIEWS_WIDTH = 460  # pixels in the properties dialog, at OBS's default width of it


@dataclass
class State:
    """A portrait's state line, in the person's language."""

    text: str = ""
    is_error: bool = False


@dataclass(eq=False)
class Portrait:
    """One source of our type. Only the session's thread changes it; other threads read single attributes."""

    address: int
    weak: int
    values: tuple[Any, ...] | None = None  # as last read from the source's settings
    shown: str | None = None  # the key of the layer on screen
    job: Any = None
    waiting: Any = None
    state: State = field(default_factory=State)
    preview: str = ""
    changed_at: float = 0.0
    refresh_wanted: bool = False


class SourceType:
    """The registered type: its callbacks, the portraits that exist, and the session that serves them now."""

    def __init__(self) -> None:
        self.session: Session | None = None
        self._portraits: dict[int, Portrait] = {}  # by the source's address
        self._lock = threading.Lock()  # never held while libobs takes a lock of its own
        self._registered = False
        self._name = ctypes.create_string_buffer(b"CVMatte Portrait")
        self._info = libobs.SourceInfo(
            id=layers.SOURCE_ID,
            type=libobs.OBS_SOURCE_TYPE_INPUT,
            output_flags=libobs.OBS_SOURCE_VIDEO | libobs.OBS_SOURCE_ASYNC,
            get_name=libobs.GetName(self._get_name),
            create=libobs.Create(self._create),
            destroy=libobs.bfree_address.value,
            get_defaults=libobs.GetDefaults(self._get_defaults),
            get_properties=libobs.GetProperties(self._get_properties),
            icon_type=libobs.OBS_ICON_TYPE_IMAGE,
        )
        self._on_rematte = libobs.ButtonClicked(self._rematte)
        self._on_source = libobs.SourceFound(self._adopt)

    def serve(self, session: Session) -> None:
        """Register the type, once in OBS's life, and let this session serve the portraits that exist and will."""
        self.session = session
        self._name = ctypes.create_string_buffer(session.texts("source.name").encode())
        if self._registered:
            libobs.obs_enum_all_sources(self._on_source, None)
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
            self.drop(portrait)

    def portraits(self) -> list[Portrait]:
        with self._lock:
            return list(self._portraits.values())

    def source(self, portrait: Portrait) -> int | None:
        """The portrait's source with a reference to be released; None where it is gone."""
        with self._lock:  # so that no other thread drops the weak reference meanwhile
            return libobs.obs_weak_source_get_source(portrait.weak)

    def drop(self, portrait: Portrait) -> None:
        """Let go of a portrait whose source is gone."""
        with self._lock:
            if self._portraits.get(portrait.address) is portrait:
                del self._portraits[portrait.address]
            weak, portrait.weak = portrait.weak, 0
        libobs.obs_weak_source_release(weak)

    def _add(self, source: int) -> None:
        portrait = Portrait(address=source, weak=libobs.obs_source_get_weak_source(source))
        with self._lock:
            # Where the address was a destroyed portrait's, that one is replaced. Without a session nobody would ever
            # let go of the new one: the next session finds it.
            replaced: Portrait | None = portrait
            if self.session is not None:
                replaced, self._portraits[source] = self._portraits.get(source), portrait
        if replaced is not None:
            self.drop(replaced)

    # Called by OBS

    def _get_name(self, _type_data: int) -> int:
        return ctypes.addressof(self._name)

    def _create(self, _settings: int, source: int) -> int:
        data = libobs.bmalloc(ctypes.sizeof(ctypes.c_void_p))
        ctypes.c_void_p.from_address(data).value = source
        libobs.guarded(self._add, source)
        return data

    def _adopt(self, _param: int, source: int) -> bool:
        if libobs.obs_source_get_id(source) == layers.SOURCE_ID:
            libobs.guarded(self._add, source)
        return True

    def _portrait(self, data: int) -> Portrait | None:
        """The portrait whose source OBS means, alive while OBS calls."""
        address = ctypes.c_void_p.from_address(data).value if data else None
        with self._lock:
            return self._portraits.get(address or 0)

    def _get_defaults(self, data: int) -> None:
        libobs.guarded(controls.set_defaults, data)

    def _get_properties(self, data: int) -> int:
        properties = libobs.obs_properties_create()
        if self.session is not None:
            libobs.guarded(self._fill, self.session, properties, data)
        return properties

    def _fill(self, session: Session, properties: int, data: int) -> None:
        portrait = self._portrait(data)
        texts = session.texts
        source = self.source(portrait) if portrait is not None else None
        settings = libobs.obs_source_get_settings(source) if source else libobs.obs_data_create()
        try:
            image = libobs.obs_properties_add_path(
                properties,
                controls.IMAGE,
                texts("source.image").encode(),
                libobs.OBS_PATH_FILE,
                session.image_filter.encode(),
                None,
            )
            libobs.obs_property_set_long_description(image, texts("source.image.tip").encode())
            if portrait is not None and source:
                session.start_worker()
                self._add_state(properties, portrait)
                button = libobs.obs_properties_add_button2(
                    properties, b"rematte", texts("source.rematte").encode(), self._on_rematte, data
                )
                libobs.obs_property_set_long_description(button, texts("source.rematte.tip").encode())
                self._add_views(properties, portrait, texts)
            controls.add_controls(properties, settings, texts)
        finally:
            libobs.obs_data_release(settings)
            libobs.obs_source_release(source)

    @staticmethod
    def _add_state(properties: int, portrait: Portrait) -> None:
        state = portrait.state
        # Always as rich text: a file's name may look like a tag.
        text = f"<span>{html.escape(state.text)}</span>"
        line = libobs.obs_properties_add_text(properties, b"state", text.encode(), libobs.OBS_TEXT_INFO)
        kind = libobs.OBS_TEXT_INFO_WARNING if state.is_error else libobs.OBS_TEXT_INFO_NORMAL
        libobs.obs_property_text_set_info_type(line, kind)

    @staticmethod
    def _add_views(properties: int, portrait: Portrait, texts: Texts) -> None:
        if portrait.preview:
            picture = f'<img src="{html.escape(portrait.preview)}" width="{_VIEWS_WIDTH}">'
            text = f"{html.escape(texts('source.views'))}<br>{picture}"
            libobs.obs_properties_add_text(properties, b"views", text.encode(), libobs.OBS_TEXT_INFO)

    def _rematte(self, _properties: int, _button: int, data: int) -> bool:
        portrait, session = self._portrait(data), self.session
        if portrait is not None and session is not None:
            session.rematte(portrait)
        return False


SOURCE_TYPE = SourceType()
