"""Pictures in other colour spaces, made the other way round than cvmatte_core reads them, from numbers in print."""

from __future__ import annotations

import numpy as np

# ITU-R BT.2087 and Apple's Display P3: linear light of BT.709's primaries to theirs.
TO_PRIMARIES = {
    1: np.eye(3),
    9: np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]),
    12: np.array([[0.8225, 0.1774, 0.0000], [0.0332, 0.9669, 0.0000], [0.0171, 0.0724, 0.9108]]),
}
_LUMINANCE_2020 = np.array([0.2627, 0.6780, 0.0593])


def light_of(srgb: np.ndarray) -> np.ndarray:
    """Linear, 1 is white, of uint8."""
    signal = srgb / 255.0
    return np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)


def signal_of(light: np.ndarray, primaries: int, transfer: int) -> np.ndarray:
    """The signal, 0 to 1, that shows light of BT.709's primaries, whose 1 is 203 cd/m² where the transfer is HDR."""
    light = np.clip(light @ TO_PRIMARIES[primaries].T, 0, None)
    if transfer == 16:  # SMPTE ST 2084
        power = (light * 203 / 10000) ** 0.1593017578125
        return np.asarray(((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375)
    if transfer == 18:  # BT.2100: HLG for a screen of 1000 cd/m²
        shown = light * 0.203
        luminance = np.maximum((shown @ _LUMINANCE_2020)[..., None], 1e-9)
        scene = shown * luminance ** ((1 - 1.2) / 1.2)
        log = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
        return np.where(scene <= 1 / 12, np.sqrt(3 * scene), log)
    if transfer == 8:
        return np.clip(light, 0, 1)
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
