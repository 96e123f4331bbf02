"""The process of one live portrait: takes frames from its source, cuts them out, and puts them where OBS sees them.

Messages are JSON, one a line. In: {"source": …, "settings": …, "rate": …, "limit": percent of the processor,
"paused": …, "still": …, "device": …, "zones": …, "room": …}, each time with all of them; still: where to save what the
source shows next, once, or showed last, where nothing more comes; device: of devices.DEVICES, the environment's where
it is empty; zones: see matting/zones.py; room: the path of a photo of the empty room. Those that needn't be there:
"countdown": a number to stand in the picture; "photograph_room": where to save a photo of the room, once, made of the
frames that come next, unless something moves in them, or the network sees somebody and "even_so" isn't set;
"renew_room": where to save the room as it is by the next frame, once.
Out: {"file": path of the frames, see shared_frames.py}, {"frame": number}, {"state": …} about once a second,
{"error": …} as messages.error_to_wire makes it, or null once it has passed, {"still": path}, {"room": [path, error]},
error: why there is no such photo, or null where there is one, {"listening": [port, secret], where OBS is to send
frames, see obs_frames.py}, and {"beat": see child_process/parent.py}. It ends when its input does.

It measures itself: the network's working size becomes so large that the rate is kept. A frame that comes meanwhile is
dropped, never queued.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ..child_process import messages
from ..child_process.parent import Beat, Parent, Standing
from ..filesystem import files, runtime_folders
from ..layers.store import LARGEST_SIDE
from ..localization.errors import CvmatteError, ImageError, WorkerError
from ..system import devices
from .figures import Figures
from .orders import Orders
from .pace import Pace

if TYPE_CHECKING:
    import numpy as np

    from .empty_room import EmptyRoom
    from .latest_frame import LatestFrame

logger = logging.getLogger("cvmatte.live")

_THREADS = 4  # more hardly help a network of pictures this small
_WAITING_SECONDS = 1.0  # for a frame, before what is true without one is told
_MUTE_SECONDS = 20.0  # without a frame, the process begins anew: longer than a source itself waits
# A source takes a thread. Python waits for ever for one that runs out of memory as it begins: so a new process begins.
_OPENING, _OPENING_SECONDS = -1, 10.0
_RETRY_SECONDS = 2.0  # between two tries of a source that isn't there


class Live:
    """One process's work; `frames`: where its files go, and what their names begin with."""

    def __init__(self, parent: Parent, frames: Path) -> None:
        self._parent, self._name = parent, frames.name
        self._folders = frames.parent, *(folder for folder in runtime_folders.folders() if folder != frames.parent)
        self._beat = Beat(self._tell_beat)
        self._orders: Orders | None = None
        self._changed = threading.Event()
        self._is_well_known = False  # whether it was said that no error holds: a process before may have had one
        self._file: Path | None = None  # of the frames
        self._still = ""  # the one that was saved last
        self._room: EmptyRoom | None = None  # once there was a source

    def _tell_beat(self, standing: Standing) -> None:
        """From a thread of its own."""
        if any(number == _OPENING and seconds > _OPENING_SECONDS for number, seconds in standing):
            self._end()
        self._parent.send({"beat": standing})

    def read(self) -> None:
        """Take orders until the input ends."""
        for line in self._parent.lines():
            try:
                self._orders = Orders.parse(messages.decode(line))
                self._changed.set()
            except CvmatteError as error:
                self._tell_error(error)
            except (TypeError, ValueError, KeyError) as error:
                logger.warning("an order that is none: %s", error)
        self._end()

    def _end(self) -> NoReturn:
        """At once, also out of the middle of a network's pass; but nothing is left behind."""
        if self._file is not None:
            files.remove(self._file)
        os._exit(0)

    def run(self) -> NoReturn:
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
            except Exception as error:
                self._tell_error(self._explained(error))
                self._changed.wait(_RETRY_SECONDS)
                self._changed.set()  # tried again: a camera may be back

    def _explained(self, error: Exception) -> CvmatteError:
        if isinstance(error, CvmatteError):
            return error
        logger.error("live", exc_info=error)
        full = files.output_error(error, self._folders[-1]) if isinstance(error, OSError) else None
        return full or WorkerError("internal")

    def _serve(self, orders: Orders) -> None:
        """Until the orders change in more than the controls. Raises CvmatteError."""
        from ..matting.room.following import QUICK
        from ..matting.video_matter import VideoMatter
        from .empty_room import EmptyRoom
        from .latest_frame import LatestFrame

        self._room = self._room or EmptyRoom(self._tell_room)
        with self._beat.doing(_OPENING):
            opened = LatestFrame(orders.source, self._announce)
        with contextlib.closing(opened) as source:
            cores = os.cpu_count() or 1
            threads = max(1, min(devices.threads(_THREADS), round(orders.limit * cores)))
            moving = VideoMatter(orders.settings, threads, orders.device or None, room_side=QUICK)
            moving.change(orders.settings, orders.zones)
            pace = Pace(orders.settings.quality, orders.rate, orders.limit, cores)
            self._cut_out(source, moving, pace, orders, self._room)

    def _cut_out(self, source: LatestFrame, moving: Any, pace: Pace, orders: Orders, room: EmptyRoom) -> None:
        from ..image import geometry
        from .countdown import Countdown
        from .rest import Rest
        from .shared_frames import FrameWriter, new_writer

        def reduced(picture: np.ndarray) -> np.ndarray:
            return geometry.reduced(picture, orders.settings.picture_side or LARGEST_SIDE)

        def alpha_of(picture: np.ndarray) -> np.ndarray:
            seen: np.ndarray = moving.alpha(reduced(picture))
            return seen

        writer: FrameWriter | None = None
        rest, figures, countdown, number = Rest(), Figures(), Countdown(), 0
        frame = None
        due, worked, heard = 0.0, time.process_time(), time.monotonic()
        try:
            while True:
                if self._changed.is_set():
                    self._changed.clear()
                    now = self._orders
                    assert now is not None
                    if now.basis != orders.basis:
                        self._changed.set()
                        return
                    orders = now
                    moving.change(now.settings, now.zones)
                time.sleep(max(0.0, due - time.monotonic()))
                taken = source.next(number, _WAITING_SECONDS)
                if taken is None:
                    if source.error is not None:
                        raise source.error
                    if frame is not None:  # a film that has ended
                        self._take_still(orders, frame)
                    self._tell_figures(figures.due(source.is_over), pace, moving)
                    may_be_mute = source.is_over or bool(orders.source.obs)  # OBS says why it sends nothing
                    if not may_be_mute and time.monotonic() - heard > _MUTE_SECONDS:
                        logger.warning("%s has said nothing for %d s", orders.source.name, _MUTE_SECONDS)
                        self._tell_error(ImageError("live_lost", name=orders.source.name))
                        self._end()  # nothing else frees a camera whose driver hangs
                    continue
                begun = heard = time.monotonic()
                due = begun + pace.period - 0.002
                number, frame, came = taken
                self._take_still(orders, frame)
                with self._beat.doing(number):
                    if room.follow(orders.room):
                        rest = Rest()
                    moving.room = room.picture
                    room.photograph(orders.photograph_room, orders.even_so, frame[..., :3], alpha_of)
                beside = orders.zones, orders.countdown, orders.renew_room
                rests = rest.holds(frame, (orders.settings, *beside), room.settling)
                if not rests:
                    moving.side = pace.side
                    with self._beat.doing(number):
                        small = reduced(frame)
                        layer = moving.layer(small)
                        room.renew(orders.renew_room, moving, small)
                    countdown.draw(orders.countdown, layer)
                    height, width = layer.shape[:2]
                    if writer is None or writer.pixels < width * height:
                        if writer is not None:
                            writer.close()
                        writer = new_writer(self._name, width * height, self._folders)
                        self._file = writer.path
                        self._parent.send({"file": str(writer.path)})
                    self._parent.send({"frame": writer.write(layer.data, width, height)})
                ended = time.monotonic()
                before, worked = worked, time.process_time()
                if not rests:
                    pace.took(ended - begun, worked - before)
                figures.count(None if rests else ended - came, rest.moves)
                if not self._is_well_known:
                    self._tell_error(None)
                self._tell_figures(figures.due(), pace, moving)
        finally:
            if writer is not None:
                writer.close()

    def _tell_figures(self, figures: dict[str, Any] | None, pace: Pace, moving: Any) -> None:
        if figures is None:
            return
        seconds = {"frame": pace.seconds, "network": moving.network_seconds}
        more = {"rests": figures.pop("rests"), "is_late": pace.is_late, "fallback": moving.fallback}
        more["stretched"] = moving.has_stretched_zones
        more["room"] = (self._room.trouble if self._room is not None else "") or moving.room_says
        state = {**figures, "side": pace.side, **{name: round(1000 * took) for name, took in seconds.items()}}
        self._parent.send({"state": {**state, **more}})
        logger.debug("state %s", " ".join(f"{name}={value}" for name, value in state.items()))

    def _announce(self, port: int, secret: str) -> None:
        self._parent.send({"listening": [port, secret]})

    def _tell_room(self, path: str, error: CvmatteError | None) -> None:
        self._parent.send({"room": [path, messages.error_to_wire(error) if error is not None else None]})

    def _take_still(self, orders: Orders, frame: Any) -> None:
        """Save a frame where a still is wanted. Raises OutputError."""
        if orders.still in ("", self._still):
            return
        from ..image import encoders

        self._still = orders.still
        files.write(Path(orders.still), encoders.png(frame))
        self._parent.send({"still": orders.still})

    def _tell_error(self, error: CvmatteError | None) -> None:
        self._is_well_known = error is None
        self._parent.send({"error": messages.error_to_wire(error) if error is not None else None})


def main() -> None:
    level = logging.DEBUG if os.environ.get("CVMATTE_LIVE_LOG") else logging.INFO
    parent = Parent.connected("%(asctime)s live %(message)s", level)
    logging.getLogger("PIL").setLevel(logging.INFO)
    for folder in runtime_folders.folders():
        files.remove_stale(folder)
    live = Live(parent, Path(sys.argv[1]))
    threading.Thread(target=live.read, name="orders", daemon=True).start()
    live.run()


if __name__ == "__main__":
    main()
