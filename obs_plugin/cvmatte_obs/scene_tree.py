"""Whether a source shows a portrait that watches it: what it cuts out would be a picture of itself, again and again."""

from __future__ import annotations

from typing import Callable, Iterable, Mapping


def leads_to(name: str, wanted: str, shown_in: Callable[[str], Iterable[str]], watched: Mapping[str, str]) -> bool:
    """Whether the source of this name shows the wanted one, in scenes, groups and what other portraits watch.

    shown_in: the names of what a scene or a group shows, none of anything else. watched: by the name of each portrait
    that watches a source of OBS, that source's.
    """
    seen: set[str] = set()
    to_look = [name]
    while to_look:
        one = to_look.pop()
        if one == wanted:
            return True
        if one not in seen:
            seen.add(one)
            to_look += [watched[one]] if one in watched else shown_in(one)
    return False
