"""Who imports whom: never in a circle, be it of files or of the core's rooms, and nobody above the core from it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from cvmatte_core.filesystem import paths

FOLDERS = ("cvmatte_core", "obs_plugin", "scripts", "tests")
ON_THE_PATH = ("", "obs_plugin", "scripts", "tests")  # as the scripts, OBS and pytest set it
FILES = [
    path.relative_to(paths.ROOT)
    for path in [
        paths.ROOT / "install.py",
        *(path for folder in FOLDERS for path in (paths.ROOT / folder).rglob("*.py")),
    ]
]
MODULES = {
    ".".join(path.relative_to(base).with_suffix("").parts): path
    for base in reversed(ON_THE_PATH)
    for path in FILES
    if path.is_relative_to(base)
}
Graph = dict[str, set[str]]


def imported(program: str, package: list[str]) -> Iterator[str]:
    """Every module, or what is in one, that a program imports, inside its functions too."""
    for node in ast.walk(ast.parse(program)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{name.name}" for name in node.names)


def imports() -> dict[Path, set[Path]]:
    return {
        path: {
            MODULES[module]
            for module in imported((paths.ROOT / path).read_text(encoding="utf-8"), list(path.parts[:-1]))
            if module in MODULES
        }
        for path in FILES
    }


def room_of(path: Path) -> str:
    """The folder in the core that a file is in; the file itself where it is in none."""
    return "/".join(path.parts[: max(2, len(path.parts) - 1)])


def circle(graph: Graph) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_files_import_each_other_in_a_circle() -> None:
    graph = {str(path): {str(other) for other in others} for path, others in imports().items()}
    assert sum(map(len, graph.values())) > len(FILES)  # what there is to see is seen
    assert circle(graph) == []


def test_no_rooms_of_the_core_import_each_other_in_a_circle() -> None:
    graph: Graph = {}
    for path, others in imports().items():
        if path.parts[0] == "cvmatte_core":
            assert all(other.parts[0] == "cvmatte_core" for other in others), path
            graph.setdefault(room_of(path), set()).update({room_of(other) for other in others} - {room_of(path)})
    assert circle(graph) == []


@pytest.mark.parametrize(
    "program",
    [
        "import b",
        "from b import x",
        "def f():\n    import b",
        "from . import b",
        "if TYPE_CHECKING:\n    from .b import x",
    ],
)
def test_a_circle_would_be_noticed(program: str) -> None:
    package = ["p"] if "." in program else []
    name = "p.b" if package else "b"
    assert circle({"a": set(imported(program, package)) & {name}, name: {"a"}})
