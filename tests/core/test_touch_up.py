"""Touch-ups: what strokes do to alpha, what may be taken for one, and where they are kept."""

from __future__ import annotations

import errno
import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from cvmatte_core.batch.folders import FolderBatch
from cvmatte_core.commands import matte as matte_command
from cvmatte_core.image import images
from cvmatte_core.layers.touch_ups import TouchUps, stamp_of
from cvmatte_core.localization.errors import ImageError, OutputError
from cvmatte_core.matting import edge_colours, touch_up
from cvmatte_core.matting.matter import Matter, Strokes, StrokesFor, strokes_of
from cvmatte_core.matting.touch_up import AUTOMATIC, KEEP, REMOVE, TouchUp
from cvmatte_core.settings import MatteSettings

SIDE = 512
THING = (330, 300, 60)  # column, row and radius of a disc that the network has lost


def scene() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A picture, the alpha of a network that lost a disc in it, and the true one."""
    random = np.random.default_rng(4)
    noise = cv2.GaussianBlur(random.normal(0, 1, (SIDE, SIDE, 3)).astype(np.float32), (0, 0), 12)
    behind = np.array([0.3, 0.45, 0.4]) + 0.9 * noise
    person: np.ndarray = np.zeros((SIDE, SIDE), np.float32)
    thing: np.ndarray = np.zeros((SIDE, SIDE), np.float32)
    cv2.rectangle(person, (100, 150), (280, 511), 1, -1)
    cv2.circle(thing, THING[:2], THING[2], 1, -1, cv2.LINE_AA)
    person, thing = (cv2.GaussianBlur(alpha, (0, 0), 0.8).astype(np.float32) for alpha in (person, thing))
    picture = behind + person[..., None] * (np.array([0.8, 0.4, 0.2]) - behind)
    picture = picture + thing[..., None] * (np.array([0.15, 0.1, 0.5]) - picture)
    rgb = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    return rgb, person * (1 - thing), 1 - (1 - person) * (1 - thing)


def blob(stray: float, value: int = KEEP) -> np.ndarray:
    """A stroke over the disc, whose outline strays by so many pixels."""
    strokes = np.full((SIDE, SIDE), AUTOMATIC, np.uint8)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    angle = np.arctan2(rows - THING[1], columns - THING[0])
    radius = np.hypot(rows - THING[1], columns - THING[0])
    strokes[radius < THING[2] + stray * np.sin(5 * angle)] = value
    return strokes


def touched(rgb: np.ndarray, alpha: np.ndarray, strokes: np.ndarray) -> np.ndarray:
    return TouchUp(2)(rgb, alpha, rgb, Strokes(strokes, ""))[0]


def test_a_rough_blob_brings_a_lost_thing_back_with_a_clean_outline() -> None:
    rgb, alpha, truth = scene()
    strokes = blob(8)
    painted = np.where(strokes == KEEP, 1, alpha)
    result = touched(rgb, alpha, strokes)
    near = cv2.dilate((truth - alpha > 0.5).astype(np.uint8), np.ones((33, 33), np.uint8)) > 0
    errors = [np.abs(one - truth)[near].mean() for one in (painted, result)]
    assert errors[1] < 0.2 * errors[0]


def test_the_core_holds_exactly_and_nothing_changes_beyond_the_reach() -> None:
    rgb, alpha, _ = scene()
    strokes = blob(0)
    result = touched(rgb, alpha, strokes)
    inside, outside = (
        cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        for mask in (strokes == KEEP, strokes != KEEP)
    )
    assert (result[inside > 14] == 1).all()
    assert np.array_equal(result[outside > 15], alpha[outside > 15])


def test_remove_is_keep_the_other_way_round() -> None:
    rgb, alpha, truth = scene()
    result = touched(rgb, truth, blob(6, REMOVE))
    thing = truth - alpha > 0.5
    assert result[thing].mean() < 0.05
    body = (alpha > 0.99) & (np.mgrid[:SIDE, :SIDE][1] < 240)
    assert (result[body] == truth[body]).all()


def test_keep_takes_nothing_away_and_remove_gives_nothing() -> None:
    rgb, alpha, _ = scene()
    assert (touched(rgb, alpha, blob(8)) >= alpha - 1e-6).all()
    assert (touched(rgb, alpha, blob(8, REMOVE)) <= alpha + 1e-6).all()


@pytest.mark.parametrize("radius", [0, 1, 2, 4, 9])
def test_the_narrowest_stroke_holds_along_its_middle(radius: int) -> None:
    rgb, alpha, _ = scene()
    strokes = np.full((SIDE, SIDE), AUTOMATIC, np.uint8)
    cv2.line(strokes, (300, 300), (360, 310), KEEP, 2 * radius + 1)
    line = np.zeros((SIDE, SIDE), np.uint8)
    cv2.line(line, (304, 300), (356, 310), 1, 1)
    result = touched(rgb, alpha, strokes)
    assert np.median(result[line > 0]) == 1
    assert (result != alpha).any()


def test_a_stroke_beside_another_doesn_t_depend_on_the_order_nor_on_what_was_solved_before() -> None:
    rgb, alpha, _ = scene()
    first, both = blob(4), blob(4)
    both[40:60, 40:200] = KEEP
    kept = TouchUp(2)
    kept(rgb, alpha, rgb, Strokes(first, ""))
    again = kept(rgb, alpha, rgb, Strokes(both, ""))[0]
    assert np.array_equal(again, touched(rgb, alpha, both))
    assert np.array_equal(kept(rgb, alpha, rgb, Strokes(first, ""))[0], touched(rgb, alpha, first))


def test_colours_change_only_about_alpha_that_changed_and_a_part_is_that_of_the_whole() -> None:
    rgb, alpha, _ = scene()
    foreground = edge_colours.estimate_foreground(rgb, alpha)
    strokes = Strokes(blob(4), "")
    whole = TouchUp(2)(rgb, alpha, foreground, strokes)
    near = cv2.dilate((whole[0] != alpha).view(np.uint8), np.ones((2 * edge_colours.NEAR + 1,) * 2, np.uint8))
    assert (whole[1] != foreground).any() and np.array_equal(whole[1][near == 0], foreground[near == 0])
    box = np.s_[250:400, 200:420]
    part = TouchUp(1).part(rgb, alpha, foreground, strokes, box)
    assert all(np.array_equal(one, other[box]) for one, other in zip(part, whole, strict=True))


def test_no_strokes_change_nothing() -> None:
    rgb, alpha, _ = scene()
    assert touched(rgb, alpha, np.full((SIDE, SIDE), AUTOMATIC, np.uint8)) is alpha


@pytest.mark.parametrize("value", [KEEP, REMOVE])
def test_a_whole_picture_may_be_painted(value: int) -> None:
    rgb, alpha, _ = scene()
    result = touched(rgb, alpha, np.full((SIDE, SIDE), value, np.uint8))
    assert (result == value / 255).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 2), (7, 5)])
def test_tiny_pictures(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(1)
    rgb = random.integers(0, 256, (*shape, 3), dtype=np.uint8)
    alpha = random.random(shape).astype(np.float32)
    strokes = random.choice(np.array([KEEP, REMOVE, AUTOMATIC], np.uint8), shape)
    result = touched(rgb, alpha, strokes)
    assert result.shape == shape and np.isfinite(result).all() and (result >= 0).all() and (result <= 1).all()


# What may be taken for a touch-up


def encoded(picture: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


def test_another_size_of_the_same_shape_is_scaled_and_another_shape_refused() -> None:
    strokes = blob(0)
    data = encoded(Image.fromarray(strokes).resize((256, 256), Image.Resampling.NEAREST))
    scaled = touch_up.strokes_of(data, "half.png", (SIDE, SIDE)).pixels
    assert (scaled == strokes).mean() > 0.99
    with pytest.raises(ImageError, match="another shape"):
        touch_up.strokes_of(encoded(Image.fromarray(strokes[:256])), "wide.png", (SIDE, SIDE))


def test_sixteen_bits_transparency_and_animations_are_read_as_meant() -> None:
    grey = np.full((8, 8), 128 * 257, np.uint16)
    grey[:4] = 65535
    sixteen = touch_up.strokes_of(encoded(Image.fromarray(grey)), "16.png", (8, 8)).pixels
    assert (sixteen[:4] == KEEP).all() and (sixteen[4:] == AUTOMATIC).all()
    rgba = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    rgba.paste((0, 0, 0, 255), (0, 0, 8, 2))
    clear = touch_up.strokes_of(encoded(rgba), "alpha.png", (8, 8)).pixels
    assert (clear[:2] == REMOVE).all() and (clear[2:] == AUTOMATIC).all()
    frames = [Image.new("L", (8, 8), value) for value in (255, 0)]
    animated = encoded(frames[0], save_all=True, append_images=frames[1:])
    assert (touch_up.strokes_of(animated, "moves.png", (8, 8)).pixels == KEEP).all()


def test_what_is_no_picture_or_too_many_pixels_is_said() -> None:
    with pytest.raises(ImageError, match="not a picture"):
        touch_up.strokes_of(b"no", "no.png", (8, 8))
    huge = encoded(Image.new("1", (20_000, 10_000)))
    with pytest.raises(ImageError, match="megapixels"):
        touch_up.strokes_of(huge, "huge.png", (10_000, 20_000))


# Where they are kept


def png_of(strokes: np.ndarray) -> bytes:
    return encoded(Image.fromarray(strokes))


def test_it_is_found_by_the_photo_s_content_for_any_settings(photo: Path, tmp_path: Path) -> None:
    kept = TouchUps(tmp_path / "touch-ups")
    matter = Matter(touch_ups=kept)
    before = matter(photo, MatteSettings())
    strokes = np.full(before.alpha.shape, AUTOMATIC, np.uint8)
    strokes[400:480, 340:460] = KEEP
    kept.save(before.digest, png_of(strokes), photo)
    moved = tmp_path / "elsewhere.png"
    moved.write_bytes(photo.read_bytes())
    for settings in (MatteSettings(), MatteSettings(quality="fast", feather=3), MatteSettings(longest_side=300)):
        after = matter(moved, settings)
        assert after.touch_up == kept.stamp(before.digest) != ""
        scale = after.alpha.shape[0] / 512
        middle = after.alpha[int(430 * scale) : int(450 * scale), int(380 * scale) : int(420 * scale)]
        assert middle.min() > 0.99 and before.alpha[430:450, 380:420].max() < 0.5
    kept.remove(before.digest)
    assert np.array_equal(matter(photo, MatteSettings()).alpha, before.alpha)
    assert kept.removed(before.digest) == png_of(strokes)


def test_one_that_was_given_beats_the_one_that_is_kept(photo: Path, tmp_path: Path) -> None:
    kept = TouchUps(tmp_path)
    matter = Matter(touch_ups=kept)
    digest = matter(photo, MatteSettings()).digest
    kept.save(digest, png_of(np.full((512, 512), REMOVE, np.uint8)))
    assert not matter(photo, MatteSettings(), may_be_empty=True).alpha.any()
    nothing = Strokes(np.full((512, 512), AUTOMATIC, np.uint8), "given")
    assert matter(photo, MatteSettings(), strokes=lambda shape: nothing).alpha.any()


def always(strokes: Strokes) -> StrokesFor:
    return lambda shape: strokes


@pytest.mark.parametrize("controls", [{}, {"erosion": 3, "threshold": 60}, {"feather": 8}, {"mirror": True}])
def test_a_layer_that_was_painted_on_is_the_one_that_is_made_anew(photo: Path, controls: dict[str, Any]) -> None:
    settings, painter = MatteSettings(quality="fast", **controls), Matter()
    sheet = np.full((512, 512), AUTOMATIC, np.uint8)
    for number, place in enumerate(((200, 300), (420, 440), (60, 450))):
        cv2.circle(sheet, place, 30, (KEEP, REMOVE)[number % 2], -1)
        strokes = Strokes(sheet.copy(), str(number))
        painted, anew = (matter(photo, settings, strokes=always(strokes)) for matter in (painter, Matter()))
        for what in ("layer", "alpha", "foreground", "photo"):
            assert np.array_equal(getattr(painted, what), getattr(anew, what)), what


def test_a_page_s_cut_is_the_one_that_obs_has(photo: Path) -> None:
    settings, matter = MatteSettings(quality="fast", erosion=2), Matter()
    sheet = np.full((512, 512), AUTOMATIC, np.uint8)
    layer = matter(photo, settings, strokes=always(Strokes(sheet.copy(), ""))).layer.copy()
    for number, place in enumerate(((400, 440), (60, 450))):
        before = Strokes(sheet.copy(), "")
        cv2.circle(sheet, place, 30, (KEEP, REMOVE)[number % 2], -1)
        strokes = Strokes(sheet.copy(), str(number))
        box = touch_up.changed(before, strokes)
        assert box is not None
        part, where = matter.part(photo, settings, always(strokes), box)
        layer[where] = part
        assert np.array_equal(layer, matter(photo, settings, strokes=always(strokes)).layer)


def test_one_that_is_damaged_counts_as_none(photo: Path, tmp_path: Path) -> None:
    kept = TouchUps(tmp_path)
    digest = images.digest(photo.read_bytes())
    kept.save(digest, b"not a picture")
    assert Matter(touch_ups=kept)(photo, MatteSettings()).touch_up == ""
    assert kept.load(digest) == b"not a picture"


def test_a_photo_that_changed_since_is_told_apart(photo: Path, tmp_path: Path) -> None:
    kept = TouchUps(tmp_path / "kept")
    mine = tmp_path / "mine.png"
    mine.write_bytes(photo.read_bytes())
    digest = images.digest(mine.read_bytes())
    kept.save(digest, png_of(blob(0)), mine)
    assert not kept.is_outdated(mine, digest)
    assert kept.is_outdated(mine, "0" * 64)
    assert not kept.is_outdated(tmp_path / "other.png", "0" * 64)
    kept.save("0" * 64, png_of(blob(2)))
    assert not kept.is_outdated(mine, "0" * 64)
    (tmp_path / "kept").joinpath(next(path.name for path in kept.folder.glob("*.json"))).write_text("[]")
    assert not kept.is_outdated(mine, "1" * 64)
    assert kept.stamp("../../etc/passwd") == ""


def test_a_full_disk_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = TouchUps(tmp_path)
    kept.save("a" * 64, b"one")

    def full(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match="full"):
        kept.save("a" * 64, b"two")
    with pytest.raises(OutputError):
        kept.remove("a" * 64)
    assert kept.load("a" * 64) == b"one"
    assert kept.stamp("a" * 64) == stamp_of(b"one")


# From programs


def test_the_shell_takes_one_and_refuses_what_is_none(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CVMATTE_DATA", str(tmp_path / "data"))
    strokes = tmp_path / "strokes.png"
    painted = np.full((512, 512), AUTOMATIC, np.uint8)
    painted[400:480, 340:460] = KEEP
    strokes.write_bytes(png_of(painted))
    layer = tmp_path / "layer.png"
    assert matte_command.main([str(photo), "--touch-up", str(strokes), "-o", str(layer)]) == 0
    assert images.read_layer(layer)[430:450, 380:420, 3].min() > 250
    strokes.write_bytes(png_of(painted[:300]))
    assert matte_command.main([str(photo), "--touch-up", str(strokes), "-o", str(tmp_path / "no.png")]) == 1
    assert "another shape" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        matte_command.main([str(tmp_path), "--touch-up", str(strokes)])


def test_a_folder_uses_it_and_does_a_photo_again_that_was_touched_up_since(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CVMATTE_DATA", str(tmp_path / "data"))
    folder = tmp_path / "photos"
    folder.mkdir()
    mine = folder / "me.png"
    mine.write_bytes(photo.read_bytes())
    output = tmp_path / "out"
    assert matte_command.main([str(folder), "-o", str(output)]) == 0
    painted = np.full((512, 512), AUTOMATIC, np.uint8)
    painted[400:480, 340:460] = KEEP
    TouchUps().save(images.digest(mine.read_bytes()), png_of(painted), mine)
    with FolderBatch(folder, MatteSettings(save_mask=True), output) as batch:
        assert batch.scan() == ["me.png"]
    assert matte_command.main([str(folder), "-o", str(output)]) == 0
    newest = max(
        (path for path in output.glob("*.png") if "mask" not in path.name), key=lambda path: path.stat().st_mtime
    )
    assert images.read_layer(newest)[430:450, 380:420, 3].min() > 250
    with FolderBatch(folder, MatteSettings(save_mask=True), output) as batch:
        assert batch.scan() == []


def test_strokes_of_matter_carry_the_stamp_of_their_file() -> None:
    data = png_of(blob(1))
    assert strokes_of(data, "x.png", (SIDE, SIDE)).stamp == stamp_of(data)


@pytest.mark.parametrize("box", [np.s_[300:340, 500:600], np.s_[0:40, 0:30], np.s_[700:720, 1270:1280]])
def test_colours_are_found_from_all_within_their_radius(box: tuple[slice, slice]) -> None:
    shape, radius = (720, 1280), 60
    wide = edge_colours.surroundings(box, radius, shape)
    for side, of_box, length in zip(wide, box, shape, strict=True):
        assert 0 <= side.start - max(0, of_box.start - radius) < radius // 12 and side.start <= of_box.start
        assert 0 <= min(length, of_box.stop + radius) - side.stop < radius // 12 and of_box.stop <= side.stop
        assert (side.stop - side.start) % (radius // 12) == 0
