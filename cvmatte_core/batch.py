"""A folder of photos becomes a folder of layers and an archive of them, one photo at a time.

Whoever runs it decides what happens between two photos: see Batch.run.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import os
import threading
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator

from . import compose, files, images, outputs, paths
from .errors import Cancelled, CvmatteError, ImageError, WorkerError
from .matting import Matte, Matter
from .settings import MatteSettings
from .worker.protocol import error_from_wire, error_to_wire

logger = logging.getLogger(__name__)

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
_TRIES = 2  # of a photo at which the process ended

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Outcome:
    """What became of a photo: where its layer (and its mask) is, or else the error that says why there is none."""

    photo: str
    saved: Path | None = None
    mask: Path | None = None
    error: CvmatteError | None = None


class Batch:
    """A folder's photos on their way to layers.

    folder: where the photos are; its subfolders don't count. settings.output_folder doesn't count either: the layers
    go to output_folder, or else to a new folder beside the other outputs. resume: go on with the batch of this folder
    into this output folder whose process ended; what it has finished isn't done again, and a photo at which the
    process ended twice is left out.

    outcomes: what became of each photo so far, by its name. archive: the ZIP of all layers and masks, once the run
    has ended; None where there are none.

    Raises CvmatteError where the folder can't be read or has no photo in it, OutputError.
    """

    def __init__(
        self, folder: Path, settings: MatteSettings, output_folder: Path | None = None, *, resume: bool = False
    ) -> None:
        photos = photos_in(folder)
        if not photos and not resume:
            raise CvmatteError("batch_no_photos", folder=str(folder))
        self._folder = folder
        self._name = outputs.shortened(folder.absolute().name) or "photos"
        self._settings = settings
        self._made_for_this = output_folder is None
        self.output_folder = output_folder or _new_folder(self._name)
        self.archive: Path | None = None
        self._journal = _Journal(self.output_folder, folder)
        if resume:
            self._journal.read()
        if not self._journal.photos:
            self._journal.start([photo.name for photo in photos])

    @property
    def total(self) -> int:
        return len(self._journal.photos)

    @property
    def outcomes(self) -> dict[str, Outcome]:
        return self._journal.outcomes

    def run(
        self,
        matter: Matter,
        on_progress: Progress = lambda done, total, name: None,
        cancelled: threading.Event | None = None,
    ) -> Iterator[Outcome]:
        """Matte the photos that are left, one at each step, and write the archive after the last.

        on_progress(done, total, name) is called with the name of the photo or archive under way: when it begins, and
        then every now and then. A photo that won't do is an Outcome with an error. Raises ModelError where there is
        no model, OutputError where nothing can be written, or Cancelled: finished layers stay, without an archive.
        """

        def tell(name: str) -> None:
            on_progress(len(self.outcomes), self.total, name)

        try:
            matter.prepare(self._settings.model)
            for name in self._journal.photos:
                if name not in self.outcomes:
                    _stop_if(cancelled)
                    yield self._outcome(matter, self._folder / name, tell, cancelled)
            self.archive = self._write_archive(tell, cancelled)
        finally:
            self._journal.remove()
            if self._made_for_this and not self.outcomes:
                with contextlib.suppress(OSError):
                    self.output_folder.rmdir()

    def _outcome(
        self, matter: Matter, photo: Path, tell: Callable[[str], None], cancelled: threading.Event | None
    ) -> Outcome:
        """Matte a photo, and note in the journal how that went. Raises OutputError, Cancelled."""
        if self._journal.tries(photo.name) >= _TRIES:
            return self._journal.finish(Outcome(photo.name, error=WorkerError("worker_died_twice")))
        saved, mask = self._journal.promised(photo.name) or self._new_names(photo)
        self._journal.begin(photo.name, saved, mask)
        tell(photo.name)
        try:
            matte = matter(photo, self._settings, on_progress=lambda *step: tell(photo.name), cancelled=cancelled)
            layer, alpha = layer_file(matte, self._settings), mask_file(matte) if mask else b""
        except Cancelled:
            raise
        except Exception as error:  # whatever a picture makes of us, the next one has its turn
            return self._journal.finish(Outcome(photo.name, error=explained(error, photo.name)))
        files.write(saved, layer)
        if mask is not None:
            files.write(mask, alpha)
        return self._journal.finish(Outcome(photo.name, saved, mask))

    def _new_names(self, photo: Path) -> tuple[Path, Path | None]:
        """Free names for a photo's layer and mask: two photos may differ in their suffix alone."""
        plain = self.output_folder / (outputs.shortened(photo.stem) + images.suffix(self._settings.format))
        return outputs.free_names(plain, self._settings.save_mask)

    def _write_archive(self, tell: Callable[[str], None], cancelled: threading.Event | None) -> Path | None:
        found = [path for outcome in self.outcomes.values() for path in (outcome.saved, outcome.mask) if path]
        found = [path for path in found if path.is_file()]  # the person may have taken some away meanwhile
        if not found:
            return None
        target = outputs.unused(self.output_folder / f"{self._name}-cvmatte.zip")
        write_archive(target, [(path, path.name) for path in found], lambda: tell(target.name), cancelled)
        return target


def photos_in(folder: Path) -> list[Path]:
    """The photos in a folder, in the order of their names, subfolders and hidden files apart.

    Raises CvmatteError where the folder can't be read.
    """
    try:
        found = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.name[0] != "."]
        return sorted((path for path in found if path.is_file()), key=lambda path: (path.name.lower(), path.name))
    except (OSError, ValueError) as error:
        raise CvmatteError("batch_folder", folder=str(folder)) from error


def write_archive(
    target: Path,
    members: Iterable[tuple[Path, str]],
    on_member: Callable[[], None] = lambda: None,
    cancelled: threading.Event | None = None,
) -> None:
    """Write a ZIP of files, each under a name of its own. Raises OutputError, Cancelled: then there is none."""
    with files.atomic_write(target) as file, zipfile.ZipFile(file, "w", strict_timestamps=False) as archive:
        for path, name in members:
            _stop_if(cancelled)
            on_member()
            # Pictures are compressed already: stored, they cost no time.
            archive.write(path, name.encode("utf-8", "replace").decode(), zipfile.ZIP_STORED)


def layer_file(matte: Matte, settings: MatteSettings) -> bytes:
    """What the layer's file holds, in the format that the settings name."""
    file = io.BytesIO()
    images.write_layer(file, matte.layer, settings.format)
    return file.getvalue()


def mask_file(matte: Matte) -> bytes:
    """What the mask's file holds: a grey PNG, white is the person."""
    file = io.BytesIO()
    images.write_png(file, compose.alpha_bytes(matte.alpha))
    return file.getvalue()


def _stop_if(cancelled: threading.Event | None) -> None:
    if cancelled is not None and cancelled.is_set():
        raise Cancelled


def _new_folder(name: str) -> Path:
    folder = outputs.unused(paths.outputs_folder() / f"{name}-cvmatte-{time.strftime('%Y%m%d-%H%M%S')}")
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise files.output_error(error, folder.parent) from error
    return folder


def explained(error: Exception, name: str) -> CvmatteError:
    """What to tell the person of whatever a photo of that name raised."""
    if isinstance(error, CvmatteError):
        return error
    if isinstance(error, MemoryError):
        return ImageError("image_memory", name=name)
    logger.error("batch: %s", name, exc_info=error)
    return WorkerError("internal")


class _Journal:
    """What a batch would have to know if its process ended now: a line of JSON for each step, in a hidden file.

    tries: how often a photo was begun. promised: the names that were free for its layer and mask when it first was,
    so that what stands there now is its own.
    """

    def __init__(self, output_folder: Path, folder: Path) -> None:
        self._output_folder = output_folder
        digest = hashlib.sha256(os.fsencode(folder.absolute())).hexdigest()
        self._file = output_folder / f".cvmatte-batch-{digest[:12]}.jsonl"
        self.photos: list[str] = []
        self.outcomes: dict[str, Outcome] = {}
        self._begun: dict[str, list[tuple[Path, Path | None]]] = {}

    def tries(self, photo: str) -> int:
        return len(self._begun.get(photo, []))

    def promised(self, photo: str) -> tuple[Path, Path | None] | None:
        return self._begun[photo][0] if photo in self._begun else None

    def start(self, photos: list[str]) -> None:
        """Raises OutputError."""
        self.photos = photos
        files.write(self._file, json.dumps({"photos": photos}).encode("ascii"))

    def begin(self, photo: str, saved: Path, mask: Path | None) -> None:
        """Raises OutputError."""
        self._append({"begun": photo, "saved": saved.name, "mask": mask.name if mask else ""})
        self._begun.setdefault(photo, []).append((saved, mask))

    def finish(self, outcome: Outcome) -> Outcome:
        """Returns the outcome. Raises OutputError."""
        self._append({"finished": outcome.photo, "error": error_to_wire(outcome.error) if outcome.error else None})
        self.outcomes[outcome.photo] = outcome
        return outcome

    def remove(self) -> None:
        with contextlib.suppress(OSError):
            self._file.unlink()

    def read(self) -> None:
        """Know what the process that ended knew. A journal that isn't there, or is no journal, tells nothing."""
        with contextlib.suppress(OSError):
            for line in self._file.read_bytes().splitlines():
                with contextlib.suppress(ValueError, KeyError, TypeError):  # the process ended in mid-line
                    self._learn(json.loads(line))

    def _learn(self, step: dict[str, Any]) -> None:
        if "photos" in step:
            self.photos = step["photos"]
        elif "begun" in step:
            mask = self._output_folder / step["mask"] if step["mask"] else None
            self._begun.setdefault(step["begun"], []).append((self._output_folder / step["saved"], mask))
        else:
            photo, error = step["finished"], step["error"]
            saved, mask = (None, None) if error else self._begun[photo][0]
            self.outcomes[photo] = Outcome(photo, saved, mask, error_from_wire(error) if error else None)

    def _append(self, step: dict[str, Any]) -> None:
        try:
            with self._file.open("ab") as file:
                # The break comes first: the line before it may have been cut off.
                file.write(b"\n" + json.dumps(step).encode("ascii"))
        except OSError as error:
            raise files.output_error(error, self._output_folder) from error
