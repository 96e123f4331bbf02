"""Which cameras there are, and what each is called."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

FFMPEG_FORMATS = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}  # by sys.platform
_V4L2_DEVICES = Path("/sys/class/video4linux")
_QUERYCAP, _CAPABILITY = 0x80685600, struct.Struct("<16s32s32sIII12x")  # VIDIOC_QUERYCAP of linux/videodev2.h
_HAS_DEVICE_CAPS, _CAPTURES = 0x80000000, 0x1001  # the latter: in one plane, or in several


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
    """By the names that people know, since OBS stores just what an editable list's entry says.

    Where several have one name, all but the first go by what the system calls them.
    """
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
