"""The clips that an empty room is measured with, on a data set made here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from development import evaluate_clips, room_clips, room_evening
from development.room_scenes import FURNITURE, HELD, PASSING, TUNED

from tests.core.test_evaluate import composite_set

CONDITIONS = ("nothing", "compressed", HELD, FURNITURE, PASSING)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return composite_set(tmp_path_factory.mktemp("clips"))


def test_clips_keep_to_their_truth(dataset: Path) -> None:
    found = list(room_clips.clips(dataset, TUNED, CONDITIONS, every=3))
    assert [clip.condition for clip in found] == list(CONDITIONS)
    seen: set[str] = set()
    for clip in found:
        (shot,) = clip.stage.shots([1.0])
        assert shot.picture.shape == (*shot.alpha.shape, 3) == shot.colours.shape
        away = (shot.picture / np.float32(255) - shot.colours)[shot.alpha > 0.999]
        assert np.abs(away.mean(axis=0)).max() < 0.02  # but for noise and compression
        for name, part in shot.parts.items():
            assert (shot.alpha[part] > 0.5).all() if name == HELD else (shot.alpha[part] < 0.02).all()
        seen |= {name for name, part in shot.parts.items() if part.any()}
        if clip.condition == "nothing":  # but for a light that is a little other
            assert np.abs(shot.picture.astype(float) - clip.rooms[""])[shot.alpha == 0].mean() < 0.08 * 255
            assert set(clip.rooms) == {"", "other", "moved"}
    assert seen == {HELD, FURNITURE, PASSING}


def test_a_thing_is_held_while_its_person_moves_and_all_is_the_same_each_time(dataset: Path) -> None:
    (clip,), (again,) = (room_clips.clips(dataset, TUNED, [HELD], every=3) for _ in range(2))
    first, last = clip.stage.shots([0.0, 1.0])
    places = [np.argwhere(shot.parts[HELD]) for shot in (first, last)]
    assert len(places[1]) == pytest.approx(len(places[0]), rel=0.3)
    assert places[1].mean(axis=0)[1] > places[0].mean(axis=0)[1] + 20
    (alone,) = again.stage.shots([1.0])
    assert np.array_equal(last.picture, alone.picture)
    assert all(np.array_equal(clip.rooms[name], again.rooms[name]) for name in clip.rooms)


def test_an_evening_is_seen_a_frame_at_a_time(dataset: Path) -> None:
    evening = room_evening.evening(dataset, TUNED, 600, 5)
    early, late = evening.stage.shots([60, 540])
    (again,) = evening.stage.shots([540])
    assert np.array_equal(late.picture, again.picture)
    assert early.parts.keys() == {HELD}
    assert late.parts[room_evening.PUT_DOWN].any()
    # Not only brighter or darker: the lamp stands elsewhere than the window, and is warmer.
    change = (late.picture.astype(float) + 1) / (early.picture + 1)
    assert change[:, -60:].mean() > 1.1 * change[:, :60].mean()
    assert change[..., 0].mean() > 1.1 * change[..., 2].mean()


def test_clips_with_an_empty_room_are_measured(
    dataset: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_clips, "FRAMES", 6)
    arguments = [str(dataset), "--quality", "fast"]
    assert evaluate_clips.main([*arguments, "--room", TUNED, "--every", "3", "--only", FURNITURE]) == 0
    told = capsys.readouterr().out
    assert "| furniture | 1 |" in told and "of 6 |" in told
    assert evaluate_clips.main([*arguments, "--evening", "--minutes", "0.1", "--rate", "0.5"]) == 0
    assert "lamp on" in capsys.readouterr().out
