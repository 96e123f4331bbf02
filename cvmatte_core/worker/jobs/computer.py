"""What there is on this computer: cameras, models, and layers that nobody needs any more; and a diagnosis of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from ... import diagnose
from ...layers import outputs
from ...localization.errors import CvmatteError
from ...models.catalogue import AUTO, catalogue, entry_of
from ...models.fetch import fetch
from ...system import releases
from ...system.cameras import CameraLook
from .job import Answer, Aside, Job
from .matte import PhotoMatte
from .parameters import Flag, Texts, WholeNumber


@dataclass
class Cameras(Aside):
    def run(self, job: Job) -> Answer:
        return {"cameras": job.worker.held(CameraLook)()}


@dataclass
class Diagnose(Aside):
    newest: Flag = False

    def run(self, job: Job) -> Answer:
        newest = {"newest_version": _newest_version()} if self.newest else {}
        return {**diagnose.diagnosis(list(job.worker.warnings.lines), job.worker.device), **newest}


def _newest_version() -> str:
    try:
        release = releases.newest()
    except CvmatteError as error:
        return str(error)
    return f"{release.version}, {release.url}" if release.is_newer else release.version


@dataclass
class Tidy(Aside):
    keep: WholeNumber
    in_use: Texts

    def run(self, job: Job) -> Answer:
        in_use = {*self.in_use} | {matte.key for matte in job.worker.requests(PhotoMatte)}
        return asdict(outputs.tidy(self.keep, in_use, job.worker.store, lambda: job.tell("tidy", 0, 1)))


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
