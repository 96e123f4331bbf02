"""What a clip shows, and what is made of it: colours, streams, shape, transparency, fields.

Seen by other eyes than made it: planes are read as they are stored, and turned into colours by the standards' formulas.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition
from demo.throwaway_obs import wait_until
from PIL import Image

from cvmatte_core.live.capture import LiveSource
from cvmatte_core.live.latest_frame import LatestFrame
from cvmatte_core.localization.errors import ImageError
from cvmatte_core.settings import MatteSettings
from cvmatte_core.video import clips, source
from tests import colours

PATCHES = ((0, 255, 0), (255, 0, 0), (200, 120, 40), (30, 90, 220), (128, 128, 128))
WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}  # red's, blue's; by H.273
GREEN = MatteSettings(quality="fast", background="colour", background_colour="#00ff00")


def planes_of(rgb: np.ndarray, matrix: int, full: bool, bits: int = 8) -> list[np.ndarray]:
    """Y, Cb and Cr of 4:4:4, by ITU-R BT.601, BT.709 and BT.2020. rgb: 0..1, shape (H, W, 3)."""
    red, blue = WEIGHTS[matrix]
    y = rgb @ np.array([red, 1 - red - blue, blue])
    cb, cr = (rgb[..., 2] - y) / (2 - 2 * blue), (rgb[..., 0] - y) / (2 - 2 * red)
    unit, most = 1 << (bits - 8), (1 << bits) - 1
    grey = 128 * unit
    if full:
        made = [y * most, grey + cb * most, grey + cr * most]
    else:
        made = [16 * unit + 219 * unit * y, grey + 224 * unit * cb, grey + 224 * unit * cr]
    return [np.rint(plane).clip(0, most).astype(np.uint16 if bits > 8 else np.uint8) for plane in made]


def colours_in(frame: Any, matrix: int = 1) -> np.ndarray:
    """uint8 RGB of a frame of limited range, 4:2:0 or 4:4:4, of 8, 10 or 12 bits."""
    deep = next((bits for bits in (10, 12) if str(bits) in frame.format.name), 8)
    unit, kind = 1 << (deep - 8), np.uint8 if deep == 8 else np.uint16
    read = []
    for plane in frame.planes[:3]:
        rows = np.frombuffer(plane, kind).reshape(plane.height, -1)[:, : plane.width].astype(float)
        read.append(rows.repeat(frame.height // plane.height, 0).repeat(frame.width // plane.width, 1))
    y, cb, cr = (read[0] / unit - 16) / 219, (read[1] / unit - 128) / 224, (read[2] / unit - 128) / 224
    red, blue = WEIGHTS[matrix]
    r, b = y + (2 - 2 * red) * cr, y + (2 - 2 * blue) * cb
    g = (y - red * r - blue * b) / (1 - red - blue)
    return np.rint(255 * np.dstack([r, g, b]).clip(0, 1)).astype(np.uint8)


def patches(size: tuple[int, int]) -> np.ndarray:
    """Stripes of PATCHES, 0..1."""
    width, height = size
    row = np.repeat(np.array(PATCHES) / 255, -(-width // len(PATCHES)), axis=0)[:width]
    return np.broadcast_to(row, (height, width, 3))


def frame_of(planes: list[np.ndarray], pixels: str, number: int) -> Any:
    """The frame of these planes, at a tenth of a second for each before it."""
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, pixels)
    for plane, values in zip(frame.planes, planes, strict=True):
        rows = np.zeros((plane.height, plane.line_size // values.itemsize), values.dtype)
        rows[:, : values.shape[1]] = values
        plane.update(rows.tobytes())
    frame.pts, frame.time_base = number, Fraction(1, 10)
    return frame


def write(path: Path, frames: list[list[np.ndarray]], pixels: str = "yuv444p", **told: Any) -> Path:
    """A clip of frames of planes, without loss. told: of the stream's codec, as matrix and range."""
    with av.open(str(path), "w") as clip:
        video: Any = clip.add_stream("libx264", rate=10, options={"qp": "0"})
        video.height, video.width = frames[0][0].shape
        video.pix_fmt = pixels
        for name, value in told.items():
            setattr(video.codec_context, name, value)
        for number, planes in enumerate(frames):
            frame = frame_of(planes, pixels, number)
            for name in ("colorspace", "color_range", "color_primaries", "color_trc"):
                if name in told:
                    setattr(frame, name, told[name])
            clip.mux(video.encode(frame))
        clip.mux(video.encode(None))
    return path


def seen(path: Path) -> list[np.ndarray]:
    with source.opened(path) as container:
        return [picture.pixels for picture in source.Film(path, container).pictures()]


HD, SD = (1280, 720), (640, 360)


@pytest.mark.parametrize(
    ("size", "matrix", "told", "full", "bits"),
    [
        (HD, 1, {"colorspace": 1, "color_range": 1, "color_primaries": 1, "color_trc": 1}, False, 8),
        (HD, 1, {}, False, 8),
        (SD, 5, {}, False, 8),
        (HD, 6, {"colorspace": 6, "color_range": 1}, False, 8),
        (SD, 1, {"colorspace": 1}, False, 8),
        (HD, 1, {"colorspace": 1, "color_range": 2}, True, 8),
        (SD, 5, {"colorspace": 5, "color_range": 2}, True, 8),
        (HD, 1, {"colorspace": 1, "color_range": 1}, False, 10),
        (HD, 1, {"colorspace": 1, "color_range": 2}, True, 10),
        (SD, 9, {"colorspace": 9, "color_range": 1}, False, 10),
    ],
)
def test_colours_are_read_by_what_the_file_says_and_else_by_its_size(
    tmp_path: Path, size: tuple[int, int], matrix: int, told: dict[str, int], full: bool, bits: int
) -> None:
    wanted = patches(size)
    pixels = "yuv444p" if bits == 8 else f"yuv444p{bits}le"
    path = write(tmp_path / "clip.mkv", [planes_of(wanted, matrix, full, bits)] * 2, pixels, **told)
    for picture in (seen(path)[1], taken_live(path)):
        shown, stripe = picture.astype(int), size[0] // len(PATCHES)
        for number, patch in enumerate(PATCHES):
            assert np.abs(shown[size[1] // 2, round((number + 0.5) * stripe)] - patch).max() <= 2, patch


def taken_live(path: Path) -> np.ndarray:
    latest = LatestFrame(LiveSource(video=str(path)))
    try:
        taken = latest.next(0, 20)
        assert taken is not None, latest.error
        return taken[1]
    finally:
        latest.close()


@pytest.fixture(scope="module")
def portrait(photo: Path) -> np.ndarray:
    """0..1, shape (360, 640, 3)."""
    picture = Image.open(photo).convert("RGB")
    canvas = Image.new("RGB", SD, (70, 90, 110))
    canvas.paste(picture.resize((360, 360)), (140, 0))
    return np.asarray(canvas) / 255


@pytest.fixture(scope="module")
def portrait_clip(portrait: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("clips") / "me.mkv", [planes_of(portrait, 5, False)] * 4)


@pytest.mark.parametrize("ending", [".mp4", ".webm", ".mov"])
def test_what_is_made_says_what_it_was_converted_to(portrait_clip: Path, tmp_path: Path, ending: str) -> None:
    made = clips.cut_out(portrait_clip, tmp_path / f"out{ending}", GREEN, 2).path
    with av.open(str(made)) as clip:
        stream = clip.streams.video[0]
        frame: Any = list(clip.decode(stream))[-1]
        context: Any = stream.codec_context
        told = context.colorspace, context.color_range, context.color_primaries, context.color_trc
    assert told == (1, 1, 1, 1)
    shown = colours_in(frame).astype(int)
    assert np.abs(shown[4:40, 4:60] - (0, 255, 0)).max() <= 3
    before = seen(portrait_clip)[0]
    inside = np.s_[250:340, 300:340]  # of the person's suit
    assert np.abs(np.median(shown[inside] - before[inside].astype(int), axis=(0, 1))).max() <= 3


# Streams


def with_a_cover(path: Path, film: list[list[np.ndarray]], *, flagged: bool) -> Path:
    """A film whose first stream is another picture: a cover, or, not flagged, a film that isn't the default."""
    with av.open(str(path), "w") as clip:
        cover: Any = clip.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 90, 120, "yuvj420p"
        cover.disposition = Disposition.attached_pic if flagged else Disposition(0)
        video: Any = clip.add_stream("libx264", rate=10, options={"qp": "0"})
        video.height, video.width, video.pix_fmt = *film[0][0].shape, "yuv444p"
        video.disposition = Disposition.default
        blue = av.VideoFrame.from_ndarray(np.full((120, 90, 3), (0, 0, 255), np.uint8), format="rgb24")
        clip.mux(cover.encode(blue))
        clip.mux(cover.encode(None))
        for number, planes in enumerate(film):
            clip.mux(video.encode(frame_of(planes, "yuv444p", number)))
        clip.mux(video.encode(None))
    return path


def boxes(data: bytes) -> list[bytes]:
    """An MP4's, or those within one."""
    found = []
    while data:
        length = int.from_bytes(data[:4], "big")
        found.append(data[:length])
        data = data[length:]
    return found


def put_cover_first(path: Path) -> None:
    """As some programs write it: what holds the cover comes before the film's description."""
    parts = boxes(path.read_bytes())
    (moov,) = (part for part in parts if part[4:8] == b"moov")
    inside = sorted(
        boxes(moov[8:]), key=lambda part: (b"mvhd", b"udta").index(part[4:8]) if part[4:8] != b"trak" else 2
    )
    path.write_bytes(b"".join(moov[:8] + b"".join(inside) if part is moov else part for part in parts))


@pytest.mark.parametrize(("name", "flagged"), [("film.mp4", True), ("film.mkv", False)])
def test_the_film_is_taken_not_its_cover(tmp_path: Path, name: str, flagged: bool) -> None:
    path = with_a_cover(tmp_path / name, [planes_of(patches(SD), 5, False)] * 5, flagged=flagged)
    if path.suffix == ".mp4":
        put_cover_first(path)
    with av.open(str(path)) as clip:  # the film isn't the first
        assert clip.streams.video[0].codec_context.name == "mjpeg"
    assert clips.look_at(path).size == SD
    pictures = seen(path)
    assert len(pictures) == 5 and pictures[0].shape == (360, 640, 3)
    assert taken_live(path).shape == (360, 640, 3)


def tone(pitch: float) -> list[np.ndarray]:
    times = np.arange(48_000) / 48_000
    samples = (0.3 * np.sin(2 * np.pi * pitch * times)).astype(np.float32)[None]
    return [samples[:, at : at + 1024] for at in range(0, 47 * 1024, 1024)]


@pytest.mark.parametrize("ending", [".webm", ".mov"])
def test_every_track_of_the_sound_stays_with_its_language_and_the_default(
    portrait: np.ndarray, tmp_path: Path, ending: str
) -> None:
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as clip:
        video: Any = clip.add_stream("libx264", rate=10, options={"qp": "0"})
        video.width, video.height, video.pix_fmt = *SD, "yuv420p"
        tracks: list[Any] = []
        for language, default in (("eng", False), ("jpn", True)):
            track: Any = clip.add_stream("aac", rate=48_000)
            track.metadata["language"] = language
            track.disposition = Disposition.default if default else Disposition(0)
            tracks.append(track)
        for number in range(10):
            frame = av.VideoFrame.from_ndarray(np.rint(portrait * 255).astype(np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            clip.mux(video.encode(frame))
        for track, pitch in zip(tracks, (300, 1200), strict=True):
            for number, part in enumerate(tone(pitch)):
                samples = av.AudioFrame.from_ndarray(np.ascontiguousarray(part), "fltp", "mono")
                samples.sample_rate, samples.pts, samples.time_base = 48_000, 1024 * number, Fraction(1, 48_000)
                clip.mux(track.encode(samples))
            clip.mux(track.encode(None))
        clip.mux(video.encode(None))
    made = clips.cut_out(path, tmp_path / f"out{ending}", MatteSettings(quality="fast"), 2).path
    with av.open(str(made)) as clip:
        told = [
            (stream.language, bool(stream.disposition & Disposition.default), pitch_of(made, number))
            for number, stream in enumerate(clip.streams.audio)
        ]
    assert told == [("eng", False, pytest.approx(300, abs=12)), ("jpn", True, pytest.approx(1200, abs=12))]


def pitch_of(path: Path, track: int) -> float:
    with av.open(str(path)) as clip:
        decoded = [frame.to_ndarray() for frame in clip.decode(clip.streams.audio[track])]
        rate = clip.streams.audio[track].codec_context.sample_rate
    is_packed = decoded[0].shape[0] == 1 and decoded[0].dtype.kind == "f" and path.suffix == ".webm"
    samples = np.concatenate([part.reshape(-1, 2 if is_packed else 1)[:, 0] for part in decoded]).astype(float)
    spectrum = np.abs(np.fft.rfft(samples[: rate // 2]))
    return float(np.argmax(spectrum) * rate / (rate // 2))


# Shape


@pytest.mark.parametrize(
    ("stored", "aspect", "shown"),
    [((720, 576), Fraction(64, 45), (1024, 576)), ((720, 480), Fraction(8, 9), (720, 540)), (SD, Fraction(1), SD)],
)
def test_pixels_become_square(
    tmp_path: Path, stored: tuple[int, int], aspect: Fraction, shown: tuple[int, int]
) -> None:
    path = write(tmp_path / "pal.mp4", [planes_of(patches(stored), 5, False)] * 2, sample_aspect_ratio=aspect)
    assert clips.look_at(path).size == shown
    assert seen(path)[0].shape == (*shown[::-1], 3)
    assert taken_live(path).shape == (*shown[::-1], 3)


def test_fields_are_no_comb(tmp_path: Path) -> None:
    """A bar that moves from field to field: of the comb of every second line nothing is left."""
    frames = []
    for number in range(8):
        y = np.full((288, 352), 40, np.uint8)
        for field in (0, 1):
            left = 40 + 16 * (2 * number + field)
            y[field::2, left : left + 60] = 200
        frames.append([y, np.full((144, 176), 128, np.uint8), np.full((144, 176), 128, np.uint8)])
    path = tmp_path / "fields.mkv"
    with av.open(str(path), "w") as clip:
        video: Any = clip.add_stream("libx264", rate=10, options={"qp": "0", "flags": "+ildct", "x264-params": "tff=1"})
        video.width, video.height, video.pix_fmt = 352, 288, "yuv420p"
        for number, planes in enumerate(frames):
            clip.mux(video.encode(frame_of(planes, "yuv420p", number)))
        clip.mux(video.encode(None))
    with av.open(str(path)) as read:
        assert all(frame.interlaced_frame for frame in read.decode(video=0))
    pictures = seen(path)
    assert len(pictures) == len(frames)

    def comb(grey: np.ndarray) -> float:
        lines = grey.astype(float)
        return float(np.abs(lines[1:-1] - (lines[:-2] + lines[2:]) / 2).mean())

    before = comb(frames[4][0])
    assert before > 5 and all(comb(picture[..., 1]) < before / 8 for picture in pictures[1:-1])
    assert comb(taken_live(path)[..., 1]) < before / 8


# Transparency


def transparent(path: Path, rgba: np.ndarray, count: int = 3) -> Path:
    """A clip that is transparent itself: ProRes 4444 in MOV, or VP9 in WebM."""
    codec, pixels = ("prores_ks", "yuva444p10le") if path.suffix == ".mov" else ("libvpx-vp9", "yuva420p")
    with av.open(str(path), "w") as clip:
        video: Any = clip.add_stream(codec, rate=10, options={"crf": "4", "b": "0"} if codec == "libvpx-vp9" else {})
        video.height, video.width = rgba.shape[:2]
        video.pix_fmt = pixels
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(rgba, format="rgba").reformat(format=pixels)
            frame.pts, frame.time_base = number, Fraction(1, 10)
            clip.mux(video.encode(frame))
        clip.mux(video.encode(None))
    return path


@pytest.mark.parametrize("ending", [".mov", ".webm"])
def test_a_clip_s_own_transparency_stays_and_what_it_hid_isn_t_shown(
    portrait: np.ndarray, tmp_path: Path, ending: str
) -> None:
    """The left half of the person is hidden, and red besides."""
    rgba = np.dstack([np.rint(portrait * 255), np.full(portrait.shape[:2], 255)]).astype(np.uint8)
    rgba[:, :310] = (255, 0, 0, 0)
    path = transparent(tmp_path / f"own{ending}", rgba)
    made = clips.cut_out(path, tmp_path / "frames", MatteSettings(quality="fast"), 2).path
    layer = np.array(Image.open(made / "000002.png"))
    assert layer[:, :304, 3].max() == 0 and np.median(layer[250:340, 330:360, 3]) > 200
    for background in ("colour", "blur"):
        settings = MatteSettings(quality="fast", background=background, background_colour="#0000ff")
        shown = np.array(Image.open(clips.cut_out(path, tmp_path / background, settings, 2).path / "000002.png"))
        hidden = shown[:, :304].astype(int)
        assert (hidden[..., 0] - hidden[..., 1:3].max(axis=-1)).max() < 60, background  # no red of what was there


# High dynamic range


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_is_shown_as_on_a_standard_screen(portrait: np.ndarray, tmp_path: Path, transfer: int) -> None:
    signal = colours.signal_of(colours.light_of(np.rint(portrait * 255).astype(np.uint8)), 9, transfer)
    told = {"colorspace": 9, "color_range": 1, "color_primaries": 9, "color_trc": transfer}
    path = write(tmp_path / "hdr.mkv", [planes_of(signal, 9, False, 10)] * 3, "yuv444p10le", **told)
    shown = seen(path)[1].astype(int)
    assert np.abs(shown - np.rint(portrait * 255)).mean() < 6


# What is incomplete


def test_a_recording_that_was_cut_off_is_called_incomplete(portrait_clip: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole.mp4"
    shutil.copy(clips.cut_out(portrait_clip, tmp_path / "made.mp4", GREEN, 2).path, whole)
    data = whole.read_bytes()
    assert data.rfind(b"moov") > data.rfind(b"mdat")  # the index is written last
    cut = tmp_path / "cut.mp4"
    cases: list[tuple[Callable[[bytes], bytes], str]] = [
        (lambda data: data[: data.rfind(b"moov") - 4], "clip_incomplete"),
        (lambda data: data[: len(data) // 2], "clip_incomplete"),
        (lambda data: data[: data.rfind(b"moov") + 200], "clip_incomplete"),
        (lambda data: b"\0\0\0\x18ftypmp42" + bytes(500), "clip_unreadable"),
        (lambda data: b"no clip at all", "clip_unreadable"),
    ]
    for damage, key in cases:
        cut.write_bytes(damage(data))
        with pytest.raises(ImageError) as refused:
            clips.look_at(cut)
        assert refused.value.key == key
        latest = LatestFrame(LiveSource(video=str(cut)))
        assert wait_until(partial(getattr, latest, "error")).key == key
        assert latest.next(0, 0) is None  # nor will there be one: its thread has ended
        latest.close()


def test_of_a_clip_whose_end_is_missing_the_rest_is_cut_out_and_that_is_said(
    portrait: np.ndarray, tmp_path: Path
) -> None:
    long = write(tmp_path / "long.mp4", [planes_of(np.roll(portrait, 2 * at, 1), 5, False) for at in range(30)])
    moved = tmp_path / "moved.mp4"
    with av.open(str(long)) as read, av.open(str(moved), "w", options={"movflags": "faststart"}) as clip:
        stream = clip.add_stream_from_template(read.streams.video[0])
        packets = [packet for packet in read.demux(video=0) if packet.dts is not None]
        for packet in packets:
            packet.stream = stream
            clip.mux(packet)
    # Its index comes first: so what it begins with can be read.
    moved.write_bytes(moved.read_bytes()[: -sum(packet.size for packet in packets[20:])])
    made = clips.cut_out(moved, tmp_path / "some.webm", MatteSettings(quality="fast"), 2)
    assert 5 < made.frames < 30 and [note.key for note in made.notes] == ["note.clip_cut_off"]
    assert clips.cut_out(long, tmp_path / "all.webm", MatteSettings(quality="fast"), 2).notes == ()
