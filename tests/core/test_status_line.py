"""The state in a portrait's properties: what there is room for."""

from __future__ import annotations

import pytest
from cvmatte_obs import status_line

SENTENCE = "IMG_20240512.png is damaged or incomplete: save or export it again, or choose another photo."
KEPT = f"{SENTENCE} The last good layer stays."


@pytest.mark.parametrize("state", ["", "Ready: 512 × 512, 0.5 s.", "x" * 68, "字" * 34])
def test_usual_states_are_shown_whole(state: str) -> None:
    assert status_line.line(state, "") == (state, True)


@pytest.mark.parametrize("state", [KEPT, "字" * 35, "x" * 300])
def test_longer_ones_end_in_dots(state: str) -> None:
    shown, is_all = status_line.line(state, "")
    assert not is_all and shown.endswith("…") and state.startswith(shown[:-1])
    assert len(shown) <= 68 and "\n" not in shown
    assert "".join(status_line.all_lines(state, "")).replace(" ", "") == state.replace(" ", "")


def test_what_a_button_has_to_say_goes_before() -> None:
    assert status_line.line("", "Saved.") == ("Saved.", True)
    assert status_line.line("Ready.", "Saved.") == ("Saved.", False)
    assert status_line.all_lines("Ready.", "Saved.") == ["Ready.", "Saved."]


@pytest.mark.parametrize("state", ["", "Ready.", KEPT, KEPT * 3])
def test_all_are_as_high(state: str) -> None:
    for is_error in (False, True):
        shown, _ = status_line.line(state, "")
        assert "<br>" not in status_line.rich_text([shown], is_error)


def test_a_name_that_looks_like_a_tag_is_a_name() -> None:
    assert "&lt;b&gt;" in status_line.rich_text(["<b>.png"], is_error=True)
