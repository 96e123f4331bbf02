"""The worker: reads requests from stdin, mattes, answers on stdout. See protocol.py.

Three threads: this one reads; one computes, a job after the other, mattes before the next photo of a batch; one
finishes, which is saving the layer that OBS already shows, and its preview, while the next job computes. What has
nothing to do with matting runs in a thread of its own.

What hangs: the first three hold up others, so a beat says how long they have been at what they are at, and the client
ends this process. One of the rest harms nobody: it is given up with an answer.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import logging
import os
import queue
import threading
import time
from concurrent import futures
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Generator, Iterator, TypeVar

from .. import __version__, diagnose
from ..child_process import messages
from ..child_process.beat import Beat, Standing
from ..child_process.parent import Parent
from ..disk import files, paths, runtime
from ..layers import outputs
from ..layers.store import LARGEST_SIDE, LayerStore, Record
from ..layers.touch_ups import TouchUps
from ..models.catalogue import AUTO, catalogue, entry_of, needs_packages
from ..models.fetch import fetch
from ..settings import MatteSettings
from ..system import memory
from ..system.cameras import CameraLook
from ..words.errors import Cancelled, CvmatteError, OutputError, WorkerError
from ..words.notes import to_wire
from . import protocol

if TYPE_CHECKING:  # heavy: imported by the computing thread, after the handshake
    import numpy as np

    from ..batch.folders import FolderBatch
    from ..matting.matter import Matte, Matter
    from ..web.touch_up_page import TouchUpPage

logger = logging.getLogger("cvmatte.worker")

_METHODS = (
    "matte", "batch", "models", "install_model", "touch_up", "clip", "cameras", "tidy", "photos", "diagnose",
)  # fmt: skip

_FRAMES_LIMIT = 2_000_000_000  # bytes of frame files kept
_PROGRESS_SECONDS = 0.05  # at most one progress message in so long
_LONGEST_REST = 3600.0  # seconds
_ECHO = 200  # characters of what was wrong with a request, at most
_ENDING_SECONDS = 0.8  # for a download to clean up; the client waits a second
_SHORTEST_TOKEN = 16  # characters of a page's
_TELL_SECONDS = 5.0
_ASIDE_SECONDS = 180.0  # that what runs in a thread of its own may go without a sign
_TURN_SECONDS = 0.05  # that others wait at most while a folder is looked through
_Result = TypeVar("_Result")
_RESTORABLE = (".png", ".webp")  # a JPEG has lost the layer's transparency


@dataclasses.dataclass(kw_only=True)
class _Job:
    """A request that takes its time."""

    number: int
    cancelled: threading.Event = dataclasses.field(default_factory=threading.Event)
    begun: float = 0.0  # 0 as long as it only waits
    told: tuple[str, str] = ("", "")  # what the last progress message was about,
    told_at: float = 0.0  # and when it was sent
    moved_at: float = dataclasses.field(default_factory=time.monotonic)  # when there was a sign of it


@dataclasses.dataclass(kw_only=True)
class _MatteJob(_Job):
    image: Path
    settings: MatteSettings
    rest_seconds: float
    burst: list[Path]

    @property
    def key(self) -> str:
        return LayerStore.key(str(self.image), self.settings)

    @classmethod
    def parse(cls, number: int, params: dict[str, Any]) -> _MatteJob:
        return cls(
            number=number,
            image=Path(params["image"]),
            settings=MatteSettings.from_mapping(params.get("settings") or {}).resolved(),
            rest_seconds=_rest(params.get("rest_seconds", 0.0)),
            burst=[Path(path) for path in params.get("burst") or ()],
        )


@dataclasses.dataclass(kw_only=True)
class _BatchJob(_Job):
    folder: Path
    settings: MatteSettings
    output_folder: Path | None
    steps: Iterator[None] | None = None  # None as long as it only waits

    @classmethod
    def parse(cls, number: int, params: dict[str, Any]) -> _BatchJob:
        return cls(
            number=number,
            folder=Path(params["folder"]),
            settings=MatteSettings.from_mapping(params.get("settings") or {}).resolved(),
            output_folder=Path(params["output_folder"]) if params.get("output_folder") else None,
        )


def _rest(value: Any) -> float:
    """Raises TypeError, ValueError."""
    if isinstance(value, bool) or not 0 <= value <= _LONGEST_REST:  # what is no number at all isn't either
        raise ValueError(f"rest_seconds is 0 to {_LONGEST_REST:.0f}")
    return float(value)


def _whole_number(value: Any) -> int:
    """Raises ValueError."""
    if not _is_number(value) or value < 0:
        raise ValueError("a whole number, from 0")
    return int(value)


def _texts(value: Any) -> list[str]:
    """Raises ValueError."""
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise ValueError("a list of texts")
    return value


@dataclasses.dataclass
class _ToTouchUp:
    """A photo whose page is to be opened, and where that is to be served."""

    image: Path
    settings: MatteSettings
    token: str
    port: int
    language: str

    @classmethod
    def parse(cls, params: dict[str, Any]) -> _ToTouchUp:
        token, port = params["token"], _whole_number(params.get("port", 0))
        if not isinstance(token, str) or len(token) < _SHORTEST_TOKEN or port > 65535:
            raise ValueError("a token of some length, and a port")
        settings = MatteSettings.from_mapping(params.get("settings") or {}).resolved()
        return cls(Path(params["image"]), settings, token, port, str(params.get("language", "")))


@dataclasses.dataclass
class _Call:
    """Something that a page wants done with the Matter, at once after the job under way.

    number: of the job that asks for it; 0 where it is a page itself.
    """

    work: Callable[[Matter], Any]
    number: int = 0
    result: Future[Any] = dataclasses.field(default_factory=Future)

    def __call__(self, matter: Matter) -> None:
        if self.result.set_running_or_notify_cancel():
            try:
                self.result.set_result(self.work(matter))
            except BaseException as error:
                self.result.set_exception(error)


@dataclasses.dataclass
class _ToFinish:
    """A matte whose layer OBS shows already. due: when it is to be saved, by time.monotonic."""

    job: _MatteJob
    record: Record
    matte: Matte
    due: float


class Server:
    """One worker's state; `warnings` is what a diagnosis shows of the log."""

    def __init__(
        self, parent: Parent, store: LayerStore, outputs_folder: Path, warnings: diagnose.RecentWarnings
    ) -> None:
        self._parent = parent
        self._store = store
        self._outputs_folder = outputs_folder
        self._warnings = warnings
        self._jobs: dict[int, _Job] = {}
        self._frames_lock = threading.Lock()  # so that none is removed that another job has just written
        self._order = itertools.count()
        self._to_compute: queue.PriorityQueue[tuple[bool, int, _MatteJob | _BatchJob | _Call]] = queue.PriorityQueue()
        self._to_finish: queue.Queue[_ToFinish] = queue.Queue(maxsize=2)
        self._asides: list[tuple[threading.Thread, _Job]] = []
        self._beat = Beat(self._say_beat)
        self._camera_look = CameraLook()
        self._only_matter: Matter | None = None
        self._touch_ups = TouchUps()
        self._page: TouchUpPage | None = None
        self._page_lock = threading.Lock()  # held until a page is served: all that is opened then goes on that one
        self._warming_up = True
        self._is_ending = False
        self._device = ""  # what a network ran on last

    def serve(self) -> None:
        """Answer requests until the input ends or one asks to shut down."""
        for folder in (self._store.folder, self._outputs_folder, *runtime.folders()):
            files.remove_stale(folder)
        for name, work in (("compute", self._compute_all), ("finish", self._finish_all)):
            threading.Thread(target=work, name=name, daemon=True).start()
        for line in self._parent.lines():
            if not self._receive(line):
                break
        self._end_asides()

    def _receive(self, line: bytes) -> bool:
        """Handle a message, and say whether to go on."""
        try:
            message = messages.decode(line)
        except ValueError:
            self._fail(None, protocol.PARSE_ERROR, "not a JSON object")
            return True
        number, method, params = message.get("id"), message.get("method"), message.get("params") or {}
        if number is not None and not _is_number(number):
            self._fail(None, protocol.INVALID_REQUEST, "an id is a whole number")
        elif not isinstance(method, str) or not isinstance(params, dict):
            self._fail(number, protocol.INVALID_REQUEST, "not a request")
        elif method == "initialize":
            self._beat.start()
            answer = {"protocol": protocol.PROTOCOL_VERSION, "version": __version__, "pid": os.getpid()}
            self._send({"id": number, "result": answer})
        elif method == "cancel":
            self._cancel(params.get("id"))
            if number is not None:
                self._send({"id": number, "result": {}})
        elif method == "shutdown":
            self._send({"id": number, "result": {}})
            return False
        elif method in _METHODS:
            self._accept(number, method, params)
        else:
            self._fail(number, protocol.METHOD_NOT_FOUND, f"no method {method}")
        return True

    def _accept(self, number: Any, method: str, params: dict[str, Any]) -> None:
        if number is None:
            self._fail(None, protocol.INVALID_REQUEST, f"{method} needs an id")
            return
        if number in self._jobs:
            self._fail(None, protocol.INVALID_REQUEST, f"{number} is under way already")
            return
        try:
            if method == "matte":
                self._queue(_MatteJob.parse(number, params), next(self._order))
            elif method == "batch":
                self._queue(_BatchJob.parse(number, params), next(self._order))
            elif method == "install_model":
                name = str(params["name"])
                entry_of(name)
                self._start_aside(number, lambda job: self._install(job, name))
            elif method == "touch_up":
                wanted = _ToTouchUp.parse(params)
                self._start_aside(number, lambda job: self._open_page(job, wanted))
            elif method == "clip":
                clip, wished = Path(params["clip"]), MatteSettings.from_mapping(params.get("settings") or {}).resolved()
                self._start_aside(number, lambda job: self._clip(job, clip, wished))
            elif method == "tidy":
                keep, in_use = _whole_number(params["keep"]), set(_texts(params["in_use"]))
                self._start_aside(number, lambda job: self._tidy(job, keep, in_use))
            elif method == "photos":
                named, most = [Path(path) for path in _texts(params["paths"])], _whole_number(params["most"])
                self._start_aside(number, lambda job: self._photos(named, most))
            else:
                work = {"models": self._models, "cameras": self._cameras, "diagnose": self._diagnose}[method]
                self._start_aside(number, work)
        except CvmatteError as error:
            self._send({"id": number, "error": protocol.error_to_wire(error)})
        except (KeyError, TypeError, ValueError) as error:
            self._fail(number, protocol.INVALID_PARAMS, f"{type(error).__name__}: {error}")

    def _cancel(self, number: Any) -> None:
        job = self._jobs.get(number) if _is_number(number) else None
        if job is not None:
            job.cancelled.set()
            if not job.begun:  # its turn may be far off
                self._answer_error(job, Cancelled())

    # Computing

    def _queue(self, job: _MatteJob | _BatchJob, order: int) -> None:
        self._jobs[job.number] = job
        if self._warming_up and self._to_compute.empty():
            self._notify("waiting", id=job.number, stage="load", done=0, total=1)
        self._to_compute.put((isinstance(job, _BatchJob), order, job))

    def _compute_all(self) -> None:
        try:
            with self._beat.doing(0):
                self._device = self._matter().prepare(MatteSettings().model).device
        except BaseException as error:  # the first job will say it to the person
            logger.warning("warming up: %s", error)
        self._warming_up = False
        while True:
            _, order, job = self._next_to_compute()
            if isinstance(job, _Call):
                with self._beat.doing(job.number):
                    job(self._matter())
                continue
            job.begun = job.begun or time.perf_counter()
            try:
                with self._beat.doing(job.number):
                    made = self._compute(job) if isinstance(job, _MatteJob) else None
                    goes_on = isinstance(job, _BatchJob) and self._advance(job)
                if made is not None:
                    self._to_finish.put(made)
                if goes_on:
                    self._to_compute.put((True, order, job))
            except BaseException as error:  # whatever a picture makes of us, the next job is served
                self._answer_error(job, error)
            made = None
            del job

    def _next_to_compute(self) -> tuple[bool, int, _MatteJob | _BatchJob | _Call]:
        while True:
            matter = self._only_matter
            with contextlib.suppress(queue.Empty):
                return self._to_compute.get(timeout=matter.let_go_of_idle() if matter is not None else None)

    def _matter(self) -> Matter:
        if self._only_matter is None:
            from ..matting.matter import Matter

            self._only_matter = Matter(touch_ups=self._touch_ups)
        return self._only_matter

    def _compute(self, job: _MatteJob) -> _ToFinish | None:
        """Show a matte; what is left to do of it. None where it is answered."""
        self._tell(job, "start", 0, 1)
        burst = []
        if job.burst:  # also of a job that was cancelled: the next one for this still has no burst
            from ..matting import stills

            burst = stills.take(job.image, job.burst)
        if job.cancelled.is_set():
            raise Cancelled
        from ..pictures import images

        status = images.status(job.image)
        if status is None and self._restore(job):
            return None
        matte = self._matter()(
            job.image,
            job.settings,
            burst=burst,
            on_progress=lambda stage, done, total: self._tell(job, stage, done, total),
            cancelled=job.cancelled,
            reduced_before_crop=True,
        )
        self._device = matte.device
        made_from = (status.st_size, status.st_mtime_ns) if status else (0, 0)
        width, height = self._write_frame(job, matte.layer, made_from)
        logger.info("job %d: %d x %d, %s", job.number, width, height, _in_words(matte.seconds))
        record = Record(
            key=job.key,
            image=str(job.image),
            image_bytes=made_from[0],
            image_modified_ns=made_from[1],
            saved=str(self._layer_path(job, matte.digest + matte.touch_up)),
            size=(width, height),
            seconds=round(time.perf_counter() - job.begun, 3),
            digest=matte.digest,
            touch_up=matte.touch_up,
        )
        return _ToFinish(job, record, matte, time.monotonic() + job.rest_seconds)

    def _write_frame(self, job: _MatteJob, layer: np.ndarray, made_from: tuple[int, int]) -> tuple[int, int]:
        """layer: uint8 RGBA, as it is saved. Returns the width and height that OBS has of it."""
        from ..pictures import images

        shown = images.reduced_layer(layer, LARGEST_SIDE)
        height, width = shown.shape[:2]
        with self._frames_lock:
            self._store.write_frame(job.key, width, height, shown.data, made_from)
        self._notify("layer", id=job.number, key=job.key, made_from=made_from, width=width, height=height)
        return width, height

    def _forget(self, job: _MatteJob) -> None:
        """Remove the frame of a layer that was never saved, unless another job of the same request is under way."""
        with self._frames_lock:
            others = [other for other in list(self._jobs.values()) if other is not job]
            wanted = any(isinstance(other, _MatteJob) and other.key == job.key for other in others)
            if not wanted and self._store.find(job.key) is None:
                self._store.forget(job.key)

    def _restore(self, job: _MatteJob) -> bool:
        """Make the frame again from the saved layer, where the photo is gone. Says whether that could be done."""
        record = self._store.find(job.key)
        if record is None or Path(record.saved).suffix not in _RESTORABLE or not files.is_file(Path(record.saved)):
            return False
        from ..pictures import images

        size = self._write_frame(job, images.read_layer(Path(record.saved)), record.made_from)
        self._answer(job, {**dataclasses.asdict(record), "size": size, "notes": [], "outdated": False})
        return True

    def _layer_path(self, job: _MatteJob, content: str) -> Path:
        """Named after the photo, the content and the settings: a new result never takes an older one's name.

        content: the photo's digest, with what is painted on it.
        """
        from ..pictures import images

        chosen = job.settings.output_folder
        try:
            folder = Path(chosen).expanduser() if chosen else self._outputs_folder
        except RuntimeError as error:  # ~ and somebody who isn't there
            raise OutputError("cannot_write", folder=chosen) from error
        name = f"{outputs.shortened(job.image.stem)}-{self._store.key(content, job.settings)[:10]}"
        return folder / (name + images.suffix(job.settings.format))

    def _advance(self, job: _BatchJob) -> bool:
        """Do the next photo of a batch, and say whether there are more; answer when there are none."""
        if job.steps is None:
            job.steps = self._batch(job)
        return next(job.steps, self) is not self

    def _batch(self, job: _BatchJob) -> Iterator[None]:
        """A photo at each step, then the archive and the answer."""
        from ..batch.folders import ARCHIVE, WAITING, new_output_folder
        from ..batch.pipeline import OneByOne
        from ..matting.matter import Matter

        if job.cancelled.is_set():
            raise Cancelled
        # Whoever dies from here on died of this batch; then of the photo that it says.
        self._tell(job, "batch", 0, 0)
        output_folder = job.output_folder or new_output_folder(job.folder)

        def tell(name: str, **more: Any) -> None:
            total = len(batch.entries)
            self._tell(job, "batch", total - batch.counts[WAITING], total, name=name, **more)

        def tell_photo(photo: Path) -> None:
            tell(photo.name, resume={"output_folder": str(output_folder)})

        batch, photos = yield from self._looked_through(job, output_folder)
        with batch:
            if not batch.entries:
                raise CvmatteError("batch_no_photos", folder=str(job.folder))
            # A Matter of its own, which keeps no photo: the live portraits' raw mattes stay cached. The network is one.
            cutter = OneByOne(Matter(cache_bytes=0, touch_ups=self._touch_ups), tell_photo)
            for _ in batch.run(photos, cutter, job.cancelled):
                yield
            archive = batch.write_archive(job.cancelled, lambda: tell(ARCHIVE))
            failed = {name: entry.error for name, entry in batch.entries.items() if entry.error}
            noted = {name: entry.notes for name, entry in batch.entries.items() if entry.notes}
        result = {
            "folder": str(batch.output_folder),
            "archive": str(archive or ""),
            "done": len(batch.entries) - len(failed),
            "failed": [{"name": name, "error": protocol.error_to_wire(error)} for name, error in failed.items()],
            "noted": [{"name": name, "notes": to_wire(notes)} for name, notes in noted.items()],
            "seconds": round(time.perf_counter() - job.begun, 3),
        }
        self._answer(job, result)

    def _looked_through(
        self, job: _BatchJob, output_folder: Path
    ) -> Generator[None, None, tuple[FolderBatch, list[str]]]:
        """A batch and its photos that are left to do. A large folder on a network drive takes its time: others have
        their turn meanwhile, and a drive that doesn't answer is given up. Raises CvmatteError.
        """
        from ..batch.folders import FolderBatch

        seen = 0

        def on_look() -> None:
            nonlocal seen
            seen += 1
            if job.cancelled.is_set():
                raise Cancelled

        def look() -> tuple[FolderBatch, list[str]]:
            batch = FolderBatch(job.folder, job.settings, output_folder)
            try:
                return batch, batch.scan(on_look)
            except BaseException:
                batch.close()
                raise

        def work() -> None:
            try:
                files.await_answer(output_folder)
                looked.set_result(files.patiently(look, job.folder, lambda: seen))
            except TimeoutError:
                job.cancelled.set()  # or the thread that is left to it would go on when the drive is back
                looked.set_exception(CvmatteError("batch_no_answer", folder=str(job.folder)))
            except BaseException as error:
                looked.set_exception(error)

        looked: Future[tuple[FolderBatch, list[str]]] = Future()
        threading.Thread(target=work, name="look through", daemon=True).start()
        while not futures.wait([looked], _TURN_SECONDS).done:
            if job.cancelled.is_set():
                looked.add_done_callback(lambda late: None if late.exception() else late.result()[0].close())
                raise Cancelled
            yield
        return looked.result()

    # Finishing

    def _finish_all(self) -> None:
        while True:
            made = self._to_finish.get()
            try:
                # A slider on the move replaces its layers many times a second: only the one it rests on is saved.
                if made.job.cancelled.wait(max(0.0, made.due - time.monotonic())):
                    self._forget(made.job)
                    raise Cancelled
                with self._beat.doing(made.job.number):
                    self._finish(made.job, made.record, made.matte)
            except BaseException as error:
                self._answer_error(made.job, error)
            del made

    def _finish(self, job: _MatteJob, record: Record, matte: Matte) -> None:
        from ..pictures import images

        with files.atomic_write(self._store.preview_path(record.key), durable=False) as file:
            images.write_png(file, matte.preview())
        mask = matte.mask_file() if job.settings.save_mask else None
        saved, saved_mask = outputs.place(Path(record.saved), matte.layer_file(job.settings.format), mask)
        record = dataclasses.replace(record, saved=str(saved), mask=str(saved_mask or ""))
        self._store.save(record)
        self._store.trim(_FRAMES_LIMIT)
        outdated = self._touch_ups.is_outdated(job.image, matte.digest)
        self._answer(job, {**dataclasses.asdict(record), "notes": to_wire(matte.notes), "outdated": outdated})

    # Aside

    def _start_aside(self, number: int, work: Callable[[_Job], dict[str, Any]]) -> None:
        job = _Job(number=number, begun=time.perf_counter())
        self._jobs[number] = job
        thread = threading.Thread(target=self._do_aside, args=(job, work), name="aside", daemon=True)
        self._asides = [(other, its_job) for other, its_job in self._asides if other.is_alive()] + [(thread, job)]
        thread.start()

    def _do_aside(self, job: _Job, work: Callable[[_Job], dict[str, Any]]) -> None:
        try:
            self._answer(job, work(job))
        except BaseException as error:
            self._answer_error(job, error)

    def _give_up_asides(self) -> None:
        """Answer for those that stand still, as one does that reaches for a drive which is gone."""
        for thread, job in self._asides:
            if thread.is_alive() and time.monotonic() - job.moved_at > _ASIDE_SECONDS:
                job.cancelled.set()  # should it go on one day, it ends
                self._answer_error(job, WorkerError("no_answer"))

    def _end_asides(self) -> None:
        self._is_ending = True
        for _, job in self._asides:
            job.cancelled.set()
        end = time.monotonic() + _ENDING_SECONDS
        for thread, _ in self._asides:
            thread.join(max(0.0, end - time.monotonic()))

    def _models(self, job: _Job) -> dict[str, Any]:
        return {"models": [diagnose.state_of(entry) for entry in catalogue().values()], "auto": entry_of(AUTO).name}

    def _cameras(self, job: _Job) -> dict[str, Any]:
        return {"cameras": self._camera_look()}

    def _install(self, job: _Job, name: str) -> dict[str, Any]:
        fetch(entry_of(name), lambda stage, done, total: self._tell(job, stage, done, total), job.cancelled)
        return diagnose.state_of(entry_of(name))

    def _open_page(self, job: _Job, wanted: _ToTouchUp) -> dict[str, Any]:
        """Open a photo for touching up, and say where. The same photo and settings always have the same page."""
        with needs_packages("page_needs_packages", "web"):
            from ..web.touch_up import Desk
            from ..web.touch_up_page import TouchUpPage
        with self._page_lock:
            page = self._page
            if page is None or not page.is_open or page.token != wanted.token:
                if page is not None:
                    page.close()
                page = TouchUpPage(Desk(self._call, self._touch_ups, self._painted), wanted.token, wanted.port)
                self._page = page
        id = LayerStore.key(str(wanted.image), wanted.settings)

        def open_photo(matter: Matter) -> None:
            told = partial(self._tell, job)
            page.desk.open_now(matter, wanted.image, wanted.image.name, wanted.settings, id, on_progress=told)

        photo = self._call(open_photo, job.number)
        while not photo.done():
            self._tell(job, "network", 0, 1)  # it waits for its turn
            futures.wait([photo], _TELL_SECONDS)
        photo.result()
        return {"url": page.address(id, wanted.language), "port": page.port}

    def _call(self, work: Callable[[Matter], _Result], number: int = 0) -> Future[_Result]:
        call = _Call(work, number)
        self._to_compute.put((False, next(self._order), call))
        return call.result

    def _painted(self, digest: str) -> None:
        self._notify("painted", digest=digest)

    def _clip(self, job: _Job, clip: Path, settings: MatteSettings) -> dict[str, Any]:
        """Cut a clip out into a transparent one. Cancelled, what is done becomes a clip; where the worker ends, parts
        of it stay, and the same job goes on from them.
        """
        self._tell(job, "clip", 0, 0)
        with needs_packages("clips_need_packages", "video"):
            from ..pictures import endings
            from ..video import clips, parts
        settings = dataclasses.replace(settings, background="transparent")
        frames = clips.look_at(clip).frames

        def on_frame(done: int) -> None:
            self._tell(job, "clip", done, max(done, frames))
            if self._is_ending:
                raise Cancelled

        target = self._outputs_folder / f"{outputs.shortened(clip.stem)}-cutout{endings.clip_before('transparent')}"
        threads = max(1, (os.cpu_count() or 2) // 2)  # portraits go on beside it
        with parts.kept_for(clip, settings) as kept:
            made = clips.cut_out(clip, target, settings, threads, on_frame=on_frame, ended=job.cancelled, kept=kept)
        said = to_wire(made.notes)
        return {"path": str(made.path), "frames": made.frames, "whole": made.whole, "notes": said}

    def _tidy(self, job: _Job, keep: int, in_use: set[str]) -> dict[str, Any]:
        in_use = in_use | {other.key for other in list(self._jobs.values()) if isinstance(other, _MatteJob)}
        return dataclasses.asdict(outputs.tidy(keep, in_use, self._store, lambda: self._tell(job, "tidy", 0, 1)))

    def _photos(self, named: list[Path], most: int) -> dict[str, Any]:
        from ..batch.folders import named_photos

        photos, empty = named_photos(named, most)
        return {"photos": [str(path) for path in photos], "empty": [str(path) for path in empty]}

    def _diagnose(self, job: _Job) -> dict[str, Any]:
        return diagnose.diagnosis(list(self._warnings.lines), self._device)

    # Answers

    def _answer(self, job: _Job, result: dict[str, Any]) -> None:
        if self._jobs.pop(job.number, None) is not None:
            self._send({"id": job.number, "result": result})

    def _answer_error(self, job: _Job, error: BaseException) -> None:
        if self._jobs.pop(job.number, None) is None:  # cancelled, and answered, while it waited
            return
        if isinstance(error, Exception) and isinstance(job, _MatteJob):
            error = memory.explained(error, job.image.name)
        if not isinstance(error, CvmatteError):
            logger.error("job %d", job.number, exc_info=error)
        elif not isinstance(error, Cancelled):
            logger.warning("job %d: %s", job.number, error)
        self._send({"id": job.number, "error": protocol.error_to_wire(error)})

    def _fail(self, number: Any, code: int, message: str) -> None:
        self._send({"id": number, "error": {"code": code, "message": message[:_ECHO]}})

    def _tell(self, job: _Job, stage: str, done: int, total: int, *, name: str = "", **more: Any) -> None:
        """Tell how far a job is: each thing that begins, and in between only now and then."""
        self._beat.moved()
        job.moved_at = time.monotonic()
        now = time.perf_counter()
        if job.told == (stage, name) and now - job.told_at < _PROGRESS_SECONDS:
            return
        job.told, job.told_at = (stage, name), now
        if name:
            more["name"] = name
        self._notify("progress", id=job.number, stage=stage, done=done, total=total, **more)

    def _say_beat(self, standing: Standing) -> None:
        self._give_up_asides()
        self._notify("beat", standing=standing)

    def _notify(self, method: str, **params: Any) -> None:
        self._send({"method": method, "params": params})

    def _send(self, message: dict[str, Any]) -> None:
        self._parent.send({**protocol.JSON_RPC, **message})


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _in_words(seconds: dict[str, float]) -> str:
    return ", ".join(f"{stage} {value * 1000:.0f} ms" for stage, value in seconds.items())


def main() -> None:
    parent = Parent.connected("%(asctime)s %(levelname)s %(message)s")
    warnings = diagnose.RecentWarnings()
    logging.getLogger().addHandler(warnings)
    Server(parent, LayerStore(), paths.outputs_folder(), warnings).serve()
    # At once, also out of the middle of a network's pass: nothing is left to wait for.
    os._exit(0)


if __name__ == "__main__":
    main()
