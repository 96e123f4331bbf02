"""The one declaration of every control. The OBS properties, the command line and their help are made from it.

Standard library only: it runs inside OBS. A control's label and tooltip are the texts "control.NAME" and
"control.NAME.tip"; a choice's are "choice.NAME.VALUE"; a group's are "group.NAME". What a model's control offers is
the catalogue's, which grows: so any name is a value of it, and whoever loads the model says when there is none.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field
from typing import Any, Mapping

from .localization.errors import SettingsError
from .models import catalogue

CHOICE, INTEGER, SWITCH, COLOUR = "choice", "integer", "switch", "colour"
IMAGE, FOLDER = "image", "folder"  # paths; empty where none is chosen
MODEL = "model"  # the name of one in the catalogue, or catalogue.AUTO
PHOTO, CLIP, LIVE = "photo", "clip", "live"  # what is cut out, as far as controls differ by it
# Places that don't offer every control: presets, the page for touching up, a job over HTTP, and a request over HTTP
# that is answered with one picture.
PRESET, TOUCH_UP, JOB, ANSWER = "preset", "touch_up", "job", "answer"
ID_PHOTO = "35x45"  # of the control "id_photo": what most countries want
OUTLINE = 12  # pixels: an outline's width where only its colour or softness was asked for
HELD = "held"  # of the control "subject": people and what they hold
_LENGTHS = {IMAGE: range(32768), FOLDER: range(32768), MODEL: range(1, 256)}  # characters; no system has longer paths
_SHOWN = 60  # characters of a name that isn't ours
_COLOUR_PATTERN = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True)
class Control:
    """One control: what it is called, which values it takes, and when, to what and where it applies.

    applies_to: where it does nothing at all is left out. photos_only: values that do nothing for moving pictures.
    absent_from: places where it has no part. is_refused: as an option, for what it does nothing to; not where it only
    says how a photo's file is written, which harms no clip beside the photos. is_later: the first version didn't have
    it, and its default does nothing.
    """

    name: str
    kind: str
    default: Any
    group: str
    choices: tuple[str, ...] = ()
    minimum: int = 0
    maximum: int = 0
    step: int = 1
    unit: str = ""
    shown_when: tuple[str, Any] | None = None  # (another control, the value of it that this one needs)
    hidden_when: tuple[str, Any] | None = None  # (another control, the value with which this one does nothing)
    applies_to: tuple[str, ...] = (PHOTO, CLIP, LIVE)
    photos_only: tuple[Any, ...] = ()
    absent_from: tuple[str, ...] = ()
    is_refused: bool = True
    is_later: bool = False

    def does_nothing(self, value: Any, to: str) -> bool:
        """Whether this value does nothing to a PHOTO, a CLIP or a LIVE picture."""
        if to not in self.applies_to:
            return bool(value != self.default)
        return to != PHOTO and value in self.photos_only

    def applies(self, values: Mapping[str, Any]) -> bool:
        """Whether it does anything with these values of the others."""
        if self.hidden_when is not None and values[self.hidden_when[0]] == self.hidden_when[1]:
            return False
        return self.shown_when is None or values[self.shown_when[0]] == self.shown_when[1]

    def checked(self, value: Any) -> Any:
        """The value, in this control's type. Raises SettingsError where it doesn't fit."""
        if self.kind == SWITCH and isinstance(value, bool):
            return value
        if self.kind == INTEGER and isinstance(value, int) and not isinstance(value, bool):
            if self.minimum <= value <= self.maximum:
                return value
            raise SettingsError("setting_range", control=self.name, low=self.minimum, high=self.maximum)
        if self.kind == CHOICE and value in self.choices:
            return value
        if self.kind == COLOUR and isinstance(value, str) and _COLOUR_PATTERN.fullmatch(value):
            return value.lower()
        if self.kind in _LENGTHS and isinstance(value, str) and len(value) in _LENGTHS[self.kind]:
            return value
        allowed = {SWITCH: "true, false", COLOUR: "#rrggbb", CHOICE: ", ".join(self.choices)}
        raise SettingsError("setting_value", control=self.name, allowed=allowed.get(self.kind, self.kind))


def _control(kind: str, default: Any, group: str, **more: Any) -> Any:
    return field(default=default, metadata={"kind": kind, "group": group, **more})


@dataclass(frozen=True)
class MatteSettings:
    """Everything that decides how a portrait becomes a layer. Lengths are pixels of the layer."""

    model: str = _control(MODEL, catalogue.AUTO, "model", absent_from=(PRESET,))
    quality: str = _control(CHOICE, "balanced", "model", choices=("fast", "balanced", "best"))
    subject: str = _control(CHOICE, "everyone", "subject", choices=("everyone", "main", HELD), photos_only=(HELD,))
    keep_furniture: bool = _control(SWITCH, False, "subject", is_later=True)  # needs a photo of the empty room
    crop: bool = _control(SWITCH, False, "subject", absent_from=(TOUCH_UP,))
    crop_margin: int = _control(INTEGER, 5, "subject", maximum=50, unit="%", shown_when=("crop", True))
    mirror: bool = _control(SWITCH, False, "subject", absent_from=(TOUCH_UP,))
    threshold: int = _control(INTEGER, 0, "edge", maximum=255)
    erosion: int = _control(INTEGER, 0, "edge", maximum=50, unit="px")
    feather: int = _control(INTEGER, 0, "edge", maximum=50, unit="px")
    feather_direction: str = _control(CHOICE, "centre", "edge", choices=("centre", "inward", "outward"))
    decontaminate: bool = _control(SWITCH, True, "edge")
    background: str = _control(
        CHOICE, "transparent", "background", choices=("transparent", "colour", "image", "blur"), absent_from=(TOUCH_UP,)
    )
    background_colour: str = _control(COLOUR, "#00b140", "background", shown_when=("background", "colour"))
    background_image: str = _control(IMAGE, "", "background", shown_when=("background", "image"))
    background_blur: int = _control(
        INTEGER, 20, "background", minimum=1, maximum=100, unit="px", shown_when=("background", "blur")
    )
    # An outline makes a transparent layer larger: what is painted on is the picture itself.
    outline: int = _control(INTEGER, 0, "background", maximum=200, unit="px", absent_from=(TOUCH_UP,), is_later=True)
    outline_colour: str = _control(
        COLOUR, "#ffffff", "background", hidden_when=("outline", 0), absent_from=(TOUCH_UP,), is_later=True
    )
    outline_softness: int = _control(
        INTEGER, 0, "background", maximum=100, unit="%",
        hidden_when=("outline", 0), absent_from=(TOUCH_UP,), is_later=True,
    )  # fmt: skip
    shadow: int = _control(INTEGER, 0, "background", maximum=100, unit="%", is_later=True)
    id_photo: str = _control(
        CHOICE, "off", "output", choices=("off", "35x45", "us", "ca", "cn", "25x35", "35x49"),
        applies_to=(PHOTO,), absent_from=(TOUCH_UP,), is_later=True,
    )  # fmt: skip
    sheet: str = _control(
        CHOICE, "off", "output", choices=("off", "10x15", "13x18", "a4"),
        applies_to=(PHOTO,), hidden_when=("id_photo", "off"), is_later=True,
    )  # fmt: skip
    max_kilobytes: int = _control(
        INTEGER, 0, "output", maximum=10_000, step=10, unit="kB",
        applies_to=(PHOTO,), hidden_when=("id_photo", "off"), is_later=True,
    )  # fmt: skip
    longest_side: int = _control(INTEGER, 0, "output", maximum=16384, step=10, unit="px", absent_from=(PRESET,))
    format: str = _control(
        CHOICE, "png", "output", choices=("png", "webp", "jpeg"), applies_to=(PHOTO,), is_refused=False
    )
    save_mask: bool = _control(SWITCH, False, "output", applies_to=(PHOTO,), absent_from=(PRESET, TOUCH_UP, ANSWER))
    metadata: bool = _control(
        SWITCH, True, "output", applies_to=(PHOTO,), absent_from=(PRESET,), is_refused=False, is_later=True
    )
    # A request mustn't name a folder of the server, and an answer with one picture has no mask beside it.
    output_folder: str = _control(FOLDER, "", "output", applies_to=(PHOTO, CLIP), absent_from=(PRESET, JOB, ANSWER))

    def __post_init__(self) -> None:
        for control in CONTROLS:
            object.__setattr__(self, control.name, control.checked(getattr(self, control.name)))

    @classmethod
    def with_implied(cls, values: Mapping[str, Any], preset: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Values over a preset's, and what they would be of no use without: a background colour means that the
        background is a colour, an outline's colour that there is one, a print sheet an ID photo, and a file's limit one
        in JPEG, unless that is said otherwise."""
        preset = preset or {}
        implied: dict[str, Any] = {}
        for control in CONTROLS:
            if control.name in values and control.shown_when is not None and control.shown_when[0] not in values:
                implied.setdefault(*control.shown_when)
        of_outline = {"outline_colour", "outline_softness"} & set(values)
        if of_outline and not preset.get("outline", 0):
            implied["outline"] = OUTLINE
        of_id_photos = values.get("sheet", "off") != "off" or values.get("max_kilobytes", 0)
        if of_id_photos and preset.get("id_photo", "off") == "off":
            implied["id_photo"] = ID_PHOTO
        if values.get("max_kilobytes", 0) and "format" not in preset:
            implied["format"] = "jpeg"
        return {**preset, **implied, **values}

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> MatteSettings:
        """Settings from plain values, defaults where one is absent. Raises SettingsError."""
        if not isinstance(values, Mapping):
            raise SettingsError("settings_no_table")
        unknown = sorted(set(map(str, values)) - {control.name for control in CONTROLS})
        if unknown:
            raise SettingsError("setting_unknown", control=unknown[0][:_SHOWN])
        return cls(**values)

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def identity(self) -> dict[str, Any]:
        """What a result is known by: without controls of live pictures alone, and without those that came later where
        they do nothing, so that a new version finds again what an older one has made."""
        values = {control: getattr(self, control.name) for control in CONTROLS if control.applies_to != (LIVE,)}
        return {one.name: value for one, value in values.items() if not one.is_later or value != one.default}

    def at(self, place: str) -> MatteSettings:
        """The same with the defaults of the controls that have no part at a place, such as TOUCH_UP."""
        absent = {control.name: control.default for control in CONTROLS if place in control.absent_from}
        return dataclasses.replace(self, **absent)

    @property
    def outline_width(self) -> int:
        """Of the outline, in pixels: two of it leave at least half of a layer's longest side to the picture."""
        return min(self.outline, self.longest_side // 4) if self.longest_side else self.outline

    @property
    def rim(self) -> int:
        """Pixels by which the outline makes a layer larger on each side: none where it has a background."""
        return self.outline_width if self.background == "transparent" else 0

    @property
    def picture_side(self) -> int:
        """The longest side that the picture in a layer has at most, 0 for its own: the rest is the outline's."""
        return self.longest_side and self.longest_side - 2 * self.rim

    @property
    def decoded_side(self) -> int:
        """The longest side that a photo is decoded to, 0 for its own: a crop's size is known only once it is matted."""
        return 0 if self.crop or self.id_photo != "off" else self.longest_side

    def resolved(self) -> MatteSettings:
        """The same with the model that is meant now, where the choice is left to CVMatte.

        Layers are kept by these: they are made anew once a better model is there. Raises ModelError where the
        catalogue can't be read.
        """
        if self.model != catalogue.AUTO:
            return self
        return dataclasses.replace(self, model=catalogue.entry_of(self.model).name)


CONTROLS: tuple[Control, ...] = tuple(
    Control(name=declared.name, default=declared.default, **declared.metadata)
    for declared in dataclasses.fields(MatteSettings)
)


def controls_for(*kinds: str, at: str = "") -> tuple[Control, ...]:
    """The controls that do something to any of these kinds of pictures, and have a part at a place."""
    return tuple(one for one in CONTROLS if set(kinds) & set(one.applies_to) and at not in one.absent_from)
