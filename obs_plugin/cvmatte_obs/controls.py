"""MatteSettings as OBS sees them: a portrait's properties, and the values in its settings.

A control is kept in a source's settings under its own name, beside the keys of the portrait's input below. A portrait
without the key "cvmatte" is new: the session gives it every default as a value of its own, so that a later version's,
or the person's changed ones, leave it as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping

from cvmatte_core import settings as declaration
from cvmatte_core.localization.errors import CvmatteError
from cvmatte_core.localization.texts import Texts
from cvmatte_core.models import catalogue
from cvmatte_core.settings import CONTROLS, Control, MatteSettings

from . import libobs

INPUT, IMAGE, CAMERA, DELAY, STILL = b"input", b"image", b"source", b"delay", b"still"
FROM_FILE, FROM_SOURCE, FROM_CAMERA, FROM_VIDEO = "file", "source", "camera", "video"
LIVE = (FROM_CAMERA, FROM_VIDEO)
# Of live inputs. The device is what the system calls a camera.
DEVICE, DEVICE_SIZE, VIDEO, VIDEO_LOOP, RATE = b"device", b"device_size", b"video", b"video_loop", b"rate"
LIMIT = b"limit"
BACKGROUND = b"background_image"  # the control's
SIZES = ("", "640x360", "640x480", "1280x720", "1920x1080")
RATES = (10, 15, 24, 30, 60)
DEFAULT_RATE = 30
LOWEST_LIMIT, LIMIT_STEP = 10, 5  # percent of the processor
DELAYS = (0, 3, 5, 10)  # seconds
MADE_BY = b"cvmatte"
PORTRAIT_ID = b"portrait_id"  # of those that had to be told from others; see layers/last_shown.py
JPEG_NOTE = b"jpeg_note"

# Layers are drawn on a canvas of 1080 or 2160 lines: more would cost memory in every frame and not be seen.
DEFAULTS: dict[str, Any] = {**{control.name: control.default for control in CONTROLS}, "longest_side": 2160}
_SLIDER_MAXIMUM = 255


@dataclass(frozen=True)
class Values:
    """What a portrait's settings say: its input, and the controls' values in the order of CONTROLS."""

    input: str
    file: str  # the chosen photo
    camera: str  # the name of the source that stills are taken from
    delay: int  # seconds from the button to the still
    still: str  # the last still's file
    controls: tuple[Any, ...]
    device: str = ""  # the camera, as the system calls it,
    device_size: str = ""  # and what size it is asked for; empty for its own
    video: str = ""  # the path or address of a video
    video_loop: bool = True
    rate: int = DEFAULT_RATE  # frames a second of a live input
    limit: int = 100  # percent of the processor that it may take
    portrait_id: str = field(default="", compare=False)  # nothing is made anew for another

    @property
    def is_live(self) -> bool:
        return self.input in LIVE

    @property
    def live_source(self) -> dict[str, Any]:
        """As live.capture.LiveSource; empty where nothing is chosen yet."""
        if self.input == FROM_VIDEO:
            return {"video": self.video, "loop": self.video_loop} if self.video else {}
        width, _, height = self.device_size.partition("x")
        size = {"width": int(width), "height": int(height)} if self.device_size in SIZES[1:] else {}
        return {"camera": self.device, "rate": self.rate, **size} if self.device else {}

    @property
    def image(self) -> str:
        """The file to cut out; empty where there is none yet."""
        if self.is_live:
            return ""
        return self.still if self.input == FROM_SOURCE else self.file

    @property
    def needed(self) -> dict[bytes, str]:
        """The files that the layer is made from, by the keys of the settings that name them; the most needed first."""
        controls = dict(zip((control.name for control in CONTROLS), self.controls))
        needed = {STILL if self.input == FROM_SOURCE else IMAGE: self.image}
        if self.input == FROM_VIDEO and "://" not in self.video:
            needed[VIDEO] = self.video
        if controls["background"] == "image":
            needed[BACKGROUND] = controls["background_image"]
        return {key: path for key, path in needed.items() if path}

    @property
    def files(self) -> set[str]:
        """Every file that they name: the photo, the still, the background picture."""
        pictures = (value for control, value in zip(CONTROLS, self.controls) if control.kind == declaration.IMAGE)
        return {self.file, self.still, *pictures} - {""}

    def settings(self) -> MatteSettings:
        """Raises SettingsError."""
        return MatteSettings(**{control.name: value for control, value in zip(CONTROLS, self.controls)})


def read(data: int) -> Values:
    """What an obs_data_t says."""
    delay, chosen = libobs.obs_data_get_int(data, DELAY), get_string(data, INPUT)
    rate, limit = libobs.obs_data_get_int(data, RATE), libobs.obs_data_get_int(data, LIMIT)
    return Values(
        input=chosen if chosen in (FROM_SOURCE, *LIVE) else FROM_FILE,
        file=get_string(data, IMAGE),
        camera=get_string(data, CAMERA),
        delay=delay if delay in DELAYS else 0,
        still=get_string(data, STILL),
        controls=tuple(_read_control(data, control) for control in CONTROLS),
        device=get_string(data, DEVICE),
        device_size=get_string(data, DEVICE_SIZE),
        video=get_string(data, VIDEO),
        video_loop=libobs.obs_data_get_bool(data, VIDEO_LOOP) or not libobs.obs_data_has_user_value(data, VIDEO_LOOP),
        rate=rate if rate in RATES else DEFAULT_RATE,
        limit=limit if LOWEST_LIMIT <= limit <= 100 else 100,
        portrait_id=get_string(data, PORTRAIT_ID),
    )


def get_string(data: int, name: bytes) -> str:
    # A path is any bytes on Linux; surrogates carry those that aren't UTF-8.
    return (libobs.obs_data_get_string(data, name) or b"").decode("utf-8", "surrogateescape")


def set_string(data: int, name: bytes, value: str) -> None:
    libobs.obs_data_set_string(data, name, value.encode("utf-8", "surrogateescape"))


def is_new(data: int) -> bool:
    """Whether these are the settings of a portrait that never got its defaults."""
    return not libobs.obs_data_has_user_value(data, MADE_BY)


def complete(data: int, present: int, defaults: Mapping[str, Any]) -> None:
    """Write into `data` what `present` lacks: a value for every control, DEFAULTS where `defaults` has none."""
    libobs.obs_data_set_int(data, MADE_BY, 1)
    if not libobs.obs_data_has_user_value(present, INPUT):
        set_string(data, INPUT, FROM_FILE)
    for control in CONTROLS:
        if not libobs.obs_data_has_user_value(present, control.name.encode()):
            write(data, control, defaults.get(control.name, DEFAULTS[control.name]))


def write(data: int, control: Control, value: Any) -> None:
    """Set a control's value."""
    _, put = _KEPT_AS.get(control.kind, (get_string, set_string))
    put(data, control.name.encode(), value)


def _read_control(data: int, control: Control) -> Any:
    get, _ = _KEPT_AS.get(control.kind, (get_string, set_string))
    has_it = libobs.obs_data_has_user_value(data, control.name.encode())
    return get(data, control.name.encode()) if has_it else DEFAULTS[control.name]


def _set_colour(data: int, name: bytes, colour: str) -> None:
    """OBS keeps a colour as 0xAABBGGRR."""
    libobs.obs_data_set_int(data, name, 0xFF000000 | int(colour[5:7] + colour[3:5] + colour[1:3], 16))


def _get_colour(data: int, name: bytes) -> str:
    value = libobs.obs_data_get_int(data, name)
    return f"#{value & 0xFF:02x}{value >> 8 & 0xFF:02x}{value >> 16 & 0xFF:02x}"


_KEPT_AS = {
    declaration.SWITCH: (libobs.obs_data_get_bool, libobs.obs_data_set_bool),
    declaration.INTEGER: (libobs.obs_data_get_int, libobs.obs_data_set_int),
    declaration.COLOUR: (_get_colour, _set_colour),
}


def model_choices(texts: Texts, chosen: str) -> list[tuple[str, str]]:
    """(name, shown text) of every model that there is now, and of a chosen one that is gone: so it isn't replaced."""
    try:
        choices = catalogue.choices(texts)
    except CvmatteError:  # whoever mattes next says it
        choices = {catalogue.AUTO: texts("choice.model.auto", model="")}
    choices.setdefault(chosen, texts("choice.model.gone", model=chosen))
    return list(choices.items())


def add_controls(properties: int, texts: Texts, image_filter: str, values: Values) -> None:
    """Add every control to an obs_properties_t, in its groups. values: the present ones."""
    present = dict(zip((control.name for control in CONTROLS), values.controls))
    groups: dict[str, int] = {}
    for control in CONTROLS:
        if control.group not in groups:
            groups[control.group] = libobs.obs_properties_create()
        added = _add_control(groups[control.group], control, texts, image_filter, present[control.name])
        explain(added, texts(f"control.{control.name}.tip"))
        if control.name == "format":
            text = texts("source.jpeg_note").encode()
            note = libobs.obs_properties_add_text(groups[control.group], JPEG_NOTE, text, libobs.OBS_TEXT_INFO)
            libobs.obs_property_text_set_info_type(note, libobs.OBS_TEXT_INFO_WARNING)
    for group, members in groups.items():
        label = texts(f"group.{group}").encode()
        libobs.obs_properties_add_group(properties, f"group_{group}".encode(), label, libobs.OBS_GROUP_NORMAL, members)


def _add_control(properties: int, control: Control, texts: Texts, image_filter: str, present: Any) -> int:
    name, text = control.name.encode(), texts(f"control.{control.name}")
    label = text.encode()
    if control.kind == declaration.MODEL:
        return add_choice(properties, name, text, model_choices(texts, present))
    if control.kind == declaration.SWITCH:
        return libobs.obs_properties_add_bool(properties, name, label)
    if control.kind == declaration.COLOUR:
        return libobs.obs_properties_add_color(properties, name, label)
    if control.kind == declaration.IMAGE:
        return add_file(properties, name, text, image_filter)
    if control.kind == declaration.FOLDER:
        return libobs.obs_properties_add_path(properties, name, label, libobs.OBS_PATH_DIRECTORY, None, None)
    if control.kind == declaration.INTEGER:
        slider = control.maximum <= _SLIDER_MAXIMUM
        add = libobs.obs_properties_add_int_slider if slider else libobs.obs_properties_add_int
        added = add(properties, name, label, control.minimum, control.maximum, control.step)
        if control.unit:
            libobs.obs_property_int_set_suffix(added, f" {control.unit}".encode())
        return added
    choices = ((choice, texts(f"choice.{control.name}.{choice}")) for choice in control.choices)
    return add_choice(properties, name, text, choices)


def explain(added: int, tip: str) -> int:
    libobs.obs_property_set_long_description(added, tip.encode())
    return added


def add_file(properties: int, name: bytes, label: str, of: str, folder: bytes | None = None) -> int:
    """Add the choice of a file to an obs_properties_t. of: see Session.image_filter. folder: to begin in."""
    return libobs.obs_properties_add_path(properties, name, label.encode(), libobs.OBS_PATH_FILE, of.encode(), folder)


def add_choice(properties: int, name: bytes, label: str, choices: Any) -> int:
    """Add a drop-down of (value, shown text) to an obs_properties_t."""
    kind, values = libobs.OBS_COMBO_TYPE_LIST, libobs.OBS_COMBO_FORMAT_STRING
    added = libobs.obs_properties_add_list(properties, name, label.encode(), kind, values)
    for value, shown in choices:
        libobs.obs_property_list_add_string(added, libobs.utf8(shown), libobs.utf8(value))
    return added


def add_number(properties: int, name: bytes, label: str, choices: Mapping[int, str]) -> int:
    """Add a drop-down of numbers, and how each is shown, to an obs_properties_t."""
    kind, values = libobs.OBS_COMBO_TYPE_LIST, libobs.OBS_COMBO_FORMAT_INT
    added = libobs.obs_properties_add_list(properties, name, label.encode(), kind, values)
    for value, shown in choices.items():
        libobs.obs_property_list_add_int(added, shown.encode(), value)
    return added


def add_delay(properties: int, name: bytes, texts: Texts) -> None:
    choices = {seconds: texts("source.delay.seconds", seconds=seconds) for seconds in DELAYS}
    explain(add_number(properties, name, texts("source.delay"), choices), texts("source.delay.tip"))


def show_what_applies(properties: int, texts: Texts, values: Values) -> None:
    """Hide the controls, and the choices of controls, that have no effect with the present settings."""
    present = dict(zip((control.name for control in CONTROLS), values.controls))
    kind = declaration.LIVE if values.is_live else declaration.PHOTO
    shown = {control.name.encode(): kind in control.applies_to and control.applies(present) for control in CONTROLS}
    shown[JPEG_NOTE] = shown[b"format"] and present["format"] == "jpeg" and present["background"] == "transparent"
    for name, applies in shown.items():
        libobs.obs_property_set_visible(libobs.obs_properties_get(properties, name), applies)
    for control in CONTROLS:
        if control.photos_only:
            _offer_what_applies(properties, texts, control, present[control.name], kind)


def _offer_what_applies(properties: int, texts: Texts, control: Control, chosen: Any, kind: str) -> None:
    """A choice that does nothing to this kind is as good as the default. Where it is chosen it stays so, under the
    default's name: a photo chosen later is cut out with it again."""
    listed = libobs.obs_properties_get(properties, control.name.encode())
    libobs.obs_property_list_clear(listed)
    stands_in = chosen in control.choices and control.does_nothing(chosen, kind)
    for choice in control.choices:
        if not control.does_nothing(choice, kind):
            value = chosen if stands_in and choice == control.default else choice
            text = texts(f"choice.{control.name}.{choice}")
            libobs.obs_property_list_add_string(listed, libobs.utf8(text), libobs.utf8(value))
