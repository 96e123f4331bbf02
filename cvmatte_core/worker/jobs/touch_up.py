"""A photo is opened for touching up in the browser, or a still of a live portrait for its zones to be painted.

The jobs hold one page together. Started again, it is served on the same port if that is free.
"""

from __future__ import annotations

import threading
from concurrent import futures
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

from ...layers.store import LayerStore
from ...models.catalogue import needs_packages
from .job import Answer, Aside, Job
from .parameters import PathIfAny, Settings, resolved, whole_number

if TYPE_CHECKING:
    from ...matting.matter import Matter
    from ...web.touch_up_page import TouchUpPage
    from ...web.zones import PortraitZones

_SHORTEST_TOKEN = 16  # characters
_TELL_SECONDS = 5.0
_REFUSED = "a token of some length, and a port"


class _Page:
    """The page that all photos are open on."""

    def __init__(self) -> None:
        self.zones: PortraitZones | None = None  # of the portraits whose zones are open, once it was served
        self._page: TouchUpPage | None = None
        self._lock = threading.Lock()  # held until it is served: all that is opened then goes on that one

    def served(self, job: Job, token: str, port: int) -> TouchUpPage:
        with needs_packages("page_needs_packages", "web"):
            from ...web.touch_up import Desk
            from ...web.touch_up_page import TouchUpPage
            from ...web.zones import PortraitZones
        with self._lock:
            if self._page is None or not self._page.is_open or self._page.token != token:
                if self._page is not None:
                    self._page.close()
                worker = job.worker
                desk = Desk(worker.call, worker.touch_ups, lambda digest: worker.notify("painted", digest=digest))
                self._page = TouchUpPage(desk, token, port)
                self.zones = PortraitZones(
                    lambda portrait, zones: worker.notify("zones", portrait=portrait, zones=zones)
                )
            return self._page

    def zones_are(self, portrait: str, zones: str | None) -> None:
        if self._page is None or self.zones is None:
            return
        if zones is None:
            self._page.desk.take_away(portrait)
            self.zones.forget(portrait)
        else:
            self.zones.hear(portrait, zones)


def _token(sent: Any) -> str:
    if not isinstance(sent, str) or len(sent) < _SHORTEST_TOKEN:
        raise ValueError(_REFUSED)
    return sent


def _port(sent: Any) -> int:
    if whole_number(sent) > 65535:
        raise ValueError(_REFUSED)
    return int(sent)


@dataclass(kw_only=True)
class TouchUp(Aside):
    token: Annotated[str, _token]
    port: Annotated[int, _port] = 0
    settings: Settings = field(default_factory=resolved)
    image: Path
    language: str = ""
    portrait: str = ""
    name: str = ""
    zones: str = ""
    room: PathIfAny = None

    def run(self, job: Job) -> Answer:
        """The same photo and settings always have the same page."""
        pages = job.worker.held(_Page)
        page = pages.served(job, self.token, self.port)
        id = LayerStore.key(str(self.image), self.settings, self.room)

        def open_photo(matter: Matter) -> None:
            if self.portrait:
                from ...web.zones import open_zones

                assert pages.zones is not None
                about = {"id": id, "name": self.name, "portrait": self.portrait, "text": self.zones}
                open_zones(page.desk, pages.zones, matter, self.image, self.settings, **about, on_progress=job.tell)
            else:
                page.desk.open_now(
                    matter, self.image, self.image.name, self.settings, id, room=self.room, on_progress=job.tell
                )

        photo = job.worker.call(open_photo, job.number)
        while not photo.done():
            job.tell("network", 0, 1)  # it waits for its turn
            futures.wait([photo], _TELL_SECONDS)
        photo.result()
        return {"url": page.address(id, self.language, for_zones=bool(self.portrait)), "port": page.port}


@dataclass(kw_only=True)
class PortraitZonesAre(Aside):
    """What is painted for a live portrait was changed elsewhere than on its page, or the portrait is gone."""

    portrait: str
    zones: Annotated[Optional[str], lambda sent: None if sent is None else str(sent)]

    def run(self, job: Job) -> Answer:
        job.worker.held(_Page).zones_are(self.portrait, self.zones)
        return {}
