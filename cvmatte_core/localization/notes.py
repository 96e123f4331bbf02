"""What a person is told beside a result that is good all the same. Standard library only: it crosses to OBS."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Iterable, Mapping

from .texts import Texts


@dataclass(frozen=True)
class Note:
    """A text's key and its values, so that each reads it in their language."""

    key: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def sentence(self, texts: Texts) -> str:
        return texts(self.key, **self.values)


def sentences(notes: Iterable[Note], texts: Texts) -> str:
    return " ".join(note.sentence(texts) for note in notes)


def to_wire(notes: Iterable[Note]) -> list[Any]:
    return [[note.key, dict(note.values)] for note in notes]


def from_wire(said: Any) -> tuple[Note, ...]:
    return tuple(Note(key, values) for key, values in said)
