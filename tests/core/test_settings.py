"""The declaration of the controls."""

from __future__ import annotations

from pathlib import Path

import pytest

from cvmatte_core.layers.store import LayerStore
from cvmatte_core.localization.errors import ModelError, SettingsError
from cvmatte_core.models import catalogue
from cvmatte_core.settings import (
    ANSWER,
    CLIP,
    CONTROLS,
    JOB,
    LIVE,
    PHOTO,
    PRESET,
    TOUCH_UP,
    Control,
    MatteSettings,
    controls_for,
)


def test_defaults_pass_their_own_checks_and_survive_a_round_trip() -> None:
    settings = MatteSettings()
    assert MatteSettings.from_mapping(settings.as_dict()) == settings
    assert [control.name for control in CONTROLS] == list(settings.as_dict())


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"model": ""}, "setting_value"),
        ({"model": 3}, "setting_value"),
        ({"threshold": 256}, "setting_range"),
        ({"threshold": -1}, "setting_range"),
        ({"erosion": 1.5}, "setting_value"),
        ({"erosion": True}, "setting_value"),
        ({"erosion": "3"}, "setting_value"),
        ({"quality": "superb"}, "setting_value"),
        ({"quality": ["fast"]}, "setting_value"),
        ({"decontaminate": 1}, "setting_value"),
        ({"background_colour": "red"}, "setting_value"),
        ({"background_colour": "#12345g"}, "setting_value"),
        ({"background_colour": "#123456\n"}, "setting_value"),
        ({"subject": "nobody"}, "setting_value"),
        ({"crop": 1}, "setting_value"),
        ({"crop_margin": 51}, "setting_range"),
        ({"background_blur": 0}, "setting_range"),
        ({"background_image": None}, "setting_value"),
        ({"output_folder": 3}, "setting_value"),
        ({"format": "gif"}, "setting_value"),
        ({"sharpness": 3}, "setting_unknown"),
    ],
)
def test_values_that_do_not_fit_are_refused_by_name(values: dict[str, object], key: str) -> None:
    with pytest.raises(SettingsError) as refused:
        MatteSettings.from_mapping(values)
    assert refused.value.key == key
    assert next(iter(values)) in str(refused.value)


def test_paths_are_kept_as_they_are() -> None:
    for path in ("", "/home/me/Über uns/壁.JPG", "C:\\pictures\\a.png", "/\udcff.png"):
        settings = MatteSettings(background_image=path, output_folder=path)
        assert (settings.background_image, settings.output_folder) == (path, path)


def test_a_model_that_is_gone_is_a_value_all_the_same() -> None:
    """A scene that was saved with it loads; whoever mattes says that there is no such model."""
    for name in ("rvm-mobilenetv3", "mine of last year"):
        assert MatteSettings.from_mapping({"model": name}).resolved().model == name
    with pytest.raises(ModelError, match="mine of last year"):
        catalogue.entry_of("mine of last year")


def test_each_control_says_to_what_it_applies() -> None:
    kinds = (PHOTO, CLIP, LIVE)
    applies = {control.name: "".join(kind[0] for kind in kinds if kind in control.applies_to) for control in CONTROLS}
    partly = {name: to for name, to in applies.items() if to != "pcl"}
    assert partly == {
        "id_photo": "p",
        "sheet": "p",
        "max_kilobytes": "p",
        "format": "p",
        "save_mask": "p",
        "metadata": "p",
        "output_folder": "pc",
    }
    controls = {control.name: control for control in CONTROLS}
    for name, value, does_nothing_to in (
        ("subject", "held", "cl"),
        ("subject", "main", ""),
        ("id_photo", "us", "cl"),
        ("id_photo", "off", ""),
        ("format", "jpeg", "cl"),
        ("save_mask", True, "cl"),
        ("output_folder", "/here", "l"),
        ("longest_side", 500, ""),
    ):
        assert "".join(kind[0] for kind in kinds if controls[name].does_nothing(value, kind)) == does_nothing_to, name


OUTLINE = ("outline", "outline_colour", "outline_softness")


@pytest.mark.parametrize(
    ("place", "absent"),
    [
        (PRESET, {"model", "longest_side", "save_mask", "metadata", "output_folder"}),
        (TOUCH_UP, {"crop", "mirror", "background", "id_photo", "save_mask", *OUTLINE}),
        (JOB, {"output_folder"}),
        (ANSWER, {"save_mask", "output_folder"}),
    ],
)
def test_each_control_says_where_it_has_no_part(place: str, absent: set[str]) -> None:
    assert set(CONTROLS) - set(controls_for(PHOTO, CLIP, LIVE, at=place)) == {
        control for control in CONTROLS if control.name in absent
    }
    changed = MatteSettings(crop=True, mirror=True, background="blur", id_photo="us", save_mask=True, erosion=2)
    assert {name for name, value in changed.at(place).as_dict().items() if value != getattr(changed, name)} == (
        absent & {"crop", "mirror", "background", "id_photo", "save_mask"}
    )


def test_a_control_of_live_pictures_alone_is_asked_for_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    smoothness = Control("smoothness", "integer", 0, "edge", maximum=9, applies_to=(LIVE,))
    monkeypatch.setattr("cvmatte_core.settings.CONTROLS", (*CONTROLS, smoothness))
    assert smoothness in controls_for(LIVE) and smoothness in controls_for(PHOTO, CLIP, LIVE, at=PRESET)
    for place in ("", JOB, ANSWER):
        assert smoothness not in controls_for(PHOTO, CLIP, at=place)
    assert (
        smoothness.does_nothing(5, PHOTO) and smoothness.does_nothing(5, CLIP) and not smoothness.does_nothing(5, LIVE)
    )


@pytest.mark.usefixtures("modelscope_packages")
def test_automatic_is_the_model_that_it_means_now(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path))
    settings = MatteSettings(feather=3)
    assert settings.model == catalogue.AUTO
    assert settings.resolved() == MatteSettings(feather=3, model=catalogue.DEFAULT)
    before = LayerStore.key("/a.png", settings.resolved())
    folder = catalogue.entry_of("cv-unet").path
    folder.mkdir(parents=True)
    for name in ("configuration.json", "tf_graph.pb"):
        (folder / name).touch()
    assert settings.resolved().model == "cv-unet"
    assert LayerStore.key("/a.png", settings.resolved()) != before


def test_controls_that_depend_on_another_name_a_value_that_it_takes() -> None:
    by_name = {control.name: control for control in CONTROLS}
    for control in CONTROLS:
        if control.shown_when:
            deciding, value = control.shown_when
            assert by_name[deciding].checked(value) == value
