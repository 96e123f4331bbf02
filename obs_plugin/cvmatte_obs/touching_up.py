"""Opening the page on which a portrait's photo is touched up. The worker serves it; see cvmatte_core/web."""

from __future__ import annotations

import secrets
import threading
import webbrowser
from typing import Any, Callable, Tuple

from cvmatte_core.settings import MatteSettings
from cvmatte_core.words.errors import Cancelled, CvmatteError
from cvmatte_core.words.texts import Texts
from cvmatte_core.worker.client import READY, STOPPED, WAITING, WorkerClient

_MOST = 8  # pages that are opened again when the worker had to be started again
_ASKED = 0  # in place of a process: it is being opened
_Page = Tuple[str, MatteSettings]

Hear = Callable[[str, "CvmatteError | None"], None]  # the page's address, or else what went wrong


class TouchingUp:
    """A session's pages. All have one token, and one port as long as that is free: so an open page goes on to work
    when the worker was started again.
    """

    def __init__(self, client: WorkerClient, texts: Texts) -> None:
        self._client = client
        self._language = texts.language
        self._token = secrets.token_urlsafe(24)
        self._port = 0
        self._opened: dict[_Page, int] = {}  # and the worker's process that each was opened in

    def open(self, image: str, settings: MatteSettings, hear: Hear) -> None:
        """Have the page served and shown in the browser. hear: called on one of the client's threads."""

        def answered(url: str, error: CvmatteError | None) -> None:
            hear(url, error)
            if url:  # a thread of its own: looking for a browser may take its time
                threading.Thread(target=webbrowser.open, args=(url,), name="browser", daemon=True).start()

        self._ask((image, settings), answered)

    def worker_is(self, state: str) -> None:
        """The worker's state has changed: what was open in one that is gone is opened again, in the next."""
        if state in (READY, STOPPED, WAITING):
            process = self._client.process_id
            for page, opened_in in list(self._opened.items()):
                if opened_in not in (_ASKED, process):
                    self._ask(page, lambda url, error: None)

    def _ask(self, page: _Page, hear: Hear) -> None:
        def answered(event: str, detail: Any) -> None:
            if event == "done":
                self._port = detail["port"]
                self._opened[page] = self._client.process_id or _ASKED
                hear(detail["url"], None)
            elif event == "failed":
                self._opened.pop(page, None)
                if not isinstance(detail, Cancelled):
                    hear("", detail)

        self._opened.pop(page, None)
        self._opened[page] = _ASKED
        while len(self._opened) > _MOST:
            self._opened.pop(next(iter(self._opened)))
        self._client.submit("touch_up", self._params(*page), answered)

    def _params(self, image: str, settings: MatteSettings) -> dict[str, Any]:
        return {
            "image": image,
            "settings": settings.as_dict(),
            "token": self._token,
            "port": self._port,
            "language": self._language,
        }
