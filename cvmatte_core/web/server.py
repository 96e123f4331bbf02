"""What a server is made of, and what its operator decides."""

from __future__ import annotations

import shutil
import socket
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request

from ..layers.touch_ups import TouchUps
from ..localization.texts import names_of_languages
from .guard import Rules
from .jobs import Jobs
from .threads import Drive, Engine
from .touch_up import Desk


@dataclass(frozen=True)
class Options:
    """What the operator decides. root: the folder whose photos jobs may name; None: no folder of the server.

    rules: who is let in. upload_bytes: of one photo's request; batch_bytes: of a job's. waiting: requests in the line
    behind the one under way. seconds: that a photo may take, its wait included. files: photos of one job.
    """

    rules: Rules
    root: Path | None = None
    upload_bytes: int = 64_000_000
    batch_bytes: int = 2_000_000_000
    waiting: int = 16
    seconds: float = 120.0
    files: int = 1000


class WebServer:
    """The application's parts, for as long as it runs."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.folder = Path(tempfile.mkdtemp(prefix="cvmatte-web-"))
        self.drive, self.root_drive = Drive("files"), Drive("root")
        # Only on one's own computer: a server of many people would mix up what they paint.
        touch_ups = TouchUps() if options.rules.only_loopback else None
        self.engine = Engine(options.waiting + 1, touch_ups)
        self.jobs = Jobs(self.engine, self.drive, self.folder, options.seconds)
        self.desk = Desk(self.engine.run, touch_ups)
        self.engine.warm_up()
        names_of_languages()  # reads all their texts now, so that no request waits for that

    def close(self) -> None:
        self.jobs.close()
        self.engine.close()
        self.desk.close()
        for drive in (self.drive, self.root_drive):
            drive.close()
        shutil.rmtree(self.folder, ignore_errors=True)


async def _running(request: Request) -> WebServer:
    return request.app.state.server


Running = Annotated[WebServer, Depends(_running)]


def listening(host: str, port: int) -> socket.socket:
    """A socket that is bound. Raises OSError, for a name that isn't known too."""
    family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":  # there it would let two servers share the port
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound
