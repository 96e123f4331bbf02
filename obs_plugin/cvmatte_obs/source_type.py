"""The source type "CVMatte Portrait", registered from Python through ctypes: obspython has no call of its own for that.

A type can't be unregistered, so its callbacks live as long as OBS: this module stays in sys.modules when the script
is reloaded or a scene collection is switched, and only the session that serves them changes.

OBS creates and destroys sources with its sources lock held, the whole time that it loads a scene collection. Python
in there would wait for the GIL; another script that looks a source up on each frame holds that, and waits for the
lock: OBS would never start. So a portrait is created, updated and destroyed by functions of libobs itself, and found
by the session afterwards.

What libobs makes as a portrait's data is a private image source, its helper: never shown, with a file that the portrait
needs as its own. That is how one that was moved gets into OBS's own dialog of missing files. It can stand for one file
only: the photo, the still or the video, and the background image where that is what was found missing, or is all that
there is. The helper's id, name and settings are kept in the portrait's settings, in the form in which OBS saves any
source.
"""

from __future__ import annotations

import ctypes
import threading
from typing import Callable, Iterator

from . import layers, libobs, scenes
from .portrait import Portrait
from .services import Services

Fill = Callable[[Portrait, int, int], None]  # adds what it holds to a portrait's obs_properties_t; then the source


class SourceType:
    """The registered type: its callbacks, and the portraits that exist, for the session that serves them now."""

    def __init__(self) -> None:
        self._services: Services | None = None
        self.fill: Fill | None = None  # the portraits' properties, while a script is loaded
        self._portraits: list[Portrait] = []  # those that are gone too, until the session drops them
        self._lock = threading.Lock()  # never held while libobs takes a lock of its own
        self._discovering = threading.Lock()
        self._registered = False
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

    def serve(self, services: Services) -> None:
        """Register the type, once in OBS's life, and let this session serve the portraits that exist and will."""
        self._services = services
        self._name = ctypes.create_string_buffer(services.texts("source.name").encode())
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
            self._services = None
        self.fill = None
        for portrait in self.portraits():
            portrait.keep_bindings()
            self.drop(portrait)
            portrait.close()

    def portraits(self) -> list[Portrait]:
        with self._lock:
            return list(self._portraits)

    def living(self) -> Iterator[tuple[Portrait, int]]:
        """Each portrait whose source there is, and that, kept alive until the next."""
        for portrait in self.portraits():
            with portrait.source() as source:
                if source:
                    yield portrait, source

    def discover(self) -> bool:
        """Find the portraits that were created since the last time. False while OBS doesn't tell of them.

        Those that are known aren't looked up again: from OBS 30 on, a look-up by name may find a source that just goes.
        """
        with self._discovering:
            names = scenes.inputs(layers.SOURCE_ID.decode())
            known = {libobs.source_name(source) for _, source in self.living()}
            for name in names or ():
                if name in known:
                    continue
                with scenes.source_named(name) as source:  # gone, or another one's by now: that is signalled
                    if source and libobs.obs_source_get_id(source) == layers.SOURCE_ID:
                        helper = libobs.obs_obj_get_data(source)
                        if helper:
                            self._add(source, helper)
        return names is not None

    def _add(self, source: int, helper: int) -> None:
        services = self._services
        if services is None or self._living(helper) is not None:
            return
        portrait = Portrait(source, helper, services)
        with self._lock:
            if self._services is services:
                self._portraits.append(portrait)
                return
        portrait.close()

    def _living(self, helper: int) -> Portrait | None:
        """The portrait with this helper. Others may have had one at the same address, and be gone."""
        return next((portrait for portrait, _ in self.living() if portrait.helper == helper), None)

    def portrait_of(self, helper: int) -> Portrait | None:
        """The portrait that OBS means by the data it calls back with."""
        portrait = self._living(helper)
        if portrait is None and self._services is not None:  # its properties open as soon as it is created
            self.discover()
            portrait = self._living(helper)
        return portrait

    def drop(self, portrait: Portrait) -> None:
        with self._lock:
            if portrait in self._portraits:
                self._portraits.remove(portrait)

    # Called by OBS, on its UI thread

    def _get_name(self, _type_data: int) -> int:
        return ctypes.addressof(self._name)

    def _get_properties(self, helper: int) -> int:
        made = libobs.obs_properties_create()
        portrait = self.portrait_of(helper) if self._services is not None and helper else None
        if portrait is not None:
            with portrait.source() as source:
                if source and self.fill is not None:
                    libobs.guarded(self.fill, portrait, made, source)
        return made


SOURCE_TYPE = SourceType()
