"""What is declared in schema.json, and whether a request's data is as it says. Standard library only.

JSON schemas are read as far as requests use them: type, properties, required, additionalProperties, minProperties,
enum, minimum, minLength, and references into the same file. Tests read them whole.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Mapping

from cvmatte_core.localization.errors import RequestError

DECLARED: dict[str, Any] = json.loads(Path(__file__).with_name("schema.json").read_text(encoding="utf-8"))
REQUESTS: Mapping[str, Mapping[str, Any]] = DECLARED["requests"]
_TYPES: dict[str, type] = {"object": dict, "string": str, "integer": int, "boolean": bool}


def check(request: str, data: Any) -> None:
    """Raises RequestError where the data isn't what the request takes."""
    wrong = _wrong(data, REQUESTS[request]["request"], "requestData")
    if wrong is not None:
        field, expected = wrong
        raise RequestError("request_field", request=request, field=field, expected=expected)


def _wrong(value: Any, schema: Mapping[str, Any], where: str) -> tuple[str, str] | None:
    """What is wrong, and what it should be; None where nothing is."""
    if "$ref" in schema:
        return _wrong(value, _found(schema["$ref"]), where)
    if "enum" in schema and (value not in schema["enum"] or isinstance(value, bool)):
        return where, " | ".join(map(str, schema["enum"]))
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not any(_is(value, kind) for kind in kinds):
        return where, " | ".join(kinds)
    if isinstance(value, dict):
        return _wrong_in(value, schema, where)
    if len(value) < schema.get("minLength", 0) if isinstance(value, str) else value < schema.get("minimum", value):
        return where, f">= {schema.get('minimum', schema.get('minLength'))}"
    return None


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _wrong_in(value: Mapping[str, Any], schema: Mapping[str, Any], where: str) -> tuple[str, str] | None:
    """Of an object."""
    properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    missing = [name for name in schema.get("required", ()) if name not in value]
    if missing or len(value) < schema.get("minProperties", 0):
        return f"{where}.{missing[0]}" if missing else where, "present"
    for name, one in value.items():
        of_it = properties.get(name, others)
        if of_it is False:
            return f"{where}.{name[:60]}", "absent"
        found = _wrong(one, of_it, f"{where}.{name[:60]}") if isinstance(of_it, dict) else None
        if found is not None:
            return found
    return None


def _found(reference: str) -> Mapping[str, Any]:
    found = DECLARED
    for name in reference.split("/")[1:]:
        found = found[name]
    return found
