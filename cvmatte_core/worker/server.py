"""The worker: reads requests from stdin, mattes, answers on stdout. See protocol.py.

Three threads: this one reads; one computes, a job after the other; one finishes, which is writing the PNG and the
preview of a layer that OBS already shows, while the next job computes.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import queue
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from .. import __version__, files, paths
from ..errors import Cancelled, CvmatteError, SettingsError
from ..layer_store import LayerStore, Record
from ..settings import MatteSettings
from . import protocol

if TYPE_CHECKING:  # heavy: imported by the computing thread, after the handshake
    from ..matting import Matte, Matter

logger = logging.getLogger("cvmatte.worker")

_NICENESS = 10
_FRAMES_LIMIT = 2_000_000_000  # bytes of frame files kept
_PROGRESS_SECONDS = 0.05  # at most one progress message in so long


@dataclasses.dataclass
class _Job:
    number: int
    image: Path
    settings: MatteSettings
    force: bool
    rest_seconds: float
    cancelled: threading.Event
    begun: float = 0.0


class Server:
    """One worker's state; `output` is where messages go."""

    def __init__(self, output: BinaryIO, store: LayerStore, outputs_folder: Path) -> None:
        self._output = output
        self._output_lock = threading.Lock()
        self._store = store
        self._outputs_folder = outputs_folder
        self._jobs: dict[int, _Job] = {}
        self._to_compute: queue.Queue[_Job] = queue.Queue()
        self._to_finish: queue.Queue[tuple[_Job, Record, Matte, float]] = queue.Queue(maxsize=2)
        self._only_matter: Matter | None = None

    def serve(self, requests: BinaryIO) -> None:
        """Answer requests until the input ends or one asks to shut down."""
        for folder in (self._store.folder, self._outputs_folder):
            files.remove_stale(folder)
        for name, work in (("compute", self._compute_all), ("finish", self._finish_all)):
            threading.Thread(target=work, name=name, daemon=True).start()
        for line in iter(lambda: requests.readline(protocol.LONGEST_LINE), b""):
            if not self._receive(line):
                return

    def _receive(self, line: bytes) -> bool:
        try:
            message = protocol.decode(line)
        except ValueError:
            self._fail(None, protocol.PARSE_ERROR, "not a JSON object")
            return True
        number, method, params = message.get("id"), message.get("method"), message.get("params") or {}
        if not isinstance(method, str) or not isinstance(params, dict):
            self._fail(number, protocol.INVALID_REQUEST, "not a request")
        elif method == "initialize":
            answer = {"protocol": protocol.PROTOCOL_VERSION, "version": __version__, "pid": os.getpid()}
            self._send({"id": number, "result": answer})
        elif method == "matte":
            self._on_matte(number, params)
        elif method == "cancel":
            wanted = params.get("id")
            job = self._jobs.get(wanted) if isinstance(wanted, int) else None
            if job is not None:
                job.cancelled.set()
            if number is not None:
                self._send({"id": number, "result": {}})
        elif method == "shutdown":
            self._send({"id": number, "result": {}})
            return False
        else:
            self._fail(number, protocol.METHOD_NOT_FOUND, f"no method {method}")
        return True

    def _on_matte(self, number: Any, params: dict[str, Any]) -> None:
        if not isinstance(number, int):
            self._fail(None, protocol.INVALID_REQUEST, "matte needs a whole number as its id")
            return
        try:
            job = _Job(
                number,
                Path(params["image"]),
                MatteSettings.from_mapping(params.get("settings") or {}),
                bool(params.get("force", False)),
                float(params.get("rest_seconds", 0.0)),
                threading.Event(),
            )
        except SettingsError as error:
            self._send({"id": number, "error": protocol.error_to_wire(error)})
        except (KeyError, TypeError, ValueError) as error:
            self._fail(number, protocol.INVALID_PARAMS, f"{type(error).__name__}: {error}")
        else:
            self._jobs[number] = job
            self._to_compute.put(job)

    # Computing

    def _compute_all(self) -> None:
        try:
            self._matter().prepare(MatteSettings().model)
        except BaseException as error:  # the first job will say it to the person
            logger.warning("warming up: %s", error)
        while True:
            job = self._to_compute.get()
            try:
                self._compute(job)
            except BaseException as error:  # whatever a picture makes of us, the next job is served
                self._answer_error(job, error)

    def _matter(self) -> Matter:
        if self._only_matter is None:
            from ..matting import Matter

            self._only_matter = Matter()
        return self._only_matter

    def _compute(self, job: _Job) -> None:
        job.begun = time.perf_counter()
        last_told = 0.0

        def tell(stage: str, done: int, total: int) -> None:
            nonlocal last_told
            now = time.perf_counter()
            if done == 0 or now - last_told >= _PROGRESS_SECONDS:
                last_told = now
                self._notify("progress", id=job.number, stage=stage, done=done, total=total)

        if job.cancelled.is_set():
            raise Cancelled
        tell("start", 0, 1)
        key = self._store.key(str(job.image), job.settings)
        status = _status(job.image)
        if status is None and self._restore(job, key):
            return
        matte = self._matter()(job.image, job.settings, force=job.force, on_progress=tell, cancelled=job.cancelled)
        height, width = matte.layer.shape[:2]
        self._store.write_frame(key, width, height, matte.layer.data)
        self._notify("layer", id=job.number, key=key, width=width, height=height)
        logger.info("job %d: %d x %d, %s", job.number, width, height, _in_words(matte.seconds))
        record = Record(
            key=key,
            image=str(job.image),
            image_bytes=status.st_size if status else 0,
            image_modified_ns=status.st_mtime_ns if status else 0,
            png=str(self._png_path(job, matte.digest)),
            size=(width, height),
            seconds=round(time.perf_counter() - job.begun, 3),
        )
        self._to_finish.put((job, record, matte, time.monotonic() + job.rest_seconds))

    def _restore(self, job: _Job, key: str) -> bool:
        """Make the frame again from the layer's PNG, where the photo is gone. Says whether that could be done."""
        record = self._store.find(key)
        if record is None or not Path(record.png).is_file():
            return False
        from .. import images

        pixels = images.read_layer(Path(record.png))
        height, width = pixels.shape[:2]
        self._store.write_frame(key, width, height, pixels.data)
        self._notify("layer", id=job.number, key=key, width=width, height=height)
        self._answer(job, record)
        return True

    def _png_path(self, job: _Job, digest: str) -> Path:
        """Named after the photo, its content and the settings: a new result never takes an older one's name."""
        return self._outputs_folder / f"{job.image.stem[:80]}-{self._store.key(digest, job.settings)[:10]}.png"

    # Finishing

    def _finish_all(self) -> None:
        while True:
            job, record, matte, due = self._to_finish.get()
            try:
                self._finish(job, record, matte, due)
            except BaseException as error:
                self._answer_error(job, error)
            del job, record, matte

    def _finish(self, job: _Job, record: Record, matte: Matte, due: float) -> None:
        from .. import images

        # A slider on the move replaces its layers many times a second: only the one it rests on gets a PNG.
        if job.cancelled.wait(max(0.0, due - time.monotonic())):
            if self._store.find(record.key) is None:
                self._store.forget(record.key)
            raise Cancelled
        with files.atomic_write(self._store.preview_path(record.key)) as file:
            images.write_png(file, matte.preview())
        png = Path(record.png)
        if not png.exists():
            with files.atomic_write(png) as file:
                images.write_png(file, matte.layer)
        self._store.save(record)
        self._store.trim(_FRAMES_LIMIT)
        self._answer(job, record)

    # Answers

    def _answer(self, job: _Job, record: Record) -> None:
        self._jobs.pop(job.number, None)
        self._send({"id": job.number, "result": dataclasses.asdict(record)})

    def _answer_error(self, job: _Job, error: BaseException) -> None:
        self._jobs.pop(job.number, None)
        if not isinstance(error, CvmatteError):
            logger.error("job %d", job.number, exc_info=error)
        elif not isinstance(error, Cancelled):
            logger.warning("job %d: %s", job.number, error)
        self._send({"id": job.number, "error": protocol.error_to_wire(error)})

    def _fail(self, number: Any, code: int, message: str) -> None:
        self._send({"id": number, "error": {"code": code, "message": message}})

    def _notify(self, method: str, **params: Any) -> None:
        self._send({"method": method, "params": params})

    def _send(self, message: dict[str, Any]) -> None:
        with self._output_lock:
            try:
                self._output.write(protocol.encode(message))
                self._output.flush()
            except OSError:  # nobody listens any more
                os._exit(0)


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (OSError, ValueError):  # what is wrong with it, reading it will say
        return None


def _in_words(seconds: dict[str, float]) -> str:
    return ", ".join(f"{stage} {value * 1000:.0f} ms" for stage, value in seconds.items())


def main() -> None:
    # Messages get a descriptor of their own; whatever a library prints goes to the log instead.
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    Server(output, LayerStore(), paths.outputs_folder()).serve(sys.stdin.buffer)
    # At once, also out of the middle of a network's pass: nothing is left to wait for.
    os._exit(0)


if __name__ == "__main__":
    main()
