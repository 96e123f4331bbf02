"""Writes the reference in docs/automation.md and its twin, from schema.json, which declares what drives CVMatte from
outside. Descriptions are the schema's own, in English on both pages."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "obs_plugin")]

from cvmatte_core.localization.texts import Texts, prepare_console
from cvmatte_core.settings import CONTROLS, Control
from cvmatte_obs.automation.schema import DECLARED, REQUESTS

PAGES = {ROOT / "docs" / "automation.md": "en", ROOT / "docs" / "zh-CN" / "automation.md": "zh-CN"}
BEGIN, END = "<!-- Made by scripts/development/automation_reference.py: -->", "<!-- as far as here. -->"
_ACCEPTED = {"$ref": "#/$defs/accepted"}
_WORDS = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))  # by language


def main() -> int:
    prepare_console()
    argparse.ArgumentParser(description=__doc__).parse_args()
    for page in PAGES:
        page.write_text(renewed(page), encoding="utf-8")
    return 0


def renewed(page: Path) -> str:
    """A page's text with its reference as it has to be. Raises ValueError where the page has no place for it."""
    text = page.read_text(encoding="utf-8")
    before, after = text[: text.index(BEGIN)], text[text.index(END) :]
    return "\n\n".join([before + BEGIN, *Reference(PAGES[page]).parts(), after])


class Reference:
    """In one language."""

    def __init__(self, language: str) -> None:
        self._words, self._texts = _WORDS[language], Texts(language)
        ends = [set(request["errors"]) for request in REQUESTS.values() if "outcome" in request]
        self._of_all = set.intersection(*(set(request["errors"]) for request in REQUESTS.values()))
        self._of_accepted = set.intersection(*ends)

    def parts(self) -> Iterator[str]:
        """Its paragraphs, lists and tables."""
        errors = DECLARED["errors"]
        yield f"## {self._say('requests')}"
        yield self._say("of all", _codes(key for key in errors if key in self._of_all))
        yield self._say("of accepted", _codes(key for key in errors if key in self._of_accepted - self._of_all))
        for name, request in REQUESTS.items():
            yield from self._request(name, request)
        yield f"## {self._say('controls')}"
        yield self._table("control head", [(f"`{one.name}`", self._label(one), self._values(one)) for one in CONTROLS])
        yield f"## {self._say('events')}"
        for name, event in DECLARED["events"].items():
            yield from self._object(name, event)
        yield f"## {self._say('objects')}"
        for name, schema in DECLARED["$defs"].items():
            yield from self._object(name, schema)
        yield f"## {self._say('errors')}"
        yield self._table("error head", [(f"`{key}`", said) for key, said in errors.items()])
        yield self._say("of outcomes", _codes(["nobody_found"]))

    def _request(self, name: str, request: Mapping[str, Any]) -> Iterator[str]:
        yield f"### {name}"
        inputs = [self._say("inputs", _codes(request["inputs"]))] if "inputs" in request else []
        yield _wrapped(" ".join([request["description"], *inputs]))
        for part in ("request", "response", "outcome"):
            schema = request.get(part, _ACCEPTED)
            if schema != _ACCEPTED:
                yield from self._fields(schema, self._say(part)) if schema["properties"] else [self._say(f"no {part}")]
        known = self._of_accepted if "outcome" in request else self._of_all
        errors = {
            "refused": [key for key in request["errors"] if key not in known],
            "fails": request.get("outcomeErrors", []),
        }
        if any(errors.values()):
            yield _wrapped(" ".join(self._say(word, _codes(keys)) for word, keys in errors.items() if keys))

    def _object(self, name: str, schema: Mapping[str, Any]) -> Iterator[str]:
        yield f"### {name}"
        has_fields = "properties" in schema or "oneOf" in schema
        kind = "" if has_fields else f"({self._kind(schema)}) "
        if kind or "description" in schema:
            yield _wrapped(kind + schema.get("description", ""))
        if has_fields:
            yield from self._fields(schema)

    def _fields(self, schema: Mapping[str, Any], *title: str) -> Iterator[str]:
        """Of one that is either of several, what any of them has."""
        yield from title
        either = schema.get("oneOf", [schema])
        names = dict.fromkeys(name for one in either for name in one["properties"])
        yield "\n".join(self._field(name, either) for name in names)

    def _field(self, name: str, either: list[Mapping[str, Any]]) -> str:
        schemas = [one["properties"][name] for one in either if name in one["properties"]]
        what = self._say("or").join(dict.fromkeys(map(self._kind, schemas)))
        if not all(name in one.get("required", ()) for one in either):
            what += f", {self._say('optional')}"
        said = schemas[0].get("description")
        return _wrapped(f"- `{name}` ({what})" + (f": {said}" if said else ""), "  ")

    def _kind(self, schema: Mapping[str, Any]) -> str:
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return f"[`{name}`](#{name.lower()})"
        if "oneOf" in schema:
            return self._say("or").join(map(self._kind, schema["oneOf"]))
        if "const" in schema:
            return _codes([str(schema["const"]).lower()])
        if "enum" in schema:
            return self._say("one of requests") if schema["enum"] == list(REQUESTS) else _codes(schema["enum"])
        if schema["type"] == "array":
            return self._say("list", self._kind(schema["items"]))
        return self._say(schema["type"])

    def _label(self, control: Control) -> str:
        return self._texts(f"control.{control.name}")

    def _values(self, control: Control) -> str:
        if control.kind == "integer":
            return f"{control.minimum}–{control.maximum} {control.unit}".rstrip()
        return _codes(control.choices) or self._say({"switch": "boolean"}.get(control.kind, control.kind))

    def _table(self, head: str, rows: Iterable[tuple[str, ...]]) -> str:
        titles = self._say(head)
        lines = [f"| {' | '.join(row)} |" for row in rows]
        return "\n".join([titles, "| --- " * (titles.count("|") - 1) + "|", *lines])

    def _say(self, word: str, *values: str) -> str:
        return str(self._words[word]).format(*values)


def _codes(names: Iterable[Any]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(text, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


if __name__ == "__main__":
    sys.exit(main())
