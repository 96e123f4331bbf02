"""The models there are, and the fetching of one. Started again, a fetch begins anew."""

from __future__ import annotations

from dataclasses import dataclass

from ... import diagnose
from ...models.catalogue import AUTO, catalogue, entry_of
from ...models.fetch import fetch
from .job import Answer, Aside, Job


@dataclass
class Models(Aside):
    def run(self, job: Job) -> Answer:
        return {"models": [diagnose.state_of(entry) for entry in catalogue().values()], "auto": entry_of(AUTO).name}


@dataclass
class InstallModel(Aside):
    name: str

    def __post_init__(self) -> None:
        """Raises ModelError."""
        entry_of(self.name)

    def run(self, job: Job) -> Answer:
        fetch(entry_of(self.name), job.tell, job.cancelled)
        return diagnose.state_of(entry_of(self.name))
