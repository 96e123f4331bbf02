"""MatteSettings as OBS sees them: the values in a portrait's settings; and the kinds of things to choose in a dialog.

A control is kept in a source's settings under its own name, beside the keys of the portrait's input below. A portrait
without the key "cvmatte" is new: the session gives it every default as a value of its own, so that a later version's,
or the person's changed ones, leave it as it is.
"""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from typing import Any, Mapping

from cvmatte_core import settings as declaration
from cvmatte_core.layers import rooms
from cvmatte_core.localization.texts import Texts
from cvmatte_core.settings import CONTROLS, Control, MatteSettings

from . import libobs

INPUT, IMAGE, CAMERA, DELAY, STILL = b"input", b"image", b"source", b"delay", b"still"
STILL_OF = b"still_of"  # see layers.rooms.named; stills of former versions lack it: they are of CAMERA
FROM_FILE, FROM_SOURCE, FROM_CAMERA, FROM_VIDEO = "file", "source", "camera", "video"
FROM_SOURCE_LIVE = "source_live"
LIVE = (FROM_CAMERA, FROM_VIDEO, FROM_SOURCE_LIVE)
OF_SOURCES = (FROM_SOURCE, FROM_SOURCE_LIVE)  # that have the name of a source of OBS in CAMERA
# Of live inputs. The device is what the system calls a camera.
DEVICE, DEVICE_SIZE, VIDEO, VIDEO_LOOP, RATE = b"device", b"device_size", b"video", b"video_loop", b"rate"
LIMIT = b"limit"
ZONES = b"zones"  # of live inputs; see matting/zones.py. The longest that is of use:
_LONGEST_ZONES = 2_000_000
BACKGROUND = b"background_image"  # the control's
SIZES = ("", "640x360", "640x480", "1280x720", "1920x1080")
RATES = (10, 15, 24, 30, 60)
DEFAULT_RATE = 30
LOWEST_LIMIT, LIMIT_STEP = 10, 5  # percent of the processor
_ORIGIN = (INPUT, IMAGE, CAMERA, STILL, DEVICE, VIDEO)  # where a picture comes from
_STAYS = (*_ORIGIN, ZONES, STILL_OF)
DELAYS = (0, 3, 5, 10)  # seconds
DEFAULT_DELAY = 3  # of new portraits
MADE_BY = b"cvmatte"
PORTRAIT_ID = b"portrait_id"  # of those that had to be told from others; see layers/last_shown.py

# Layers are drawn on a canvas of 1080 or 2160 lines: more would cost memory in every frame and not be seen.
DEFAULTS: dict[str, Any] = {**{control.name: control.default for control in CONTROLS}, "longest_side": 2160}


@dataclass(frozen=True)
class Values:
    """What a portrait's settings say: its input, and the controls' values in the order of CONTROLS."""

    input: str
    file: str  # the chosen photo
    camera: str  # the name of the source of OBS that stills are taken from, or that is cut out live
    delay: int  # seconds from the button to the still
    still: str  # the last still's file
    controls: tuple[Any, ...]
    device: str = ""  # the camera, as the system calls it,
    device_size: str = ""  # and what size it is asked for; empty for its own
    video: str = ""  # the path or address of a video
    video_loop: bool = True
    rate: int = DEFAULT_RATE  # frames a second of a live input
    limit: int = 100  # percent of the processor that it may take
    zones: str = ""  # what is painted for a live picture
    still_of: str = ""  # what the last still was taken with
    portrait_id: str = field(default="", compare=False)  # nothing is made anew for another

    @property
    def is_live(self) -> bool:
        return self.input in LIVE

    @property
    def live_source(self) -> dict[str, Any]:
        """As live.capture.LiveSource; empty where nothing is chosen yet."""
        if self.input == FROM_VIDEO:
            return {"video": self.video, "loop": self.video_loop} if self.video else {}
        if self.input == FROM_SOURCE_LIVE:
            return {"obs": self.camera, "rate": self.rate} if self.camera else {}
        width, _, height = self.device_size.partition("x")
        size = {"width": int(width), "height": int(height)} if self.device_size in SIZES[1:] else {}
        return {"camera": self.device, "rate": self.rate, **size} if self.device else {}

    @property
    def live_of(self) -> str:
        """What a live picture is taken with; see layers.rooms.named."""
        of = {FROM_CAMERA: (rooms.CAMERA, self.device), FROM_SOURCE_LIVE: (rooms.SOURCE, self.camera)}
        return rooms.named(*of.get(self.input, (rooms.VIDEO, self.video)))

    @property
    def image(self) -> str:
        """The file to cut out; empty where there is none yet."""
        if self.is_live:
            return ""
        return self.still if self.input == FROM_SOURCE else self.file

    @property
    def pictured(self) -> Any:
        """What tells where its picture comes from; for comparison."""
        return (self.input, self.camera, self.device, self.video) if self.is_live else self.image

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

    def control(self, name: str) -> Any:
        """The value of one of MatteSettings' controls."""
        return next(value for control, value in zip(CONTROLS, self.controls) if control.name == name)

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
        zones=get_string(data, ZONES)[:_LONGEST_ZONES],
        still_of=get_string(data, STILL_OF),
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


def complete(data: int, present: int, defaults: Mapping[str, Any], before: Values | None) -> None:
    """Write into `data` what `present` lacks: a value for every control, DEFAULTS where `defaults` has none.

    before: what these settings said before OBS's button Defaults emptied them: where the picture comes from stays,
    and what a person painted.
    """
    libobs.obs_data_set_int(data, MADE_BY, 1)
    origin = _origin(before) if before is not None else {}
    if any(libobs.obs_data_has_user_value(present, name) for name in _ORIGIN):  # a program has put others there
        origin = {}
    for name, value in {INPUT: FROM_FILE, **origin}.items():
        if not libobs.obs_data_has_user_value(present, name):
            set_string(data, name, value)
    if not libobs.obs_data_has_user_value(present, DELAY):
        libobs.obs_data_set_int(data, DELAY, DEFAULT_DELAY)
    values = {**DEFAULTS, **defaults}
    write(data, {one: values[one] for one in values if not libobs.obs_data_has_user_value(present, one.encode())})


def _origin(values: Values) -> dict[bytes, str]:
    chosen = (values.input, values.file, values.camera, values.still, values.device, values.video)
    return {name: value for name, value in zip(_STAYS, (*chosen, values.zones, values.still_of)) if value}


def write(data: int, values: Mapping[str, Any]) -> None:
    """Set controls by their names. values: as MatteSettings has them; whoever calls has checked them."""
    for control in CONTROLS:
        if control.name in values:
            _, put = _KEPT_AS.get(control.kind, (get_string, set_string))
            put(data, control.name.encode(), values[control.name])


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


def explain(added: int, tip: str) -> int:
    """tip: plain text, or rich: only that is broken into lines by Qt."""
    rich_text = tip if tip.startswith("<span") else f"<span>{html.escape(tip, quote=False)}</span>"
    libobs.obs_property_set_long_description(added, libobs.utf8(rich_text))
    return added


def add_text(properties: int, name: bytes, rich_text: str, wraps: bool = False) -> int:
    """Add a text to be read to an obs_properties_t."""
    added = libobs.obs_properties_add_text(properties, name, libobs.utf8(rich_text), libobs.OBS_TEXT_INFO)
    libobs.obs_property_text_set_info_word_wrap(added, wraps)
    return added


def set_unit(number: int, unit: str) -> None:
    """With OBS's mark of a tip: OBS itself shows none beside a slider, whose tip it shows over its number alone."""
    libobs.obs_property_int_set_suffix(number, f" {unit} (?)".replace("  ", " ").encode())


def add_file(properties: int, name: bytes, label: str, of: str, folder: bytes | None = None) -> int:
    """Add the choice of a file to an obs_properties_t. of: see Session.image_filter. folder: to begin in."""
    return libobs.obs_properties_add_path(properties, name, label.encode(), libobs.OBS_PATH_FILE, of.encode(), folder)


def add_choice(properties: int, name: bytes, label: str, choices: Any) -> int:
    """Add a drop-down of (value, shown text) to an obs_properties_t."""
    kind, values = libobs.OBS_COMBO_TYPE_LIST, libobs.OBS_COMBO_FORMAT_STRING
    added = libobs.obs_properties_add_list(properties, name, label.encode(), kind, values)
    offer(added, choices)
    return added


def add_source_choice(properties: int, name: bytes, label: str, names: list[str], chosen: str, none: str) -> int:
    """Add a drop-down of OBS's sources to an obs_properties_t. none: what stands there while none is chosen."""
    if chosen not in names:  # none yet, or one that is gone: say so rather than show another
        names = [chosen, *names]
    return add_choice(properties, name, label, ((one, one or none) for one in names))


def offer(listed: int, choices: Any) -> None:
    """Let a drop-down have these (value, shown text) and no others."""
    libobs.obs_property_list_clear(listed)
    for value, shown in choices:
        libobs.obs_property_list_add_string(listed, libobs.utf8(shown), libobs.utf8(value))


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
