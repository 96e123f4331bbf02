"""What a live picture's lag makes of a sync offset, and what undoes that. No libobs here."""

from __future__ import annotations

from dataclasses import dataclass

_MILLISECOND = 1_000_000  # libobs counts nanoseconds
_HIGHEST = 20_000 * _MILLISECOND  # that Advanced Audio Properties have
_STEP = 10  # milliseconds


@dataclass(frozen=True)
class SyncOffset:
    """Of a source with sound, in nanoseconds.

    now: what OBS has. before, ours: where it was set here, what stood there until then, and what it was set to.
    """

    now: int
    before: int | None = None
    ours: int | None = None

    @property
    def own(self) -> int:
        """The person's, which a lag is added to: pressing twice adds nothing."""
        return self.now if self.before is None else self.before

    @property
    def is_changed(self) -> bool:
        """Whether somebody has changed it since it was set here."""
        return self.before is not None and self.now != self.ours

    def with_lag(self, lag: int) -> SyncOffset:
        """lag: in milliseconds."""
        wanted = min(self.own + lag * _MILLISECOND, _HIGHEST)
        return SyncOffset(wanted, self.own, wanted)

    def put_back(self) -> SyncOffset:
        """As it was; or as it is, where somebody has changed it since: that is theirs, and nothing is set here."""
        return SyncOffset(self.now if self.is_changed else self.own)


def known(now: int, before: int, ours: int) -> SyncOffset:
    """From what was kept: nothing is set here any more where somebody has put it back by hand."""
    return SyncOffset(now, before, ours) if now != before else SyncOffset(now)


def steady(lag: int | None, before: int | None) -> int | None:
    """What a lag of so many milliseconds is said to be, where `before` was said: one can read it, and press."""
    if lag is None:
        return None
    if before is not None and abs(lag - before) <= _STEP:
        return before
    return round(lag / _STEP) * _STEP


def milliseconds(offset: int) -> int:
    return round(offset / _MILLISECOND)
