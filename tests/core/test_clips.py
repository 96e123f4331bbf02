"""Clips: what becomes of them, what is refused, and how they end before their end."""

from __future__ import annotations

import errno
import shutil
import threading
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from development import made_clips
from PIL import Image

from cvmatte_core.commands import matte as matte_command
from cvmatte_core.localization.errors import Cancelled, CvmatteError, ImageError, OutputError
from cvmatte_core.matting.video_matter import VideoMatter
from cvmatte_core.settings import MatteSettings
from cvmatte_core.video import audio, checkpoints, clips, source

SIZE, COUNT = (320, 180), 12
FAST = MatteSettings(quality="fast")


@pytest.fixture(scope="module")
def made(photo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of 12 frames with sound, in MP4."""
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    background = np.random.default_rng(2).integers(60, 190, (60, 90, 3), dtype=np.uint8)
    background = np.array(Image.fromarray(background).resize((900, 600), Image.Resampling.BICUBIC))
    made_clips.write(path, made_clips.frames(made_clips.cut_by_an_ellipse(photo), background, SIZE, COUNT))
    return path


def decoded(path: Path) -> list[Any]:
    """Its frames; of a WebM with their transparency, which the usual decoder leaves out."""
    with av.open(str(path)) as clip:
        stream = clip.streams.video[0]
        if path.suffix != ".webm":
            return list(clip.decode(stream))
        decoder: Any = av.CodecContext.create("libvpx-vp9", "r")
        return [frame for packet in clip.demux(stream) if packet.size for frame in decoder.decode(packet)]


def sound_of(path: Path) -> tuple[str, float] | None:
    """Its codec, and how many seconds of it there are."""
    with av.open(str(path)) as clip:
        if not clip.streams.audio:
            return None
        stream = clip.streams.audio[0]
        samples = sum(frame.samples for frame in clip.decode(stream))
        return stream.codec_context.name, samples / stream.codec_context.sample_rate


@pytest.mark.parametrize(("ending", "codec"), [(".webm", "opus"), (".mov", "aac")])
def test_a_transparent_clip_keeps_its_frames_times_and_sound(
    made: Path, tmp_path: Path, ending: str, codec: str
) -> None:
    target = tmp_path / f"out{ending}"
    done: list[int] = []
    result = clips.cut_out(made, target, FAST, 2, on_frame=done.append)
    assert (result.path, result.frames, result.whole, done[-1]) == (target, COUNT, True, COUNT)
    frames, before = decoded(target), decoded(made)
    assert [round(frame.time, 2) for frame in frames] == [round(frame.time, 2) for frame in before]
    alpha = frames[-1].to_ndarray(format="rgba")[..., 3]
    assert alpha.shape == SIZE[::-1]
    assert alpha[:20, :20].max() < 16 and alpha[90:140, 150:170].min() > 200
    its_sound = sound_of(target)
    assert its_sound is not None and its_sound[0] == codec
    assert its_sound[1] == pytest.approx(COUNT / 30, abs=0.08)


def loud_seconds(path: Path) -> list[float]:
    """When its sound begins and ends, silence being none, in seconds from the clip's beginning."""
    changes: list[float] = []
    was_loud, until = False, 0.0
    with av.open(str(path)) as clip:
        begun = (clip.start_time or 0) / av.time_base
        for frame in clip.decode(clip.streams.audio[0]):
            assert frame.time is not None
            samples = frame.to_ndarray().astype(float)
            is_loud = np.abs(samples).max() > 0.05 * (32768 if frame.format.name.startswith("s16") else 1)
            if is_loud != was_loud or (was_loud and changes and frame.time - until > 0.1):
                changes += [frame.time - begun] if is_loud != was_loud else [until - begun, frame.time - begun]
            was_loud, until = is_loud, frame.time + frame.samples / frame.sample_rate
    return [round(change, 1) for change in [*changes, *([until - begun] if was_loud else [])]]


def with_late_sound(path: Path, rgb: np.ndarray, offset: int) -> None:
    """Two seconds of a picture, and a tone from 0.4 to 0.8 and from 1.2 to 1.6; all of it `offset` seconds late."""
    with av.open(str(path), "w") as clip:
        video = clip.add_stream("libx264", rate=10)
        video.height, video.width = rgb.shape[:2]
        video.pix_fmt = "yuv420p"
        sound = clip.add_stream("aac", rate=48_000)
        for number in range(20):
            picture = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            picture.pts, picture.time_base = number + 10 * offset, Fraction(1, 10)
            clip.mux(video.encode(picture))
            if 4 <= number < 8 or 12 <= number < 16:
                tone = np.sin(np.arange(4800) * 2 * np.pi * 440 / 48_000).astype(np.float32)[None]
                samples = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
                samples.sample_rate, samples.pts = 48_000, 4800 * (number + 10 * offset)
                samples.time_base = Fraction(1, 48_000)
                for packet in sound.encode(samples):
                    clip.mux(packet)
        clip.mux(video.encode(None))
        clip.mux(sound.encode(None))


@pytest.mark.parametrize("source", ["clip.mp4", "clip.ts"])
@pytest.mark.parametrize("ending", [".webm", ".mov"])
def test_sound_is_where_it_was_and_the_clip_begins_at_0(photo: Path, tmp_path: Path, source: str, ending: str) -> None:
    rgb = np.array(Image.open(photo).convert("RGB").resize((128, 128)))
    with_late_sound(tmp_path / source, rgb, offset=0 if source == "clip.mp4" else 3600)
    made = clips.cut_out(tmp_path / source, tmp_path / f"out{ending}", FAST, 2).path
    assert loud_seconds(made) == pytest.approx([0.4, 0.8, 1.2, 1.6], abs=0.11)
    assert [round(frame.time, 1) for frame in decoded(made)] == [number / 10 for number in range(20)]


def test_sound_that_changes_its_kind_goes_on() -> None:
    made = audio.InStep("flt")
    total = 0
    for number, (rate, layout) in enumerate([(44_100, "mono"), (48_000, "5.1"), (44_100, "mono")]):
        channels = 1 if layout == "mono" else 6
        frame = av.AudioFrame.from_ndarray(np.ones((channels, rate), np.float32), format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, number * rate, Fraction(1, rate)
        total += sum(out.samples for out in made.frames(frame))
    total += sum(out.samples for out in made.rest())
    assert total == pytest.approx(3 * audio.RATE, abs=200)


@pytest.mark.parametrize("ending", [".webm", ".mp4", ""])
def test_a_clip_with_nobody_in_it_is_said_and_nothing_is_left(tmp_path: Path, ending: str) -> None:
    sky = np.full((96, 128, 3), (120, 170, 230), np.uint8)
    with_late_sound(tmp_path / "sky.mp4", sky, offset=0)
    settings = MatteSettings(quality="fast", background="colour" if ending == ".mp4" else "transparent")
    with pytest.raises(ImageError) as refused:
        clips.cut_out(tmp_path / "sky.mp4", tmp_path / f"out{ending}", settings, 2)
    assert refused.value.key == "clip_nobody"
    assert [path.name for path in tmp_path.iterdir()] == ["sky.mp4"]


@pytest.mark.parametrize("ending", [".webm", ".mov"])
def test_damaged_sound_costs_sound_and_no_more(
    made: Path, tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of re-encoded sound what can't be decoded, of copied what has no time of its own."""
    taken = audio.Track.packets
    seen: list[Any] = []

    def damaged(track: Any, packet: Any) -> Any:
        if packet.size and len(seen) % 3 == 1:
            taken_over = ending == ".mov"
            garbage = av.Packet(bytes(packet) if taken_over else b"\xff" * packet.size)
            garbage.pts = garbage.dts = 0 if taken_over else packet.dts
            garbage.time_base, garbage.stream = packet.time_base, packet.stream
            packet = garbage
        seen.append(packet)
        return taken(track, packet)

    monkeypatch.setattr(audio.Track, "packets", damaged)
    result = clips.cut_out(made, tmp_path / f"out{ending}", FAST, 2)
    assert len(seen) > 6
    assert len(decoded(result.path)) == COUNT
    assert sound_of(result.path) is not None


def test_ended_before_the_first_frame_nothing_is_left(made: Path, tmp_path: Path) -> None:
    ended = threading.Event()
    ended.set()
    empty = tmp_path / "empty.mp4"
    shutil.copy(made, empty)
    with pytest.MonkeyPatch.context() as patched, pytest.raises(Cancelled):
        patched.setattr(source.Film, "pictures", lambda *_: iter(()))
        clips.cut_out(empty, tmp_path / "out.webm", FAST, 2, ended=ended)
    assert [path.name for path in tmp_path.iterdir()] == ["empty.mp4"]


def test_two_at_once_to_one_name_make_two_clips(made: Path, tmp_path: Path) -> None:
    second: list[clips.Made] = []

    def meanwhile(done: int) -> None:
        if not second:
            second.append(clips.cut_out(made, tmp_path / "out.webm", FAST, 2))

    first = clips.cut_out(made, tmp_path / "out.webm", FAST, 2, on_frame=meanwhile)
    assert {first.path.name, second[0].path.name} == {"out.webm", "out-2.webm"}
    assert all(len(decoded(one.path)) == COUNT for one in (first, second[0]))


def test_a_name_that_looks_like_an_address_is_a_file(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(made, tmp_path / "2024-01-01T12:30.mp4")
    monkeypatch.chdir(tmp_path)
    result = clips.cut_out(Path("2024-01-01T12:30.mp4"), Path("12:31.webm"), FAST, 2)
    assert result.frames == COUNT and (tmp_path / "12:31.webm").exists()


def test_a_drive_that_is_taken_away_is_said_of_the_clip(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Gone:
        def demux(self, wanted: Any) -> Any:
            raise av.error.OSError(errno.EIO, "Input/output error")

    with pytest.raises(ImageError) as refused:
        list(source.packets(Gone(), [], made.name))
    assert refused.value.key == "clip_unreadable"


def test_a_folder_that_can_t_be_made_is_said(made: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        clips.cut_out(made, tmp_path / "file" / "out.webm", FAST, 2)


def test_over_a_background_it_becomes_an_mp4(made: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    clips.cut_out(made, target, MatteSettings(quality="fast", background="colour", background_colour="#0000ff"), 2)
    pixels = decoded(target)[5].to_ndarray(format="rgb24")
    assert pixels[5, 5, 2] > 220 and pixels[5, 5, 0] < 40
    with pytest.raises(CvmatteError, match="transparent"):
        clips.cut_out(made, tmp_path / "no.mp4", FAST, 2)
    assert not (tmp_path / "no.mp4").exists()


def test_without_an_ending_it_becomes_a_folder_of_pictures(made: Path, tmp_path: Path) -> None:
    result = clips.cut_out(made, tmp_path / "frames", FAST, 2)
    names = sorted(path.name for path in result.path.iterdir())
    assert names == [f"{number:06}.png" for number in range(COUNT)]
    assert Image.open(result.path / names[3]).mode == "RGBA"


def test_what_is_there_gets_company_and_the_clip_stays(made: Path, tmp_path: Path) -> None:
    before = made.read_bytes()
    target = tmp_path / "out.webm"
    target.write_bytes(b"mine")
    result = clips.cut_out(made, target, FAST, 2)
    assert target.read_bytes() == b"mine" and result.path.name == "out-2.webm"
    assert made.read_bytes() == before


def test_ended_early_it_leaves_a_clip_that_plays(made: Path, tmp_path: Path) -> None:
    ended = threading.Event()

    def on_frame(done: int) -> None:
        if done == 5:
            ended.set()

    result = clips.cut_out(made, tmp_path / "out.webm", FAST, 2, on_frame=on_frame, ended=ended)
    assert (result.frames, result.whole) == (5, False)
    assert len(decoded(result.path)) == 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.webm"]


def test_variable_rates_stay_what_they_are(photo: Path, tmp_path: Path) -> None:
    path = tmp_path / "varies.mkv"
    times = [0, 40, 50, 300, 310, 500]  # milliseconds
    made = made_clips.frames(made_clips.cut_by_an_ellipse(photo), np.full((60, 90, 3), 120, np.uint8), SIZE, len(times))
    with av.open(str(path), "w") as clip:
        stream: Any = clip.add_stream("libx264", rate=30, options={"bf": "0"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for time, one in zip(times, made, strict=True):
            frame = av.VideoFrame.from_ndarray(one.picture, format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            clip.mux(stream.encode(frame))
        clip.mux(stream.encode(None))
    result = clips.cut_out(path, tmp_path / "out.webm", FAST, 2)
    assert [round(frame.time * 1000) for frame in decoded(result.path)] == times


@pytest.mark.parametrize("size", [(161, 91), (35, 67)])
@pytest.mark.parametrize("ending", [".webm", ".mov", ".mp4"])
def test_odd_sizes(photo: Path, tmp_path: Path, size: tuple[int, int], ending: str) -> None:
    path = tmp_path / "odd.mkv"
    with av.open(str(path), "w") as clip:
        stream: Any = clip.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = *size, "bgr0"
        for number in range(2):
            pixels = np.array(Image.open(photo).convert("RGB").resize(size)) - np.uint8(number)
            clip.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        clip.mux(stream.encode(None))
    settings = MatteSettings(quality="fast", background="colour" if ending == ".mp4" else "transparent")
    result = clips.cut_out(path, tmp_path / f"out{ending}", settings, 2)
    frames = decoded(result.path)
    assert len(frames) == 2
    assert abs(frames[0].width - size[0]) < 2 and abs(frames[0].height - size[1]) < 2


def test_longest_side_and_mirror(made: Path, tmp_path: Path) -> None:
    settings = MatteSettings(quality="fast", longest_side=160, mirror=True)
    plain = clips.cut_out(made, tmp_path / "plain", MatteSettings(quality="fast", longest_side=160), 2)
    result = clips.cut_out(made, tmp_path / "out", settings, 2)
    one, other = (np.array(Image.open(each.path / "000004.png")) for each in (plain, result))
    assert one.shape == (90, 160, 4)
    assert np.array_equal(one[:, ::-1], other)


# What is refused


def test_an_outline_makes_a_clip_larger_and_counts_in_its_longest_side(made: Path, tmp_path: Path) -> None:
    for longest_side, size in ((0, (SIZE[0] + 20, SIZE[1] + 20)), (200, (200, 121))):
        settings = MatteSettings(
            quality="fast", outline=10, outline_colour="#00ff00", longest_side=longest_side, shadow=20
        )
        path = clips.cut_out(made, tmp_path / f"{longest_side}.mov", settings, 2).path
        frame = decoded(path)[-1].to_ndarray(format="rgba")
        assert frame.shape[1::-1] == size
        is_line = (frame[..., 1] > 225) & (frame[..., 0] < 30) & (frame[..., 3] > 250)
        assert is_line.sum() > 500 and not frame[0, :, 3].any()


def test_what_is_no_clip_is_said(made: Path, tmp_path: Path) -> None:
    broken, empty, sound, missing = (tmp_path / f"{name}.mp4" for name in ("broken", "empty", "sound", "missing"))
    broken.write_bytes(b"\0\0\0\x18ftypmp42" + bytes(500))
    empty.touch()
    with av.open(str(sound), "w") as clip:
        audio: Any = clip.add_stream("aac", rate=48_000)
        part = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        part.sample_rate = 48_000
        clip.mux(audio.encode(part))
        clip.mux(audio.encode(None))
    for path, part_of_it in (
        (broken, "not a clip"),
        (empty, "not a clip"),
        (sound, "no picture"),
        (missing, "be found"),
    ):
        with pytest.raises(ImageError, match=part_of_it):
            clips.cut_out(path, tmp_path / "out.webm", FAST, 2)
    assert not (tmp_path / "out.webm").exists()
    with pytest.raises(ImageError):
        clips.look_at(tmp_path)


def test_a_clip_that_breaks_off_gives_what_there_is(photo: Path, tmp_path: Path) -> None:
    path = tmp_path / "whole.mkv"
    made_clips.write(
        path,
        made_clips.frames(made_clips.cut_by_an_ellipse(photo), np.full((60, 90, 3), 120, np.uint8), SIZE, 40),
        sound="",
    )
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    result = clips.cut_out(path, tmp_path / "out.webm", FAST, 2)
    assert 0 < result.frames < 40
    assert len(decoded(result.path)) == result.frames


def test_damage_in_the_middle_costs_frames_and_no_more(photo: Path, tmp_path: Path) -> None:
    path = tmp_path / "damaged.mkv"
    made_clips.write(
        path,
        made_clips.frames(made_clips.cut_by_an_ellipse(photo), np.full((60, 90, 3), 120, np.uint8), SIZE, 40),
        sound="",
    )
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = np.random.default_rng(3).bytes(400)
    path.write_bytes(data)
    result = clips.cut_out(path, tmp_path / "out.webm", FAST, 2)
    assert result.frames > 5


def test_a_full_disk_leaves_nothing_half(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr("cvmatte_core.filesystem.files.replace", full)
    with pytest.raises(OutputError, match="full"):
        clips.cut_out(made, tmp_path / "out.webm", FAST, 2)
    assert not list(tmp_path.iterdir())


# From the shell


def test_from_the_shell(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CVMATTE_LANGUAGE", "en")
    mine = Path(shutil.copy(made, tmp_path / "me.mp4"))
    assert matte_command.main([str(mine), "--quality", "fast"]) == 0
    assert "me-cutout.webm, 12 frames" in capsys.readouterr().out
    assert len(decoded(tmp_path / "me-cutout.webm")) == COUNT
    for wrong in (["--mask", "m.png"], ["--watch"], ["-o", "out.png"], ["-o", "-"]):
        with pytest.raises(SystemExit):
            matte_command.main([str(mine), *wrong])
    (tmp_path / "no.mp4").write_bytes(b"no clip")
    assert matte_command.main([str(tmp_path / "no.mp4")]) == 1
    assert "not a clip" in capsys.readouterr().err


@pytest.mark.parametrize("end", ["kept", "nothing"])
def test_ctrl_c_ends_with_the_clip_it_meets(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], end: str
) -> None:
    begun: list[Path] = []

    def interrupted(source: Path, *_: object) -> int:
        begun.append(source)
        if end == "nothing":
            raise Cancelled
        return 130

    monkeypatch.setattr("cvmatte_core.commands.matte.cut_out_clip", interrupted)
    mine = [Path(shutil.copy(made, tmp_path / name)) for name in ("a.mp4", "b.mp4")]
    assert matte_command.main([*map(str, mine)]) == 130
    assert begun == mine[:1] and capsys.readouterr().err == ""


# Frame after frame


def test_another_scene_begins_anew(photo: Path) -> None:
    frames = list(made_clips.frames(made_clips.cut_by_an_ellipse(photo), np.full((60, 90, 3), 120, np.uint8), SIZE, 4))
    moving, anew = VideoMatter(FAST, 2), VideoMatter(FAST, 2)
    white, black = (np.full((180, 320, 3), value, np.uint8) for value in (255, 0))
    for _ in range(3):
        moving.alpha(white)
    assert np.array_equal(moving.alpha(black), anew.alpha(black))
    steady = [np.abs(moving.alpha(one.picture) - one.alpha).mean() for one in frames]
    assert steady[-1] < 0.1


def test_a_crop_follows_the_person_calmly_in_the_frame_s_own_size(photo: Path) -> None:
    background = np.full((60, 90, 3), 120, np.uint8)
    small = np.zeros((1024, 1600, 4), np.uint8)  # the person is small, and at the left
    small[512:, 200:712] = made_clips.cut_by_an_ellipse(photo)
    frames = [one.picture for one in made_clips.frames(small, background, SIZE, 30)]
    cropped, whole = VideoMatter(MatteSettings(quality="fast", crop=True), 2), VideoMatter(FAST, 2)
    layers = [(cropped.layer(frame)[..., 3], whole.layer(frame)[..., 3]) for frame in frames]
    assert all(one.shape == other.shape for one, other in layers)
    sums = [[float(one.sum()) for one in pair] for pair in layers]
    assert sums[-1][0] > 1.3 * sums[-1][1]  # larger in the picture
    places = [np.average(np.arange(SIZE[0]), weights=pair[0].sum(axis=0) + 1e-6) for pair in layers[10:]]
    assert abs(np.mean(places) - SIZE[0] / 2) < 40
    assert np.abs(np.diff(places)).max() < 8


def test_an_image_that_is_chosen_later_stands_behind_the_person(tmp_path: Path) -> None:
    picture = tmp_path / "blue.png"
    Image.new("RGB", (40, 30), (0, 0, 255)).save(picture)
    moving = VideoMatter(MatteSettings(quality="fast", background_image=str(picture)), 2)
    frame = np.zeros((90, 160, 3), np.uint8)
    assert not moving.layer(frame)[0, 0, 3]
    moving.change(MatteSettings(quality="fast", background="image", background_image=str(picture)))
    assert tuple(moving.layer(frame)[0, 0]) == (0, 0, 255, 255)
    moving.change(MatteSettings(quality="fast", background="image", background_image=str(tmp_path / "none.png")))
    with pytest.raises(ImageError, match="The background none"):
        moving.layer(frame)


# What is done stays


@pytest.mark.parametrize("ending", [".webm", ".mov"])
def test_a_clip_that_was_broken_off_goes_on_where_it_was(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setattr(checkpoints, "_PART_SECONDS", 0.0)  # a part each frame
    kept, target = tmp_path / "kept", tmp_path / f"out{ending}"

    def killed(done: int) -> None:
        if done == 7:
            raise SystemExit

    with pytest.raises(SystemExit):
        clips.cut_out(made, target, FAST, 2, on_frame=killed, kept=kept)
    assert not target.exists()
    done: list[int] = []
    result = clips.cut_out(made, target, FAST, 2, on_frame=done.append, kept=kept)
    assert sorted(set(done)) == list(range(8, COUNT + 1)) and result.frames == COUNT and result.whole
    frames, before = decoded(target), decoded(made)
    assert [round(frame.time, 2) for frame in frames] == [round(frame.time, 2) for frame in before]
    its_sound = sound_of(target)
    assert its_sound is not None and its_sound[1] == pytest.approx(COUNT / 30, abs=0.08)
    assert not kept.exists()
    at_once = decoded(clips.cut_out(made, tmp_path / f"at-once{ending}", FAST, 2).path)
    for one, other in zip(frames, at_once, strict=True):  # the network remembers across the seam
        alphas = [frame.to_ndarray(format="rgba")[..., 3].astype(int) for frame in (one, other)]
        assert np.abs(alphas[0] - alphas[1]).mean() < 3
        assert alphas[0].max() > 200


def test_parts_that_are_damaged_or_gone_are_made_anew(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "_PART_SECONDS", 0.0)
    for damage in ("gone", "record", "both"):
        kept = tmp_path / damage
        kept.mkdir()
        (kept / "parts.json").write_text(
            '{"frames": 3, "last": 2, "time": 2, "somebody": true, "parts": ["000000.webm"]}'
        )
        if damage != "gone":
            (kept / "parts.json").write_text('{"frames": "many"' if damage == "both" else "[]")
        assert clips.cut_out(made, tmp_path / f"{damage}.webm", FAST, 2, kept=kept).frames == COUNT
        assert len(decoded(tmp_path / f"{damage}.webm")) == COUNT


def test_times_that_nobody_can_go_to_are_counted(photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A raw stream has no times, and no index."""
    path = tmp_path / "raw.h264"
    monkeypatch.setattr(checkpoints, "_PART_SECONDS", 0.0)
    with av.open(str(path), "w", format="h264") as clip:
        stream: Any = clip.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        background = np.full((60, 90, 3), 120, np.uint8)
        for one in made_clips.frames(made_clips.cut_by_an_ellipse(photo), background, SIZE, COUNT):
            clip.mux(stream.encode(av.VideoFrame.from_ndarray(one.picture, format="rgb24")))
        clip.mux(stream.encode(None))

    def killed(done: int) -> None:
        if done == 5:
            raise SystemExit

    with pytest.raises(SystemExit):
        clips.cut_out(path, tmp_path / "out.webm", FAST, 2, on_frame=killed, kept=tmp_path / "kept")
    result = clips.cut_out(path, tmp_path / "out.webm", FAST, 2, kept=tmp_path / "kept")
    assert result.frames == COUNT and len(decoded(result.path)) == COUNT
