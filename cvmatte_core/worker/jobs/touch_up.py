"""A photo is opened for touching up in the browser.

The jobs hold one page together. Started again, it is served on the same port if that is free.
"""

from __future__ import annotations

import threading
from concurrent import futures
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from ...layers.store import LayerStore
from ...models.catalogue import needs_packages
from .job import Answer, Aside, Job
from .parameters import Settings, resolved, whole_number

if TYPE_CHECKING:
    from ...matting.matter import Matter
    from ...web.touch_up_page import TouchUpPage

_SHORTEST_TOKEN = 16  # characters
_TELL_SECONDS = 5.0
_REFUSED = "a token of some length, and a port"


class _Page:
    """The page that all photos are open on."""

    def __init__(self) -> None:
        self._page: TouchUpPage | None = None
        self._lock = threading.Lock()  # held until it is served: all that is opened then goes on that one

    def served(self, job: Job, token: str, port: int) -> TouchUpPage:
        with needs_packages("page_needs_packages", "web"):
            from ...web.touch_up import Desk
            from ...web.touch_up_page import TouchUpPage
        with self._lock:
            if self._page is None or not self._page.is_open or self._page.token != token:
                if self._page is not None:
                    self._page.close()
                worker = job.worker
                desk = Desk(worker.call, worker.touch_ups, lambda digest: worker.notify("painted", digest=digest))
                self._page = TouchUpPage(desk, token, port)
            return self._page


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

    def run(self, job: Job) -> Answer:
        """The same photo and settings always have the same page."""
        page = job.worker.held(_Page).served(job, self.token, self.port)
        id = LayerStore.key(str(self.image), self.settings)

        def open_photo(matter: Matter) -> None:
            page.desk.open_now(matter, self.image, self.image.name, self.settings, id, on_progress=job.tell)

        photo = job.worker.call(open_photo, job.number)
        while not photo.done():
            job.tell("network", 0, 1)  # it waits for its turn
            futures.wait([photo], _TELL_SECONDS)
        photo.result()
        return {"url": page.address(id, self.language), "port": page.port}
