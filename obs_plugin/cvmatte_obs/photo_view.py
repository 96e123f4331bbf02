"""A portrait of a photo or a still in OBS: does what its lifecycle says, and tells it what the worker answers."""

from __future__ import annotations

import contextlib
import time
from functools import partial
from pathlib import Path
from typing import Any, Callable

from cvmatte_core.filesystem import files
from cvmatte_core.image import countdown_picture
from cvmatte_core.layers.last_shown import LastLayer
from cvmatte_core.layers.store import Frame, FrameUnusable, LayerRecord
from cvmatte_core.localization.errors import CvmatteError
from cvmatte_core.localization.notes import from_wire

from . import controls, layers, libobs
from .file_watch import State
from .layers import WeakSource
from .photo_actions import MatteJob, Request
from .photo_lifecycle import PhotoLifecycle
from .services import Services

_REST_SECONDS = 0.3  # a layer gets its PNG when the controls have rested for so long
_PAINTING_SECONDS = 4.0  # and when the brush has
_MOST_COUNTED_ON = 16 << 20  # pixels of a layer that a countdown's numbers are drawn on


class PhotoView:
    """One portrait's."""

    def __init__(
        self,
        source: WeakSource,
        services: Services,
        last: LastLayer,
        happens: Callable[..., None],
        refresh: Callable[[], None],
    ) -> None:
        """happens: called with what happens to the life, and the details of that."""
        self._source, self._services, self._last, self._happens = source, services, last, happens
        self.look_again, self.refresh = services.watch.look_again, refresh
        self.life = PhotoLifecycle(libobs.guarding(self))
        self._painted_at = -_PAINTING_SECONDS
        self._painted_for = ""  # the touch-up that a layer was last made anew for

    def wanted(self, values: controls.Values, room: str, again: bool) -> None:
        """Tell what the settings ask for. room: the photo of the empty room. again: not as it is kept."""
        from_source, job = values.input == controls.FROM_SOURCE, self.life.job
        image = values.image
        if from_source and job is not None and self.life.still_under_way:
            image, room = job.request.image, job.request.room
        if not image:
            return self.life.wants_nothing("state.no_still" if from_source else "state.no_image")
        try:
            request = Request(image, values.settings().resolved(), room=room)
        except CvmatteError as error:
            return self.life.wants_the_impossible(error)
        return self.life.wants(request, again, self._services.watch.state(image))

    # What its life has done; see PhotoActions

    def find(self, request: Request) -> LayerRecord | None:
        record = self._services.store.find(request.key)
        # With another touch-up than the photo has now it is another layer.
        return record if record is not None and self._touch_up_of(record) == record.touch_up else None

    def look_back(self) -> LayerRecord | None:
        return self._services.store.find(self._last.key) if self._last.key else None

    def hide(self) -> None:
        with self._source.alive() as source:
            if source:
                layers.hide(source)
        self._last.keep("", "")

    def clear(self) -> None:
        with self._source.alive() as source:
            if source:
                layers.hide(source)

    def count(self, seconds: int, on: str | None, size: tuple[int, int]) -> None:
        """In a picture of the layer's size: so it stands where the person will."""
        (width, height), rows = size, bytearray()
        if on is not None:
            with contextlib.suppress(FrameUnusable), contextlib.closing(self._frame(on)) as frame:
                width, height = frame.width, frame.height
                if width * height <= _MOST_COUNTED_ON:
                    rows = bytearray(memoryview(frame.pixels)[frame.offset :])
        if not rows:
            shrunk = min(1.0, (_MOST_COUNTED_ON / (width * height)) ** 0.5)
            width, height = max(1, int(width * shrunk)), max(1, int(height * shrunk))
            rows = bytearray(width * height * 4)
        countdown_picture.draw(rows, width, height, seconds)
        with self._source.alive() as source:
            if source:
                layers.show_rows(source, rows, 0, width, height)

    def _frame(self, key: str) -> Frame:
        """Raises FrameUnusable."""
        return Frame(self._services.store.frame_path(key))

    def cancel(self, job: MatteJob) -> None:
        self._services.client.cancel(job.number)

    def keep_still(self, taken: Request) -> bool:
        """In the settings, so that it is saved with the scene."""
        is_there = files.exists(Path(taken.image))
        if is_there:
            self._source.change({controls.STILL: taken.image, controls.STILL_OF: taken.still_of})
        return is_there

    def discard(self, burst: tuple[Path, ...]) -> None:
        for path in burst:
            with contextlib.suppress(OSError):
                path.unlink()

    def show(self, key: str, made_from: State) -> bool:
        store = self._services.store
        try:
            frame = Frame(store.frame_path(key), made_from)
        except FrameUnusable as error:
            libobs.log(libobs.LOG_WARNING, f"a frame that can't be read: {error} ({error.__cause__})")
            return False
        with contextlib.closing(frame), self._source.alive() as source:
            if not source:
                return False
            self._services.on_show(source, frame)
            layers.show(source, frame)
        self._services.on_layer()
        store.mark_used(key)
        return True

    def submit(self, job: MatteJob) -> None:
        is_painted_on = time.monotonic() - self._painted_at < _PAINTING_SECONDS
        params: dict[str, Any] = {
            "image": job.request.image,
            "settings": job.request.settings.as_dict(),
            "rest_seconds": _PAINTING_SECONDS if is_painted_on else _REST_SECONDS,
        }
        if job.request.burst:
            params["burst"] = [str(path) for path in job.request.burst]
        if job.request.room:
            params["room"] = job.request.room
        listener = partial(self._services.post, self._hear, job)
        job.number = self._services.client.submit("matte", params, listener)

    # What the worker answers

    def _hear(self, job: MatteJob, event: str, detail: Any) -> None:
        """An event of a job; see worker.client.Listener."""
        life, happens = self.life, self._happens
        if event in ("waiting", "progress"):
            happens(life.goes_on, job, detail["stage"], detail["done"], detail["total"])
        elif event == "layer":
            happens(life.made_layer, job, detail["key"], tuple(detail["made_from"]))
        elif event == "retrying":
            happens(life.is_tried_again, job, detail)
        elif event == "done":
            notes, outdated = from_wire(detail.pop("notes")), detail.pop("outdated")
            record = LayerRecord(**{**detail, "size": tuple(detail["size"])})
            happens(life.is_done, job, record, notes, outdated)
            stamp = self._touch_up_of(record)
            if stamp not in (record.touch_up, self._painted_for):  # painted on while the layer was made
                self._painted_for = stamp
                happens(life.is_painted)
        else:
            happens(life.has_failed, job, detail)

    def painted(self, digest: str) -> None:
        """Somebody has changed the touch-up of the photo with this content."""
        record = self.life.record
        if record is not None and record.digest == digest:
            self._painted_at = time.monotonic()
            self._happens(self.life.is_painted)

    def _touch_up_of(self, record: LayerRecord) -> str:
        return self._services.touch_ups.stamp(record.digest) if record.digest else ""
