"""What is asked about this computer: its cameras, and a diagnosis."""

from __future__ import annotations

from dataclasses import dataclass

from ... import diagnose
from ...system.cameras import CameraLook
from .job import Answer, Aside, Job


@dataclass
class Cameras(Aside):
    def run(self, job: Job) -> Answer:
        return {"cameras": job.worker.held(CameraLook)()}


@dataclass
class Diagnose(Aside):
    def run(self, job: Job) -> Answer:
        return diagnose.diagnosis(list(job.worker.warnings.lines), job.worker.device)
