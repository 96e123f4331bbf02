"""A camera that was nudged: the small shift, turn and zoom between two pictures of a room."""

from __future__ import annotations

import cv2
import numpy as np

from ...image.geometry import reduced_size

# The longer side of reduced pictures, what a camera does in them, and rounds at most.
_STEPS = (
    (80, cv2.MOTION_TRANSLATION, 30),
    (160, cv2.MOTION_EUCLIDEAN, 30),
    (320, cv2.MOTION_AFFINE, 60),
    (640, cv2.MOTION_AFFINE, 15),
)
_ACCURACY, _BLUR = 1e-5, 3
STAYS = np.eye(2, 3)
_MOST = 0.05  # of the picture: how far a corner may move
_DARK, _LAMP = 0.05, 0.06  # light of 0..1 that tells little; half of what light varies over, of the longer side
_BETTER = 0.9  # of the difference that is left, below which a move is believed

# A camera that was moved: the longer side of reduced pictures, their shorter one at least; what can be found again, how
# well it must be, how many parts of the room, and within how many pixels of each other.
_SEARCHED, _FEWEST, _STRUCTURE, _SAME, _PARTS, _TOGETHER = 160, 32, 0.02, 0.6, 3, 5


def found(room: np.ndarray, picture: np.ndarray, empty: np.ndarray, guess: np.ndarray = STAYS) -> np.ndarray:
    """Where in the room each pixel of a picture lies: float64, shape (2, 3); the identity where nothing says otherwise.

    room, picture: float32 RGB in 0..1, shape (H, W, 3). empty: bool, shape (H, W), where surely nobody is. guess: where
    it lay before.
    """
    height, width = picture.shape[:2]
    now, its = (_detail(values) for values in (picture, room))
    left = {_left(now, applied(its, one, (width, height)), empty): one for one in (STAYS, guess)}
    start = left[min(left)]
    try:
        better = _followed(now, its, empty, start)
    except cv2.error:  # it doesn't converge: nothing to be led by
        return start
    if far(better, (width, height)) > _MOST:
        return start
    return better if _left(now, applied(its, better, (width, height)), empty) < _BETTER * min(left) else start


def _followed(now: np.ndarray, its: np.ndarray, empty: np.ndarray, start: np.ndarray) -> np.ndarray:
    """By steps in pictures that are less and less reduced. Raises cv2.error."""
    height, width = now.shape
    transform = start
    for side, kind, rounds in _STEPS:
        size = reduced_size(now.shape, side)
        small, before = (cv2.resize(values, size, interpolation=cv2.INTER_AREA) for values in (now, its))
        mask = cv2.resize(empty.view(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        criteria = cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, rounds, _ACCURACY
        at = scaled(transform, size[0] / width, size[1] / height).astype(np.float32)
        _, found = cv2.findTransformECC(small, before, at, kind, criteria, mask, _BLUR)
        transform = scaled(found, width / size[0], height / size[1])
    return transform


def _detail(rgb: np.ndarray) -> np.ndarray:
    """What a lamp that comes on leaves as it is: float32, shape (H, W)."""
    light = np.log(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY) + _DARK)
    side = 2 * round(max(light.shape) * _LAMP) + 1
    return np.asarray(light - cv2.blur(light, (side, side)))


def far(transform: np.ndarray, size: tuple[int, int]) -> float:
    """How far it moves the corner that it moves furthest, of the longer side."""
    corners = np.array([[0, 0, 1], [size[0], 0, 1], [0, size[1], 1], [size[0], size[1], 1]])
    return float(np.abs(corners @ transform.T - corners[:, :2]).max() / max(size))


def applied(room: np.ndarray, transform: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if np.array_equal(transform, STAYS):
        return room
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(room, transform, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)


def back(values: np.ndarray, transform: np.ndarray) -> np.ndarray:
    """The other way: what a picture shows, where that lies in the room; 0 where it shows nothing of it."""
    if np.array_equal(transform, STAYS):
        return values
    return cv2.warpAffine(values, transform, (values.shape[1], values.shape[0]), flags=cv2.INTER_LINEAR)


def scaled(transform: np.ndarray, across: float, down: float) -> np.ndarray:
    """The same between pictures that are so many times as large."""
    if np.array_equal(transform, STAYS):
        return transform
    grow, centre = np.diag([across, down, 1.0]), np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
    whole = np.vstack([transform, [0, 0, 1]])
    # Pixels' middles lie at whole numbers, their corners are what scales.
    back = np.linalg.inv(centre)
    return (centre @ grow @ back @ whole @ centre @ np.linalg.inv(grow) @ back)[:2]


def _left(picture: np.ndarray, room: np.ndarray, empty: np.ndarray) -> float:
    return float(np.abs(picture - room)[empty].mean())


def is_elsewhere(room: np.ndarray, picture: np.ndarray) -> bool:
    """Whether parts of the room are to be found in the picture, all moved alike, wherever that is."""
    height, width = picture.shape[:2]
    size = _SEARCHED, max(_FEWEST, round(_SEARCHED * height / width))
    before, now = (
        cv2.Laplacian(cv2.resize(cv2.cvtColor(one, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA), cv2.CV_32F)
        for one in (room, picture)
    )
    tall, wide = size[1] // 4, size[0] // 4
    moves = []
    for top in range(0, size[1] - tall + 1, tall // 2):
        for left in range(0, size[0] - wide + 1, wide // 2):
            part = before[top : top + tall, left : left + wide]
            if part.std() > _STRUCTURE:
                _, likeness, _, (x, y) = cv2.minMaxLoc(cv2.matchTemplate(now, part, cv2.TM_CCOEFF_NORMED))
                if likeness > _SAME:
                    moves.append((x - left, y - top))
    found = np.array(moves).reshape(-1, 2)
    alike = np.abs(found[:, None] - found[None]).max(axis=2, initial=0) <= _TOGETHER
    return bool(alike.sum(axis=1).max(initial=0) >= _PARTS)
