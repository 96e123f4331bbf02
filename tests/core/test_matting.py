"""Matter with the real default network."""

from __future__ import annotations

import dataclasses
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from cvmatte_core.filesystem import paths
from cvmatte_core.image import images
from cvmatte_core.localization.errors import Cancelled, ImageError, ModelError
from cvmatte_core.matting import refine
from cvmatte_core.matting.matter import Matter
from cvmatte_core.models import catalogue, network
from cvmatte_core.models.catalogue import DEFAULT, entry_of, verify
from cvmatte_core.settings import MatteSettings
from cvmatte_core.system import devices


@pytest.fixture(scope="module")
def matter() -> Matter:
    return Matter()


def test_the_astronaut_is_in_and_the_background_out(matter: Matter, photo: Path) -> None:
    matte = matter(photo, MatteSettings())
    assert matte.layer.shape == (512, 512, 4)
    assert matte.layer.dtype == np.uint8
    assert (matte.alpha[60:170, 195:245] == 1).all()  # hair and face
    assert (matte.alpha[:60, :100] == 0).all()  # the flag
    assert (matte.alpha[50:250, 370:470] == 0).all()  # the shuttle
    face = (slice(110, 150), slice(205, 245))
    assert np.array_equal(matte.layer[face][..., :3], matte.photo[face])


def test_a_changed_control_spares_the_network(matter: Matter, photo: Path) -> None:
    matter(photo, MatteSettings())
    again = matter(photo, MatteSettings(feather=4))
    assert "network" not in again.seconds
    assert "network" in matter(photo, MatteSettings(quality="fast")).seconds


def test_the_cache_follows_the_content_not_the_name(matter: Matter, photo: Path, tmp_path: Path) -> None:
    matter(photo, MatteSettings())
    copy = tmp_path / "renamed.png"
    shutil.copyfile(photo, copy)
    assert "network" not in matter(copy, MatteSettings()).seconds
    Image.open(photo).rotate(2).save(copy)
    assert "network" in matter(copy, MatteSettings()).seconds


def test_the_cache_is_bounded(photo: Path, tmp_path: Path) -> None:
    small = Matter(cache_bytes=1)
    settings = MatteSettings(quality="fast")
    other = tmp_path / "other.png"
    Image.open(photo).resize((200, 200)).save(other)
    small(photo, settings)
    small(other, settings)
    assert "network" in small(photo, settings).seconds


def test_the_photo_s_own_transparency_stays_transparent(matter: Matter, photo: Path, tmp_path: Path) -> None:
    rgba = np.asarray(Image.open(photo).convert("RGBA")).copy()
    rgba[:, :225, 3] = 0
    half = tmp_path / "half.png"
    Image.fromarray(rgba).save(half)
    matte = matter(half, MatteSettings())
    assert matte.layer[:, :225, 3].max() == 0
    assert matte.layer[120, 240, 3] == 255


@pytest.mark.parametrize("size", [(1, 1), (7, 900), (900, 7), (33, 33)])
def test_odd_sizes_give_a_layer_of_their_size(matter: Matter, tmp_path: Path, size: tuple[int, int]) -> None:
    odd = tmp_path / "odd.png"
    Image.new("RGB", size, (90, 120, 200)).save(odd)
    assert matter(odd, MatteSettings(quality="fast"), may_be_empty=True).layer.shape == (size[1], size[0], 4)


def test_a_photo_larger_than_the_network_sees_keeps_its_size(matter: Matter, photo: Path, tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    Image.open(photo).resize((2600, 2600)).save(large, compress_level=1)
    matte = matter(large, MatteSettings(quality="fast"))
    assert matte.layer.shape == (2600, 2600, 4)
    assert matte.alpha[600, 1100] == 1
    assert matte.alpha[150, 300] == 0


def test_a_person_small_in_a_large_photo_keeps_the_detail_of_a_close_one(
    matter: Matter, photo: Path, tmp_path: Path
) -> None:
    close = matter(photo, MatteSettings())
    wall = np.full((1500, 2000, 3), (90, 140, 120), np.float32)
    share, spot = close.alpha[..., None], np.s_[988:, 800:1312]
    wall[spot] = share * close.foreground + (1 - share) * wall[spot]
    far = tmp_path / "far.png"
    Image.fromarray(np.rint(wall).astype(np.uint8)).save(far, compress_level=1)
    alpha = matter(far, MatteSettings()).alpha
    assert np.abs(alpha[spot] - close.alpha).mean() < 0.02
    alpha[spot] = 0
    assert alpha.mean() < 0.001


def test_progress_is_told_and_a_cancel_ends_the_job(photo: Path) -> None:
    told: list[tuple[str, int, int]] = []
    cancelled = threading.Event()

    def on_progress(stage: str, done: int, total: int) -> None:
        told.append((stage, done, total))
        if (stage, done) == ("network", 2):
            cancelled.set()

    with pytest.raises(Cancelled):
        Matter()(photo, MatteSettings(), on_progress=on_progress, cancelled=cancelled)
    assert [step for step in told if step[0] == "network"] == [("network", 0, 5), ("network", 1, 5), ("network", 2, 5)]


def test_an_unchanged_file_is_not_read_again(
    matter: Matter, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "photo.png"
    shutil.copyfile(photo, copy)
    matter(copy, MatteSettings())
    reads: list[Path] = []
    read = images.read

    def counted(path: Path) -> bytes:
        reads.append(path)
        return read(path)

    monkeypatch.setattr(images, "read", counted)
    matter(copy, MatteSettings(feather=2))
    assert not reads
    Image.open(photo).rotate(3).save(copy)
    assert "network" in matter(copy, MatteSettings(feather=2)).seconds
    copy.unlink()
    with pytest.raises(ImageError):
        matter(copy, MatteSettings(feather=2))


FOUR = ("layer", "alpha", "foreground", "photo")


def test_a_mirrored_portrait_is_the_portrait_mirrored(matter: Matter, photo: Path) -> None:
    for other in ({}, {"crop": True}, {"background": "blur", "feather": 3}):
        straight, mirrored = matter(photo, MatteSettings(**other)), matter(photo, MatteSettings(mirror=True, **other))
        for name in FOUR:
            assert np.array_equal(getattr(mirrored, name), getattr(straight, name)[:, ::-1]), name


def test_a_cropped_portrait_is_a_part_of_the_whole(matter: Matter, photo: Path) -> None:
    whole, cropped = matter(photo, MatteSettings()), matter(photo, MatteSettings(crop=True, crop_margin=2))
    box = refine.crop_box(whole.alpha, 2)
    assert cropped.layer.shape[1] < 450
    for name in FOUR:
        assert np.array_equal(getattr(cropped, name), getattr(whole, name)[box]), name
    assert cropped.layer.flags.c_contiguous
    assert cropped.preview().ndim == 3


def test_a_photo_without_anyone_is_said_and_where_that_may_be_is_not_cropped(matter: Matter, tmp_path: Path) -> None:
    empty = tmp_path / "empty.png"
    Image.new("RGB", (80, 60), (90, 120, 200)).save(empty)
    settings = MatteSettings(quality="fast", crop=True, threshold=255)
    with pytest.raises(ImageError, match=r"Nobody was found in empty\.png"):
        matter(empty, settings)
    assert matter(empty, settings, may_be_empty=True).layer.shape == (60, 80, 4)


def test_where_the_controls_leave_nothing_that_is_said(matter: Matter, photo: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.png"
    Image.open(photo).resize((90, 90)).save(small)
    with pytest.raises(ImageError, match=r"Nothing of the person in small\.png"):
        matter(small, MatteSettings(quality="fast", erosion=50, threshold=255))


@pytest.mark.parametrize("margin", [0, 20])
def test_the_longest_side_of_a_crop_is_the_layer_s(matter: Matter, photo: Path, tmp_path: Path, margin: int) -> None:
    """Of a person who takes 170 of 600 pixels across, and 250 of 900 down."""
    large = tmp_path / "large.png"
    canvas = Image.new("RGB", (1200, 900), (90, 140, 120))
    canvas.paste(Image.open(photo).convert("RGB").crop((60, 0, 420, 512)), (500, 388))
    canvas.save(large)
    whole = matter(large, MatteSettings(quality="fast", crop=True, crop_margin=margin))
    assert max(whole.layer.shape) > 400
    for side in (300, 301):
        settings = MatteSettings(quality="fast", crop=True, crop_margin=margin, longest_side=side)
        cut = matter(large, settings)
        assert max(cut.layer.shape[:2]) == pytest.approx(side, abs=2) and max(cut.layer.shape[:2]) <= side
        shape = cut.layer.shape[1::-1]
        expected = np.asarray(Image.fromarray(whole.layer).resize(shape, Image.Resampling.BOX))
        assert np.abs(expected[..., 3].astype(int) - cut.layer[..., 3]).mean() < 6
        # Scenes of OBS depend on it.
        assert max(matter(large, settings, reduced_before_crop=True).layer.shape[:2]) < 0.6 * side
    enlarged = matter(large, MatteSettings(quality="fast", crop=True, crop_margin=margin, longest_side=5000))
    assert enlarged.layer.shape == whole.layer.shape


@pytest.fixture
def two_people(matter: Matter, photo: Path, tmp_path: Path) -> Path:
    """The sample, and at the right a smaller one of the same person, on a plain wall."""
    matte = matter(photo, MatteSettings())
    wall = np.full((512, 900, 3), (90, 140, 120), np.uint8)
    for side, left in ((512, 80), (380, 560)):
        top, right = 512 - side, min(900, left + side)
        person = cv2.resize(np.dstack([matte.foreground / 255.0, matte.alpha]).astype(np.float32), (side, side))
        person = person[:, : right - left]
        share = person[..., 3:]
        behind = wall[top:, left:right]
        wall[top:, left:right] = np.rint(share * person[..., :3] * 255 + (1 - share) * behind)
    path = tmp_path / "two.png"
    Image.fromarray(wall).save(path)
    return path


def test_of_two_people_the_main_one_is_kept(matter: Matter, two_people: Path) -> None:
    everyone, main = matter(two_people, MatteSettings()), matter(two_people, MatteSettings(subject="main"))
    assert everyone.alpha[:, 640:].max() == 1
    assert not main.layer[:, 600:].any()
    assert np.array_equal(main.alpha[:, :480], everyone.alpha[:, :480])
    cropped = matter(two_people, MatteSettings(subject="main", crop=True, crop_margin=0))
    assert cropped.layer.shape[1] < 480


def test_one_person_alone_is_the_main_one(matter: Matter, photo: Path) -> None:
    everyone, main = matter(photo, MatteSettings()), matter(photo, MatteSettings(subject="main"))
    assert np.array_equal(everyone.layer, main.layer)


def test_each_background_makes_the_layer_opaque_around_the_same_person(
    matter: Matter, photo: Path, tmp_path: Path
) -> None:
    backdrop = tmp_path / "wall.png"
    Image.new("RGB", (64, 20), (10, 200, 30)).save(backdrop)
    plain = matter(photo, MatteSettings())
    for settings in (
        MatteSettings(background="colour", background_colour="#0ac81e"),
        MatteSettings(background="image", background_image=str(backdrop)),
        MatteSettings(background="blur"),
    ):
        layer = matter(photo, settings).layer
        assert (layer[..., 3] == 255).all()
        assert np.array_equal(layer[plain.alpha == 1][:, :3], plain.layer[plain.alpha == 1][:, :3])
        if settings.background != "blur":
            assert (layer[plain.alpha == 0][:, :3] == (10, 200, 30)).all()
    around = plain.alpha == 0
    assert layer[around].astype(int)[:, :3].std() < plain.photo[around].astype(int).std()


def test_a_blurred_background_is_the_same_whether_cropped_or_not(matter: Matter, photo: Path) -> None:
    whole = matter(photo, MatteSettings(background="blur"))
    cropped = matter(photo, MatteSettings(background="blur", crop=True, crop_margin=0))
    assert np.array_equal(cropped.layer, whole.layer[refine.crop_box(whole.alpha, 0)])


def test_a_moved_slider_finds_the_background_ready_and_a_changed_file_is_seen(
    matter: Matter, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backdrop = tmp_path / "wall.png"
    settings = MatteSettings(background="image", background_image=str(backdrop))
    Image.new("RGB", (64, 20), (200, 0, 0)).save(backdrop)
    assert matter(photo, settings).layer[0, 0].tolist() == [200, 0, 0, 255]
    with monkeypatch.context() as patched:
        patched.setattr(images, "decode", None)
        matter(photo, dataclasses.replace(settings, feather=3, erosion=2))
        matter(photo, dataclasses.replace(settings, crop=True))
    Image.new("RGB", (65, 20), (0, 0, 200)).save(backdrop)
    assert matter(photo, settings).layer[0, 0].tolist() == [0, 0, 200, 255]


def test_a_see_through_background_image_stands_on_white(matter: Matter, photo: Path, tmp_path: Path) -> None:
    Image.new("RGBA", (20, 20), (0, 0, 0, 0)).save(tmp_path / "glass.png")
    settings = MatteSettings(background="image", background_image=str(tmp_path / "glass.png"))
    assert matter(photo, settings).layer[0, 0].tolist() == [255] * 4


def test_a_background_image_that_cannot_be_used_is_a_sentence(matter: Matter, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("hello")
    for path, part in (
        ("", "Choose a background image"),
        (str(tmp_path / "absent.png"), "absent.png can't be found"),
        (str(tmp_path / "text.png"), "text.png is not a picture"),
        (str(tmp_path), "is not a picture"),
    ):
        for _ in range(2):
            with pytest.raises(ImageError, match=part):
                matter(photo, MatteSettings(background="image", background_image=path))
    assert matter(photo, MatteSettings(background_image=str(tmp_path / "absent.png"))).layer.any()


def moved(rgb: np.ndarray, pixels: int) -> np.ndarray:
    return np.roll(rgb, pixels, axis=1)


def test_a_burst_changes_the_matte_and_later_sliders_go_on_from_it(photo: Path) -> None:
    rgb = np.asarray(Image.open(photo).convert("RGB"))
    burst = [moved(rgb, 12), moved(rgb, 6), moved(rgb, 3)]
    alone, matter = Matter()(photo, MatteSettings()), Matter()
    matter(photo, MatteSettings())
    with_burst = matter(photo, MatteSettings(), burst=burst)
    assert "network" in with_burst.seconds  # what was cached without the burst isn't taken
    assert not np.array_equal(with_burst.alpha, alone.alpha)
    assert np.abs(with_burst.alpha - alone.alpha).mean() < 0.02  # it still is the still's own matte
    assert np.array_equal(with_burst.photo, rgb)
    for burst_again in ((), burst):
        later = matter(photo, MatteSettings(), burst=burst_again)
        assert "network" not in later.seconds
        assert np.array_equal(later.alpha, with_burst.alpha)


def test_what_was_made_without_a_burst_is_not_mixed_with_it(photo: Path) -> None:
    rgb = np.asarray(Image.open(photo).convert("RGB"))
    settings = MatteSettings(erosion=3, subject="main", background="blur")
    burst, matter = [moved(rgb, 40), moved(rgb, 20), moved(rgb, 10)], Matter()
    matter(photo, settings)
    after, fresh = matter(photo, settings, burst=burst), Matter()(photo, settings, burst=burst)
    assert np.array_equal(after.layer, fresh.layer)


def test_frames_of_another_size_are_ignored(photo: Path) -> None:
    burst = [np.zeros((512, 511, 3), np.uint8), np.zeros((512, 512), np.uint8)]
    assert np.array_equal(Matter()(photo, MatteSettings(), burst=burst).alpha, Matter()(photo, MatteSettings()).alpha)


def test_a_burst_follows_the_longest_side(photo: Path) -> None:
    rgb = np.asarray(Image.open(photo).convert("RGB"))
    settings = MatteSettings(longest_side=300, quality="fast")
    with_burst = Matter()(photo, settings, burst=[moved(rgb, 60)])
    assert with_burst.layer.shape == (300, 300, 4)
    assert not np.array_equal(with_burst.alpha, Matter()(photo, settings).alpha)


def test_a_burst_takes_no_more_passes_than_the_still_alone(photo: Path) -> None:
    rgb = np.asarray(Image.open(photo).convert("RGB"))
    for count in (1, 3, 9):
        told: list[tuple[str, int, int]] = []
        Matter()(photo, MatteSettings(), burst=[rgb] * count, on_progress=lambda *step, told=told: told.append(step))
        assert [step for step in told if step[0] == "network"] == [("network", done, 5) for done in range(6)]


def test_bad_input_leaves_the_matter_working(matter: Matter, photo: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 not much of a JPEG")
    with pytest.raises(ImageError):
        matter(broken, MatteSettings())
    assert matter(photo, MatteSettings()).layer.any()


def test_a_missing_or_damaged_model_says_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = entry_of(DEFAULT)
    whole = entry.path.read_bytes()
    monkeypatch.setattr(paths, "models_folder", lambda: tmp_path)
    with pytest.raises(ModelError, match="run “python3 install"):
        verify(entry)
    entry.path.write_bytes(whole[:-1])
    with pytest.raises(ModelError, match="damaged"):
        verify(entry)


# Networks


def test_idle_networks_are_let_go_of_and_come_back(photo: Path) -> None:
    matter = Matter()
    assert matter.let_go_of_idle() is None
    matter.prepare(catalogue.AUTO)
    left = matter.let_go_of_idle()
    assert left is not None
    assert 800 < left <= 900
    before = memory_bytes()
    assert matter.let_go_of_idle(0) is None
    assert before - memory_bytes() > 5_000_000
    assert matter(photo, MatteSettings(quality="fast")).device == "CPUExecutionProvider"


def memory_bytes() -> int:
    """What this process keeps in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What is asked of network.load: the networks are stand-ins that see one person, on another device than wanted."""
    asked: list[tuple[Any, ...]] = []

    class Network:
        device = "CPUExecutionProvider"
        fallback = {"wanted": "CUDA", "device": "CPU"}  # noqa: RUF012

        def __call__(self, rgb: np.ndarray, *more: Any) -> np.ndarray:
            return np.ones(rgb.shape[:2], np.float32)

    def load(*arguments: Any) -> Network:
        asked.append(arguments)
        return Network()

    monkeypatch.setattr(network, "load", load)
    return asked


def test_the_device_and_the_threads_are_the_caller_s_or_the_environment_s(
    loads: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (devices.DEVICE_VARIABLE, devices.THREADS_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    Matter(2).prepare(DEFAULT)
    Matter(3, device="cuda").prepare(DEFAULT)
    monkeypatch.setenv(devices.DEVICE_VARIABLE, "openvino")
    monkeypatch.setenv(devices.THREADS_VARIABLE, "5")
    Matter().prepare(DEFAULT)
    Matter(1, device="cpu").prepare(DEFAULT)
    monkeypatch.setenv(devices.DEVICE_VARIABLE, "abacus")
    monkeypatch.setenv(devices.THREADS_VARIABLE, "many")
    Matter().prepare(DEFAULT)
    assert [asked[1:] for asked in loads[:-1]] == [(2, "auto"), (3, "cuda"), (5, "openvino"), (1, "cpu")]
    assert loads[-1][2] == "auto"


def test_a_matte_says_when_its_network_ran_elsewhere(loads: list[tuple[Any, ...]], photo: Path) -> None:
    matter = Matter()
    for settings in (MatteSettings(), MatteSettings(feather=3)):  # also one that only refines
        assert matter(photo, settings).fallback == {"wanted": "CUDA", "device": "CPU"}
    assert len(loads) == 1


@pytest.mark.usefixtures("modelscope_packages")
def test_a_better_model_that_comes_is_used_where_the_choice_is_left_open(
    loads: list[tuple[Any, ...]], photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path))
    matter = Matter()
    matter(photo, MatteSettings())
    folder = entry_of("cv-unet").path
    folder.mkdir(parents=True)
    for name in ("configuration.json", "tf_graph.pb"):
        (folder / name).touch()
    assert "network" in matter(photo, MatteSettings()).seconds
    assert "network" not in matter(photo, MatteSettings(model="cv-unet")).seconds
    assert "network" not in matter(photo, MatteSettings(model=DEFAULT)).seconds
    assert [asked[0] for asked in loads] == [DEFAULT, "cv-unet"]
