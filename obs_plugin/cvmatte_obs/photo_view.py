"""A portrait of a photo or a still in OBS: does what its lifecycle says, and tells it what the worker answers."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any, Callable

from cvmatte_core.filesystem import files
from cvmatte_core.layers.store import Frame, FrameUnusable, LayerRecord
from cvmatte_core.localization.errors import CvmatteError
from cvmatte_core.localization.notes import from_wire

from . import controls, layers, libobs
from .file_watch import State
from .last_layer import LastLayer
from .photo_lifecycle import (
    Action,
    Cancel,
    Course,
    Discard,
    Hide,
    KeepStill,
    Look,
    LookAgain,
    LookBack,
    MatteJob,
    PhotoLifecycle,
    Request,
    Show,
    Submit,
)
from .services import Services
from .weak_source import WeakSource

_REST_SECONDS = 0.3  # a layer gets its PNG when the controls have rested for so long
_PAINTING_SECONDS = 4.0  # and when the brush has


class PhotoView:
    """One portrait's."""

    def __init__(
        self,
        source: WeakSource,
        services: Services,
        life: PhotoLifecycle,
        last: LastLayer,
        happens: Callable[[Course], None],
    ) -> None:
        """happens: do what follows from something that happened to the life."""
        self._source, self._services, self._life, self._last, self._happens = source, services, life, last, happens
        self._painted_at = -_PAINTING_SECONDS
        self._painted_for = ""  # the touch-up that a layer was last made anew for

    def wanted(self, values: controls.Values, again: bool) -> Course:
        """Tell what the settings ask for. again: not as it is kept."""
        from_source = values.input == controls.FROM_SOURCE
        image = (self._life.still_under_way if from_source else "") or values.image
        if not image:
            return self._life.wants_nothing("state.no_still" if from_source else "state.no_image")
        try:
            request = Request(image, values.settings().resolved())
        except CvmatteError as error:
            return self._life.wants_the_impossible(error)
        return self._life.wants(request, again, self._services.watch.state(image))

    def do(self, action: Action) -> Any:
        """Do it in OBS; the answer, where it has one."""
        services = self._services
        if isinstance(action, Look):
            record = services.store.find(action.request.key)
            # With another touch-up than the photo has now it is another layer.
            return record if record is not None and self._touch_up_of(record) == record.touch_up else None
        if isinstance(action, Show):
            return self._show(action.key, action.made_from)
        if isinstance(action, LookBack):
            return self._last.record()
        if isinstance(action, KeepStill):  # in the settings, so that it is saved with the scene
            taken = files.exists(Path(action.image))
            if taken:
                self._source.change({controls.STILL: action.image})
            return taken
        if isinstance(action, Hide):
            with self._source.alive() as source:
                if source:
                    layers.hide(source)
            self._last.keep("", "")
        elif isinstance(action, Submit):
            self._submit(action.job)
        elif isinstance(action, Cancel):
            services.client.cancel(action.job.number)
        elif isinstance(action, LookAgain):
            services.watch.look_again(action.image)
        elif isinstance(action, Discard):
            for path in action.burst:
                with contextlib.suppress(OSError):
                    path.unlink()
        return None

    def _show(self, key: str, made_from: State) -> bool:
        store = self._services.store
        try:
            frame = Frame(store.frame_path(key), made_from)
        except FrameUnusable as error:
            libobs.log(libobs.LOG_WARNING, f"a frame that can't be read: {error} ({error.__cause__})")
            return False
        try:
            with self._source.alive() as source:
                if not source:
                    return False
                layers.show(source, frame)
        finally:
            frame.close()
        self._services.on_layer()
        store.mark_used(key)
        return True

    def _submit(self, job: MatteJob) -> None:
        is_painted_on = time.monotonic() - self._painted_at < _PAINTING_SECONDS
        params: dict[str, Any] = {
            "image": job.request.image,
            "settings": job.request.settings.as_dict(),
            "rest_seconds": _PAINTING_SECONDS if is_painted_on else _REST_SECONDS,
        }
        if job.request.burst:
            params["burst"] = [str(path) for path in job.request.burst]

        def listener(event: str, detail: Any) -> None:
            self._services.post(self._hear, job, event, detail)

        job.number = self._services.client.submit("matte", params, listener)

    def _hear(self, job: MatteJob, event: str, detail: Any) -> None:
        """An event of a job; see worker.client.Listener."""
        life = self._life
        if event in ("waiting", "progress"):
            self._happens(life.goes_on(job, detail["stage"], detail["done"], detail["total"]))
        elif event == "layer":
            self._happens(life.made_layer(job, detail["key"], tuple(detail["made_from"])))
        elif event == "retrying":
            self._happens(life.is_tried_again(job, detail))
        elif event == "done":
            notes, outdated = from_wire(detail.pop("notes")), detail.pop("outdated")
            record = LayerRecord(**{**detail, "size": tuple(detail["size"])})
            self._happens(life.is_done(job, record, notes, outdated))
            stamp = self._touch_up_of(record)
            if stamp not in (record.touch_up, self._painted_for):  # painted on while the layer was made
                self._painted_for = stamp
                self._happens(life.is_painted())
        else:
            self._happens(life.has_failed(job, detail))

    def painted(self, digest: str) -> None:
        """Somebody has changed the touch-up of the photo with this content."""
        record = self._life.record
        if record is not None and record.digest == digest:
            self._painted_at = time.monotonic()
            self._happens(self._life.is_painted())

    def _touch_up_of(self, record: LayerRecord) -> str:
        return self._services.touch_ups.stamp(record.digest) if record.digest else ""
