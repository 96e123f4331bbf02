"""What a Matter remembers changes no result: random uses of one that remembers, beside one that doesn't."""

from __future__ import annotations

import dataclasses
import random
import shutil
import threading
import weakref
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from cvmatte_core.image import images
from cvmatte_core.layers.touch_ups import TouchUps
from cvmatte_core.localization.errors import CvmatteError
from cvmatte_core.matting import raw_matte
from cvmatte_core.matting.dressing import Steps
from cvmatte_core.matting.matter import Matte, Matter, Strokes, decode
from cvmatte_core.models import network
from cvmatte_core.models.catalogue import DEFAULT, entry_of
from cvmatte_core.settings import MatteSettings

SIZE = (48, 36)
SEQUENCES, USES = 40, 20  # of each part
BOX = np.s_[5:20, 10:30]
CHANGES: dict[str, Sequence[Any]] = {
    "quality": ("fast", "fast", "best"),
    "subject": ("everyone", "everyone", "main"),
    "crop": (False, True),
    "crop_margin": (0, 20),
    "mirror": (False, True),
    "threshold": (0, 100),
    "erosion": (0, 0, 2),
    "feather": (0, 3),
    "decontaminate": (True, False),
    "background": ("transparent", "colour", "image", "blur", "blur"),
    "background_blur": (5, 9),
    "outline": (0, 0, 3),
    "shadow": (0, 0, 50),
    "longest_side": (0, 12, 20, 30),
    "id_photo": ("off",) * 15 + ("35x45",),
}


class World:
    """The files, the network that is installed, and what is to go wrong next."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.version = 0  # of the network
        self.runs = 0  # of the network
        self.has_no_memory = False
        self.bursts = [[noise(90 + seed)] for seed in range(2)]
        self.contents = [folder / f"content-{number}.png" for number in range(3)]
        for number, path in enumerate(self.contents):
            pixels = noise(number)
            if number == 2:
                pixels = np.dstack([pixels, np.where(np.arange(SIZE[0]) < 15, 60, 255)[None].repeat(SIZE[1], 0)])
            Image.fromarray(pixels.astype(np.uint8)).save(path)
        self.photos = [folder / f"photo-{number}.png" for number in range(3)]
        self.background = folder / "background.png"
        self.room = folder / "room.png"
        self.shown = [0, 1, 2]  # the content of each photo
        for number in range(3):
            self.put(number, number)
        self.put_background(0)
        self.put_room(0)

    def put(self, photo: int, content: int) -> None:
        self.shown[photo] = content
        shutil.copyfile(self.contents[content], self.photos[photo])

    def put_background(self, number: int) -> None:
        self.behind = number
        Image.fromarray(noise(50 + number)[:, : 20 + number]).save(self.background)

    def put_room(self, number: int) -> None:
        """The first photo's content, in another light, or a room that is no photo's."""
        self.empty = number
        Image.fromarray(noise(0) // 2 + 60 if number == 0 else noise(70 + number)).save(self.room)

    def content(self, photo: Path) -> int:
        return self.shown[self.photos.index(photo)]

    def load(self, name: str, *_: Any) -> Any:
        return TinyNetwork(self)


class TinyNetwork:
    """Sees two people, whose edges depend on all that a network is given."""

    device, fallback = "CPU", None

    def __init__(self, world: World) -> None:
        self._world, self._version = world, world.version

    def __call__(self, rgb: np.ndarray, quality: str, on_pass: Any, before: Sequence[np.ndarray] = ()) -> np.ndarray:
        if self._world.has_no_memory:
            raise MemoryError
        self._world.runs += 1
        height, width = rgb.shape[:2]
        rows, columns = np.mgrid[:height, :width] / max(height, width)
        mean = np.sum([picture.mean(axis=2) for picture in (rgb, *before)], axis=0) / 255 / (1 + len(before))
        grey = cv2.GaussianBlur(np.asarray(mean, np.float32), (0, 0), 1 + self._version % 2)
        away = np.minimum(np.hypot(rows - 0.35, columns - 0.35), 1.7 * np.hypot(rows - 0.45, columns - 0.85))
        return np.clip(8 * (0.24 - away) + grey * (2 if quality == "best" else 1), 0, 1).astype(np.float32)


def noise(seed: int) -> np.ndarray:
    small = np.random.default_rng(seed).integers(0, 255, (9, 12, 3), np.uint8)
    return cv2.resize(small, SIZE, interpolation=cv2.INTER_LINEAR)


def strokes(seed: int) -> Callable[[tuple[int, int]], Strokes]:
    def of(shape: tuple[int, int]) -> Strokes:
        pixels = np.full(shape, 128, np.uint8)
        row = int(shape[0] * (0.2 + 0.3 * (seed % 3)))
        pixels[row : row + 3, 2 : shape[1] // 3] = 255 if seed % 2 else 0
        return Strokes(pixels, f"{seed} {shape}")

    return of


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(tmp_path)

    def entry(name: str) -> Any:
        return dataclasses.replace(entry_of(name), sha256=f"version {world.version}")

    monkeypatch.setattr(network, "load", world.load)
    monkeypatch.setattr(raw_matte, "entry_of", entry)
    return world


def result_of(use: Callable[[], Any]) -> Any:
    try:
        return use()
    except CvmatteError as error:
        return error.key


def same(one: Any, other: Any) -> bool:
    if isinstance(one, Matte) and isinstance(other, Matte):
        names = ("layer", "alpha", "foreground", "photo")
        alike = all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)
        return alike and (one.fault, one.touch_up, one.digest) == (other.fault, other.touch_up, other.digest)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return np.array_equal(one[0], other[0]) and one[1] == other[1]
    return type(one) is type(other) and bool(one == other)


class Uses:
    """Random uses of one Matter. expected: what one that remembers nothing made, by all that it depends on."""

    def __init__(self, world: World, chance: random.Random, expected: dict[Hashable, Any]) -> None:
        self.world, self.chance, self.expected = world, chance, expected
        self.kept = TouchUps(world.folder / f"touch-ups-{chance.random()}")
        self.matter = Matter(1, chance.choice((0, 50_000, 10_000_000)), touch_ups=self.kept)
        self.settings = MatteSettings(model=DEFAULT, background_image=str(world.background))
        self.last: tuple[Path, int | None, Path | None] = world.photos[0], None, None
        self.bursts: dict[Hashable, int | None] = {}  # of the raw matte that was made last, by what a network sees

    def use(self) -> None:
        names = self.chance.sample(sorted(CHANGES), self.chance.choice((0, 1, 1, 1, 4)))
        self.settings = dataclasses.replace(
            self.settings, **{name: self.chance.choice(CHANGES[name]) for name in names}
        )
        uses = {self._matte: 75, self._part: 6, self._see_and_finish: 6, self._run_out_of_memory: 3, self._change: 10}
        self.chance.choices(list(uses), list(uses.values()))[0]()

    def _change(self) -> None:
        """Something that a Matter isn't told."""
        what, world = self.chance.randrange(5), self.world
        if what == 0:
            world.put(self.chance.randrange(3), self.chance.randrange(3))
        elif what == 1:
            world.put_background(self.chance.randrange(3))
        elif what == 2:
            world.version += 1
        elif what == 3:
            world.put_room(self.chance.randrange(2))
        else:
            digest = images.digest(self.chance.choice(world.photos).read_bytes())
            pixels = strokes(self.chance.randrange(4))((SIZE[1], SIZE[0])).pixels
            self.kept.save(digest, cv2.imencode(".png", pixels)[1].tobytes())
            if self.chance.random() < 0.5:
                self.kept.remove(digest)

    def _run_out_of_memory(self) -> None:
        self.world.has_no_memory = True
        path, settings = self.chance.choice(self.world.photos), self.settings
        found = result_of(lambda: self.matter(path, settings, may_be_empty=True))
        assert isinstance(found, Matte) or found == "image_memory"  # what is remembered needs no network
        self.world.has_no_memory = False

    def _part(self) -> None:
        path, seed = self.chance.choice(self.world.photos), self.chance.randrange(6)
        settings = dataclasses.replace(
            self.settings, crop=False, mirror=False, background="transparent", longest_side=0, outline=0, id_photo="off"
        )

        def cut(matter: Matter, burst: int | None) -> Any:
            if burst is not None:
                matter(path, settings, burst=self.world.bursts[burst], may_be_empty=True)
            return matter.part(path, settings, strokes(seed), BOX)

        self._check(path, settings, ("part", seed), cut)

    def _see_and_finish(self) -> None:
        path, settings, seed = self.chance.choice(self.world.photos), self.settings, self.chance.choice((None, 1, 2))
        asked = "finish", seed
        found = result_of(lambda: seen_and_finished(self.matter, path, settings, seed))
        assert same(found, self._of_a_new_one(path, settings, asked, partial(seen_and_finished, seed=seed)))

    def _matte(self) -> None:
        if self.chance.random() < 0.3:  # else only a control is moved
            room = self.chance.choice((None, None, self.world.room))
            self.last = self.chance.choice(self.world.photos), self.chance.choice((None, 0, 1, 2)), room
        (path, seed, room), settings = self.last, self.settings
        given = strokes(seed) if seed is not None else None

        def cut(matter: Matter, burst: int | None) -> Matte:
            frames = self.world.bursts[burst] if burst is not None else ()
            return matter(path, settings, strokes=given, room=room, burst=frames, may_be_empty=True)

        self._check(path, settings, ("matte", seed), cut, self.chance.choice((None,) * 12 + (0, 1)), room)

    def _check(
        self,
        path: Path,
        settings: MatteSettings,
        asked: Hashable,
        use: Callable[[Matter, int | None], Any],
        burst: int | None = None,
        room: Path | None = None,
    ) -> None:
        before = self.world.runs
        found = result_of(lambda: use(self.matter, burst))
        empty = self.world.empty if room is not None else None
        seen = self.world.content(path), settings.quality, settings.decoded_side, self.world.version, empty
        if self.world.runs > before:
            self.bursts[seen] = burst
        of = self.bursts[seen]
        assert burst is None or of is not None  # what was made without a burst isn't taken for it
        expected = self._of_a_new_one(path, settings, (asked, of, empty), lambda matter, *_: use(matter, of))
        assert same(found, expected), (asked, of, settings)

    def _of_a_new_one(self, path: Path, settings: MatteSettings, asked: Hashable, use: Callable[..., Any]) -> Any:
        world = self.world
        kept = self.kept.load(images.digest(path.read_bytes()))
        key = world.content(path), settings, asked, world.version % 2, world.behind, kept
        if key not in self.expected:
            matter = Matter(1, 0, touch_ups=self.kept)
            self.expected[key] = result_of(lambda: use(matter, path, settings))
        return self.expected[key]


def seen_and_finished(matter: Matter, path: Path, settings: MatteSettings, seed: int | None) -> Matte:
    decoded = decode(path.read_bytes(), path.name, settings.decoded_side)
    seen = matter.see(decoded, settings, threading.Event())
    return matter.finish(seen, settings, strokes(seed) if seed is not None else None)


@pytest.mark.parametrize("part", range(4))
def test_what_is_remembered_changes_no_result(world: World, monkeypatch: pytest.MonkeyPatch, part: int) -> None:
    chance = random.Random(part)
    expected: dict[Hashable, Any] = {}
    for _ in range(SEQUENCES):
        monkeypatch.setattr(Steps.__init__, "__defaults__", (chance.choice((0, 5000, 100_000_000)),))
        uses = Uses(world, chance, expected)
        for _ in range(USES):
            uses.use()


def test_lack_of_memory_beside_a_finish_changes_nothing(world: World) -> None:
    """As in a folder's pipeline, where the next photo's network fails while another photo is finished."""
    matter, chance = Matter(1, 0), random.Random(1)
    settings = MatteSettings(
        model=DEFAULT, background="image", background_image=str(world.background), erosion=2, subject="main"
    )
    seen = [matter.see(decode(path.read_bytes(), path.name), settings, threading.Event()) for path in world.photos[:2]]
    expected = [matter.finish(one, settings) for one in seen]
    world.has_no_memory = True
    with ThreadPoolExecutor(1) as beside:
        for number in range(150):
            failing = beside.submit(result_of, partial(matter.see, seen[0].decoded, settings, threading.Event()))
            finished = matter.finish(seen[number % 2], settings, strokes(3) if chance.random() < 0.3 else None)
            assert finished.touch_up or same(finished, expected[number % 2])
            assert failing.result() == "image_memory"


# Steps


def test_a_result_is_gone_before_its_successor_needs_memory() -> None:
    steps, source = Steps(), World
    first = weakref.ref(steps(source, "one", 1, lambda: np.zeros(9)))
    other = weakref.ref(steps(source, "two", 1, lambda: np.zeros(9)))
    assert first() is not None

    def successor() -> np.ndarray:
        assert first() is None and other() is not None
        return np.zeros(9)

    assert steps(source, "one", 2, successor) is steps(source, "one", 2, successor)


def test_results_go_with_another_source_and_large_ones_are_not_kept() -> None:
    steps, source, another = Steps(80), np.zeros(1), np.zeros(1)
    kept = steps(source, "one", 1, lambda: np.zeros(10))
    assert steps(source, "one", 1, lambda: np.zeros(10)) is kept
    large = steps(source, "large", 1, lambda: np.zeros(11))
    assert steps(source, "large", 1, lambda: np.zeros(11)) is not large
    first = weakref.ref(kept)
    del kept
    assert first() is not None
    steps(another, "two", 1, lambda: np.zeros(1))
    assert first() is None
