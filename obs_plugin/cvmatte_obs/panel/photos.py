"""The panel's group that adds photos to the current scene."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

from cvmatte_core.image import file_types

from .. import controls, libobs, scenes, worker_tasks
from ..additions import canvas
from ..placement import FIT_HEIGHT, PLACEMENTS, places
from . import rows
from .rows import Button, Choice, Group, Line, Shared

_MOST = 50  # that are added to a scene at once out of folders


class Photos(Group):
    name = "photos"
    defaults = (("placement", FIT_HEIGHT),)

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        session = self.session
        self._listed: list[str] = []  # what came of the folders in the list
        self._listing = worker_tasks.WorkerTask(
            session.client, "photos", lambda found: session.post(self._add_listed, found)
        )
        self.rows = (
            rows.Photos("images"),
            Choice("placement", self._placements),
            Button("add", self._add),
            Line("photos_state", self._state),
            self.undo(),
            rows.refresh("photos", self._is_listing),
        )

    def _placements(self) -> list[tuple[str, str]]:
        return [(one, self.texts(f"panel.placement.{one}")) for one in PLACEMENTS]

    def _is_listing(self) -> bool:
        return self._listing.state == worker_tasks.RUNNING

    def _state(self) -> list[str]:
        if self._is_listing():
            return [self.said, f"{self.texts('panel.photos.listing')} {self.shared.goes_on()}"]
        is_done = self._listing.state == worker_tasks.DONE
        return [self.said, *(self._listed if is_done else [self.shared.error_of(self._listing)])]

    def forgets(self) -> None:
        super().forgets()
        self._listed = []

    def _add(self) -> str:
        photos = self._chosen()
        if not photos:
            return self.texts("panel.added_none")
        if all(photo.suffix.lower() in file_types.PHOTOS for photo in photos):
            said, is_begun = self._added(photos)
        else:  # folders: the worker looks at them, since a drive may be away
            said, is_begun = "", not self._is_listing()
            self._listing.start({"paths": [str(photo) for photo in photos], "most": _MOST})
        if is_begun:
            libobs.obs_data_erase(self.shared.data, b"images")
        return said

    def _added(self, photos: Sequence[Path]) -> tuple[str, bool]:
        """Add photos to the current scene; what to say, and whether there was a scene."""
        scene = scenes.current_scene()
        if not scene:
            return self.texts("panel.no_scene"), False
        name, placement = libobs.source_name(scene), self.session.choices.placement
        libobs.obs_source_release(scene)
        with self.session.additions.adding(self.name) as added:
            for photo, place in zip(photos, places(placement, len(photos), canvas())):
                settings: dict[bytes, str | int] = {controls.IMAGE: str(photo)}
                made = scenes.add_portrait(photo.stem or photo.name, settings, place, self.session.complete)
                added += [made] if made is not None else []
        return self.texts("panel.added", scene=name, count=len(added)), True

    def _add_listed(self, found: dict[str, list[str]]) -> None:
        """On the session's thread."""
        photos, texts = [Path(photo) for photo in found["photos"]], self.texts
        said = [texts("panel.photos.none", folder=folder) for folder in found["empty"]]
        if len(photos) > _MOST:
            said.append(texts("panel.photos.too_many", most=_MOST, group=texts("panel.group.folder")))
        elif photos:
            said.append(self._added(photos)[0])
        self._listed = said

    def _chosen(self) -> list[Path]:
        photos = []
        array = libobs.obs_data_get_array(self.shared.data, b"images")
        for index in range(libobs.obs_data_array_count(array) if array else 0):
            item = libobs.obs_data_array_item(array, index)
            photos.append(Path(controls.get_string(item, b"value")))
            libobs.obs_data_release(item)
        libobs.obs_data_array_release(array)
        return photos
