"""A live picture's life in a made-up world: thousands of orders of everything that may happen to it.

The world stands for OBS, the person, the settings, the process, its source and what it tells. After each event must
hold: figures are the present process's; a frozen picture stays; the process is told what is wished, and nothing else; a
still is taken once, or why not is told once, and so is a photo of the empty room; what was ended shows nothing. And
when the world comes to rest, it shows and says what its settings ask for.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import Mock

from cvmatte_obs.live_actions import Wish
from cvmatte_obs.live_lifecycle import LiveLifecycle
from cvmatte_obs.photo_actions import Says
from hypothesis import settings, strategies
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cvmatte_core.localization.errors import CvmatteError, ImageError, ModelError, OutputError, WorkerError

SOURCES = ("a", "b")
SEQUENCES, STEPS = 1000, 50
IMPOSSIBLE = ModelError("model_gone", model="mine")
UNFED = ImageError("feed_loop", name="a")
_numbers = itertools.count(1)


@dataclass
class Settings:
    """What is chosen in OBS."""

    input: str = "video"  # or "file"
    sources: dict[str, str] = field(default_factory=lambda: {"video": "a", "camera": ""})
    erosion: int = 0
    zones: str = ""
    rate: int = 30
    are_valid: bool = True
    still: str = ""
    room: str = ""  # the photo of the empty room: that isn't in the settings, but is read with them

    @property
    def source(self) -> str:
        return self.sources.get(self.input, "")

    def copy(self) -> Settings:
        return Settings(**{**vars(self), "sources": dict(self.sources)})


@dataclass
class Running:
    """A process. orders: that it is at. unread: that are in its pipe."""

    number: int
    unread: list[dict[str, Any]]
    orders: dict[str, Any] | None = None
    hangs: bool = False
    is_well_known: bool = False
    saved: str = ""
    photographed: str = ""


@dataclass(eq=False)
class Client:
    """What starts a process again whenever it dies, until it is closed."""

    ordered: dict[str, Any] = field(default_factory=dict)
    running: Running | None = None
    is_closed: bool = False


@dataclass
class World:
    is_refused: bool = False  # whether no process can be started at all, as in a sandbox
    chosen: Settings = field(default_factory=Settings)  # in OBS
    read: Settings = field(default_factory=Settings)  # by the portrait
    client: Client | None = None
    clients: list[Client] = field(default_factory=list)
    posted: list[tuple[Client, str, tuple[Any, ...]]] = field(default_factory=list)
    there: set[str] = field(default_factory=lambda: set(SOURCES))
    picture: str = ""  # the source that the frame in OBS is of
    is_showing: bool = True
    hidden_since: float | None = None  # as of the looks
    is_hidden: bool = False  # for so long that it rests
    looked_at: int | None = None  # the process that ran at the last look
    device: str = ""
    device_told: str = ""
    now: float = 0.0
    disk_is_full: bool = False
    is_unfed: bool = False  # whether OBS sends nothing of its source
    pending: str = ""  # a still that was asked for,
    is_for_zones: bool = False  # to paint zones on
    painted_on: list[str] = field(default_factory=list)  # stills with a page
    stills: dict[str, str] = field(default_factory=dict)  # the source that each saved one is of
    told: list[CvmatteError] = field(default_factory=list)
    room_asked: str = ""  # a photo of the room that was asked for,
    even_so: bool = False  # also where somebody is in it,
    renews: bool = False  # or of the room as it is
    is_somebody_there: bool = False
    room_told: list[CvmatteError] = field(default_factory=list)
    rooms: dict[str, str] = field(default_factory=dict)  # the source that each photo is of
    is_frozen: bool = False
    good: dict[str, Any] = field(default_factory=dict)  # the last settings that can be
    has_refreshed: bool = False  # an open dialog, with what happened last

    def __post_init__(self) -> None:
        self.life = LiveLifecycle(self)

    # What live_view.py and portrait.py do

    def happens(self, event: Callable[..., None], *details: Any) -> None:
        before, self.has_refreshed = self.life.says, False
        event(*details)
        says = self.life.says
        assert self.has_refreshed or (before.key, str(before.error)) == (says.key, str(says.error))

    def begin(self) -> None:
        assert self.client is None
        self.client = Client()
        self.clients.append(self.client)
        self.looked_at, self.hidden_since, self.is_hidden = None, None, False
        if self.is_refused:
            self.post(self.client, "error_is", WorkerError("worker_in_sandbox", sandbox="flatpak"))

    def order(self, orders: dict[str, Any]) -> None:
        assert self.client is not None and orders != self.client.ordered
        self.client.ordered = orders
        if self.client.running is not None:
            self.client.running.unread.append(orders)

    def end(self) -> None:
        self.close()
        self.picture = ""

    def hide(self) -> None:
        assert self.life.is_blank and not self.is_frozen
        self.picture = ""

    def use_still(self, path: str) -> None:
        assert path == self.pending and self.stills[path] == self.read.source == self.chosen.source
        assert not self.is_for_zones
        self.pending = ""
        self.chosen.input, self.chosen.still = "file", path

    def paint_zones(self, path: str) -> None:
        assert path == self.pending and self.stills[path] == self.read.source and self.is_for_zones
        self.pending = ""
        self.painted_on.append(path)

    def keep_room(self, path: str) -> None:
        assert path == self.room_asked and self.rooms[path] == self.read.source
        self.room_asked, self.chosen.room = "", path

    def tell(self, error: CvmatteError) -> None:
        if error.key.startswith("room_") or not self.pending:
            assert self.room_asked  # once
            assert not error.key.startswith(("live_still", "live_zones"))
            self.room_asked = ""
            self.room_told.append(error)
            return
        assert not error.key.startswith("live_still" if self.is_for_zones else "live_zones")
        self.pending = ""
        self.told.append(error)

    def refresh(self) -> None:
        self.has_refreshed = True

    def close(self) -> None:
        assert self.client is not None
        self.client.is_closed, self.client = True, None
        self.is_frozen = self.is_hidden = False

    def catch_up(self) -> None:
        if self.chosen == self.read:
            return
        self.read = read = self.chosen.copy()
        if read.are_valid:
            self.good = {"erosion": read.erosion}
        before = self.client.ordered.get("source") if self.client is not None else None
        self.device_told = self.device
        if not read.source:
            self.happens(self.life.wants_nothing, "" if read.input == "file" else "state.no_video")
        elif not read.are_valid:
            self.happens(self.life.wants_the_impossible, IMPOSSIBLE, {"video": read.source})
        else:
            beside = read.rate, 100, self.device, read.zones, read.room
            wish = Wish({"video": read.source}, {"erosion": read.erosion}, *beside)
            self.happens(self.life.wants, wish)
        if before not in (None, {"video": read.source}):
            self.says_nothing_of_before()

    def says_nothing_of_before(self) -> None:
        says = self.life.says
        assert says.key not in ("live.state", "state.capture") and not says.key.startswith("state.room")
        assert says.error in (None, IMPOSSIBLE) or isinstance(says.error, WorkerError)

    def look(self, seconds: float) -> None:
        self.now += seconds
        self.catch_up()
        client = self.client
        if client is None:
            return
        if client.running is not None and client.running.hangs and seconds > 1:
            client.running = None
        self.looked_at = client.running.number if client.running is not None else None
        if self.is_showing:
            self.hidden_since = None
        elif self.hidden_since is None:
            self.hidden_since = self.now
        was_hidden, self.device_told = self.is_hidden, self.device
        self.happens(self.life.looks, self.is_showing, self.device, self.looked_at, self.now)
        self.is_hidden = self.hidden_since is not None and self.now - self.hidden_since > 1
        if was_hidden and not self.is_hidden:
            self.says_nothing_of_before()
        self.happens(self.life.feed_is, UNFED if self.is_unfed else None)

    def hear(self) -> None:
        """What was posted to the session's thread longest ago."""
        client, happens, details = self.posted.pop(0)
        if happens == "still_is":
            self.catch_up()
        if client is self.client:
            self.happens(getattr(self.life, happens), *details)

    def post(self, client: Client, happens: str, *details: Any) -> None:
        self.posted.append((client, happens, details))

    def take_still(self, for_zones: bool) -> None:
        self.catch_up()
        path, pending, told = f"still {next(_numbers)}", self.pending, len(self.told)
        self.pending = pending or path
        self.is_for_zones = self.is_for_zones if pending else for_zones
        self.happens(self.life.takes_still, path, for_zones)
        if self.client is None or self.is_hidden:  # or where it has an error, which another one may hide
            assert not self.pending
        assert len(self.told) == told + (not self.pending)
        assert self.pending in ("", pending or path)

    def photograph_room(self, even_so: bool, renews: bool) -> None:
        self.catch_up()
        path, asked, told = f"room {next(_numbers)}", self.room_asked, len(self.room_told)
        self.room_asked = asked or path
        if not asked:
            self.even_so, self.renews = even_so, renews
        self.happens(self.life.photographs_room, path, even_so, renews)
        if self.client is None or self.is_hidden:
            assert not self.room_asked
        assert len(self.room_told) == told + (not self.room_asked)
        assert self.room_asked in ("", asked or path)

    # The process

    def work(self, client: Client) -> None:
        """What it does next."""
        running = client.running
        if running is None:
            if not client.is_closed and not self.is_refused:
                client.running = Running(next(_numbers), [client.ordered] if client.ordered else [])
                self.post(client, "state_is", {}, client.running.number)
        elif client.is_closed:
            client.running = None
        elif not running.hangs:
            if running.unread:
                running.orders, running.unread = running.unread[-1], []
            if running.orders is not None and not running.orders["paused"]:
                self.cut_out(client, running, running.orders)

    def cut_out(self, client: Client, running: Running, orders: dict[str, Any]) -> None:
        source = orders["source"]["video"]
        if source not in self.there:
            return self.fail(client, ImageError("image_missing", name=source))
        if orders["still"] not in ("", running.saved):
            running.saved = orders["still"]
            if self.disk_is_full:
                return self.fail(client, OutputError("disk_full", folder="/"))
            self.stills[orders["still"]] = source
            self.post(client, "still_is", orders["still"])
        self.photograph(client, running, orders)
        shows = not self.life.is_frozen and not self.life.is_blank
        if shows and not client.is_closed:  # as live_view.py has it, on the client's thread
            assert client is self.client and not self.is_frozen
            self.picture = source
        if not running.is_well_known:
            running.is_well_known = True
            self.post(client, "error_is", None)
        figures = {"rate": 30, "lag": 10 * running.number, "source": source, "process": running.number}
        self.post(client, "state_is", figures, running.number)
        return None

    def photograph(self, client: Client, running: Running, orders: dict[str, Any]) -> None:
        path = orders["photograph_room"] or orders["renew_room"]
        if path in ("", running.photographed):
            return
        running.photographed = path
        is_refused = self.is_somebody_there and orders["photograph_room"] and not orders["even_so"]
        if not is_refused:
            self.rooms[path] = orders["source"]["video"]
        self.post(client, "room_is", path, ImageError("room_somebody") if is_refused else None)

    def fail(self, client: Client, error: CvmatteError) -> None:
        assert client.running is not None
        client.running.is_well_known = False
        self.post(client, "error_is", error)

    def rest(self) -> None:
        """Until nothing happens any more by itself; all goes well from here on."""
        self.disk_is_full = False
        for _ in range(6):
            self.look(4)
            for client in self.clients:
                self.work(client)
                self.work(client)
            while self.posted:
                self.hear()
        self.clients = [client for client in self.clients if client is self.client]


class Lives(RuleBasedStateMachine):
    """Everything that may happen, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @initialize(refused=strategies.sampled_from([False] * 9 + [True]), live=strategies.booleans())
    def begin(self, refused: bool, live: bool) -> None:
        self.world.is_refused = refused
        self.world.chosen.input = "video" if live else "file"
        self.world.read = Settings(input="none yet")
        self.world.catch_up()

    # The person

    @rule(chosen=strategies.sampled_from(["file", "video", "video", "camera"]), at_once=strategies.booleans())
    def choose_an_input(self, chosen: str, at_once: bool) -> None:
        self.world.chosen.input = chosen
        if at_once:
            self.world.catch_up()

    @rule(source=strategies.sampled_from(["", *SOURCES, *SOURCES]), at_once=strategies.booleans())
    def choose_a_source(self, source: str, at_once: bool) -> None:
        world = self.world
        if world.chosen.input != "file":
            world.chosen.sources[world.chosen.input] = source
        if at_once:
            world.catch_up()

    @rule(erosion=strategies.integers(0, 1), rate=strategies.sampled_from([15, 30]), at_once=strategies.booleans())
    def move_a_slider(self, erosion: int, rate: int, at_once: bool) -> None:
        self.world.chosen.erosion, self.world.chosen.rate = erosion, rate
        if at_once:
            self.world.catch_up()

    @rule(valid=strategies.booleans())
    def settings_that_can_not_be_or_can_again(self, valid: bool) -> None:
        self.world.chosen.are_valid = valid
        self.world.catch_up()

    @rule()
    def freeze(self) -> None:
        world = self.world
        world.is_frozen = world.client is not None and not world.is_frozen
        world.happens(world.life.freezes)
        assert world.life.is_frozen == world.is_frozen

    @rule(for_zones=strategies.booleans())
    def take_a_still(self, for_zones: bool) -> None:
        self.world.take_still(for_zones)

    @rule(even_so=strategies.booleans(), renews=strategies.sampled_from([False, False, True]))
    def photograph_the_room(self, even_so: bool, renews: bool) -> None:
        self.world.photograph_room(even_so, renews)

    @rule()
    def forget_the_room(self) -> None:
        self.world.chosen.room = ""

    @rule(somebody=strategies.booleans())
    def somebody_comes_or_leaves(self, somebody: bool) -> None:
        self.world.is_somebody_there = somebody

    @rule(zones=strategies.sampled_from(["", "painted"]), at_once=strategies.booleans())
    def paint(self, zones: str, at_once: bool) -> None:
        self.world.chosen.zones = zones
        if at_once:
            self.world.catch_up()

    @rule(showing=strategies.booleans())
    def hide_or_show(self, showing: bool) -> None:
        self.world.is_showing = showing

    @rule(device=strategies.sampled_from(["", "cuda"]))
    def choose_a_device(self, device: str) -> None:
        self.world.device = device

    @rule(seconds=strategies.sampled_from([0.1, 0.1, 0.6, 1.5, 9.0]))
    def look(self, seconds: float) -> None:
        self.world.look(seconds)

    @rule()
    def the_script_is_reloaded_or_the_source_replaced(self) -> None:
        world = self.world
        if world.client is not None:
            world.close()
        world.picture = ""  # a photo's life hides what was before it
        world.life, world.pending, world.room_asked = LiveLifecycle(world), "", ""
        world.chosen.are_valid, world.read = True, Settings(input="none yet")
        world.catch_up()

    # The source and the disk

    @rule(source=strategies.sampled_from(SOURCES), there=strategies.booleans())
    def a_source_goes_or_comes(self, source: str, there: bool) -> None:
        (self.world.there.add if there else self.world.there.discard)(source)

    @rule(full=strategies.booleans())
    def the_disk(self, full: bool) -> None:
        self.world.disk_is_full = full

    @rule(unfed=strategies.booleans())
    def obs_sends_frames_or_none(self, unfed: bool) -> None:
        self.world.is_unfed = unfed

    # The process

    @rule(data=strategies.data(), steps=strategies.integers(1, 4), heard=strategies.integers(0, 6))
    def processes_go_on(self, data: Any, steps: int, heard: int) -> None:
        world = self.world
        if world.clients:
            client = data.draw(strategies.sampled_from(world.clients))
            for _ in range(steps):
                world.work(client)
        for _ in range(min(heard, len(world.posted))):
            world.hear()

    @rule()
    def what_was_posted_is_heard(self) -> None:
        while self.world.posted:
            self.world.hear()

    @rule(how=strategies.sampled_from(["dies", "dies", "hangs", "fails", "keeps dying"]))
    def the_process(self, how: str) -> None:
        client = self.world.client
        if client is None or client.running is None:
            return
        if how == "hangs":
            client.running.hangs = True
        elif how == "fails" and client.running.orders is not None and not client.running.orders["paused"]:
            self.world.fail(client, WorkerError("internal"))
        elif how != "fails":
            client.running = None
            if how == "keeps dying":
                self.world.post(client, "error_is", WorkerError("live_ends"))

    @rule()
    def the_world_comes_to_rest(self) -> None:
        world = self.world
        world.rest()
        read, says = world.read, world.life.says
        assert not (world.pending or world.room_asked) or world.is_refused or says.error is not None
        if not read.source:
            assert says == Says("" if read.input == "file" else "state.no_video")
            assert world.client is None and not world.picture
        elif not read.are_valid:
            assert says.error is IMPOSSIBLE
        elif not world.is_showing:
            assert says.key == "live.hidden"
        elif world.is_unfed:
            assert says.error is UNFED
        elif world.is_refused:
            assert says.error is not None and says.error.key == "worker_in_sandbox"
        elif read.source not in world.there:
            assert says.error is not None and says.error.values["name"] == read.source
        elif world.is_frozen:
            assert says.key == "live.frozen"
        else:
            assert says.key == "live.state" and says.values["source"] == read.source, says
            assert world.life.lag == says.values["lag"]
        if read.source and world.client is not None and not world.is_refused:
            running = world.client.running
            assert running is not None and running.orders == world.client.ordered
            works = world.is_showing and read.source in world.there and not world.is_unfed
            assert not works or world.is_frozen or world.picture == read.source
        if world.is_unfed and not world.is_frozen:
            assert not world.picture  # nobody stays on the air

    def teardown(self) -> None:
        self.the_world_comes_to_rest()

    # What always holds

    @invariant()
    def figures_are_the_present_process_s(self) -> None:
        says = self.world.life.says
        if says.key == "live.state":
            assert says.values["process"] == self.world.looked_at
        lag = self.world.life.lag
        assert lag is None or (says.key == "live.state" and lag == 10 * (self.world.looked_at or 0))

    @invariant()
    def the_process_is_told_what_is_wished(self) -> None:
        world, read = self.world, self.world.read
        is_live = bool(read.source) and (read.are_valid or world.client is not None)
        assert (world.client is not None) == is_live
        if world.client is None:
            return
        ordered = world.client.ordered
        assert ordered["source"] == {"video": read.source}
        assert ordered["settings"] == world.good
        assert (ordered["paused"], ordered["still"]) == (world.is_hidden, world.pending)
        if read.are_valid:
            wished = ordered["rate"], ordered["device"], ordered["zones"], ordered["room"]
            assert wished == (read.rate, world.device_told, read.zones, read.room)
        asked = ordered["photograph_room"], ordered["renew_room"]
        if ordered["countdown"]:
            assert world.room_asked and not any(asked) and not world.renews
        else:
            assert asked == (("", world.room_asked) if world.renews else (world.room_asked, ""))
        assert not world.room_asked or ordered["even_so"] == (world.even_so and not world.renews)

    @invariant()
    def what_was_ended_shows_nothing(self) -> None:
        assert sum(not client.is_closed for client in self.world.clients) <= 1
        assert self.world.client is not None or not self.world.picture or not self.world.read.source


Lives.TestCase.settings = settings(max_examples=SEQUENCES, stateful_step_count=STEPS, deadline=None, database=None)
TestLives = Lives.TestCase


def test_a_countdown_shows_each_number_in_the_picture_and_in_open_properties() -> None:
    actions = Mock()
    life = LiveLifecycle(actions)
    life.wants(Wish({"video": "a"}, {}, 30, 100, ""))
    life.photographs_room("room.png")
    numbers, refreshes = [], []
    for tenths in range(105):
        actions.refresh.reset_mock()
        life.looks(True, "", None, tenths / 10)
        numbers.append(actions.order.call_args.args[0]["countdown"])
        refreshes.append(actions.refresh.called)
    assert sorted(set(numbers), reverse=True) == list(range(10, -1, -1)) and numbers[0] == 10
    assert sum(refreshes) == 10
    assert actions.order.call_args.args[0]["photograph_room"] == "room.png"
    assert life.says.key == "state.room"


def test_one_slow_second_is_no_lag() -> None:
    life = LiveLifecycle(Mock())
    life.wants(Wish({"video": "a"}, {}, 30, 100, ""))
    for lag in (810, 144, 90, 138, 141):
        life.state_is({"lag": lag}, None)
        assert life.lag is None  # it hasn't settled
    life.state_is({"lag": 146}, None)
    assert life.lag == life.says.values["lag"] == 140
    for _ in range(4):
        life.state_is({"lag": 252}, None)
    assert life.lag == 250
    life.freezes()
    assert life.lag is None
    life.freezes()
    assert life.lag == 250
