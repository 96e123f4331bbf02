"""Alpha at the photo's own size from alpha of a reduced picture: what the photo shows of hair leads the enlargement."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from ..pictures import images

_RADIUS = 4  # pixels of the reduced picture, within which alpha is taken to be a linear function of colour
_EPSILON = 1e-4  # colour variance, of 0..1, below which there is nothing to be led by
_UNEXPLAINED = 0.8  # the part of alpha's variance that colour must explain before it leads at all
_TILE = 512  # pixels of the photo: memory for coefficients doesn't grow with the photo
_SMALL = 1_000_000  # pixels of a picture for which tiles aren't worth their margins
_FLAT = 0.005  # a tile whose alpha is this near to 0 or 1 throughout has no edge to lead


def enlarge_alpha(alpha: np.ndarray, small: np.ndarray, rgb: np.ndarray, threads: int = 1) -> np.ndarray:
    """Alpha enlarged to the size of a photo, its detail the photo's own.

    alpha: float32 in 0..1, shape (h, w). small: uint8 RGB, shape (h, w, 3), the picture alpha was estimated of.
    rgb: uint8, shape (H, W, 3), the same picture at full size. Returns float32 in 0..1, shape (H, W).

    After Guided Image Filtering, He et al., TPAMI 2013, with a colour guide, its coefficients computed on the reduced
    picture as in Fast Guided Filter, He and Sun, 2015. Only tiles with an edge in them are filtered.
    """
    height, width = rgb.shape[:2]
    result = np.clip(cv2.resize(alpha, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1)
    if height * width <= _SMALL:
        slopes, offsets, shares = (
            cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR)
            for values in _coefficients(alpha, small)
        )
        _lead_by(result, slopes, offsets, shares, rgb)
        return result
    tiles = images.tiles((height, width), _TILE)
    with_edge = [tile for tile in tiles if np.max(result[tile]) >= _FLAT and np.min(result[tile]) <= 1 - _FLAT]
    # NumPy and OpenCV let go of the GIL, and neither uses a second core for what is done here.
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda tile: _lead(result[tile], tile, alpha, small, rgb), with_edge))
    return result


def _lead(
    enlarged: np.ndarray, tile: tuple[slice, slice], alpha: np.ndarray, small: np.ndarray, rgb: np.ndarray
) -> None:
    """Let the photo lead a tile of the enlarged alpha, which is changed in place. The rest as in enlarge_alpha."""
    rows, columns = tile
    scale_y, scale_x = alpha.shape[0] / rgb.shape[0], alpha.shape[1] / rgb.shape[1]
    # What its coefficients depend on: two means deep, and a pixel for the interpolation.
    top, bottom = _reach(rows, scale_y, alpha.shape[0])
    left, right = _reach(columns, scale_x, alpha.shape[1])
    near = np.s_[top:bottom, left:right]
    coefficients = _coefficients(alpha[near], small[near])
    # Where each pixel of the tile lies in that part of the reduced picture.
    offset_y, offset_x = (rows.start + 0.5) * scale_y - 0.5 - top, (columns.start + 0.5) * scale_x - 0.5 - left
    transform = np.array([[scale_x, 0, offset_x], [0, scale_y, offset_y]])
    size, flags = (enlarged.shape[1], enlarged.shape[0]), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    slopes, offsets, shares = (
        cv2.warpAffine(values, transform, size, flags=flags, borderMode=cv2.BORDER_REPLICATE) for values in coefficients
    )
    _lead_by(enlarged, slopes, offsets, shares, rgb[tile])


def _lead_by(
    enlarged: np.ndarray, slopes: np.ndarray, offsets: np.ndarray, shares: np.ndarray, rgb: np.ndarray
) -> None:
    """Let colours lead alpha, which is changed in place, by what _coefficients gives, enlarged to its shape."""
    led = cv2.transform(cv2.multiply(slopes, rgb, scale=1 / 255, dtype=cv2.CV_32F), np.ones((1, 3)))
    change = cv2.subtract(np.clip(cv2.add(led, offsets, dst=led), 0, 1), enlarged)
    enlarged += cv2.multiply(change, shares, dst=change)
    np.clip(enlarged, 0, 1, out=enlarged)  # rounding leaves it by a hair


def _reach(tile: slice, scale: float, length: int) -> tuple[int, int]:
    margin = 2 * _RADIUS + 2
    return max(0, int(tile.start * scale) - margin), min(length, int(tile.stop * scale) + margin + 1)


def _coefficients(alpha: np.ndarray, rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Slope, shape (H, W, 3), and offset, shape (H, W): about each pixel alpha is slope · colour + offset; and how
    far that is to be trusted, 0..1, shape (H, W)."""
    red, green, blue = (
        channel.astype(np.float64) / 255 for channel in cv2.split(rgb)
    )  # cofactors cancel: float32 won't do
    means = [_mean(channel) for channel in (red, green, blue)]
    alpha = alpha.astype(np.float64)
    mean_alpha = _mean(alpha)
    with_alpha = [_mean(channel * alpha) - mean * mean_alpha for channel, mean in zip((red, green, blue), means)]
    rr, gg, bb = (_mean(channel * channel) - mean * mean + _EPSILON for channel, mean in zip((red, green, blue), means))
    rg = _mean(red * green) - means[0] * means[1]
    rb = _mean(red * blue) - means[0] * means[2]
    gb = _mean(green * blue) - means[1] * means[2]
    # The inverse of the symmetric covariance, by its cofactors.
    inverse = (
        (gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg),
        (rb * gb - rg * bb, rr * bb - rb * rb, rg * rb - rr * gb),
        (rg * gb - rb * gg, rg * rb - rr * gb, rr * gg - rg * rg),
    )
    determinant = rr * inverse[0][0] + rg * inverse[0][1] + rb * inverse[0][2]
    slopes = [sum(part * share for part, share in zip(row, with_alpha)) / determinant for row in inverse]
    offset = mean_alpha - sum(slope * mean for slope, mean in zip(slopes, means))
    # How much of alpha's variance colour explains: little where person and background look alike, and there the
    # filter would only smear the network's edge.
    explained = sum(slope * share for slope, share in zip(slopes, with_alpha))
    spread = np.maximum(_mean(alpha * alpha) - mean_alpha * mean_alpha, 1e-6)
    trust = np.clip((explained / spread - _UNEXPLAINED) / (1 - _UNEXPLAINED), 0, 1)
    return (
        cv2.merge([_mean(slope) for slope in slopes]).astype(np.float32),
        _mean(offset).astype(np.float32),
        _mean(trust).astype(np.float32),
    )


def _mean(values: np.ndarray) -> np.ndarray:
    return cv2.blur(values, (2 * _RADIUS + 1,) * 2, borderType=cv2.BORDER_REPLICATE)
