"""Downloads a model with ModelScope's own client: the process that fetch.py starts, so that it can be ended.

    python -m cvmatte_core.models.hub_client OWNER/NAME REVISION

Each line of its output is a JSON object: {"needed": bytes still to come, "folder": where}, {"done": bytes, "total": …}
again and again, and at the end {"folder": …} or {"error": one of the kinds below, "why": …}. It ends when its input
does. What has arrived stays, and the next download goes on from there. Neither torch nor NumPy is imported.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from typing import NoReturn

from ..child_process.parent import Parent
from ..filesystem import files
from . import hub

OFFLINE, NO_CLIENT, NO_ROOM, FAILED = "offline", "no-client", "no-room", "failed"
_TELL_SECONDS = 0.1


class Reporter:
    """How far all of a model's files are, told to the parent. The client calls it from several threads."""

    def __init__(self, parent: Parent, sizes: dict[str, int], there: dict[str, int]) -> None:
        self._parent, self._sizes, self._done = parent, sizes, there
        self._lock = threading.Lock()
        self._told_at = 0.0

    def begin(self, file: str, size: int) -> None:
        with self._lock:
            self._sizes[file] = size
            self._done[file] = 0  # what is there of it already, the client counts

    def advance(self, file: str, size: int) -> None:
        with self._lock:
            self._done[file] += size
            done, total = sum(self._done.values()), sum(self._sizes.values())
            if done >= total or time.monotonic() - self._told_at > _TELL_SECONDS:
                self._told_at = time.monotonic()
                self._parent.send({"done": done, "total": total})


def download(model: str, revision: str, parent: Parent) -> None:
    from modelscope_hub.api import HubApi
    from modelscope_hub.compat.snapshot_download import snapshot_download  # modelscope.hub's would import torch

    listed = HubApi().list_repo_files(model, "model", revision=revision)
    sizes = {file.path: file.size for file in listed if file.path in hub.NEEDED}
    folder = hub.folder_of(model)
    there = {name: size for name, size in sizes.items() if files.size_of(folder / name) == size}
    begun = sum(files.size_of(folder / f"{name}.incomplete") for name in sizes if name not in there)
    needed = sum(sizes.values()) - sum(there.values()) - begun
    parent.send({"needed": needed, "folder": str(folder)})
    reporter = Reporter(parent, sizes, dict(there))

    class Progress:
        """What the client makes one of for each file."""

        def __init__(self, filename: str, file_size: int) -> None:
            self._file = filename
            reporter.begin(filename, file_size)

        def update(self, size: int) -> None:
            reporter.advance(self._file, size)

        def end(self) -> None:
            pass

    arrived = snapshot_download(
        model, revision=revision, allow_patterns=list(hub.NEEDED), progress_callbacks=[Progress]
    )
    parent.send({"folder": str(arrived)})


def kind_of(error: BaseException) -> str:
    """What went wrong, in the words of the messages."""
    import requests
    from modelscope_hub import errors

    # One file's failure comes wrapped with the others'.
    causes = [*getattr(error, "failed_files", {}).values(), error, error.__cause__]
    unreachable = (errors.NetworkError, requests.ConnectionError, requests.Timeout)
    if any(isinstance(cause, unreachable) for cause in causes):
        return OFFLINE
    # Network errors are OSErrors too; only the disk's have a number and are of that very type.
    return NO_ROOM if any(type(cause) is OSError and cause.errno for cause in causes) else FAILED


def _end_with_parent(parent: Parent) -> None:
    for _ in parent.lines():
        pass
    os._exit(1)


def main() -> NoReturn:
    parent = Parent.connected("%(message)s", logging.WARNING)
    threading.Thread(target=_end_with_parent, args=(parent,), name="parent", daemon=True).start()
    code = 1
    try:
        download(sys.argv[1], sys.argv[2], parent)
        code = 0
    except ImportError as error:
        parent.send({"error": NO_CLIENT, "why": str(error)})
    except Exception as error:
        parent.send({"error": kind_of(error), "why": f"{type(error).__name__}: {error}"[:1000]})
    os._exit(code)  # at once: the output stays open until then, and its end says that the code is known


if __name__ == "__main__":
    main()
