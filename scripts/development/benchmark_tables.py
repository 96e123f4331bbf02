"""Tables in Markdown, printed row by row as they are measured."""

from __future__ import annotations

import statistics


def table(title: str, *columns: str) -> None:
    print(f"\n**{title}**\n\n| {' | '.join(columns)} |\n|{' --- |' * len(columns)}", flush=True)


def row(*cells: object) -> None:
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def milliseconds(seconds: list[float]) -> str:
    """The median, and the least and most of several."""
    return _median([second * 1000 for second in seconds], 0, " ms")


def ratio(values: list[float]) -> str:
    return _median(values, 2, "")


def _median(values: list[float], digits: int, unit: str) -> str:
    spread = f" ({min(values):.{digits}f} to {max(values):.{digits}f})" if len(values) > 1 else ""
    return f"{statistics.median(values):.{digits}f}{unit}{spread}"
