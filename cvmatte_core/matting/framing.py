"""Framings: which part of a picture becomes the layer, and in which size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..image import geometry
from ..settings import MatteSettings
from . import id_photo, refine

Move = Callable[[np.ndarray], np.ndarray]  # takes a picture, shape (H, W) or (H, W, C), to its place in the layer


@dataclass(frozen=True, eq=False)
class Cutout:
    """A picture and its matte.

    photo, foreground: uint8 RGB, shape (H, W, 3). alpha: float32 in 0..1, shape (H, W). own: the photo's own
    transparency, as alpha; None where it has none.
    """

    photo: np.ndarray
    alpha: np.ndarray
    foreground: np.ndarray
    own: np.ndarray | None

    @property
    def nbytes(self) -> int:
        return sum(each.nbytes for each in (self.photo, self.alpha, self.foreground, self.own) if each is not None)


class Framing:
    """The whole picture. Others override what they do differently."""

    fault = ""  # the error's key where the wanted frame can't be had
    may_grow = True  # whether what lies around the person may make the layer larger

    def __init__(self, longest_side: int = 0) -> None:
        """longest_side: that the picture is to have, in pixels; 0: as it is."""
        self._longest_side = longest_side

    def fit(self, cutout: Cutout) -> Cutout:
        """The cutout in the size that the edge's controls are to work in. Its alpha is that of whom is shown."""
        return _reduced(cutout, self._longest_side)

    def crop(self, alpha: np.ndarray) -> Move:
        """What crops pictures of alpha's size, before they are mirrored. alpha: after the edge's controls."""
        return lambda picture: picture[:]  # a view: what is cached isn't handed out itself

    def place(self, photo: np.ndarray, alpha: np.ndarray, move: Move) -> Move:
        """`move`, which crops and mirrors, and whatever is to be done after that."""
        return move


WHOLE = Framing()


def of_photo(settings: MatteSettings) -> Framing:
    """The framing of a photo, for one use."""
    if settings.id_photo != id_photo.OFF:
        return _IdPhoto(id_photo.FORMATS[settings.id_photo])
    return _Cropped(settings.crop_margin, settings.picture_side) if settings.crop else Framing(settings.picture_side)


def _reduced(cutout: Cutout, longest_side: int) -> Cutout:
    """With no side longer than so many pixels (0: as it is)."""
    if not longest_side or longest_side >= max(cutout.alpha.shape):
        return cutout
    photo, alpha, foreground = (
        geometry.reduced(pixels, longest_side) for pixels in (cutout.photo, cutout.alpha, cutout.foreground)
    )
    own = None if cutout.own is None else geometry.reduced(cutout.own, longest_side)
    return Cutout(photo, alpha, foreground, own)


class _Cropped(Framing):
    """Cut around the person; reduced until the crop's longer side is about the longest that is wanted."""

    def __init__(self, margin: int, longest_side: int) -> None:
        super().__init__(longest_side)
        self._margin = margin

    def fit(self, cutout: Cutout) -> Cutout:
        rows, columns = refine.crop_box(cutout.alpha, self._margin)
        scale = self._longest_side / max(rows.stop - rows.start, columns.stop - columns.start)
        if not self._longest_side or scale >= 1:
            return cutout
        return _reduced(cutout, round(max(cutout.alpha.shape) * scale))

    def crop(self, alpha: np.ndarray) -> Move:
        box = refine.crop_box(alpha, self._margin)
        longest = self._longest_side or max(alpha.shape)
        beyond = (max(0, side.stop - side.start - longest) for side in box)
        middle = tuple(slice(side.start + by // 2, side.stop - (by + 1) // 2) for side, by in zip(box, beyond))
        return lambda picture: picture[middle]


class _IdPhoto(Framing):
    """In an ID photo's format. Without a face, or room around the head, the frame stays, and `fault` says why."""

    may_grow = False

    def __init__(self, format: id_photo.Format) -> None:
        super().__init__()
        self._format = format

    def place(self, photo: np.ndarray, alpha: np.ndarray, move: Move) -> Move:
        photo, alpha = move(photo), move(alpha)
        if not refine.shows_somebody(alpha):
            return move
        head = id_photo.find_head(photo, alpha)
        place = id_photo.place(alpha, head, self._format) if head is not None else "no_face"
        if isinstance(place, str):
            self.fault = place
            return move
        found = place
        return lambda picture: id_photo.cut(move(picture), found, self._format)
