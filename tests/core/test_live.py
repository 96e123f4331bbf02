"""A live portrait's process and its frames: what it answers, how it keeps the rate, what it makes of bad input."""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from development import made_clips
from PIL import Image

from cvmatte_core.filesystem import paths
from cvmatte_core.live import capture, latest_frame, shared_camera
from cvmatte_core.live.capture import LiveSource
from cvmatte_core.live.latest_frame import LatestFrame
from cvmatte_core.live.pace import Pace
from cvmatte_core.live.process import Orders
from cvmatte_core.live.shared_frames import FrameReader, FramesUnusable, FrameWriter
from cvmatte_core.localization.errors import CvmatteError
from cvmatte_core.settings import MatteSettings
from cvmatte_core.system import cameras

SIZE = (160, 90)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cutout = np.full((90, 60, 4), 255, np.uint8)
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    made_clips.write(path, made_clips.frames(cutout, np.full((60, 90, 3), 90, np.uint8), SIZE, 15), sound="")
    return path


# Frames between two processes


def test_a_reader_sees_the_frames_of_a_writer(tmp_path: Path) -> None:
    writer = FrameWriter(tmp_path / "f.live", 6)
    reader = FrameReader(tmp_path / "f.live")
    for number in range(1, 8):
        rows = np.full((2, 3, 4), number, np.uint8)
        assert writer.write(rows.data, 3, 2) == number
        shown = reader.frame(number)
        assert shown is not None and (shown.width, shown.height) == (3, 2)
        assert reader.mapping[shown.offset : shown.offset + 24] == bytes([number]) * 24
    assert reader.frame(3) is None  # written over
    assert reader.frame(8) is None  # not there yet
    reader.close()
    writer.close()
    assert not (tmp_path / "f.live").exists()


@pytest.mark.parametrize("content", [b"", b"CVML", b"no frames at all" * 10])
def test_what_is_no_frames_is_told_apart(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "f.live"
    path.write_bytes(content)
    with pytest.raises(FramesUnusable):
        FrameReader(path)
    with pytest.raises(FramesUnusable):
        FrameReader(tmp_path / "none")


def test_a_truncated_file_is_told_apart(tmp_path: Path) -> None:
    writer = FrameWriter(tmp_path / "f.live", 100)
    data = (tmp_path / "f.live").read_bytes()
    (tmp_path / "cut.live").write_bytes(data[:-1])
    with pytest.raises(FramesUnusable):
        FrameReader(tmp_path / "cut.live")
    writer.close()


# The rate


@pytest.mark.parametrize("cost", [4e-7, 1e-6, 4e-6])  # seconds a pixel of the network's square
def test_the_working_size_settles_where_the_rate_is_kept(cost: float) -> None:
    pace = Pace("balanced", 20)
    for _ in range(400):
        pace.took(0.004 + cost * pace.side**2 * 9 / 16)
    took = 0.004 + cost * pace.side**2 * 9 / 16
    assert took < 1 / 20 or pace.side == pace.smallest
    assert took > 0.5 / 20 or pace.side == pace.largest


def test_one_slow_frame_changes_nothing() -> None:
    pace = Pace("balanced", 20)
    for _ in range(100):
        pace.took(0.04)
    before = pace.side
    pace.took(0.3)
    for _ in range(5):
        pace.took(0.04)
    assert pace.side == before


def test_a_limit_makes_the_size_smaller_and_then_the_rate() -> None:
    """On four cores a frame at the smallest size takes 40 ms of them together."""
    for limit, rate in ((1.0, 30), (0.25, 25), (0.1, 10)):
        pace = Pace("fast", 30, limit, 4)
        for _ in range(400):
            share = (pace.side / pace.smallest) ** 2
            pace.took(0.010 * share, 0.040 * share)
        assert 1 / pace.period == pytest.approx(rate, rel=0.05)
        assert pace.side == (pace.largest if limit == 1 else pace.smallest) or limit == 1
        assert pace.is_late == (rate < 30)


# Sources


def wait_for(condition: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def has_failed(source: LatestFrame) -> bool:
    return source.error is not None


class Clock:
    """For latest_frame.py. It goes on as long as somebody waits, who takes it for what would say that all ends."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        return False

    def is_set(self) -> bool:
        return False

    def unread(self, wanted: LiveSource) -> LatestFrame:
        """A source that goes by this clock, and that no thread reads."""
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(LatestFrame, "_run", lambda source: None)
            source = LatestFrame(wanted)
        source._closing = self  # type: ignore[assignment]
        return source


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    begun = Clock()
    monkeypatch.setattr(latest_frame, "time", begun)
    return begun


def test_a_file_plays_in_its_own_time_and_again(clip: Path, clock: Clock) -> None:
    source = clock.unread(LiveSource(video=str(clip)))
    begun, came = clock.now, []
    for pixels in itertools.islice(source._came(), 45):  # three times all of it
        assert pixels.shape == (*SIZE[::-1], 3)
        came.append(clock.now - begun)
    assert came == pytest.approx([number / 30 for number in range(45)], abs=0.002)


@pytest.mark.parametrize(("age", "waits"), [(0.3, None), (0.45, None), (0.55, 0.55), (0.85, 0.25), (1.1, None)])
def test_a_frame_that_is_about_to_be_old_gives_way_to_the_next(
    age: float, waits: float | None, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """age: of the newest frame. waits: how long for the next, at most; both in periods of the source."""
    period, picture = 0.2, np.zeros((1, 1, 3), np.uint8)
    source = clock.unread(LiveSource(video="http://127.0.0.1:9/none"))
    source._arrivals.extend(clock.now - (age + number) * period for number in reversed(range(5)))
    source._frame = 5, picture, source._arrivals[-1]
    waited: list[float] = []

    def wait_for(is_there: Any, seconds: float) -> bool:
        if not is_there():
            waited.append(seconds)
            source._frame = 6, picture, clock.now
        return True

    monkeypatch.setattr(source._there, "wait_for", wait_for)
    taken = source.next(4, 1)
    assert waited == ([] if waits is None else [pytest.approx(waits * period)])
    assert taken is not None and taken[0] == 5 + len(waited)


def test_once_it_ends(clip: Path) -> None:
    source = LatestFrame(LiveSource(video=str(clip), loop=False))
    wait_for(lambda: source.is_over)
    assert source.error is None


def test_who_is_late_gets_the_newest(clip: Path) -> None:
    source = LatestFrame(LiveSource(video=str(clip)))
    first = source.next(0, 10)
    assert first is not None
    wait_for(lambda: (source._frame or first)[0] > first[0] + 3)
    later = source.next(first[0], 10)
    source.close()
    assert later is not None and later[0] > first[0] + 3


def test_bad_sources_are_said(tmp_path: Path) -> None:
    broken, sound = tmp_path / "broken.mp4", tmp_path / "sound.mp4"
    broken.write_bytes(b"no video")
    with av.open(str(sound), "w") as container:
        audio: Any = container.add_stream("aac", rate=48_000)
        part = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        part.sample_rate = 48_000
        container.mux(audio.encode(part))
        container.mux(audio.encode(None))
    for wanted, key in (
        (LiveSource(video=str(broken)), "clip_unreadable"),
        (LiveSource(video=str(sound)), "clip_no_picture"),
        (LiveSource(video=str(tmp_path / "none.mp4")), "clip_missing"),
        (LiveSource(video="http://127.0.0.1:9/none"), "stream_unreadable"),
        (LiveSource(camera="/dev/video99"), "camera_missing"),
    ):
        source = LatestFrame(wanted)
        wait_for(partial(has_failed, source))
        assert source.error is not None and source.error.key == key, wanted


def test_a_stream_that_stalls_is_said(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "STALL_SECONDS", 1)
    content = clip.read_bytes()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    connection.recv(4096)
                    connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 100000000\r\n\r\n" + content[:200])
                    connections.append(connection)  # and nothing more

        connections: list[socket.socket] = []
        threading.Thread(target=serve, daemon=True).start()
        source = LatestFrame(LiveSource(video=f"http://127.0.0.1:{server.getsockname()[1]}/stream"))
        wait_for(partial(has_failed, source))
        assert source.error is not None and source.error.key in ("stream_unreadable", "live_lost")
        for connection in connections:
            connection.close()


def with_times(path: Path, times: list[float]) -> Path:
    """A video with a frame at each of these times, in seconds."""
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("libx264", rate=30)
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        for number, at in enumerate(times):
            frame = av.VideoFrame.from_ndarray(np.full((*SIZE[::-1], 3), 10 * number, np.uint8), "rgb24")
            frame.pts, frame.time_base = round(1000 * at), Fraction(1, 1000)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


def assert_plays(video: Path, times: list[float], clock: Clock) -> None:
    """Its frames come at these seconds since the first."""
    begun, source = clock.now, clock.unread(LiveSource(video=str(video), loop=False))
    assert [clock.now - begun for _ in source._came()] == pytest.approx(times, abs=0.002)


def test_a_video_with_a_hole_plays_on_as_fast_as_it_was_taken(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latest_frame, "_LONGEST_GAP", 1.0)
    video = with_times(tmp_path / "holes.mp4", [0.0, 0.2, 0.4, 1.2, 1.4, 1.6, 61.6, 61.8, 62.0])
    assert_plays(video, [0.0, 0.2, 0.4, 1.2, 1.4, 1.6, 2.6, 2.8, 3.0], clock)


@pytest.mark.parametrize("count", [3, 8])  # each part of its times is shorter, or longer, than a frame may be late
def test_a_video_whose_times_begin_anew_plays_on(count: int, tmp_path: Path, clock: Clock) -> None:
    times = [0.2 * number for number in range(2 * count)]
    parts = [with_times(tmp_path / f"{number}.ts", times[:count]) for number in range(2)]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    assert_plays(joined, times, clock)


def test_a_video_of_one_frame_is_not_opened_again_and_again(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = with_times(tmp_path / "one.mp4", [0.0])
    opened: list[str] = []
    real = capture.opened

    def counted(wanted: LiveSource) -> Any:
        opened.append(wanted.video)
        return real(wanted)

    monkeypatch.setattr(capture, "opened", counted)
    begun, source = clock.now, clock.unread(LiveSource(video=str(video)))
    assert [clock.now - begun for _ in itertools.islice(source._came(), 3)] == pytest.approx([0, 0.5, 1])
    assert len(opened) == 3


def test_a_looped_video_that_becomes_empty_is_said(clip: Path, tmp_path: Path) -> None:
    video = tmp_path / "me.mp4"
    video.write_bytes(clip.read_bytes())
    source = LatestFrame(LiveSource(video=str(video)))
    assert source.next(0, 10) is not None
    content = clip.read_bytes()
    pictures = content.index(b"mdat") + 4
    size = int.from_bytes(content[pictures - 8 : pictures - 4], "big") - 8
    (tmp_path / "empty.mp4").write_bytes(content[:pictures] + bytes(size) + content[pictures + size :])
    (tmp_path / "empty.mp4").replace(video)
    wait_for(lambda: has_failed(source))
    assert source.error is not None and source.error.key == "clip_empty"


# A camera: a picture that FFmpeg makes stands for it

CAMERA = "testsrc=rate=30:size=160x90,realtime"


@pytest.fixture
def camera(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The names of cameras, as often as each is opened."""
    opened: list[str] = []

    def open_one(path: str, **options: Any) -> Any:
        opened.append(path)
        return real(path, **options)

    real = av.open
    monkeypatch.setattr(av, "open", open_one)
    monkeypatch.setattr(cameras, "FFMPEG_FORMATS", {sys.platform: "lavfi"})
    monkeypatch.setenv("CVMATTE_DATA", str(tmp_path))
    return opened


def test_a_camera_is_asked_for_less_until_it_gives_something(
    camera: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As AVFoundation and DirectShow refuse a size or a rate that a camera doesn't name."""
    asked: list[dict[str, str]] = []
    open_one = av.open

    def picky(path: str, *, options: dict[str, str], **more: Any) -> Any:
        asked.append(options)
        if options != {"framerate": "15"}:
            raise av.error.OSError(errno.EIO, "Input/output error")
        return open_one(path, **more)

    monkeypatch.setattr(av, "open", picky)
    monkeypatch.setattr(capture, "_USUAL_RATES", {"lavfi": ("30", "15")})
    source = LatestFrame(LiveSource(camera=CAMERA, width=1280, height=720, rate=60))
    assert source.next(0, 10) is not None
    source.close()
    size = {"video_size": "1280x720"}
    with_size = [{**size, "framerate": rate} for rate in ("60", "30", "15")]
    assert asked == [*with_size, size, {"framerate": "60"}, {"framerate": "30"}, {"framerate": "15"}]


@pytest.mark.parametrize(
    ("error", "key"),
    [
        (av.error.OSError(errno.EIO, ""), "camera_unusable"),
        (av.error.OSError(errno.EBUSY, ""), "camera_busy"),
        (av.error.PermissionError(errno.EACCES, ""), "camera_forbidden"),
        (av.error.FileNotFoundError(errno.ENOENT, ""), "camera_missing"),
        (av.error.OSError(errno.ENODEV, ""), "camera_missing"),
    ],
)
def test_why_a_camera_is_not_opened_is_said(
    camera: list[str], monkeypatch: pytest.MonkeyPatch, error: OSError, key: str
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(av, "open", refuse)
    source = LatestFrame(LiveSource(camera=CAMERA, rate=60))
    wait_for(lambda: has_failed(source))
    assert source.error is not None and source.error.key == key


class Hesitant:
    """A camera that has nothing yet at every other look, as AVFoundation's: FFmpeg says so as an error. A frame of it
    takes a second."""

    def __init__(self, container: Any, gives: int, clock: Clock) -> None:
        self.streams, self.close, self._gives, self._clock = container.streams, container.close, gives, clock
        self._packets = container.demux(container.streams.video[0])

    def demux(self, stream: Any) -> Iterator[Any]:
        if self._gives:
            self._gives -= 1
            self._clock.now += 1
            yield next(self._packets)
        raise av.error.BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")


@pytest.mark.parametrize("gives", [20, 1])
def test_a_camera_that_has_nothing_yet_is_asked_again(
    camera: list[str], monkeypatch: pytest.MonkeyPatch, gives: int, clock: Clock
) -> None:
    open_one = av.open
    monkeypatch.setattr(av, "open", lambda *path, **options: Hesitant(open_one(*path, **options), gives, clock))
    source = clock.unread(LiveSource(camera=CAMERA))
    source._run()
    assert source._frame is not None and source._frame[0] == gives
    assert source.error is not None and source.error.key == "live_lost"
    assert clock.now - source._arrivals[-1] == pytest.approx(capture.STALL_SECONDS, abs=0.1)


def frame_files() -> list[Path]:
    """What is there of the frames of CAMERA, on their way from one process to the next."""
    return shared_camera._frame_files(shared_camera._stem(CAMERA))


def test_who_asks_for_a_camera_again_gets_no_old_picture(camera: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_camera, "_ASKED_SECONDS", 0.7)
    holder = LatestFrame(LiveSource(camera=CAMERA))
    assert holder.next(0, 10) is not None
    other = LatestFrame(LiveSource(camera=CAMERA))
    assert other.next(0, 10) is not None
    wait_for(frame_files)
    other.close()
    wait_for(lambda: not frame_files())
    again = LatestFrame(LiveSource(camera=CAMERA))
    assert again.next(0, 10) is not None
    again.close()
    holder.close()


def test_two_share_a_camera_and_the_second_takes_over(camera: list[str]) -> None:
    first = LatestFrame(LiveSource(camera=CAMERA))
    one = first.next(0, 10)
    second = LatestFrame(LiveSource(camera=CAMERA, width=64, height=36))
    other = second.next(0, 10)
    assert one is not None and other is not None and one[1].shape == other[1].shape == (90, 160, 3)
    assert camera == [CAMERA]
    end, number, pixels = time.monotonic() + 10, other[0], other[1]
    while number - other[0] <= 20:  # within 10 s: they come more often than it asks for them
        assert time.monotonic() < end
        taken = second.next(number, 10)
        assert taken is not None
        number, pixels, _ = taken
    assert np.abs(pixels.astype(int) - one[1]).mean() < 60  # the same picture, a while later
    assert camera == [CAMERA]
    first.close()
    wait_for(lambda: len(camera) == 2)
    assert second.next(number + 1, 10) is not None
    second.close()
    assert second.error is None


def test_cameras_of_other_names_are_not_shared(camera: list[str]) -> None:
    both = [LatestFrame(LiveSource(camera=name)) for name in (CAMERA, CAMERA.replace("160x90", "80x60"))]
    shapes = [taken[1].shape for source in both if (taken := source.next(0, 10)) is not None]
    for source in both:
        source.close()
    assert shapes == [(90, 160, 3), (60, 80, 3)]


def test_a_camera_whose_process_is_killed_is_taken_over(camera: list[str], tmp_path: Path) -> None:
    program = (
        "import sys; from cvmatte_core.live import process; from cvmatte_core.system import cameras; "
        "cameras.FFMPEG_FORMATS = {sys.platform: 'lavfi'}; process.main()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "frames")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=paths.ROOT,
    ) as holder:  # fmt: skip
        assert holder.stdin is not None and holder.stdout is not None
        order = {"source": {"camera": CAMERA}, "settings": MatteSettings(quality="fast").as_dict()}
        holder.stdin.write(json.dumps(order).encode() + b"\n")
        holder.stdin.flush()
        while b"frame" not in (line := holder.stdout.readline()):
            assert line, "it has ended"
        source = LatestFrame(LiveSource(camera=CAMERA))
        taken = source.next(0, 60)
        assert taken is not None and camera == []
        holder.kill()
        wait_for(lambda: camera == [CAMERA])
        assert source.next(taken[0] + 20, 60) is not None
        source.close()
    wait_for(lambda: not frame_files())


# The process


class Process:
    """A live portrait's process."""

    def __init__(self, folder: Path, patch: str = "") -> None:
        """patch: code that it runs before it begins, where `process` is its module."""
        patched = ("-c", f"from cvmatte_core.live import process\n{patch}\nprocess.main()")
        command = [sys.executable, *(patched if patch else ("-m", "cvmatte_core.live.process")), str(folder / "frames")]
        pipe = subprocess.PIPE
        self.running = subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=paths.ROOT)

    def order(self, **orders: Any) -> None:
        settings = {**MatteSettings(quality="fast").as_dict(), **orders.pop("settings", {})}
        self.say(json.dumps({"settings": settings, "rate": 30, **orders}))

    def say(self, line: str) -> None:
        assert self.running.stdin is not None
        self.running.stdin.write(line.encode() + b"\n")
        self.running.stdin.flush()

    def hear(self, kind: str) -> Any:
        """The next message of a kind."""
        assert self.running.stdout is not None
        for line in self.running.stdout:
            message = json.loads(line)
            if kind in message:
                return message[kind]
        raise AssertionError("it has ended")


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    started = Process(tmp_path)
    yield started
    started.running.kill()
    started.running.wait()


def test_frames_come_and_end_with_the_input(process: Process, clip: Path, tmp_path: Path) -> None:
    process.order(source={"video": str(clip)})
    reader = FrameReader(Path(process.hear("file")))
    shown = None
    while shown is None:
        shown = reader.frame(process.hear("frame"))
    assert (shown.width, shown.height) == SIZE
    state = process.hear("state")
    assert state["rate"] > 0 and state["side"] >= 192 and state["lag"] >= 0
    reader.close()
    assert process.running.stdin is not None
    process.running.stdin.close()
    assert process.running.wait(120) == 0
    assert not list(tmp_path.glob("*.live"))


def test_orders_that_are_none_are_survived(process: Process, clip: Path) -> None:
    for line in ("", "no JSON", "[]", "{}", '{"source": 3}', '{"source": {"nonsense": 1}, "settings": {}}'):
        process.say(line)
    process.order(source={"video": str(clip)}, settings={"threshold": 5000})
    assert process.hear("error")["data"]["key"] == "setting_range"
    process.order(source={"video": str(clip)})
    assert process.hear("frame") > 0


def test_a_source_that_comes_back_goes_on(process: Process, clip: Path, tmp_path: Path) -> None:
    video = tmp_path / "later.mp4"
    process.order(source={"video": str(video)})
    assert process.hear("error")["data"]["key"] == "clip_missing"
    video.write_bytes(clip.read_bytes())
    assert process.hear("frame") > 0
    assert process.hear("error") is None


def test_a_still_can_be_taken_of_a_film_that_has_ended(process: Process, clip: Path, tmp_path: Path) -> None:
    order = {"source": {"video": str(clip), "loop": False}, "rate": 60}
    process.order(**order)
    process.hear("frame")
    time.sleep(2)  # its end
    still = str(tmp_path / "still.png")
    process.order(**order, still=still)
    assert process.hear("still") == still
    assert Image.open(still).size == SIZE
    while not process.hear("state")["rests"]:
        pass


def test_it_goes_over_to_another_device_at_once(process: Process, clip: Path) -> None:
    """One that isn't there is said, with what takes its place."""
    order = {"source": {"video": str(clip)}}
    process.order(**order)
    assert process.hear("state")["fallback"] is None
    process.order(**order, device="tensorrt")
    while (fallback := process.hear("state")["fallback"]) is None:
        pass
    assert fallback == {"wanted": "TensorRT", "device": "CPU"}
    process.say(json.dumps({"device": "a toaster", "settings": {}, **order}))
    process.order(**order, device="cpu")
    while process.hear("state")["fallback"] is not None:
        pass


def test_a_source_that_never_says_a_word_begins_anew(tmp_path: Path) -> None:
    """In a driver that hangs: nothing but the end of the process frees the camera."""
    mute = Process(
        tmp_path,
        "import time\nfrom cvmatte_core.live import latest_frame\nprocess._MUTE_SECONDS = 1\n"
        "latest_frame.LatestFrame._run = lambda self: time.sleep(3600)",
    )
    mute.order(source={"camera": "/dev/video0"})
    assert mute.hear("error")["data"]["key"] == "live_lost"
    assert mute.running.wait(120) == 0


def test_a_thread_that_never_begins_is_not_waited_for(tmp_path: Path) -> None:
    """Memory ran out in it, and Python waits for ever."""
    stuck = Process(
        tmp_path,
        "import threading\nfrom cvmatte_core.live import latest_frame\nprocess._OPENING_SECONDS = 0.5\n"
        "latest_frame.LatestFrame = lambda *given: threading.Event().wait()",
    )
    stuck.order(source={"obs": "Webcam"})
    assert stuck.running.wait(120) == 0


def test_a_network_that_hangs_is_told_by_the_beat(tmp_path: Path, clip: Path) -> None:
    hanging = Process(
        tmp_path,
        "import time\nfrom cvmatte_core.matting import video_matter\n"
        "video_matter.VideoMatter.layer = lambda self, frame: time.sleep(3600)",
    )
    hanging.order(source={"video": str(clip)})
    while not any(seconds > 1 for _, seconds in hanging.hear("beat")):
        pass
    hanging.running.kill()
    hanging.running.wait()


def test_an_error_of_the_process_before_passes_with_the_first_frame(process: Process, clip: Path) -> None:
    process.order(source={"video": str(clip)})
    assert process.hear("error") is None


def test_a_file_that_is_replaced_while_it_plays(process: Process, clip: Path, tmp_path: Path) -> None:
    video = tmp_path / "mine.mp4"
    video.write_bytes(clip.read_bytes())
    process.order(source={"video": str(video)})
    process.hear("frame")
    assert process.hear("error") is None
    video.write_bytes(b"another thing")
    assert process.hear("error")["data"]["key"] in ("clip_unreadable", "live_lost")
    video.unlink()
    video.write_bytes(clip.read_bytes())
    assert process.hear("frame") > 0


def test_another_size_gets_another_file(process: Process, clip: Path, tmp_path: Path) -> None:
    large = tmp_path / "large.mp4"
    cutout = np.full((90, 60, 4), 255, np.uint8)
    made_clips.write(large, made_clips.frames(cutout, np.full((60, 90, 3), 90, np.uint8), (320, 180), 5), sound="")
    process.order(source={"video": str(clip)})
    first = process.hear("file")
    process.order(source={"video": str(large)})
    assert process.hear("file") != first


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A clip of an empty room, and a photo of it."""
    folder = tmp_path_factory.mktemp("rooms")
    empty = np.linspace(30, 220, SIZE[0] * SIZE[1] * 3).reshape(*SIZE[::-1], 3).astype(np.uint8)
    clear = np.zeros((90, 60, 4), np.uint8)
    made_clips.write(folder / "empty.mp4", made_clips.frames(clear, empty, SIZE, 15, still=True), sound="")
    Image.fromarray(next(made_clips.frames(clear, empty, SIZE, 1, still=True)).picture).save(folder / "room.png")
    return folder / "empty.mp4", folder / "room.png"


def test_the_empty_room_is_photographed_renewed_and_used(
    process: Process, rooms: tuple[Path, Path], tmp_path: Path
) -> None:
    clip, order = rooms[0], {"source": {"video": str(rooms[0])}}
    first, second = str(tmp_path / "first.png"), str(tmp_path / "second.png")
    process.order(**order, countdown=3)
    reader = FrameReader(Path(process.hear("file")))
    shown = None
    while shown is None:
        shown = reader.frame(process.hear("frame"))
    assert any(reader.mapping[shown.offset + 3 : shown.offset + 4 * SIZE[0] * SIZE[1] : 4])  # the number
    reader.close()
    process.order(**order, photograph_room=first)
    assert process.hear("room") == [first, None]
    with Image.open(first) as taken, Image.open(rooms[1]) as truth:
        assert np.abs(np.asarray(taken, int) - np.asarray(truth, int)).mean() < 4
    process.order(**order, photograph_room=first, room=first, renew_room=second)
    assert process.hear("room") == [second, None]
    process.order(**order, room=second)
    assert process.hear("state")["room"] == ""
    assert clip.exists()


def test_a_room_that_is_broken_or_gone_is_a_sentence_and_no_end(
    process: Process, clip: Path, rooms: tuple[Path, Path], tmp_path: Path
) -> None:
    order, broken = {"source": {"video": str(clip)}}, tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    for path in (broken, tmp_path / "none.png"):
        process.order(**order, room=str(path))
        while process.hear("state")["room"] != "live.room_unreadable":
            pass
        assert process.hear("frame") > 0
    process.order(**order, room=str(rooms[1]))
    while process.hear("state")["room"] == "live.room_unreadable":
        pass


def test_rates_are_kept_within_reason(clip: Path) -> None:
    settings = MatteSettings().as_dict()
    source = {"video": str(clip)}
    assert Orders.parse({"source": source, "settings": settings, "rate": 100_000}).rate == 60
    assert Orders.parse({"source": source, "settings": settings, "rate": -3}).rate == 1
    with pytest.raises(CvmatteError):
        Orders.parse({"source": source, "settings": {**settings, "feather": -1}})
