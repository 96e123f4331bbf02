"""A folder of photos, with its subfolders or without, becomes a folder of layers that mirrors it.

What it has made it records (see record.py), so that it can be ended at any time and run again.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import threading
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator

from ..filesystem import files, paths
from ..image import images
from ..layers import outputs
from ..layers.archive import write_zip
from ..layers.touch_ups import TouchUps
from ..localization.errors import CvmatteError, OutputError, WorkerError
from ..localization.notes import Note, sentences
from ..localization.texts import Texts
from ..models.catalogue import entry_of
from ..settings import MatteSettings
from .pipeline import Cutter, Made
from .record import BatchRecord, Names
from .search import walk

ARCHIVE, REPORT_JSON, REPORT_CSV = "batch_results.zip", "batch_report.json", "batch_report.csv"
DONE, UNCHANGED, FAILED, WAITING = "done", "unchanged", "failed", "waiting"
_TRIES = 2  # of a photo at which the process ended


@dataclass(frozen=True)
class Entry:
    """A file's line of the report. status: DONE in this run, UNCHANGED since an earlier one, FAILED or WAITING.

    file, layer, mask: paths below the two folders. size: (width, height) of the layer. bytes: of the photo's file.
    seconds: of matting, whenever that was. notes: of this run.
    """

    file: str
    status: str
    seconds: float = 0.0
    size: tuple[int, int] = (0, 0)
    bytes: int = 0
    layer: str = ""
    mask: str = ""
    error: CvmatteError | None = None
    notes: tuple[Note, ...] = ()


class FolderBatch(contextlib.AbstractContextManager["FolderBatch"]):
    """The photos of a folder on their way to an output folder, which is made if it is missing.

    entries: what became of each photo and unreadable subfolder, by its path below the folder. Use it in a `with` block:
    it locks the output folder. room: the empty room's photo, see Matter; in the folder itself, it is no photo to cut
    out. Raises CvmatteError if the folder can't be read, ModelError, OutputError.
    """

    def __init__(
        self,
        folder: Path,
        settings: MatteSettings,
        output_folder: Path,
        *,
        recursive: bool = False,
        room: Path | None = None,
    ) -> None:
        self.folder = folder.absolute()
        self.output_folder = output_folder.absolute()
        self.entries: dict[str, Entry] = {}
        self.left_out: list[str] = []  # by the last scan: clips, and pictures that aren't read
        self._settings = settings
        self._recursive = recursive
        self._room = room
        self._key = _key(settings, room)
        self._touch_ups = TouchUps()
        self._tried: dict[str, list[int]] = {}  # photos that failed, and their state as they did
        if not files.is_folder(self.folder):
            raise CvmatteError("batch_folder", folder=str(folder))
        self._record = BatchRecord(self.folder.resolve(), self.output_folder)
        # In one spelling for all that some file systems take for one.
        self._taken = {name.casefold() for name in self._record.taken()}
        for written in {self.output_folder, *((self.output_folder / name).parent for name in self._record.taken())}:
            files.remove_stale(written)

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._record.close()

    def scan(self, on_look: Callable[[], None] = lambda: None) -> list[str]:
        """Look for photos, and return those left to do; one that failed in this run only once it has changed. on_look:
        see walk. Raises CvmatteError if the folder can't be read."""
        unreadable, left_out = list[Path](), list[Path]()
        self.entries = {name: entry for name, entry in self.entries.items() if entry.status != WAITING}
        for path in walk(self.folder, self.output_folder, self._recursive, unreadable, left_out, on_look):
            if self._is_room(path):
                continue
            name = path.relative_to(self.folder).as_posix()
            state = files.state_of(path)
            if self._tried.get(name) == state:
                continue
            if not self._record.is_finished(name, state, self._key_of(path)):
                self.entries[name] = Entry(name, WAITING, bytes=state[0] if state else 0)
            elif name not in self.entries:
                self.entries[name] = self._entry(name, UNCHANGED, state[0])
        self.left_out = [path.relative_to(self.folder).as_posix() for path in left_out]
        for path in unreadable:
            name = path.relative_to(self.folder).as_posix() + "/"
            self.entries[name] = Entry(name, FAILED, error=CvmatteError("batch_folder", folder=str(path)))
        return [entry.file for entry in self.entries.values() if entry.status == WAITING]

    def run(self, photos: Iterable[str], cutter: Cutter, cancelled: threading.Event) -> Iterator[Entry]:
        """Matte photos of `scan`, and yield the entry of each as soon as its files are written, or it has failed.

        Raises ModelError if there is no model, OutputError if the disk is full or the output folder gone, whatever
        `cutter` does, Cancelled: finished files stay, and the next run goes on.
        """
        cutter.prepare(self._settings, self._room)
        waiting = [(name, self._record.tries.get(name, 0)) for name in photos]
        blamed = [name for name, tries in waiting if tries >= _TRIES]
        try:
            for name in blamed:
                yield self._failed(name, WorkerError("worker_died_twice"))
            # One of these made the last process end: alone, it can be told which.
            yield from self._run([name for name, tries in waiting if 0 < tries < _TRIES], cutter, cancelled, alone=True)
            yield from self._run([name for name, tries in waiting if not tries], cutter, cancelled, alone=False)
        finally:
            # Not before: should another photo end this process, the next one must still know of these.
            for name in blamed:
                with contextlib.suppress(OutputError):
                    self._record.let_go(name)

    def _run(self, photos: list[str], cutter: Cutter, cancelled: threading.Event, alone: bool) -> Iterator[Entry]:
        begun: dict[Path, tuple[str, list[int], Names]] = {}

        def beginning() -> Iterator[Path]:
            for name in photos:
                path, names = self.folder / name, self._names(name)
                begun[path] = (name, files.state_of(path), names)
                self._record.begin(name, names, a_try=cutter.in_this_process)
                yield path

        try:
            line = cutter.cut_out(beginning(), cancelled, alone=alone)
            with contextlib.closing(line):  # its threads end before this does
                for made in line:
                    name, state, names = begun[made.photo]
                    entry = self._written(name, state, names, made)
                    del begun[made.photo]
                    yield entry
        finally:
            for name, _, _ in begun.values():
                with contextlib.suppress(OutputError):
                    self._record.let_go(name)

    def _written(self, name: str, state: list[int], names: Names, made: Made) -> Entry:
        """Raises OutputError if no other photo could be written either."""
        error = made.error
        if error is None:
            try:
                files.write(self.output_folder / names.layer, made.layer)
                if made.mask is not None:
                    files.write(self.output_folder / names.mask, made.mask)
            except OutputError as failure:
                if failure.key == "disk_full":
                    raise
                error = failure  # of this subfolder alone, or else the record can't be written either
        if error is not None:
            self._tried[name] = state
            self._record.let_go(name)
            return self._failed(name, error)
        self._tried.pop(name, None)
        self._record.finish(name, state, self._key_of(self.folder / name), names, made.size, made.seconds)
        self.entries[name] = replace(self._entry(name, DONE, state[0] if state else 0), notes=made.notes)
        return self.entries[name]

    def _is_room(self, path: Path) -> bool:
        with contextlib.suppress(OSError):
            return self._room is not None and path.name == self._room.name and path.samefile(self._room)
        return False

    def _key_of(self, photo: Path) -> str:
        """Stands for all that the layer depends on but the photo; one that was touched up since is done again."""
        return self._key + self._touch_ups.stamp_at(photo)

    def _failed(self, name: str, error: CvmatteError) -> Entry:
        self._tried.setdefault(name, files.state_of(self.folder / name))
        self.entries[name] = Entry(name, FAILED, bytes=self.entries[name].bytes, error=error)
        return self.entries[name]

    def _entry(self, name: str, status: str, size_bytes: int) -> Entry:
        done = self._record.done[name]
        return Entry(name, status, done.seconds, done.size, size_bytes, done.names.layer, done.names.mask)

    def _names(self, name: str) -> Names:
        """Names for a photo's files: those that it had, else free ones: two photos may differ in their suffix alone."""
        suffix = images.suffix(self._settings.format)
        before = self._record.names_of(name)
        layer, mask = Path(before.layer if before else name), None
        if before:  # the same again, also with a mask now, or in another format
            layer = layer.with_name(layer.stem + suffix)
            mask = outputs.mask_beside(layer) if self._settings.save_mask else None
        if not before or not all(self._may_take(name, before, path) for path in (layer, mask) if path is not None):
            layer = Path(name).with_name(outputs.shortened(Path(name).stem) + suffix)
            layer, mask = outputs.free_names(layer, self._settings.save_mask, self._is_taken)
        self._taken |= {path.as_posix().casefold() for path in (layer, mask) if path is not None}
        return Names(layer.as_posix(), mask.as_posix() if mask is not None else "")

    def _may_take(self, photo: str, before: Names, path: Path) -> bool:
        name = path.as_posix()
        its_own = name in (before.layer, before.mask) or self._record.may_replace(photo, name)
        return its_own or not self._is_taken(path)

    def _is_taken(self, path: Path) -> bool:
        return path.as_posix().casefold() in self._taken or os.path.lexists(self.output_folder / path)

    # What tells of it

    @property
    def counts(self) -> dict[str, int]:
        """How many entries have each status."""
        statuses = [entry.status for entry in self.entries.values()]
        return {status: statuses.count(status) for status in (DONE, UNCHANGED, FAILED, WAITING)}

    def write_reports(self, texts: Texts, seconds: float) -> None:
        """Write the report as JSON and as CSV; seconds: of this run. Raises OutputError."""
        rows = []
        for _, entry in sorted(self.entries.items()):
            size = "x".join(map(str, entry.size)) if entry.layer else ""
            sentence = entry.error.sentence(texts) if entry.error else ""
            rows.append({**vars(entry), "size": size, "error": sentence, "notes": sentences(entry.notes, texts)})
        report = {
            "folder": str(self.folder),
            "output_folder": str(self.output_folder),
            "settings": self._settings.as_dict(),
            "seconds": round(seconds, 3),
            **self.counts,
            "photos": rows,
        }
        table = io.StringIO(newline="")
        writer = csv.DictWriter(table, list(asdict(Entry("", ""))))
        writer.writeheader()
        writer.writerows(rows)
        self._place(REPORT_JSON, json.dumps(report, indent=1).encode("ascii"))
        # With the mark that tells Excel of UTF-8.
        self._place(REPORT_CSV, table.getvalue().encode("utf-8-sig", "backslashreplace"))

    def write_archive(self, cancelled: threading.Event, on_file: Callable[[], None] = lambda: None) -> Path | None:
        """Write the ZIP of layers and masks, unless it is there; None without any. Raises OutputError, Cancelled."""
        names = [name for _, entry in sorted(self.entries.items()) for name in (entry.layer, entry.mask) if name]
        members = [(path, name) for name in names if files.is_file(path := self.output_folder / name)]
        if not members:
            return None
        content = hashlib.sha256(
            repr([(name, files.state_of(path)) for path, name in members]).encode("ascii", "replace")
        )
        name = self._own_name(ARCHIVE)
        if not self._record.is_current(name, content.hexdigest()):
            write_zip(self.output_folder / name, members, on_file, cancelled)
            self._record.note(name, content.hexdigest())
        return self.output_folder / name

    def _place(self, wanted: str, content: bytes) -> None:
        name = self._own_name(wanted)
        files.write(self.output_folder / name, content)
        self._record.note(name)

    def _own_name(self, wanted: str) -> str:
        """The name, or the first numbered one that is free or this batch's own."""
        names = (path.name for path in outputs.numbered(Path(wanted)))
        return next(name for name in names if self._record.own(name) or not os.path.lexists(self.output_folder / name))


def new_output_folder(folder: Path) -> Path:
    """A free name, beside the other outputs, for what a folder's photos become."""
    name = outputs.shortened(folder.absolute().name) or "photos"
    return outputs.unused(paths.outputs_folder() / f"{name}-cvmatte-{time.strftime('%Y%m%d-%H%M%S')}")


def _key(settings: MatteSettings, room: Path | None) -> str:
    """Stands for all that a layer depends on but the photo. Raises ModelError."""
    model = entry_of(settings.model)
    values: dict[str, Any] = {**settings.identity(), "output_folder": "", "model": [model.name, model.sha256]}
    if settings.background == "image":
        values["background_image"] = [settings.background_image, files.state_of(Path(settings.background_image))]
    if room is not None:
        values["room"] = [str(room.absolute()), files.state_of(room)]
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode("ascii")).hexdigest()[:16]
