"""What a portrait says, as sentences in the person's language that fit its input: a photo, a still, something live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping

from cvmatte_core.localization import notes
from cvmatte_core.localization.errors import CvmatteError
from cvmatte_core.localization.texts import Texts

from . import controls
from .photo_actions import Says

# What to do about some errors depends on where the picture comes from, and on what there is in OBS. The other errors
# have one sentence.
_OF_PHOTOS = {"nobody_found": "state.nobody_found"}
_OF_STILLS = {
    "nobody_found": "still.nobody_found",
    "image_missing": "still.image_missing",
    "image_damaged": "still.image_damaged",
    "image_empty": "still.image_damaged",
    "image_not_a_picture": "still.image_damaged",
    "image_memory": "still.image_memory",
    "image_too_many_pixels": "still.image_too_many_pixels",
    "id_photo_cut": "still.id_photo_cut",
}
# In OBS nobody need type a command.
_OF_MODELS = {
    "model_missing": "source.model.missing",
    "model_damaged": "source.model.damaged",
    "held_needs_model": "source.model.held_needs",
    "packages_missing": "source.model.needs_packages",
}
_OF_LIVE = {"disk_full": "live.disk_full", "image_too_many_pixels": "live.image_too_many_pixels"}
_LIVE, _RATE = "live.state", "live.rate"
_ROOM = {  # what is said of the empty room, where it is of no use live
    "note.room_moved": "live.room_moved",
    "note.room_other": "live.room_other",
    "note.room_unseen": "live.room_unseen",
    "live.room_unreadable": "live.room_unreadable",
}
_LATE = 0.9  # of the rate that is wanted; what is below that is said
_HELP = {  # by whether it may use more of the processor, and whether it may be coarser
    (True, True): "live.late.limit_or_quality",
    (True, False): "live.late.limit",
    (False, True): "live.late.quality",
    (False, False): "live.late.rate",
}
_BY_INPUT = {
    controls.FROM_FILE: _OF_PHOTOS,
    controls.FROM_SOURCE: _OF_STILLS,
    **dict.fromkeys(controls.LIVE, _OF_LIVE),
}


@dataclass(frozen=True)
class StateLine:
    """What a portrait says. more: the same in full, where that is more. background: what is wrong with the image
    behind the person."""

    text: str = ""
    is_error: bool = False
    more: str = ""
    background: str = ""


def line_of(says: Says, chosen_input: str, texts: Texts, background: CvmatteError | None) -> StateLine:
    """background: what is known to be wrong with the image behind the person, beside what is said."""
    error = says.error
    of_background = error if error is not None and error.key.startswith("background_") else background
    beside = [background.sentence(texts)] if background is not None else []
    text, more = (" ".join([_of_life(says, chosen_input, texts, in_full), *beside]) for in_full in (False, True))
    said = of_background.sentence(texts) if of_background is not None else ""
    return StateLine(text, error is not None, more if more != text else "", said)


def of_error(error: CvmatteError, chosen_input: str, texts: Texts) -> str:
    key = _BY_INPUT[chosen_input].get(error.key) or _OF_MODELS.get(error.key)
    return texts(key, group=texts("panel.group.model"), **error.values) if key else error.sentence(texts)


def live_key(values: Mapping[str, Any]) -> str:
    """The text for how fast a live picture is, that nothing moves in it, or what helps one that is too slow."""
    if values.get("rests"):
        return "live.rests"
    if not values.get("is_late") or round(values["rate"]) >= _LATE * values["wanted"]:
        return _RATE
    return _HELP[values["limit"] < 100, values["quality"] != "fast"]


def _live(values: Mapping[str, Any], texts: Texts) -> tuple[str, str]:
    """What is said of how fast a live picture is; and that in full."""
    key, in_full = live_key(values), texts(_LIVE, **values)
    said = texts(key, **{**values, "rate": round(values["rate"])})
    return said, in_full if key == _RATE else f"{said} {in_full}"


def _of_life(says: Says, chosen_input: str, texts: Texts, in_full: bool) -> str:
    """in_full: with all figures of a live picture."""
    if says.error is not None:
        sentence = of_error(says.error, chosen_input, texts)
        return texts(says.beside, sentence=sentence) if says.beside else sentence
    if says.key == _LIVE:
        sentence = _live(says.values, texts)[in_full]
    else:
        sentence = texts(says.key, **says.values) if says.key else ""
    if says.values.get("room") in _ROOM:  # first, since there is something to be done
        sentence = f"{texts(_ROOM[says.values['room']])} {sentence}"
    if says.values.get("fallback"):
        sentence = f"{sentence} {texts('device.fallback', **says.values['fallback'])}"
    if says.values.get("stretched"):
        sentence = f"{sentence} {texts('live.stretched')}"
    if says.outdated:
        sentence = f"{sentence} {texts('state.touch_up_outdated')}"
    return f"{sentence} {notes.sentences(says.notes, texts)}" if says.notes else sentence
