"""A portrait's life in a made-up world: thousands of orders of everything that may happen to it.

The world stands for OBS, the worker, the store of layers, the photos and what watches them. After each event must hold:
it says Ready only while that very layer is in OBS; at most one job is under way; a layer that is shown stays until
another comes, also where OBS is started again meanwhile. And when the world comes to rest, it shows what its settings
ask for, of the photo as it is then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cvmatte_obs.file_watch import GONE, State
from cvmatte_obs.photo_actions import MatteJob, Request, Says
from cvmatte_obs.photo_lifecycle import PhotoLifecycle
from hypothesis import settings, strategies
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cvmatte_core.layers.store import LayerRecord
from cvmatte_core.localization.errors import (
    Cancelled,
    CvmatteError,
    ImageError,
    ModelError,
    OutputError,
    SettingsError,
    WorkerError,
)
from cvmatte_core.settings import MatteSettings

PHOTOS = ("/a.png", "/b.png")
SEQUENCES, STEPS = 1000, 50


@dataclass(frozen=True)
class Picture:
    """What a source in OBS shows: the layer of a request, of one version of its photo."""

    key: str
    of: State


@dataclass
class Kept:
    """What the store has of a layer: its frame, and its record once it is finished."""

    frame: State | None = None
    record: LayerRecord | None = None


@dataclass(eq=False)
class Work:
    """A job in the worker. read: the photo that its layer is of."""

    job: MatteJob
    image: str
    key: str
    began: bool = False
    read: State | None = None
    layered: bool = False
    cancelled: bool = False


@dataclass
class World:
    """Everything around a portrait; `portrait` changes when the script is reloaded."""

    picture: Picture | None = None
    photos: dict[str, State] = field(default_factory=lambda: dict.fromkeys(PHOTOS, (1, 1)))
    told: dict[str, State] = field(default_factory=dict)
    store: dict[str, Kept] = field(default_factory=dict)
    works: list[Work] = field(default_factory=list)
    frames_can_be_read: bool = True
    versions: int = 1
    stills: int = 0
    last: str = ""  # the key of the layer that is kept to be shown after a restart
    rematte_owed: str = ""  # the key of a layer that was asked for anew, until a job for it is begun
    changed_since_still: bool = False  # the settings, while a still was under way
    # The settings
    input: str = "file"
    file: str = ""
    still: str = ""
    erosion: int = 0
    are_valid: bool = True
    room: str = ""  # the photo of the empty room, which isn't in the settings, but as good as

    def __post_init__(self) -> None:
        self.life = PhotoLifecycle(self)

    def wanted(self) -> Request | None:
        """What the settings ask for."""
        under_way = self.life.still_under_way if self.input == "source" else ""
        image = under_way or (self.still if self.input == "source" else self.file)
        return self.request(image) if image and self.are_valid else None

    def request(self, image: str) -> Request:
        job = self.life.job
        of_still = job is not None and self.input == "source" and image == self.life.still_under_way
        room = job.request.room if job is not None and of_still else self.room
        return Request(image, MatteSettings(erosion=self.erosion), room=room)

    def on_disk(self, image: str) -> State:
        return self.photos.get(image, GONE)

    def live(self, event: Callable[..., bool | None], *details: Any) -> None:
        reconsiders = event(*details)
        self.last = self.life.stand_in or ""
        if reconsiders:
            self.ask()

    # What is to be done; see photo_actions.py

    def find(self, request: Request) -> LayerRecord | None:
        kept = self.store.get(request.key)
        return kept.record if kept else None

    def look_back(self) -> LayerRecord | None:
        assert self.picture is None or self.was_reloaded  # what is shown stays
        return self.store[self.last].record if self.last else None

    def show(self, key: str, of: State) -> bool:
        if not self.can_show(key, of):
            return False
        self.picture, self.counts = Picture(key, of), False
        return True

    def hide(self) -> None:
        assert self.wanted() is None  # nothing else takes a layer away
        self.picture, self.last, self.counts = None, "", False

    def count(self, seconds: int, on: str | None, size: tuple[int, int]) -> None:
        assert on == (self.picture.key if self.picture is not None else None) or self.was_reloaded
        self.counts = True

    def clear(self) -> None:
        shown = self.picture  # whose frame has gone
        assert shown is None or not self.can_show(shown.key, shown.of) or self.was_reloaded
        self.picture, self.counts = None, False

    def submit(self, job: MatteJob) -> None:
        if job.request.key == self.rematte_owed:
            self.rematte_owed = ""
        self.works.append(Work(job, job.request.image, job.request.key))

    def cancel(self, job: MatteJob) -> None:
        for work in self.works:
            work.cancelled = work.cancelled or work.job is job

    def look_again(self, image: str) -> None:
        self.told.pop(image, None)

    def keep_still(self, taken: Request) -> bool:
        is_there = taken.image in self.photos
        if is_there and self.still != taken.image:  # which OBS signals
            self.still = taken.image
            self.settings_changed = True
        return is_there

    def discard(self, burst: tuple[Path, ...]) -> None: ...

    def refresh(self) -> None: ...

    counts: bool = False  # a number stands on the picture
    settings_changed: bool = False
    unsaved: Picture | None = None  # what the job that failed last had made
    was_reloaded: bool = False  # the script, while OBS went on

    def can_show(self, key: str, of: State) -> bool:
        kept = self.store.get(key)
        return self.frames_can_be_read and kept is not None and kept.frame == of

    def is_there_for_good(self) -> str:
        """The key of a finished layer that must be shown after a restart of OBS; empty where there is none."""
        shown = self.picture
        record = self.store[shown.key].record if shown is not None else None
        if shown is None or record is None or record.made_from != shown.of or self.life.record != record:
            return ""
        return shown.key if self.can_show(shown.key, shown.of) and (self.last or self.life.says.error is None) else ""

    def restart(self, of_obs: bool) -> None:
        """Of OBS, or of the script alone: its source goes on to show what it shows."""
        if not of_obs:
            self.live(self.life.gives_up_still)
        stays = self.is_there_for_good() if of_obs else ""
        self.works.clear()
        self.told, self.rematte_owed, self.life, self.was_reloaded = {}, "", PhotoLifecycle(self), not of_obs
        if of_obs:
            self.picture, self.counts = None, False
        self.ask()
        wanted = self.wanted_or_not_valid()
        if stays and wanted:
            assert self.picture is not None and self.picture.key in (stays, wanted.key)

    def wanted_or_not_valid(self) -> Request | None:
        before, self.are_valid = self.are_valid, True
        wanted, self.are_valid = self.wanted(), before
        return wanted

    def ask(self, again: bool = False) -> None:
        """What portrait.py does when the settings have changed."""
        self.settings_changed = False
        wanted, job = self.wanted(), self.life.job
        if job is not None and job.request.burst:
            self.changed_since_still = wanted is None or wanted.key != job.request.key
        if again and wanted is not None and (self.life.job is None or not self.life.job.request.burst):
            self.rematte_owed = wanted.key
        elif wanted is None or wanted.key != self.rematte_owed:
            self.rematte_owed = ""
        under_way = self.life.still_under_way if self.input == "source" else ""
        image = under_way or (self.still if self.input == "source" else self.file)
        if not image:
            self.live(self.life.wants_nothing, "state.no_image")
        elif not self.are_valid:
            self.live(self.life.wants_the_impossible, SettingsError("settings_no_table"))
        else:
            self.live(self.life.wants, self.request(image), again, self.told.get(image))

    def look(self) -> bool:
        """What watches the photos looks at those that are needed. Says whether it told anything."""
        image = self.still if self.input == "source" else self.file
        if not image or self.told.get(image) == self.on_disk(image):
            return False
        self.told[image] = self.on_disk(image)
        self.live(self.life.photo_is, image, self.told[image])
        return True

    # The worker

    def work_on(self, work: Work, error: CvmatteError | None = None, heeds: bool = True) -> None:
        """Take a job one step further, or fail it. heeds: whether it learns in time that it was cancelled."""
        job = work.job
        if error is not None and not (work.cancelled and heeds):
            self.end(work, error)
        elif not work.began:
            work.began = True
            if job.request.burst:  # taken also when it is cancelled
                self.photos[work.image] = (1, 1)
            self.live(self.life.goes_on, job, "network", 0, 1)
        elif work.cancelled and heeds:
            self.end(work, Cancelled())
        elif not work.layered:
            self.make_layer(work)
        else:
            self.finish(work)

    def make_layer(self, work: Work) -> None:
        kept = self.store.setdefault(work.key, Kept())
        read = self.on_disk(work.image)
        if read == GONE:
            if kept.record is None:
                return self.end(work, ImageError("image_missing", name="a.png"))
            read = kept.record.made_from  # from the saved layer
        work.read, work.layered, kept.frame = read, True, read
        return self.live(self.life.made_layer, work.job, work.key, read)

    def finish(self, work: Work) -> None:
        assert work.read is not None
        kept = self.store.setdefault(work.key, Kept())
        kept.record = LayerRecord(work.key, work.image, *work.read, saved="", size=(1, 1), seconds=0.0)
        self.works.remove(work)
        self.live(self.life.is_done, work.job, kept.record, ())

    def end(self, work: Work, error: CvmatteError) -> None:
        self.works.remove(work)
        if work.job is self.life.job:
            self.unsaved = Picture(work.key, work.read) if work.layered and work.read is not None else None
        self.live(self.life.has_failed, work.job, error)

    def die(self) -> None:
        """The worker ends, and another begins again what it was at."""
        for work in list(self.works):
            if work.cancelled:
                self.end(work, Cancelled())
            elif work.began:
                work.began = work.layered = False
                self.live(self.life.is_tried_again, work.job, WorkerError("worker_died"))

    def rest(self) -> None:
        """Until nothing happens any more by itself; all goes well from here on."""
        self.frames_can_be_read = True
        for _ in range(200):
            if self.works:
                self.work_on(self.works[0])
            elif self.settings_changed:
                self.ask()
            elif not self.look():
                return
        raise AssertionError("it never comes to rest")


class Lives(RuleBasedStateMachine):
    """Everything that may happen, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @initialize(image=strategies.sampled_from(PHOTOS))
    def begin(self, image: str) -> None:
        self.world.file = image
        self.world.ask()

    # The person

    @rule(image=strategies.sampled_from(("", *PHOTOS)))
    def choose_a_photo(self, image: str) -> None:
        self.world.file, self.world.input = image, "file"
        self.world.ask()

    @rule(erosion=strategies.integers(0, 1))
    def move_a_slider(self, erosion: int) -> None:
        self.world.erosion = erosion
        self.world.ask()

    @rule(valid=strategies.booleans())
    def another_version_s_value(self, valid: bool) -> None:
        self.world.are_valid = valid
        self.world.ask()

    @rule()
    def rematte(self) -> None:
        self.world.ask(again=True)

    @rule()
    def change_the_input(self) -> None:
        self.world.input = "source" if self.world.input == "file" else "file"
        self.world.ask()

    @rule(seconds=strategies.integers(1, 3), for_room=strategies.booleans())
    def count_down(self, seconds: int, for_room: bool) -> None:
        if self.world.input == "source":
            self.world.live(self.world.life.counts_down, seconds, (1280, 720), for_room)

    @rule(room=strategies.sampled_from(["", "/room 1.png", "/room 2.png"]))
    def the_room_is_photographed_by_another_portrait_or_forgotten(self, room: str) -> None:
        self.world.room = room
        self.world.ask()

    @rule(fails=strategies.booleans(), counts=strategies.booleans())
    def photograph_the_room(self, fails: bool, counts: bool) -> None:
        world = self.world
        if world.input != "source":
            return
        if counts:
            world.live(world.life.counts_down, 10, (1280, 720), True)
        world.live(world.life.takes_still, True)
        assert world.life.says == Says("state.room") and not world.counts
        if fails:
            world.live(world.life.still_failed, ImageError("room_moves"))
            assert world.life.says.error is not None and world.life.says.error.key == "room_moves"
        else:
            world.live(world.life.gives_up_still)
            self.the_room_is_photographed_by_another_portrait_or_forgotten("/room 3.png")

    @rule(fails=strategies.sampled_from([False, False, True]))
    def take_a_still(self, fails: bool) -> None:
        world = self.world
        if world.input != "source" or not world.are_valid:
            world.input, world.are_valid = "source", True
            world.ask()
        world.live(world.life.takes_still)
        if fails:
            world.live(world.life.still_failed, ImageError("still_no_picture", name="camera"))
            return
        world.live(world.life.gives_up_still)
        world.stills += 1
        world.rematte_owed, world.changed_since_still = "", False
        request = f"/still {world.stills}.png", MatteSettings(erosion=world.erosion), (Path("/frame"),), world.room
        world.live(world.life.still_taken, Request(*request))

    @rule(of_obs=strategies.booleans())
    def obs_is_started_again_or_the_script_reloaded(self, of_obs: bool) -> None:
        self.world.restart(of_obs)

    @rule()
    def the_source_is_replaced(self) -> None:
        world = self.world
        world.live(world.life.ends)
        assert all(work.cancelled for work in world.works)
        assert world.life.says == Says()
        world.picture, world.last, world.counts = None, "", False
        world.life, world.rematte_owed = PhotoLifecycle(world), ""
        world.ask()

    @precondition(lambda self: self.world.settings_changed)
    @rule()
    def the_still_in_the_settings_is_seen(self) -> None:
        self.world.ask()

    # The disk

    @rule(how=strategies.sampled_from(["changes", "goes", "returns"]), looks=strategies.booleans())
    def something_happens_to_the_photo(self, how: str, looks: bool) -> None:
        world = self.world
        image = world.still if world.input == "source" else world.file
        if how == "goes":
            world.photos.pop(image, None)
        elif image and (how == "returns" or image in world.photos):
            world.versions += how == "changes"
            world.photos[image] = (world.versions if how == "changes" else 1, 1)
        if looks:
            world.look()

    @rule()
    def the_photos_are_looked_at(self) -> None:
        self.world.look()

    @rule(data=strategies.data())
    def a_frame_is_tidied_away(self, data: Any) -> None:
        if self.world.store:
            self.world.store[data.draw(strategies.sampled_from(sorted(self.world.store)))].frame = None

    @rule(whole=strategies.booleans())
    def the_drive_of_the_layers(self, whole: bool) -> None:
        self.world.frames_can_be_read = whole

    # The worker

    @precondition(lambda self: self.world.works)
    @rule(
        data=strategies.data(),
        heeds=strategies.booleans(),
        steps=strategies.integers(1, 3),
        can_be_read=strategies.sampled_from([True, True, True, False]),
    )
    def the_worker_goes_on(self, data: Any, heeds: bool, steps: int, can_be_read: bool) -> None:
        """can_be_read: what it writes meanwhile, if anything can."""
        world = self.world
        work, before = data.draw(strategies.sampled_from(world.works)), world.frames_can_be_read
        world.frames_can_be_read = before and can_be_read
        for _ in range(steps):
            if work in world.works:
                world.work_on(work, heeds=heeds)
        world.frames_can_be_read = before

    @precondition(lambda self: self.world.works)
    @rule(data=strategies.data())
    def the_worker_reads_what_is_there_for_a_moment_only(self, data: Any) -> None:
        world = self.world
        work = data.draw(strategies.sampled_from(world.works))
        before = world.photos.get(work.image)
        if before is not None and not work.layered and not work.cancelled:
            if not work.began:
                world.work_on(work)
            world.versions += 1
            world.photos[work.image] = (world.versions, 1)
            world.work_on(work)
            world.photos[work.image] = before

    @precondition(lambda self: self.world.works)
    @rule(
        data=strategies.data(),
        error=strategies.sampled_from(
            [
                OutputError("disk_full", folder="/"),
                ImageError("image_damaged", name="a.png"),
                ModelError("model_failed", model="m"),
                WorkerError("worker_died_twice"),
            ]
        ),
    )
    def the_worker_fails(self, data: Any, error: CvmatteError) -> None:
        self.world.work_on(data.draw(strategies.sampled_from(self.world.works)), error)

    @precondition(lambda self: self.world.works)
    @rule(data=strategies.data(), can_be_read=strategies.booleans())
    def a_layer_is_made_that_can_not_be_saved(self, data: Any, can_be_read: bool) -> None:
        world = self.world
        work, before = data.draw(strategies.sampled_from(world.works)), world.frames_can_be_read
        world.frames_can_be_read = before and can_be_read
        while work in world.works and not work.layered:
            world.work_on(work)
        world.frames_can_be_read = before
        if work in world.works:
            world.work_on(work, OutputError("disk_full", folder="/"))

    @rule()
    def the_worker_dies(self) -> None:
        self.world.die()

    @rule(finishes=strategies.booleans())
    def another_portrait_makes_the_same_layer(self, finishes: bool) -> None:
        world, wanted = self.world, self.world.wanted()
        if wanted is None or wanted.image not in world.photos:
            return
        kept, of = world.store.setdefault(wanted.key, Kept()), world.photos[wanted.image]
        kept.frame = of
        if finishes:
            kept.record = LayerRecord(wanted.key, wanted.image, *of, saved="", size=(1, 1), seconds=0.0)

    @rule()
    def the_world_comes_to_rest(self) -> None:
        world = self.world
        world.live(world.life.gives_up_still)
        world.rest()
        wanted, says = world.wanted(), world.life.says
        if wanted is None:
            assert says.key != "state.ready"
            return
        assert not world.rematte_owed
        if says.error is not None:
            assert says.error.key != "image_missing" or world.on_disk(wanted.image) == GONE
            assert world.life.wish is not None or not world.changed_since_still
            world.ask(again=True)
            world.rest()
            says = world.life.says
        self.shows_what_is_wanted(wanted)

    def shows_what_is_wanted(self, wanted: Request) -> None:
        world, says = self.world, self.world.life.says
        on_disk = world.on_disk(wanted.image)
        if on_disk == GONE:  # also of a still that never came to be
            assert says.key == "state.photo_gone" or says.error is not None, says
            return
        assert says.key == "state.ready", says
        assert world.picture == Picture(wanted.key, on_disk)

    def teardown(self) -> None:
        self.the_world_comes_to_rest()

    # What always holds

    @invariant()
    def ready_is_what_is_shown(self) -> None:
        says, picture = self.world.life.says, self.world.picture
        if says.key not in ("state.ready", "state.photo_gone"):
            return
        wanted = self.world.wanted()
        assert picture is not None and wanted is not None
        if not self.world.settings_changed:
            assert picture.key == wanted.key
        record = self.world.life.record
        assert record is not None and (record.key, record.made_from) == (picture.key, picture.of)

    @invariant()
    def what_is_said_of_a_layer_beside_an_error_is_so(self) -> None:
        world, beside = self.world, self.world.life.says.beside
        if beside:
            assert world.picture is not None
        if beside == "state.unsaved":
            assert world.picture == world.unsaved

    @invariant()
    def a_number_goes_with_its_countdown(self) -> None:
        assert not self.world.counts or self.world.life.says.key in ("state.countdown", "state.room_countdown")

    @invariant()
    def at_most_one_job_is_under_way(self) -> None:
        assert sum(not work.cancelled for work in self.world.works) <= 1


Lives.TestCase.settings = settings(max_examples=SEQUENCES, stateful_step_count=STEPS, deadline=None, database=None)
TestLives = Lives.TestCase
