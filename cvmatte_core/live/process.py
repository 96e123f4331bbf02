"""The process of one live portrait: takes frames from its source, cuts them out, and puts them where OBS sees them.

Messages are JSON, one a line. In: {"source": …, "settings": …, "rate": …, "limit": percent of the processor,
"paused": …, "still": …, "device": …}, each time with all of them; still: where to save what the source shows next,
once, or showed last, where nothing more comes; device: of devices.DEVICES, the environment's where it is empty.
Out: {"file": path of the frames, see frames.py}, {"frame": number}, {"state": …} about once a second, {"error": …} as
protocol.error_to_wire makes it, or null once it has passed, {"still": path}, and {"beat": see worker/beat.py}.
It ends when its input does.

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
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

from ..disk import files, runtime
from ..layers.store import LARGEST_SIDE
from ..settings import MatteSettings
from ..system import devices
from ..words.errors import CvmatteError, ImageError, WorkerError
from ..worker.beat import Beat

if TYPE_CHECKING:
    from .opening import Wanted
    from .sources import Latest

logger = logging.getLogger("cvmatte.live")

_NICENESS = 10
_SLOWEST, _FASTEST = 1, 60
_LOWEST_LIMIT = 5  # percent
_THREADS = 4  # more hardly help a network of pictures this small
# Quality: the smallest and the largest working size, in pixels of the longer side.
_SIDES = {"fast": (192, 384), "balanced": (256, 512), "best": (384, 720)}
_STEP = 1.12  # from a working size to the next
_BUSY, _EASY = 0.92, 0.68  # shares of a frame's time: above the first the size shrinks, below the second it grows
_SETTLING = 12  # frames between two changes of the size: each costs a little of what the network remembers
_SMOOTHING = 0.15
_OUTLIER = 1.5
_STATE_SECONDS = 1.0
_MUTE_SECONDS = 20.0  # without a frame, the process begins anew: longer than a source itself waits
_RETRY_SECONDS = 2.0  # between two tries of a source that isn't there


@dataclasses.dataclass(frozen=True)
class Orders:
    """What the portrait wants now."""

    source: Wanted
    settings: MatteSettings
    rate: int
    limit: float  # the part of all cores' time that it may take, 0..1
    paused: bool
    still: str
    device: str

    def begins_anew(self, before: Orders) -> bool:
        """Whether they change more than what takes effect from the next frame on."""
        mine, other = (
            (one.source, one.rate, one.limit, one.paused, one.device, one.settings.model, one.settings.quality)
            for one in (self, before)
        )
        return mine != other

    @classmethod
    def parse(cls, message: dict[str, Any]) -> Orders:
        """Raises CvmatteError, TypeError, ValueError, KeyError."""
        from .opening import Wanted

        settings = MatteSettings.from_mapping(message["settings"]).resolved()
        rate = max(_SLOWEST, min(_FASTEST, int(message.get("rate", 30))))
        limit = max(_LOWEST_LIMIT, min(100, int(message.get("limit", 100)))) / 100
        paused, still = bool(message.get("paused")), str(message.get("still", ""))
        device = str(message.get("device", ""))
        if device and device not in devices.DEVICES:
            raise ValueError(f"{device} is no device")
        return cls(Wanted(**message["source"]), settings, rate, limit, paused, still, device)


class Pace:
    """How large the network's picture may be for a rate to be kept, and a limit of the processor's time.

    limit: the part of all cores' time that may go into it; at the smallest size, the rate gives way to it.
    seconds: that a frame takes, smoothed.
    """

    def __init__(self, quality: str, rate: int, limit: float = 1.0, cores: int = 1) -> None:
        self.smallest, self.largest = _SIDES[quality]
        self.side = self.smallest + (self.largest - self.smallest) // 3
        self.seconds = 0.0
        self._processor_seconds = 0.0  # the same, of all cores together
        self._period = 1 / rate
        # Without a limit, what one's own frames take is all that counts.
        self._allowed = limit * cores if limit < 1 else float("inf")
        self._since = 0

    @property
    def period(self) -> float:
        """Seconds between two frames: longer than the rate's where the limit asks for it."""
        return max(self._period, self._processor_seconds / self._allowed)

    def took(self, seconds: float, processor_seconds: float = 0.0) -> int:
        """A frame took so long, and so much of the processor since the one before; the working size for the next."""
        self.seconds = _smoothed(self.seconds, seconds)
        self._processor_seconds = _smoothed(self._processor_seconds, processor_seconds)
        self._since += 1
        load = max(self.seconds, self._processor_seconds / self._allowed) / self._period
        if self._since >= _SETTLING:
            if load > _BUSY and self.side > self.smallest:
                self._change(1 / _STEP)
            elif load < _EASY and self.side < self.largest:
                self._change(_STEP)
        return self.side

    def _change(self, factor: float) -> None:
        before = self.side
        self.side = round(min(self.largest, max(self.smallest, self.side * factor)) / 16) * 16
        for name in ("seconds", "_processor_seconds"):  # about what they will be
            setattr(self, name, getattr(self, name) * (self.side / before) ** 2)
        self._since = 0


def _smoothed(before: float, now: float) -> float:
    """One that took very long was held up by something else."""
    return before + (min(now, _OUTLIER * before) - before) * _SMOOTHING if before else now


class Live:
    """One process's work; `frames`: where its files go, and what their names begin with."""

    def __init__(self, output: BinaryIO, frames: Path) -> None:
        self._output, self._name = output, frames.name
        self._folders = frames.parent, *(folder for folder in runtime.folders() if folder != frames.parent)
        self._sending = threading.Lock()
        self._beat = Beat(lambda standing: self._send({"beat": standing}))
        self._orders: Orders | None = None
        self._changed = threading.Event()
        self._is_well_known = False  # whether it was said that no error holds: a process before may have had one
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
        self._end()

    def _end(self) -> NoReturn:
        """At once, also out of the middle of a network's pass; but nothing is left behind."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.unlink()
        os._exit(0)

    def run(self) -> None:
        """Cut out frames."""
        self._beat.start()
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
                full = files.output_error(error, self._folders[-1]) if isinstance(error, OSError) else None
                self._tell_error(full or WorkerError("internal"))
                self._changed.wait(_RETRY_SECONDS)
                self._changed.set()

    def _serve(self, orders: Orders) -> None:
        """Until the orders change in more than the controls. Raises CvmatteError."""
        from ..matting.moving import Moving
        from .sources import Latest

        source = Latest(orders.source)
        try:
            cores = os.cpu_count() or 1
            threads = max(1, min(devices.threads(_THREADS), round(orders.limit * cores)))
            moving = Moving(orders.settings, threads, orders.device or None)
            pace = Pace(orders.settings.quality, orders.rate, orders.limit, cores)
            self._cut_out(source, moving, pace, orders)
        finally:
            source.close()

    def _cut_out(self, source: Latest, moving: Any, pace: Pace, orders: Orders) -> None:
        from ..pictures import images
        from .frames import FrameWriter, new_writer

        writer: FrameWriter | None = None
        number, told_at, count, lags = 0, time.monotonic(), 0, [0.0]
        frame = None
        due, worked, heard = 0.0, time.process_time(), time.monotonic()
        try:
            while True:
                if self._changed.is_set():
                    self._changed.clear()
                    now = self._orders
                    assert now is not None
                    if now.begins_anew(orders):
                        self._changed.set()
                        return
                    orders = now
                    moving.change(now.settings)
                time.sleep(max(0.0, due - time.monotonic()))
                taken = source.next(number, _RETRY_SECONDS)
                if taken is None:
                    if source.error is not None:
                        raise source.error
                    if frame is not None:  # a film that has ended
                        self._take_still(orders, frame)
                    if not source.is_over and time.monotonic() - heard > _MUTE_SECONDS:
                        logger.warning("%s has said nothing for %d s", orders.source.name, _MUTE_SECONDS)
                        self._tell_error(ImageError("live_lost", name=orders.source.name))
                        self._end()  # nothing else frees a camera whose driver hangs
                    continue
                begun = heard = time.monotonic()
                due = begun + pace.period - 0.002
                number, frame, came = taken
                self._take_still(orders, frame)
                moving.side = pace.side
                with self._beat.doing(number):
                    layer = moving.layer(images.reduced(frame, orders.settings.longest_side or LARGEST_SIDE))
                height, width = layer.shape[:2]
                if writer is None or writer.pixels < width * height:
                    if writer is not None:
                        writer.close()
                    writer = new_writer(self._name, width * height, self._folders)
                    self._file = writer.path
                    self._send({"file": str(writer.path)})
                self._send({"frame": writer.write(layer.data, width, height)})
                ended = time.monotonic()
                before, worked = worked, time.process_time()
                pace.took(ended - begun, worked - before)
                count += 1
                lags.append(ended - came)
                if not self._is_well_known:
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
                    self._send({"state": {**state, "fallback": moving.fallback}})
                    logger.debug("state %s", " ".join(f"{name}={value}" for name, value in state.items()))
                    told_at, count, lags = ended, 0, [lags[-1]]
        finally:
            if writer is not None:
                writer.close()

    def _take_still(self, orders: Orders, frame: Any) -> None:
        """Save a frame where a still is wanted. Raises OutputError."""
        if orders.still in ("", self._still):
            return
        from ..pictures import images

        self._still = orders.still
        with files.atomic_write(Path(orders.still)) as file:
            images.write_png(file, frame)
        self._send({"still": orders.still})

    def _tell_error(self, error: CvmatteError | None) -> None:
        from ..worker import protocol

        self._is_well_known = error is None
        self._send({"error": protocol.error_to_wire(error) if error is not None else None})

    def _send(self, message: dict[str, Any]) -> None:
        try:
            with self._sending:
                self._output.write(json.dumps(message).encode("ascii") + b"\n")
                self._output.flush()
        except OSError:  # nobody listens any more
            os._exit(0)


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
    for folder in runtime.folders():
        files.remove_stale(folder)
    live = Live(output, Path(sys.argv[1]))
    threading.Thread(target=live.read, args=(requests,), name="orders", daemon=True).start()
    live.run()
    os._exit(0)


if __name__ == "__main__":
    main()
