"""What a portrait says, as sentences in the person's language that fit its input: a photo, a still, something live."""

from __future__ import annotations

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
_OF_LIVE = {"disk_full": "live.disk_full", "image_too_many_pixels": "live.image_too_many_pixels"}
_BY_INPUT = {
    controls.FROM_FILE: _OF_PHOTOS,
    controls.FROM_SOURCE: _OF_STILLS,
    **dict.fromkeys(controls.LIVE, _OF_LIVE),
}


def of_error(error: CvmatteError, chosen_input: str, texts: Texts) -> str:
    key = _BY_INPUT[chosen_input].get(error.key)
    return texts(key, **error.values) if key else error.sentence(texts)


def of_life(says: Says, chosen_input: str, texts: Texts) -> str:
    """What a portrait says."""
    if says.error is not None:
        sentence = of_error(says.error, chosen_input, texts)
        return texts(says.beside, sentence=sentence) if says.beside else sentence
    sentence = texts(says.key, **says.values) if says.key else ""
    if says.values.get("fallback"):
        sentence = f"{sentence} {texts('device.fallback', **says.values['fallback'])}"
    if says.outdated:
        sentence = f"{sentence} {texts('state.touch_up_outdated')}"
    return f"{sentence} {notes.sentences(says.notes, texts)}" if says.notes else sentence
