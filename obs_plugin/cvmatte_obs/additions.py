"""What the panel has added to scenes: it stands by the person once the first layer is there, and can be taken back."""

from __future__ import annotations

import contextlib
import ctypes
import threading
from dataclasses import dataclass
from typing import Any, Callable, Iterable, Iterator

from cvmatte_core.layers.store import Frame

from . import libobs
from .layers import WeakSource
from .placement import Box, Place, around, person_in

_STEPS = 20  # that can be taken back, one after the other


@dataclass(frozen=True)
class Undone:
    """How many additions were removed, and how many are another's work by now; and what the sentence about it names."""

    removed: int
    kept: int
    names: dict[str, str]


class Addition:
    """One source in one scene, until somebody changes it."""

    def __init__(
        self, scene: int, item: int, source: int, place: Place | None, settings_of: Callable[[int], object]
    ) -> None:
        """settings_of: those of the source that count as changed by a person."""
        self.helper = libobs.obs_obj_get_data(source)
        self._scene, self._source = WeakSource(scene), WeakSource(source)
        self._item_id = libobs.obs_sceneitem_get_id(item)
        self._place = place  # until the person is known
        # An item that was moved, but not yet noted as moved, would count as changed by a person. Reentrant: a StandIn
        # takes it for more than that.
        self._changing = threading.RLock()
        self._settings_of, self._settings = settings_of, settings_of(source)
        if place is not None:
            libobs.obs_sceneitem_set_alignment(item, libobs.OBS_ALIGN_LEFT | libobs.OBS_ALIGN_TOP)
            standing = libobs.OBS_ALIGN_CENTER if place.fills else libobs.OBS_ALIGN_BOTTOM
            libobs.obs_sceneitem_set_bounds_alignment(item, standing)
            kind = libobs.OBS_BOUNDS_SCALE_OUTER if place.fills else libobs.OBS_BOUNDS_SCALE_INNER
            libobs.obs_sceneitem_set_bounds_type(item, kind)
            _put(item, place.box)
        self._shape = shape_of(item)

    def show(self, frame: Frame) -> None:
        """The source is about to show its first layer: let the person stand where the photo was to."""
        place, self._place = self._place, None
        person = person_in(frame) if place is not None and not place.fills else None
        if place is None or person is None:
            return
        with self._changing, self._item() as item:
            if item and shape_of(item) == self._shape:
                _, canvas_height = canvas()
                _put(item, around(person, (frame.width, frame.height), place.box, canvas_height))
                self._shape = shape_of(item)

    def look(self) -> None:
        """Called again and again, on the session's thread."""

    def is_there(self) -> bool:
        with self._source.alive() as source:
            return bool(source)

    def names(self) -> dict[str, str]:
        """What it is called when it is taken back, by the placeholders of the sentence that says so."""
        return {}

    def remove(self) -> bool:
        """Take it out of its scene, where it still is as it was added. Says whether it was so."""
        with self._changing, self._source.alive() as source, self._item() as item:
            if not source or not item:
                return False
            if shape_of(item) != self._shape or self._settings_of(source) != self._settings:
                return False
            libobs.obs_sceneitem_remove(item)
            return True

    @contextlib.contextmanager
    def _item(self) -> Iterator[int | None]:
        with self._scene.alive() as scene, item_in(scene, self._item_id) as item:
            yield item

    def close(self) -> None:
        self._scene.close()
        self._source.close()


class Additions:
    """Those of a session. What was added at once is taken back at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done: dict[str, list[list[Addition]]] = {}  # by the group of the panel that added them, the last one last

    @contextlib.contextmanager
    def adding(self, group: str) -> Iterator[list[Addition]]:
        """For what is put into this list in the block. None of it shows a layer before that ends."""
        added: list[Addition] = []
        with self._lock:
            done = self._done.setdefault(group, [])
            done.append(added)
            forgotten, done[:] = done[:-_STEPS], done[-_STEPS:]
            yield added
        _close(one for of_a_press in forgotten for one in of_a_press)

    def can_undo(self, group: str) -> bool:
        return any(addition.is_there() for added in list(self._done.get(group, ())) for addition in added)

    def undo(self, group: str) -> Undone | None:
        """Take back what a group added last, of what is still there; None where nothing is."""
        additions: list[Addition] = []
        with self._lock:
            done = self._done.get(group, [])
            while done and not additions:
                additions = done.pop()
                if not any(addition.is_there() for addition in additions):
                    _close(additions)
                    additions = []
        if not additions:
            return None
        names = additions[0].names()
        removed = [addition.remove() for addition in additions]
        _close(additions)
        return Undone(sum(removed), len(removed) - sum(removed), names)

    def show(self, source: int, frame: Frame) -> None:
        """A portrait is about to show a layer."""
        helper = libobs.obs_obj_get_data(source)
        with self._lock:
            found = [one for one in self._all() if one.helper == helper]
        for addition in found:
            addition.show(frame)

    def look(self) -> None:
        """See what has happened since the last look."""
        with self._lock:
            found = self._all()
        for addition in found:
            addition.look()

    def _all(self) -> list[Addition]:
        return [one for done in self._done.values() for added in done for one in added]

    def close(self) -> None:
        with self._lock:
            additions = self._all()
            self._done.clear()
        _close(additions)


def _close(additions: Iterable[Addition]) -> None:
    for addition in additions:
        addition.close()


def items_of(scene: int) -> int:
    """The obs_scene_t of a scene or a group, a source."""
    return int(libobs.obs_scene_from_source(scene) or libobs.obs_group_from_source(scene) or 0)


@contextlib.contextmanager
def item_in(scene: int | None, item_id: int) -> Iterator[int | None]:
    """The item with this id in a scene or a group, kept for the block; None where there is none. scene: a source."""
    item = None
    if scene:
        item = libobs.obs_scene_find_sceneitem_by_id(items_of(scene), item_id)
        libobs.obs_sceneitem_addref(item)
    try:
        yield item
    finally:
        libobs.obs_sceneitem_release(item)


def _put(item: int, box: Box) -> None:
    """A box instead of a scale: the layer's size in pixels may change with its settings, its place must not."""
    libobs.obs_sceneitem_set_pos(item, ctypes.byref(libobs.Vec2(box.left, box.top)))
    libobs.obs_sceneitem_set_bounds(item, ctypes.byref(libobs.Vec2(box.width, box.height)))


def shape_of(item: int) -> tuple[Any, ...]:
    """How a scene item stands."""
    found = []
    for get in (libobs.obs_sceneitem_get_pos, libobs.obs_sceneitem_get_scale, libobs.obs_sceneitem_get_bounds):
        vector = libobs.Vec2()
        get(item, ctypes.byref(vector))
        found += [vector.x, vector.y]
    crop = libobs.Crop()
    libobs.obs_sceneitem_get_crop(item, ctypes.byref(crop))
    found += [crop.left, crop.top, crop.right, crop.bottom]
    return (*found, libobs.obs_sceneitem_get_rot(item), libobs.obs_sceneitem_get_bounds_type(item))


def canvas() -> tuple[int, int]:
    """The width and height that scenes are drawn in."""
    video = libobs.VideoInfo()
    is_known = libobs.obs_get_video_info(ctypes.byref(video))
    return (video.base_width, video.base_height) if is_known else (1920, 1080)
