"""Matter: from a photo to a matte. The one entry for every caller: the worker, the command line, the tests."""

from __future__ import annotations

import dataclasses
import gc
import io
import logging
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Hashable, Mapping, Sequence, Tuple

import cv2
import numpy as np

from ..layers.touch_ups import TouchUps, stamp_of
from ..models.catalogue import ModelEntry, entry_of, pair_for_held
from ..models.network import Network, load
from ..pictures import images
from ..pictures.metadata import NOTHING, Metadata
from ..settings import HELD, MatteSettings
from ..system import devices, memory
from ..words.errors import Cancelled, ImageError
from ..words.notes import Note
from ..words.texts import Texts
from . import compose, hair, held, id_photo, refine, touch_up

logger = logging.getLogger(__name__)

Progress = Callable[[str, int, int], None]
_Key = Tuple[str, str, str, str, int]  # of a raw matte: the photo's digest, and every setting that a network sees
_TouchedKey = Tuple[_Key, str]  # with the stamp of the touch-up; empty without one

_CACHE_BYTES = 400_000_000
_STEP_BYTES = 100_000_000  # a step's result larger than this isn't kept
_IDLE_SECONDS = 900.0  # a network that nobody needed for so long gives its memory back
_SOFTENED = 8  # pixels that what is done to an edge reaches, beside erosion and feather


@dataclass(frozen=True)
class Decoded:
    """A photo ahead of its matting. name: for sentences. digest: of its content. seconds: what decoding it took."""

    name: str
    digest: str
    photo: images.Photo
    seconds: float


@dataclass(frozen=True)
class Strokes:
    """A touch-up for a photo: uint8, shape (H, W), see touch_up.py. stamp: what tells it from others of this photo."""

    pixels: np.ndarray
    stamp: str


StrokesFor = Callable[[Tuple[int, int]], Strokes]  # a touch-up for a matte of a shape; it may raise ImageError


@dataclass(frozen=True)
class Estimate:
    """Alpha as the network saw it: float32 in 0..1, shape (H, W). device, fallback: see Matte."""

    alpha: np.ndarray
    device: str
    fallback: Mapping[str, str] | None


@dataclass(frozen=True)
class Seen:
    """A photo and what the network made of it. seconds: a number a stage."""

    decoded: Decoded
    estimate: Estimate
    seconds: dict[str, float]


@dataclass(frozen=True)
class RawMatte:
    """What the network and the colour estimate made of a photo, before any control of the edge acts.

    photo: uint8 RGB, shape (H, W, 3). alpha: float32 in 0..1, shape (H, W). foreground: uint8 RGB, straight.
    own: the photo's own transparency, float32 in 0..1, shape (H, W), where it has one.
    from_burst: whether frames before the photo were there to be used. device, fallback: see Matte. notes,
    about: see images.Photo.
    """

    photo: np.ndarray
    alpha: np.ndarray
    foreground: np.ndarray
    own: np.ndarray | None
    from_burst: bool
    device: str
    fallback: Mapping[str, str] | None
    notes: Tuple[Note, ...] = ()
    about: Metadata = NOTHING

    @property
    def bytes(self) -> int:
        own = self.own.nbytes if self.own is not None else 0
        return self.photo.nbytes + self.alpha.nbytes + self.foreground.nbytes + own


@dataclass(frozen=True)
class Matte:
    """A finished cut-out.

    layer: uint8 RGBA, straight alpha, shape (H, W, 4). alpha: float32 in 0..1, shape (H, W), after all controls.
    foreground, photo: uint8 RGB, shape (H, W, 3). All four are cropped and mirrored alike, and not to be written to:
    the cache may share them. digest: of the photo's content. touch_up: the stamp of the touch-up that was used; empty
    without one. seconds: what each stage took; one that the cache spared is absent.
    device: what the network ran on, as its runtime calls it. fallback: the values of the text "device.fallback" where
    that isn't what it was to run on. fault: the error's key where there is nobody to see, or no face for
    an ID photo; "" where all is well. about: what is said in the layer's file. of_photo: what is to be said of the
    photo. max_kilobytes: of the layer's file; 0: any number.
    """

    layer: np.ndarray
    alpha: np.ndarray
    foreground: np.ndarray
    photo: np.ndarray
    digest: str
    seconds: dict[str, float]
    device: str = ""
    fallback: Mapping[str, str] | None = None
    touch_up: str = ""
    fault: str = ""
    about: Metadata = NOTHING
    of_photo: Tuple[Note, ...] = ()
    max_kilobytes: int = 0

    @property
    def notes(self) -> Tuple[Note, ...]:
        """All that is to be told beside it."""
        return (*self.of_photo, *([Note("device.fallback", self.fallback)] if self.fallback else ()))

    def preview(self) -> np.ndarray:
        """The three-view sheet, uint8 RGB."""
        return compose.preview_sheet(self.photo, self.foreground, self.alpha, self.layer)

    def layer_file(self, format: str) -> bytes:
        """What the layer's file holds; format: of settings.FORMATS. Raises OutputError where it can't hold that."""
        file = io.BytesIO()
        images.write_layer(file, self.layer, format, self.about, self.max_kilobytes)
        return file.getvalue()

    def mask_file(self) -> bytes:
        """What the mask's file holds: a grey PNG, white is the person."""
        file = io.BytesIO()
        images.write_png(file, compose.alpha_bytes(self.alpha), Metadata(self.about.dpi))
        return file.getvalue()


@dataclass
class _Loaded:
    """A network in memory, the entry that it was loaded for, and when it was last needed."""

    entry: ModelEntry
    network: Network
    used_at: float


class Matter:
    """Cuts people out of photos. Keeps loaded networks and the raw mattes of the last photos.

    Use one instance a process, from one thread at a time.
    """

    def __init__(
        self,
        threads: int | None = None,
        cache_bytes: int = _CACHE_BYTES,
        *,
        device: str | None = None,
        touch_ups: TouchUps | None = None,
    ) -> None:
        """threads, device (of devices.DEVICES): without them, the environment's; see devices.py.

        touch_ups: where photos' touch-ups are looked for; None: nowhere.
        """
        self._threads = threads or devices.threads()
        self._device = device or devices.of_environment()
        self._cache_bytes = cache_bytes
        self._networks: dict[str, _Loaded] = {}
        self._raw_mattes: OrderedDict[_Key, RawMatte] = OrderedDict()
        self._last_read: tuple[Hashable, str] = (None, "")  # a file as it was when it was read, and its digest
        self._steps = _LastResults()
        self._backdrops = _LastResults()
        self._touch_ups = touch_ups
        self._touch_up = touch_up.TouchUp(self._threads)
        self._touched: Tuple[_TouchedKey, RawMatte] | None = None

    def __call__(
        self,
        image: Path,
        settings: MatteSettings,
        *,
        burst: Sequence[np.ndarray] = (),
        strokes: StrokesFor | None = None,
        on_progress: Progress = lambda stage, done, total: None,
        cancelled: threading.Event | None = None,
        may_be_empty: bool = False,
        reduced_before_crop: bool = False,
    ) -> Matte:
        """Matte a photo.

        may_be_empty: a photo with nobody in it is no error, since somebody is to be painted in. reduced_before_crop:
        longest_side is the photo's, not the crop's: scenes of OBS depend on the size that layers always had.

        strokes: the touch-up to use; without it, the one that is kept of this photo. burst: what the camera saw just
        before this still, oldest first, each uint8 RGB, shape (H, W, 3); frames of another size are ignored. The raw
        matte made with them is what later calls without them go on from.
        Raises ImageError, ModelError, or Cancelled when `cancelled` is set between two steps.
        """

        def step(stage: str, done: int = 0, total: int = 1) -> None:
            if cancelled is not None and cancelled.is_set():
                raise Cancelled
            on_progress(stage, done, total)

        with memory.needed_for(image.name, self._forget):
            settings = settings.resolved()
            clock = _Clock()
            step("decode")
            seen = settings
            if not reduced_before_crop:
                seen = dataclasses.replace(settings, longest_side=settings.decoded_side)
            key, raw = self._cached(image, seen, burst, step, clock)
            step("refine")
            matte = self._finished(key, raw, strokes, settings, clock)
            return matte if may_be_empty else _with_somebody(matte, image.name)

    def part(
        self, image: Path, settings: MatteSettings, strokes: StrokesFor, box: tuple[slice, slice]
    ) -> tuple[np.ndarray, tuple[slice, slice]]:
        """Of the layer of a photo that was matted before, rows and columns: uint8 RGBA; and which those are.

        All of them where the settings make pixels depend on ones far away. Without crop, mirror or background.
        Raises ImageError, ModelError.
        """
        with memory.needed_for(image.name, self._forget):
            settings = settings.resolved()
            clock = _Clock()
            raw_key, raw = self._cached(image, settings, (), lambda *_: None, clock)
            height, width = raw.alpha.shape
            if settings.subject == "main" or settings.shadow:
                return self._finished(raw_key, raw, strokes, settings, clock).layer, np.s_[0:height, 0:width]
            painted = strokes((height, width))
            raw = self._touched_up((raw_key, painted.stamp), raw, painted.pixels)
            reach = settings.erosion + 2 * settings.feather + _SOFTENED
            wide, inner = images.around(box, reach, raw.alpha.shape)
            alpha = self._edged(("", raw.alpha[wide]), settings, _LastResults())
            colours = (raw.foreground if settings.decontaminate else raw.photo)[wide]
            return compose.layer_pixels(colours, alpha, None)[inner], box

    def see(
        self,
        decoded: Decoded,
        settings: MatteSettings,
        cancelled: threading.Event,
        on_progress: Progress = lambda stage, done, total: None,
    ) -> Seen:
        """The network's part of a matte alone, for who overlaps it with `finish` of the photo before.

        Nothing of it is kept. Raises ImageError, ModelError, or Cancelled when `cancelled` is set between two steps.
        """

        def step(stage: str, done: int = 0, total: int = 1) -> None:
            if cancelled.is_set():
                raise Cancelled
            on_progress(stage, done, total)

        with memory.needed_for(decoded.name, self._forget):
            clock = _Clock()
            estimate = self._alpha(decoded.photo, settings, (), step, clock)
            return Seen(decoded, estimate, {"decode": decoded.seconds, **clock.seconds})

    def finish(self, seen: Seen, settings: MatteSettings, strokes: StrokesFor | None = None) -> Matte:
        """The rest of a matte. It may run in one other thread while `see` runs: they share nothing that changes.

        strokes: see __call__. Raises ImageError.
        """
        decoded = seen.decoded
        with memory.needed_for(decoded.name, self._forget):
            clock = _Clock(seen.seconds)
            raw = self._with_colours(decoded.photo, seen.estimate, False, clock)
            matte = self._finished(_key(decoded.digest, settings), raw, strokes, settings, clock)
            self._steps.forget()
            self._touched = None
            self._touch_up.forget()
            return _with_somebody(matte, decoded.name)

    def prepare(self, model: str) -> Network:
        """Load a model, which may be catalogue.AUTO, ahead of its first use. Raises ModelError."""
        return self._prepared(entry_of(model))

    def _prepared(self, entry: ModelEntry) -> Network:
        loaded = self._networks.get(entry.name)
        if loaded is None or loaded.entry != entry:  # a person's own may have come to be another file
            self._networks.pop(entry.name, None)  # gone before its successor needs memory
            loaded = _Loaded(entry, load(entry.name, self._threads, self._device), 0.0)
            self._networks[entry.name] = loaded
        loaded.used_at = time.monotonic()
        return loaded.network

    def let_go_of_idle(self, idle_seconds: float = _IDLE_SECONDS) -> float | None:
        """Drop the networks that nobody needed for so long, and their memory.

        Returns the seconds until the next would be dropped; None where none is loaded.
        """
        now = time.monotonic()
        idle = [name for name, loaded in self._networks.items() if now - loaded.used_at >= idle_seconds]
        for name in idle:
            del self._networks[name]
            logger.info("%s was idle for %.0f s: its network is let go of", name, idle_seconds)
        if idle:
            gc.collect()
            memory.give_back()
        if not self._networks:
            return None
        return idle_seconds - (now - min(loaded.used_at for loaded in self._networks.values()))

    def _finished(
        self, raw_key: _Key, raw: RawMatte, strokes: StrokesFor | None, settings: MatteSettings, clock: _Clock
    ) -> Matte:
        """A touch-up and all controls applied to a raw matte."""
        height, width = raw.alpha.shape
        size = height, width
        painted = strokes(size) if strokes is not None else self._kept_strokes(raw_key[0], size)
        stamp = painted.stamp if painted is not None else ""
        key = raw_key, stamp
        if painted is not None:
            raw = self._touched_up(key, raw, painted.pixels)
            clock.lap("touch-up")
        people = self._people(key, raw, settings)
        is_id_photo = settings.id_photo != id_photo.OFF
        if settings.crop and settings.longest_side and not is_id_photo:
            raw, people = _fitted(raw, people, settings)
            key = (*key[:-1], f"{key[-1]} {people.shape}")
        alpha = self._edged((key, people), settings, self._steps)
        fault = "nobody_found" if not refine.shows_somebody(people) else "nothing_left"
        fault = "" if refine.shows_somebody(alpha) else fault
        foreground = raw.foreground if settings.decontaminate else raw.photo
        box = np.s_[:, :]
        if settings.crop and not is_id_photo:
            box = images.within(refine.crop_box(alpha, settings.crop_margin), settings.longest_side)
        background = self._background(key, raw, people, settings, box)
        alpha, foreground, photo = alpha[box], foreground[box], raw.photo[box]
        if settings.mirror:
            alpha, foreground, photo = (cv2.flip(pixels, 1) for pixels in (alpha, foreground, photo))
            if background is not None and settings.background == "blur":  # a chosen image may have writing on it
                background = cv2.flip(background, 1)
        if is_id_photo and not fault:
            head = id_photo.find_head(photo, alpha)
            format = id_photo.FORMATS[settings.id_photo]
            place = id_photo.place(alpha, head, format) if head is not None else "no_face"
            if isinstance(place, str):
                fault = place
            else:
                pictures = (alpha, foreground, photo, *([background] if background is not None else []))
                alpha, foreground, photo, *behind = (id_photo.cut(picture, place, format) for picture in pictures)
                if background is not None:  # it has no end where the photo has one
                    size = alpha.shape[1], alpha.shape[0]
                    flat = self._flat_background(settings, size)
                    background = flat if flat is not None else behind[0]
        layer = compose.layer_pixels(foreground, alpha, background, settings.shadow)
        if is_id_photo and not fault and settings.sheet != id_photo.OFF:
            layer, alpha, foreground, photo = _on_a_sheet(layer, foreground, photo, settings.sheet)
        clock.lap("refine")
        about = raw.about if settings.metadata else NOTHING
        if is_id_photo:
            about = dataclasses.replace(about, dpi=(id_photo.DPI, id_photo.DPI))
        return Matte(
            layer,
            alpha,
            foreground,
            photo,
            raw_key[0],
            clock.seconds,
            raw.device,
            raw.fallback,
            stamp,
            fault,
            about,
            raw.notes,
            settings.max_kilobytes if is_id_photo else 0,
        )

    @staticmethod
    def _edged(people: tuple[Hashable, np.ndarray], settings: MatteSettings, steps: _LastResults) -> np.ndarray:
        """Alpha of people, and the name it is known by among the steps, after the controls of the edge."""
        key, alpha = people
        # Erosion before the threshold, which comes to the same: so the threshold's slider finds it done.
        eroded = steps(
            "eroded", (key, settings.subject, settings.erosion), lambda: refine.erode(alpha, settings.erosion)
        )
        return refine.edge(eroded, settings)

    def _kept_strokes(self, digest: str, shape: tuple[int, int]) -> Strokes | None:
        """The touch-up that is kept of a photo, for its size in this matte; one that can't be read counts as none."""
        png = self._touch_ups.load(digest) if self._touch_ups is not None else None
        if png is None:
            return None
        try:
            return strokes_of(png, f"{digest}.png", shape)
        except ImageError as error:
            logger.warning("%s", error)
            return None

    def _touched_up(self, key: _TouchedKey, raw: RawMatte, strokes: np.ndarray) -> RawMatte:
        if self._touched is not None and self._touched[0] == key:
            return self._touched[1]
        self._touched = None
        self._steps.forget()
        alpha, foreground = self._touch_up(key[0], raw.photo, raw.alpha, raw.foreground, strokes)
        if raw.own is not None:
            alpha = np.minimum(alpha, raw.own)
        touched = dataclasses.replace(raw, alpha=alpha, foreground=foreground)
        self._touched = key, touched
        return touched

    def _cached(
        self,
        image: Path,
        settings: MatteSettings,
        burst: Sequence[np.ndarray],
        step: Callable[..., None],
        clock: _Clock,
    ) -> tuple[_Key, RawMatte]:
        """The photo's raw matte and its key; made only where the cache doesn't have it."""

        def kept(key: _Key) -> RawMatte | None:
            raw = self._raw_mattes.get(key)
            return raw if raw is not None and (raw.from_burst or not burst) else None

        state, (read_state, digest) = _state_of(image), self._last_read
        key = _key(digest if state is not None and state == read_state else "", settings)
        raw = kept(key)
        if raw is None:
            data = images.read(image)
            key = _key(images.digest(data), settings)
            self._last_read = (state, key[0])
            raw = kept(key)
            if raw is None:
                photo = images.decode(data, image.name, settings.longest_side)
                clock.lap("decode")
                raw = self._with_colours(photo, self._alpha(photo, settings, burst, step, clock), bool(burst), clock)
                self._remember(key, raw)
                return key, raw
        self._raw_mattes.move_to_end(key)
        clock.lap("decode")
        return key, raw

    def _people(self, key: _TouchedKey, raw: RawMatte, settings: MatteSettings) -> np.ndarray:
        """Alpha of whom the layer shows, before the controls of the edge."""
        if settings.subject == "main":
            return self._steps("main", key, lambda: refine.main_person(raw.alpha))
        return raw.alpha

    def _background(
        self, key: _TouchedKey, raw: RawMatte, people: np.ndarray, settings: MatteSettings, box: tuple[slice, slice]
    ) -> np.ndarray | None:
        """What stands behind the people within the box: uint8 RGB, its size; None where the layer is transparent."""
        height, width = people[box].shape
        if settings.background == "blur":
            # Of the whole photo: what lies beyond the box shines in, and the box may move with any slider.
            blur = settings.background_blur
            request = (key, settings.subject, blur)
            hidden = people if raw.own is None else np.maximum(people, 1 - raw.own)
            return self._steps("blurred", request, lambda: compose.blurred_background(raw.photo, hidden, blur))[box]
        return self._flat_background(settings, (width, height))

    def _flat_background(self, settings: MatteSettings, size: tuple[int, int]) -> np.ndarray | None:
        """A background that isn't of the photo: uint8 RGB of this size, (width, height). Raises ImageError."""
        if settings.background == "colour":
            return compose.plain(settings.background_colour, size)
        if settings.background == "image":
            return self._backdrop(settings.background_image, size)
        return None

    def _backdrop(self, chosen: str, size: tuple[int, int]) -> np.ndarray:
        """The background image that covers a layer of (width, height): uint8 RGB. Raises ImageError."""
        if not chosen:
            raise ImageError("background_missing")
        path = Path(chosen)

        def fitted() -> np.ndarray:
            return compose.covering(self._backdrops("picture", state, lambda: compose.backdrop(path)), size)

        try:
            state = _state_of(path) or chosen
            return self._backdrops("fitted", (state, size), fitted)
        except ImageError as error:
            if error.key in ("image_missing", "image_no_answer"):  # it isn't the photo, which may be waited for
                raise ImageError("background_gone", name=path.name) from error
            raise

    def _alpha(
        self,
        photo: images.Photo,
        settings: MatteSettings,
        burst: Sequence[np.ndarray],
        step: Callable[..., None],
        clock: _Clock,
    ) -> Estimate:
        """What the network makes of a photo, its own transparency apart: float32 in 0..1, shape (H, W)."""
        step("load")
        keeps_held = settings.subject == HELD
        entry, of_things = pair_for_held(settings.model) if keeps_held else (entry_of(settings.model), None)
        network = self._prepared(entry)
        things_network = self._prepared(of_things) if of_things is not None else None
        clock.lap("load")
        seen = photo.rgb
        if photo.alpha is not None:
            seen = compose.on_grey(seen, photo.alpha)
        frames = [images.reduced(frame, settings.longest_side) for frame in burst]
        before = [frame for frame in frames if frame.shape == seen.shape]
        passes = 0

        def on_pass(done: int, total: int) -> None:
            nonlocal passes
            passes = total
            step("network", done, total if things_network is None else total + 1)

        estimate = network(seen, settings.quality, on_pass, before)
        # Only now: a device may turn out not to be able to run this network when it first has to.
        device, fallback = network.device, network.fallback
        if fallback:
            logger.warning(Texts("en")("device.fallback", **fallback))
        alpha = refine.mend(hair.refine(refine.clean_alpha(estimate), seen, self._threads))
        if things_network is not None:
            things = things_network(
                seen, settings.quality, lambda done, total: step("network", passes + done, passes + total)
            )
            alpha = held.join(alpha, refine.clean_alpha(things))
        clock.lap("network")
        return Estimate(alpha, device, fallback)

    def _with_colours(self, photo: images.Photo, estimate: Estimate, from_burst: bool, clock: _Clock) -> RawMatte:
        alpha = estimate.alpha
        foreground = refine.estimate_foreground(photo.rgb, alpha, self._threads)
        if photo.alpha is not None:
            alpha = np.minimum(alpha, photo.alpha)
        clock.lap("colours")
        made_on = estimate.device, estimate.fallback
        return RawMatte(photo.rgb, alpha, foreground, photo.alpha, from_burst, *made_on, photo.notes, photo.about)

    def _remember(self, key: _Key, raw: RawMatte) -> None:
        # It may take the place of one that these were made from.
        self._steps.forget()
        self._touched = None
        self._touch_up.forget()
        self._raw_mattes[key] = raw
        self._raw_mattes.move_to_end(key)
        while len(self._raw_mattes) > 1 and sum(kept.bytes for kept in self._raw_mattes.values()) > self._cache_bytes:
            self._raw_mattes.popitem(last=False)

    def _forget(self) -> None:
        self._raw_mattes.clear()
        self._touched = None
        self._touch_up.forget()
        self._steps.forget()
        self._backdrops.forget()


class _LastResults:
    """The last result of each costly step, so that a slider's move repeats only what depends on it."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Hashable, np.ndarray]] = {}

    def __call__(self, step: str, key: Hashable, make: Callable[[], np.ndarray]) -> np.ndarray:
        """The step's last result where that was made for the same key, else a new one."""
        if step in self._kept and self._kept[step][0] == key:
            return self._kept[step][1]
        self._kept.pop(step, None)  # gone before its successor needs memory
        result = make()
        if result.nbytes <= _STEP_BYTES:
            self._kept[step] = (key, result)
        return result

    def forget(self) -> None:
        self._kept.clear()


class _Clock:
    """Splits the time that passes into named stages."""

    def __init__(self, seconds: Mapping[str, float] | None = None) -> None:
        self.seconds: dict[str, float] = dict(seconds or {})
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] = now - self._last
        self._last = now


def decode(data: bytes, name: str, longest_side: int = 0) -> Decoded:
    """A photo's bytes decoded for Matter.see. Raises ImageError."""
    begun = time.perf_counter()
    photo = images.decode(data, name, longest_side)
    return Decoded(name, images.digest(data), photo, time.perf_counter() - begun)


def strokes_of(data: bytes, name: str, shape: tuple[int, int]) -> Strokes:
    """A touch-up out of a picture's file, for a matte of this shape. Raises ImageError."""
    return Strokes(touch_up.strokes_of(data, name, shape), stamp_of(data))


def _fitted(raw: RawMatte, people: np.ndarray, settings: MatteSettings) -> Tuple[RawMatte, np.ndarray]:
    """Raw matte and alpha of people, reduced so that the crop's longer side is about the longest that is wanted."""
    rows, columns = refine.crop_box(people, settings.crop_margin)
    scale = settings.longest_side / max(rows.stop - rows.start, columns.stop - columns.start)
    if scale >= 1:
        return raw, people
    longest = round(max(people.shape) * scale)
    photo, alpha, foreground = (images.reduced(pixels, longest) for pixels in (raw.photo, people, raw.foreground))
    return dataclasses.replace(raw, photo=photo, alpha=alpha, foreground=foreground), alpha


def _on_a_sheet(
    layer: np.ndarray, foreground: np.ndarray, photo: np.ndarray, sheet: str
) -> Tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The layer, alpha, foreground and photo of a matte, each on a sheet: paper is opaque, and white."""
    white = np.full_like(photo, 255)
    shown = compose.over(np.ascontiguousarray(layer[..., :3]), layer[..., 3].astype(np.float32) / 255, white)
    shown, foreground, photo = (id_photo.sheet_of(pixels, sheet) for pixels in (shown, foreground, photo))
    return cv2.cvtColor(shown, cv2.COLOR_RGB2RGBA), np.ones(shown.shape[:2], np.float32), foreground, photo


def _with_somebody(matte: Matte, name: str) -> Matte:
    """Raises ImageError where there is nobody to see."""
    if matte.fault:
        raise ImageError(matte.fault, name=name)
    return matte


def _key(digest: str, settings: MatteSettings) -> _Key:
    kept = HELD if settings.subject == HELD else ""  # who is the main person is told apart later
    return digest, settings.model, kept, settings.quality, settings.longest_side


def _state_of(path: Path) -> Hashable:
    """What changes when a file's content does, as far as can be told without reading it. Raises ImageError."""
    status = images.status(path)
    return (str(path), status.st_size, status.st_mtime_ns) if status is not None else None
