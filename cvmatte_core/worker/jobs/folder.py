"""A folder's photos become a folder of layers; and which photos a list of folders has.

Holds the output folder while it runs. Each progress message names that folder: started again with it, only the photos
that are left are cut out.
"""

from __future__ import annotations

import time
from concurrent import futures
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generator

from ...child_process import messages
from ...filesystem import files
from ...localization.errors import Cancelled, CvmatteError
from ...localization.notes import to_wire
from .job import Answer, Aside, Computation, Job, Steps
from .parameters import PathIfAny, Settings, Texts, WholeNumber, resolved

if TYPE_CHECKING:
    from ...batch.folders import FolderBatch

_TURN_SECONDS = 0.05  # that others wait at most while a folder is looked through


@dataclass(kw_only=True)
class Folder(Computation):
    folder: Path
    settings: Settings = field(default_factory=resolved)
    output_folder: PathIfAny = None
    room: PathIfAny = None

    gives_way = True

    def steps(self, job: Job) -> Steps:
        """A photo at each step, then the archive."""
        from ...batch.folders import ARCHIVE, WAITING, new_output_folder
        from ...batch.pipeline import Pipeline
        from ...matting.matter import Matter

        if job.cancelled.is_set():
            raise Cancelled
        # Whoever dies from here on died of this batch; then of the photo that it says.
        job.tell("batch", 0, 0)
        output_folder = self.output_folder or new_output_folder(self.folder)

        def tell(name: str, **more: Any) -> None:
            total = len(batch.entries)
            job.tell("batch", total - batch.counts[WAITING], total, name=name, **more)

        def tell_photo(photo: Path) -> None:
            tell(photo.name, resume={"output_folder": str(output_folder)})

        batch, photos = yield from self._looked_through(job, output_folder)
        with batch:
            if not batch.entries:
                raise CvmatteError("batch_no_photos", folder=str(self.folder))
            # A Matter of its own, which keeps no photo: the live portraits' raw mattes stay cached. The network is one.
            cutter = Pipeline(Matter(cache_bytes=0, touch_ups=job.worker.touch_ups), tell_photo)
            for _ in batch.run(photos, cutter, job.cancelled):
                yield None
            archive = batch.write_archive(job.cancelled, lambda: tell(ARCHIVE))
            failed = {name: entry.error for name, entry in batch.entries.items() if entry.error}
            noted = {name: entry.notes for name, entry in batch.entries.items() if entry.notes}
        return {
            "folder": str(batch.output_folder),
            "archive": str(archive or ""),
            "done": len(batch.entries) - len(failed),
            "failed": [{"name": name, "error": messages.error_to_wire(error)} for name, error in failed.items()],
            "noted": [{"name": name, "notes": to_wire(notes)} for name, notes in noted.items()],
            "seconds": round(time.perf_counter() - job.begun, 3),
        }

    def _looked_through(self, job: Job, output_folder: Path) -> Generator[None, None, tuple[FolderBatch, list[str]]]:
        """A batch and its photos that are left to do. A large folder on a network drive takes its time: others have
        their turn meanwhile, and a drive that doesn't answer is given up. Raises CvmatteError.
        """
        from ...batch.folders import FolderBatch

        seen = 0

        def on_look() -> None:
            nonlocal seen
            seen += 1
            if job.cancelled.is_set():
                raise Cancelled

        def scanned() -> tuple[FolderBatch, list[str]]:
            batch = FolderBatch(self.folder, self.settings, output_folder, room=self.room)
            try:
                return batch, batch.scan(on_look)
            except BaseException:
                batch.close()
                raise

        def look() -> tuple[FolderBatch, list[str]]:
            try:
                files.await_answer(output_folder)
                return files.patiently(scanned, self.folder, lambda: seen)
            except TimeoutError as error:
                job.cancelled.set()  # or the thread that is left to it would go on when the drive is back
                raise CvmatteError("batch_no_answer", folder=str(self.folder)) from error

        looked = futures.ThreadPoolExecutor(1, "look through").submit(look)
        while not futures.wait([looked], _TURN_SECONDS).done:
            if job.cancelled.is_set():
                looked.add_done_callback(lambda late: None if late.exception() else late.result()[0].close())
                raise Cancelled
            yield
        return looked.result()


@dataclass(kw_only=True)
class NamedPhotos(Aside):
    paths: Texts
    most: WholeNumber

    def run(self, job: Job) -> Answer:
        from ...batch.search import named_photos

        photos, empty = named_photos(map(Path, self.paths), self.most)
        return {"photos": [str(path) for path in photos], "empty": [str(path) for path in empty]}
