"""What is in OBS: its sources, the current scene, and a new portrait's place in it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from typing import Callable, Iterable, Iterator

import obspython

from . import controls, layers, libobs, websocket
from .additions import Addition
from .placement import Place


def inputs(kind: str = "") -> dict[str, str] | None:
    """The kinds of all inputs by their names, or of those of one kind, be they in a scene, a group or nowhere. None
    while OBS loads.

    Names, since these hold nothing: whoever wants an input takes it up by its name, unless it is gone by then.
    """
    answer = websocket.request("GetInputList", {"inputKind": kind} if kind else {})
    if answer is not None:
        return {found["inputName"]: found["inputKind"] for found in answer.data.get("inputs", [])}
    return None if websocket.is_there() else _inputs_without_websocket(kind)


def _inputs_without_websocket(kind: str) -> dict[str, str]:
    """In a build of OBS that lacks it. obspython takes a reference to each without heeding whether it gets it: from
    OBS 29 on it does, for libobs itself holds one meanwhile.
    """
    # obspython holds the GIL while it waits for OBS's sources lock, which a scene collection that loads keeps for long:
    # wait for it without the GIL first.
    libobs.obs_source_release(libobs.source_named(""))
    sources = obspython.obs_enum_sources()
    try:
        found = {libobs.source_name(int(source)): libobs.source_kind(int(source)) for source in sources or ()}
        return {name: of for name, of in found.items() if kind in ("", of)}
    finally:
        obspython.source_list_release(sources)


@contextlib.contextmanager
def source_named(name: str) -> Iterator[int | None]:
    """The source of that name, kept alive for the block; None where there is none."""
    source = libobs.source_named(name)
    try:
        yield source
    finally:
        libobs.obs_source_release(source)


def video_source_names() -> list[str]:
    """The names of everything that a still can be taken from: inputs and groups, then scenes, each by name."""
    found = inputs() or {}
    showing = {kind for kind in set(found.values()) if libobs.kind_shows(kind)}
    groups = websocket.request("GetGroupList", {})
    names = [name for name, kind in found.items() if kind in showing]
    names += groups.data.get("groups", []) if groups is not None else []
    scenes = obspython.obs_frontend_get_scene_names() or []
    return [*sorted(names, key=str.casefold), *sorted(scenes, key=str.casefold)]


def audio_source_names() -> list[str]:
    """The names of all inputs that may have sound, those of Settings → Audio among them."""
    found = inputs() or {}
    sounding = {kind for kind in set(found.values()) if libobs.kind_sounds(kind)}
    return sorted((name for name, kind in found.items() if kind in sounding), key=str.casefold)


@dataclasses.dataclass(frozen=True)
class Shown:
    """A scene item, or a group's: the name of the source that it shows, its id there, and whether it is shown."""

    name: str
    id: int
    is_shown: bool
    is_group: bool


def items_in(name: str) -> list[Shown]:
    """What a scene or a group has in it, from below to above; nothing of anything else."""
    for request in ("GetSceneItemList", "GetGroupSceneItemList"):
        answer = websocket.request(request, {"sceneName": name})
        if answer is not None and answer.status == websocket.SUCCESS:
            return [
                Shown(item["sourceName"], item["sceneItemId"], item["sceneItemEnabled"], bool(item.get("isGroup")))
                for item in answer.data.get("sceneItems", [])
            ]
    return []


def shown_in(name: str) -> list[str]:
    """The names of what a scene or a group has in it, be it hidden there; none of anything else."""
    return [item.name for item in items_in(name)]


def filters_of(name: str) -> str | None:
    """What tells the filters of a source's picture, as they are set, from others; empty without any, None where that
    isn't known. Not by saving them, as OBS itself does: that has a filter of sound do as much as it likes.
    """
    answer = websocket.request("GetSourceFilterList", {"sourceName": name})
    if answer is None or answer.status != websocket.SUCCESS:
        return None if answer is not None or websocket.is_there() else ""
    found = [
        [one["filterKind"], one["filterSettings"]]
        for one in answer.data.get("filters", [])
        if one["filterEnabled"] and libobs.kind_shows(one["filterKind"])
    ]
    return json.dumps(found, sort_keys=True) if found else ""


def is_scene_or_in_one(name: str) -> bool:
    """Whether a source is in a scene of this collection, in a group of one, or is one; also where that isn't known."""
    answer = websocket.request("GetSceneList", {})
    if answer is None or answer.status != websocket.SUCCESS:
        return True
    names = [scene["sceneName"] for scene in answer.data["scenes"]]
    return name in names or any(_is_in(name, scene) for scene in names)


def _is_in(name: str, scene_name: str) -> bool:
    with source_named(scene_name) as scene:
        items = libobs.obs_scene_from_source(scene) if scene else None
        return bool(items and libobs.obs_scene_find_source_recursive(items, libobs.utf8(name)))


def current_scene() -> int | None:
    """The scene that the person works on, with a reference to be released: in studio mode the one in the preview."""
    if obspython.obs_frontend_preview_program_mode_active():
        scene = obspython.obs_frontend_get_current_preview_scene()
    else:
        scene = obspython.obs_frontend_get_current_scene()
    return int(scene) if scene is not None else None


def collection_name() -> str:
    """Of the scene collection that is loaded. On OBS's UI thread."""
    return obspython.obs_frontend_get_current_scene_collection() or ""


def names_in_current_scene(names: Iterable[str]) -> set[str]:
    """Those of these sources' names that are in the current scene or its groups."""
    scene = current_scene()
    if not scene:
        return set()
    items = libobs.obs_scene_from_source(scene)
    found = {name for name in names if libobs.obs_scene_find_source_recursive(items, libobs.utf8(name))}
    libobs.obs_source_release(scene)
    return found


def add_portrait(
    name: str, settings: layers.Settings, place: Place, complete: Callable[[int, int, None], None]
) -> Addition | None:
    """Add a portrait to the current scene; None where there is no scene or OBS made no source.

    complete: see Services.
    """
    helper = layers.helper_settings(name, str(settings.get(controls.IMAGE, "")))
    with _added(layers.SOURCE_ID, name, {**settings, **helper}) as (scene, source, item):
        if not scene or not source or not item:
            return None
        _complete(source, complete)
        return Addition(scene, item, source, place, chosen)


@contextlib.contextmanager
def new_portrait(
    name: str, settings: layers.Settings, complete: Callable[[int, int, None], None]
) -> Iterator[int | None]:
    """A portrait that is in no scene yet: it ends with the block unless something shows it by then. complete: see
    Services."""
    with _made(layers.SOURCE_ID, name, {**settings, **layers.helper_settings(name, "")}) as source:
        if source:
            _complete(source, complete)
        yield source


def _complete(source: int, complete: Callable[[int, int, None], None]) -> None:
    present = libobs.obs_source_get_settings(source)
    complete(source, present, None)
    libobs.obs_data_release(present)


def chosen(source: int) -> controls.Values:
    """What a portrait's settings say that doesn't change by itself."""
    data = libobs.obs_source_get_settings(source)
    values = controls.read(data)
    libobs.obs_data_release(data)
    return dataclasses.replace(values, still="", still_of="", delay=0)


def add_media(name: str, path: str) -> Addition | None:
    """Add a clip to the current scene, as a media source that loops."""
    media = {b"local_file": path, b"is_local_file": True, b"looping": True, b"clear_on_media_end": False}
    with _added(b"ffmpeg_source", name, media) as (scene, source, item):
        return Addition(scene, item, source, None, _file) if scene and source and item else None


def _file(source: int) -> str:
    data = libobs.obs_source_get_settings(source)
    file = controls.get_string(data, b"local_file")
    libobs.obs_data_release(data)
    return file


@contextlib.contextmanager
def _added(kind: bytes, name: str, settings: layers.Settings) -> Iterator[tuple[int | None, int | None, int | None]]:
    """Make a source in the current scene: for the block, that scene, the source and its scene item."""
    scene = current_scene()
    if not scene:
        yield None, None, None
        return
    try:
        with _made(kind, name, settings) as source:
            item = libobs.obs_scene_add(libobs.obs_scene_from_source(scene), source) if source else None
            yield scene, source, item
    finally:
        libobs.obs_source_release(scene)


@contextlib.contextmanager
def _made(kind: bytes, name: str, settings: layers.Settings) -> Iterator[int | None]:
    """A new source, which ends with the block unless a scene shows it by then; None where OBS makes none."""
    data = layers.data_of(settings)
    source = libobs.obs_source_create(kind, libobs.utf8(_unused_name(name)), data, None)
    libobs.obs_data_release(data)
    try:
        yield source
    finally:
        libobs.obs_source_release(source)


def _unused_name(wanted: str) -> str:
    name, number = wanted, 1
    while True:
        with source_named(name) as taken:
            if not taken:
                return name
        number += 1
        name = f"{wanted} {number}"
