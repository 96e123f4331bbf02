"""ModelScope's cache folder: where its client keeps a model, and whether one is whole. Standard library only."""

from __future__ import annotations

import os
from pathlib import Path

from ..filesystem import paths
from ..localization.errors import OutputError

NEEDED = ("configuration.json", "tf_graph.pb")


def root() -> Path:
    """ModelScope's cache folder, which MODELSCOPE_CACHE names."""
    chosen = os.environ.get("MODELSCOPE_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    try:
        return paths.home() / ".cache" / "modelscope"
    except OutputError:
        return paths.data_folder() / "modelscope"  # which may be told


def folder_of(model: str) -> Path:
    """The folder of a model ("owner/name") in ModelScope's cache; where the client would put it if it isn't there."""
    places = _places(model)
    return next((place for place in places if is_complete(place)), places[0])


def is_complete(folder: Path) -> bool:
    """Whether a model's folder has all that it is run from: an interrupted download leaves *.incomplete files."""
    return all((folder / name).is_file() for name in NEEDED) and not any(folder.glob("*.incomplete"))


def folders_to_remove(model: str) -> list[Path]:
    """Every folder that any version of the client keeps something of a model in, and nothing else."""
    newest, *others = _places(model)
    return [folder for folder in (newest.parent.parent, *others) if folder.is_dir()]


def _places(model: str) -> list[Path]:
    """Where the versions of the client put a model, the newest version's first."""
    owner, _, name = model.partition("/")
    return [
        root() / "models" / f"{owner}--{name}" / "snapshots" / "master",
        root() / "models" / owner / name,
        root() / "hub" / "models" / owner / name,
        root() / "hub" / owner / name,
        root() / owner / name,
    ]
