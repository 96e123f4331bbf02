"""What the portraits of a session share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Collection, Optional

from cvmatte_core.layers.rooms import Rooms
from cvmatte_core.layers.store import Frame, LayerStore
from cvmatte_core.layers.touch_ups import TouchUps
from cvmatte_core.localization.texts import Texts
from cvmatte_core.worker.client import WorkerClient

from .controls import Values
from .file_watch import FileWatch
from .source_feed import Feeds
from .touch_up_client import TouchingUp


@dataclass(frozen=True)
class Services:
    """post: have something called on the session's thread: post(call, arguments …). complete: give a new portrait's
    source, with these settings, the defaults that hold now; see controls.complete. has_no_camera: whether a look found
    none. collection: the name of the scene collection. ids: those of the portraits that there are; see
    layers/last_shown.py. feeds: of what they see of OBS's other sources. on_show: called with a portrait's source and
    the layer that it is about to show. on_layer, on_files, on_room: called whenever a portrait's layer is another, or
    files that it is made from are, or some photo of an empty room.
    """

    texts: Texts
    store: LayerStore
    touch_ups: TouchUps
    rooms: Rooms
    touching_up: TouchingUp
    client: WorkerClient
    watch: FileWatch
    post: Callable[..., None]
    complete: Callable[[int, int, Optional[Values]], None]
    has_no_camera: Callable[[], bool]
    collection: Callable[[], str]
    ids: Callable[[], Collection[str]]
    feeds: Feeds
    on_show: Callable[[int, Frame], None]
    on_layer: Callable[[], None]
    on_files: Callable[[], None]
    on_room: Callable[[], None]
