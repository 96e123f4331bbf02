"""The choice whether dialogs show what is rarely needed, from one OBS to the next."""

from __future__ import annotations

from pathlib import Path

import pytest
from cvmatte_obs.more_controls import MoreControls


def test_it_is_off_until_somebody_chooses_it_and_then_stays_as_chosen(tmp_path: Path) -> None:
    file = tmp_path / "dialog.json"
    for chosen in (True, False):
        choice = MoreControls(file)
        choice.read()
        assert choice.is_on is not chosen
        choice.is_on = chosen
        choice.keep()
    read_again = MoreControls(file)
    read_again.read()
    assert not read_again.is_on


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"more_controls": "yes"}', "[" * 10_000])
def test_a_file_that_says_nothing_counts_as_off(tmp_path: Path, content: str) -> None:
    file = tmp_path / "dialog.json"
    file.write_text(content)
    choice = MoreControls(file)
    choice.read()
    assert not choice.is_on
