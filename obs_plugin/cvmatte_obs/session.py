"""One run of the plugin, from script_load to script_unload: the thread that serves all portraits.

The thread polls each portrait's settings, sends what changed to the worker, and hands finished frames to OBS. It
alone changes portraits; everybody else, OBS's UI and the worker client among them, puts a message into its inbox.
"""

from __future__ import annotations

import queue
import statistics
import threading
import time
import traceback
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cvmatte_core.errors import Cancelled, CvmatteError
from cvmatte_core.layer_store import Frame, FrameUnusable, LayerStore, Record
from cvmatte_core.settings import MatteSettings
from cvmatte_core.texts import Texts
from cvmatte_core.worker.client import READY, WorkerClient

from . import controls, layers, libobs
from .source_type import SOURCE_TYPE, Portrait, State

_POLL_SECONDS = 0.03
_POLL_SHARE = 0.05  # of one core at most for polling, however many portraits there are
_REST_SECONDS = 0.3  # a layer gets its PNG when the controls have rested for so long
_QUIET_SECONDS = 0.7  # properties are redrawn only when nobody moved a control for so long


@dataclass(frozen=True)
class Request:
    """A layer that a portrait is to show."""

    image: str
    settings: MatteSettings
    force: bool = False

    @property
    def key(self) -> str:
        return LayerStore.key(self.image, self.settings)


@dataclass
class Job:
    """A request on its way through the worker."""

    request: Request
    number: int = 0
    frame_shown: bool = False


class Session:
    """Serves the portraits of SOURCE_TYPE until it is closed."""

    _image_patterns = "*.jpg *.jpeg *.png *.webp *.bmp *.tif *.tiff *.JPG *.JPEG *.PNG *.WEBP *.BMP *.TIF *.TIFF"

    def __init__(self, texts: Texts) -> None:
        self.texts = texts
        self._store = LayerStore()
        self._inbox: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
        self._closing = False
        self._poll_times: deque[float] = deque(maxlen=100_000)
        self.client = WorkerClient(on_state=self._log_worker_state)
        self._thread = threading.Thread(target=self._run, name="cvmatte-session", daemon=True)
        SOURCE_TYPE.serve(self)
        self._thread.start()

    @property
    def image_filter(self) -> str:
        """What OBS's file dialogs offer."""
        return f"{self.texts('source.image_filter')} ({self._image_patterns})"

    # Called from any thread of OBS: these only queue

    def rematte(self, portrait: Portrait) -> None:
        self._inbox.put(("rematte", portrait))

    def rematte_all(self) -> None:
        self._inbox.put(("rematte_all",))

    def start_worker(self) -> None:
        """Somebody is about to need the worker: their first layer need not wait for its start."""
        self.client.start()

    def portraits(self) -> list[tuple[str, State]]:
        """Each portrait's name and state, in the order of their creation."""
        found = []
        for portrait in SOURCE_TYPE.portraits():
            source = SOURCE_TYPE.source(portrait)
            if source:
                name = (libobs.obs_source_get_name(source) or b"").decode("utf-8", "replace")
                found.append((name, portrait.state))
                libobs.obs_source_release(source)
        return found

    def close(self) -> None:
        """End the thread and the worker, and let go of everything of OBS's."""
        self._closing = True
        self._inbox.put(("close",))
        self.client.close()
        self._thread.join(10)
        SOURCE_TYPE.release()
        if self._poll_times:
            times = [seconds * 1000 for seconds in self._poll_times]
            summary = f"{len(times)} polls, median {statistics.median(times):.3f} ms, longest {max(times):.2f} ms"
            libobs.log(libobs.LOG_INFO, f"{summary}, none of them on a thread of OBS")

    # On the session's own thread

    def _run(self) -> None:
        next_poll = time.monotonic()
        while not self._closing:
            try:
                message = self._inbox.get(timeout=max(0.0, next_poll - time.monotonic()))
            except queue.Empty:
                message = ("poll",)
            try:
                if message[0] != "poll":
                    getattr(self, f"_on_{message[0]}")(*message[1:])
                if time.monotonic() >= next_poll:
                    begun = time.monotonic()
                    self._poll()
                    seconds = time.monotonic() - begun
                    self._poll_times.append(seconds)
                    next_poll = begun + max(_POLL_SECONDS, seconds / _POLL_SHARE)
            except Exception:
                libobs.log(libobs.LOG_ERROR, traceback.format_exc())

    def _poll(self) -> None:
        now = time.monotonic()
        for portrait in SOURCE_TYPE.portraits():
            source = SOURCE_TYPE.source(portrait)
            if not source:
                self._drop(portrait)
                continue
            try:
                data = libobs.obs_source_get_settings(source)
                values = controls.read(data)
                libobs.obs_data_release(data)
                if values != portrait.values:
                    portrait.values, portrait.changed_at = values, now
                    self._want(portrait, source)
                elif portrait.refresh_wanted and now - portrait.changed_at > _QUIET_SECONDS:
                    portrait.refresh_wanted = False
                    libobs.obs_source_update_properties(source)
            finally:
                libobs.obs_source_release(source)

    def _drop(self, portrait: Portrait) -> None:
        if portrait.job is not None:
            self.client.cancel(portrait.job.number)
        SOURCE_TYPE.drop(portrait)

    def _on_close(self) -> None: ...

    def _on_rematte(self, portrait: Portrait) -> None:
        source = SOURCE_TYPE.source(portrait)
        if source:
            self._want(portrait, source, force=True)
            libobs.obs_source_release(source)

    def _on_rematte_all(self) -> None:
        for portrait in SOURCE_TYPE.portraits():
            self._on_rematte(portrait)

    def _want(self, portrait: Portrait, source: int, force: bool = False) -> None:
        """Bring the portrait to what its settings ask for: from the store at once, or through the worker."""
        if portrait.values is None:
            return
        image = portrait.values[0]
        if not image:
            self._give_up_job(portrait)
            layers.hide(source)
            portrait.shown, portrait.preview = None, ""
            self._set_state(portrait, "state.no_image")
            return
        try:
            request = Request(image, controls.matte_settings(portrait.values), force)
        except CvmatteError as error:
            self._set_error(portrait, error)
            return
        if not force and self._show_kept(portrait, source, request):
            self._give_up_job(portrait)
            return
        if portrait.job is None:
            self._submit(portrait, request)
            return
        portrait.waiting = request
        # One that is on screen only has its PNG to come; one of another photo is of no use. But a slider on the
        # move waits for the frame under way: else nothing would be seen before it rests.
        if portrait.job.frame_shown or portrait.job.request.image != image:
            self.client.cancel(portrait.job.number)

    def _give_up_job(self, portrait: Portrait) -> None:
        portrait.waiting = None
        if portrait.job is not None:
            self.client.cancel(portrait.job.number)
            portrait.job = None  # whatever it still answers is no longer listened to

    def _show_kept(self, portrait: Portrait, source: int, request: Request) -> bool:
        """Show the layer that the store keeps for a request. Says whether nothing more is to be done."""
        record = self._store.find(request.key)
        if record is None:
            return False
        try:
            status = Path(request.image).stat()
        except (OSError, ValueError):
            status = None
        if status is not None and not record.made_from(status):
            # The photo has changed meanwhile. Its former layer beats an empty source until the new one is there.
            if portrait.shown is None:
                self._show(portrait, source, request.key)
            return False
        if not self._show(portrait, source, request.key):
            return False
        self._set_done(portrait, record, gone=status is None)
        return True

    def _show(self, portrait: Portrait, source: int, key: str) -> bool:
        try:
            frame = Frame(self._store.frame_path(key))
        except FrameUnusable:
            return False
        try:
            layers.show(source, frame)
        finally:
            frame.close()
        portrait.shown = key
        self._store.mark_used(key)
        return True

    def _submit(self, portrait: Portrait, request: Request) -> None:
        job = Job(request)
        portrait.job, portrait.waiting = job, None
        self._set_state(portrait, "state.waiting" if self.client.state == READY else "state.starting")
        params = {
            "image": request.image,
            "settings": request.settings.as_dict(),
            "force": request.force,
            "rest_seconds": _REST_SECONDS,
        }

        def listener(event: str, detail: Any) -> None:
            self._inbox.put(("job", portrait, job, event, detail))

        job.number = self.client.submit("matte", params, listener)

    def _on_job(self, portrait: Portrait, job: Job, event: str, detail: Any) -> None:
        if portrait.job is not job:
            return
        if event == "progress":
            if detail["stage"] == "network" and detail["done"] == 0:
                portrait.refresh_wanted = True  # once: every redraw takes the focus from what a person touches
            self._set_state(portrait, f"state.{detail['stage']}", done=detail["done"], total=detail["total"])
        elif event == "layer":
            self._on_layer(portrait, job, detail)
        elif event == "retrying":
            job.frame_shown = False
            self._set_error(portrait, detail)
        else:
            portrait.job = None
            if event == "done":
                self._set_done(portrait, Record(**{**detail, "size": tuple(detail["size"])}))
            elif not isinstance(detail, Cancelled):
                self._set_error(portrait, detail)
            if portrait.waiting is not None:
                self._submit(portrait, portrait.waiting)

    def _on_layer(self, portrait: Portrait, job: Job, detail: dict[str, Any]) -> None:
        source = SOURCE_TYPE.source(portrait)
        if not source:
            return
        try:
            job.frame_shown = self._show(portrait, source, detail["key"])
        finally:
            libobs.obs_source_release(source)
        self._set_state(portrait, "state.finishing")
        if portrait.waiting is not None:
            self.client.cancel(job.number)

    def _set_state(self, portrait: Portrait, key: str, **values: Any) -> None:
        portrait.state = State(self.texts(key, **values))

    def _set_done(self, portrait: Portrait, record: Record, gone: bool = False) -> None:
        width, height = record.size
        if gone:
            self._set_state(portrait, "state.photo_gone", name=Path(record.image).name)
        else:
            self._set_state(portrait, "state.ready", width=width, height=height, seconds=f"{record.seconds:.1f}")
        portrait.preview = str(self._store.preview_path(record.key))
        portrait.refresh_wanted = True

    def _set_error(self, portrait: Portrait, error: CvmatteError) -> None:
        sentence = error.sentence(self.texts)
        libobs.log(libobs.LOG_WARNING, str(error))
        if portrait.shown is not None:
            sentence = self.texts("state.kept", sentence=sentence)
        portrait.state = State(sentence, is_error=True)
        portrait.refresh_wanted = True

    def _log_worker_state(self, state: str) -> None:
        libobs.log(libobs.LOG_INFO, f"worker: {state}, process {self.client.process_id}")
