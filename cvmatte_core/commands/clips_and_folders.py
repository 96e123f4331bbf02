"""What scripts/matte.py does with what takes long, a clip or a folder: a progress bar, a clean end, and watching."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..batch import cluster
from ..batch.folders import DONE, FAILED, UNCHANGED, WAITING, Entry, FolderBatch
from ..batch.pipeline import Cutter, Pipeline
from ..batch.record import State
from ..batch.search import settled
from ..filesystem import files
from ..image import file_types
from ..layers.touch_ups import TouchUps
from ..localization.errors import Cancelled, ClusterError, CvmatteError, OutputError
from ..localization.notes import sentences
from ..localization.texts import Texts
from ..matting.matter import Matter
from ..matting.room.picture import read_room
from ..models.catalogue import needs_packages
from ..settings import MatteSettings
from ..system import devices
from .program import ALL_GOOD, INTERRUPTED, NOTHING_DONE, SOME_FAILED, tell

_NAMED = 5  # files that are left out
_WATCH_SECONDS = 1.0  # between two looks at the folder; a file that stays the same from one to the next is whole


def is_animated(picture: Path) -> bool:
    """Whether a picture is made to move: a GIF, or another with more than one frame; not where clips need packages."""
    try:
        from ..video import animation
    except ImportError:
        return False
    return picture.suffix.lower() == file_types.GIF or animation.count(picture) > 1


def cut_out_clip(source: Path, settings: MatteSettings, target: Path, chosen: Namespace, texts: Texts) -> int:
    """Cut out a clip, and return the exit code. Raises CvmatteError; Cancelled where Ctrl+C left nothing."""
    with needs_packages("clips_need_packages", "video"):
        from ..video import clips
    total = clips.look_at(source).frames or None
    if settings.id_photo != "off":  # a preset's: given as an option, it is refused before
        print(texts("clip.no_id_photo", name=source.name), file=sys.stderr)
    room = read_room(chosen.room).rgb if chosen.room is not None else None
    if chosen.room_at is not None:
        room = clips.frame_at(source, chosen.room_at)
    bar = tqdm(total=total, unit=texts("clip.unit"), disable=None, dynamic_ncols=True)
    with ended_by_signals() as ended, bar:
        threads, device = chosen.threads or devices.threads(), chosen.device
        about = source, target, settings, threads, device
        made = clips.cut_out(*about, lambda done: bar.update(done - bar.n), ended, room=room)
    if made.notes:
        print(f"{source.name}: {sentences(made.notes, texts)}", file=sys.stderr)
    print(texts("clip.saved" if made.whole else "clip.saved_part", path=made.path, frames=made.frames))
    return 0 if made.whole else INTERRUPTED


def cut_out_folder(folder: Path, settings: MatteSettings, target: Path, chosen: Namespace, texts: Texts) -> int:
    """Cut out a folder, and return the exit code; whatever prevents it is told as a sentence."""
    try:
        with (
            FolderBatch(folder, settings, target, recursive=chosen.recursive, room=chosen.room) as batch,
            _cutting(chosen) as cutter,
            ended_by_signals() as ended,
            # disable=None: shown only where a person looks on.
            tqdm(unit=texts("matte.unit"), disable=None, dynamic_ncols=True, smoothing=0.1) as bar,
        ):
            return _Run(batch, texts, cutter, ended, bar, chosen.watch).code()
    except CvmatteError as error:
        tell(error, texts)
        return NOTHING_DONE


def _cutting(chosen: Namespace) -> AbstractContextManager[Cutter]:
    if chosen.ray is not None:
        return cluster.connected(chosen.ray, chosen.threads, chosen.device)
    matter = Matter(chosen.threads, 0, device=chosen.device, touch_ups=TouchUps())  # caches nothing
    return contextlib.nullcontext(Pipeline(matter))


@contextlib.contextmanager
def ended_by_signals() -> Iterator[threading.Event]:
    """An event that Ctrl+C, or a request to terminate, sets; the second time they act at once, as always."""
    ended = threading.Event()

    def end(number: int, frame: object) -> None:
        ended.set()
        signal.signal(number, before[number])

    before: dict[int, Any] = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass
class _Run:
    """One run over a folder: `bar` is the progress bar, `ended` is set when the person wants an end."""

    batch: FolderBatch
    texts: Texts
    cutter: Cutter
    ended: threading.Event
    bar: Any
    watch: bool
    begun: float = field(default_factory=time.perf_counter)
    told: set[str] = field(default_factory=set)  # what failed, and was said to

    def code(self) -> int:
        """Do it all, and return the exit code. Raises CvmatteError where there is nothing to do."""
        trouble = ""
        try:
            if self.watch:
                self._keep_watching()
            else:
                self._round(self.batch.scan())
                if self.batch.left_out:
                    shown = ", ".join(self.batch.left_out[:_NAMED])
                    more = len(self.batch.left_out) - _NAMED
                    self._say(self.texts("matte.left_out", names=f"{shown} (+{more})" if more > 0 else shown))
                if not self.batch.entries:
                    raise CvmatteError("batch_no_photos", folder=str(self.batch.folder))
        except Cancelled:
            pass
        except (ClusterError, OutputError) as error:
            full = self.texts("matte.disk_full", folder=error.values.get("folder", ""))
            trouble = full if error.key == "disk_full" else error.sentence(self.texts)
        return self._end(trouble)

    def _keep_watching(self) -> None:
        """Until the person ends it. Raises Cancelled where that is amid a photo."""
        before: dict[str, State] = {}
        self._say(self.texts("matte.watching", folder=self.batch.folder))
        while not self.ended.wait(_WATCH_SECONDS):
            now = {name: files.state_of(self.batch.folder / name) for name in self.batch.scan()}
            self._round(settled(now, before), reports=True)
            before = now

    def _round(self, photos: list[str], reports: bool = False) -> None:
        """Matte these photos. Raises OutputError, Cancelled."""
        for entry in self.batch.entries.values():
            self._tell_failure(entry)
        if not photos:
            return
        self.bar.total = (self.bar.total or 0) + len(photos)
        self.bar.refresh()
        for entry in self.batch.run(photos, self.cutter, self.ended):
            self.told.discard(entry.file)
            self._tell_failure(entry)
            if entry.notes:
                self._say(f"{entry.file}: {sentences(entry.notes, self.texts)}")
            self.bar.update()
        if reports:
            self.batch.write_reports(self.texts, time.perf_counter() - self.begun)

    def _end(self, trouble: str) -> int:
        """Write what tells of the run, and say how it went."""
        counts = self.batch.counts
        interrupted = self.ended.is_set() and (counts[WAITING] > 0 or not self.watch)
        archive = None
        try:
            self.batch.write_reports(self.texts, time.perf_counter() - self.begun)
            if not trouble and not interrupted:
                self.ended.clear()  # a watch that the person has ended still gets its archive
                archive = self.batch.write_archive(self.ended)
        except Cancelled:
            interrupted = True
        except OutputError as error:
            trouble = trouble or error.sentence(self.texts)
        self.bar.close()
        if trouble:
            print(trouble, file=sys.stderr)
        good = counts[DONE] + counts[UNCHANGED]
        print(self.texts("matte.summary", folder=self.batch.output_folder, **counts))
        if archive:
            print(self.texts("matte.saved", path=archive))
        if interrupted:
            return INTERRUPTED
        if not good:
            return NOTHING_DONE
        return SOME_FAILED if counts[FAILED] or trouble else ALL_GOOD

    def _tell_failure(self, entry: Entry) -> None:
        if entry.error is not None and entry.file not in self.told:
            self.told.add(entry.file)
            tell(entry.error, self.texts, f"{entry.file}: ", self._say)

    def _say(self, line: str) -> None:
        self.bar.write(line, file=sys.stderr)
