"""A portrait that would cut out a picture of itself is told apart."""

from __future__ import annotations

import pytest
from cvmatte_obs.scene_tree import leads_to

SCENES = {"A": ["webcam", "me", "group"], "B": ["A"], "group": ["logo"], "C": ["you", "webcam"], "itself": ["itself"]}


@pytest.mark.parametrize(
    ("name", "watched", "expected"),
    [
        ("webcam", {}, False),
        ("A", {}, True),
        ("B", {}, True),  # a scene in a scene
        ("C", {}, False),
        ("me", {}, True),
        ("C", {"you": "A", "me": "C"}, True),  # by way of another portrait
        ("C", {"you": "webcam"}, False),
        ("itself", {}, False),  # what OBS would never have
        ("none", {}, False),
    ],
)
def test_loops(name: str, watched: dict[str, str], expected: bool) -> None:
    assert leads_to(name, "me", lambda one: SCENES.get(one, []), watched) == expected
