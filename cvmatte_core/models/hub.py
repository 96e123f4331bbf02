"""ModelScope's cache folder: where its client keeps a model, and whether one is whole; and the process that downloads
into it. Standard library only, but for that client.

    python -m cvmatte_core.models.hub OWNER/NAME REVISION

fetch.py starts it, so that it can be ended. Each line of its output is a JSON object: {"needed": bytes still to come,
"folder": where}, {"done": bytes, "total": …} again and again, and at the end {"folder": …} or {"error": one of the
kinds below, "why": …}. It ends when its input does. What has arrived stays, and the next download goes on from there.
Neither torch nor NumPy is imported.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from pathlib import Path
from typing import NoReturn

from ..child_process.parent import Parent
from ..filesystem import files, paths
from ..localization.errors import OutputError

NEEDED = ("configuration.json", "tf_graph.pb")
OFFLINE, NO_CLIENT, NO_ROOM, FAILED = "offline", "no-client", "no-room", "failed"
_TELL_SECONDS = 0.1


def root() -> Path:
    """ModelScope's cache folder, which MODELSCOPE_CACHE names."""
    chosen = os.environ.get("MODELSCOPE_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    try:
        return paths.home() / ".cache" / "modelscope"
    except OutputError:
        return paths.data_folder() / "modelscope"  # which may be told


def folder_of(model: str) -> Path:
    """The folder of a model ("owner/name") in ModelScope's cache; where the client would put it if it isn't there."""
    places = _places(model)
    return next((place for place in places if is_complete(place)), places[0])


def is_complete(folder: Path) -> bool:
    """Whether a model's folder has all that it is run from: an interrupted download leaves *.incomplete files."""
    return all((folder / name).is_file() for name in NEEDED) and not any(folder.glob("*.incomplete"))


def folders_to_remove(model: str) -> list[Path]:
    """Every folder that any version of the client keeps something of a model in, and nothing else."""
    newest, *others = _places(model)
    return [folder for folder in (newest.parent.parent, *others) if folder.is_dir()]


def _places(model: str) -> list[Path]:
    """Where the versions of the client put a model, the newest version's first."""
    owner, _, name = model.partition("/")
    return [
        root() / "models" / f"{owner}--{name}" / "snapshots" / "master",
        root() / "models" / owner / name,
        root() / "hub" / "models" / owner / name,
        root() / "hub" / owner / name,
        root() / owner / name,
    ]


# The process


def download(model: str, revision: str, parent: Parent) -> None:
    from modelscope_hub.api import HubApi
    from modelscope_hub.compat.snapshot_download import snapshot_download  # modelscope.hub's would import torch

    listed = HubApi().list_repo_files(model, "model", revision=revision)
    sizes = {file.path: file.size for file in listed if file.path in NEEDED}
    folder = folder_of(model)
    done = {name: size for name, size in sizes.items() if files.size_of(folder / name) == size}
    begun = sum(files.size_of(folder / f"{name}.incomplete") for name in sizes if name not in done)
    needed = sum(sizes.values()) - sum(done.values()) - begun
    parent.send({"needed": needed, "folder": str(folder)})
    telling, told_at = threading.Lock(), 0.0

    class Progress:
        """What the client makes one of for each file, in several threads."""

        def __init__(self, filename: str, file_size: int) -> None:
            self._file = filename
            with telling:
                sizes[filename], done[filename] = file_size, 0  # what is there of it already, the client counts

        def update(self, size: int) -> None:
            nonlocal told_at
            with telling:
                done[self._file] += size
                so_far, total = sum(done.values()), sum(sizes.values())
                if so_far >= total or time.monotonic() - told_at > _TELL_SECONDS:
                    told_at = time.monotonic()
                    parent.send({"done": so_far, "total": total})

        def end(self) -> None:
            pass

    arrived = snapshot_download(model, revision=revision, allow_patterns=list(NEEDED), progress_callbacks=[Progress])
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


def main() -> NoReturn:
    parent = Parent.connected("%(message)s", logging.WARNING)
    parent.end_with_it()
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
