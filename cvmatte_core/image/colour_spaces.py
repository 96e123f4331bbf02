"""From any colour space that a picture may say, by ITU-T H.273's code points or in numbers, to sRGB.

High dynamic range (PQ, HLG) becomes what a standard screen shows of it: its reference white is white, and what is
brighter is rolled off with its hue kept. Sources: ITU-T H.273 (code points), ITU-R BT.2100 (PQ, HLG), BT.2408
(reference white), BT.2390 (the roll-off), IEC 61966-2-1 (sRGB).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import cv2
import numpy as np

REFERENCE_WHITE = 203.0  # cd/m², BT.2408: what a standard screen shows as white
PQ, HLG = 16, 18  # code points of transfers
_LINEAR = 8
_PQ_MOST, _HLG_MOST = 10_000.0, 1_000.0  # cd/m² of a full signal; HLG's on the screen that it is made for
_HLG_GAMMA = 1.2  # of that screen
# Screens show all of these alike, whatever camera's curve they name; 2: it isn't said.
_AS_SRGB = (1, 2, 6, 11, 12, 13, 14, 15)
_EXPONENTS = {4: 2.2, 5: 2.8, 17: 2.6}
_OTHERS = (*_EXPONENTS, 7, _LINEAR, 9, 10, PQ, HLG)

_D65, _C, _E, _DCI = (0.3127, 0.3290), (0.310, 0.316), (1 / 3, 1 / 3), (0.314, 0.351)  # white points
_REC_709 = (0.640, 0.330, 0.300, 0.600, 0.150, 0.060, *_D65)
_SMPTE_C = (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *_D65)
_PRIMARIES = {
    1: _REC_709,
    4: (0.670, 0.330, 0.210, 0.710, 0.140, 0.080, *_C),
    5: (0.640, 0.330, 0.290, 0.600, 0.150, 0.060, *_D65),
    6: _SMPTE_C,
    7: _SMPTE_C,
    8: (0.681, 0.319, 0.243, 0.692, 0.145, 0.049, *_C),
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, *_D65),
    10: (1.0, 0.0, 0.0, 1.0, 0.0, 0.0, *_E),
    11: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, *_DCI),
    12: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, *_D65),
    22: (0.630, 0.340, 0.295, 0.605, 0.155, 0.077, *_D65),
}
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_SAME = 0.01  # coordinates closer than this are the same primaries, written with fewer digits
_STEPS = 65535
_STRIP = 1 << 17  # pixels at once, which stay in the processor's cache
_LOOKED_AT = 1 << 18  # pixels, for the brightest
_BRIGHTEST = 99.95  # percentile: a few sparkles may lie beyond what is called the brightest


@dataclass(frozen=True)
class ColourSpace:
    """primaries: x and y of red, green, blue and white. transfer: a code point of H.273.

    gamma: an exponent that counts instead, where it isn't 0. narrow: black is 16 and white 235, of 8 bits.
    """

    primaries: tuple[float, ...] = _REC_709
    transfer: int = 13
    gamma: float = 0.0
    narrow: bool = False

    @classmethod
    def coded(cls, primaries: int, transfer: int, narrow: bool = False) -> ColourSpace:
        """By H.273's code points; one that isn't known counts as sRGB's."""
        return cls(_PRIMARIES.get(primaries, _REC_709), transfer, narrow=narrow)

    @staticmethod
    def is_said(primaries: int, transfer: int) -> bool:
        """Whether these code points say anything: 2 is "unspecified"."""
        return primaries in _PRIMARIES or transfer in {*_AS_SRGB, *_OTHERS} - {2}

    @property
    def hdr(self) -> bool:
        """Whether it can say what is brighter than a standard screen's white."""
        return not self.gamma and self.transfer in (PQ, HLG)

    @property
    def is_srgb(self) -> bool:
        """Whether it is shown as sRGB is, so that nothing is to be done."""
        return not self.narrow and self._shown_as_srgb and self._has_its_primaries

    @property
    def is_possible(self) -> bool:
        """Whether its primaries can make its white. Raises LinAlgError, a ValueError, where they are none."""
        return bool(np.isfinite(_matrix(self.primaries)).all())

    @property
    def _shown_as_srgb(self) -> bool:
        if self.gamma:
            return abs(self.gamma / 2.2 - 1) < 0.05  # as near as libpng, and most who write it, mean it
        return self.transfer not in _OTHERS

    @property
    def _has_its_primaries(self) -> bool:
        return bool(np.allclose(self.primaries, _REC_709, rtol=0, atol=_SAME / 2))


def to_srgb(pixels: np.ndarray, space: ColourSpace, *, white: int = 0, peak: float = 0.0) -> np.ndarray:
    """A picture in sRGB: uint8 RGB, shape (H, W, 3).

    pixels: uint8 or uint16 RGB of that space, shape (H, W, 3). white: the number of a full signal, such as 1023 of 10
    bits; 0: the type's largest. peak: cd/m² at which HDR is clipped; 0: the picture's own (see `peak_of`). All frames
    of a clip need the same.
    """
    white = white or int(np.iinfo(pixels.dtype).max)
    if space.hdr:
        peak = float(round(peak or peak_of(pixels, space, white=white)))
    shown = np.empty(pixels.shape, np.uint8)
    rows = max(1, _STRIP // max(1, pixels.shape[1]))
    for top in range(0, pixels.shape[0], rows):
        light = _light(pixels[top : top + rows], space, white)
        if space.hdr and peak > REFERENCE_WHITE:
            # All three are scaled by what the brightest of them is: so hues stay.
            steps = _in_steps(_brightest(light), _PQ_MOST / REFERENCE_WHITE)
            light = _scaled(light, _ratios(peak).take(steps, mode="clip"))
        np.take(_encoding(), _in_steps(light, 1), out=shown[top : top + rows], mode="clip")
    return shown


def peak_of(pixels: np.ndarray, space: ColourSpace, *, white: int = 0) -> float:
    """cd/m² of the brightest in a picture of an HDR space, at least the reference white. Parameters: see `to_srgb`."""
    white = white or int(np.iinfo(pixels.dtype).max)
    step = max(1, int((pixels.shape[0] * pixels.shape[1] / _LOOKED_AT) ** 0.5))
    light = _light(np.ascontiguousarray(pixels[::step, ::step]), space, white)
    return REFERENCE_WHITE * max(1.0, float(np.percentile(_brightest(light), _BRIGHTEST)))


def _light(pixels: np.ndarray, space: ColourSpace, white: int) -> np.ndarray:
    """Linear light in sRGB's primaries, 1 is white: float32; below 0 where sRGB has no such colour."""
    table = _linear(space, white, np.iinfo(pixels.dtype).max + 1)
    light: np.ndarray = np.empty(pixels.shape, np.float32)
    np.take(table, pixels, out=light, mode="clip")
    if space.hdr and space.transfer == HLG:
        # What a screen makes of light of the scene: BT.2100's OOTF.
        luminance = _to_xyz(space.primaries)[1].astype(np.float32).reshape(1, 3)
        gain: np.ndarray = cv2.pow(cv2.transform(light, luminance), _HLG_GAMMA - 1)
        gain *= np.float32(_HLG_MOST / REFERENCE_WHITE)
        light = _scaled(light, gain)
    if not space._has_its_primaries:
        light = np.asarray(cv2.transform(light, _matrix(space.primaries)))
    return light


def _brightest(light: np.ndarray) -> np.ndarray:
    red, green, blue = cv2.split(light)
    return np.asarray(cv2.max(cv2.max(red, green), blue))


def _in_steps(light: np.ndarray, most: float) -> np.ndarray:
    """uint16: the place of light in a table from 0 to `most`; what lies beyond is at its ends."""
    return np.asarray(cv2.addWeighted(light, _STEPS / most, light, 0, 0, dtype=cv2.CV_16U))


def _scaled(light: np.ndarray, by: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.multiply(light, cv2.merge([by, by, by])))


@functools.lru_cache(maxsize=4)
def _ratios(peak: float) -> np.ndarray:
    """By how much light of each step up to PQ's most is dimmed: BT.2390's EETF from a peak to the reference white."""
    light: np.ndarray = np.linspace(0, _PQ_MOST, _STEPS + 1)
    light[0] = light[1]
    most, white = _pq_signal(np.array(peak)), _pq_signal(np.array(REFERENCE_WHITE)) / _pq_signal(np.array(peak))
    knee = 1.5 * white - 0.5
    signal = np.minimum(_pq_signal(light) / most, 1)
    t = np.maximum(signal - knee, 0) / (1 - knee)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * white
    dimmed = np.where(signal < knee, light, _pq_light(spline * most))
    return np.asarray(dimmed / light, np.float32)


@functools.lru_cache(maxsize=8)
def _linear(space: ColourSpace, white: int, length: int) -> np.ndarray:
    """Light of each number that a pixel may have, 1 is white; of HLG, that of the scene."""
    signal: np.ndarray = np.arange(length) / white
    if space.narrow:
        unit = (white + 1) / 256
        signal = (np.arange(length) - 16 * unit) / (219 * unit)
    return np.asarray(_decoded(np.clip(signal, 0, 1), space), np.float32)


def _decoded(signal: np.ndarray, space: ColourSpace) -> np.ndarray:
    if space._shown_as_srgb:
        return np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)
    if space.gamma:
        return np.asarray(signal**space.gamma)
    if space.transfer == PQ:
        return _pq_light(signal) / REFERENCE_WHITE
    if space.transfer == HLG:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    if space.transfer == 7:  # SMPTE 240M
        return np.where(signal < 0.0913, signal / 4, ((signal + 0.1115) / 1.1115) ** (1 / 0.45))
    if space.transfer in (9, 10):  # logarithmic
        decades = 2.0 if space.transfer == 9 else 2.5
        return np.where(signal > 0, 10 ** ((signal - 1) * decades), 0)
    return np.asarray(signal ** _EXPONENTS.get(space.transfer, 1.0))


@functools.lru_cache(maxsize=1)
def _encoding() -> np.ndarray:
    """sRGB's byte of each step of light."""
    light = np.linspace(0, 1, _STEPS + 1)
    signal: np.ndarray = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(signal * 255).astype(np.uint8)


_M1, _M2, _C1, _C2, _C3 = 2610 / 16384, 2523 / 4096 * 128, 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32  # of PQ


def _pq_light(signal: np.ndarray) -> np.ndarray:
    """cd/m²."""
    power = signal ** (1 / _M2)
    return np.asarray(_PQ_MOST * (np.maximum(power - _C1, 0) / (_C2 - _C3 * power)) ** (1 / _M1))


def _pq_signal(light: np.ndarray) -> np.ndarray:
    power = (light / _PQ_MOST) ** _M1
    return np.asarray(((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2)


@functools.lru_cache(maxsize=8)
def _matrix(primaries: tuple[float, ...]) -> np.ndarray:
    """From a space's linear RGB to sRGB's, white to white."""
    seen, wanted = (_BRADFORD @ _xyz_of(*white) for white in (primaries[6:], _D65))
    adapted = np.linalg.inv(_BRADFORD) @ np.diag(wanted / seen) @ _BRADFORD
    return np.asarray(np.linalg.inv(_to_xyz(_REC_709)) @ adapted @ _to_xyz(primaries), np.float32)


def _to_xyz(primaries: tuple[float, ...]) -> np.ndarray:
    """Linear RGB to XYZ. Raises LinAlgError where they are no primaries."""
    colours = np.array([_xyz_of(*primaries[at : at + 2]) for at in (0, 2, 4)]).T
    return colours * np.linalg.solve(colours, _xyz_of(*primaries[6:]))


def _xyz_of(x: float, y: float) -> np.ndarray:
    """Of luminance 1, but where there is none."""
    return np.array([x / y, 1.0, (1 - x - y) / y]) if y else np.array([x, y, 1 - x - y])
