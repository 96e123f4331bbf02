"""A photo becomes a layer: shown by OBS first, and saved once nobody moves a control any more.

Holds nothing but frame files; started again, it is simply made anew.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from ...filesystem import files
from ...layers import outputs
from ...layers.store import LARGEST_SIDE, LayerRecord, LayerStore
from ...localization.errors import Cancelled, OutputError
from ...localization.notes import to_wire
from ...system import memory
from .job import Answer, Computation, Job, Steps
from .parameters import PathIfAny, Settings, resolved

if TYPE_CHECKING:
    import numpy as np

    from ...matting.matter import Matte

logger = logging.getLogger(__name__)

_FRAMES_LIMIT = 2_000_000_000  # bytes of frame files kept
_LONGEST_REST = 3600.0  # seconds
_RESTORABLE = (".png", ".webp")  # a JPEG has lost the layer's transparency


def _rest(sent: Any) -> float:
    if isinstance(sent, bool) or not 0 <= sent <= _LONGEST_REST:  # what is no number at all isn't either
        raise ValueError(f"rest_seconds is 0 to {_LONGEST_REST:.0f}")
    return float(sent)


def _burst(sent: Any) -> list[Path]:
    return [Path(path) for path in sent or ()]


class _Frames:
    """Writes and removes frame files, and never one that another job has just written."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def show(self, job: Job, key: str, layer: np.ndarray, made_from: tuple[int, int]) -> tuple[int, int]:
        """layer: uint8 RGBA, as it is saved. Returns the width and height that OBS has of it."""
        from ...image import geometry

        shown = geometry.reduced_layer(layer, LARGEST_SIDE)
        height, width = shown.shape[:2]
        with self._lock:
            job.worker.store.write_frame(key, width, height, shown.data, made_from)
        job.worker.notify("layer", id=job.number, key=key, made_from=made_from, width=width, height=height)
        return width, height

    def forget(self, job: Job, key: str) -> None:
        """Remove the frame of a layer that was never saved, unless another job of the same request is under way."""
        store = job.worker.store
        with self._lock:
            others = (other for other in job.worker.requests(PhotoMatte) if other is not job.request)
            if store.find(key) is None and not any(other.key == key for other in others):
                store.forget(key)


@dataclass(kw_only=True)
class PhotoMatte(Computation):
    image: Path
    settings: Settings = field(default_factory=resolved)
    rest_seconds: Annotated[float, _rest] = 0.0
    burst: Annotated[list[Path], _burst] = field(default_factory=list)
    room: PathIfAny = None

    @property
    def key(self) -> str:
        return LayerStore.key(str(self.image), self.settings, self.room)

    def steps(self, job: Job) -> Steps:
        with memory.needed_for(self.image.name):
            made = self._show(job)
            if isinstance(made, dict):
                return made
            try:
                # A slider on the move replaces its layers many times a second: only the one it rests on is saved.
                yield time.monotonic() + self.rest_seconds
            except Cancelled:
                job.worker.held(_Frames).forget(job, self.key)
                raise
            return self._save(job, *made)

    def _show(self, job: Job) -> Answer | tuple[LayerRecord, Matte]:
        """Show the layer. Returns what is to be saved, or the answer where it is saved already."""
        job.tell("start", 0, 1)
        burst = []
        if self.burst:  # also of a job that was cancelled: the next one for this still has no burst
            from ...matting import still_burst

            burst = still_burst.take(self.image, self.burst)
        if job.cancelled.is_set():
            raise Cancelled
        from ...image import images

        status = images.status(self.image)
        restored = self._restored(job) if status is None else None
        if restored is not None:
            return restored
        matte = job.worker.matter()(
            self.image,
            self.settings,
            burst=burst,
            room=self.room,
            on_progress=job.tell,
            cancelled=job.cancelled,
            reduced_before_crop=True,
        )
        job.worker.device = matte.device
        made_from = (status.st_size, status.st_mtime_ns) if status else (0, 0)
        width, height = job.worker.held(_Frames).show(job, self.key, matte.layer, made_from)
        stages = ", ".join(f"{stage} {seconds * 1000:.0f} ms" for stage, seconds in matte.seconds.items())
        logger.info("job %d: %d x %d, %s", job.number, width, height, stages)
        record = LayerRecord(
            key=self.key,
            image=str(self.image),
            image_bytes=made_from[0],
            image_modified_ns=made_from[1],
            saved=str(self._layer_path(job, matte.digest + matte.touch_up)),
            size=(width, height),
            seconds=round(time.perf_counter() - job.begun, 3),
            digest=matte.digest,
            touch_up=matte.touch_up,
        )
        return record, matte

    def _restored(self, job: Job) -> Answer | None:
        """Make the frame again from the saved layer, where the photo is gone. None where that can't be done."""
        record = job.worker.store.find(self.key)
        if record is None or Path(record.saved).suffix not in _RESTORABLE or not files.is_file(Path(record.saved)):
            return None
        from ...image import images

        layer = images.read_layer(Path(record.saved))
        size = job.worker.held(_Frames).show(job, self.key, layer, record.made_from)
        return {**dataclasses.asdict(record), "size": size, "notes": [], "outdated": False}

    def _layer_path(self, job: Job, content: str) -> Path:
        """Named after the photo, its content with what is painted on it, and the settings: a new result never takes an
        older one's name."""
        from ...image import images

        chosen = self.settings.output_folder
        try:
            folder = Path(chosen).expanduser() if chosen else job.worker.outputs_folder
        except RuntimeError as error:  # ~ and somebody who isn't there
            raise OutputError("cannot_write", folder=chosen) from error
        name = f"{outputs.shortened(self.image.stem)}-{LayerStore.key(content, self.settings, self.room)[:10]}"
        return folder / (name + images.suffix(self.settings.format))

    def _save(self, job: Job, record: LayerRecord, matte: Matte) -> Answer:
        from ...image import encoders

        store = job.worker.store
        files.write(store.preview_path(record.key), encoders.png(matte.preview()), durable=False)
        saved, saved_mask = outputs.place(Path(record.saved), *matte.files(self.settings))
        record = dataclasses.replace(record, saved=str(saved), mask=str(saved_mask or ""))
        store.save(record)
        store.trim(_FRAMES_LIMIT)
        outdated = job.worker.touch_ups.is_outdated(self.image, matte.digest)
        return {**dataclasses.asdict(record), "notes": to_wire(matte.notes), "outdated": outdated}
