"""Frames that OBS took of a source without anybody become a photo of the empty room.

Holds nothing but frame files; started again, it goes on from those, or finds the photo.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from ...filesystem import files
from ...localization.errors import Cancelled
from ...system import memory
from .job import Computation, Job, Steps
from .parameters import Settings, resolved

if TYPE_CHECKING:
    import numpy as np


def _burst(sent: Any) -> list[Path]:
    return [Path(path) for path in sent]


@dataclass(kw_only=True)
class RoomPhotograph(Computation):
    room: Annotated[Path, Path]
    burst: Annotated[list[Path], _burst]
    settings: Settings = field(default_factory=resolved)
    even_so: bool = False

    def steps(self, job: Job) -> Steps:
        yield None
        job.tell("start", 0, 1)
        if job.cancelled.is_set():
            raise Cancelled
        from ...matting import room_photo, still_burst

        if not files.exists(self.room):
            with memory.needed_for(self.room.name):
                photo = room_photo.RoomPhoto()
                for path in self.burst:
                    photo.add(still_burst.pixels(path))
                picture = photo.picture()
                if not self.even_so:
                    room_photo.refuse_somebody(self._alpha(job, picture))
                room_photo.save(self.room, picture)
        still_burst.discard(self.burst)
        return {"room": str(self.room)}

    def _alpha(self, job: Job, picture: np.ndarray) -> np.ndarray:
        from ...image.images import Photo
        from ...matting.matter import Decoded

        decoded = Decoded(self.room.name, "", Photo(picture, None), 0.0)
        return job.worker.matter().see(decoded, self.settings, job.cancelled, job.tell).alpha
