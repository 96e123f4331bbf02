"""ID photos of the sample: their size in print, where the head is, sheets, and what can't be one."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvmatte_core.localization.errors import ImageError, OutputError
from cvmatte_core.matting import id_photo
from cvmatte_core.matting.matter import Matter
from cvmatte_core.settings import CONTROLS, MatteSettings

MM = 300 / 25.4
# What the sample shows, measured by hand, in pixels of 512.
CHIN, CROWN, EYES, MIDDLE = 183, 13, 102, 223
# Of each format: the least and most from the chin to the top of the head, and above it, in mm.
RULES = {
    "35x45": ((32, 36), (2, 6)),
    "us": ((25, 35), (2, 15)),
    "ca": ((31, 36), (5, 20)),
    "cn": ((28, 33), (3, 5)),
    "25x35": ((20, 25), (1, 6)),
    "35x49": ((28, 35), (2, 6)),
}


@pytest.fixture(scope="module")
def matter() -> Matter:
    return Matter()


def test_every_format_has_its_rule() -> None:
    assert set(RULES) == set(id_photo.FORMATS)
    (choices,) = (control.choices for control in CONTROLS if control.name == "id_photo")
    assert choices == (id_photo.OFF, *id_photo.FORMATS)
    (sheets,) = (control.choices for control in CONTROLS if control.name == "sheet")
    assert sheets == (id_photo.OFF, *id_photo.SHEETS)


def test_the_head_is_found_where_it_is(matter: Matter, photo: Path) -> None:
    matte = matter(photo, MatteSettings(quality="fast"))
    head = id_photo.find_head(matte.photo, matte.alpha)
    assert head is not None
    for found, measured in ((head.chin, CHIN), (head.top, CROWN), (head.eyes, EYES), (head.middle, MIDDLE)):
        assert found == pytest.approx(measured, abs=8)
    assert id_photo.find_head(matte.photo, np.zeros_like(matte.alpha)) is None  # a picture on the wall


@pytest.mark.parametrize("format", RULES)
def test_size_and_head_are_as_the_rules_want(matter: Matter, photo: Path, format: str) -> None:
    settings = MatteSettings(quality="fast", id_photo=format, background="colour", background_colour="#ffffff")
    matte = matter(photo, settings)
    kind = id_photo.FORMATS[format]
    assert matte.layer.shape[1::-1] == (round(kind.width * MM), round(kind.height * MM))
    (least, most), (above, at_most) = RULES[format]
    # Measured anew in the result: the face as OpenCV sees it, and the topmost row with a person in it.
    head = id_photo.find_head(matte.photo, matte.alpha)
    assert head is not None
    assert least <= (head.chin - head.top) / MM <= most + 0.5
    assert above - 0.5 <= head.top / MM <= at_most + 0.5
    assert head.middle / MM == pytest.approx(kind.width / 2, abs=2)
    if format == "us":
        assert 28.6 <= kind.height - head.eyes / MM <= 34.9
    assert matte.layer[2, 2].tolist() == [255, 255, 255, 255]
    file = Image.open(io.BytesIO(matte.layer_file("jpeg")))
    assert file.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    assert Image.open(io.BytesIO(matte.layer_file("png"))).info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_it_may_be_transparent_and_mirrored(matter: Matter, photo: Path) -> None:
    settings = MatteSettings(quality="fast", id_photo="35x45")
    plain, mirrored = (
        matter(photo, MatteSettings(**{**settings.as_dict(), "mirror": mirror})) for mirror in (False, True)
    )
    assert plain.layer[2, 2, 3] == 0 and plain.layer[300, 206, 3] == 255
    assert np.abs(plain.layer[:, ::-1].astype(int) - mirrored.layer)[..., 3].mean() < 12


def test_a_sheet_holds_as_many_as_fit(matter: Matter, photo: Path) -> None:
    settings = MatteSettings(quality="fast", id_photo="35x45", background="colour", background_colour="#ffffff")
    one = matter(photo, settings).layer[..., :3]
    for sheet, copies in (("10x15", 8), ("13x18", 9), ("a4", 32)):
        matte = matter(photo, MatteSettings(**{**settings.as_dict(), "sheet": sheet}))
        sides = sorted(round(side * MM) for side in id_photo.SHEETS[sheet])
        assert sorted(matte.layer.shape[:2]) == sides and matte.layer[..., 3].min() == 255
        assert copies_of(one, matte.layer[..., :3]) == copies


def test_a_sheet_alone_means_an_id_photo() -> None:
    assert MatteSettings.with_implied({"sheet": "a4"})["id_photo"] == "35x45"
    assert MatteSettings.with_implied({"sheet": "a4", "id_photo": "us"})["id_photo"] == "us"
    assert MatteSettings.with_implied({"sheet": "a4"}, {"id_photo": "cn"})["id_photo"] == "cn"
    assert "id_photo" not in MatteSettings.with_implied({"sheet": "off"})


def copies_of(one: np.ndarray, sheet: np.ndarray) -> int:
    """How often a photo stands on a sheet, exactly, by a line through the eyes that shows nothing else."""
    row = one[one.shape[0] // 2]
    middle = len(row) // 2
    assert (row[middle] != 255).any()
    return sum(
        np.array_equal(sheet[y, x - middle : x - middle + len(row)], row)
        for y, x in np.argwhere((sheet == row[middle]).all(axis=2))
        if x >= middle
    )


def test_what_has_no_face_or_ends_below_it_is_said(matter: Matter, photo: Path, tmp_path: Path) -> None:
    picture = Image.open(photo).convert("RGB")
    picture.crop((0, 0, 512, 200)).save(tmp_path / "bust.png")
    picture.crop((60, 230, 420, 512)).save(tmp_path / "suit.png")
    for name, key in (("bust.png", "is cut off too close"), ("suit.png", "No face was found")):
        with pytest.raises(ImageError, match=key):
            matter(tmp_path / name, MatteSettings(quality="fast", id_photo="35x45"))


def test_hair_or_shoulders_that_the_photo_s_own_edge_cuts_are_said(matter: Matter, photo: Path, tmp_path: Path) -> None:
    picture = Image.open(photo).convert("RGB")
    picture.crop((0, 24, 512, 512)).save(tmp_path / "hair.png")
    picture.crop((120, 0, 330, 512)).save(tmp_path / "narrow.png")
    picture.crop((0, 0, 300, 512)).save(tmp_path / "right.png")
    for name, key in (("hair", "id_photo_cut_top"), ("narrow", "id_photo_cut_side"), ("right", "id_photo_cut_side")):
        for background in ("transparent", "colour", "blur"):
            with pytest.raises(ImageError) as refused:
                matter(tmp_path / f"{name}.png", MatteSettings(quality="fast", id_photo="us", background=background))
            assert refused.value.key == key
    # Here a head that is a little larger leaves the edge out.
    picture.crop((0, 0, 330, 512)).save(tmp_path / "enough.png")
    matte = matter(tmp_path / "enough.png", MatteSettings(quality="fast", id_photo="us"))
    assert matte.layer.shape[:2] == (600, 600)
    assert not (matte.alpha[:, 1:] < 0.3)[(matte.alpha[:, :-1] > 0.7)].sum() > 12  # no straight line down


def test_empty_paper_beyond_the_photo_is_no_fault(matter: Matter, photo: Path, tmp_path: Path) -> None:
    """A head that fills a photo to all sides without touching them."""
    alone = Image.open(photo).convert("RGB")
    white = Image.new("RGB", (300, 420), "white")
    white.paste(alone.crop((60, 0, 360, 420)), mask=matted(matter, photo).crop((60, 0, 360, 420)))
    white.crop((0, 8, 300, 420)).save(tmp_path / "tight.png")
    assert matter(tmp_path / "tight.png", MatteSettings(quality="fast", id_photo="35x49")).layer.shape[:2] == (579, 413)


def matted(matter: Matter, photo: Path) -> Image.Image:
    return Image.fromarray((matter(photo, MatteSettings(quality="fast")).alpha * 255).astype(np.uint8))


def test_a_file_is_as_small_as_a_portal_wants_it_and_no_smaller(matter: Matter, photo: Path) -> None:
    plain = MatteSettings(quality="fast", id_photo="35x45", background="colour", background_colour="#ffffff")
    usual = matter(photo, plain)
    whole = np.asarray(Image.open(io.BytesIO(usual.layer_file("jpeg")))).astype(int)
    before = 0.0
    for limit in (60, 30, 15):
        file = matter(photo, MatteSettings(**{**plain.as_dict(), "max_kilobytes": limit})).layer_file("jpeg")
        assert limit * 800 < len(file) <= limit * 1000
        made = Image.open(io.BytesIO(file))
        assert (made.size, made.info["dpi"]) == ((413, 531), pytest.approx((300, 300), abs=0.1))
        worse = np.abs(np.asarray(made).astype(int) - whole).mean()
        assert before < worse < 4
        before = worse
    large = MatteSettings(**{**plain.as_dict(), "max_kilobytes": 10_000})
    assert matter(photo, large).layer_file("jpeg") == usual.layer_file("jpeg")


def test_what_does_not_fit_is_said(matter: Matter, photo: Path) -> None:
    settings = {"quality": "fast", "id_photo": "35x45", "background": "colour"}
    for limit, format, key in ((2, "jpeg", "over_limit_jpeg"), (60, "png", "over_limit"), (40, "webp", "over_limit")):
        with pytest.raises(OutputError) as refused:
            matter(photo, MatteSettings.from_mapping({**settings, "max_kilobytes": limit})).layer_file(format)
        assert refused.value.key == key
    assert (
        len(matter(photo, MatteSettings.from_mapping({**settings, "max_kilobytes": 1000})).layer_file("png"))
        < 1_000_000
    )


def test_a_limit_alone_means_an_id_photo_and_is_none_of_an_ordinary_layer_s(matter: Matter, photo: Path) -> None:
    implied = MatteSettings.with_implied({"max_kilobytes": 50})
    assert (implied["id_photo"], implied["format"]) == ("35x45", "jpeg")
    assert MatteSettings.with_implied({"max_kilobytes": 50, "format": "png"})["format"] == "png"
    assert "id_photo" not in MatteSettings.with_implied({"max_kilobytes": 0})
    assert "max_kilobytes" not in MatteSettings().identity()
    assert len(matter(photo, MatteSettings(quality="fast", max_kilobytes=10)).layer_file("png")) > 10_000
