"""What is told of a live picture once a second, and the sentence that a person reads."""

from __future__ import annotations

from typing import Any

import pytest
from cvmatte_obs import status_line

from cvmatte_core.live import figures
from cvmatte_core.live.figures import Figures
from cvmatte_core.localization.texts import LANGUAGES, Texts

LAG = 0.05


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    ticking = Clock()
    monkeypatch.setattr(figures.time, "monotonic", ticking.monotonic)
    return ticking


def second(told: Figures, clock: Clock, rate: int, moving: int) -> dict[str, Any]:
    """The figures after one of so many frames, of which the first so many moved; the others were held."""
    for number in range(rate):
        clock.now += 1 / rate + 1e-6
        told.count(LAG if number < moving else None, number < moving)
    found = told.due()
    assert found is not None
    return found


def test_the_first_frame_takes_longer_and_counts_for_nothing(clock: Clock) -> None:
    told = Figures()
    clock.now += 5
    assert told.due() is None  # not even one
    told.count(3.0, True)
    assert told.due() is None
    found = second(told, clock, 30, 30)
    assert (found["rate"], found["cut"], found["lag"], found["rests"]) == (30, 30, 50, False)


def test_it_rests_after_a_second_in_which_nothing_moved(clock: Clock) -> None:
    told = Figures()
    told.count(LAG, True)
    assert not second(told, clock, 30, 1)["rests"]
    assert second(told, clock, 30, 0)["rests"]
    assert not second(told, clock, 30, 1)["rests"]


def test_that_no_frame_comes_is_told_too(clock: Clock) -> None:
    told = Figures()
    told.count(LAG, True)
    clock.now += 1
    found = told.due()
    assert found is not None and (found["rate"], found["lag"], found["rests"]) == (0, 50, False)
    clock.now += 0.5
    assert told.due() is None
    clock.now += 0.5
    over = told.due(is_over=True)
    assert over is not None and over["rests"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_sentence_has_room_in_every_language(language: str) -> None:
    texts = Texts(language)
    keys = ["live.rate", "live.rests", *texts.starting("live.late.")]
    sentences = [texts(key, rate=29, wanted=60) for key in keys]
    assert len(set(sentences)) == 6
    assert [status_line.line(sentence, "") for sentence in sentences] == [(sentence, True) for sentence in sentences]
