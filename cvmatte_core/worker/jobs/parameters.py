"""Reads a request's parameters into a dataclass."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Mapping, Optional, TypeVar, get_type_hints

from ...settings import MatteSettings

_Request = TypeVar("_Request")


def parsed(kind: type[_Request], params: Mapping[str, Any]) -> _Request:
    """A field is read by what its type is annotated with, or else by the type itself; it needn't be sent if it has a
    default. Raises KeyError where one is missing, and what reading one does.
    """
    hints, values = get_type_hints(kind, include_extras=True), {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        is_required = field.default is field.default_factory is dataclasses.MISSING
        if is_required or field.name in params:
            (read,) = getattr(hints[field.name], "__metadata__", (hints[field.name],))
            values[field.name] = read(params[field.name])
    return kind(**values)


def resolved(sent: Any = None) -> MatteSettings:
    return MatteSettings.from_mapping(sent or {}).resolved()


def whole_number(sent: Any) -> int:
    if not is_number(sent) or sent < 0:
        raise ValueError("a whole number, from 0")
    return int(sent)


def texts(sent: Any) -> list[str]:
    if not isinstance(sent, list) or not all(isinstance(text, str) for text in sent):
        raise ValueError("a list of texts")
    return sent


def flag(sent: Any) -> bool:
    if not isinstance(sent, bool):
        raise ValueError("true or false")
    return sent


def is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


Settings = Annotated[MatteSettings, resolved]
WholeNumber = Annotated[int, whole_number]
Flag = Annotated[bool, flag]
Texts = Annotated[list[str], texts]
PathIfAny = Annotated[Optional[Path], lambda sent: Path(sent) if sent else None]
