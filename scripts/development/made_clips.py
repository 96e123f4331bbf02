"""Clips whose alpha is known: a cut-out that moves over a moving background, blurred by its motion, with noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

_NOISE = 0.015  # of colours of 0..1
_BLUR_STEPS = 5  # positions within the time that the shutter is open
_SHUTTER = 0.5  # of a frame's time


@dataclass(frozen=True)
class MadeFrame:
    """picture: uint8 RGB, shape (H, W, 3). alpha: float32 in 0..1, shape (H, W)."""

    picture: np.ndarray
    alpha: np.ndarray


def cut_by_an_ellipse(portrait: Path) -> np.ndarray:
    """The sample portrait within an ellipse, so that its alpha is known; uint8 RGBA, straight."""
    rgb = np.array(Image.open(portrait).convert("RGB"))
    height, width = rgb.shape[:2]
    rows, columns = np.mgrid[:height, :width]
    inside = ((rows / height - 0.58) / 0.57) ** 2 + ((columns / width - 0.45) / 0.34) ** 2 < 1
    return np.dstack([rgb, np.where(inside, 255, 0).astype(np.uint8)])


def frames(
    cutout: np.ndarray, background: np.ndarray, size: tuple[int, int], count: int, *, still: bool = False
) -> Iterator[MadeFrame]:
    """cutout: uint8 RGBA, straight. background: uint8 RGB. size: (width, height). still: nobody moves, noise apart."""
    width, height = size
    scale = 0.95 * height / cutout.shape[0]
    straight = cutout.astype(np.float32) / 255
    premultiplied = np.dstack([straight[..., :3] * straight[..., 3:], straight[..., 3]])
    behind = cv2.resize(background, (round(width * 1.2), round(height * 1.2)), interpolation=cv2.INTER_AREA)
    behind = behind.astype(np.float32) / 255
    random = np.random.default_rng(1)
    for number in range(count):
        people = blurred(premultiplied, size, scale, number, still=still)
        across = 0 if still else 0.5 + 0.5 * np.sin(number / 23)
        left, top = int(across * 0.2 * width), int(0.1 * height)
        colours = people[..., :3] + (1 - people[..., 3:]) * behind[top : top + height, left : left + width]
        noisy = colours + random.normal(0, _NOISE, colours.shape).astype(np.float32)
        yield MadeFrame(np.rint(noisy.clip(0, 1) * 255).astype(np.uint8), people[..., 3].astype(np.float32))


def blurred(
    layer: np.ndarray, size: tuple[int, int], scale: float, time: float, below: int = 0, *, still: bool = False
) -> np.ndarray:
    """A premultiplied layer as a picture of this size shows it, blurred by its motion; see `place`."""
    times = [0.0] if still else [time + _SHUTTER * step / _BLUR_STEPS for step in range(_BLUR_STEPS)]
    # Reduced by areas first: warping alone would alias.
    flags = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    places = (place(layer.shape, size, scale, one, below) for one in times)
    return np.mean([cv2.warpAffine(layer, one, size, flags=flags) for one in places], axis=0)


def place(shape: tuple[int, ...], size: tuple[int, int], scale: float, time: float, below: int = 0) -> np.ndarray:
    """Where a layer of this shape is at a time in frames: it sways, and leans a little. float64, shape (2, 3).

    size: (width, height) of the picture, below which `below` rows of the layer lie.
    """
    angle, shift = 0.05 * np.sin(time / 9), 0.1 * size[0] * np.sin(time / 14)
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    turn = np.array([[cosine, -sine, 0], [sine, cosine, 0]])
    turn[:, 2] = (size[0] / 2 + shift, size[1]) - turn[:, :2] @ np.array([shape[1] / 2, shape[0] - below])
    return turn


def write(path: Path, made: Iterator[MadeFrame], rate: int = 30, *, sound: str = "aac", crf: int = 12) -> None:
    """A clip of these frames, with a tone of 440 Hz unless `sound` is empty. crf: how much is lost, of 0 to 51."""
    import av

    with av.open(str(path), "w") as clip:
        video = clip.add_stream("libx264", rate=rate, options={"crf": str(crf), "preset": "veryfast"})
        audio: Any = clip.add_stream(sound, rate=48_000) if sound else None
        count = 0
        for frame in made:
            height, width = frame.picture.shape[:2]
            if not count:
                video.width, video.height, video.pix_fmt = width, height, "yuv420p"
            shown = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame.picture), format="rgb24")
            shown.pts, shown.time_base = count, Fraction(1, rate)
            clip.mux(video.encode(shown))
            count += 1
        clip.mux(video.encode(None))
        if audio is not None:
            times = np.arange(48_000 * count // rate) / 48_000
            tone = (0.2 * np.sin(2 * np.pi * 440 * times)).astype(np.float32)[None]
            for begin in range(0, tone.shape[1], 1024):
                part = av.AudioFrame.from_ndarray(np.ascontiguousarray(tone[:, begin : begin + 1024]), "fltp", "mono")
                part.sample_rate, part.pts, part.time_base = 48_000, begin, Fraction(1, 48_000)
                clip.mux(audio.encode(part))
            clip.mux(audio.encode(None))
