"""Jobs: many photos and clips one after the other, or the fetching of a model, whose progress can be followed."""

from __future__ import annotations

import contextlib
import functools
import secrets
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Mapping

from ..batch import pipeline
from ..image import file_types, images
from ..layers import outputs
from ..layers.archive import write_zip
from ..localization.errors import Cancelled, CvmatteError, OutputError, RequestError
from ..localization.notes import Note
from ..localization.texts import Texts
from ..matting.matter import Matter
from ..matting.room.picture import read_room
from ..models.catalogue import ModelEntry, needs_packages
from ..models.fetch import fetch
from ..settings import MatteSettings
from ..system import devices
from .answers import explained, noted
from .threads import Deadline, Drive, Engine

WAITING, RUNNING, DONE, FAILED, CANCELLED = "waiting", "running", "done", "failed", "cancelled"
_UNFINISHED_LIMIT = 8
_KEPT = 24  # jobs that have ended
_KEPT_SECONDS = 3600.0
_RETRY_SECONDS = 10


@dataclass
class Item:
    """A photo of a job, or a clip.

    name: what the person calls it. progress: 0 to 1. results: of "layer" and "mask", the file and what the person calls
    it. version: grows with every change.
    """

    name: str
    photo: Path
    error: CvmatteError | None = None
    state: str = WAITING
    progress: float = 0.0
    seconds: float = 0.0
    results: dict[str, tuple[Path, str]] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    version: int = 0


@dataclass
class WebJob:
    """What was asked for, and how far it is. folder: its own, for all its files; items: none where it fetches.

    room: the empty room's photo, for all of them. names: of the files that go with them all, see `named`.
    fetched: bytes, and of how many; the latter is 0 as long as that isn't known.
    """

    kind: str
    title: str
    folder: Path
    items: list[Item] = field(default_factory=list)
    room: Path | None = None
    names: dict[str, str] = field(default_factory=dict)
    id: str = field(default_factory=lambda: secrets.token_urlsafe(18))
    state: str = WAITING
    error: CvmatteError | None = None
    archive: Path | None = None
    fetched: tuple[int, int] = (0, 0)
    ended: float = 0.0
    version: int = 0
    cancelled: threading.Event = field(default_factory=threading.Event)
    _taken: set[str] = field(default_factory=set)  # names

    @property
    def is_over(self) -> bool:
        return self.state in (DONE, FAILED, CANCELLED)

    def change(self, item: Item | None = None, **values: Any) -> None:
        """Set fields of the job, or of one of its items, so that whoever follows it sees that."""
        for name, value in values.items():
            setattr(item or self, name, value)
        if item is not None:
            item.version = self.version + 1
        self.version += 1

    def new_names(self, photo: str, suffix: str) -> list[str]:
        """Of a photo's layer and mask: unique in the archive whatever their case, and never a path."""
        plain = Path((outputs.shortened(Path(photo).stem) or "photo") + suffix)
        found = outputs.free_names(plain, True, lambda path: path.name.casefold() in self._taken)
        names = [path.name for path in found if path is not None]
        self._taken |= {name.casefold() for name in names}
        return names

    def end(self, state: str, error: CvmatteError | None = None) -> None:
        self.ended = time.monotonic()
        for item in self.items:
            if item.state in (WAITING, RUNNING):
                self.change(item, state=CANCELLED)
        self.change(error=error, state=state)  # the state last: whoever sees that it is over sees why

    def as_json(self, texts: Texts, since: int = -1) -> dict[str, Any]:
        """The job as a client reads it, with the items that changed after a version."""
        return {
            "id": self.id,
            "kind": self.kind,
            "title": self.title,
            "state": self.state,
            "total": len(self.items),
            "done": sum(item.state == DONE for item in self.items),
            "failed": sum(item.state == FAILED for item in self.items),
            "archive": f"/jobs/{self.id}/archive" if self.archive else None,
            "fetched_bytes": self.fetched[0],
            "total_bytes": self.fetched[1],
            **explained(self.error, texts),
            "items": [
                self._item(number, item, texts) for number, item in enumerate(self.items) if item.version > since
            ],
        }

    def _item(self, number: int, item: Item, texts: Texts) -> dict[str, Any]:
        return {
            "number": number,
            "name": item.name,
            "state": item.state,
            "kind": "clip" if file_types.is_clip(item.name) else "photo",
            "progress": round(item.progress, 2),
            "seconds": round(item.seconds, 2),
            "result": f"/jobs/{self.id}/results/{number}" if "layer" in item.results else None,
            "mask": f"/jobs/{self.id}/masks/{number}" if "mask" in item.results else None,
            "notes": noted(item.notes, texts),
            **explained(item.error, texts),
        }


class Jobs:
    """The jobs of a server: kept for an hour after their end, and found by their ids only, which can't be guessed."""

    def __init__(self, engine: Engine, drive: Drive, folder: Path, seconds: float) -> None:
        """drive: that of the folder, which they keep their files in. Only the jobs' own threads wait for it."""
        self._engine, self._drive, self._folder = engine, drive, folder
        self._seconds = seconds  # that a photo may take
        self._jobs: dict[str, WebJob] = {}
        self._lock = threading.RLock()
        # Two threads, so that a model can be fetched while a long job of photos runs.
        self._photos = ThreadPoolExecutor(1, thread_name_prefix="jobs")
        self._models = ThreadPoolExecutor(1, thread_name_prefix="models")

    def new(self, kind: str, title: str) -> WebJob:
        """A job that waits, whose folder is still to be made. Raises RequestError where there are too many."""
        with self._lock:
            self._tidy()
            if sum(not job.is_over for job in self._jobs.values()) >= _UNFINISHED_LIMIT:
                raise RequestError("server_busy", seconds=_RETRY_SECONDS)
            job = WebJob(kind, title, self._folder / secrets.token_hex(16))
            self._jobs[job.id] = job
            return job

    def find(self, id: str) -> WebJob:
        """Raises RequestError where there is no such job."""
        with self._lock:
            self._tidy()
            if id not in self._jobs:
                raise RequestError("job_unknown")
            return self._jobs[id]

    def forget(self, job: WebJob) -> Future[None]:
        """Forget a job that is over, or hasn't started. The answer comes once its files are gone."""
        with self._lock:
            self._jobs.pop(job.id, None)
        return self._drive.remove(job.folder)

    def start(self, job: WebJob, settings: MatteSettings) -> None:
        self._photos.submit(self._guarded, job, lambda: self._cut_out(job, settings))

    def install(self, entry: ModelEntry) -> WebJob:
        """Fetch a model; the job that does so already, where there is one. Raises RequestError."""
        for job in list(self._jobs.values()):
            if job.kind == "install" and job.title == entry.title and not job.is_over:
                return job
        job = self.new("install", entry.title)
        self._models.submit(self._guarded, job, lambda: self._fetch(job, entry))
        return job

    def close(self) -> None:
        for job in list(self._jobs.values()):
            job.cancelled.set()
        for threads in (self._photos, self._models):
            threads.shutdown(wait=True, cancel_futures=True)

    def _guarded(self, job: WebJob, work: Callable[[], None]) -> None:
        try:
            if job.cancelled.is_set():
                raise Cancelled
            job.change(state=RUNNING)
            work()
            job.end(DONE)
        except Cancelled:
            with contextlib.suppress(OutputError):
                self._write_archive(job)
            job.end(CANCELLED)
        except Exception as error:
            job.end(FAILED, pipeline.explained(error, job.title))

    def _cut_out(self, job: WebJob, settings: MatteSettings) -> None:
        for number, item in enumerate(job.items):
            if job.cancelled.is_set():
                raise Cancelled
            if item.state != WAITING:
                continue
            job.change(item, state=RUNNING)
            begun = time.monotonic()
            try:
                cut_out = self._clip if file_types.is_clip(item.name) else self._photo
                cut_out(job, job.folder / str(number), item, settings)
                job.change(item, state=DONE, progress=1.0, seconds=time.monotonic() - begun)
            except Cancelled:
                raise
            except Exception as error:  # one photo's failure mustn't stop the others
                failure = pipeline.explained(error, item.name)
                job.change(item, state=FAILED, error=named(failure, {**job.names, item.photo.name: item.name}))
            if item.photo.parent == job.folder:
                item.photo.unlink(missing_ok=True)  # an upload: nobody else needs it
        self._write_archive(job)

    def _photo(self, job: WebJob, to: Path, item: Item, settings: MatteSettings) -> None:
        pictures = self._engine.run(functools.partial(self._pictures, job, item, settings)).result()
        names = job.new_names(item.name, images.suffix(settings.format))
        for kind, content, name in zip(("layer", "mask"), pictures, names):
            if content is not None:
                to.with_suffix(f".{kind}").write_bytes(content)
                item.results[kind] = to.with_suffix(f".{kind}"), name

    def _clip(self, job: WebJob, to: Path, item: Item, settings: MatteSettings) -> None:
        """Runs in this thread, so that other people's photos aren't held up. Cancelled, it leaves a clip that plays."""
        with needs_packages("clips_need_packages", "video"):
            from ..video import clips
        kind, total = file_types.clip_before(settings.background), max(1, clips.look_at(item.photo).frames)

        def step(done: int) -> None:
            job.change(item, progress=min(0.99, done / total))

        threads = max(1, devices.threads() // 2)
        room = read_room(job.room).rgb if job.room is not None else None
        about = item.photo, to.with_suffix(kind), settings, threads
        made = clips.cut_out(*about, on_frame=step, ended=job.cancelled, room=room)
        item.results["layer"], item.notes = (made.path, job.new_names(item.name, kind)[0]), made.notes
        if not made.whole:
            raise Cancelled

    def _pictures(self, job: WebJob, item: Item, settings: MatteSettings, matter: Matter) -> tuple[bytes, bytes | None]:
        in_time = Deadline(self._seconds)

        def step(stage: str, done: int, total: int) -> None:
            in_time()
            if stage == "network":
                job.change(item, progress=0.1 + 0.7 * done / max(1, total))

        matte = matter(item.photo, settings, room=job.room, on_progress=step, cancelled=job.cancelled)
        item.notes = matte.notes
        return matte.files(settings)

    def _fetch(self, job: WebJob, entry: ModelEntry) -> None:
        def step(_stage: str, done: int, total: int) -> None:
            if total > 1:
                job.change(fetched=(done, total))

        fetch(entry, step, job.cancelled)
        self._engine.warm_up()

    def _write_archive(self, job: WebJob) -> None:
        """All results in one ZIP. Raises OutputError."""
        made = [result for item in job.items for result in item.results.values()]
        if made:
            write_zip(job.folder / "archive", made)
            job.change(archive=job.folder / "archive")

    def _tidy(self) -> None:
        over = sorted((job for job in self._jobs.values() if job.is_over), key=lambda job: job.ended, reverse=True)
        for place, job in enumerate(over):
            if place >= _KEPT or time.monotonic() - job.ended > _KEPT_SECONDS:
                self.forget(job)


def named(error: CvmatteError, names: Mapping[str, str]) -> CvmatteError:
    """The error with the photo's name as the person knows it. names: those, by the names of the files kept of them."""
    if error.values.get("name") in names:
        error.values["name"] = names[error.values["name"]]
    return error
