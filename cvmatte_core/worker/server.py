"""The worker: reads requests from stdin, mattes, answers on stdout. See protocol.py, and jobs/ for what it does.

Three threads: this one reads; one computes, a job after the other, mattes before the next photo of a folder; one
finishes, which is saving the layer that OBS already shows, and its preview, while the next job computes. What has
nothing to do with matting runs in a thread of its own.

What hangs: the first three hold up others, so a beat says how long they have been at what they are at, and the client
ends this process. One of the rest harms nobody: it is given up with an answer.
"""

from __future__ import annotations

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
from typing import TYPE_CHECKING, Any, Callable

from .. import __version__, diagnose
from ..child_process import messages
from ..child_process.parent import Beat, Parent, Standing
from ..filesystem import files, paths, runtime_folders
from ..layers.store import LayerStore
from ..localization.errors import Cancelled, CvmatteError, WorkerError
from ..settings import MatteSettings
from . import protocol
from .jobs import clip, computer, folder, matte, room, touch_up
from .jobs.job import Answer, Aside, Computation, Job, Worker
from .jobs.parameters import is_number, parsed

if TYPE_CHECKING:  # heavy: imported by the computing thread, after the handshake
    from ..matting.matter import Matter

logger = logging.getLogger("cvmatte.worker")

KINDS: dict[str, type[Aside] | type[Computation]] = {
    "matte": matte.PhotoMatte,
    "batch": folder.Folder,
    "photos": folder.NamedPhotos,
    "clip": clip.ClipCutout,
    "touch_up": touch_up.TouchUp,
    "zones": touch_up.PortraitZonesAre,
    "room": room.RoomPhotograph,
    "models": computer.Models,
    "install_model": computer.InstallModel,
    "cameras": computer.Cameras,
    "diagnose": computer.Diagnose,
    "tidy": computer.Tidy,
}

_ECHO = 200  # characters of what was wrong with a request, at most
_ENDING_SECONDS = 0.8  # for a download to clean up; the client waits a second
_ASIDE_SECONDS = 180.0  # that what runs in a thread of its own may go without a sign


class WorkerServer:
    """One worker's threads and queues; `warnings` is what a diagnosis shows of the log."""

    def __init__(
        self, parent: Parent, store: LayerStore, outputs_folder: Path, warnings: diagnose.RecentWarnings
    ) -> None:
        self._parent = parent
        self._beat = Beat(self._say_beat)
        self._worker = Worker(store, outputs_folder, warnings, self._notify, self._beat.moved, self._call)
        self._jobs = self._worker.under_way
        self._order = itertools.count()
        # (whether it gives way, its place in the line, which job it is for, what is to be done)
        self._to_compute: queue.PriorityQueue[tuple[bool, int, int, Callable[[], None]]] = queue.PriorityQueue()
        self._to_finish: queue.Queue[tuple[float, Job]] = queue.Queue(maxsize=2)
        self._asides: list[tuple[Future[None], Job]] = []
        self._warming_up = True

    def serve(self) -> None:
        """Answer requests until the input ends or one asks to shut down."""
        for written in (self._worker.store.folder, self._worker.outputs_folder, *runtime_folders.folders()):
            files.remove_stale(written)
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
        if number is not None and not is_number(number):
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
        elif method not in KINDS:
            self._fail(number, protocol.METHOD_NOT_FOUND, f"no method {method}")
        elif number is None:
            self._fail(None, protocol.INVALID_REQUEST, f"{method} needs an id")
        elif number in self._jobs:
            self._fail(None, protocol.INVALID_REQUEST, f"{number} is under way already")
        else:
            self._accept(number, method, params)
        return True

    def _accept(self, number: int, method: str, params: dict[str, Any]) -> None:
        try:
            request = parsed(KINDS[method], params)
        except CvmatteError as error:
            self._send({"id": number, "error": messages.error_to_wire(error)})
            return
        except (KeyError, TypeError, ValueError) as error:
            self._fail(number, protocol.INVALID_PARAMS, f"{type(error).__name__}: {error}")
            return
        self._jobs[number] = job = Job(number, request, self._worker)
        if isinstance(request, Aside):
            self._start_aside(job, request)
        else:
            self._queue(job, request)

    def _cancel(self, number: Any) -> None:
        job = self._jobs.get(number) if is_number(number) else None
        if job is not None:
            job.cancelled.set()
            if not job.begun:  # its turn may be far off
                self._answer_error(job, Cancelled())

    # Computing

    def _queue(self, job: Job, request: Computation) -> None:
        if self._warming_up and self._to_compute.empty():
            self._notify("waiting", id=job.number, stage="load", done=0, total=1)
        job.steps, job.turn = request.steps(job), (request.gives_way, next(self._order))
        self._to_compute.put((*job.turn, job.number, partial(self._step, job)))

    def _call(self, work: Callable[[Matter], Any], number: int = 0) -> Future[Any]:
        """Something that a job wants done with the Matter. number: the job's; 0 where it is a page itself."""
        result: Future[Any] = Future()
        call = partial(files.settle, result, lambda: work(self._worker.matter()))
        self._to_compute.put((False, next(self._order), number, call))
        return result

    def _compute_all(self) -> None:
        try:
            with self._beat.doing(0):
                self._worker.device = self._worker.matter().prepare(MatteSettings().model).device
        except BaseException as error:  # the first job will say it to the person
            logger.warning("warming up: %s", error)
        self._warming_up = False
        while True:
            matter = self._worker.loaded_matter
            idle = matter.let_go_of_idle() if matter is not None else None
            try:
                *_, number, compute = self._to_compute.get(timeout=idle)
            except queue.Empty:
                continue
            with self._beat.doing(number):
                compute()
            del compute  # and a job's pixels with it

    def _finish_all(self) -> None:
        while True:
            due, job = self._to_finish.get()
            cancelled = job.cancelled.wait(max(0.0, due - time.monotonic()))
            with self._beat.doing(job.number):
                self._step(job, cancelled)
            del job

    def _step(self, job: Job, cancelled: bool = False) -> None:
        """Go on with a job, or with its giving up where that is cancelled, until it pauses or is answered."""
        assert job.steps is not None
        job.begun = job.begun or time.perf_counter()
        try:
            # Cancelled has no name here: its traceback leads through this frame, and the two would keep each other, and
            # the job's pixels, until the garbage collector comes by.
            due = job.steps.throw(Cancelled()) if cancelled else next(job.steps)
        except StopIteration as end:
            self._answer(job, end.value)
        except BaseException as failure:  # whatever a picture makes of us, the next job is served
            self._answer_error(job, failure)
        else:
            if due is None:
                self._to_compute.put((*job.turn, job.number, partial(self._step, job)))
            else:
                self._to_finish.put((due, job))

    # Aside

    def _start_aside(self, job: Job, request: Aside) -> None:
        job.begun = time.perf_counter()

        def do() -> None:
            try:
                self._answer(job, request.run(job))
            except BaseException as error:
                self._answer_error(job, error)

        under_way = [(other, its_job) for other, its_job in self._asides if not other.done()]
        self._asides = [*under_way, (files.in_background(do, "aside"), job)]

    def _give_up_asides(self) -> None:
        """Answer for those that stand still, as one does that reaches for a drive which is gone."""
        for aside, job in self._asides:
            if not aside.done() and time.monotonic() - job.moved_at > _ASIDE_SECONDS:
                job.cancelled.set()  # should it go on one day, it ends
                self._answer_error(job, WorkerError("no_answer"))

    def _end_asides(self) -> None:
        self._worker.is_ending = True
        for _, job in self._asides:
            job.cancelled.set()
        futures.wait([aside for aside, _ in self._asides], _ENDING_SECONDS)

    # Answers

    def _answer(self, job: Job, result: Answer) -> None:
        if self._jobs.pop(job.number, None) is not None:
            self._send({"id": job.number, "result": result})

    def _answer_error(self, job: Job, error: BaseException) -> None:
        if self._jobs.pop(job.number, None) is None:  # cancelled, and answered, while it waited
            return
        if not isinstance(error, CvmatteError):
            logger.error("job %d", job.number, exc_info=error)
        elif not isinstance(error, Cancelled):
            logger.warning("job %d: %s", job.number, error)
        self._send({"id": job.number, "error": messages.error_to_wire(error)})

    def _fail(self, number: Any, code: int, message: str) -> None:
        self._send({"id": number, "error": {"code": code, "message": message[:_ECHO]}})

    def _say_beat(self, standing: Standing) -> None:
        self._give_up_asides()
        self._notify("beat", standing=standing)

    def _notify(self, method: str, **params: Any) -> None:
        self._send({"method": method, "params": params})

    def _send(self, message: dict[str, Any]) -> None:
        self._parent.send({**protocol.JSON_RPC, **message})


def main() -> None:
    parent = Parent.connected("%(asctime)s %(levelname)s %(message)s")
    warnings = diagnose.RecentWarnings()
    logging.getLogger().addHandler(warnings)
    WorkerServer(parent, LayerStore(), paths.outputs_folder(), warnings).serve()
    # At once, also out of the middle of a network's pass: nothing is left to wait for.
    os._exit(0)


if __name__ == "__main__":
    main()
