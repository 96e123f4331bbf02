"""Opening the page on which a portrait's photo is touched up, or a live portrait's zones are painted. The worker serves
it; see cvmatte_core/web."""

from __future__ import annotations

import secrets
import threading
import webbrowser
from dataclasses import dataclass, field
from typing import Any, Callable

from cvmatte_core.localization.errors import Cancelled, CvmatteError
from cvmatte_core.localization.texts import Texts
from cvmatte_core.settings import MatteSettings
from cvmatte_core.system.browser import LASTS_SECONDS, Way
from cvmatte_core.worker.client import READY, STOPPED, WAITING, WorkerClient

_MOST = 8  # pages that are opened again when the worker had to be started again
_ASKED = 0  # in place of a process: it is being opened

Zones = Callable[[], str]  # see matting/zones.py
Hear = Callable[["Way | None", "CvmatteError | None"], None]  # the way to the page, or else what went wrong


@dataclass(frozen=True)
class _Page:
    """What a page is of; see TouchingUp.open."""

    image: str
    settings: MatteSettings
    portrait: str
    name: str
    zones: Zones = field(compare=False)
    room: str = ""


@dataclass(frozen=True)
class _Opened:
    """A page: the worker's process that it was opened in, the address that it had there, and who is told of it."""

    process: int
    url: str
    hear: Hear


class TouchingUp:
    """A session's pages. All have one token, and one port as long as that is free: so an open page goes on to work
    when the worker was started again.
    """

    def __init__(self, client: WorkerClient, texts: Texts) -> None:
        self._client = client
        self._language = texts.language
        self._token = secrets.token_urlsafe(24)
        self._port = 0
        self._opened: dict[_Page, _Opened] = {}
        self._ways: list[Way] = []
        self._closed = threading.Event()

    def open(
        self,
        image: str,
        settings: MatteSettings,
        hear: Hear,
        portrait: str = "",
        name: str = "",
        zones: Zones = str,
        room: str = "",
    ) -> None:
        """Have the page served and shown in the browser.

        portrait: what a live one is known by, that the image is a still of: its zones are painted. name: what it is
        called. zones: says what they are now. room: the photo of the empty room that the image is cut out with. hear:
        called on a thread of ours; again when the way is closed; and again where the page has to be opened anew and
        that fails, or its address is another then.
        """
        self._forget(portrait)
        self._ask(_Page(image, settings, portrait, name, zones, room), "", hear)

    def zones_are(self, portrait: str, zones: str | None) -> None:
        """Tell the pages of a portrait what its zones are; None: it is gone."""
        if zones is None:
            self._forget(portrait)
        if self._client.state == READY:  # else nothing is open
            self._client.submit("zones", {"portrait": portrait, "zones": zones}, lambda event, detail: None)

    def _forget(self, portrait: str) -> None:
        """Don't open a live portrait's pages again."""
        for page in [page for page in self._opened if page.portrait == portrait != ""]:
            self._opened.pop(page, None)

    def _lead(self, url: str, hear: Hear, show: bool) -> None:
        """Keep a way to a page open for a while. show: in the browser, at once."""
        way = Way(url)
        self._ways.append(way)
        hear(way, None)
        if show:
            webbrowser.open(way.link)
        self._closed.wait(LASTS_SECONDS)
        way.close()
        self._ways.remove(way)
        hear(way, None)

    def close(self) -> None:
        """Nothing leads to the pages any more."""
        self._closed.set()
        for way in list(self._ways):
            way.close()

    def worker_is(self, state: str) -> None:
        """The worker's state has changed: what was open in one that is gone is opened again, in the next."""
        if state in (READY, STOPPED, WAITING):
            process = self._client.process_id
            for page, opened in list(self._opened.items()):
                if opened.process not in (_ASKED, process):
                    self._ask(page, opened.url, opened.hear)

    def _ask(self, page: _Page, url: str, hear: Hear) -> None:
        """url: that it has had so far; one that is asked for without is shown."""

        def answered(event: str, detail: Any) -> None:
            if event == "done":
                self._port = detail["port"]
                self._opened[page] = _Opened(self._client.process_id or _ASKED, detail["url"], hear)
                if detail["url"] != url:  # a thread of its own: looking for a browser may take its time
                    leads = (detail["url"], hear, not url)
                    threading.Thread(target=self._lead, args=leads, name="browser", daemon=True).start()
            elif event == "failed":
                self._opened.pop(page, None)
                is_old_still = page.portrait and url  # which is kept for a while only
                if not isinstance(detail, Cancelled) and not is_old_still:
                    hear(None, detail)

        self._opened.pop(page, None)
        self._opened[page] = _Opened(_ASKED, url, hear)
        while len(self._opened) > _MOST:
            self._opened.pop(next(iter(self._opened)))
        params = {"image": page.image, "settings": page.settings.as_dict(), "language": self._language}
        if page.portrait:
            params.update(portrait=page.portrait, name=page.name, zones=page.zones())
        if page.room:
            params["room"] = page.room
        self._client.submit("touch_up", {**params, "token": self._token, "port": self._port}, answered)
