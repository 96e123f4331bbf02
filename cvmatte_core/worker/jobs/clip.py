"""A clip becomes a transparent one.

Cancelled, what is done becomes a clip. Where the worker ends, finished parts stay, and the same job goes on from them.
"""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass, field
from pathlib import Path

from ...layers import outputs
from ...localization.errors import Cancelled
from ...localization.notes import to_wire
from ...models.catalogue import needs_packages
from .job import Answer, Aside, Job
from .parameters import PathIfAny, Settings, resolved


@dataclass(kw_only=True)
class ClipCutout(Aside):
    clip: Path
    settings: Settings = field(default_factory=resolved)
    room: PathIfAny = None

    def run(self, job: Job) -> Answer:
        job.tell("clip", 0, 0)
        with needs_packages("clips_need_packages", "video"):
            from ...image import file_types
            from ...matting.room.picture import read_room
            from ...video import checkpoints, clips
        settings = dataclasses.replace(self.settings, background="transparent")
        frames = clips.look_at(self.clip).frames
        room = read_room(self.room) if self.room is not None else None
        digest, behind = (room.digest, room.rgb) if room is not None else ("", None)

        def on_frame(done: int) -> None:
            job.tell("clip", done, max(done, frames))
            if job.worker.is_ending:
                raise Cancelled

        name = f"{outputs.shortened(self.clip.stem)}-cutout{file_types.clip_before('transparent')}"
        to = job.worker.outputs_folder / name
        threads = max(1, (os.cpu_count() or 2) // 2)  # portraits go on beside it
        about = self.clip, to, settings, threads
        with checkpoints.kept_for(self.clip, settings, digest) as kept:
            made = clips.cut_out(*about, on_frame=on_frame, ended=job.cancelled, kept=kept, room=behind)
        return {"path": str(made.path), "frames": made.frames, "whole": made.whole, "notes": to_wire(made.notes)}
