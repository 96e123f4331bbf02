"""ModelScope's cache folder: where its client keeps a model, and whether one is whole. Standard library only."""

from __future__ import annotations

import os
from pathlib import Path

_NEEDED = ("configuration.json", "tf_graph.pb")


def folder_of(model: str) -> Path:
    """The folder of a model ("owner/name") in ModelScope's cache; where the client would put it if it isn't there."""
    chosen = os.environ.get("MODELSCOPE_CACHE")
    root = Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "modelscope"
    owner, _, name = model.partition("/")
    places = [
        root / "models" / f"{owner}--{name}" / "snapshots" / "master",
        root / "models" / owner / name,
        root / "hub" / "models" / owner / name,
        root / "hub" / owner / name,
        root / owner / name,
    ]
    return next((place for place in places if is_complete(place)), places[0])


def is_complete(folder: Path) -> bool:
    """Whether a model's folder has all that it is run from: an interrupted download leaves *.incomplete files."""
    return all((folder / name).is_file() for name in _NEEDED) and not any(folder.glob("*.incomplete"))
