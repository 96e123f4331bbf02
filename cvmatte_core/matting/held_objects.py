"""What people hold: which of the things that a general network sees beside them are in front of them, and theirs."""

from __future__ import annotations

import cv2
import numpy as np

from ..image import geometry

# Lengths are pixels of a picture whose longer side has so many.
_SIDE = 512
_FIRM = 0.5  # alpha of what is a person, or a thing
_THIN = 3  # what is no wider than twice this along a person's outline is where the two networks draw it differently
_REACH, _SLACK = 12, 5  # over which a turn of an outline is measured, and how far from a junction it may lie
_LEAST, _MOST = 1 / 300, 0.6  # of the people's area: a thing's own
_CONTACT = 0.06  # of a thing's outline, that lies along the people
_ENCLOSED = 0.9  # of a thing's outline: there is no junction, and it is a hole that the people's network left
_WRAPPED = 0.35  # of its area: how much of the people lies within a thing's convex hull. A sofa has them in its midst.


def join(people: np.ndarray, things: np.ndarray) -> np.ndarray:
    """People's alpha with what they hold: what touches them and stands in front, never what merely is behind them.

    people: alpha of a network that sees people. things: alpha of one that sees whatever is striking, of the same
    picture. Both float32 in 0..1, shape (H, W); the same returned. Nothing of `people` is taken away.

    Of two things that touch, the nearer one's outline goes on smoothly where the other's ends (a T-junction: Guzmán,
    Decomposition of a Visual Scene into Three-Dimensional Bodies, 1968). So at both ends of the stretch that a thing
    shares with a person the turns of the two outlines are compared.
    """
    small_people, small_things = geometry.reduced(people, _SIDE), geometry.reduced(things, _SIDE)
    body = (small_people > _FIRM).view(np.uint8)
    beside = ((small_things > _FIRM) & (body == 0)).view(np.uint8)
    thing = cv2.morphologyEx(beside, cv2.MORPH_OPEN, _disc(_THIN))
    count, labels, parts, _ = cv2.connectedComponentsWithStats(thing, connectivity=4)
    area = int(body.sum())
    held = np.zeros_like(body)
    for number in range(1, count):
        if _LEAST * area <= parts[number, cv2.CC_STAT_AREA] <= _MOST * area:
            mask = (labels == number).view(np.uint8)
            if _is_held(mask, body):
                held |= mask
    if not held.any():
        return people
    # As far as the things' own soft edge, and over the gap between the two networks' outlines.
    near = cv2.dilate(held, _disc(2 * _THIN)).astype(np.float32)
    return np.maximum(people, things * cv2.resize(near, people.shape[::-1], interpolation=cv2.INTER_LINEAR))


def _is_held(thing: np.ndarray, body: np.ndarray) -> bool:
    """Whether a connected thing is in front of people. Both uint8, shape (H, W), 1 where they are."""
    outlines, _ = cv2.findContours(thing, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(outlines, key=len)[:, 0]
    around = cv2.dilate(body, np.ones((2 * _THIN + 1, 2 * _THIN + 1), np.uint8))
    shared = around[outline[:, 1], outline[:, 0]] > 0
    contact = float(shared.mean())
    hull = np.zeros_like(body)
    cv2.fillConvexPoly(hull, cv2.convexHull(outline), 1)
    if contact < _CONTACT or int((hull & body).sum()) > _WRAPPED * thing.sum():
        return False
    return contact >= _ENCLOSED or _is_behind(body, outline, shared)


def _is_behind(body: np.ndarray, outline: np.ndarray, shared: np.ndarray) -> bool:
    """Whether people are behind the thing of this outline, as the junctions tell."""
    bodies, _ = cv2.findContours(body, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    lines = outline.astype(np.float32), max(bodies, key=len)[:, 0].astype(np.float32)
    height, width = body.shape
    turns = []
    for x, y in outline[_ends(shared)]:
        if min(x, y, width - 1 - x, height - 1 - y) < _THIN + 2:  # where a picture ends, every outline turns
            continue
        of_thing, of_body = (_turn_near(line, np.array([x, y])) for line in lines)
        if of_thing is not None and of_body is not None:
            turns.append(of_body - of_thing)
    return sum(turns) > 0


def _ends(shared: np.ndarray) -> np.ndarray:
    """The places along a closed outline where a shared stretch begins or ends; short gaps and touches don't count."""
    window = np.ones(2 * _SLACK + 1) / (2 * _SLACK + 1)
    mostly = np.convolve(np.take(shared, range(-_SLACK, len(shared) + _SLACK), mode="wrap"), window, "valid") > 0.5
    return np.flatnonzero(mostly != np.roll(mostly, 1))


def _turn_near(outline: np.ndarray, point: np.ndarray) -> float | None:
    """By how many degrees a closed outline, shape (N, 2), turns at most near a point; None where it isn't near it."""
    distances = ((outline - point) ** 2).sum(axis=1)
    nearest = int(distances.argmin())
    if distances[nearest] > (4 * _SLACK) ** 2:
        return None
    places = nearest + np.arange(-_SLACK, _SLACK + 1, 2)
    here, before, after = (np.take(outline, places + step, axis=0, mode="wrap") for step in (0, -_REACH, _REACH))
    one, other = here - before, after - here
    cross, dot = one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0], (one * other).sum(axis=1)
    return float(np.degrees(np.abs(np.arctan2(cross, dot))).max())


def _disc(radius: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
