"""Frames that OBS sends to a live process: who may send, and what comes of what is sent."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import av
import numpy as np
import pytest

from cvmatte_core.live import obs_frames
from cvmatte_core.live.capture import LiveSource
from cvmatte_core.live.latest_frame import LatestFrame

WIDTH, HEIGHT = 64, 48


class Reading:
    """A source of OBS that is read, and where it is to be sent."""

    def __init__(self, rate: int = 0) -> None:
        self.addresses: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()
        self.source = LatestFrame(
            LiveSource(obs="Webcam", rate=rate), lambda port, secret: self.addresses.put((port, secret))
        )
        self.number = 0
        self.source.next(0, 0)  # nobody is told where to send before somebody wants frames

    def address(self) -> tuple[int, str]:
        return self.addresses.get(timeout=10)

    def next(self, timeout: float = 10) -> np.ndarray | None:
        taken = self.source.next(self.number, timeout)
        if taken is None:
            return None
        self.number = taken[0]
        return taken[1]


@pytest.fixture
def reading() -> Iterator[Reading]:
    begun = Reading()
    yield begun
    begun.source.close()


def connect(port: int, request: bytes) -> socket.socket:
    peer = socket.create_connection(("127.0.0.1", port), timeout=5)
    peer.sendall(request)
    return peer


def greeting(secret: str, size: str = f"{WIDTH}x{HEIGHT}", picture: str = "") -> bytes:
    return f"POST /{secret}/{size}/0{picture} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


def grey(value: int) -> bytes:
    """A frame of this brightness, 16 to 235."""
    return bytes([value]) * (WIDTH * HEIGHT) + bytes([128]) * (WIDTH * HEIGHT // 2)


def is_hung_up(peer: socket.socket) -> bool:
    try:
        return peer.recv(1) == b""
    except ConnectionError:
        return True


def test_colours_arrive_as_they_were_sent(reading: Reading) -> None:
    port, secret = reading.address()
    with connect(port, greeting(secret)) as peer:
        for colour in ((200, 40, 60), (30, 160, 90), (20, 60, 220), (255, 255, 255), (5, 5, 5)):
            picture = av.VideoFrame.from_ndarray(np.full((HEIGHT, WIDTH, 3), colour, np.uint8), "rgb24")
            sent = picture.reformat(format="nv12", dst_colorspace="ITU709").to_ndarray()
            peer.sendall(sent.tobytes())
            pixels = reading.next()
            assert pixels is not None and pixels.shape == (HEIGHT, WIDTH, 3)
            assert np.abs(pixels.astype(int) - colour).max() <= 3
    assert reading.address()[0] != port  # whoever sends next gets another


@pytest.mark.parametrize(
    "request_of_a_stranger",
    [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        greeting("0" * 32),
        greeting("") + grey(200),
        greeting("SECRET").replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n") + grey(200),
        b"POST /" + b"x" * 10_000,
        grey(200) * 3,
    ],
)
def test_a_stranger_puts_nothing_in_and_keeps_nobody_out(reading: Reading, request_of_a_stranger: bytes) -> None:
    port, secret = reading.address()
    request_of_a_stranger = request_of_a_stranger.replace(b"SECRET", secret.encode())
    with connect(port, request_of_a_stranger) as stranger, connect(port, greeting(secret) + grey(100)):
        pixels = reading.next()
        assert pixels is not None and abs(int(pixels[0, 0, 0]) - 98) <= 3
        assert is_hung_up(stranger)


@pytest.mark.parametrize("size", ["0x48", "64x0", "63x48", "64x47", "99999x2", "16384x16384", "-64x48", "64x48x3", ""])
def test_sizes_that_can_not_be_are_refused(reading: Reading, size: str) -> None:
    port, secret = reading.address()
    with connect(port, greeting(secret, size)) as peer:
        assert is_hung_up(peer)
    with connect(port, greeting(secret) + grey(50)):
        assert reading.next() is not None


def test_a_picture_of_any_size_is_in_a_frame_s_corner(reading: Reading) -> None:
    port, secret = reading.address()
    for picture in ("/65x48", "/64x49", "/0x48", "/64x48/", "/64"):
        with connect(port, greeting(secret, picture=picture)) as peer:
            assert is_hung_up(peer)
    with connect(port, greeting(secret, picture="/61x47") + grey(50)):
        pixels = reading.next()
        assert pixels is not None and pixels.shape == (47, 61, 3) and pixels.flags["C_CONTIGUOUS"]


def test_nobody_else_can_connect_meanwhile(reading: Reading) -> None:
    port, secret = reading.address()
    with connect(port, greeting(secret) + grey(50)) as peer:
        assert reading.next() is not None
        with pytest.raises(ConnectionError):
            connect(port, greeting(secret)).close()
        peer.sendall(grey(60))
        assert reading.next() is not None


def test_frames_that_come_in_pieces_are_put_together(reading: Reading) -> None:
    port, secret = reading.address()
    said = greeting(secret) + grey(40) + grey(120) + grey(200)
    with connect(port, said[:20]) as peer:
        for begin in range(20, len(said), 1500):
            time.sleep(0.001)
            peer.sendall(said[begin : begin + 1500])
        deadline = time.monotonic() + 10
        while (pixels := reading.next()) is not None and abs(int(pixels[0, 0, 0]) - 214) > 3:
            assert time.monotonic() < deadline
        assert pixels is not None and (pixels == pixels[0, 0]).all()


def test_half_a_frame_shows_nothing(reading: Reading) -> None:
    port, secret = reading.address()
    with connect(port, greeting(secret) + grey(40)[:-1]):
        pass
    reading.address()
    assert reading.next(0.2) is None and reading.source.error is None


def test_a_picture_that_stays_is_the_same_one(reading: Reading) -> None:
    port, secret = reading.address()
    with connect(port, greeting(secret)) as peer:
        seen = []
        for value in (40, 40, 41, 41):
            peer.sendall(grey(value))
            seen.append(reading.next())
        assert seen[0] is seen[1] and seen[2] is seen[3] and seen[0] is not seen[2]


def test_more_frames_than_are_wanted_are_not_looked_at() -> None:
    reading = Reading(rate=10)
    port, secret = reading.address()
    with connect(port, greeting(secret)) as peer:
        begun = time.monotonic()
        while time.monotonic() - begun < 1:
            peer.sendall(grey(50))
            time.sleep(0.002)
        taken = reading.source.next(0, 5)
        assert taken is not None and 3 <= taken[0] <= 15
    reading.source.close()


def test_after_a_pause_only_the_newest_of_what_waits_is_shown(
    reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(obs_frames, "_LATE_SECONDS", 60)
    port, secret = reading.address()
    with connect(port, greeting(secret) + grey(40)) as peer:
        assert reading.next() is not None
        peer.sendall(grey(60) + grey(80) + grey(100))
        pixels = reading.next()
        assert pixels is not None and abs(int(pixels[0, 0, 0]) - 98) <= 3


def test_a_source_that_just_went_is_not_shown_as_black(reading: Reading) -> None:
    port, secret = reading.address()
    begun = time.monotonic()
    with connect(port, greeting(secret) + grey(40)) as peer:
        assert reading.next() is not None
        while (pixels := reading.next(0.02)) is None:
            peer.sendall(grey(16))
        assert time.monotonic() - begun > 0.9 and not pixels.any()  # it is black indeed


def test_its_lag_counts_from_when_obs_drew_it(reading: Reading) -> None:
    port, secret = reading.address()
    with connect(port, greeting(secret).replace(b"/0 HTTP", b"/70 HTTP") + grey(40)):
        taken = reading.source.next(0, 10)
        assert taken is not None and 0.07 <= time.monotonic() - taken[2] < 30


def test_it_ends_when_it_is_closed() -> None:
    for connected in (False, True):
        reading = Reading()
        port, secret = reading.address()
        peer = connect(port, greeting(secret) + grey(50)) if connected else contextlib.nullcontext()
        with peer:
            time.sleep(0.1)
            reading.source.close()
            deadline = time.monotonic() + 5
            while any(thread.name == "source" for thread in threading.enumerate()):
                assert time.monotonic() < deadline
                time.sleep(0.02)


def test_only_this_computer_is_listened_to(monkeypatch: pytest.MonkeyPatch) -> None:
    bound = []
    real = socket.create_server

    def create_server(address: tuple[str, int], **more: Any) -> socket.socket:
        bound.append(address)
        return real(address, **more)

    monkeypatch.setattr(obs_frames.socket, "create_server", create_server)
    reading = Reading()
    reading.address()
    reading.source.close()
    assert bound == [("127.0.0.1", 0)]
