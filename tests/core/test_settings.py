"""The declaration of the controls."""

from __future__ import annotations

import pytest

from cvmatte_core.errors import SettingsError
from cvmatte_core.settings import CONTROLS, MatteSettings


def test_defaults_pass_their_own_checks_and_survive_a_round_trip() -> None:
    settings = MatteSettings()
    assert MatteSettings.from_mapping(settings.as_dict()) == settings
    assert [control.name for control in CONTROLS] == list(settings.as_dict())


@pytest.mark.parametrize(
    ("values", "key"),
    [
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


def test_controls_that_depend_on_another_name_a_value_that_it_takes() -> None:
    by_name = {control.name: control for control in CONTROLS}
    for control in CONTROLS:
        if control.shown_when:
            deciding, value = control.shown_when
            assert by_name[deciding].checked(value) == value
