"""Raw mattes: what the network and the colour estimate make of a photo, before any control acts; and their cache."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..image import images
from ..image.metadata import NOTHING, Metadata
from ..localization.errors import Cancelled, ModelError
from ..localization.notes import Note
from ..localization.texts import Texts
from ..models.catalogue import ModelEntry, entry_of, pair_for_held
from ..models.network import Networks
from ..settings import HELD, MatteSettings
from . import compose, edge_colours, hair, held_objects, refine
from .framing import Cutout
from .room.picture import Room
from .room.view import View, look

logger = logging.getLogger(__name__)

Progress = Callable[[str, int, int], None]


class Stages:
    """Told as they begin, timed (in `seconds`), and ended between two of them where that is wanted."""

    def __init__(self, on_progress: Progress | None = None, cancelled: threading.Event | None = None) -> None:
        self.seconds: dict[str, float] = {}
        self._on_progress, self._cancelled = on_progress or (lambda *told: None), cancelled
        self._last = time.perf_counter()

    def step(self, stage: str, done: int = 0, total: int = 1) -> None:
        """Raises Cancelled."""
        if self._cancelled is not None and self._cancelled.is_set():
            raise Cancelled
        self._on_progress(stage, done, total)

    def ended(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] = now - self._last
        self._last = now


@dataclass(frozen=True)
class Decoded:
    """A photo ahead of its matting. name: for sentences. digest: of its content. seconds: what decoding it took."""

    name: str
    digest: str
    photo: images.Photo
    seconds: float


@dataclass(frozen=True)
class Seen:
    """A photo, and alpha as the network saw it: float32 in 0..1, shape (H, W). device, fallback, seconds: see Matte.

    behind: uint8 RGB, shape (H, W, 3): the empty room as it is in the photo, where it was of use. notes: of the room.
    """

    decoded: Decoded
    alpha: np.ndarray
    device: str
    fallback: Mapping[str, str] | None
    seconds: dict[str, float]
    behind: np.ndarray | None = None
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, eq=False)
class RawMatte(Cutout):
    """from_burst: whether frames before it were used. digest, device, fallback: as in Matte; notes, about: in Photo."""

    digest: str
    from_burst: bool
    device: str
    fallback: Mapping[str, str] | None
    notes: tuple[Note, ...] = ()
    about: Metadata = NOTHING


@dataclass(frozen=True)
class RawKey:
    """All that a raw matte depends on, its burst apart. digest: of the photo's content. networks: name and SHA-256.
    room: the digest of the empty room's photo. keep_furniture: see look."""

    digest: str
    networks: tuple[tuple[str, str], ...]
    quality: str
    longest_side: int
    room: str = ""
    keep_furniture: bool = False

    @classmethod
    def of(cls, digest: str, settings: MatteSettings, longest_side: int, room: str = "") -> RawKey:
        networks: tuple[tuple[str, str], ...] = ()
        with contextlib.suppress(ModelError):  # what is missing is said once the photo is known to be one
            networks = tuple((entry.name, entry.sha256) for entry in _networks_for(settings) if entry is not None)
        kept = bool(room) and settings.keep_furniture
        return cls(digest, networks, settings.quality, longest_side, room, kept)


class RawMattes:
    """The raw mattes that were used last, as long as they hold no more than so many bytes; one in any case."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._kept: OrderedDict[RawKey, RawMatte] = OrderedDict()

    def find(self, key: RawKey, from_burst: bool) -> RawMatte | None:
        """from_burst: only one that was made with a burst will do. Without it, one made with a burst goes first."""
        raw = self._kept.get(key)
        if raw is None or (from_burst and not raw.from_burst):
            return None
        self._kept.move_to_end(key)
        return raw

    def keep(self, key: RawKey, raw: RawMatte) -> None:
        self._kept[key] = raw
        self._kept.move_to_end(key)
        while len(self._kept) > 1 and sum(each.nbytes for each in self._kept.values()) > self._most_bytes:
            self._kept.popitem(last=False)

    def forget(self) -> None:
        self._kept.clear()


def decode(data: bytes, name: str, longest_side: int = 0) -> Decoded:
    """A photo's bytes decoded for Matter.see. Raises ImageError."""
    begun = time.perf_counter()
    photo = images.decode(data, name, longest_side)
    return Decoded(name, images.digest(data), photo, time.perf_counter() - begun)


def see(
    decoded: Decoded,
    settings: MatteSettings,
    burst: Sequence[np.ndarray],
    networks: Networks,
    stages: Stages,
    room: Room | None = None,
) -> Seen:
    """What the network makes of a photo, its own transparency apart. Raises ModelError, Cancelled.

    burst: see Matter; in the photo's size, others are ignored. room: of no use to a photo with transparency.
    """
    photo = decoded.photo
    stages.step("load")
    entry, of_things = _networks_for(settings)
    network = networks.get(entry)
    things_network = networks.get(of_things) if of_things is not None else None
    stages.ended("load")
    seen = photo.rgb if photo.alpha is None else compose.on_grey(photo.rgb, photo.alpha)
    before = [frame for frame in burst if frame.shape == seen.shape]
    passes = 0

    def on_pass(done: int, total: int) -> None:
        nonlocal passes
        passes = total
        stages.step("network", done, total if things_network is None else total + 1)

    estimate = network(seen, settings.quality, on_pass, before)
    # Only now: a device may turn out not to be able to run this network when it first has to.
    device, fallback = network.device, network.fallback
    if fallback:
        logger.warning(Texts("en")("device.fallback", **fallback))
    alpha = refine.clean_alpha(estimate)
    view = View(alpha)
    if room is not None and photo.alpha is None:
        view = look(alpha, seen, room.rgb, keep_furniture=settings.keep_furniture)
    times = 2 if settings.quality == "best" else 1
    alpha = refine.mend(hair.refine(view.alpha, seen, networks.threads, view.behind, view.unsure, times))
    if things_network is not None:
        things = things_network(
            seen, settings.quality, lambda done, total: stages.step("network", passes + done, passes + total)
        )
        alpha = held_objects.join(alpha, refine.clean_alpha(things))
    stages.ended("network")
    notes = (Note(view.reason),) if view.reason else ()
    return Seen(decoded, alpha, device, fallback, stages.seconds, view.behind, notes)


def with_colours(seen: Seen, from_burst: bool, threads: int, stages: Stages) -> RawMatte:
    photo, alpha = seen.decoded.photo, seen.alpha
    foreground = edge_colours.estimate_foreground(photo.rgb, alpha, threads, behind=seen.behind)
    if photo.alpha is not None:
        alpha = np.minimum(alpha, photo.alpha)
    stages.ended("colours")
    made = seen.decoded.digest, from_burst, seen.device, seen.fallback, (*photo.notes, *seen.notes), photo.about
    return RawMatte(photo.rgb, alpha, foreground, photo.alpha, *made)


def _networks_for(settings: MatteSettings) -> tuple[ModelEntry, ModelEntry | None]:
    """The one that sees people, and the one that sees what they hold where that is wanted. Raises ModelError."""
    return pair_for_held(settings.model) if settings.subject == HELD else (entry_of(settings.model), None)
