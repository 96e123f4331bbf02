"""What is known to whoever asks from outside, as of the session's last look; and what they are told when it changes.

Values alone, as schema.json has them: a thread of obs-websocket reads one while the session's thread makes the next.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Iterator

from cvmatte_core.localization.errors import CvmatteError
from cvmatte_core.localization.texts import Texts

from .. import controls, libobs, messages, worker_tasks
from ..errands import Errand
from ..portrait import Portrait
from ..session import Session
from ..source_type import SOURCE_TYPE

_LIVE_STATE = "live.state"


@dataclass(frozen=True)
class OfPortrait:
    """says: as in the schema. record: of the layer that it shows, as long as that is whole. still: the path of its last
    one."""

    says: dict[str, Any]
    record: Any = None
    still: str = ""

    @property
    def is_live(self) -> bool:
        return self.says["input"] in controls.LIVE


@dataclass(frozen=True)
class OfErrand:
    """says: as in the schema. run: what is another for each that ends."""

    says: dict[str, Any]
    run: Any = None


@dataclass(frozen=True)
class Told:
    """portraits: by their helpers, which stay where a name is another."""

    portraits: dict[int, OfPortrait] = field(default_factory=dict)
    errands: dict[str, OfErrand] = field(default_factory=dict)

    def portrait_named(self, name: str) -> OfPortrait | None:
        return next((one for one in self.portraits.values() if one.says["name"] == name), None)


def look(session: Session) -> Told:
    """On the session's thread."""
    texts = session.texts
    return Told(
        {portrait.helper: _portrait(portrait, source, texts) for portrait, source in SOURCE_TYPE.living()},
        {errand.kind: _errand(errand, texts) for errand in (session.folder, session.clip)},
    )


def error_of(error: CvmatteError, texts: Texts, input: str = controls.FROM_FILE) -> dict[str, str]:
    """input: the portrait's, of which it is."""
    return {"key": error.key, "sentence": messages.of_error(error, input, texts)}


def _portrait(portrait: Portrait, source: int, texts: Texts) -> OfPortrait:
    says, values, record = portrait.says, portrait.values, portrait.life.record
    told: dict[str, Any] = {
        "name": libobs.source_name(source),
        "input": portrait.input,
        "state": "running" if says.key == _LIVE_STATE else says.key.rpartition(".")[2],
        "sentence": portrait.state.text,
        "frozen": portrait.live.is_frozen,
    }
    if says.error is not None:
        told.update(state="error", error=error_of(says.error, texts, portrait.input))
    if record is None or portrait.life.shown != record.key:
        record = None
    else:
        told["layer"] = dict(zip(("width", "height"), record.size))
    if says.key == _LIVE_STATE:
        told["figures"] = {name: says.values[name] for name in ("rate", "wanted", "lag")}
    return OfPortrait(told, record, values.still if values is not None else "")


def _errand(errand: Errand, texts: Texts) -> OfErrand:
    task = errand.task
    told: dict[str, Any] = {"errand": errand.kind, "state": task.state}
    told.update((name, task.progress[name]) for name in ("done", "total", "name") if name in task.progress)
    if task.error is not None and task.state == worker_tasks.FAILED:
        told["error"] = error_of(task.error, texts)
    return OfErrand(told, task.result if task.error is None else task.error)


def changes(before: Told, now: Told) -> Iterator[tuple[str, dict[str, Any]]]:
    """The events: each one's type and data."""
    for helper, portrait in now.portraits.items():
        yield from _changes_of(before.portraits.get(helper), portrait)
    for kind, errand in now.errands.items():
        former = before.errands.get(kind, errand)
        if errand.says != former.says or errand.run is not former.run:
            yield "ErrandChanged", errand.says


def _changes_of(before: OfPortrait | None, now: OfPortrait) -> Iterator[tuple[str, dict[str, Any]]]:
    portrait: dict[str, Any] = {"portrait": now.says["name"]}
    if now.record is not None and (before is None or now.record is not before.record):
        yield "LayerShown", {**portrait, **now.says["layer"]}
    if before is not None and now.still not in ("", before.still):
        yield "StillTaken", {**portrait, "file": now.still}
    if now.is_live and (before is None or _of_live(now) != _of_live(before)):
        kept = ("state", "sentence", "error", "frozen")
        yield "LiveChanged", {**portrait, **{name: now.says[name] for name in kept if name in now.says}}


def _of_live(told: OfPortrait) -> Any:
    return told.is_live, told.says["state"], told.says.get("error"), told.says["frozen"]
