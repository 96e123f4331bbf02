"""Where live frames come from: a camera, a video, a stream or OBS, read as they come; only the newest is kept."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np

from ..image import file_types
from ..localization.errors import CvmatteError, ImageError
from ..video import animation
from ..video.decoding import QUICK, Pictures
from ..video.source import film_of
from . import capture, obs_frames, shared_camera
from .capture import LiveSource

logger = logging.getLogger(__name__)

_LONGEST_GAP = 3.0  # seconds between two frames of a file, whatever its times say
_LATEST = 0.5  # seconds that a file's frame may be late before those after it wait for it
_SINGLE_SECONDS = 0.5  # from one look to the next at a file of a single frame
_ASKED_SECONDS = 0.2  # between two looks whether there is an end to it before anybody asked for a frame
_SOON, _LATE = 0.5, 0.1  # parts of a source's period: a frame due so soon is worth waiting for, and so late it may be
_PATIENCE = 0.005  # seconds until a camera that has nothing yet is asked again


class _Playback:
    """When a file's frames are due, so that it plays as fast as it was taken, whatever its times say."""

    def __init__(self) -> None:
        self._zero: float | None = None  # when the time 0 of its frames was, by time.monotonic
        self._newest = 0.0  # the time of the newest frame
        self._ends = time.monotonic() + _SINGLE_SECONDS  # when the newest frame has been shown for its time
        self._count = 0

    def wait_for(self, at: float, seconds: float, closing: threading.Event) -> None:
        """Wait until the frame of this time is due, which lasts so long."""
        now = time.monotonic()
        due = now if self._zero is None else self._zero + at
        if at < self._newest or due < now - _LATEST:
            # Its times begin anew: the frame before is shown for its time. Or decoding can't keep up, and needn't.
            due = max(now, self._ends)
        due = min(due, now + _LONGEST_GAP)  # a hole in its times
        self._zero, self._newest = due - at, at
        closing.wait(max(0.0, due - now))
        self._count += 1
        shown = seconds if self._count > 1 else max(seconds, _SINGLE_SECONDS)
        self._ends = due + min(shown, _LONGEST_GAP)

    def wait_for_end(self, closing: threading.Event) -> None:
        closing.wait(max(0.0, self._ends - time.monotonic()))


class LatestFrame:
    """Reads a source in a thread of its own, and keeps its newest frame. Whoever is late misses those in between."""

    def __init__(self, wanted: LiveSource, announce: obs_frames.Announce = lambda port, secret: None) -> None:
        """announce: where OBS is to send the frames of a source of its own; see obs_frames.py."""
        self.wanted, self._announce = wanted, announce
        self.error: CvmatteError | None = None
        self.is_over = False  # a file that isn't looped has ended
        self._frame: tuple[int, np.ndarray, float] | None = None
        self._arrivals: deque[float] = deque(maxlen=9)  # of the newest frames, by time.monotonic
        self._age = 0.0  # seconds since a frame was drawn when it comes, where that is known
        self._there = threading.Condition()
        self._closing, self._asked = threading.Event(), threading.Event()
        self._announcing = threading.Lock()
        threading.Thread(target=self._run, name="source", daemon=True).start()

    def next(self, after: int, timeout: float) -> tuple[int, np.ndarray, float] | None:
        """A newer frame, as soon as there is one: (number, pixels as in video.pictures.Picture, when it came, or was
        drawn by OBS, by time.monotonic); None if none came in that time. One that is about to be old gives way to the
        next: its picture is the fresher for hardly fewer frames."""
        self._asked.set()
        with self._there:
            if not self._there.wait_for(lambda: self._frame is not None and self._frame[0] > after, timeout):
                return None
            period = (self._arrivals[-1] - self._arrivals[0]) / max(1, len(self._arrivals) - 1)
            due = self._arrivals[-1] + period - time.monotonic()
            if 0 < due < _SOON * period:
                found = self._frame
                self._there.wait_for(lambda: self._frame is not found, due + _LATE * period)
            return self._frame

    def close(self) -> None:
        with self._announcing:  # once this is done, no address of this one follows that of the next
            self._closing.set()

    def _run(self) -> None:
        number = 0
        try:
            for frame in self._came():
                if self._closing.is_set():
                    return
                number += 1
                with self._there:
                    self._arrivals.append(time.monotonic())
                    self._frame = number, frame, self._arrivals[-1] - self._age
                    self._there.notify_all()
            self.is_over = True
        except CvmatteError as error:
            self.error = error
        except Exception:  # whatever a driver or a decoder makes of us
            logger.exception("%s", self.wanted.name)
            self.error = ImageError("live_lost", name=self.wanted.name)

    def _came(self) -> Iterator[np.ndarray]:
        if self.wanted.obs:
            return self._sent()
        return self._shared() if self.wanted.camera else self._frames()

    def _sent(self) -> Iterator[np.ndarray]:
        while not self._asked.wait(_ASKED_SECONDS):  # a network is being loaded: nobody would take what OBS sends
            if self._closing.is_set():
                return
        for frame, age in obs_frames.frames(self._listens, self._closing, self.wanted.rate):
            self._age = age
            yield frame

    def _listens(self, port: int, secret: str) -> None:
        with self._announcing:
            if not self._closing.is_set():
                self._announce(port, secret)

    def _shared(self) -> Iterator[np.ndarray]:
        """A camera's frames, whoever has it open. Raises ImageError, OutputError, OSError."""
        while not self._closing.is_set():
            with shared_camera.held(self.wanted.camera) as handout:
                if handout is not None:
                    for frame in self._frames():
                        handout.give(frame)
                        yield frame
                    return
            yield from shared_camera.borrowed(self.wanted.camera, self._closing)

    def _frames(self) -> Iterator[np.ndarray]:
        """Raises ImageError."""
        while not self._closing.is_set():
            any_came = False
            is_animation = self.wanted.is_file and file_types.may_move(self.wanted.video)
            for frame in self._animation() if is_animation else self._film():
                any_came = True
                yield frame
            if not any_came:
                raise ImageError("clip_empty", name=self.wanted.name)
            if self.wanted.camera or not self.wanted.loop:
                return

    def _animation(self) -> Iterator[np.ndarray]:
        """Raises ImageError."""
        playback = _Playback()
        with animation.opened(Path(self.wanted.video)) as animated:
            for picture in animated.pictures():
                playback.wait_for(picture.seconds or 0.0, animation.LAST_SECONDS, self._closing)
                yield picture.pixels
        playback.wait_for_end(self._closing)

    def _film(self) -> Iterator[np.ndarray]:
        """Raises ImageError."""
        with contextlib.closing(capture.opened(self.wanted)) as container:
            stream = film_of(container)
            if stream is None or stream.codec_context is None:
                raise capture.unreadable(self.wanted, "clip_no_picture")
            pictures = Pictures(stream, QUICK, self.wanted.name)
            playback = _Playback()
            period = float(1 / stream.average_rate) if stream.average_rate else 0.0
            for packet in self._packets(container, stream):
                try:
                    complete = list(pictures.of(packet))
                except av.error.InvalidDataError:
                    continue  # a damaged frame
                except av.error.EOFError:
                    break
                except (av.error.FFmpegError, OSError) as error:
                    raise ImageError("live_lost", name=self.wanted.name) from error
                for picture in complete:
                    if self.wanted.is_file and picture.seconds is not None:
                        playback.wait_for(picture.seconds, period, self._closing)
                    # A camera's fourth channel is padding.
                    yield picture.pixels[..., :3] if self.wanted.camera else picture.pixels
            if self.wanted.is_file:
                playback.wait_for_end(self._closing)

    def _packets(self, container: Any, stream: Any) -> Iterator[Any]:
        """Raises ImageError."""
        heard = time.monotonic()
        while not self._closing.is_set():
            try:
                for packet in container.demux(stream):
                    heard = time.monotonic()
                    yield packet
                return
            except av.error.EOFError:
                return
            except av.error.BlockingIOError as error:  # how AVFoundation says that the next frame isn't there yet
                if time.monotonic() - heard > capture.STALL_SECONDS:
                    raise ImageError("live_lost", name=self.wanted.name) from error
                self._closing.wait(_PATIENCE)
            except (av.error.FFmpegError, OSError) as error:
                raise ImageError("live_lost", name=self.wanted.name) from error
