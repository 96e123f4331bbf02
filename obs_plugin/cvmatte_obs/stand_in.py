"""A portrait's item in the place of another one of the same scene: it stands as that does, and that is hidden."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
from typing import Any, Callable, Iterator, cast

from cvmatte_core.localization.errors import SettingsError
from cvmatte_core.settings import MatteSettings

from . import controls, libobs, scenes
from .additions import Addition, item_in, shape_of
from .layers import WeakSource
from .placement import Sides, alike
from .source_feed import layer_size

_VECTORS = ("pos", "scale", "bounds")
_NUMBERS = ("rot", "alignment", "bounds_type", "bounds_alignment", "scale_filter", "blending_mode", "blending_method")


class StandIn(Addition):
    """Until the portrait has a picture, the other is shown: nobody is ever missing from the scene."""

    def __init__(self, shown_in: int, scene: int, item: int, portrait: int, replaced: int, is_added: bool) -> None:
        """shown_in: the scene that the person sees. scene: the item's, which may be a group in that. is_added: whether
        the portrait's item was made for this."""
        self._replaced_id = libobs.obs_sceneitem_get_id(replaced)
        self._shown_in, self._replaced_name = WeakSource(shown_in), _name_of(replaced)
        self._was_shown = bool(libobs.obs_sceneitem_visible(replaced))
        self._is_added = is_added
        self.is_waiting = True
        if is_added:
            _stand_alike(item, replaced)
            _fit(item, replaced, _size(portrait) or _expected_size(portrait, replaced), _settings(portrait).rim)
        super().__init__(scene, item, portrait, None, _chosen)

    @contextlib.contextmanager
    def _replaced(self) -> Iterator[int | None]:
        with self._scene.alive() as scene, item_in(scene, self._replaced_id) as item:
            yield item

    def look(self) -> None:
        """Hide the other as soon as the portrait has a picture, which then is known to stand as it should."""
        if not self.is_waiting:
            return
        with self._changing, self._source.alive() as portrait:
            size = _size(portrait) if portrait else None
            if not self.is_waiting or (portrait and not size):
                return
            self.is_waiting = False
            with self._item() as item, self._replaced() as replaced:
                if not portrait or not size or not item or not replaced:
                    return
                if self._is_added and shape_of(item) == self._shape:
                    _fit(item, replaced, size, _settings(portrait).rim)
                    self._shape = shape_of(item)
                libobs.obs_sceneitem_set_visible(replaced, False)

    def is_there(self) -> bool:
        with self._replaced() as replaced, self._item() as item:
            is_hidden = bool(replaced) and self._was_shown and not libobs.obs_sceneitem_visible(replaced)
            return is_hidden or (self._is_added and bool(item))

    def names(self) -> dict[str, str]:
        with self._replaced() as replaced, self._shown_in.alive() as scene:
            source = _name_of(replaced) if replaced else self._replaced_name
            return {"source": source, "scene": libobs.source_name(scene) if scene else ""}

    def close(self) -> None:
        super().close()
        self._shown_in.close()

    def remove(self) -> bool:
        """Show the other again, and take the portrait out of the scene: one that was changed since is hidden there.
        Says whether all is as it was."""
        with self._changing:
            self.is_waiting = False
            with self._replaced() as replaced:
                if replaced and self._was_shown:
                    libobs.obs_sceneitem_set_visible(replaced, True)
                is_back = bool(replaced)
            if not self._is_added or super().remove():
                return is_back
            with self._item() as item:
                if item:
                    libobs.obs_sceneitem_set_visible(item, False)
            return False


def _chosen(portrait: int) -> controls.Values:
    """Whichever of its settings don't change by themselves."""
    return dataclasses.replace(scenes.chosen(portrait), camera="", portrait_id="")


def _name_of(item: int) -> str:
    """Of the source that a scene item shows."""
    return libobs.source_name(libobs.obs_sceneitem_get_source(item))


def _size(source: int | None) -> tuple[int, int] | None:
    size = libobs.obs_source_get_width(source), libobs.obs_source_get_height(source)
    return size if all(size) else None


def _expected_size(portrait: int, replaced: int) -> tuple[int, int] | None:
    """Of the portrait's layer, as far as the source that is replaced has a picture yet."""
    size = _size(libobs.obs_sceneitem_get_source(replaced))
    if not size:
        return None
    settings = _settings(portrait)
    width, height = layer_size(size, settings.picture_side)
    return width + 2 * settings.rim, height + 2 * settings.rim


def _settings(portrait: int) -> MatteSettings:
    try:
        return scenes.chosen(portrait).settings()
    except SettingsError:  # which its own line says
        return MatteSettings()


def _stand_alike(item: int, other: int) -> None:
    """Have a scene item stand, and be drawn, as another does."""
    vector, crop = libobs.Vec2(), libobs.Crop()
    for name, value in (*((one, vector) for one in _VECTORS), ("crop", crop)):
        _get(name)(other, ctypes.byref(value))
        _set(name)(item, ctypes.byref(value))
    for name in _NUMBERS:
        _set(name)(item, _get(name)(other))
    if libobs.has("obs_sceneitem_set_bounds_crop"):  # from OBS 30.1 on
        is_cropped = libobs.function("obs_sceneitem_get_bounds_crop", ctypes.c_bool, ctypes.c_void_p)
        crop_it = libobs.function("obs_sceneitem_set_bounds_crop", None, ctypes.c_void_p, ctypes.c_bool)
        crop_it(item, is_cropped(other))
    libobs.obs_sceneitem_set_order_position(item, libobs.obs_sceneitem_get_order_position(other) + 1)
    libobs.obs_sceneitem_set_locked(item, libobs.obs_sceneitem_locked(other))


def appear_alike(item: int, other: int) -> None:
    """Have a scene item come and go as another does, when it is shown and hidden."""
    for shown in (True, False):
        transition = libobs.obs_sceneitem_get_transition(other, shown)
        if transition:
            own = libobs.obs_source_duplicate(transition, libobs.obs_source_get_name(transition), True)
            libobs.obs_sceneitem_set_transition(item, shown, own)
            libobs.obs_source_release(own)
        duration = libobs.obs_sceneitem_get_transition_duration(other, shown)
        libobs.obs_sceneitem_set_transition_duration(item, shown, duration)


def _fit(item: int, other: int, layer: tuple[int, int] | None, rim: int) -> None:
    """Have an item of a layer of this size take the same room as another, whose whole picture it shows in a rim."""
    size = _size(libobs.obs_sceneitem_get_source(other))
    if not size or not layer:
        return
    crop, scale = libobs.Crop(), libobs.Vec2()
    libobs.obs_sceneitem_get_crop(other, ctypes.byref(crop))
    libobs.obs_sceneitem_get_scale(other, ctypes.byref(scale))
    sides, across, down = alike(Sides(crop.left, crop.top, crop.right, crop.bottom), size, layer, rim)
    own = libobs.Crop(sides.left, sides.top, sides.right, sides.bottom)
    scale.x, scale.y = scale.x * across, scale.y * down
    libobs.obs_sceneitem_set_crop(item, ctypes.byref(own))
    libobs.obs_sceneitem_set_scale(item, ctypes.byref(scale))


def _get(name: str) -> Callable[..., Any]:
    return cast("Callable[..., Any]", getattr(libobs, f"obs_sceneitem_get_{name}"))


def _set(name: str) -> Callable[..., Any]:
    return cast("Callable[..., Any]", getattr(libobs, f"obs_sceneitem_set_{name}"))
