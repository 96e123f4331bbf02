"""Which cameras are told of: made-up systems, since none is here."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av.device
import pytest

from cvmatte_core.system import cameras


def test_linux_s_cameras_go_by_their_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, name in ((10, "HDMI grabber"), (2, "Webcam: Webcam\n"), (3, "Webcam: Webcam\n")):
        (tmp_path / f"video{number}").mkdir()
        (tmp_path / f"video{number}" / "name").write_text(name)
    (tmp_path / "video4").mkdir()  # it went while we looked
    monkeypatch.setattr(cameras, "_V4L2_DEVICES", tmp_path)
    monkeypatch.setattr(cameras.sys, "platform", "linux")
    monkeypatch.setattr(cameras, "_gives_pictures", lambda device: device.name != "video3")
    assert list(cameras.cameras().items()) == [
        ("/dev/video2", "Webcam: Webcam (video2)"),
        ("/dev/video10", "HDMI grabber (video10)"),
    ]


@pytest.mark.parametrize(
    ("of_all", "of_this", "expected"),
    [
        (0x84A00001, 0x04200001, True),  # a webcam's picture,
        (0x84A00001, 0x04A00000, False),  # and what it measures
        (0x00000001, 0, True),  # an old driver
        (0x84201000, 0x04201000, True),  # in several planes
    ],
)
def test_what_gives_no_picture_is_no_camera(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of_all: int, of_this: int, expected: bool
) -> None:
    def answer(_file: Any, request: int, capability: bytearray) -> None:
        assert request == 0x80685600 and len(capability) == 104
        capability[84:92] = of_all.to_bytes(4, "little") + of_this.to_bytes(4, "little")

    monkeypatch.setattr("fcntl.ioctl", answer)
    device = tmp_path / "video0"
    device.touch()
    assert cameras._gives_pictures(device) is expected


def test_a_device_that_can_not_be_asked_is_offered(tmp_path: Path) -> None:
    assert cameras._gives_pictures(tmp_path / "video9")
    (tmp_path / "no device").touch()
    assert cameras._gives_pictures(tmp_path / "no device")


def found(name: str, description: str, *media_types: str) -> SimpleNamespace:
    return SimpleNamespace(name=name, description=description, media_types=list(media_types))


@pytest.mark.parametrize(
    ("platform", "format", "devices", "expected"),
    [
        (
            "win32", "dshow",
            [found("@device_pnp_1", "Webcam", "video"), found("@device_pnp_2", "Webcam", "video"),
             found("@device_cm_3", "Microphone", "audio"), found("@device_pnp_4", "Grabber", "video", "audio"),
             found("@device_sw_5", "OBS Virtual Camera")],
            ["Webcam", "@device_pnp_2", "Grabber", "OBS Virtual Camera"],
        ),
        (
            "darwin", "avfoundation",
            [found("0", "FaceTime HD Camera", "video"), found("1", "Capture screen 0", "video"),
             found("0", "MacBook Microphone", "audio")],
            ["FaceTime HD Camera"],
        ),
        ("win32", "dshow", [], []),
    ],
)  # fmt: skip
def test_elsewhere_they_go_by_the_name_that_people_know(
    monkeypatch: pytest.MonkeyPatch, platform: str, format: str, devices: list[Any], expected: list[str]
) -> None:
    monkeypatch.setattr(cameras.sys, "platform", platform)
    monkeypatch.setattr(av.device, "enumerate_input_devices", {format: devices}.__getitem__)
    assert cameras.cameras() == {name: name for name in expected}


def test_a_system_that_ffmpeg_knows_nothing_of_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cameras.sys, "platform", "freebsd")
    assert cameras.cameras() == {}
