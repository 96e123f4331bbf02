"""Frames of a source of OBS, which OBS itself sends to a port of this computer; see obs_plugin/cvmatte_obs/mixes.py.

A port is bound before anybody is told of it, with a secret that only OBS is told. Whoever connects has to say it, as
FFmpeg does where it sends to http://127.0.0.1:PORT/SECRET/640x360/50/639x359: POST /SECRET/640x360/50/639x359, the size
of a frame, the milliseconds since it was drawn when it is sent, and the size of the picture in its corner; then the
frames, NV12 in BT.709 from 16 to 235 as rows of bytes, one after the other. That is all that is read, so there is
nothing in it that could be damaged or hostile. Once OBS is connected nobody else can: each connection has a port and a
secret of its own.
"""

from __future__ import annotations

import contextlib
import hmac
import logging
import re
import secrets
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator

import cv2
import numpy as np

from ..image import images
from ..layers.store import LARGEST_SIDE

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 0.25  # from one look whether there is an end to the next
_REQUEST_SECONDS = 1.0  # that who connects has to say the secret
_LONGEST_REQUEST = 4096  # bytes
_REQUEST = re.compile(rb"POST /(\w+)/(\d{1,5})x(\d{1,5})/(\d{1,4})(?:/(\d{1,5})x(\d{1,5}))? HTTP/1\.[01]\r\n")
_SOONER = 0.7  # a frame that comes after a smaller part of the rate's time isn't looked at
_LATE_SECONDS = 0.2  # without a frame the next is looked at, however late
# What OBS sends of a source that is just removed, or goes to another size, until the plugin has seen it.
_BLACK, _BLACK_SECONDS = 16, 1.0
# From brightness and two colours, as they are sent, to red, green and blue: BT.709, the last column is what is added.
_TO_RGB = np.array(
    [[1.1644, 0, 1.7927, -248.1], [1.1644, -0.2132, -0.5329, 76.88], [1.1644, 2.1124, 0, -289.02]], np.float32
)
_BACKLOG = 8  # who connects and says nothing mustn't keep OBS out

Announce = Callable[[int, str], None]


def frames(announce: Announce, closing: threading.Event, rate: int) -> Iterator[tuple[np.ndarray, float]]:
    """Frames until the end, uint8 RGB, shape (H, W, 3), and the seconds since each was drawn; the same array again
    where nothing has changed.

    announce(port, secret): where they are waited for, of each connection. rate: more a second aren't wanted; 0 for all.
    """
    while not closing.is_set():
        with socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG) as server:
            secret = secrets.token_hex(16)
            announce(server.getsockname()[1], secret)
            connection = _connection(server, secret, closing)
        if connection is not None:
            with contextlib.closing(connection):
                for frame in connection.frames(closing, rate):
                    yield frame, connection.age


class _Connection:
    """One that has said the secret."""

    def __init__(
        self, peer: socket.socket, size: tuple[int, int], picture: tuple[int, int], age: float, begun: bytes
    ) -> None:
        """size, picture: see above. age: of a frame when it is sent, in seconds. begun: what came with the request."""
        self._peer, (width, height), self._picture, self.age = peer, size, picture, age
        self._rows, self._begun = (height * 3 // 2, width), begun

    def frames(self, closing: threading.Event, rate: int) -> Iterator[np.ndarray]:
        apart = _SOONER / rate if rate else 0.0
        raw, before = (np.empty(self._rows, np.uint8) for _ in range(2))
        shown: np.ndarray | None = None
        shown_at, lit_at = float("-inf"), time.monotonic()
        while self._fill(raw.data.cast("B"), closing):
            now = time.monotonic()
            since = now - shown_at
            if since < apart or (since < _LATE_SECONDS and self._has_more()):
                continue
            if not self._is_black(raw):
                lit_at = now
            elif now - lit_at < _BLACK_SECONDS:
                continue
            shown_at = now
            if shown is None or not np.array_equal(raw, before):
                shown = np.ascontiguousarray(_rgb(raw)[: self._picture[1], : self._picture[0]])
                raw, before = before, raw
            yield shown

    def _is_black(self, raw: np.ndarray) -> bool:
        """As OBS draws nothing."""
        brightness = raw[: len(raw) * 2 // 3]
        return bool(brightness[0, 0] == _BLACK and (brightness == _BLACK).all())

    def _has_more(self) -> bool:
        """Whether the next frame is on its way already: this process was late."""
        return bool(self._begun or select.select([self._peer], [], [], 0)[0])

    def _fill(self, room: memoryview, closing: threading.Event) -> bool:
        """Fill it; False where no more comes."""
        filled = min(len(self._begun), len(room))
        room[:filled], self._begun = self._begun[:filled], self._begun[filled:]
        while filled < len(room) and not closing.is_set():
            try:
                count = self._peer.recv_into(room[filled:])
            except TimeoutError:
                continue
            except OSError as error:
                logger.info("OBS has hung up: %s", error)
                return False
            if not count:
                return False
            filled += count
        return filled == len(room)

    def close(self) -> None:
        self._peer.close()


def _rgb(raw: np.ndarray) -> np.ndarray:
    """uint8 RGB of a frame as it was sent."""
    height, width = len(raw) * 2 // 3, raw.shape[1]
    colours = raw[height:].reshape(height // 2, width // 2, 2)
    colours = cv2.resize(colours, (width, height), interpolation=cv2.INTER_NEAREST)
    return cv2.transform(cv2.merge([raw[:height], *cv2.split(colours)]), _TO_RGB)


def _connection(server: socket.socket, secret: str, closing: threading.Event) -> _Connection | None:
    """The first that says the secret; None at the end."""
    server.settimeout(_LOOK_SECONDS)
    while not closing.is_set():
        try:
            peer, address = server.accept()
        except TimeoutError:
            continue
        connection = None
        with contextlib.suppress(OSError):
            connection = _greeted(peer, secret)
        if connection is not None:
            peer.settimeout(_LOOK_SECONDS)
            return connection
        logger.warning("a stranger at the port for OBS's frames: %s", address)
        peer.close()
    return None


def _greeted(peer: socket.socket, secret: str) -> _Connection | None:
    """None where it isn't OBS. Raises OSError."""
    said, until = b"", time.monotonic() + _REQUEST_SECONDS
    while b"\r\n\r\n" not in said and len(said) < _LONGEST_REQUEST:
        peer.settimeout(max(0.001, until - time.monotonic()))
        more = peer.recv(_LONGEST_REQUEST)
        if not more:
            return None
        said += more
    request, _, begun = said.partition(b"\r\n\r\n")
    found = _REQUEST.match(request + b"\r\n")
    if found is None or not hmac.compare_digest(found[1], secret.encode()) or b"\r\nTransfer-Encoding:" in request:
        return None
    width, height = int(found[2]), int(found[3])
    if not 0 < width <= LARGEST_SIDE or not 0 < height <= LARGEST_SIDE or width * height > images.PIXEL_LIMIT:
        return None
    picture = (int(found[5]), int(found[6])) if found[5] else (width, height)
    if width % 2 or height % 2 or not 0 < picture[0] <= width or not 0 < picture[1] <= height:
        return None
    return _Connection(peer, (width, height), picture, int(found[4]) / 1000, begun)
