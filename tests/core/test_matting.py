"""Matter with the real default network."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvmatte_core import paths
from cvmatte_core.errors import Cancelled, ImageError, ModelError
from cvmatte_core.matting import Matter
from cvmatte_core.models.catalogue import CATALOGUE, verify
from cvmatte_core.settings import MatteSettings


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
    assert "network" in matter(photo, MatteSettings(), force=True).seconds
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
    assert matter(odd, MatteSettings(quality="fast")).layer.shape == (size[1], size[0], 4)


def test_a_photo_larger_than_the_network_sees_keeps_its_size(matter: Matter, photo: Path, tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    Image.open(photo).resize((2600, 2600)).save(large, compress_level=1)
    matte = matter(large, MatteSettings(quality="fast"))
    assert matte.layer.shape == (2600, 2600, 4)
    assert matte.alpha[600, 1100] == 1
    assert matte.alpha[150, 300] == 0


def test_progress_is_told_and_a_cancel_ends_the_job(matter: Matter, photo: Path) -> None:
    told: list[tuple[str, int, int]] = []
    cancelled = threading.Event()

    def on_progress(stage: str, done: int, total: int) -> None:
        told.append((stage, done, total))
        if (stage, done) == ("network", 2):
            cancelled.set()

    with pytest.raises(Cancelled):
        matter(photo, MatteSettings(), force=True, on_progress=on_progress, cancelled=cancelled)
    assert [step for step in told if step[0] == "network"] == [("network", 0, 4), ("network", 1, 4), ("network", 2, 4)]


def test_bad_input_leaves_the_matter_working(matter: Matter, photo: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 not much of a JPEG")
    with pytest.raises(ImageError):
        matter(broken, MatteSettings())
    assert matter(photo, MatteSettings()).layer.any()


def test_a_missing_or_damaged_model_says_what_to_run(tmp_path: Path) -> None:
    entry = CATALOGUE["rvm-mobilenetv3"]
    with pytest.raises(ModelError, match="run “python3 install"):
        verify(entry, tmp_path / "absent.onnx")
    damaged = tmp_path / entry.file
    damaged.write_bytes((paths.models_folder() / entry.file).read_bytes()[:-1])
    with pytest.raises(ModelError, match="damaged"):
        verify(entry, damaged)
