"""Alpha at the photo's own size from alpha of a reduced picture: what the photo shows of hair leads the enlargement."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from ..image import geometry

_CELL = 2  # pixels of the reduced picture, across and down, that share coefficients
_RADIUS = 2  # cells, within which alpha is taken to be a linear function of colour,
_SMOOTHING = 1  # and within which its coefficients are averaged, and then interpolated
REACH = _CELL * (_RADIUS + _SMOOTHING + 2)  # pixels, how far alpha counts
_EPSILON = 1e-4  # colour variance, of 0..1, below which there is nothing to be led by
_UNEXPLAINED = 0.8  # the part of alpha's variance that colour must explain before it leads at all
_TILE = 512  # pixels of the photo: memory for coefficients doesn't grow with the photo
_SMALL = 2_100_000  # pixels, those of HD, of a picture for which tiles aren't worth their margins
_FLAT = 0.005  # a tile whose alpha is this near to 0 or 1 throughout has no edge to lead


def enlarge_alpha(
    alpha: np.ndarray, small: np.ndarray, rgb: np.ndarray, threads: int = 1, wanted: np.ndarray | None = None
) -> np.ndarray:
    """Alpha enlarged to the size of a photo, its detail the photo's own.

    alpha: float32 in 0..1, shape (h, w). small: uint8 RGB, shape (h, w, 3), the picture alpha was estimated of.
    rgb: uint8, shape (H, W, 3), the same picture at full size. wanted: bool, shape (H, W): where alpha is asked for;
    elsewhere it may be without detail. Returns float32 in 0..1, shape (H, W).

    After Guided Image Filtering, He et al., TPAMI 2013, with a colour guide, its coefficients computed on the reduced
    picture as in Fast Guided Filter, He and Sun, 2015, at half its size; but of all its pixels, where they take some.
    Only tiles with an edge in them are filtered.
    """
    enlargement = Enlargement(alpha, small, rgb)
    height, width = rgb.shape[:2]
    if height * width <= _SMALL:
        enlargement.lead(geometry.everything(rgb.shape))
        return enlargement.alpha
    tiles = geometry.tiles((height, width), _TILE)
    if wanted is not None:
        tiles = [tile for tile in tiles if wanted[tile].any()]
    result = enlargement.alpha
    with_edge = [tile for tile in tiles if np.max(result[tile]) >= _FLAT and np.min(result[tile]) <= 1 - _FLAT]
    # NumPy and OpenCV let go of the GIL, and neither uses a second core for what is done here.
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(enlargement.lead, with_edge))
    return result


class Enlargement:
    """What enlarge_alpha does, which has the arguments, part by part.

    alpha: float32 in 0..1, shape (H, W), where a part isn't led by the photo yet that of interpolation alone.
    """

    def __init__(self, alpha: np.ndarray, small: np.ndarray, rgb: np.ndarray) -> None:
        height, width = rgb.shape[:2]
        self.alpha = np.clip(cv2.resize(alpha, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1)
        self._given = alpha, small, rgb
        self._enlarged: list[np.ndarray] = []
        if height * width <= _SMALL:
            coefficients = _coefficients(alpha, small)
            # The last cells of an odd side reach beyond it.
            tall, wide = (cells * _CELL / side for cells, side in zip(coefficients[1].shape, alpha.shape))
            size = round(wide * width), round(tall * height)
            self._enlarged = [cv2.resize(values, size, interpolation=cv2.INTER_LINEAR) for values in coefficients]

    def lead(self, part: geometry.Region) -> None:
        """Let the photo lead this part of alpha, once. Several threads may lead parts of their own."""
        if self._enlarged:
            slopes, offsets, shares = (values[part] for values in self._enlarged)
            _lead_by(self.alpha[part], slopes, offsets, shares, self._given[2][part])
        else:
            _lead(self.alpha[part], part, *self._given)


def _lead(
    enlarged: np.ndarray, tile: tuple[slice, slice], alpha: np.ndarray, small: np.ndarray, rgb: np.ndarray
) -> None:
    """Let the photo lead a tile of the enlarged alpha, which is changed in place. The rest as in enlarge_alpha."""
    rows, columns = tile
    scale_y, scale_x = alpha.shape[0] / rgb.shape[0], alpha.shape[1] / rgb.shape[1]
    top, bottom = _reach(rows, scale_y, alpha.shape[0])
    left, right = _reach(columns, scale_x, alpha.shape[1])
    near = np.s_[top:bottom, left:right]
    coefficients = _coefficients(alpha[near], small[near])
    # Where each pixel of the tile lies among their cells.
    scales = scale_x / _CELL, scale_y / _CELL
    across, down = ((side.start + 0.5) * scale - 0.5 for side, scale in zip((columns, rows), scales))
    places = across - left / _CELL, down - top / _CELL
    size = enlarged.shape[1], enlarged.shape[0]
    slopes, offsets, shares = (geometry.resampled(part, scales, places, size) for part in coefficients)
    _lead_by(enlarged, slopes, offsets, shares, rgb[tile])


def _lead_by(
    enlarged: np.ndarray, slopes: np.ndarray, offsets: np.ndarray, shares: np.ndarray, rgb: np.ndarray
) -> None:
    """Let colours lead alpha, which is changed in place, by what _coefficients gives, enlarged to its shape."""
    by_colour = cv2.multiply(slopes, rgb.astype(np.float32), scale=1 / 255)  # of two kinds it is slower
    led = cv2.transform(by_colour, np.ones((1, 3)))
    change = cv2.subtract(np.clip(cv2.add(led, offsets, dst=led), 0, 1), enlarged)
    enlarged += cv2.multiply(change, shares, dst=change)
    np.clip(enlarged, 0, 1, out=enlarged)  # rounding leaves it by a hair


def _reach(tile: slice, scale: float, length: int) -> tuple[int, int]:
    """What the coefficients of a tile depend on, in whole cells."""
    start = max(0, int(tile.start * scale) - REACH) // _CELL * _CELL
    stop = -(-(int(tile.stop * scale) + REACH + 1) // _CELL) * _CELL
    return start, min(length, stop)


def _coefficients(alpha: np.ndarray, rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Slope, shape (h, w, 3), and offset, shape (h, w), of each cell: about it alpha is slope · colour + offset; and
    how far that is to be trusted, 0..1, shape (h, w)."""
    alpha, rgb = (geometry.padded(pixels, _CELL) for pixels in (alpha, rgb))
    red, green, blue = (channel.astype(np.float32) / 255 for channel in cv2.split(rgb))
    mean_red, mean_green, mean_blue, mean_alpha = (_mean(values) for values in (red, green, blue, alpha))
    red_alpha = _mean(red * alpha) - mean_red * mean_alpha
    green_alpha = _mean(green * alpha) - mean_green * mean_alpha
    blue_alpha = _mean(blue * alpha) - mean_blue * mean_alpha
    # The symmetric covariance of the colours as L·D·Lᵀ, by elimination: cofactors cancel, and would need float64.
    red_green, red_blue = _mean(red * green) - mean_red * mean_green, _mean(red * blue) - mean_red * mean_blue
    red_red = _mean(red * red) - mean_red * mean_red + _EPSILON
    by_red, by_red_of_blue = red_green / red_red, red_blue / red_red
    green_green = _mean(green * green) - mean_green * mean_green + _EPSILON - by_red * red_green
    green_blue = _mean(green * blue) - mean_green * mean_blue - by_red * red_blue
    by_green = green_blue / green_green
    blue_blue = (
        _mean(blue * blue) - mean_blue * mean_blue + _EPSILON - by_red_of_blue * red_blue - by_green * green_blue
    )
    left_green = green_alpha - by_red * red_alpha
    left_blue = blue_alpha - by_red_of_blue * red_alpha - by_green * left_green
    blue_slope = left_blue / blue_blue
    green_slope = left_green / green_green - by_green * blue_slope
    red_slope = red_alpha / red_red - by_red * green_slope - by_red_of_blue * blue_slope
    offset = mean_alpha - (red_slope * mean_red + green_slope * mean_green + blue_slope * mean_blue)
    # How much of alpha's variance colour explains: little where person and background look alike, and there the
    # filter would only smear the network's edge.
    explained = red_slope * red_alpha + green_slope * green_alpha + blue_slope * blue_alpha
    spread = np.maximum(_mean(alpha * alpha) - mean_alpha * mean_alpha, 1e-6)
    trust = np.clip((explained / spread - _UNEXPLAINED) / (1 - _UNEXPLAINED), 0, 1)
    slopes = cv2.merge([red_slope, green_slope, blue_slope])
    return _blurred(slopes, _SMOOTHING), _blurred(offset, _SMOOTHING), _blurred(trust, _SMOOTHING)


def _mean(values: np.ndarray) -> np.ndarray:
    """About each cell, of float32 pixels, shape (H, W): whole cells."""
    height, width = (side // _CELL for side in values.shape)
    return _blurred(cv2.resize(values, (width, height), interpolation=cv2.INTER_AREA), _RADIUS)


def _blurred(cells: np.ndarray, radius: int) -> np.ndarray:
    return cv2.blur(cells, (2 * radius + 1,) * 2, borderType=cv2.BORDER_REPLICATE)
