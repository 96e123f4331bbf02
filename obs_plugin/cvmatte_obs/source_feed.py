"""What live portraits see of OBS's other sources: which is sent to which process, in what size, and why one isn't.

On the session's thread, but for `Feeds.stop`. mixes.py does in OBS what is decided here.
"""

from __future__ import annotations

import contextlib
import time
from typing import Callable, Iterator, Mapping

from cvmatte_core.localization.errors import CvmatteError, ImageError

from . import libobs, scene_tree, scenes
from .layers import WeakSource
from .mixes import Mix, Sending, size_for

_LONGEST_SIDE = 4096  # pixels; more a frame than a computer sends 30 times a second beside all else
_LOOK_SECONDS = 0.1  # between two looks at a source's size
_SEARCH_SECONDS = 0.5  # and at what it shows, or for one that is missing: by then, one that just goes is gone
_PATIENCE_SECONDS = 3.0  # for a camera that is still starting
_RETRY_SECONDS = 2.5  # after a sending has ended, where the process doesn't listen anew before
_LONGEST_RETRY_SECONDS = 60.0  # where more have failed than is said: OBS keeps 16 MB of addresses of each that it began
_TRIES = 5  # that may fail so before it is said: longer than a process that hangs is left alone
_ENDING_SECONDS, _ENDING_LOOK_SECONDS = 4.0, 0.02  # that OBS waits at most for sendings to end, at its own end
_MOST_BEHIND = 2.0  # seconds' worth of frames that OBS may keep because the process doesn't take them

_MISSING, _EMPTY, _LOOP, _REFUSED = "still_source_missing", "still_no_picture", "feed_loop", "feed_refused"


def layer_size(base: tuple[int, int], longest: int) -> tuple[int, int]:
    """Of a whole picture of a source of that size. longest: see SourceFeed.wants."""
    return size_for(*base, min(longest or _LONGEST_SIDE, _LONGEST_SIDE))


class Feeds:
    """Those of all portraits. What several see of one source in one size is drawn and read back once."""

    def __init__(self, watched: Callable[[], Mapping[str, str]]) -> None:
        """watched: by the name of each portrait that watches a source of OBS, that source's."""
        self.watched = watched
        self._mixes: list[Mix] = []
        self._ending: list[Sending] = []
        self._feeds: list[SourceFeed] = []

    def add(self, feed: SourceFeed) -> None:
        self._feeds.append(feed)

    def drop(self, feed: SourceFeed) -> None:
        self._feeds.remove(feed)

    def size(self, name: str, base: tuple[int, int]) -> tuple[int, int]:
        """In what size a source's picture is sent: as whoever wants the largest wants it."""
        longest = max((feed.longest for feed in self._feeds if feed.is_wanted and feed.name == name), default=1)
        return layer_size(base, longest)

    def mix(self, source: int, base: tuple[int, int], size: tuple[int, int]) -> Mix:
        """Of a source whose own size is `base`, in this size. Raises OSError."""
        self._mixes = [mix for mix in self._mixes if mix.is_used]
        for mix in self._mixes:
            if (mix.base, mix.size) == (base, size) and mix.shows(source):
                return mix
        made = Mix(source, base, size)
        self._mixes.append(made)
        return made

    def let_go_for_a_moment(self, watched: _Watched) -> None:
        """Of a source that is in no scene: where nobody else holds it, a person has removed it, and it goes. OBS's
        audio mixer holds one that counts as active. For the moment its picture is black, which the process takes for
        none.
        """
        with watched.alive() as source:
            showing = [mix for mix in self._mixes if mix.is_used and mix.shows(source)] if source else []
            for mix in showing:
                mix.show(None)
        with watched.alive() as source:
            for mix in showing if source else ():
                mix.show(source)

    def end(self, sending: Sending) -> None:
        """It was stopped, or nobody reads it any more: let go of it as soon as that can be."""
        self._ending.append(sending)
        self.tidy()

    def tidy(self) -> None:
        self._ending = [sending for sending in self._ending if not sending.release()]

    def stop(self) -> None:
        """Have nothing in OBS, which clears its scenes or changes its profile: GATE is shut. Or the session ends."""
        for feed in self._feeds:
            libobs.guarded(feed.stop)
        until = time.monotonic() + _ENDING_SECONDS
        while self._ending and time.monotonic() < until:
            self.tidy()
            time.sleep(_ENDING_LOOK_SECONDS if self._ending else 0)


class SourceFeed:
    """One portrait's."""

    def __init__(self, feeds: Feeds) -> None:
        self._feeds = feeds
        self.name = ""  # of the source that is watched; empty for none
        self.longest = 0  # pixels of its longer side that the portrait's layer has at most
        self.is_wanted = False  # whether the process takes frames
        self._address, self._try_at = "", 0.0  # where a process waits for frames, and from when on it gets some
        self._tries = 0  # to send to it that have ended
        self._sending: Sending | None = None
        self._watched = _Watched()
        self._forget()
        feeds.add(self)

    def _forget(self) -> None:
        self._error: CvmatteError | None = None
        self._is_loop, self._is_in_scene = False, True  # of the source that is watched, as of the last check
        self._look_at = self._search_at = self._check_at = 0.0
        self._empty_since: float | None = None
        self._base = 0, 0  # the source's size as of the last look: while a window is drawn larger it changes at each

    def wants(self, name: str, longest: int = 0) -> None:
        """name: of the source to watch; empty for none. longest: 0 for the source's own size."""
        if name != self.name:
            self.stop()
            self._forget()
        self.name, self.longest = name, longest or _LONGEST_SIDE

    def is_watched(self, wanted: bool) -> None:
        """Whether the process takes frames: not while the portrait is hidden."""
        if wanted and not self.is_wanted:
            self._search_at = 0.0
        self.is_wanted = wanted
        if not wanted:
            self.stop()

    def listens(self, port: int, secret: str) -> None:
        """A process waits for frames there, and has none now; see cvmatte_core/live/obs_frames.py."""
        sending, self._sending = self._sending, None
        if sending is not None:  # to a process before, or to this one, which has hung up
            sending.hung_up()
            self._feeds.end(sending)
        self._address, self._try_at, self._tries = f"http://127.0.0.1:{port}/{secret}", 0.0, 0

    def look(self, own: int) -> CvmatteError | None:
        """See to it that frames come. own: the portrait's source. Why they don't; None where they do, or soon will."""
        self._feeds.tidy()
        if not self.name:
            return None
        now = time.monotonic()
        if self.is_wanted and now >= self._look_at:
            self._look_at = now + _LOOK_SECONDS
            self._error = self._seen(own, now)
            if self._error is not None and self._error.key != _REFUSED:
                self._hang_up()
        elif not self.is_wanted and now >= self._search_at:  # so that nobody shows up again whose source has gone
            self._search_at = now + _SEARCH_SECONDS
            with scenes.source_named(self.name) as source:
                self._error = None if source else ImageError(_MISSING, name=self.name)
        return self._error

    def stop(self) -> None:
        """Have nothing in OBS."""
        self._hang_up()
        self._watched.let_go()

    def close(self) -> None:
        self.wants("")
        self._feeds.drop(self)

    def _hang_up(self) -> None:
        sending, self._sending = self._sending, None
        if sending is not None:
            sending.stop()
            self._feeds.end(sending)
            self._try_later()  # the process has seen that, and soon listens anew; else it wasn't reached

    def _try_later(self) -> None:
        self._tries += 1
        seconds = min(_RETRY_SECONDS * max(1, self._tries - _TRIES), _LONGEST_RETRY_SECONDS)
        self._try_at = time.monotonic() + seconds

    def _seen(self, own: int, now: float) -> CvmatteError | None:
        if now >= self._check_at:
            self._check_at = now + _SEARCH_SECONDS
            self._check(own)
        with self._watched.alive() as source:
            if source:
                return self._watch(source, own, now)
        self._hang_up()  # at once: what is drawn of it now is black
        if now >= self._search_at:
            self._search_at = now + _SEARCH_SECONDS
            if not self._watched.find(self.name):  # one that was just removed may still be found
                return ImageError(_MISSING, name=self.name)
        return self._error

    def _check(self, own: int) -> None:
        self._is_loop = self._leads_to(libobs.source_name(own))
        with self._watched.alive() as source:
            self._is_in_scene = not source or scenes.is_scene_or_in_one(libobs.source_name(source))
        if not self._is_in_scene:
            self._feeds.let_go_for_a_moment(self._watched)

    def _watch(self, source: int, own: int, now: float) -> CvmatteError | None:
        if self._is_loop:
            return ImageError(_LOOP, name=self.name)
        self._watched.count(source, as_active=self._is_in_scene and bool(libobs.obs_source_active(own)))
        base = libobs.obs_source_get_width(source), libobs.obs_source_get_height(source)
        if all(base):
            self._empty_since = None
            return self._send(source, base, now)
        self._empty_since = now if self._empty_since is None else self._empty_since
        is_long = now - self._empty_since > _PATIENCE_SECONDS
        return ImageError(_EMPTY, name=self.name) if is_long else None

    def _leads_to(self, own_name: str) -> bool:
        return scene_tree.leads_to(self.name, own_name, scenes.shown_in, self._feeds.watched())

    def _send(self, source: int, base: tuple[int, int], now: float) -> CvmatteError | None:
        size, sending = self._feeds.size(self.name, base), self._sending
        is_settled, self._base = base == self._base, base
        if sending is not None:
            mix = sending.mix
            as_wanted = (mix.base, mix.size) == (base, size) and mix.shows(source)
            is_taken = not sending.is_over and sending.behind < _MOST_BEHIND * mix.rate
            if is_taken and (as_wanted or not is_settled):
                return None
            self._hang_up()
        elif self._address and now >= self._try_at:
            try:
                mix = self._feeds.mix(source, base, size)
                self._sending = Sending(mix, f"CVMatte: {self.name}", self._address)
            except OSError as error:
                libobs.log(libobs.LOG_WARNING, f"{self.name} can't be sent: {error}")
                self._try_later()
        return ImageError(_REFUSED, name=self.name) if self._tries >= _TRIES else None


class _Watched:
    """A source that counts as shown for our sake: so a camera that sleeps while nobody shows it wakes up. Where the
    portrait is on air, it counts so too: or a video that is in no scene would stand still.
    """

    def __init__(self) -> None:
        self._source = WeakSource()
        self._counts = self._counts_as_active = False

    @contextlib.contextmanager
    def alive(self) -> Iterator[int | None]:
        """The source, kept alive for the block; None where it is gone, or was removed."""
        with self._source.alive() as source:
            yield None if not source or libobs.obs_source_removed(source) else source

    def find(self, name: str) -> bool:
        """Keep to the source of that name; whether there is one."""
        self.let_go()
        found = libobs.source_named(name)
        self._source = WeakSource(found)
        libobs.obs_source_release(found)
        return bool(found)

    def count(self, source: int, as_active: bool) -> None:
        if not self._counts:
            libobs.obs_source_inc_showing(source)
            self._counts = True
        if as_active != self._counts_as_active:
            (libobs.obs_source_inc_active if as_active else libobs.obs_source_dec_active)(source)
            self._counts_as_active = as_active

    def let_go(self) -> None:
        with self._source.alive() as source:
            if source and self._counts_as_active:
                libobs.obs_source_dec_active(source)
            if source and self._counts:
                libobs.obs_source_dec_showing(source)
        self._counts = self._counts_as_active = False
        self._source.close()
