"""The state in a portrait's properties: what there is room for."""

from __future__ import annotations

import pytest
from cvmatte_obs import status_line

SENTENCE = "IMG_20240512.png is damaged or incomplete: save or export it again, or choose another photo."
KEPT = f"{SENTENCE} The last good layer stays."


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        ("", ["", ""]),
        ("Ready: 512 × 512, 0.5 s.", ["Ready: 512 × 512, 0.5 s.", ""]),
        (
            KEPT,
            [
                "IMG_20240512.png is damaged or incomplete: save or export it again,",
                "or choose another photo. The last good layer stays.",
            ],
        ),
        ("字" * 68, ["字" * 34, "字" * 34]),
    ],
)
def test_usual_states_are_shown_whole(state: str, shown: list[str]) -> None:
    assert status_line.lines(state, "") == (shown, True)


@pytest.mark.parametrize("state", [f"{KEPT} And so on and so forth, for as long as one reads.", "字" * 69, "x" * 300])
def test_longer_ones_end_in_dots(state: str) -> None:
    (first, second), is_all = status_line.lines(state, "")
    assert not is_all and second.endswith("…") and state.startswith(first)
    assert max(len(first), len(second)) <= 68
    assert "".join(status_line.all_lines(state, "")).replace(" ", "") == state.replace(" ", "")


def test_a_note_has_a_line_of_its_own() -> None:
    assert status_line.lines("Ready.", "Saved.") == (["Ready.", "Saved."], True)
    (state, note), is_all = status_line.lines(KEPT, "Saved the preset Mine.")
    assert state.endswith("…") and note == "Saved the preset Mine." and not is_all


@pytest.mark.parametrize("state", ["", "Ready.", KEPT, KEPT * 3])
def test_all_are_as_high(state: str) -> None:
    for is_error in (False, True):
        shown, _ = status_line.lines(state, "")
        assert status_line.rich_text(shown, is_error).count("<br>") == 1


def test_a_name_that_looks_like_a_tag_is_a_name() -> None:
    assert "&lt;b&gt;" in status_line.rich_text(["<b>.png"], is_error=True)
