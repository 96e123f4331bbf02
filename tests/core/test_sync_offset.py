"""What a picture's lag makes of a microphone's sync offset: nothing adds up, and nothing of the person's is lost."""

from __future__ import annotations

import pytest
from cvmatte_obs.sync_offset import SyncOffset, known, milliseconds, steady

MS = 1_000_000


@pytest.mark.parametrize("own", [0, 200 * MS, -50 * MS])
def test_pressing_twice_adds_nothing(own: int) -> None:
    once = SyncOffset(own).with_lag(140)
    assert once.now == own + 140 * MS
    assert once.with_lag(140) == once
    assert once.with_lag(90).now == own + 90 * MS
    assert once.with_lag(90).put_back() == SyncOffset(own)


def test_what_somebody_changed_since_is_left_and_theirs() -> None:
    changed = known(150 * MS, before=20 * MS, ours=160 * MS)
    assert changed.is_changed
    assert changed.with_lag(140).now == 160 * MS  # as the button says
    left = changed.put_back()
    assert left == SyncOffset(150 * MS) and left.own == 150 * MS


def test_what_was_put_back_by_hand_is_as_if_never_set() -> None:
    assert known(20 * MS, before=20 * MS, ours=160 * MS) == SyncOffset(20 * MS)


def test_it_stays_within_what_obs_shows() -> None:
    assert milliseconds(SyncOffset(19_950 * MS).with_lag(140).now) == 20_000


def test_a_lag_is_said_in_tens_and_moves_only_with_more_than_one() -> None:
    said: list[int | None] = []
    for lag in (143, 150, 133, 148, 151, 162, 152, None, 152, 300):
        said.append(steady(lag, said[-1] if said else None))
    assert said == [140, 140, 140, 140, 150, 160, 160, None, 150, 300]
