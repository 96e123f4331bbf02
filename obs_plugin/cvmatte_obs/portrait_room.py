"""The empty room behind a portrait: which photo of it is used, and how the next one comes about."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any, Callable, Sequence

from cvmatte_core.filesystem import files, paths
from cvmatte_core.layers.rooms import SOURCE, Place, named, size_of
from cvmatte_core.localization.errors import Cancelled, CvmatteError, ImageError

from . import controls, libobs, scenes
from .controls import Values
from .live_lifecycle import LiveLifecycle
from .room_taking import SECONDS
from .services import Services
from .stills import Stills

_LOOK_SECONDS = 1.0  # between two looks at the source's size and filters, and for the photo
_SOMEBODY = "room_somebody"


class PortraitRoom:
    """One portrait's. path: of the photo that it is cut out with. offered: of the one of its source or camera as that
    is now, which a still that was taken before may not have. Both empty where there is none.
    """

    def __init__(
        self,
        services: Services,
        live: LiveLifecycle,
        stills: Stills,
        happens: Callable[..., None],
        tell: Callable[[str], None],
        tell_error: Callable[[CvmatteError], None],
    ) -> None:
        """happens: see Stills. tell, tell_error: see Portrait."""
        self.path = self.offered = ""
        self._services, self._live, self._stills, self._happens = services, live, stills, happens
        self._tell, self._tell_error = tell, tell_error
        self._place: Place | None = None
        self._look_at = 0.0
        self._renewal = ""  # where the room brought up to date was last wanted
        self._insists = False  # whether a photo was refused since somebody seems to be there: the next one isn't

    # Which there are

    def look(self, values: Values) -> bool:
        """See which photos there are, now and then; whether others than before."""
        return time.monotonic() >= self._look_at and self.follow(values)

    def look_again(self) -> None:
        """There are others."""
        self._look_at = 0.0

    def follow(self, values: Values) -> bool:
        """See which photos there are for these settings; whether others than before."""
        before = self.path, self.offered
        self._look_at = time.monotonic() + _LOOK_SECONDS
        rooms = self._services.rooms
        self._place = self._place_of(values)
        self.offered = rooms.find(self._place) if self._place is not None else ""
        self.path = self.offered if values.is_live else ""
        if values.input == controls.FROM_SOURCE and values.still:
            still = Path(values.still)
            is_ours = still.parent == paths.stills_folder()  # elsewhere a drive may not answer
            of = values.still_of or named(SOURCE, values.camera)
            self.path = rooms.find_for(of, size_of(still) if is_ours else None)
        return before != (self.path, self.offered)

    def _place_of(self, values: Values) -> Place | None:
        """None where there is no picture. A source that shows none for a while is as it was."""
        if values.input == controls.FROM_CAMERA:
            return Place(values.live_of, values.device_size) if values.device else None
        if values.input not in controls.OF_SOURCES or not values.camera:
            return None
        what = named(SOURCE, values.camera)
        with self._stills.source() as source:
            size = (libobs.obs_source_get_width(source), libobs.obs_source_get_height(source)) if source else (0, 0)
        filters = scenes.filters_of(values.camera) if all(size) else None
        if filters is None:
            return self._place if self._place is not None and self._place.what == what else None
        return Place(what, "{}x{}".format(*size), filters)

    # What is done about them

    def photograph(self, values: Values, renews: bool = False) -> None:
        """Begin to; a countdown for a still begins anew. renews: bring the room of a live picture up to date."""
        if values.input == controls.FROM_SOURCE:
            self._stills.give_up()
            self._stills.begin(values.camera, SECONDS, partial(self._photograph, values))
        elif path := self._new_file(values):
            self._renewal = path if renews else ""
            self._happens(self._live.photographs_room, path, self._insists, renews)
        else:
            self._tell_error(ImageError("room_no_picture"))

    def is_there(self, path: str) -> None:
        """A photo was taken."""
        self._insists = False
        said = "source.room.renewed" if path == self._renewal else "source.room.taken"
        self._tell(self._services.texts(said))
        self._services.rooms.tidy(Path(path))
        self._services.on_room()

    def hears(self, error: CvmatteError) -> None:
        """Something couldn't be done, perhaps a photo be taken."""
        self._insists = error.key == _SOMEBODY

    def forget(self) -> None:
        if self._place is not None:
            self._services.rooms.forget(self._place.what)
            self._services.on_room()

    def renamed(self, before: str, after: str) -> None:
        """A source of OBS is called otherwise now."""
        self._services.rooms.rename(named(SOURCE, before), named(SOURCE, after))
        self.look_again()

    def _new_file(self, values: Values) -> str:
        """Where the next photo belongs; empty where that isn't known."""
        self.follow(values)
        return str(self._services.rooms.new_file(self._place)) if self._place is not None else ""

    def _photograph(self, values: Values, frames: Sequence[Path]) -> None:
        """Of a source of OBS, whose frames these are."""
        path = self._new_file(values)
        hear = partial(self._services.post, self._hear, path, frames)
        try:
            if not path:
                raise ImageError("room_no_picture")
            settings = values.settings().resolved().as_dict()
        except CvmatteError as error:
            return self._hear(path, frames, "failed", error)
        burst = [str(frame) for frame in frames]
        params = {"room": path, "burst": burst, "settings": settings, "even_so": self._insists}
        self._services.client.submit("room", params, hear)
        return None

    def _hear(self, path: str, frames: Sequence[Path], event: str, detail: Any) -> None:
        """See worker.client.Listener."""
        if event == "done":
            self._stills.room_is_done(None)
            self.is_there(path)
        elif event == "failed":
            for frame in frames:
                files.remove(frame)
            self._stills.room_is_done(detail if not isinstance(detail, Cancelled) else None)
            self.hears(detail)
