"""The errors that a person meets: a key of the texts and its values, so that each reads in their language.

Standard library only: they cross from the worker to OBS.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from .texts import Texts


class CvmatteError(Exception):
    """Anything that CVMatte can explain in one sentence: what happened and what to do."""

    def __init__(self, key: str, **values: Any) -> None:
        self.key = key
        self.values = values
        super().__init__(Texts("en")(f"error.{key}", **values))

    def sentence(self, texts: Texts) -> str:
        return texts(f"error.{self.key}", **self.values)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), self.key, **self.values), ()  # so that it crosses to another process as it is


class ImageError(CvmatteError):
    """The input can't be used: missing, damaged, too large, not a picture."""


class SettingsError(CvmatteError):
    """A control has a value that it can't take."""


class ModelError(CvmatteError):
    """A model is missing, damaged, or failed on this picture."""


class OutputError(CvmatteError):
    """A result can't be written: disk full, folder missing or not writable."""


class WorkerError(CvmatteError):
    """The worker process can't be started, or ended before its answer."""


class ClusterError(CvmatteError):
    """The Ray cluster can't be reached, or cuts out no photos, or no more."""


class RequestError(CvmatteError):
    """A request to the web server, or over obs-websocket, can't be served: not allowed, too large, too many at once, or
    nothing is there."""


class Cancelled(CvmatteError):
    """The job was given up on request, before its result was complete."""

    def __init__(self, key: str = "cancelled") -> None:
        super().__init__(key)


class Refused(Exception):
    """Set-up can't go on. The message is already the sentence for the person."""
