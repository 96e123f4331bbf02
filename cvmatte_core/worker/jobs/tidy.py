"""Saved layers that nobody needs any more are removed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated

from ...layers import outputs
from .job import Answer, Aside, Job
from .matte import PhotoMatte
from .parameters import WholeNumber, texts


@dataclass
class Tidy(Aside):
    keep: WholeNumber
    in_use: Annotated[set[str], lambda sent: set(texts(sent))]

    def run(self, job: Job) -> Answer:
        in_use = self.in_use | {matte.key for matte in job.worker.requests(PhotoMatte)}
        return asdict(outputs.tidy(self.keep, in_use, job.worker.store, lambda: job.tell("tidy", 0, 1)))
