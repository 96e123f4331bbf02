"""What runs inside OBS needs nothing but the standard library, down to Python 3.9."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cvmatte_core.filesystem import paths
from tests.core.test_imports import imports

VERMIN = str(Path(sys.executable).with_name("vermin"))

CORE = paths.ROOT / "cvmatte_core"
ALL_OF = ("child_process", "filesystem", "layers", "localization", "system")  # rooms that are for everybody


@pytest.fixture(scope="module")
def standard_library_only() -> list[Path]:
    """Whatever OBS comes to import, directly or not; whole rooms beside it; and what install.py fetches models by."""
    imported, found = imports(), {path.relative_to(paths.ROOT) for path in (paths.ROOT / "obs_plugin").rglob("*.py")}
    ahead = list(found)
    while ahead:
        new = imported[ahead.pop()] - found
        found |= new
        ahead += new
    rooms = {path for room in ALL_OF for path in (CORE / room).rglob("*.py")}
    return sorted({*(paths.ROOT / path for path in found), *rooms, CORE / "models" / "fetch.py"})


def test_what_obs_imports_is_found(standard_library_only: list[Path]) -> None:
    for name in (
        "live/client",
        "live/shared_frames",
        "worker/client",
        "child_process/child",
        "models/catalogue",
        "settings",
    ):
        assert CORE / f"{name}.py" in standard_library_only
    assert CORE / "matting" / "matter.py" not in standard_library_only


IMPORT_EVERYTHING = """
import sys, types, ctypes, importlib
sys.path[:0] = {folders!r}
sys.modules["obspython"] = obspython = types.ModuleType("obspython")
obspython.__getattr__ = lambda name: 0 if name.startswith("OBS_") else object.__getattribute__(obspython, name)
for library in ("libobs.so.0", "libobs-frontend-api.so.0"):  # OBS itself has them in its process
    ctypes.CDLL(library, mode=ctypes.RTLD_GLOBAL)
for name in {modules!r}:
    importlib.import_module(name)
ours = ("cvmatte", "cvmatte_core", "cvmatte_obs", "obs_python", "obs_setup", "registration", "obspython", "__main__")
foreign = {{name.partition(".")[0] for name in sys.modules}} - set(sys.stdlib_module_names) - set(ours)
sys.exit(f"imported from outside: {{sorted(foreign)}}" if foreign else 0)
"""


def module_name(path_parts: tuple[str, ...]) -> str:
    parts = [part.removesuffix(".py") for part in path_parts if part != "__init__.py"]
    return ".".join(parts[1:] if parts[0] == "obs_plugin" else parts)


@pytest.mark.whole
def test_what_obs_imports_is_the_standard_library_alone(standard_library_only: list[Path]) -> None:
    modules = [module_name(path.relative_to(paths.ROOT).parts) for path in standard_library_only]
    folders = [str(paths.ROOT), str(paths.ROOT / "obs_plugin")]
    program = IMPORT_EVERYTHING.format(folders=folders, modules=modules)
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_obs_imports_runs_on_python_3_9(standard_library_only: list[Path]) -> None:
    command = [VERMIN, "--target=3.9-", "--no-tips", "--violations"]
    # annotations are never evaluated: each module postpones them
    done = subprocess.run([*command, *map(str, standard_library_only)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    for path in standard_library_only:
        text = path.read_text(encoding="utf-8")
        assert "from __future__ import annotations" in text or "def " not in text, path


def test_the_check_for_python_3_9_would_notice(tmp_path: Path) -> None:
    newer = tmp_path / "newer.py"
    newer.write_text("match 1:\n    case 1:\n        pass\n")
    done = subprocess.run([VERMIN, "--target=3.9-", str(newer)], capture_output=True)
    assert done.returncode != 0
