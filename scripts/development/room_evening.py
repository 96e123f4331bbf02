"""An evening before an empty room that was photographed when it began, as one clip: daylight fades, a lamp comes on."""

from __future__ import annotations

import random as plain_random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from development import made_things
from development.measuring import cutouts
from development.room_scenes import HALVES, THINGS, EmptyRooms, Shot, over
from development.room_stage import SIZE, STILL, Camera, Light, Stage, Standing, Walker

PUT_DOWN = "put down"
# When what happens, in parts of the evening; it fades meanwhile.
_NUDGES = {0.25: Camera((0.006, -0.003), 0.3, 1.003), 0.72: Camera((-0.004, 0.005), -0.4, 0.995)}
_WHITE_BALANCE, _LAMP, _PUT_DOWN, _EXPOSURE = 0.33, 0.45, 0.55, 0.65
EVENTS = {
    **dict.fromkeys(_NUDGES, "camera nudged"),
    _WHITE_BALANCE: "white balance steps",
    _LAMP: "lamp on",
    _PUT_DOWN: "thing put down",
    _EXPOSURE: "exposure steps",
}
_DUSK, _LAMPLIGHT = 0.12, 0.6  # of the daylight at first
_CORRECTED, _SECONDS = (0.8, 0.6), (1.5, 8.0)  # of exposure and of white balance: how much of it, and how soon
_NOISE = 0.007
_STEP = 0.1  # of the camera's control, in seconds


@dataclass(frozen=True)
class Evening:
    """seconds: its length. room: the photo, uint8 RGB."""

    seconds: float
    stage: Stage
    room: np.ndarray

    def shots(self, rate: float) -> Iterator[Shot]:
        return self.stage.shots(number / rate for number in range(round(self.seconds * rate)))


def evening(dataset: Path, split: str, seconds: float, rate: float) -> Evening:
    """rate: frames a second, each of which finds the person as far from the last as in any clip."""
    half = HALVES.index(split)
    _, cutout = list(cutouts(dataset))[half]
    empty = EmptyRooms(dataset, split)
    before = Standing(empty(empty.names[1], SIZE[::-1]), {})
    random = plain_random.Random(split)
    walker = Walker.of(cutout).holding(THINGS[split][1], random, None)
    after = _with(before, *THINGS[split][2](90, random))
    lights = _Lights(seconds)

    def camera(time: float) -> Camera:
        return next((nudge for share, nudge in reversed(_NUDGES.items()) if time >= share * seconds), STILL)

    stage = Stage(
        half,
        walker,
        lambda time: after if time >= _PUT_DOWN * seconds else before,
        lights,
        camera,
        lights.noise,
        casts=True,
        pace=rate / 30,
    )
    return Evening(seconds, stage, stage.photo())


def _with(standing: Standing, colours: np.ndarray, alpha: np.ndarray) -> Standing:
    """The room when a thing was put down at its left."""
    room = standing.room
    place = int(0.68 * room.shape[0]), int(0.22 * room.shape[1]), 0
    thing = made_things.placed(room.shape[:2], (colours, alpha), place)
    return Standing(over(thing, room), {PUT_DOWN: thing[1] > 0.5})


class _Lights:
    """Daylight from one side and a lamp's from the other, and what the camera makes of them: exposure and white balance
    follow, late and in part, and step."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        rows, columns = np.mgrid[0 : 1 : SIZE[1] * 1j, 0 : 1 : SIZE[0] * 1j][..., None]
        self._day = (1.15 - 0.35 * columns) * np.array([0.96, 1, 1.06])
        self._lamp = (0.5 + np.exp(-((columns - 0.9) ** 2 + (rows - 0.1) ** 2) / 0.3)) * np.array([1.15, 0.95, 0.7])
        times = np.arange(0, seconds + _STEP, _STEP)
        means = np.array([field.mean(axis=(0, 1)) for field in (self._day, self._lamp)])
        coloured = np.array([self._amounts(time / seconds) for time in times]) @ means
        bright = coloured.mean(axis=1, keepdims=True)
        wanted = bright ** -_CORRECTED[0], (coloured / bright) ** -_CORRECTED[1]
        self._exposure, self._white_balance = (_late(one, wait) for one, wait in zip(wanted, _SECONDS, strict=True))

    def __call__(self, time: float) -> Light:
        share = max(time / self._seconds, 0)
        gain = self._exposure[self._step(time)] * self._white_balance[self._step(time)]
        if share >= _WHITE_BALANCE:
            gain = gain * (1.04, 1, 0.96)
        if share >= _EXPOSURE:
            gain = gain * 0.92
        flicker = 1 + 0.01 * np.sin(23 * time) * (share >= _LAMP)
        drift = 1 + 0.02 * np.sin(time / 19)
        day, lamp = self._amounts(share)
        return Light((day * self._day + lamp * self._lamp) * (gain * flicker * drift), np.full(3, 0.01 * share))

    def noise(self, time: float) -> float:
        """More of it, the more the camera makes of the light."""
        return _NOISE * float(np.sqrt(self._exposure[self._step(time)].item()))

    def _step(self, time: float) -> int:
        return int(np.clip(time / _STEP, 0, len(self._exposure) - 1))

    def _amounts(self, share: float) -> tuple[float, float]:
        """Of daylight and of the lamp's."""
        fades = np.clip((share - 0.05) / 0.7, 0, 1)
        return 1 - (1 - _DUSK) * fades**2 * (3 - 2 * fades), _LAMPLIGHT * (share >= _LAMP)


def _late(values: np.ndarray, seconds: float) -> np.ndarray:
    result = [values[0]]
    for value in values[1:]:
        result.append(result[-1] + _STEP / seconds * (value - result[-1]))
    return np.array(result)
