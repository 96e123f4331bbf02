"""Cutting a source of the current scene out live, in its place: which can be, and by which portrait."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Iterator

from cvmatte_core.localization.errors import ImageError

from . import controls, layers, libobs, scene_tree, scenes
from .additions import item_in, items_of
from .session import Session, watched_live
from .source_type import SOURCE_TYPE
from .stand_in import StandIn, appear_alike

_GROUP = "in_place"  # of the panel
_MOVES_THE_PERSON = ("crop", "mirror")  # controls: off here, whatever the preset of new portraits says


@dataclass(frozen=True)
class Done:
    """The names of the portrait, the source and the scene; what stands in each place that the source had there; and
    whether the source may have been heard, which OBS doesn't let a hidden one."""

    portrait: str
    source: str
    scene: str
    stand_ins: tuple[StandIn, ...]
    is_silenced: bool

    @property
    def is_waiting(self) -> bool:
        """Whether the source is still shown, because the portrait has no picture."""
        return any(stand_in.is_waiting for stand_in in self.stand_ins)


@dataclass(frozen=True)
class _Place:
    """An item of the scene or group of that name, and the one above it there."""

    within: str
    item: scenes.Shown
    above: scenes.Shown | None


def offered() -> tuple[str, list[str]]:
    """The name of the current scene, and of what in it can be cut out, from above to below; empty without a scene."""
    scene = scenes.current_scene()
    name = libobs.source_name(scene) if scene else ""
    libobs.obs_source_release(scene)
    kinds, watched = scenes.inputs() or {}, watched_live()

    def can_be_cut_out(source: str) -> bool:
        kind = kinds.get(source)  # scenes and groups have none
        if kind is not None and (kind == layers.SOURCE_ID.decode() or not libobs.kind_shows(kind)):
            return False
        return not scene_tree.leads_to(source, name, scenes.shown_in, watched)

    found = dict.fromkeys(place.item.name for place in _places(name)) if name else {}
    return name, [source for source in reversed(found) if can_be_cut_out(source)]


def cut_out(session: Session, source: str) -> Done:
    """Have a portrait stand in for a source wherever the current scene shows it. Raises ImageError where that can't be.

    Undo in the panel takes it back.
    """
    scene, names = offered()
    if source not in names:
        raise ImageError("in_place_cannot", source=source)
    places = [place for place in _places(scene) if place.item.name == source]
    # Of several that are all hidden the topmost is meant, and stays hidden.
    places = [place for place in places if place.item.is_shown] or places[-1:]
    is_silenced = places[-1].item.is_shown and _may_sound(source)
    with _portrait_of(session, source) as portrait, session.additions.adding(_GROUP) as added:
        made = [_stand_in(scene, place, portrait) for place in places] if portrait else []
        stand_ins = tuple(one for one in made if one is not None)
        added += stand_ins
        for stand_in in stand_ins:
            stand_in.look()  # the portrait may have a picture already
        if not portrait or not stand_ins:
            raise ImageError("in_place_cannot", source=source)
        return Done(libobs.source_name(portrait), source, scene, stand_ins, is_silenced)


def _may_sound(name: str) -> bool:
    """Whether OBS's mixer shows a source with its sound on, or something that this one shows."""
    with scenes.source_named(name) as source:
        if source and libobs.kind_sounds(libobs.source_kind(source)):
            return bool(libobs.obs_source_audio_active(source)) and not libobs.obs_source_muted(source)
    return any(item.is_shown and _may_sound(item.name) for item in scenes.items_in(name))


def _places(within: str) -> Iterator[_Place]:
    """Everything in a scene and its groups, from below to above."""
    items = scenes.items_in(within)
    for item, above in zip(items, [*items[1:], None]):
        if item.is_group:
            yield from _places(item.name)
        yield _Place(within, item, above)


@contextlib.contextmanager
def _portrait_of(session: Session, source: str) -> Iterator[int | None]:
    """One that cuts out this source, all of it: the first that there is, else a new one. None where OBS makes none."""
    SOURCE_TYPE.discover()
    for _, there in SOURCE_TYPE.living():
        if _shows_all_of(there, source):
            yield there
            return
    settings = {controls.INPUT: controls.FROM_SOURCE_LIVE, controls.CAMERA: source}
    off = {control.encode(): False for control in _MOVES_THE_PERSON}
    name = session.texts("source.cut_out", source=source)
    with scenes.new_portrait(name, {**settings, **off}, session.complete) as portrait:
        yield portrait


def _shows_all_of(portrait: int, source: str) -> bool:
    values = scenes.chosen(portrait)
    is_of_it = (values.input, values.camera) == (controls.FROM_SOURCE_LIVE, source)
    return is_of_it and not any(values.control(name) for name in _MOVES_THE_PERSON)


def _stand_in(scene: str, place: _Place, portrait: int) -> StandIn | None:
    """In one place; None where that is gone by now. scene: the one that shows it."""
    with scenes.source_named(scene) as shown_in, scenes.source_named(place.within) as within:
        return _made_in(shown_in, within, place, portrait) if shown_in and within else None


def _made_in(shown_in: int, within: int, place: _Place, portrait: int) -> StandIn | None:
    with item_in(within, place.item.id) as replaced:
        if not replaced:
            return None
        there_already = _item_of(libobs.source_name(portrait), place)
        if there_already is not None:
            with item_in(within, there_already.id) as there:
                libobs.obs_sceneitem_set_visible(there, True)
                return StandIn(shown_in, within, there, portrait, replaced, is_added=False) if there else None
        made = libobs.obs_scene_add(items_of(within), portrait)
        if not made:
            return None
        libobs.obs_sceneitem_set_visible(made, False)  # rather than, for a frame, where it doesn't belong
        stand_in = StandIn(shown_in, within, made, portrait, replaced, is_added=True)
        libobs.obs_sceneitem_set_visible(made, True)
        appear_alike(made, replaced)
        return stand_in


def _item_of(portrait: str, place: _Place) -> scenes.Shown | None:
    """The portrait's item that stands in the place already: above the source's, or above nothing of the source, since
    that was deleted and is in the scene anew."""
    if place.above is not None and place.above.name == portrait:
        return place.above
    items = scenes.items_in(place.within)
    for item, below in zip(items, [None, *items[:-1]]):
        if item.name == portrait and (below is None or below.name != place.item.name):
            return item
    return None
