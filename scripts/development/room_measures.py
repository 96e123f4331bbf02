"""Cuts with a photo of the empty room, beside cuts without it, and with a wrong one (see room_scenes.py)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from cvmatte_core.image.images import Photo
from cvmatte_core.matting.raw_matte import Decoded, RawMatte, Stages, see, with_colours
from cvmatte_core.matting.room.picture import Room
from cvmatte_core.models.catalogue import ModelEntry
from cvmatte_core.models.network import Network, Networks
from cvmatte_core.settings import MatteSettings
from development import metrics, room_scenes
from development.measuring import row, table
from development.room_scenes import Scene

COLUMNS = ("MAD", "band", "recomposite", *room_scenes.PARTS)
Figures = dict[str, float]


def print_tables(dataset: Path, split: str, settings: MatteSettings, every: int) -> None:
    """A row for each condition: figures without the room and with it; and with wrong ones. Of every so many scenes."""
    rows: dict[str, list[tuple[Figures, Figures, bool]]] = {}
    networks = _Once()
    for scene in itertools.islice(room_scenes.scenes(dataset, split), 0, None, every):
        without, _ = _measured(scene, None, settings, networks)
        for name, room in scene.rooms.items():
            with_it, is_aside = _measured(scene, room, settings, networks)
            rows.setdefault(row_of(scene.condition, name), []).append((without, with_it, is_aside))
    table(f"The empty room, {split}: without it → with it", "", "scenes", *COLUMNS, "set aside")
    for name, its in rows.items():
        before, after, aside = zip(*its, strict=True)
        row(name, len(its), *cells(before, after, COLUMNS), sum(aside))


def row_of(condition: str, room: str) -> str:
    return f"{condition}; {room} room" if room else condition


def cells(before: Sequence[Figures], after: Sequence[Figures], columns: Sequence[str]) -> list[str]:
    """Means, without the room → with it; "" for a column that is none of theirs."""
    return [
        " → ".join(
            f"{np.mean([figures[column] for figures in side if column in figures]):.1f}" for side in (before, after)
        )
        if any(column in figures for figures in before)
        else ""
        for column in columns
    ]


def figures_of(alpha: np.ndarray, colours: np.ndarray, shot: room_scenes.Shot) -> Figures:
    """Errors in thousandths, what is kept of parts in hundredths. alpha, colours: float32 in 0..1, straight."""
    band = metrics.edge_band(shot.alpha)
    away = np.abs(alpha - shot.alpha)
    shown = metrics.recomposite_error(alpha, colours, shot.alpha, shot.colours)
    errors = {"MAD": 1000 * float(away.mean()), "band": 1000 * float(away[band].mean()), "recomposite": 1000 * shown}
    kept = {name: 100 * float(alpha[part].mean()) for name, part in shot.parts.items() if part.any()}
    return {**errors, **kept}


def _measured(
    scene: Scene, room: np.ndarray | None, settings: MatteSettings, networks: Networks
) -> tuple[Figures, bool]:
    """Its figures; and whether the room was set aside."""
    decoded = Decoded(scene.name, "", Photo(scene.picture, None), 0)
    its_room = Room("", room) if room is not None else None
    raw: RawMatte = with_colours(
        see(decoded, settings.resolved(), (), networks, Stages(), its_room), False, networks.threads, Stages()
    )
    return figures_of(raw.alpha, raw.foreground / 255, scene), bool(raw.notes)


class _Once(Networks):
    """Networks that look at each picture once, whatever else is changed."""

    def __init__(self) -> None:
        super().__init__()
        self._remembering: _Remembering | None = None

    def get(self, entry: ModelEntry) -> Network:
        self._remembering = self._remembering or _Remembering(super().get(entry))
        return self._remembering


class _Remembering:
    fallback = None

    def __init__(self, network: Network) -> None:
        self._network, self.device = network, network.device
        self._last: tuple[np.ndarray | None, np.ndarray] = None, np.zeros(0)

    def __call__(
        self, rgb: np.ndarray, quality: str, on_pass: Callable[[int, int], None], before: Sequence[np.ndarray] = ()
    ) -> np.ndarray:
        if self._last[0] is not rgb:
            self._last = rgb, self._network(rgb, quality, on_pass, before)
        return self._last[1]
