"""Which cameras there are, and what each is called. Run as a program, it answers that and ends.

Standard library only, but for what Windows' and macOS's cameras are asked with.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import logging
import struct
import subprocess
import sys
import threading
from pathlib import Path

from ..localization.errors import WorkerError
from . import spawn

logger = logging.getLogger(__name__)

FFMPEG_FORMATS = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}  # by sys.platform
_V4L2_DEVICES = Path("/sys/class/video4linux")
_QUERYCAP, _CAPABILITY = 0x80685600, struct.Struct("<16s32s32sIII12x")  # VIDIOC_QUERYCAP of linux/videodev2.h
_HAS_DEVICE_CAPS, _CAPTURES = 0x80000000, 0x1001  # the latter: in one plane, or in several
_DYING_SECONDS = 1.0  # that a killed process is given: asked again meanwhile, it would count as one that hangs
_PATIENCE_SECONDS = 15.0  # with all drivers together: a camera that sleeps takes a few of them to wake


class CameraLook:
    """Asks for the cameras in a process of its own, which a driver may hang. One at a time: the next would hang too."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None  # the last one
        self._lock = threading.Lock()

    def __call__(self) -> dict[str, str]:
        """As `cameras`. Raises WorkerError where no answer comes."""
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                raise WorkerError("cameras_no_answer")
            nowhere, pipe = subprocess.DEVNULL, subprocess.PIPE
            process = spawn.start(spawn.command(__name__), {}, stdin=nowhere, stdout=pipe, stderr=nowhere)
            self._process = process
            try:
                answer, _ = process.communicate(timeout=_PATIENCE_SECONDS)
                return dict(json.loads(answer))
            except (subprocess.TimeoutExpired, ValueError) as error:
                logger.warning("the cameras: %s", error)
                process.kill()
                with contextlib.suppress(subprocess.TimeoutExpired):  # a driver may keep it even from that
                    process.wait(_DYING_SECONDS)
                raise WorkerError("cameras_no_answer") from error


def cameras() -> dict[str, str]:
    """What to open each camera by, and what it is shown as. Empty where the system tells of none."""
    return _of_linux() if sys.platform == "linux" else _of_ffmpeg(FFMPEG_FORMATS.get(sys.platform, ""))


def _of_linux() -> dict[str, str]:
    found = {}
    for device in sorted(_V4L2_DEVICES.glob("video*"), key=lambda one: (len(one.name), one.name)):
        try:
            name = (device / "name").read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            continue
        if _gives_pictures(Path("/dev", device.name)):
            found[f"/dev/{device.name}"] = f"{name} ({device.name})"
    return found


def _gives_pictures(device: Path) -> bool:
    """A webcam also has a device of its own for what it measures."""
    import fcntl

    capability = bytearray(_CAPABILITY.size)
    try:
        with device.open("rb", buffering=0) as file:
            fcntl.ioctl(file, _QUERYCAP, capability)
    except OSError:  # whatever is wrong is said when it is chosen
        return True
    *_, of_all, of_this = _CAPABILITY.unpack(capability)
    return bool((of_this if of_all & _HAS_DEVICE_CAPS else of_all) & _CAPTURES)


def _of_ffmpeg(format: str) -> dict[str, str]:
    """By the names that people know, since OBS stores an editable list's text. Of several with one name, all but the
    first go by the system's names."""
    try:
        from av import device
    except ImportError:
        return {}
    found: dict[str, str] = {}
    for one in device.enumerate_input_devices(format) if format else ():
        is_screen = format == "avfoundation" and one.description.startswith("Capture screen")
        if is_screen or (one.media_types and "video" not in one.media_types):
            continue
        name = one.description if one.description not in found else one.name
        found[name] = name
    return found


def main() -> None:
    faulthandler.dump_traceback_later(_PATIENCE_SECONDS, exit=True)  # who asked may be gone; it needs no GIL
    print(json.dumps(cameras()))


if __name__ == "__main__":
    main()
