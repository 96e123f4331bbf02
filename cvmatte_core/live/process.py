"""The process of one live portrait: takes frames from its source, cuts them out, and puts them where OBS sees them.

Messages are JSON, one a line. In: {"source": …, "settings": …, "rate": …, "paused": …, "still": …}, each time with all
of them; still: where to save what the source shows next, once.
Out: {"file": path of the frames, see frames.py}, {"frame": number}, {"state": …} about once a second, {"error": …} as
protocol.error_to_wire makes it, or null once it has passed, {"still": path}. It ends when its input does.

It measures itself: the network's working size becomes so large that the rate is kept. A frame that comes meanwhile is
dropped, never queued.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ..disk import files
from ..settings import MatteSettings
from ..words.errors import CvmatteError, WorkerError

if TYPE_CHECKING:
    from .sources import Latest, Wanted

logger = logging.getLogger("cvmatte.live")

_NICENESS = 10
_SLOWEST, _FASTEST = 1, 60
# Quality: the smallest and the largest working size, in pixels of the longer side.
_SIDES = {"fast": (192, 384), "balanced": (256, 512), "best": (384, 720)}
_STEP = 1.12  # from a working size to the next
_BUSY, _EASY = 0.92, 0.68  # shares of a frame's time: above the first the size shrinks, below the second it grows
_SETTLING = 12  # frames between two changes of the size: each costs a little of what the network remembers
_SMOOTHING = 0.15
_OUTLIER = 1.5
_STATE_SECONDS = 1.0
_RETRY_SECONDS = 2.0  # between two tries of a source that isn't there


@dataclasses.dataclass(frozen=True)
class Orders:
    """What the portrait wants now."""

    source: Wanted
    settings: MatteSettings
    rate: int
    paused: bool
    still: str

    @classmethod
    def parse(cls, message: dict[str, Any]) -> Orders:
        """Raises CvmatteError, TypeError, ValueError, KeyError."""
        from .sources import Wanted

        settings = MatteSettings.from_mapping(message["settings"]).resolved()
        rate = max(_SLOWEST, min(_FASTEST, int(message.get("rate", 30))))
        return cls(
            Wanted(**message["source"]), settings, rate, bool(message.get("paused")), str(message.get("still", ""))
        )


class Pace:
    """How large the network's picture may be for a rate to be kept. seconds: that a frame takes, smoothed."""

    def __init__(self, quality: str, rate: int) -> None:
        self.smallest, self.largest = _SIDES[quality]
        self.side = self.smallest + (self.largest - self.smallest) // 3
        self.seconds = 0.0
        self._period = 1 / rate
        self._since = 0

    def took(self, seconds: float) -> int:
        """A frame took so long; the working size for the next."""
        if self.seconds:
            # One that took very long was held up by something else.
            self.seconds += (min(seconds, _OUTLIER * self.seconds) - self.seconds) * _SMOOTHING
        else:
            self.seconds = seconds
        self._since += 1
        if self._since >= _SETTLING:
            if self.seconds > _BUSY * self._period and self.side > self.smallest:
                self._change(1 / _STEP)
            elif self.seconds < _EASY * self._period and self.side < self.largest:
                self._change(_STEP)
        return self.side

    def _change(self, factor: float) -> None:
        self.side = round(min(self.largest, max(self.smallest, self.side * factor)) / 16) * 16
        self.seconds *= factor**2  # about what it will be
        self._since = 0


class Live:
    """One process's work; `frames`: where its files go."""

    def __init__(self, output: BinaryIO, frames: Path) -> None:
        self._output, self._frames = output, frames
        self._orders: Orders | None = None
        self._changed = threading.Event()
        self._error: CvmatteError | None = None
        self._file: Path | None = None  # of the frames
        self._still = ""  # the one that was saved last

    def read(self, requests: BinaryIO) -> None:
        """Take orders until the input ends."""
        for line in requests:
            try:
                self._orders = Orders.parse(json.loads(line))
                self._changed.set()
            except CvmatteError as error:
                self._tell_error(error)
            except (TypeError, ValueError, KeyError) as error:
                logger.warning("an order that is none: %s", error)
        # At once, also out of the middle of a network's pass; but nothing is left behind.
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.unlink()
        os._exit(0)

    def run(self) -> None:
        """Cut out frames."""
        while True:
            self._changed.wait()
            self._changed.clear()
            orders = self._orders
            if orders is None or orders.paused:
                continue
            try:
                self._serve(orders)
            except CvmatteError as error:
                self._tell_error(error)
                self._changed.wait(_RETRY_SECONDS)
                self._changed.set()  # tried again: a camera may be back
            except Exception as error:
                logger.exception("live")
                full = files.output_error(error, self._frames.parent) if isinstance(error, OSError) else None
                self._tell_error(full or WorkerError("internal"))
                self._changed.wait(_RETRY_SECONDS)
                self._changed.set()

    def _serve(self, orders: Orders) -> None:
        """Until the orders change in more than the controls. Raises CvmatteError."""
        from ..matting.moving import Moving
        from .sources import Latest

        source = Latest(orders.source)
        try:
            moving = Moving(orders.settings, _threads())
            pace = Pace(orders.settings.quality, orders.rate)
            self._cut_out(source, moving, pace, orders)
        finally:
            source.close()

    def _cut_out(self, source: Latest, moving: Any, pace: Pace, orders: Orders) -> None:
        from ..pictures import images
        from .frames import FrameWriter

        writer: FrameWriter | None = None
        number, told_at, count, lags = 0, time.monotonic(), 0, [0.0]
        due = 0.0
        try:
            while True:
                if self._changed.is_set():
                    self._changed.clear()
                    now = self._orders
                    assert now is not None
                    same = (now.source, now.rate, now.paused) == (orders.source, orders.rate, orders.paused)
                    network = ("model", "quality")
                    if not same or any(getattr(now.settings, n) != getattr(orders.settings, n) for n in network):
                        self._changed.set()
                        return
                    orders = now
                    moving.change(now.settings)
                time.sleep(max(0.0, due - time.monotonic()))
                taken = source.next(number, _RETRY_SECONDS)
                if taken is None:
                    if source.error is not None:
                        raise source.error
                    continue
                begun = time.monotonic()
                due = begun + 1 / orders.rate - 0.002
                number, frame, came = taken
                if orders.still and orders.still != self._still:
                    self._save_still(orders.still, frame)
                moving.side = pace.side
                layer = moving.layer(images.reduced(frame, orders.settings.longest_side))
                height, width = layer.shape[:2]
                if writer is None or writer.pixels < width * height:
                    if writer is not None:
                        writer.close()
                    path = self._frames.with_name(f"{self._frames.name}-{time.monotonic_ns()}.live")
                    self._file = path
                    writer = FrameWriter(path, width * height)
                    self._send({"file": str(path)})
                self._send({"frame": writer.write(layer.data, width, height)})
                ended = time.monotonic()
                pace.took(ended - begun)
                count += 1
                lags.append(ended - came)
                if self._error is not None:
                    self._tell_error(None)
                if ended - told_at >= _STATE_SECONDS:
                    state = {
                        "rate": round(count / (ended - told_at), 1),
                        "side": pace.side,
                        "lag": round(1000 * sorted(lags)[len(lags) // 2]),
                        "lag_99": round(1000 * sorted(lags)[-1 - len(lags) // 100]),
                        "frame": round(1000 * pace.seconds),
                        "network": round(1000 * moving.network_seconds),
                    }
                    self._send({"state": state})
                    logger.debug("state %s", " ".join(f"{name}={value}" for name, value in state.items()))
                    told_at, count, lags = ended, 0, [lags[-1]]
        finally:
            if writer is not None:
                writer.close()

    def _save_still(self, path: str, frame: Any) -> None:
        """Raises OutputError."""
        from ..pictures import images

        self._still = path
        with files.atomic_write(Path(path)) as file:
            images.write_png(file, frame)
        self._send({"still": path})

    def _tell_error(self, error: CvmatteError | None) -> None:
        from ..worker import protocol

        self._error = error
        self._send({"error": protocol.error_to_wire(error) if error is not None else None})

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._output.write(json.dumps(message).encode("ascii") + b"\n")
            self._output.flush()
        except OSError:  # nobody listens any more
            os._exit(0)


def _threads() -> int:
    cores = os.cpu_count() or 1
    return max(1, min(4, cores if cores <= 2 else cores - 1))


def main() -> None:
    requests, output = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    level = logging.DEBUG if os.environ.get("CVMATTE_LIVE_LOG") else logging.INFO
    logging.basicConfig(level=level, stream=sys.stderr, format="%(asctime)s live %(message)s")
    logging.getLogger("PIL").setLevel(logging.INFO)
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    live = Live(output, Path(sys.argv[1]))
    threading.Thread(target=live.read, args=(requests,), name="orders", daemon=True).start()
    live.run()
    os._exit(0)


if __name__ == "__main__":
    main()
