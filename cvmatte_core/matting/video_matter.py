"""Moving pictures: each frame's cut goes on from the one before, as the recurrent network was made for."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from math import ceil

import cv2
import numpy as np

from ..image import geometry
from ..models import guided_filter
from ..models.catalogue import entry_of
from ..models.network import Networks
from ..models.recurrent import Look, RecurrentVideoMatting
from ..settings import MatteSettings
from . import compose, mixtures, refine
from .dressing import Backgrounds, dress
from .edge_colours import colour_radius, colours_nearby, put_foreground
from .framing import WHOLE, Cutout, Framing, Move
from .region_of_interest import RegionOfInterest
from .room.following import THOROUGH, Decided, RoomFollower
from .zones import Zones

# Quality: the longer side of what the network looks at, in pixels, were it the whole frame: of a part as many pixels.
SIDES = {"fast": 384, "balanced": 512, "best": 720}
_CUT = 0.35  # mean difference of two small pictures' colours, of 0..1, from which on it is another scene
_FIRST_SIDE = 448  # of the first frames at least: the network remembers for long what it took for people then
_FEW = 32
_CALM = 0.07  # how far a crop goes towards the person with each frame
_BANDS = 2  # that are worked on at once: of more, each has too little to do
_BESIDE = 8  # pixels beside a person whose colours are looked for, too
_SMALLEST = 0.2  # its side, of the frame's, at least


class VideoMatter:
    """Cuts people out of the frames of one clip or camera, one after the other.

    settings: as for photos; but a crop keeps the frame's size, and follows the person. Raises ModelError, ImageError
    for a background that isn't one.
    """

    def __init__(
        self,
        settings: MatteSettings,
        threads: int,
        device: str | None = None,
        room: np.ndarray | None = None,
        room_side: int = THOROUGH,
    ) -> None:
        """device: of devices.DEVICES; without it, the environment's. room: see Matter, uint8 RGB, shape (h, w, 3); of
        no use to frames with transparency. room_side: see RoomFollower."""
        self.settings = settings.resolved()
        self._follower: RoomFollower | None = None
        self._room_side = room_side
        self._room: np.ndarray | None = None
        self.room = room
        self.without_room: Counter[str] = Counter()  # frames for which it was of no use, by the reason
        self.side = SIDES[self.settings.quality]
        self._network = Networks(threads, device).get(entry_of(self.settings.model))
        self.network_seconds = 0.0  # of the last frame
        self.has_seen_somebody = False  # in any frame
        self._beside = ThreadPoolExecutor(max(1, threads), "beside")
        self._before: Look | None = None
        self._attention = RegionOfInterest()
        self._small: np.ndarray | None = None  # of the frame before
        self._following = _Following(self.settings.crop_margin)
        self._zones = Zones()
        self.has_stretched_zones = False  # on the last frame: they were painted on one of another shape
        self._backgrounds = Backgrounds()
        self._backgrounds(self.settings, (1, 1))  # where the image won't do, that is said before the first frame

    @property
    def fallback(self) -> dict[str, str] | None:
        """See matter.Matte."""
        return self._network.fallback

    @property
    def room(self) -> np.ndarray | None:
        return self._room

    @room.setter
    def room(self, room: np.ndarray | None) -> None:
        """From the next frame on. The same again changes nothing."""
        if room is not self._room:
            self._room, self._follower = room, RoomFollower(room, self._room_side) if room is not None else None

    @property
    def room_says(self) -> str:
        """Why the room is set aside, of room/finding.py; "" while it isn't."""
        return self._follower.reason if self._follower is not None else ""

    def room_now(self, frame: np.ndarray) -> np.ndarray | None:
        """The room as the last frame shows it, where nobody is: uint8 RGB, in the frame's size; None where it is set
        aside. frame: that one, see `layer`."""
        return self._follower.now(compose.over_grey(frame)[0]) if self._follower is not None else None

    def alpha(self, frame: np.ndarray) -> np.ndarray:
        """Alpha of a frame, see `layer`, before any control: float32 in 0..1, shape (H, W). Raises ModelError."""
        seen, own = compose.over_grey(frame)
        return self._cut(seen, seen, own)[0]

    def layer(self, frame: np.ndarray) -> np.ndarray:
        """A frame cut out, with all controls: uint8 RGBA, straight alpha, shape (H, W, 4). Raises ModelError.

        frame: uint8 RGB, shape (H, W, 3), or RGBA with straight alpha, whose transparency stays.
        """
        settings = self.settings
        seen, own = compose.over_grey(frame)
        frame = frame[..., :3]
        people, colours = self._cut(frame, seen, own)
        if own is not None:
            people = np.minimum(people, own)
        masks = self._zones.masks(frame.shape[:2])
        self.has_stretched_zones = self._zones.are_stretched(frame.shape[:2])
        people, colours, kept = masks.hide(people), masks.colour(colours, frame), masks.kept
        if kept is not None and own is not None:
            kept = np.minimum(kept, own)
        self.has_seen_somebody = self.has_seen_somebody or refine.shows_somebody(people)
        framing = self._following if settings.crop else WHOLE
        return dress(Cutout(frame, people, colours, own), settings, framing, self._backgrounds, kept=kept).layer

    def _cut(self, frame: np.ndarray, seen: np.ndarray, own: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Alpha of a frame, and its colours. seen, own: see compose.over_grey."""
        room = self._follower if own is None else None
        looked = self._beside.submit(room.see, frame) if room is not None else None
        region, picture, estimate = self._seen(seen)
        people, near = np.zeros(frame.shape[:2], np.float32), frame[region]
        shown = picture if own is None else near  # the network saw what is transparent over grey
        guess = partial(colours_nearby, shown, estimate, colour_radius(frame.shape), near.shape)
        # One takes as long as the other, and each a core.
        keep = self.settings.keep_furniture
        decided = (
            self._beside.submit(room.decide, looked.result(), estimate, region, keep)
            if room is not None and looked is not None
            else None
        )
        wants_colours = self.settings.decontaminate
        nearby = self._beside.submit(guess) if decided is None and wants_colours else None
        enlarge = _enlarging(picture, estimate, near)
        parts = _parts_with_people(estimate, near.shape, compose.COLOURED + 2 * self.settings.feather)
        colours = frame.copy() if nearby is not None else frame

        def put(part: geometry.Region) -> None:
            alpha = people[region][part] = enlarge(part)
            if nearby is not None:
                colour(part, alpha, nearby.result())

        def colour(part: geometry.Region, alpha: np.ndarray, by: tuple[np.ndarray, np.ndarray]) -> None:
            put_foreground(colours[region][part], alpha, (by[0][part], by[1][part]))

        self._by_all(put, parts)
        if decided is not None:
            by_room = decided.result()
            if by_room is not None:
                return self._cut_before(frame, people, by_room)
            self.without_room[self.room_says] += 1
            if wants_colours:
                colours, by = frame.copy(), guess()
                self._by_all(lambda part: colour(part, people[region][part], by), parts)
        return people, colours

    def _by_all(self, work: Callable[[geometry.Region], None], parts: list[geometry.Region]) -> None:
        """Do the work on each part, the last of them in this thread: another is slower to begin."""
        others = [self._beside.submit(work, part) for part in parts[:-1]]
        for part in parts[-1:]:
            work(part)
        for other in others:
            other.result()

    def _cut_before(self, frame: np.ndarray, people: np.ndarray, room: Decided) -> tuple[np.ndarray, np.ndarray]:
        """What `_cut` gives, where it is known what is behind. people: alpha of the network."""
        box = geometry.around_all(room.outline.alpha > 0)
        if box is None:
            return np.zeros_like(people), frame
        box = _scaled(box, room.outline.alpha.shape, frame.shape)
        near = frame[box]
        shown = self._beside.submit(room.behind)
        alpha, unsure = room.outline.on(people)
        person, behind = colours_nearby(near, alpha[box], colour_radius(frame.shape), near.shape)
        if (known := shown.result()) is not None:
            behind = known[box]
            alpha[box] = mixtures.before(near, alpha[box], person, behind, unsure[box])
        colours = frame
        if self.settings.decontaminate:
            colours = frame.copy()
            put_foreground(colours[box], alpha[box], (person, behind))
        return alpha, colours

    def change(self, settings: MatteSettings, zones: str = "") -> None:
        """Other controls, from the next frame on: all but the model and quality. zones: see zones.py."""
        self.settings = settings.resolved()
        if zones != self._zones.text:
            self._zones = Zones(zones)
        self._following.margin = self.settings.crop_margin

    def forget(self) -> None:
        """What comes next doesn't go on from what came before."""
        self._before = self._small = self._following.window = None
        self._attention.forget()
        if self._follower is not None:
            self._follower.forget()

    def _seen(self, frame: np.ndarray) -> tuple[geometry.Region, np.ndarray, np.ndarray]:
        """Where the network looked, what it saw of that, uint8 RGB, (h, w, 3), and its alpha: elsewhere nobody is."""
        everywhere = geometry.everything(frame.shape)
        if not isinstance(self._network, RecurrentVideoMatting):
            return everywhere, frame, self._network(frame, self.settings.quality, lambda done, total: None)
        few = cv2.resize(frame, (4 * _FEW, 4 * _FEW), interpolation=cv2.INTER_NEAREST)
        small = cv2.resize(few, (_FEW, _FEW), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        if self._small is not None and float(np.abs(small - self._small).mean()) > _CUT:
            # Another scene: what the network remembers is of no use then, and does harm.
            self._before = None
            self._attention.forget()
        self._small = small
        begun = time.monotonic()
        region = self._attention.region(frame.shape)
        side = max(self.side, _FIRST_SIDE) if self._attention.is_settling else self.side
        pixels = side**2 * min(frame.shape[:2]) / max(frame.shape[:2])
        look = self._network.follow(frame, region, pixels, self._before)
        grown = self._attention.outgrown(look.alpha)
        if grown > 1:
            region = self._attention.region(frame.shape)
            look = self._network.follow(frame, region, grown * pixels, self._before)
        self._before = look
        self._attention.saw(look.alpha)
        if self._attention.is_worth_a_look(small):
            self._attention.saw_all(self._network.follow(frame, everywhere, pixels, None).alpha)
        self.network_seconds = time.monotonic() - begun
        return region, look.picture, look.alpha


class _Following(Framing):
    """A crop that follows the person: of the frame's shape, and as calm as a camera on its stand."""

    def __init__(self, margin: int) -> None:
        super().__init__()
        self.margin = margin
        self.window: np.ndarray | None = None  # across, down, side: where the person is, smoothed

    def crop(self, alpha: np.ndarray) -> Move:
        height, width = alpha.shape
        rows, columns = refine.crop_box(alpha, self.margin)
        share = max((rows.stop - rows.start) / height, (columns.stop - columns.start) / width, _SMALLEST)
        middle = (columns.start + columns.stop) / 2 / width, (rows.start + rows.stop) / 2 / height
        wanted = np.array([*middle, min(1.0, share)])
        if self.window is None:
            self.window = wanted
        self.window = self.window + _CALM * (wanted - self.window)
        x, y, share = self.window
        if share > 0.999:
            return lambda picture: picture
        left, top = (np.clip(place - share / 2, 0, 1 - share) for place in (x, y))
        # The pixel in the middle of (0, 0) lies at 0, as OpenCV counts.
        offset = 0.5 * share - 0.5 + left * width, 0.5 * share - 0.5 + top * height
        return lambda picture: geometry.resampled(picture, (share, share), offset, (width, height))


def _enlarging(picture: np.ndarray, alpha: np.ndarray, frame: np.ndarray) -> Callable[[geometry.Region], np.ndarray]:
    """What gives a part of alpha at the frame's size, of what a network made of a picture of it."""
    if alpha.shape == frame.shape[:2]:
        return lambda part: refine.clean_alpha(alpha[part])
    enlargement = guided_filter.Enlargement(alpha, picture, frame)

    def enlarged(part: geometry.Region) -> np.ndarray:
        enlargement.lead(part)
        return refine.clean_alpha(enlargement.alpha[part])

    return enlarged


def _parts_with_people(alpha: np.ndarray, shape: tuple[int, ...], beside: int) -> list[geometry.Region]:
    """Of a picture of this shape, in bands, what shows somebody by its alpha, of any size, and what lies beside that:
    so many pixels, and as far as a guide reaches."""
    height, width = shape[:2]
    tall, wide = height / alpha.shape[0], width / alpha.shape[1]
    down, across = (max(beside, ceil(guided_filter.REACH * scale)) for scale in (tall, wide))
    shown = (alpha > refine.FAINT).view(np.uint8)
    parts = []
    for band in range(_BANDS):
        top, bottom = band * height // _BANDS, (band + 1) * height // _BANDS
        box = geometry.around_all(shown[max(0, int((top - down) / tall)) : ceil((bottom + down) / tall)])
        if box is not None and top < bottom:
            columns = slice(max(0, int(box[1].start * wide) - across), min(width, ceil(box[1].stop * wide) + across))
            parts.append((slice(top, bottom), columns))
    return parts


def _scaled(box: geometry.Region, shape: tuple[int, ...], to: tuple[int, ...]) -> geometry.Region:
    """The same part of a larger picture, with some pixels around it."""
    rows, columns = (
        slice(max(0, part.start * large // small - _BESIDE), min(large, -(-part.stop * large // small) + _BESIDE))
        for part, small, large in zip(box, shape, to)
    )
    return rows, columns
