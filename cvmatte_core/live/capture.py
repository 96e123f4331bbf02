"""Opening a camera, a video file or a stream, and what is said where that fails."""

from __future__ import annotations

import errno
import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from ..localization.errors import ImageError
from ..system import cameras
from ..video import source

logger = logging.getLogger(__name__)

STALL_SECONDS = 10  # that a stream may say nothing, and a camera
# AVFoundation refuses what a camera doesn't name, FFmpeg's own 30000/1001 frames a second among it.
_USUAL_RATES = {"avfoundation": ("30", "15")}
# EIO is all that DirectShow and AVFoundation say of a camera that is missing, or in use.
_KEYS = {errno.EBUSY: "camera_busy", errno.EIO: "camera_unusable"}
_FINAL = {errno.ENOENT, errno.EBUSY, errno.EACCES, errno.EPERM, errno.ENODEV}  # asking for less doesn't help


@dataclass(frozen=True)
class LiveSource:
    """A source. camera: what the system calls it, or else the path or address of a video, or else obs: the name of a
    source of OBS, whose frames OBS sends. loop: of a file.

    width, height, rate: that the camera is asked for; 0 for what it gives by itself. More than the rate isn't taken of
    OBS's frames either.
    """

    camera: str = ""
    video: str = ""
    obs: str = ""
    loop: bool = True
    width: int = 0
    height: int = 0
    rate: int = 0

    @property
    def name(self) -> str:
        """For sentences."""
        return self.camera or self.obs or self.video.rpartition("/")[2] or self.video

    @property
    def is_file(self) -> bool:
        return not self.camera and not self.obs and "://" not in self.video


def opened(wanted: LiveSource) -> Any:
    """FFmpeg's container of a source. Raises ImageError."""
    if wanted.camera:
        return _camera(wanted)
    try:
        return av.open(wanted.video, timeout=STALL_SECONDS)
    except FileNotFoundError as error:
        raise ImageError("clip_missing", name=wanted.name) from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise unreadable(wanted) from error


def unreadable(wanted: LiveSource, otherwise: str = "clip_unreadable") -> ImageError:
    """What to say of a video without a picture that can be read. otherwise: the error's key where it wasn't cut off."""
    if wanted.is_file:
        return source.unreadable(Path(wanted.video), otherwise)
    return ImageError("stream_unreadable" if otherwise == "clip_unreadable" else otherwise, name=wanted.name)


def _camera(wanted: LiveSource) -> Any:
    """With as much of what is wanted as it gives."""
    kind = cameras.FFMPEG_FORMATS.get(sys.platform, "v4l2")
    path = f"video={wanted.camera}" if kind == "dshow" else wanted.camera
    for options in (asked := _to_ask(wanted, _USUAL_RATES.get(kind, ()))):
        try:
            return av.open(path, format=kind, options=options, timeout=STALL_SECONDS)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            code = getattr(error, "errno", 0)
            if code not in _FINAL and options != asked[-1]:
                logger.info("%s with %s: %s", wanted.name, options, error)
                continue
            key = "camera_forbidden" if isinstance(error, PermissionError) else _KEYS.get(code, "camera_missing")
            raise ImageError(key, name=wanted.name) from error
    raise AssertionError("unreachable: the last try returns or raises")


def _to_ask(wanted: LiveSource, usual_rates: tuple[str, ...]) -> list[dict[str, str]]:
    """Options of FFmpeg's, from all that is wanted to none, each once."""
    sizes = [{}] if not (wanted.width and wanted.height) else [{"video_size": f"{wanted.width}x{wanted.height}"}, {}]
    rates = [{"framerate": rate} for rate in ((str(wanted.rate),) if wanted.rate else ()) + usual_rates]
    asked: list[dict[str, str]] = []
    for size in sizes:
        asked += [tried for rate in [*rates, {}] if (tried := {**size, **rate}) not in asked]
    return asked
