"""The vendor "cvmatte" of obs-websocket, through the procedures of its header for plugins, obs-websocket-api.h.

A vendor can't be unregistered, and a thread of obs-websocket may be on its way into a request while that is: so this
lives as long as OBS, in a module that stays in sys.modules, and only who answers changes.

A request comes on a thread of obs-websocket that holds no lock of OBS's, unless it is part of a batch of the type
SERIAL_FRAME: those run on the graphics thread. Whoever answers takes nothing of OBS's and waits for nothing.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
from typing import Any, Callable, Iterator, Mapping

from .. import libobs, websocket
from ..shutdown_gate import Gate

NAME = "cvmatte"
_PATIENCE_SECONDS = 2.0  # for requests that are just being answered, which takes no millisecond
Answer = Callable[[str, "dict[str, Any]"], "dict[str, Any]"]


class _Callback(ctypes.Structure):
    """struct obs_websocket_request_callback."""

    _fields_ = [("callback", libobs.VendorRequest), ("priv_data", ctypes.c_void_p)]


class Vendor:
    """unloaded: what is answered to whoever comes too late."""

    def __init__(self) -> None:
        self._vendor: int | None = None
        self._answer: Answer | None = None
        self._requests: tuple[str, ...] = ()
        self._unloaded: dict[str, Any] = {}
        self._gate = Gate()
        self._on_request = libobs.VendorRequest(self._hear)

    def open(self, requests: tuple[str, ...], answer: Answer, unloaded: dict[str, Any]) -> bool:
        """Have these requests answered; whether obs-websocket is there. answer: called on its threads."""
        handler = websocket.handler()
        if handler is None:
            return False
        if self._vendor is None:
            self._vendor = websocket.pointer_from(
                handler, b"vendor_register", b"vendor", {b"name": websocket.text(NAME)}
            )
            if self._vendor is None:
                libobs.log(libobs.LOG_WARNING, f"obs-websocket has another vendor called {NAME}")
                return False
        self._requests, self._answer, self._unloaded = requests, answer, unloaded
        self._gate.open()
        for number, name in enumerate(requests):
            callback = _Callback(self._on_request, number)
            self._run(b"vendor_request_register", name, callback=ctypes.addressof(callback))
        return True

    def close(self) -> None:
        """Nobody answers any more, once this is done. On OBS's UI thread."""
        for name in self._requests:
            self._run(b"vendor_request_unregister", name)
        self._requests = ()
        if not self._gate.shut(_PATIENCE_SECONDS):
            libobs.log(libobs.LOG_WARNING, "a request from outside is still being answered")
        self._answer = None

    def emit(self, event: str, data: Mapping[str, Any]) -> None:
        """Tell everybody who listens. Never on a thread of obs-websocket."""
        with _obs_data(data) as made:
            self._run(b"vendor_event_emit", event, data=made)

    def _run(self, procedure: bytes, kind: str, **pointers: int) -> None:
        handler = websocket.handler()
        if handler is None or self._vendor is None:
            return
        values = {name.encode(): _bytes_of(value) for name, value in {"vendor": self._vendor, **pointers}.items()}
        websocket.pointer_from(handler, procedure, b"", {b"type": websocket.text(kind), **values})

    def _hear(self, request_data: int, response_data: int, number: int | None) -> None:
        """On a thread of obs-websocket."""
        libobs.guarded(self._respond, request_data, response_data, number or 0)

    def _respond(self, request_data: int, response_data: int, number: int) -> None:
        with self._gate.passing() as passes:
            answer, requests = self._answer, self._requests
            if passes and answer is not None and number < len(requests):
                data = json.loads(libobs.obs_data_get_json(request_data) or b"{}")
                said = answer(requests[number], data)
            else:
                said = self._unloaded
            with _obs_data(said) as made:
                libobs.obs_data_apply(response_data, made)


def _bytes_of(pointer: int) -> bytes:
    return bytes(ctypes.c_void_p(pointer))


@contextlib.contextmanager
def _obs_data(values: Mapping[str, Any]) -> Iterator[int]:
    """As an obs_data_t, for the block. Its arrays may hold objects alone."""
    made = libobs.obs_data_create_from_json(libobs.utf8(json.dumps(values, ensure_ascii=False)))
    try:
        yield made
    finally:
        libobs.obs_data_release(made)


VENDOR = Vendor()
