"""Matter: from a photo to a matte. The one entry for every caller: the worker, the command line, the tests."""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Hashable, Sequence
from pathlib import Path

import numpy as np

from ..image import images
from ..image.geometry import Region, reduced
from ..layers.touch_ups import TouchUps, stamp_of
from ..localization.errors import ImageError
from ..models.catalogue import entry_of
from ..models.network import Network, Networks
from ..settings import MatteSettings
from ..system import memory
from .dressing import Backgrounds
from .finisher import Finisher, Matte, StrokesFor
from .raw_matte import Decoded, Progress, RawKey, RawMatte, RawMattes, Seen, Stages, decode, see, with_colours
from .room.picture import Room, Rooms
from .touch_up import Strokes, strokes_of

__all__ = ["Decoded", "Matte", "Matter", "Progress", "Seen", "Strokes", "StrokesFor", "decode", "strokes_of"]

logger = logging.getLogger(__name__)

_CACHE_BYTES = 400_000_000
_IDLE_SECONDS = 900.0  # a network that nobody needed for so long gives its memory back


class Matter:
    """Cuts people out of photos. One a process, used from one thread at a time: it keeps networks and raw mattes."""

    def __init__(
        self,
        threads: int | None = None,
        cache_bytes: int = _CACHE_BYTES,
        *,
        device: str | None = None,
        touch_ups: TouchUps | None = None,
    ) -> None:
        """threads, device: without them, the environment's; see devices.py. touch_ups: where photos' are looked for."""
        self._networks = Networks(threads, device)
        self._touch_ups = touch_ups
        self._strokes: Strokes | None = None  # the last that were looked for
        self._last_read: tuple[Hashable, str] = (None, "")  # a file as it was when it was read, and its digest
        self._raw_mattes = RawMattes(cache_bytes)
        self._backgrounds = Backgrounds(_state_of)
        self._rooms = Rooms(_state_of)
        self._finisher = Finisher(self._networks.threads, self._backgrounds)

    def __call__(
        self,
        image: Path,
        settings: MatteSettings,
        *,
        burst: Sequence[np.ndarray] = (),
        strokes: StrokesFor | None = None,
        room: Path | None = None,
        on_progress: Progress | None = None,
        cancelled: threading.Event | None = None,
        may_be_empty: bool = False,
        reduced_before_crop: bool = False,
    ) -> Matte:
        """Matte a photo.

        may_be_empty: a photo with nobody in it is no error, since somebody is to be painted in. reduced_before_crop:
        longest_side is the photo's, not the crop's: scenes of OBS depend on the size that layers always had.
        strokes: the touch-up to use; without it, the one that is kept of this photo. burst: what the camera saw just
        before this still, oldest first, each uint8 RGB, shape (H, W, 3); frames of another size are ignored. The raw
        matte made with them is what later calls without them go on from. room: a photo of the same place by the same
        camera, with nobody in it: what differs from it and touches a person is theirs. One that isn't of this place is
        set aside, and the matte's notes say so.
        Raises ImageError, ModelError, or Cancelled when `cancelled` is set between two steps.
        """
        with memory.needed_for(image.name, self._forget):
            settings, stages = settings.resolved(), Stages(on_progress, cancelled)
            stages.step("decode")
            side = settings.longest_side if reduced_before_crop else settings.decoded_side
            raw = self._raw_matte(image, settings, side, burst, stages, room)
            stages.step("refine")
            matte = self._finisher(raw, self._strokes_for(raw, strokes), settings, stages)
            return matte if may_be_empty else _with_somebody(matte, image.name)

    def part(
        self, image: Path, settings: MatteSettings, strokes: StrokesFor, box: Region, room: Path | None = None
    ) -> tuple[np.ndarray, Region]:
        """Of the layer of a photo that was matted before, rows and columns: uint8 RGBA; and which those are.

        All of them where the settings make pixels depend on ones far away. settings: without crop, mirror, background,
        outline and ID photo. room: as it was matted with. Raises ImageError, ModelError.
        """
        with memory.needed_for(image.name, self._forget):
            settings = settings.resolved()
            raw = self._raw_matte(image, settings, settings.longest_side, (), Stages(), room)
            height, width = raw.alpha.shape
            return self._finisher.part(raw, strokes((height, width)), settings, box)

    def see(
        self,
        decoded: Decoded,
        settings: MatteSettings,
        cancelled: threading.Event,
        on_progress: Progress | None = None,
        room: Path | None = None,
    ) -> Seen:
        """The network's part of a matte alone, for who overlaps it with `finish` of the photo before.

        Nothing of it is kept. room: see __call__. Raises ImageError, ModelError, or Cancelled when `cancelled` is set
        between two steps.
        """
        with memory.needed_for(decoded.name, self._forget):
            stages = Stages(on_progress, cancelled)
            stages.seconds["decode"] = decoded.seconds
            return see(decoded, settings, (), self._networks, stages, self._room(room))

    def finish(self, seen: Seen, settings: MatteSettings, strokes: StrokesFor | None = None) -> Matte:
        """The rest, in any thread; only the background image is kept. strokes: see __call__. Raises ImageError."""
        name, threads = seen.decoded.name, self._networks.threads
        with memory.needed_for(name, self._forget):
            stages = Stages()
            stages.seconds.update(seen.seconds)
            raw = with_colours(seen, False, threads, stages)
            once = Finisher(threads, self._backgrounds)
            return _with_somebody(once(raw, self._strokes_for(raw, strokes), settings, stages), name)

    def prepare(self, model: str) -> Network:
        """Load a model, which may be catalogue.AUTO, ahead of its first use. Raises ModelError."""
        return self._networks.get(entry_of(model))

    def expect(self, strokes: Strokes) -> None:
        """Have it know a touch-up that was just saved, so that it need not decode it."""
        self._strokes = strokes

    def let_go_of_idle(self, idle_seconds: float = _IDLE_SECONDS) -> float | None:
        """See Networks.let_go_of_idle."""
        return self._networks.let_go_of_idle(idle_seconds)

    def _room(self, path: Path | None) -> Room | None:
        return self._rooms(path) if path is not None else None

    def _raw_matte(
        self,
        image: Path,
        settings: MatteSettings,
        side: int,
        burst: Sequence[np.ndarray],
        stages: Stages,
        room_path: Path | None,
    ) -> RawMatte:
        """The photo's raw matte, made only where the cache doesn't have it. side: the longest, of the photo; 0: any."""
        room = self._room(room_path)
        state, (read_state, digest) = _state_of(image), self._last_read
        known = digest if state is not None and state == read_state else ""
        key = RawKey.of(known, settings, side, room.digest if room is not None else "")
        raw = self._raw_mattes.find(key, bool(burst))
        if raw is None:
            data = images.read(image)
            key = dataclasses.replace(key, digest=images.digest(data))
            self._last_read = state, key.digest
            raw = self._raw_mattes.find(key, bool(burst))
        if raw is not None:
            stages.ended("decode")
            return raw
        decoded = Decoded(image.name, key.digest, images.decode(data, image.name, side), 0.0)
        stages.ended("decode")
        frames = [reduced(frame, side) for frame in burst]
        seen = see(decoded, settings, frames, self._networks, stages, room)
        raw = with_colours(seen, bool(burst), self._networks.threads, stages)
        self._raw_mattes.keep(key, raw)
        return raw

    def _strokes_for(self, raw: RawMatte, strokes: StrokesFor | None) -> Strokes | None:
        """What is given, or else the touch-up that is kept of a photo; one that can't be read counts as none."""
        height, width = raw.alpha.shape
        if strokes is not None:
            return strokes((height, width))
        png = self._touch_ups.load(raw.digest) if self._touch_ups is not None else None
        if png is None:
            return None
        known = self._strokes
        if known is not None and known.stamp == stamp_of(png) and known.pixels.shape == (height, width):
            return known
        try:
            self._strokes = known = strokes_of(png, f"{raw.digest}.png", (height, width))
            return known
        except ImageError as error:
            logger.warning("%s", error)
            return None

    def _forget(self) -> None:
        self._strokes = None
        for kept in (self._raw_mattes, self._finisher, self._backgrounds, self._rooms):
            kept.forget()


def _with_somebody(matte: Matte, name: str) -> Matte:
    """Raises ImageError where there is nobody to see."""
    if matte.fault:
        raise ImageError(matte.fault, name=name)
    return matte


def _state_of(path: Path) -> Hashable:
    """What changes when a file's content does, as far as can be told without reading it. Raises ImageError."""
    status = images.status(path)
    return (str(path), status.st_size, status.st_mtime_ns) if status is not None else None
