"""The state in a portrait's properties: what there is room for."""

from __future__ import annotations

import pytest
from cvmatte_obs import state_line

SENTENCE = "IMG_20240512.png is damaged or incomplete: save or export it again, or choose another photo."
KEPT = f"{SENTENCE} The last good layer stays."


@pytest.mark.parametrize("state", ["", "Ready: 512 × 512, 0.5 s.", KEPT, "字" * 70])
def test_usual_states_are_shown_whole(state: str) -> None:
    assert state_line.shortened(state, "") == [state]


def test_longer_ones_end_at_a_word() -> None:
    (shown,) = state_line.shortened(f"{KEPT} And so on and so forth, for as long as anybody reads.", "")
    assert shown.startswith(KEPT) and shown.endswith("…") and len(shown) <= 140
    assert state_line.shortened("字" * 71, "") == ["字" * 69 + "…"]
    assert state_line.shortened("/" + "x" * 300, "") == ["/" + "x" * 138 + "…"]


def test_a_note_has_a_line_of_its_own() -> None:
    state, note = state_line.shortened(KEPT, "Saved the preset Mine.")
    assert len(state) <= 70 and state.endswith("…") and note == "Saved the preset Mine."


@pytest.mark.parametrize("lines", [["Ready."], [KEPT], ["Ready.", "Saved."], [""]])
def test_all_are_as_high(lines: list[str]) -> None:
    for is_error in (False, True):
        assert "<td>&nbsp;<br>&nbsp;</td>" in state_line.rich_text(lines, is_error)


def test_a_name_that_looks_like_a_tag_is_a_name() -> None:
    assert "&lt;b&gt;" in state_line.rich_text(["<b>.png"], is_error=True)
    assert "&lt;b&gt;" in state_line.rich_text(["<b>.png"], is_error=False, lines_of_room=0)
