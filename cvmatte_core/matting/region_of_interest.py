"""Which part of a moving picture the network looks at: where people are, whom it sees larger at the same cost.

Elsewhere, only change is watched for: somebody who comes into the picture changes it.
"""

from __future__ import annotations

import numpy as np

from ..image.geometry import Region, around_all, everything, union

_SEEN = 0.1  # alpha that people's box goes around
_SURE = 0.5  # and that of people whom a passing look finds elsewhere
_MARGIN, _NEEDED = 0.18, 0.07  # that is left around people, and that must be: of their box's longer side
_CUT_OFF = 0.4  # alpha at the edge of the region, within this part of its side, of somebody who reaches out of it:
_EDGE, _GROWTH = 0.02, 0.5  # then it grows to that side by so much of the longer side of people's box
_ROOMY = 1.5  # a region of so many times the pixels that people need is made smaller
_SMALLEST = 0.25  # of the frame's sides: nobody needs more pixels, and memory of less is of no use
_SETTLING = 3  # frames of the whole, before anything is left out
_TRIAL = 10  # frames for which a region that was enlarged for somebody stays that large
# Frames between two looks around: at first, after some that found nobody, and after some that took things for people.
_GLANCE, _RARELY, _SELDOM = 15, 60, 480
_CHANGED, _CHANGED_PART = 0.06, 1 / 300  # difference of colours, of 0..1, and the part of the picture that shows it


class RegionOfInterest:
    """Follows the people of one moving picture."""

    def __init__(self) -> None:
        self._shape: tuple[int, ...] = ()
        self.forget()

    def forget(self) -> None:
        """What comes next is another picture."""
        self._region: Region | None = None  # the whole
        self._frames = 0  # since it was forgotten
        self._is_outgrown = False  # whether it has just grown for somebody who reaches out of it
        self._enlarged = 0  # the frame at which the region was enlarged for somebody; 0: not since it was last reduced
        self._looked, self._pause = 0, _GLANCE  # when it was looked around last, and for how long not
        self._around: np.ndarray | None = None  # the small picture of that time

    @property
    def is_settling(self) -> bool:
        """Whether these are the first frames of a scene."""
        return self._frames < _SETTLING

    def region(self, shape: tuple[int, ...]) -> Region:
        """Where to look in a frame of this shape, (H, W, …)."""
        if shape[:2] != self._shape:
            self.forget()
            self._shape = shape[:2]
        return self._region or everything(shape)

    def outgrown(self, alpha: np.ndarray) -> float:
        """By how much the region has grown, its pixels to those before, since somebody reaches out of it: then it is to
        be looked at again in the same frame. 1: nobody does. alpha: see `saw`.

        The fewer frames are seen, the further somebody gets from one to the next.
        """
        now = self.region(self._shape)
        people = _box(alpha, _CUT_OFF, now)
        if people is None:
            return 1.0
        more = _GROWTH * max(_length(side) for side in people)
        rows, columns = (
            slice(
                max(0, int(whole.start - more)) if seen.start - whole.start <= edge else whole.start,
                min(length, int(whole.stop + more)) if whole.stop - seen.stop <= edge else whole.stop,
            )
            for seen, whole, edge, length in zip(people, now, (_EDGE * _length(side) for side in now), self._shape)
        )
        if (rows, columns) != now:
            self._region, self._is_outgrown = (rows, columns), True
        return _pixels((rows, columns)) / _pixels(now)

    def saw(self, alpha: np.ndarray) -> None:
        """What the network made of the region. alpha: float32 in 0..1, shape (h, w), of its reduced picture."""
        self._frames += 1
        now, is_outgrown = self.region(self._shape), self._is_outgrown
        self._is_outgrown = False
        people = _box(alpha, _SEEN, now)
        if people is None:
            self._region = None
        elif self._frames >= _SETTLING:
            wanted = self._around_people(people, _MARGIN)
            on_trial = self._enlarged and self._frames - self._enlarged < _TRIAL
            if is_outgrown or not _within(self._around_people(people, _NEEDED), now):
                self._region = wanted if not on_trial else union((wanted, now))
            elif _pixels(now) > _ROOMY * _pixels(wanted) and not on_trial:
                if self._enlarged:
                    for_nobody = self._frames - self._enlarged < 2 * _TRIAL
                    self._pause = min(_SELDOM, 2 * self._pause) if for_nobody else _GLANCE
                self._region, self._enlarged = wanted, 0

    def is_worth_a_look(self, small: np.ndarray) -> bool:
        """Whether enough has changed around the region. small: float32 in 0..1, (h, w, 3), few pixels of the frame."""
        if self._region is None or self._frames - self._looked < self._pause:
            return False
        before, self._around, self._looked = self._around, small, self._frames
        if before is None or before.shape != small.shape:
            return True
        changed = np.abs(small - before).max(axis=2) > _CHANGED
        (rows, columns), (height, width) = self._region, small.shape[:2]
        tall, wide = height / self._shape[0], width / self._shape[1]
        inside = np.s_[
            int(rows.start * tall) : int(rows.stop * tall) + 1, int(columns.start * wide) : int(columns.stop * wide) + 1
        ]
        changed[inside] = False
        return bool(np.count_nonzero(changed) >= max(1, _CHANGED_PART * changed.size))

    def saw_all(self, alpha: np.ndarray) -> None:
        """What the network made of the whole in a passing look: where it sees people, it looks from now on."""
        people = _box(alpha, _SURE, everything(self._shape))
        now = self.region(self._shape)
        if people is None or _within(people, now):
            self._pause = max(self._pause, min(_RARELY, 2 * self._pause))
            return
        self._region, self._enlarged = union((self._around_people(people, _MARGIN), now)), self._frames

    def _around_people(self, people: Region, margin: float) -> Region:
        at_least = margin * max(_length(side) for side in people)
        by = (max(at_least, (_SMALLEST * length - _length(side)) / 2) for side, length in zip(people, self._shape))
        rows, columns = (
            slice(max(0, int(side.start - more)), min(length, int(np.ceil(side.stop + more))))
            for side, more, length in zip(people, by, self._shape)
        )
        return rows, columns


def _box(alpha: np.ndarray, floor: float, region: Region) -> Region | None:
    """Rows and columns of the frame that show more than the floor; None where nothing does."""
    found = around_all(alpha > floor)
    if found is None:
        return None
    scales = (_length(whole) / length for whole, length in zip(region, alpha.shape))
    rows, columns = (
        slice(whole.start + int(part.start * scale), whole.start + int(np.ceil(part.stop * scale)))
        for part, whole, scale in zip(found, region, scales)
    )
    return rows, columns


def _length(side: slice) -> int:
    return int(side.stop - side.start)


def _pixels(region: Region) -> int:
    return _length(region[0]) * _length(region[1])


def _within(one: Region, other: Region) -> bool:
    return all(mine.start >= its.start and mine.stop <= its.stop for mine, its in zip(one, other))
